//! Kafka transactions of one transactional id, as the log writer and the CLI use them. The data path has its own port,
//! made for batches of borrowed records.
//!
//! Two rules are kept here. An outcome that is not known is never guessed: any failed call makes this value useless, and the
//! next [`Transactions::open`] ends the old transaction at the broker and fences whoever still holds the id. And *Rule 1*:
//! librdkafka re-sends an `EndTxn` whose connection broke, under the same epoch, and reports success; a late copy could end
//! the next transaction. So after a commit that may have been re-sent the producer is to be replaced as well
//! ([`Finished::suspect`]).
//! Source: <https://github.com/confluentinc/librdkafka/issues/5423>, KIP-98, KIP-447.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext};
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::util::Timeout;
use rdkafka::{ClientContext, Statistics};

use crate::client::Context;
use crate::cluster::{Cluster, ClusterError};
use crate::producer::Delivered;
use crate::record::Outgoing;

/// After this time the broker ends a transaction that nobody ends, so that no reader waits longer behind it. The broker's
/// own limit is 15 minutes.
const TRANSACTION_TIMEOUT_MS: &str = "30000";
/// A commit faster than this cannot hold a reconnect, hence no second `EndTxn`: librdkafka waits `reconnect.backoff.ms`
/// (100 ms, less 25 % of jitter) first. Inferred from its source; broken connections are counted as well.
const UNSUSPICIOUS: Duration = Duration::from_millis(75);
/// How often deliveries are looked at. rust-rdkafka's own flush looks every 100 ms, which would be every commit's latency;
/// anything below a millisecond is a busy loop, which on a small machine takes the processor from the broker.
const GLANCE: Duration = Duration::from_millis(1);
/// For records whose place in the log nobody asks for.
pub(crate) const UNTRACKED: usize = usize::MAX;

/// Why a transaction did not come about. Unless told otherwise its outcome is unknown; committed offsets tell the truth.
#[derive(Debug, thiserror::Error)]
pub enum TxError {
    /// No client could be made.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// Another producer has taken this transactional id.
    #[error("another producer has taken transactional id {id}")]
    Fenced {
        /// The transactional id.
        id: String,
        /// What librdkafka says.
        source: Box<KafkaError>,
    },
    /// A call failed.
    #[error("cannot {act} (transactional id {id})")]
    Failed {
        /// Which call, in words.
        act: &'static str,
        /// The transactional id.
        id: String,
        /// What librdkafka says.
        source: Box<KafkaError>,
    },
    /// The broker refused a record; the transaction was not committed.
    #[error("a record for topic {topic} was refused")]
    Refused {
        /// The topic.
        topic: String,
        /// What librdkafka says.
        source: Box<KafkaError>,
    },
}

/// Whether this code says that somebody else has taken the transactional id.
fn is_fenced(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::Fenced
            | RDKafkaErrorCode::ProducerFenced
            | RDKafkaErrorCode::InvalidProducerEpoch
    )
}

/// A committed transaction.
#[derive(Debug)]
pub(crate) struct Finished {
    /// Where the tracked records landed, by their index.
    pub(crate) delivered: Vec<(usize, Delivered)>,
    /// Rule 1: replace this producer before the next transaction.
    pub(crate) suspect: bool,
}

/// Notes where records landed.
#[derive(Debug)]
struct Deliveries {
    client: Context,
    delivered: Mutex<Vec<(usize, Delivered)>>,
    refused: Mutex<Option<(String, KafkaError)>>,
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        self.client.log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.client.error(error, reason);
    }

    fn stats(&self, _statistics: Statistics) {}
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, index: usize) {
        match result {
            Ok(_) if index == UNTRACKED => {}
            Ok(message) => {
                let delivered = Delivered {
                    partition: message.partition(),
                    offset: message.offset(),
                };
                locked(&self.delivered).push((index, delivered));
            }
            Err((error, message)) => {
                locked(&self.refused)
                    .get_or_insert_with(|| (message.topic().to_owned(), error.clone()));
            }
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A producer that holds the fence of its transactional id.
pub(crate) struct Transactions {
    producer: BaseProducer<Deliveries>,
    id: String,
    failures_before: u64,
}

impl Transactions {
    /// Takes the fence: ends what a predecessor left open, and shuts the predecessor out. Blocks for `limit` at most.
    pub(crate) fn open(
        cluster: &Cluster,
        id: &str,
        linger_ms: u32,
        limit: Duration,
    ) -> Result<Self, TxError> {
        let mut config = cluster.producer_config();
        config
            .set("transactional.id", id)
            .set("transaction.timeout.ms", TRANSACTION_TIMEOUT_MS)
            // Counted for Rule 1; a connection that the other side closes is reported by nothing else.
            .set("log.connection.close", "true")
            .set("linger.ms", linger_ms.to_string());
        let context = Deliveries {
            client: Context::new("transactions"),
            delivered: Mutex::default(),
            refused: Mutex::default(),
        };
        let producer: BaseProducer<Deliveries> =
            cluster.create_with(&config, "transactions", context)?;
        let opened = producer.init_transactions(Timeout::After(limit));
        let transactions = Self {
            producer,
            id: id.to_owned(),
            failures_before: 0,
        };
        opened.map_err(|source| transactions.failed("take the fence", source))?;
        Ok(transactions)
    }

    /// Hands over log lines and errors. To be called now and then while no transaction is open.
    pub(crate) fn serve(&self) {
        self.producer.poll(Duration::ZERO);
    }

    /// Begins a transaction.
    pub(crate) fn begin(&mut self) -> Result<(), TxError> {
        let context = self.producer.client().context();
        locked(&context.delivered).clear();
        locked(&context.refused).take();
        self.failures_before = context.client.transport_failures();
        let begun = self.producer.begin_transaction();
        begun.map_err(|source| self.failed("begin a transaction", source))
    }

    /// Queues a record. A full queue is waited for.
    pub(crate) fn send(&self, record: &Outgoing, index: usize) -> Result<(), TxError> {
        let mut message = BaseRecord::<[u8], [u8], usize>::with_opaque_to(&record.topic, index);
        message.partition = record.partition;
        message.payload = record.value.as_deref();
        message.key = record.key.as_deref();
        message.timestamp = record.timestamp_ms;
        message.headers = record.native_headers();
        loop {
            let (error, again) = match self.producer.send(message) {
                Ok(()) => return Ok(()),
                Err(refused) => refused,
            };
            if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                return Err(self.refused(record.topic.clone(), error));
            }
            message = again;
            self.producer.poll(Duration::from_millis(5));
        }
    }

    /// Adds the offsets of a consumer group.
    pub(crate) fn send_offsets(
        &self,
        offsets: &TopicPartitionList,
        group: &ConsumerGroupMetadata,
    ) -> Result<(), TxError> {
        let sent = self
            .producer
            .send_offsets_to_transaction(offsets, group, Timeout::Never);
        sent.map_err(|source| self.failed("add offsets to a transaction", source))
    }

    /// Waits until every record queued so far is acknowledged, and tells where the tracked ones landed.
    pub(crate) fn delivered(&mut self) -> Result<Vec<(usize, Delivered)>, TxError> {
        while self.producer.in_flight_count() > 0 {
            self.producer.poll(GLANCE);
        }
        let context = self.producer.client().context();
        if let Some((topic, source)) = locked(&context.refused).take() {
            return Err(self.refused(topic, source));
        }
        Ok(std::mem::take(&mut *locked(&context.delivered)))
    }

    /// Commits. On any error the outcome is unknown, save for [`TxError::Refused`], where nothing was committed.
    pub(crate) fn commit(&mut self) -> Result<Finished, TxError> {
        let mut delivered = self.delivered()?;
        let context = self.producer.client().context();
        let started = Instant::now();
        let ended = self.producer.commit_transaction(Timeout::Never);
        let took = started.elapsed();
        ended.map_err(|source| self.failed("commit a transaction", source))?;
        // Whatever librdkafka has to say about connections is in its queue by now.
        while self.producer.in_flight_count() > 0 {
            self.producer.poll(Duration::ZERO);
        }
        let failures = context.client.transport_failures();
        let suspect = took > UNSUSPICIOUS || failures != self.failures_before;
        delivered.append(&mut locked(&context.delivered));
        Ok(Finished { delivered, suspect })
    }

    fn failed(&self, act: &'static str, source: KafkaError) -> TxError {
        let id = self.id.clone();
        match self.fenced(&source) {
            Some(source) => TxError::Fenced {
                id,
                source: Box::new(source),
            },
            None => TxError::Failed {
                act,
                id,
                source: Box::new(source),
            },
        }
    }

    fn refused(&self, topic: String, source: KafkaError) -> TxError {
        match self.fenced(&source) {
            Some(source) => TxError::Fenced {
                id: self.id.clone(),
                source: Box::new(source),
            },
            None => TxError::Refused {
                topic,
                source: Box::new(source),
            },
        }
    }

    /// A fence shows first in whichever request comes first, and later calls fail for being too late; the client remembers
    /// what it was.
    fn fenced(&self, source: &KafkaError) -> Option<KafkaError> {
        if source.rdkafka_error_code().is_some_and(is_fenced) {
            return Some(source.clone());
        }
        let (code, _) = self.producer.client().fatal_error()?;
        is_fenced(code).then_some(KafkaError::Global(code))
    }
}
