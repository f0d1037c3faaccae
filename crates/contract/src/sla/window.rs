//! What was seen of a port in one window of time: figures that can be added up over partitions, as stored.

use super::Sketch;
use crate::quality::RuleCount;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of [`Observation`] that this build writes and reads.
pub const OBSERVATION_VERSION: u32 = 1;

/// How long windows are kept: the period over which shares and budgets are told.
pub const KEPT_MS: i64 = 24 * 60 * 60 * 1000;

/// One partition of a product topic in one window.
///
/// Stored in `<mesh>.observations` since v0.1, as JSON under the key [`Observation::key`]. Never change what a member of
/// version 1 means: add a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// [`OBSERVATION_VERSION`].
    pub v: u32,
    /// Port address.
    pub port: String,
    /// Partition of the product topic.
    pub partition: i32,
    /// Where the window begins, UTC ms; a multiple of its length.
    pub start_ms: i64,
    /// How long it is.
    pub length_ms: i64,
    /// The contract version in force when it ended.
    pub contract: String,
    /// What was seen.
    pub figures: Figures,
}

/// What was seen in a window. Merging is associative and commutative, so partitions may come in any order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    /// The observer was reading what had waited for it: what it says of time is about the observer.
    pub catching_up: bool,
    /// Events read from the product topic.
    pub events: u64,
    /// Bytes of their values.
    pub bytes: u64,
    /// Events that the enforcer accepted since the window before.
    pub accepted: u64,
    /// Events that it refused since then.
    pub refused: u64,
    /// From the event's time to the moment at which the observer read it, ms.
    pub latency: Sketch,
    /// The newest event time ever seen, UTC ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest_event_ms: Option<i64>,
    /// When an event arrived last, in this window or any before, UTC ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_arrival_ms: Option<i64>,
    /// `retention.ms` of the topic, where it was asked; -1 is for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention_ms: Option<i64>,
    /// Rules over many events.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rules: BTreeMap<String, RuleCount>,
}

impl Figures {
    /// Both together.
    pub fn merge(&mut self, other: &Self) {
        self.catching_up |= other.catching_up;
        self.events += other.events;
        self.bytes += other.bytes;
        self.accepted += other.accepted;
        self.refused += other.refused;
        self.latency.merge(&other.latency);
        self.newest_event_ms = self.newest_event_ms.max(other.newest_event_ms);
        self.last_arrival_ms = self.last_arrival_ms.max(other.last_arrival_ms);
        // The shortest of two answers: nobody may rely on the longer one.
        self.retention_ms = match (self.retention_ms, other.retention_ms) {
            (Some(a), Some(b)) => Some(shorter(a, b)),
            (a, b) => a.or(b),
        };
        for (name, count) in &other.rules {
            self.rules.entry(name.clone()).or_default().merge(count);
        }
    }
}

/// The shorter retention; -1 is for ever.
fn shorter(a: i64, b: i64) -> i64 {
    match (a < 0, b < 0) {
        (true, _) => b,
        (_, true) => a,
        (false, false) => a.min(b),
    }
}

impl Observation {
    /// The prefix of the keys of windows in `<mesh>.observations`.
    pub const PREFIX: &str = "slo/";

    /// The record's key: there is one record for a partition and a window.
    pub fn key(&self) -> String {
        Self::key_of(&self.port, self.partition, self.start_ms)
    }

    /// The key of a window.
    pub fn key_of(port: &str, partition: i32, start_ms: i64) -> String {
        format!("{}{port}/{partition}/{start_ms}", Self::PREFIX)
    }

    /// Port, partition and start of a key.
    pub fn parse_key(key: &str) -> Option<(&str, i32, i64)> {
        let mut parts = key.strip_prefix(Self::PREFIX)?.splitn(3, '/');
        let (port, partition) = (parts.next()?, parts.next()?.parse().ok()?);
        Some((port, partition, parts.next()?.parse().ok()?))
    }
}

/// A consumer group seen on a port.
///
/// Stored in `<mesh>.observations` since v0.1, as JSON under the key [`Consumer::key`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consumer {
    /// [`OBSERVATION_VERSION`].
    pub v: u32,
    /// Port address.
    pub port: String,
    /// The group.
    pub group: String,
    /// `Stable`, `Empty`, ..., as the group's coordinator says.
    pub state: String,
    /// How many members it has.
    pub members: u64,
    /// Partitions of the port for which it has committed an offset.
    pub partitions: u64,
    /// Offsets between what it committed and the read-committed end, over those partitions: an upper bound of the events
    /// it has not read, for transactions' marks have offsets too.
    pub lag: u64,
    /// When it was seen last, UTC ms.
    pub seen_ms: i64,
}

impl Consumer {
    /// The prefix of the keys of consumers in `<mesh>.observations`.
    pub const PREFIX: &str = "consumers/";

    /// The record's key.
    pub fn key(&self) -> String {
        format!("{}{}/{}", Self::PREFIX, self.port, self.group)
    }

    /// Port and group of a key.
    pub fn parse_key(key: &str) -> Option<(&str, &str)> {
        key.strip_prefix(Self::PREFIX)?.split_once('/')
    }
}

/// The start of the window that holds a time: windows are aligned to the epoch.
pub fn window_start(time_ms: i64, length_ms: i64) -> i64 {
    time_ms - time_ms.rem_euclid(length_ms.max(1))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Any figures.
    pub(in crate::sla) fn figures() -> impl Strategy<Value = Figures> {
        let times = (
            prop::option::of(any::<i64>()),
            prop::option::of(any::<i64>()),
            prop::option::of(-1..100_i64),
        );
        let counts = (
            any::<bool>(),
            0..100_u64,
            0..100_u64,
            0..100_u64,
            0..100_u64,
        );
        let rules = prop::collection::btree_map("[ab]", (0..9_u64, 0..9_u64, any::<bool>()), 0..3);
        let latency = prop::collection::vec(0..100_000_u64, 0..5);
        (times, counts, rules, latency).prop_map(|(times, counts, rules, latencies)| {
            let mut latency = Sketch::default();
            latencies.into_iter().for_each(|value| latency.add(value));
            let rules = rules.into_iter().map(|(name, (rows, counted, at_least))| {
                let count = RuleCount {
                    rows,
                    counted,
                    at_least,
                };
                (name, count)
            });
            Figures {
                catching_up: counts.0,
                events: counts.1,
                bytes: counts.2,
                accepted: counts.3,
                refused: counts.4,
                latency,
                newest_event_ms: times.0,
                last_arrival_ms: times.1,
                retention_ms: times.2,
                rules: rules.collect(),
            }
        })
    }

    fn both(a: &Figures, b: &Figures) -> Figures {
        let mut merged = a.clone();
        merged.merge(b);
        merged
    }

    proptest! {
        #[test]
        fn merging_is_associative_and_commutative(a in figures(), b in figures(), c in figures()) {
            prop_assert_eq!(both(&both(&a, &b), &c), both(&a, &both(&b, &c)));
            prop_assert_eq!(both(&a, &b), both(&b, &a));
            prop_assert_eq!(both(&a, &Figures::default()), a);
        }

        #[test]
        fn a_window_holds_its_time_and_begins_at_a_multiple_of_its_length(
            time in -10_i64.pow(15)..10_i64.pow(15), length in 1..100_000_000_i64,
        ) {
            let start = window_start(time, length);
            prop_assert!(start <= time && time < start + length);
            prop_assert_eq!(start.rem_euclid(length), 0);
        }
    }

    #[test]
    fn version_one_of_a_window_stays_as_it_is() {
        let golden = include_str!("golden/observation-v1.json").trim_end();
        let read: Observation = serde_json::from_str(golden).expect("reads");
        assert_eq!(serde_json::to_string(&read).expect("writes"), golden);
        assert_eq!(
            read.key(),
            "slo/flights.departures.events.v1/2/1790000040000"
        );
        assert_eq!(read.figures.latency.quantile(99), Some(1023));
        assert_eq!(
            Observation::parse_key(&read.key()),
            Some(("flights.departures.events.v1", 2, 1_790_000_040_000))
        );
    }

    #[test]
    fn version_one_of_a_consumer_stays_as_it_is() {
        let golden = include_str!("golden/consumer-v1.json").trim_end();
        let read: Consumer = serde_json::from_str(golden).expect("reads");
        assert_eq!(serde_json::to_string(&read).expect("writes"), golden);
        assert_eq!(
            Consumer::parse_key(&read.key()),
            Some(("flights.departures.events.v1", "team/a"))
        );
    }
}
