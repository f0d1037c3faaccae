//! Two sides run in turns over the same inbox: the bare copy and the enforcer.

use super::{BenchError, Row, events::Events, peer::Running};
use crate::{
    CatchUp, CatchUpFailed, Judge, PortEntry, Snapshot,
    data_path::{DataPath, Limits},
    envelope::{SOURCE, Source, product},
    status::EnforcerStatus,
};
use contract::{
    address::PortAddress,
    framing::read_framing,
    rule::{Event, UnknownSchema},
    verdict::Verdict,
};
use futures_util::future::try_join_all;
use kafka::{
    Admin, Cluster, Outgoing, Producer, TopicSpec,
    tx::{self, KafkaPort, Outcome, Polled, TransactionalPort, TxConfig},
};
use nix::sys::{
    resource::{UsageWho, getrusage},
    time::TimeValLike,
};
use std::{
    collections::BTreeMap,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};
use tokio::{
    runtime::{Builder, Runtime},
    sync::watch,
};

/// As the published figures: four partitions.
const PARTITIONS: usize = 4;

/// Events handed to the producer at a time.
const CHUNK: usize = 10_000;

/// A run that brings nothing for so long is stuck.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// How often it is looked how far another program is.
const PEER_POLL: Duration = Duration::from_millis(20);

/// The governance position of the benchmark's contracts.
const SEQ: u64 = 0;

/// One of those that are held against the copy: events under a contract.
#[derive(Debug, Clone)]
pub(super) struct Side {
    pub(super) name: String,
    pub(super) events: Events,
    pub(super) how: How,
}

/// Who judges them.
#[derive(Debug, Clone)]
pub(super) enum How {
    /// The enforcer, by the contract.
    Contract,
    /// The enforcer, by the framing alone.
    Framing,
    /// Another program, by the contract's schema.
    Peer(Vec<String>),
}

impl Side {
    pub(super) fn new(name: impl Into<String>, events: Events) -> Self {
        Self {
            name: name.into(),
            events,
            how: How::Contract,
        }
    }

    /// The port with this side's rules.
    fn port(&self, port: &PortEntry) -> Result<PortEntry, BenchError> {
        let rules: Arc<dyn Judge> = match self.how {
            How::Framing => Arc::new(FramingOnly),
            How::Contract | How::Peer(_) => {
                Arc::new(self.events.rules().map_err(BenchError::Contract)?)
            }
        };
        Ok(PortEntry {
            rules,
            ..port.clone()
        })
    }

    /// Events of which the verdict is that they are refused.
    fn refused(&self) -> u64 {
        match self.how {
            How::Framing => 0,
            How::Contract | How::Peer(_) => self.events.bad(),
        }
    }
}

/// Accepts what names a schema: what a broker's own schema validation looks at.
struct FramingOnly;

impl Judge for FramingOnly {
    fn judge(&self, event: &Event<'_>) -> Result<Verdict, UnknownSchema> {
        Ok(self.judge_known(event))
    }

    fn judge_known(&self, event: &Event<'_>) -> Verdict {
        match read_framing(event.value.unwrap_or_default(), None) {
            Ok(_) => Verdict::Accepted,
            Err(reason) => Verdict::refused(reason),
        }
    }

    fn contract(&self) -> &str {
        "framing only"
    }
}

/// How a comparison is run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setup {
    pub(super) rounds: usize,
    pub(super) partitions: usize,
    /// Events handed to the producer at a time: its batches hold a partition's share of them.
    pub(super) chunk: usize,
    /// `compression.type` of the topics.
    pub(super) compression: &'static str,
}

impl Setup {
    pub(super) fn new(rounds: usize) -> Self {
        Self {
            rounds,
            partitions: PARTITIONS,
            chunk: CHUNK,
            compression: "uncompressed",
        }
    }

    fn topic_configs(&self) -> BTreeMap<String, String> {
        let compression = ("compression.type".to_owned(), self.compression.to_owned());
        BTreeMap::from([compression])
    }
}

/// What one side did in one round.
#[derive(Debug, Clone, Copy)]
struct Run {
    /// Events a second.
    rate: f64,
    /// Processor time of this process for an event, in microseconds; of another program it is not known.
    cpu_us: Option<f64>,
}

fn shown(round: usize, limit: &str, sides: &[Side], runs: &[Vec<Run>]) -> String {
    let names = std::iter::once(limit).chain(sides.iter().map(|side| side.name.as_str()));
    let each = names.zip(runs).map(|(name, runs)| {
        let rate = runs.last().map_or(0.0, |run| run.rate);
        format!("{name} {rate:.0}/s")
    });
    format!("round {round}: {}", each.collect::<Vec<_>>().join(", "))
}

/// The copy's row and those of the sides, whose ratios are the medians of the rounds' own.
fn rows(limit: &str, sides: &[Side], runs: &[Vec<Run>]) -> Vec<Row> {
    let (Some(limits), Some(first)) = (runs.first(), sides.first()) else {
        return Vec::new();
    };
    let row = |name: &str, events: &Events, runs: &[Run]| Row {
        name: name.to_owned(),
        rate: median_of(runs.iter().map(|run| run.rate)).unwrap_or(0.0),
        unit: "events/s",
        event_bytes: events.bytes(),
        rounds: runs.len(),
        cpu_us: median_of(runs.iter().filter_map(|run| run.cpu_us)),
        ..Row::default()
    };
    let mut rows = vec![row(limit, &first.events, limits)];
    for (side, runs) in sides.iter().zip(&runs[1..]) {
        let pairs = || runs.iter().zip(limits);
        let cpu = pairs().filter_map(|(run, limit)| Some(run.cpu_us? / limit.cpu_us?));
        rows.push(Row {
            ratio: median_of(pairs().map(|(run, limit)| run.rate / limit.rate)),
            cpu_ratio: median_of(cpu),
            against: Some(limit.to_owned()),
            ..row(&side.name, &side.events, runs)
        });
    }
    rows
}

fn median_of(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    (!values.is_empty()).then(|| median(&mut values))
}

/// The benchmark's broker and names.
pub(super) struct Bench {
    pub(super) cluster: Cluster,
    runtime: Runtime,
    admin: Admin,
    domain: String,
    until: Instant,
    runs: usize,
}

impl Bench {
    pub(super) fn new(cluster: &Cluster, time_limit: Duration) -> Result<Self, BenchError> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(BenchError::Runtime)?;
        Ok(Self {
            cluster: cluster.clone(),
            runtime,
            admin: Admin::new(cluster).map_err(|error| BenchError::Topics(Box::new(error)))?,
            domain: format!("bench-{}", std::process::id()),
            until: Instant::now() + time_limit,
            runs: 0,
        })
    }

    /// Feed the events, run the copy and every side in turns over the same inbox, and give the medians.
    pub(super) fn compare(
        &mut self,
        limit: &str,
        sides: &[Side],
        setup: &Setup,
        say: &mut dyn FnMut(&str),
    ) -> Result<Vec<Row>, BenchError> {
        let Some(Side { events, .. }) = sides.first() else {
            return Ok(Vec::new());
        };
        let port = self.port_of(events, limit, setup)?;
        say(&format!(
            "writing {} events of {} bytes for {limit}",
            events.count,
            events.bytes()
        ));
        self.feed(events, &port.inbox, setup.chunk)?;
        let mut runs = vec![Vec::new(); sides.len() + 1];
        for round in 0..setup.rounds {
            if round > 0 && Instant::now() >= self.until {
                break;
            }
            // Who goes first changes: what the broker still does for the one slows the next.
            for turn in 0..runs.len() {
                let at = (turn + round) % runs.len();
                let run = match at.checked_sub(1).and_then(|at| sides.get(at)) {
                    None => self.copy(limit, events, &port)?,
                    Some(side) => match &side.how {
                        How::Peer(command) => self.peer(side, command, &port)?,
                        How::Contract | How::Framing => self.enforce(side, &side.port(&port)?)?,
                    },
                };
                runs[at].push(run);
            }
            say(&shown(round + 1, limit, sides, &runs));
        }
        Ok(rows(limit, sides, &runs))
    }

    /// Make one port and its topics.
    pub(super) fn port_of(
        &self,
        events: &Events,
        name: &str,
        setup: &Setup,
    ) -> Result<PortEntry, BenchError> {
        let rules = Arc::new(events.rules().map_err(BenchError::Contract)?);
        let address = PortAddress::new(&self.domain, "departures", name, 1)
            .expect("the benchmark's names are valid");
        let port = PortEntry::new(address.clone(), address.default_inbox(), rules);
        let topics = [&port.inbox, &port.product, &port.quarantine].map(|topic| TopicSpec {
            name: topic.clone(),
            partitions: i32::try_from(setup.partitions).expect("a few"),
            replication: -1,
            configs: setup.topic_configs(),
        });
        let made = self.runtime.block_on(self.admin.ensure_topics(&topics));
        made.map_err(|error| BenchError::Topics(Box::new(error)))?;
        Ok(port)
    }

    fn feed(&self, events: &Events, inbox: &str, chunk: usize) -> Result<(), BenchError> {
        let producer = Producer::new(&self.cluster).map_err(BenchError::Producer)?;
        let record = |number: usize| Outgoing {
            topic: inbox.to_owned(),
            partition: i32::try_from(number % PARTITIONS).ok(),
            key: Some(Events::key(number)),
            value: Some(events.value(number)),
            ..Outgoing::default()
        };
        self.runtime.block_on(async {
            for start in (0..events.count).step_by(chunk) {
                let numbers = start..events.count.min(start + chunk);
                let sends = numbers.map(|number| producer.send(record(number)));
                try_join_all(sends).await.map_err(BenchError::Feed)?;
            }
            Ok(())
        })
    }

    /// A port with a consumer group of its own, so that it reads the inbox from its beginning.
    pub(super) fn port(&mut self) -> KafkaPort {
        self.runs += 1;
        let group = format!("{}.{}", self.domain, self.runs);
        let transactional_id = format!("{group}.0");
        KafkaPort::new(&TxConfig {
            cluster: self.cluster.clone(),
            group,
            transactional_id,
        })
    }

    /// The bare copy: every record with one header, the same interval, no judgement.
    fn copy(&mut self, row: &str, events: &Events, port: &PortEntry) -> Result<Run, BenchError> {
        let mut clock = Clock::new(row, events.count);
        let mut copy = Copy::new(self.port(), port);
        while !clock.is_done() {
            let done = copy.turn();
            clock.note(done)?;
        }
        let run = clock.run();
        copy.tx.close();
        Ok(run)
    }

    /// Another program on the same topics; how far it is, is what its group has committed.
    fn peer(
        &mut self,
        side: &Side,
        command: &[String],
        port: &PortEntry,
    ) -> Result<Run, BenchError> {
        self.runs += 1;
        let group = format!("{}.{}", self.domain, self.runs);
        let mut running = Running::start(command, &self.cluster, port, &group, side)?;
        let mut clock = Clock::new(&side.name, side.events.count);
        while !clock.is_done() {
            running.check()?;
            thread::sleep(PEER_POLL);
            let committed = self.admin.committed(&group, &port.inbox);
            let committed = self.runtime.block_on(committed);
            let committed = committed.map_err(|error| BenchError::Topics(Box::new(error)))?;
            let offsets = committed
                .iter()
                .map(|at| u64::try_from(at.offset).unwrap_or(0));
            clock.note(offsets.sum())?;
        }
        let cpu_us = None;
        Ok(Run {
            cpu_us,
            ..clock.run()
        })
    }

    /// The enforcer's own loop with the real rules.
    fn enforce(&mut self, side: &Side, port: &PortEntry) -> Result<Run, BenchError> {
        let mut path = enforcing(self.port(), port);
        let mut clock = Clock::new(&side.name, side.events.count);
        while !clock.is_done() {
            path.turn();
            clock.note(path.committed().inbox)?;
        }
        let run = clock.run();
        let found = path.committed().quarantined;
        path.close();
        if found != side.refused() {
            return Err(BenchError::Verdicts {
                row: side.name.clone(),
                found,
                expected: side.refused(),
            });
        }
        Ok(run)
    }
}

/// The enforcer's loop for one port. Its view never changes, so nobody needs to hold the sender.
pub(super) fn enforcing(tx: KafkaPort, port: &PortEntry) -> DataPath<KafkaPort> {
    let (_, view) = watch::channel(Arc::new(Snapshot::new(SEQ, [port.clone()])));
    let status = watch::channel(EnforcerStatus::default()).0;
    DataPath::new(tx, view, Box::new(Nothing), Limits::default(), status)
}

/// Time from the first commit on, so that joining the group does not count (unless there is one commit only).
pub(super) struct Clock {
    row: String,
    made: Mark,
    total: u64,
    first: Option<Mark>,
    last: Mark,
}

/// So many events were done at a moment, with so much processor time.
#[derive(Debug, Clone, Copy)]
struct Mark {
    at: Instant,
    cpu: Duration,
    done: u64,
}

impl Mark {
    fn now(done: u64) -> Self {
        Self {
            at: Instant::now(),
            cpu: processor_time(),
            done,
        }
    }
}

/// What this process has taken so far, in user and kernel; nothing where the system does not say.
fn processor_time() -> Duration {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else {
        return Duration::ZERO;
    };
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

impl Clock {
    pub(super) fn new(row: &str, total: usize) -> Self {
        let made = Mark::now(0);
        Self {
            row: row.to_owned(),
            made,
            total: total as u64,
            first: None,
            last: made,
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.last.done >= self.total
    }

    pub(super) fn note(&mut self, done: u64) -> Result<(), BenchError> {
        if done > self.last.done {
            self.last = Mark::now(done);
            self.first.get_or_insert(self.last);
        } else if self.last.at.elapsed() > PATIENCE {
            return Err(BenchError::Stuck {
                row: self.row.clone(),
                done,
                total: self.total,
            });
        }
        Ok(())
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "counts of a benchmark are far below 2^52"
    )]
    fn run(&self) -> Run {
        let several = self.first.filter(|first| first.done != self.last.done);
        let start = several.unwrap_or(self.made);
        let events = (self.last.done - start.done) as f64;
        let seconds = self.last.at.duration_since(start.at).as_secs_f64();
        let cpu = self.last.cpu.saturating_sub(start.cpu).as_secs_f64();
        Run {
            rate: events / seconds.max(1e-9),
            cpu_us: (!self.last.cpu.is_zero()).then(|| cpu * 1e6 / events.max(1.0)),
        }
    }
}

/// The bare copy.
pub(super) struct Copy<'a> {
    pub(super) tx: KafkaPort,
    port: &'a PortEntry,
    next: [Option<i64>; PARTITIONS],
    open: Option<Duration>,
    read: u64,
    done: u64,
    source: String,
}

impl<'a> Copy<'a> {
    pub(super) fn new(mut tx: KafkaPort, port: &'a PortEntry) -> Self {
        tx.subscribe(std::slice::from_ref(&port.inbox));
        let next = [None; PARTITIONS];
        Self {
            tx,
            port,
            next,
            open: None,
            read: 0,
            done: 0,
            source: String::new(),
        }
    }

    /// One poll; the number of records committed so far.
    pub(super) fn turn(&mut self) -> u64 {
        let Self {
            tx,
            port,
            next,
            source,
            ..
        } = self;
        let polled = tx.poll(Duration::from_millis(50), &mut |record, outbox| {
            Source {
                partition: record.partition,
                offset: record.offset,
                seq: SEQ,
            }
            .write(source);
            let added = [(SOURCE, Some(source.as_bytes()))];
            // A broken transaction shows at the commit.
            let sent = outbox.send(&product(port, record, &added));
            let slot = usize::try_from(record.partition)
                .ok()
                .and_then(|at| next.get_mut(at));
            if let (Ok(()), Some(slot)) = (sent, slot) {
                *slot = Some(record.offset + 1);
            }
        });
        self.after(&polled);
        self.done
    }

    fn after(&mut self, polled: &Polled) {
        let now = self.tx.now();
        match polled {
            Polled::Record => {
                self.read += 1;
                self.open.get_or_insert(now);
            }
            Polled::Positions(_) => self.forget(),
            Polled::Drained | Polled::Idle => self.commit(),
            Polled::Waiting(_) => {}
        }
        if self
            .open
            .is_some_and(|since| now - since >= Limits::default().interval)
        {
            self.commit();
        }
    }

    fn commit(&mut self) {
        if self.open.is_none() {
            return;
        }
        let offsets = self
            .next
            .iter()
            .enumerate()
            .filter_map(|(partition, next)| {
                Some(tx::Progress {
                    topic: self.port.inbox.clone(),
                    partition: i32::try_from(partition).ok()?,
                    next: (*next)?,
                    metadata: String::new(),
                })
            });
        let progress: Vec<tx::Progress> = offsets.collect();
        if self.tx.commit(&progress) == Outcome::Committed {
            self.done += self.read;
        }
        self.forget();
    }

    fn forget(&mut self) {
        self.next = [None; PARTITIONS];
        self.open = None;
        self.read = 0;
    }
}

pub(super) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// The benchmark's contracts never change.
struct Nothing;

impl CatchUp for Nothing {
    fn catch_up(&mut self, _timeout: Duration) -> Result<(), CatchUpFailed> {
        Ok(())
    }
}
