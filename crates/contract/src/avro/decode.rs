//! A datum as plain JSON: for people, rules and extracts. Not Avro's JSON encoding, and not reversible.
//!
//! A union's value stands bare (no `{"string": ..}` around it); `bytes` and `fixed` are base64; a decimal is a string
//! with its digits; dates, times and timestamps are RFC 3339 strings; a duration is ISO 8601; a float that JSON cannot
//! hold is the string `NaN`, `Infinity` or `-Infinity`. Of a map's repeated key the last value stays.

use super::cursor::{Cursor, Fault};
use super::logical::{Logical, decimal_text};
use super::program::{Op, Program};
use super::schema::{Kind, Node, NodeId, Record, Schema};
use super::walk;
use crate::leaf::{Leaf, Leaves};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// Decode one value of a datum that has passed the walk, which bounds its depth and size.
pub(super) fn decode(schema: &Schema, id: NodeId, cursor: &mut Cursor<'_>) -> Result<Value, Fault> {
    let node = chosen(schema, id, cursor)?;
    match &node.kind {
        Kind::Record(fields) => record(schema, fields, cursor),
        Kind::Array(items) => array(schema, *items, cursor),
        Kind::Map(values) => map(schema, *values, cursor),
        Kind::Null
        | Kind::Boolean
        | Kind::Int
        | Kind::Long
        | Kind::Float
        | Kind::Double
        | Kind::Bytes
        | Kind::String
        | Kind::Fixed(_)
        | Kind::Enum(_)
        | Kind::Union(_) => Ok(leaf(node, cursor)?.map_or(Value::Null, Leaf::into_value)),
    }
}

/// The type of the value that comes next: of a union, the branch that it names.
fn chosen<'s>(schema: &'s Schema, id: NodeId, cursor: &mut Cursor<'_>) -> Result<&'s Node, Fault> {
    let node = schema.node(id);
    // A union holds no other union.
    let Kind::Union(branches) = &node.kind else {
        return Ok(node);
    };
    let index = cursor.index(branches.len())?;
    Ok(schema.node(branches[index]))
}

/// A value without parts; `None` for one that has some.
fn leaf<'a, 's: 'a, 'd: 'a>(
    node: &'s Node,
    cursor: &mut Cursor<'d>,
) -> Result<Option<Leaf<'a>>, Fault> {
    Ok(Some(match &node.kind {
        Kind::Null => Leaf::Null,
        Kind::Boolean => Leaf::Truth(cursor.boolean()?),
        Kind::Int => number(i64::from(cursor.int()?), node.logical),
        Kind::Long => number(cursor.long()?, node.logical),
        Kind::Float => {
            let float = f32::from_le_bytes(cursor.array()?);
            // By way of its shortest text: 0.1 stays 0.1, as its producer wrote it.
            real(
                float
                    .to_string()
                    .parse()
                    .unwrap_or_else(|_| f64::from(float)),
            )
        }
        Kind::Double => real(f64::from_le_bytes(cursor.array()?)),
        Kind::Bytes => binary(cursor.bytes()?, node.logical),
        Kind::String => Leaf::text(cursor.string()?),
        Kind::Fixed(fixed) => binary(cursor.take(fixed.size)?, node.logical),
        Kind::Enum(symbols) => {
            let index = cursor.index(symbols.symbols.len())?;
            Leaf::text(&symbols.symbols[index])
        }
        Kind::Union(_) | Kind::Record(_) | Kind::Array(_) | Kind::Map(_) => return Ok(None),
    }))
}

/// Check a record to its last byte, and decode the selected fields on the way.
pub(super) fn decode_selected(
    schema: &Schema,
    program: &Program,
    selected: &[bool],
    datum: &[u8],
) -> Result<Value, Fault> {
    let mut object = Map::with_capacity(count(selected));
    let take = |name: &str, node, bytes| {
        let value = decode(schema, node, &mut Cursor::new(bytes))?;
        object.insert(name.to_owned(), value);
        Ok(())
    };
    each_selected((schema, program), selected, datum, take)?;
    Ok(Value::Object(object))
}

/// The selected fields of a record that is well to its last byte; a fault where one of them has parts, or the record has one.
pub(super) fn leaves<'a>(
    schema: &'a Schema,
    program: &Program,
    selected: &[bool],
    datum: &'a [u8],
) -> Result<Leaves<'a>, Fault> {
    let mut leaves = Leaves::with_capacity(count(selected));
    let take = |name, node, bytes| {
        let cursor = &mut Cursor::new(bytes);
        let node = chosen(schema, node, cursor)?;
        leaves.add(name, leaf(node, cursor)?.ok_or(Fault::Depth)?);
        Ok(())
    };
    each_selected((schema, program), selected, datum, take)?;
    Ok(leaves)
}

fn count(selected: &[bool]) -> usize {
    selected.iter().filter(|selected| **selected).count()
}

/// Check a record to its last byte; the name, the type and the bytes of each selected field are told on the way.
fn each_selected<'a>(
    (schema, program): (&'a Schema, &Program),
    selected: &[bool],
    datum: &'a [u8],
    mut take: impl FnMut(&'a str, NodeId, &'a [u8]) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let cursor = &mut Cursor::new(datum);
    let (Kind::Record(record), Op::Record(group)) = (schema.kind(schema.root()), program.root)
    else {
        return Err(Fault::Depth);
    };
    let ops = &program.groups[group as usize].ops;
    for ((field, &op), &is_selected) in record.fields.iter().zip(ops).zip(selected) {
        let start = cursor.rest();
        walk::walk(program, op, cursor, &mut walk::Silent, 1)?;
        if is_selected {
            take(&field.name, field.schema, start)?;
        }
    }
    match cursor.remaining() {
        0 => Ok(()),
        _ => Err(Fault::Truncated),
    }
}

fn record(schema: &Schema, record: &Record, cursor: &mut Cursor<'_>) -> Result<Value, Fault> {
    let mut object = Map::with_capacity(record.fields.len());
    for field in &record.fields {
        object.insert(field.name.clone(), decode(schema, field.schema, cursor)?);
    }
    Ok(Value::Object(object))
}

fn array(schema: &Schema, items: NodeId, cursor: &mut Cursor<'_>) -> Result<Value, Fault> {
    let mut list = Vec::new();
    loop {
        // The walk has charged the items without bytes; here they count as free again.
        let block = cursor.block(true)?;
        for _ in 0..block.count {
            list.push(decode(schema, items, cursor)?);
        }
        if block.count == 0 {
            return Ok(Value::Array(list));
        }
    }
}

fn map(schema: &Schema, values: NodeId, cursor: &mut Cursor<'_>) -> Result<Value, Fault> {
    let mut object = Map::new();
    loop {
        let block = cursor.block(false)?;
        for _ in 0..block.count {
            let key = cursor.string()?.to_owned();
            object.insert(key, decode(schema, values, cursor)?);
        }
        if block.count == 0 {
            return Ok(Value::Object(object));
        }
    }
}

fn number<'a>(value: i64, logical: Option<Logical>) -> Leaf<'a> {
    match logical.and_then(|logical| logical.number_text(value)) {
        Some(text) => Leaf::Text(Cow::Owned(text)),
        None => Leaf::Int(value),
    }
}

fn real<'a>(value: f64) -> Leaf<'a> {
    if value.is_finite() {
        Leaf::Double(value)
    } else if value.is_nan() {
        Leaf::text("NaN")
    } else {
        Leaf::text(if value > 0.0 { "Infinity" } else { "-Infinity" })
    }
}

fn binary<'a>(bytes: &[u8], logical: Option<Logical>) -> Leaf<'a> {
    Leaf::Text(Cow::Owned(match logical {
        Some(Logical::Decimal { scale, .. }) => decimal_text(bytes, scale),
        Some(Logical::Uuid) => uuid_text(bytes),
        Some(Logical::Duration) => duration_text(bytes),
        Some(Logical::Date | Logical::Time(_) | Logical::Timestamp(..)) | None => {
            STANDARD.encode(bytes)
        }
    }))
}

fn uuid_text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

fn duration_text(bytes: &[u8]) -> String {
    let part = |at: usize| {
        let mut little = [0; 4];
        for (to, from) in little.iter_mut().zip(&bytes[at..]) {
            *to = *from;
        }
        u32::from_le_bytes(little)
    };
    let (months, days, millis) = (part(0), part(4), part(8));
    format!("P{months}M{days}DT{}.{:03}S", millis / 1000, millis % 1000)
}
