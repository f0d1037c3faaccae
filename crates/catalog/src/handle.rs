//! Starting and stopping, and what others in the same process ask of the view.

use crate::api::Site;
use crate::config::CatalogConfig;
use crate::projector::Projector;
use crate::stats::KafkaStats;
use crate::view::{Freshness, View};
use axum::Router;
use kafka::{AdminError, ReadError};
use std::sync::Arc;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

/// The catalog cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The logs cannot be followed.
    #[error("cannot follow the mesh's logs")]
    Read(#[from] ReadError),
    /// The cluster cannot be administrated.
    #[error("cannot ask the cluster about positions")]
    Admin(#[from] Box<AdminError>),
    /// The projector's first step panicked.
    #[error("the projector did not start")]
    Panicked(#[from] tokio::task::JoinError),
}

/// The projector is gone: the process is stopping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the projector has stopped")]
pub struct Gone;

/// The view, followed. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Views(watch::Receiver<Arc<View>>);

impl Views {
    /// Views that somebody else publishes: tests, previews.
    pub fn new(receiver: watch::Receiver<Arc<View>>) -> Self {
        Self(receiver)
    }

    /// The view as it is now.
    pub fn now(&self) -> Arc<View> {
        Arc::clone(&self.0.borrow())
    }

    /// A receiver that tells of each new view.
    pub fn watch(&self) -> watch::Receiver<Arc<View>> {
        self.0.clone()
    }

    /// The first view that holds the fact at `seq`: read your own writes.
    ///
    /// # Errors
    /// [`Gone`] when the process stops meanwhile.
    pub async fn reached(&self, seq: u64) -> Result<Arc<View>, Gone> {
        self.when(|view| view.mesh.size > seq).await
    }

    /// The first view for which something holds.
    ///
    /// # Errors
    /// [`Gone`] when the process stops meanwhile.
    pub async fn when(&self, holds: impl Fn(&View) -> bool) -> Result<Arc<View>, Gone> {
        let mut receiver = self.0.clone();
        let found = receiver
            .wait_for(|view| holds(view))
            .await
            .map_err(|_| Gone)?;
        Ok(Arc::clone(&found))
    }

    /// The first view of a log that was read to its end.
    ///
    /// # Errors
    /// [`Gone`] when the process stops meanwhile.
    pub async fn ready(&self) -> Result<Arc<View>, Gone> {
        self.when(|view| view.freshness == Freshness::Live && view.position().is_some())
            .await
    }
}

/// A running catalog.
#[derive(Debug)]
pub struct CatalogHandle {
    views: Views,
    site: Site,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
    following: JoinHandle<()>,
}

/// Start following the mesh. Returns before the log is read; see [`Views::ready`].
///
/// # Errors
/// [`StartError`] when no Kafka client can be made. Brokers that are away are waited for.
pub async fn start(config: CatalogConfig) -> Result<CatalogHandle, StartError> {
    let (sender, receiver) = watch::channel(Arc::new(View::default()));
    let views = Views(receiver);
    let stats = KafkaStats::new(&config)?;
    let (cluster, observations) = (config.cluster.clone(), config.observations_topic());
    let (shown, hooks) = (config.shown.clone(), config.hooks.clone());
    let site = Site::new(views.clone(), shown, hooks, Arc::new(stats));
    let observed = site.observed().clone();
    let following = tokio::spawn(observed.follow(cluster, observations, now_ms));
    // Folding a snapshot takes as long as it has facts.
    let projector = tokio::task::spawn_blocking(move || Projector::new(config, sender)).await??;
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(projector.run(stopped));
    Ok(CatalogHandle {
        views,
        site,
        stop,
        task,
        following,
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "says how far back windows are read; no fact holds it"
)]
fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

impl CatalogHandle {
    /// The view as it is now.
    pub fn view(&self) -> Arc<View> {
        self.views.now()
    }

    /// The view, followed.
    pub fn views(&self) -> Views {
        self.views.clone()
    }

    /// API and pages.
    pub fn router(&self) -> Router {
        self.site.router()
    }

    /// Stop following and leave a snapshot behind.
    pub async fn stop(self) {
        self.following.abort();
        if self.stop.send(()).is_err() {
            tracing::warn!("the projector had stopped before");
        }
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the projector failed");
        }
    }
}
