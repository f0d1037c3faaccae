//! Registering: what a client sent becomes a version of a subject, or is found to be one already.
//!
//! Source, for the order of the steps: `KafkaSchemaRegistry.register` of confluentinc/schema-registry.

use super::{Decision, check_free, check_name, in_mode};
use crate::{
    compatibility,
    content::{Content, Normalize},
    name, ownership,
    record::{ConfigValue, ContextValue, Key, SchemaValue, Write},
    refusal::Refusal,
    request::{Answer, Register, Tag, Which},
    rules::{self, Metadata, RuleSet, VERSION_PROPERTY},
    settings::{self, Mode},
    state::{Deleted, State, Version},
    tags,
};
use contract::canonical::Format;
use serde_json::Value;

/// A registration, read as a schema under what is set for its subject.
#[derive(Debug)]
pub struct Draft<'a> {
    state: &'a State,
    request: &'a Register,
    config: ConfigValue,
    mode: Mode,
}

impl<'a> Draft<'a> {
    /// A registration under what is set for its subject.
    pub fn new(state: &'a State, request: &'a Register) -> Self {
        Self {
            state,
            request,
            config: settings::effective(state, &request.subject),
            mode: match Mode::of(state, &request.subject) {
                mode if request.import && !mode.is_read_only() => Mode::Import,
                mode => mode,
            },
        }
    }

    fn subject(&self) -> &'a str {
        &self.request.subject
    }

    /// What was sent, with its own metadata and rules.
    fn sent(&self) -> Result<Content, Refusal> {
        let rules = self.request.rule_set.as_ref().map(rule_value);
        let sent = Content::sent(
            self.request.schema_type.as_deref(),
            &self.request.schema,
            self.request.references.clone(),
        );
        Ok(sent.with(self.request.metadata.clone(), rules))
    }

    /// Read content as a schema of the subject.
    fn parsed(&self, content: Content) -> Result<Content, Refusal> {
        let asked = self.request.normalize || self.config.normalize == Some(true);
        let normalize = if asked { Normalize::Yes } else { Normalize::No };
        let imported = self.state.imports(self.subject(), &content.references)?;
        let content = content.parsed(&imported, normalize)?;
        let (add, remove) = (&self.request.tags_to_add, &self.request.tags_to_remove);
        if add.is_empty() && remove.is_empty() {
            return Ok(content);
        }
        let text = tags::edited(&content, &imported, add, remove)?;
        Content { text, ..content }.parsed(&imported, normalize)
    }

    /// Whether what was sent may be looked for as it is, before anything is laid over it.
    fn is_plain(&self) -> bool {
        let lacks_id = self.mode.is_import() && self.request.id.is_none();
        !lacks_id
            && self.request.version.unwrap_or(0) == 0
            && self.request.tags_to_add.is_empty()
            && self.request.tags_to_remove.is_empty()
            && self.config.default_metadata.is_none()
            && overrides(&self.config).is_none()
            && self.config.default_rule_set.is_none()
            && self.config.override_rule_set.is_none()
    }

    /// The version of the subject that is what was sent, if one is.
    ///
    /// # Errors
    /// 42201 and 42209 when it is no schema.
    pub fn held(&self) -> Result<Option<(u32, &'a Version)>, Refusal> {
        if !self.is_plain() || self.request.schema.trim().is_empty() {
            return Ok(None);
        }
        let content = self.parsed(self.sent()?)?;
        Ok(self
            .same(&content)
            .filter(|(_, version)| self.may_be(version.id)))
    }

    fn may_be(&self, id: u32) -> bool {
        self.request.id.is_none_or(|asked| asked == id)
    }

    /// The version that holds content, but for its number, or with what it refers to written out.
    fn same(&self, content: &Content) -> Option<(u32, &'a Version)> {
        let newest_first = || self.state.versions(self.subject(), Deleted::Hidden).rev();
        let mut left = MAX_WRITTEN_OUT;
        newest_first()
            .find(|(_, version)| *version.content == *content)
            .or_else(|| {
                newest_first().find(|(_, version)| {
                    content.is_but_for_its_number(&version.content)
                        || self.writes_out(content, &version.content, &mut left)
                })
            })
    }

    /// Whether `content` is `stored` with all that it refers to written out. `left` is how many bytes may still be read
    /// to find out.
    fn writes_out(&self, content: &Content, stored: &Content, left: &mut usize) -> bool {
        if !content.references.is_empty()
            || stored.references.is_empty()
            || content.schema_type != stored.schema_type
        {
            return false;
        }
        let Ok(imported) = self.state.imports(self.subject(), &stored.references) else {
            return false;
        };
        let others: usize = imported.iter().map(|one| one.content.text.len()).sum();
        let bytes = stored.text.len() + others;
        if *left < bytes {
            return false;
        }
        *left -= bytes;
        let resolved = stored.formatted(&imported, Format::Resolved);
        resolved.is_ok_and(|text| text == content.text)
    }

    /// What is to be registered: what was sent, filled up from the version before it and from the settings.
    fn filled(&self, next: u32) -> Result<Content, Refusal> {
        let sent = self.sent()?;
        if self.mode.is_import() {
            return Ok(sent);
        }
        let before = self.state.latest(self.subject(), Deleted::Hidden);
        let before = before.map(|(_, version)| &*version.content);
        let metadata = self.laid_metadata(&sent, before, next);
        let rule_set = self.laid_rules(before);
        let text = if sent.is_blank() {
            let before = before.ok_or_else(|| Refusal::invalid_schema("Empty schema"))?;
            before.clone()
        } else {
            sent
        };
        Ok(text.with(metadata, rule_set))
    }

    fn laid_metadata(
        &self,
        sent: &Content,
        before: Option<&Content>,
        next: u32,
    ) -> Option<Metadata> {
        let own = sent
            .metadata
            .as_ref()
            .or(before.and_then(|b| b.metadata.as_ref()));
        let over = overrides(&self.config);
        let laid = rules::lay_metadata(self.config.default_metadata.as_ref(), own, over.as_ref());
        let numbered = laid
            .as_ref()
            .is_some_and(|m| m.property(VERSION_PROPERTY).is_some());
        if numbered || self.request.version.unwrap_or(0) != 0 {
            let laid = laid.unwrap_or_default();
            return Some(laid.with_property(VERSION_PROPERTY, next.to_string()));
        }
        laid
    }

    fn laid_rules(&self, before: Option<&Content>) -> Option<Value> {
        let before = || {
            let stored = before?.rule_set.clone()?;
            // what an older or a foreign writer stored may be no rule set
            serde_json::from_value::<RuleSet>(stored).ok()
        };
        let own = self.request.rule_set.clone().or_else(before);
        rules::lay_rules(
            self.config.default_rule_set.as_ref(),
            own.as_ref(),
            self.config.override_rule_set.as_ref(),
        )
        .map(|laid| rule_value(&laid))
    }

    /// New content, by a client or by the owning port, whose contract has decided already.
    fn check_may_follow(&self, content: &Content) -> Result<(), Refusal> {
        let subject = self.subject();
        if self.request.owner.is_some() {
            return Ok(());
        }
        check_free(self.state, Some(subject))?;
        if self.request.force || self.mode.is_import() {
            return Ok(());
        }
        let found = compatibility::with_subject(self.state, subject, content)?;
        if found.is_compatible() {
            Ok(())
        } else {
            Err(Refusal::incompatible(subject, &found.incompatible))
        }
    }

    fn check_mode(&self) -> Result<(), Refusal> {
        let subject = self.subject();
        if self.request.owner.is_some() {
            return Ok(());
        }
        if self.mode.is_read_only() {
            return Err(in_mode(subject, "is in read-only mode"));
        }
        match self.request.id {
            Some(_) if !self.mode.is_import() => Err(in_mode(subject, "is not in import mode")),
            None if self.mode != Mode::ReadWrite => {
                Err(in_mode(subject, "is not in read-write mode"))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The number of the new version: the one asked for, where a registry is imported, else the next.
    fn number(&self, next: u32) -> Result<u32, Refusal> {
        let asked = self
            .request
            .version
            .and_then(|version| u32::try_from(version).ok());
        match asked.filter(|version| *version > 0) {
            Some(asked) if asked == next || self.mode.is_import() => Ok(asked),
            Some(_) => Err(Refusal::invalid_schema(
                "Version is not one more than previous version",
            )),
            None => Ok(next),
        }
    }

    /// The id of new content: its own, the one asked for, or the next.
    fn id(&self, content: &Content) -> Result<u32, Refusal> {
        let context = name::context_of(self.subject());
        let known = self.state.id_of(context, content);
        let Some(asked) = self.request.id else {
            return known.map_or_else(|| after(self.state.max_id(context), "ids"), Ok);
        };
        if asked == 0 || asked > MAX_NUMBER {
            return Err(Refusal::invalid_schema(format!(
                "{asked} is not a schema id"
            )));
        }
        match self.state.by_id(context, asked) {
            Some((other, _)) if **other != *content => Err(Refusal::not_permitted(format!(
                "Overwrite new schema with id {asked} in context {context} is not permitted."
            ))),
            Some(_) | None => Ok(asked),
        }
    }
}

/// The highest id and version: the reference and its clients count in Java's `int`.
const MAX_NUMBER: u32 = i32::MAX.unsigned_abs();

/// The next id or version.
fn after(highest: u32, what: &str) -> Result<u32, Refusal> {
    if highest < MAX_NUMBER {
        Ok(highest + 1)
    } else {
        let context = "an import or an edited log has taken the highest";
        Err(Refusal::not_permitted(format!(
            "No {what} are left: {context}"
        )))
    }
}

/// Most bytes of earlier versions, with what they refer to, that are written out to find one that a schema is: a second's
/// work. Beyond it, a schema that is one of the oldest gets a new version.
const MAX_WRITTEN_OUT: usize = 8_000_000;

/// The metadata laid over new schemas: the mark of a port is no part of it.
fn overrides(config: &ConfigValue) -> Option<Metadata> {
    let own = config.override_metadata.clone();
    rules::tidy_metadata(own.map(|over| over.without_property(ownership::OWNER_PROPERTY)))
}

fn rule_value(rules: &RuleSet) -> Value {
    serde_json::to_value(rules).expect("rules hold text only")
}

/// The version of a subject that is what a client asks to register, if one is: the answer needs no write.
///
/// # Errors
/// 42201 and 42209 when it is no schema.
pub fn held<'s>(
    state: &'s State,
    request: &Register,
) -> Result<Option<(u32, &'s Version)>, Refusal> {
    let found = Draft::new(state, request).held()?.map(|(number, _)| number);
    Ok(found.and_then(|number| Some((number, state.version(&request.subject, number)?))))
}

pub(super) fn register(state: &State, request: &Register) -> Result<Decision, Refusal> {
    let subject = &request.subject;
    check_name(subject)?;
    let draft = Draft::new(state, request);
    let mut writes = Vec::new();
    match (state.owner(subject), &request.owner) {
        (Some(port), Some(asking)) if port != asking => {
            return Err(Refusal::owned_by_port(subject, port));
        }
        (None, Some(port)) => {
            let config = ownership::owned_config(subject, port);
            writes.push(Write::put(&Key::Config(Some(subject.clone())), &config));
        }
        (Some(_) | None, _) => {}
    }
    if let Some((number, version)) = draft.held()? {
        return Ok(found(writes, number, version));
    }
    draft.check_mode()?;
    let newest = state.latest(subject, Deleted::Shown);
    let next = after(newest.map_or(0, |(number, _)| number), "versions")?;
    let content = draft.parsed(draft.filled(next)?)?;
    if request.version.unwrap_or(0) == 0
        && let Some((number, version)) = draft.same(&content)
        && draft.may_be(version.id)
    {
        return Ok(found(writes, number, version));
    }
    draft.check_may_follow(&content)?;
    let record = record(&draft, &content, next)?;
    let answer = Answer::Registered {
        id: record.id,
        version: record.version,
        guid: content.guid(),
    };
    writes.extend(first_in_context(state, subject));
    writes.extend(replaced(state, &record));
    writes.push(Write::put(&Key::schema(subject, record.version), &record));
    Ok(Decision { writes, answer })
}

fn found(writes: Vec<Write>, number: u32, version: &Version) -> Decision {
    let answer = Answer::Registered {
        id: version.id,
        version: number,
        guid: version.guid.clone(),
    };
    Decision { writes, answer }
}

fn record(draft: &Draft<'_>, content: &Content, next: u32) -> Result<SchemaValue, Refusal> {
    Ok(SchemaValue {
        subject: draft.subject().to_owned(),
        version: draft.number(next)?,
        id: draft.id(content)?,
        guid: Some(content.guid()),
        schema_type: (content.schema_type != "AVRO").then(|| content.schema_type.clone()),
        references: content.references.clone(),
        metadata: content.metadata.clone(),
        rule_set: content.rule_set.clone(),
        schema: content.text.clone(),
        deleted: false,
        rest: serde_json::Map::new(),
    })
}

/// The record of a context, with the first schema in it.
fn first_in_context(state: &State, subject: &str) -> Option<Write> {
    let context = name::context_of(subject);
    let known = state.contexts().any(|known| known == context);
    (!known).then(|| {
        Write::put(
            &Key::Context(context.to_owned()),
            &ContextValue::new(context),
        )
    })
}

/// Tombstones of soft-deleted versions of the same schema, which a new version replaces, unless something refers to
/// them.
fn replaced(state: &State, record: &SchemaValue) -> Vec<Write> {
    let subject = &record.subject;
    state
        .versions(subject, Deleted::Only)
        .filter(|(number, v)| {
            v.id == record.id
                && *number < record.version
                && state
                    .referenced_by(subject, *number, Deleted::Shown)
                    .is_empty()
        })
        .map(|(number, _)| Write::delete(&Key::schema(subject, number)))
        .collect()
}

/// The next version of a subject: the text of one, with tags added and removed, and other metadata and rules.
pub(super) fn tag(state: &State, request: &Tag) -> Result<Decision, Refusal> {
    let subject = &request.subject;
    let unknown = || Refusal::subject_not_found(subject);
    let latest = state.latest(subject, Deleted::Hidden).ok_or_else(unknown)?;
    let (_, version) = match request.version {
        Which::Latest => latest,
        Which::Number(number) => state
            .version(subject, number)
            .filter(|version| !version.deleted)
            .map(|version| (number, version))
            .ok_or_else(|| Refusal::version_not_found(number))?,
    };
    let content = &version.content;
    let rule_set = match (&request.rules_to_merge, &request.rules_to_remove) {
        (None, None) => request.rule_set.clone(),
        (merge, remove) => {
            let stored = latest.1.content.rule_set.clone();
            let stored = stored.and_then(|stored| serde_json::from_value::<RuleSet>(stored).ok());
            let laid = rules::lay_rules(None, stored.as_ref(), merge.as_ref());
            laid.map(|laid| laid.without(remove.as_deref().unwrap_or_default()))
        }
    };
    let register = Register {
        subject: subject.clone(),
        schema_type: Some(content.schema_type.clone()),
        schema: content.text.clone(),
        references: content.references.clone(),
        metadata: request
            .metadata
            .clone()
            .or_else(|| content.metadata.clone()),
        rule_set,
        version: Some(request.new_version.unwrap_or(-1)),
        tags_to_add: request.tags_to_add.clone(),
        tags_to_remove: request.tags_to_remove.clone(),
        ..Register::default()
    };
    self::register(state, &register)
}
