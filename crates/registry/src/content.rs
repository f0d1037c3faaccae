//! What a schema id stands for: type, text, references, metadata and rules, and the GUID made of them.
//!
//! Two registrations with equal content get one id. Texts are compared in the reference's canonical form, which the
//! `contract` crate computes; this file is where the registry meets that crate's schema languages.

use crate::{
    record::{Reference, SchemaValue},
    refusal::Refusal,
    rules::{self, Metadata, VERSION_PROPERTY},
};
use contract::{
    canonical::{self, Format, GuidInput, ReferenceName},
    source::{Import, SchemaType, Source},
};
use serde_json::Value;
use std::{fmt::Write as _, sync::Arc};

/// Largest schema text taken, in bytes: a request must fit a Kafka record of the broker's default size (1 MiB),
/// with its quotes escaped.
pub const MAX_SCHEMA: usize = 400 * 1024;

/// The content of a schema.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Content {
    /// `AVRO`, `JSON`, `PROTOBUF`, or another type met in the log.
    pub schema_type: String,
    /// The text, canonical where this registry wrote it.
    pub text: String,
    /// References to other subjects.
    pub references: Vec<Reference>,
    /// Free metadata.
    pub metadata: Option<Metadata>,
    /// Rules ([`rules::RuleSet`]), as met in the log.
    pub rule_set: Option<Value>,
}

/// A schema that another refers to, under the name by which it does.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    /// That name.
    pub name: String,
    /// The schema.
    pub content: Arc<Content>,
}

impl Imported {
    /// These schemas as the `contract` crate takes them.
    pub fn list(imported: &[Imported]) -> Vec<Import<'_>> {
        imported
            .iter()
            .map(|one| Import {
                name: &one.name,
                text: &one.content.text,
            })
            .collect()
    }
}

/// How texts are compared and kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Normalize {
    /// Where they differ in form only, they are one.
    Yes,
    /// As written, but for white space.
    No,
}

/// Run `ask` with a schema and what it refers to.
fn with_source<T>(
    ty: SchemaType,
    text: &str,
    imported: &[Imported],
    ask: impl FnOnce(&Source<'_>) -> T,
) -> T {
    ask(&Source {
        ty,
        text,
        imports: &Imported::list(imported),
    })
}

impl Content {
    /// What a client sent, as it stands: not yet read as a schema.
    pub fn sent(schema_type: Option<&str>, text: &str, references: Vec<Reference>) -> Self {
        Self {
            schema_type: schema_type
                .filter(|ty| !ty.is_empty())
                .unwrap_or("AVRO")
                .to_owned(),
            text: text.to_owned(),
            references,
            metadata: None,
            rule_set: None,
        }
    }

    /// The same with metadata and rules.
    pub fn with(self, metadata: Option<Metadata>, rule_set: Option<Value>) -> Self {
        Self {
            metadata: rules::tidy_metadata(metadata),
            rule_set: rule_set.filter(|rules| !rules.is_null()),
            ..self
        }
    }

    /// Whether there is no text at all.
    pub fn is_blank(&self) -> bool {
        self.text.trim().is_empty()
    }

    /// Read the text as a schema, and bring it into the form in which it is kept. `imported` is what it refers to,
    /// directly or not, each after those that it needs itself.
    ///
    /// # Errors
    /// 42201 when the type is not served or the text is not a schema of its type; 42209 when it is too large.
    pub fn parsed(self, imported: &[Imported], normalize: Normalize) -> Result<Self, Refusal> {
        let ty = self.served().ok_or_else(|| self.other_type())?;
        if self.is_blank() {
            return Err(Refusal::invalid_schema("Empty schema"));
        }
        if self.text.len() > MAX_SCHEMA {
            return Err(Refusal::too_large(MAX_SCHEMA));
        }
        if let Some(other) = imported
            .iter()
            .find(|one| one.content.schema_type != self.schema_type)
        {
            return Err(self.invalid(&format!(
                "reference '{}' is to a schema of type {}",
                other.name, other.content.schema_type
            )));
        }
        let text = with_source(ty, &self.text, imported, |source| match normalize {
            Normalize::Yes => canonical::normalized(source),
            Normalize::No => canonical::canonical(source),
        })
        .map_err(|error| self.invalid(&error))?;
        // full names and white space of the stored form may make it many times as long
        if text.len() > MAX_SCHEMA {
            return Err(Refusal::too_large(MAX_SCHEMA));
        }
        let references = match normalize {
            Normalize::Yes => sorted(self.references),
            Normalize::No => self.references,
        };
        Ok(Self {
            text,
            references,
            ..self
        })
    }

    fn invalid(&self, why: &dyn std::fmt::Display) -> Refusal {
        let ty = &self.schema_type;
        Refusal::invalid_schema(format!("Invalid schema of type {ty}, details: {why}"))
    }

    fn other_type(&self) -> Refusal {
        Refusal::invalid_schema(format!(
            "Invalid schema type {}: this registry serves AVRO, JSON and PROTOBUF",
            self.schema_type
        ))
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

    /// Whether `self`, which a client sent, means `stored`: metadata and rules that it does not give, and the number of
    /// the version, do not matter.
    pub fn names(&self, stored: &Content) -> bool {
        self.is_text_of(stored)
            && (self.metadata.is_none() || self.metadata_names(stored))
            && (self.rule_set.is_none() || self.rule_set == stored.rule_set)
    }

    /// Whether `stored` is the same, but that it has a version's number in its metadata and `self` none.
    pub fn is_but_for_its_number(&self, stored: &Content) -> bool {
        self.is_text_of(stored) && self.rule_set == stored.rule_set && self.metadata_names(stored)
    }

    /// Whether type, text and references are the same.
    pub fn is_text_of(&self, other: &Content) -> bool {
        self.schema_type == other.schema_type
            && self.text == other.text
            && self.references == other.references
    }

    fn metadata_names(&self, stored: &Content) -> bool {
        let number = |content: &Content| {
            let metadata = content.metadata.as_ref();
            metadata
                .and_then(|m| m.property(VERSION_PROPERTY))
                .is_some()
        };
        if number(self) || !number(stored) {
            return self.metadata == stored.metadata;
        }
        let bare = stored
            .metadata
            .clone()
            .map(|m| m.without_property(VERSION_PROPERTY));
        self.metadata == rules::tidy_metadata(bare)
    }

    /// The type as the `contract` crate knows it; `None` for a type that is not served.
    pub fn served(&self) -> Option<SchemaType> {
        [SchemaType::Avro, SchemaType::Json, SchemaType::Protobuf]
            .into_iter()
            .find(|ty| ty.as_str() == self.schema_type)
    }

    /// Ask something of the schema as the `contract` crate sees it.
    ///
    /// # Errors
    /// 42201 for a type met in the log that is not served.
    pub fn ask<T>(
        &self,
        imported: &[Imported],
        ask: impl FnOnce(&Source<'_>) -> T,
    ) -> Result<T, Refusal> {
        let ty = self.served().ok_or_else(|| self.other_type())?;
        Ok(with_source(ty, &self.text, imported, ask))
    }

    /// The text in a form that a client asks for; as it stands where that form is not of its type.
    ///
    /// # Errors
    /// 42201 when a stored schema cannot be read, which an edited log may bring about.
    pub fn formatted(&self, imported: &[Imported], format: Format) -> Result<String, Refusal> {
        if format == Format::Default {
            return Ok(self.text.clone());
        }
        self.ask(imported, |source| canonical::formatted(source, format))?
            .map_err(|error| self.invalid(&error))
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

fn sorted(mut references: Vec<Reference>) -> Vec<Reference> {
    references
        .sort_by(|a, b| (&a.name, &a.subject, a.version).cmp(&(&b.name, &b.subject, b.version)));
    references.dedup();
    references
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(schema_type: Option<&str>, text: &str) -> Result<Content, Refusal> {
        Content::sent(schema_type, text, vec![]).parsed(&[], Normalize::No)
    }

    fn metadata(value: Value) -> Option<Metadata> {
        Some(serde_json::from_value(value).expect("metadata"))
    }

    #[test]
    fn guid_is_the_references_md5() {
        assert_eq!(
            parse(None, "\"string\"").expect("a schema").guid(),
            "095d71cf-1255-6b9d-5e33-0ad575b3df5d"
        );
        let reference = Reference {
            name: "n".into(),
            subject: "s".into(),
            version: 258,
        };
        let with_more = Content::sent(None, "x", vec![reference])
            .with(metadata(json!({"properties": {"a": "b"}})), None);
        assert_eq!(with_more.guid(), "84276518-3566-2cef-cfa1-4527627b0930");
    }

    #[test]
    fn types_that_are_not_served_are_refused_by_name() {
        let refusal = parse(Some("THRIFT"), "syntax").expect_err("refused");
        assert_eq!(refusal.error_code, 42201);
        assert!(
            refusal.message.starts_with("Invalid schema type THRIFT"),
            "{refusal}"
        );
        assert_eq!(parse(None, " ").expect_err("empty").message, "Empty schema");
    }

    #[test]
    fn empty_metadata_is_none() {
        let plain = parse(None, "\"string\"").expect("a schema");
        let empty = parse(Some("AVRO"), "{\"type\": \"string\"}").expect("a schema");
        let empty = empty.with(metadata(json!({"properties": {}})), Some(Value::Null));
        assert_eq!(empty, plain);
    }

    #[test]
    fn what_is_not_given_does_not_keep_a_schema_from_being_found() {
        let text = parse(None, "\"string\"").expect("a schema");
        let numbered = json!({"properties": {"a": "b", "confluent:version": "1"}});
        let stored = text.clone().with(metadata(numbered), None);
        assert!(text.names(&stored));
        let own = text
            .clone()
            .with(metadata(json!({"properties": {"a": "b"}})), None);
        assert!(own.names(&stored));
        let other = text.with(metadata(json!({"properties": {"a": "c"}})), None);
        assert!(!other.names(&stored));
    }
}
