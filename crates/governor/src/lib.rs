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
pub mod prepare;
pub mod provision;
pub mod topics;

pub use api::PRINCIPAL_HEADER;
pub use core::{Founding, fold_people};

use crate::core::GovernorCore;
use crate::follow::{Follower, View};
use crate::provision::{Pending, Provisioner, Registrar};
use crate::topics::Topics;
use kafka::{Admin, Cluster, LogReader, LogWriter, LogWriterConfig, Producer, WriterStatus};
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
    /// Who a caller is that names no principal.
    pub default_principal: String,
}

/// The governor cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A topic has settings under which the log would be lost, or the broker cannot be asked.
    #[error(transparent)]
    Admin(#[from] kafka::AdminError),
    /// No Kafka client could be made.
    #[error(transparent)]
    Cluster(#[from] kafka::ClusterError),
    /// A log cannot be followed.
    #[error(transparent)]
    Read(#[from] kafka::ReadError),
}

/// A running governor.
#[derive(Debug)]
pub struct GovernorHandle {
    writer: LogWriter,
    follower: Follower,
    tasks: Vec<JoinHandle<()>>,
    pending: watch::Receiver<Pending>,
    router: axum::Router,
}

/// Start a governor: make or check its topics, join the writers, follow the log, provision.
///
/// # Errors
/// [`StartError`], notably when a topic exists with settings that would lose facts.
pub async fn start(
    config: GovernorConfig,
    registrar: impl Registrar,
) -> Result<GovernorHandle, StartError> {
    let mesh_id = config.founding.mesh_id.clone();
    let topics = Topics::of(&mesh_id);
    let admin = Arc::new(Admin::new(&config.cluster)?);
    admin
        .ensure_topics(&topics.specs(config.replication))
        .await?;
    let follower = Follower::start(&config.cluster, &topics)?;
    let producer = Producer::new(&config.cluster)?;
    let end = admin
        .end_offsets(&topics.outcomes)
        .await?
        .first()
        .map_or(0, |ends| ends.end);
    let reader = LogReader::follow(&config.cluster, &topics.outcomes, end)?;
    let replies = api::Replies::default();
    let (pending_sender, pending) = watch::channel(Pending::new());
    let provisioner = Provisioner {
        admin,
        producer: producer.clone(),
        registrar,
        topics: topics.clone(),
        replication: config.replication,
        view: follower.view(),
        pending: pending_sender,
    };
    let tasks = vec![
        tokio::spawn(replies.clone().follow(reader)),
        tokio::spawn(provisioner.run()),
    ];
    let router = api::router(api::Api {
        producer,
        topics: topics.clone(),
        replies,
        view: follower.view(),
        ends: follower.ends(),
        default_principal: config.default_principal,
    });
    let identity = format!("{mesh_id}.governor");
    let writer = LogWriter::spawn(
        LogWriterConfig {
            cluster: config.cluster,
            group: identity.clone(),
            transactional_id: identity,
            primary_request_topic: topics.proposals.clone(),
            log_topics: vec![topics.governance.clone(), topics.people.clone()],
        },
        GovernorCore::new(topics, config.founding),
    );
    Ok(GovernorHandle {
        writer,
        follower,
        tasks,
        pending,
        router,
    })
}

impl GovernorHandle {
    /// `POST /api/v1/proposals`.
    pub fn router(&self) -> axum::Router {
        self.router.clone()
    }

    /// The governance state, and every change of it.
    pub fn view(&self) -> watch::Receiver<View> {
        self.follower.view()
    }

    /// For end-of-log reads.
    pub fn ends(&self) -> follow::Ends {
        self.follower.ends()
    }

    /// What is not provisioned yet, and why.
    pub fn pending(&self) -> watch::Receiver<Pending> {
        self.pending.clone()
    }

    /// What this instance's writer is doing.
    pub fn writer(&self) -> watch::Receiver<WriterStatus> {
        self.writer.status()
    }

    /// Wait until the mesh is founded and this instance has read the log.
    pub async fn ready(&self) {
        let mut view = self.follower.view();
        // The sender lives as long as the follower, which we hold.
        drop(view.wait_for(|view| view.mesh.founded.is_some()).await);
    }

    /// Stop: no new proposals, the writer leaves its group so that another takes over at once.
    pub async fn stop(self) {
        for task in &self.tasks {
            task.abort();
        }
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
