//! Confluent's record format of `_schemas`: what is on disk, byte for byte.
//!
//! Key and value are JSON without spaces. The order of a key's members is part of the format: compaction compares
//! bytes, so a changed order resurrects deleted schemas (confluentinc/schema-registry #4420). Other writers spell some
//! keys otherwise; the state knows which of those are in the log ([`crate::state::State::spelled`]), so that what
//! replaces them deletes them too. Members that this version does not know are kept and written back, so that a topic
//! of Confluent's survives us unchanged.
//!
//! On disk since v0.1. Source: `SchemaKey`, `SchemaValue`, `ConfigKey`, `ConfigValue` and their kin in
//! confluentinc/schema-registry (`@JsonPropertyOrder`; values in the order of their constructors).

use crate::rules::{Metadata, RuleSet};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The reference's name for whom a registry is run for, where it is one only.
const TENANT: &str = "default";

/// What a record is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// One version of a subject.
    Schema {
        /// The subject.
        subject: String,
        /// Its version, from 1.
        version: u32,
    },
    /// Compatibility settings of a subject, or of all (`None`).
    Config(Option<String>),
    /// Mode of a subject, or of all (`None`).
    Mode(Option<String>),
    /// Soft deletion of a whole subject.
    DeleteSubject(String),
    /// The end of what was soft-deleted under a subject, a context, or (`None`) everywhere in the default context.
    ClearSubject(Option<String>),
    /// A context that exists.
    Context(String),
    /// Nothing, for Confluent; for us its value may carry the highest id ever given (see [`NoopValue`]).
    Noop,
    /// A type that this version leaves alone: ASSOCIATION and what comes later.
    Other(String),
}

/// Why bytes are not a record of `_schemas`.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The key is not JSON of the known shape.
    #[error("key is not a schema registry key")]
    Key(#[source] serde_json::Error),
    /// The key lacks a member that its type needs.
    #[error("key of type {0} lacks its subject or version")]
    KeyMember(String),
    /// The value is not JSON of the shape that its key's type asks for.
    #[error("value is not what its key of type {keytype} asks for")]
    Value {
        /// `SCHEMA`, `CONFIG`, …
        keytype: &'static str,
        /// What the parser says.
        source: serde_json::Error,
    },
}

#[derive(Serialize, Deserialize)]
struct RawKey {
    keytype: String,
    #[serde(default)]
    subject: Option<String>,
    #[serde(default)]
    version: Option<u32>,
    #[serde(default)]
    context: Option<String>,
    #[serde(default)]
    magic: u32,
}

impl Key {
    /// The key of one version.
    pub fn schema(subject: &str, version: u32) -> Self {
        Key::Schema {
            subject: subject.to_owned(),
            version,
        }
    }

    /// Read a key, whatever the order of its members.
    ///
    /// # Errors
    /// [`RecordError::Key`] and [`RecordError::KeyMember`].
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let raw: RawKey = serde_json::from_slice(bytes).map_err(RecordError::Key)?;
        let incomplete = || RecordError::KeyMember(raw.keytype.clone());
        Ok(match raw.keytype.as_str() {
            "SCHEMA" => Key::Schema {
                subject: raw.subject.clone().ok_or_else(incomplete)?,
                version: raw.version.ok_or_else(incomplete)?,
            },
            "CONFIG" => Key::Config(raw.subject),
            "MODE" => Key::Mode(raw.subject),
            "DELETE_SUBJECT" => Key::DeleteSubject(raw.subject.clone().ok_or_else(incomplete)?),
            "CLEAR_SUBJECT" => Key::ClearSubject(raw.subject),
            "CONTEXT" => Key::Context(raw.context.clone().ok_or_else(incomplete)?),
            "NOOP" => Key::Noop,
            _ => Key::Other(raw.keytype),
        })
    }

    /// The key's bytes, for ever the same for the same key.
    pub fn encode(&self) -> Vec<u8> {
        let text = |s: &str| Value::from(s).to_string();
        match self {
            Key::Schema { subject, version } => format!(
                r#"{{"keytype":"SCHEMA","subject":{},"version":{version},"magic":1}}"#,
                text(subject)
            ),
            Key::Config(subject) => subject_key("CONFIG", subject.as_deref()),
            Key::Mode(subject) => subject_key("MODE", subject.as_deref()),
            Key::DeleteSubject(subject) => subject_key("DELETE_SUBJECT", Some(subject)),
            Key::ClearSubject(subject) => subject_key("CLEAR_SUBJECT", subject.as_deref()),
            Key::Context(context) => format!(
                r#"{{"keytype":"CONTEXT","tenant":"{TENANT}","context":{},"magic":0}}"#,
                text(context)
            ),
            Key::Noop => r#"{"keytype":"NOOP","magic":0}"#.to_owned(),
            Key::Other(keytype) => format!(r#"{{"keytype":{},"magic":0}}"#, text(keytype)),
        }
        .into_bytes()
    }
}

fn subject_key(keytype: &str, subject: Option<&str>) -> String {
    // the reference leaves an absent subject out since 6.2; before, and in Karapace, it is null
    let subject = subject.map(|subject| format!(r#","subject":{}"#, Value::from(subject)));
    let subject = subject.unwrap_or_default();
    format!(r#"{{"keytype":"{keytype}"{subject},"magic":0}}"#)
}

/// A reference to another subject's version.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Reference {
    /// The name by which the schema calls it.
    pub name: String,
    /// The subject it is in.
    pub subject: String,
    /// Its version there; -1 is the latest.
    pub version: i32,
}

/// The value of a `SCHEMA` record: one version of a subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaValue {
    /// The subject.
    pub subject: String,
    /// Its version, from 1.
    pub version: u32,
    /// The schema's id, from 1.
    pub id: u32,
    /// The schema's GUID; absent in records of Confluent's before 8.0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guid: Option<String>,
    /// Absent for AVRO.
    #[serde(
        default,
        rename = "schemaType",
        skip_serializing_if = "Option::is_none"
    )]
    pub schema_type: Option<String>,
    /// Schemas of other subjects that this one uses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<Reference>,
    /// Free metadata.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
    /// Rules (see [`crate::rules::RuleSet`]), kept and given back as they are.
    #[serde(default, rename = "ruleSet", skip_serializing_if = "Option::is_none")]
    pub rule_set: Option<Value>,
    /// The schema's text.
    pub schema: String,
    /// Soft-deleted: no longer listed, still readable by id.
    #[serde(default)]
    pub deleted: bool,
    /// Members of other versions of the format.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// The value of a `CONFIG` record. An absent member is not set here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigValue {
    /// The subject, in records of Confluent's since 7.x; absent in the global one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Another subject that this one's name stands for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// Whether the alias holds for data encryption keys too. Kept, for clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias_for_deks: Option<bool>,
    /// Whether schemas are normalized before they are compared and stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalize: Option<bool>,
    /// Whether reserved fields are checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validate_fields: Option<bool>,
    /// Whether names are checked. Kept, for clients: ours are always checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validate_names: Option<bool>,
    /// Whether new schemas are checked. Kept, for clients: ours always are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validate_new_schemas: Option<bool>,
    /// Whether rules are checked. Kept, for clients: ours always are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validate_rules: Option<bool>,
    /// `BACKWARD`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compatibility_level: Option<String>,
    /// `STRICT` or `LENIENT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compatibility_policy: Option<String>,
    /// The metadata property by which versions form groups; only those of one group are compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compatibility_group: Option<String>,
    /// Metadata laid under that of every new schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_metadata: Option<Metadata>,
    /// Metadata laid over it. Holds the port that owns the subject (see [`crate::ownership`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub override_metadata: Option<Metadata>,
    /// Rules laid under those of every new schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_rule_set: Option<RuleSet>,
    /// Rules laid over them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub override_rule_set: Option<RuleSet>,
    /// Members of other versions of the format.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// The value of a `MODE` record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModeValue {
    /// `READWRITE`, `READONLY`, …
    pub mode: String,
    /// Members of other versions of the format.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// The value of a `DELETE_SUBJECT` record: every version up to `version` is soft-deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteSubjectValue {
    /// The subject.
    pub subject: String,
    /// The highest version deleted.
    pub version: u32,
}

/// The value of a `CLEAR_SUBJECT` record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClearSubjectValue {
    /// As in its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
}

/// The value of a `CONTEXT` record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContextValue {
    /// For whom the registry is run.
    pub tenant: String,
    /// The context.
    pub context: String,
}

impl ContextValue {
    /// The record of a context.
    pub fn new(context: &str) -> Self {
        Self {
            tenant: TENANT.to_owned(),
            context: context.to_owned(),
        }
    }
}

/// The value that we give a `NOOP` record with a mesh's first write and before a permanent deletion: whose log it is, and the
/// highest ids, since ids are never given twice and after compaction nothing else would remember them. Confluent skips a
/// `NOOP` record without reading its value.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoopValue {
    /// The highest id ever given in the default context.
    #[serde(rename = "maxId")]
    pub max_id: u32,
    /// The same by context, for the others.
    #[serde(default, rename = "maxIds", skip_serializing_if = "BTreeMap::is_empty")]
    pub max_ids: BTreeMap<String, u32>,
    /// The mesh whose registry writes the log. Absent in what was written before this was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mesh: Option<String>,
}

/// A key with its value; `None` where the value is a tombstone or its type is not ours to read.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// A version, written or (`None`) permanently deleted.
    Schema(String, u32, Option<Box<SchemaValue>>),
    /// Settings, written or deleted.
    Config(Option<String>, Option<Box<ConfigValue>>),
    /// A mode, written or deleted.
    Mode(Option<String>, Option<ModeValue>),
    /// A subject soft-deleted; `None`: the deletion itself was cleaned up.
    DeleteSubject(String, Option<DeleteSubjectValue>),
    /// What was soft-deleted there is gone for good.
    ClearSubject(Option<String>),
    /// A context, made or (`false`) deleted.
    Context(String, bool),
    /// Nothing, or the highest id.
    Noop(Option<NoopValue>),
    /// A type left alone.
    Other,
}

impl Entry {
    /// Read one record.
    ///
    /// # Errors
    /// [`RecordError`] when key or value is not of the known shape.
    pub fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Self, RecordError> {
        Self::under(Key::decode(key)?, value)
    }

    /// Read the value of a key.
    ///
    /// # Errors
    /// [`RecordError::Value`].
    pub fn under(key: Key, value: Option<&[u8]>) -> Result<Self, RecordError> {
        Ok(match key {
            Key::Schema { subject, version } => {
                Entry::Schema(subject, version, parse("SCHEMA", value)?.map(Box::new))
            }
            Key::Config(subject) => Entry::Config(subject, parse("CONFIG", value)?.map(Box::new)),
            Key::Mode(subject) => Entry::Mode(subject, parse("MODE", value)?),
            Key::DeleteSubject(subject) => {
                Entry::DeleteSubject(subject, parse("DELETE_SUBJECT", value)?)
            }
            Key::ClearSubject(_) if value.is_none() => Entry::Other,
            Key::ClearSubject(subject) => Entry::ClearSubject(subject),
            Key::Context(context) => Entry::Context(context, value.is_some()),
            // another writer may put anything into a NOOP: what is not ours says nothing
            Key::Noop => Entry::Noop(value.and_then(|bytes| serde_json::from_slice(bytes).ok())),
            Key::Other(_) => Entry::Other,
        })
    }
}

fn parse<T: serde::de::DeserializeOwned>(
    keytype: &'static str,
    value: Option<&[u8]>,
) -> Result<Option<T>, RecordError> {
    value
        .map(|bytes| serde_json::from_slice(bytes))
        .transpose()
        .map_err(|source| RecordError::Value { keytype, source })
}

/// One record to be written: key bytes, and value bytes or a tombstone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// The key's bytes.
    pub key: Vec<u8>,
    /// The value's bytes; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
}

impl Write {
    /// A record with a value.
    pub fn put(key: &Key, value: &impl Serialize) -> Self {
        let value = serde_json::to_vec(value).expect("maps have text keys, so values serialize");
        Self {
            key: key.encode(),
            value: Some(value),
        }
    }

    /// Bytes of key and value.
    pub fn size(&self) -> usize {
        self.key.len() + self.value.as_ref().map_or(0, Vec::len)
    }

    /// A tombstone.
    pub fn delete(key: &Key) -> Self {
        Self {
            key: key.encode(),
            value: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).expect("utf-8")
    }

    #[test]
    fn keys_are_confluents_byte_for_byte() {
        let golden = [
            (
                Key::schema("s", 1),
                r#"{"keytype":"SCHEMA","subject":"s","version":1,"magic":1}"#,
            ),
            (
                Key::Config(Some("s".into())),
                r#"{"keytype":"CONFIG","subject":"s","magic":0}"#,
            ),
            (Key::Config(None), r#"{"keytype":"CONFIG","magic":0}"#),
            (
                Key::Mode(Some("s".into())),
                r#"{"keytype":"MODE","subject":"s","magic":0}"#,
            ),
            (
                Key::DeleteSubject("s".into()),
                r#"{"keytype":"DELETE_SUBJECT","subject":"s","magic":0}"#,
            ),
            (
                Key::ClearSubject(None),
                r#"{"keytype":"CLEAR_SUBJECT","magic":0}"#,
            ),
            (
                Key::Context(".eu".into()),
                r#"{"keytype":"CONTEXT","tenant":"default","context":".eu","magic":0}"#,
            ),
            (Key::Noop, r#"{"keytype":"NOOP","magic":0}"#),
        ];
        for (key, bytes) in golden {
            assert_eq!(text(key.encode()), bytes);
            assert_eq!(Key::decode(bytes.as_bytes()).expect("a key"), key);
        }
    }

    #[test]
    fn a_key_in_another_member_order_is_the_same_key() {
        let karapace = br#"{"subject":"s","version":1,"magic":1,"keytype":"SCHEMA"}"#;
        assert_eq!(Key::decode(karapace).expect("a key"), Key::schema("s", 1));
        let older = br#"{"keytype":"CONFIG","subject":null,"magic":0}"#;
        assert_eq!(Key::decode(older).expect("a key"), Key::Config(None));
    }

    #[test]
    fn a_subject_is_escaped_in_its_key() {
        let key = Key::schema("a\"b\\é", 2);
        assert_eq!(
            text(key.encode()),
            r#"{"keytype":"SCHEMA","subject":"a\"b\\é","version":2,"magic":1}"#
        );
        assert_eq!(Key::decode(&key.encode()).expect("a key"), key);
    }

    #[test]
    fn values_are_confluents_byte_for_byte() {
        let golden = [
            r#"{"subject":"Kafka-key","version":1,"id":1,"schema":"\"string\"","deleted":false}"#,
            r#"{"subject":"p","version":1,"id":5,"schemaType":"PROTOBUF","schema":"syntax","deleted":false}"#,
            concat!(
                r#"{"subject":"s","version":2,"id":3,"guid":"5c6c5f26-e876-e5ab-02b0-8d9bebbc90d7","schemaType":"JSON","#,
                r#""references":[{"name":"n","subject":"o","version":1}],"metadata":{"properties":{"a":"b"}},"#,
                r#""ruleSet":{"domainRules":[]},"schema":"{}","deleted":true,"md5":"x"}"#
            ),
        ];
        for bytes in golden {
            let value: SchemaValue = serde_json::from_str(bytes).expect("a value");
            assert_eq!(serde_json::to_string(&value).expect("serializes"), bytes);
        }
        let config = concat!(
            r#"{"subject":"s","alias":"t","compatibilityLevel":"FULL","compatibilityGroup":"g","#,
            r#""overrideMetadata":{"properties":{"a":"b"}},"later":1}"#
        );
        let value: ConfigValue = serde_json::from_str(config).expect("a value");
        assert_eq!(serde_json::to_string(&value).expect("serializes"), config);
        let noop = Write::put(
            &Key::Noop,
            &NoopValue {
                max_id: 7,
                ..NoopValue::default()
            },
        );
        assert_eq!(text(noop.value.expect("a value")), r#"{"maxId":7}"#);
    }

    #[test]
    fn what_is_not_a_record_is_an_error_and_unknown_types_are_left_alone() {
        assert!(Entry::decode(b"nonsense", None).is_err());
        assert!(Entry::decode(br#"{"keytype":"SCHEMA","magic":1}"#, None).is_err());
        assert!(Entry::decode(&Key::schema("s", 1).encode(), Some(b"nonsense")).is_err());
        let context = br#"{"keytype":"CONTEXT","tenant":"default","context":".c","magic":0}"#;
        assert_eq!(
            Entry::decode(context, Some(b"{}")).expect("a context"),
            Entry::Context(".c".into(), true)
        );
        let later = br#"{"keytype":"ASSOCIATION","magic":0}"#;
        assert_eq!(
            Entry::decode(later, Some(b"{}")).expect("left alone"),
            Entry::Other
        );
        assert_eq!(
            Entry::decode(&Key::Noop.encode(), Some(b"x")).expect("a noop"),
            Entry::Noop(None)
        );
    }
}
