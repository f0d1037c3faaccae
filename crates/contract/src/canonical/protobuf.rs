//! Protobuf: the text of the tree, as the reference prints it.

use crate::protobuf::{self, Schema};
use crate::schema_error::SchemaError;
use crate::source::Import;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

pub(super) fn canonical(text: &str, imports: &[Import<'_>]) -> Result<String, SchemaError> {
    let loaded = protobuf::load(text, imports)?;
    protobuf::check(&loaded)?;
    Ok(protobuf::print(loaded.main()))
}

/// Names full, everything in the order of its number or name.
pub(super) fn normalized(text: &str, imports: &[Import<'_>]) -> Result<String, SchemaError> {
    let loaded = protobuf::load(text, imports)?;
    protobuf::check(&loaded)?;
    let normal = protobuf::print(&protobuf::normalized(&loaded));
    // proto2 is not written, unless the text says nothing else: what is stored must be a schema again
    Ok(if normal.is_empty() {
        protobuf::print(loaded.main())
    } else {
        normal
    })
}

/// The base64 of the serialized descriptor.
pub(super) fn serialized(text: &str, imports: &[Import<'_>]) -> Result<String, SchemaError> {
    Ok(STANDARD.encode(Schema::parse(text, imports)?.serialized()))
}

/// Without extensions and without what they say in options.
pub(super) fn without_extensions(
    text: &str,
    imports: &[Import<'_>],
) -> Result<String, SchemaError> {
    let loaded = protobuf::load(text, imports)?;
    protobuf::check(&loaded)?;
    Ok(protobuf::print(&protobuf::without_extensions(
        loaded.main(),
    )))
}
