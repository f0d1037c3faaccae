//! A schema of keys: what a contract names with `meshlog.keySchema`, and the check of a record's key under it.
//!
//! Beside the value's path. A key's bytes say which partition an event goes to and which events belong together, so a
//! key schema does not change within a major: another schema has another id, and with it every framed key other bytes.

use crate::framing::{Framing, KEY_SCHEMA_ID_HEADER, read_framing};
use crate::rule::{Binding, Event, hex};
use crate::schema_error::SchemaError;
use crate::settings::LogicalTypes;
use crate::source::Imported;
use crate::spec::Encoding;
use crate::validator::{Schema, Validator, Wanted};
use crate::verdict::{Code, Reason};
use std::collections::BTreeSet;

/// What begins the path of a reason against a key.
const PATH: &str = "key";

/// The schema of a contract's keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySchema {
    /// The file that the document names.
    pub file: String,
    /// The language, told by the file's ending.
    pub encoding: Encoding,
    /// The text.
    pub text: String,
    /// The record's name; for Protobuf the full name of the message that keys are.
    pub record: String,
    /// What the text imports.
    pub imports: Vec<Imported>,
}

impl KeySchema {
    /// The language of a schema file.
    ///
    /// # Errors
    /// What endings there are.
    pub(crate) fn encoding_of(file: &str) -> Result<Encoding, String> {
        match file.rsplit_once('.') {
            Some((_, "avsc")) => Ok(Encoding::Avro),
            Some((_, "json")) => Ok(Encoding::Json),
            Some((_, "proto")) => Ok(Encoding::Protobuf),
            _ => Err(format!(
                "customProperty `meshlog.keySchema` is \"{file}\": expected a file that ends in .avsc, .json or .proto"
            )),
        }
    }

    /// What a message of keys is called where its file has several: `order-key.proto` holds `OrderKey`.
    pub(crate) fn name_of(file: &str) -> &str {
        let name = file.rsplit_once('/').map_or(file, |(_, name)| name);
        name.rsplit_once('.').map_or(name, |(stem, _)| stem)
    }

    /// The schema, to be compiled.
    pub fn schema(&self) -> Schema<'_> {
        Schema {
            encoding: self.encoding,
            text: &self.text,
            record: &self.record,
            imports: &self.imports,
        }
    }
}

/// Why a key is none of the contract's.
pub(crate) enum Fault {
    /// It names a schema that no fact known here binds to the port's keys.
    Unknown(String),
    /// It breaks its schema.
    Reasons(Vec<Reason>),
}

/// Judges keys.
#[derive(Debug)]
pub(crate) struct KeyJudge {
    validator: Validator,
    ids: BTreeSet<u32>,
    guids: BTreeSet<[u8; 16]>,
}

impl KeyJudge {
    /// A judge of keys whose schema has these ids.
    ///
    /// # Errors
    /// [`SchemaError`] for what is no schema.
    pub(crate) fn compile(schema: &KeySchema, bindings: &[Binding]) -> Result<Self, SchemaError> {
        Ok(Self {
            validator: Validator::compile(&schema.schema(), LogicalTypes::Check, &[])?,
            ids: bindings.iter().map(|binding| binding.id).collect(),
            guids: bindings.iter().map(|binding| binding.guid).collect(),
        })
    }

    /// Check the key of an event.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn check(&self, event: &Event<'_>) -> Result<(), Fault> {
        let refused = |reason| Err(Fault::Reasons(vec![reason]));
        let Some(key) = event.key else {
            let expected = "a key under the contract's key schema";
            return refused(Reason::new(Code::Key, PATH, expected, "no key"));
        };
        if key.is_empty() {
            let expected = "a key under the contract's key schema";
            return refused(Reason::new(Code::Key, PATH, expected, "an empty key"));
        }
        let framing = match read_framing(key, event.last_header(KEY_SCHEMA_ID_HEADER)) {
            Ok(framing) => framing,
            Err(reason) => return refused(of_key(reason)),
        };
        match framing {
            Framing::Prefix { id, .. } if !self.ids.contains(&id) => {
                return Err(Fault::Unknown(format!("id {id}")));
            }
            Framing::Header { guid, .. } if !self.guids.contains(&guid) => {
                return Err(Fault::Unknown(format!("GUID {}", hex(&guid))));
            }
            Framing::Prefix { .. } | Framing::Header { .. } | Framing::Plain(_) => {}
        }
        let checked = self.validator.check(framing, Wanted::Nothing);
        checked.map(drop).map_err(|reasons| {
            let reasons = reasons.into_iter().map(of_key);
            Fault::Reasons(reasons.collect())
        })
    }

    /// The reason against a key whose schema is not the port's, however long one waits.
    pub(crate) fn unknown(&self, found: &str) -> Reason {
        let ids: Vec<String> = self.ids.iter().map(u32::to_string).collect();
        let expected = format!("a schema id of the port's keys: {}", ids.join(", "));
        Reason::new(Code::UnknownSchemaId, PATH, expected, found)
    }
}

/// A validator's reason, told of the key.
fn of_key(mut reason: Reason) -> Reason {
    if reason.code != Code::UnknownSchemaId {
        reason.code = Code::Key;
    }
    reason.path.insert_str(0, PATH);
    reason
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::{ActiveVersion, PortRules, UnknownSchema};
    use crate::settings::{Settings, Treatment};
    use crate::spec::Key;
    use crate::verdict::Verdict;

    const AVRO: &str = r#"{"type":"record","name":"K","fields":[{"name":"id","type":"string"},{"name":"n","type":"int"}]}"#;
    const JSON: &str = r#"{"type":"object","properties":{"id":{"type":"string"}},"required":["id"],"additionalProperties":false}"#;
    const PROTOBUF: &str =
        "syntax = \"proto3\"; message OrderKey { string id = 1; } message Other {}";

    fn port(encoding: Encoding, text: &str) -> PortRules {
        let schema = KeySchema {
            file: "order-key".to_owned(),
            encoding,
            text: text.to_owned(),
            record: "OrderKey".to_owned(),
            imports: Vec::new(),
        };
        let bind = |id| {
            let guid = [u8::try_from(id).expect("small"); 16];
            [Binding { id, guid }]
        };
        let version = ActiveVersion {
            version: "1.0.0".parse().expect("a version"),
            encoding: Encoding::Json,
            schema: "{}",
            record: "",
            imports: &[],
            required: &[],
            key: &Key {
                properties: vec!["id".to_owned()],
                text: true,
            },
            key_schema: Some((&schema, &bind(9))),
            settings: &Settings {
                tombstones: Treatment::Pass,
                ..Settings::default()
            },
            rules: &[],
            classified: &[],
            bindings: &bind(7),
        };
        let compiled = PortRules::compile("c", &[version]);
        compiled.expect("compiles").expect("a version")
    }

    fn verdict(
        port: &PortRules,
        (key, header): (Option<&[u8]>, Option<&[u8]>),
    ) -> Vec<(Code, String)> {
        let headers: Vec<(&str, Option<&[u8]>)> = header
            .map(|header| (KEY_SCHEMA_ID_HEADER, Some(header)))
            .into_iter()
            .collect();
        let judged = [Some(&b"{}"[..]), None].map(|value| {
            let headers = &headers;
            match port.judge_known(&Event {
                key,
                value,
                headers,
            }) {
                Verdict::Accepted | Verdict::Shadowed(_) => Vec::new(),
                Verdict::Quarantined(reasons) => {
                    let reasons = reasons.into_iter();
                    reasons.map(|reason| (reason.code, reason.path)).collect()
                }
            }
        });
        assert_eq!(
            judged[0], judged[1],
            "a tombstone's key is judged as any other"
        );
        judged[0].clone()
    }

    fn wrong(path: &str) -> Vec<(Code, String)> {
        vec![(Code::Key, path.to_owned())]
    }

    #[test]
    fn keys_are_judged_under_their_schema() {
        let guid = [&[1][..], &[9; 16]].concat();
        let other = [&[1][..], &[7; 16]].concat();
        let avro = port(Encoding::Avro, AVRO);
        assert_eq!(verdict(&avro, (Some(b"\0\0\0\0\x09\x02a\x02"), None)), []);
        assert_eq!(verdict(&avro, (Some(b"\x02a\x02"), Some(&guid))), []);
        assert_eq!(verdict(&avro, (None, None)), wrong("key"));
        assert_eq!(verdict(&avro, (Some(b""), None)), wrong("key"));
        assert_eq!(
            verdict(&avro, (Some(b"a"), None)),
            wrong("key"),
            "not framed"
        );
        assert_eq!(
            verdict(&avro, (Some(b"\0\0\0\0\x09\x02a\x02x"), None)),
            wrong("key"),
            "trailing"
        );
        assert_eq!(
            verdict(&avro, (Some(b"\0\0\0\0\x09\x02a"), None))[0].0,
            Code::Key
        );
        // The id of the port's values is none of its keys.
        let unknown = vec![(Code::UnknownSchemaId, "key".to_owned())];
        assert_eq!(
            verdict(&avro, (Some(b"\0\0\0\0\x07\x02a\x02"), None)),
            unknown
        );
        assert_eq!(verdict(&avro, (Some(b"\x02a\x02"), Some(&other))), unknown);

        let json = port(Encoding::Json, JSON);
        assert_eq!(verdict(&json, (Some(br#"{"id":"a"}"#), None)), []);
        assert_eq!(
            verdict(&json, (Some(b"\0\0\0\0\x09{\"id\":\"a\"}"), None)),
            []
        );
        assert_eq!(
            verdict(&json, (Some(br#"{"id":1}"#), None)),
            wrong("key/id")
        );
        assert_eq!(verdict(&json, (Some(b"a"), None)), wrong("key"));

        let protobuf = port(Encoding::Protobuf, PROTOBUF);
        assert_eq!(
            verdict(&protobuf, (Some(b"\0\0\0\0\x09\0\x0a\x01a"), None)),
            []
        );
        assert_eq!(
            verdict(&protobuf, (Some(b"\0\0\0\0\x09\x02\x02\x0a\x01a"), None)),
            wrong("key"),
            "another message"
        );
    }

    #[test]
    fn an_unknown_key_schema_is_asked_for_before_it_is_refused() {
        let port = port(Encoding::Avro, AVRO);
        let event = Event {
            key: Some(b"\0\0\0\0\x08\x02a\x02"),
            value: Some(b"{}"),
            headers: &[],
        };
        let unknown = UnknownSchema("id 8 of the key".to_owned());
        assert_eq!(port.judge(&event), Err(unknown));
        // And a value is not judged by a schema of keys.
        let event = Event {
            key: Some(b"\0\0\0\0\x09\x02a\x02"),
            value: Some(b"\0\0\0\0\x09{}"),
            headers: &[],
        };
        assert_eq!(port.judge(&event), Err(UnknownSchema("id 9".to_owned())));
    }
}
