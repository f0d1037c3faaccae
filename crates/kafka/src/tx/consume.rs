//! The consumer's half of the port: membership, and where to read on.
//!
//! There is one way to change position, whether after a rebalance, an abort, or to hold a partition: ask the group's
//! committed offsets and assign the owned partitions again from there ([`Reader::reposition`]). Assigning drops what
//! was prefetched, so nothing read before can slip through.

use crate::Cluster;
use crate::mutants::{Mutant, active};

use super::{
    Broken, Position, Progress, Trouble, TroubleKind,
    classify::is_broker_away,
    context::{Change, ConsumerNotes},
    in_full,
};
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer, ConsumerGroupMetadata},
    error::{KafkaError, RDKafkaErrorCode},
    util::Timeout,
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

/// How long one question to the cluster may take before the caller is told that it waits.
const ASK: Duration = Duration::from_secs(2);

/// How long an error of the consumer is shown after it last occurred.
const TROUBLE_SHOWN: Duration = Duration::from_secs(10);

/// How often the cluster is asked whether it is back.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// The consumer and what it owns.
pub(super) struct Reader {
    cluster: Cluster,
    config: ClientConfig,
    topics: Vec<String>,
    consumer: Option<BaseConsumer<ConsumerNotes>>,
    owned: Vec<(String, i32)>,
    held: Vec<(String, i32)>,
    due: bool,
    /// Whether committed offsets may lie outside of their partitions.
    doubtful: bool,
    trouble: Option<(Trouble, Instant)>,
    probed: Option<Instant>,
}

impl Reader {
    pub(super) fn new(cluster: Cluster, config: ClientConfig) -> Self {
        Self {
            cluster,
            config,
            topics: Vec::new(),
            consumer: None,
            owned: Vec::new(),
            held: Vec::new(),
            due: false,
            doubtful: false,
            trouble: None,
            probed: None,
        }
    }

    /// Whether there is anything to read at all.
    pub(super) fn has_topics(&self) -> bool {
        !self.topics.is_empty()
    }

    /// Read other topics. The change comes as a rebalance.
    pub(super) fn subscribe(&mut self, topics: &[String]) -> Result<(), Broken> {
        self.topics = topics.to_vec();
        let Some(consumer) = &self.consumer else {
            return Ok(());
        };
        if topics.is_empty() {
            consumer.unsubscribe();
            return Ok(());
        }
        let names: Vec<&str> = topics.iter().map(String::as_str).collect();
        consumer
            .subscribe(&names)
            .map_err(|error| Broken(error.to_string()))
    }

    /// Have a consumer that is subscribed.
    pub(super) fn ensure(&mut self) -> Result<(), Broken> {
        if self.consumer.is_some() {
            return Ok(());
        }
        let notes = ConsumerNotes::default();
        let made = self
            .cluster
            .create_with(&self.config, "data path consumer", notes);
        self.consumer = Some(made.map_err(|error| Broken(in_full(&error)))?);
        let topics = std::mem::take(&mut self.topics);
        self.subscribe(&topics)
    }

    /// The consumer, once [`ensure`](Self::ensure) made one.
    pub(super) fn consumer(&self) -> Option<&BaseConsumer<ConsumerNotes>> {
        self.consumer.as_ref()
    }

    /// Take up what rebalances brought. True when anything changed.
    pub(super) fn take_changes(&mut self) -> bool {
        let changes = self
            .consumer
            .as_ref()
            .map_or_else(Vec::new, |c| c.context().take_changes());
        let changed = !changes.is_empty();
        for change in changes {
            self.owned = match change {
                Change::Assigned(owned) => owned,
                Change::Revoked => Vec::new(),
            };
        }
        if changed {
            tracing::info!(partitions = self.owned.len(), "owned partitions changed");
        }
        self.due |= changed;
        changed
    }

    /// Whether positions must be taken anew before the next record.
    pub(super) fn is_due(&self) -> bool {
        self.due
    }

    /// Ask for positions to be taken anew.
    pub(super) fn rewind(&mut self) {
        self.due |= !active(Mutant::M4);
    }

    /// Ask for positions to be taken anew: an offset was not there.
    pub(super) fn doubt(&mut self) {
        self.doubtful = true;
        self.due = true;
    }

    /// Leave these owned partitions out from now on.
    pub(super) fn hold(&mut self, partitions: &[(String, i32)]) {
        self.held = partitions.to_vec();
        self.due = true;
    }

    /// Read on from what the group has committed, without the held partitions.
    pub(super) fn reposition(&mut self) -> Result<Vec<Position>, Trouble> {
        let Some(consumer) = &self.consumer else {
            return Ok(Vec::new());
        };
        let positions = committed(consumer, &self.owned).map_err(|error| Trouble {
            kind: TroubleKind::BrokerAway,
            why: format!("the group's committed offsets cannot be read: {error}"),
        })?;
        let mut list = TopicPartitionList::new();
        for at in positions.iter().filter(|at| !is_in(&self.held, at)) {
            let next = match at.next {
                Some(next) if !self.doubtful || self.has(at, next) => Offset::Offset(next),
                Some(_) | None => Offset::Beginning,
            };
            list.add_partition_offset(&at.topic, at.partition, next)
                .map_err(|e| stalled(&e))?;
        }
        // With nothing owned the partitions were given back already, inside the rebalance.
        if !self.owned.is_empty() {
            consumer.assign(&list).map_err(|error| stalled(&error))?;
        }
        self.due = false;
        self.doubtful = false;
        Ok(positions)
    }

    /// Whether a partition goes on at an offset. Where retention was faster than we were, or the topic is another one, it does
    /// not; where that cannot be asked, it is taken to.
    fn has(&self, at: &Position, next: i64) -> bool {
        let Some(consumer) = &self.consumer else {
            return true;
        };
        let Ok((low, high)) = consumer.fetch_watermarks(&at.topic, at.partition, ASK) else {
            return true;
        };
        let there = (low..=high).contains(&next);
        if !there {
            let Position {
                topic, partition, ..
            } = at;
            tracing::error!(
                topic,
                partition,
                next,
                low,
                high,
                "what was to be judged next is not there: going on with what is"
            );
        }
        there
    }

    /// What a commit needs to prove that this member still owns its partitions; fetched anew for each commit.
    pub(super) fn group_metadata(&self) -> Option<ConsumerGroupMetadata> {
        if active(Mutant::M6) {
            // Of a consumer that never joined: it has no generation.
            let notes = ConsumerNotes::default();
            let stranger: Result<BaseConsumer<_>, _> =
                self.cluster.create_with(&self.config, "mutant", notes);
            return stranger.ok().and_then(|stranger| stranger.group_metadata());
        }
        self.consumer.as_ref().and_then(Consumer::group_metadata)
    }

    /// The end of a partition at present.
    pub(super) fn end(&self, topic: &str, partition: i32) -> Result<i64, Broken> {
        let consumer = self
            .consumer
            .as_ref()
            .ok_or_else(|| Broken("no consumer".to_owned()))?;
        let (_low, high) = consumer
            .fetch_watermarks(topic, partition, ASK)
            .map_err(|error| Broken(error.to_string()))?;
        Ok(high)
    }

    /// Note an error that `poll` returned; `Some` when the consumer is lost with it.
    pub(super) fn note_error(&mut self, error: &KafkaError) -> Option<Trouble> {
        if matches!(error, KafkaError::MessageConsumptionFatal(_)) {
            return Some(stalled(error));
        }
        let code = error.rdkafka_error_code();
        let kind = match code {
            // One topic of many that is not there (yet): the provisioner's business, and no reason to stop.
            Some(RDKafkaErrorCode::UnknownTopicOrPartition) => {
                tracing::warn!(%error, "a subscribed inbox does not exist");
                return None;
            }
            Some(code) if is_broker_away(code) => TroubleKind::BrokerAway,
            Some(_) | None => TroubleKind::Stalled,
        };
        self.trouble = Some((
            Trouble {
                kind,
                why: error.to_string(),
            },
            Instant::now(),
        ));
        None
    }

    /// All is well: something was read.
    pub(super) fn note_health(&mut self) {
        self.trouble = None;
    }

    /// The trouble to show while nothing comes.
    pub(super) fn trouble(&mut self) -> Option<Trouble> {
        let (trouble, since) = self.trouble.clone()?;
        let over = match trouble.kind {
            TroubleKind::BrokerAway => self.cluster_answers(),
            TroubleKind::Fenced | TroubleKind::Unreadable | TroubleKind::Stalled => {
                since.elapsed() > TROUBLE_SHOWN
            }
        };
        if over {
            self.trouble = None;
            return None;
        }
        Some(trouble)
    }

    fn cluster_answers(&mut self) -> bool {
        let due = self.probed.is_none_or(|at| at.elapsed() >= PROBE_EVERY);
        let (true, Some(consumer)) = (due, &self.consumer) else {
            return false;
        };
        self.probed = Some(Instant::now());
        consumer
            .fetch_metadata(self.topics.first().map(String::as_str), ASK)
            .is_ok()
    }

    /// Leave the group and drop the consumer, in this order, on this thread.
    pub(super) fn discard(&mut self) {
        if let Some(consumer) = self.consumer.take() {
            // An assignment that was not acted on yet would keep the consumer from closing.
            if let Err(error) = consumer.unassign() {
                tracing::debug!(%error, "unassigning before close failed");
            }
            consumer.unsubscribe();
            drop(consumer);
        }
        self.owned.clear();
        self.due = false;
        self.trouble = None;
    }
}

fn stalled(error: &KafkaError) -> Trouble {
    Trouble {
        kind: TroubleKind::Stalled,
        why: format!("the consumer failed: {error}"),
    }
}

fn is_in(held: &[(String, i32)], at: &Position) -> bool {
    held.iter()
        .any(|(topic, partition)| *topic == at.topic && *partition == at.partition)
}

fn committed(
    consumer: &BaseConsumer<ConsumerNotes>,
    owned: &[(String, i32)],
) -> Result<Vec<Position>, KafkaError> {
    if owned.is_empty() {
        return Ok(Vec::new());
    }
    let mut list = TopicPartitionList::new();
    for (topic, partition) in owned {
        list.add_partition(topic, *partition);
    }
    let answer = consumer.committed_offsets(list, Timeout::After(ASK))?;
    let mut positions = Vec::with_capacity(answer.count());
    for element in answer.elements() {
        element.error()?;
        // rust-rdkafka panics on text that is not UTF-8, and anyone who may commit for the group can put it there.
        let metadata = catch_unwind(AssertUnwindSafe(|| element.metadata().to_owned()));
        positions.push(Position {
            topic: element.topic().to_owned(),
            partition: element.partition(),
            next: match element.offset() {
                Offset::Offset(next) => Some(next),
                Offset::Beginning
                | Offset::End
                | Offset::Stored
                | Offset::Invalid
                | Offset::OffsetTail(_) => None,
            },
            metadata: metadata.unwrap_or_else(|_| "(not UTF-8)".to_owned()),
        });
    }
    Ok(positions)
}

impl Reader {
    /// What two mutants do in place of a transaction's offsets: commit by the consumer, and commit what was read.
    pub(super) fn mutated(&self, offsets: &mut TopicPartitionList) -> Result<(), KafkaError> {
        let Some(consumer) = &self.consumer else {
            return Ok(());
        };
        if active(Mutant::M1) {
            consumer.commit(offsets, CommitMode::Sync)?;
        }
        if active(Mutant::M5) {
            for read in consumer.position()?.elements() {
                let found = offsets.find_partition(read.topic(), read.partition());
                if let (Some(mut at), Offset::Offset(_)) = (found, read.offset()) {
                    at.set_offset(read.offset())?;
                }
            }
        }
        Ok(())
    }
}

/// The offsets of a commit with their texts.
pub(super) fn offsets_of(progress: &[Progress]) -> Result<TopicPartitionList, KafkaError> {
    let mut list = TopicPartitionList::with_capacity(progress.len());
    for at in progress {
        let mut element = list.add_partition(&at.topic, at.partition);
        element.set_offset(Offset::Offset(at.next))?;
        element.set_metadata(&at.metadata);
    }
    Ok(list)
}
