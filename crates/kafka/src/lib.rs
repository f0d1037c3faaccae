//! placeholder

pub mod tx;

use std::collections::BTreeMap;

/// Where the cluster is, and the librdkafka options every client of it shares.
#[derive(Clone, Debug)]
pub struct Cluster {
    bootstrap: String,
    options: BTreeMap<String, String>,
}

impl Cluster {
    /// A cluster by its bootstrap servers.
    pub fn new(bootstrap: impl Into<String>) -> Self {
        Self {
            bootstrap: bootstrap.into(),
            options: BTreeMap::new(),
        }
    }

    /// Its bootstrap servers.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    pub(crate) fn client_config(&self) -> rdkafka::ClientConfig {
        let mut config = rdkafka::ClientConfig::new();
        config.set("bootstrap.servers", &self.bootstrap);
        for (key, value) in &self.options {
            config.set(key, value);
        }
        config
    }
}
