//! A view: the fold of the log up to a position, as one consistent thing that a whole request looks at.
//!
//! Cheap to clone: the parts are shared, and copied only when a fact changes them while somebody still reads.

use crate::details::DetailsCache;
use crate::history::History;
use crate::search::Index;
use governance::fact::{Fact, hex};
use governance::log::{self, LogError};
use governance::mesh::Mesh;
use governance::people::{People, PeopleError};
use std::sync::{Arc, OnceLock};

/// Whether a view is the present.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Freshness {
    /// The log has not been read to its end yet.
    #[default]
    Loading,
    /// Everything that was in the log has been folded, and it is being followed.
    Live,
    /// The log cannot be followed at the moment, or not past a record; this is the last good view.
    Stale(Arc<str>),
}

impl Freshness {
    /// One word.
    pub fn as_str(&self) -> &'static str {
        match self {
            Freshness::Loading => "loading",
            Freshness::Live => "live",
            Freshness::Stale(_) => "stale",
        }
    }

    /// Why the view is stale.
    pub fn why(&self) -> Option<&str> {
        match self {
            Freshness::Loading | Freshness::Live => None,
            Freshness::Stale(why) => Some(why),
        }
    }
}

/// The mesh as of a position, with its history and the names of its people.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// The governance state.
    pub mesh: Arc<Mesh>,
    /// The facts it was folded from.
    pub history: Arc<History>,
    /// Names behind person ids and commitments.
    pub people: Arc<People>,
    /// Whether it is the present.
    pub freshness: Freshness,
    details: Arc<DetailsCache>,
    state_hash: Arc<OnceLock<String>>,
    index: Arc<OnceLock<Index>>,
}

impl View {
    /// The `seq` of the last fact folded; `None` before the first.
    pub fn position(&self) -> Option<u64> {
        self.mesh.size.checked_sub(1)
    }

    /// Fold one record of the governance log.
    ///
    /// # Errors
    /// [`LogError`] when the record does not extend the log; the view is then as before.
    pub fn fold(&mut self, value: &[u8]) -> Result<Fact, LogError> {
        let folded = log::fold(Arc::make_mut(&mut self.mesh), value);
        let fact = match folded {
            Ok(fact) => fact,
            Err(error) => {
                if let LogError::Invariant { .. } = error {
                    // The invariant was seen after the fact was applied: back to the last good state.
                    let good = error
                        .seq()
                        .checked_sub(1)
                        .and_then(|seq| self.history.as_of(seq));
                    self.mesh = Arc::new(good.unwrap_or_default());
                }
                return Err(error);
            }
        };
        Arc::make_mut(&mut self.history).push(&fact, value, &self.mesh);
        self.state_hash = Arc::default();
        self.index = Arc::default();
        Ok(fact)
    }

    /// Fold one record of the people topic; a null value erases.
    ///
    /// # Errors
    /// [`PeopleError`] for a record that this build cannot read.
    pub fn fold_person(&mut self, key: &str, value: Option<&[u8]>) -> Result<(), PeopleError> {
        Arc::make_mut(&mut self.people).apply(key, value)
    }

    /// SHA-256 of the state's canonical bytes, hex.
    pub fn state_hash(&self) -> &str {
        self.state_hash.get_or_init(|| hex(&self.mesh.state_hash()))
    }

    /// What is read out of contract documents.
    pub(crate) fn details(&self) -> &DetailsCache {
        &self.details
    }

    /// The search index of this view, made when it is first asked for.
    pub(crate) fn index(&self) -> &Index {
        self.index
            .get_or_init(|| Index::build(&self.mesh, &self.details))
    }

    /// Who a person id stands for; the id itself where that is not known any more, or never was a person's.
    pub fn name_of<'a>(&'a self, actor: &'a str) -> &'a str {
        self.people.principal(actor).unwrap_or(actor)
    }
}
