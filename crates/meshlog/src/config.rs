//! Configuration: embedded defaults < `meshlog.toml` < `MESHLOG_A__B` < flags.
//!
//! A role may be told another file with `--config`. Flags are laid over by the commands that have them. `MESHLOG_HTTP` and `MESHLOG_TOKEN` are the client's: they hold no
//! `__` and are not read here.

use contract::address::check_name;
use figment::Figment;
use figment::providers::{Env, Format, Toml};
use serde::Deserialize;
use std::path::{Path, PathBuf};

use crate::exit::Failure;

/// The defaults, which are also the template that a user copies.
const DEFAULTS: &str = include_str!("meshlog.toml");

/// File looked for in the working directory.
const FILE: &str = "meshlog.toml";

/// Everything that can be configured.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The mesh.
    pub(crate) mesh: Mesh,
    /// The schema registry.
    pub(crate) registry: Registry,
    /// The catalog.
    pub(crate) catalog: Catalog,
    /// The enforcer.
    pub(crate) enforcer: Enforcer,
    /// The gateway.
    pub(crate) gateway: Gateway,
    /// Metrics of roles that listen for nothing else.
    pub(crate) metrics: Metrics,
    /// Spans of services.
    pub(crate) traces: Traces,
    /// The observer.
    pub(crate) observer: Observer,
    /// Kafka.
    pub(crate) kafka: Kafka,
    /// Client commands.
    pub(crate) client: Client,
}

/// `[mesh]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mesh {
    /// Prefix of system topics, consumer groups and transactional ids.
    pub(crate) id: String,
}

/// `[registry]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Registry {
    /// The log of schemas.
    pub(crate) topic: String,
    /// Where the role listens when it runs alone, as `HOST:PORT`.
    pub(crate) listen: String,
}

/// `[catalog]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Catalog {
    /// Where the role listens when it runs alone, as `HOST:PORT`.
    pub(crate) listen: String,
    /// The URL under which users reach it; empty = where it listens.
    pub(crate) url: String,
    /// The registry's URL as users are told it; empty = where `[registry]` listens.
    pub(crate) registry: String,
    /// Where the snapshot is kept; empty = nowhere.
    pub(crate) dir: String,
}

/// `[enforcer]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Enforcer {
    /// The circuit breaker of every partition.
    pub(crate) breaker: Breaker,
}

/// `[enforcer.breaker]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Breaker {
    /// Verdicts looked back on.
    pub(crate) window: u32,
    /// Verdicts without which it stays closed.
    pub(crate) minimum: u32,
    /// Percent of them refused beyond which it opens; 100 is never.
    pub(crate) share: u32,
    /// Time to the second look ahead; it doubles from look to look.
    pub(crate) cool_down_seconds: u64,
}

/// `[gateway]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Gateway {
    /// Where the role listens when it runs alone, as `HOST:PORT`.
    pub(crate) listen: String,
    /// Longest body, in bytes.
    pub(crate) max_request_bytes: u32,
    /// Most events in a request.
    pub(crate) max_events: usize,
    /// Most requests at a time.
    pub(crate) max_requests_in_flight: usize,
    /// Most bytes of bodies at a time.
    pub(crate) max_bytes_in_flight: u32,
    /// How long brokers have to acknowledge an event.
    pub(crate) acknowledge_seconds: u64,
    /// How long a body may take to arrive, and an answer to be given.
    pub(crate) request_seconds: u64,
}

/// `[metrics]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Metrics {
    /// Where enforcer and governor serve /metrics when they run alone, as `HOST:PORT`; empty = nowhere.
    pub(crate) listen: String,
}

/// `[traces]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Traces {
    /// The collector's URL; empty = OpenTelemetry's own variables say, or nobody does.
    pub(crate) endpoint: String,
    /// Share of the traces begun here that are kept, 0 to 1.
    pub(crate) sample: f64,
}

/// `[observer]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Observer {
    /// Length of a window.
    pub(crate) window_seconds: u64,
}

/// `[kafka]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kafka {
    /// The cluster that roles which run alone connect to; empty = a flag names it.
    pub(crate) bootstrap_servers: String,
    /// Where the jars of the development broker are kept; empty = the user's cache directory.
    pub(crate) cache: String,
}

/// `[client]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Client {
    /// Where the mesh is; empty = its default address.
    pub(crate) http: String,
}

impl Config {
    /// Read the configuration, from a file that has to be there, or from the working directory's if it has one.
    ///
    /// # Errors
    /// A file that was named and is not there; unknown keys, wrong types, and a mesh id that is no valid name: the file
    /// is named.
    pub(crate) fn load(file: Option<&Path>) -> anyhow::Result<Self> {
        if let Some(missing) = file.filter(|file| !file.is_file()) {
            let text = format!("there is no configuration file {}", missing.display());
            return Err(Failure::Usage(text).into());
        }
        let figment = Figment::new()
            .merge(Toml::string(DEFAULTS))
            .merge(Toml::file(file.unwrap_or(Path::new(FILE))))
            .merge(
                Env::prefixed("MESHLOG_")
                    .filter(|key| key.as_str().contains("__"))
                    .split("__"),
            );
        let config: Self = figment.extract().map_err(|error| {
            Failure::Usage(format!("the configuration cannot be read: {error}"))
        })?;
        if let Err(invalid) = check_name("mesh.id", &config.mesh.id) {
            return Err(Failure::Usage(invalid.to_string()).into());
        }
        Ok(config)
    }

    /// Where Kafka's jars are kept: one copy for a user, however many meshes.
    pub(crate) fn jar_cache(&self) -> PathBuf {
        if !self.kafka.cache.is_empty() {
            return PathBuf::from(&self.kafka.cache);
        }
        let under = |variable: &str| Env::var(variable).filter(|value| !value.is_empty());
        let base = under("XDG_CACHE_HOME").map(PathBuf::from);
        let home = || under("HOME").map(|home| PathBuf::from(home).join(".cache"));
        base.or_else(home)
            .unwrap_or_else(|| PathBuf::from(".cache"))
            .join("meshlog")
    }
}

#[cfg(test)]
#[expect(
    clippy::result_large_err,
    reason = "figment's jail wants its own error"
)]
mod tests {
    use super::*;

    #[test]
    fn defaults_file_and_environment_in_this_order() {
        figment::Jail::expect_with(|jail| {
            let config = Config::load(None).expect("defaults");
            assert_eq!(config.mesh.id, "mesh");
            assert_eq!(config.registry.topic, "_schemas");
            jail.create_file(FILE, "[mesh]\nid = \"from-file\"\n")?;
            assert_eq!(Config::load(None).expect("file").mesh.id, "from-file");
            jail.set_env("MESHLOG_MESH__ID", "from-env");
            jail.set_env("MESHLOG_HTTP", "http://client-only");
            assert_eq!(Config::load(None).expect("env").mesh.id, "from-env");
            jail.set_env("MESHLOG_MESH__ID", "Not A Name");
            assert!(Config::load(None).is_err());
            Ok(())
        });
    }

    #[test]
    fn a_file_that_is_named_has_to_be_there_and_is_read_instead() {
        figment::Jail::expect_with(|jail| {
            jail.create_file(FILE, "[mesh]\nid = \"here\"\n")?;
            jail.create_file("other.toml", "[kafka]\nbootstrap_servers = \"k:9092\"\n")?;
            let config = Config::load(Some(Path::new("other.toml"))).expect("reads");
            assert_eq!(config.mesh.id, "mesh");
            assert_eq!(config.kafka.bootstrap_servers, "k:9092");
            assert_eq!(config.registry.listen, "127.0.0.1:8081");
            let missing = Config::load(Some(Path::new("none.toml"))).expect_err("missing");
            assert!(matches!(missing.downcast_ref(), Some(Failure::Usage(_))));
            Ok(())
        });
    }

    #[test]
    fn unknown_keys_are_refused() {
        figment::Jail::expect_with(|jail| {
            jail.create_file(FILE, "[mesh]\nidd = \"x\"\n")?;
            let error = format!("{:#}", Config::load(None).expect_err("unknown key"));
            assert!(error.contains("idd"), "{error}");
            Ok(())
        });
    }
}
