//! A schema as its author gave it: the language, the text, and the texts that it refers to.
//!
//! What every question about schemas is asked of: what is its canonical form ([`mod@crate::canonical`]), and may it
//! follow another ([`crate::compat`]).

use crate::schema_error::SchemaError;
use std::fmt;

/// The language that a schema is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SchemaType {
    /// Apache Avro.
    Avro,
    /// JSON Schema.
    Json,
    /// Protocol Buffers.
    Protobuf,
}

impl SchemaType {
    /// As written in registry requests.
    pub fn as_str(self) -> &'static str {
        match self {
            SchemaType::Avro => "AVRO",
            SchemaType::Json => "JSON",
            SchemaType::Protobuf => "PROTOBUF",
        }
    }
}

impl fmt::Display for SchemaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that a schema refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Import<'a> {
    /// What the schema calls it: the path of an `import` (Protobuf), the URI of a `$ref` (JSON). Avro knows a type by
    /// its full name, which the text itself says.
    pub name: &'a str,
    /// The text, in the same language.
    pub text: &'a str,
}

/// An [`Import`] that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// What the schema calls it.
    pub name: String,
    /// The path of its file, as a document's files are named.
    pub file: String,
    /// The text.
    pub text: String,
}

impl Imported {
    /// The same, borrowed.
    pub fn borrow(all: &[Self]) -> Vec<Import<'_>> {
        let borrow = |one| {
            let Imported { name, text, .. }: &Imported = one;
            Import { name, text }
        };
        all.iter().map(borrow).collect()
    }
}

/// Most bytes of all texts that a schema refers to: they are read with it each time, and 8 MB of them within a second.
/// Above any real schema's; a registry must not take more.
pub const MAX_IMPORTED_BYTES: usize = 8_000_000;

/// A schema, with all that its text refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source<'a> {
    /// The language.
    pub ty: SchemaType,
    /// The text.
    pub text: &'a str,
    /// The texts that it refers to, directly or not, each after those that it needs itself.
    pub imports: &'a [Import<'a>],
}

impl<'a> Source<'a> {
    /// A schema that refers to no other.
    pub fn new(ty: SchemaType, text: &'a str) -> Self {
        Self {
            ty,
            text,
            imports: &[],
        }
    }

    /// Refuse imports whose texts are too large together.
    ///
    /// # Errors
    /// [`SchemaError::TooLarge`] above [`MAX_IMPORTED_BYTES`].
    pub(crate) fn check_imports(imports: &[Import<'_>]) -> Result<(), SchemaError> {
        let found = imports.iter().map(|import| import.text.len()).sum();
        if found <= MAX_IMPORTED_BYTES {
            return Ok(());
        }
        Err(SchemaError::TooLarge {
            found,
            limit: MAX_IMPORTED_BYTES,
            unit: "bytes of imports",
        })
    }
}
