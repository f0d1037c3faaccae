//! Keys under a schema of their own, made of the members of an event.

use super::{RowEncoder, RowError};
use crate::framing::write_prefix;
use crate::key_schema::KeySchema;
use crate::schema_error::SchemaError;
use crate::spec::{Encoding, Key};
use serde_json::{Map, Value, json};

/// Our producers cannot make keys of this schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoKeys {
    /// It is no record of members that events have.
    #[error("keys of {file} cannot be made of an event: {problem}")]
    Shape {
        /// The schema's file.
        file: String,
        /// What stands against it.
        problem: String,
    },
    /// It does not compile.
    #[error("the key schema {file} does not compile")]
    Schema {
        /// The schema's file.
        file: String,
        /// Why not.
        source: SchemaError,
    },
}

/// Writes keys.
#[derive(Debug)]
pub(super) struct KeyWriter {
    rows: RowEncoder,
    prefix: Option<u32>,
    /// The one member that the key is, where its schema is no record; written as the only field of one.
    only: Option<String>,
}

/// What the only field is called where a key is no record. One field of a record is written as that field alone.
const ONLY: &str = "value";

impl KeyWriter {
    /// A writer of keys under the schema `id`, for events that have `columns`.
    ///
    /// # Errors
    /// [`NoKeys`] where an event does not say what its key would be.
    pub(super) fn new(
        schema: &KeySchema,
        id: u32,
        key: &Key,
        events: &RowEncoder,
    ) -> Result<Self, NoKeys> {
        let shape = |problem: String| NoKeys::Shape {
            file: schema.file.clone(),
            problem,
        };
        let broken = |source| NoKeys::Schema {
            file: schema.file.clone(),
            source,
        };
        let only = single(schema);
        let (rows, only) = if let Some(kind) = only {
            let [name] = key.properties.as_slice() else {
                let problem = "it is no record, and the contract has not one `primaryKey` property that it could be";
                return Err(shape(problem.to_owned()));
            };
            let record =
                json!({"type": "record", "name": "Key", "fields": [{"name": ONLY, "type": kind}]});
            let rows = RowEncoder::new(Encoding::Avro, &record.to_string(), "");
            (rows.map_err(broken)?, Some(name.clone()))
        } else {
            (RowEncoder::compile(&schema.schema()).map_err(broken)?, None)
        };
        let unknown = rows.columns().iter();
        let unknown =
            unknown.filter(|column| only.is_none() && events.position(&column.name).is_none());
        if let Some(column) = unknown.into_iter().next() {
            return Err(shape(format!("events have no member `{}`", column.name)));
        }
        let prefix = match schema.encoding {
            Encoding::Json => None,
            Encoding::Avro | Encoding::Protobuf => Some(id),
        };
        Ok(Self { rows, prefix, only })
    }

    /// The names of the members that a key is made of.
    pub(super) fn members(&self) -> impl Iterator<Item = &str> {
        let columns = self
            .rows
            .columns()
            .iter()
            .map(|column| column.name.as_str());
        let columns = columns.filter(|_| self.only.is_none());
        columns.chain(self.only.as_deref())
    }

    /// The key of an event; `None` where a member is missing that it needs, which is for the contract to judge.
    ///
    /// # Errors
    /// Members that cannot be typed as the key has them.
    pub(super) fn bytes(&self, event: &Value) -> Result<Option<Vec<u8>>, Vec<RowError>> {
        let member = |name: &str| event.get(name).filter(|value| !value.is_null());
        let mut row = Map::new();
        for column in self.rows.columns() {
            let name = self.only.as_deref().unwrap_or(&column.name);
            match member(name) {
                Some(value) => drop(row.insert(column.name.clone(), value.clone())),
                None if column.required => return Ok(None),
                None => {}
            }
        }
        let mut key = Vec::with_capacity(64);
        if let Some(id) = self.prefix {
            write_prefix(id, &mut key);
        }
        let encoded = self.rows.encode_json(&Value::Object(row), &mut key);
        encoded.map_err(|mut errors| {
            if let Some(name) = &self.only {
                errors
                    .iter_mut()
                    .for_each(|error| error.column.clone_from(name));
            }
            errors
        })?;
        Ok(Some(key))
    }
}

/// The type of an Avro key that is no record but a text or a number.
fn single(schema: &KeySchema) -> Option<Value> {
    if schema.encoding != Encoding::Avro {
        return None;
    }
    let kind: Value = serde_json::from_str(&schema.text).ok()?;
    let name = kind.get("type").unwrap_or(&kind).as_str()?;
    ["string", "int", "long"].contains(&name).then_some(kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writer(file: &str, text: &str, properties: &[&str]) -> Result<KeyWriter, NoKeys> {
        let value =
            r#"{"type":"object","properties":{"id":{"type":"string"},"n":{"type":"integer"}}}"#;
        let events = RowEncoder::new(Encoding::Json, value, "").expect("rows");
        let schema = KeySchema {
            file: file.to_owned(),
            encoding: KeySchema::encoding_of(file).expect("an ending"),
            text: text.to_owned(),
            record: "K".to_owned(),
            imports: Vec::new(),
        };
        let key = Key {
            properties: properties.iter().map(|name| (*name).to_owned()).collect(),
            text: false,
        };
        KeyWriter::new(&schema, 9, &key, &events)
    }

    #[test]
    fn keys_are_made_of_members_of_the_event() {
        let event = json!({"id": "a", "n": 3});
        let record = r#"{"type":"record","name":"K","fields":[{"name":"n","type":"long"},{"name":"id","type":"string"}]}"#;
        let proto = "syntax = \"proto3\"; message K { string id = 1; }";
        let object = r#"{"type":"object","properties":{"n":{"type":"integer"}}}"#;
        for (file, text, properties, expected) in [
            ("k.avsc", record, &[][..], &b"\0\0\0\0\x09\x06\x02a"[..]),
            ("k.avsc", "\"string\"", &["id"], b"\0\0\0\0\x09\x02a"),
            ("k.avsc", r#"{"type":"long"}"#, &["n"], b"\0\0\0\0\x09\x06"),
            ("k.proto", proto, &[], b"\0\0\0\0\x09\0\x0a\x01a"),
            ("k.json", object, &[], br#"{"n":3}"#),
        ] {
            let writer = writer(file, text, properties).expect("a writer");
            assert_eq!(
                writer.bytes(&event).expect("typed").as_deref(),
                Some(expected),
                "{text}"
            );
        }
        let keys = writer("k.avsc", record, &[]).expect("a writer");
        assert_eq!(
            keys.bytes(&json!({"id": "a"})),
            Ok(None),
            "for the contract to judge"
        );
        assert!(keys.bytes(&json!({"id": "a", "n": "x"})).is_err());
        assert_eq!(keys.members().collect::<Vec<_>>(), ["n", "id"]);
        let only = writer("k.avsc", "\"string\"", &["id"]).expect("a writer");
        let wrong = only.bytes(&json!({"id": 3})).expect_err("no text");
        assert_eq!(wrong[0].column, "id");
    }

    #[test]
    fn keys_that_no_event_tells_are_none_of_ours() {
        let said = |file: &str, text: &str| {
            writer(file, text, &[])
                .map(drop)
                .expect_err("no key")
                .to_string()
        };
        assert!(said("k.avsc", "\"string\"").contains("primaryKey"));
        let other = r#"{"type":"record","name":"K","fields":[{"name":"tenant","type":"string"}]}"#;
        assert!(said("k.avsc", other).contains("no member `tenant`"));
        assert!(said("k.json", r#"{"type":"string"}"#).starts_with("the key schema k.json"));
    }
}
