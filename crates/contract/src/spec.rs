//! A contract, checked: what a port enforces, derived from an ODCS document.
//!
//! The document stays the truth and is given back as given; this is what the machine takes from it. A spec can be
//! derived again from the stored document at any time and comes out the same.

mod found;

use crate::document::odcs::{Odcs, Property, SchemaObject, SlaProperty};
use crate::key_schema::KeySchema;
use crate::quality::{self, QualityRule};
use crate::settings::Settings;
use crate::source::Imported;
use crate::validator;
use crate::version::Version;
use found::{demanded, key_schema, value_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// Avro binary, framed with a schema id.
    Avro,
    /// JSON text, plain or framed.
    Json,
    /// Protobuf binary, framed with a schema id and a message's indexes.
    Protobuf,
}

impl Encoding {
    /// The registry's name of the schema type.
    pub fn schema_type(self) -> &'static str {
        match self {
            Encoding::Avro => "AVRO",
            Encoding::Json => "JSON",
            Encoding::Protobuf => "PROTOBUF",
        }
    }

    /// The name in documents and facts: `avro`, `json`, `protobuf`.
    pub fn name(self) -> &'static str {
        match self {
            Encoding::Avro => "avro",
            Encoding::Json => "json",
            Encoding::Protobuf => "protobuf",
        }
    }

    /// The encoding of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Encoding::Avro, Encoding::Json, Encoding::Protobuf]
            .into_iter()
            .find(|encoding| encoding.name() == name)
    }
}

/// How an event's key is made of its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// Properties of the key, in order; none = any key or none.
    pub properties: Vec<String>,
    /// Whether the key is one text, written as UTF-8; otherwise a compact JSON array.
    pub text: bool,
}

/// A field, for people to read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// Name with the names above it, as `customer.address.city`; `[]` marks an array's elements.
    pub path: String,
    /// Logical type.
    pub kind: String,
    /// Present and not null in every event.
    pub required: bool,
    /// Position in the key, from 1; 0 = not part of it.
    pub key: u32,
    /// What it means.
    pub description: String,
    /// Sensitivity.
    pub classification: Option<String>,
}

/// What a contract version demands.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// Identifier.
    pub id: String,
    /// Version.
    pub version: Version,
    /// A readable name.
    pub title: String,
    /// What the contract is for.
    pub purpose: String,
    /// Encoding of values.
    pub encoding: Encoding,
    /// The schema that judges values, as text.
    pub schema: String,
    /// Name of the value's record or object; for Protobuf the full name of the message that events are.
    pub record: String,
    /// What the schema's text imports, each after those that it needs itself.
    pub imports: Vec<Imported>,
    /// The fields, flattened.
    pub fields: Vec<Field>,
    /// Protobuf: the fields that must be there though the language does not say so. Empty for the other languages,
    /// whose schemas say it themselves.
    pub required: Vec<String>,
    /// The key.
    pub key: Key,
    /// The schema of keys, where keys are more than their properties.
    pub key_schema: Option<KeySchema>,
    /// Our settings.
    pub settings: Settings,
    /// Rules over the content of events.
    pub rules: Vec<QualityRule>,
    /// Promises.
    pub sla: Vec<SlaProperty>,
    /// The topic the document names, if any.
    pub physical_name: Option<String>,
}

/// Derive the spec of a contract that a port is to enforce.
///
/// `files` holds the schema files that the document names, by the path it uses.
///
/// # Errors
/// Everything that is missing or wrong, each with what would be right.
pub fn derive(odcs: &Odcs, files: &BTreeMap<String, String>) -> Result<Spec, Vec<String>> {
    let mut errors = Vec::new();
    let version = keep(
        odcs.version
            .parse::<Version>()
            .map_err(|e| vec![e.to_string()]),
        &mut errors,
    );
    let settings = keep(Settings::read(&odcs.custom_properties), &mut errors);
    let encoding = keep(encoding(odcs).map_err(|e| vec![e]), &mut errors);
    let object = keep(single_object(odcs).map_err(|e| vec![e]), &mut errors);
    if odcs.id.trim().is_empty() {
        errors.push("`id` is empty".to_owned());
    }
    let (Some(version), Some(settings), Some(encoding), Some(object)) =
        (version, settings, encoding, object)
    else {
        return Err(errors);
    };
    let schema = keep(
        value_schema(odcs, object, encoding, &settings, files),
        &mut errors,
    );
    let fields = fields(object);
    let rules = keep(quality::read(odcs, object), &mut errors).unwrap_or_default();
    let required = schema
        .as_ref()
        .filter(|_| encoding == Encoding::Protobuf)
        .map(|schema| demanded(object, &fields, schema));
    let required = keep(required.unwrap_or(Ok(Vec::new())), &mut errors);
    let key = keep(key(object).map_err(|e| vec![e]), &mut errors);
    let key_schema = odcs.key_schema().map(|file| key_schema(file, files));
    let key_schema = keep(key_schema.transpose(), &mut errors);
    let (Some(schema), Some(required), Some(key), Some(key_schema), true) =
        (schema, required, key, key_schema, errors.is_empty())
    else {
        return Err(errors);
    };
    let description = odcs.description.clone().unwrap_or_default();
    Ok(Spec {
        id: odcs.id.clone(),
        version,
        title: odcs.name.clone().unwrap_or_else(|| odcs.id.clone()),
        purpose: description.purpose.unwrap_or_default().trim().to_owned(),
        encoding,
        schema: schema.text,
        record: schema.record,
        imports: schema.imports,
        fields,
        required,
        key,
        key_schema,
        settings,
        rules,
        sla: odcs.sla_properties.clone(),
        physical_name: object.physical_name.clone(),
    })
}

fn keep<T>(result: Result<T, Vec<String>>, errors: &mut Vec<String>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(more) => {
            errors.extend(more);
            None
        }
    }
}

fn encoding(odcs: &Odcs) -> Result<Encoding, String> {
    let Some(server) = odcs.servers.iter().find(|server| server.kind == "kafka") else {
        return Ok(Encoding::Avro);
    };
    match server.format.as_deref() {
        None => Ok(Encoding::Json),
        Some(format) => Encoding::from_name(format).ok_or_else(|| {
            format!("the Kafka server's `format` is `{format}`; expected json, avro or protobuf")
        }),
    }
}

fn single_object(odcs: &Odcs) -> Result<&SchemaObject, String> {
    match odcs.schema.as_slice() {
        [object] => Ok(object),
        objects => Err(format!(
            "`schema` has {} objects; a contract that a port enforces has exactly one",
            objects.len()
        )),
    }
}

impl Spec {
    /// The schema of values, to be compiled.
    pub fn value_schema(&self) -> validator::Schema<'_> {
        validator::Schema {
            encoding: self.encoding,
            text: &self.schema,
            record: &self.record,
            imports: &self.imports,
        }
    }

    /// What the document asks for and no enforcer can check.
    pub fn unchecked(&self) -> Vec<String> {
        if self.encoding != Encoding::Protobuf {
            return Vec::new();
        }
        // Parts of the key have to be called required, and the key is judged by itself.
        let required = self.fields.iter();
        let required = required.filter(|field| field.required && field.key == 0);
        let unchecked = required.filter(|field| !self.required.contains(&field.path));
        let texts = unchecked.map(|field| {
            format!(
                "`{}` is `required: true`, but {} cannot tell a field without a value from one with its default:                  declare it `optional` in the .proto file",
                field.path, self.record
            )
        });
        texts.collect()
    }
}

fn key(object: &SchemaObject) -> Result<Key, String> {
    let mut parts: Vec<(i64, &Property)> = object
        .properties
        .iter()
        .filter(|property| property.primary_key)
        .map(|property| (property.primary_key_position.unwrap_or(i64::MAX), property))
        .collect();
    parts.sort_by_key(|(position, _)| *position);
    for (_, property) in &parts {
        if !property.required {
            let name = property.name.as_deref().unwrap_or_default();
            return Err(format!(
                "`{name}` is part of the key and must be `required: true`"
            ));
        }
    }
    let is_text = |property: &Property| property.logical_type.as_deref() == Some("string");
    let text = matches!(parts.as_slice(), [(_, only)] if is_text(only));
    let properties = parts
        .iter()
        .filter_map(|(_, property)| property.name.clone())
        .collect();
    Ok(Key { properties, text })
}

fn fields(object: &SchemaObject) -> Vec<Field> {
    let mut order: Vec<&Property> = object.properties.iter().filter(|p| p.primary_key).collect();
    order.sort_by_key(|property| property.primary_key_position.unwrap_or(i64::MAX));
    let positions: BTreeMap<&str, u32> = order
        .iter()
        .zip(1..)
        .filter_map(|(p, at)| Some((p.name.as_deref()?, at)))
        .collect();
    let mut fields = Vec::new();
    for property in &object.properties {
        let key = property
            .name
            .as_deref()
            .and_then(|name| positions.get(name))
            .copied();
        flatten("", property, key.unwrap_or(0), &mut fields);
    }
    fields
}

fn flatten(above: &str, property: &Property, key: u32, fields: &mut Vec<Field>) {
    let path = format!("{above}{}", property.name.as_deref().unwrap_or_default());
    let kind = property.logical_type.clone().unwrap_or_default();
    fields.push(Field {
        path: path.clone(),
        kind,
        required: property.required,
        key,
        description: property
            .description
            .clone()
            .unwrap_or_default()
            .trim()
            .to_owned(),
        classification: property.classification.clone(),
    });
    for inner in &property.properties {
        flatten(&format!("{path}."), inner, 0, fields);
    }
    if let Some(items) = &property.items {
        for inner in &items.properties {
            flatten(&format!("{path}[]."), inner, 0, fields);
        }
    }
}

impl Key {
    /// The key's bytes for an event given as JSON; `None` where the contract asks for no key or a part is missing.
    ///
    /// One text is written as UTF-8, anything else as a compact JSON array.
    pub fn bytes(&self, event: &Value) -> Option<Vec<u8>> {
        let parts: Option<Vec<&Value>> = self
            .properties
            .iter()
            .map(|name| event.get(name).filter(|v| !v.is_null()))
            .collect();
        match (parts?.as_slice(), self.text) {
            ([], _) => None,
            ([Value::String(text)], true) => Some(text.clone().into_bytes()),
            (parts, _) => serde_json::to_vec(parts).ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::LogicalTypes;
    use crate::validator::Validator;
    use serde_json::json;

    fn odcs(text: &str) -> Odcs {
        serde_saphyr::from_str(text).expect("parses")
    }

    const BASE: &str =
        "apiVersion: v3.1.0\nkind: DataContract\nid: c\nversion: 1.0.0\nstatus: active\n";

    #[test]
    fn a_small_contract_becomes_a_spec() {
        let text = format!(
            "{BASE}servers: [{{server: d, type: kafka}}]\nschema:\n- name: call\n  properties:\n  - {{name: id, logicalType: string, required: true, primaryKey: true}}\n  - {{name: ms, logicalType: integer}}\n"
        );
        let spec = derive(&odcs(&text), &BTreeMap::new()).expect("derives");
        assert_eq!(spec.encoding, Encoding::Json);
        assert_eq!(
            spec.key,
            Key {
                properties: vec!["id".to_owned()],
                text: true
            }
        );
        assert_eq!(spec.fields.len(), 2);
        assert_eq!(spec.key.bytes(&json!({"id": "x"})), Some(b"x".to_vec()));
    }

    #[test]
    fn all_mistakes_come_back_at_once() {
        let text = format!("{BASE}servers: [{{server: d, type: kafka, format: xml}}]\nschema: []\ncustomProperties: [{{property: meshlog.partitions, value: none}}]\n").replace("1.0.0", "one");
        let errors = derive(&odcs(&text), &BTreeMap::new()).expect_err("wrong");
        assert_eq!(errors.len(), 4, "{errors:?}");
    }

    #[test]
    fn a_schema_file_that_does_not_parse_is_named() {
        let text = format!(
            "{BASE}schema:\n- name: call\n  authoritativeDefinitions: [{{type: implementation, url: call.avsc}}]\n"
        );
        let missing = derive(&odcs(&text), &BTreeMap::new()).expect_err("missing");
        assert!(missing[0].contains("call.avsc"), "{missing:?}");
        let files = BTreeMap::from([("call.avsc".to_owned(), "{\"type\":\"recrod\"}".to_owned())]);
        let broken = derive(&odcs(&text), &files).expect_err("broken");
        assert!(broken[0].contains("call.avsc does not parse"), "{broken:?}");
    }

    #[test]
    fn a_protobuf_contract_names_its_file_and_its_message() {
        let text = |object: &str| {
            format!(
                "{BASE}servers: [{{server: d, type: kafka, format: protobuf}}]\nschema:\n- {object}\n"
            )
        };
        let named = "authoritativeDefinitions: [{type: implementation, url: shop.proto}]";
        let derived = |object: &str, file: &str| {
            let files = BTreeMap::from([("shop.proto".to_owned(), file.to_owned())]);
            derive(&odcs(&text(object)), &files)
        };
        let two = "syntax = \"proto3\"; package s; message A { string a = 1; } message OrderPlaced { string id = 1; }";
        let keyed = format!(
            "{{name: order-placed, {named}, properties: [{{name: id, logicalType: string, required: true, primaryKey: true}}]}}"
        );
        let spec = derived(&keyed, two).expect("derives");
        assert_eq!(spec.encoding, Encoding::Protobuf);
        assert_eq!(spec.record, "s.OrderPlaced");
        assert_eq!(spec.key.properties, ["id"]);
        assert_eq!(spec.schema, two);

        let wrong = |object: &str, file: &str| derived(object, file).expect_err("wrong").join("; ");
        let none = wrong(
            "{name: order, properties: [{name: id, logicalType: string}]}",
            two,
        );
        assert!(
            none.contains("takes its schema from a .proto file"),
            "{none}"
        );
        let several = wrong(&format!("{{name: order, {named}}}"), two);
        assert!(
            several.starts_with("shop.proto: the file has 2 messages"),
            "{several}"
        );
        let broken = wrong(&format!("{{name: a, {named}}}"), "message {");
        assert!(
            broken.starts_with("shop.proto does not parse: "),
            "{broken}"
        );
        let empty = wrong(
            &format!("{{name: a, {named}}}"),
            "syntax = \"proto3\"; enum E { Z = 0; }",
        );
        assert!(empty.contains("has no message"), "{empty}");
        let other = wrong(&keyed, "syntax = \"proto3\"; message A { string a = 1; }");
        assert!(
            other.contains("property `id` is no field of the message A"),
            "{other}"
        );
    }

    const IMPORTING: &str = "syntax = \"proto3\"; package s; import \"common/money.proto\"; import \"google/protobuf/timestamp.proto\"; message Order { string id = 1; optional string who = 2; common.Money price = 3; google.protobuf.Timestamp at = 4; repeated Line lines = 5; } message Line { optional string sku = 1; }";
    const MONEY: &str = "syntax = \"proto3\"; package common; message Money { string currency = 1; optional int64 units = 2; }";

    fn importing(money: &str) -> BTreeMap<String, String> {
        BTreeMap::from([
            ("p/order.proto".to_owned(), IMPORTING.to_owned()),
            ("p/common/money.proto".to_owned(), money.to_owned()),
            ("key.avsc".to_owned(), "\"string\"".to_owned()),
        ])
    }

    fn order(properties: &str) -> Odcs {
        odcs(&format!(
            "{BASE}servers: [{{server: d, type: kafka, format: protobuf}}]\ncustomProperties: [{{property: meshlog.keySchema, value: key.avsc}}]\nschema:\n- name: order\n  authoritativeDefinitions: [{{type: implementation, url: p/order.proto}}]\n  properties:\n{properties}"
        ))
    }

    #[test]
    fn a_protobuf_contract_may_import_files_beside_its_own() {
        let id = "  - {name: id, logicalType: string, required: true, primaryKey: true}\n";
        let spec = derive(&order(id), &importing(MONEY)).expect("derives");
        assert_eq!(spec.record, "s.Order");
        let imports: Vec<(&str, &str)> = spec
            .imports
            .iter()
            .map(|one| (one.name.as_str(), one.file.as_str()))
            .collect();
        assert_eq!(imports, [("common/money.proto", "p/common/money.proto")]);
        let key = spec.key_schema.as_ref().expect("a key schema");
        assert_eq!(
            (key.file.as_str(), key.encoding),
            ("key.avsc", Encoding::Avro)
        );
        assert_eq!(
            spec.unchecked(),
            Vec::<String>::new(),
            "of a key's part nobody is warned"
        );

        let mut files = importing(MONEY);
        files.remove("p/common/money.proto");
        let missing = derive(&order(id), &files).expect_err("missing");
        assert!(
            missing[0].contains("`p/common/money.proto`, imported by `p/order.proto`"),
            "{missing:?}"
        );
        files = importing("syntax = \"proto3\"; message {");
        let broken = derive(&order(id), &files).expect_err("broken").join("; ");
        assert!(broken.contains("common/money.proto"), "{broken}");
        files = importing(MONEY);
        files.remove("key.avsc");
        let missing = derive(&order(id), &files).expect_err("missing");
        assert!(
            missing[0].contains("`key.avsc` is not there"),
            "{missing:?}"
        );
    }

    #[test]
    fn required_fields_of_protobuf_must_be_there_where_that_shows() {
        let properties = "  - {name: who, logicalType: string, required: true}\n  - name: price\n    logicalType: object\n    required: true\n    properties:\n    - {name: units, logicalType: integer, required: true}\n    - {name: currency, logicalType: string, required: true}\n  - name: lines\n    logicalType: array\n    items:\n      logicalType: object\n      properties: [{name: sku, logicalType: string, required: true}]\n";
        let spec = derive(&order(properties), &importing(MONEY)).expect("derives");
        assert_eq!(
            spec.required,
            ["who", "price", "price.units", "lines[].sku"]
        );
        assert_eq!(spec.unchecked().len(), 1, "{:?}", spec.unchecked());
        let validator =
            Validator::compile(&spec.value_schema(), LogicalTypes::Check, &spec.required)
                .expect("compiles");
        let found = |body: &[u8]| -> Vec<String> {
            let framed = crate::framing::Framing::Prefix { id: 1, body };
            let checked = validator.check(framed, validator::Wanted::Nothing);
            let reasons = checked.err().unwrap_or_default().into_iter();
            reasons
                .map(|reason| format!("{} {}", reason.code, reason.path))
                .collect()
        };
        assert_eq!(
            found(b"\0\x12\x00\x1a\x02\x10\x00"),
            Vec::<String>::new(),
            "an empty text is there, and so is a zero"
        );
        assert_eq!(found(b"\0"), ["MESH-1006 /who", "MESH-1006 /price"]);
        assert_eq!(found(b"\0\x12\x00\x1a\x00"), ["MESH-1006 /price/units"]);
        assert_eq!(
            found(b"\0\x12\x00\x1a\x02\x10\x00\x2a\x00"),
            ["MESH-1006 /lines/0/sku"]
        );
        // 10000-01-01T00:00:00Z, and a nanosecond too many.
        let late = b"\0\x12\x00\x1a\x02\x10\x00\x22\x07\x08\x80\x83\xd1\xff\xaf\x07";
        assert_eq!(found(late), ["MESH-1016 /at"]);
        assert_eq!(
            found(b"\0\x12\x00\x1a\x02\x10\x00\x22\x06\x10\x80\x94\xeb\xdc\x03"),
            ["MESH-1016 /at"]
        );
        assert_eq!(
            found(b"\0\x12\x00\x1a\x02\x10\x00\x22\x02\x08\x01"),
            Vec::<String>::new()
        );
    }

    #[test]
    fn key_schemas_are_files_of_a_known_ending() {
        let text = format!(
            "{BASE}customProperties: [{{property: meshlog.keySchema, value: key.txt}}]\nschema:\n- name: call\n  properties: [{{name: id, logicalType: string}}]\n"
        );
        let errors = derive(&odcs(&text), &BTreeMap::new()).expect_err("wrong");
        assert!(errors[0].contains(".avsc, .json or .proto"), "{errors:?}");
    }

    #[test]
    fn composite_keys_are_json_arrays_in_position_order() {
        let text = format!(
            "{BASE}schema:\n- name: call\n  properties:\n  - {{name: b, logicalType: integer, required: true, primaryKey: true, primaryKeyPosition: 2}}\n  - {{name: a, logicalType: string, required: true, primaryKey: true, primaryKeyPosition: 1}}\n"
        );
        let spec = derive(&odcs(&text), &BTreeMap::new()).expect("derives");
        let key = spec
            .key
            .bytes(&json!({"b": 2, "a": "x"}))
            .expect("has a key");
        assert_eq!(String::from_utf8(key).expect("text"), "[\"x\",2]");
        assert_eq!(spec.key.bytes(&json!({"b": 2})), None);
    }
}
