//! The loop: poll, judge, send, commit; and what to do when one of them cannot be done.
//!
//! Written against [`TransactionalPort`], so the tests below run it on a cluster in memory with every fault there is.
//! One transaction ends when the inbox is drained, after [`Limits::interval`], or at [`Limits::bytes`]; it uses one
//! snapshot of the contracts in force, whose `seq` stands in its records and in its offsets' text.

mod breaker;
mod desk;
mod holds;
mod skip;
mod traced;
mod watchdog;

use crate::{
    breaker::{BreakerLimits, Herald},
    force::{CatchUp, Snapshot},
    lanes::Lane,
    look::{Blind, Scout},
    metrics::{Ended, Metrics},
    progress::Progress,
    status::EnforcerStatus,
};
pub(crate) use desk::judge;
use desk::{Desk, Step, Stop, Why};
use holds::{Hold, Holds, Until};
use kafka::mutants::{Mutant, active};
use kafka::tx::{Outcome, Polled, Position, TransactionalPort, Trouble, TroubleKind};
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::sync::watch;
use watchdog::Watchdog;

/// How long a poll waits with no transaction open: the longest a stop or a new contract goes unnoticed.
const IDLE: Duration = Duration::from_millis(100);

/// How long the governance log may take to be read to its end before the partition is said to be paused.
const CATCH_UP: Duration = Duration::from_secs(5);

/// When a transaction ends though there is more to read.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// After this time. Shorter means lower latency, longer means more throughput.
    pub interval: Duration,
    /// At this many bytes of outputs, which are in memory until the broker has them.
    pub bytes: usize,
    /// When the circuit breaker of a partition opens.
    pub breaker: BreakerLimits,
}

impl Default for Limits {
    /// 50 ms: the throughput of 200 ms is 15 % higher, of 20 ms a third lower. 32 MB.
    fn default() -> Self {
        Self {
            interval: Duration::from_millis(50),
            bytes: 32 * 1024 * 1024,
            breaker: BreakerLimits::default(),
        }
    }
}

/// The loop's state; see the module's text.
pub struct DataPath<P> {
    port: P,
    desk: Desk,
    catch_up: Box<dyn CatchUp>,
    holds: Holds,
    limits: Limits,
    topics: Vec<String>,
    trouble: Option<Trouble>,
    status: watch::Sender<EnforcerStatus>,
    scout: Box<dyn Scout>,
    herald: Option<Herald>,
    watchdog: Watchdog,
    /// Whether breakers are to be compared with the facts again, once these have caught up with what was told.
    compare: bool,
    /// The next time that a reset partition is let go: asking where its inbox ends may take seconds.
    release_at: Duration,
    metrics: Arc<Metrics>,
}

impl<P> fmt::Debug for DataPath<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataPath")
            .field("topics", &self.topics)
            .field("holds", &self.holds)
            .field("trouble", &self.trouble)
            .finish_non_exhaustive()
    }
}

impl<P: TransactionalPort> DataPath<P> {
    /// A loop that judges by the newest snapshot of `view` and shows what it does in `status`.
    pub fn new(
        port: P,
        view: watch::Receiver<Arc<Snapshot>>,
        catch_up: Box<dyn CatchUp>,
        limits: Limits,
        status: watch::Sender<EnforcerStatus>,
    ) -> Self {
        Self {
            port,
            desk: Desk::new(view, limits.breaker),
            catch_up,
            holds: Holds::default(),
            limits,
            topics: Vec::new(),
            trouble: None,
            status,
            scout: Box::new(Blind),
            herald: None,
            watchdog: Watchdog::default(),
            compare: false,
            release_at: Duration::ZERO,
            metrics: Arc::default(),
        }
    }

    /// With somebody who looks ahead where a circuit breaker is open, and somebody who hears of it.
    #[must_use]
    pub fn with_breaker(mut self, scout: Box<dyn Scout>, herald: Herald) -> Self {
        self.scout = scout;
        self.herald = Some(herald);
        self
    }

    /// Count in `metrics` what becomes of transactions and their events.
    #[must_use]
    pub(crate) fn counting(mut self, metrics: Arc<Metrics>) -> Self {
        self.metrics = metrics;
        self
    }

    /// Run until `stop` is set, then commit what is open and leave the group.
    pub fn run(&mut self, stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) {
            self.turn();
        }
        self.close();
    }

    /// What is committed of the owned partitions, added up; `seq` is the highest.
    pub fn committed(&self) -> Progress {
        self.desk
            .lanes
            .iter()
            .fold(Progress::default(), |sum, lane| sum.plus(&lane.settled()))
    }

    /// One poll and what follows from it.
    pub fn turn(&mut self) {
        let now = self.port.now();
        let wait = match &self.desk.txn {
            Some(txn) => self
                .limits
                .interval
                .saturating_sub(now.saturating_sub(txn.started)),
            None => {
                self.follow_view();
                self.review_holds();
                self.watch();
                self.follow_skips();
                IDLE
            }
        };
        let Self { port, desk, .. } = self;
        let mut step = Step::Judged;
        let polled = port.poll(wait, &mut |record, outbox| {
            step = desk.record(now, record, outbox)
        });
        match polled {
            Polled::Record => self.after_record(step),
            Polled::Idle => self.recovered(),
            Polled::Drained => {
                self.recovered();
                self.finish();
            }
            Polled::Positions(positions) => self.take_positions(&positions),
            Polled::Waiting(trouble) => self.note_trouble(trouble),
        }
        if self.is_full(now) {
            self.finish();
        }
    }

    /// By the time at which the turn began: asking the clock once more for each record would cost 2 % of the flow, and
    /// the next turn looks again.
    fn is_full(&self, now: Duration) -> bool {
        self.desk.txn.as_ref().is_some_and(|txn| {
            txn.bytes >= self.limits.bytes
                || now.saturating_sub(txn.started) >= self.limits.interval
        })
    }

    fn after_record(&mut self, step: Step) {
        match step {
            Step::Judged => self.recovered(),
            Step::Broken => self.commit(),
            Step::Trip(trip) => self.trip(trip),
            Step::Stop(stop) => {
                // What was judged before it stands; the record itself is read again from the committed offset.
                self.finish();
                self.stop_at(stop);
            }
        }
    }

    /// Commit the open transaction, if it holds anything.
    fn finish(&mut self) {
        if self.desk.lanes.iter().any(Lane::is_touched) {
            self.commit();
        } else {
            self.desk.txn = None;
        }
    }

    fn commit(&mut self) {
        let Some(txn) = self.desk.txn.take() else {
            return;
        };
        let seq = txn.snapshot.seq;
        let outcome = self.port.commit(&self.desk.lanes.progress(seq));
        let took = self.port.now().saturating_sub(txn.started);
        txn.traced.end(&self.desk.lanes, seq, &outcome);
        match outcome {
            Outcome::Committed => {
                self.metrics.ended(Ended::Committed, took);
                self.show_events(&txn.snapshot);
                self.desk.lanes.settle(seq);
            }
            // The port says by itself where to read on.
            Outcome::Undone(why) | Outcome::Unknown(why) => {
                tracing::warn!(why, "a transaction is judged again");
                self.metrics.ended(Ended::JudgedAgain, took);
                self.desk.lanes.forget();
            }
        }
    }

    /// The open transaction is gone; called before the lanes forget it. `why` is for its span.
    fn lose(&mut self, why: &str) {
        let Some(txn) = self.desk.txn.take() else {
            return;
        };
        if self.desk.lanes.iter().any(Lane::is_touched) {
            let took = self.port.now().saturating_sub(txn.started);
            self.metrics.ended(Ended::JudgedAgain, took);
            let undone = Outcome::Undone(why.to_owned());
            txn.traced.end(&self.desk.lanes, txn.snapshot.seq, &undone);
        }
    }

    fn stop_at(&mut self, stop: Stop) {
        let Stop {
            topic,
            partition,
            why,
        } = stop;
        let hold = match why {
            Why::NoContract | Why::NotOwned => Some(Hold::no_contract()),
            Why::UnknownSchema(unknown) => self.read_log(&topic, partition).err().map(|error| {
                let retry_at = self.port.now() + holds::RETRY;
                let why = format!("schema {} is not known yet, and {error}", unknown.0);
                Hold {
                    why,
                    until: Until::LogRead { retry_at },
                }
            }),
        };
        if let Some(hold) = hold {
            self.holds.insert(topic, partition, hold);
        }
        self.apply_holds();
    }

    /// Read the governance log to its end, for the records that are in this partition now.
    fn read_log(&mut self, topic: &str, partition: i32) -> Result<(), String> {
        // The end first: only what was there before the log was read may be refused because of it.
        let end = self
            .port
            .horizon(topic, partition)
            .map_err(|error| error.to_string())?;
        self.catch_up
            .catch_up(CATCH_UP)
            .map_err(|error| error.to_string())?;
        if let Some(lane) = self.desk.lanes.find(topic, partition) {
            lane.horizon = end;
        }
        Ok(())
    }

    /// Subscribe to what the newest snapshot asks for.
    fn follow_view(&mut self) {
        let first = self.topics.is_empty() && !self.desk.view.borrow().ports.is_empty();
        if !first && !self.desk.view.has_changed().unwrap_or(false) {
            return;
        }
        let snapshot = Arc::clone(&self.desk.view.borrow_and_update());
        if !snapshot.ports.keys().eq(self.topics.iter()) {
            self.topics = snapshot.ports.keys().cloned().collect();
            tracing::info!(
                seq = snapshot.seq,
                inboxes = self.topics.len(),
                "inboxes in force"
            );
            self.port.subscribe(&self.topics);
        }
        if self.follow_breakers() {
            self.apply_holds();
        }
        self.show();
    }

    fn take_positions(&mut self, positions: &[Position]) {
        if active(Mutant::M8) {
            self.commit();
        }
        self.lose("partitions were given out anew");
        let unreadable = self.desk.lanes.reset(positions, self.port.now());
        let snapshot = Arc::clone(&self.desk.view.borrow());
        self.holds
            .review_owned(&self.desk.lanes, &snapshot, unreadable);
        self.follow_breakers();
        if self.holds.differ_from_applied() {
            self.apply_holds();
        }
        self.recovered();
        self.show();
    }

    /// Let go of partitions whose reason to be held is over.
    fn review_holds(&mut self) {
        if self.holds.is_empty() && !self.compare {
            return;
        }
        let snapshot = Arc::clone(&self.desk.view.borrow());
        let now = self.port.now();
        let mut released = self.holds.release_by_snapshot(&snapshot);
        released |= self.follow_breakers();
        released |= self.take_reports();
        self.send_looks();
        for (topic, partition) in self.holds.due_for_log(now) {
            match self.read_log(&topic, partition) {
                Ok(()) => {
                    self.holds.remove(&topic, partition);
                    released = true;
                }
                Err(error) => tracing::debug!(error, topic, partition, "still paused"),
            }
        }
        if released {
            self.apply_holds();
        }
    }

    fn apply_holds(&mut self) {
        let held = self.holds.apply();
        self.port.hold(&held);
        self.show();
    }

    fn note_trouble(&mut self, trouble: Trouble) {
        if trouble.kind == TroubleKind::Unreadable {
            self.suspect_all();
        }
        if self.trouble.as_ref() != Some(&trouble) {
            tracing::warn!(why = %trouble.why, kind = ?trouble.kind, "the data path waits");
            self.trouble = Some(trouble);
            self.show();
        }
    }

    fn recovered(&mut self) {
        if self.trouble.take().is_some() {
            tracing::info!("the data path goes on");
            self.show();
        }
    }

    fn show(&self) {
        let snapshot = Arc::clone(&self.desk.view.borrow());
        let trouble = self.trouble.as_ref().map(|trouble| trouble.why.as_str());
        self.status.send_modify(|status| {
            let held = (&self.holds, &self.watchdog);
            holds::describe(status, &snapshot, &self.desk.lanes, held, trouble);
        });
    }

    /// The transaction that was just committed, in the status.
    fn show_events(&self, snapshot: &Snapshot) {
        self.status.send_modify(|status| {
            for lane in self.desk.lanes.iter().filter(|lane| lane.is_touched()) {
                let Some(port) = snapshot.ports.get(&lane.topic) else {
                    continue;
                };
                let address = port.address.to_string();
                self.metrics.events(&address, &lane.added());
                if let Some(shown) = status.ports.get_mut(&address) {
                    shown.last_event_ms = shown.last_event_ms.max(lane.newest_ms());
                }
            }
        });
    }

    /// Commit what is open, unless no broker answers, and leave the group.
    pub fn close(&mut self) {
        if self.trouble.is_none() {
            self.finish();
        }
        self.port.close();
    }
}

#[cfg(test)]
mod tests;
