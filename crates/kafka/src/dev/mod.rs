//! A single-node Apache Kafka for development, run as a child process.
//!
//! Why the real one: a reader of a contract's topic, a transaction, a configuration behave here as they will in production.
//! Kafka comes as jars that Maven fetches once ([`JarSource`]), or as the official image when Docker is there and a JDK is
//! not. Not for production: one node, no replication, no authentication, loopback only.
//!
//! ```text
//! <dir>/broker.json         ports, cluster id, and which process is the broker
//! <dir>/server.properties   written anew at each start
//! <dir>/broker.log          what the broker says (the run before: broker.log.1)
//! <dir>/controller.log      after a kill: what its controller says, which runs alone for a moment first
//! <dir>/data/               the topics
//! ```
//!
//! The broker outlives a killed parent, on purpose: the next start adopts it. It is ended by [`DevBroker::stop`] only.

mod child;
mod jars;
mod launch;
mod layout;
mod settle;

use std::path::PathBuf;
use std::process::Child;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;

pub use jars::JarSource;

use crate::cluster::{Cluster, ClusterError};
use child::ProcessId;
use launch::Launcher;
use layout::{BrokerRecord, Layout};

/// How long a broker may take until it answers. Measured: 4 to 9 s on two busy cores.
const START_LIMIT: Duration = Duration::from_secs(90);
/// How long a live broker that we find may take to answer before it is taken for stuck.
const ADOPT_LIMIT: Duration = Duration::from_secs(20);
/// Before a broker is told to end: a transaction answers before it is marked in every partition, and what is not marked when
/// a broker gives its leaderships away stays so (see [`settle`]). Marking takes milliseconds.
const MARKED_WITHIN: Duration = Duration::from_millis(500);
/// How long a broker may take to close its logs before it is killed.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// What a development broker needs to know.
#[derive(Clone, Debug)]
pub struct DevBrokerConfig {
    /// Where it keeps everything; made when missing.
    pub dir: PathBuf,
    /// The port for clients on 127.0.0.1; 0 picks a free one at the first start and keeps it.
    pub kafka_port: u16,
    /// Where the jars come from.
    pub jars: JarSource,
}

/// A second listener of the broker that tells its clients to come to another port, where a proxy listens: a client that
/// began there stays there, as it would go round the proxy otherwise. Needs the JDK: a container publishes one port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Detour {
    /// The port that the broker listens on, on 127.0.0.1.
    pub listen: u16,
    /// The port that it tells clients, on 127.0.0.1.
    pub advertised: u16,
}

/// Why there is no development broker.
#[derive(Debug, thiserror::Error)]
pub enum DevError {
    /// This machine lacks what it takes to run Kafka.
    #[error(
        "a development broker needs {missing}\n  \
         Debian, Ubuntu:  sudo apt-get install openjdk-17-jre-headless maven\n  \
         Fedora:          sudo dnf install java-21-openjdk-headless maven\n  \
         macOS:           brew install openjdk maven\n\
         or a running Docker; or name a Kafka of your own with --bootstrap-servers"
    )]
    Requirements {
        /// What is missing, in words.
        missing: String,
    },
    /// Files or processes could not be handled.
    #[error("cannot {act} {what}")]
    Io {
        /// What was tried.
        act: &'static str,
        /// On what.
        what: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// A tool that Kafka needs failed.
    #[error("{tool} failed:\n{tail}")]
    Tool {
        /// Which.
        tool: &'static str,
        /// The end of what it printed.
        tail: String,
    },
    /// Somebody else listens on the broker's port.
    #[error(
        "port {port} on 127.0.0.1 is taken by another program: end that program, or choose another \
         port (this directory's broker used {port} before)"
    )]
    PortInUse {
        /// The port.
        port: u16,
    },
    /// The broker ended while it started.
    #[error("the broker ended while starting ({status}); the end of {log}:\n{tail}")]
    Exited {
        /// Its exit status.
        status: String,
        /// Its log.
        log: PathBuf,
        /// The end of its log.
        tail: String,
    },
    /// The broker runs and does not answer.
    #[error("the broker did not answer within {} s; the end of {log}:\n{tail}", START_LIMIT.as_secs())]
    NotReady {
        /// Its log.
        log: PathBuf,
        /// The end of its log.
        tail: String,
    },
    /// The operating system gave no random bytes for a cluster id.
    #[error("no random bytes for a cluster id: {reason}")]
    Random {
        /// What the system says.
        reason: String,
    },
    /// No client could be made to ask the broker.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
}

impl DevError {
    fn io(act: &'static str, what: impl std::fmt::Debug, source: std::io::Error) -> Self {
        Self::Io {
            act,
            what: format!("{what:?}"),
            source,
        }
    }
}

/// A running development broker. Dropping the handle leaves it running, for the next start to adopt.
#[derive(Debug)]
pub struct DevBroker {
    layout: Layout,
    record: BrokerRecord,
    process: ProcessId,
    /// The handle to wait on, when this process is its parent.
    child: Option<Child>,
}

impl DevBroker {
    /// Starts a broker in its directory, or adopts the one that runs there. Returns when it answers. Blocks: seconds, or
    /// minutes when jars are fetched for the first time.
    ///
    /// # Errors
    /// [`DevError`], whose text says what to do.
    pub fn start(config: &DevBrokerConfig) -> Result<Self, DevError> {
        Self::start_or_adopt(config, None)
    }

    /// As [`start`](Self::start), with a second way in: for tests that stand between the broker and some of its clients.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_with(config: &DevBrokerConfig, detour: Detour) -> Result<Self, DevError> {
        Self::start_or_adopt(config, Some(detour))
    }

    fn start_or_adopt(config: &DevBrokerConfig, detour: Option<Detour>) -> Result<Self, DevError> {
        let layout = Layout::open(&config.dir)?;
        let _one_at_a_time = layout.lock()?;
        let mut record = layout.read_record()?;
        if let Some(adopted) = Self::adopt(&layout, record.as_ref(), config.kafka_port)? {
            return Ok(adopted);
        }
        let launcher = Launcher::choose(&config.jars)?;
        let record = layout.prepare(record.take(), config.kafka_port, detour, &launcher)?;
        if settle::is_needed(&layout.data()) {
            settle::settle(&layout, &record, &launcher);
        }
        Self::spawn(layout, record, &launcher)
    }

    /// Takes over the recorded broker when it lives and answers; ends it when it lives and does not.
    fn adopt(
        layout: &Layout,
        record: Option<&BrokerRecord>,
        port: u16,
    ) -> Result<Option<Self>, DevError> {
        let Some((record, process)) = record.and_then(|r| Some((r, r.process.clone()?))) else {
            return Ok(None);
        };
        if !process.is_alive() {
            return Ok(None);
        }
        let same_port = port == 0 || port == record.kafka_port;
        if same_port && record.answers(Instant::now() + ADOPT_LIMIT)? {
            tracing::info!(target: "kafka", pid = process.pid, port = record.kafka_port, "adopted broker");
            let (layout, record) = (layout.clone(), record.clone());
            return Ok(Some(Self {
                layout,
                record,
                process,
                child: None,
            }));
        }
        tracing::warn!(target: "kafka", pid = process.pid, "ending a broker that does not answer as it should");
        process.end(STOP_LIMIT, || process.is_alive());
        Ok(None)
    }

    fn spawn(
        layout: Layout,
        mut record: BrokerRecord,
        launcher: &Launcher,
    ) -> Result<Self, DevError> {
        let log = layout.new_log()?;
        let mut child = child::spawn(launcher.serve(&layout, &record), log)?;
        let process = ProcessId::of(child.id());
        record.process = Some(process.clone());
        layout.write_record(&record)?;
        tracing::info!(target: "kafka", pid = process.pid, port = record.kafka_port, "starting broker");
        match wait_ready(&layout, &record, &mut child) {
            Ok(()) => Ok(Self {
                layout,
                record,
                process,
                child: Some(child),
            }),
            Err(error) => {
                process.end(STOP_LIMIT, || matches!(child.try_wait(), Ok(None)));
                Err(error)
            }
        }
    }

    /// `host:port` for clients.
    pub fn bootstrap(&self) -> String {
        self.record.bootstrap()
    }

    /// The broker as a cluster to connect to.
    pub fn cluster(&self) -> Cluster {
        Cluster::new(self.bootstrap())
    }

    /// The broker's process id.
    pub fn pid(&self) -> u32 {
        self.process.pid
    }

    /// Whether the broker was running already when this handle was made.
    pub fn adopted(&self) -> bool {
        self.child.is_none()
    }

    /// The id of the cluster, which stays with the directory.
    pub fn cluster_id(&self) -> &str {
        &self.record.cluster_id
    }

    /// Whether the process still runs. When it does not, start again with the same configuration.
    pub fn is_alive(&mut self) -> bool {
        match &mut self.child {
            Some(child) => matches!(child.try_wait(), Ok(None)),
            None => self.process.is_alive(),
        }
    }

    /// The end of the broker's log, for an operator.
    pub fn log_tail(&self) -> String {
        self.layout.log_tail()
    }

    /// Ends the broker: it is asked, given 30 s to close its logs, then killed. Blocks.
    ///
    /// # Errors
    /// When `broker.json` cannot be written; the broker has ended nevertheless.
    pub fn stop(mut self) -> Result<(), DevError> {
        std::thread::sleep(MARKED_WITHIN);
        let process = self.process.clone();
        process.end(STOP_LIMIT, || self.is_alive());
        self.record.process = None;
        self.layout.write_record(&self.record)
    }
}

fn wait_ready(layout: &Layout, record: &BrokerRecord, child: &mut Child) -> Result<(), DevError> {
    let deadline = Instant::now() + START_LIMIT;
    while !child::listens(record.kafka_port) {
        if let Ok(Some(status)) = child.try_wait() {
            return Err(DevError::Exited {
                status: status.to_string(),
                log: layout.log(),
                tail: layout.log_tail(),
            });
        }
        if Instant::now() >= deadline {
            return Err(DevError::NotReady {
                log: layout.log(),
                tail: layout.log_tail(),
            });
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    if record.answers(deadline)? {
        Ok(())
    } else {
        Err(DevError::NotReady {
            log: layout.log(),
            tail: layout.log_tail(),
        })
    }
}

impl BrokerRecord {
    /// Whether a broker of this cluster answers before the deadline.
    fn answers(&self, deadline: Instant) -> Result<bool, DevError> {
        let cluster = Cluster::new(self.bootstrap());
        let client = cluster.query()?;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match client
                .client()
                .fetch_cluster_id(left.min(Duration::from_secs(1)))
            {
                Some(found) => return Ok(found == self.cluster_id),
                None if left.is_zero() => return Ok(false),
                None => {}
            }
        }
    }
}
