//! Configuration: embedded defaults < `meshlog.toml` < `MESHLOG_A__B` < flags.
//!
//! Flags are laid over by the commands that have them. `MESHLOG_HTTP` and `MESHLOG_TOKEN` are the client's: they hold no
//! `__` and are not read here.

use anyhow::{Context, bail};
use contract::address::check_name;
use figment::Figment;
use figment::providers::{Env, Format, Toml};
use serde::Deserialize;
use std::path::PathBuf;

/// The defaults, which are also the template that a user copies.
const DEFAULTS: &str = include_str!("meshlog.toml");

/// File looked for in the working directory.
const FILE: &str = "meshlog.toml";

/// Everything that can be configured.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The mesh.
    pub(crate) mesh: Mesh,
    /// The schema registry.
    pub(crate) registry: Registry,
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
}

/// `[kafka]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kafka {
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
    /// Read the configuration.
    ///
    /// # Errors
    /// Unknown keys, wrong types, and a mesh id that is no valid name; the file is named.
    pub(crate) fn load() -> anyhow::Result<Self> {
        let figment = Figment::new()
            .merge(Toml::string(DEFAULTS))
            .merge(Toml::file(FILE))
            .merge(
                Env::prefixed("MESHLOG_")
                    .filter(|key| key.as_str().contains("__"))
                    .split("__"),
            );
        let config: Self = figment
            .extract()
            .context("the configuration cannot be read")?;
        if let Err(invalid) = check_name("mesh.id", &config.mesh.id) {
            bail!(invalid);
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
            let config = Config::load().expect("defaults");
            assert_eq!(config.mesh.id, "mesh");
            assert_eq!(config.registry.topic, "_schemas");
            jail.create_file(FILE, "[mesh]\nid = \"from-file\"\n")?;
            assert_eq!(Config::load().expect("file").mesh.id, "from-file");
            jail.set_env("MESHLOG_MESH__ID", "from-env");
            jail.set_env("MESHLOG_HTTP", "http://client-only");
            assert_eq!(Config::load().expect("env").mesh.id, "from-env");
            jail.set_env("MESHLOG_MESH__ID", "Not A Name");
            assert!(Config::load().is_err());
            Ok(())
        });
    }

    #[test]
    fn unknown_keys_are_refused() {
        figment::Jail::expect_with(|jail| {
            jail.create_file(FILE, "[mesh]\nidd = \"x\"\n")?;
            let error = format!("{:#}", Config::load().expect_err("unknown key"));
            assert!(error.contains("idd"), "{error}");
            Ok(())
        });
    }
}
