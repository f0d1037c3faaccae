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

impl Admin {
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
