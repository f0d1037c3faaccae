//! A transactional producer for one-off publishing: all of a file or none of it, and a position in the file that moves with
//! the records, so that an interrupted run goes on where it stopped.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::client::Context;
use crate::cluster::Cluster;
use crate::producer::Delivered;
use crate::record::Outgoing;
use crate::transaction::{Transactions, TxError, UNTRACKED};

/// How long taking the fence may take. A predecessor's open transaction is ended meanwhile.
const OPEN_LIMIT: Duration = Duration::from_secs(60);
/// Batches matter more than latency here.
const LINGER_MS: u32 = 5;

/// A position that is committed together with records. The topic must exist; the numbers are the caller's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The topic that the group reads, or stands for what it reads.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The next offset.
    pub offset: i64,
    /// A text kept with it.
    pub metadata: String,
}

/// A transactional producer. All calls block; use it from a thread of its own.
pub struct TxProducer {
    cluster: Cluster,
    id: String,
    /// `None` after a failure: the next [`TxProducer::begin`] takes the fence anew.
    transactions: Option<Transactions>,
    group: Option<(String, BaseConsumer<Context>)>,
}

impl std::fmt::Debug for TxProducer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TxProducer")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl TxProducer {
    /// Takes the fence of this transactional id. When this returns, nothing of a predecessor is open any more, so the group's
    /// committed positions tell what it achieved.
    ///
    /// # Errors
    /// [`TxError::Cluster`], or [`TxError::Failed`] when no broker answers within a minute.
    pub fn new(cluster: &Cluster, transactional_id: &str) -> Result<Self, TxError> {
        let mut producer = Self {
            cluster: cluster.clone(),
            id: transactional_id.to_owned(),
            transactions: None,
            group: None,
        };
        producer.open()?;
        Ok(producer)
    }

    fn open(&mut self) -> Result<&mut Transactions, TxError> {
        let open = match self.transactions.take() {
            Some(open) => open,
            None => Transactions::open(&self.cluster, &self.id, LINGER_MS, OPEN_LIMIT)?,
        };
        Ok(self.transactions.insert(open))
    }

    /// Begins a transaction.
    ///
    /// # Errors
    /// [`TxError`]; nothing has been written.
    pub fn begin(&mut self) -> Result<(), TxError> {
        let begun = self.open()?.begin();
        self.keep_if_ok(begun)
    }

    /// Queues a record of the open transaction. Returns at once while the queue has room, and waits for room otherwise.
    ///
    /// # Errors
    /// [`TxError::Refused`] when the record cannot be sent (too large, mostly): abort.
    pub fn send(&mut self, record: &Outgoing) -> Result<(), TxError> {
        self.open()?.send(record, UNTRACKED)
    }

    /// As [`TxProducer::send`], for a record whose place [`TxProducer::delivered`] tells under this number.
    ///
    /// # Errors
    /// As there.
    pub fn send_numbered(&mut self, record: &Outgoing, number: usize) -> Result<(), TxError> {
        self.open()?.send(record, number)
    }

    /// Waits until the records of the open transaction are acknowledged, and gives the places of those that were numbered
    /// since it was asked last. They are not visible before the commit.
    ///
    /// # Errors
    /// [`TxError::Refused`] when the broker refused a record: abort.
    pub fn delivered(&mut self) -> Result<Vec<(usize, Delivered)>, TxError> {
        let delivered = self.open()?.delivered();
        self.keep_if_ok(delivered)
    }

    /// Whether the fence is still the one taken before: as far as this producer knows, nobody else has written since.
    pub fn holds_fence(&self) -> bool {
        self.transactions.is_some()
    }

    /// Adds positions of a group to the open transaction.
    ///
    /// # Errors
    /// [`TxError`]; the transaction cannot be committed any more.
    pub fn send_offsets(&mut self, group: &str, positions: &[Position]) -> Result<(), TxError> {
        let failed = |source: KafkaError| TxError::Failed {
            act: "name positions for a transaction",
            id: group.to_owned(),
            source: Box::new(source),
        };
        let mut list = TopicPartitionList::new();
        for position in positions {
            let mut element = list.add_partition(&position.topic, position.partition);
            element
                .set_offset(Offset::Offset(position.offset))
                .map_err(failed)?;
            element.set_metadata(&position.metadata);
        }
        self.join(group)?;
        let metadata = self
            .group
            .as_ref()
            .and_then(|(_, member)| member.group_metadata());
        let metadata = metadata.expect("a consumer with a group id has group metadata");
        let sent = self.open()?.send_offsets(&list, &metadata);
        self.keep_if_ok(sent)
    }

    /// Only names the group: without a subscription it has no members, and the transactional id is the fence.
    fn join(&mut self, group: &str) -> Result<(), TxError> {
        if self.group.as_ref().is_none_or(|(name, _)| name != group) {
            let mut config = self.cluster.reader_config();
            config.set("group.id", group);
            let member = self.cluster.create(&config, "positions")?;
            self.group = Some((group.to_owned(), member));
        }
        Ok(())
    }

    /// Commits the open transaction: its records and positions become visible together.
    ///
    /// # Errors
    /// [`TxError::Refused`]: nothing was committed. Any other: the outcome is unknown, the group's committed positions tell.
    pub fn commit(&mut self) -> Result<(), TxError> {
        let committed = self.open()?.commit();
        let finished = self.keep_if_ok(committed)?;
        if finished.suspect {
            self.transactions = None;
        }
        Ok(())
    }

    /// Gives the open transaction up: nothing of it becomes visible. The broker ends it when the fence is taken anew, which
    /// happens here, or with the next [`TxProducer::begin`] when this fails.
    ///
    /// # Errors
    /// [`TxError`] when no broker answers.
    pub fn abort(&mut self) -> Result<(), TxError> {
        // Not librdkafka's own abort: with records in flight it can block for ever, or end fatally.
        self.transactions = None;
        self.open().map(|_| ())
    }

    fn keep_if_ok<T>(&mut self, result: Result<T, TxError>) -> Result<T, TxError> {
        if result.is_err() {
            self.transactions = None;
        }
        result
    }
}
