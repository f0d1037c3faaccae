//! The circuit breaker of an inbox partition: when it opens, and what it says of itself. Pure.
//!
//! Most of a window refused is a bad deploy, not poison. The partition is then held before the refusal that opens the
//! breaker is written, with the transaction that it is in. The loop's part is `data_path/breaker.rs`, the look ahead by
//! which a breaker closes again [`look`](crate::look). Why so: decision 30.

use contract::verdict::{Code, Reason};
use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::mpsc;

/// Characters of a field's path that a window keeps: producers choose names, and a window holds up to its size of them.
const PATH: usize = 80;

/// The longest pause between two looks ahead.
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// When a breaker opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerLimits {
    /// Verdicts looked back on.
    pub window: u64,
    /// Verdicts without which nothing is said. A look ahead judges as many.
    pub minimum: u64,
    /// It opens when more than this share of the window is refused, in percent; 100 is never.
    pub share: u64,
    /// Time until the second look ahead (the first is at once); it doubles from look to look, up to five minutes.
    pub cool_down: Duration,
}

impl Default for BreakerLimits {
    /// A thousand verdicts: a run of some hundred bad events is data, as in a storm that cancels a day's flights. A
    /// hundred at least, so that a port with few events is protected too. Half: then it is the rule, not the exception.
    fn default() -> Self {
        Self {
            window: 1_000,
            minimum: 100,
            share: 50,
            cool_down: Duration::from_secs(10),
        }
    }
}

impl BreakerLimits {
    /// Whether so many refused are too many.
    pub(crate) fn is_exceeded(&self, refused: u64, of: u64) -> bool {
        refused * 100 > self.share * of
    }
}

/// What the newest verdicts of a partition were.
#[derive(Debug, Default)]
pub(crate) struct Window {
    /// Verdicts since it began.
    judged: u64,
    /// Of these, verdicts of the open transaction.
    open: u64,
    /// The refusals among the newest of them.
    refused: VecDeque<Refused>,
}

#[derive(Debug)]
struct Refused {
    number: u64,
    offset: i64,
    code: Code,
    path: Box<str>,
}

/// Why a breaker opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tripped {
    /// Refused events.
    pub refused: u64,
    /// Of so many.
    pub of: u64,
    /// The most frequent first reason.
    pub code: Code,
    /// The field that it is about; empty for the event as a whole.
    pub path: String,
    /// The oldest of the refused events.
    pub since: i64,
}

impl fmt::Display for Tripped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            refused,
            of,
            code,
            path,
            since,
        } = self;
        write!(
            f,
            "{refused} of the last {of} events refused, most for {code}"
        )?;
        if !path.is_empty() {
            write!(f, " at {path}")?;
        }
        write!(f, ", since offset {since}")
    }
}

impl Window {
    fn add(&mut self, limits: &BreakerLimits) -> u64 {
        let number = self.judged;
        self.judged += 1;
        self.open += 1;
        let gone = self.judged.saturating_sub(limits.window);
        while self.refused.front().is_some_and(|old| old.number < gone) {
            self.refused.pop_front();
        }
        number
    }

    /// An event was accepted.
    pub(crate) fn accepted(&mut self, limits: &BreakerLimits) {
        self.add(limits);
    }

    /// An event would be refused. `Some` when it must not be: too many were.
    pub(crate) fn refused(
        &mut self,
        limits: &BreakerLimits,
        offset: i64,
        reason: Option<&Reason>,
    ) -> Option<Tripped> {
        let number = self.add(limits);
        let path = reason.map_or("", |reason| reason.path.as_str());
        self.refused.push_back(Refused {
            number,
            offset,
            code: reason.map_or(Code::Internal, |reason| reason.code),
            path: path.chars().take(PATH).collect(),
        });
        let (refused, of) = (
            self.refused.len() as u64,
            self.judged.min(limits.window.max(1)),
        );
        let trips = of >= limits.minimum && limits.is_exceeded(refused, of);
        trips.then(|| self.tripped(refused, of))
    }

    fn tripped(&self, refused: u64, of: u64) -> Tripped {
        let mut counts: BTreeMap<(Code, &str), u64> = BTreeMap::new();
        for one in &self.refused {
            *counts.entry((one.code, &one.path)).or_default() += 1;
        }
        let most = counts.into_iter().max_by_key(|(_, count)| *count);
        let (code, path) = most.map_or((Code::Internal, ""), |(what, _)| what);
        Tripped {
            refused,
            of,
            code,
            path: path.to_owned(),
            since: self.refused.front().map_or(0, |oldest| oldest.offset),
        }
    }

    /// The open transaction was committed.
    pub(crate) fn settle(&mut self) {
        self.open = 0;
    }

    /// The open transaction is gone: its events are judged again. What its verdicts pushed out of the window stays out,
    /// so the window says less than it could for a while, never more.
    pub(crate) fn undo(&mut self) {
        self.judged -= std::mem::take(&mut self.open);
        while self
            .refused
            .back()
            .is_some_and(|new| new.number >= self.judged)
        {
            self.refused.pop_back();
        }
    }
}

/// What guards one owned partition.
#[derive(Debug, Default)]
pub(crate) struct Guard {
    pub(crate) window: Window,
    /// Events below this offset were known when the breaker closed; they no longer open it.
    pub(crate) grace: i64,
}

impl Guard {
    /// A breaker that has just closed, with what was then in the inbox.
    pub(crate) fn closed(grace: i64) -> Self {
        Self {
            window: Window::default(),
            grace,
        }
    }
}

/// What the governance log says of a port's breaker.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recorded {
    /// An operator holds the port; why.
    pub held: Option<String>,
    /// Partitions on which it is open, and why.
    pub open: BTreeMap<i32, String>,
    /// The newest reset: what had opened before it is closed by it.
    pub reset_seq: Option<u64>,
}

/// What a breaker did, to be recorded as a fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// The port's address.
    pub port: String,
    /// The partition.
    pub partition: i32,
    /// The next offset to be judged: what waits begins there.
    pub offset: i64,
    /// The governance position it was done at; with port, partition and offset it names the act.
    pub seq: u64,
    /// What was done.
    pub what: What,
}

/// Opened or closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// It opened.
    Opened(Tripped),
    /// It closed by itself, and why.
    Closed(String),
}

/// What was told of a partition and is not decided yet.
#[derive(Debug, Default)]
struct Told {
    acts: usize,
    /// By the newest act: the position and why, where it is an opening.
    opened: Option<(u64, String)>,
}

/// Acts told and not decided yet, by port and partition.
type Untold = Arc<Mutex<BTreeMap<(String, i32), Told>>>;

/// Where acts are told. Telling never waits; whoever listens has to make facts of them.
#[derive(Debug, Clone)]
pub struct Herald {
    acts: mpsc::UnboundedSender<Act>,
    untold: Untold,
}

/// The other end of a [`Herald`].
#[derive(Debug)]
pub struct Acts {
    acts: mpsc::UnboundedReceiver<Act>,
    untold: Untold,
}

impl Herald {
    /// A herald, and what comes of it.
    pub fn new() -> (Self, Acts) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let untold = Untold::default();
        let acts = Acts {
            acts: receiver,
            untold: Arc::clone(&untold),
        };
        let herald = Self {
            acts: sender,
            untold,
        };
        (herald, acts)
    }

    pub(crate) fn tell(&self, act: Act) {
        let key = (act.port.clone(), act.partition);
        let mut untold = lock(&self.untold);
        let told = untold.entry(key.clone()).or_default();
        told.acts += 1;
        told.opened = match &act.what {
            What::Opened(tripped) => {
                Some((act.seq, format!("partition {}: {tripped}", act.partition)))
            }
            What::Closed(_) => None,
        };
        drop(untold);
        if self.acts.send(act).is_err() {
            forget(&self.untold, &key);
        }
    }

    /// The opening of a partition that is told and not decided yet, if its newest act is one.
    pub(crate) fn opened_on(&self, port: &str, partition: i32) -> Option<(u64, String)> {
        let untold = lock(&self.untold);
        untold.get(&(port.to_owned(), partition))?.opened.clone()
    }

    /// Whether the facts have caught up with everything told of a partition.
    pub(crate) fn is_quiet_on(&self, port: &str, partition: i32) -> bool {
        !lock(&self.untold).contains_key(&(port.to_owned(), partition))
    }

    /// Whether they have with everything told.
    pub(crate) fn is_quiet(&self) -> bool {
        lock(&self.untold).is_empty()
    }
}

impl Acts {
    /// The next act; `None` when there will be none.
    pub async fn next(&mut self) -> Option<Act> {
        self.acts.recv().await
    }

    /// An act is decided, and the snapshot that the data path sees shows it.
    pub fn done(&self, act: &Act) {
        forget(&self.untold, &(act.port.clone(), act.partition));
    }

    /// An act that is there already.
    #[cfg(test)]
    pub(crate) fn try_next(&mut self) -> Option<Act> {
        self.acts.try_recv().ok()
    }
}

fn lock(untold: &Untold) -> MutexGuard<'_, BTreeMap<(String, i32), Told>> {
    untold.lock().unwrap_or_else(PoisonError::into_inner)
}

fn forget(untold: &Untold, key: &(String, i32)) {
    let mut untold = lock(untold);
    if let Some(told) = untold.get_mut(key) {
        told.acts -= 1;
        if told.acts == 0 {
            untold.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMITS: BreakerLimits = BreakerLimits {
        window: 10,
        minimum: 4,
        share: 50,
        cool_down: Duration::ZERO,
    };

    fn reason(code: Code, path: &str) -> Reason {
        Reason::new(code, path, "x", "y")
    }

    /// The offset at which a run of verdicts (`+` accepted, `-` refused) opens the breaker.
    fn trips_at(run: &str) -> Option<usize> {
        let mut window = Window::default();
        run.chars().enumerate().find_map(|(at, verdict)| {
            let offset = i64::try_from(at).expect("short");
            match verdict {
                '+' => {
                    window.accepted(&LIMITS);
                    None
                }
                _ => window.refused(&LIMITS, offset, None).map(|_| at),
            }
        })
    }

    #[test]
    fn it_opens_when_more_than_half_of_the_window_is_refused() {
        for (run, at) in [
            ("---", None),
            ("----", Some(3)),
            ("+-+-+-+-+-+-+-", None),
            ("+---", Some(3)),
            ("++--", None),
            ("++++++++++-----", None),
            ("++++++++++------", Some(15)),
            ("++++++++++----+--", Some(16)),
            ("++++++++++-----+++++-----", None),
        ] {
            assert_eq!(trips_at(run), at, "{run}");
        }
    }

    #[test]
    fn a_hundred_percent_is_never() {
        let never = BreakerLimits {
            share: 100,
            ..LIMITS
        };
        let mut window = Window::default();
        assert!((0..50).all(|at| window.refused(&never, at, None).is_none()));
    }

    #[test]
    fn it_says_how_many_of_how_many_for_what_and_since_when() {
        let mut window = Window::default();
        window.accepted(&LIMITS);
        let missing = reason(Code::Missing, "/dep_time");
        for (offset, reason) in [
            (7, &reason(Code::WrongType, "/n")),
            (8, &missing),
            (9, &missing),
        ] {
            let tripped = window.refused(&LIMITS, offset, Some(reason));
            if let Some(tripped) = tripped {
                assert_eq!(
                    tripped.to_string(),
                    "3 of the last 4 events refused, most for MESH-1006 at /dep_time, since offset 7"
                );
                return;
            }
        }
        unreachable!("three of four are more than half");
    }

    #[test]
    fn what_was_undone_is_judged_again_and_counts_once() {
        let mut window = Window::default();
        (0..4).for_each(|_| window.accepted(&LIMITS));
        window.settle();
        for _ in 0..20 {
            let tripped = (0..4).any(|at| window.refused(&LIMITS, at, None).is_some());
            assert!(!tripped, "four of eight are not more than half");
            window.undo();
        }
        assert!((0..5).any(|at| window.refused(&LIMITS, at, None).is_some()));
    }

    proptest! {
        /// The window says what counting the last verdicts again says, at every step.
        #[test]
        fn it_counts_as_a_list_of_the_last_verdicts_does(
            verdicts in prop::collection::vec(prop::bool::weighted(0.6), 0..200)
        ) {
            let mut window = Window::default();
            let mut all: Vec<bool> = Vec::new();
            for accepted in verdicts {
                all.push(accepted);
                if accepted {
                    window.accepted(&LIMITS);
                    continue;
                }
                let last = &all[all.len().saturating_sub(10)..];
                let (of, refused) = (last.len(), last.iter().filter(|accepted| !**accepted).count());
                let expected = (of >= 4 && refused * 2 > of).then_some((refused as u64, of as u64));
                let tripped = window.refused(&LIMITS, 0, None);
                prop_assert_eq!(tripped.map(|tripped| (tripped.refused, tripped.of)), expected);
            }
        }

        /// A transaction that is undone leaves no refusal behind.
        #[test]
        fn undone_refusals_never_open_it(
            settled in prop::collection::vec(any::<bool>(), 0..30),
            undone in prop::collection::vec(any::<bool>(), 0..30),
        ) {
            let add = |window: &mut Window, verdicts: &[bool]| verdicts.iter().for_each(|accepted| {
                if *accepted { window.accepted(&LIMITS) } else { drop(window.refused(&LIMITS, 0, None)) }
            });
            let (mut window, mut never) = (Window::default(), Window::default());
            add(&mut window, &settled);
            add(&mut never, &settled);
            window.settle();
            add(&mut window, &undone);
            window.undo();
            prop_assert_eq!(window.judged, never.judged);
            prop_assert!(window.refused.len() <= never.refused.len());
        }
    }
}
