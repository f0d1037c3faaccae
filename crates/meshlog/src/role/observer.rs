//! `meshlog observer`: measures what contracts promise. Each instance of a mesh has a number of its own; they share the
//! partitions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ::enforcer::parse_progress;
use ::governor::follow::{Follower, View};
use ::observer::{Observer, ObserverConfig, Watched, WatchedPort};
use anyhow::Context;
use contract::document::odcs::Odcs;
use contract::document::{Document, parse};
use contract::sla::{EventReader, Meter, Objective, event_times, objectives};
use governance::mesh::{Mesh, Port};
use kafka::Cluster;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::force::Part;
use super::{Ready, RoleArgs, follow, stopped, usage};
use crate::config::Config;
use crate::output::Format;
use crate::up::stop_signal;

/// Shortest window: a commit takes milliseconds, and each is a record.
const SHORTEST: u64 = 1;
/// Longest window: breaches would come too late to be of use.
const LONGEST: u64 = 3600;

/// How an observer is told.
#[derive(Debug, clap::Args)]
pub(crate) struct ObserverArgs {
    #[command(flatten)]
    pub(crate) role: RoleArgs,
    /// Which of the mesh's observers this is: 0, 1, 2 …; of two with one number, one stands by
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    slot: u32,
}

/// Runs an observer until it is told to stop.
pub(crate) async fn run(args: ObserverArgs, format: Format) -> anyhow::Result<()> {
    let mut stop = stop_signal()?;
    let (config, cluster) = args.role.load()?;
    let window = window(&config)?;
    let begun = async {
        let follower = follow(&cluster, &config.mesh.id).await?;
        let plan = plan(&cluster, &config.mesh.id, args.slot, window);
        let observing = Observing::start(plan, &follower).await?;
        anyhow::Ok((follower, observing))
    };
    let (follower, observing) = tokio::select! {
        begun = begun => begun?,
        _ = stop.changed() => return Ok(()),
    };
    Ready {
        role: "observer",
        mesh: &config.mesh.id,
        cluster: &cluster,
        more: &[("slot", args.slot.into())],
    }
    .announce(format)?;
    stopped(&mut stop).await;
    observing.stop().await;
    follower.stop();
    Ok(())
}

/// The configured length of a window.
pub(crate) fn window(config: &Config) -> anyhow::Result<Duration> {
    let seconds = config.observer.window_seconds;
    if (SHORTEST..=LONGEST).contains(&seconds) {
        return Ok(Duration::from_secs(seconds));
    }
    Err(usage(format!(
        "observer.window_seconds is {seconds}, expected {SHORTEST} to {LONGEST}"
    )))
}

/// What an observer is told.
pub(crate) fn plan(cluster: &Cluster, mesh: &str, slot: u32, window: Duration) -> ObserverConfig {
    let counts = |text: &str| {
        let progress = parse_progress(text).ok()?;
        Some((progress.accepted, progress.quarantined))
    };
    ObserverConfig {
        cluster: cluster.clone(),
        mesh: mesh.to_owned(),
        slot,
        window,
        counts: Arc::new(counts),
        clock,
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the observer's clock says when events arrive; it never decides a verdict"
)]
fn clock() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}

/// An observer, and what tells it which ports are in force.
pub(crate) struct Observing {
    observer: Observer,
    publisher: JoinHandle<()>,
}

impl Observing {
    /// Start measuring what the follower knows, now and from now on.
    pub(crate) async fn start(plan: ObserverConfig, follower: &Follower) -> anyhow::Result<Self> {
        let (sender, watched) = watch::channel(Arc::new(Watched::default()));
        let publisher = tokio::spawn(publish(follower.view(), sender));
        let observer = Observer::start(plan, watched).await;
        Ok(Self {
            observer: observer.context("the observer cannot start")?,
            publisher,
        })
    }

    /// Leave.
    pub(crate) async fn stop(self) {
        let observer = self.observer;
        if let Err(error) = tokio::task::spawn_blocking(move || observer.stop()).await {
            tracing::error!(%error, "the observer's stop panicked");
        }
        self.publisher.abort();
    }
}

/// What a port's contract says, by the number of activations it was made from: they are only ever added.
type Compiled = BTreeMap<String, (usize, Promised)>;

/// What is measured of a port, and how.
#[derive(Clone)]
struct Promised {
    version: String,
    objectives: Vec<Objective>,
    meter: Arc<Meter>,
}

/// Publish what is watched for each new state, until the view or the receivers are gone.
async fn publish(mut view: watch::Receiver<View>, sender: watch::Sender<Arc<Watched>>) {
    let mut compiled = Compiled::new();
    loop {
        let mesh = Arc::clone(&view.borrow_and_update().mesh);
        let ports = mesh.ports.values();
        let ports = ports.filter_map(|port| watched(&mesh, port, &mut compiled));
        let ports = ports.map(|port| (port.address.clone(), Arc::new(port)));
        sender.send_replace(Arc::new(Watched {
            ports: ports.collect(),
        }));
        if view.changed().await.is_err() || sender.is_closed() {
            return;
        }
    }
}

fn watched(mesh: &Mesh, port: &Port, compiled: &mut Compiled) -> Option<WatchedPort> {
    let body = &port.opened.state;
    let known = compiled.get(&body.address);
    let known = known.filter(|(count, _)| *count == port.activations.len());
    let promised = match known {
        Some((_, promised)) => promised.clone(),
        None => {
            let promised = promised(mesh, port)?;
            let entry = (port.activations.len(), promised.clone());
            compiled.insert(body.address.clone(), entry);
            promised
        }
    };
    Some(WatchedPort {
        address: body.address.clone(),
        inbox: body.inbox.clone(),
        partitions: body.partitions,
        version: promised.version,
        objectives: promised.objectives,
        meter: promised.meter,
        breaches: port.breaches.keys().cloned().collect(),
    })
}

/// What the version in force promises; `None` where there is none, or it cannot be read by this build.
fn promised(mesh: &Mesh, port: &Port) -> Option<Promised> {
    let body = &port.opened.state;
    let contract = mesh.contracts.get(&body.contract_id)?;
    let parts = port
        .activations
        .iter()
        .filter_map(|it| Part::of(contract, it)?.ok());
    let parts: Vec<Part<'_>> = parts.collect();
    let active = parts.last()?;
    let versions: Vec<_> = parts.iter().map(Part::as_active).collect();
    let odcs = odcs(&active.state.document);
    let sla = odcs
        .as_ref()
        .map(|odcs| odcs.sla_properties.clone())
        .unwrap_or_default();
    let fields = odcs.and_then(|odcs| contract::spec::derive(&odcs, &active.state.files).ok());
    let fields = fields.map(|spec| spec.fields).unwrap_or_default();
    let times = event_times(active.settings.event_time.as_deref(), &sla, &fields);
    let meter = EventReader::compile(&versions)
        .map_err(|error| error.to_string())
        .and_then(|reader| {
            let key = &active.key.properties;
            let meter = Meter::compile(reader, &active.rules, key, &times);
            meter.map_err(|error| error.to_string())
        })
        .inspect_err(|error| {
            tracing::error!(port = %body.address, error, "a port cannot be measured");
        })
        .ok()?;
    Some(Promised {
        version: active.state.version.clone(),
        objectives: objectives(&sla, &active.rules),
        meter: Arc::new(meter),
    })
}

fn odcs(text: &str) -> Option<Odcs> {
    let documents = parse("contract", text).ok()?;
    documents
        .into_iter()
        .find_map(|sourced| match sourced.document {
            Document::Contract(odcs) => Some(*odcs),
            Document::Domain(_) | Document::Team(_) | Document::Product(_) => None,
        })
}
