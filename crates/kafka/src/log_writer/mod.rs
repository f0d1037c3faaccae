//! The one writer of a log: requests in, results into the log, replies out, in transactions.
//!
//! ```text
//!  request topics ──▶ group: who owns partition 0 of the primary one is the writer
//!                        │ fence (init_transactions) ▸ read the log to its end ▸ then, batch by batch:
//!                        ▼
//!   begin ▸ decide each request ▸ results, replies, request offsets ▸ commit ▸ read own records back ▸ confirm
//! ```
//!
//! Any number of instances may run; the group chooses one, and the fence makes sure that no other can write any more, even
//! one that was asleep and does not know that it was replaced. Whoever is fenced stands by and does not fence back.
//!
//! What is decided is a pure function of the log and the request, so an attempt that was not committed is made again from
//! the same state: forget, read the log anew, go back to the committed request offsets. An outcome that is unknown is
//! treated in the same way; the log tells whether it happened.

mod group;
mod seat;
mod tail;
mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use tokio::sync::watch;

use crate::cluster::Cluster;
use crate::record::{Outgoing, Record};

/// What the log is about: the fold of the log and the decisions on requests. Called from the writer's own thread only.
pub trait LogCore: Send + 'static {
    /// Forgets everything: the log is about to be read from its beginning.
    fn reset(&mut self);

    /// Folds one committed record of a log topic, in order; with several log topics, each is read to its end in the order
    /// of the configuration.
    ///
    /// # Errors
    /// Why this record cannot be in this log; the writer stops.
    fn fold(&mut self, record: &Record) -> Result<(), String>;

    /// Decides one request: results for the log topics, and replies. Applies the results to its own state, so that the next
    /// request of the same batch is decided on them. Must depend on nothing but the folded log and the request: after an
    /// aborted attempt the core is reset and asked again. Outputs without a partition go to partition 0.
    fn decide(&mut self, request: &Record) -> Vec<Outgoing>;

    /// One of the core's own results, as it stands in the log. Key, value and headers have been compared with what was
    /// written; called in the order in which the results were given.
    ///
    /// # Errors
    /// Why this record is not what was decided; the writer stops.
    fn confirm(&mut self, record: &Record) -> Result<(), String>;

    /// The topics that requests come from, asked whenever the log has advanced. The primary one need not be named. A topic
    /// that does not exist yet is taken up when it appears.
    fn request_topics(&self) -> Vec<String>;

    /// What an empty log begins with. Asked when the first log topic holds no record; applied by the core like decisions.
    fn found(&mut self) -> Vec<Outgoing> {
        Vec::new()
    }
}

/// Which log is to be written.
#[derive(Clone, Debug)]
pub struct LogWriterConfig {
    /// Where.
    pub cluster: Cluster,
    /// The consumer group whose members may write.
    pub group: String,
    /// The log's transactional id: the fence. The same for all members.
    pub transactional_id: String,
    /// The request topic, of one partition, whose owner is the writer.
    pub primary_request_topic: String,
    /// The topics that make up the log, of one partition each. The first says whether the log is empty.
    pub log_topics: Vec<String>,
}

/// What a writer is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriterStatus {
    /// It joins the group, or reads the log.
    Starting,
    /// Another member writes.
    StandBy,
    /// It is the writer, and the log is read.
    Writing,
    /// It would write and cannot, for this reason; it goes on by itself.
    Waiting(String),
    /// It has ended: the log or the core is not as it must be, or it was stopped.
    Stopped(String),
}

/// A log writer on its own thread. Dropping it lets it stop by itself; [`LogWriter::stop`] waits for that.
#[derive(Debug)]
pub struct LogWriter {
    status: watch::Receiver<WriterStatus>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl LogWriter {
    /// Starts a writer. Everything that can go wrong is told by its status.
    pub fn spawn(config: LogWriterConfig, core: impl LogCore) -> Self {
        let (sender, status) = watch::channel(WriterStatus::Starting);
        let stop = Arc::<AtomicBool>::default();
        let flag = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name(format!("write {}", config.transactional_id))
            .spawn(move || worker::run(config, core, sender, flag))
            .expect("the system can start one more thread");
        Self {
            status,
            stop,
            thread: Some(thread),
        }
    }

    /// What it is doing, and every change of that.
    pub fn status(&self) -> watch::Receiver<WriterStatus> {
        self.status.clone()
    }

    /// Why it has ended, once it has.
    pub async fn ended(&self) -> String {
        let mut status = self.status();
        let ended = status.wait_for(|status| matches!(status, WriterStatus::Stopped(_)));
        match ended.await.as_deref() {
            Ok(WriterStatus::Stopped(why)) => why.clone(),
            Ok(_) | Err(_) => "its thread is gone".to_owned(),
        }
    }

    /// Stops writing, leaves the group so that another member takes over at once, and waits for the thread. Blocks.
    pub fn stop(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!(target: "kafka", "a log writer's thread panicked");
        }
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
