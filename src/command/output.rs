//! Output of a command. However the command ends, it prints nothing, text, or exactly one document on
//! standard output.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use serde::Serialize;

use super::stdout::Stdout;
use crate::cli::RunArgs;
use crate::error::{Error, ErrorKind};
use crate::printable;
use crate::report::comparison::Comparison;
use crate::report::document::{Document, ErrorRecord, SampleRecord, Warning};
use crate::report::strategies::Listing;
use crate::report::sweep::SweepDocument;
use crate::report::table::Table;
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
    /// True if the command also writes its result to a file.
    kept: bool,
    /// True if a warning gives the exit code 3.
    strict: bool,
    /// The parts of a sweep's table.
    table: Table,
}

/// Exit code of `--strict` if there is a warning.
const WARNED: u8 = 3;

/// A document that a command prints.
pub(crate) trait Report: Serialize {
    /// Adds the error that ended the command early.
    fn set_error(&mut self, error: Option<ErrorRecord>);

    /// True if the document holds values that took time to measure.
    fn holds_measurements(&self) -> bool;

    /// Warnings about the measurement.
    fn warnings(&self) -> &[Warning] {
        &[]
    }

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
        Output {
            form,
            verbose: false,
            streams: false,
            explains: false,
            kept: false,
            strict: false,
            table: Table::default(),
        }
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
        Output { verbose, streams: true, explains: args.explain, strict: args.strict, ..Output::new(form) }
    }

    /// The same, with all text printed at the end, because a later step adds to each sample.
    #[must_use]
    pub(crate) fn deferred(self) -> Output {
        Output { streams: false, ..self }
    }

    /// The same, for a command that writes its result to a file if `kept`.
    #[must_use]
    pub(crate) fn kept(self, kept: bool) -> Output {
        Output { kept, ..self }
    }

    /// The same, with the exit code 3 after a warning if `strict`.
    #[must_use]
    pub(crate) fn strict(self, strict: bool) -> Output {
        Output { strict, ..self }
    }

    /// The same, with these parts of a sweep's table.
    #[must_use]
    pub(crate) fn table(self, table: Table) -> Output {
        Output { table, ..self }
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
    /// `-j`, a command that failed before it had a document prints an empty document of a run. A document
    /// that cannot be printed is saved to a temporary file.
    pub(crate) fn conclude<D: Report>(
        &self,
        document: Option<D>,
        outcome: Result<ExitCode, Error>,
    ) -> ExitCode {
        let record = outcome.as_ref().err().map(ErrorRecord::from);
        let Some(mut document) = document else {
            let empty = record.is_some() && self.form == Form::Json;
            let printed =
                if empty { self.print(&Document { error: record, ..Document::default() }) } else { Ok(()) };
            return exit(outcome.and_then(|code| printed.map(|()| code)));
        };
        document.set_error(record);
        document.arrange(self);
        // Standard output is not written to again after it failed.
        let stream_failed = outcome.as_ref().is_err_and(|error| error.kind() == ErrorKind::Output);
        let printed = if stream_failed { Ok(()) } else { self.print(&document) };
        let is_lost = stream_failed || printed.is_err();
        let warned = self.strict && !document.warnings().is_empty();
        let outcome = outcome.map(|code| if warned { ExitCode::from(WARNED) } else { code });
        let outcome = outcome.and_then(|code| printed.map(|()| code));
        if is_lost && !self.kept && document.holds_measurements() {
            return exit(outcome.map_err(|error| error.with_consequence(rescue(&document))));
        }
        exit(outcome)
    }

    fn print(&self, document: &impl Report) -> Result<(), Error> {
        match self.form {
            Form::Nothing => Ok(()),
            Form::Json => json::write(&mut Stdout, document),
            Form::Text | Form::Csv => print(|output| document.write(output, self)),
        }
    }

    /// Prints at once, so that no write is pending when the next bracket opens.
    fn stream(&self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Error> {
        if self.form != Form::Text || !self.streams {
            return Ok(());
        }
        print(write)
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

/// Prints text on standard output.
fn print(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Error> {
    let mut text = Vec::new();
    let written = write(&mut text);
    let text = String::from_utf8_lossy(&text);
    let safe = printable::lines(&text);
    written.and_then(|()| Stdout.write_all(safe.as_bytes())).map_err(Error::output)
}

/// Saves a document that could not be printed, and names the file: a clause.
fn rescue(document: &impl Report) -> String {
    let save = || -> io::Result<PathBuf> {
        let mut builder = tempfile::Builder::new();
        let mut file = builder.prefix("iobench-result-").suffix(".json").tempfile()?;
        json::write(&mut file, document).map_err(|_| io::ErrorKind::StorageFull)?;
        file.keep().map(|(_, path)| path).map_err(|error| error.error)
    };
    match save() {
        Ok(path) => format!("the whole result is in {}", path.display()),
        Err(error) => format!("it could not be saved to a temporary file either: {error}"),
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
    let _ = writeln!(io::stderr(), "iobench: {}", printable::line(sentence));
}

impl Report for Document {
    fn set_error(&mut self, error: Option<ErrorRecord>) {
        self.error = error;
    }

    fn holds_measurements(&self) -> bool {
        !self.benchmark_samples.is_empty()
    }

    fn warnings(&self) -> &[Warning] {
        &self.warnings
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

    fn holds_measurements(&self) -> bool {
        self.runs.iter().any(|run| !run.benchmark_samples.is_empty())
    }

    fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    fn write(&self, output: &mut dyn Write, settings: &Output) -> io::Result<()> {
        if settings.form == Form::Csv {
            csv::write(output, self)
        } else {
            table::write(output, self, settings.table)
        }
    }
}

/// Implements [`Report`] for documents whose text does not depend on the settings.
macro_rules! report {
    ($($document:ty => $holds_measurements:expr),*) => {$(
        impl Report for $document {
            fn set_error(&mut self, error: Option<ErrorRecord>) {
                self.error = error;
            }

            fn holds_measurements(&self) -> bool {
                let holds_measurements: fn(&$document) -> bool = $holds_measurements;
                holds_measurements(self)
            }

            fn warnings(&self) -> &[Warning] {
                &self.warnings
            }

            fn write(&self, output: &mut dyn Write, _: &Output) -> io::Result<()> {
                <$document>::write(self, output)
            }
        }
    )*};
}

report!(
    Comparison => |comparison| !comparison.points.is_empty(),
    Listing => |_| false,
    Marking => |marking| !marking.strategies.is_empty()
);
