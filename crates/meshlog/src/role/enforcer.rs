//! `meshlog enforcer`: judges what comes into the inboxes. Each instance of a mesh has a number of its own; they share the
//! partitions.

use std::sync::Arc;

use ::enforcer::{Enforcer, EnforcerConfig, Snapshot};
use ::governor::follow::Follower;
use anyhow::Context;
use kafka::Cluster;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::force::{self, Catch};
use super::metrics::{Door, MetricsArgs};
use super::{Ready, RoleArgs, follow};
use crate::output::Format;
use crate::up::stop_signal;

/// How an enforcer is told.
#[derive(Debug, clap::Args)]
pub(crate) struct EnforcerArgs {
    #[command(flatten)]
    role: RoleArgs,
    #[command(flatten)]
    metrics: MetricsArgs,
    /// Which of the mesh's enforcers this is: 0, 1, 2 …; of two with one number, one stands by
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    slot: u32,
}

/// Runs an enforcer until it is told to stop.
pub(crate) async fn run(args: EnforcerArgs, format: Format) -> anyhow::Result<()> {
    let mut stop = stop_signal()?;
    let (config, cluster) = args.role.load()?;
    let door = Door::open(&config, &args.metrics).await?;
    let begun = async {
        let follower = follow(&cluster, &config.mesh.id).await?;
        let enforcing = Enforcing::start(&cluster, &config.mesh.id, args.slot, &follower)?;
        anyhow::Ok((follower, enforcing))
    };
    let (follower, enforcing) = tokio::select! {
        begun = begun => begun?,
        _ = stop.changed() => return Ok(()),
    };
    let url = door.url().map(|url| ("metrics", Value::from(url)));
    let slot = ("slot", Value::from(args.slot));
    let more: Vec<(&str, Value)> = [slot].into_iter().chain(url).collect();
    Ready {
        role: "enforcer",
        mesh: &config.mesh.id,
        cluster: &cluster,
        more: &more,
    }
    .announce(format)?;
    door.serve(enforcing.enforcer.metrics(), &mut stop).await;
    enforcing.stop().await;
    follower.stop();
    Ok(())
}

/// An enforcer, and what tells it which contracts are in force.
pub(crate) struct Enforcing {
    pub(crate) enforcer: Enforcer,
    /// The contracts in force, as it judges by them.
    pub(crate) snapshots: watch::Receiver<Arc<Snapshot>>,
    publisher: JoinHandle<()>,
}

impl Enforcing {
    /// Start judging by what the follower knows, now and from now on.
    pub(crate) fn start(
        cluster: &Cluster,
        mesh: &str,
        slot: u32,
        follower: &Follower,
    ) -> anyhow::Result<Self> {
        let (sender, snapshots) = watch::channel(Arc::new(Snapshot::default()));
        let publisher = tokio::spawn(force::publish(follower.view(), sender));
        let catch = Catch {
            ends: follower.ends(),
            snapshots: snapshots.clone(),
            runtime: tokio::runtime::Handle::current(),
        };
        let config = EnforcerConfig {
            slot,
            ..EnforcerConfig::new(cluster.clone(), mesh)
        };
        let enforcer = Enforcer::spawn(config, snapshots.clone(), catch)
            .context("the enforcer cannot start")?;
        Ok(Self {
            enforcer,
            snapshots,
            publisher,
        })
    }

    /// Commit what is open and leave.
    pub(crate) async fn stop(self) {
        let enforcer = self.enforcer;
        match tokio::task::spawn_blocking(move || enforcer.stop()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the enforcer is still stopping"),
            Err(error) => tracing::error!(%error, "the enforcer's stop panicked"),
        }
        self.publisher.abort();
    }
}
