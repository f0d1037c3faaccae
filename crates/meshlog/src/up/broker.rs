//! Kafka for an `up`: a cluster that was named, or a development broker of our own that is kept alive.

use anyhow::Context;
use kafka::Cluster;
use kafka::dev::{DevBroker, DevBrokerConfig, JarSource};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often we look whether the broker lives.
const LOOK: Duration = Duration::from_millis(500);

/// The Kafka under a mesh.
pub(super) enum Broker {
    /// Somebody else's.
    Named(Cluster),
    /// Ours.
    Own(Own),
}

/// A broker of our own with the thread that looks after it.
pub(super) struct Own {
    cluster: Cluster,
    stop: Arc<AtomicBool>,
    keeper: JoinHandle<Option<DevBroker>>,
}

impl Broker {
    /// Start a broker in `dir`, or adopt the one that runs there. Blocks.
    pub(super) fn start(dir: PathBuf, kafka_port: u16, cache: PathBuf) -> anyhow::Result<Self> {
        let config = DevBrokerConfig {
            dir,
            kafka_port,
            jars: JarSource::Cache(cache),
        };
        let broker = DevBroker::start(&config).context("Kafka cannot start")?;
        if broker.adopted() {
            eprintln!(
                "meshlog: going on with the Kafka that runs already (pid {})",
                broker.pid()
            );
        }
        let cluster = broker.cluster();
        let stop = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stop);
        let keeper = std::thread::Builder::new()
            .name("keep kafka".to_owned())
            .spawn(move || keep(broker, &config, &flag))
            .context("no thread to look after Kafka")?;
        Ok(Self::Own(Own {
            cluster,
            stop,
            keeper,
        }))
    }

    pub(super) fn cluster(&self) -> &Cluster {
        match self {
            Broker::Named(cluster) => cluster,
            Broker::Own(own) => &own.cluster,
        }
    }

    /// Topics of a single node have one copy; elsewhere the cluster's default holds.
    pub(super) fn replication(&self) -> i32 {
        match self {
            Broker::Named(_) => -1,
            Broker::Own(_) => 1,
        }
    }

    /// Stop what is ours. Blocks.
    pub(super) fn stop(self) -> anyhow::Result<()> {
        let Broker::Own(own) = self else {
            return Ok(());
        };
        own.stop.store(true, Ordering::Relaxed);
        match own.keeper.join() {
            Ok(Some(broker)) => broker.stop().context("Kafka did not stop cleanly"),
            Ok(None) => Ok(()),
            Err(_) => anyhow::bail!("the thread that looks after Kafka panicked"),
        }
    }
}

/// Start the broker again whenever it has died: its data is on disk, the roles wait and go on.
fn keep(mut broker: DevBroker, config: &DevBrokerConfig, stop: &AtomicBool) -> Option<DevBroker> {
    while !stop.load(Ordering::Relaxed) {
        std::thread::sleep(LOOK);
        if broker.is_alive() {
            continue;
        }
        tracing::warn!("Kafka has died; starting it again");
        broker = loop {
            match DevBroker::start(config) {
                Ok(broker) => break broker,
                Err(error) => tracing::error!(%error, "Kafka cannot be started again yet"),
            }
            if stop.load(Ordering::Relaxed) {
                return None;
            }
            std::thread::sleep(LOOK * 4);
        };
    }
    Some(broker)
}
