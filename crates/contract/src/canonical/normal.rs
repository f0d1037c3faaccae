//! Avro's text normalized as Confluent's registry does when asked to: attributes that Avro does not know sorted by
//! name, logical types first; aliases sorted; empty documentation of types dropped; defaults written by their type.
//!
//! Source: read of <https://github.com/confluentinc/schema-registry>
//! `client/src/main/java/io/confluent/kafka/schemaregistry/avro/AvroSchemaUtils.java`. It writes an intermediate text
//! and parses it again, so the result is what [`super::avro`] makes of that.

use super::avro::canonical;
use crate::schema_error::{SchemaError, parse_text};
use crate::source::Import;
use serde_json::{Map, Value, json};

/// Attributes that Avro knows, of a type or of a field.
const KNOWN: &[&str] = &[
    "type",
    "name",
    "namespace",
    "doc",
    "fields",
    "items",
    "values",
    "size",
    "symbols",
    "aliases",
    "default",
    "order",
];

pub(super) fn normalized(text: &str, imports: &[Import<'_>]) -> Result<String, SchemaError> {
    let written = parse_text(&canonical(text, imports)?)?;
    canonical(&schema(&written, "").to_string(), imports)
}

fn schema(given: &Value, space: &str) -> Value {
    match given {
        Value::Array(branches) => branches
            .iter()
            .map(|branch| schema(branch, space))
            .collect(),
        Value::Object(object) => Value::Object(of_object(object, space)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => given.clone(),
    }
}

fn of_object(object: &Map<String, Value>, space: &str) -> Map<String, Value> {
    let inner = object
        .get("namespace")
        .and_then(Value::as_str)
        .unwrap_or(space);
    let is_field = !object.get("type").is_some_and(Value::is_string)
        || !["record", "error", "enum", "fixed"]
            .iter()
            .any(|ty| object["type"] == **ty);
    let mut out = Map::new();
    for (key, value) in object
        .iter()
        .filter(|(key, _)| KNOWN.contains(&key.as_str()))
    {
        let value = match key.as_str() {
            "type" if value == "error" => json!("record"),
            "type" | "items" | "values" => schema(value, inner),
            "fields" => value
                .as_array()
                .into_iter()
                .flatten()
                .map(|field| self::field(field, inner))
                .collect(),
            "aliases" => aliases(value, inner),
            "doc" if value == "" && !is_field => continue,
            _ => value.clone(),
        };
        out.insert(key.clone(), value);
    }
    for key in own_keys(object) {
        if !out.contains_key(key) {
            out.insert(key.to_owned(), sorted(&object[key]));
        }
    }
    out
}

/// Attributes that are not Avro's own, in their order.
fn own_keys(object: &Map<String, Value>) -> Vec<&str> {
    let logical = object
        .get("logicalType")
        .filter(|logical| is_known(logical));
    let first = ["logicalType", "precision", "scale"]
        .iter()
        .filter(|_| logical.is_some());
    let first =
        first.filter(|key| **key == "logicalType" || logical.is_some_and(|ty| ty == "decimal"));
    let mut keys: Vec<&str> = first
        .copied()
        .filter(|key| object.get(*key).is_some_and(|v| v != &json!(0)))
        .collect();
    keys.extend(
        sorted_keys(object)
            .into_iter()
            .filter(|key| !KNOWN.contains(key)),
    );
    keys
}

fn field(field: &Value, space: &str) -> Value {
    let Some(object) = field.as_object() else {
        return field.clone();
    };
    let mut out = Map::new();
    for (key, value) in object
        .iter()
        .filter(|(key, _)| KNOWN.contains(&key.as_str()))
    {
        let value = match key.as_str() {
            "type" => schema(value, space),
            "aliases" => aliases(value, ""),
            "default" => default(value, &object["type"]),
            _ => value.clone(),
        };
        out.insert(key.clone(), value);
    }
    for key in sorted_keys(object) {
        if !KNOWN.contains(&key) {
            out.insert(key.to_owned(), sorted(&object[key]));
        }
    }
    Value::Object(out)
}

/// Logical types that Avro 1.12 knows; others are attributes like any other.
fn is_known(logical: &Value) -> bool {
    const LOGICAL: &[&str] = &[
        "date",
        "decimal",
        "duration",
        "local-timestamp-micros",
        "local-timestamp-millis",
        "local-timestamp-nanos",
        "time-micros",
        "time-millis",
        "timestamp-micros",
        "timestamp-millis",
        "timestamp-nanos",
        "uuid",
    ];
    logical.as_str().is_some_and(|name| LOGICAL.contains(&name))
}

/// Sorted by their full names.
fn aliases(names: &Value, space: &str) -> Value {
    let mut names: Vec<&str> = names
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    names.sort_by_key(|name| match name.contains('.') || space.is_empty() {
        true => (*name).to_owned(),
        false => format!("{space}.{name}"),
    });
    names.dedup();
    json!(names)
}

/// A default as its type writes it: a whole number of a floating type gets a fraction.
fn default(value: &Value, ty: &Value) -> Value {
    match (value, ty) {
        (_, Value::Array(branches)) => branches
            .first()
            .map_or_else(|| sorted(value), |first| default(value, first)),
        (Value::Number(number), Value::String(name)) if name == "double" || name == "float" => {
            number
                .as_f64()
                .map_or_else(|| value.clone(), |number| json!(number))
        }
        (Value::Array(items), Value::Object(array)) => match array.get("items") {
            Some(of_items) => items.iter().map(|item| default(item, of_items)).collect(),
            None => sorted(value),
        },
        (Value::Object(members), Value::Object(object)) => {
            let fields = object.get("fields").and_then(Value::as_array);
            let of_field = |name: &str| {
                fields?
                    .iter()
                    .find(|field| field["name"] == name)?
                    .get("type")
            };
            let mut out = Map::new();
            for key in sorted_keys(members) {
                let ty = object
                    .get("values")
                    .or_else(|| of_field(key))
                    .unwrap_or(&Value::Null);
                out.insert(key.to_owned(), default(&members[key], ty));
            }
            Value::Object(out)
        }
        (_, Value::Object(object))
            if object.get("type").is_some_and(Value::is_string) && !value.is_object() =>
        {
            default(value, &object["type"])
        }
        _ => sorted(value),
    }
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let sorted_members = sorted_keys(members).into_iter();
            Value::Object(
                sorted_members
                    .map(|key| (key.to_owned(), sorted(&members[key])))
                    .collect(),
            )
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

fn sorted_keys(members: &Map<String, Value>) -> Vec<&str> {
    let mut keys: Vec<&str> = members.keys().map(String::as_str).collect();
    keys.sort_by(|one, other| one.encode_utf16().cmp(other.encode_utf16()));
    keys
}
