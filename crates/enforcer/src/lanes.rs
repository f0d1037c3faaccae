//! The owned partitions with what is committed of them and what the open transaction adds.

use crate::breaker::Guard;
use crate::progress::{Progress, parse_progress};
use kafka::tx::{self, Position};
use std::time::Duration;

/// One owned inbox partition.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    /// Records below it were in the inbox before the governance log was last read to its end for this partition.
    pub(crate) horizon: i64,
    /// Its circuit breaker.
    pub(crate) guard: Guard,
    /// When its last record came, or was last not to be expected, on the port's clock.
    pub(crate) heard: Duration,
    /// The next offset to be judged, as committed; `None` before the first commit.
    committed: Option<i64>,
    /// Committed.
    settled: Progress,
    /// Committed and the open transaction.
    current: Progress,
    /// Next offset, when the open transaction holds records of it.
    next: Option<i64>,
    /// Time of the newest record of the open transaction.
    newest_ms: Option<i64>,
}

/// How a record was disposed of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disposed {
    /// To the product topic.
    Accepted,
    /// To the product topic although it breaks its contract.
    Shadowed,
    /// To the quarantine topic.
    Quarantined,
}

impl Lane {
    /// Count one record of the open transaction.
    pub(crate) fn count(&mut self, offset: i64, time_ms: Option<i64>, disposed: Disposed) {
        self.current.inbox += 1;
        match disposed {
            Disposed::Accepted => self.current.accepted += 1,
            Disposed::Shadowed => {
                self.current.accepted += 1;
                self.current.shadowed += 1;
            }
            Disposed::Quarantined => self.current.quarantined += 1,
        }
        self.next = Some(offset + 1);
        self.newest_ms = self.newest_ms.max(time_ms);
    }

    /// What is committed.
    pub(crate) fn settled(&self) -> Progress {
        self.settled
    }

    /// The next offset to be judged, as committed: where reading starts.
    pub(crate) fn committed(&self) -> i64 {
        self.committed.unwrap_or(0)
    }

    /// What the open transaction adds.
    pub(crate) fn added(&self) -> Progress {
        self.current.minus(&self.settled)
    }

    /// Time of the newest record of the open transaction.
    pub(crate) fn newest_ms(&self) -> Option<i64> {
        self.newest_ms
    }

    /// Whether the open transaction holds records of it.
    pub(crate) fn is_touched(&self) -> bool {
        self.next.is_some()
    }

    fn is(&self, topic: &str, partition: i32) -> bool {
        self.partition == partition && self.topic == topic
    }
}

/// All owned partitions, sorted by topic and partition.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    lanes: Vec<Lane>,
    last: usize,
}

impl Lanes {
    /// Own exactly these from now on. A partition whose text cannot be read is returned with the reason; it is among
    /// the lanes, but must not be read.
    pub(crate) fn reset(
        &mut self,
        positions: &[Position],
        now: Duration,
    ) -> Vec<(String, i32, String)> {
        let mut unreadable = Vec::new();
        self.last = 0;
        let mut former = std::mem::take(&mut self.lanes);
        let mut kept = |at: &Position| {
            let mut former = former.iter_mut();
            let same = former.find(|lane| lane.is(&at.topic, at.partition));
            same.map_or((0, Guard::default(), now), |lane| {
                lane.guard.window.undo();
                (lane.horizon, std::mem::take(&mut lane.guard), lane.heard)
            })
        };
        self.lanes = positions
            .iter()
            .map(|at| {
                let settled = parse_progress(&at.metadata).unwrap_or_else(|error| {
                    unreadable.push((at.topic.clone(), at.partition, error.to_string()));
                    Progress::default()
                });
                let (horizon, guard, heard) = kept(at);
                Lane {
                    topic: at.topic.clone(),
                    partition: at.partition,
                    horizon,
                    guard,
                    heard,
                    committed: at.next,
                    settled,
                    current: settled,
                    next: None,
                    newest_ms: None,
                }
            })
            .collect();
        self.lanes
            .sort_by(|a, b| (&a.topic, a.partition).cmp(&(&b.topic, b.partition)));
        unreadable
    }

    /// The lane of a record; records come in runs of one partition, so the last one is tried first.
    pub(crate) fn find(&mut self, topic: &str, partition: i32) -> Option<&mut Lane> {
        if !self
            .lanes
            .get(self.last)
            .is_some_and(|lane| lane.is(topic, partition))
        {
            let key = (topic, partition);
            let found = self
                .lanes
                .binary_search_by(|lane| (lane.topic.as_str(), lane.partition).cmp(&key));
            self.last = found.ok()?;
        }
        self.lanes.get_mut(self.last)
    }

    /// What the open transaction commits, judged by `seq`.
    pub(crate) fn progress(&self, seq: u64) -> Vec<tx::Progress> {
        let touched = self
            .lanes
            .iter()
            .filter_map(|lane| lane.next.map(|next| (lane, next)));
        touched
            .map(|(lane, next)| tx::Progress {
                topic: lane.topic.clone(),
                partition: lane.partition,
                next,
                metadata: Progress {
                    seq,
                    ..lane.current
                }
                .to_string(),
            })
            .collect()
    }

    /// The open transaction was committed.
    pub(crate) fn settle(&mut self, seq: u64) {
        for lane in self.lanes.iter_mut().filter(|lane| lane.next.is_some()) {
            lane.current.seq = seq;
            lane.settled = lane.current;
            lane.committed = lane.next.take();
            lane.guard.window.settle();
            lane.newest_ms = None;
        }
    }

    /// The open transaction is gone.
    pub(crate) fn forget(&mut self) {
        for lane in &mut self.lanes {
            lane.current = lane.settled;
            lane.next = None;
            lane.guard.window.undo();
            lane.newest_ms = None;
        }
    }

    /// All of them, to be changed.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Lane> {
        self.lanes.iter_mut()
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Lane> {
        self.lanes.iter()
    }
}
