//! Events to windows: the loop on a thread of its own.
//!
//! A window of every partition owned ends at the same moment of our clock, and its figures and how far the partitions
//! were read are committed in one transaction. So each event is in exactly one window, whoever dies when: what was not
//! committed is read again, in the window at which it is then.

use crate::watched::{Watched, WatchedPort};
use contract::rule::Event;
use contract::sla::{Arrival, Figures, OBSERVATION_VERSION, Observation, Tally, window_start};
use kafka::tx::{
    Inbound, Outbound, Outbox, Outcome, Polled, Position, Progress, TransactionalPort,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::watch;

/// Longest wait for a record.
const POLL: Duration = Duration::from_millis(100);

/// An observer this many offsets behind does not see events when they come.
const BEHIND: i64 = 10_000;

/// Marks of transactions that may lie between the last record and the end: one after a commit, one more after an abort.
const MARKS: i64 = 2;

/// How many events of a partition the enforcer has judged since the port began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Judged {
    /// Accepted.
    pub(crate) accepted: u64,
    /// Refused.
    pub(crate) refused: u64,
}

/// The enforcer's counters as they were when they were asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) judged: Judged,
    /// UTC ms.
    pub(crate) asked_ms: i64,
}

/// What the sampler found last.
#[derive(Debug, Clone, Default)]
pub(crate) struct Samples {
    /// The enforcer's counters by port and partition.
    pub(crate) judged: BTreeMap<(String, i32), Sample>,
    /// `retention.ms` by port.
    pub(crate) retention_ms: BTreeMap<String, i64>,
}

/// A partition that is being read.
type Partition = (String, i32);

/// What is known of an owned partition.
struct Lane {
    port: Arc<WatchedPort>,
    /// The next offset to read.
    next: i64,
    /// What was committed with the last window.
    before: Memory,
    tally: Tally,
    /// Events below this had waited when the partition was taken over, or fell behind.
    target: i64,
    /// The end when a whole window brought nothing: what lies below it is there no more.
    empty_below: i64,
    /// When it was taken over, UTC ms: counters asked for before may be older than those committed.
    taken_ms: i64,
}

/// The text of a committed offset: what the next window has to know of those before.
///
/// On disk since v0.1, in `__consumer_offsets`. Never change what `o1` means: add a version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Memory {
    /// Where the last window ended, UTC ms.
    end_ms: i64,
    judged: Judged,
    newest_event_ms: Option<i64>,
    last_arrival_ms: Option<i64>,
}

impl Memory {
    fn text(&self) -> String {
        let time =
            |name: &str, ms: Option<i64>| ms.map_or(String::new(), |ms| format!(" {name}={ms}"));
        let Judged { accepted, refused } = self.judged;
        let newest = time("ev", self.newest_event_ms);
        let arrival = time("ar", self.last_arrival_ms);
        format!(
            "o1 end={} ok={accepted} q={refused}{newest}{arrival}",
            self.end_ms
        )
    }

    /// What cannot be read, an operator's tool or a newer build has written: begin anew.
    fn parse(text: &str) -> Self {
        let mut memory = Self::default();
        for field in text.strip_prefix("o1 ").unwrap_or_default().split(' ') {
            let Some((name, number)) = field.split_once('=') else {
                continue;
            };
            match name {
                "end" => memory.end_ms = number.parse().unwrap_or_default(),
                "ok" => memory.judged.accepted = number.parse().unwrap_or_default(),
                "q" => memory.judged.refused = number.parse().unwrap_or_default(),
                "ev" => memory.newest_event_ms = number.parse().ok(),
                "ar" => memory.last_arrival_ms = number.parse().ok(),
                _ => {}
            }
        }
        memory
    }
}

/// The loop's state.
pub(crate) struct Windows<P> {
    port: P,
    watched: watch::Receiver<Arc<Watched>>,
    samples: watch::Receiver<Samples>,
    owned: watch::Sender<Vec<Partition>>,
    observations: String,
    length_ms: i64,
    clock: fn() -> i64,
    now: Arc<Watched>,
    lanes: BTreeMap<Partition, Lane>,
    /// Where the open window begins, UTC ms.
    open_ms: i64,
}

/// Where windows are written and how long they are.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    /// The topic.
    pub(crate) observations: String,
    /// Length of a window.
    pub(crate) length: Duration,
    /// UTC ms.
    pub(crate) clock: fn() -> i64,
}

impl<P: TransactionalPort + Outbox> Windows<P> {
    /// Windows over what `watched` says, written to `output`; `owned` is told which partitions are read here.
    pub(crate) fn new(
        port: P,
        watched: watch::Receiver<Arc<Watched>>,
        samples: watch::Receiver<Samples>,
        owned: watch::Sender<Vec<Partition>>,
        output: Output,
    ) -> Self {
        Self {
            port,
            watched,
            samples,
            owned,
            observations: output.observations,
            length_ms: i64::try_from(output.length.as_millis())
                .unwrap_or(i64::MAX)
                .max(1),
            clock: output.clock,
            now: Arc::default(),
            lanes: BTreeMap::new(),
            open_ms: 0,
        }
    }

    /// Run until told to stop. What is open then is read again by who comes next.
    pub(crate) fn run(mut self, stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) {
            self.step();
        }
        self.port.close();
    }

    /// One turn: take in what is new, read a record, end the window when it is over.
    pub(crate) fn step(&mut self) {
        self.follow();
        let left = self.open_ms + self.length_ms - (self.clock)();
        let wait = POLL.min(Duration::from_millis(u64::try_from(left).unwrap_or(0)));
        let (lanes, clock) = (&mut self.lanes, self.clock);
        let polled = self
            .port
            .poll(wait, &mut |record, _outbox| add(lanes, record, clock));
        match polled {
            Polled::Positions(positions) => self.take_over(positions),
            Polled::Waiting(trouble) => {
                tracing::debug!(why = %trouble.why, "the observer waits");
            }
            Polled::Record | Polled::Idle | Polled::Drained => {}
        }
        if (self.clock)() >= self.open_ms + self.length_ms {
            self.end_window();
        }
    }

    /// Read other topics when other ports are in force, and measure by the newest contracts from the next window on.
    fn follow(&mut self) {
        if !self.watched.has_changed().unwrap_or(false) && !self.now.ports.is_empty() {
            return;
        }
        let newest = Arc::clone(&self.watched.borrow_and_update());
        if newest.topics() != self.now.topics() {
            self.port.subscribe(&newest.topics());
        }
        self.now = newest;
    }

    fn take_over(&mut self, positions: Vec<Position>) {
        self.lanes.clear();
        for position in positions {
            let Some(port) = self.now.ports.get(&position.topic) else {
                continue;
            };
            let before = Memory::parse(&position.metadata);
            let horizon = self.port.horizon(&position.topic, position.partition);
            let lane = Lane {
                next: position.next.unwrap_or(0),
                tally: begin(port, &before),
                port: Arc::clone(port),
                before,
                // Where the broker does not say: everything waited.
                target: horizon.unwrap_or(i64::MAX),
                empty_below: 0,
                taken_ms: (self.clock)(),
            };
            self.lanes
                .insert((position.topic, position.partition), lane);
        }
        self.open_ms = self.first_start();
        let owned: Vec<Partition> = self.lanes.keys().cloned().collect();
        self.owned.send_if_modified(|last| {
            let changed = *last != owned;
            *last = owned;
            changed
        });
    }

    /// Where the first window begins: after those that were written, so that none is written twice. The windows of a
    /// member whose clock was far ahead are not waited for.
    fn first_start(&self) -> i64 {
        let now = (self.clock)();
        let ended = self.lanes.values().map(|lane| lane.before.end_ms);
        let near = ended.filter(|end| *end <= now.saturating_add(2 * self.length_ms));
        let after = near.max().unwrap_or(0).saturating_add(self.length_ms - 1);
        window_start(now, self.length_ms).max(window_start(after, self.length_ms))
    }

    fn end_window(&mut self) {
        let now = (self.clock)();
        // A broker was away, or the machine slept: what came meanwhile came some time in these windows.
        let late = now >= self.open_ms + 2 * self.length_ms;
        let mut progress = Vec::new();
        let mut after = Vec::new();
        let samples = self.samples.borrow().clone();
        let lanes = std::mem::take(&mut self.lanes);
        for (partition, mut lane) in lanes {
            let (window, memory) = self.window(&mut lane, &partition, &samples, late);
            if let Err(broken) = self.send(&window, now) {
                tracing::warn!(why = %broken, "a window cannot be written; its events are read again");
                self.open_ms = window_start(now, self.length_ms);
                return self.port.abort(); // positions follow
            }
            progress.push(Progress {
                topic: partition.0.clone(),
                partition: partition.1,
                next: lane.next,
                metadata: memory.text(),
            });
            after.push((partition, lane, memory));
        }
        self.open_ms = window_start(now, self.length_ms);
        if progress.is_empty() {
            return;
        }
        match self.port.commit(&progress) {
            Outcome::Committed => self.begin_windows(after),
            // Positions follow, and say what was committed.
            Outcome::Undone(why) | Outcome::Unknown(why) => {
                tracing::warn!(why, "a window was not committed; its events are read again");
            }
        }
    }

    /// What a partition's window shows, and what the next one has to know.
    fn window(
        &self,
        lane: &mut Lane,
        (topic, partition): &Partition,
        samples: &Samples,
        late: bool,
    ) -> (Observation, Memory) {
        let waited = lane.target > 0 && lane.next < lane.target.saturating_sub(MARKS);
        let caught_up = !waited || lane.tally.figures().events == 0;
        let first = lane.target > 0;
        if first || late {
            lane.tally.forget_latency();
        }
        let tally = std::mem::take(&mut lane.tally);
        let figures = lane.port.meter.finish(tally, lane.port.partitions);
        let sample = samples.judged.get(&(topic.clone(), *partition));
        let fresh = sample.filter(|sample| sample.asked_ms >= lane.taken_ms);
        let judged = fresh.map_or(lane.before.judged, |sample| sample.judged);
        let figures = Figures {
            catching_up: first || late,
            accepted: since(judged.accepted, lane.before.judged.accepted),
            refused: since(judged.refused, lane.before.judged.refused),
            retention_ms: samples.retention_ms.get(topic).copied(),
            ..figures
        };
        if caught_up && lane.target < i64::MAX {
            if figures.events == 0 {
                lane.empty_below = lane.empty_below.max(lane.target);
            }
            lane.target = 0;
        }
        let start_ms = self.open_ms;
        let memory = Memory {
            end_ms: start_ms + self.length_ms,
            judged,
            newest_event_ms: figures.newest_event_ms,
            last_arrival_ms: figures.last_arrival_ms,
        };
        let window = Observation {
            v: OBSERVATION_VERSION,
            port: topic.clone(),
            partition: *partition,
            start_ms,
            length_ms: self.length_ms,
            contract: lane.port.version.clone(),
            figures,
        };
        (window, memory)
    }

    fn send(&mut self, window: &Observation, now: i64) -> Result<(), kafka::tx::Broken> {
        let value = serde_json::to_vec(window).expect("figures have text keys only");
        self.port.send(&Outbound {
            topic: &self.observations,
            // One partition, so that one reader has all windows in order.
            partition: 0,
            timestamp_ms: Some(now),
            key: Some(window.key().as_bytes()),
            value: Some(&value),
            headers: &[],
            added: &[],
        })
    }

    fn begin_windows(&mut self, after: Vec<(Partition, Lane, Memory)>) {
        for (partition, mut lane, memory) in after {
            if let Some(port) = self.now.ports.get(&partition.0) {
                lane.port = Arc::clone(port);
            }
            // Asked while nothing waits to be read: a producer that is faster than we are shows here.
            let end = self.port.horizon(&partition.0, partition.1);
            if let Ok(end) = end
                && (end - lane.next.max(lane.empty_below) > BEHIND || lane.target == i64::MAX)
            {
                lane.target = end;
            }
            lane.before = memory;
            lane.tally = begin(&lane.port, &memory);
            self.lanes.insert(partition, lane);
        }
    }
}

fn begin(port: &WatchedPort, before: &Memory) -> Tally {
    port.meter
        .start(before.newest_event_ms, before.last_arrival_ms)
}

/// A counter's growth; one that is lower than it was began anew.
fn since(now: u64, before: u64) -> u64 {
    now.checked_sub(before).unwrap_or(now)
}

fn add(lanes: &mut BTreeMap<Partition, Lane>, record: &Inbound<'_>, clock: fn() -> i64) {
    let key = (record.topic.to_owned(), record.partition);
    let Some(lane) = lanes.get_mut(&key) else {
        return; // no longer in force: nobody asks
    };
    let arrival = Arrival {
        event: Event {
            key: record.key,
            value: record.value,
            headers: record.headers,
        },
        timestamp_ms: record.timestamp_ms,
        read_ms: clock(),
        waited: record.offset < lane.target,
    };
    lane.port.meter.add(&mut lane.tally, &arrival);
    lane.next = record.offset + 1;
}

#[cfg(test)]
mod tests;
