//! What librdkafka tells us from inside `poll`: rebalances, errors, log lines.
//!
//! The callbacks run on the loop's own thread (librdkafka's events are polled, not pushed), and only note what
//! happened; the loop acts on it when `poll` has returned. One exception: partitions are given back at once, since a
//! consumer that is being closed waits for that.

use crate::mutants::{Mutant, active};
use rdkafka::{
    ClientContext, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer, ConsumerContext},
    error::{KafkaError, RDKafkaErrorCode},
    message::DeliveryResult,
    producer::ProducerContext,
    types::RDKafkaRespErr,
};
use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

/// A change of what this member owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// It owns exactly these from now on; `assign` is still to be called.
    Assigned(Vec<(String, i32)>),
    /// It owns nothing any more; already given back.
    Revoked,
}

/// Notes of the consumer.
#[derive(Debug, Default)]
pub(super) struct ConsumerNotes {
    changes: Mutex<Vec<Change>>,
}

impl ConsumerNotes {
    /// The changes since the last call, oldest first.
    pub(super) fn take_changes(&self) -> Vec<Change> {
        std::mem::take(&mut *self.changes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note(&self, change: Change) {
        self.changes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(change);
    }
}

impl ClientContext for ConsumerNotes {
    fn log(&self, level: RDKafkaLogLevel, fac: &str, message: &str) {
        log_line(level, fac, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "consumer reports an error");
    }
}

impl ConsumerContext for ConsumerNotes {
    // Overriding this method, and not the hooks around it, is what keeps the partitions from being assigned twice:
    // https://github.com/getsentry/snuba/pull/5229. `Assigned` is acted on by the loop, which first asks for the
    // committed offsets and their texts.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "librdkafka's codes are not ours"
    )]
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        code: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        match code {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                let owned = partitions
                    .elements()
                    .iter()
                    .map(|element| (element.topic().to_owned(), element.partition()))
                    .collect();
                self.note(Change::Assigned(owned));
            }
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS => self.give_back(consumer),
            other => {
                tracing::warn!(code = %RDKafkaErrorCode::from(other), "rebalance failed");
                self.give_back(consumer);
            }
        }
    }
}

impl ConsumerNotes {
    fn give_back(&self, consumer: &BaseConsumer<Self>) {
        if let Err(error) = consumer.unassign() {
            tracing::warn!(%error, "giving partitions back failed");
        }
        self.note(Change::Revoked);
    }
}

/// Notes of the producer.
#[derive(Debug, Default)]
pub(super) struct ProducerNotes {
    /// A request timed out or a connection broke: a copy of a request may still be on its way to the broker.
    suspect: AtomicBool,
}

impl ProducerNotes {
    /// Whether a connection failed or a request timed out since the producer was made.
    pub(super) fn is_suspect(&self) -> bool {
        let blind = active(Mutant::M7) || active(Mutant::M7c);
        self.suspect.load(Ordering::Relaxed) && !blind
    }

    fn suspect(&self) {
        self.suspect.store(true, Ordering::Relaxed);
    }
}

impl ClientContext for ProducerNotes {
    fn log(&self, level: RDKafkaLogLevel, fac: &str, message: &str) {
        // librdkafka's names of the log lines for a failed connection and for timed-out requests.
        if matches!(fac, "FAIL" | "REQTMOUT") {
            self.suspect();
        }
        log_line(level, fac, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let down = error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown);
        if !(down && active(Mutant::M7d)) {
            self.suspect();
        }
        tracing::debug!(%error, reason, "producer reports an error");
    }
}

impl ProducerContext for ProducerNotes {
    type DeliveryOpaque = ();

    // Nothing is decided here: a failed delivery makes the transaction fail, which the commit says.
    fn delivery(&self, result: &DeliveryResult<'_>, _opaque: ()) {
        if let Err((error, _message)) = result {
            tracing::debug!(%error, "delivery failed");
        }
    }
}

fn log_line(level: RDKafkaLogLevel, fac: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg
        | RDKafkaLogLevel::Alert
        | RDKafkaLogLevel::Critical
        | RDKafkaLogLevel::Error
        | RDKafkaLogLevel::Warning => tracing::warn!(target: "librdkafka", fac, "{message}"),
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
            tracing::info!(target: "librdkafka", fac, "{message}");
        }
        RDKafkaLogLevel::Debug => tracing::debug!(target: "librdkafka", fac, "{message}"),
    }
}
