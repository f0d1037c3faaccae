//! The identity of a schema: the text that the reference registry stores, and the GUID made of it.
//!
//! Two texts that differ in white space or in the order of Avro's attributes are one schema to every client, so they
//! must get one id here too. Not on the path of events: used when a schema is registered or looked up.

mod avro;
mod format;
mod guid;
mod json;
mod normal;
mod protobuf;
#[cfg(test)]
mod tests;

pub use format::{Format, formatted};
pub use guid::{GuidInput, ReferenceName, guid, guid_of};

use crate::schema_error::SchemaError;
use crate::source::{SchemaType, Source};

/// The text as the reference stores it.
///
/// Avro: attributes in the order in which Java's `Schema.toString` writes them, names as short as they may be, white
/// space gone; `doc`, defaults, aliases and unknown attributes stay. JSON: white space gone, members in
/// their order; every reference in it must name something. Protobuf: comments and white space gone, one thing
/// a line, in the order of kinds.
///
/// # Errors
/// [`SchemaError`] says where the text, or one that it refers to, is not a schema.
pub fn canonical(source: &Source<'_>) -> Result<String, SchemaError> {
    match source.ty {
        SchemaType::Avro => avro::canonical(source.text, source.imports),
        SchemaType::Json => json::text(source, json::Order::Kept),
        SchemaType::Protobuf => protobuf::canonical(source.text, source.imports),
    }
}

/// The text as the reference stores it when asked to normalize: one for all schemas that differ in form only.
///
/// Avro: attributes that Avro does not know, and aliases, sorted. JSON: members sorted.
/// Protobuf: imports, options and fields in order, names full.
///
/// # Errors
/// [`SchemaError`] says where the text, or one that it refers to, is not a schema.
pub fn normalized(source: &Source<'_>) -> Result<String, SchemaError> {
    match source.ty {
        SchemaType::Avro => normal::normalized(source.text, source.imports),
        SchemaType::Json => json::text(source, json::Order::Sorted),
        SchemaType::Protobuf => protobuf::normalized(source.text, source.imports),
    }
}
