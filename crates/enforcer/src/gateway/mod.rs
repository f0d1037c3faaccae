//! The HTTP gateway: `POST /api/v1/ports/{port}/events`, JSON in, events in the port's inbox.
//!
//! ```text
//! request ─▶ headers, request (limits) ─▶ split (texts of events) ─▶ posted (what to write) ─▶ judge (the enforcer's judge, on the bytes to be written)
//!    without a key ─▶ producer ──▶ inbox                  ─▶ answer (202, 422, 207, problems)
//!    with a key ─▶ keyed ──one transaction──▶ inbox, `<mesh>.idempotency` ──▶ remembered (the answers of a day)
//! ```
//!
//! The gateway decides nothing by itself: an event that it accepts goes to the inbox as any client's would, and the
//! enforcer judges it. Its own verdict is that of the same rules on the same bytes, so that a sender hears at once.

mod answer;
mod headers;
mod judge;
mod keyed;
mod metrics;
mod posted;
mod remembered;
mod request;
mod split;
mod traced;

use crate::force::Snapshot;
use axum::Router;
use axum::http::HeaderMap;
use axum::routing::post;
use contract::address::PortAddress;
use kafka::{Admin, Cluster, LogReader, Producer, StartError};
use keyed::{Job, KeyedWriter};
use metrics::Metrics;
use remembered::Keys;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinHandle;

/// What a gateway takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Longest body, in bytes.
    pub request_bytes: u32,
    /// Most events in a request.
    pub events: usize,
    /// Most requests at a time.
    pub requests: usize,
    /// Most bytes of bodies at a time; at least one longest body.
    pub bytes: u32,
    /// How long brokers have to acknowledge an event.
    pub acknowledge: Duration,
    /// How long a body may take to arrive, and an answer to be given.
    pub time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_bytes: 1_000_000,
            events: 1_000,
            requests: 256,
            bytes: 64_000_000,
            acknowledge: Duration::from_secs(10),
            time: Duration::from_secs(30),
        }
    }
}

/// Why a caller may not post to a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotAdmitted {
    /// The request does not say properly who asks.
    Malformed(String),
    /// The caller may not act for the port's domain.
    Forbidden(String),
}

/// Tells whether a caller may post to a port.
pub type Admit = Arc<dyn Fn(&HeaderMap, &PortAddress) -> Result<(), NotAdmitted> + Send + Sync>;

/// What a gateway needs to know.
#[derive(Clone)]
pub struct GatewayConfig {
    /// The cluster.
    pub cluster: Cluster,
    /// The mesh id, which prefixes the topic of keys and the transactional id.
    pub mesh: String,
    /// What it takes.
    pub limits: Limits,
    /// Who may post.
    pub admit: Admit,
}

impl fmt::Debug for GatewayConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatewayConfig")
            .field("mesh", &self.mesh)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// What requests share.
struct Inner {
    view: watch::Receiver<Arc<Snapshot>>,
    limits: Limits,
    admit: Admit,
    producer: Producer,
    keyed: mpsc::Sender<Job>,
    keys: Keys,
    requests: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    metrics: Metrics,
    ids: Ids,
}

/// Ids for events that come without one.
struct Ids {
    /// Of this instance, drawn when it starts.
    instance: String,
    count: AtomicU64,
}

impl Ids {
    fn new() -> Self {
        let mut bytes = [0; 8];
        // Without randomness the time of the start tells instances apart.
        if getrandom::fill(&mut bytes).is_err() {
            bytes = now_ms().to_be_bytes();
        }
        Self {
            instance: bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
            count: AtomicU64::new(0),
        }
    }

    /// What begins the ids of one request's events: of its key, so that a repeated request names the same events.
    fn of(&self, key: Option<&str>) -> String {
        match key {
            Some(key) => format!("key-{key}"),
            None => {
                let count = self.count.fetch_add(1, Ordering::Relaxed);
                format!("{}-{count}", self.instance)
            }
        }
    }
}

/// A running gateway.
pub struct Gateway {
    inner: Arc<Inner>,
    following: JoinHandle<()>,
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").finish_non_exhaustive()
    }
}

impl Gateway {
    /// Take events for the ports of a view.
    ///
    /// # Errors
    /// [`StartError`], notably while the topic of idempotency keys is not there: a governor makes it.
    pub async fn start(
        config: GatewayConfig,
        view: watch::Receiver<Arc<Snapshot>>,
    ) -> Result<Self, StartError> {
        let GatewayConfig {
            cluster,
            mesh,
            limits,
            admit,
        } = config;
        let topic = format!("{mesh}.idempotency");
        let admin = Admin::new(&cluster)?;
        admin.end_offsets(&topic).await?;
        let producer = Producer::within(&cluster, limits.acknowledge)?;
        let reader = LogReader::follow(&cluster, &topic, 0)?;
        let keys = Keys::default();
        let writer = KeyedWriter {
            admin,
            topic,
            transactional_id: format!("{mesh}.gateway"),
            keys: keys.clone(),
            ends: reader.end_requester(),
            runtime: tokio::runtime::Handle::current(),
            producer: None,
            cluster,
        };
        let (sender, jobs) = mpsc::channel(limits.requests.max(1));
        // Ends with the last sender; a broker that does not answer may hold it up, so nobody waits for it.
        std::thread::Builder::new()
            .name("gateway-keys".to_owned())
            .spawn(move || writer.run(jobs))
            .expect("the system can start one more thread");
        let inner = Inner {
            view,
            admit,
            producer,
            keyed: sender,
            keys: keys.clone(),
            requests: Arc::new(Semaphore::new(limits.requests)),
            bytes: Arc::new(Semaphore::new(
                limits.bytes.max(limits.request_bytes) as usize
            )),
            metrics: Metrics::default(),
            ids: Ids::new(),
            limits,
        };
        Ok(Self {
            inner: Arc::new(inner),
            following: tokio::spawn(keys.follow(reader)),
        })
    }

    /// `POST /api/v1/ports/{port}/events`.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/api/v1/ports/{port}/events", post(request::post))
            .with_state(Arc::clone(&self.inner))
    }

    /// The text of its metrics, without the mark that ends an exposition.
    pub fn metrics(&self) -> Arc<dyn Fn() -> String + Send + Sync> {
        let inner = Arc::clone(&self.inner);
        Arc::new(move || inner.metrics.text())
    }

    /// Take no more.
    pub fn stop(self) {
        self.following.abort();
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the age of an idempotency key is counted from the broker's time of its record"
)]
fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let millis = since.unwrap_or_default().as_millis();
    i64::try_from(millis).unwrap_or(i64::MAX)
}
