//! What only the writer has: the fence, the log read to its end, and the transactions that advance it.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::group::{Partition, RewindError};
use super::tail::{Tail, TailError};
use super::{LogCore, LogWriterConfig};
use crate::client::is_transport;
use crate::cluster::AskError;
use crate::record::{Outgoing, Record};
use crate::transaction::{Finished, Transactions, TxError};

/// How long taking the fence may take before it is tried again; a stop has to wait for it.
const FENCE_LIMIT: Duration = Duration::from_secs(10);

/// Why the writer had to leave its seat.
#[derive(Debug)]
pub(super) enum Setback {
    /// Another writer holds the fence.
    Fenced(String),
    /// Anything that passes: the seat is taken anew, from the log.
    Passing(String),
    /// The log or the core is not as it must be; a human has to look.
    Broken(String),
}

impl From<TailError> for Setback {
    fn from(error: TailError) -> Self {
        match error {
            TailError::Ask(AskError::Cluster(error)) => Self::Broken(told(&error)),
            TailError::Ask(AskError::Kafka(error)) => Self::from(error),
            TailError::Read { .. } | TailError::Silent { .. } => Self::Passing(told(&error)),
        }
    }
}

impl From<KafkaError> for Setback {
    fn from(error: KafkaError) -> Self {
        Self::Passing(if is_transport(&error) {
            format!("no broker answers: {error}")
        } else {
            error.to_string()
        })
    }
}

impl From<RewindError> for Setback {
    fn from(error: RewindError) -> Self {
        match error {
            RewindError::Kafka(error) => Self::from(error),
            RewindError::HeldBack => Self::Passing(error.to_string()),
        }
    }
}

impl From<TxError> for Setback {
    fn from(error: TxError) -> Self {
        match &error {
            TxError::Fenced { .. } => Self::Fenced(told(&error)),
            TxError::Cluster(_) => Self::Broken(told(&error)),
            TxError::Failed { .. } | TxError::Refused { .. } => Self::Passing(told(&error)),
        }
    }
}

/// An error with its causes.
fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// The writer's seat. Leaving it is dropping it.
pub(super) struct Seat {
    transactions: Transactions,
    tails: Vec<Tail>,
    /// The next request of each partition. Guards against deciding one twice.
    pub(super) next: BTreeMap<Partition, i64>,
}

impl Seat {
    /// Takes the fence, then reads the log to its end, and founds it when it is empty. In this order: what the predecessor
    /// had under way is decided by the fence, so the end that is read afterwards stands.
    pub(super) fn take(config: &LogWriterConfig, core: &mut impl LogCore) -> Result<Self, Setback> {
        let transactions = open(config)?;
        core.reset();
        let mut empty = true;
        let mut tails = Vec::with_capacity(config.log_topics.len());
        for (index, topic) in config.log_topics.iter().enumerate() {
            tails.push(Tail::open(&config.cluster, topic, |record| {
                empty &= index != 0;
                core.fold(record).map_err(|why| {
                    Setback::Broken(format!("{topic} at offset {}: {why}", record.offset))
                })
            })?);
        }
        let mut seat = Self {
            transactions,
            tails,
            next: BTreeMap::new(),
        };
        let founding = if empty { core.found() } else { Vec::new() };
        if !founding.is_empty() {
            seat.transactions.begin()?;
            let finished = seat.write(founding, None)?;
            seat.settle(config, core, finished)?;
        }
        Ok(seat)
    }

    /// Hands over what librdkafka has to say while nothing is to be written.
    pub(super) fn serve(&self) {
        self.transactions.serve();
    }

    /// Decides a batch and writes results, replies and the offsets of the requests in one transaction.
    pub(super) fn decide(
        &mut self,
        config: &LogWriterConfig,
        core: &mut impl LogCore,
        batch: &[Record],
        member: &ConsumerGroupMetadata,
    ) -> Result<(), Setback> {
        self.transactions.begin()?;
        let mut outputs = Vec::new();
        for request in batch {
            let partition = (request.topic.clone(), request.partition);
            if self
                .next
                .get(&partition)
                .is_some_and(|next| request.offset < *next)
            {
                continue;
            }
            outputs.extend(core.decide(request));
            self.next.insert(partition, request.offset + 1);
        }
        let mut offsets = TopicPartitionList::new();
        for ((topic, partition), next) in &self.next {
            if batch
                .iter()
                .any(|r| r.topic == *topic && r.partition == *partition)
            {
                offsets.add_partition_offset(topic, *partition, Offset::Offset(*next))?;
            }
        }
        let written = self.write(outputs, Some((&offsets, member)))?;
        self.settle(config, core, written)
    }

    fn write(
        &mut self,
        mut outputs: Vec<Outgoing>,
        offsets: Option<(&TopicPartitionList, &ConsumerGroupMetadata)>,
    ) -> Result<(Vec<Outgoing>, Finished), Setback> {
        for (index, output) in outputs.iter_mut().enumerate() {
            output.partition.get_or_insert(0);
            self.transactions.send(output, index)?;
        }
        if let Some((offsets, member)) = offsets {
            self.transactions.send_offsets(offsets, member)?;
        }
        let finished = self.transactions.commit()?;
        Ok((outputs, finished))
    }

    /// After a commit: the own records are read back, and a producer that Rule 1 suspects is replaced.
    fn settle(
        &mut self,
        config: &LogWriterConfig,
        core: &mut impl LogCore,
        (outputs, finished): (Vec<Outgoing>, Finished),
    ) -> Result<(), Setback> {
        let offsets: BTreeMap<usize, i64> = finished
            .delivered
            .iter()
            .map(|(index, at)| (*index, at.offset))
            .collect();
        let mut read: BTreeMap<usize, Record> = BTreeMap::new();
        for tail in &self.tails {
            for (index, output) in outputs.iter().enumerate() {
                if output.topic == tail.topic {
                    let record = tail.next()?;
                    check(&record, output, offsets.get(&index).copied())?;
                    read.insert(index, record);
                }
            }
        }
        for record in read.values() {
            core.confirm(record).map_err(|why| {
                Setback::Broken(format!(
                    "{} at offset {}: {why}",
                    record.topic, record.offset
                ))
            })?;
        }
        if finished.suspect {
            tracing::debug!(target: "kafka", id = config.transactional_id, "replacing the producer");
            self.transactions = open(config)?;
        }
        Ok(())
    }
}

fn open(config: &LogWriterConfig) -> Result<Transactions, TxError> {
    Transactions::open(&config.cluster, &config.transactional_id, 0, FENCE_LIMIT)
}

/// Whether a record of the log is the one that was written there.
fn check(record: &Record, written: &Outgoing, offset: Option<i64>) -> Result<(), Setback> {
    if Some(record.offset) != offset {
        // Somebody wrote to the log without the fence. The log is the truth: read it anew, the fold will judge it.
        return Err(Setback::Passing(format!(
            "{} holds a record at offset {} that this writer did not write",
            record.topic, record.offset
        )));
    }
    let same = record.key == written.key
        && record.value == written.value
        && record.headers == written.headers;
    if same {
        Ok(())
    } else {
        Err(Setback::Broken(format!(
            "{} at offset {} is not what was written there",
            record.topic, record.offset
        )))
    }
}
