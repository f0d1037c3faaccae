//! The events of a contract in Protobuf: which message of the file they are, checked and shown.
//!
//! A contract's file may hold many messages and its events are one of them: the one that the contract's schema object
//! names, or the only one there is. An event says which message it is by the numbers in front of it
//! ([`MessageIndexes`]); another message of the same file is no event of the port, however well it decodes.

use super::{Demands, MessageIndexes, ProtobufValidator, Scalars, Schema, Selected, program};
use crate::leaf::Leaves;
use crate::schema_error::SchemaError;
use crate::settings::{LogicalTypes, Treatment};
use crate::source::Imported;
use crate::spec::Encoding;
use crate::validator;
use crate::verdict::{Code, Reason};
use prost_reflect::{Cardinality, DynamicMessage, Kind, MessageDescriptor, SerializeOptions};
use serde_json::Value;
use std::collections::BTreeSet;

/// Most messages named in an error.
const MAX_NAMED: usize = 8;

/// Deepest nesting of messages whose fields are listed.
const MAX_LISTED: usize = 16;

/// A field of the events, for people to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventField {
    /// Name with the names above it; `[]` marks the elements of a repeated field.
    pub path: String,
    /// Type as written.
    pub kind: String,
    /// Whether an event without it is refused.
    pub required: bool,
    /// Whether an event without it differs from one in which it has its default.
    pub presence: bool,
}

/// Judge and reader of a contract's events.
#[derive(Debug)]
pub struct ProtobufEvents {
    validator: ProtobufValidator,
    indexes: MessageIndexes,
    descriptor: MessageDescriptor,
}

impl ProtobufEvents {
    /// Compile a file whose events are the message that `named` means: by its full name, its name without the
    /// package, or that name as the contract writes it (`order-placed` for `OrderPlaced`). Where the file has one
    /// message at its top, that one is meant whatever the name.
    ///
    /// # Errors
    /// [`SchemaError`]: the text is no schema, has no message, or has several and the name is none of theirs.
    pub fn compile(text: &str, named: &str) -> Result<Self, SchemaError> {
        let demands = Demands {
            required: &[],
            logical: LogicalTypes::Ignore,
        };
        let schema = validator::Schema::new(Encoding::Protobuf, text, named);
        Self::compile_with(&schema, &demands)
    }

    /// The same of a file that imports others, for events of which more is asked than the language says.
    ///
    /// # Errors
    /// As [`Self::compile`]; a file that is imported and not there.
    pub fn compile_with(
        source: &validator::Schema<'_>,
        demands: &Demands<'_>,
    ) -> Result<Self, SchemaError> {
        let schema = Schema::parse(source.text, &Imported::borrow(source.imports))?;
        let (indexes, descriptor) = chosen(&schema, source.record)?;
        let asked = (descriptor.full_name(), demands);
        Ok(Self {
            validator: ProtobufValidator::compile_with(&schema, Treatment::Refuse, asked),
            indexes,
            descriptor,
        })
    }

    /// The message's full name.
    pub fn message(&self) -> &str {
        self.descriptor.full_name()
    }

    /// The message's name without the package.
    pub fn local_name(&self) -> &str {
        let name = self.message();
        let rest = name.strip_prefix(self.descriptor.package_name());
        rest.unwrap_or(name).trim_start_matches('.')
    }

    /// The message's place in its file.
    pub fn indexes(&self) -> &MessageIndexes {
        &self.indexes
    }

    pub(crate) fn descriptor(&self) -> &MessageDescriptor {
        &self.descriptor
    }

    /// Check what follows the schema's id. `header` holds the indexes where the id stands in a header.
    ///
    /// # Errors
    /// Every reason against it.
    pub fn check(&self, header: Option<&[u8]>, body: &[u8]) -> Result<(), Vec<Reason>> {
        let message = self.unframed(header, body)?;
        self.validator.check_message(&self.indexes, message)
    }

    /// The event as JSON: fields by their names in the file, numbers as numbers, fields without a value left out where
    /// the language tells that from a default, else with it.
    ///
    /// # Errors
    /// Every reason against it, as [`Self::check`].
    pub fn decode_json(&self, header: Option<&[u8]>, body: &[u8]) -> Result<Value, Vec<Reason>> {
        let message = self.unframed(header, body)?;
        self.validator.check_message(&self.indexes, message)?;
        let shown = DynamicMessage::decode(self.descriptor.clone(), message)
            .map_err(|error| error.to_string())
            .and_then(|message| to_json(&message));
        shown.map_err(|error| {
            vec![Reason::new(
                Code::Undecodable,
                "",
                self.message(),
                &error.to_string(),
            )]
        })
    }

    /// The part of an event that holds these members; `None` where it has to be decoded as a whole.
    pub fn select(&self, members: Option<&BTreeSet<String>>) -> Option<Selected> {
        Selected::of(&self.descriptor, members?)
    }

    /// Check what follows the schema's id, and decode the selected part as [`Self::decode_json`] shows it.
    ///
    /// # Errors
    /// Every reason against it, as [`Self::check`].
    pub fn decode_selected(
        &self,
        header: Option<&[u8]>,
        body: &[u8],
        selected: Option<&Selected>,
    ) -> Result<Value, Vec<Reason>> {
        let Some(selected) = selected else {
            return self.decode_json(header, body);
        };
        let message = self.unframed(header, body)?;
        self.validator.check_message(&self.indexes, message)?;
        let shown = selected.decode(message).and_then(|part| to_json(&part));
        shown.map_err(|error| vec![Reason::new(Code::Undecodable, "", self.message(), &error)])
    }

    /// The fields of these names, where all of them are scalars that can be read alone.
    pub(crate) fn scalars(&self, members: Option<&BTreeSet<String>>) -> Option<Scalars> {
        Scalars::of(&self.descriptor, members?)
    }

    /// These fields of an event that is well; `None` says nothing.
    pub(crate) fn leaves<'a>(
        &self,
        header: Option<&'a [u8]>,
        body: &'a [u8],
        scalars: &'a Scalars,
    ) -> Option<Leaves<'a>> {
        let message = self.unframed(header, body).ok()?;
        let checked = self.validator.check_message(&self.indexes, message);
        checked.ok()?;
        scalars.read(message)
    }

    fn unframed<'a>(
        &self,
        header: Option<&'a [u8]>,
        body: &'a [u8],
    ) -> Result<&'a [u8], Vec<Reason>> {
        let (indexes, rest) =
            MessageIndexes::decode(header.unwrap_or(body)).map_err(|reason| vec![reason])?;
        let message = match header {
            None => rest,
            Some(_) if rest.is_empty() => body,
            Some(_) => {
                let expected = "a GUID and the indexes of a message in the header, no more";
                let found = format!("{} more bytes", rest.len());
                return Err(vec![Reason::new(Code::NotFramed, "", expected, &found)]);
            }
        };
        if indexes == self.indexes {
            return Ok(message);
        }
        let expected = format!(
            "the message {}, indexes {:?}",
            self.message(),
            self.indexes.as_slice()
        );
        let found = format!("the indexes {:?}", indexes.as_slice());
        Err(vec![Reason::new(Code::WrongType, "", expected, &found)])
    }

    /// The events' fields, in the order of their numbers, each followed by those within it.
    pub fn fields(&self) -> Vec<EventField> {
        let mut fields = Vec::new();
        list("", &self.descriptor, &mut Vec::new(), &mut fields);
        fields
    }
}

/// A message in JSON as events are shown.
pub(crate) fn to_json(message: &DynamicMessage) -> Result<Value, String> {
    let options = SerializeOptions::new()
        .stringify_64_bit_integers(false)
        .use_proto_field_name(true)
        .skip_default_fields(false);
    message
        .serialize_with_options(serde_json::value::Serializer, &options)
        .map_err(|error| error.to_string())
}

fn chosen(
    schema: &Schema,
    named: &str,
) -> Result<(MessageIndexes, MessageDescriptor), SchemaError> {
    let places = program::places(schema);
    let package = schema.file().package();
    let without = |message: &MessageDescriptor| {
        let name = message.full_name();
        let rest = name.strip_prefix(package).unwrap_or(name);
        rest.trim_start_matches('.').to_owned()
    };
    let tops = || places.iter().filter(|(path, _)| path.len() == 1);
    let pascal = crate::schema::pascal_case(named);
    let meant = |name: &dyn Fn(&MessageDescriptor) -> bool| {
        places.iter().find(|(_, message)| name(message))
    };
    let found = meant(&|message| message.full_name() == named)
        .or_else(|| meant(&|message| without(message) == named))
        .or_else(|| meant(&|message| without(message) == pascal))
        .or_else(|| {
            let mut tops = tops();
            tops.next().filter(|_| tops.next().is_none())
        });
    if let Some((path, message)) = found {
        let indexes = MessageIndexes::new(path)
            .ok_or_else(|| SchemaError::invalid("", "the message is nested too deep"))?;
        return Ok((indexes, message.clone()));
    }
    let names: Vec<String> = tops().map(|(_, message)| without(message)).collect();
    let problem = match names.len() {
        0 => "the file has no message, so there is nothing that events could be".to_owned(),
        count => {
            let mut shown = names[..count.min(MAX_NAMED)].join(", ");
            if count > MAX_NAMED {
                shown.push_str(", …");
            }
            format!(
                "the file has {count} messages and `{named}` is none of them: set the schema object's `name` to the \
                 one that events are: {shown}"
            )
        }
    };
    Err(SchemaError::invalid("", problem))
}

fn list(
    above: &str,
    message: &MessageDescriptor,
    open: &mut Vec<String>,
    fields: &mut Vec<EventField>,
) {
    // A message within itself is listed once.
    if open.len() >= MAX_LISTED || open.iter().any(|name| name == message.full_name()) {
        return;
    }
    open.push(message.full_name().to_owned());
    let mut own: Vec<_> = message.fields().collect();
    own.sort_by_key(|field| field.number());
    for field in own {
        let path = format!("{above}{}", field.name());
        fields.push(EventField {
            path: path.clone(),
            kind: type_name(&field),
            required: field.cardinality() == Cardinality::Required,
            presence: field.supports_presence(),
        });
        if let (Kind::Message(inner), false) = (field.kind(), field.is_map())
            && !inner.full_name().starts_with("google.protobuf.")
        {
            let marker = if field.is_list() { "[]." } else { "." };
            list(&format!("{path}{marker}"), &inner, open, fields);
        }
    }
    open.pop();
}

/// A field's type as written in a schema.
pub(crate) fn type_name(field: &prost_reflect::FieldDescriptor) -> String {
    if let (true, Kind::Message(entry)) = (field.is_map(), field.kind()) {
        let side = |field: prost_reflect::FieldDescriptor| kind_name(&field.kind());
        let (key, value) = (entry.map_entry_key_field(), entry.map_entry_value_field());
        return format!("map<{}, {}>", side(key), side(value));
    }
    let kind = kind_name(&field.kind());
    if field.is_list() {
        format!("repeated {kind}")
    } else {
        kind
    }
}

fn kind_name(kind: &Kind) -> String {
    match kind {
        Kind::Message(message) => message.full_name().to_owned(),
        Kind::Enum(found) => found.full_name().to_owned(),
        Kind::Double => "double".to_owned(),
        Kind::Float => "float".to_owned(),
        Kind::Int32 => "int32".to_owned(),
        Kind::Int64 => "int64".to_owned(),
        Kind::Uint32 => "uint32".to_owned(),
        Kind::Uint64 => "uint64".to_owned(),
        Kind::Sint32 => "sint32".to_owned(),
        Kind::Sint64 => "sint64".to_owned(),
        Kind::Fixed32 => "fixed32".to_owned(),
        Kind::Fixed64 => "fixed64".to_owned(),
        Kind::Sfixed32 => "sfixed32".to_owned(),
        Kind::Sfixed64 => "sfixed64".to_owned(),
        Kind::Bool => "bool".to_owned(),
        Kind::String => "string".to_owned(),
        Kind::Bytes => "bytes".to_owned(),
    }
}
