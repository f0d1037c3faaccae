//! What is measured: the ports in force, and what their contracts promise. The binary makes it of the governance state.

use contract::sla::{Meter, Objective};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The ports in force, by address.
#[derive(Debug, Clone, Default)]
pub struct Watched {
    /// The ports.
    pub ports: BTreeMap<String, Arc<WatchedPort>>,
}

/// A port in force.
#[derive(Debug)]
pub struct WatchedPort {
    /// Address, which is the product topic.
    pub address: String,
    /// Inbox, for whose partitions the enforcer commits its counters.
    pub inbox: String,
    /// Partitions of both.
    pub partitions: i32,
    /// The contract version in force.
    pub version: String,
    /// What it promises.
    pub objectives: Vec<Objective>,
    /// What an event adds to a window.
    pub meter: Arc<Meter>,
    /// Promises that are recorded as breached.
    pub breaches: BTreeSet<String>,
}

impl Watched {
    /// The product topics.
    pub(crate) fn topics(&self) -> Vec<String> {
        self.ports.keys().cloned().collect()
    }
}
