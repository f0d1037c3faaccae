//! What can be proposed, and what is stamped on it before it is decided.

use crate::body;
use crate::breaker::BreakerAct;
use crate::skip::Skip;
use contract::document::Document;
use std::collections::BTreeMap;

/// Who proposes, when, under which id: chosen at the edge, so that deciding is pure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// The request's own timestamp, UTC ms: deciding it again gives the same bytes.
    pub time_ms: i64,
    /// Person id, `system:<role>` or `domain:<name>`.
    pub actor: String,
    /// How the actor was authenticated.
    pub authenticated_by: String,
    /// Idempotency key.
    pub proposal_id: String,
    /// The one domain the actor may speak for, where the way the proposal came says so.
    pub domain: Option<String>,
}

/// A document ready to be decided: parsed, with the text that may be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Submitted {
    /// What it says.
    pub document: Document,
    /// The text with personal spans replaced by commitments.
    pub stored: String,
    /// Person ids of a Team's members, in order.
    pub persons: Vec<String>,
    /// Schema files that the document names.
    pub files: BTreeMap<String, String>,
}

/// A proposal.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Found the mesh: the first command of a log.
    Found(body::Founded),
    /// Register or change what documents describe; all or nothing.
    Apply(Vec<Submitted>),
    /// Put an approved contract version in force (the provisioner, when topics and schemas are there).
    Activate(body::Activated),
    /// Record that quarantined events were redriven.
    RecordRedrive(body::Redriven),
    /// Record what a circuit breaker did, hold a port, or reset its breaker.
    Breaker(BreakerAct),
    /// Give up a batch that nobody can read.
    Skip(Skip),
    /// Record that a promise is breached, or kept again.
    RecordSlo(body::SloTurn, body::SloReport),
    /// A proposal that could not be read; it is refused, and the refusal is a fact.
    Unreadable(Vec<body::Refusal>),
}

impl Command {
    /// The command's name in facts and replies.
    pub fn name(&self) -> &'static str {
        match self {
            Command::Found(_) => "found",
            Command::Apply(_) => "apply",
            Command::Activate(_) => "activate",
            Command::RecordRedrive(_) => "redriven",
            Command::Breaker(_) => "breaker",
            Command::Skip(_) => "skip",
            Command::RecordSlo(..) => "slo",
            Command::Unreadable(_) => "unreadable",
        }
    }

    /// `Kind name` of each document.
    pub fn documents(&self) -> Vec<String> {
        match self {
            Command::Apply(submitted) => submitted
                .iter()
                .map(|submitted| submitted.document.label())
                .collect(),
            Command::Found(_)
            | Command::Activate(_)
            | Command::RecordRedrive(_)
            | Command::Breaker(_)
            | Command::Skip(_)
            | Command::RecordSlo(..)
            | Command::Unreadable(_) => Vec::new(),
        }
    }
}
