//! What the catalog is told by the binary that wires it: where things are, and what the other services let it ask.

use crate::stats::{LivePort, ParseCounters};
use std::path::PathBuf;
use std::sync::Arc;

/// Asks the service beside it, in this process, how a port is doing; `None` when it does not know the port.
pub type LiveState = Arc<dyn Fn(&str) -> Option<LivePort> + Send + Sync>;

/// Asks the provisioner beside it, in this process, why a port's approved version is not in force yet; `None` when nothing
/// keeps it.
pub type Provisioning = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Metrics of another service of this process, as Prometheus text.
pub type MetricsSource = Arc<dyn Fn() -> String + Send + Sync>;

/// Whether another service of this process is ready, or why not.
pub type Readiness = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// Addresses and names as users are shown them.
#[derive(Debug, Clone, Default)]
pub struct Shown {
    /// Mesh id, the prefix of its system topics.
    pub mesh: String,
    /// Kafka, as clients reach it.
    pub bootstrap_servers: String,
    /// The schema registry's URL.
    pub registry: String,
    /// This server's URL.
    pub http: String,
    /// The registry's topic.
    pub schemas_topic: String,
    /// Version of Meshlog.
    pub version: String,
}

/// What the other services of this process add. All optional.
#[derive(Clone, Default)]
pub struct Hooks {
    /// The enforcer's parser of committed metadata; without it, ports have no counters.
    pub counters: Option<ParseCounters>,
    /// The enforcer's live state.
    pub live: Option<LiveState>,
    /// What keeps ports from coming into force; without it, only the governor's log says so.
    pub provisioning: Option<Provisioning>,
    /// Appended to `/metrics`.
    pub metrics: Vec<MetricsSource>,
    /// By service name, looked at by `/readyz`.
    pub readiness: Vec<(&'static str, Readiness)>,
}

impl std::fmt::Debug for Hooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hooks")
            .field("counters", &self.counters.is_some())
            .field("live", &self.live.is_some())
            .field("provisioning", &self.provisioning.is_some())
            .field("metrics", &self.metrics.len())
            .field("readiness", &self.readiness.len())
            .finish()
    }
}

impl Hooks {
    /// Why a port's approved version is not in force yet, as far as this process knows.
    pub(crate) fn pending_why(&self, port: &str) -> Option<String> {
        self.provisioning.as_ref().and_then(|why| why(port))
    }
}

/// What [`crate::start`] needs.
#[derive(Debug, Clone)]
pub struct CatalogConfig {
    /// The cluster with the mesh's topics.
    pub cluster: kafka::Cluster,
    /// Addresses and names as users are shown them.
    pub shown: Shown,
    /// Where the snapshot is kept; none without.
    pub dir: Option<PathBuf>,
    /// What the other services add.
    pub hooks: Hooks,
}

impl CatalogConfig {
    /// The governance log.
    pub fn governance_topic(&self) -> String {
        format!("{}.governance", self.shown.mesh)
    }

    /// The people topic.
    pub fn people_topic(&self) -> String {
        format!("{}.people", self.shown.mesh)
    }

    /// The topic of windows and consumers.
    pub fn observations_topic(&self) -> String {
        format!("{}.observations", self.shown.mesh)
    }

    /// The enforcer's consumer group.
    pub fn enforcer_group(&self) -> String {
        format!("{}.enforcer", self.shown.mesh)
    }
}
