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

/// Offsets that a batch which cannot be read is followed at most.
const MOST_OFFSETS: i64 = 100_000;

/// How long nothing at all comes from a broker that answers.
const SILENT: Duration = Duration::from_secs(5);

/// How long a record behind a batch may take to come, where it comes by itself.
const BEHIND: Duration = Duration::from_millis(300);

const SILENCE: &str = "neither a record nor the end comes";

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
    /// It cannot, and from `to` on something can, or nothing is there yet.
    Unreadable {
        /// The first offset behind it.
        to: i64,
        /// Why it cannot be read.
        why: String,
    },
    /// Where it ends is not known: a reader hears nothing at all, or it reaches further than was looked.
    Endless {
        /// How far it was followed.
        at: i64,
        /// The partition's end.
        end: i64,
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

/// How far what cannot be read at an offset reaches. Offset by offset: a batch that cannot be read is one from wherever in
/// it one begins, and nothing between two of them may be missed. Blocks the calling thread for some milliseconds an offset;
/// `seen` is told how far it came.
///
/// # Errors
/// In words, when the brokers do not answer.
pub fn extent(
    cluster: &Cluster,
    topic: &str,
    partition: i32,
    from: i64,
    seen: &mut dyn FnMut(i64),
) -> Result<Extent, String> {
    let Some((mut consumer, offsets)) = start(cluster, topic, partition, from)? else {
        return Ok(Extent::Readable);
    };
    let (end, mut unreadable) = (offsets.end, None);
    let reach = end.min(offsets.start.saturating_add(MOST_OFFSETS));
    for at in offsets.start..reach {
        if unreadable.is_some() {
            // One of its own for each: assigned anew in quick succession, librdkafka 2.12 aborts the process
            // (`rd_kafka_assignment_partition_stopped`).
            consumer = begin(cluster, topic, partition, at)?;
        }
        let known = |to: i64, why: Option<String>| match why {
            None => Extent::Readable,
            Some(why) => Extent::Unreadable { to, why },
        };
        match glance(&consumer, SILENT) {
            Glance::Record(_) => return Ok(known(at, unreadable)),
            Glance::End => return Ok(known(end, unreadable)),
            Glance::Nothing => {
                let why = unreadable.unwrap_or_else(|| SILENCE.to_owned());
                return Ok(Extent::Endless { at, end, why });
            }
            Glance::Error(why) if unreadable.is_none() => {
                // A client may go on behind a batch by itself: then that is where it ends.
                if let Glance::Record(to) = glance(&consumer, BEHIND) {
                    return Ok(known(to, Some(why)));
                }
                unreadable = Some(why);
            }
            Glance::Error(_) => seen(at),
        }
    }
    let why = unreadable.unwrap_or_default();
    Ok(if reach == end {
        Extent::Unreadable { to: end, why }
    } else {
        Extent::Endless {
            at: reach,
            end,
            why,
        }
    })
}

/// What came first.
enum Glance {
    Record(i64),
    End,
    Error(String),
    Nothing,
}

fn glance(consumer: &BaseConsumer<Context>, patience: Duration) -> Glance {
    let started = Instant::now();
    while started.elapsed() < patience {
        match consumer.poll(Duration::from_millis(20)) {
            None => {}
            Some(Ok(message)) => return Glance::Record(message.offset()),
            Some(Err(KafkaError::PartitionEOF(_))) => return Glance::End,
            Some(Err(error)) if is_transport(&error) => {}
            Some(Err(error)) => return Glance::Error(error.to_string()),
        }
    }
    Glance::Nothing
}

/// A consumer, with the offset that it begins at and the end.
type Begun = (BaseConsumer<Context>, Range<i64>);

/// A consumer that reads a partition from an offset on, with that offset and the end; none where nothing is there.
fn start(
    cluster: &Cluster,
    topic: &str,
    partition: i32,
    from: i64,
) -> Result<Option<Begun>, String> {
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
    let consumer = begin(cluster, topic, partition, from)?;
    Ok(Some((consumer, from..end)))
}

fn begin(
    cluster: &Cluster,
    topic: &str,
    partition: i32,
    from: i64,
) -> Result<BaseConsumer<Context>, String> {
    let mut config = cluster.reader_config();
    config.set("fetch.wait.max.ms", "50");
    config.set("fetch.error.backoff.ms", "0");
    let consumer: BaseConsumer<Context> = cluster
        .create(&config, "probe")
        .map_err(|error| error.to_string())?;
    let mut list = TopicPartitionList::new();
    let added = list.add_partition_offset(topic, partition, Offset::Offset(from));
    let assigned = added.and_then(|()| consumer.assign(&list));
    assigned.map_err(|error| error.to_string())?;
    Ok(consumer)
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
