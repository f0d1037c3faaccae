//! The producer's half of the port: one transaction at a time, and Rule 1.
//!
//! Rule 1: librdkafka has no KIP-890. It sends an `EndTxn` that timed out or whose connection broke again by itself,
//! under the same epoch, and then reports success; a late copy can end the *next* transaction
//! (<https://github.com/confluentinc/librdkafka/issues/5423>). So after any call that did not succeed, any commit slow
//! enough to contain a retry, and any failed connection, the producer is thrown away: the new one of the same
//! transactional id gets a new epoch at `init_transactions`, which ends what was open and fences late requests. Offsets are
//! sent again in the same way, before the commit whose time is taken: only the failed connection tells of it. What each part
//! of the rule is needed for was tried: docs/reliability.md.

use crate::Cluster;
use crate::mutants::{Mutant, active};

use super::{
    Broken, Outbound, RESERVED_PREFIX, Trouble, TroubleKind,
    classify::{Class, classify},
    config::SUSPECT_COMMIT,
    context::ProducerNotes,
    in_full,
};
use rdkafka::{
    ClientConfig, TopicPartitionList,
    consumer::ConsumerGroupMetadata,
    error::{KafkaError, RDKafkaErrorCode},
    message::{Header, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer},
    util::Timeout,
};
use std::{
    error::Error,
    thread,
    time::{Duration, Instant},
};

/// How often the number of records in flight is looked at while a transaction is being finished. rust-rdkafka's own
/// `flush` looks every 100 ms, which would be the latency of every transaction.
const FLUSH_STEP: Duration = Duration::from_micros(200);

/// How long an abort waits for queued records to be answered before the producer is replaced instead.
const ABORT_WAIT: Duration = Duration::from_secs(5);

/// How often offsets are offered again when the coordinator says "not now".
const OFFSET_ATTEMPTS: u32 = 20;

/// Pause between these attempts.
const OFFSET_PAUSE: Duration = Duration::from_millis(100);

/// A transaction that was not committed, as far as is known.
#[derive(Debug)]
pub(super) struct Failure {
    /// What is to be done.
    pub(super) class: Class,
    /// Whether it may have been committed all the same.
    pub(super) known: Known,
    /// In words.
    pub(super) why: String,
}

/// What is known of a failed transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// `EndTxn` was never sent, or the broker refused it: nothing is visible.
    Undone,
    /// It may be visible.
    Nothing,
}

/// The producer and the transaction it has open.
pub(super) struct Writer {
    cluster: Cluster,
    config: ClientConfig,
    producer: Option<BaseProducer<ProducerNotes>>,
    ready: bool,
    open: bool,
    broken: Option<(Class, String)>,
}

impl Writer {
    pub(super) fn new(cluster: Cluster, config: ClientConfig) -> Self {
        Self {
            cluster,
            config,
            producer: None,
            ready: false,
            open: false,
            broken: None,
        }
    }

    /// Have a producer that holds the transactional id, waiting for it at most `wait`.
    pub(super) fn ensure(&mut self, wait: Duration) -> Result<(), Trouble> {
        if self.ready {
            return Ok(());
        }
        if self.producer.is_none() {
            let notes = ProducerNotes::default();
            let made = self
                .cluster
                .create_with(&self.config, "data path producer", notes);
            self.producer = Some(made.map_err(|error| stalled(&error))?);
        }
        let Some(producer) = &self.producer else {
            return Ok(());
        };
        if active(Mutant::M1) {
            self.ready = true;
            return Ok(());
        }
        // The one transactional call that may be given a time: it goes on where it stopped when called again.
        match producer.init_transactions(Timeout::After(wait)) {
            Ok(()) => {
                self.ready = true;
                Ok(())
            }
            Err(error) => Err(self.not_ready(&error)),
        }
    }

    fn not_ready(&mut self, error: &KafkaError) -> Trouble {
        match classify(error) {
            Class::Retriable => Trouble {
                kind: TroubleKind::BrokerAway,
                why: format!("waiting for the transaction coordinator: {error}"),
            },
            Class::Fenced => {
                self.discard();
                Trouble {
                    kind: TroubleKind::Fenced,
                    why: error.to_string(),
                }
            }
            Class::Abortable | Class::Fatal | Class::Unknown => {
                self.discard();
                stalled(error)
            }
        }
    }

    /// Whether records were sent that no commit has covered.
    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    /// Queue one record, opening a transaction when there is none.
    pub(super) fn send(&mut self, record: &Outbound<'_>) -> Result<(), Broken> {
        if let Some((_, why)) = &self.broken {
            return Err(Broken(why.clone()));
        }
        let sent = self.begin().and_then(|producer| enqueue(producer, record));
        sent.map_err(|error| self.breaks(&error))
    }

    fn begin(&mut self) -> Result<&BaseProducer<ProducerNotes>, KafkaError> {
        let producer = self.producer.as_ref().ok_or(KafkaError::Canceled)?;
        if !self.open {
            if !active(Mutant::M1) {
                producer.begin_transaction()?;
            }
            self.open = true;
        }
        Ok(producer)
    }

    fn breaks(&mut self, error: &KafkaError) -> Broken {
        let why = error.to_string();
        self.broken = Some((classify(error), why.clone()));
        Broken(why)
    }

    /// Commit the open transaction with these offsets.
    pub(super) fn commit(
        &mut self,
        offsets: &TopicPartitionList,
        group: &ConsumerGroupMetadata,
    ) -> Result<(), Failure> {
        if let Some((class, why)) = self.broken.take() {
            self.discard();
            return Err(Failure {
                class,
                known: Known::Undone,
                why,
            });
        }
        let (step, suspect) = self.try_commit(offsets, group);
        self.open = false;
        match step {
            Ok(()) if !suspect => Ok(()),
            Ok(()) => {
                tracing::info!("a commit may contain a retried request, replacing the producer");
                self.discard();
                Ok(())
            }
            Err((known, error)) => {
                let class = classify(&error);
                self.discard();
                Err(Failure {
                    class,
                    known,
                    why: error.to_string(),
                })
            }
        }
    }

    /// The commit itself, and whether a retry may hide in it.
    fn try_commit(
        &mut self,
        offsets: &TopicPartitionList,
        group: &ConsumerGroupMetadata,
    ) -> (Result<(), (Known, KafkaError)>, bool) {
        let producer = match self.begin() {
            Ok(producer) => producer,
            Err(error) => return (Err((Known::Undone, error)), true),
        };
        // While the last records are on their way the coordinator can be told the offsets already.
        if active(Mutant::M1) {
            drain(producer, Timeout::Never);
            return (Ok(()), false);
        }
        if !active(Mutant::M2)
            && let Err(error) = send_offsets(producer, offsets, group)
        {
            return (Err((Known::Undone, error)), true);
        }
        drain(producer, Timeout::Never);
        let started = Instant::now();
        let committed = producer.commit_transaction(Timeout::Never);
        let took = started.elapsed();
        let slow = took >= SUSPECT_COMMIT && !active(Mutant::M7) && !active(Mutant::M7b);
        drain(producer, Timeout::Never);
        let broke = producer.context().is_suspect();
        if slow || broke {
            let took_ms = took.as_millis();
            tracing::info!(
                took_ms,
                slow,
                broke,
                "a request of this commit may have been repeated"
            );
        }
        let suspect = slow || broke;
        (
            committed.map_err(|error| (known_after(&error), error)),
            suspect,
        )
    }

    /// Give the open transaction up, by its own call where that is quick, else by replacing the producer.
    pub(super) fn abort(&mut self) {
        if !self.open && self.broken.is_none() {
            return;
        }
        tracing::info!("an open transaction is given up");
        let aborted = self.broken.is_none()
            && self
                .producer
                .as_ref()
                .is_some_and(|producer| abort(producer).is_ok());
        if !aborted {
            self.discard();
        }
        self.open = false;
        self.broken = None;
    }

    /// Throw the producer away with everything in it. The next [`ensure`](Self::ensure) makes another, which ends at
    /// the broker whatever this one had open.
    pub(super) fn discard(&mut self) {
        self.producer = None;
        self.ready = false;
        self.open = false;
        self.broken = None;
    }
}

fn stalled(error: &dyn Error) -> Trouble {
    let why = format!("the producer failed: {}", in_full(error));
    Trouble {
        kind: TroubleKind::Stalled,
        why,
    }
}

/// After a commit that was not Ok: only an abortable error says that the broker has not committed.
fn known_after(error: &KafkaError) -> Known {
    match classify(error) {
        Class::Abortable => Known::Undone,
        Class::Retriable | Class::Fenced | Class::Fatal | Class::Unknown => Known::Nothing,
    }
}

fn enqueue(
    producer: &BaseProducer<ProducerNotes>,
    record: &Outbound<'_>,
) -> Result<(), KafkaError> {
    let mut outgoing: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(record.topic)
        .partition(record.partition)
        .headers(headers_of(record));
    outgoing.key = record.key;
    outgoing.payload = record.value;
    outgoing.timestamp = record.timestamp_ms;
    loop {
        match producer.send(outgoing) {
            Ok(()) => return Ok(()),
            // Back-pressure: room comes as the broker acknowledges, or as records time out.
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), same)) => {
                producer.poll(Timeout::After(Duration::ZERO));
                thread::sleep(Duration::from_millis(1));
                outgoing = same;
            }
            Err((error, _)) => return Err(error),
        }
    }
}

fn headers_of(record: &Outbound<'_>) -> OwnedHeaders {
    let count = record.headers.len() + record.added.len();
    let kept = record
        .headers
        .iter()
        .filter(|(key, _)| !key.starts_with(RESERVED_PREFIX));
    kept.chain(record.added).fold(
        OwnedHeaders::new_with_capacity(count),
        |headers, (key, value)| headers.insert(Header { key, value: *value }),
    )
}

/// Offer the offsets until the coordinator takes them; identical arguments each time, as librdkafka asks.
fn send_offsets(
    producer: &BaseProducer<ProducerNotes>,
    offsets: &TopicPartitionList,
    group: &ConsumerGroupMetadata,
) -> Result<(), KafkaError> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        match producer.send_offsets_to_transaction(offsets, group, Timeout::Never) {
            Ok(()) => return Ok(()),
            Err(error) if attempt < OFFSET_ATTEMPTS && classify(&error) == Class::Retriable => {
                thread::sleep(OFFSET_PAUSE);
            }
            Err(error) => return Err(error),
        }
    }
}

/// Serve the producer's events until nothing is in flight, or `wait` is over: then `false`.
fn drain(producer: &BaseProducer<ProducerNotes>, wait: Timeout) -> bool {
    let started = Instant::now();
    while producer.in_flight_count() > 0 {
        if matches!(wait, Timeout::After(wait) if started.elapsed() > wait) {
            return false;
        }
        producer.poll(Timeout::After(Duration::ZERO));
        thread::sleep(FLUSH_STEP);
    }
    true
}

/// Abort by the transactional call, once everything queued is answered. Left in the queue, records would make
/// `abort_transaction` wait for ever for reports that nobody else serves; purged from it, they would leave gaps in the
/// sequence, and the epoch that librdkafka then asks for is not there yet when the next transaction wants it.
fn abort(producer: &BaseProducer<ProducerNotes>) -> Result<(), Broken> {
    if producer.context().is_suspect() {
        return Err(Broken("a connection failed".to_owned()));
    }
    if !drain(producer, Timeout::After(ABORT_WAIT)) {
        return Err(Broken("records in flight are not answered".to_owned()));
    }
    let started = Instant::now();
    producer
        .abort_transaction(Timeout::Never)
        .map_err(|error| Broken(error.to_string()))?;
    if started.elapsed() >= SUSPECT_COMMIT {
        return Err(Broken("the abort may contain a retried request".to_owned()));
    }
    Ok(())
}
