//! One contract version as a producer needs it: a row or a JSON text in, key and value of the event out.
//!
//! `meshlog publish` and the gateway write with it, so that one row is the same bytes whichever way it takes.

use super::key::{KeyWriter, NoKeys};
use super::{RowEncoder, RowError};
use crate::cloud_events::{Attributes, Origin};
use crate::framing::write_prefix;
use crate::json;
use crate::key_schema::KeySchema;
use crate::schema_error::SchemaError;
use crate::settings::CloudEvents;
use crate::spec::{Encoding, Key};
use crate::validator::Schema;
use crate::verdict::{Code, Reason};
use serde_json::{Map, Value};

/// Largest event: librdkafka's `message.max.bytes` of 1,000,000, less what a record needs around key and value.
pub const MAX_EVENT: usize = 999_000;

/// What an unknown member or column is answered with.
pub(super) const A_COLUMN: &str = "a column of the schema";

/// Writes events of one contract version.
#[derive(Debug)]
pub struct EventWriter {
    rows: RowEncoder,
    encoding: Encoding,
    /// The schema id before each value, where the encoding asks for it.
    prefix: Option<u32>,
    key: Key,
    /// Where keys have a schema.
    keys: Option<KeyWriter>,
    /// Where events are CloudEvents.
    cloud_events: Option<(CloudEvents, Origin)>,
}

/// An event to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Its key, where the contract asks for one and the event has it.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub value: Vec<u8>,
    /// Its headers.
    pub headers: Vec<(String, Vec<u8>)>,
}

/// How the caller wants a CloudEvent written, where the contract leaves that open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// In binary mode, which leaves the value as it is.
    Binary,
    /// In structured mode.
    Structured,
}

impl EventWriter {
    /// A writer of events under the schema `id`, which JSON does not need.
    ///
    /// # Errors
    /// [`SchemaError`] when the schema is not one of rows.
    pub fn new(schema: &Schema<'_>, id: u32, key: Key) -> Result<Self, SchemaError> {
        let prefix = match schema.encoding {
            Encoding::Json => None,
            Encoding::Avro | Encoding::Protobuf => Some(id),
        };
        Ok(Self {
            rows: RowEncoder::compile(schema)?,
            encoding: schema.encoding,
            prefix,
            key,
            keys: None,
            cloud_events: None,
        })
    }

    /// The same with keys under a schema of their own, which has this id.
    ///
    /// # Errors
    /// [`NoKeys`] when an event does not say what its key would be.
    pub fn with_keys(mut self, schema: Option<&KeySchema>, id: u32) -> Result<Self, NoKeys> {
        if let Some(schema) = schema {
            self.keys = Some(KeyWriter::new(schema, id, &self.key, &self.rows)?);
        }
        Ok(self)
    }

    /// The same with events as CloudEvents, where the contract says so.
    #[must_use]
    pub fn with_cloud_events(mut self, mode: CloudEvents, origin: Origin) -> Self {
        self.cloud_events = match mode {
            CloudEvents::None => None,
            CloudEvents::Binary | CloudEvents::Structured | CloudEvents::Any => {
                Some((mode, origin))
            }
        };
        self
    }

    /// Whether events are CloudEvents.
    pub fn writes_cloud_events(&self) -> bool {
        self.cloud_events.is_some()
    }

    /// What types the rows.
    pub fn rows(&self) -> &RowEncoder {
        &self.rows
    }

    /// How keys are made.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// Begin a value: empty, but for the schema id in front.
    pub fn begin(&self, value: &mut Vec<u8>) {
        value.clear();
        if let Some(id) = self.prefix {
            write_prefix(id, value);
        }
    }

    /// Append the body of a JSON object to a value that has begun, and give its key.
    ///
    /// # Errors
    /// Everything in it that cannot be typed.
    pub fn write(
        &self,
        row: &Value,
        value: &mut Vec<u8>,
    ) -> Result<Option<Vec<u8>>, Vec<RowError>> {
        self.rows.encode_json(row, value)?;
        self.key_of(row)
    }

    /// The key of an event given as JSON; `None` where the contract asks for none or a part of it is missing.
    ///
    /// # Errors
    /// Members that cannot be typed as the key's schema has them.
    pub fn key_of(&self, row: &Value) -> Result<Option<Vec<u8>>, Vec<RowError>> {
        match &self.keys {
            Some(keys) => keys.bytes(row),
            None => Ok(self.key.bytes(row)),
        }
    }

    /// The key of a row of cells, where it has a schema: `Err` of nothing where it has none.
    ///
    /// # Errors
    /// As [`Self::key_of`].
    pub fn key_of_cells(
        &self,
        cell: impl Fn(&str) -> Option<Value>,
    ) -> Option<Result<Option<Vec<u8>>, Vec<RowError>>> {
        let keys = self.keys.as_ref()?;
        let members = keys.members();
        let members = members.filter_map(|name| Some((name.to_owned(), cell(name)?)));
        let row: Map<String, Value> = members.collect();
        Some(keys.bytes(&Value::Object(row)))
    }

    /// Make a CloudEvent of a finished value: gives the headers that go with it, none where the contract asks for none.
    pub fn finish(
        &self,
        id: &str,
        (wish, given): (Wish, Attributes),
        value: &mut Vec<u8>,
    ) -> Vec<(String, Vec<u8>)> {
        let Some((mode, origin)) = &self.cloud_events else {
            return Vec::new();
        };
        let attributes = origin.attributes(id, given);
        match (mode, wish) {
            (CloudEvents::Structured, _) | (CloudEvents::Any, Wish::Structured) => {
                let (envelope, header) = attributes.envelope(self.encoding, value);
                *value = envelope;
                vec![header]
            }
            (CloudEvents::None | CloudEvents::Binary, _) | (CloudEvents::Any, Wish::Binary) => {
                attributes.headers(self.encoding)
            }
        }
    }

    /// The event of a JSON text: in a JSON port the text itself, byte by byte; else typed by the schema.
    ///
    /// # Errors
    /// Reasons, as a judge gives them, for what cannot be written as an event of this schema at all.
    pub fn write_text(&self, text: &[u8]) -> Result<Written, Vec<Reason>> {
        let row = json::parse(text);
        let headers = Vec::new();
        let reasons =
            |errors: Vec<RowError>| errors.iter().map(RowError::reason).collect::<Vec<_>>();
        if self.encoding == Encoding::Json {
            // What has no key, or none that could be written, the judge says what is wrong with.
            let key = row.ok().and_then(|row| self.key_of(&row).ok().flatten());
            return Ok(Written {
                key,
                value: text.to_vec(),
                headers,
            });
        }
        let row = row.map_err(|reason| vec![reason])?;
        let mut value = Vec::with_capacity(text.len());
        self.begin(&mut value);
        let key = self.write(&row, &mut value).map_err(reasons)?;
        Ok(Written {
            key,
            value,
            headers,
        })
    }
}

impl RowError {
    /// The reason that a judge would give.
    pub fn reason(&self) -> Reason {
        let code = match &self.value {
            None => Code::Missing,
            Some(_) if self.expected == A_COLUMN => Code::Undeclared,
            Some(_) => Code::WrongType,
        };
        let path = match self.column.as_str() {
            "" => String::new(),
            column => format!("/{}", column.replace('.', "/")),
        };
        Reason::new(code, path, self.expected.as_str(), &self.found())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AVRO: &str = r#"{"type":"record","name":"E","fields":[{"name":"id","type":"string"},{"name":"n","type":"long"}]}"#;
    const JSON: &str = r#"{"type":"object","properties":{"id":{"type":"string"}}}"#;
    const PROTOBUF: &str = "syntax = \"proto3\"; message E { string id = 1; int64 n = 2; }";

    fn writer(encoding: Encoding, schema: &str) -> EventWriter {
        let key = Key {
            properties: vec!["id".to_owned()],
            text: true,
        };
        EventWriter::new(&Schema::new(encoding, schema, "E"), 7, key).expect("a writer")
    }

    #[test]
    fn a_text_becomes_framed_bytes_and_a_key() {
        let text = br#"{"id":"a","n":3}"#;
        let avro = writer(Encoding::Avro, AVRO)
            .write_text(text)
            .expect("typed");
        assert_eq!(avro.value, b"\0\0\0\0\x07\x02a\x06");
        assert_eq!(avro.key.as_deref(), Some(&b"a"[..]));
        let protobuf = writer(Encoding::Protobuf, PROTOBUF).write_text(text);
        assert_eq!(
            protobuf.expect("typed").value,
            b"\0\0\0\0\x07\0\x0a\x01a\x10\x03"
        );
    }

    #[test]
    fn json_stays_as_it_was_written() {
        let writer = writer(Encoding::Json, JSON);
        let text = b"{ \"id\": \"a\", \"x\": 1.50 }";
        let written = writer.write_text(text).expect("always");
        assert_eq!(
            (written.value.as_slice(), written.key.as_deref()),
            (&text[..], Some(&b"a"[..]))
        );
        assert_eq!(writer.write_text(b"{").expect("always").key, None);
    }

    #[test]
    fn what_cannot_be_typed_has_the_codes_of_a_judge() {
        let writer = writer(Encoding::Avro, AVRO);
        let codes = |text: &[u8]| -> Vec<(Code, String)> {
            let reasons = writer.write_text(text).expect_err("refused");
            reasons
                .into_iter()
                .map(|reason| (reason.code, reason.path))
                .collect()
        };
        assert_eq!(codes(br#"{"id":"a"}"#), [(Code::Missing, "/n".to_owned())]);
        assert_eq!(
            codes(br#"{"id":"a","n":"x"}"#),
            [(Code::WrongType, "/n".to_owned())]
        );
        assert_eq!(
            codes(br#"{"id":"a","n":1,"z":2}"#),
            [(Code::Undeclared, "/z".to_owned())]
        );
        assert_eq!(codes(br#"{"id":"a","n":1,"n":2}"#)[0].0, Code::NotJson);
        assert_eq!(codes(b"[1]"), [(Code::WrongType, String::new())]);
    }
}
