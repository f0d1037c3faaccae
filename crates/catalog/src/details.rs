//! What pages and search need of a contract beyond the stored fact: fields, promises, prose, read from its document.
//!
//! A contract version never changes, so each document is parsed once, whatever the number of views.

use contract::document::odcs::{Odcs, SlaProperty};
use contract::document::{Document, parse};
use contract::protobuf::{Demands, ProtobufEvents};
use contract::settings::LogicalTypes;
use contract::spec::{Encoding, Field, derive};
use contract::validator::Schema;
use governance::body;
use governance::mesh::Entity;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What a contract's document says to its readers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Details {
    /// The fields, flattened.
    pub fields: Vec<Field>,
    /// Which message of a Protobuf schema events are, by its full name.
    pub message: Option<String>,
    /// Promises.
    pub sla: Vec<SlaProperty>,
    /// What the data is not for.
    pub limitations: String,
    /// How to use it.
    pub usage: String,
    /// Words to find it by.
    pub tags: Vec<String>,
}

/// Details by the `seq` of the fact that approved the version.
#[derive(Debug, Default)]
pub struct DetailsCache(Mutex<BTreeMap<u64, Arc<Details>>>);

impl DetailsCache {
    /// The details of a version.
    pub fn get(&self, version: &Entity<body::ContractVersion>) -> Arc<Details> {
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().get(&version.changed_seq) {
            return Arc::clone(known);
        }
        let details = Arc::new(read(&version.state));
        lock().insert(version.changed_seq, Arc::clone(&details));
        details
    }
}

/// Read the details of a stored contract version.
pub fn read(body: &body::ContractVersion) -> Details {
    let Some(odcs) = odcs(&body.document) else {
        return Details {
            fields: keyed(schema_fields(body), body),
            ..Details::default()
        };
    };
    let (derived, record) = derive(&odcs, &body.files)
        .map(|spec| (spec.fields, spec.record))
        .unwrap_or_default();
    let message = (body.encoding == "protobuf").then_some(record);
    let fields = match &message {
        _ if !derived.is_empty() => derived,
        Some(message) => keyed(protobuf_fields(body, message), body),
        None => keyed(schema_fields(body), body),
    };
    let description = odcs.description.unwrap_or_default();
    let prose = |text: Option<String>| text.unwrap_or_default().trim().to_owned();
    Details {
        fields,
        message,
        sla: odcs.sla_properties,
        limitations: prose(description.limitations),
        usage: prose(description.usage),
        tags: odcs.tags,
    }
}

fn odcs(text: &str) -> Option<Odcs> {
    parse("contract", text)
        .ok()?
        .into_iter()
        .find_map(|sourced| match sourced.document {
            Document::Contract(odcs) => Some(*odcs),
            Document::Domain(_) | Document::Team(_) | Document::Product(_) => None,
        })
}

/// The fields of a contract whose document names a schema file instead of describing them.
fn schema_fields(body: &body::ContractVersion) -> Vec<Field> {
    let Ok(schema) = serde_json::from_str::<Value>(&body.schema) else {
        return Vec::new();
    };
    let mut fields = Vec::new();
    if body.encoding == "avro" {
        avro_fields("", &schema, &mut fields);
    } else {
        json_fields("", &schema, &mut fields);
    }
    fields
}

/// The fields of a Protobuf message.
fn protobuf_fields(body: &body::ContractVersion, message: &str) -> Vec<Field> {
    let imports = body.imported();
    let schema = Schema {
        encoding: Encoding::Protobuf,
        text: &body.schema,
        record: message,
        imports: &imports,
    };
    let demands = Demands {
        required: &body.required,
        logical: LogicalTypes::Ignore,
    };
    let Ok(events) = ProtobufEvents::compile_with(&schema, &demands) else {
        return Vec::new();
    };
    let fields = events.fields().into_iter();
    fields
        .map(|found| {
            let required = found.required || body.required.contains(&found.path);
            field(found.path, found.kind, required, None)
        })
        .collect()
}

/// The fields with their places in the key.
fn keyed(mut fields: Vec<Field>, body: &body::ContractVersion) -> Vec<Field> {
    for field in &mut fields {
        let at = body
            .key
            .properties
            .iter()
            .position(|name| *name == field.path);
        field.key = at.and_then(|at| u32::try_from(at + 1).ok()).unwrap_or(0);
    }
    fields
}

fn field(path: String, kind: String, required: bool, doc: Option<&Value>) -> Field {
    let description = doc.and_then(Value::as_str).unwrap_or_default().to_owned();
    Field {
        path,
        kind,
        required,
        key: 0,
        description,
        classification: None,
    }
}

fn avro_fields(above: &str, record: &Value, fields: &mut Vec<Field>) {
    for member in record["fields"].as_array().into_iter().flatten() {
        let path = format!("{above}{}", member["name"].as_str().unwrap_or_default());
        let (kind, nullable) = avro_kind(&member["type"]);
        let name = kind["logicalType"]
            .as_str()
            .or(kind["type"].as_str())
            .or(kind.as_str());
        let name = name.unwrap_or("union").to_owned();
        fields.push(field(path.clone(), name, !nullable, member.get("doc")));
        match kind["type"].as_str() {
            Some("record") => avro_fields(&format!("{path}."), kind, fields),
            Some("array") => avro_fields(&format!("{path}[]."), &kind["items"], fields),
            Some(_) | None => {}
        }
    }
}

/// A type without its null, and whether it had one.
fn avro_kind(kind: &Value) -> (&Value, bool) {
    let Some(branches) = kind.as_array() else {
        return (kind, false);
    };
    let mut others = branches
        .iter()
        .filter(|branch| branch.as_str() != Some("null"));
    let nullable = branches
        .iter()
        .any(|branch| branch.as_str() == Some("null"));
    match (others.next(), others.next()) {
        (Some(only), None) => (only, nullable),
        (Some(_) | None, _) => (kind, nullable),
    }
}

fn json_fields(above: &str, object: &Value, fields: &mut Vec<Field>) {
    let required: Vec<&str> = object["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    for (name, property) in object["properties"].as_object().into_iter().flatten() {
        let path = format!("{above}{name}");
        let kind = property["format"]
            .as_str()
            .or(property["type"].as_str())
            .unwrap_or("any");
        let must = required.contains(&name.as_str());
        fields.push(field(
            path.clone(),
            kind.to_owned(),
            must,
            property.get("description"),
        ));
        json_fields(&format!("{path}."), property, fields);
        json_fields(&format!("{path}[]."), &property["items"], fields);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_of_a_schema_file_are_listed_too() {
        let schema = json!({"type": "record", "name": "Call", "fields": [
            {"name": "id", "type": "string", "doc": "Which call."},
            {"name": "at", "type": ["null", {"type": "long", "logicalType": "timestamp-micros"}]},
            {"name": "who", "type": {"type": "record", "name": "Who", "fields": [
                {"name": "name", "type": "string"}]}},
        ]});
        let mut fields = Vec::new();
        avro_fields("", &schema, &mut fields);
        let seen: Vec<_> = fields
            .iter()
            .map(|f| (f.path.as_str(), f.kind.as_str(), f.required))
            .collect();
        let expected = [
            ("id", "string", true),
            ("at", "timestamp-micros", false),
            ("who", "record", true),
            ("who.name", "string", true),
        ];
        assert_eq!(seen, expected);
        assert_eq!(fields[0].description, "Which call.");
    }

    #[test]
    fn fields_of_a_protobuf_message_are_listed_too() {
        let text = "syntax = \"proto3\"; message Note {} message Call { string id = 1; Who who = 2; message Who { string name = 1; } }";
        let document = "apiVersion: v3.1.0\nkind: DataContract\nid: c\nversion: 1.0.0\nstatus: active\nservers: [{server: d, type: kafka, format: protobuf}]\nschema: [{name: call, authoritativeDefinitions: [{type: implementation, url: c.proto}]}]\n";
        let settings = contract::settings::Settings::default();
        let body = body::ContractVersion {
            contract_id: "c".to_owned(),
            version: "1.0.0".to_owned(),
            domain: None,
            title: String::new(),
            purpose: String::new(),
            encoding: "protobuf".to_owned(),
            schema: text.to_owned(),
            record: "Call".to_owned(),
            imports: vec![],
            required: vec![],
            key_schema: None,
            key: body::Key {
                properties: vec!["id".to_owned()],
                text: true,
            },
            settings: body::StoredSettings::from(&settings),
            rules: vec![],
            classified: vec![],
            supersedes: None,
            bump: "none".to_owned(),
            files: BTreeMap::from([("c.proto".to_owned(), text.to_owned())]),
            document: document.to_owned(),
        };
        let details = read(&body);
        assert_eq!(details.message.as_deref(), Some("Call"));
        let fields: Vec<_> = details
            .fields
            .iter()
            .map(|field| (field.path.as_str(), field.kind.as_str(), field.key))
            .collect();
        let expected = [
            ("id", "string", 1),
            ("who", "Call.Who", 0),
            ("who.name", "string", 0),
        ];
        assert_eq!(fields, expected);
    }

    #[test]
    fn fields_of_a_json_schema_are_listed_too() {
        let schema = json!({"required": ["id"], "properties": {
            "id": {"type": "string"},
            "lines": {"type": "array", "items": {"properties": {"sku": {"type": "string"}}}},
        }});
        let mut fields = Vec::new();
        json_fields("", &schema, &mut fields);
        let paths: Vec<_> = fields.iter().map(|field| field.path.as_str()).collect();
        assert_eq!(paths, ["id", "lines", "lines[].sku"]);
        assert!(fields[0].required && !fields[1].required);
    }
}
