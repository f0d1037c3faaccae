//! Partitions that are not read at present, why, and until when.

use super::watchdog::Watchdog;
use crate::{
    force::Snapshot,
    lanes::Lanes,
    status::{EnforcerStatus, PortState, PortStatus},
};
use std::{collections::BTreeMap, time::Duration};

/// How often the governance log is tried again for a paused partition.
pub(super) const RETRY: Duration = Duration::from_secs(1);

/// Why a partition is held, and what ends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hold {
    pub(super) why: String,
    pub(super) until: Until,
}

/// What ends a hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Until {
    /// The view reaches this position: the former owner judged by it, and the same record must get the same verdict.
    Seq(u64),
    /// A contract in force names the inbox.
    Contract,
    /// The governance log can be read to its end; tried next at this time.
    LogRead { retry_at: Duration },
    /// The circuit breaker of the partition closes.
    Breaker(Cooling),
    /// What is there can be read again; the watchdog asks.
    Readable,
    /// An operator resets the port's circuit breaker.
    Reset,
    /// The positions are taken anew, after somebody mended the offset's text.
    Positions,
}

/// An open breaker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cooling {
    /// The governance position at which it opened: a later reset closes it.
    pub(super) seq: u64,
    /// Why it opened.
    pub(super) opened: String,
    /// What judged then, or at the last look: another one is worth a look at once.
    pub(super) contract: String,
    /// The next look ahead.
    pub(super) next: Look,
    /// From that one to the one after it.
    pub(super) pause: Duration,
}

/// A look ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Is due then.
    At(Duration),
    /// Is being made.
    Underway,
}

impl Hold {
    /// An operator holds the port.
    pub(super) fn by_operator(why: String) -> Self {
        Self {
            why,
            until: Until::Reset,
        }
    }

    /// No contract in force names the inbox.
    pub(super) fn no_contract() -> Self {
        let why = "no contract in force names this inbox".to_owned();
        Self {
            why,
            until: Until::Contract,
        }
    }
}

/// All held partitions.
#[derive(Debug, Default)]
pub(super) struct Holds {
    held: BTreeMap<(String, i32), Hold>,
    applied: Vec<(String, i32)>,
}

impl Holds {
    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    pub(super) fn insert(&mut self, topic: String, partition: i32, hold: Hold) {
        tracing::warn!(topic, partition, why = hold.why, "partition paused");
        self.held.insert((topic, partition), hold);
    }

    pub(super) fn remove(&mut self, topic: &str, partition: i32) {
        self.held.remove(&(topic.to_owned(), partition));
        tracing::info!(topic, partition, "partition goes on");
    }

    pub(super) fn get(&self, topic: &str, partition: i32) -> Option<&Hold> {
        self.held.get(&(topic.to_owned(), partition))
    }

    pub(super) fn get_mut(&mut self, topic: &str, partition: i32) -> Option<&mut Hold> {
        self.held.get_mut(&(topic.to_owned(), partition))
    }

    /// The open breakers with their partitions.
    pub(super) fn breakers(&mut self) -> impl Iterator<Item = (&str, i32, &mut Cooling)> {
        self.held
            .iter_mut()
            .filter_map(|((topic, partition), hold)| {
                let Until::Breaker(cooling) = &mut hold.until else {
                    return None;
                };
                Some((topic.as_str(), *partition, cooling))
            })
    }

    /// What the port must leave out; from now on it does.
    pub(super) fn apply(&mut self) -> Vec<(String, i32)> {
        self.applied = self.held.keys().cloned().collect();
        self.applied.clone()
    }

    /// Whether the port leaves out something else than what is held.
    pub(super) fn differ_from_applied(&self) -> bool {
        !self.held.keys().eq(self.applied.iter())
    }

    /// Look at every owned partition anew, with the texts committed for it.
    pub(super) fn review_owned(
        &mut self,
        lanes: &Lanes,
        snapshot: &Snapshot,
        unreadable: Vec<(String, i32, String)>,
    ) {
        let mut held = BTreeMap::new();
        for lane in lanes.iter() {
            let key = (lane.topic.clone(), lane.partition);
            let seq = lane.settled().seq;
            let hold = if seq > snapshot.seq {
                let why = format!("waits for governance position {seq}, at {}", snapshot.seq);
                Some(Hold {
                    why,
                    until: Until::Seq(seq),
                })
            } else if !snapshot.ports.contains_key(&lane.topic) {
                Some(Hold::no_contract())
            } else {
                let stays = |hold: &Hold| match hold.until {
                    Until::LogRead { .. } | Until::Breaker(_) | Until::Readable | Until::Reset => {
                        true
                    }
                    Until::Seq(_) | Until::Contract | Until::Positions => false,
                };
                self.held.remove(&key).filter(stays)
            };
            held.extend(hold.map(|hold| (key, hold)));
        }
        for (topic, partition, why) in unreadable {
            let why = format!("the committed offset's text cannot be read: {why}");
            held.insert(
                (topic, partition),
                Hold {
                    why,
                    until: Until::Positions,
                },
            );
        }
        self.held = held;
    }

    /// Release what the snapshot was waited for. True when anything was.
    pub(super) fn release_by_snapshot(&mut self, snapshot: &Snapshot) -> bool {
        let before = self.held.len();
        self.held.retain(|(topic, _), hold| match &hold.until {
            Until::Seq(seq) => snapshot.seq < *seq,
            Until::Contract => !snapshot.ports.contains_key(topic),
            Until::LogRead { .. }
            | Until::Breaker(_)
            | Until::Readable
            | Until::Reset
            | Until::Positions => true,
        });
        self.held.len() != before
    }

    /// The partitions for which the log is to be tried now; put off until the next time.
    pub(super) fn due_for_log(&mut self, now: Duration) -> Vec<(String, i32)> {
        let mut due = Vec::new();
        for (key, hold) in &mut self.held {
            if let Until::LogRead { retry_at } = &mut hold.until
                && *retry_at <= now
            {
                *retry_at = now + RETRY;
                due.push(key.clone());
            }
        }
        due
    }

    /// How a port is that is read but for its held partitions; an open breaker is shown before anything else.
    fn state(&self, topic: &str) -> PortState {
        let mut of_topic = self.held.iter().filter(|((held, _), _)| held == topic);
        let is_breaker = |hold: &Hold| matches!(hold.until, Until::Breaker(_) | Until::Reset);
        let breaker = of_topic.clone().find(|(_, hold)| is_breaker(hold));
        if let Some((_, hold)) = breaker {
            let more = of_topic.filter(|(_, hold)| is_breaker(hold)).count() - 1;
            let why = match (&hold.until, more) {
                (Until::Breaker(_), 1..) => format!("{}; and {more} more", hold.why),
                _ => hold.why.clone(),
            };
            return PortState::Breaker(why);
        }
        let paused = of_topic.next();
        paused.map_or(PortState::Running, |(_, hold)| {
            PortState::Paused(hold.why.clone())
        })
    }
}

/// Bring the status up to date; the times of last events stay.
pub(super) fn describe(
    status: &mut EnforcerStatus,
    snapshot: &Snapshot,
    lanes: &Lanes,
    (holds, watchdog): (&Holds, &Watchdog),
    trouble: Option<&str>,
) {
    let mut partitions: BTreeMap<&str, usize> = BTreeMap::new();
    for lane in lanes.iter() {
        *partitions.entry(&lane.topic).or_default() += 1;
    }
    let former = std::mem::take(&mut status.ports);
    status.seq = snapshot.seq;
    status.trouble = trouble.map(str::to_owned);
    for port in snapshot.ports.values() {
        let state = match watchdog.stalled(&port.inbox).or(trouble) {
            Some(why) => PortState::Stalled(why.to_owned()),
            None => holds.state(&port.inbox),
        };
        let address = port.address.to_string();
        let last_event_ms = former.get(&address).and_then(|port| port.last_event_ms);
        let partitions = partitions.get(port.inbox.as_str()).copied().unwrap_or(0);
        status.ports.insert(
            address,
            PortStatus {
                state,
                partitions,
                last_event_ms,
            },
        );
    }
}
