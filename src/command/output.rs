//! Standard output of a command: nothing, text, or one document, however the command ends.

use std::io::{self, Write};
use std::process::ExitCode;

use serde::Serialize;

use crate::cli::RunArgs;
use crate::error::{Error, ErrorKind};
use crate::report::comparison::Comparison;
use crate::report::document::{Document, ErrorRecord, SampleRecord, Warning};
use crate::report::strategies::Listing;
use crate::report::sweep::SweepDocument;
use crate::report::{csv, explain, json, table, text};
use crate::selftest::table::Marking;

/// The form of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// `-q`.
    Nothing,
    /// Text for people.
    Text,
    /// `-j`.
    Json,
    /// `--csv`.
    Csv,
}

/// Standard output in one form.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    form: Form,
    /// True if a run prints its configuration.
    verbose: bool,
    /// True if a run prints its samples as they come.
    streams: bool,
    /// True if a run explains its samples.
    explains: bool,
}

/// A document that a command prints.
pub(crate) trait Report: Serialize {
    /// Adds what ended the command early.
    fn set_error(&mut self, error: Option<ErrorRecord>);

    /// Adds or leaves out what the output asks for.
    fn arrange(&mut self, _: &Output) {}

    /// Writes the document for people; of a run that streams, what is left to be written.
    ///
    /// # Errors
    /// Those of `output`.
    fn write(&self, output: &mut dyn Write, settings: &Output) -> io::Result<()>;
}

impl Output {
    /// Output in this form, at the end.
    pub(crate) fn new(form: Form) -> Output {
        Output { form, verbose: false, streams: false, explains: false }
    }

    /// Output of a command with the flag `-j`.
    pub(crate) fn json_or_text(json: bool) -> Output {
        Output::new(if json { Form::Json } else { Form::Text })
    }

    /// Output of a run with these arguments: text as it comes, JSON at the end.
    pub(crate) fn of_run(args: &RunArgs, verbose: bool) -> Output {
        let form = match (args.quiet, args.json) {
            (true, _) => Form::Nothing,
            (false, true) => Form::Json,
            (false, false) => Form::Text,
        };
        Output { form, verbose, streams: true, explains: args.explain }
    }

    /// The same, with all text at the end, because something is still to be added to each sample.
    #[must_use]
    pub(crate) fn deferred(self) -> Output {
        Output { streams: false, ..self }
    }

    /// The same, with the configuration of a run.
    #[must_use]
    pub(crate) fn verbose(self) -> Output {
        Output { verbose: true, ..self }
    }

    /// True if the configuration is printed.
    pub(crate) fn is_verbose(&self) -> bool {
        self.verbose
    }

    /// The configuration blocks of a run.
    ///
    /// # Errors
    /// Standard output was closed.
    pub(crate) fn begin(&self, document: &Document) -> Result<(), Error> {
        self.stream(|output| self.configuration(output, document))
    }

    /// One sample of a run.
    ///
    /// # Errors
    /// Standard output was closed.
    pub(crate) fn sample(&self, sample: &SampleRecord) -> Result<(), Error> {
        self.stream(|output| text::sample(output, sample, self.verbose))
    }

    /// Adds a warning to a document. In text it is one sentence on standard error, at once; with `-j` it stands in the
    /// document only, because IPython's `!` merges standard error into the JSON.
    pub(crate) fn warn(&self, warnings: &mut Vec<Warning>, warning: Warning) {
        if self.form == Form::Text {
            complain(&format!("warning: {}", warning.message));
        }
        warnings.push(warning);
    }

    /// Runs a command, which fills in its document, and concludes it.
    pub(crate) fn concluded<D: Report>(
        &self,
        command: impl FnOnce(&mut Option<D>) -> Result<ExitCode, Error>,
    ) -> ExitCode {
        let mut document = None;
        let outcome = command(&mut document);
        self.conclude(document, outcome)
    }

    /// Ends a command: adds its error to its document, prints the document, and says the error on standard error. This
    /// is the only place that prints a document, so there is exactly one, however the command ends. A command that
    /// failed before it had one prints an empty document of a run with `-j`.
    pub(crate) fn conclude<D: Report>(
        &self,
        document: Option<D>,
        outcome: Result<ExitCode, Error>,
    ) -> ExitCode {
        let error = outcome.as_ref().err();
        let record = error.map(ErrorRecord::from);
        // Output that failed once is not tried again.
        let output_failed = error.is_some_and(|error| error.kind() == ErrorKind::Output);
        let printed = match document {
            _ if output_failed => Ok(()),
            Some(mut document) => {
                document.set_error(record);
                document.arrange(self);
                self.print(&document)
            }
            None if record.is_some() && self.form == Form::Json => {
                self.print(&Document { error: record, ..Document::default() })
            }
            None => Ok(()),
        };
        exit(outcome.and_then(|code| printed.map(|()| code)))
    }

    fn print(&self, document: &impl Report) -> Result<(), Error> {
        let mut output = io::stdout().lock();
        match self.form {
            Form::Nothing => Ok(()),
            Form::Json => json::write(&mut output, document),
            Form::Text | Form::Csv => {
                document.write(&mut output, self).and_then(|()| output.flush()).map_err(Error::output)
            }
        }
    }

    /// Flushed at once: nothing may be left to be written when a bracket opens.
    fn stream(&self, print: impl FnOnce(&mut io::StdoutLock) -> io::Result<()>) -> Result<(), Error> {
        if self.form != Form::Text || !self.streams {
            return Ok(());
        }
        let mut output = io::stdout().lock();
        print(&mut output).and_then(|()| output.flush()).map_err(Error::output)
    }

    fn configuration(&self, output: &mut dyn Write, document: &Document) -> io::Result<()> {
        if !self.verbose {
            return Ok(());
        }
        if let Some(configuration) = &document.host_configuration {
            text::host(output, configuration)?;
        }
        document.benchmark_configuration.as_ref().map_or(Ok(()), |it| text::benchmark(output, it))
    }
}

/// The exit code of an outcome; an error is said on standard error.
pub(crate) fn exit(outcome: Result<ExitCode, Error>) -> ExitCode {
    outcome.unwrap_or_else(|error| {
        complain(&error.to_string());
        ExitCode::from(error.exit_code())
    })
}

fn complain(sentence: &str) {
    // Where standard error is closed there is nobody to complain to.
    let _ = writeln!(io::stderr(), "iobench: {sentence}");
}

impl Report for Document {
    fn set_error(&mut self, error: Option<ErrorRecord>) {
        self.error = error;
    }

    fn arrange(&mut self, output: &Output) {
        self.explanation = output.explains.then(|| explain::sentences(self));
        if !output.verbose && output.form == Form::Json {
            *self = std::mem::take(self).without_configuration();
        }
    }

    fn write(&self, output: &mut dyn Write, settings: &Output) -> io::Result<()> {
        if !settings.streams {
            settings.configuration(output, self)?;
            for sample in &self.benchmark_samples {
                text::sample(output, sample, settings.verbose)?;
            }
        }
        text::conclusion(output, self)
    }
}

impl Report for SweepDocument {
    fn set_error(&mut self, error: Option<ErrorRecord>) {
        self.error = error;
    }

    fn write(&self, output: &mut dyn Write, settings: &Output) -> io::Result<()> {
        if settings.form == Form::Csv { csv::write(output, self) } else { table::write(output, self) }
    }
}

/// A document whose text needs no settings.
macro_rules! report {
    ($($document:ty),*) => {$(
        impl Report for $document {
            fn set_error(&mut self, error: Option<ErrorRecord>) {
                self.error = error;
            }

            fn write(&self, output: &mut dyn Write, _: &Output) -> io::Result<()> {
                <$document>::write(self, output)
            }
        }
    )*};
}

report!(Comparison, Listing, Marking);
