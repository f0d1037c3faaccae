//! `meshlog bench`: what the parts cost, against what they cannot be faster than.

mod registry;

use std::path::PathBuf;

use anyhow::Context;
use clap::Subcommand;
use enforcer::bench::{BenchOptions, Report, run as run_enforce};
use kafka::Cluster;
use kafka::dev::{DevBroker, DevBrokerConfig, JarSource};
use serde_json::{Value, json};

use super::Global;
use crate::config::Config;
use crate::output::{self, Column, Format};

/// What to measure.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// The data path against a copy of the same records
    Enforce {
        /// A cluster to run on; otherwise one is started in a directory of its own
        #[arg(long, value_name = "HOST:PORT")]
        bootstrap_servers: Option<String>,
    },
    /// The schema registry: reads, registrations, memory, start
    Registry {
        /// A cluster to run on, which must be empty; otherwise one is started in a directory of its own
        #[arg(long, value_name = "HOST:PORT")]
        bootstrap_servers: Option<String>,
    },
}

const LIST: &[Column] = &[
    ("name", "name"),
    ("rate", "rate"),
    ("rates", "rates"),
    ("unit", "unit"),
    ("value", "value"),
    ("bytes", "event_bytes"),
    ("rounds", "rounds"),
    ("ratio", "ratio"),
    ("against", "against"),
];

/// Runs a benchmark.
pub(super) async fn run(global: &Global, verb: Verb) -> anyhow::Result<()> {
    let cache = Config::load(None)?.jar_cache();
    let report = match verb {
        Verb::Enforce { bootstrap_servers } => {
            let benching = tokio::task::spawn_blocking(move || enforce(bootstrap_servers, cache));
            json!(benching.await.context("the benchmark's thread failed")??)
        }
        Verb::Registry { bootstrap_servers } => bench_registry(bootstrap_servers, cache).await?,
    };
    match global.output {
        Format::Json => output::json_line(&report)?,
        Format::Table => {
            let rows = report["rows"].as_array().cloned().unwrap_or_default();
            output::list(global.output, LIST, &rows)?;
        }
    }
    Ok(())
}

fn enforce(bootstrap_servers: Option<String>, cache: PathBuf) -> anyhow::Result<Report> {
    let mut say = |what: &str| eprintln!("{what}");
    let options = BenchOptions::default();
    if let Some(bootstrap) = bootstrap_servers {
        return Ok(run_enforce(&Cluster::new(bootstrap), &options, &mut say)?);
    }
    let dir = tempfile::tempdir().context("no directory for a Kafka")?;
    let broker = start_broker(dir.path().to_owned(), cache)?;
    let report = run_enforce(&broker.cluster(), &options, &mut say);
    broker.stop().context("Kafka does not stop")?;
    Ok(report?)
}

async fn bench_registry(
    bootstrap_servers: Option<String>,
    cache: PathBuf,
) -> anyhow::Result<Value> {
    let say = |what: &str| eprintln!("{what}");
    let dir = tempfile::tempdir().context("no directory for a Kafka")?;
    if let Some(bootstrap) = bootstrap_servers {
        return registry::run(&Cluster::new(bootstrap), dir.path(), &say).await;
    }
    let path = dir.path().to_owned();
    let starting = tokio::task::spawn_blocking(move || start_broker(path, cache));
    let broker = starting.await.context("the broker's thread failed")??;
    let report = registry::run(&broker.cluster(), dir.path(), &say).await;
    let stopping = tokio::task::spawn_blocking(move || broker.stop());
    let stopped = stopping.await.context("the broker's thread failed")?;
    stopped.context("Kafka does not stop")?;
    report
}

fn start_broker(dir: PathBuf, cache: PathBuf) -> anyhow::Result<DevBroker> {
    let config = DevBrokerConfig {
        dir,
        kafka_port: 0,
        jars: JarSource::Cache(cache),
    };
    DevBroker::start(&config).context("Kafka cannot start")
}
