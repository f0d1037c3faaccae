//! What the log said, in memory: every fact's bytes, so that the catalog can be shown as of any position or time.
//!
//! A state of the past is folded again from the nearest checkpoint before it. Checkpoints are few, whatever the length
//! of the log: when there are too many, every second one goes.

use governance::fact::Fact;
use governance::mesh::Mesh;
use std::sync::Arc;

/// Facts between two checkpoints of a short log.
const FIRST_SPACING: u64 = 256;
/// Checkpoints kept: each is a whole state, so this bounds the memory at a multiple of the live one.
const MAX_CHECKPOINTS: usize = 8;

/// A fact as it stands in the log, with what lists of facts need without decoding it.
#[derive(Debug)]
pub struct Entry {
    /// Time, UTC ms.
    pub time_ms: i64,
    /// `<entity>/<id>` that it is about.
    pub subject: String,
    /// The record's value.
    pub value: Box<[u8]>,
}

impl Entry {
    /// The fact, decoded.
    pub fn fact(&self) -> Fact {
        Fact::decode(&self.value).expect("only values that were decoded and folded are kept")
    }
}

/// The facts from 0 on, with states of the past at some of them.
#[derive(Debug, Clone)]
pub struct History {
    entries: Vec<Arc<Entry>>,
    checkpoints: Vec<Arc<Mesh>>,
    spacing: u64,
}

impl Default for History {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            checkpoints: Vec::new(),
            spacing: FIRST_SPACING,
        }
    }
}

impl History {
    /// Keep a fact; `after` is the state with it.
    pub(crate) fn push(&mut self, fact: &Fact, value: &[u8], after: &Mesh) {
        let (time_ms, subject) = (fact.time_ms, fact.subject());
        self.entries.push(Arc::new(Entry {
            time_ms,
            subject,
            value: value.into(),
        }));
        if after.size.is_multiple_of(self.spacing) {
            self.checkpoints.push(Arc::new(after.clone()));
        }
        if self.checkpoints.len() > MAX_CHECKPOINTS {
            self.spacing *= 2;
            self.checkpoints
                .retain(|mesh| mesh.size.is_multiple_of(self.spacing));
        }
    }

    /// Every fact, in order: the index is its `seq`.
    pub fn entries(&self) -> &[Arc<Entry>] {
        &self.entries
    }

    /// The fact at a position.
    pub fn get(&self, seq: u64) -> Option<&Entry> {
        self.entries
            .get(usize::try_from(seq).ok()?)
            .map(AsRef::as_ref)
    }

    /// The state after the facts `0..=seq`; `None` where the log does not reach that far.
    pub fn as_of(&self, seq: u64) -> Option<Mesh> {
        self.get(seq)?;
        let before = self
            .checkpoints
            .iter()
            .rev()
            .find(|mesh| mesh.size <= seq + 1);
        let mut mesh = before.map(|mesh| Mesh::clone(mesh)).unwrap_or_default();
        let range = usize::try_from(mesh.size).ok()?..=usize::try_from(seq).ok()?;
        for entry in self.entries.get(range).unwrap_or_default() {
            mesh.apply(&entry.fact(), &entry.value);
        }
        Some(mesh)
    }

    /// The last position whose fact is not later than a time, UTC ms.
    pub fn at_time(&self, time_ms: i64) -> Option<u64> {
        let after = self
            .entries
            .partition_point(|entry| entry.time_ms <= time_ms);
        u64::try_from(after).ok()?.checked_sub(1)
    }
}
