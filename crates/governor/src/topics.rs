//! The control path's topics, with the exact settings they must have.

use kafka::TopicSpec;
use std::collections::BTreeMap;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// A proposal with its documents may have this many bytes; a governance fact about it a little more.
pub const MAX_PROPOSAL: usize = 900_000;

/// Names of the topics of one mesh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topics {
    /// Requests by our API.
    pub proposals: String,
    /// Replies.
    pub outcomes: String,
    /// Facts.
    pub governance: String,
    /// Names and addresses behind person ids.
    pub people: String,
    /// SLO windows, counts, lineage seen.
    pub observations: String,
    /// Signed Merkle checkpoints.
    pub checkpoints: String,
    /// Idempotency keys of the gateways, with the answers given.
    pub idempotency: String,
}

impl Topics {
    /// The topics of a mesh.
    pub fn of(mesh_id: &str) -> Self {
        let name = |suffix: &str| format!("{mesh_id}.{suffix}");
        Self {
            proposals: name("proposals"),
            outcomes: name("outcomes"),
            governance: name("governance"),
            people: name("people"),
            observations: name("observations"),
            checkpoints: name("checkpoints"),
            idempotency: name("idempotency"),
        }
    }

    /// What each must be; a topic that is otherwise is refused at start.
    pub fn specs(&self, replication: i32) -> Vec<TopicSpec> {
        let spec = |name: &str, configs: &[(&str, String)]| TopicSpec {
            name: name.to_owned(),
            partitions: 1,
            replication,
            configs: configs
                .iter()
                .map(|(k, v)| ((*k).to_owned(), v.clone()))
                .collect(),
        };
        let delete = || ("cleanup.policy", "delete".to_owned());
        let compact = || ("cleanup.policy", "compact".to_owned());
        let keep = |days: u64| ("retention.ms", (days * DAY_MS).to_string());
        let broker_time = || ("message.timestamp.type", "LogAppendTime".to_owned());
        let for_ever = || ("retention.ms", "-1".to_owned());
        // The writer's record is what an auditor hashes: no broker may recompress it.
        let as_written = || ("compression.type", "producer".to_owned());
        vec![
            spec(&self.proposals, &[delete(), keep(30), broker_time()]),
            spec(&self.outcomes, &[delete(), keep(7)]),
            spec(
                &self.governance,
                &[
                    delete(),
                    for_ever(),
                    ("retention.bytes", "-1".to_owned()),
                    as_written(),
                ],
            ),
            spec(&self.people, &[compact()]),
            // Written by later roles; made now, so that their settings hold from a mesh's first day.
            TopicSpec {
                partitions: 3,
                ..spec(
                    &self.observations,
                    &[("cleanup.policy", "compact,delete".to_owned()), keep(90)],
                )
            },
            spec(&self.checkpoints, &[delete(), for_ever()]),
            // One clock, the broker's, says when a key is a day old. Segments of an hour, for whole ones are deleted.
            spec(
                &self.idempotency,
                &[
                    ("cleanup.policy", "compact,delete".to_owned()),
                    keep(1),
                    ("segment.ms", (60 * 60 * 1000).to_string()),
                    broker_time(),
                ],
            ),
        ]
    }
}

/// A domain's proposals: whoever may write there speaks for the domain. The broker's clock stamps them, for a fact's
/// time follows the request's.
pub fn domain_proposals_spec(domain: &str, replication: i32) -> TopicSpec {
    TopicSpec {
        name: domain_proposals(domain),
        partitions: 1,
        replication,
        configs: BTreeMap::from([
            ("cleanup.policy".to_owned(), "delete".to_owned()),
            ("retention.ms".to_owned(), (30 * DAY_MS).to_string()),
            (
                "message.timestamp.type".to_owned(),
                "LogAppendTime".to_owned(),
            ),
        ]),
    }
}

/// `<domain>.proposals`.
pub fn domain_proposals(domain: &str) -> String {
    format!("{domain}.proposals")
}

/// The domain whose proposals a topic holds.
pub fn domain_of(topic: &str) -> Option<&str> {
    topic.strip_suffix(".proposals")
}
