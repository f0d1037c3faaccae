//! Reading a topic from here to there, once: peeks, exports, audits. Committed records only, all partitions or some.
//!
//! Blocks the calling thread. Order holds within a partition; partitions come interleaved.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use rdkafka::Message;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::client::{Context, is_transport};
use crate::cluster::{AskError, Cluster};
use crate::reader::ReadError;
use crate::record::Record;

/// How long one question may take.
const ASK: Duration = Duration::from_secs(20);
/// Brokers that stay away this long in the middle of a scan end it with an error.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where a scan starts, in each partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScanStart {
    /// At the first record still there.
    Beginning,
    /// At the end as it is now.
    End,
    /// At the first record whose timestamp is this or later, in milliseconds since 1970 UTC.
    Time(i64),
    /// At this offset.
    Offset(i64),
}

/// Where a scan ends, in each partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScanEnd {
    /// At the read-committed end as it is when the scan starts.
    CurrentEnd,
    /// Before the first record whose timestamp is this or later; at the current end when there is none.
    Time(i64),
    /// Before this offset, or at the current end when that comes first.
    Offset(i64),
    /// When the caller says so.
    Never,
}

/// What to scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanSpec {
    /// The topic.
    pub topic: String,
    /// Which partitions; `None` is all.
    pub partitions: Option<Vec<i32>>,
    /// Where to start.
    pub from: ScanStart,
    /// Where to end.
    pub until: ScanEnd,
}

/// What a scan saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScanSummary {
    /// Records handed to the caller.
    pub records: u64,
    /// For each partition the offset after the last record that was handed over, or where it started.
    pub next: BTreeMap<i32, i64>,
}

/// The offsets of one partition that belong to the scan.
#[derive(Clone, Copy, Debug)]
struct Range {
    start: i64,
    end: Option<i64>,
}

impl Range {
    fn holds(self, offset: i64) -> bool {
        self.end.is_none_or(|end| offset < end)
    }
}

/// Hands each record of the range to `visit` until it breaks or the range ends.
///
/// # Errors
/// [`ReadError::NoTopic`]; [`ReadError::Read`] when brokers refuse, lack an offset, or stay away for a minute.
pub fn scan(
    cluster: &Cluster,
    spec: &ScanSpec,
    mut visit: impl FnMut(Record) -> ControlFlow<()>,
) -> Result<ScanSummary, ReadError> {
    let mut config = cluster.reader_config();
    // The end of a partition shows one empty fetch after its last record.
    config
        .set("fetch.wait.max.ms", "50")
        .set("queued.max.messages.kbytes", "16384");
    let consumer: BaseConsumer<Context> = cluster.create(&config, "scan")?;
    let mut open = ranges(cluster, &consumer, spec)?;
    let next = open
        .iter()
        .map(|(partition, range)| (*partition, range.start))
        .collect();
    let mut summary = ScanSummary { records: 0, next };
    open.retain(|_, range| range.end.is_none_or(|end| range.start < end));
    assign(&consumer, &spec.topic, &open)?;

    let mut alive = Instant::now();
    while !open.is_empty() {
        match consumer.poll(Duration::from_millis(100)) {
            None => {}
            Some(Ok(message)) => {
                alive = Instant::now();
                if deliver(&message, &mut open, &mut summary, &mut visit).is_break() {
                    break;
                }
            }
            // Assigned after the ends were asked for, so this event lies at or behind them.
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                alive = Instant::now();
                open.retain(|open, range| *open != partition || range.end.is_none());
            }
            Some(Err(error)) if is_transport(&error) && alive.elapsed() < PATIENCE => {}
            Some(Err(source)) => return Err(read_error(&spec.topic, source)),
        }
    }
    Ok(summary)
}

/// Hands over a record that lies in the range of its partition, and closes the partition after its last one.
fn deliver(
    message: &BorrowedMessage<'_>,
    open: &mut BTreeMap<i32, Range>,
    summary: &mut ScanSummary,
    visit: &mut impl FnMut(Record) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let (partition, offset) = (message.partition(), message.offset());
    let Some(range) = open.get(&partition).copied() else {
        return ControlFlow::Continue(());
    };
    if !range.holds(offset + 1) {
        open.remove(&partition);
    }
    if !range.holds(offset) {
        return ControlFlow::Continue(());
    }
    summary.records += 1;
    summary.next.insert(partition, offset + 1);
    visit(Record::from_message(message))
}

fn assign(
    consumer: &BaseConsumer<Context>,
    topic: &str,
    open: &BTreeMap<i32, Range>,
) -> Result<(), ReadError> {
    let mut list = TopicPartitionList::new();
    for (partition, range) in open {
        list.add_partition_offset(topic, *partition, Offset::Offset(range.start))
            .map_err(|source| read_error(topic, source))?;
    }
    consumer
        .assign(&list)
        .map_err(|source| read_error(topic, source))
}

fn ranges(
    cluster: &Cluster,
    consumer: &BaseConsumer<Context>,
    spec: &ScanSpec,
) -> Result<BTreeMap<i32, Range>, ReadError> {
    let topic = &spec.topic;
    let partitions = partitions(cluster, spec)?;
    let starts = match spec.from {
        ScanStart::Time(time) => at_time(consumer, topic, &partitions, time)?,
        ScanStart::Beginning | ScanStart::End | ScanStart::Offset(_) => BTreeMap::new(),
    };
    let stops = match spec.until {
        ScanEnd::Time(time) => at_time(consumer, topic, &partitions, time)?,
        ScanEnd::CurrentEnd | ScanEnd::Offset(_) | ScanEnd::Never => BTreeMap::new(),
    };
    let mut ranges = BTreeMap::new();
    for partition in partitions {
        let (low, end) = cluster
            .ends(topic, partition, ASK)
            .map_err(|error| match error {
                AskError::Cluster(error) => error.into(),
                AskError::Kafka(source) => read_error(topic, source),
            })?;
        let start = match spec.from {
            ScanStart::Beginning => low,
            ScanStart::End => end,
            ScanStart::Time(_) => starts.get(&partition).copied().unwrap_or(end),
            ScanStart::Offset(offset) => offset.clamp(low, end.max(low)),
        };
        let end = match spec.until {
            ScanEnd::CurrentEnd => Some(end),
            ScanEnd::Time(_) => Some(stops.get(&partition).copied().unwrap_or(end).min(end)),
            ScanEnd::Offset(offset) => Some(offset.min(end)),
            ScanEnd::Never => None,
        };
        ranges.insert(partition, Range { start, end });
    }
    Ok(ranges)
}

/// The partitions to be read, all of which exist.
fn partitions(cluster: &Cluster, spec: &ScanSpec) -> Result<Vec<i32>, ReadError> {
    let no_topic = || ReadError::NoTopic {
        topic: spec.topic.clone(),
    };
    let count = match cluster.shape(&spec.topic, ASK) {
        Ok(found) => found.ok_or_else(no_topic)?.0,
        Err(AskError::Cluster(error)) => return Err(error.into()),
        Err(AskError::Kafka(source)) => return Err(read_error(&spec.topic, source)),
    };
    let partitions = spec
        .partitions
        .clone()
        .unwrap_or_else(|| (0..count).collect());
    if partitions
        .iter()
        .all(|partition| (0..count).contains(partition))
    {
        Ok(partitions)
    } else {
        Err(no_topic())
    }
}

/// The first offset at or after a time, for the partitions that have one.
fn at_time(
    consumer: &BaseConsumer<Context>,
    topic: &str,
    partitions: &[i32],
    time: i64,
) -> Result<BTreeMap<i32, i64>, ReadError> {
    let mut asked = TopicPartitionList::new();
    for partition in partitions {
        asked
            .add_partition_offset(topic, *partition, Offset::Offset(time.max(0)))
            .map_err(|source| read_error(topic, source))?;
    }
    let answer = consumer
        .offsets_for_times(asked, ASK)
        .map_err(|source| read_error(topic, source))?;
    let mut found = BTreeMap::new();
    for element in answer.elements_for_topic(topic) {
        element
            .error()
            .map_err(|source| read_error(topic, source))?;
        if let Offset::Offset(offset) = element.offset() {
            found.insert(element.partition(), offset);
        }
    }
    Ok(found)
}

fn read_error(topic: &str, source: KafkaError) -> ReadError {
    match source.rdkafka_error_code() {
        Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => {
            ReadError::NoTopic {
                topic: topic.to_owned(),
            }
        }
        Some(_) | None => ReadError::Read {
            topic: topic.to_owned(),
            source,
        },
    }
}
