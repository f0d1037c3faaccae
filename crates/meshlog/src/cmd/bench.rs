//! `meshlog bench`: what the parts cost, against what they cannot be faster than.

mod registry;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, bail};
use clap::Subcommand;
use enforcer::bench::{self, BenchOptions, Report};
use kafka::Cluster;
use kafka::dev::{DevBroker, DevBrokerConfig, JarSource};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::Global;
use crate::config::Config;
use crate::output::{self, Column, Format};
use crate::up::stop_signal;

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

/// Runs a benchmark; when it is interrupted, the Kafka that was started for it is stopped.
pub(super) async fn run(global: &Global, verb: Verb) -> anyhow::Result<()> {
    let kafka = OwnKafka::new(Config::load(None)?.jar_cache());
    let mut stop = stop_signal()?;
    let report = tokio::select! {
        report = measure(verb, kafka.clone()) => report?,
        _ = stop.changed() => {
            eprintln!("stopping");
            blocking(move || kafka.stop()).await?;
            // Its threads wait for a Kafka that is gone.
            std::process::exit(1);
        }
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

async fn measure(verb: Verb, kafka: OwnKafka) -> anyhow::Result<Value> {
    Ok(match verb {
        Verb::Enforce {
            bootstrap_servers,
            peer,
        } => {
            let options = BenchOptions {
                peer,
                ..BenchOptions::default()
            };
            let on = (bootstrap_servers, kafka);
            json!(blocking(move || data_path(bench::run, &options, &on)).await?)
        }
        Verb::Cost { bootstrap_servers } => {
            let on = (bootstrap_servers, kafka);
            let options = BenchOptions::default();
            json!(blocking(move || data_path(bench::run_cost, &options, &on)).await?)
        }
        Verb::Validate => json!(blocking(|| Ok(bench::run_validate(&mut say)?)).await?),
        Verb::Registry { bootstrap_servers } => bench_registry(bootstrap_servers, kafka).await?,
    })
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

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    let working = tokio::task::spawn_blocking(work);
    working.await.context("the benchmark's thread failed")?
}

fn data_path(
    run: OnCluster,
    options: &BenchOptions,
    (bootstrap_servers, kafka): &(Option<String>, OwnKafka),
) -> anyhow::Result<Report> {
    if let Some(bootstrap) = bootstrap_servers {
        return Ok(run(&Cluster::new(bootstrap), options, &mut say)?);
    }
    let report = run(&kafka.start()?, options, &mut say);
    kafka.stop()?;
    Ok(report?)
}

async fn bench_registry(
    bootstrap_servers: Option<String>,
    kafka: OwnKafka,
) -> anyhow::Result<Value> {
    let dir = tempfile::tempdir().context("no directory for the registries")?;
    if let Some(bootstrap) = bootstrap_servers {
        return registry::run(&Cluster::new(bootstrap), dir.path(), &say).await;
    }
    let starting = kafka.clone();
    let cluster = blocking(move || starting.start()).await?;
    let report = registry::run(&cluster, dir.path(), &say).await;
    blocking(move || kafka.stop()).await?;
    report
}

/// A Kafka in a directory of its own, for one benchmark.
#[derive(Debug, Clone)]
struct OwnKafka {
    cache: PathBuf,
    running: Arc<Mutex<Running>>,
}

/// Whether it runs. Once it was stopped it is not started: an interrupt may come before the start.
#[derive(Debug, Default)]
enum Running {
    #[default]
    NotYet,
    Now(DevBroker, TempDir),
    NoMore,
}

impl OwnKafka {
    fn new(cache: PathBuf) -> Self {
        let running = Arc::default();
        Self { cache, running }
    }

    fn start(&self) -> anyhow::Result<Cluster> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*running, Running::NoMore) {
            bail!("interrupted");
        }
        let dir = tempfile::tempdir().context("no directory for a Kafka")?;
        let config = DevBrokerConfig {
            dir: dir.path().to_owned(),
            kafka_port: 0,
            jars: JarSource::Cache(self.cache.clone()),
        };
        let broker = DevBroker::start(&config).context("Kafka cannot start")?;
        let cluster = broker.cluster();
        *running = Running::Now(broker, dir);
        Ok(cluster)
    }

    fn stop(&self) -> anyhow::Result<()> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *running, Running::NoMore) {
            Running::Now(broker, dir) => {
                broker.stop().context("Kafka does not stop")?;
                dir.close().context("its directory stays")
            }
            Running::NotYet | Running::NoMore => Ok(()),
        }
    }
}
