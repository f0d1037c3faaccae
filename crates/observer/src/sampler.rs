//! What others know of the ports read here: the enforcer's counters, the topics' retention, the groups that consume.

use crate::service::Shared;
use crate::windows::{Judged, Sample, Samples};
use contract::sla::{Consumer, OBSERVATION_VERSION};
use kafka::{Admin, AdminError, Group, Outgoing, PartitionEnds};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// The enforcer's counters are read so often at least: what it judges late in a window counts in the next one.
const COUNTERS: Duration = Duration::from_secs(10);
/// Groups are listed so often at least; each group costs a question to its coordinator.
const GROUPS: Duration = Duration::from_secs(30);
/// A group that reads none of our ports is asked again after so many rounds: a cluster may have thousands of them.
const ROUNDS_LEFT_OUT: u32 = 5;
/// A topic's retention is asked so often: it changes by an operator's hand.
const RETENTION: Duration = Duration::from_secs(300);

pub(crate) struct Sampler {
    pub(crate) shared: Shared,
    pub(crate) admin: Admin,
    pub(crate) samples: watch::Sender<Samples>,
}

impl Sampler {
    /// Sample for ever.
    pub(crate) async fn run(self) {
        let window = self.shared.config.window;
        let (counters, groups) = (COUNTERS.min(window / 2), GROUPS.min(window * 2));
        let mut asked: BTreeMap<String, Instant> = BTreeMap::new();
        let mut listed: Option<Instant> = None;
        let mut left_out = BTreeMap::new();
        loop {
            let ports = self.shared.owned_ports();
            self.counters(&ports).await;
            let due = |port: &&String| asked.get(*port).is_none_or(|at| at.elapsed() >= RETENTION);
            for port in ports.iter().filter(due).cloned().collect::<Vec<_>>() {
                if self.retention(&port).await {
                    asked.insert(port, Instant::now());
                }
            }
            if listed.is_none_or(|at| at.elapsed() >= groups) {
                listed = Some(Instant::now());
                if let Err(error) = self.consumers(&mut left_out).await {
                    tracing::debug!(%error, "the groups cannot be listed now");
                }
            }
            tokio::time::sleep(counters).await;
        }
    }

    async fn counters(&self, ports: &BTreeSet<String>) {
        for address in ports {
            let Some(port) = self.shared.port(address) else {
                continue;
            };
            let group = format!("{}.enforcer", self.shared.config.mesh);
            let asked_ms = (self.shared.config.clock)();
            let committed = match self.admin.committed(&group, &port.inbox).await {
                Ok(committed) => committed,
                Err(error) => {
                    tracing::debug!(port = %address, %error, "the enforcer's counters cannot be read now");
                    continue;
                }
            };
            let parse = &self.shared.config.counts;
            let found = committed.into_iter().filter_map(|committed| {
                let (accepted, refused) = parse(&committed.metadata)?;
                let judged = Judged { accepted, refused };
                let sample = Sample { judged, asked_ms };
                Some(((address.clone(), committed.partition), sample))
            });
            let found: Vec<_> = found.collect();
            self.samples
                .send_modify(|samples| samples.judged.extend(found));
        }
    }

    async fn retention(&self, address: &str) -> bool {
        let described = self.admin.describe_topic(address).await.ok().flatten();
        let retention = described.and_then(|topic| topic.configs.get("retention.ms")?.parse().ok());
        if let Some(ms) = retention {
            self.samples.send_modify(|samples| {
                samples.retention_ms.insert(address.to_owned(), ms);
            });
        }
        retention.is_some()
    }

    /// Every group with a position on a port whose first partition is read here, but for our own.
    async fn consumers(&self, left_out: &mut BTreeMap<String, u32>) -> Result<(), AdminError> {
        let (mut ends, mut topics) = (BTreeMap::new(), Vec::new());
        for port in self.shared.led_ports() {
            let found = self.admin.end_offsets(&port.address).await?;
            ends.insert(port.address.clone(), found);
            topics.push((port.address.clone(), port.partitions));
        }
        if topics.is_empty() {
            return Ok(());
        }
        let ours = format!("{}.", self.shared.config.mesh);
        let groups = self.admin.groups().await?;
        left_out.retain(|name, _| groups.iter().any(|group| group.name == *name));
        for group in groups {
            if group.name.starts_with(&ours) || is_left_out(left_out, &group.name) {
                continue;
            }
            let positions = match self.admin.positions(&group.name, &topics).await {
                Ok(positions) => positions,
                Err(error) => {
                    tracing::debug!(group = %group.name, %error, "where a group is cannot be read now");
                    continue;
                }
            };
            let consumers = seen(&group, &positions, &ends, (self.shared.config.clock)());
            if consumers.is_empty() {
                left_out.insert(group.name, ROUNDS_LEFT_OUT);
            }
            for consumer in consumers {
                self.write(&consumer).await;
            }
        }
        Ok(())
    }

    async fn write(&self, consumer: &Consumer) {
        let record = Outgoing {
            topic: self.shared.observations(),
            partition: Some(0),
            timestamp_ms: Some(consumer.seen_ms),
            key: Some(consumer.key().into_bytes()),
            value: serde_json::to_vec(consumer).ok(),
            headers: Vec::new(),
        };
        if let Err(error) = self.shared.producer.send(record).await {
            tracing::debug!(%error, "a consumer could not be noted");
        }
    }
}

/// Whether a group is passed over in this round.
fn is_left_out(left_out: &mut BTreeMap<String, u32>, group: &str) -> bool {
    match left_out.get_mut(group) {
        Some(rounds) if *rounds > 0 => {
            *rounds -= 1;
            true
        }
        Some(_) | None => group.is_empty(),
    }
}

/// A group on each port that it has a position on.
fn seen(
    group: &Group,
    positions: &[kafka::GroupPosition],
    ends: &BTreeMap<String, Vec<PartitionEnds>>,
    now: i64,
) -> Vec<Consumer> {
    let on = ends.iter().filter_map(|(port, ends)| {
        let mut consumer = Consumer {
            v: OBSERVATION_VERSION,
            port: port.clone(),
            group: group.name.clone(),
            state: group.state.clone(),
            members: group.members as u64,
            partitions: 0,
            lag: 0,
            seen_ms: now,
        };
        for position in positions.iter().filter(|position| position.topic == *port) {
            let end = ends
                .iter()
                .find(|end| end.partition == position.partition)?;
            // What retention took away cannot be read any more.
            let behind = end.end - position.offset.max(end.low);
            consumer.partitions += 1;
            consumer.lag += u64::try_from(behind).unwrap_or(0);
        }
        (consumer.partitions > 0).then_some(consumer)
    });
    on.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_lags_by_what_is_still_there_on_the_ports_it_reads() {
        let group = Group {
            name: "team".to_owned(),
            state: "Stable".to_owned(),
            members: 2,
        };
        let end = |partition, low, end| PartitionEnds {
            partition,
            low,
            end,
        };
        let ends = BTreeMap::from([
            ("a".to_owned(), vec![end(0, 0, 10), end(1, 40, 100)]),
            ("b".to_owned(), vec![end(0, 0, 10)]),
        ]);
        let at = |partition, offset| kafka::GroupPosition {
            topic: "a".to_owned(),
            partition,
            offset,
        };
        let found = seen(&group, &[at(0, 12), at(1, 20)], &ends, 7);
        assert_eq!(found.len(), 1);
        let Consumer {
            port,
            partitions,
            lag,
            members,
            ..
        } = &found[0];
        assert_eq!(
            (port.as_str(), *partitions, *lag, *members),
            ("a", 2, 60, 2)
        );
    }
}
