//! How far the enforcers are, as the group's committed offsets say, and how long they stood still.

use kafka::{Admin, Cluster};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// How often is looked. The longest stall is known to within this.
const EVERY: Duration = Duration::from_secs(1);

/// Inbox and group at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// The sum of the committed offsets.
    pub committed: i64,
    /// The sum of the ends of the inbox's partitions.
    pub end: i64,
}

impl Progress {
    /// Whether everything is judged.
    pub fn is_done(self) -> bool {
        self.committed >= self.end
    }
}

/// Asks for progress.
///
/// # Errors
/// Why there is no answer.
pub async fn ask(cluster: &Cluster, group: &str, inbox: &str) -> Result<Progress, String> {
    let admin = Admin::new(cluster).map_err(|error| error.to_string())?;
    let ends = admin.end_offsets(inbox).await;
    let ends = ends.map_err(|error| error.to_string())?;
    let committed = admin.committed(group, inbox).await;
    let committed = committed.map_err(|error| error.to_string())?;
    Ok(Progress {
        committed: committed.iter().map(|at| at.offset).sum(),
        end: ends.iter().map(|at| at.end).sum(),
    })
}

/// The ends of a topic's partitions as readers of committed records see them.
///
/// # Errors
/// Why there is no answer.
pub async fn visible(cluster: &Cluster, topic: &str) -> Result<Vec<i64>, String> {
    let admin = Admin::new(cluster).map_err(|error| error.to_string())?;
    let ends = admin.end_offsets(topic).await;
    let ends = ends.map_err(|error| error.to_string())?;
    Ok(ends.iter().map(|at| at.end).collect())
}

/// Looks on in the background.
#[derive(Debug)]
pub struct Watch {
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<Seen>>,
    thread: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Seen {
    last: Progress,
    longest: Duration,
}

impl Watch {
    /// Begins to look.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn start(
        runtime: Handle,
        cluster: Cluster,
        group: String,
        inbox: String,
    ) -> std::io::Result<Self> {
        let (stop, seen): (Arc<AtomicBool>, Arc<Mutex<Seen>>) = Default::default();
        let (stopped, seeing) = (Arc::clone(&stop), Arc::clone(&seen));
        let thread = std::thread::Builder::new()
            .name("watch".to_owned())
            .spawn(move || {
                let mut moved = Instant::now();
                while !stopped.load(Ordering::Relaxed) {
                    // No answer is no progress.
                    let now = runtime.block_on(ask(&cluster, &group, &inbox));
                    moved = note(&seeing, now.unwrap_or_default(), moved);
                    std::thread::sleep(EVERY);
                }
            })?;
        Ok(Self { stop, seen, thread })
    }

    /// What was seen last.
    pub fn last(&self) -> Progress {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .last
    }

    /// Looks no more; the longest time without progress while there was something to do.
    pub fn stop(self) -> Duration {
        self.stop.store(true, Ordering::Relaxed);
        drop(self.thread.join());
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.longest
    }
}

fn note(seen: &Mutex<Seen>, now: Progress, moved: Instant) -> Instant {
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    let moves = now.committed > seen.last.committed || (now.end > 0 && now.is_done());
    if now.committed > 0 {
        seen.last = now;
    }
    if moves {
        return Instant::now();
    }
    seen.longest = seen.longest.max(moved.elapsed());
    moved
}
