//! `meshlog bench`: what the parts cost, against what they cannot be faster than.

use std::path::PathBuf;

use anyhow::Context;
use clap::Subcommand;
use enforcer::bench::{BenchOptions, Report, run as run_enforce};
use kafka::Cluster;
use kafka::dev::{DevBroker, DevBrokerConfig, JarSource};
use serde_json::json;

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
}

const LIST: &[Column] = &[
    ("name", "name"),
    ("rate", "rate"),
    ("unit", "unit"),
    ("bytes", "event_bytes"),
    ("rounds", "rounds"),
    ("ratio", "ratio"),
    ("against", "against"),
];

/// Runs a benchmark.
pub(super) async fn run(global: &Global, verb: Verb) -> anyhow::Result<()> {
    let Verb::Enforce { bootstrap_servers } = verb;
    let cache = Config::load(None)?.jar_cache();
    let benching = tokio::task::spawn_blocking(move || enforce(bootstrap_servers, cache));
    let report = benching.await.context("the benchmark's thread failed")??;
    match global.output {
        Format::Json => output::json_line(&json!(report))?,
        Format::Table => {
            let rows: Vec<_> = report.rows.iter().map(|row| json!(row)).collect();
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
    let path = dir.path().to_owned();
    let config = DevBrokerConfig {
        dir: path,
        kafka_port: 0,
        jars: JarSource::Cache(cache),
    };
    let broker = DevBroker::start(&config).context("Kafka cannot start")?;
    let report = run_enforce(&broker.cluster(), &options, &mut say);
    broker.stop().context("Kafka does not stop")?;
    Ok(report?)
}
