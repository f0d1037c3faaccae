//! Accepted events as plain JSON, by the schema that each names: for what is measured of their content.

use crate::avro::AvroValidator;
use crate::framing::{Framing, read_framing};
use crate::protobuf::ProtobufEvents;
use crate::rule::{ActiveVersion, CompileError, Event, VALUE_SCHEMA_ID_HEADER};
use crate::spec::Encoding;
use serde_json::Value;
use std::collections::BTreeMap;

/// Reads the events of a port.
#[derive(Debug, Default)]
pub struct EventReader {
    schemas: Vec<Schema>,
    by_id: BTreeMap<u32, usize>,
    by_guid: BTreeMap<[u8; 16], usize>,
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
            let compiled = match version.encoding {
                Encoding::Json => Ok(Schema::Json),
                Encoding::Avro => AvroValidator::compile(version.schema).map(Schema::Avro),
                Encoding::Protobuf => {
                    ProtobufEvents::compile(version.schema, version.record).map(Schema::Protobuf)
                }
            };
            reader.schemas.push(compiled.map_err(|error| CompileError {
                version: version.version,
                message: error.to_string(),
            })?);
            for binding in version.bindings {
                reader.by_id.insert(binding.id, index);
                reader.by_guid.insert(binding.guid, index);
            }
        }
        Ok(reader)
    }

    /// An event as plain JSON; `None` for a tombstone, and for what a port in shadow let through that does not decode.
    pub fn read(&self, event: &Event<'_>) -> Option<Value> {
        let value = event.value?;
        let mut headers = event.headers.iter().rev();
        let header = headers.find(|(name, _)| *name == VALUE_SCHEMA_ID_HEADER);
        let framing = read_framing(value, header.and_then(|(_, value)| *value)).ok()?;
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
