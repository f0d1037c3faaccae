//! One context of the registry: its subjects, and the ids that are counted in it.

use super::{Deleted, Version};
use crate::{content::Content, name};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

/// What is known under an id.
#[derive(Debug, Clone, PartialEq)]
struct Known {
    content: Arc<Content>,
    guid: String,
    uses: BTreeSet<(String, u32)>,
}

/// A subject's versions by number, shared with the excerpts that are being looked at ([`super::State::excerpt`]).
type Versions = Arc<BTreeMap<u32, Version>>;

/// A context; subjects by their full names.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Context {
    subjects: BTreeMap<String, Versions>,
    ids: BTreeMap<u32, Known>,
    by_content: HashMap<Arc<Content>, u32>,
    /// Ids whose schemas refer to a version, by subject and number.
    referring: HashMap<(String, u32), BTreeSet<u32>>,
    max_id: u32,
}

impl Context {
    pub(super) fn max_id(&self) -> u32 {
        self.max_id
    }

    pub(super) fn remember_id(&mut self, id: u32) {
        self.max_id = self.max_id.max(id);
    }

    pub(super) fn id_of(&self, content: &Content) -> Option<u32> {
        self.by_content.get(content).copied()
    }

    pub(super) fn by_id(&self, id: u32) -> Option<(&Arc<Content>, &str)> {
        let known = self.ids.get(&id)?;
        Some((&known.content, known.guid.as_str()))
    }

    pub(super) fn uses(&self, id: u32) -> impl Iterator<Item = &(String, u32)> {
        self.ids.get(&id).into_iter().flat_map(|known| &known.uses)
    }

    pub(super) fn subjects(&self, deleted: Deleted) -> impl Iterator<Item = &str> {
        self.subjects.iter().filter_map(move |(name, versions)| {
            let gone = versions.values().all(|version| version.deleted);
            deleted.admits(gone).then_some(name.as_str())
        })
    }

    pub(super) fn versions(&self, subject: &str) -> Option<&Versions> {
        self.subjects.get(subject)
    }

    pub(super) fn referring(&self, subject: &str, version: u32) -> impl Iterator<Item = u32> {
        let ids = self.referring.get(&(subject.to_owned(), version));
        ids.into_iter().flatten().copied()
    }

    /// Every version up to `last` is soft-deleted.
    pub(super) fn soft_delete(&mut self, subject: &str, last: u32) {
        if let Some(versions) = self.subjects.get_mut(subject) {
            let all = Arc::make_mut(versions).range_mut(..=last);
            all.for_each(|(_, version)| version.deleted = true);
        }
    }

    /// Take a version whose place is free.
    pub(super) fn put(&mut self, subject: &str, number: u32, version: Version) {
        self.remember_id(version.id);
        // of two ids for one content, which an import makes, the first is the one given out
        let content = &version.content;
        self.by_content.entry(content.clone()).or_insert(version.id);
        for target in targets(subject, content) {
            self.referring.entry(target).or_default().insert(version.id);
        }
        let known = self.ids.entry(version.id).or_insert_with(|| Known {
            content: content.clone(),
            guid: version.guid.clone(),
            uses: BTreeSet::new(),
        });
        known.uses.insert((subject.to_owned(), number));
        self.place(subject, number, version);
    }

    /// Put a version in its place, without what leads to it: excerpts need no more.
    pub(super) fn place(&mut self, subject: &str, number: u32, version: Version) {
        if !self.subjects.contains_key(subject) {
            self.subjects
                .insert(subject.to_owned(), Versions::default());
        }
        let versions = self.subjects.get_mut(subject).expect("just inserted");
        Arc::make_mut(versions).insert(number, version);
    }

    /// Share the versions of a subject of another state.
    pub(super) fn share(&mut self, subject: &str, versions: &Versions) {
        self.subjects.insert(subject.to_owned(), versions.clone());
    }

    /// Remove a version; given back when its id is no longer used.
    pub(super) fn remove(&mut self, subject: &str, number: u32) -> Option<Version> {
        let versions = self.subjects.get_mut(subject)?;
        let removed = Arc::make_mut(versions).remove(&number)?;
        if versions.is_empty() {
            self.subjects.remove(subject);
        }
        let known = self.ids.get_mut(&removed.id)?;
        known.uses.remove(&(subject.to_owned(), number));
        if !known.uses.is_empty() {
            return None;
        }
        self.forget(subject, &removed);
        Some(removed)
    }

    fn forget(&mut self, subject: &str, version: &Version) {
        self.ids.remove(&version.id);
        if self.by_content.get(&version.content) == Some(&version.id) {
            self.by_content.remove(&version.content);
        }
        for target in targets(subject, &version.content) {
            if let Some(ids) = self.referring.get_mut(&target) {
                ids.remove(&version.id);
                if ids.is_empty() {
                    self.referring.remove(&target);
                }
            }
        }
    }
}

/// What a schema of `subject` refers to, as keys of [`Context::referring`].
fn targets(subject: &str, content: &Content) -> impl Iterator<Item = (String, u32)> {
    content.references.iter().filter_map(move |reference| {
        let number = u32::try_from(reference.version).ok()?;
        Some((name::beside(subject, &reference.subject), number))
    })
}
