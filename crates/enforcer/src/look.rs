//! The look ahead of an open breaker: would the newest events of a held partition be accepted?
//!
//! It reads with a consumer of its own, on a thread of its own, and writes nothing: other partitions go on meanwhile. It
//! judges the newest events alone, however many wait: what waits was bad, or the breaker were not open; whether the
//! producer is mended shows at the end.

use crate::data_path::judge;
use crate::force::{Mode, PortEntry};
use contract::verdict::Verdict;
use kafka::{
    Cluster, Record, ScanEnd, ScanSpec, ScanStart,
    record::UNREADABLE_HEADER,
    tx::{HeaderRef, Inbound},
};
use std::{
    collections::VecDeque,
    io,
    ops::ControlFlow,
    sync::{Arc, mpsc},
    thread,
};

/// Offsets looked through for the newest events at most: markers and aborted records lie between them.
const FARTHEST: i64 = 100_000;

/// A look to be made.
#[derive(Debug, Clone)]
pub struct Errand {
    /// The port, as it judges now.
    pub port: Arc<PortEntry>,
    /// The partition.
    pub partition: i32,
    /// The next offset to be judged.
    pub from: i64,
    /// How many events to judge; all that wait where they are fewer.
    pub newest: u64,
}

/// What a look saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The inbox's end then.
    pub end: i64,
    /// Events judged.
    pub judged: u64,
    /// Of these, events that would be refused.
    pub refused: u64,
}

/// The answer to an [`Errand`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The inbox.
    pub inbox: String,
    /// The partition.
    pub partition: i32,
    /// What was seen, or why nothing.
    pub seen: Result<Seen, String>,
}

/// Makes looks, elsewhere.
pub trait Scout {
    /// Make this look. Does not wait for it.
    fn send(&mut self, errand: Errand);

    /// The looks made since this was last asked.
    fn reports(&mut self) -> Vec<Report>;
}

/// Sees nothing: a breaker is then closed by a reset alone.
#[derive(Debug, Clone, Copy)]
pub struct Blind;

impl Scout for Blind {
    fn send(&mut self, _errand: Errand) {}

    fn reports(&mut self) -> Vec<Report> {
        Vec::new()
    }
}

/// Makes looks on Kafka, one after the other, on a thread that ends with it.
#[derive(Debug)]
pub struct KafkaScout {
    errands: mpsc::Sender<Errand>,
    reports: mpsc::Receiver<Report>,
}

impl KafkaScout {
    /// A scout on a cluster.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub fn spawn(cluster: Cluster) -> io::Result<Self> {
        let (errands, given) = mpsc::channel::<Errand>();
        let (made, reports) = mpsc::channel();
        let work = move || {
            for errand in given {
                let seen = look(&cluster, &errand);
                let report = Report {
                    inbox: errand.port.inbox.clone(),
                    partition: errand.partition,
                    seen,
                };
                if made.send(report).is_err() {
                    return;
                }
            }
        };
        thread::Builder::new()
            .name("enforcer-look".to_owned())
            .spawn(work)?;
        Ok(Self { errands, reports })
    }
}

impl Scout for KafkaScout {
    fn send(&mut self, errand: Errand) {
        if self.errands.send(errand).is_err() {
            tracing::error!("the thread that looks ahead is gone");
        }
    }

    fn reports(&mut self) -> Vec<Report> {
        self.reports.try_iter().collect()
    }
}

/// Read back from the end until there are enough events, or what waits is at its beginning.
fn look(cluster: &Cluster, errand: &Errand) -> Result<Seen, String> {
    let scan = |from, until, visit: &mut dyn FnMut(Record)| {
        let spec = ScanSpec {
            topic: errand.port.inbox.clone(),
            partitions: Some(vec![errand.partition]),
            from,
            until,
        };
        let each = |record| {
            visit(record);
            ControlFlow::Continue(())
        };
        kafka::scan(cluster, &spec, each).map_err(|error| error.to_string())
    };
    let summary = scan(ScanStart::End, ScanEnd::CurrentEnd, &mut drop)?;
    let end = summary
        .next
        .get(&errand.partition)
        .copied()
        .unwrap_or(errand.from);
    let newest = i64::try_from(errand.newest).unwrap_or(FARTHEST);
    let mut span = newest.saturating_mul(2);
    loop {
        let start = errand.from.max(end.saturating_sub(span));
        let mut tally = Tally::new(errand);
        let range = ScanStart::Offset(start);
        scan(range, ScanEnd::Offset(end), &mut |record| {
            tally.add(&record);
        })?;
        let enough = tally.verdicts.len() as u64 >= errand.newest;
        if enough || start <= errand.from || span >= FARTHEST {
            return Ok(tally.seen(end));
        }
        span = span.saturating_mul(8).min(FARTHEST);
    }
}

/// The newest verdicts, of as many records as come by.
#[derive(Debug)]
pub(crate) struct Tally<'a> {
    errand: &'a Errand,
    verdicts: VecDeque<bool>,
}

impl<'a> Tally<'a> {
    pub(crate) fn new(errand: &'a Errand) -> Self {
        Self {
            errand,
            verdicts: VecDeque::new(),
        }
    }

    pub(crate) fn add(&mut self, record: &Record) {
        let headers: Vec<HeaderRef<'_>> = record
            .headers
            .iter()
            .map(|header| (header.key.as_str(), header.value.as_deref()))
            .collect();
        let unreadable = record.headers.iter();
        let unreadable = unreadable.filter(|header| header.key == UNREADABLE_HEADER);
        let inbound = Inbound {
            topic: &record.topic,
            partition: record.partition,
            offset: record.offset,
            timestamp_ms: record.timestamp_ms,
            key: record.key.as_deref(),
            value: record.value.as_deref(),
            headers: &headers,
            unreadable_headers: unreadable.count(),
        };
        if self.verdicts.len() as u64 >= self.errand.newest {
            self.verdicts.pop_front();
        }
        self.verdicts
            .push_back(would_refuse(&self.errand.port, &inbound));
    }

    pub(crate) fn seen(&self, end: i64) -> Seen {
        Seen {
            end,
            judged: self.verdicts.len() as u64,
            refused: self.verdicts.iter().filter(|refused| **refused).count() as u64,
        }
    }
}

/// Whether a port would quarantine a record. A schema that is not known yet counts as refused: a look is no reason to read
/// the governance log.
fn would_refuse(port: &PortEntry, record: &Inbound<'_>) -> bool {
    match (judge(port, record, i64::MAX), port.mode) {
        (Ok(Verdict::Quarantined(_)) | Err(_), Mode::Enforce) => true,
        (Ok(Verdict::Accepted | Verdict::Shadowed(_)), Mode::Enforce) | (_, Mode::Shadow) => false,
    }
}
