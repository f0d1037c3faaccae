//! From ODCS properties to a schema that judges events: Avro or JSON Schema.
//!
//! | ODCS | Avro | JSON Schema |
//! |---|---|---|
//! | string | string | string |
//! | string with `format: uuid` | string/uuid | string, format uuid |
//! | string with `format` email, uri, hostname, ipv4, ipv6 | string | the same format |
//! | integer | long | integer |
//! | number | double, or bytes/decimal by `physicalType: decimal(p,s)` | number |
//! | boolean | boolean | boolean |
//! | date | int/date | string, format date |
//! | timestamp | long/timestamp-micros | string, format date-time |
//! | time | long/time-micros | string, format time |
//! | object, array, map | record, array, map | object, array, object |
//!
//! Not `required`: a union with null and default null; in JSON Schema left out of `required`, null allowed.

use crate::document::odcs::{Property, SchemaObject};
use serde_json::{Map, Value, json};

/// Where an unknown property of a JSON event is let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Additional {
    /// Refused: objects are closed.
    Refuse,
    /// Let through.
    Pass,
}

/// An Avro schema, as text, and what could not be said in it.
///
/// `namespace` is `<domain>.<product>` where both are known.
///
/// # Errors
/// Every property that has no type or an unknown one.
pub fn to_avro(object: &SchemaObject, namespace: Option<&str>) -> Result<String, Vec<String>> {
    let name = pascal_case(object.name.as_deref().unwrap_or("event"));
    let mut errors = Vec::new();
    let mut record = avro_record(&name, &object.properties, &mut errors);
    if let (Some(namespace), Some(map)) = (namespace, record.as_object_mut()) {
        map.insert("namespace".to_owned(), namespace.replace('-', "_").into());
    }
    if let (Some(doc), Some(map)) = (&object.description, record.as_object_mut()) {
        map.insert("doc".to_owned(), doc.trim().into());
    }
    if errors.is_empty() {
        Ok(record.to_string())
    } else {
        Err(errors)
    }
}

fn avro_record(name: &str, properties: &[Property], errors: &mut Vec<String>) -> Value {
    let fields: Vec<Value> = properties
        .iter()
        .map(|property| avro_field(name, property, errors))
        .collect();
    json!({"type": "record", "name": name, "fields": fields})
}

fn avro_field(record: &str, property: &Property, errors: &mut Vec<String>) -> Value {
    let name = property_name(property, errors);
    let inner = avro_type(&format!("{record}{}", pascal_case(&name)), property, errors);
    let mut field = Map::new();
    field.insert("name".to_owned(), avro_name(&name).into());
    if property.required {
        field.insert("type".to_owned(), inner);
    } else {
        field.insert("type".to_owned(), json!(["null", inner]));
        field.insert("default".to_owned(), Value::Null);
    }
    if let Some(doc) = &property.description {
        field.insert("doc".to_owned(), doc.trim().into());
    }
    Value::Object(field)
}

fn avro_type(name: &str, property: &Property, errors: &mut Vec<String>) -> Value {
    let physical = property.physical_type.as_deref().unwrap_or_default();
    match property.logical_type.as_deref() {
        Some("string") if text_format(property) == Some("uuid") => {
            json!({"type": "string", "logicalType": "uuid"})
        }
        Some("string") => json!("string"),
        Some("integer") => json!("long"),
        Some("number") => decimal(physical).unwrap_or_else(|| json!("double")),
        Some("boolean") => json!("boolean"),
        Some("date") => json!({"type": "int", "logicalType": "date"}),
        Some("timestamp") => json!({"type": "long", "logicalType": "timestamp-micros"}),
        Some("time") => json!({"type": "long", "logicalType": "time-micros"}),
        Some("object") => avro_record(name, &property.properties, errors),
        Some("array") => {
            json!({"type": "array", "items": avro_items(name, property, errors)})
        }
        Some("map") => json!({"type": "map", "values": avro_items(name, property, errors)}),
        other => {
            errors.push(unknown_type(property, other));
            json!("null")
        }
    }
}

fn avro_items(name: &str, property: &Property, errors: &mut Vec<String>) -> Value {
    match &property.items {
        Some(items) => avro_type(&format!("{name}Item"), items, errors),
        None => {
            errors.push(format!(
                "property `{}` has no `items`",
                shown_name(property)
            ));
            json!("null")
        }
    }
}

/// `decimal(p,s)` or `numeric(p,s)`.
fn decimal(physical: &str) -> Option<Value> {
    let inner = physical.to_ascii_lowercase();
    let inner = inner
        .strip_prefix("decimal(")
        .or_else(|| inner.strip_prefix("numeric("))?;
    let (precision, scale) = inner.strip_suffix(')')?.split_once(',')?;
    let precision: u32 = precision.trim().parse().ok()?;
    let scale: u32 = scale.trim().parse().ok()?;
    let decimal = json!({
        "type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale
    });
    Some(decimal)
}

/// A JSON Schema (draft 2020-12), as text.
///
/// # Errors
/// Every property that has no type or an unknown one.
pub fn to_json_schema(
    object: &SchemaObject,
    additional: Additional,
) -> Result<String, Vec<String>> {
    let mut errors = Vec::new();
    let body = json_object(&object.properties, additional, &mut errors);
    let mut schema = Map::new();
    schema.insert(
        "$schema".to_owned(),
        "https://json-schema.org/draft/2020-12/schema".into(),
    );
    schema.insert(
        "title".to_owned(),
        object.name.as_deref().unwrap_or("event").into(),
    );
    if let Some(description) = &object.description {
        schema.insert("description".to_owned(), description.trim().into());
    }
    schema.extend(body);
    if errors.is_empty() {
        Ok(Value::Object(schema).to_string())
    } else {
        Err(errors)
    }
}

fn json_object(
    properties: &[Property],
    additional: Additional,
    errors: &mut Vec<String>,
) -> Map<String, Value> {
    let mut members = Map::new();
    let mut required = Vec::new();
    for property in properties {
        let name = property_name(property, errors);
        if property.required {
            required.push(Value::from(name.clone()));
        }
        members.insert(name, json_property(property, additional, errors));
    }
    let mut object = Map::new();
    object.insert("type".to_owned(), "object".into());
    object.insert("properties".to_owned(), Value::Object(members));
    if !required.is_empty() {
        object.insert("required".to_owned(), Value::Array(required));
    }
    if additional == Additional::Refuse {
        object.insert("additionalProperties".to_owned(), Value::Bool(false));
    }
    object
}

fn json_property(property: &Property, additional: Additional, errors: &mut Vec<String>) -> Value {
    let mut schema = json_type(property, additional, errors);
    if !property.required
        && let Some(kind) = schema
            .get("type")
            .and_then(Value::as_str)
            .map(str::to_owned)
    {
        schema.insert("type".to_owned(), json!([kind, "null"]));
    }
    if let Some(description) = &property.description {
        schema.insert("description".to_owned(), description.trim().into());
    }
    Value::Object(schema)
}

fn json_type(
    property: &Property,
    additional: Additional,
    errors: &mut Vec<String>,
) -> Map<String, Value> {
    let mut schema = match property.logical_type.as_deref() {
        Some(kind @ ("string" | "integer" | "number" | "boolean")) => typed(kind),
        Some("date") => formatted("date"),
        Some("timestamp") => formatted("date-time"),
        Some("time") => formatted("time"),
        Some("object") => json_object(&property.properties, additional, errors),
        Some("array") => {
            let mut array = typed("array");
            array.insert("items".to_owned(), json_items(property, additional, errors));
            array
        }
        Some("map") => {
            let mut map = typed("object");
            let values = json_items(property, additional, errors);
            map.insert("additionalProperties".to_owned(), values);
            map
        }
        other => {
            errors.push(unknown_type(property, other));
            Map::new()
        }
    };
    if let Some(format) = text_format(property) {
        schema.insert("format".to_owned(), format.into());
    }
    for keyword in KEYWORDS {
        if let Some(value) = property.logical_type_options.get(*keyword) {
            schema.insert((*keyword).to_owned(), value.clone());
        }
    }
    schema
}

/// The format of a text that a contract names and JSON Schema knows; those of times are patterns and mean something else.
fn text_format(property: &Property) -> Option<&str> {
    let format = property.logical_type_options.get("format")?.as_str()?;
    let known = ["uuid", "email", "uri", "hostname", "ipv4", "ipv6"];
    let text = property.logical_type.as_deref() == Some("string");
    Some(format).filter(|format| text && known.contains(format))
}

/// `logicalTypeOptions` that are JSON Schema keywords of the same name and meaning.
const KEYWORDS: &[&str] = &[
    "minLength",
    "maxLength",
    "pattern",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
];

fn json_items(property: &Property, additional: Additional, errors: &mut Vec<String>) -> Value {
    match &property.items {
        Some(items) => Value::Object(json_type(items, additional, errors)),
        None => {
            errors.push(format!(
                "property `{}` has no `items`",
                shown_name(property)
            ));
            Value::Bool(true)
        }
    }
}

fn typed(kind: &str) -> Map<String, Value> {
    Map::from_iter([("type".to_owned(), Value::from(kind))])
}

fn formatted(format: &str) -> Map<String, Value> {
    let mut schema = typed("string");
    schema.insert("format".to_owned(), format.into());
    schema
}

fn property_name(property: &Property, errors: &mut Vec<String>) -> String {
    match &property.name {
        Some(name) if !name.is_empty() => name.clone(),
        _ => {
            errors.push("a property has no `name`".to_owned());
            String::new()
        }
    }
}

fn shown_name(property: &Property) -> &str {
    property.name.as_deref().unwrap_or("(unnamed)")
}

fn unknown_type(property: &Property, given: Option<&str>) -> String {
    let name = shown_name(property);
    let known = "string, integer, number, boolean, date, timestamp, time, object, array, map";
    match given {
        Some(given) => {
            format!("property `{name}` has logicalType `{given}`; expected one of {known}")
        }
        None => format!("property `{name}` has no logicalType; expected one of {known}"),
    }
}

/// `usage-record` and `usage_record` are both `UsageRecord`.
pub(crate) fn pascal_case(name: &str) -> String {
    name.split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|part| !part.is_empty())
        .map(|part| {
            let mut chars = part.chars();
            let first = chars.next().map(|c| c.to_ascii_uppercase());
            first.into_iter().chain(chars).collect::<String>()
        })
        .collect()
}

/// Avro names hold letters, digits and `_` only.
fn avro_name(name: &str) -> String {
    name.replace(['-', '.', ' '], "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object() -> SchemaObject {
        let text = "name: usage-record\ndescription: one call\nproperties:\n- {name: id, logicalType: string, required: true, logicalTypeOptions: {minLength: 1}}\n- {name: amount, logicalType: number, physicalType: 'decimal(10,2)'}\n- {name: at, logicalType: timestamp, required: true}\n- name: who\n  logicalType: object\n  properties: [{name: n, logicalType: integer, required: true}]\n- {name: tags, logicalType: array, items: {logicalType: string}}\n";
        serde_saphyr::from_str(text).expect("parses")
    }

    #[test]
    fn avro_follows_the_table() {
        let text = to_avro(&object(), Some("billing.usage-x")).expect("maps");
        let schema: Value = serde_json::from_str(&text).expect("is JSON");
        assert_eq!(schema["name"], "UsageRecord");
        assert_eq!(schema["namespace"], "billing.usage_x");
        assert_eq!(schema["fields"][0]["type"], "string");
        assert_eq!(schema["fields"][1]["type"][1]["scale"], 2);
        assert_eq!(schema["fields"][1]["default"], Value::Null);
        assert_eq!(schema["fields"][3]["type"][1]["name"], "UsageRecordWho");
        apache_avro::Schema::parse_str(&text).expect("Avro accepts it");
    }

    #[test]
    fn json_schema_is_closed_and_lists_what_is_required() {
        let text = to_json_schema(&object(), Additional::Refuse).expect("maps");
        let schema: Value = serde_json::from_str(&text).expect("is JSON");
        assert_eq!(schema["required"], json!(["id", "at"]));
        assert_eq!(schema["additionalProperties"], false);
        assert_eq!(schema["properties"]["id"]["minLength"], 1);
        assert_eq!(
            schema["properties"]["amount"]["type"],
            json!(["number", "null"])
        );
        assert_eq!(schema["properties"]["at"]["format"], "date-time");
        let open = to_json_schema(&object(), Additional::Pass).expect("maps");
        assert!(!open.contains("additionalProperties"));
    }

    #[test]
    fn formats_of_texts_are_checked_and_patterns_of_times_are_none() {
        let text = "properties:\n- {name: id, logicalType: string, required: true, logicalTypeOptions: {format: uuid}}\n- {name: m, logicalType: string, logicalTypeOptions: {format: email}}\n- {name: d, logicalType: date, required: true, logicalTypeOptions: {format: dd-MM}}\n- {name: x, logicalType: string, logicalTypeOptions: {format: password}}\n";
        let object: SchemaObject = serde_saphyr::from_str(text).expect("parses");
        let json = to_json_schema(&object, Additional::Refuse).expect("maps");
        let json: Value = serde_json::from_str(&json).expect("is JSON");
        let format = |name: &str| json["properties"][name]["format"].as_str();
        assert_eq!(
            [format("id"), format("m"), format("d"), format("x")],
            [Some("uuid"), Some("email"), Some("date"), None]
        );
        let avro: Value =
            serde_json::from_str(&to_avro(&object, None).expect("maps")).expect("is JSON");
        assert_eq!(avro["fields"][0]["type"]["logicalType"], "uuid");
    }

    #[test]
    fn every_untyped_property_is_named() {
        let text =
            "properties: [{name: a}, {name: b, logicalType: blob}, {name: c, logicalType: array}]";
        let object: SchemaObject = serde_saphyr::from_str(text).expect("parses");
        let errors = to_avro(&object, None).expect_err("no types");
        assert_eq!(errors.len(), 3, "{errors:?}");
        assert!(errors[1].contains("`b`") && errors[1].contains("`blob`"));
    }
}
