//! Asking whether a record can be read at a place of a partition, for whoever waits there in vain.

use std::ops::Range;
use std::time::{Duration, Instant};

use rdkafka::Message;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::client::{Context, is_transport};
use crate::cluster::{AskError, Cluster};

/// How long one question may take.
const ASK: Duration = Duration::from_secs(5);

/// Records looked through at most: what cannot be read may lie behind some that can.
const MOST: usize = 100_000;

/// What a reader with committed records only finds from an offset on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing up to the end: markers and aborted records at most.
    Nothing,
    /// Records that can be read, the first of them at this offset.
    Record(i64),
    /// Something that cannot be read, at this offset or behind it, and why.
    Unreadable(i64, String),
    /// Neither a record nor the end came in time.
    Silence,
}

/// How far what cannot be read reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Extent {
    /// It can be read, or nothing is there.
    Readable,
    /// It cannot, and what lies behind it can.
    Unreadable {
        /// The first offset behind it.
        to: i64,
        /// Why it cannot be read.
        why: String,
    },
    /// It cannot, and no reader gets behind it by itself.
    Endless {
        /// Why it cannot be read.
        why: String,
    },
}

/// Read from an offset to the end, or to what cannot be read, for as long as `patience`. Blocks the calling thread.
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
    match start(cluster, topic, partition, from)? {
        Some((consumer, offsets)) => Ok(read(&consumer, offsets.start, patience)),
        None => Ok(Found::Nothing),
    }
}

/// How far what cannot be read at an offset reaches, by the first thing that a reader gets behind it. Blocks the calling
/// thread, for as long as `patience` where nothing comes.
///
/// # Errors
/// In words, when the brokers do not answer.
pub fn extent(
    cluster: &Cluster,
    topic: &str,
    partition: i32,
    from: i64,
    patience: Duration,
) -> Result<Extent, String> {
    match start(cluster, topic, partition, from)? {
        Some((consumer, offsets)) => Ok(measure(&consumer, offsets.end, patience)),
        None => Ok(Extent::Readable),
    }
}

fn measure(consumer: &BaseConsumer<Context>, end: i64, patience: Duration) -> Extent {
    let started = Instant::now();
    let mut unreadable = None;
    while started.elapsed() < patience {
        let next = match consumer.poll(Duration::from_millis(100)) {
            None => continue,
            Some(Ok(message)) => message.offset(),
            // Nothing can be read up to the end, which lies no nearer than when it was asked for.
            Some(Err(KafkaError::PartitionEOF(_))) => end,
            Some(Err(error)) if is_transport(&error) => continue,
            Some(Err(error)) => {
                unreadable.get_or_insert(error.to_string());
                continue;
            }
        };
        return match unreadable {
            None => Extent::Readable,
            Some(why) => Extent::Unreadable { to: next, why },
        };
    }
    let silence = || "neither a record nor the end comes".to_owned();
    Extent::Endless {
        why: unreadable.unwrap_or_else(silence),
    }
}

/// A consumer that reads a partition from an offset on, with that offset and the end; none where nothing is there.
fn start(
    cluster: &Cluster,
    topic: &str,
    partition: i32,
    from: i64,
) -> Result<Option<(BaseConsumer<Context>, Range<i64>)>, String> {
    let why = |error: &dyn std::error::Error| error.to_string();
    let (low, end) = match cluster.ends(topic, partition, ASK) {
        Ok(ends) => ends,
        Err(AskError::Cluster(error)) => return Err(why(&error)),
        Err(AskError::Kafka(error)) => return Err(why(&error)),
    };
    let from = from.max(low);
    if from >= end {
        return Ok(None);
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
    Ok(Some((consumer, from..end)))
}

fn read(consumer: &BaseConsumer<Context>, from: i64, patience: Duration) -> Found {
    let started = Instant::now();
    let (mut first, mut next, mut seen) = (None, from, 0);
    while started.elapsed() < patience && seen < MOST {
        match consumer.poll(Duration::from_millis(100)) {
            None => {}
            Some(Ok(message)) => {
                first.get_or_insert(message.offset());
                next = message.offset() + 1;
                seen += 1;
            }
            Some(Err(KafkaError::PartitionEOF(_))) => {
                return first.map_or(Found::Nothing, Found::Record);
            }
            Some(Err(error)) if is_transport(&error) => {}
            Some(Err(error)) => return Found::Unreadable(next, error.to_string()),
        }
    }
    first.map_or(Found::Silence, Found::Record)
}
