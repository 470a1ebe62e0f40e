//! Standard output of a run: nothing, the lab's text as it comes, or one JSON document at the end.

use std::io::{self, Write};

use crate::error::Error;
use crate::report::document::{Document, SampleRecord};
use crate::report::{json, text};

/// The form of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `-q`.
    Nothing,
    /// The lab's text.
    Text,
    /// `-j`.
    Json,
}

/// Standard output in one form.
#[derive(Debug)]
pub struct Output {
    form: Form,
    verbose: bool,
}

impl Output {
    /// Output in this form; `verbose` adds iobench's own lines to the text.
    pub fn new(form: Form, verbose: bool) -> Output {
        Output { form, verbose }
    }

    /// The configuration blocks, as far as the document has them.
    ///
    /// # Errors
    /// [`Error::Output`] if the reader is gone.
    pub fn begin(&self, document: &Document) -> Result<(), Error> {
        self.text(|output| {
            if let Some(configuration) = &document.host_configuration {
                text::host(output, configuration)?;
            }
            if let Some(configuration) = &document.benchmark_configuration {
                text::benchmark(output, configuration)?;
            }
            Ok(())
        })
    }

    /// One sample.
    ///
    /// # Errors
    /// [`Error::Output`] if the reader is gone.
    pub fn sample(&self, sample: &SampleRecord) -> Result<(), Error> {
        self.text(|output| text::sample(output, sample, self.verbose))
    }

    /// The whole document.
    ///
    /// # Errors
    /// [`Error::Output`] if the reader is gone.
    pub fn end(&self, document: &Document) -> Result<(), Error> {
        match self.form {
            Form::Json => json::write(&mut io::stdout().lock(), document),
            _ => Ok(()),
        }
    }

    /// One sentence on standard error; nothing with `-q`.
    pub fn warn(&self, sentence: &str) {
        if self.form != Form::Nothing {
            complain(&format!("warning: {sentence}"));
        }
    }

    /// Flushed at once: nothing may be left to be written when a bracket opens.
    fn text(&self, print: impl FnOnce(&mut io::StdoutLock) -> io::Result<()>) -> Result<(), Error> {
        if self.form != Form::Text {
            return Ok(());
        }
        let mut output = io::stdout().lock();
        print(&mut output).and_then(|()| output.flush()).map_err(Error::Output)
    }
}

/// A line on standard error. That it cannot be written is no reason to stop.
pub fn complain(sentence: &str) {
    let _ = writeln!(io::stderr(), "iobench: {sentence}");
}
