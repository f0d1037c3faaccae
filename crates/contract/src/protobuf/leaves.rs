//! The scalar fields of a message that rules read, taken from its bytes as [`super::event::to_json`] would show them.

use super::select::is_separable;
use super::wire::{Cursor, Form, low, skip};
use crate::leaf::{Leaf, Leaves};
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use std::collections::BTreeSet;

/// The enumeration that JSON shows as null.
const NULL: &str = "google.protobuf.NullValue";

/// Fields of a message, each a scalar that stands alone.
#[derive(Debug)]
pub(crate) struct Scalars(Vec<Scalar>);

#[derive(Debug)]
struct Scalar {
    name: String,
    number: u32,
    kind: Type,
    /// What an event without it shows, where it differs from no event without it.
    default: Option<Leaf<'static>>,
}

/// The types whose values JSON has as they are.
#[derive(Debug)]
enum Type {
    Bool,
    Int32,
    Int64,
    Uint32,
    Uint64,
    Sint32,
    Sint64,
    Fixed32,
    Fixed64,
    Sfixed32,
    Sfixed64,
    Float,
    Double,
    Text,
    /// Symbols by their numbers, sorted.
    Enum(Vec<(i32, String)>),
}

impl Scalars {
    /// The fields of these names; `None` where one of them is no scalar, or shares a `oneof` with others, or where the message
    /// has to be decoded as a whole. Names that the message does not have are never there.
    pub(super) fn of(message: &MessageDescriptor, names: &BTreeSet<String>) -> Option<Self> {
        if !is_separable(message, names) {
            return None;
        }
        let named = message
            .fields()
            .filter(|field| names.contains(field.name()));
        named
            .map(|field| Scalar::of(&field))
            .collect::<Option<_>>()
            .map(Self)
    }

    /// The fields of a message that has passed the walk; `None` where one has no form here.
    pub(super) fn read<'a>(&'a self, message: &'a [u8]) -> Option<Leaves<'a>> {
        let mut leaves = Leaves::with_capacity(self.0.len());
        let cursor = &mut Cursor::new(message);
        while !cursor.rest().is_empty() {
            let (number, form) = cursor.tag().ok()?;
            match self.0.iter().find(|field| field.number == number) {
                // Of a field that is written twice the last counts.
                Some(field) => leaves.set(&field.name, field.kind.read(cursor, form)?),
                None => skip(cursor, number, form, 0).ok()?,
            }
        }
        for field in &self.0 {
            if let (Some(default), None) = (&field.default, leaves.get(&field.name)) {
                leaves.add(&field.name, default.clone());
            }
        }
        Some(leaves)
    }
}

impl Scalar {
    fn of(field: &FieldDescriptor) -> Option<Self> {
        let shared = field
            .containing_oneof()
            .is_some_and(|oneof| oneof.fields().len() > 1);
        if field.is_list() || field.is_map() || shared {
            return None;
        }
        let kind = Type::of(&field.kind())?;
        let default = (!field.supports_presence()).then(|| kind.default());
        Some(Self {
            name: field.name().to_owned(),
            number: field.number(),
            default,
            kind,
        })
    }
}

impl Type {
    fn of(kind: &Kind) -> Option<Self> {
        Some(match kind {
            Kind::Bool => Self::Bool,
            Kind::Int32 => Self::Int32,
            Kind::Int64 => Self::Int64,
            Kind::Uint32 => Self::Uint32,
            Kind::Uint64 => Self::Uint64,
            Kind::Sint32 => Self::Sint32,
            Kind::Sint64 => Self::Sint64,
            Kind::Fixed32 => Self::Fixed32,
            Kind::Fixed64 => Self::Fixed64,
            Kind::Sfixed32 => Self::Sfixed32,
            Kind::Sfixed64 => Self::Sfixed64,
            Kind::Float => Self::Float,
            Kind::Double => Self::Double,
            Kind::String => Self::Text,
            Kind::Enum(symbols) if symbols.full_name() != NULL => {
                let numbers: BTreeSet<i32> = symbols.values().map(|value| value.number()).collect();
                let named = |number| Some((number, symbols.get_value(number)?.name().to_owned()));
                Self::Enum(numbers.into_iter().filter_map(named).collect())
            }
            // Shown in base64, or with parts.
            Kind::Bytes | Kind::Message(_) | Kind::Enum(_) => return None,
        })
    }

    /// The value of a field that is not written. Only an open enumeration has one, and that begins with 0.
    fn default(&self) -> Leaf<'static> {
        match self {
            Self::Bool => Leaf::Truth(false),
            Self::Float | Self::Double => Leaf::Double(0.0),
            Self::Text => Leaf::text(""),
            Self::Enum(symbols) => {
                let zero = symbols.iter().find(|(number, _)| *number == 0);
                zero.map_or(Leaf::Int(0), |(_, name)| Leaf::Text(name.clone().into()))
            }
            Self::Int32
            | Self::Int64
            | Self::Uint32
            | Self::Uint64
            | Self::Sint32
            | Self::Sint64
            | Self::Fixed32
            | Self::Fixed64
            | Self::Sfixed32
            | Self::Sfixed64 => Leaf::Int(0),
        }
    }

    /// The value that comes next.
    fn read<'a>(&'a self, cursor: &mut Cursor<'a>, form: Form) -> Option<Leaf<'a>> {
        let varint = |cursor: &mut Cursor<'a>| cursor.varint().ok();
        let large = |number: u64| i64::try_from(number).ok().map(Leaf::Int);
        // The walk saw to the forms; this reads nothing by another than its type's.
        match (self, form) {
            (Self::Bool, Form::Varint) => Some(Leaf::Truth(varint(cursor)? != 0)),
            (Self::Int32, Form::Varint) => {
                let number = low(varint(cursor)?.cast_signed());
                Some(Leaf::Int(i64::from(number)))
            }
            (Self::Int64, Form::Varint) => Some(Leaf::Int(varint(cursor)?.cast_signed())),
            (Self::Uint32, Form::Varint) => {
                let number = low(varint(cursor)?.cast_signed()).cast_unsigned();
                Some(Leaf::Int(i64::from(number)))
            }
            (Self::Uint64, Form::Varint) => large(varint(cursor)?),
            (Self::Sint32, Form::Varint) => {
                let coded = low(varint(cursor)?.cast_signed()).cast_unsigned();
                let number = (coded >> 1).cast_signed() ^ -((coded & 1).cast_signed());
                Some(Leaf::Int(i64::from(number)))
            }
            (Self::Sint64, Form::Varint) => {
                let coded = varint(cursor)?;
                let number = (coded >> 1).cast_signed() ^ -((coded & 1).cast_signed());
                Some(Leaf::Int(number))
            }
            (Self::Enum(symbols), Form::Varint) => {
                let number = low(varint(cursor)?.cast_signed());
                let found = symbols.binary_search_by_key(&number, |(number, _)| *number);
                Some(match found.ok().and_then(|at| symbols.get(at)) {
                    Some((_, name)) => Leaf::text(name),
                    None => Leaf::Int(i64::from(number)),
                })
            }
            (Self::Fixed32, Form::Fixed32) => {
                let number = u32::from_le_bytes(array(cursor)?);
                Some(Leaf::Int(i64::from(number)))
            }
            (Self::Sfixed32, Form::Fixed32) => {
                let number = i32::from_le_bytes(array(cursor)?);
                Some(Leaf::Int(i64::from(number)))
            }
            (Self::Fixed64, Form::Fixed64) => large(u64::from_le_bytes(array(cursor)?)),
            (Self::Sfixed64, Form::Fixed64) => Some(Leaf::Int(i64::from_le_bytes(array(cursor)?))),
            (Self::Float, Form::Fixed32) => real(f64::from(f32::from_le_bytes(array(cursor)?))),
            (Self::Double, Form::Fixed64) => real(f64::from_le_bytes(array(cursor)?)),
            (Self::Text, Form::Length) => {
                let text = std::str::from_utf8(cursor.bytes().ok()?);
                text.ok().map(Leaf::text)
            }
            _ => None,
        }
    }
}

fn array<const N: usize>(cursor: &mut Cursor<'_>) -> Option<[u8; N]> {
    cursor.take(N).ok()?.try_into().ok()
}

/// What is not finite is shown as a text.
fn real<'a>(number: f64) -> Option<Leaf<'a>> {
    number.is_finite().then_some(Leaf::Double(number))
}
