//! The registry's state: a fold of the records of `_schemas`, and the questions it answers.
//!
//! Pure. Writers and readers fold the same records in the same order, so every instance that has read as far holds
//! the same state. What the log says is taken as it is; rules stand in [`crate::decide`].

use crate::{
    content::Content,
    ownership,
    record::{ConfigValue, Entry, RecordError, SchemaValue},
};
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

/// A subject: its versions and what is set for it alone.
#[derive(Debug, Clone, Default, PartialEq)]
struct Subject {
    versions: BTreeMap<u32, Version>,
    config: Option<ConfigValue>,
    mode: Option<String>,
}

impl Subject {
    fn is_empty(&self) -> bool {
        self.versions.is_empty() && self.config.is_none() && self.mode.is_none()
    }
}

/// What is known under an id.
#[derive(Debug, Clone, PartialEq)]
struct Known {
    content: Arc<Content>,
    guid: String,
    uses: BTreeSet<(String, u32)>,
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
    subjects: BTreeMap<String, Subject>,
    ids: BTreeMap<u32, Known>,
    by_content: HashMap<Arc<Content>, u32>,
    by_guid: HashMap<String, u32>,
    max_id: u32,
    config: Option<ConfigValue>,
    mode: Option<String>,
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
        match Entry::decode(key, value)? {
            Entry::Schema(subject, version, Some(value)) => {
                self.put_version(&subject, version, *value, timestamp_ms)?;
            }
            Entry::Schema(subject, version, None) => self.remove_version(&subject, version),
            Entry::Config(None, value) => self.config = value.map(|value| *value),
            Entry::Config(Some(subject), value) => {
                self.with_subject(&subject, |s| s.config = value.map(|value| *value));
            }
            Entry::Mode(None, value) => self.mode = value.map(|value| value.mode),
            Entry::Mode(Some(subject), value) => {
                self.with_subject(&subject, |s| s.mode = value.map(|value| value.mode));
            }
            Entry::DeleteSubject(subject, Some(value)) => self.with_subject(&subject, |s| {
                s.versions
                    .range_mut(..=value.version)
                    .for_each(|(_, version)| version.deleted = true);
            }),
            Entry::Noop(Some(noop)) => self.max_id = self.max_id.max(noop.max_id),
            Entry::DeleteSubject(_, None) | Entry::Noop(None) | Entry::Other => {}
        }
        Ok(())
    }

    fn with_subject(&mut self, name: &str, change: impl FnOnce(&mut Subject)) {
        let mut subject = self.subjects.remove(name).unwrap_or_default();
        change(&mut subject);
        if !subject.is_empty() {
            self.subjects.insert(name.to_owned(), subject);
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
        let content = match self.ids.get(&value.id) {
            Some(known) if *known.content == content => known.content.clone(),
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
        self.learn_id(value.id, &content, &guid, (subject.to_owned(), number));
        let version = Version {
            id: value.id,
            guid,
            content,
            deleted: value.deleted,
            timestamp_ms,
            rest: value.rest,
        };
        self.with_subject(subject, |s| {
            s.versions.insert(number, version);
        });
        Ok(())
    }

    fn learn_id(&mut self, id: u32, content: &Arc<Content>, guid: &str, by: (String, u32)) {
        self.max_id = self.max_id.max(id);
        // of two ids for one content, which only a foreign writer makes, the first is the one given out
        self.by_content.entry(content.clone()).or_insert(id);
        self.by_guid.entry(guid.to_owned()).or_insert(id);
        let known = self.ids.entry(id).or_insert_with(|| Known {
            content: content.clone(),
            guid: guid.to_owned(),
            uses: BTreeSet::new(),
        });
        known.uses.insert(by);
    }

    fn remove_version(&mut self, subject: &str, number: u32) {
        let mut removed = None;
        self.with_subject(subject, |s| removed = s.versions.remove(&number));
        let Some(removed) = removed else { return };
        let Some(known) = self.ids.get_mut(&removed.id) else {
            return;
        };
        known.uses.remove(&(subject.to_owned(), number));
        if !known.uses.is_empty() {
            return;
        }
        self.ids.remove(&removed.id);
        if self.by_content.get(&removed.content) == Some(&removed.id) {
            self.by_content.remove(&removed.content);
        }
        self.by_guid.retain(|_, id| *id != removed.id);
    }

    /// The highest id ever given.
    pub fn max_id(&self) -> u32 {
        self.max_id
    }

    /// The id under which a content is known, if it is.
    pub fn id_of(&self, content: &Content) -> Option<u32> {
        self.by_content.get(content).copied()
    }

    /// The content and GUID behind an id.
    pub fn by_id(&self, id: u32) -> Option<(&Arc<Content>, &str)> {
        self.ids
            .get(&id)
            .map(|known| (&known.content, known.guid.as_str()))
    }

    /// The id behind a GUID.
    pub fn by_guid(&self, guid: &str) -> Option<u32> {
        self.by_guid.get(&guid.to_ascii_lowercase()).copied()
    }

    /// Subjects and versions that use an id.
    pub fn uses(&self, id: u32, deleted: Deleted) -> Vec<(&str, u32)> {
        let uses = self.ids.get(&id).map(|known| &known.uses);
        uses.into_iter()
            .flatten()
            .filter(|(subject, number)| {
                self.version(subject, *number)
                    .is_some_and(|v| deleted.admits(v.deleted))
            })
            .map(|(subject, number)| (subject.as_str(), *number))
            .collect()
    }

    /// Names of subjects that have a version, in order. A subject is deleted when all of its versions are.
    pub fn subjects(&self, deleted: Deleted) -> impl Iterator<Item = &str> {
        self.subjects.iter().filter_map(move |(name, subject)| {
            let gone = subject.versions.values().all(|version| version.deleted);
            (!subject.versions.is_empty() && deleted.admits(gone)).then_some(name.as_str())
        })
    }

    /// The versions of a subject, oldest first.
    pub fn versions(
        &self,
        subject: &str,
        deleted: Deleted,
    ) -> impl DoubleEndedIterator<Item = (u32, &Version)> {
        let versions = self.subjects.get(subject).map(|s| &s.versions);
        versions
            .into_iter()
            .flatten()
            .map(|(number, version)| (*number, version))
            .filter(move |(_, version)| deleted.admits(version.deleted))
    }

    /// One version of a subject, deleted or not.
    pub fn version(&self, subject: &str, number: u32) -> Option<&Version> {
        self.subjects.get(subject)?.versions.get(&number)
    }

    /// The newest version of a subject that counts.
    pub fn latest(&self, subject: &str, deleted: Deleted) -> Option<(u32, &Version)> {
        self.versions(subject, deleted).next_back()
    }

    /// The version of a subject that holds what a client sent: exactly, else the newest that it names.
    pub fn find(
        &self,
        subject: &str,
        content: &Content,
        deleted: Deleted,
    ) -> Option<(u32, &Version)> {
        let exact = self
            .versions(subject, deleted)
            .rev()
            .find(|(_, v)| *v.content == *content);
        exact.or_else(|| {
            self.versions(subject, deleted)
                .rev()
                .find(|(_, v)| content.names(&v.content))
        })
    }

    /// Ids of schemas that refer to a version, deleted ones included: they may still be in use.
    pub fn referenced_by(&self, subject: &str, version: u32) -> Vec<u32> {
        let refers = |known: &Known| {
            known
                .content
                .references
                .iter()
                .any(|r| r.subject == subject && i64::from(r.version) == i64::from(version))
        };
        self.ids
            .iter()
            .filter(|(_, known)| refers(known))
            .map(|(id, _)| *id)
            .collect()
    }

    /// Settings of a subject, or (`None`) of all.
    pub fn config(&self, subject: Option<&str>) -> Option<&ConfigValue> {
        match subject {
            None => self.config.as_ref(),
            Some(subject) => self.subjects.get(subject)?.config.as_ref(),
        }
    }

    /// Mode of a subject, or (`None`) of all, where one is set.
    pub fn mode(&self, subject: Option<&str>) -> Option<&str> {
        match subject {
            None => self.mode.as_deref(),
            Some(subject) => self.subjects.get(subject)?.mode.as_deref(),
        }
    }

    /// The port that owns a subject.
    pub fn owner(&self, subject: &str) -> Option<&str> {
        self.config(Some(subject)).and_then(ownership::owner)
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
