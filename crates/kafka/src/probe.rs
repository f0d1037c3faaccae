//! Asking whether a record can be read at a place of a partition, for whoever waits there in vain.

use std::time::{Duration, Instant};

use rdkafka::Message;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::client::{Context, is_transport};
use crate::cluster::{AskError, Cluster};

/// How long one question may take.
const ASK: Duration = Duration::from_secs(5);

/// What a reader with committed records only finds at an offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing up to the end: markers and aborted records at most.
    Nothing,
    /// A record, at this offset.
    Record(i64),
    /// Something that cannot be read, and why.
    Unreadable(String),
    /// Neither a record nor the end came in time.
    Silence,
}

/// Read from an offset until there is an answer, for as long as `patience`. Blocks the calling thread.
///
/// # Errors
/// In words, when the brokers do not answer.
pub fn probe(
    cluster: &Cluster,
    topic: &str,
    partition: i32,
    from: i64,
    patience: Duration,
) -> Result<Found, String> {
    let why = |error: &dyn std::error::Error| error.to_string();
    let (low, end) = match cluster.ends(topic, partition, ASK) {
        Ok(ends) => ends,
        Err(AskError::Cluster(error)) => return Err(why(&error)),
        Err(AskError::Kafka(error)) => return Err(why(&error)),
    };
    let from = from.max(low);
    if from >= end {
        return Ok(Found::Nothing);
    }
    let mut config = cluster.reader_config();
    config.set("fetch.wait.max.ms", "50");
    let consumer: BaseConsumer<Context> = cluster
        .create(&config, "probe")
        .map_err(|error| why(&error))?;
    let mut list = TopicPartitionList::new();
    let added = list.add_partition_offset(topic, partition, Offset::Offset(from));
    let assigned = added.and_then(|()| consumer.assign(&list));
    assigned.map_err(|error| why(&error))?;
    let started = Instant::now();
    while started.elapsed() < patience {
        match consumer.poll(Duration::from_millis(100)) {
            None => {}
            Some(Ok(message)) => return Ok(Found::Record(message.offset())),
            Some(Err(KafkaError::PartitionEOF(_))) => return Ok(Found::Nothing),
            Some(Err(error)) if is_transport(&error) => {}
            Some(Err(error)) => return Ok(Found::Unreadable(why(&error))),
        }
    }
    Ok(Found::Silence)
}
