//! What groups are asked: what they committed, and who is in them.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::{Admin, AdminError, LIMIT, asking, blocking, request, shape};
use crate::client::Context;
use crate::cluster::Cluster;

/// How long one attempt to read committed offsets may take; it takes milliseconds when the coordinator is in office.
const ATTEMPT: Duration = Duration::from_secs(4);

/// What a group committed for one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The partition.
    pub partition: i32,
    /// The next offset to be read.
    pub offset: i64,
    /// The text committed with it.
    pub metadata: String,
}

/// A consumer group, as its coordinator knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// `Stable`, `Empty`, ...
    pub state: String,
    /// How many members it has.
    pub members: usize,
}

/// Where a group is in one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupPosition {
    /// The topic.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// The next offset to be read.
    pub offset: i64,
}

impl Admin {
    /// Every consumer group of the cluster.
    ///
    /// # Errors
    /// [`AdminError::Request`] when the brokers cannot be asked.
    pub async fn groups(&self) -> Result<Vec<Group>, AdminError> {
        let cluster = self.cluster.clone();
        let asked = move || {
            let groups = cluster
                .groups(ATTEMPT)
                .map_err(|error| asking("list the groups of", cluster.bootstrap(), error))?;
            let group = |(name, state, members)| Group {
                name,
                state,
                members,
            };
            Ok(groups.into_iter().map(group).collect())
        };
        blocking(asked).await
    }

    /// The first offset of a partition whose record is of this time (UTC ms) or later; its end where there is none.
    ///
    /// # Errors
    /// [`AdminError::NoTopic`], or [`AdminError::Request`] when the broker cannot be asked.
    pub async fn offset_at(
        &self,
        topic: &str,
        partition: i32,
        time_ms: i64,
    ) -> Result<i64, AdminError> {
        let (cluster, topic) = (self.cluster.clone(), topic.to_owned());
        blocking(move || offset_at(&cluster, &topic, partition, time_ms)).await
    }

    /// Where `group` is in these topics, each given with its number of partitions; partitions for which it never
    /// committed anything are left out.
    ///
    /// # Errors
    /// [`AdminError::Request`] when the group's coordinator cannot be asked.
    pub async fn positions(
        &self,
        group: &str,
        topics: &[(String, i32)],
    ) -> Result<Vec<GroupPosition>, AdminError> {
        let (cluster, group, topics) = (self.cluster.clone(), group.to_owned(), topics.to_vec());
        blocking(move || positions(&cluster, &group, &topics)).await
    }

    /// What `group` committed for `topic`, for the partitions it committed anything for.
    ///
    /// # Errors
    /// [`AdminError::NoTopic`]; [`AdminError::Unreadable`] when the metadata is no text; [`AdminError::Request`].
    pub async fn committed(&self, group: &str, topic: &str) -> Result<Vec<Committed>, AdminError> {
        let (cluster, group, topic) = (self.cluster.clone(), group.to_owned(), topic.to_owned());
        blocking(move || committed(&cluster, &group, &topic)).await
    }

    /// How many members `group` has now, as its coordinator knows; 0 when there is no such group. A member that died counts
    /// until its session ends.
    ///
    /// # Errors
    /// [`AdminError::Request`] when the coordinator cannot be asked.
    pub async fn members(&self, group: &str) -> Result<usize, AdminError> {
        let (cluster, group) = (self.cluster.clone(), group.to_owned());
        blocking(move || {
            cluster
                .members(&group, ATTEMPT)
                .map_err(|error| asking("read the members of group", &group, error))
        })
        .await
    }
}

fn offset_at(
    cluster: &Cluster,
    topic: &str,
    partition: i32,
    time_ms: i64,
) -> Result<i64, AdminError> {
    if shape(cluster, topic)?.is_none() {
        return Err(AdminError::NoTopic {
            topic: topic.to_owned(),
        });
    }
    let consumer: BaseConsumer<Context> = cluster.create(&cluster.reader_config(), "times")?;
    let mut asked = TopicPartitionList::new();
    let failed = |source| request("find a time in topic", topic, source);
    asked
        .add_partition_offset(topic, partition, Offset::Offset(time_ms))
        .map_err(failed)?;
    let answer = consumer.offsets_for_times(asked, LIMIT).map_err(failed)?;
    let found = answer.find_partition(topic, partition);
    match found.map(|element| element.offset()) {
        Some(Offset::Offset(offset)) => Ok(offset),
        Some(_) | None => {
            let (_, end) = cluster
                .ends(topic, partition, LIMIT)
                .map_err(|error| asking("read the ends of topic", topic, error))?;
            Ok(end)
        }
    }
}

fn positions(
    cluster: &Cluster,
    group: &str,
    topics: &[(String, i32)],
) -> Result<Vec<GroupPosition>, AdminError> {
    let mut config = cluster.reader_config();
    config.set("group.id", group);
    let consumer: BaseConsumer<Context> = cluster.create(&config, "positions")?;
    let mut asked = TopicPartitionList::new();
    for (topic, partitions) in topics {
        asked.add_partition_range(topic, 0, partitions - 1);
    }
    let failed = |source| request("read the committed offsets of group", group, source);
    let answer = consumer.committed_offsets(asked, ATTEMPT).map_err(failed)?;
    let positions = answer.elements().into_iter().filter_map(|element| {
        let Offset::Offset(offset) = element.offset() else {
            return None;
        };
        // A topic that is gone, or not for us to see, has no position.
        element.error().ok()?;
        Some(GroupPosition {
            topic: element.topic().to_owned(),
            partition: element.partition(),
            offset,
        })
    });
    Ok(positions.collect())
}

fn committed(cluster: &Cluster, group: &str, topic: &str) -> Result<Vec<Committed>, AdminError> {
    let Some((partitions, _)) = shape(cluster, topic)? else {
        return Err(AdminError::NoTopic {
            topic: topic.to_owned(),
        });
    };
    let failed = |source| request("read the committed offsets of group", group, source);
    let answer = ask_committed(cluster, group, topic, partitions)?.map_err(failed)?;
    let mut found = Vec::new();
    for element in answer.elements_for_topic(topic) {
        element.error().map_err(failed)?;
        let Offset::Offset(offset) = element.offset() else {
            continue;
        };
        // The library panics when the metadata is not UTF-8; whoever wrote that was not us.
        let metadata = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            element.metadata().to_owned()
        }))
        .map_err(|_| AdminError::Unreadable {
            group: group.to_owned(),
            topic: topic.to_owned(),
        })?;
        found.push(Committed {
            partition: element.partition(),
            offset,
            metadata,
        });
    }
    Ok(found)
}

/// Asks for committed offsets, each time as a new client: one that began while the group's coordinator was away may wait
/// for it longer than the coordinator is away.
fn ask_committed(
    cluster: &Cluster,
    group: &str,
    topic: &str,
    partitions: i32,
) -> Result<Result<TopicPartitionList, KafkaError>, AdminError> {
    let mut config = cluster.reader_config();
    config.set("group.id", group);
    let deadline = Instant::now() + LIMIT;
    loop {
        let consumer: BaseConsumer<Context> = cluster.create(&config, "positions")?;
        let mut asked = TopicPartitionList::new();
        asked.add_partition_range(topic, 0, partitions - 1);
        let answer = consumer.committed_offsets(asked, ATTEMPT);
        if answer.is_ok() || Instant::now() >= deadline {
            return Ok(answer);
        }
    }
}
