//! Accepted events as plain JSON, by the schema that each names: for what is measured of their content.

use crate::avro::AvroValidator;
use crate::cloud_events::{self, Data};
use crate::framing::{Framing, read_framing};
use crate::protobuf::{Demands, ProtobufEvents};
use crate::rule::{ActiveVersion, CompileError, Event, VALUE_SCHEMA_ID_HEADER};
use crate::schema_error::SchemaError;
use crate::settings::{CloudEvents, LogicalTypes};
use crate::spec::Encoding;
use crate::validator;
use serde_json::Value;
use std::collections::BTreeMap;

/// Reads the events of a port.
#[derive(Debug, Default)]
pub struct EventReader {
    schemas: Vec<Schema>,
    by_id: BTreeMap<u32, usize>,
    by_guid: BTreeMap<[u8; 16], usize>,
    /// Which CloudEvents the version in force wants, and what their data are encoded in.
    wanted: Option<(CloudEvents, Encoding)>,
}

#[derive(Debug)]
enum Schema {
    Avro(AvroValidator),
    Json,
    Protobuf(ProtobufEvents),
}

impl EventReader {
    /// A reader of every version that was put in force, in that order.
    ///
    /// # Errors
    /// [`CompileError`] for a schema that this build cannot compile.
    pub fn compile(versions: &[ActiveVersion<'_>]) -> Result<Self, CompileError> {
        let mut reader = Self::default();
        for (index, version) in versions.iter().enumerate() {
            let compiled = Schema::compile(version);
            reader.schemas.push(compiled.map_err(|error| CompileError {
                version: version.version,
                message: error.to_string(),
            })?);
            for binding in version.bindings {
                reader.by_id.insert(binding.id, index);
                reader.by_guid.insert(binding.guid, index);
            }
        }
        let newest = versions.last();
        reader.wanted = newest.map(|version| (version.settings.cloud_events, version.encoding));
        Ok(reader)
    }

    /// An event as plain JSON; `None` for a tombstone, and for what a port in shadow let through that does not decode.
    pub fn read(&self, event: &Event<'_>) -> Option<Value> {
        let (allowed, encoding) = self.wanted?;
        match cloud_events::open(allowed, encoding, event, event.value?).data {
            Data::Value(value) => self.content(event, value),
            Data::Bytes(bytes) => self.content(event, &bytes),
            Data::Json(document) => Some(document),
            Data::Nothing => None,
        }
    }

    fn content(&self, event: &Event<'_>, value: &[u8]) -> Option<Value> {
        let framing = read_framing(value, event.last_header(VALUE_SCHEMA_ID_HEADER)).ok()?;
        let index = match framing {
            Framing::Prefix { id, .. } => *self.by_id.get(&id)?,
            Framing::Header { guid, .. } => *self.by_guid.get(&guid)?,
            Framing::Plain(_) => self.schemas.len().checked_sub(1)?,
        };
        match (&self.schemas[index], framing) {
            (Schema::Json, framing) => serde_json::from_slice(framing.body()).ok(),
            (Schema::Avro(avro), Framing::Prefix { body, .. } | Framing::Header { body, .. }) => {
                avro.decode_json(body).ok()
            }
            (Schema::Protobuf(events), Framing::Prefix { body, .. }) => {
                events.decode_json(None, body).ok()
            }
            (Schema::Protobuf(events), Framing::Header { indexes, body, .. }) => {
                events.decode_json(Some(indexes), body).ok()
            }
            (Schema::Avro(_) | Schema::Protobuf(_), Framing::Plain(_)) => None,
        }
    }
}

impl Schema {
    fn compile(version: &ActiveVersion<'_>) -> Result<Self, SchemaError> {
        Ok(match version.encoding {
            Encoding::Json => Self::Json,
            Encoding::Avro => Self::Avro(AvroValidator::compile(version.schema)?),
            Encoding::Protobuf => {
                let source = validator::Schema {
                    imports: version.imports,
                    ..validator::Schema::new(version.encoding, version.schema, version.record)
                };
                // Whatever a port in shadow let through is measured too, as far as it decodes.
                let demands = Demands {
                    required: &[],
                    logical: LogicalTypes::Ignore,
                };
                Self::Protobuf(ProtobufEvents::compile_with(&source, &demands)?)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;
    use crate::spec::Key;
    use serde_json::json;

    #[test]
    fn the_data_of_cloud_events_are_read_in_both_modes() {
        let settings = Settings {
            cloud_events: CloudEvents::Any,
            ..Settings::default()
        };
        let key = Key {
            properties: vec![],
            text: false,
        };
        let version = ActiveVersion {
            version: "1.0.0".parse().expect("a version"),
            encoding: Encoding::Json,
            schema: "{}",
            record: "event",
            imports: &[],
            required: &[],
            key: &key,
            key_schema: None,
            settings: &settings,
            rules: &[],
            classified: &[],
            bindings: &[],
        };
        let reader = EventReader::compile(&[version]).expect("compiles");
        let read = |kind: &'static str, value: &'static [u8]| {
            let headers = [("content-type", Some(kind.as_bytes()))];
            reader.read(&Event {
                key: None,
                value: Some(value),
                headers: &headers,
            })
        };
        assert_eq!(
            read("application/json", br#"{"n":1}"#),
            Some(json!({"n": 1}))
        );
        let envelope = br#"{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"n":2}}"#;
        assert_eq!(
            read("application/cloudevents+json", envelope),
            Some(json!({"n": 2}))
        );
    }
}
