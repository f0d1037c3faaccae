//! The control path's service: proposals in, facts out, and what the facts ask for brought about.
//!
//! ```text
//!  POST /api/v1/proposals ──api──▶ mesh.proposals ─┐
//!  a domain's own client ──▶ <domain>.proposals ───┴▶ core (kafka::LogWriter) ──▶ mesh.governance, people, outcomes
//!                                                         prepare, governance::decide          │
//!            provision ◀── follow (governance::log::fold) ◀────────────────────────────────────┘
//!            topics, schemas, contract.version.activated
//! ```
//!
//! Reading order: [`topics`], [`prepare`], `core`, [`follow`], [`provision`], `api`.

mod api;
mod core;
pub mod follow;
mod metrics;
pub mod prepare;
pub mod provision;
pub mod topics;
mod traced;

pub use api::{PRINCIPAL_HEADER, Proposals, principal_of};
pub use core::{Founding, fold_people};

use crate::core::GovernorCore;
use crate::follow::Follower;
use crate::metrics::Decided;
use crate::provision::{Pending, Provisioner, Registrar};
use crate::topics::Topics;
use kafka::{Admin, Cluster, LogWriter, LogWriterConfig, Producer, StartError, WriterStatus};
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What a governor needs to know.
#[derive(Debug)]
pub struct GovernorConfig {
    /// The Kafka cluster.
    pub cluster: Cluster,
    /// What a new mesh begins with; its id is the mesh's.
    pub founding: Founding,
    /// Replication factor of topics that are created; -1 is the broker's default.
    pub replication: i32,
}

/// A running governor.
#[derive(Debug)]
pub struct GovernorHandle {
    writer: LogWriter,
    follower: Follower,
    provisioning: JoinHandle<()>,
    pending: watch::Receiver<Pending>,
    decided: Arc<Decided>,
}

/// Start a governor: make or check its topics, join the writers, follow the log, provision.
///
/// # Errors
/// [`StartError`], notably when a topic exists with settings that would lose facts.
pub async fn start(
    config: GovernorConfig,
    registrar: impl Registrar,
) -> Result<GovernorHandle, StartError> {
    let topics = Topics::of(&config.founding.mesh_id);
    let admin = Arc::new(Admin::new(&config.cluster)?);
    admin
        .ensure_topics(&topics.specs(config.replication))
        .await?;
    let follower = Follower::start(&config.cluster, &topics)?;
    let (pending_sender, pending) = watch::channel(Pending::new());
    let provisioner = Provisioner {
        admin,
        producer: Producer::new(&config.cluster)?,
        registrar,
        topics: topics.clone(),
        replication: config.replication,
        view: follower.view(),
        pending: pending_sender,
    };
    let provisioning = tokio::spawn(provisioner.run());
    let decided = Arc::<Decided>::default();
    let identity = format!("{}.governor", config.founding.mesh_id);
    let told = LogWriterConfig {
        cluster: config.cluster,
        group: identity.clone(),
        transactional_id: identity,
        primary_request_topic: topics.proposals.clone(),
        log_topics: vec![topics.governance.clone(), topics.people.clone()],
    };
    let core = GovernorCore::new(topics, config.founding).counting(Arc::clone(&decided));
    let writer = LogWriter::spawn(told, core);
    Ok(GovernorHandle {
        writer,
        follower,
        provisioning,
        pending,
        decided,
    })
}

impl GovernorHandle {
    /// The governance state, followed.
    pub fn follower(&self) -> &Follower {
        &self.follower
    }

    /// What is not provisioned yet, and why.
    pub fn pending(&self) -> watch::Receiver<Pending> {
        self.pending.clone()
    }

    /// The text of its metrics.
    pub fn metrics(&self) -> Arc<dyn Fn() -> String + Send + Sync> {
        let (decided, writer) = (Arc::clone(&self.decided), self.writer.status());
        let (view, pending) = (self.follower.view(), self.pending.clone());
        Arc::new(move || {
            metrics::text(
                &decided,
                &writer.borrow(),
                &view.borrow(),
                &pending.borrow(),
            )
        })
    }

    /// What this instance's writer is doing.
    pub fn writer(&self) -> watch::Receiver<WriterStatus> {
        self.writer.status()
    }

    /// Why this instance's writer has ended for good, once it has: the log is not as it must be, and a human has to look.
    pub async fn ended(&self) -> String {
        self.writer.ended().await
    }

    /// Wait until the mesh is founded and this instance has read the log.
    pub async fn ready(&self) {
        self.follower.founded().await;
    }

    /// Stop: no new proposals, the writer leaves its group so that another takes over at once.
    pub async fn stop(self) {
        self.provisioning.abort();
        self.follower.stop();
        let writer = self.writer;
        if tokio::task::spawn_blocking(move || writer.stop())
            .await
            .is_err()
        {
            tracing::warn!("the governance log's writer did not stop cleanly");
        }
    }
}
