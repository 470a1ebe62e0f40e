//! Standard output of a run: nothing, the lab's text as it comes, or one JSON document at the end.

use std::io::{self, Write};

use super::request;
use crate::cli::RunArgs;
use crate::error::Error;
use crate::report::document::{Document, ErrorRecord, SampleRecord};
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
    /// Whether everything is printed at the end, because something is still to be added to it.
    deferred: bool,
}

impl Output {
    /// Output of a run with these arguments, as it comes.
    pub fn new(args: &RunArgs) -> Output {
        let form = match (args.quiet, args.json) {
            (true, _) => Form::Nothing,
            (false, true) => Form::Json,
            (false, false) => Form::Text,
        };
        Output { form, verbose: request::is_verbose(args), deferred: false }
    }

    /// The same, all of it at the end.
    pub fn deferred(args: &RunArgs) -> Output {
        Output { deferred: true, ..Output::new(args) }
    }

    /// The configuration blocks.
    ///
    /// # Errors
    /// [`Error::Output`] if the reader is gone.
    pub fn begin(&self, document: &Document) -> Result<(), Error> {
        if self.deferred {
            return Ok(());
        }
        self.text(|output| self.configuration(output, document))
    }

    /// One sample.
    ///
    /// # Errors
    /// [`Error::Output`] if the reader is gone.
    pub fn sample(&self, sample: &SampleRecord) -> Result<(), Error> {
        if self.deferred {
            return Ok(());
        }
        self.text(|output| text::sample(output, sample, self.verbose))
    }

    /// What comes at the end: the rest of the text, or the whole document.
    ///
    /// # Errors
    /// [`Error::Output`] if the reader is gone.
    pub fn end(&self, document: Document) -> Result<(), Error> {
        if self.form == Form::Json {
            let printed = if self.verbose { document } else { document.without_configuration() };
            return json::write(&mut io::stdout().lock(), &printed);
        }
        self.text(|output| {
            if self.deferred {
                self.configuration(output, &document)?;
                for sample in &document.benchmark_samples {
                    text::sample(output, sample, self.verbose)?;
                }
            }
            text::conclusion(output, &document)
        })
    }

    fn configuration(&self, output: &mut impl Write, document: &Document) -> io::Result<()> {
        if !self.verbose {
            return Ok(());
        }
        if let Some(configuration) = &document.host_configuration {
            text::host(output, configuration)?;
        }
        document.benchmark_configuration.as_ref().map_or(Ok(()), |it| text::benchmark(output, it))
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

/// The document of a run that did not begin. That it cannot be written changes nothing: the
/// error itself is what ends the program.
pub fn print_error(error: &Error) {
    let document = Document { error: Some(ErrorRecord::new(error)), ..Document::default() };
    let _ = json::write(&mut io::stdout().lock(), &document);
}
