//! [`KafkaPort`]: the port on librdkafka, one consumer and one producer on the caller's thread.

use super::{
    Broken, Inbound, Outbound, Outbox, Outcome, Polled, Progress, TransactionalPort, Trouble,
    TroubleKind, TxConfig,
    classify::{Class, is_out_of_range, skips_records},
    consume::{Reader, offsets_of},
    produce::{Failure, Known, Writer},
};
use crate::mutants::{Mutant, active};
use rdkafka::{
    Message,
    error::KafkaError,
    message::{BorrowedMessage, Headers},
    util::Timeout,
};
use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
    time::{Duration, Instant},
};

/// First pause after both clients had to be thrown away; doubled each time until a commit succeeds.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// Events of the group that are served at once while waiting.
const SERVED: usize = 100;

/// Longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The transactional port on librdkafka. See the module [`tx`](super) for what it promises.
pub struct KafkaPort {
    reader: Reader,
    writer: Writer,
    started: Instant,
    at_end: bool,
    pause: Duration,
    failed_before: bool,
    resting: Option<(Instant, Trouble)>,
    /// A batch that cannot be read, met with a transaction open: what came before it is committed first.
    spoilt: Option<KafkaError>,
}

impl fmt::Debug for KafkaPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaPort")
            .field("open", &self.writer.is_open())
            .finish_non_exhaustive()
    }
}

impl KafkaPort {
    /// A port that connects at the first [`poll`](TransactionalPort::poll).
    pub fn new(config: &TxConfig) -> Self {
        Self {
            reader: Reader::new(config.cluster.clone(), config.consumer()),
            writer: Writer::new(config.cluster.clone(), config.producer()),
            started: Instant::now(),
            at_end: false,
            pause: FIRST_PAUSE,
            failed_before: false,
            resting: None,
            spoilt: None,
        }
    }

    /// Throw both clients away, and come back after a pause that grows.
    fn fall(&mut self, trouble: Trouble) -> Polled {
        let (kind, pause_ms) = (trouble.kind, self.pause.as_millis());
        tracing::warn!(why = %trouble.why, ?kind, pause_ms, "data path rests");
        self.reader.discard();
        self.writer.discard();
        self.resting = Some((Instant::now() + self.pause, trouble.clone()));
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        Polled::Waiting(trouble)
    }

    /// A transaction that fails every time (an output topic is missing, say) must not become a busy loop: from the
    /// second failure in a row on there is a growing pause.
    fn slow_down(&mut self, why: &str) {
        if std::mem::replace(&mut self.failed_before, true) {
            let trouble = Trouble {
                kind: TroubleKind::Stalled,
                why: why.to_owned(),
            };
            self.resting = Some((Instant::now() + self.pause, trouble));
            self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Sleep out (a part of) the pause after a fall.
    fn rest(&mut self, timeout: Duration) -> Option<Polled> {
        let (until, trouble) = self.resting.clone()?;
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            self.resting = None;
            return None;
        }
        thread::sleep(left.min(timeout));
        Some(Polled::Waiting(trouble))
    }

    /// Everything that must be in place before a record can be read.
    fn prepare(&mut self, timeout: Duration) -> Option<Polled> {
        if let Some(resting) = self.rest(timeout) {
            return Some(resting);
        }
        if !self.reader.has_topics() && self.reader.consumer().is_none() {
            thread::sleep(timeout);
            return Some(Polled::Idle);
        }
        if let Err(Broken(why)) = self.reader.ensure() {
            return Some(self.fall(Trouble {
                kind: TroubleKind::Stalled,
                why,
            }));
        }
        if let Err(trouble) = self.writer.ensure(timeout.max(Duration::from_secs(1))) {
            return Some(match trouble.kind {
                TroubleKind::BrokerAway => {
                    self.serve_group();
                    Polled::Waiting(trouble)
                }
                TroubleKind::Fenced | TroubleKind::Unreadable | TroubleKind::Stalled => {
                    self.fall(trouble)
                }
            });
        }
        self.reader.is_due().then(|| self.reposition())
    }

    fn reposition(&mut self) -> Polled {
        self.at_end = false;
        match self.reader.reposition() {
            Ok(positions) => Polled::Positions(positions),
            Err(trouble) if trouble.kind == TroubleKind::BrokerAway => {
                self.serve_group();
                Polled::Waiting(trouble)
            }
            Err(trouble) => self.fall(trouble),
        }
    }

    /// Stay a member while waiting for something else: rebalances are answered, and a record that comes is dropped, to
    /// be read again from the committed offset.
    fn serve_group(&mut self) {
        for _ in 0..SERVED {
            let Some(event) = self.reader.consumer().and_then(|c| c.poll(Duration::ZERO)) else {
                break;
            };
            let read = event.map(drop);
            match read {
                Ok(()) => self.reader.rewind(),
                // librdkafka may go on behind it: from the committed offset it is met again, by `read`.
                Err(error) if skips_records(&error) => self.reader.rewind(),
                Err(error) if is_out_of_range(&error) => self.reader.doubt(),
                Err(error) => {
                    if let Some(lost) = self.reader.note_error(&error) {
                        self.fall(lost);
                        return;
                    }
                }
            }
        }
        if self.reader.take_changes() {
            self.writer.abort();
        }
    }

    fn read(
        &mut self,
        timeout: Duration,
        handle: &mut dyn FnMut(&Inbound<'_>, &mut dyn Outbox),
    ) -> Polled {
        let mut wait = timeout;
        loop {
            let Some(consumer) = self.reader.consumer() else {
                return Polled::Idle;
            };
            match consumer.poll(Timeout::After(wait)) {
                Some(Ok(message)) => {
                    hand_over(&message, &mut Sender(&mut self.writer), handle);
                    drop(message);
                    self.at_end = false;
                    self.reader.note_health();
                    return Polled::Record;
                }
                Some(Err(KafkaError::PartitionEOF(_))) => {
                    // Other partitions may have records queued behind this.
                    self.at_end = true;
                    self.reader.note_health();
                    wait = Duration::ZERO;
                }
                Some(Err(error)) if skips_records(&error) || is_out_of_range(&error) => {
                    if is_out_of_range(&error) {
                        self.reader.doubt();
                    }
                    if self.writer.is_open() {
                        self.spoilt = Some(error);
                        // Its user commits now, before anything else is read.
                        return Polled::Drained;
                    }
                    return self.go_back(&error);
                }
                Some(Err(error)) => {
                    if let Some(lost) = self.reader.note_error(&error) {
                        return self.fall(lost);
                    }
                    return self.nothing();
                }
                None => return self.nothing(),
            }
        }
    }

    /// A batch could not be read, and librdkafka goes on behind it: nothing of what it brings now may be committed, or
    /// the batch's records would be in no output. It is read again after a pause: bits that flipped on the way are well
    /// then, on the broker's disk they are not.
    fn go_back(&mut self, error: &KafkaError) -> Polled {
        self.writer.abort();
        self.reader.rewind();
        let trouble = Trouble {
            kind: TroubleKind::Unreadable,
            why: format!("a batch of an inbox cannot be read: {error}"),
        };
        self.resting = Some((Instant::now() + self.pause, trouble.clone()));
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        Polled::Waiting(trouble)
    }

    /// Nothing was read: was it a rebalance, the end, trouble, or just silence?
    fn nothing(&mut self) -> Polled {
        if self.reader.take_changes() {
            if !active(Mutant::M8) {
                self.writer.abort();
            }
            return self.prepare(Duration::from_secs(1)).unwrap_or(Polled::Idle);
        }
        if std::mem::take(&mut self.at_end) {
            return Polled::Drained;
        }
        self.reader.trouble().map_or(Polled::Idle, Polled::Waiting)
    }

    fn failed(&mut self, failure: Failure) -> Outcome {
        let Failure { class, known, why } = failure;
        tracing::warn!(why, ?known, "a transaction was not committed");
        self.reader.rewind();
        match class {
            Class::Retriable | Class::Abortable | Class::Unknown => self.slow_down(&why),
            Class::Fenced => {
                self.fall(Trouble {
                    kind: TroubleKind::Fenced,
                    why: why.clone(),
                });
            }
            Class::Fatal => {
                self.fall(Trouble {
                    kind: TroubleKind::Stalled,
                    why: why.clone(),
                });
            }
        }
        match known {
            Known::Undone => Outcome::Undone(why),
            Known::Nothing => Outcome::Unknown(why),
        }
    }
}

impl TransactionalPort for KafkaPort {
    fn subscribe(&mut self, topics: &[String]) {
        if let Err(Broken(why)) = self.reader.subscribe(topics) {
            self.fall(Trouble {
                kind: TroubleKind::Stalled,
                why,
            });
        }
    }

    fn poll(
        &mut self,
        timeout: Duration,
        handle: &mut dyn FnMut(&Inbound<'_>, &mut dyn Outbox),
    ) -> Polled {
        if let Some(polled) = self.prepare(timeout) {
            return polled;
        }
        if let Some(error) = self.spoilt.take() {
            return self.go_back(&error);
        }
        self.read(timeout, handle)
    }

    fn commit(&mut self, progress: &[Progress]) -> Outcome {
        // The transaction that this progress belongs to is gone already, and the new positions were not taken yet because
        // a broker did not say them: committed now, the offsets would go without their outputs.
        if self.reader.is_due() {
            self.writer.abort();
            return Outcome::Undone("positions are to be taken anew".to_owned());
        }
        let Some(group) = self.reader.group_metadata() else {
            self.abort();
            return Outcome::Undone("no longer a member of the group".to_owned());
        };
        let committed = match offsets_of(progress) {
            Ok(mut offsets) => {
                if active(Mutant::M5)
                    && let Err(error) = self.reader.mutated(&mut offsets)
                {
                    tracing::warn!(%error, "M5");
                }
                let committed = self.writer.commit(&offsets, &group);
                if active(Mutant::M1)
                    && let Err(error) = self.reader.mutated(&mut offsets)
                {
                    tracing::warn!(%error, "M1");
                }
                committed
            }
            Err(error) => {
                self.abort();
                return Outcome::Undone(error.to_string());
            }
        };
        match committed {
            Ok(()) => {
                tracing::debug!("a transaction was committed");
                self.pause = FIRST_PAUSE;
                self.failed_before = false;
                Outcome::Committed
            }
            Err(failure) => self.failed(failure),
        }
    }

    fn abort(&mut self) {
        self.writer.abort();
        self.reader.rewind();
    }

    fn hold(&mut self, partitions: &[(String, i32)]) {
        self.reader.hold(partitions);
    }

    fn horizon(&mut self, topic: &str, partition: i32) -> Result<i64, Broken> {
        self.reader.end(topic, partition)
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn close(&mut self) {
        self.writer.abort();
        self.reader.discard();
        self.writer.discard();
    }
}

impl Outbox for KafkaPort {
    fn send(&mut self, record: &Outbound<'_>) -> Result<(), Broken> {
        self.writer.send(record)
    }
}

/// The writer as the record's handler sees it.
struct Sender<'a>(&'a mut Writer);

impl Outbox for Sender<'_> {
    fn send(&mut self, record: &Outbound<'_>) -> Result<(), Broken> {
        self.0.send(record)
    }
}

/// Give the record to the handler, borrowed from librdkafka's buffers.
fn hand_over(
    message: &BorrowedMessage<'_>,
    outbox: &mut dyn Outbox,
    handle: &mut dyn FnMut(&Inbound<'_>, &mut dyn Outbox),
) {
    let mut headers = Vec::new();
    let mut unreadable_headers = 0;
    if let Some(native) = message.headers() {
        headers.reserve(native.count());
        for index in 0..native.count() {
            // rust-rdkafka panics on a header name that is not UTF-8: a poison record, not a bug of ours.
            match catch_unwind(AssertUnwindSafe(|| native.try_get(index))) {
                Ok(Some(header)) => headers.push((header.key, header.value)),
                Ok(None) | Err(_) => unreadable_headers += 1,
            }
        }
    }
    let inbound = Inbound {
        topic: message.topic(),
        partition: message.partition(),
        offset: message.offset(),
        timestamp_ms: message.timestamp().to_millis(),
        key: message.key(),
        value: message.payload(),
        headers: &headers,
        unreadable_headers,
    };
    handle(&inbound, outbox);
}
