//! What the data path is doing, for `port stats`, the catalog and health checks.

use serde::Serialize;
use std::collections::BTreeMap;

/// Whether a port's events flow.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(tag = "state", content = "why", rename_all = "lowercase")]
pub enum PortState {
    /// They do.
    #[default]
    Running,
    /// A partition waits because its next event cannot be judged now; it goes on by itself when it can.
    Paused(String),
    /// The circuit breaker of a partition is open, or an operator holds the port: its events wait.
    Breaker(String),
    /// The data path cannot reach the cluster or lost its clients; it keeps trying.
    Stalled(String),
}

/// One port, as far as this instance owns partitions of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct PortStatus {
    /// Whether its events flow.
    #[serde(flatten)]
    pub state: PortState,
    /// Partitions that this instance owns.
    pub partitions: usize,
    /// The time of the last committed event, in milliseconds since the epoch.
    pub last_event_ms: Option<i64>,
}

/// The whole data path of this instance.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct EnforcerStatus {
    /// The governance position that events are judged by.
    pub seq: u64,
    /// Why nothing flows at present, `None` when all is well.
    pub trouble: Option<String>,
    /// Every port in force by its address; those with no partition here included.
    pub ports: BTreeMap<String, PortStatus>,
}
