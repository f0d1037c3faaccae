//! What a schema id stands for: type, text, references, metadata and rules, and the GUID made of them.
//!
//! Two registrations with equal content get one id. Texts are compared in the reference's canonical form, which the
//! `contract` crate computes; this file is where the registry meets that crate's schema languages.

use crate::{
    record::{Metadata, Reference, SchemaValue},
    refusal::Refusal,
};
use contract::{
    canonical::{self, GuidInput, ReferenceName},
    source::{SchemaType, Source},
};
use serde_json::Value;
use std::fmt::Write as _;

/// Largest schema text taken, in bytes: a request must fit a Kafka record of the broker's default size (1 MiB),
/// with its quotes escaped.
pub const MAX_SCHEMA: usize = 400 * 1024;

/// The content of a schema.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Content {
    /// `AVRO`, `JSON`, or another type met in the log.
    pub schema_type: String,
    /// The text, canonical where this registry wrote it.
    pub text: String,
    /// References to other subjects.
    pub references: Vec<Reference>,
    /// Free metadata.
    pub metadata: Option<Metadata>,
    /// Rules, as met in the log.
    pub rule_set: Option<Value>,
}

impl Content {
    /// Parse what a client sent, and bring its text into canonical form.
    ///
    /// # Errors
    /// 42201 when the type is not served or the text is not a schema of its type; 42209 when it is too large.
    pub fn parse(
        schema_type: Option<&str>,
        text: &str,
        metadata: Option<Metadata>,
    ) -> Result<Self, Refusal> {
        let ty = served_type(schema_type)?;
        if text.trim().is_empty() {
            return Err(Refusal::invalid_schema("Empty schema"));
        }
        if text.len() > MAX_SCHEMA {
            return Err(Refusal::too_large(MAX_SCHEMA));
        }
        let name = ty.as_str();
        let text = canonical::canonical(&Source::new(ty, text)).map_err(|error| {
            Refusal::invalid_schema(format!("Invalid schema of type {name}, details: {error}"))
        })?;
        let metadata = metadata.filter(|metadata| *metadata != Metadata::default());
        Ok(Self {
            schema_type: name.to_owned(),
            text,
            references: Vec::new(),
            metadata,
            rule_set: None,
        })
    }

    /// The content of a record in the log, taken as it is.
    pub fn of_record(value: &SchemaValue) -> Self {
        Self {
            schema_type: value
                .schema_type
                .clone()
                .unwrap_or_else(|| "AVRO".to_owned()),
            text: value.schema.clone(),
            references: value.references.clone(),
            metadata: value.metadata.clone(),
            rule_set: value.rule_set.clone(),
        }
    }

    /// Whether a client that sent `self` without metadata means `stored`.
    pub fn names(&self, stored: &Content) -> bool {
        self == stored
            || (self.metadata.is_none()
                && self.schema_type == stored.schema_type
                && self.text == stored.text
                && self.references == stored.references)
    }

    /// The type as the `contract` crate knows it; `None` for a type met in the log that is not served.
    pub fn served(&self) -> Option<SchemaType> {
        served_type(Some(&self.schema_type)).ok()
    }

    /// The GUID: MD5 over all of the content, in the reference's order.
    pub fn guid(&self) -> String {
        let references: Vec<_> = self
            .references
            .iter()
            .map(|r| ReferenceName {
                name: &r.name,
                subject: &r.subject,
                version: r.version,
            })
            .collect();
        let metadata = self
            .metadata
            .as_ref()
            .map(|metadata| serde_json::to_value(metadata).expect("metadata holds text only"));
        uuid_text(&canonical::guid_of(&GuidInput {
            text: &self.text,
            references: &references,
            metadata: metadata.as_ref(),
            rule_set: self.rule_set.as_ref(),
        }))
    }
}

/// Sixteen bytes in the form of a UUID, whatever their version bits.
fn uuid_text(bytes: &[u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
    }
    text
}

fn served_type(name: Option<&str>) -> Result<SchemaType, Refusal> {
    match name.unwrap_or("AVRO") {
        "" | "AVRO" => Ok(SchemaType::Avro),
        "JSON" => Ok(SchemaType::Json),
        other => Err(Refusal::invalid_schema(format!(
            "Invalid schema type {other}: this registry serves AVRO and JSON"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(text: &str) -> Content {
        Content {
            schema_type: "AVRO".into(),
            text: text.into(),
            references: vec![],
            metadata: None,
            rule_set: None,
        }
    }

    #[test]
    fn guid_is_the_references_md5() {
        assert_eq!(
            content("\"string\"").guid(),
            "095d71cf-1255-6b9d-5e33-0ad575b3df5d"
        );
        let mut with_more = content("x");
        with_more.references = vec![Reference {
            name: "n".into(),
            subject: "s".into(),
            version: 258,
        }];
        with_more.metadata = Some(Metadata {
            properties: Some([("a".to_owned(), "b".to_owned())].into()),
            ..Metadata::default()
        });
        assert_eq!(with_more.guid(), "84276518-3566-2cef-cfa1-4527627b0930");
    }

    #[test]
    fn types_that_are_not_served_are_refused_by_name() {
        let refusal = Content::parse(Some("PROTOBUF"), "syntax", None).expect_err("refused");
        assert_eq!(refusal.error_code, 42201);
        assert!(
            refusal.message.starts_with("Invalid schema type PROTOBUF"),
            "{refusal}"
        );
        assert_eq!(
            Content::parse(None, " ", None).expect_err("empty").message,
            "Empty schema"
        );
    }

    #[test]
    fn empty_metadata_is_none() {
        let plain = Content::parse(None, "\"string\"", None).expect("a schema");
        let empty = Content::parse(
            Some("AVRO"),
            "{\"type\": \"string\"}",
            Some(Metadata::default()),
        );
        assert_eq!(empty.expect("a schema"), plain);
    }
}
