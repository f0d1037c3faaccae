//! The identity of a schema: the text that the reference registry stores, and the GUID made of it.
//!
//! Two texts that differ in white space or in the order of Avro's attributes are one schema to every client, so they
//! must get one id here too. Not on the path of events: used when a schema is registered or looked up.

mod avro;
mod format;
mod guid;
mod protobuf;
#[cfg(test)]
mod tests;

pub use format::{Format, formatted};
pub use guid::{GuidInput, ReferenceName, guid, guid_of};

use crate::schema_error::{SchemaError, parse_text};
use crate::source::{SchemaType, Source};
use jsonschema::error::ValidationErrorKind;
use serde_json::Value;

/// The text as the reference stores it.
///
/// Avro: attributes in the order in which Java's `Schema.toString` writes them, names as short as they may be, white
/// space gone; `doc`, defaults, aliases and unknown attributes stay. JSON: white space gone, members in their order.
/// Protobuf: comments and white space gone, one thing a line, in the order of kinds.
///
/// # Errors
/// [`SchemaError`] says where the text, or one that it refers to, is not a schema.
pub fn canonical(source: &Source<'_>) -> Result<String, SchemaError> {
    match source.ty {
        SchemaType::Avro => avro::canonical(source.text, source.imports),
        SchemaType::Json => {
            let schema = parse_text(source.text)?;
            check_json_schema(&schema)?;
            Ok(schema.to_string())
        }
        SchemaType::Protobuf => protobuf::canonical(source.text, source.imports),
    }
}

/// The text as the reference stores it when it is asked to normalize: what differs in an order that means nothing is
/// one text. Protobuf: imports, options and fields in order, names full. The other languages: the canonical text.
///
/// # Errors
/// [`SchemaError`] says where the text, or one that it refers to, is not a schema.
pub fn normalized(source: &Source<'_>) -> Result<String, SchemaError> {
    match source.ty {
        SchemaType::Avro | SchemaType::Json => canonical(source),
        SchemaType::Protobuf => protobuf::normalized(source.text, source.imports),
    }
}

/// A JSON Schema must meet the draft that it names. One of a draft that we do not know passes, as with the reference.
fn check_json_schema(schema: &Value) -> Result<(), SchemaError> {
    if !(schema.is_object() || schema.is_boolean()) {
        return Err(SchemaError::invalid(
            "",
            format!("`{schema}` is not a schema"),
        ));
    }
    match jsonschema::meta::validate(schema) {
        Ok(()) => Ok(()),
        Err(error) if matches!(error.kind(), ValidationErrorKind::Referencing(_)) => Ok(()),
        Err(error) => Err(SchemaError::invalid(
            error.instance_path().as_str(),
            error.to_string(),
        )),
    }
}
