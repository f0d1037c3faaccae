//! Events decoded for people and programs: Avro and Protobuf by the schema that the event names, JSON as it stands.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use contract::avro::AvroValidator;
use contract::cloud_events::{CONTENT_TYPE, Envelope, is_structured};
use contract::framing::{Framing, VALUE_SCHEMA_ID_HEADER, read_framing};
use contract::protobuf::{Demands, ProtobufEvents};
use contract::settings::{CloudEvents, LogicalTypes};
use contract::spec::Encoding;
use kafka::Record;
use serde_json::{Map, Value, json};

use crate::port::{BoundVersion, Port};

/// Reads values of one port.
#[derive(Debug)]
pub(crate) struct Decoder {
    encoding: Encoding,
    cloud_events: CloudEvents,
    schemas: Vec<Schema>,
    by_id: BTreeMap<u32, usize>,
    by_guid: BTreeMap<[u8; 16], usize>,
}

/// A schema that values are read with.
#[derive(Debug)]
enum Schema {
    Avro(AvroValidator),
    Protobuf(ProtobufEvents),
}

impl Schema {
    /// `None` for an encoding that needs no schema to be read.
    fn compile(version: &BoundVersion) -> anyhow::Result<Option<Self>> {
        let compiled = match version.encoding {
            Encoding::Json => return Ok(None),
            Encoding::Avro => AvroValidator::compile(&version.schema).map(Schema::Avro),
            Encoding::Protobuf => {
                let demands = Demands {
                    required: &[],
                    logical: LogicalTypes::Ignore,
                };
                let compiled = ProtobufEvents::compile_with(&version.value_schema(), &demands);
                compiled.map(Schema::Protobuf)
            }
        };
        compiled.map(Some).map_err(|error| {
            anyhow::anyhow!(
                "the schema of version {} does not compile: {error}",
                version.version
            )
        })
    }
}

/// A value cannot be shown as the contract has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Undecoded {
    /// It names a schema that this decoder does not know (yet).
    UnknownSchema(String),
    /// It does not decode.
    Broken(String),
}

impl std::fmt::Display for Undecoded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Undecoded::UnknownSchema(name) => write!(f, "schema {name} is not bound to this port"),
            Undecoded::Broken(why) => f.write_str(why),
        }
    }
}

impl Decoder {
    /// A decoder for every version that was ever in force on the port.
    ///
    /// # Errors
    /// A schema that this build cannot compile.
    pub(crate) fn new(port: &Port) -> anyhow::Result<Self> {
        let encoding = port
            .versions
            .last()
            .map_or(Encoding::Json, |version| version.encoding);
        let cloud_events = port
            .versions
            .last()
            .map_or(CloudEvents::None, |version| version.cloud_events);
        let mut decoder = Self {
            encoding,
            cloud_events,
            schemas: Vec::new(),
            by_id: BTreeMap::new(),
            by_guid: BTreeMap::new(),
        };
        for version in &port.versions {
            let Some(compiled) = Schema::compile(version)? else {
                continue;
            };
            let index = decoder.schemas.len();
            decoder.schemas.push(compiled);
            for binding in &version.bindings {
                decoder.by_id.insert(binding.schema_id, index);
                decoder
                    .by_guid
                    .extend(binding.guid_bytes().map(|guid| (guid, index)));
            }
        }
        Ok(decoder)
    }

    /// Writes the value of a record as JSON in one line, without a line end.
    pub(crate) fn write(&self, record: &Record, out: &mut Vec<u8>) -> Result<(), Undecoded> {
        let Some(value) = &record.value else {
            out.extend_from_slice(b"null");
            return Ok(());
        };
        let unwrapped = self.unwrapped(record, value)?;
        let value = match &unwrapped {
            None => value.as_slice(),
            Some(Unwrapped::Json(data)) => {
                let written = serde_json::to_writer(out, data);
                return written.map_err(|error| Undecoded::Broken(error.to_string()));
            }
            Some(Unwrapped::Bytes(bytes)) => bytes,
        };
        let broken = |reason: contract::verdict::Reason| Undecoded::Broken(reason.to_string());
        let framing = read_framing(value, record.header(VALUE_SCHEMA_ID_HEADER)).map_err(broken)?;
        if self.encoding == Encoding::Json {
            return write_json(framing.body(), out);
        }
        let (index, indexes, body) = match framing {
            Framing::Prefix { id, body } => (self.by_id.get(&id), None, body),
            Framing::Header {
                guid,
                indexes,
                body,
            } => (self.by_guid.get(&guid), Some(indexes), body),
            Framing::Plain(_) => {
                return Err(Undecoded::Broken("the value names no schema".to_owned()));
            }
        };
        let index = *index.ok_or_else(|| Undecoded::UnknownSchema(name(&framing)))?;
        let decoded = match &self.schemas[index] {
            Schema::Avro(validator) => validator.decode_json(body),
            Schema::Protobuf(events) => events.decode_json(indexes, body),
        };
        let decoded = decoded.map_err(|reasons| {
            let texts: Vec<String> = reasons.iter().map(ToString::to_string).collect();
            Undecoded::Broken(texts.join("; "))
        })?;
        serde_json::to_writer(out, &decoded).map_err(|error| Undecoded::Broken(error.to_string()))
    }

    /// The data of a CloudEvent in structured mode; none where the value is the data.
    fn unwrapped(&self, record: &Record, value: &[u8]) -> Result<Option<Unwrapped>, Undecoded> {
        let kind = record.header(CONTENT_TYPE).map(String::from_utf8_lossy);
        let structured = match self.cloud_events {
            CloudEvents::None | CloudEvents::Binary => false,
            CloudEvents::Structured | CloudEvents::Any => kind.is_some_and(|it| is_structured(&it)),
        };
        if !structured {
            return Ok(None);
        }
        // What is wrong around the data is the contract's to judge.
        let (Some(envelope), _) = Envelope::read(self.encoding, value) else {
            return Err(Undecoded::Broken(
                "the CloudEvent is no JSON object".to_owned(),
            ));
        };
        let data = envelope.bytes.map(Unwrapped::Bytes);
        let data = data.or_else(|| envelope.data.map(Unwrapped::Json));
        let nothing = || Undecoded::Broken("the CloudEvent holds no data".to_owned());
        data.map(Some).ok_or_else(nothing)
    }

    /// The value as JSON.
    pub(crate) fn value(&self, record: &Record) -> Result<Value, Undecoded> {
        let mut text = Vec::new();
        self.write(record, &mut text)?;
        serde_json::from_slice(&text).map_err(|error| Undecoded::Broken(error.to_string()))
    }
}

/// Data out of an envelope.
enum Unwrapped {
    Json(Value),
    Bytes(Vec<u8>),
}

fn name(framing: &Framing<'_>) -> String {
    match framing {
        Framing::Prefix { id, .. } => format!("id {id}"),
        Framing::Header { guid, .. } => format!("GUID {}", hex(guid)),
        Framing::Plain(_) => "(none)".to_owned(),
    }
}

/// JSON goes out as it came in, if that is one line; the contract has checked accepted events already.
fn write_json(body: &[u8], out: &mut Vec<u8>) -> Result<(), Undecoded> {
    if !body.contains(&b'\n') && !body.contains(&b'\r') && body.first() == Some(&b'{') {
        out.extend_from_slice(body);
        return Ok(());
    }
    let value: Value =
        serde_json::from_slice(body).map_err(|error| Undecoded::Broken(error.to_string()))?;
    serde_json::to_writer(out, &value).map_err(|error| Undecoded::Broken(error.to_string()))
}

/// Bytes as text, or as `{"hex": …}` where they are none.
pub(crate) fn bytes_json(bytes: Option<&[u8]>) -> Value {
    match bytes.map(std::str::from_utf8) {
        None => Value::Null,
        Some(Ok(text)) => text.into(),
        Some(Err(_)) => json!({"hex": hex(bytes.unwrap_or_default())}),
    }
}

/// Position, time, key and headers of a record.
pub(crate) fn envelope(record: &Record) -> Map<String, Value> {
    let headers: Map<String, Value> = record
        .headers
        .iter()
        .map(|header| (header.key.clone(), bytes_json(header.value.as_deref())))
        .collect();
    let mut members = Map::new();
    members.insert("partition".to_owned(), record.partition.into());
    members.insert("offset".to_owned(), record.offset.into());
    members.insert(
        "timestamp".to_owned(),
        record.timestamp_ms.and_then(rfc3339).into(),
    );
    members.insert("key".to_owned(), bytes_json(record.key.as_deref()));
    members.insert("headers".to_owned(), Value::Object(headers));
    members
}

/// Milliseconds since 1970 as RFC 3339.
pub(crate) fn rfc3339(ms: i64) -> Option<String> {
    jiff::Timestamp::from_millisecond(ms)
        .ok()
        .map(|time| format!("{time:.3}"))
}

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            write!(text, "{byte:02x}").expect("writing to a String cannot fail");
            text
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::spec::Key;

    fn port(encoding: Encoding, schema: &str) -> Port {
        Port::for_test(
            encoding,
            schema,
            Key {
                properties: vec![],
                text: false,
            },
        )
    }

    fn record(value: &[u8]) -> Record {
        Record {
            topic: "a.b.c.v1".into(),
            partition: 0,
            offset: 3,
            timestamp_ms: Some(1_763_800_000_000),
            key: Some(b"k".to_vec()),
            value: Some(value.to_vec()),
            headers: vec![kafka::Header::new("h", &b"\xff"[..])],
        }
    }

    fn shown(decoder: &Decoder, value: &[u8]) -> Result<String, Undecoded> {
        let mut out = Vec::new();
        decoder.write(&record(value), &mut out)?;
        Ok(String::from_utf8(out).expect("text"))
    }

    #[test]
    fn json_stands_as_it_came_in_one_line() {
        let decoder = Decoder::new(&port(Encoding::Json, "{}")).expect("compiles");
        assert_eq!(
            shown(&decoder, br#"{"a": 1}"#),
            Ok(r#"{"a": 1}"#.to_owned())
        );
        assert_eq!(
            shown(&decoder, b"{\n\"a\": 1}"),
            Ok(r#"{"a":1}"#.to_owned())
        );
        assert_eq!(shown(&decoder, b"\0\0\0\0\x07{}"), Ok("{}".to_owned()));
        assert!(matches!(
            shown(&decoder, b"nonsense"),
            Err(Undecoded::Broken(_))
        ));
    }

    #[test]
    fn avro_is_decoded_by_the_schema_it_names() {
        let decoder = Decoder::new(&port(Encoding::Avro, "\"string\"")).expect("compiles");
        assert_eq!(
            shown(&decoder, b"\0\0\0\0\x07\x04hi"),
            Ok("\"hi\"".to_owned())
        );
        let unknown = Err(Undecoded::UnknownSchema("id 8".to_owned()));
        assert_eq!(shown(&decoder, b"\0\0\0\0\x08\x04hi"), unknown);
        assert!(matches!(
            shown(&decoder, b"\x04hi"),
            Err(Undecoded::Broken(_))
        ));
        let mut by_guid = record(b"\x04hi");
        let guid = [&[1][..], &decoder.by_guid.keys().next().expect("bound")[..]].concat();
        by_guid
            .headers
            .push(kafka::Header::new(VALUE_SCHEMA_ID_HEADER, guid));
        assert_eq!(decoder.value(&by_guid), Ok(json!("hi")));
    }

    #[test]
    fn protobuf_is_decoded_by_the_schema_it_names() {
        let text = "syntax = \"proto3\"; message E { string order_id = 1; int64 n = 2; }";
        let decoder = Decoder::new(&port(Encoding::Protobuf, text)).expect("compiles");
        let expected = r#"{"order_id":"hi","n":5}"#;
        let shown = |value: &[u8]| shown(&decoder, value);
        assert_eq!(
            shown(b"\0\0\0\0\x07\0\x0a\x02hi\x10\x05"),
            Ok(expected.to_owned())
        );
        assert!(matches!(
            shown(b"\0\0\0\0\x07\0\x0a\x03hi"),
            Err(Undecoded::Broken(_))
        ));
        let mut by_guid = record(b"\x0a\x02hi\x10\x05");
        let guid = decoder.by_guid.keys().next().expect("bound");
        let header = [&[1][..], &guid[..], &[0]].concat();
        by_guid
            .headers
            .push(kafka::Header::new(VALUE_SCHEMA_ID_HEADER, header));
        assert_eq!(
            decoder.value(&by_guid),
            Ok(json!({"order_id": "hi", "n": 5}))
        );
    }

    #[test]
    fn data_of_cloud_events_are_shown_whichever_their_mode() {
        let mut any = port(Encoding::Avro, "\"string\"");
        any.versions[0].cloud_events = CloudEvents::Any;
        let decoder = Decoder::new(&any).expect("compiles");
        assert_eq!(
            decoder.value(&record(b"\0\0\0\0\x07\x04hi")),
            Ok(json!("hi"))
        );
        let envelope = br#"{"specversion":"1.0","id":"1","source":"s","type":"t","data_base64":"AAAAAAcEaGk="}"#;
        let mut structured = record(envelope);
        structured.headers = vec![kafka::Header::new(
            CONTENT_TYPE,
            "application/cloudevents+json",
        )];
        assert_eq!(decoder.value(&structured), Ok(json!("hi")));

        let mut plain = port(Encoding::Json, "{}");
        plain.versions[0].cloud_events = CloudEvents::Structured;
        let decoder = Decoder::new(&plain).expect("compiles");
        structured.value = Some(br#"{"id":"1","data":{"a":1}}"#.to_vec());
        assert_eq!(decoder.value(&structured), Ok(json!({"a": 1})));
        structured.value = Some(br#"{"id":"1"}"#.to_vec());
        assert!(decoder.value(&structured).is_err());
    }

    #[test]
    fn the_envelope_shows_bytes_that_are_no_text_as_hex() {
        let envelope = envelope(&record(b"{}"));
        assert_eq!(envelope["headers"]["h"], json!({"hex": "ff"}));
        assert_eq!(envelope["key"], "k");
        assert_eq!(envelope["timestamp"], "2025-11-22T08:26:40.000Z");
    }
}
