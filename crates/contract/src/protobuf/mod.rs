//! Protocol Buffers: schemas read and checked with all that they import, and bodies checked against their messages.
//!
//! ```text
//!  text ──lexer──▶ parser ──▶ ast ──print──▶ canonical text
//!  base64 ──────descriptor──────┤
//!                               ├──normal──▶ print: normalized text
//!                               └──load (imports) ──compile──▶ descriptors ──program──▶ check(body)
//!                                                                          └──event──▶ the contract's message
//! ```
//!
//! Two parsers read a text, on purpose. Identity and compatibility are made of the text as written, which a descriptor
//! no longer knows, so the tree is our own; whether the names, numbers and options mean something is judged by
//! `protox-parse` and `prost-reflect`, which follow `protoc`. Nothing is fetched: an import is given with the schema,
//! or is one of those that the reference knows by itself ([`is_bundled`]).
//! Source: <https://protobuf.dev/programming-guides/proto3/>

pub(crate) mod ast;
mod bundle;
mod check;
mod compile;
mod descriptor;
mod event;
mod indexes;
mod leaves;
mod lexer;
mod load;
mod names;
mod normal;
mod parser;
mod print;
mod program;
mod select;
#[cfg(test)]
mod tests;
mod wire;

pub use bundle::is_bundled;
pub use check::{Demands, ProtobufValidator};
pub use compile::Schema;
pub use event::{EventField, ProtobufEvents};
pub use indexes::MessageIndexes;
pub(crate) use leaves::Scalars;
pub use select::Selected;

pub(crate) use compile::{check, derived_json_name};
pub(crate) use event::{to_json, type_name};
pub(crate) use load::{Loaded, load};
pub(crate) use names::{Found, Names, Symbol, join};
pub(crate) use normal::{as_map, map_of, normalized, without_extensions};
pub(crate) use parser::Members;
pub(crate) use print::file as print;

use crate::schema_error::SchemaError;
use ast::File;

/// The tree of a text, which may also be the base64 of a serialized file descriptor.
///
/// # Errors
/// [`SchemaError`] says line, column and what was expected.
pub(crate) fn read(text: &str) -> Result<File, SchemaError> {
    let wrong = match parser::parse(text) {
        Ok(file) => return Ok(file),
        Err(error) => error,
    };
    match descriptor::decode(text) {
        // Through the text, so that no name in a descriptor can hold what no text could.
        Some(file) => parser::parse(&print::file(&descriptor::to_ast(&file)?)),
        None => Err(wrong),
    }
}

/// The files that a text imports, by the names it uses.
///
/// # Errors
/// [`SchemaError`] when it is no schema's text.
pub fn imports(text: &str) -> Result<Vec<String>, SchemaError> {
    read(text).map(|file| file.all_imports().cloned().collect())
}

/// Whether a text is the base64 of a descriptor rather than a schema's text.
pub(crate) fn is_serialized(text: &str) -> bool {
    parser::parse(text).is_err() && descriptor::decode(text).is_some()
}
