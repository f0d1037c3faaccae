//! Bodies of answers, and how a schema comes to be shown. Members that are null or empty are left out, as the reference does.

use crate::{
    content::{Content, Imported},
    name,
    record::Reference,
    refusal::Refusal,
    request::EntityTags,
    rules::Metadata,
    service::Service,
    state::{State, Version},
    tags,
};
use contract::canonical::Format;
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;

/// A schema: with its place under a subject, or as an id stands for it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Schema {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<u32>,
    pub guid: String,
    /// Always present since 8.0, for AVRO too.
    pub schema_type: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<Reference>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule_set: Option<Value>,
    pub schema: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub schema_tags: Vec<EntityTags>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_id: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ts: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted: Option<bool>,
}

impl Schema {
    /// What an id stands for, without a place.
    pub(crate) fn of_content(content: &Content, guid: &str) -> Self {
        Self {
            subject: None,
            version: None,
            id: None,
            guid: guid.to_owned(),
            schema_type: content.schema_type.clone(),
            references: content.references.clone(),
            metadata: content.metadata.clone(),
            rule_set: content.rule_set.clone(),
            schema: content.text.clone(),
            schema_tags: Vec::new(),
            max_id: None,
            ts: None,
            deleted: None,
        }
    }

    /// One version of a subject. The subject is named as inside its context.
    pub(crate) fn of_version(subject: &str, number: u32, version: &Version) -> Self {
        Self {
            subject: Some(name::split(subject).1.to_owned()),
            version: Some(number),
            id: Some(version.id),
            ts: version.timestamp_ms,
            deleted: version.deleted.then_some(true),
            ..Self::of_content(&version.content, &version.guid)
        }
    }

    /// The answer to a registration: as a version, without its subject.
    pub(crate) fn of_registration(state: &State, subject: &str, number: u32) -> Option<Self> {
        let version = state.version(subject, number)?;
        let body = Self::of_version(subject, number, version);
        Some(Self {
            subject: None,
            deleted: None,
            ..body
        })
    }

    /// The same with its text in another form, and with the tags that are asked for.
    fn shown_as(mut self, source: &Source) -> Result<Self, Refusal> {
        let Source {
            holder,
            content,
            imported,
            how,
        } = source;
        let schema_tags = if how.tags.is_empty() {
            Vec::new()
        } else {
            tags::wanted(content, imported, &how.tags)?
        };
        if how.full_references {
            for reference in &mut self.references {
                reference.subject = name::beside(holder, &reference.subject);
            }
        }
        Ok(Self {
            schema: content.formatted(imported, how.format)?,
            schema_tags,
            ..self
        })
    }
}

/// A schema that was found, with what it takes to show it as it is asked for, apart from the state.
#[derive(Debug)]
pub(crate) struct Found {
    body: Schema,
    /// What has to be read; `None` where the schema is asked for as it is stored.
    source: Option<Source>,
}

/// What is read to show a schema in another form.
#[derive(Debug)]
struct Source {
    holder: String,
    content: Arc<Content>,
    imported: Vec<Imported>,
    how: Shown,
}

impl Found {
    /// A schema, and how it is asked for. `holder` is the subject, or any other name, in the context of which it refers
    /// to others.
    ///
    /// # Errors
    /// 42201 when it refers to what is not there, which an edited log may bring about.
    pub(crate) fn new(
        state: &State,
        holder: &str,
        content: &Arc<Content>,
        body: Schema,
        how: &Shown,
    ) -> Result<Self, Refusal> {
        if how.is_plain() {
            return Ok(Self { body, source: None });
        }
        let source = Source {
            holder: holder.to_owned(),
            content: content.clone(),
            imported: state.imports(holder, &content.references)?,
            how: how.clone(),
        };
        Ok(Self {
            body,
            source: Some(source),
        })
    }

    /// The body, worked out on this thread.
    ///
    /// # Errors
    /// 42201 when the stored schema cannot be read, which an edited log may bring about.
    pub(crate) fn worked_out(self) -> Result<Schema, Refusal> {
        match &self.source {
            Some(source) => self.body.shown_as(source),
            None => Ok(self.body),
        }
    }

    /// The body, worked out aside where that takes reading the schema.
    ///
    /// # Errors
    /// As [`Found::worked_out`].
    pub(crate) async fn shown(self, service: &Service) -> Result<Schema, Refusal> {
        if self.source.is_none() {
            return Ok(self.body);
        }
        service.aside().run(|| self.worked_out()).await
    }
}

/// How a schema is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    /// The form of its text.
    pub(crate) format: Format,
    /// The tags to be listed; `*` is all.
    pub(crate) tags: Vec<String>,
    /// Whether subjects that it refers to are named in full.
    pub(crate) full_references: bool,
}

impl Shown {
    /// Whether the schema is asked for just as it is stored.
    fn is_plain(&self) -> bool {
        self.format == Format::Default && self.tags.is_empty() && !self.full_references
    }
}
