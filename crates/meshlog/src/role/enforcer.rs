//! `meshlog enforcer`: judges what comes into the inboxes. Each instance of a mesh has a number of its own; they share the
//! partitions.

use std::sync::Arc;
use std::time::Duration;

use ::enforcer::data_path::Limits;
use ::enforcer::{BreakerLimits, Enforcer, EnforcerConfig, Snapshot};
use ::governor::follow::Follower;
use anyhow::Context;
use kafka::Cluster;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::breaker::Recorder;
use super::force::{self, Catch};
use super::metrics::{Door, MetricsArgs};
use super::{Ready, RoleArgs, follow, usage};
use crate::config;
use crate::output::Format;
use crate::up::stop_signal;

/// How an enforcer is told.
#[derive(Debug, clap::Args)]
pub(crate) struct EnforcerArgs {
    #[command(flatten)]
    pub(crate) role: RoleArgs,
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
    let breaker = told(&config.enforcer)?;
    let door = Door::open(&config, &args.metrics).await?;
    let begun = async {
        let follower = follow(&cluster, &config.mesh.id).await?;
        let slot = (args.slot, breaker);
        let enforcing = Enforcing::start(&cluster, &config.mesh.id, slot, &follower)?;
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
    recorder: Option<JoinHandle<()>>,
}

impl Enforcing {
    /// Start judging by what the follower knows, now and from now on.
    pub(crate) fn start(
        cluster: &Cluster,
        mesh: &str,
        (slot, breaker): (u32, BreakerLimits),
        follower: &Follower,
    ) -> anyhow::Result<Self> {
        let (sender, snapshots) = watch::channel(Arc::new(Snapshot::default()));
        let publisher = tokio::spawn(force::publish(follower.view(), sender));
        let catch = Catch {
            ends: follower.ends(),
            snapshots: snapshots.clone(),
            runtime: tokio::runtime::Handle::current(),
        };
        let limits = Limits {
            breaker,
            ..Limits::default()
        };
        let config = EnforcerConfig {
            slot,
            limits,
            ..EnforcerConfig::new(cluster.clone(), mesh)
        };
        let mut enforcer = Enforcer::spawn(config, snapshots.clone(), catch)
            .context("the enforcer cannot start")?;
        let recorder = Recorder::new(cluster, mesh, follower.view(), snapshots.clone())?;
        let acts = enforcer.take_acts();
        let recorder = acts.map(|acts| tokio::spawn(recorder.run(acts)));
        Ok(Self {
            enforcer,
            snapshots,
            publisher,
            recorder,
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
        self.recorder.inspect(JoinHandle::abort);
    }
}

/// What an enforcer is told by the configuration.
///
/// # Errors
/// Figures that mean nothing.
pub(crate) fn told(config: &config::Enforcer) -> anyhow::Result<BreakerLimits> {
    let breaker = &config.breaker;
    if breaker.minimum == 0 || breaker.minimum > breaker.window {
        let (minimum, window) = (breaker.minimum, breaker.window);
        return Err(usage(format!(
            "enforcer.breaker.minimum is {minimum}, expected 1 up to enforcer.breaker.window, which is {window}"
        )));
    }
    if !(1..=100).contains(&breaker.share) {
        let share = breaker.share;
        return Err(usage(format!(
            "enforcer.breaker.share is {share}, expected 1 to 100 percent; 100 switches the circuit breaker off"
        )));
    }
    Ok(BreakerLimits {
        window: u64::from(breaker.window),
        minimum: u64::from(breaker.minimum),
        share: u64::from(breaker.share),
        cool_down: Duration::from_secs(breaker.cool_down_seconds.max(1)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_that_mean_nothing_are_refused() {
        let breaker = config::Breaker {
            window: 1_000,
            minimum: 100,
            share: 50,
            cool_down_seconds: 10,
        };
        let with = |breaker: config::Breaker| told(&config::Enforcer { breaker });
        let limits = with(breaker.clone()).expect("the defaults");
        assert_eq!(limits, BreakerLimits::default());
        let change = |change: fn(&mut config::Breaker)| {
            let mut changed = breaker.clone();
            change(&mut changed);
            with(changed)
        };
        assert!(change(|breaker| breaker.minimum = 1_001).is_err());
        assert!(change(|breaker| breaker.minimum = 0).is_err());
        assert!(change(|breaker| breaker.share = 101).is_err());
        assert!(change(|breaker| breaker.share = 100).is_ok());
    }
}
