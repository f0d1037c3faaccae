//! `meshlog demo`: a mesh, and three domains at work on it as ordinary Kafka clients.
//!
//! ```text
//! world ─▶ conversations ──JSON──▶ ┐            ┌▶ ai: reads both, publishes scores (Avro)
//!       └▶ billing ───────Avro──▶ ┴─ enforcer ─┤
//!                                               └▶ quarantine: what broke its contract
//! ```

mod ai;
mod billing;
mod conversations;
mod documents;
mod world;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use kafka::{Cluster, Outgoing, Producer};
use schema_registry_converter::async_impl::schema_registry::SrSettings;
use serde_json::{Value, json};

use crate::client::{Client, DryRun, Status, Target};
use crate::cmd::{ports_open, propose};
use crate::output::{self, Format};
use crate::up::{Running, UpArgs, stop_signal};
use ai::Ai;
use billing::Billing;
use conversations::{Made, messages};
use world::{Dice, World, now};

/// Between two turns of a conversation: gentle, and enough to see things move.
const PAUSE: Duration = Duration::from_millis(250);
/// How often the AI domain looks whether a window has ended.
const LOOK: Duration = Duration::from_secs(1);
/// How long a counted demo waits until everything has been judged and read.
const SETTLE: Duration = Duration::from_secs(60);

/// Options of `demo`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct DemoArgs {
    /// Where data, ports and keys are kept
    #[arg(long, value_name = "DIR", default_value = ".meshlog-demo")]
    dir: PathBuf,
    /// An existing Kafka cluster; otherwise one is started as a child process
    #[arg(long, value_name = "HOST:PORT")]
    bootstrap_servers: Option<String>,
    /// Port of the Kafka of our own; 0 picks a free one
    #[arg(long, value_name = "PORT", default_value_t = 9092)]
    kafka_port: u16,
    /// Port of the schema registry; 0 picks a free one
    #[arg(long, value_name = "PORT", default_value_t = 8081)]
    registry_port: u16,
    /// Port of the API and the pages; 0 picks a free one
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    http_port: u16,
    /// How results are printed
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
    /// End after about this many events and print counts
    #[arg(long, hide = true)]
    events: Option<u64>,
}

impl DemoArgs {
    fn up(&self) -> UpArgs {
        UpArgs {
            dir: self.dir.clone(),
            bootstrap_servers: self.bootstrap_servers.clone(),
            kafka_port: self.kafka_port,
            registry_port: self.registry_port,
            http_port: self.http_port,
            admin: None,
            output: self.output,
        }
    }
}

/// Runs the demo until it is told to stop.
pub(crate) async fn run(args: DemoArgs) -> anyhow::Result<()> {
    let mut stop = stop_signal()?;
    let running = tokio::select! {
        running = Running::start(args.up()) => running?,
        _ = stop.changed() => return Ok(()),
    };
    running.announce(args.output)?;
    let shown = tokio::select! {
        shown = show(&running, &args) => shown,
        // An error means that the sender is gone, which is a stop too.
        _ = stop.changed() => Ok(()),
    };
    eprintln!("meshlog: stopping");
    running.stop().await?;
    shown
}

async fn show(running: &Running, args: &DemoArgs) -> anyhow::Result<()> {
    let target = Target {
        http: Some(running.http.clone()),
        ..Target::default()
    };
    let client = Client::new(&target)?;
    govern(&client).await?;
    let mut demo = Demo::start(running, client).await?;
    if args.events.is_none() && args.output == Format::Table {
        output::line(guide(&running.http))?;
    }
    demo.work(args.events).await?;
    let counts = demo.settled().await?;
    output::list(args.output, COUNTS, &counts)?;
    Ok(())
}

const COUNTS: &[output::Column] = &[
    ("port", "port"),
    ("sent", "sent"),
    ("broken", "broken"),
    ("accepted", "accepted"),
    ("quarantined", "quarantined"),
];

/// The domains describe themselves; then one proposes what its consumers could not follow.
async fn govern(client: &Client) -> anyhow::Result<()> {
    let answer = propose(client, &documents::domains(), DryRun::No).await?;
    match answer.status() {
        Status::Accepted => ports_open(client, &answer).await?,
        Status::Unchanged => {}
        Status::Rejected | Status::Pending => {
            anyhow::bail!("the demo's own documents are not accepted: {}", answer.raw);
        }
    }
    let refused = propose(client, &documents::refused(), DryRun::No).await?;
    anyhow::ensure!(
        refused.status() == Status::Rejected,
        "a breaking change was not refused"
    );
    let way_out = refused
        .reasons
        .first()
        .map(|reason| reason.way_out.as_str())
        .unwrap_or_default();
    eprintln!("conversations proposed a change that breaks its consumers; refused: {way_out}");
    Ok(())
}

/// What to look at.
fn guide(http: &str) -> String {
    let (messages, usage, scores) = (conversations::PORT, billing::PORT, ai::PORT);
    format!(
        "Three domains are at work: conversations and billing emit events, a few of a hundred break their contract; ai\n\
         reads both and publishes scores. Ctrl-C ends it. In a second terminal (export MESHLOG_HTTP={http}):\n\
         \x20 the catalog          {http}/\n\
         \x20 a derived product    {http}/products/ai/model-performance\n\
         \x20 events as they come  meshlog consume {messages} --follow\n\
         \x20 scores, decoded      meshlog consume {scores}\n\
         \x20 counts               meshlog port stats {usage}\n\
         \x20 what was kept out    meshlog quarantine stats {messages}\n\
         \x20 the refused change   meshlog audit log --outcome rejected\n\
         \x20 check the log        meshlog audit verify"
    )
}

/// What a domain sent.
#[derive(Debug, Clone, Copy, Default)]
struct Sent {
    events: u64,
    broken: u64,
}

/// The domains at work.
struct Demo {
    client: Client,
    producer: Producer,
    world: World,
    dice: Dice,
    billing: Billing,
    ai: Ai,
    /// Events that the AI domain has read.
    read: Arc<AtomicU64>,
    /// What each port had before, and what was sent to it since.
    ports: Vec<(&'static str, Counts, Sent)>,
}

/// What `port stats` says.
#[derive(Debug, Clone, Copy, Default, serde::Deserialize)]
struct Counts {
    inbox: u64,
    accepted: u64,
    quarantined: u64,
    lag: u64,
}

/// The inbox of a port of the examples.
fn inbox(port: &str) -> String {
    format!("{port}.inbox")
}

impl Demo {
    async fn start(running: &Running, client: Client) -> anyhow::Result<Self> {
        let cluster = Cluster::new(&running.bootstrap_servers);
        let registry = SrSettings::new_builder(running.registry.clone())
            .no_proxy()
            .build()?;
        let started = now().as_millisecond();
        let seed = started.unsigned_abs() / 1000;
        let read = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&read);
        let mut ports = Vec::new();
        for port in [conversations::PORT, billing::PORT, ai::PORT] {
            ports.push((port, counts(&client, port).await?, Sent::default()));
        }
        Ok(Self {
            client,
            producer: Producer::new(&cluster)?,
            world: World::new(seed),
            dice: Dice::new(seed),
            billing: Billing::new(registry.clone(), &inbox(billing::PORT)),
            ai: Ai::start(&cluster, registry, &inbox(ai::PORT), started, counter)?,
            read,
            ports,
        })
    }

    /// Turn after turn: for ever, or until so many events have been sent.
    async fn work(&mut self, events: Option<u64>) -> anyhow::Result<()> {
        let mut looked = Instant::now();
        while events.is_none_or(|events| self.sent() < events) {
            let turn = self.world.turn(now());
            for made in messages(&turn, &mut self.dice) {
                self.send(conversations::PORT, made).await?;
            }
            let made = self.billing.record(&turn, &mut self.dice).await?;
            self.send(billing::PORT, made).await?;
            let pause = if events.is_none() {
                PAUSE
            } else {
                Duration::ZERO
            };
            self.read_for(pause).await?;
            if looked.elapsed() >= LOOK {
                looked = Instant::now();
                self.publish_scores(Some(now().as_millisecond())).await?;
            }
        }
        Ok(())
    }

    fn sent(&self) -> u64 {
        self.ports.iter().map(|(_, _, sent)| sent.events).sum()
    }

    async fn send(&mut self, port: &'static str, made: Made) -> anyhow::Result<()> {
        let record = Outgoing {
            topic: inbox(port),
            key: Some(made.key.into_bytes()),
            value: Some(made.value),
            ..Outgoing::default()
        };
        // A broker that is away ends no service. A copy after a doubtful failure is possible, as with any producer.
        while let Err(error) = self.producer.send(record.clone()).await {
            anyhow::ensure!(error.is_unreachable(), error);
            eprintln!("{port}: the broker does not answer; waiting");
        }
        if let Some((_, _, sent)) = self.ports.iter_mut().find(|(known, _, _)| *known == port) {
            sent.events += 1;
            sent.broken += u64::from(made.broken);
        }
        Ok(())
    }

    /// Lets the AI domain read for a while, or just what is there.
    async fn read_for(&mut self, time: Duration) -> anyhow::Result<()> {
        self.ai.read_until(tokio::time::Instant::now() + time).await
    }

    async fn publish_scores(&mut self, now_ms: Option<i64>) -> anyhow::Result<()> {
        for (key, value) in self.ai.scores(now_ms).await? {
            self.send(
                ai::PORT,
                Made {
                    key,
                    value,
                    broken: false,
                },
            )
            .await?;
        }
        Ok(())
    }

    /// Waits until everything sent has been judged and read, and the scores of it too; then counts.
    async fn settled(&mut self) -> anyhow::Result<Vec<Value>> {
        let deadline = Instant::now() + SETTLE;
        self.judged(deadline).await?;
        let mut accepted = 0;
        for (port, before, _) in self.ports.iter().filter(|(port, _, _)| *port != ai::PORT) {
            accepted += counts(&self.client, port).await?.accepted - before.accepted;
        }
        while self.read.load(Ordering::Relaxed) < accepted {
            anyhow::ensure!(
                Instant::now() < deadline,
                "the consumer has not read everything"
            );
            self.read_for(Duration::from_millis(50)).await?;
        }
        self.publish_scores(None).await?;
        self.judged(deadline).await?;
        let mut rows = Vec::new();
        for (port, before, sent) in &self.ports {
            let after = counts(&self.client, port).await?;
            rows.push(json!({
                "port": port, "sent": sent.events, "broken": sent.broken,
                "accepted": after.accepted - before.accepted,
                "quarantined": after.quarantined - before.quarantined,
            }));
        }
        Ok(rows)
    }

    async fn judged(&mut self, deadline: Instant) -> anyhow::Result<()> {
        for at in 0..self.ports.len() {
            let (port, before, sent) = self.ports[at];
            loop {
                let now = counts(&self.client, port).await?;
                if now.lag == 0 && now.inbox >= before.inbox + sent.events {
                    break;
                }
                let late = Instant::now() >= deadline;
                anyhow::ensure!(
                    !late,
                    "{port}: {} of {} events judged",
                    now.inbox - before.inbox,
                    sent.events
                );
                // The channel between reader and service must not fill up meanwhile.
                self.read_for(Duration::from_millis(50)).await?;
            }
        }
        Ok(())
    }
}

async fn counts(client: &Client, port: &str) -> anyhow::Result<Counts> {
    let stats = client.get(&["ports", port, "stats"], &[]).await?;
    serde_json::from_value(stats).context("the counts of a port have an unknown shape")
}
