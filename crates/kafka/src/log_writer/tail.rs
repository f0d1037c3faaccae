//! One log topic as its writer reads it: once from the beginning to the end, then its own records back.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::client::{Context, is_transport};
use crate::cluster::{AskError, Cluster};
use crate::record::Record;

/// How long one question may take.
const ASK: Duration = Duration::from_secs(10);
/// A log that gives nothing for this long although there is more is given up, and tried again.
const PATIENCE: Duration = Duration::from_secs(20);

/// A consumer of partition 0 of one log topic.
pub(super) struct Tail {
    pub(super) topic: String,
    consumer: BaseConsumer<Context>,
}

/// Why a log cannot be read at present.
#[derive(Debug, thiserror::Error)]
pub(super) enum TailError {
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error("cannot read {topic}: {source}")]
    Read { topic: String, source: KafkaError },
    #[error("{topic} gave no more records for {} s", PATIENCE.as_secs())]
    Silent { topic: String },
}

impl Tail {
    /// Reads the log from its beginning to its end, as it is now; hands each record to `fold`.
    pub(super) fn open<E: From<TailError>>(
        cluster: &Cluster,
        topic: &str,
        mut fold: impl FnMut(&Record) -> Result<(), E>,
    ) -> Result<Self, E> {
        let (tail, low, end) = Self::assign(cluster, topic)?;
        let (mut next, mut alive) = (low, Instant::now());
        while next < end {
            match tail.poll(&mut alive)? {
                Some(Polled::Record(record)) => {
                    next = record.offset + 1;
                    fold(&record)?;
                }
                // Assigned after the end was asked for: this event lies at or behind it.
                Some(Polled::End) => break,
                // Markers are not delivered, and the position moves over them.
                None => next = next.max(tail.position()),
            }
        }
        Ok(tail)
    }

    fn assign(cluster: &Cluster, topic: &str) -> Result<(Self, i64, i64), TailError> {
        let (low, end) = cluster.ends(topic, 0, ASK)?;
        let mut config = cluster.reader_config();
        config
            .set("fetch.wait.max.ms", "100")
            .set("queued.max.messages.kbytes", "16384");
        let consumer: BaseConsumer<Context> =
            cluster.create(&config, "log").map_err(AskError::from)?;
        let tail = Self {
            topic: topic.to_owned(),
            consumer,
        };
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, 0, Offset::Offset(low))
            .and_then(|()| tail.consumer.assign(&list))
            .map_err(|source| tail.failed(source))?;
        Ok((tail, low, end))
    }

    /// The next record, whoever wrote it.
    pub(super) fn next(&self) -> Result<Record, TailError> {
        let mut alive = Instant::now();
        loop {
            match self.poll(&mut alive)? {
                Some(Polled::Record(record)) => return Ok(record),
                Some(Polled::End) | None => {}
            }
        }
    }

    fn poll(&self, alive: &mut Instant) -> Result<Option<Polled>, TailError> {
        match self.consumer.poll(Duration::from_millis(10)) {
            Some(Ok(message)) => {
                *alive = Instant::now();
                Ok(Some(Polled::Record(Record::from_message(&message))))
            }
            Some(Err(KafkaError::PartitionEOF(_))) => Ok(Some(Polled::End)),
            Some(Err(error)) if !is_transport(&error) => Err(self.failed(error)),
            Some(Err(_)) | None if alive.elapsed() < PATIENCE => Ok(None),
            Some(Err(_)) | None => Err(TailError::Silent {
                topic: self.topic.clone(),
            }),
        }
    }

    /// After the last record delivered and the markers behind it.
    fn position(&self) -> i64 {
        let Ok(list) = self.consumer.position() else {
            return 0;
        };
        match list
            .find_partition(&self.topic, 0)
            .map(|element| element.offset())
        {
            Some(Offset::Offset(offset)) => offset,
            Some(_) | None => 0,
        }
    }

    fn failed(&self, source: KafkaError) -> TailError {
        TailError::Read {
            topic: self.topic.clone(),
            source,
        }
    }
}

enum Polled {
    Record(Record),
    End,
}
