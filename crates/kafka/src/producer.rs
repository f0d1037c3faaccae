//! Writing single records and knowing where they landed: requests of the services, events of the CLI and the gateway.
//!
//! Idempotent, not transactional: the broker keeps one producer's records in order and drops copies.

use std::time::Duration;

use rdkafka::error::KafkaError;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer as _};
use rdkafka::util::Timeout;

use crate::client::Context;
use crate::cluster::{Cluster, ClusterError};
use crate::record::Outgoing;

/// A record that is not acknowledged within this time is given up. Someone waits for it on an HTTP connection; librdkafka's
/// five minutes are made for pipelines.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(30);

/// Where a record landed, acknowledged by all in-sync replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// The partition.
    pub partition: i32,
    /// The offset in it.
    pub offset: i64,
}

/// A record was not acknowledged. It may still have been written.
#[derive(Debug, thiserror::Error)]
#[error("record for {topic} was not acknowledged")]
pub struct SendError {
    /// The topic it was meant for.
    pub topic: String,
    /// What librdkafka says.
    pub source: KafkaError,
}

impl SendError {
    /// Whether the record was refused for its size, which no retry mends.
    pub fn is_too_large(&self) -> bool {
        self.source.rdkafka_error_code()
            == Some(rdkafka::error::RDKafkaErrorCode::MessageSizeTooLarge)
    }

    /// Whether brokers could not be reached in time: the record may have been written, and a retry may help.
    pub fn is_unreachable(&self) -> bool {
        self.source.rdkafka_error_code() == Some(rdkafka::error::RDKafkaErrorCode::MessageTimedOut)
            || crate::client::is_transport(&self.source)
    }
}

/// An idempotent producer. Cheap to clone.
#[derive(Clone)]
pub struct Producer {
    inner: FutureProducer<Context>,
}

impl std::fmt::Debug for Producer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Producer").finish_non_exhaustive()
    }
}

impl Producer {
    /// Makes a producer; brokers are reached when the first record is sent.
    ///
    /// # Errors
    /// When librdkafka refuses the configuration.
    pub fn new(cluster: &Cluster) -> Result<Self, ClusterError> {
        Self::within(cluster, DELIVERY_TIMEOUT)
    }

    /// As [`Producer::new`], for whoever waits for acknowledgements for so long and no longer.
    ///
    /// # Errors
    /// When librdkafka refuses the configuration.
    pub fn within(cluster: &Cluster, limit: Duration) -> Result<Self, ClusterError> {
        let mut config = cluster.producer_config();
        config
            .set("linger.ms", "0")
            .set("message.timeout.ms", limit.as_millis().to_string());
        Ok(Self {
            inner: cluster.create(&config, "producer")?,
        })
    }

    /// Sends one record and waits until it is acknowledged. A full queue is back-pressure, not an error.
    ///
    /// # Errors
    /// [`SendError`] when the record was refused, or not acknowledged in time.
    pub async fn send(&self, record: Outgoing) -> Result<Delivered, SendError> {
        let mut message = FutureRecord::<[u8], [u8]>::to(&record.topic);
        message.partition = record.partition;
        message.payload = record.value.as_deref();
        message.key = record.key.as_deref();
        message.timestamp = record.timestamp_ms;
        message.headers = record.native_headers();
        match self.inner.send(message, Timeout::Never).await {
            Ok(delivery) => Ok(Delivered {
                partition: delivery.partition,
                offset: delivery.offset,
            }),
            Err((source, _message)) => Err(SendError {
                topic: record.topic.clone(),
                source,
            }),
        }
    }

    /// Waits until everything sent so far is acknowledged or given up. Blocks the thread.
    ///
    /// # Errors
    /// When that takes longer than `limit`.
    pub fn flush(&self, limit: Duration) -> Result<(), SendError> {
        self.inner.flush(limit).map_err(|source| SendError {
            topic: "(all topics)".to_owned(),
            source,
        })
    }
}
