//! From trees to descriptors: every name found, every number allowed, every option known.

use super::ast::File;
use super::indexes::MessageIndexes;
use super::lexer::Lexer;
use super::load::{Loaded, LoadedFile, Origin, load, within};
use super::names::{Names, join};
use super::{bundle, is_serialized, normal, print};
use crate::schema_error::SchemaError;
use crate::source::Import;
use prost::Message;
use prost_reflect::{
    DescriptorError, DescriptorPool, DynamicMessage, FileDescriptor, MessageDescriptor, Value,
};
use prost_types::FileDescriptorProto;
use protox_parse::ParseError;
use std::borrow::Cow;
use std::fmt;

/// A schema whose every name, number and option has been checked, with the descriptors of all its messages.
pub struct Schema {
    file: File,
    descriptor: FileDescriptor,
}

impl fmt::Debug for Schema {
    /// The library's descriptors print each other without end where a message holds itself.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schema")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
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

    /// The descriptor as the reference serializes it: without source positions, and without the names in JSON that
    /// follow from the fields' own, which the library fills in.
    pub fn serialized(&self) -> Vec<u8> {
        let bytes = self.descriptor.encode_to_vec();
        let known =
            DescriptorPool::global().get_message_by_name("google.protobuf.FileDescriptorProto");
        let known = known.expect("the library knows descriptors");
        // As a dynamic message, which keeps the values of custom options.
        let Ok(mut file) = DynamicMessage::decode(known, bytes.as_slice()) else {
            return bytes;
        };
        drop_json_names(&mut file);
        file.encode_to_vec()
    }

    /// The descriptor of the message at that place of the file.
    pub fn message(&self, indexes: &MessageIndexes) -> Option<MessageDescriptor> {
        let mut messages = &self.file.messages;
        let mut name = self.file.package().to_owned();
        for index in indexes.as_slice() {
            let message = messages.get(*index as usize)?;
            name = join(&name, &message.name);
            messages = &message.messages;
        }
        self.descriptor.parent_pool().get_message_by_name(&name)
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }
}

fn drop_json_names(message: &mut DynamicMessage) {
    for list in ["field", "extension", "message_type", "nested_type"] {
        let Some(Value::List(items)) = message.get_field_by_name_mut(list) else {
            continue;
        };
        for item in items.iter_mut().filter_map(Value::as_message_mut) {
            if matches!(list, "message_type" | "nested_type") {
                drop_json_names(item);
                continue;
            }
            let text = |name: &str| Some(item.get_field_by_name(name)?.as_str()?.to_owned());
            if let (Some(name), Some(json_name)) = (text("name"), text("json_name"))
                && derived_json_name(&name) == json_name
            {
                item.clear_field_by_name("json_name");
            }
        }
    }
}

/// The name in JSON that follows from a field's own.
pub(crate) fn derived_json_name(name: &str) -> String {
    let mut json = String::with_capacity(name.len());
    let mut upper = false;
    for c in name.chars() {
        match c {
            '_' => upper = true,
            _ if upper => {
                json.push(c.to_ascii_uppercase());
                upper = false;
            }
            _ => json.push(c),
        }
    }
    json
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
    names.check_extensions()?;
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
