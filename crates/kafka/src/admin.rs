//! Administration: topics exactly as they must be, positions of groups, ends of partitions.
//!
//! A topic that exists with another configuration is refused, never changed: a governance log with the wrong retention loses
//! history silently, and whoever set it so must hear of it.

mod groups;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewTopic, OwnedResourceSpecifier, ResourceSpecifier,
    TopicReplication,
};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::client::Context;
use crate::cluster::{AskError, Cluster, ClusterError};

pub use groups::{Committed, Group, GroupPosition};

/// How long one administrative request may take.
const LIMIT: Duration = Duration::from_secs(20);

/// Why an administrative act failed.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// No client could be made.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// A topic exists and is not what it must be.
    #[error(
        "topic {topic} has {setting}={found}, expected {expected}: change the topic or name another"
    )]
    TopicMismatch {
        /// The topic.
        topic: String,
        /// `partitions`, or the name of a topic configuration.
        setting: String,
        /// What it must be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// The topic is not there.
    #[error("topic {topic} does not exist")]
    NoTopic {
        /// The topic.
        topic: String,
    },
    /// The broker refused, or did not answer in time.
    #[error("cannot {act} {what}")]
    Request {
        /// What was tried: `create topic`, `read the ends of`.
        act: &'static str,
        /// On what: a topic's or group's name, or the bootstrap servers.
        what: String,
        /// What librdkafka says.
        source: KafkaError,
    },
    /// No broker told its cluster id in time.
    #[error("no broker answered at {bootstrap} within {} s", LIMIT.as_secs())]
    Unreachable {
        /// The bootstrap servers.
        bootstrap: String,
    },
    /// The committed metadata of a group is not text, so it is not ours.
    #[error("cannot read what group {group} committed for {topic}: not written by Meshlog")]
    Unreadable {
        /// The group.
        group: String,
        /// The topic.
        topic: String,
    },
}

/// A topic as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSpec {
    /// Its name.
    pub name: String,
    /// Number of partitions.
    pub partitions: i32,
    /// Replication factor when it is created; an existing topic's is not compared. -1 is the broker's default.
    pub replication: i32,
    /// The configurations that matter; others may be anything.
    pub configs: BTreeMap<String, String>,
}

/// What [`Admin::ensure_topics`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopicOutcome {
    /// The topic was made.
    Created,
    /// It was there, exactly as it must be.
    Existed,
}

/// A topic as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicDescription {
    /// Its name.
    pub name: String,
    /// Number of partitions.
    pub partitions: i32,
    /// Replicas of partition 0.
    pub replication: i32,
    /// All its configurations, defaults included.
    pub configs: BTreeMap<String, String>,
}

/// First offset and end of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionEnds {
    /// The partition.
    pub partition: i32,
    /// The first offset still there.
    pub low: i64,
    /// The read-committed end: all records before it are decided.
    pub end: i64,
}

/// Administrates a cluster.
pub struct Admin {
    cluster: Cluster,
    client: AdminClient<Context>,
}

impl std::fmt::Debug for Admin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Admin")
            .field("cluster", &self.cluster)
            .finish_non_exhaustive()
    }
}

impl Admin {
    /// Makes an administrator; brokers are reached with the first request.
    ///
    /// # Errors
    /// When librdkafka refuses the configuration.
    pub fn new(cluster: &Cluster) -> Result<Self, AdminError> {
        let mut config = cluster.client_config();
        // The library never serves this client's log lines, so they would pile up.
        config.set_log_level(RDKafkaLogLevel::Critical);
        Ok(Self {
            cluster: cluster.clone(),
            client: cluster.create(&config, "admin")?,
        })
    }

    /// The id of the cluster.
    ///
    /// # Errors
    /// [`AdminError::Unreachable`] when no broker answers within 20 s.
    pub async fn cluster_id(&self) -> Result<String, AdminError> {
        let cluster = self.cluster.clone();
        blocking(move || {
            cluster
                .query()?
                .client()
                .fetch_cluster_id(LIMIT)
                .ok_or_else(|| AdminError::Unreachable {
                    bootstrap: cluster.bootstrap().to_owned(),
                })
        })
        .await
    }

    /// Creates the topics that are missing and compares those that exist: partitions, and each configuration given.
    /// Returns the outcomes in the order of `specs`, when all topics can be used.
    ///
    /// # Errors
    /// [`AdminError::TopicMismatch`] for the first topic that is not as it must be; nothing is created then.
    pub async fn ensure_topics(
        &self,
        specs: &[TopicSpec],
    ) -> Result<Vec<TopicOutcome>, AdminError> {
        let mut outcomes = Vec::with_capacity(specs.len());
        for spec in specs {
            outcomes.push(match self.describe_topic(&spec.name).await? {
                None => TopicOutcome::Created,
                Some(found) => {
                    compare(spec, &found)?;
                    TopicOutcome::Existed
                }
            });
        }
        let missing: Vec<&TopicSpec> = specs
            .iter()
            .zip(&outcomes)
            .filter_map(|(spec, outcome)| (*outcome == TopicOutcome::Created).then_some(spec))
            .collect();
        self.create(&missing).await?;
        Ok(outcomes)
    }

    /// Like [`Self::ensure_topics`], for topics whose configuration is ours to change: what exists is given the
    /// configurations of its spec. Everything else about such a topic goes back to the broker's default, for the Kafka
    /// API at hand (AlterConfigs) replaces the whole set.
    ///
    /// # Errors
    /// [`AdminError::TopicMismatch`] for partitions, which cannot be changed.
    pub async fn reconcile_topics(
        &self,
        specs: &[TopicSpec],
    ) -> Result<Vec<TopicOutcome>, AdminError> {
        for spec in specs {
            let Some(found) = self.describe_topic(&spec.name).await? else {
                continue;
            };
            let shape = TopicSpec {
                configs: BTreeMap::new(),
                ..spec.clone()
            };
            compare(&shape, &found)?;
            if compare(spec, &found).is_err() {
                self.configure(spec).await?;
            }
        }
        self.ensure_topics(specs).await
    }

    async fn configure(&self, spec: &TopicSpec) -> Result<(), AdminError> {
        let resource = ResourceSpecifier::Topic(&spec.name);
        let config = spec
            .configs
            .iter()
            .fold(AlterConfig::new(resource), |config, (key, value)| {
                config.set(key, value)
            });
        let failed = |source| request("configure topic", &spec.name, source);
        let options = AdminOptions::new().request_timeout(Some(LIMIT));
        let results = self.client.alter_configs(&[config], &options).await;
        for result in results.map_err(failed)? {
            result.map_err(|(_, code)| failed(KafkaError::AdminOp(code)))?;
        }
        self.await_configs(spec).await
    }

    /// The controller answers before every broker shows the change.
    async fn await_configs(&self, spec: &TopicSpec) -> Result<(), AdminError> {
        let deadline = Instant::now() + LIMIT;
        loop {
            let found = self.await_topic(spec).await?;
            let compared = compare(spec, &found);
            if compared.is_ok() || Instant::now() >= deadline {
                return compared;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn create(&self, specs: &[&TopicSpec]) -> Result<(), AdminError> {
        if specs.is_empty() {
            return Ok(());
        }
        let topics: Vec<NewTopic<'_>> = specs.iter().map(|spec| new_topic(spec)).collect();
        let options = AdminOptions::new()
            .request_timeout(Some(LIMIT))
            .operation_timeout(Some(LIMIT));
        let names = || {
            specs
                .iter()
                .map(|spec| spec.name.as_str())
                .collect::<Vec<_>>()
                .join(", ")
        };
        let results = self
            .client
            .create_topics(&topics, &options)
            .await
            .map_err(|source| request("create topics", &names(), source))?;
        for result in results {
            match result {
                Ok(_) => {}
                // Somebody else made it in the meantime; the comparison below decides.
                Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((topic, code)) => {
                    return Err(request("create topic", &topic, KafkaError::AdminOp(code)));
                }
            }
        }
        for spec in specs {
            let found = self.await_topic(spec).await?;
            compare(spec, &found)?;
        }
        Ok(())
    }

    /// The controller answers before every broker knows the topic.
    async fn await_topic(&self, spec: &TopicSpec) -> Result<TopicDescription, AdminError> {
        let deadline = Instant::now() + LIMIT;
        loop {
            if let Some(found) = self.describe_topic(&spec.name).await? {
                return Ok(found);
            }
            if Instant::now() >= deadline {
                return Err(AdminError::NoTopic {
                    topic: spec.name.clone(),
                });
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The topic as it is, or `None` when there is none.
    ///
    /// # Errors
    /// When the broker cannot be asked.
    pub async fn describe_topic(
        &self,
        topic: &str,
    ) -> Result<Option<TopicDescription>, AdminError> {
        let (cluster, name) = (self.cluster.clone(), topic.to_owned());
        let Some((partitions, replication)) = blocking(move || shape(&cluster, &name)).await?
        else {
            return Ok(None);
        };
        match self.configs(topic).await {
            Ok(configs) => Ok(Some(TopicDescription {
                name: topic.to_owned(),
                partitions,
                replication,
                configs,
            })),
            // Not known to the broker asked yet, or just deleted.
            Err(AdminError::NoTopic { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn configs(&self, topic: &str) -> Result<BTreeMap<String, String>, AdminError> {
        let options = AdminOptions::new().request_timeout(Some(LIMIT));
        let failed = |source| request("read the configuration of topic", topic, source);
        let answers = self
            .client
            .describe_configs(&[ResourceSpecifier::Topic(topic)], &options)
            .await
            .map_err(failed)?;
        for answer in answers {
            match answer {
                Ok(resource)
                    if resource.specifier == OwnedResourceSpecifier::Topic(topic.to_owned()) =>
                {
                    let values = resource.entries.into_iter();
                    return Ok(values.filter_map(|e| Some((e.name, e.value?))).collect());
                }
                Ok(_) | Err(RDKafkaErrorCode::UnknownTopicOrPartition) => {}
                Err(code) => return Err(failed(KafkaError::AdminOp(code))),
            }
        }
        Err(AdminError::NoTopic {
            topic: topic.to_owned(),
        })
    }

    /// First offset and read-committed end of each partition of `topic`.
    ///
    /// # Errors
    /// [`AdminError::NoTopic`], or [`AdminError::Request`] when the broker cannot be asked.
    pub async fn end_offsets(&self, topic: &str) -> Result<Vec<PartitionEnds>, AdminError> {
        let (cluster, topic) = (self.cluster.clone(), topic.to_owned());
        blocking(move || {
            let Some((partitions, _)) = shape(&cluster, &topic)? else {
                return Err(AdminError::NoTopic { topic });
            };
            (0..partitions)
                .map(|partition| {
                    let (low, end) = cluster
                        .ends(&topic, partition, LIMIT)
                        .map_err(|error| asking("read the ends of topic", &topic, error))?;
                    Ok(PartitionEnds {
                        partition,
                        low,
                        end,
                    })
                })
                .collect()
        })
        .await
    }
}

fn new_topic(spec: &TopicSpec) -> NewTopic<'_> {
    let replication = TopicReplication::Fixed(spec.replication);
    let topic = NewTopic::new(&spec.name, spec.partitions, replication);
    spec.configs
        .iter()
        .fold(topic, |topic, (key, value)| topic.set(key, value))
}

fn request(act: &'static str, what: &str, source: KafkaError) -> AdminError {
    AdminError::Request {
        act,
        what: what.to_owned(),
        source,
    }
}

/// librdkafka's questions block; the runtime's threads must not.
async fn blocking<T, F>(work: F) -> Result<T, AdminError>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, AdminError> + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(failed) => match failed.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_shut_down) => std::future::pending().await,
        },
    }
}

/// Partitions and replicas of a topic, or `None` when there is none.
fn shape(cluster: &Cluster, topic: &str) -> Result<Option<(i32, i32)>, AdminError> {
    cluster
        .shape(topic, LIMIT)
        .map_err(|error| asking("read the metadata of topic", topic, error))
}

fn asking(act: &'static str, what: &str, error: AskError) -> AdminError {
    match error {
        AskError::Cluster(error) => error.into(),
        AskError::Kafka(source) => request(act, what, source),
    }
}

fn compare(spec: &TopicSpec, found: &TopicDescription) -> Result<(), AdminError> {
    let mismatch = |setting: &str, expected: String, found: String| AdminError::TopicMismatch {
        topic: spec.name.clone(),
        setting: setting.to_owned(),
        expected,
        found,
    };
    if found.partitions != spec.partitions {
        let (expected, found) = (spec.partitions.to_string(), found.partitions.to_string());
        return Err(mismatch("partitions", expected, found));
    }
    for (setting, expected) in &spec.configs {
        let value = found.configs.get(setting);
        if value != Some(expected) {
            let found = value.cloned().unwrap_or_else(|| "(not set)".to_owned());
            return Err(mismatch(setting, expected.clone(), found));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> TopicSpec {
        TopicSpec {
            name: "mesh.governance".into(),
            partitions: 1,
            replication: 1,
            configs: [("cleanup.policy".to_owned(), "delete".to_owned())].into(),
        }
    }

    fn found(partitions: i32, policy: &str) -> TopicDescription {
        TopicDescription {
            name: "mesh.governance".into(),
            partitions,
            replication: 1,
            configs: [("cleanup.policy".to_owned(), policy.to_owned())].into(),
        }
    }

    #[test]
    fn a_topic_as_it_must_be_passes() {
        compare(&spec(), &found(1, "delete")).expect("equal");
    }

    #[test]
    fn a_mismatch_says_what_where_and_what_would_be_right() {
        let error = compare(&spec(), &found(1, "compact")).expect_err("wrong policy");
        assert!(
            error
                .to_string()
                .starts_with("topic mesh.governance has cleanup.policy=compact, expected delete"),
            "{error}"
        );
        let error = compare(&spec(), &found(3, "delete")).expect_err("wrong partitions");
        assert!(
            error.to_string().contains("partitions=3, expected 1"),
            "{error}"
        );
    }
}
