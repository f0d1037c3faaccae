//! What adopting a topic means, told before it is proposed: whether it can be a port's inbox, how much of it will be judged,
//! and what of that would not stay.

use std::ops::ControlFlow;

use contract::address::PortAddress;
use contract::document::odcs::Odcs;
use contract::settings::{Settings, Treatment};
use contract::version::Version;
use kafka::{Admin, Cluster, PartitionEnds, ScanEnd, ScanSpec, ScanStart, TopicDescription};
use serde_json::Value;

use crate::client::Client;
use crate::event::rfc3339;
use crate::exit::Failure;

/// Partitions whose first record is looked at: the oldest of them tells what a retention means.
const LOOKED_AT: usize = 16;

/// What Kafka's topics take by default, and so what a product topic does.
const PRODUCT_LIMIT: usize = enforcer::force::DEFAULT_MAX_MESSAGE_BYTES;

/// A contract whose inbox is a topic of somebody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Adoption {
    contract: String,
    version: Version,
    topic: String,
    settings: Settings,
}

impl Adoption {
    /// What a contract adopts, where it does.
    pub(super) fn of(odcs: &Odcs) -> Option<Self> {
        let settings = Settings::read(&odcs.custom_properties).ok()?;
        let topic = settings.inbox.clone()?;
        let own = topic.strip_suffix(".inbox");
        if own.is_some_and(|port| port.parse::<PortAddress>().is_ok()) {
            return None;
        }
        Some(Self {
            contract: odcs.id.clone(),
            version: odcs.version.parse().ok()?,
            topic,
            settings,
        })
    }

    /// Whether the contract's major is in force on a port: then the topic has been adopted.
    fn is_done(&self, ports: &[Value]) -> bool {
        ports.iter().any(|port| {
            port["contract_id"] == self.contract.as_str()
                && port["major"] == self.version.major
                && port["activations"]
                    .as_array()
                    .is_some_and(|all| !all.is_empty())
        })
    }
}

/// A topic as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    topic: TopicDescription,
    /// Offsets that are there.
    offsets: i64,
    /// The oldest record's time, UTC ms.
    oldest_ms: Option<i64>,
}

/// Look at the topics that are to be adopted; says on stderr, and returns, what is to be known of them.
///
/// # Errors
/// [`Failure::Refused`] for one that cannot be the port's inbox.
pub(super) async fn look(
    client: &Client,
    adoptions: &[Adoption],
    now_ms: i64,
) -> anyhow::Result<Vec<String>> {
    let mut notes = Vec::new();
    if adoptions.is_empty() {
        return Ok(notes);
    }
    let ports = client.items(&["ports"], &[]).await?;
    let cluster = client.mesh().await?.cluster();
    for adoption in adoptions
        .iter()
        .filter(|adoption| !adoption.is_done(&ports))
    {
        match find(&cluster, &adoption.topic).await {
            Ok(found) => {
                check(adoption, found.as_ref())?;
                notes.extend(
                    found
                        .iter()
                        .flat_map(|found| describe(adoption, found, now_ms)),
                );
            }
            Err(error) => notes.push(format!(
                "topic {}, which {} adopts, cannot be looked at from here: {error:#}",
                adoption.topic, adoption.contract
            )),
        }
    }
    notes.iter().for_each(|note| eprintln!("note: {note}"));
    Ok(notes)
}

async fn find(cluster: &Cluster, topic: &str) -> anyhow::Result<Option<Found>> {
    let admin = Admin::new(cluster)?;
    let Some(described) = admin.describe_topic(topic).await? else {
        return Ok(None);
    };
    let ends = admin.end_offsets(topic).await?;
    let offsets = ends.iter().map(|ends| ends.end - ends.low).sum();
    let (cluster, name) = (cluster.clone(), topic.to_owned());
    let oldest_ms = tokio::task::spawn_blocking(move || oldest(&cluster, &name, &ends)).await??;
    Ok(Some(Found {
        topic: described,
        offsets,
        oldest_ms,
    }))
}

/// The time of the oldest of the partitions' first records.
fn oldest(cluster: &Cluster, topic: &str, ends: &[PartitionEnds]) -> anyhow::Result<Option<i64>> {
    let filled = ends.iter().filter(|ends| ends.low < ends.end);
    let mut oldest: Option<i64> = None;
    for ends in filled.take(LOOKED_AT) {
        let spec = ScanSpec {
            topic: topic.to_owned(),
            partitions: Some(vec![ends.partition]),
            from: ScanStart::Beginning,
            until: ScanEnd::CurrentEnd,
        };
        kafka::scan(cluster, &spec, |record| {
            let first = record.timestamp_ms;
            oldest = oldest.into_iter().chain(first).min();
            ControlFlow::Break(())
        })?;
    }
    Ok(oldest)
}

/// Whether it can be the inbox. What is refused here could be approved, and would never come into force.
fn check(adoption: &Adoption, found: Option<&Found>) -> Result<(), Failure> {
    let Adoption {
        contract,
        version,
        topic,
        settings,
    } = adoption;
    let said = settings.partitions;
    let why = match found.map(|found| found.topic.partitions) {
        Some(found) if u32::try_from(found) == Ok(said) => return Ok(()),
        Some(found) => format!(
            "topic {topic} has {found} partitions, {contract}@{version} says {said}\n  way out: set meshlog.partitions to {found}"
        ),
        None => format!(
            "topic {topic}, which meshlog.inbox of {contract}@{version} names, does not exist\n  way out: name a topic \
             that is there, make it with {said} partitions, or leave meshlog.inbox out: then the inbox is made for the port"
        ),
    };
    Err(Failure::Refused(format!("{why}; nothing was sent")))
}

fn describe(adoption: &Adoption, found: &Found, now_ms: i64) -> Vec<String> {
    let Adoption {
        topic, settings, ..
    } = adoption;
    let since = found.oldest_ms.and_then(rfc3339);
    let since = since.map_or_else(String::new, |since| format!(", the oldest from {since},"));
    let mut notes = vec![format!(
        "{topic} is adopted as it is: its {} records{since} are judged from the beginning; the topic itself is never changed",
        found.offsets
    )];
    let kept_from = now_ms.saturating_sub_unsigned(settings.retention_ms);
    if found.oldest_ms.is_some_and(|oldest| oldest < kept_from) {
        notes.push(format!(
            "events keep their own time: those from before {} are older than meshlog.retention and are deleted from the \
             product topic soon after they were written to it; choose a longer one to keep them",
            rfc3339(kept_from).unwrap_or_default()
        ));
    }
    let config = |name: &str| found.topic.configs.get(name).map(String::as_str);
    if config("cleanup.policy").is_some_and(|policy| policy.contains("compact")) {
        let tombstones = match settings.tombstones {
            Treatment::Refuse => "null values are refused unless meshlog.tombstones is pass",
            Treatment::Pass => "null values pass",
        };
        notes.push(format!(
            "{topic} is compacted, the product topic is not: it keeps every event for meshlog.retention; {tombstones}"
        ));
    }
    let limit = config("max.message.bytes").and_then(|limit| limit.parse::<usize>().ok());
    if let Some(limit) = limit.filter(|limit| *limit > PRODUCT_LIMIT) {
        notes.push(format!(
            "{topic} takes records of up to {limit} bytes, the product topic of {PRODUCT_LIMIT}: larger ones go to quarantine"
        ));
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::collections::BTreeMap;

    const DAY_MS: i64 = 86_400_000;

    fn adoption() -> Adoption {
        Adoption {
            contract: "orders".to_owned(),
            version: "1.0.0".parse().expect("a version"),
            topic: "legacy.orders".to_owned(),
            settings: Settings::default(),
        }
    }

    fn found(oldest_ms: i64, configs: &[(&str, &str)]) -> Found {
        let configs = configs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        Found {
            topic: TopicDescription {
                name: "legacy.orders".to_owned(),
                partitions: 3,
                replication: 1,
                configs: configs.collect::<BTreeMap<_, _>>(),
            },
            offsets: 12,
            oldest_ms: Some(oldest_ms),
        }
    }

    #[test]
    fn a_topic_that_cannot_be_the_inbox_is_refused_with_the_way_out() {
        let mut adoption = adoption();
        let found = found(0, &[]);
        check(&adoption, Some(&found)).expect("three and three");
        adoption.settings.partitions = 6;
        let error = check(&adoption, Some(&found))
            .expect_err("three and six")
            .to_string();
        assert!(error.contains("set meshlog.partitions to 3"), "{error}");
        let error = check(&adoption, None).expect_err("none").to_string();
        assert!(error.contains("does not exist"), "{error}");
    }

    #[test]
    fn what_would_surprise_is_said() {
        let now = 100 * DAY_MS;
        let notes = describe(&adoption(), &found(now - DAY_MS, &[]), now);
        assert_eq!(notes.len(), 1, "{notes:?}");
        assert!(notes[0].contains("12 records"), "{notes:?}");
        let configs = [
            ("cleanup.policy", "compact"),
            ("max.message.bytes", "5000000"),
        ];
        let notes = describe(&adoption(), &found(0, &configs), now).join("\n");
        for expected in [
            "meshlog.retention and are deleted",
            "is compacted",
            "5000000",
        ] {
            assert!(notes.contains(expected), "{expected}: {notes}");
        }
    }

    #[test]
    fn a_topic_is_adopted_once() {
        let port = |activations| json!([{"contract_id": "orders", "major": 1, "activations": activations}]);
        let ports = |value: serde_json::Value| value.as_array().cloned().unwrap_or_default();
        assert!(!adoption().is_done(&ports(port(json!([])))));
        assert!(adoption().is_done(&ports(port(json!([{"version": "1.0.0"}])))));
    }
}
