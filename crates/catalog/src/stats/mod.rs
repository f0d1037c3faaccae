//! Counters of a port: what came in, what was accepted, what was quarantined, what waits.
//!
//! They travel with the enforcer's offsets, so they are exact for what has been judged; the services do not know each
//! other, so the binary hands in the enforcer's parser.

mod cache;
mod committed;

pub use cache::StatsCache;
pub use committed::KafkaStats;

use futures_util::future::BoxFuture;
use governance::body;
use serde::Serialize;
use std::sync::Arc;

/// Cumulative counts of one inbox partition, as committed with its offset.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Events judged.
    pub inbox: u64,
    /// Events that met the contract.
    pub accepted: u64,
    /// Events that did not.
    pub quarantined: u64,
    /// Of the accepted, those that a rule or a port in shadow would have refused.
    pub shadowed: u64,
}

/// Reads the text committed with an offset; `None` when it is not the enforcer's.
pub type ParseCounters = Arc<dyn Fn(&str) -> Option<Counters> + Send + Sync>;

/// How the enforcer in this process is doing on a port.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LivePort {
    /// Whether events are being judged.
    pub state: RunState,
    /// Why not, where not.
    pub why: Option<String>,
    /// When the last event was judged, UTC ms.
    pub last_event_ms: Option<i64>,
}

/// Whether events are being judged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    /// They are.
    #[default]
    Running,
    /// They wait for something that is known.
    Paused,
    /// A circuit breaker is open, or an operator holds the port: they wait in the inbox.
    Breaker,
    /// They should be, and are not.
    Stalled,
}

impl RunState {
    /// The word of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            RunState::Running => "running",
            RunState::Paused => "paused",
            RunState::Breaker => "breaker",
            RunState::Stalled => "stalled",
        }
    }
}

/// Counters of a port and what waits in its inbox.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counted {
    /// Sums over the partitions.
    pub counters: Counters,
    /// Committed records that have not been judged.
    pub lag: u64,
}

/// Counters cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StatsError {
    /// Kafka does not answer.
    #[error("the counters cannot be read: {0}")]
    Unavailable(String),
    /// What is committed is not the enforcer's.
    #[error(
        "what is committed for partition {partition} of {inbox} is not the enforcer's: `{text}`"
    )]
    Unreadable {
        /// Inbox topic.
        inbox: String,
        /// Its partition.
        partition: i32,
        /// The committed text.
        text: String,
    },
}

/// Where counters come from.
pub trait PortStats: Send + Sync {
    /// Count now.
    fn count<'a>(&'a self, port: &'a body::Port) -> BoxFuture<'a, Result<Counted, StatsError>>;

    /// How many enforcers are at work, in any process.
    fn enforcers(&self) -> BoxFuture<'_, Result<usize, StatsError>>;
}

/// The answer to `port stats`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StatsAnswer {
    /// Address.
    pub port: String,
    /// Events judged.
    pub inbox: u64,
    /// Events that met the contract.
    pub accepted: u64,
    /// Events that did not.
    pub quarantined: u64,
    /// Of the accepted, those that a rule or a port in shadow would have refused.
    pub shadowed: u64,
    /// Committed records that have not been judged.
    pub lag: u64,
    /// `id@version` in force.
    pub contract: Option<String>,
    /// `enforce` or `shadow`.
    pub mode: String,
    /// Whether events are being judged.
    pub state: RunState,
    /// Why not, where not.
    pub why: Option<String>,
    /// When the last event was judged, RFC 3339.
    pub last_event_at: Option<String>,
}
