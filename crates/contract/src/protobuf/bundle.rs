//! The files that every registry knows: Google's well-known and common types, and Confluent's own.
//!
//! Google's well-known types come with `prost-reflect`. The others stand here as their public definitions without
//! comments and without options, which say nothing about data.
//! Source: <https://github.com/googleapis/googleapis/tree/master/google/type>,
//! <https://github.com/confluentinc/schema-registry/tree/v8.1.1/protobuf-types/src/main/proto/confluent>

use super::ast::File;
use super::{descriptor, parser};
use crate::schema_error::SchemaError;
use prost_reflect::DescriptorPool;
use prost_types::FileDescriptorProto;

macro_rules! bundled {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("bundled/", $name)))),*]
    };
}

const TEXTS: &[(&str, &str)] = bundled![
    "confluent/meta.proto",
    "confluent/type/decimal.proto",
    "google/type/calendar_period.proto",
    "google/type/color.proto",
    "google/type/date.proto",
    "google/type/datetime.proto",
    "google/type/dayofweek.proto",
    "google/type/decimal.proto",
    "google/type/expr.proto",
    "google/type/fraction.proto",
    "google/type/interval.proto",
    "google/type/latlng.proto",
    "google/type/money.proto",
    "google/type/month.proto",
    "google/type/phone_number.proto",
    "google/type/postal_address.proto",
    "google/type/quaternion.proto",
    "google/type/timeofday.proto",
];

const WELL_KNOWN: &[&str] = &[
    "google/protobuf/any.proto",
    "google/protobuf/api.proto",
    "google/protobuf/descriptor.proto",
    "google/protobuf/duration.proto",
    "google/protobuf/empty.proto",
    "google/protobuf/field_mask.proto",
    "google/protobuf/source_context.proto",
    "google/protobuf/struct.proto",
    "google/protobuf/timestamp.proto",
    "google/protobuf/type.proto",
    "google/protobuf/wrappers.proto",
];

/// Whether a file need not be given with a schema that imports it.
pub fn is_bundled(import: &str) -> bool {
    WELL_KNOWN.contains(&import) || text(import).is_some()
}

/// The names of all of them.
#[cfg(test)]
pub(super) fn all() -> impl Iterator<Item = &'static str> {
    TEXTS
        .iter()
        .map(|(name, _)| *name)
        .chain(WELL_KNOWN.iter().copied())
}

/// The text of one that we hold as a text.
pub(super) fn text(import: &str) -> Option<&'static str> {
    let found = TEXTS.iter().find(|(name, _)| *name == import);
    found.map(|(_, text)| *text)
}

/// The descriptor of one that the library holds.
pub(super) fn descriptor(import: &str) -> Option<FileDescriptorProto> {
    let name = WELL_KNOWN.iter().find(|name| **name == import)?;
    let file = DescriptorPool::global().get_file_by_name(name)?;
    Some(file.file_descriptor_proto().clone())
}

/// The tree of one of them.
pub(super) fn file(import: &str) -> Result<Option<File>, SchemaError> {
    if let Some(text) = text(import) {
        return parser::parse(text).map(Some);
    }
    descriptor(import)
        .map(|file| descriptor::to_ast(&file))
        .transpose()
}
