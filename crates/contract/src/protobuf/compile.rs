//! From trees to descriptors: every name found, every number allowed, every option known.

use super::ast::File;
use super::lexer::Lexer;
use super::load::{Loaded, LoadedFile, Origin, load, within};
use super::names::Names;
use super::{bundle, is_serialized, normal, print};
use crate::schema_error::SchemaError;
use crate::source::Import;
use prost_reflect::{DescriptorError, DescriptorPool, FileDescriptor};
use prost_types::FileDescriptorProto;
use protox_parse::ParseError;
use std::borrow::Cow;

/// A schema whose every name, number and option has been checked, with the descriptors of all its messages.
#[derive(Debug)]
pub struct Schema {
    file: File,
    descriptor: FileDescriptor,
}

impl Schema {
    /// Read a text, or the base64 of a serialized descriptor, with the texts that it imports.
    ///
    /// # Errors
    /// [`SchemaError`] says what is wrong and where: line and column, or the name.
    pub fn parse(text: &str, imports: &[Import<'_>]) -> Result<Self, SchemaError> {
        let mut loaded = load(text, imports)?;
        let descriptor = compile(&loaded)?;
        let main = loaded.files.pop().expect("the schema is among its files");
        Ok(Self {
            file: main.file,
            descriptor,
        })
    }

    /// The descriptor of the schema's own file.
    pub fn descriptor(&self) -> &FileDescriptor {
        &self.descriptor
    }

    /// The descriptor as `protoc` would serialize it, without source positions.
    pub fn serialized(&self) -> Vec<u8> {
        self.descriptor.encode_to_vec()
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }
}

/// Whether the files are valid together.
pub(crate) fn check(loaded: &Loaded<'_>) -> Result<(), SchemaError> {
    compile(loaded).map(drop)
}

/// Longest text whose positions are worked out for a message: the library looks each of them up by going through all.
const MAX_LOCATED: usize = 64 * 1024;

/// Whether descriptors know where in their text everything stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Positions {
    Keep,
    Drop,
}

/// Compile without positions, which is fast; only when something is wrong once more with them, to tell where.
fn compile(loaded: &Loaded<'_>) -> Result<FileDescriptor, SchemaError> {
    let found = compile_with(loaded, Positions::Drop);
    let short = match loaded.files.last() {
        Some(file) => matches!(file.origin, Origin::Given(text) if text.len() <= MAX_LOCATED),
        None => false,
    };
    if found.is_err() && short {
        return compile_with(loaded, Positions::Keep);
    }
    found
}

fn compile_with(loaded: &Loaded<'_>, positions: Positions) -> Result<FileDescriptor, SchemaError> {
    let names = Names::of(loaded);
    let mut pool = DescriptorPool::new();
    let last = loaded.files.len() - 1;
    for (index, file) in loaded.files.iter().enumerate() {
        let here = |error| {
            if index == last {
                error
            } else {
                within(&file.name, error)
            }
        };
        let mut descriptor = descriptor(file, &names).map_err(here)?;
        if positions == Positions::Drop || index != last {
            descriptor.source_code_info = None;
        }
        let added = pool.add_file_descriptor_proto(descriptor);
        added.map_err(|error| here(of_meaning(&error)))?;
    }
    let found = pool.get_file_by_name(&loaded.files[last].name);
    Ok(found.expect("the schema has just been added"))
}

fn descriptor(
    file: &LoadedFile<'_>,
    names: &Names<'_>,
) -> Result<FileDescriptorProto, SchemaError> {
    if file.origin == Origin::Bundled
        && let Some(known) = bundle::descriptor(&file.name)
    {
        return Ok(known);
    }
    // A map whose entries are written out as a message is what the reference makes of descriptors; `protoc`, and the
    // library with it, wants `map`.
    let folded = normal::fold_maps(&file.file, names);
    let text = match (&folded, file.origin) {
        (None, Origin::Given(text)) if !is_serialized(text) => {
            Cow::Borrowed(text.strip_prefix('\u{feff}').unwrap_or(text))
        }
        (None, Origin::Given(_) | Origin::Bundled) => Cow::Owned(print(&file.file)),
        (Some(folded), _) => Cow::Owned(print(folded)),
    };
    protox_parse::parse(&file.name, &text).map_err(|error| of_syntax(&error, &text))
}

fn of_syntax(error: &ParseError, text: &str) -> SchemaError {
    match error.span() {
        Some(span) => Lexer::new(text).error(span.start, error.to_string()),
        None => SchemaError::invalid("", error.to_string()),
    }
}

fn of_meaning(error: &DescriptorError) -> SchemaError {
    let path = match (error.line(), error.column()) {
        (Some(line), Some(column)) => format!("line {} column {}", line + 1, column + 1),
        _ => "#".to_owned(),
    };
    SchemaError::Invalid {
        path,
        problem: error.to_string(),
    }
}
