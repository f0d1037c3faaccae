//! The rules against another implementation: bytes of one schema, decoded with another by `prost-reflect`.
//!
//! Where nothing is incompatible and nothing unjudged, every value that both schemas know must survive.

use super::super::{Direction, Verdict};
use super::{compare, read};
use crate::protobuf::{MessageIndexes, Schema};
use crate::source::{SchemaType, Source};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use prost::Message as _;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value};
use std::cell::Cell;
use std::collections::BTreeMap;

const TYPES: &[&str] = &[
    "double",
    "float",
    "int32",
    "int64",
    "uint32",
    "uint64",
    "sint32",
    "sint64",
    "fixed32",
    "fixed64",
    "sfixed32",
    "sfixed64",
    "bool",
    "string",
    "bytes",
    "E",
    "N",
    "F",
    "O",
    "map<string, int32>",
    "map<string, int64>",
    "map<int32, N>",
    "map<string, E>",
    "map<string, string>",
    "map<bool, bytes>",
];
const LABELS: &[&str] = &["", "optional", "repeated"];
const ENUMS: &[&str] = &[
    "Z = 0; A = 1; B = 2;",
    "Z = 0; A = 1;",
    "Z = 0; B = 1; A = 2;",
    "Z = 0; A = 1; B = 2; C = 3;",
];
const NESTED: &[&str] = &[
    "int32 x = 1; string y = 2;",
    "int64 x = 1; string y = 2;",
    "int32 x = 1;",
    "string x = 1;",
    "int32 x = 2;",
];
const RESERVED: &[&str] = &["", "reserved 7 to 9;", "reserved \"f\";"];

#[derive(Debug, Clone)]
struct Field {
    number: usize,
    name: usize,
    ty: usize,
    label: usize,
    oneof: usize,
}

#[derive(Debug, Clone)]
struct Model {
    fields: Vec<Field>,
    enumeration: usize,
    nested: usize,
    reserved: usize,
}

fn field() -> impl Strategy<Value = Field> {
    (
        1usize..8,
        0usize..6,
        0..TYPES.len(),
        0..LABELS.len(),
        0usize..6,
    )
        .prop_map(|(number, name, ty, label, oneof)| Field {
            number,
            name,
            ty,
            label,
            oneof,
        })
}

fn model() -> impl Strategy<Value = Model> {
    let fields = prop::collection::vec(field(), 1..5);
    (fields, 0..ENUMS.len(), 0..NESTED.len(), 0..RESERVED.len()).prop_map(
        |(fields, enumeration, nested, reserved)| Model {
            fields,
            enumeration,
            nested,
            reserved,
        },
    )
}

/// Types that the reference takes for one another, by their places in [`TYPES`].
const RELATED: &[&[usize]] = &[
    &[2, 3, 4, 5, 12, 15, 17],
    &[6, 7],
    &[8, 10],
    &[9, 11],
    &[13, 14],
    &[19, 20, 22],
];

fn related(ty: usize, pick: usize) -> usize {
    let group = RELATED.iter().find(|group| group.contains(&ty));
    group.map_or(ty, |group| group[pick % group.len()])
}

/// One step from a model: often nothing at most places, so that many pairs are compatible.
fn evolve(old: &Model, other: &Model, what: &[u8]) -> Model {
    let mut new = old.clone();
    for (field, (fresh, what)) in new
        .fields
        .iter_mut()
        .zip(other.fields.iter().cycle().zip(what))
    {
        match what % 12 {
            0 => field.ty = fresh.ty,
            1 => field.label = fresh.label,
            2 => field.oneof = fresh.oneof,
            3 => field.number = fresh.number,
            4 => field.name = fresh.name,
            5 => *field = fresh.clone(),
            6 | 7 => field.ty = related(field.ty, fresh.ty),
            _ => {}
        }
    }
    match what.last().map_or(0, |what| what % 8) {
        0 => new.enumeration = other.enumeration,
        1 => new.nested = other.nested,
        2 => new.reserved = other.reserved,
        3 => new.fields.extend(other.fields.first().cloned()),
        4 => {
            new.fields.pop();
        }
        _ => {}
    }
    new
}

impl Model {
    fn text(&self) -> String {
        let mut numbers = BTreeMap::new();
        let mut names = BTreeMap::new();
        let mut parts: BTreeMap<usize, String> = BTreeMap::new();
        for field in &self.fields {
            let name = ["a", "b", "c", "d", "e", "f"][field.name];
            if numbers.insert(field.number, ()).is_some() || names.insert(name, ()).is_some() {
                continue;
            }
            let ty = TYPES[field.ty];
            let map = ty.starts_with("map");
            let oneof = if map || field.oneof > 1 {
                9
            } else {
                field.oneof
            };
            let label = if map || oneof < 9 {
                ""
            } else {
                LABELS[field.label]
            };
            *parts.entry(oneof).or_default() += &format!("{label} {ty} {name} = {};", field.number);
        }
        let members = parts.iter().map(|(oneof, fields)| match oneof {
            9 => fields.clone(),
            oneof => format!("oneof o{oneof} {{ {fields} }}"),
        });
        format!(
            "syntax = \"proto3\"; message M {{ {} {} }} enum E {{ {} }} enum F {{ Y = 0; V = 1; }} message N {{ {} }} \
             message O {{ string y = 2; M m = 3; }}",
            if numbers.contains_key(&7) {
                ""
            } else {
                RESERVED[self.reserved]
            }
            .replace(
                "reserved \"f\";",
                if names.contains_key("f") {
                    ""
                } else {
                    "reserved \"f\";"
                }
            ),
            members.collect::<String>(),
            ENUMS[self.enumeration],
            NESTED[self.nested],
        )
    }
}

/// Bits for every choice, again and again.
struct Bits<'a> {
    bits: &'a [u64],
    at: usize,
}

impl Bits<'_> {
    fn next(&mut self) -> u64 {
        self.at += 1;
        self.bits[self.at % self.bits.len()]
            .rotate_left(u32::try_from(self.at % 64).expect("small"))
    }
}

fn message(descriptor: &MessageDescriptor, bits: &mut Bits<'_>, depth: usize) -> DynamicMessage {
    let mut message = DynamicMessage::new(descriptor.clone());
    for field in descriptor.fields() {
        if !bits.next().is_multiple_of(4) {
            let value = value(&field, bits, depth);
            message.set_field(&field, value);
        }
    }
    message
}

fn value(field: &FieldDescriptor, bits: &mut Bits<'_>, depth: usize) -> Value {
    let count = bits.next() % 3;
    if field.is_map()
        && let Kind::Message(entry) = field.kind()
    {
        let pairs = (0..count).map(|_| {
            let text = ["a", "b", ""][usize::try_from(bits.next() % 3).expect("small")];
            let key = single(&entry.map_entry_key_field().kind(), bits, 0);
            let key = match (key.as_bool(), key.as_i32()) {
                (Some(key), _) => MapKey::Bool(key),
                (_, Some(key)) => MapKey::I32(key),
                (None, None) => MapKey::String(text.to_owned()),
            };
            (
                key,
                single(&entry.map_entry_value_field().kind(), bits, depth),
            )
        });
        return Value::Map(pairs.collect());
    }
    if field.is_list() {
        return Value::List(
            (0..count)
                .map(|_| single(&field.kind(), bits, depth))
                .collect(),
        );
    }
    single(&field.kind(), bits, depth)
}

#[expect(clippy::cast_possible_truncation, reason = "any bits will do")]
fn single(kind: &Kind, bits: &mut Bits<'_>, depth: usize) -> Value {
    let mut next = bits.next();
    if next.is_multiple_of(3) {
        next %= 300;
    }
    match kind {
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(next as u32 as i32),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(next.cast_signed()),
        Kind::Uint32 | Kind::Fixed32 => Value::U32(next as u32),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(next),
        Kind::Float => Value::F32((next as u32 as f32) / 4.0),
        Kind::Double => Value::F64((next as f64) / 4.0),
        Kind::Bool => Value::Bool(next % 2 == 1),
        Kind::String => Value::String(format!("é{}", next % 10)),
        Kind::Bytes => Value::Bytes(next.to_le_bytes()[..(next % 5) as usize].to_vec().into()),
        Kind::Enum(found) => {
            let values: Vec<i32> = found.values().map(|value| value.number()).collect();
            Value::EnumNumber(values[(next % values.len() as u64) as usize])
        }
        Kind::Message(found) if depth > 0 => Value::Message(message(found, bits, depth - 1)),
        Kind::Message(found) => Value::Message(DynamicMessage::new(found.clone())),
    }
}

/// A value without its type: what `int32` and `int64`, `string` and `bytes` both hold.
#[derive(Debug, Clone, PartialEq)]
enum Plain {
    Number(i128),
    Float(f64),
    Bytes(Vec<u8>),
    List(Vec<Plain>),
    Map(Vec<(String, Plain)>),
    /// Told apart below, field by field.
    Message(DynamicMessage),
}

fn plain(value: &Value) -> Plain {
    match value {
        Value::Bool(value) => Plain::Number((*value).into()),
        Value::I32(value) | Value::EnumNumber(value) => Plain::Number((*value).into()),
        Value::I64(value) => Plain::Number((*value).into()),
        Value::U32(value) => Plain::Number((*value).into()),
        Value::U64(value) => Plain::Number((*value).into()),
        Value::F32(value) => Plain::Float((*value).into()),
        Value::F64(value) => Plain::Float(*value),
        Value::String(value) => Plain::Bytes(value.as_bytes().to_vec()),
        Value::Bytes(value) => Plain::Bytes(value.to_vec()),
        Value::Message(value) => Plain::Message(value.clone()),
        Value::List(values) => Plain::List(values.iter().map(plain).collect()),
        Value::Map(entries) => {
            let mut entries: Vec<_> = entries
                .iter()
                .map(|(key, value)| (format!("{key:?}"), plain(value)))
                .collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            Plain::Map(entries)
        }
    }
}

/// What of `old` is not in `new`: the name of the first field.
fn lost(old: &DynamicMessage, new: &DynamicMessage) -> Option<String> {
    use prost_reflect::ReflectMessage;
    let fields = old.descriptor();
    fields.fields().find_map(|field| {
        let other = new.descriptor().get_field(field.number())?;
        if other.name() != field.name() {
            return None;
        }
        if !old.has_field(&field) && !new.has_field(&other) {
            return None;
        }
        let (before, after) = (plain(&old.get_field(&field)), plain(&new.get_field(&other)));
        let inner = differs(&before, &after);
        inner.map(|inner| format!("{}{inner}", field.name()))
    })
}

fn differs(before: &Plain, after: &Plain) -> Option<String> {
    match (before, after) {
        (Plain::Message(before), Plain::Message(after)) => {
            lost(before, after).map(|name| format!(".{name}"))
        }
        (Plain::List(before), Plain::List(after)) if before.len() == after.len() => before
            .iter()
            .zip(after)
            .find_map(|(before, after)| differs(before, after)),
        (Plain::Map(before), Plain::Map(after)) if before.len() == after.len() => before
            .iter()
            .zip(after)
            .find_map(|((_, before), (_, after))| differs(before, after)),
        // Not shown: the library prints a message with its descriptor, and that without end.
        (before, after) => (before != after).then(|| " is another".to_owned()),
    }
}

/// Whether bytes of the old schema lose a value under the new.
fn loses(old: &str, new: &str, bits: &[u64]) -> Option<String> {
    let [old, new] = [old, new].map(|text| Schema::parse(text, &[]).expect("a schema"));
    let [writer, reader] =
        [&old, &new].map(|schema| schema.message(&MessageIndexes::FIRST).expect("a message"));
    (0..4).find_map(|at| {
        let written = message(&writer, &mut Bits { bits, at: at * 17 }, 2);
        let bytes = written.encode_to_vec();
        match DynamicMessage::decode(reader.clone(), bytes.as_slice()) {
            Ok(read) => lost(&written, &read),
            Err(error) => Some(error.to_string()),
        }
    })
}

#[test]
fn what_is_compatible_and_judged_loses_nothing() {
    let config = Config {
        cases: 6_000,
        rng_seed: RngSeed::Fixed(7),
        failure_persistence: None,
        ..Config::default()
    };
    let (sound, holes) = (Cell::new(0), Cell::new(0));
    let bits = prop::collection::vec(any::<u64>(), 16..32);
    let steps = prop::collection::vec(any::<u8>(), 6);
    TestRunner::new(config)
        .run(
            &(model(), model(), steps, bits),
            |(old, other, steps, bits)| {
                let new = evolve(&old, &other, &steps).text();
                let old = old.text();
                let source = |text| Source::new(SchemaType::Protobuf, text);
                let sides = [source(&old), source(&new)].map(|one| read(&one).expect("a schema"));
                let found = compare(&sides[0], &sides[1], Direction::NewReadsOld)
                    .expect("schemas")
                    .differences;
                let worst = |verdict| found.iter().any(|one| one.verdict == verdict);
                if worst(Verdict::Incompatible) {
                    return Ok(());
                }
                let loss = loses(&old, &new, &bits);
                if worst(Verdict::Unjudged) {
                    holes.set(holes.get() + u32::from(loss.is_some()));
                    return Ok(());
                }
                sound.set(sound.get() + u32::from(old != new));
                prop_assert!(loss.is_none(), "{old}\n{new}\n{loss:?}");
                Ok(())
            },
        )
        .unwrap_or_else(|error| panic!("{error}"));
    // The test has met both: pairs that differ and are sound, and holes of the reference through which values are lost.
    assert!(
        sound.get() > 500 && holes.get() > 100,
        "{} sound, {} holes",
        sound.get(),
        holes.get()
    );
}
