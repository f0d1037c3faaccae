//! The observer as a service: windows on a thread of their own, what it asks others and what it proposes beside them.

use crate::judge::Judge;
use crate::sampler::Sampler;
use crate::watched::{Watched, WatchedPort};
use crate::windows::{Output, Samples, Windows};
use contract::sla::KEPT_MS;
use kafka::tx::{KafkaPort, TxConfig};
use kafka::{Admin, AdminError, Cluster, ClusterError, LogReader, Producer, ReadError};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How long [`Observer::stop`] waits for the thread.
const STOP_WAIT: Duration = Duration::from_secs(10);

/// Pause before windows that panicked are started again.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

/// Reads the text that the enforcer commits with an offset: accepted and refused events; `None` when it is not its own.
pub type ParseCounts = Arc<dyn Fn(&str) -> Option<(u64, u64)> + Send + Sync>;

/// What an observer needs to know.
#[derive(Clone)]
pub struct ObserverConfig {
    /// The cluster.
    pub cluster: Cluster,
    /// The mesh id, which prefixes group, transactional id and topics.
    pub mesh: String,
    /// Which of the mesh's observers this is; no two may run with the same number at once.
    pub slot: u32,
    /// Length of a window.
    pub window: Duration,
    /// The enforcer's parser of what it commits.
    pub counts: ParseCounts,
    /// UTC ms.
    pub clock: fn() -> i64,
}

impl std::fmt::Debug for ObserverConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ObserverConfig")
            .field("mesh", &self.mesh)
            .field("slot", &self.slot)
            .field("window", &self.window)
            .finish_non_exhaustive()
    }
}

impl ObserverConfig {
    fn tx(&self) -> TxConfig {
        let group = format!("{}.observer", self.mesh);
        TxConfig {
            cluster: self.cluster.clone(),
            transactional_id: format!("{group}.{}", self.slot),
            group,
        }
    }
}

/// The observer cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No client could be made.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The cluster cannot be asked.
    #[error("cannot ask the cluster")]
    Admin(#[from] Box<AdminError>),
    /// The observations cannot be read.
    #[error("cannot read the observations")]
    Read(#[from] ReadError),
    /// The operating system gives no thread.
    #[error("no thread for the windows")]
    Thread(#[from] std::io::Error),
}

/// What the parts share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) config: ObserverConfig,
    pub(crate) producer: Producer,
    watched: watch::Receiver<Arc<Watched>>,
    owned: watch::Receiver<Vec<(String, i32)>>,
}

impl Shared {
    pub(crate) fn observations(&self) -> String {
        format!("{}.observations", self.config.mesh)
    }

    pub(crate) fn port(&self, address: &str) -> Option<Arc<WatchedPort>> {
        self.watched.borrow().ports.get(address).cloned()
    }

    /// The ports of which a partition is read here.
    pub(crate) fn owned_ports(&self) -> BTreeSet<String> {
        let owned = self.owned.borrow();
        owned.iter().map(|(port, _)| port.clone()).collect()
    }

    /// The ports whose first partition is read here: what is done once for a port is done here.
    pub(crate) fn led_ports(&self) -> Vec<Arc<WatchedPort>> {
        let led: Vec<String> = {
            let owned = self.owned.borrow();
            let led = owned.iter().filter(|(_, partition)| *partition == 0);
            led.map(|(port, _)| port.clone()).collect()
        };
        led.iter().filter_map(|port| self.port(port)).collect()
    }
}

/// A running observer.
#[derive(Debug)]
pub struct Observer {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Observer {
    /// Start measuring what `watched` says, now and from now on.
    ///
    /// # Errors
    /// [`StartError`]; a broker that is away while the observations are looked for is one.
    pub async fn start(
        config: ObserverConfig,
        watched: watch::Receiver<Arc<Watched>>,
    ) -> Result<Self, StartError> {
        let (owned_sender, owned) = watch::channel(Vec::new());
        let (samples, sampled) = watch::channel(Samples::default());
        let shared = Shared {
            producer: Producer::new(&config.cluster)?,
            watched: watched.clone(),
            owned,
            config: config.clone(),
        };
        let reader = reader(&config, &shared.observations()).await?;
        let sampler = Sampler {
            shared: shared.clone(),
            admin: Admin::new(&config.cluster).map_err(Box::new)?,
            samples,
        };
        let tasks = vec![
            tokio::spawn(sampler.run()),
            tokio::spawn(Judge::new(shared.clone(), reader).run()),
        ];
        let output = Output {
            observations: shared.observations(),
            length: config.window,
            clock: config.clock,
        };
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name(format!("observer-{}", config.slot))
            .spawn(move || {
                keep_running(&stopping, || {
                    let port = KafkaPort::new(&config.tx());
                    let (watched, sampled) = (watched.clone(), sampled.clone());
                    Windows::new(port, watched, sampled, owned_sender.clone(), output.clone())
                });
            })?;
        Ok(Self {
            stop,
            thread,
            tasks,
        })
    }

    /// Leave the group and end. Blocks for up to ten seconds.
    pub fn stop(self) {
        for task in &self.tasks {
            task.abort();
        }
        self.stop.store(true, Ordering::Relaxed);
        let started = Instant::now();
        while !self.thread.is_finished() {
            if started.elapsed() > STOP_WAIT {
                tracing::warn!("the observer is still stopping: a broker does not answer");
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        // A panic was caught and said inside.
        drop(self.thread.join());
    }
}

/// Run windows one after the other until stopped; there is more than one only after a panic, which is a bug of ours and
/// must not stop the mesh. Nothing is lost by it: the next one starts from the committed offsets.
fn keep_running(stop: &AtomicBool, windows: impl Fn() -> Windows<KafkaPort>) {
    while !stop.load(Ordering::Relaxed) {
        let ended = catch_unwind(AssertUnwindSafe(|| windows().run(stop)));
        if ended.is_err() {
            tracing::error!("the observer's windows panicked, starting them again");
            std::thread::sleep(RESTART_PAUSE);
        }
    }
}

/// A reader of the observations of the last day: older windows are for nobody here.
async fn reader(config: &ObserverConfig, observations: &str) -> Result<LogReader, StartError> {
    let admin = Admin::new(&config.cluster).map_err(Box::new)?;
    let since = (config.clock)() - KEPT_MS;
    let from = admin
        .offset_at(observations, 0, since)
        .await
        .map_err(Box::new)?;
    Ok(LogReader::follow(&config.cluster, observations, from)?)
}
