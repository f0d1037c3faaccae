//! Configuration of the data path's two clients; each value says why.

use crate::Cluster;
use crate::mutants::{Mutant, active};
use rdkafka::ClientConfig;
use std::time::Duration;

/// First pause before a retry of librdkafka's own, in milliseconds. Larger than its default (100) so that a commit
/// in which a hidden retry took place can be told by its duration even on a busy machine, see [`SUSPECT_COMMIT`].
const RETRY_BACKOFF_MS: u64 = 250;

/// A commit that took longer may contain a retried `EndTxn`. librdkafka waits at least 80 % of `retry.backoff.ms`
/// before any retry (jitter of 20 %), so a commit below this mark contains none.
pub(super) const SUSPECT_COMMIT: Duration = Duration::from_millis(RETRY_BACKOFF_MS * 3 / 4);

/// How long the broker keeps a transaction open for a producer that went silent: the longest a crash can hold back
/// `read_committed` readers when the slot is not restarted.
const TRANSACTION_TIMEOUT_MS: &str = "30000";

/// What one data-path loop needs to know.
#[derive(Debug, Clone)]
pub struct TxConfig {
    /// The cluster.
    pub cluster: Cluster,
    /// The consumer group, shared by all loops of one mesh: `<mesh>.enforcer`.
    pub group: String,
    /// Stable over restarts and never used by two loops at once: `<mesh>.enforcer.<slot>`. Stable, so that a restart
    /// ends the old transaction at once instead of leaving it open until it times out.
    pub transactional_id: String,
}

impl TxConfig {
    /// The consumer's configuration.
    pub(super) fn consumer(&self) -> ClientConfig {
        let mut config = self.cluster.client_config();
        for (key, value) in [
            ("group.id", self.group.as_str()),
            ("isolation.level", "read_committed"),
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            // One strategy from day one: eager and cooperative strategies cannot be mixed in one group.
            ("partition.assignment.strategy", "range"),
            ("max.poll.interval.ms", "300000"),
            // A killed enforcer holds its partitions for this long: events wait, nothing is lost. Kafka's own default is 45 s.
            ("session.timeout.ms", "10000"),
            ("check.crcs", "true"),
            // Where to read is ours to say. After a batch with a wrong checksum librdkafka may take text of an event for an
            // offset; a reset would then read the partition again from its beginning, and double it.
            ("auto.offset.reset", "error"),
            ("enable.partition.eof", "true"),
            // Bounds on prefetched records: the default of 64 MB and 100,000 records is most of our memory target.
            ("queued.max.messages.kbytes", "16384"),
            ("queued.min.messages", "10000"),
            // An inbox that a contract names before it exists is found within this time (default: five minutes).
            ("topic.metadata.refresh.interval.ms", "10000"),
            // A fetch that is put off because the queue is full is looked at again after this: the default of a
            // second would show as gaps in the flow.
            ("fetch.queue.backoff.ms", "10"),
            ("fetch.wait.max.ms", "100"),
        ] {
            config.set(key, value);
        }
        if active(Mutant::M2) {
            config.set("enable.auto.commit", "true");
            config.set("enable.auto.offset.store", "true");
        }
        config
    }

    /// The producer's configuration.
    pub(super) fn producer(&self) -> ClientConfig {
        let mut config = self.cluster.client_config();
        let backoff = RETRY_BACKOFF_MS.to_string();
        for (key, value) in [
            ("transactional.id", self.transactional_id.as_str()),
            ("enable.idempotence", "true"),
            ("acks", "all"),
            ("transaction.timeout.ms", TRANSACTION_TIMEOUT_MS),
            ("linger.ms", "5"),
            // A connection that the other side closes is reported by nothing else, unless no broker at all is left.
            ("log.connection.close", "true"),
            ("retry.backoff.ms", &backoff),
            // Above what one transaction holds (32 MB, or 50 ms of records).
            ("queue.buffering.max.messages", "500000"),
            ("queue.buffering.max.kbytes", "131072"),
            // The topic's own limit decides, and was looked at before; this one must not.
            ("message.max.bytes", "100000000"),
            // Successes are known from the commit: a report for each of them would cost as much as the copy itself.
            ("delivery.report.only.error", "true"),
            // A missing output topic is the provisioner's to create, with the right partitions.
            ("allow.auto.create.topics", "false"),
        ] {
            config.set(key, value);
        }
        if active(Mutant::M7d) {
            config.set("log.connection.close", "false");
        }
        if active(Mutant::M1) {
            config.remove("transactional.id");
        }
        if active(Mutant::M9) {
            let id = format!("{}.{}", self.transactional_id, std::process::id());
            config.set("transactional.id", id);
        }
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_producer_is_told_of_closed_connections() {
        let config = TxConfig {
            cluster: Cluster::new("b:9092"),
            group: "g".to_owned(),
            transactional_id: "t".to_owned(),
        };
        assert_eq!(config.producer().get("log.connection.close"), Some("true"));
    }
}
