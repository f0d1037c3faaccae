//! Circuit breakers in the loop: open one, look ahead, close it; and do what the governance log says of them.

use super::{
    DataPath,
    desk::Trip,
    holds::{Cooling, Hold, Look, Until},
    watchdog,
};
use crate::{
    breaker::{Act, Guard, LONGEST_PAUSE, What},
    force::{PortEntry, Snapshot},
    look::{Errand, Report, Seen},
};
use kafka::tx::TransactionalPort;
use std::sync::Arc;

impl<P: TransactionalPort> DataPath<P> {
    /// Hold a partition whose breaker opens. Nothing of the open transaction is written; its other partitions are judged
    /// again.
    pub(super) fn trip(&mut self, trip: Trip) {
        let Trip {
            topic,
            partition,
            seq,
            tripped,
        } = trip;
        self.lose("a circuit breaker opened");
        self.desk.lanes.forget();
        self.port.abort();
        let snapshot = Arc::clone(&self.desk.view.borrow());
        if let Some(entry) = snapshot.ports.get(&topic) {
            let opened = format!("partition {partition}: {tripped}");
            self.cool(entry, partition, (seq, opened));
            self.tell(entry, partition, seq, What::Opened(tripped));
            self.send_looks();
        }
        self.apply_holds();
    }

    /// Hold a partition and have a look ahead at once: of a bad block in a backlog the end may be there already.
    fn cool(&mut self, entry: &PortEntry, partition: i32, (seq, opened): (u64, String)) {
        let cooling = Cooling {
            seq,
            opened: opened.clone(),
            contract: entry.rules.contract().to_owned(),
            next: Look::At(self.port.now()),
            pause: self.limits.breaker.cool_down,
        };
        let hold = Hold {
            why: opened,
            until: Until::Breaker(cooling),
        };
        self.holds.insert(entry.inbox.clone(), partition, hold);
    }

    fn tell(&mut self, entry: &PortEntry, partition: i32, seq: u64, what: What) {
        let Some(herald) = &self.herald else {
            return;
        };
        let lane = self.desk.lanes.find(&entry.inbox, partition);
        herald.tell(Act {
            port: entry.address.topic(),
            partition,
            offset: lane.map_or(0, |lane| lane.committed()),
            seq,
            what,
        });
    }

    /// Hold and release as the governance log says. True when anything is held or released that was not before.
    pub(super) fn follow_breakers(&mut self) -> bool {
        let snapshot = Arc::clone(&self.desk.view.borrow());
        self.compare = self
            .herald
            .as_ref()
            .is_some_and(|herald| !herald.is_quiet());
        let owned = self.desk.lanes.iter().filter_map(|lane| {
            let entry = snapshot.ports.get(&lane.topic)?;
            Some((entry, lane.partition))
        });
        let owned: Vec<(&Arc<PortEntry>, i32)> = owned.collect();
        let mut changed = false;
        for (entry, partition) in owned {
            changed |= self.follow_breaker(entry, partition, snapshot.seq);
        }
        changed
    }

    fn follow_breaker(&mut self, entry: &PortEntry, partition: i32, seq: u64) -> bool {
        let recorded = &entry.breaker;
        let (now, quiet) = (self.port.now(), self.is_quiet_on(entry, partition));
        let until = self.holds.get_mut(&entry.inbox, partition);
        match (&recorded.held, until.map(|hold| &mut hold.until)) {
            (
                Some(why),
                None | Some(Until::Breaker(_) | Until::LogRead { .. } | Until::Readable),
            ) => {
                let hold = Hold::by_operator(why.clone());
                self.holds.insert(entry.inbox.clone(), partition, hold);
                true
            }
            (None, Some(Until::Reset)) => self.release(entry, partition),
            (None, Some(Until::Breaker(cooling))) => {
                let reset = recorded.reset_seq.is_some_and(|reset| reset > cooling.seq);
                if !reset && cooling.contract != entry.rules.contract() {
                    entry.rules.contract().clone_into(&mut cooling.contract);
                    cooling.next = Look::At(now);
                    cooling.pause = self.limits.breaker.cool_down;
                }
                reset && self.release(entry, partition)
            }
            // Opened by another enforcer, or by this one in a former life. While the facts have not caught up with what
            // this one told, they say nothing about it.
            (None, None) if quiet => {
                // Read after `quiet`: the newest view has all that was told until then, `entry` need not.
                let newest = Arc::clone(&self.desk.view.borrow());
                let port = newest.ports.get(&entry.inbox);
                let opened = port.and_then(|port| port.breaker.open.get(&partition));
                if let Some(opened) = opened {
                    self.cool(entry, partition, (seq, opened.clone()));
                }
                opened.is_some()
            }
            (None, None) => self.hold_again(entry, partition),
            (_, _) => false,
        }
    }

    /// A breaker that this process opened, whose fact is not decided yet, is held no longer: a rebalance came between.
    fn hold_again(&mut self, entry: &PortEntry, partition: i32) -> bool {
        let herald = self.herald.as_ref();
        let told = herald.and_then(|herald| herald.opened_on(&entry.address.topic(), partition));
        let reset = entry.breaker.reset_seq;
        let told = told.filter(|(seq, _)| reset.is_none_or(|reset| reset <= *seq));
        let opens = told.is_some();
        if let Some(told) = told {
            self.cool(entry, partition, told);
        }
        opens
    }

    fn is_quiet_on(&self, entry: &PortEntry, partition: i32) -> bool {
        let address = entry.address.topic();
        let herald = self.herald.as_ref();
        herald.is_none_or(|herald| herald.is_quiet_on(&address, partition))
    }

    /// An operator has reset the breaker: what is in the inbox now no longer opens it.
    fn release(&mut self, entry: &PortEntry, partition: i32) -> bool {
        if self.port.now() < self.release_at {
            return false;
        }
        match self.port.horizon(&entry.inbox, partition) {
            Ok(end) => {
                self.let_go(&entry.inbox, partition, end);
                true
            }
            Err(error) => {
                // It was waited for on the loop's own thread.
                self.release_at = self.port.now() + watchdog::SILENCE;
                tracing::debug!(%error, partition, inbox = entry.inbox, "not released yet");
                false
            }
        }
    }

    fn let_go(&mut self, inbox: &str, partition: i32, end: i64) {
        if let Some(lane) = self.desk.lanes.find(inbox, partition) {
            lane.guard = Guard::closed(end);
        }
        self.holds.remove(inbox, partition);
    }

    /// Have the looks made that are due.
    pub(super) fn send_looks(&mut self) {
        let snapshot = Arc::clone(&self.desk.view.borrow());
        let now = self.port.now();
        let newest = self.limits.breaker.minimum;
        for (topic, partition, cooling) in self.holds.breakers() {
            let due = matches!(cooling.next, Look::At(at) if at <= now);
            let (Some(port), Some(lane)) = (
                snapshot.ports.get(topic).filter(|_| due),
                self.desk.lanes.find(topic, partition),
            ) else {
                continue;
            };
            cooling.next = Look::Underway;
            self.scout.send(Errand {
                port: Arc::clone(port),
                partition,
                from: lane.committed(),
                newest,
            });
        }
    }

    /// Close what a look found healthy. True when anything was.
    pub(super) fn take_reports(&mut self) -> bool {
        let reports = self.scout.reports();
        if reports.is_empty() {
            return false;
        }
        let snapshot = Arc::clone(&self.desk.view.borrow());
        let mut closed = false;
        for report in reports {
            closed |= self.take_report(&snapshot, report);
        }
        self.show();
        closed
    }

    fn take_report(&mut self, snapshot: &Snapshot, report: Report) -> bool {
        let Report {
            inbox,
            partition,
            seen,
        } = report;
        let now = self.port.now();
        let limits = self.limits.breaker;
        let hold = self.holds.get_mut(&inbox, partition);
        let Some((hold, entry)) = hold.zip(snapshot.ports.get(&inbox)) else {
            return false;
        };
        let Until::Breaker(cooling) = &mut hold.until else {
            return false;
        };
        let seen = match seen {
            Ok(seen) if !limits.is_exceeded(seen.refused, seen.judged) => {
                self.close_breaker(entry, partition, (snapshot.seq, &seen));
                return true;
            }
            Ok(seen) => {
                let Seen {
                    judged, refused, ..
                } = seen;
                format!("of the newest {judged} events {refused} would be refused")
            }
            Err(why) => why,
        };
        if cooling.next == Look::Underway {
            cooling.next = Look::At(now + cooling.pause);
            let seconds = cooling.pause.as_secs();
            hold.why = format!(
                "{}; looked ahead: {seen}; looks again after {seconds} s",
                cooling.opened
            );
            cooling.pause = (cooling.pause * 2).min(LONGEST_PAUSE);
        }
        false
    }

    /// The producer is mended, or a new contract version accepts what it sends: go on, the bad block included.
    fn close_breaker(&mut self, entry: &PortEntry, partition: i32, (seq, seen): (u64, &Seen)) {
        let Seen {
            end,
            judged,
            refused,
        } = *seen;
        let why = format!("of the newest {judged} events {refused} would be refused");
        self.tell(entry, partition, seq, What::Closed(why));
        self.let_go(&entry.inbox, partition, end);
    }
}
