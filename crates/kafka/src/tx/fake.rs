//! An in-memory cluster and port for the tests of what runs on the port: same promises, faults on demand.

use super::{
    Broken, HeaderRef, Inbound, Outbound, Outbox, Outcome, Polled, Position, Progress,
    RESERVED_PREFIX, TransactionalPort, Trouble, TroubleKind,
};
use std::{
    cell::{Ref, RefCell},
    collections::{BTreeMap, VecDeque},
    ops::Range,
    rc::Rc,
    time::Duration,
};

type Partition = (String, i32);

/// A record as the fake cluster keeps it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stored {
    /// Milliseconds since the epoch.
    pub timestamp_ms: Option<i64>,
    /// The key.
    pub key: Option<Vec<u8>>,
    /// The value.
    pub value: Option<Vec<u8>>,
    /// The headers.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Stored {
    /// The value of the last header of this name.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        let found = self.headers.iter().rev().find(|(key, _)| key == name);
        found.and_then(|(_, value)| value.as_deref())
    }
}

/// What goes wrong in one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The next commit fails, nothing is visible.
    CommitUndone,
    /// The next commit's outcome is not known; it was not carried out.
    CommitUnknownLost,
    /// The next commit's outcome is not known; it was carried out.
    CommitUnknownDone,
    /// The next poll finds the partitions revoked and given back.
    Rebalance,
    /// The next poll finds no broker.
    BrokerAway,
    /// The next poll finds a batch that cannot be read.
    Unreadable,
    /// The next send breaks the transaction.
    SendBreaks,
}

/// Topics, committed offsets and their texts.
#[derive(Debug, Clone, Default)]
pub struct FakeCluster {
    state: Rc<RefCell<State>>,
}

#[derive(Debug, Default)]
struct State {
    topics: BTreeMap<Partition, Vec<Stored>>,
    committed: BTreeMap<Partition, (i64, String)>,
    stuck: BTreeMap<Partition, Range<usize>>,
}

impl FakeCluster {
    /// From this offset on nothing of a partition can be read; `None` mends it.
    pub fn stick(&self, topic: &str, partition: i32, at: Option<usize>) {
        let key = (topic.to_owned(), partition);
        let stuck = &mut self.state.borrow_mut().stuck;
        match at {
            Some(at) => drop(stuck.insert(key, at..usize::MAX)),
            None => drop(stuck.remove(&key)),
        }
    }

    /// Of a partition that is stuck, what lies from this offset on can be read.
    pub fn mend_from(&self, topic: &str, partition: i32, from: usize) {
        let key = (topic.to_owned(), partition);
        if let Some(stuck) = self.state.borrow_mut().stuck.get_mut(&key) {
            stuck.end = from;
        }
    }

    /// Make an (empty) partition.
    pub fn create(&self, topic: &str, partition: i32) {
        self.state
            .borrow_mut()
            .topics
            .entry((topic.to_owned(), partition))
            .or_default();
    }

    /// Append to an inbox.
    pub fn append(&self, topic: &str, partition: i32, record: Stored) {
        let key = (topic.to_owned(), partition);
        self.state
            .borrow_mut()
            .topics
            .entry(key)
            .or_default()
            .push(record);
    }

    /// What a `read_committed` reader sees of a partition.
    pub fn records(&self, topic: &str, partition: i32) -> Vec<Stored> {
        let key = (topic.to_owned(), partition);
        self.state
            .borrow()
            .topics
            .get(&key)
            .cloned()
            .unwrap_or_default()
    }

    /// Next offset and text committed for a partition.
    pub fn committed(&self, topic: &str, partition: i32) -> Option<(i64, String)> {
        self.state
            .borrow()
            .committed
            .get(&(topic.to_owned(), partition))
            .cloned()
    }

    /// Commit a position by hand, as an operator's tool would.
    pub fn set_committed(&self, topic: &str, partition: i32, next: i64, metadata: &str) {
        let key = (topic.to_owned(), partition);
        self.state
            .borrow_mut()
            .committed
            .insert(key, (next, metadata.to_owned()));
    }

    fn get(&self) -> Ref<'_, State> {
        self.state.borrow()
    }
}

/// The port on a [`FakeCluster`]: it owns every partition of what it subscribes to.
#[derive(Debug)]
pub struct FakePort {
    cluster: FakeCluster,
    faults: VecDeque<Option<Fault>>,
    armed: Option<Fault>,
    topics: Vec<String>,
    reading: BTreeMap<Partition, usize>,
    held: Vec<Partition>,
    due: bool,
    open: Vec<(Partition, Stored)>,
    broken: bool,
    fresh: bool,
    clock: Duration,
}

impl FakePort {
    /// A port whose calls of `poll` and `commit` take one of `faults` each, until they are used up.
    pub fn new(cluster: &FakeCluster, faults: impl IntoIterator<Item = Option<Fault>>) -> Self {
        Self {
            cluster: cluster.clone(),
            faults: faults.into_iter().collect(),
            armed: None,
            topics: Vec::new(),
            reading: BTreeMap::new(),
            held: Vec::new(),
            due: false,
            open: Vec::new(),
            broken: false,
            fresh: false,
            clock: Duration::ZERO,
        }
    }

    /// The next call that it fits takes this fault.
    pub fn arm(&mut self, fault: Fault) {
        match fault {
            Fault::Rebalance => self.drop_open(),
            Fault::BrokerAway | Fault::Unreadable => self.faults.push_front(Some(fault)),
            Fault::CommitUndone
            | Fault::CommitUnknownLost
            | Fault::CommitUnknownDone
            | Fault::SendBreaks => self.armed = Some(fault),
        }
    }

    /// Whether all faults were taken.
    pub fn is_out_of_faults(&self) -> bool {
        self.faults.is_empty() && self.armed.is_none()
    }

    fn drop_open(&mut self) {
        self.open.clear();
        self.broken = false;
        self.reading.clear();
        self.due = true;
    }

    fn reposition(&mut self) -> Polled {
        self.due = false;
        self.reading.clear();
        let state = self.cluster.get();
        let mut positions = Vec::new();
        for partition in state
            .topics
            .keys()
            .filter(|(topic, _)| self.topics.contains(topic))
        {
            let (next, metadata) = match state.committed.get(partition) {
                Some((next, metadata)) => (Some(*next), metadata.clone()),
                None => (None, String::new()),
            };
            if !self.held.contains(partition) {
                let index = usize::try_from(next.unwrap_or(0)).unwrap_or_default();
                self.reading.insert(partition.clone(), index);
            }
            let (topic, partition) = partition.clone();
            positions.push(Position {
                topic,
                partition,
                next,
                metadata,
            });
        }
        Polled::Positions(positions)
    }

    fn take_poll_fault(&mut self) -> Option<Polled> {
        match self.faults.pop_front().flatten()? {
            Fault::Rebalance => self.drop_open(),
            Fault::Unreadable => {
                self.drop_open();
                let why = "a batch cannot be read".to_owned();
                return Some(Polled::Waiting(Trouble {
                    kind: TroubleKind::Unreadable,
                    why,
                }));
            }
            Fault::BrokerAway => {
                let why = "no broker".to_owned();
                return Some(Polled::Waiting(Trouble {
                    kind: TroubleKind::BrokerAway,
                    why,
                }));
            }
            other @ (Fault::CommitUndone
            | Fault::CommitUnknownLost
            | Fault::CommitUnknownDone
            | Fault::SendBreaks) => self.armed = Some(other),
        }
        None
    }

    fn next_record(&mut self) -> Option<(Partition, i64, Stored)> {
        let state = self.cluster.get();
        // The partition that is least far: reads interleave as a real consumer's do.
        let candidates = self.reading.iter().filter_map(|(partition, at)| {
            if state
                .stuck
                .get(partition)
                .is_some_and(|stuck| stuck.contains(at))
            {
                return None;
            }
            state
                .topics
                .get(partition)?
                .get(*at)
                .map(|record| (*at, partition, record))
        });
        let (at, partition, record) = candidates.min_by_key(|(at, ..)| *at)?;
        let found = (
            partition.clone(),
            i64::try_from(at).unwrap_or(i64::MAX),
            record.clone(),
        );
        drop(state);
        self.reading.insert(found.0.clone(), at + 1);
        Some(found)
    }

    fn apply(&mut self, progress: &[Progress]) {
        let mut state = self.cluster.state.borrow_mut();
        for (partition, record) in self.open.drain(..) {
            state.topics.entry(partition).or_default().push(record);
        }
        for at in progress {
            let key = (at.topic.clone(), at.partition);
            state.committed.insert(key, (at.next, at.metadata.clone()));
        }
    }
}

impl TransactionalPort for FakePort {
    fn subscribe(&mut self, topics: &[String]) {
        self.topics = topics.to_vec();
        self.drop_open();
    }

    fn poll(
        &mut self,
        timeout: Duration,
        handle: &mut dyn FnMut(&Inbound<'_>, &mut dyn Outbox),
    ) -> Polled {
        self.clock += Duration::from_millis(1);
        if let Some(away) = self.take_poll_fault() {
            return away;
        }
        if self.due {
            return self.reposition();
        }
        let Some(((topic, partition), offset, record)) = self.next_record() else {
            self.clock += timeout;
            return if std::mem::take(&mut self.fresh) {
                Polled::Drained
            } else {
                Polled::Idle
            };
        };
        self.fresh = true;
        let headers: Vec<HeaderRef<'_>> = record
            .headers
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_deref()))
            .collect();
        let inbound = Inbound {
            topic: &topic,
            partition,
            offset,
            timestamp_ms: record.timestamp_ms,
            key: record.key.as_deref(),
            value: record.value.as_deref(),
            headers: &headers,
            unreadable_headers: 0,
        };
        handle(&inbound, self);
        Polled::Record
    }

    fn commit(&mut self, progress: &[Progress]) -> Outcome {
        if let Some(fault) = self.faults.pop_front().flatten() {
            self.armed = Some(fault);
        }
        let fault = self.armed.take();
        if self.due || self.broken || fault == Some(Fault::CommitUndone) {
            self.drop_open();
            return Outcome::Undone("fake".to_owned());
        }
        match fault {
            Some(Fault::CommitUnknownLost) => {
                self.drop_open();
                Outcome::Unknown("fake".to_owned())
            }
            Some(Fault::CommitUnknownDone) => {
                self.apply(progress);
                self.drop_open();
                Outcome::Unknown("fake".to_owned())
            }
            None
            | Some(
                Fault::CommitUndone
                | Fault::Rebalance
                | Fault::BrokerAway
                | Fault::Unreadable
                | Fault::SendBreaks,
            ) => {
                self.apply(progress);
                Outcome::Committed
            }
        }
    }

    fn abort(&mut self) {
        self.drop_open();
    }

    fn hold(&mut self, partitions: &[(String, i32)]) {
        assert!(
            self.open.is_empty(),
            "hold is only called with no open transaction"
        );
        self.held = partitions.to_vec();
        self.due = true;
    }

    fn horizon(&mut self, topic: &str, partition: i32) -> Result<i64, Broken> {
        let length = self.cluster.records(topic, partition).len();
        Ok(i64::try_from(length).unwrap_or(i64::MAX))
    }

    fn now(&self) -> Duration {
        self.clock
    }

    fn close(&mut self) {
        self.drop_open();
    }
}

impl Outbox for FakePort {
    fn send(&mut self, record: &Outbound<'_>) -> Result<(), Broken> {
        if self.armed == Some(Fault::SendBreaks) {
            self.armed = None;
            self.broken = true;
        }
        if self.broken {
            return Err(Broken("fake".to_owned()));
        }
        let owned = |(key, value): &HeaderRef<'_>| ((*key).to_owned(), value.map(<[u8]>::to_vec));
        let kept = record
            .headers
            .iter()
            .filter(|(key, _)| !key.starts_with(RESERVED_PREFIX));
        let stored = Stored {
            timestamp_ms: record.timestamp_ms,
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            headers: kept.chain(record.added).map(owned).collect(),
        };
        self.open
            .push(((record.topic.to_owned(), record.partition), stored));
        Ok(())
    }
}
