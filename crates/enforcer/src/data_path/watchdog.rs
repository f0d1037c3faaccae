//! The watchdog: a partition where events wait and none comes is said to be stalled, and where.
//!
//! Silence alone is no trouble: most inboxes are quiet most of the time, and an end that lies behind the committed offset
//! may be markers. So a silent partition's end is asked, one partition at a time, and where it lies behind, somebody else
//! tries to read what should be there ([`Scout::ask`](crate::look::Scout::ask)). What cannot be read is held and asked about
//! again, so that other partitions go on.

use super::{
    DataPath,
    holds::{Hold, Holds, Until},
};
use crate::look::{Answer, Question};
use kafka::{
    probe::Found,
    tx::{TransactionalPort, Trouble, TroubleKind},
};
use std::{collections::BTreeMap, time::Duration};

/// Silence after which a partition is looked into.
pub(super) const SILENCE: Duration = Duration::from_secs(30);

/// Between two questions to the brokers: a thousand silent partitions cost ten a second.
const PACE: Duration = Duration::from_millis(100);

/// Between two times that all partitions are suspected.
const SUSPICION: Duration = Duration::from_secs(5);

/// How it begins what it says of something that cannot be read.
const UNREADABLE: &str = "what is there cannot be read: ";

/// What the watchdog knows.
#[derive(Debug, Default)]
pub(super) struct Watchdog {
    next: Duration,
    /// Partitions asked about, with the committed offset and the inbox's end at which nothing was found to wait.
    nothing: BTreeMap<(String, i32), (i64, i64)>,
    /// Records found where a partition stands, and when: one that has just come is no stall, one that is still there is.
    found: BTreeMap<(String, i32), (i64, Duration)>,
    /// Partitions to be looked into without waiting for silence.
    suspects: Vec<(String, i32)>,
    /// When the partitions may be suspected next.
    next_suspicion: Duration,
    stalled: BTreeMap<(String, i32), Stall>,
}

#[derive(Debug)]
struct Stall {
    /// The committed offset.
    from: i64,
    /// Where what is said of it lies.
    at: i64,
    /// Whether it cannot be read, as opposed to: it does not come.
    is_unreadable: bool,
    /// For the status.
    why: String,
    /// What was found.
    what: String,
}

/// A partition that stands at something that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stuck {
    pub(super) inbox: String,
    pub(super) partition: i32,
    pub(super) at: i64,
    pub(super) what: String,
}

impl Watchdog {
    /// Why a partition of an inbox stands, if one does.
    pub(super) fn stalled(&self, inbox: &str) -> Option<&str> {
        let mut of_inbox = self.stalled.iter().filter(|((topic, _), _)| topic == inbox);
        of_inbox.next().map(|(_, stall)| stall.why.as_str())
    }

    /// The partitions where the next thing to be judged cannot be read.
    pub(super) fn stuck(&self) -> impl Iterator<Item = Stuck> {
        let stalled = self.stalled.iter();
        let stuck = stalled.filter(|(_, stall)| stall.is_unreadable && stall.at == stall.from);
        stuck.map(|((inbox, partition), stall)| Stuck {
            inbox: inbox.clone(),
            partition: *partition,
            at: stall.at,
            what: stall.what.trim_start_matches(UNREADABLE).to_owned(),
        })
    }

    /// A partition got on.
    pub(super) fn forget(&mut self, inbox: &str, partition: i32) {
        self.stalled.remove(&(inbox.to_owned(), partition));
    }
}

impl<P: TransactionalPort> DataPath<P> {
    /// A batch cannot be read, and the port does not know of which partition.
    pub(super) fn suspect_all(&mut self) {
        let now = self.port.now();
        if !self.watchdog.suspects.is_empty() || now < self.watchdog.next_suspicion {
            return;
        }
        self.watchdog.next_suspicion = now + SUSPICION;
        let lanes = self.desk.lanes.iter();
        self.watchdog.suspects = lanes
            .filter(|lane| self.holds.get(&lane.topic, lane.partition).is_none())
            .map(|lane| (lane.topic.clone(), lane.partition))
            .collect();
    }

    /// Look after the partitions, now and then, with no transaction open.
    pub(super) fn watch(&mut self) {
        let now = self.port.now();
        let lost = |trouble: &Trouble| match trouble.kind {
            TroubleKind::BrokerAway | TroubleKind::Fenced => true,
            TroubleKind::Unreadable | TroubleKind::Stalled => false,
        };
        if self.trouble.as_ref().is_some_and(lost) || now < self.watchdog.next {
            return;
        }
        self.watchdog.next = now + PACE;
        let mut changed = self.let_up(now);
        for answer in self.scout.answers() {
            changed |= self.take_answer(answer);
        }
        if changed {
            self.show();
        }
        if let Some((inbox, partition)) = self.watchdog.suspects.pop() {
            let lane = self.desk.lanes.find(&inbox, partition);
            if let Some(from) = lane.map(|lane| lane.committed()) {
                self.look_into(inbox, partition, from);
            }
        } else if let Some((inbox, partition, from)) = self.silent(now) {
            self.look_into(inbox, partition, from);
        }
    }

    /// Forget what is over: a stalled partition that got on, is held, or is owned by others now.
    fn let_up(&mut self, now: Duration) -> bool {
        for lane in self.desk.lanes.iter_mut() {
            if is_held(&self.holds, &lane.topic, lane.partition) {
                lane.heard = now;
            }
        }
        let Self { desk, holds, .. } = self;
        let over = self
            .watchdog
            .stalled
            .extract_if(.., |(topic, partition), stall| {
                let lane = desk.lanes.find(topic, *partition);
                let stands = lane.is_some_and(|lane| lane.committed() == stall.from);
                !stands || is_held(holds, topic, *partition)
            });
        let over: Vec<(String, i32)> = over.map(|(at, _)| at).collect();
        let mut released = false;
        for (topic, partition) in &over {
            tracing::info!(topic, partition, "partition no longer stalled");
            // Held because of what it stood at: somebody got it past that.
            if holds
                .get(topic, *partition)
                .is_some_and(|hold| hold.until == Until::Readable)
            {
                holds.remove(topic, *partition);
                released = true;
            }
        }
        if released {
            self.apply_holds();
        }
        !over.is_empty()
    }

    /// The partition that has been silent for longest, if it is for long enough; its turn comes again when it is silent for
    /// as long once more.
    fn silent(&mut self, now: Duration) -> Option<(String, i32, i64)> {
        let lanes = self.desk.lanes.iter_mut();
        let lane = lanes.min_by_key(|lane| lane.heard)?;
        if now.saturating_sub(lane.heard) < SILENCE {
            return None;
        }
        lane.heard = now;
        Some((lane.topic.clone(), lane.partition, lane.committed()))
    }

    fn look_into(&mut self, inbox: String, partition: i32, from: i64) {
        let end = match self.port.horizon(&inbox, partition) {
            Ok(end) => end,
            Err(error) => {
                // It was waited for on the loop's own thread: the next is not asked at once.
                self.watchdog.next = self.port.now() + SILENCE;
                tracing::debug!(%error, inbox, partition, "the inbox's end is not known");
                return;
            }
        };
        let key = (inbox, partition);
        if end <= from || self.watchdog.nothing.get(&key) == Some(&(from, end)) {
            return;
        }
        let (inbox, partition) = key;
        self.scout.ask(Question {
            inbox,
            partition,
            from,
            end,
        });
    }

    fn take_answer(&mut self, Answer { question, found }: Answer) -> bool {
        let Question {
            inbox,
            partition,
            from,
            end,
        } = question;
        let lane = self.desk.lanes.find(&inbox, partition);
        let stands = lane.is_some_and(|lane| lane.committed() == from);
        if !stands || is_held(&self.holds, &inbox, partition) {
            return false;
        }
        if matches!(found, Ok(Found::Nothing | Found::Record(_)))
            && self.holds.get(&inbox, partition).is_some()
        {
            self.holds.remove(&inbox, partition);
            self.watchdog.stalled.remove(&(inbox, partition));
            self.apply_holds();
            return true;
        }
        let unreadable = matches!(found, Ok(Found::Unreadable(..)));
        let until = unreadable.then_some(Until::Readable);
        let is_unreadable = unreadable || found == Ok(Found::Silence);
        let (at, what) = match found {
            Ok(Found::Nothing) => {
                let nothing = &mut self.watchdog.nothing;
                nothing.insert((inbox, partition), (from, end));
                return false;
            }
            Ok(Found::Record(offset)) if self.has_just_come(&inbox, partition, offset) => {
                return false;
            }
            Ok(Found::Record(offset)) => (offset, "a record is there and does not come".to_owned()),
            Ok(Found::Unreadable(at, why)) => (at, format!("{UNREADABLE}{why}")),
            Ok(Found::Silence) => (from, "neither a record nor the end comes".to_owned()),
            Err(why) => {
                tracing::debug!(why, inbox, partition, "a silent partition is not explained");
                return false;
            }
        };
        let stall = Stall {
            why: format!("partition {partition} of {inbox} stands at offset {at}: {what}"),
            from,
            at,
            is_unreadable,
            what,
        };
        self.stall((inbox, partition), stall, until);
        true
    }

    fn has_just_come(&mut self, inbox: &str, partition: i32, offset: i64) -> bool {
        let now = self.port.now();
        let key = (inbox.to_owned(), partition);
        match self.watchdog.found.get(&key) {
            Some((same, since)) if *same == offset => now.saturating_sub(*since) < SILENCE,
            Some(_) | None => {
                self.watchdog.found.insert(key, (offset, now));
                true
            }
        }
    }

    fn stall(&mut self, key: (String, i32), stall: Stall, until: Option<Until>) {
        let (inbox, partition) = (&key.0, key.1);
        if !self.watchdog.stalled.contains_key(&key) {
            let Stall { at, why, .. } = &stall;
            tracing::error!(
                topic = inbox,
                partition,
                offset = at,
                why,
                "partition stalled"
            );
        }
        if let Some(until) = until.filter(|_| self.holds.get(inbox, partition).is_none()) {
            let why = stall.why.clone();
            self.holds
                .insert(inbox.clone(), partition, Hold { why, until });
            self.apply_holds();
        }
        self.watchdog.stalled.insert(key, stall);
    }
}

/// Whether a partition waits for something else than to be readable again.
pub(super) fn is_held(holds: &Holds, topic: &str, partition: i32) -> bool {
    let hold = holds.get(topic, partition);
    hold.is_some_and(|hold| hold.until != Until::Readable)
}
