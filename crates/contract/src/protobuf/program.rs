//! The compiled form of a schema's messages that the walk runs: the fields of a message side by side, by number.

use super::Schema;
use prost_reflect::{Cardinality, FieldDescriptor, Kind, MessageDescriptor};
use std::collections::BTreeMap;

/// What to read next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    Varint,
    Fixed32,
    Fixed64,
    Bytes,
    Text,
    /// Indexes of the program's messages.
    Message(u32),
    Group(u32),
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
}

/// Gives every message its index before its fields are compiled, so that recursive ones find theirs.
#[derive(Default)]
struct Compiler {
    places: BTreeMap<String, u32>,
    open: Vec<MessageDescriptor>,
}

impl Program {
    /// Compile `roots` and what stands in them; the roots have the first indexes.
    pub(super) fn compile(roots: &[MessageDescriptor]) -> Self {
        let mut compiler = Compiler::default();
        for root in roots {
            compiler.place(root);
        }
        let mut messages = Vec::new();
        while let Some(message) = compiler.open.get(messages.len()).cloned() {
            messages.push(compiler.message(&message));
        }
        Self { messages }
    }
}

impl Compiler {
    fn place(&mut self, message: &MessageDescriptor) -> u32 {
        if let Some(&place) = self.places.get(message.full_name()) {
            return place;
        }
        // Bounded by the limits of schemas, far below.
        let place = u32::try_from(self.open.len()).unwrap_or(u32::MAX);
        self.places.insert(message.full_name().to_owned(), place);
        self.open.push(message.clone());
        place
    }

    fn message(&mut self, message: &MessageDescriptor) -> Message {
        let mut bit = 1u128;
        let fields = message.fields().map(|field| {
            let mut required = 0;
            if field.cardinality() == Cardinality::Required {
                required = bit;
                bit <<= 1;
            }
            Field {
                required,
                ..self.field(&field)
            }
        });
        let mut fields: Box<[Field]> = fields.collect();
        fields.sort_by_key(|field| field.number);
        Message {
            required: fields.iter().fold(0, |bits, field| bits | field.required),
            fields,
        }
    }

    fn field(&mut self, field: &FieldDescriptor) -> Field {
        let kind = field.kind();
        let name = |name: &str| name.to_owned();
        let (op, ty) = match &kind {
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
            Kind::Enum(found) => (Op::Varint, name(found.full_name())),
            Kind::String => (Op::Text, name("string")),
            Kind::Bytes => (Op::Bytes, name("bytes")),
            Kind::Message(message) => {
                let place = self.place(message);
                let op = if field.is_group() {
                    Op::Group(place)
                } else {
                    Op::Message(place)
                };
                (op, name(message.full_name()))
            }
        };
        Field {
            number: field.number(),
            op,
            repeated: field.is_list(),
            required: 0,
            name: field.name().to_owned(),
            ty,
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
