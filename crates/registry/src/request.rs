//! What travels on `<mesh>.registry.requests` and `<mesh>.registry.replies`: write requests, and one reply to each.
//!
//! Versioned JSON. A request holds no credentials: whoever appends it has authenticated the caller before. Ownership
//! by a port can be asked for here only, not over HTTP, so no client takes a subject by accident.
//!
//! On disk since v0.1. Add a version.

use crate::{
    record::{ConfigValue, Reference},
    refusal::Refusal,
    rules::{Metadata, RuleSet},
    settings::Update,
};
use serde::{Deserialize, Serialize};

/// The version of both formats. Version 1 knew Avro and JSON schemas that refer to no other, and no modes: what it has is
/// read still, what it lacks it does not guess at.
pub const FORMAT: u32 = 2;

/// The oldest version that is read.
const OLDEST: u32 = 1;

/// The header of a `_schemas` record that names the request it follows from. It serves read-your-writes only: no
/// rule reads it, and other tools pass over it.
pub const REQUEST_HEADER: &str = "meshlog-request";

/// A write to the registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Version of this format.
    pub v: u32,
    /// Its id, chosen by the instance that appends it.
    pub id: String,
    /// What is asked.
    #[serde(flatten)]
    pub command: Command,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case")]
pub enum Command {
    /// Register a schema under a subject.
    Register(Register),
    /// Delete a subject: softly, or permanently after that.
    DeleteSubject {
        /// The subject.
        subject: String,
        /// Whether for good.
        permanent: bool,
    },
    /// Delete one version of a subject: softly, or permanently after that.
    DeleteVersion {
        /// The subject.
        subject: String,
        /// Which version.
        version: Which,
        /// Whether for good.
        permanent: bool,
    },
    /// Change settings of a subject, or of all.
    SetConfig {
        /// The subject; `None` for all.
        subject: Option<String>,
        /// The change.
        update: Update,
    },
    /// Delete settings of a subject, or of all.
    DeleteConfig {
        /// The subject; `None` for all.
        subject: Option<String>,
    },
    /// Set what may be done to a subject, or to all.
    SetMode {
        /// The subject; `None` for all.
        subject: Option<String>,
        /// The mode's name.
        mode: String,
        /// Whether to import where schemas are already.
        force: bool,
    },
    /// Delete the mode of a subject, or of all.
    DeleteMode {
        /// The subject; `None` for all.
        subject: Option<String>,
        /// Whether also those of all subjects under it.
        recursive: bool,
    },
    /// Delete a context in which nothing is left.
    DeleteContext {
        /// The context.
        context: String,
    },
    /// Register the next version of a subject: the text of one with tags added and removed.
    Tag(Tag),
}

/// Register a schema under a subject.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Register {
    /// The subject.
    pub subject: String,
    /// `AVRO` when absent.
    #[serde(rename = "schemaType", skip_serializing_if = "Option::is_none")]
    pub schema_type: Option<String>,
    /// The text as sent.
    pub schema: String,
    /// What the text refers to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<Reference>,
    /// Free metadata.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
    /// Rules.
    #[serde(default, rename = "ruleSet", skip_serializing_if = "Option::is_none")]
    pub rule_set: Option<RuleSet>,
    /// The id to give, where a registry is imported. (`id` is the request's.)
    #[serde(default, rename = "schemaId", skip_serializing_if = "Option::is_none")]
    pub id: Option<u32>,
    /// The version to give; -1 is the next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<i32>,
    /// Bring the text into its normal form first.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub normalize: bool,
    /// Skip the compatibility check.
    pub force: bool,
    /// Tags to add to the text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags_to_add: Vec<EntityTags>,
    /// Tags to remove from it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags_to_remove: Vec<EntityTags>,
    /// The address of the port whose contract decided on this schema; the subject then belongs to the port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

/// Tags of one part of a schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EntityTags {
    /// The part.
    pub schema_entity: Entity,
    /// The tags.
    #[serde(default)]
    pub tags: Vec<String>,
}

/// A part of a schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entity {
    /// Where it is: `some.Record.field`, `object.field`.
    #[serde(default)]
    pub entity_path: String,
    /// `sr_record` or `sr_field`.
    #[serde(default)]
    pub entity_type: String,
}

/// Register the next version of a subject: the text of one with tags added and removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    /// The subject.
    pub subject: String,
    /// The version whose text it is.
    pub version: Which,
    /// The number that the new version must get.
    #[serde(
        default,
        rename = "newVersion",
        skip_serializing_if = "Option::is_none"
    )]
    pub new_version: Option<i32>,
    /// Tags to add.
    #[serde(default, rename = "tagsToAdd", skip_serializing_if = "Vec::is_empty")]
    pub tags_to_add: Vec<EntityTags>,
    /// Tags to remove.
    #[serde(
        default,
        rename = "tagsToRemove",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub tags_to_remove: Vec<EntityTags>,
    /// Metadata instead of the version's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
    /// Rules instead of the version's.
    #[serde(default, rename = "ruleSet", skip_serializing_if = "Option::is_none")]
    pub rule_set: Option<RuleSet>,
    /// Rules laid over the version's.
    #[serde(
        default,
        rename = "rulesToMerge",
        skip_serializing_if = "Option::is_none"
    )]
    pub rules_to_merge: Option<RuleSet>,
    /// Names of rules to leave out.
    #[serde(
        default,
        rename = "rulesToRemove",
        skip_serializing_if = "Option::is_none"
    )]
    pub rules_to_remove: Option<Vec<String>>,
}

/// Which version of a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Which {
    /// The newest that is not deleted, at the time the request is decided.
    Latest,
    /// This one.
    Number(u32),
}

/// The reply to a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// Version of this format.
    pub v: u32,
    /// The request's id.
    pub request: String,
    /// How many records of `_schemas` follow from it.
    pub records: usize,
    /// What was decided.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Done, or done before.
    Done(Answer),
    /// Refused; nothing was written.
    Refused(Refusal),
}

/// What a request that was done is answered with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// The version that holds the schema.
    Registered {
        /// The schema's id.
        id: u32,
        /// The version under the subject.
        version: u32,
        /// The schema's GUID.
        guid: String,
    },
    /// These versions were deleted.
    Deleted(Vec<u32>),
    /// The settings as they are now.
    Configured(Box<ConfigValue>),
    /// The settings as they were before they were deleted.
    ConfigDeleted(Box<ConfigValue>),
    /// The mode that is set now, or was set before it was deleted.
    Mode(String),
    /// The context is gone.
    ContextDeleted,
}

/// Bytes of a request or reply that this version does not read.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// Not JSON of this shape.
    #[error("not a registry request or reply")]
    Shape(#[from] serde_json::Error),
    /// Another version.
    #[error("version {0} of the format is not known here")]
    Version(u32),
}

impl Request {
    /// A request of today's version.
    pub fn new(id: String, command: Command) -> Self {
        Self {
            v: FORMAT,
            id,
            command,
        }
    }

    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("requests hold text keys only")
    }

    /// Read a request.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let request: Self = serde_json::from_slice(bytes)?;
        if (OLDEST..=FORMAT).contains(&request.v) {
            Ok(request)
        } else {
            Err(FormatError::Version(request.v))
        }
    }
}

impl Reply {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("replies hold text keys only")
    }

    /// Read a reply.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let reply: Self = serde_json::from_slice(bytes)?;
        if (OLDEST..=FORMAT).contains(&reply.v) {
            Ok(reply)
        } else {
            Err(FormatError::Version(reply.v))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn golden(command: Command, text: &str) {
        let request = Request::new("r-1".into(), command);
        let today = text.replace(r#""v":1"#, r#""v":2"#);
        assert_eq!(String::from_utf8(request.encode()).expect("utf-8"), today);
        // what an older build wrote is read as what it meant
        let older = Request::decode(text.as_bytes()).expect("a request");
        assert_eq!(older.command, request.command);
    }

    #[test]
    fn requests_on_disk() {
        golden(
            Command::Register(Register {
                subject: "s".into(),
                schema_type: Some("JSON".into()),
                schema: "{}".into(),
                force: true,
                owner: Some("a.b.c.v1".into()),
                ..Register::default()
            }),
            r#"{"v":1,"id":"r-1","command":"register","subject":"s","schemaType":"JSON","schema":"{}","force":true,"owner":"a.b.c.v1"}"#,
        );
        golden(
            Command::Register(Register {
                subject: "s".into(),
                schema: "{}".into(),
                references: vec![Reference {
                    name: "n".into(),
                    subject: "t".into(),
                    version: -1,
                }],
                id: Some(7),
                version: Some(2),
                normalize: true,
                ..Register::default()
            }),
            concat!(
                r#"{"v":1,"id":"r-1","command":"register","subject":"s","schema":"{}","references":[{"name":"n","#,
                r#""subject":"t","version":-1}],"schemaId":7,"version":2,"normalize":true,"force":false}"#
            ),
        );
        golden(
            Command::SetMode {
                subject: Some("s".into()),
                mode: "IMPORT".into(),
                force: true,
            },
            r#"{"v":1,"id":"r-1","command":"set-mode","subject":"s","mode":"IMPORT","force":true}"#,
        );
        golden(
            Command::DeleteMode {
                subject: None,
                recursive: true,
            },
            r#"{"v":1,"id":"r-1","command":"delete-mode","subject":null,"recursive":true}"#,
        );
        golden(
            Command::DeleteContext {
                context: ".eu".into(),
            },
            r#"{"v":1,"id":"r-1","command":"delete-context","context":".eu"}"#,
        );
        golden(
            Command::Tag(Tag {
                subject: "s".into(),
                version: Which::Latest,
                new_version: Some(3),
                tags_to_add: vec![EntityTags {
                    schema_entity: Entity {
                        entity_path: "R.a".into(),
                        entity_type: "sr_field".into(),
                    },
                    tags: vec!["PII".into()],
                }],
                tags_to_remove: vec![],
                metadata: None,
                rule_set: None,
                rules_to_merge: None,
                rules_to_remove: Some(vec!["r".into()]),
            }),
            concat!(
                r#"{"v":1,"id":"r-1","command":"tag","subject":"s","version":"latest","newVersion":3,"tagsToAdd":["#,
                r#"{"schemaEntity":{"entityPath":"R.a","entityType":"sr_field"},"tags":["PII"]}],"rulesToRemove":["r"]}"#
            ),
        );
        golden(
            Command::DeleteSubject {
                subject: "s".into(),
                permanent: false,
            },
            r#"{"v":1,"id":"r-1","command":"delete-subject","subject":"s","permanent":false}"#,
        );
        golden(
            Command::DeleteVersion {
                subject: "s".into(),
                version: Which::Number(2),
                permanent: true,
            },
            r#"{"v":1,"id":"r-1","command":"delete-version","subject":"s","version":{"number":2},"permanent":true}"#,
        );
        golden(
            Command::SetConfig {
                subject: None,
                update: Update {
                    compatibility: Some(Some("FULL".into())),
                    compatibility_policy: Some(None),
                    ..Update::default()
                },
            },
            r#"{"v":1,"id":"r-1","command":"set-config","subject":null,"update":{"compatibility":"FULL","compatibilityPolicy":null}}"#,
        );
        golden(
            Command::DeleteConfig {
                subject: Some("s".into()),
            },
            r#"{"v":1,"id":"r-1","command":"delete-config","subject":"s"}"#,
        );
    }

    #[test]
    fn replies_on_disk() {
        let golden = [
            (
                Outcome::Done(Answer::Registered {
                    id: 7,
                    version: 2,
                    guid: "g".into(),
                }),
                r#"{"v":1,"request":"r-1","records":1,"done":{"registered":{"id":7,"version":2,"guid":"g"}}}"#,
            ),
            (
                Outcome::Refused(Refusal::subject_not_found("s")),
                r#"{"v":1,"request":"r-1","records":1,"refused":{"error_code":40401,"message":"Subject 's' not found."}}"#,
            ),
        ];
        for (outcome, text) in golden {
            let reply = Reply {
                v: FORMAT,
                request: "r-1".into(),
                records: 1,
                outcome,
            };
            let today = text.replace(r#""v":1"#, r#""v":2"#);
            assert_eq!(String::from_utf8(reply.encode()).expect("utf-8"), today);
            let older = Reply::decode(text.as_bytes()).expect("a reply");
            assert_eq!(older, Reply { v: 1, ..reply });
        }
    }

    #[test]
    fn another_version_is_not_guessed_at() {
        let later = br#"{"v":3,"id":"r","command":"delete-config","subject":null}"#;
        assert!(matches!(
            Request::decode(later),
            Err(FormatError::Version(3))
        ));
    }
}
