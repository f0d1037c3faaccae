//! The request side of a log writer: membership in the group, and the requests themselves.
//!
//! Rebalances run inside `poll`, on the writer's thread. They are only noted there: what is assigned is taken up by the
//! writer when it holds the fence, because only then do the committed offsets stand still.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, ConsumerGroupMetadata};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, Statistics};

use super::LogWriterConfig;
use crate::client::Context;
use crate::cluster::ClusterError;
use crate::record::Record;

/// How long one question to the group's coordinator may take.
const ASK: Duration = Duration::from_secs(10);
/// A dead writer is replaced after this time. Kafka's default of 45 s would stop all governance for as long.
const SESSION_TIMEOUT_MS: &str = "10000";
/// How soon members hear of a rebalance: for so long nobody writes when a topic or a member is added.
const HEARTBEAT_MS: &str = "500";
/// Topics of new domains appear while we run; the default is to look every five minutes.
const METADATA_MAX_AGE_MS: &str = "1000";

/// A partition of a topic.
pub(super) type Partition = (String, i32);

/// What the group has told us.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Membership {
    /// Nothing is settled: joining, or between two assignments.
    #[default]
    Unsettled,
    /// Ours was taken away because we were not heard of; somebody else may have been the writer meanwhile.
    Lost,
    /// These are ours; `taken` once the consumer reads them.
    Assigned {
        partitions: Vec<Partition>,
        taken: bool,
    },
}

#[derive(Debug)]
struct GroupContext {
    client: Context,
    membership: Mutex<Membership>,
}

impl GroupContext {
    fn set(&self, membership: Membership) {
        *self
            .membership
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = membership;
    }
}

impl ClientContext for GroupContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        self.client.log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.client.error(error, reason);
    }

    fn stats(&self, _statistics: Statistics) {}
}

impl ConsumerContext for GroupContext {
    // The whole method and not its hooks: those come around an assignment of the library's own, at the wrong offsets.
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        code: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        if code == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            let partitions = list
                .elements()
                .iter()
                .map(|element| (element.topic().to_owned(), element.partition()))
                .collect();
            return self.set(Membership::Assigned {
                partitions,
                taken: false,
            });
        }
        let lost = consumer.assignment_lost();
        self.set(if lost {
            Membership::Lost
        } else {
            Membership::Unsettled
        });
        if let Err(error) = consumer.unassign() {
            tracing::warn!(target: "kafka", %error, "partitions not given back");
        }
    }
}

/// Why requests cannot be read on from where the group is.
#[derive(Debug, thiserror::Error)]
pub(super) enum RewindError {
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    #[error(
        "Kafka does not tell how far the requests were decided: it is away, or it waits for the end of a transaction that it \
         has lost (KAFKA-20734, see docs/roles.md)"
    )]
    HeldBack,
}

/// A member of the writers' group.
pub(super) struct Group {
    consumer: BaseConsumer<GroupContext>,
    primary: String,
    subscribed: Vec<String>,
}

impl Group {
    /// Joins, for the primary request topic only: a member that does not write must not own any other.
    pub(super) fn join(config: &LogWriterConfig) -> Result<Self, ClusterError> {
        let mut options = config.cluster.reader_config();
        options
            .set("group.id", &config.group)
            .set("group.protocol", "classic")
            .set("partition.assignment.strategy", "range")
            .set("heartbeat.interval.ms", HEARTBEAT_MS)
            .set("topic.metadata.refresh.interval.ms", METADATA_MAX_AGE_MS)
            // Requests that no one has answered yet count, however old.
            .set("auto.offset.reset", "earliest")
            .set("queued.max.messages.kbytes", "16384")
            .set("enable.partition.eof", "false");
        if options.get("session.timeout.ms").is_none() {
            options.set("session.timeout.ms", SESSION_TIMEOUT_MS);
        }
        let context = GroupContext {
            client: Context::new("requests"),
            membership: Mutex::default(),
        };
        let consumer = config.cluster.create_with(&options, "requests", context)?;
        let primary = config.primary_request_topic.clone();
        let mut group = Self {
            consumer,
            primary,
            subscribed: Vec::new(),
        };
        group.subscribe(Vec::new());
        Ok(group)
    }

    /// Subscribes to the primary topic and these, when that is a change. A change leads to a rebalance.
    pub(super) fn subscribe(&mut self, mut topics: Vec<String>) {
        topics.push(self.primary.clone());
        topics.sort();
        topics.dedup();
        if topics == self.subscribed {
            return;
        }
        let names: Vec<&str> = topics.iter().map(String::as_str).collect();
        match self.consumer.subscribe(&names) {
            Ok(()) => self.subscribed = topics,
            Err(error) => tracing::warn!(target: "kafka", %error, "subscription refused"),
        }
    }

    pub(super) fn membership(&self) -> Membership {
        let context = self.consumer.context();
        context
            .membership
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The partitions assigned to us, if the one that makes the writer is among them.
    pub(super) fn writers_share(&self) -> Option<Vec<Partition>> {
        match self.membership() {
            Membership::Assigned { partitions, .. }
                if partitions
                    .iter()
                    .any(|(topic, n)| *topic == self.primary && *n == 0) =>
            {
                Some(partitions)
            }
            Membership::Assigned { .. } | Membership::Unsettled | Membership::Lost => None,
        }
    }

    /// The next request, or what librdkafka has to say. Rebalances happen in here.
    pub(super) fn poll(&self, wait: Duration) -> Option<Result<Record, KafkaError>> {
        let polled = self.consumer.poll(wait)?;
        Some(polled.map(|message| Record::from_message(&message)))
    }

    /// Reads on from what the group has committed. To be called with the fence held: a predecessor's commit can then no
    /// longer arrive. Returns the next offset of each partition that has one.
    pub(super) fn rewind(
        &self,
        partitions: &[Partition],
    ) -> Result<BTreeMap<Partition, i64>, RewindError> {
        let mut list = TopicPartitionList::new();
        for (topic, partition) in partitions {
            list.add_partition(topic, *partition);
        }
        let committed = self
            .consumer
            .committed_offsets(list, ASK)
            .map_err(|error| {
                if error.rdkafka_error_code() == Some(RDKafkaErrorCode::OperationTimedOut) {
                    // The coordinator that gave us the assignment answers. What it keeps back is not decided for it.
                    RewindError::HeldBack
                } else {
                    error.into()
                }
            })?;
        let mut next = BTreeMap::new();
        let mut start = TopicPartitionList::new();
        for element in committed.elements() {
            element.error()?;
            let partition = (element.topic().to_owned(), element.partition());
            let offset = match element.offset() {
                Offset::Offset(offset) => {
                    next.insert(partition.clone(), offset);
                    Offset::Offset(offset)
                }
                Offset::Beginning
                | Offset::End
                | Offset::Stored
                | Offset::Invalid
                | Offset::OffsetTail(_) => Offset::Beginning,
            };
            start.add_partition_offset(&partition.0, partition.1, offset)?;
        }
        self.consumer.assign(&start)?;
        let partitions = partitions.to_vec();
        self.consumer.context().set(Membership::Assigned {
            partitions,
            taken: true,
        });
        Ok(next)
    }

    /// Reads nothing until [`Group::rewind`], and stays a member.
    pub(super) fn put_down(&self) {
        if let Membership::Assigned { partitions, .. } = self.membership() {
            if let Err(error) = self.consumer.unassign() {
                tracing::warn!(target: "kafka", %error, "partitions not put down");
            }
            self.consumer.context().set(Membership::Assigned {
                partitions,
                taken: false,
            });
        }
    }

    /// Settles an assignment that does not make us the writer.
    pub(super) fn take_nothing(&self) {
        if let Membership::Assigned {
            partitions,
            taken: false,
        } = self.membership()
        {
            match self.consumer.assign(&TopicPartitionList::new()) {
                Ok(()) => {
                    let settled = Membership::Assigned {
                        partitions,
                        taken: true,
                    };
                    self.consumer.context().set(settled);
                }
                Err(error) => tracing::warn!(target: "kafka", %error, "assignment not settled"),
            }
        }
    }

    /// Who we are in the group, now: what makes the broker refuse offsets of a member that was replaced.
    pub(super) fn metadata(&self) -> Result<ConsumerGroupMetadata, KafkaError> {
        let metadata = self.consumer.group_metadata();
        metadata.ok_or(KafkaError::ConsumerCommit(RDKafkaErrorCode::UnknownGroup))
    }
}
