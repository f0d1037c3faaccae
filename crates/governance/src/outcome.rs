//! Replies on `mesh.outcomes`: exactly one per proposal.
//!
//! Versioned JSON; the Kafka header `proposalid` repeats the id, so that a client can filter without parsing.

use crate::body::Refusal;
use serde::{Deserialize, Serialize};

/// Kafka header with the proposal's id.
pub const PROPOSAL_ID_HEADER: &str = "proposalid";

/// What came of a proposal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "lowercase")]
pub enum Outcome {
    /// Facts were written.
    Accepted {
        /// Their positions.
        seqs: Vec<u64>,
    },
    /// Refused: one fact with the reasons was written.
    Rejected {
        /// Its position.
        seq: u64,
        /// Every reason.
        reasons: Vec<Refusal>,
    },
    /// Everything was as proposed already.
    Unchanged {
        /// Position of the log at which that was so: facts folded.
        seq: u64,
    },
}

/// A reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// Version of this shape: 1. On disk since v0.1. Add a version.
    pub v: u32,
    /// The proposal.
    pub proposal_id: String,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

impl Reply {
    /// A reply of the present version.
    pub fn new(proposal_id: impl Into<String>, outcome: Outcome) -> Self {
        Self {
            v: 1,
            proposal_id: proposal_id.into(),
            outcome,
        }
    }

    /// The record's value.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("replies have text keys only")
    }

    /// Read a record's value; `None` for what this build does not know.
    pub fn decode(value: &[u8]) -> Option<Self> {
        serde_json::from_slice(value)
            .ok()
            .filter(|reply: &Self| reply.v == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_have_the_documented_bytes() {
        let reply = Reply::new("a/1", Outcome::Accepted { seqs: vec![3, 4] });
        let text = r#"{"v":1,"proposal_id":"a/1","status":"accepted","seqs":[3,4]}"#;
        assert_eq!(String::from_utf8(reply.encode()).expect("text"), text);
        assert_eq!(Reply::decode(text.as_bytes()), Some(reply));
        assert_eq!(
            Reply::decode(br#"{"v":2,"proposal_id":"a","status":"accepted","seqs":[]}"#),
            None
        );
    }
}
