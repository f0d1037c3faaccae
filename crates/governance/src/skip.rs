//! Offsets of an inbox given up because nobody can read what is there: what is proposed, and the body of its fact.
//!
//! On disk since v0.3: `mesh.port.batch.skipped.v1`. The fact is the order; the enforcer that owns the partition obeys it
//! where it cannot read the batch itself, and puts the coordinates into the quarantine.

use serde::{Deserialize, Serialize};

/// Offsets of an inbox partition that are given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Skip {
    /// Port address.
    pub port: String,
    /// Partition of the inbox.
    pub partition: i32,
    /// The first offset given up.
    pub from: i64,
    /// The first offset behind them.
    pub to: i64,
    /// Why, in the words of whoever did it.
    #[serde(default)]
    pub reason: Option<String>,
}

impl Skip {
    /// How many offsets. Some of them may never have held an event.
    pub fn offsets(&self) -> i64 {
        self.to.saturating_sub(self.from)
    }
}

/// For people to read.
impl std::fmt::Display for Skip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (partition, from, last) = (self.partition, self.from, self.to.saturating_sub(1));
        if from == last {
            write!(f, "offset {from} of partition {partition}")
        } else {
            write!(f, "offsets {from} to {last} of partition {partition}")
        }
    }
}
