//! The projector: follows the governance log and the people topic, folds them, publishes views.
//!
//! Never skips. A record that does not fold stops it: it names the position and the last good view stays, marked stale.
//! A broker that is away makes the view stale too, until it is back. Kafka offsets stay in here and in the snapshot.

use crate::config::CatalogConfig;
use crate::snapshot;
use crate::text::chain;
use crate::view::{Freshness, View};
use futures_util::FutureExt;
use kafka::{LogEvent, LogReader, ReadError, Record};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{oneshot, watch};

/// How often the logs' ends are asked for, which is how soon a broker that went away is noticed.
const CONFIRM: Duration = Duration::from_secs(5);
/// A view is published at the latest after so many facts.
const BATCH: usize = 1024;
/// Facts after which a new snapshot is due, at least; a quarter of the log when that is more, so that writing them
/// stays linear in the log's length.
const SNAPSHOT_EVERY: u64 = 1000;

/// Which of the two topics an event is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Log,
    People,
}

/// How reading one topic stands.
#[derive(Debug, Default)]
struct Progress {
    at_end: bool,
    /// Brokers away and the like: passes by itself.
    trouble: Option<String>,
    /// For good: a record that does not fold, or a lost log.
    stopped: Option<String>,
}

impl Progress {
    fn wrong(&self) -> Option<&str> {
        self.stopped.as_deref().or(self.trouble.as_deref())
    }
}

/// The state of the projecting task.
pub(crate) struct Projector {
    config: CatalogConfig,
    view: View,
    views: watch::Sender<Arc<View>>,
    log: LogReader,
    people: LogReader,
    log_progress: Progress,
    people_progress: Progress,
    /// Kafka offset of the last fact folded.
    offset: i64,
    /// The view is a snapshot's, and the topic has not confirmed its last fact yet.
    unconfirmed: bool,
    snapshot: Option<PathBuf>,
    /// Facts in the last snapshot.
    snapshot_size: u64,
}

impl Projector {
    /// Start reading, from a snapshot where there is a good one.
    pub(crate) fn new(
        config: CatalogConfig,
        views: watch::Sender<Arc<View>>,
    ) -> Result<Self, ReadError> {
        let snapshot = config.dir.as_ref().map(|dir| dir.join(snapshot::FILE_NAME));
        let loaded = snapshot
            .as_deref()
            .and_then(|path| match snapshot::load(path) {
                Ok(loaded) => loaded,
                Err(error) => {
                    tracing::warn!(
                        error = chain(&error),
                        "snapshot discarded, reading the whole log"
                    );
                    None
                }
            });
        let unconfirmed = loaded.is_some();
        let (view, offset) = loaded.map_or((View::default(), 0), |it| (it.view, it.offset));
        Ok(Self {
            log: LogReader::follow(&config.cluster, &config.governance_topic(), offset)?,
            people: LogReader::follow(&config.cluster, &config.people_topic(), 0)?,
            snapshot_size: view.mesh.size,
            config,
            view,
            views,
            log_progress: Progress::default(),
            people_progress: Progress::default(),
            offset,
            unconfirmed,
            snapshot,
        })
    }

    /// Follow until told to stop; then leave a snapshot behind.
    pub(crate) async fn run(mut self, mut stop: oneshot::Receiver<()>) {
        let mut confirm = tokio::time::interval(CONFIRM);
        loop {
            let (log_on, people_on) = (
                self.log_progress.stopped.is_none(),
                self.people_progress.stopped.is_none(),
            );
            let (source, event) = tokio::select! {
                _ = &mut stop => break,
                event = self.log.next(), if log_on => (Source::Log, event),
                event = self.people.next(), if people_on => (Source::People, event),
                _ = confirm.tick() => {
                    self.log.request_end();
                    self.people.request_end();
                    continue;
                }
            };
            self.take(source, event);
            self.take_more();
            self.publish();
            self.snapshot_when_due().await;
        }
        if self.view.mesh.size != self.snapshot_size {
            self.write_snapshot().await;
        }
        let (log, people) = (self.log, self.people);
        let stopped = tokio::task::spawn_blocking(move || {
            log.stop();
            people.stop();
        });
        if stopped.await.is_err() {
            tracing::warn!("stopping the projector's readers failed");
        }
    }

    /// Take what is there already, so that a long log is not published fact by fact.
    fn take_more(&mut self) {
        for _ in 0..BATCH {
            if self.log_progress.stopped.is_some() {
                return;
            }
            let Some(event) = self.log.next().now_or_never() else {
                return;
            };
            self.take(Source::Log, event);
        }
    }

    fn take(&mut self, source: Source, event: Option<LogEvent>) {
        match event {
            Some(LogEvent::Record(record)) => {
                self.progress(source).trouble = None;
                match source {
                    Source::Log => self.take_fact(&record),
                    Source::People => self.take_person(&record),
                }
            }
            Some(LogEvent::EndReached { .. }) => {
                let progress = self.progress(source);
                progress.trouble = None;
                progress.at_end = true;
                if source == Source::Log && self.unconfirmed {
                    self.discard_snapshot("the log ends before its last fact");
                }
            }
            Some(LogEvent::Trouble(what)) => {
                tracing::warn!(trouble = what, "cannot follow");
                self.progress(source).trouble = Some(what);
            }
            None if source == Source::Log && self.unconfirmed => {
                self.discard_snapshot("the log does not hold its last fact");
            }
            None => {
                let progress = self.progress(source);
                let last = progress.trouble.take();
                progress.stopped = Some(last.unwrap_or_else(|| "the reader ended".to_owned()));
            }
        }
    }

    fn progress(&mut self, source: Source) -> &mut Progress {
        match source {
            Source::Log => &mut self.log_progress,
            Source::People => &mut self.people_progress,
        }
    }

    fn take_fact(&mut self, record: &Record) {
        let value = record.value.as_deref().unwrap_or_default();
        if self.unconfirmed {
            let last = self.view.history.entries().last();
            if record.offset == self.offset && last.is_some_and(|last| *last.value == *value) {
                self.unconfirmed = false;
            } else {
                self.discard_snapshot("its last fact is not the one in the log");
            }
            return;
        }
        match self.view.fold(value) {
            Ok(_) => self.offset = record.offset,
            Err(error) => {
                let why = format!("stopped at position {}: {}", error.seq(), chain(&error));
                tracing::error!(
                    seq = error.seq(),
                    error = chain(&error),
                    "projector stopped"
                );
                self.log_progress.stopped = Some(why);
            }
        }
    }

    fn take_person(&mut self, record: &Record) {
        let key = String::from_utf8_lossy(record.key.as_deref().unwrap_or_default());
        if let Err(error) = self.view.fold_person(&key, record.value.as_deref()) {
            tracing::error!(error = chain(&error), "projector stopped reading people");
            self.people_progress.stopped = Some(chain(&error));
        }
    }

    /// Begin anew from the topic.
    fn discard_snapshot(&mut self, why: &str) {
        tracing::warn!(why, "snapshot discarded, reading the whole log");
        let topic = self.config.governance_topic();
        match LogReader::follow(&self.config.cluster, &topic, 0) {
            Ok(log) => self.log = log,
            Err(error) => self.log_progress.stopped = Some(chain(&error)),
        }
        let people = Arc::clone(&self.view.people);
        self.view = View::default();
        self.view.people = people;
        (self.unconfirmed, self.offset, self.snapshot_size) = (false, 0, 0);
        self.log_progress.at_end = false;
        self.log_progress.trouble = None;
    }

    fn publish(&mut self) {
        let wrong = self.log_progress.wrong().or(self.people_progress.wrong());
        let read = self.log_progress.at_end && self.people_progress.at_end && !self.unconfirmed;
        let freshness = match (wrong, read) {
            (Some(why), _) => Freshness::Stale(why.into()),
            (None, true) => Freshness::Live,
            (None, false) => Freshness::Loading,
        };
        // An unconfirmed snapshot is nobody's business, and a view half read would show less than was there before.
        let first = self.views.borrow().freshness == Freshness::Loading;
        if self.unconfirmed || (first && freshness == Freshness::Loading) {
            return;
        }
        self.view.freshness = freshness;
        self.views.send_if_modified(|shown| {
            let same = shown.mesh.size == self.view.mesh.size
                && shown.freshness == self.view.freshness
                && Arc::ptr_eq(&shown.people, &self.view.people);
            if !same {
                *shown = Arc::new(self.view.clone());
            }
            !same
        });
    }

    async fn snapshot_when_due(&mut self) {
        let size = self.view.mesh.size;
        if size.saturating_sub(self.snapshot_size) >= SNAPSHOT_EVERY.max(size / 4) {
            self.write_snapshot().await;
        }
    }

    async fn write_snapshot(&mut self) {
        let Some(path) = self.snapshot.clone().filter(|_| !self.unconfirmed) else {
            return;
        };
        let (mesh, history) = (Arc::clone(&self.view.mesh), Arc::clone(&self.view.history));
        let offset = self.offset;
        let size = mesh.size;
        let work = move || snapshot::write(&path, &history, offset, &mesh.state_hash());
        match tokio::task::spawn_blocking(work).await {
            Ok(Ok(())) => self.snapshot_size = size,
            Ok(Err(error)) => tracing::warn!(error = chain(&error), "snapshot not written"),
            Err(error) => tracing::warn!(error = chain(&error), "snapshot not written"),
        }
    }
}
