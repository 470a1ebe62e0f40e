//! Output of a command. However the command ends, it prints nothing, text, or exactly one document on
//! standard output.

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
    /// True if a run prints each sample as soon as it is measured.
    streams: bool,
    /// True if a run explains its samples.
    explains: bool,
}

/// A document that a command prints.
pub(crate) trait Report: Serialize {
    /// Adds the error that ended the command early.
    fn set_error(&mut self, error: Option<ErrorRecord>);

    /// Adds and removes the parts that depend on the output settings.
    fn arrange(&mut self, _: &Output) {}

    /// Writes the document as text. For a run that streams, writes the part that is not written yet.
    ///
    /// # Errors
    /// The errors of `output`.
    fn write(&self, output: &mut dyn Write, settings: &Output) -> io::Result<()>;
}

impl Output {
    /// Output in this form, printed at the end.
    pub(crate) fn new(form: Form) -> Output {
        Output { form, verbose: false, streams: false, explains: false }
    }

    /// Output of a command with the flag `-j`.
    pub(crate) fn json_or_text(json: bool) -> Output {
        Output::new(if json { Form::Json } else { Form::Text })
    }

    /// Output of a run with these arguments: text is printed as samples are measured, JSON at the end.
    pub(crate) fn of_run(args: &RunArgs, verbose: bool) -> Output {
        let form = match (args.quiet, args.json) {
            (true, _) => Form::Nothing,
            (false, true) => Form::Json,
            (false, false) => Form::Text,
        };
        Output { form, verbose, streams: true, explains: args.explain }
    }

    /// The same, with all text printed at the end, because a later step adds to each sample.
    #[must_use]
    pub(crate) fn deferred(self) -> Output {
        Output { streams: false, ..self }
    }

    /// The same, with the configuration of a run printed.
    #[must_use]
    pub(crate) fn verbose(self) -> Output {
        Output { verbose: true, ..self }
    }

    /// True if the configuration is printed.
    pub(crate) fn is_verbose(&self) -> bool {
        self.verbose
    }

    /// Prints the configuration of a run.
    ///
    /// # Errors
    /// Standard output was closed.
    pub(crate) fn begin(&self, document: &Document) -> Result<(), Error> {
        self.stream(|output| self.configuration(output, document))
    }

    /// Prints one sample of a run.
    ///
    /// # Errors
    /// Standard output was closed.
    pub(crate) fn sample(&self, sample: &SampleRecord) -> Result<(), Error> {
        self.stream(|output| text::sample(output, sample, self.verbose))
    }

    /// Adds a warning to a document. With text output it is also printed on standard error at once. With `-j`
    /// it is only in the document, because IPython's `!` merges standard error into the JSON.
    pub(crate) fn warn(&self, warnings: &mut Vec<Warning>, warning: Warning) {
        if self.form == Form::Text {
            print_error(&format!("warning: {}", warning.message));
        }
        warnings.push(warning);
    }

    /// Runs a command, which fills in its document, and prints the outcome.
    pub(crate) fn run<D: Report>(
        &self,
        command: impl FnOnce(&mut Option<D>) -> Result<ExitCode, Error>,
    ) -> ExitCode {
        let mut document = None;
        let outcome = command(&mut document);
        self.conclude(document, outcome)
    }

    /// Ends a command: adds its error to its document, prints the document, and prints the error on standard
    /// error. Only this function prints a document, so exactly one is printed, however the command ends. With
    /// `-j`, a command that failed before it had a document prints an empty document of a run.
    pub(crate) fn conclude<D: Report>(
        &self,
        document: Option<D>,
        outcome: Result<ExitCode, Error>,
    ) -> ExitCode {
        let error = outcome.as_ref().err();
        let record = error.map(ErrorRecord::from);
        // Standard output is not written to again after it failed.
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

    /// Prints and flushes, so that no write is pending when the next bracket opens.
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

/// The exit code of an outcome. Prints an error on standard error.
pub(crate) fn exit(outcome: Result<ExitCode, Error>) -> ExitCode {
    outcome.unwrap_or_else(|error| {
        print_error(&error.to_string());
        ExitCode::from(error.exit_code())
    })
}

fn print_error(sentence: &str) {
    // A failure is ignored: if standard error is closed, there is no other place to report it.
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

/// Implements [`Report`] for documents whose text does not depend on the settings.
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
