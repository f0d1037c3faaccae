//! `meshlog bench`: what the parts cost, against what they cannot be faster than.

mod registry;

use std::path::PathBuf;

use anyhow::Context;
use clap::Subcommand;
use enforcer::bench::{self, BenchOptions, Report};
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
        /// A program that does the same, to be measured beside it; the topics, group and schema follow as its arguments
        #[arg(long, value_name = "COMMAND", num_args = 1.., allow_hyphen_values = true)]
        peer: Option<Vec<String>>,
    },
    /// What validation costs on the data path, by encoding, size, batches and compression
    Cost {
        /// A cluster to run on; otherwise one is started in a directory of its own
        #[arg(long, value_name = "HOST:PORT")]
        bootstrap_servers: Option<String>,
    },
    /// Verdicts alone, on one core and without Kafka, against libraries that read the same bytes
    Validate,
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
    ("cpu µs", "cpu_us"),
    ("cpu ratio", "cpu_ratio"),
    ("against", "against"),
];

/// Runs a benchmark.
pub(super) async fn run(global: &Global, verb: Verb) -> anyhow::Result<()> {
    let cache = Config::load(None)?.jar_cache();
    let report = match verb {
        Verb::Enforce {
            bootstrap_servers,
            peer,
        } => {
            let options = BenchOptions {
                peer,
                ..BenchOptions::default()
            };
            let on = (bootstrap_servers, cache);
            json!(blocking(move || data_path(bench::run, &options, on)).await?)
        }
        Verb::Cost { bootstrap_servers } => {
            let on = (bootstrap_servers, cache);
            let options = BenchOptions::default();
            json!(blocking(move || data_path(bench::run_cost, &options, on)).await?)
        }
        Verb::Validate => json!(blocking(|| Ok(bench::run_validate(&mut say)?)).await?),
        Verb::Registry { bootstrap_servers } => bench_registry(bootstrap_servers, cache).await?,
    };
    match global.output {
        Format::Json => output::json_line(&report)?,
        Format::Table => {
            let rows = report["rows"].as_array().cloned().unwrap_or_default();
            let rows: Vec<Value> = rows.into_iter().map(rounded).collect();
            let is_told = |(_, at): &&Column| rows.iter().any(|row| !row[*at].is_null());
            let told: Vec<Column> = LIST.iter().filter(is_told).copied().collect();
            output::list(global.output, &told, &rows)?;
        }
    }
    Ok(())
}

/// A row with its figures as people read them.
fn rounded(mut row: Value) -> Value {
    for value in row
        .as_object_mut()
        .into_iter()
        .flat_map(|row| row.values_mut())
    {
        if let Some(figure) = value.as_f64().filter(|_| value.is_f64()) {
            *value = Value::from(short(figure));
        }
    }
    row
}

/// Three digits or more.
fn short(figure: f64) -> String {
    match figure.abs() {
        size if size >= 100.0 => format!("{figure:.0}"),
        size if size >= 10.0 => format!("{figure:.1}"),
        _ => format!("{figure:.2}"),
    }
}

type OnCluster =
    fn(&Cluster, &BenchOptions, &mut dyn FnMut(&str)) -> Result<Report, bench::BenchError>;

fn say(what: &str) {
    eprintln!("{what}");
}

async fn blocking(
    work: impl FnOnce() -> anyhow::Result<Report> + Send + 'static,
) -> anyhow::Result<Report> {
    let benching = tokio::task::spawn_blocking(work);
    benching.await.context("the benchmark's thread failed")?
}

fn data_path(
    run: OnCluster,
    options: &BenchOptions,
    (bootstrap_servers, cache): (Option<String>, PathBuf),
) -> anyhow::Result<Report> {
    if let Some(bootstrap) = bootstrap_servers {
        return Ok(run(&Cluster::new(bootstrap), options, &mut say)?);
    }
    let dir = tempfile::tempdir().context("no directory for a Kafka")?;
    let broker = start_broker(dir.path().to_owned(), cache)?;
    let report = run(&broker.cluster(), options, &mut say);
    broker.stop().context("Kafka does not stop")?;
    Ok(report?)
}

async fn bench_registry(
    bootstrap_servers: Option<String>,
    cache: PathBuf,
) -> anyhow::Result<Value> {
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
