//! The compiled form of a schema's messages that the walk runs: the fields of a message side by side, by number.

use super::Schema;
use crate::settings::{LogicalTypes, Treatment};
use prost_reflect::{
    Cardinality, EnumDescriptor, ExtensionDescriptor, FieldDescriptor, Kind, MessageDescriptor,
    Syntax,
};
use std::collections::BTreeMap;

/// What to read next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    Varint,
    /// A closed enumeration: an index of the program's.
    Enum(u32),
    Fixed32,
    Fixed64,
    Bytes,
    Text,
    /// Indexes of the program's messages.
    Message(u32),
    /// A message of two numbers, seconds and nanoseconds, that must lie within bounds.
    Bounded(u32, Bounds),
    Group(u32),
}

/// What a well-known message of seconds and nanoseconds may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bounds {
    /// `google.protobuf.Timestamp`: the years 1 to 9999.
    Timestamp,
    /// `google.protobuf.Duration`: 10,000 years either way, both numbers of one sign.
    Duration,
}

impl Bounds {
    fn of(message: &str) -> Option<Self> {
        match message {
            "google.protobuf.Timestamp" => Some(Self::Timestamp),
            "google.protobuf.Duration" => Some(Self::Duration),
            _ => None,
        }
    }

    /// Source: <https://protobuf.dev/reference/protobuf/google.protobuf/>
    pub(super) fn allow(self, seconds: i64, nanos: i64) -> bool {
        match self {
            Self::Timestamp => {
                (-62_135_596_800..=253_402_300_799).contains(&seconds)
                    && (0..=999_999_999).contains(&nanos)
            }
            Self::Duration => {
                (-315_576_000_000..=315_576_000_000).contains(&seconds)
                    && (-999_999_999..=999_999_999).contains(&nanos)
                    && (seconds == 0 || nanos == 0 || (seconds < 0) == (nanos < 0))
            }
        }
    }

    pub(super) fn describe(self) -> &'static str {
        match self {
            Self::Timestamp => {
                "google.protobuf.Timestamp: the years 1 to 9999, nanos from 0 to 999,999,999"
            }
            Self::Duration => {
                "google.protobuf.Duration: at most 315,576,000,000 s either way, nanos below a second and of the same sign"
            }
        }
    }
}

/// A field of a message.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) number: u32,
    pub(super) op: Op,
    pub(super) repeated: bool,
    /// The field's bit among the required ones.
    pub(super) required: u128,
    pub(super) name: String,
    pub(super) ty: String,
}

/// A message's fields, by number.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) name: String,
    pub(super) fields: Box<[Field]>,
    /// The bits of all required fields; those after the 128th are not checked, which no message has.
    pub(super) required: u128,
}

impl Message {
    /// The place of the field with that number, looked for first around where the last one was.
    #[inline]
    pub(super) fn find(&self, number: u32, near: usize) -> Option<usize> {
        for place in [near, near + 1] {
            if self
                .fields
                .get(place)
                .is_some_and(|field| field.number == number)
            {
                return Some(place);
            }
        }
        self.fields
            .binary_search_by_key(&number, |field| field.number)
            .ok()
    }
}

/// The messages of a schema and all that stand in them.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) messages: Vec<Message>,
    /// The numbers of each closed enumeration, sorted.
    pub(super) enums: Vec<Box<[i32]>>,
    /// What is done with a field that a message does not have.
    pub(super) unknown: Treatment,
}

/// A message that events are or hold, and its fields that must be there although the language does not say so: by
/// name, by path for those further within.
#[derive(Debug, Clone)]
pub(super) struct Root {
    pub(super) message: MessageDescriptor,
    pub(super) required: Vec<String>,
}

/// Gives every message its index before its fields are compiled, so that recursive ones find theirs. A message of which
/// more is asked in one place than in another is two.
struct Compiler {
    places: BTreeMap<(String, Vec<String>), u32>,
    open: Vec<Root>,
    logical: LogicalTypes,
    enum_places: BTreeMap<String, u32>,
    enums: Vec<Box<[i32]>>,
}

impl Program {
    /// Compile `roots` and what stands in them; the roots have the first indexes.
    pub(super) fn compile(roots: Vec<Root>, unknown: Treatment, logical: LogicalTypes) -> Self {
        let mut compiler = Compiler {
            places: BTreeMap::new(),
            open: Vec::new(),
            logical,
            enum_places: BTreeMap::new(),
            enums: Vec::new(),
        };
        for root in roots {
            compiler.place(root);
        }
        let mut messages = Vec::new();
        while let Some(root) = compiler.open.get(messages.len()).cloned() {
            messages.push(compiler.message(&root));
        }
        Self {
            messages,
            enums: compiler.enums,
            unknown,
        }
    }
}

/// A field that does not have to be there.
fn numbered(number: u32, repeated: bool, name: &str, (op, ty): (Op, String)) -> Field {
    Field {
        number,
        op,
        repeated,
        required: 0,
        name: name.to_owned(),
        ty,
    }
}

impl Compiler {
    fn place(&mut self, root: Root) -> u32 {
        let name = (root.message.full_name().to_owned(), root.required.clone());
        if let Some(&place) = self.places.get(&name) {
            return place;
        }
        // Bounded by the limits of schemas, far below.
        let place = u32::try_from(self.open.len()).unwrap_or(u32::MAX);
        self.places.insert(name, place);
        self.open.push(root);
        place
    }

    fn message(&mut self, Root { message, required }: &Root) -> Message {
        let mut bit = 1u128;
        let mut fields: Vec<Field> = Vec::new();
        for field in message.fields() {
            let mut compiled = self.field(&field, required);
            let asked = required.iter().any(|path| path == field.name());
            if field.cardinality() == Cardinality::Required || (asked && field.supports_presence())
            {
                compiled.required = bit;
                bit <<= 1;
            }
            fields.push(compiled);
        }
        // What the schema's files extend the message with is known too.
        fields.extend(message.extensions().map(|field| self.extension(&field)));
        fields.sort_by_key(|field| field.number);
        Message {
            name: message.full_name().to_owned(),
            required: fields.iter().fold(0, |bits, field| bits | field.required),
            fields: fields.into(),
        }
    }

    fn field(&mut self, field: &FieldDescriptor, required: &[String]) -> Field {
        let within = required.iter().filter_map(|path| {
            let rest = path.strip_prefix(field.name())?;
            let rest = rest.strip_prefix("[]").unwrap_or(rest);
            rest.strip_prefix('.').map(str::to_owned)
        });
        let compiled = self.op(&field.kind(), field.is_group(), within.collect());
        numbered(field.number(), field.is_list(), field.name(), compiled)
    }

    fn extension(&mut self, field: &ExtensionDescriptor) -> Field {
        let compiled = self.op(&field.kind(), field.is_group(), Vec::new());
        numbered(field.number(), field.is_list(), field.full_name(), compiled)
    }

    /// Only an enumeration of proto2 is closed: a reader puts other numbers aside.
    fn symbols(&mut self, found: &EnumDescriptor) -> Op {
        if found.parent_file().syntax() == Syntax::Proto3 {
            return Op::Varint;
        }
        if let Some(&place) = self.enum_places.get(found.full_name()) {
            return Op::Enum(place);
        }
        let place = u32::try_from(self.enums.len()).unwrap_or(u32::MAX);
        let mut numbers: Vec<i32> = found.values().map(|value| value.number()).collect();
        numbers.sort_unstable();
        self.enums.push(numbers.into());
        self.enum_places.insert(found.full_name().to_owned(), place);
        Op::Enum(place)
    }

    fn op(&mut self, kind: &Kind, group: bool, required: Vec<String>) -> (Op, String) {
        let name = |name: &str| name.to_owned();
        match kind {
            Kind::Double => (Op::Fixed64, name("double")),
            Kind::Fixed64 => (Op::Fixed64, name("fixed64")),
            Kind::Sfixed64 => (Op::Fixed64, name("sfixed64")),
            Kind::Float => (Op::Fixed32, name("float")),
            Kind::Fixed32 => (Op::Fixed32, name("fixed32")),
            Kind::Sfixed32 => (Op::Fixed32, name("sfixed32")),
            Kind::Int32 => (Op::Varint, name("int32")),
            Kind::Int64 => (Op::Varint, name("int64")),
            Kind::Uint32 => (Op::Varint, name("uint32")),
            Kind::Uint64 => (Op::Varint, name("uint64")),
            Kind::Sint32 => (Op::Varint, name("sint32")),
            Kind::Sint64 => (Op::Varint, name("sint64")),
            Kind::Bool => (Op::Varint, name("bool")),
            Kind::Enum(found) => (self.symbols(found), name(found.full_name())),
            Kind::String => (Op::Text, name("string")),
            Kind::Bytes => (Op::Bytes, name("bytes")),
            Kind::Message(message) => {
                let bounds = Bounds::of(message.full_name());
                let bounds = bounds.filter(|_| self.logical == LogicalTypes::Check);
                let place = self.place(Root {
                    message: message.clone(),
                    required,
                });
                let op = match bounds {
                    _ if group => Op::Group(place),
                    Some(bounds) => Op::Bounded(place, bounds),
                    None => Op::Message(place),
                };
                (op, name(message.full_name()))
            }
        }
    }
}

/// Every message of a schema's own file, with its place there.
pub(super) fn places(schema: &Schema) -> Vec<(Vec<u32>, MessageDescriptor)> {
    fn collect(
        schema: &Schema,
        scope: &str,
        messages: &[super::ast::Message],
        (path, found): (&mut Vec<u32>, &mut Vec<(Vec<u32>, MessageDescriptor)>),
    ) {
        for (index, message) in (0u32..).zip(messages) {
            path.push(index);
            let name = super::join(scope, &message.name);
            if let Some(descriptor) = schema.descriptor().parent_pool().get_message_by_name(&name) {
                found.push((path.clone(), descriptor));
            }
            collect(schema, &name, &message.messages, (path, found));
            path.pop();
        }
    }
    let mut found = Vec::new();
    let file = schema.file();
    collect(
        schema,
        file.package(),
        &file.messages,
        (&mut Vec::new(), &mut found),
    );
    found
}
