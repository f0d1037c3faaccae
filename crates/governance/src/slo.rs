//! What is recorded of a port's promises: that one is breached, or kept again. A part of [`crate::body`].

use serde::{Deserialize, Serialize};

/// `mesh.port.slo.breached.v1`, `mesh.port.slo.recovered.v1`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SloReport {
    /// Port address.
    pub port: String,
    /// Contract version in force.
    pub version: String,
    /// The property of `slaProperties`, or the rule over many events.
    pub objective: String,
    /// `promise` or `rule`.
    pub kind: String,
    /// The promise in words.
    pub promised: String,
    /// What the last window showed; empty when the promise is no longer made.
    pub measured: String,
    /// Unit of the figure.
    pub unit: String,
    /// Where that window begins, UTC ms.
    pub window_start: i64,
    /// Where it ends.
    pub window_end: i64,
}

/// Which way a promise turned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SloTurn {
    /// It is breached.
    Breached,
    /// It is kept again.
    Recovered,
}
