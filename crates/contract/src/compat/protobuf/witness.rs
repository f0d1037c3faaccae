//! A witness of a difference: bytes that the writer's schema makes, and what each of the two schemas reads of them.
//!
//! Found by trying: a few values of the field that the difference is about, encoded and decoded by `prost-reflect`,
//! which knows nothing of our rules.

use super::super::{Difference, Direction};
use crate::protobuf::Schema;
use crate::schema_error::SchemaError;
use crate::source::Source;
use prost::Message as _;
use prost_reflect::{
    Cardinality, DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor,
    Value,
};
use std::collections::BTreeSet;
use std::fmt::Write;

/// Most values of one enum that are tried.
const MAX_ENUM_VALUES: usize = 64;

/// Most bytes that are shown.
const MAX_SHOWN: usize = 64;

/// Data that `old` writes and that `new` reads as something else; `None` where the values tried do not show any.
///
/// # Errors
/// [`SchemaError`] when one of them is not a schema.
pub(in crate::compat) fn witness(
    old: &Source<'_>,
    new: &Source<'_>,
    direction: Direction,
    difference: &Difference,
) -> Result<Option<String>, SchemaError> {
    let old = Schema::parse(old.text, old.imports)?;
    let new = Schema::parse(new.text, new.imports)?;
    let pools = [
        old.descriptor().parent_pool(),
        new.descriptor().parent_pool(),
    ];
    let Some(place) = Place::find(&difference.path, pools) else {
        return Ok(None);
    };
    let (reader, writer) = direction.words();
    Ok(place.candidates().into_iter().find_map(|message| {
        let bytes = message.encode_to_vec();
        let before = place.show(&message, &place.old);
        let after = match DynamicMessage::decode(place.new.clone(), bytes.as_slice()) {
            Ok(read) => match missing(&read) {
                Some(field) => format!("refuses them: `{field}` is missing"),
                None => format!("reads {}", place.show(&read, &place.new)),
            },
            Err(error) => format!("refuses them: {error}"),
        };
        (after != format!("reads {before}")).then(|| {
            format!(
                "bytes {}: {writer} reads {before}, {reader} {after}",
                hex(&bytes)
            )
        })
    }))
}

/// The message in both schemas, and which of its fields the difference is about.
struct Place {
    old: MessageDescriptor,
    new: MessageDescriptor,
    /// By their numbers in the old message.
    fields: Vec<FieldDescriptor>,
    /// Fields that are set together.
    together: Vec<FieldDescriptor>,
    /// Names that are shown even where they are absent.
    names: BTreeSet<String>,
}

impl Place {
    fn find(path: &str, [old_pool, new_pool]: [&DescriptorPool; 2]) -> Option<Self> {
        let mut steps: Vec<&str> = path.strip_prefix("#/")?.split('/').collect();
        let number = steps.last().and_then(|step| step.parse::<i32>().ok());
        if number.is_some() {
            steps.pop();
        }
        if let Some(place) = number.and_then(|_| Self::of_enum(&steps, [old_pool, new_pool])) {
            return Some(place);
        }
        // The last step of a message's path may be that of a oneof.
        let mut oneof = None;
        let found = |pool: &DescriptorPool, steps: &[&str]| {
            named(pool.all_messages(), steps, MessageDescriptor::full_name)
        };
        let mut messages = (found(old_pool, &steps), found(new_pool, &steps));
        if messages.0.is_none() {
            oneof = steps.pop();
            messages = (found(old_pool, &steps), found(new_pool, &steps));
        }
        let (old, new) = (messages.0?, messages.1?);
        let number = number.and_then(|number| u32::try_from(number).ok());
        Some(Self::of_message(old, new, number, oneof))
    }

    fn of_message(
        old: MessageDescriptor,
        new: MessageDescriptor,
        number: Option<u32>,
        oneof: Option<&str>,
    ) -> Self {
        let there = number.and_then(|number| new.get_field(number));
        let here = number.and_then(|number| old.get_field(number));
        let moved = there
            .as_ref()
            .and_then(|field| old.get_field_by_name(field.name()));
        let oneofs: Vec<_> = new
            .oneofs()
            .filter(|found| Some(found.name()) == oneof)
            .collect();
        let members = oneofs.iter().flat_map(|oneof| oneof.fields());
        let together = members
            .filter_map(|field| old.get_field(field.number()))
            .collect();
        let names = [&there, &here].into_iter().flatten();
        Self {
            names: names.map(|field| field.name().to_owned()).collect(),
            fields: here.into_iter().chain(moved).collect(),
            together,
            old,
            new,
        }
    }

    /// A difference of an enum shows in the first field that has it.
    fn of_enum(steps: &[&str], [old_pool, new_pool]: [&DescriptorPool; 2]) -> Option<Self> {
        let name = named(old_pool.all_enums(), steps, |found| found.full_name())?
            .full_name()
            .to_owned();
        let uses = |field: &FieldDescriptor| matches!(field.kind(), Kind::Enum(found) if found.full_name() == name);
        let field = old_pool
            .all_messages()
            .flat_map(|message| message.fields().collect::<Vec<_>>())
            .find(uses)?;
        let old = field.parent_message().clone();
        let new = new_pool.get_message_by_name(old.full_name())?;
        Some(Self {
            old,
            new,
            fields: vec![field],
            together: Vec::new(),
            names: BTreeSet::new(),
        })
    }

    fn candidates(&self) -> Vec<DynamicMessage> {
        let empty = DynamicMessage::new(self.old.clone());
        let mut found = vec![empty.clone()];
        for field in &self.fields {
            for value in values(field) {
                let mut message = empty.clone();
                if message.try_set_field(field, value).is_ok() {
                    found.push(message);
                }
            }
        }
        let mut all = empty;
        for field in &self.together {
            if let Some(value) = values(field).into_iter().next() {
                all.set_field(field, value);
            }
        }
        found.push(all);
        found
    }

    /// In the form of JSON: the fields that are set, and those in question.
    fn show(&self, message: &DynamicMessage, descriptor: &MessageDescriptor) -> String {
        let mut text = "{".to_owned();
        for field in descriptor.fields() {
            let asked = self.names.contains(field.name())
                && field.field_descriptor_proto().default_value.is_some();
            if message.has_field(&field) || asked {
                let comma = if text.len() > 1 { "," } else { "" };
                write!(text, "{comma}\"{}\":", field.name()).expect("a string takes every text");
                show(&message.get_field(&field), &mut text);
            }
        }
        text.push('}');
        text
    }
}

/// What has that name, less the package.
fn named<T>(
    mut all: impl Iterator<Item = T>,
    steps: &[&str],
    name: impl Fn(&T) -> &str,
) -> Option<T> {
    let local = steps.join(".");
    all.find(|one| {
        let rest = name(one).strip_suffix(local.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    })
}

/// Values of a field that show a loss: large, negative, not UTF-8, more than one.
fn values(field: &FieldDescriptor) -> Vec<Value> {
    let kind = field.kind();
    if field.is_map()
        && let Kind::Message(entry) = &kind
    {
        let keys = singles(&entry.map_entry_key_field().kind());
        let values = singles(&entry.map_entry_value_field().kind());
        let key = keys.into_iter().find_map(map_key);
        let pairs = key.into_iter().flat_map(|key| {
            values
                .clone()
                .into_iter()
                .map(move |value| (key.clone(), value))
        });
        return pairs
            .map(|pair| Value::Map([pair].into_iter().collect()))
            .collect();
    }
    let singles = singles(&kind);
    if field.is_list() {
        let twice = singles
            .iter()
            .map(|value| Value::List(vec![value.clone(), value.clone()]));
        return twice.collect();
    }
    singles
}

fn map_key(value: Value) -> Option<MapKey> {
    Some(match value {
        Value::Bool(value) => MapKey::Bool(value),
        Value::I32(value) => MapKey::I32(value),
        Value::I64(value) => MapKey::I64(value),
        Value::U32(value) => MapKey::U32(value),
        Value::U64(value) => MapKey::U64(value),
        Value::String(value) => MapKey::String(value),
        Value::F32(_)
        | Value::F64(_)
        | Value::Bytes(_)
        | Value::EnumNumber(_)
        | Value::Message(_)
        | Value::List(_)
        | Value::Map(_) => return None,
    })
}

fn singles(kind: &Kind) -> Vec<Value> {
    match kind {
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
            vec![Value::I32(1), Value::I32(300), Value::I32(-1)]
        }
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
            vec![
                Value::I64(1),
                Value::I64(300),
                Value::I64(1 << 40),
                Value::I64(-1),
            ]
        }
        Kind::Uint32 | Kind::Fixed32 => vec![Value::U32(1), Value::U32(300), Value::U32(u32::MAX)],
        Kind::Uint64 | Kind::Fixed64 => {
            vec![
                Value::U64(1),
                Value::U64(300),
                Value::U64(1 << 40),
                Value::U64(u64::MAX),
            ]
        }
        Kind::Float => vec![Value::F32(1.5)],
        Kind::Double => vec![Value::F64(1.5)],
        Kind::Bool => vec![Value::Bool(true)],
        Kind::String => vec![Value::String("a".to_owned())],
        Kind::Bytes => vec![
            Value::Bytes(vec![b'a'].into()),
            Value::Bytes(vec![0xff].into()),
        ],
        Kind::Message(message) => vec![Value::Message(DynamicMessage::new(message.clone()))],
        Kind::Enum(found) => {
            let values = found.values().take(MAX_ENUM_VALUES);
            values
                .map(|value| Value::EnumNumber(value.number()))
                .collect()
        }
    }
}

fn missing(message: &DynamicMessage) -> Option<String> {
    use prost_reflect::ReflectMessage;
    let descriptor = message.descriptor();
    let mut required = descriptor
        .fields()
        .filter(|field| field.cardinality() == Cardinality::Required);
    required
        .find(|field| !message.has_field(field))
        .map(|field| field.name().to_owned())
}

fn show(value: &Value, text: &mut String) {
    let expect = "a string takes every text";
    match value {
        Value::Bool(value) => write!(text, "{value}").expect(expect),
        Value::I32(value) | Value::EnumNumber(value) => write!(text, "{value}").expect(expect),
        Value::I64(value) => write!(text, "{value}").expect(expect),
        Value::U32(value) => write!(text, "{value}").expect(expect),
        Value::U64(value) => write!(text, "{value}").expect(expect),
        Value::F32(value) => write!(text, "{value}").expect(expect),
        Value::F64(value) => write!(text, "{value}").expect(expect),
        Value::String(value) => write!(text, "{value:?}").expect(expect),
        Value::Bytes(value) => write!(text, "\"{}\"", hex(value)).expect(expect),
        Value::Message(_) => text.push_str("{…}"),
        Value::List(values) => {
            text.push('[');
            for (index, value) in values.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                show(value, text);
            }
            text.push(']');
        }
        Value::Map(entries) => {
            text.push('{');
            for (key, value) in entries {
                write!(text, "{key:?}:").expect(expect);
                show(value, text);
            }
            text.push('}');
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut shown: Vec<String> = bytes
        .iter()
        .take(MAX_SHOWN)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    if bytes.len() > MAX_SHOWN {
        shown.push("…".to_owned());
    }
    if shown.is_empty() {
        "(none)".to_owned()
    } else {
        shown.join(" ")
    }
}
