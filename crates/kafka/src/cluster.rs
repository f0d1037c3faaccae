//! Where the brokers are and how to speak to them: everything else in this crate starts from a [`Cluster`].

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::client::Context;

/// The librdkafka that the transactional loops were proven against. Its transaction code has changed silently before
/// (lost and doubled records in 1.5 to 1.9, 2.3 and 2.5), so another version is refused, not tried.
const LIBRARY_VERSION: &str = "2.12.1";

/// A group id for clients that assign partitions by hand: librdkafka wants one, nothing is ever committed to it.
const READER_GROUP: &str = "meshlog.readers";

/// Why no client could be made.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The binary carries another librdkafka than the one this code was proven against.
    #[error("librdkafka is {found}, expected {LIBRARY_VERSION}: build with the pinned rdkafka-sys")]
    Library {
        /// The version found.
        found: String,
    },
    /// librdkafka refuses the configuration, or cannot make a client.
    #[error("cannot make a Kafka client ({purpose}) for {bootstrap}")]
    Client {
        /// What the client is for.
        purpose: &'static str,
        /// The bootstrap servers it was meant for.
        bootstrap: String,
        /// What librdkafka says.
        source: KafkaError,
    },
}

/// A Kafka cluster: bootstrap servers and librdkafka options (security, mostly). Cheap to clone.
#[derive(Clone)]
pub struct Cluster {
    bootstrap: String,
    options: BTreeMap<String, String>,
    query: Arc<Mutex<Option<Arc<BaseConsumer<Context>>>>>,
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Names only: a value may be a password.
        f.debug_struct("Cluster")
            .field("bootstrap", &self.bootstrap)
            .field("options", &self.options.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl Cluster {
    /// A cluster reached through `bootstrap`: `host:port`, or several with commas between.
    pub fn new(bootstrap: impl Into<String>) -> Self {
        Self {
            bootstrap: bootstrap.into(),
            options: BTreeMap::new(),
            query: Arc::default(),
        }
    }

    /// The same cluster with one more librdkafka option, for example `security.protocol`.
    #[must_use]
    pub fn with_option(self, key: impl Into<String>, value: impl Into<String>) -> Self {
        let mut options = self.options;
        options.insert(key.into(), value.into());
        Self {
            bootstrap: self.bootstrap,
            options,
            query: Arc::default(),
        }
    }

    /// The bootstrap servers, as given.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// The options that all clients share.
    pub(crate) fn client_config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.bootstrap)
            .set("client.id", "meshlog")
            // KIP-714: on by default, and would send our metrics to whoever runs the broker.
            .set("enable.metrics.push", "false")
            .set("socket.keepalive.enable", "true")
            .set("log.connection.close", "false")
            // The default of 10 s would be added to every broker restart.
            .set("reconnect.backoff.max.ms", "1000")
            .set_log_level(RDKafkaLogLevel::Info);
        for (key, value) in &self.options {
            config.set(key, value);
        }
        config
    }

    /// The options of a consumer that reads committed records only, by offset, and never commits.
    pub(crate) fn reader_config(&self) -> ClientConfig {
        let mut config = self.client_config();
        if config.get("group.id").is_none() {
            config.set("group.id", READER_GROUP);
        }
        config
            .set("isolation.level", "read_committed")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            // Off by default in librdkafka: a flipped bit on the way would be taken for a record.
            .set("check.crcs", "true")
            // A missing offset in a log is an incident; skipping ahead would hide it.
            .set("auto.offset.reset", "error")
            .set("enable.partition.eof", "true");
        config
    }

    /// The options of an idempotent producer.
    pub(crate) fn producer_config(&self) -> ClientConfig {
        let mut config = self.client_config();
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            // Java's choice of partition for a key, so that all clients of a topic agree.
            .set("partitioner", "murmur2_random");
        config
    }

    /// Makes a client with our telemetry as its context.
    pub(crate) fn create<T>(
        &self,
        config: &ClientConfig,
        purpose: &'static str,
    ) -> Result<T, ClusterError>
    where
        T: rdkafka::config::FromClientConfigAndContext<Context>,
    {
        self.create_with(config, purpose, Context::new(purpose))
    }

    /// Makes a client with a context of its own.
    pub(crate) fn create_with<C, T>(
        &self,
        config: &ClientConfig,
        purpose: &'static str,
        context: C,
    ) -> Result<T, ClusterError>
    where
        C: rdkafka::ClientContext,
        T: rdkafka::config::FromClientConfigAndContext<C>,
    {
        check_library()?;
        config
            .create_with_context(context)
            .map_err(|source| ClusterError::Client {
                purpose,
                bootstrap: self.bootstrap.clone(),
                source,
            })
    }

    /// A client that only asks questions (metadata, ends of logs), shared by all that ask.
    ///
    /// It has connections of its own because a broker answers one connection in order: a question behind a fetch that waits
    /// for records waits with it.
    pub(crate) fn query(&self) -> Result<Arc<BaseConsumer<Context>>, ClusterError> {
        let mut slot = self.query.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = slot.as_ref() {
            // Nobody else polls it: hand over what it has to say, or it would pile up.
            for _ in 0..64 {
                if client.poll(Duration::ZERO).is_none() {
                    break;
                }
            }
            return Ok(Arc::clone(client));
        }
        let client = Arc::new(self.create(&self.reader_config(), "query")?);
        *slot = Some(Arc::clone(&client));
        Ok(client)
    }

    /// Asks the brokers. A client that got no answer is not asked again: whatever it is stuck in (a broker that died and
    /// came back, a connection that nobody closed), the next question goes over a connection of its own.
    fn ask<T>(
        &self,
        question: impl FnOnce(&BaseConsumer<Context>) -> Result<T, KafkaError>,
    ) -> Result<T, AskError> {
        let client = self.query()?;
        question(&client).map_err(|error| {
            if !is_leaderless(&error) {
                let mut slot = self.query.lock().unwrap_or_else(PoisonError::into_inner);
                if slot.as_ref().is_some_and(|now| Arc::ptr_eq(now, &client)) {
                    *slot = None;
                }
            }
            error.into()
        })
    }

    /// Every group, with its state and how many members it has.
    pub(crate) fn groups(
        &self,
        timeout: Duration,
    ) -> Result<Vec<(String, String, usize)>, AskError> {
        let list = self.ask(|client| client.fetch_group_list(None, timeout))?;
        let groups = list.groups().iter();
        let group = |found: &rdkafka::groups::GroupInfo| {
            (
                found.name().to_owned(),
                found.state().to_owned(),
                found.members().len(),
            )
        };
        Ok(groups.map(group).collect())
    }

    /// How many members a group has.
    pub(crate) fn members(&self, group: &str, timeout: Duration) -> Result<usize, AskError> {
        let list = self.ask(|client| client.fetch_group_list(Some(group), timeout))?;
        let found = list.groups().iter().find(|found| found.name() == group);
        Ok(found.map_or(0, |found| found.members().len()))
    }

    /// Number of partitions and replicas of a topic, or `None` when there is none, or none that can be used yet.
    pub(crate) fn shape(
        &self,
        topic: &str,
        timeout: Duration,
    ) -> Result<Option<(i32, i32)>, AskError> {
        let metadata = self.ask(|client| client.fetch_metadata(Some(topic), timeout))?;
        let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else {
            return Ok(None);
        };
        match found.error().map(RDKafkaErrorCode::from) {
            None => {}
            Some(
                RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::UnknownTopic
                | RDKafkaErrorCode::LeaderNotAvailable,
            ) => return Ok(None),
            Some(code) => return Err(KafkaError::MetadataFetch(code).into()),
        }
        let partitions = found.partitions();
        if partitions.is_empty() || partitions.iter().any(|partition| partition.leader() < 0) {
            return Ok(None);
        }
        let count = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
        Ok(Some((
            count(partitions.len()),
            count(partitions[0].replicas().len()),
        )))
    }

    /// First offset and read-committed end of one partition. Waits, up to the timeout, for a partition whose leader is
    /// not in office yet: the brokers' metadata names it a moment before it answers, as after a topic was created.
    pub(crate) fn ends(
        &self,
        topic: &str,
        partition: i32,
        timeout: Duration,
    ) -> Result<(i64, i64), AskError> {
        let deadline = Instant::now() + timeout;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.ask(|client| client.fetch_watermarks(topic, partition, left)) {
                Err(AskError::Kafka(error)) if is_leaderless(&error) && !left.is_zero() => {
                    std::thread::sleep(LEADER_PAUSE.min(left));
                }
                answer => return answer,
            }
        }
    }
}

/// Between questions about a partition whose leader is not in office yet; that takes milliseconds as a rule.
const LEADER_PAUSE: Duration = Duration::from_millis(50);

/// Whether the answer is that a partition has no leader where the metadata says so.
fn is_leaderless(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::NotLeaderForPartition
                | RDKafkaErrorCode::LeaderNotAvailable
                | RDKafkaErrorCode::ReplicaNotAvailable
        )
    )
}

/// Why a question to the brokers has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error(transparent)]
    Kafka(#[from] KafkaError),
}

/// The version of the librdkafka in this binary.
pub fn library_version() -> String {
    rdkafka::util::get_rdkafka_version().1
}

fn check_library() -> Result<(), ClusterError> {
    static LOGGED: OnceLock<()> = OnceLock::new();
    let found = library_version();
    LOGGED.get_or_init(|| tracing::info!(target: "kafka", version = found, "librdkafka"));
    if found == LIBRARY_VERSION {
        Ok(())
    } else {
        Err(ClusterError::Library { found })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pinned_library_is_the_one_linked() {
        check_library().expect("the lock file pins librdkafka");
    }

    #[test]
    fn debug_never_shows_option_values() {
        let cluster = Cluster::new("b:9092").with_option("sasl.password", "hunter2");
        let shown = format!("{cluster:?}");
        assert!(
            shown.contains("sasl.password") && !shown.contains("hunter2"),
            "{shown}"
        );
    }

    #[test]
    fn a_wrong_option_is_named() {
        let cluster = Cluster::new("b:9092").with_option("no.such.option", "1");
        let error = cluster
            .query()
            .err()
            .expect("librdkafka refuses unknown options");
        let cause = std::error::Error::source(&error)
            .map(ToString::to_string)
            .unwrap_or_default();
        assert!(cause.contains("no.such.option"), "{cause}");
    }
}
