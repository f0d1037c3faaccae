//! What is asked of Kafka beside the loop: the look ahead of an open breaker (would the newest events of a held partition be
//! accepted?), and the watchdog's question (can anything be read where a partition stands?).
//!
//! A look reads with a consumer of its own, on a thread of its own, and writes nothing: other partitions go on meanwhile. It
//! judges the newest events alone, however many wait: what waits was bad, or the breaker were not open; whether the
//! producer is mended shows at the end.

use crate::data_path::judge;
use crate::envelope::{self, SOURCE, Source, size_bound};
use crate::force::{Mode, PortEntry};
use contract::verdict::Verdict;
use kafka::{
    Cluster, Record, ScanEnd, ScanSpec, ScanStart,
    probe::Found,
    record::UNREADABLE_HEADER,
    tx::{HeaderRef, Inbound},
};
use std::{
    collections::VecDeque,
    io,
    ops::ControlFlow,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

/// Offsets looked through for the newest events at most: markers and aborted records lie between them.
const FARTHEST: i64 = 100_000;

/// How long a question waits for a record where one should be.
const PATIENCE: Duration = Duration::from_secs(10);

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

/// Can anything be read where a partition stands?
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The inbox.
    pub inbox: String,
    /// The partition.
    pub partition: i32,
    /// The next offset to be judged.
    pub from: i64,
    /// The inbox's end.
    pub end: i64,
}

/// A question with what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What was asked.
    pub question: Question,
    /// What was found, or why nothing is known.
    pub found: Result<Found, String>,
}

/// Makes looks and answers questions, elsewhere.
pub trait Scout {
    /// Make this look. Does not wait for it.
    fn send(&mut self, errand: Errand);

    /// The looks made since this was last asked.
    fn reports(&mut self) -> Vec<Report>;

    /// Answer this question. Does not wait for it.
    fn ask(&mut self, question: Question);

    /// The questions answered since this was last asked.
    fn answers(&mut self) -> Vec<Answer>;
}

/// Sees nothing: a breaker is then closed by a reset alone, and no silence is explained.
#[derive(Debug, Clone, Copy)]
pub struct Blind;

impl Scout for Blind {
    fn send(&mut self, _errand: Errand) {}

    fn reports(&mut self) -> Vec<Report> {
        Vec::new()
    }

    fn ask(&mut self, _question: Question) {}

    fn answers(&mut self) -> Vec<Answer> {
        Vec::new()
    }
}

/// A thread that does one thing after the other, and ends with this.
#[derive(Debug)]
struct Worker<I, O> {
    given: mpsc::Sender<I>,
    made: mpsc::Receiver<O>,
}

impl<I: Send + 'static, O: Send + 'static> Worker<I, O> {
    fn spawn(name: &str, work: impl Fn(I) -> O + Send + 'static) -> io::Result<Self> {
        let (given, taken) = mpsc::channel();
        let (sender, made) = mpsc::channel();
        let each = move || {
            for input in taken {
                if sender.send(work(input)).is_err() {
                    return;
                }
            }
        };
        thread::Builder::new().name(name.to_owned()).spawn(each)?;
        Ok(Self { given, made })
    }

    fn give(&self, input: I) {
        if self.given.send(input).is_err() {
            tracing::error!("a thread that looks at Kafka for the data path is gone");
        }
    }
}

/// Looks at Kafka on two threads: a question may wait long where nothing comes, and no look may wait for it.
#[derive(Debug)]
pub struct KafkaScout {
    looks: Worker<Errand, Report>,
    questions: Worker<Question, Answer>,
}

impl KafkaScout {
    /// A scout on a cluster.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub fn spawn(cluster: Cluster) -> io::Result<Self> {
        let asked = cluster.clone();
        let looks = Worker::spawn("enforcer-look", move |errand: Errand| Report {
            seen: look(&cluster, &errand),
            inbox: errand.port.inbox.clone(),
            partition: errand.partition,
        })?;
        let questions = Worker::spawn("enforcer-probe", move |question: Question| {
            let Question {
                inbox,
                partition,
                from,
                ..
            } = &question;
            let found = kafka::probe::probe(&asked, inbox, *partition, *from, PATIENCE);
            Answer { found, question }
        })?;
        Ok(Self { looks, questions })
    }
}

impl Scout for KafkaScout {
    fn send(&mut self, errand: Errand) {
        self.looks.give(errand);
    }

    fn reports(&mut self) -> Vec<Report> {
        self.looks.made.try_iter().collect()
    }

    fn ask(&mut self, question: Question) {
        self.questions.give(question);
    }

    fn answers(&mut self) -> Vec<Answer> {
        self.questions.made.try_iter().collect()
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
        // The stand-in has no value; a producer's own header of this name has one.
        let unreadable =
            unreadable.filter(|header| header.key == UNREADABLE_HEADER && header.value.is_none());
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
        (Ok(Verdict::Accepted | Verdict::Shadowed(_)), Mode::Enforce) => is_too_large(port, record),
        (_, Mode::Shadow) => false,
    }
}

/// Accepted by its contract, and refused for its size all the same, as the desk does.
fn is_too_large(port: &PortEntry, record: &Inbound<'_>) -> bool {
    let mut source = String::new();
    Source {
        partition: record.partition,
        offset: record.offset,
        seq: 0,
    }
    .write(&mut source);
    let added = [(SOURCE, Some(source.as_bytes()))];
    size_bound(&envelope::product(port, record, &added)) > port.max_message_bytes
}
