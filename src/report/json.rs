//! Documents as JSON.

use std::io::Write;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde::Serialize;

use crate::error::Error;

/// Writes `document` and a newline, and flushes.
///
/// # Errors
/// Standard output was closed.
pub fn write(output: &mut impl Write, document: &impl Serialize) -> Result<(), Error> {
    let text = serde_json::to_string_pretty(document).map_err(|error| Error::output(error.into()))?;
    writeln!(output, "{text}").and_then(|()| output.flush()).map_err(Error::output)
}

/// The JSON Schema (2020-12) of a type in its serialized form.
pub fn schema<T: JsonSchema>() -> Schema {
    SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>()
}
