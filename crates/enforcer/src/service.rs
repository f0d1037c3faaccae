//! The enforcer as a service: one data path on its own OS thread, started and stopped from outside.

use crate::{
    breaker::{Acts, Herald},
    data_path::{DataPath, Limits},
    force::{CatchUp, CatchUpFailed, Snapshot},
    look::{Blind, KafkaScout, Scout},
    metrics::Metrics,
    status::EnforcerStatus,
};
use kafka::{
    Cluster,
    tx::{KafkaPort, TxConfig},
};
use std::{
    fmt, io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};
use tokio::sync::watch;

/// How long [`Enforcer::stop`] waits. A commit that hangs on a broker that went away takes longer; the transaction then
/// ends at the next start, or when it times out.
const STOP_WAIT: Duration = Duration::from_secs(10);

/// Pause before a data path that panicked is started again.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

/// What an enforcer needs to know.
#[derive(Debug, Clone)]
pub struct EnforcerConfig {
    /// The cluster.
    pub cluster: Cluster,
    /// The mesh id, which prefixes the consumer group and the transactional id.
    pub mesh: String,
    /// Which of the mesh's data paths this one is; no two may run with the same number at once.
    pub slot: u32,
    /// When a transaction ends.
    pub limits: Limits,
}

impl EnforcerConfig {
    /// The first data path of a mesh, with the default limits.
    pub fn new(cluster: Cluster, mesh: impl Into<String>) -> Self {
        Self {
            cluster,
            mesh: mesh.into(),
            slot: 0,
            limits: Limits::default(),
        }
    }

    /// The consumer group of all data paths of a mesh; `port stats` reads the counters from its committed offsets.
    pub fn group(mesh: &str) -> String {
        format!("{mesh}.enforcer")
    }

    fn tx(&self) -> TxConfig {
        let group = Self::group(&self.mesh);
        let transactional_id = format!("{group}.{}", self.slot);
        TxConfig {
            cluster: self.cluster.clone(),
            group,
            transactional_id,
        }
    }
}

/// The data path did not end in time; its thread goes on until it can.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the data path did not stop within {} s: a broker does not answer", STOP_WAIT.as_secs())]
pub struct StillStopping;

/// A running data path.
pub struct Enforcer {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
    status: watch::Receiver<EnforcerStatus>,
    acts: Option<Acts>,
    metrics: Arc<Metrics>,
}

impl fmt::Debug for Enforcer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Enforcer")
            .field("status", &*self.status.borrow())
            .finish_non_exhaustive()
    }
}

impl Enforcer {
    /// Start judging by the newest snapshot of `view`, whenever there is a new one.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub fn spawn(
        config: EnforcerConfig,
        view: watch::Receiver<Arc<Snapshot>>,
        catch_up: impl CatchUp + 'static,
    ) -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let (sender, status) = watch::channel(EnforcerStatus::default());
        let catch_up = Shared(Arc::new(Mutex::new(catch_up)));
        let stopping = Arc::clone(&stop);
        let metrics = Arc::<Metrics>::default();
        let (herald, acts) = Herald::new();
        let outside = Outside {
            view,
            catch_up,
            herald,
            status: sender,
            metrics: Arc::clone(&metrics),
        };
        let thread = thread::Builder::new()
            .name(format!("enforcer-{}", config.slot))
            .spawn(move || keep_running(&config, &outside, &stopping))?;
        Ok(Self {
            stop,
            thread,
            status,
            acts: Some(acts),
            metrics,
        })
    }

    /// What it is doing.
    pub fn status(&self) -> watch::Receiver<EnforcerStatus> {
        self.status.clone()
    }

    /// What its circuit breakers do, for whoever makes facts of it; once.
    pub fn take_acts(&mut self) -> Option<Acts> {
        self.acts.take()
    }

    /// The text of its metrics, without the mark that ends an exposition.
    pub fn metrics(&self) -> Arc<dyn Fn() -> String + Send + Sync> {
        let (metrics, status) = (Arc::clone(&self.metrics), self.status.clone());
        Arc::new(move || metrics.text(&status.borrow()))
    }

    /// Commit what is open, leave the group, end the thread. Blocks for up to ten seconds.
    ///
    /// # Errors
    /// [`StillStopping`]: a broker that does not answer holds it up.
    pub fn stop(self) -> Result<(), StillStopping> {
        self.stop.store(true, Ordering::Relaxed);
        let started = Instant::now();
        while !self.thread.is_finished() {
            if started.elapsed() > STOP_WAIT {
                return Err(StillStopping);
            }
            thread::sleep(Duration::from_millis(5));
        }
        // A panic was caught and logged inside.
        self.thread.join().map_err(|_| StillStopping)
    }
}

/// What a data path is given, again and again.
struct Outside<C> {
    view: watch::Receiver<Arc<Snapshot>>,
    catch_up: Shared<C>,
    herald: Herald,
    status: watch::Sender<EnforcerStatus>,
    metrics: Arc<Metrics>,
}

/// Run data paths one after the other until stopped; there is more than one only after a panic, which is a bug of ours
/// and must not stop the mesh. Nothing is lost by it: the next one starts from the committed offsets.
fn keep_running<C: CatchUp + 'static>(
    config: &EnforcerConfig,
    outside: &Outside<C>,
    stop: &AtomicBool,
) {
    while !stop.load(Ordering::Relaxed) {
        let ended = catch_unwind(AssertUnwindSafe(|| {
            let port = KafkaPort::new(&config.tx());
            let catch_up = Box::new(outside.catch_up.clone());
            let (view, status) = (outside.view.clone(), outside.status.clone());
            DataPath::new(port, view, catch_up, config.limits, status)
                .with_breaker(scout(&config.cluster), outside.herald.clone())
                .counting(Arc::clone(&outside.metrics))
                .run(stop);
        }));
        if ended.is_err() {
            tracing::error!("the data path panicked, starting it again");
            thread::sleep(RESTART_PAUSE);
        }
    }
}

fn scout(cluster: &Cluster) -> Box<dyn Scout> {
    match KafkaScout::spawn(cluster.clone()) {
        Ok(scout) => Box::new(scout),
        Err(error) => {
            tracing::error!(%error, "no thread to look ahead: open circuit breakers wait for a reset");
            Box::new(Blind)
        }
    }
}

/// A catch-up that outlives the data path using it.
struct Shared<C>(Arc<Mutex<C>>);

impl<C> Clone for Shared<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C: CatchUp> CatchUp for Shared<C> {
    fn catch_up(&mut self, timeout: Duration) -> Result<(), CatchUpFailed> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .catch_up(timeout)
    }
}
