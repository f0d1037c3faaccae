//! The registry's state: a fold of the records of `_schemas`, and the questions it answers.
//!
//! Pure. Writers and readers fold the same records in the same order, so every instance that has read as far holds
//! the same state. What the log says is taken as it is; rules stand in [`crate::decide`]. Ids are counted by context;
//! subjects, settings and modes are known by their full names (see [`crate::name`]).

mod context;
mod excerpt;
mod imports;

use crate::{
    content::Content,
    name, ownership,
    record::{ConfigValue, Entry, Key, NoopValue, RecordError, SchemaValue},
};
use context::Context;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

/// One version of a subject.
#[derive(Debug, Clone, PartialEq)]
pub struct Version {
    /// The schema's id.
    pub id: u32,
    /// The schema's GUID.
    pub guid: String,
    /// What the id stands for, shared by all that use it.
    pub content: Arc<Content>,
    /// Soft-deleted: hidden from lists, readable by id.
    pub deleted: bool,
    /// When the record was written, in ms since 1970.
    pub timestamp_ms: Option<i64>,
    /// Members of the record that this version does not know.
    rest: serde_json::Map<String, serde_json::Value>,
}

/// A record that the state did not take.
#[derive(Debug, thiserror::Error)]
pub enum FoldError {
    /// The bytes are not of the known format.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The record gives an id to a second content: two writers, or an edited log. The first stays.
    #[error(
        "schema id {id} of subject {subject} version {version} stands for another schema already"
    )]
    IdTaken {
        /// The id.
        id: u32,
        /// The record's subject.
        subject: String,
        /// The record's version.
        version: u32,
    },
}

/// Whether soft-deleted versions count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deleted {
    /// Only what is not deleted.
    Hidden,
    /// Everything.
    Shown,
    /// Only what is soft-deleted.
    Only,
}

impl Deleted {
    /// Whether something that is deleted, or not, counts.
    pub fn admits(self, deleted: bool) -> bool {
        match self {
            Deleted::Hidden => !deleted,
            Deleted::Shown => true,
            Deleted::Only => deleted,
        }
    }
}

/// The state of the registry at a position of its log.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    contexts: BTreeMap<String, Context>,
    /// Where a GUID is known: contexts, each with an id.
    by_guid: HashMap<String, BTreeMap<String, u32>>,
    /// Settings by full name; `None` those of the default context.
    configs: BTreeMap<Option<String>, ConfigValue>,
    modes: BTreeMap<Option<String>, String>,
    /// Contexts that were made and not deleted, the default one apart.
    made: BTreeSet<String>,
    /// The mesh whose registry writes the log: the first that said so, since a second one has not seen the first.
    mesh: Option<String>,
    /// Keys in the log that are not spelled as we spell them, and hold a value.
    spelled: HashMap<Key, BTreeSet<Vec<u8>>>,
}

impl State {
    /// Take one record of the log.
    ///
    /// # Errors
    /// [`FoldError`]; the state is then unchanged, and reading may go on.
    pub fn fold(
        &mut self,
        key: &[u8],
        value: Option<&[u8]>,
        timestamp_ms: Option<i64>,
    ) -> Result<(), FoldError> {
        let known = Key::decode(key)?;
        let entry = Entry::under(known.clone(), value)?;
        self.note_spelling(known, key, value.is_some());
        match entry {
            Entry::Schema(subject, version, Some(value)) => {
                self.put_version(&subject, version, *value, timestamp_ms)?;
            }
            Entry::Schema(subject, version, None) => self.remove_version(&subject, version),
            Entry::Config(subject, value) => set(&mut self.configs, subject, value.map(|v| *v)),
            Entry::Mode(subject, value) => set(&mut self.modes, subject, value.map(|v| v.mode)),
            Entry::DeleteSubject(subject, Some(value)) => {
                if let Some(context) = self.contexts.get_mut(name::context_of(&subject)) {
                    context.soft_delete(&subject, value.version);
                }
            }
            Entry::ClearSubject(subject) => self.clear(subject.as_deref()),
            Entry::Context(context, true) => {
                self.made.insert(context);
            }
            Entry::Context(context, false) => {
                self.made.remove(&context);
            }
            Entry::Noop(Some(noop)) => {
                self.remember_ids(&noop);
                self.mesh = self.mesh.take().or(noop.mesh);
            }
            Entry::DeleteSubject(_, None) | Entry::Noop(None) | Entry::Other => {}
        }
        Ok(())
    }

    fn note_spelling(&mut self, known: Key, bytes: &[u8], holds: bool) {
        if matches!(known, Key::Other(_)) || known.encode() == bytes {
            return;
        }
        if holds {
            let all = self.spelled.entry(known).or_default();
            all.insert(bytes.to_owned());
        } else if let Some(all) = self.spelled.get_mut(&known) {
            all.remove(bytes);
            if all.is_empty() {
                self.spelled.remove(&known);
            }
        }
    }

    /// How other writers have spelled a key under which the log still holds a value. Compaction takes these for other
    /// keys: what replaces or deletes ours has to delete them, or they come back (confluentinc/schema-registry #4420).
    pub fn spelled(&self, key: &Key) -> impl Iterator<Item = &[u8]> {
        let all = self.spelled.get(key).into_iter().flatten();
        all.map(Vec::as_slice)
    }

    fn context_mut(&mut self, context: &str) -> &mut Context {
        if !self.contexts.contains_key(context) {
            self.contexts.insert(context.to_owned(), Context::default());
        }
        self.contexts.get_mut(context).expect("just inserted")
    }

    fn remember_ids(&mut self, noop: &NoopValue) {
        self.context_mut(name::DEFAULT).remember_id(noop.max_id);
        for (context, id) in &noop.max_ids {
            self.context_mut(context).remember_id(*id);
        }
    }

    fn put_version(
        &mut self,
        subject: &str,
        number: u32,
        value: SchemaValue,
        timestamp_ms: Option<i64>,
    ) -> Result<(), FoldError> {
        let content = Content::of_record(&value);
        let context = name::context_of(subject);
        let known = self.contexts.get(context).and_then(|c| c.by_id(value.id));
        let content = match known {
            Some((known, _)) if **known == content => known.clone(),
            Some(_) => {
                let (subject, version) = (subject.to_owned(), number);
                return Err(FoldError::IdTaken {
                    id: value.id,
                    subject,
                    version,
                });
            }
            None => Arc::new(content),
        };
        let guid = value.guid.unwrap_or_else(|| content.guid());
        self.remove_version(subject, number);
        if context != name::DEFAULT {
            self.made.insert(context.to_owned());
        }
        let version = Version {
            id: value.id,
            guid,
            content,
            deleted: value.deleted,
            timestamp_ms,
            rest: value.rest,
        };
        let places = self.by_guid.entry(version.guid.clone()).or_default();
        places.entry(context.to_owned()).or_insert(version.id);
        self.context_mut(context).put(subject, number, version);
        Ok(())
    }

    fn remove_version(&mut self, subject: &str, number: u32) {
        let context = name::context_of(subject);
        let forgotten = self
            .contexts
            .get_mut(context)
            .and_then(|known| known.remove(subject, number));
        let Some(version) = forgotten else { return };
        if let Some(places) = self.by_guid.get_mut(&version.guid)
            && places.get(context) == Some(&version.id)
        {
            places.remove(context);
            if places.is_empty() {
                self.by_guid.remove(&version.guid);
            }
        }
    }

    /// What was soft-deleted under a name is gone for good.
    fn clear(&mut self, scope: Option<&str>) {
        for (subject, number) in self.soft_deleted(scope) {
            self.remove_version(&subject, number);
        }
    }

    /// Soft-deleted versions of a subject, of a context, or (`None`) everywhere.
    pub fn soft_deleted(&self, scope: Option<&str>) -> Vec<(String, u32)> {
        self.subjects_of(scope, Deleted::Shown)
            .into_iter()
            .flat_map(|subject| {
                let versions = self.versions(subject, Deleted::Only);
                versions.map(move |(number, _)| (subject.to_owned(), number))
            })
            .collect()
    }

    /// Subjects that a name stands for: one, those of a context, or (`None`, [`name::GLOBAL`]) all.
    pub fn subjects_of(&self, scope: Option<&str>, deleted: Deleted) -> Vec<&str> {
        let all = self.subjects(deleted);
        match scope.map(name::split) {
            None => all.collect(),
            Some(_) if scope == Some(name::GLOBAL) => all.collect(),
            Some((context, "")) => all.filter(|s| name::context_of(s) == context).collect(),
            Some(_) => all.filter(|s| Some(*s) == scope).collect(),
        }
    }

    /// The highest id ever given in a context.
    pub fn max_id(&self, context: &str) -> u32 {
        self.contexts.get(context).map_or(0, Context::max_id)
    }

    /// The mesh whose registry writes this log, where one has said so.
    pub fn mesh(&self) -> Option<&str> {
        self.mesh.as_deref()
    }

    /// What is to be remembered of the log as a whole: whose it is, and the highest ids ever given.
    pub fn max_ids(&self) -> NoopValue {
        let others = self
            .contexts
            .iter()
            .filter(|(name, _)| *name != name::DEFAULT);
        NoopValue {
            max_id: self.max_id(name::DEFAULT),
            max_ids: others
                .map(|(name, context)| (name.clone(), context.max_id()))
                .collect(),
            mesh: self.mesh.clone(),
        }
    }

    /// The id under which a content is known in a context, if it is.
    pub fn id_of(&self, context: &str, content: &Content) -> Option<u32> {
        self.contexts.get(context)?.id_of(content)
    }

    /// The content and GUID behind an id of a context.
    pub fn by_id(&self, context: &str, id: u32) -> Option<(&Arc<Content>, &str)> {
        self.contexts.get(context)?.by_id(id)
    }

    /// Where a GUID is known: contexts, each with an id; the default one first.
    pub fn by_guid(&self, guid: &str) -> Vec<(&str, u32)> {
        let places = self.by_guid.get(&guid.to_ascii_lowercase());
        let places = places.into_iter().flatten();
        places
            .map(|(context, id)| (context.as_str(), *id))
            .collect()
    }

    /// Subjects and versions that use an id of a context.
    pub fn uses(&self, context: &str, id: u32, deleted: Deleted) -> Vec<(&str, u32)> {
        let uses = self.contexts.get(context).map(|context| context.uses(id));
        uses.into_iter()
            .flatten()
            .filter(|(subject, number)| {
                self.version(subject, *number)
                    .is_some_and(|v| deleted.admits(v.deleted))
            })
            .map(|(subject, number)| (subject.as_str(), *number))
            .collect()
    }

    /// Contexts that exist: the default one, and those in which something was registered.
    pub fn contexts(&self) -> impl Iterator<Item = &str> {
        std::iter::once(name::DEFAULT).chain(self.made.iter().map(String::as_str))
    }

    /// Full names of subjects that have a version, in order. A subject is deleted when all of its versions are.
    pub fn subjects(&self, deleted: Deleted) -> impl Iterator<Item = &str> {
        self.contexts
            .values()
            .flat_map(move |context| context.subjects(deleted))
    }

    /// The versions of a subject, oldest first.
    pub fn versions(
        &self,
        subject: &str,
        deleted: Deleted,
    ) -> impl DoubleEndedIterator<Item = (u32, &Version)> {
        let context = self.contexts.get(name::context_of(subject));
        let versions = context.and_then(|context| context.versions(subject));
        versions
            .into_iter()
            .flat_map(|versions| versions.iter())
            .map(|(number, version)| (*number, version))
            .filter(move |(_, version)| deleted.admits(version.deleted))
    }

    /// One version of a subject, deleted or not.
    pub fn version(&self, subject: &str, number: u32) -> Option<&Version> {
        let context = self.contexts.get(name::context_of(subject))?;
        context.versions(subject)?.get(&number)
    }

    /// The newest version of a subject that counts.
    pub fn latest(&self, subject: &str, deleted: Deleted) -> Option<(u32, &Version)> {
        self.versions(subject, deleted).next_back()
    }

    /// The version of a subject that holds what a client looks for: exactly, else the newest that it names.
    pub fn find(
        &self,
        subject: &str,
        content: &Content,
        deleted: Deleted,
    ) -> Option<(u32, &Version)> {
        let newest_first = || self.versions(subject, deleted).rev();
        newest_first()
            .find(|(_, v)| *v.content == *content)
            .or_else(|| newest_first().find(|(_, v)| content.names(&v.content)))
    }

    /// The version that a reference means; -1 is the latest. What is soft-deleted may still be referred to.
    pub fn referenced(&self, holder: &str, version: i32) -> Option<(u32, &Version)> {
        match u32::try_from(version) {
            Ok(number) => Some((number, self.version(holder, number)?)),
            Err(_negative) => self.latest(holder, Deleted::Hidden),
        }
    }

    /// Ids, in the context of `subject`, of schemas that refer to a version of it; `deleted` says whether those count
    /// that only soft-deleted versions use.
    pub fn referenced_by(&self, subject: &str, version: u32, deleted: Deleted) -> Vec<u32> {
        let Some(context) = self.contexts.get(name::context_of(subject)) else {
            return Vec::new();
        };
        let ids = context.referring(subject, version);
        let counts = |id: &u32| {
            let mut uses = context.uses(*id);
            uses.any(|(s, n)| {
                self.version(s, *n)
                    .is_some_and(|v| deleted.admits(v.deleted))
            })
        };
        ids.filter(counts).collect()
    }

    /// Settings of a subject or context, or (`None`) of the default context.
    pub fn config(&self, subject: Option<&str>) -> Option<&ConfigValue> {
        get(&self.configs, subject)
    }

    /// Mode of a subject or context, or (`None`) of the default context, where one is set.
    pub fn mode(&self, subject: Option<&str>) -> Option<&str> {
        get(&self.modes, subject).map(String::as_str)
    }

    /// Every setting, by full name.
    pub fn configs(&self) -> impl Iterator<Item = (Option<&str>, &ConfigValue)> {
        self.configs
            .iter()
            .map(|(subject, config)| (subject.as_deref(), config))
    }

    /// Every mode, by full name.
    pub fn modes(&self) -> impl Iterator<Item = (Option<&str>, &str)> {
        self.modes
            .iter()
            .map(|(subject, mode)| (subject.as_deref(), mode.as_str()))
    }

    /// The port that owns a subject.
    pub fn owner(&self, subject: &str) -> Option<&str> {
        self.config(Some(subject)).and_then(ownership::owner)
    }

    /// The subject that a name stands for, if it is another's alias: the name of its settings' `alias`.
    pub fn aliased(&self, subject: &str) -> Option<String> {
        let alias = self.config(Some(subject))?.alias.as_deref()?;
        (!alias.is_empty()).then(|| name::beside(subject, alias))
    }

    /// The record of a version as it stands, to be written again with a change.
    pub fn record(&self, subject: &str, number: u32) -> Option<SchemaValue> {
        let version = self.version(subject, number)?;
        let content = &version.content;
        Some(SchemaValue {
            subject: subject.to_owned(),
            version: number,
            id: version.id,
            guid: Some(version.guid.clone()),
            schema_type: (content.schema_type != "AVRO").then(|| content.schema_type.clone()),
            references: content.references.clone(),
            metadata: content.metadata.clone(),
            rule_set: content.rule_set.clone(),
            schema: content.text.clone(),
            deleted: version.deleted,
            rest: version.rest.clone(),
        })
    }
}

/// A setting's key: that of the default context is `None`, however it is spelled.
fn key(subject: Option<&str>) -> Option<&str> {
    subject.filter(|subject| !subject.is_empty())
}

fn get<'m, T>(map: &'m BTreeMap<Option<String>, T>, subject: Option<&str>) -> Option<&'m T> {
    // borrowing an `Option<String>` as an `Option<&str>` is not to be had
    map.get(&key(subject).map(str::to_owned))
}

fn set<T>(map: &mut BTreeMap<Option<String>, T>, subject: Option<String>, value: Option<T>) {
    let subject = subject.filter(|subject| !subject.is_empty());
    match value {
        Some(value) => map.insert(subject, value),
        None => map.remove(&subject),
    };
}
