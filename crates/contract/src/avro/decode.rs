//! A datum as plain JSON: for people, rules and extracts. Not Avro's JSON encoding, and not reversible.
//!
//! A union's value stands bare (no `{"string": ..}` around it); `bytes` and `fixed` are base64; a decimal is a string
//! with its digits; dates, times and timestamps are RFC 3339 strings; a duration is ISO 8601; a float that JSON cannot
//! hold is the string `NaN`, `Infinity` or `-Infinity`. Of a map's repeated key the last value stays.

use super::cursor::{Cursor, Fault};
use super::logical::{Logical, decimal_text};
use super::program::{Op, Program};
use super::schema::{Kind, NodeId, Record, Schema};
use super::walk;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Number, Value};

/// Decode one value of a datum that has passed the walk, which bounds its depth and size.
pub(super) fn decode(schema: &Schema, id: NodeId, cursor: &mut Cursor<'_>) -> Result<Value, Fault> {
    let node = schema.node(id);
    Ok(match &node.kind {
        Kind::Null => Value::Null,
        Kind::Boolean => Value::Bool(cursor.boolean()?),
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
        Kind::String => Value::from(cursor.string()?),
        Kind::Fixed(fixed) => binary(cursor.take(fixed.size)?, node.logical),
        Kind::Enum(symbols) => {
            let index = cursor.index(symbols.symbols.len())?;
            Value::from(symbols.symbols[index].as_str())
        }
        Kind::Union(branches) => {
            let index = cursor.index(branches.len())?;
            decode(schema, branches[index], cursor)?
        }
        Kind::Record(fields) => record(schema, fields, cursor)?,
        Kind::Array(items) => array(schema, *items, cursor)?,
        Kind::Map(values) => map(schema, *values, cursor)?,
    })
}

/// Check a record to its last byte, and decode the selected fields on the way.
pub(super) fn decode_selected(
    schema: &Schema,
    program: &Program,
    selected: &[bool],
    datum: &[u8],
) -> Result<Value, Fault> {
    let cursor = &mut Cursor::new(datum);
    let (Kind::Record(record), Op::Record(group)) = (schema.kind(schema.root()), program.root)
    else {
        return Err(Fault::Depth);
    };
    let count = selected.iter().filter(|selected| **selected).count();
    let mut object = Map::with_capacity(count);
    let ops = &program.groups[group as usize].ops;
    for ((field, &op), &is_selected) in record.fields.iter().zip(ops).zip(selected) {
        let start = cursor.rest();
        walk::walk(program, op, cursor, &mut walk::Silent, 1)?;
        if is_selected {
            let value = decode(schema, field.schema, &mut Cursor::new(start))?;
            object.insert(field.name.clone(), value);
        }
    }
    match cursor.remaining() {
        0 => Ok(Value::Object(object)),
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

fn number(value: i64, logical: Option<Logical>) -> Value {
    match logical.and_then(|logical| logical.number_text(value)) {
        Some(text) => Value::String(text),
        None => Value::from(value),
    }
}

fn real(value: f64) -> Value {
    match Number::from_f64(value) {
        Some(number) => Value::Number(number),
        None if value.is_nan() => Value::from("NaN"),
        None => Value::from(if value > 0.0 { "Infinity" } else { "-Infinity" }),
    }
}

fn binary(bytes: &[u8], logical: Option<Logical>) -> Value {
    Value::String(match logical {
        Some(Logical::Decimal { scale, .. }) => decimal_text(bytes, scale),
        Some(Logical::Uuid) => uuid_text(bytes),
        Some(Logical::Duration) => duration_text(bytes),
        Some(Logical::Date | Logical::Time(_) | Logical::Timestamp(..)) | None => {
            STANDARD.encode(bytes)
        }
    })
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
