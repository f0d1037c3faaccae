//! Circuit breakers: they open before anything is written, and close without losing or doubling anything.

use super::*;
use crate::{
    PortEntry,
    breaker::{Acts, What},
    look::{Answer, Errand, Question, Report, Scout, Tally},
};
use contract::rule::{Event, UnknownSchema};
use contract::verdict::Verdict;
use std::{cell::RefCell, rc::Rc};

const LIMITS: BreakerLimits = BreakerLimits {
    window: 10,
    minimum: 4,
    share: 50,
    cool_down: Duration::from_secs(1),
};

/// Looks at the cluster in memory, and answers when it is next asked.
#[derive(Clone)]
struct Glass {
    cluster: FakeCluster,
    made: Rc<RefCell<Vec<Report>>>,
    blind: Rc<RefCell<bool>>,
}

impl Scout for Glass {
    fn send(&mut self, errand: Errand) {
        let records = self.cluster.records(INBOX, errand.partition);
        let mut tally = Tally::new(&errand);
        for (offset, stored) in (0..).zip(&records) {
            let record = kafka::Record {
                topic: INBOX.to_owned(),
                partition: errand.partition,
                offset,
                timestamp_ms: None,
                key: None,
                value: stored.value.clone(),
                headers: Vec::new(),
            };
            if offset >= errand.from {
                tally.add(&record);
            }
        }
        let end = i64::try_from(records.len()).expect("few");
        let blind = *self.blind.borrow();
        self.made.borrow_mut().push(Report {
            inbox: INBOX.to_owned(),
            partition: errand.partition,
            seen: if blind {
                Err("nothing to be seen".to_owned())
            } else {
                Ok(tally.seen(end))
            },
        });
    }

    fn reports(&mut self) -> Vec<Report> {
        std::mem::take(&mut *self.made.borrow_mut())
    }

    fn ask(&mut self, _question: Question) {}

    fn answers(&mut self) -> Vec<Answer> {
        Vec::new()
    }
}

struct Guarded {
    world: World,
    path: DataPath<FakePort>,
    acts: Acts,
    blind: Rc<RefCell<bool>>,
}

impl Guarded {
    fn new() -> Self {
        Self::on(World::new(Governance::at(5)), LIMITS, &[])
    }

    fn on(world: World, breaker: BreakerLimits, faults: &[Option<Fault>]) -> Self {
        let blind = Rc::new(RefCell::new(false));
        let glass = Glass {
            cluster: world.cluster.clone(),
            made: Rc::default(),
            blind: Rc::clone(&blind),
        };
        let (herald, acts) = Herald::new();
        let limits = Limits {
            interval: Duration::from_millis(50),
            bytes: 1_000_000,
            breaker,
        };
        let path = DataPath::new(
            FakePort::new(&world.cluster, faults.iter().copied()),
            world.governance.lock().view.subscribe(),
            Box::new(world.governance.clone()),
            limits,
            world.status.clone(),
        );
        let path = path.with_breaker(Box::new(glass), herald);
        Self {
            world,
            path,
            acts,
            blind,
        }
    }

    /// Five good events are through, then come ten bad ones.
    fn tripped() -> Self {
        let mut guarded = Self::new();
        guarded.world.feed(0, &["ok"; 5]);
        guarded.drain();
        guarded.world.feed(0, &["bad"; 10]);
        guarded.turns(20);
        guarded
    }

    fn turns(&mut self, turns: usize) {
        (0..turns).for_each(|_| self.path.turn());
    }

    fn drain(&mut self) {
        self.world.drain(&mut self.path);
        self.turns(3);
    }

    fn judged(&self) -> i64 {
        let committed = self.world.cluster.committed(INBOX, 0);
        committed.map_or(0, |(next, _)| next)
    }

    fn why(&self) -> String {
        match self.world.state() {
            PortState::Breaker(why) => why,
            other @ (PortState::Running | PortState::Paused(_) | PortState::Stalled(_)) => {
                unreachable!("no open breaker: {other:?}")
            }
        }
    }

    fn running(&self) -> bool {
        self.world.state() == PortState::Running
    }

    fn publish(&self, seq: u64, change: impl FnOnce(&mut PortEntry)) {
        let mut port = port_at(5);
        change(&mut port);
        self.world.governance.publish(Snapshot::new(seq, [port]));
    }

    /// What was told, and taken note of: opened or closed, partition and offset.
    fn told(&mut self) -> Vec<(&'static str, i32, i64)> {
        let mut told = Vec::new();
        while let Some(act) = self.acts.try_next() {
            let what = match act.what {
                What::Opened(_) => "opened",
                What::Closed(_) => "closed",
            };
            told.push((what, act.partition, act.offset));
            self.acts.done(&act);
        }
        told
    }
}

#[test]
fn it_opens_before_anything_of_the_flood_is_written_and_other_partitions_go_on() {
    let mut guarded = Guarded::tripped();
    assert_eq!(guarded.judged(), 5);
    assert!(guarded.world.cluster.records(QUARANTINE, 0).is_empty());
    let why = guarded.why();
    assert!(
        why.starts_with(
            "partition 0: 6 of the last 10 events refused, most for MESH-1007, since offset 5"
        ),
        "{why}"
    );
    assert!(why.contains("of the newest 4 events 4 would"), "{why}");
    guarded.world.feed(1, &["ok", "bad"]);
    guarded.turns(20);
    assert_eq!(guarded.world.cluster.records(PRODUCT, 1).len(), 1);
    assert_eq!(guarded.world.cluster.records(QUARANTINE, 1).len(), 1);
    assert_eq!(guarded.told(), [("opened", 0, 5)]);
}

#[test]
fn it_closes_by_itself_once_the_newest_events_are_good_and_the_bad_block_is_quarantined() {
    let mut guarded = Guarded::tripped();
    guarded.world.feed(0, &["ok"; 2]);
    guarded.drain();
    guarded.world.check();
    assert_eq!(guarded.world.cluster.records(QUARANTINE, 0).len(), 10);
    assert!(guarded.running(), "{:?}", guarded.world.state());
    assert_eq!(guarded.told(), [("opened", 0, 5), ("closed", 0, 5)]);
    // A new flood opens it again.
    guarded.world.feed(0, &["bad"; 10]);
    guarded.turns(20);
    assert_eq!(guarded.judged(), 17);
    assert_eq!(guarded.told(), [("opened", 0, 17)]);
}

#[test]
fn the_pauses_between_looks_grow() {
    let mut guarded = Guarded::new();
    guarded.world.feed(0, &["bad"; 10]);
    let mut pauses: Vec<String> = Vec::new();
    for _ in 0..200 {
        guarded.path.turn();
        let PortState::Breaker(why) = guarded.world.state() else {
            continue;
        };
        let (_, pause) = why.rsplit_once("after ").unwrap_or_default();
        if pauses.last().is_none_or(|last| last != pause) {
            pauses.push(pause.to_owned());
        }
    }
    assert_eq!(pauses[1..5], ["1 s", "2 s", "4 s", "8 s"], "{pauses:?}");
    assert_eq!(guarded.judged(), 0);
}

#[test]
fn a_look_that_fails_is_made_again() {
    let mut guarded = Guarded::new();
    guarded.blind.replace(true);
    guarded.world.feed(0, &["bad"; 10]);
    guarded.turns(20);
    assert!(guarded.why().contains("nothing to be seen"));
    guarded.world.feed(0, &["ok"; 4]);
    guarded.turns(50);
    assert_eq!(guarded.judged(), 0);
    guarded.blind.replace(false);
    guarded.drain();
    guarded.world.check();
}

#[test]
fn a_new_contract_version_is_looked_at_at_once() {
    struct Wider;
    impl crate::Judge for Wider {
        fn judge(&self, event: &Event<'_>) -> Result<Verdict, UnknownSchema> {
            Ok(self.judge_known(event))
        }
        fn judge_known(&self, _event: &Event<'_>) -> Verdict {
            Verdict::Accepted
        }
        fn contract(&self) -> &str {
            "test@1.1.0"
        }
    }
    let world = World::new(Governance::at(5));
    let patient = BreakerLimits {
        cool_down: Duration::from_secs(1_000_000),
        ..LIMITS
    };
    let mut guarded = Guarded::on(world, patient, &[]);
    guarded.world.feed(0, &["bad"; 10]);
    guarded.turns(100);
    assert_eq!(guarded.judged(), 0);
    guarded.publish(6, |port| port.rules = Arc::new(Wider));
    guarded.drain();
    assert_eq!(guarded.world.cluster.records(PRODUCT, 0).len(), 10);
    assert!(guarded.running());
}

#[test]
fn a_reset_closes_it_and_what_waited_does_not_open_it_again() {
    let mut guarded = Guarded::tripped();
    guarded.publish(6, |port| port.breaker.reset_seq = Some(6));
    guarded.drain();
    guarded.world.check();
    assert_eq!(guarded.world.cluster.records(QUARANTINE, 0).len(), 10);
    assert_eq!(
        guarded.told(),
        [("opened", 0, 5)],
        "the reset is a fact already"
    );
    guarded.world.feed(0, &["bad"; 10]);
    guarded.turns(20);
    assert_eq!(guarded.judged(), 15, "what comes after the reset counts");
}

#[test]
fn a_held_port_waits_until_it_is_reset_whatever_comes() {
    let mut guarded = Guarded::new();
    guarded.world.feed(0, &["ok"]);
    guarded.drain();
    let held = "held since fact 6";
    guarded.publish(6, |port| port.breaker.held = Some(held.to_owned()));
    guarded.world.feed(0, &["ok"; 8]);
    guarded.world.feed(2, &["ok"; 8]);
    guarded.turns(200);
    assert_eq!((guarded.judged(), guarded.why()), (1, held.to_owned()));
    assert!(guarded.world.cluster.records(PRODUCT, 2).is_empty());
    guarded.publish(7, |port| port.breaker.reset_seq = Some(7));
    guarded.drain();
    guarded.world.check();
    assert_eq!(guarded.told(), []);
}

#[test]
fn whoever_takes_over_an_open_breaker_looks_before_it_writes() {
    let world = World::new(Governance::at(5));
    world.feed(0, &["bad"; 2]);
    let mut guarded = Guarded::on(world, LIMITS, &[]);
    let open = |port: &mut PortEntry| port.breaker.open = [(0, "found open".to_owned())].into();
    guarded.publish(6, open);
    guarded.turns(100);
    assert_eq!(guarded.judged(), 0);
    assert!(guarded.why().contains("found open"), "{}", guarded.why());
    guarded.world.feed(0, &["ok"; 4]);
    guarded.drain();
    guarded.world.check();
    assert_eq!(guarded.told(), [("closed", 0, 0)]);
}

#[test]
fn what_it_told_is_not_held_against_it_until_the_facts_have_caught_up() {
    let mut guarded = Guarded::tripped();
    guarded.world.feed(0, &["ok"; 4]);
    guarded.drain();
    // Opened, closed; the log says the first only.
    guarded.publish(6, |port| {
        port.breaker.open = [(0, "found open".to_owned())].into()
    });
    guarded.turns(20);
    assert!(guarded.running(), "{:?}", guarded.world.state());
    guarded.publish(7, |_| ());
    assert_eq!(guarded.told().len(), 2);
    guarded.turns(20);
    assert!(guarded.running());
    // Of another partition they are believed all the while, from now on of this one too.
    guarded.publish(8, |port| {
        port.breaker.open = [(0, "found open".to_owned())].into()
    });
    guarded.world.feed(0, &["bad"; 1]);
    guarded.turns(20);
    assert_eq!(guarded.judged(), 19);
}

#[test]
fn shadow_mode_opens_no_breaker() {
    let mut guarded = Guarded::new();
    guarded.publish(5, |port| port.mode = Mode::Shadow);
    guarded.world.feed(0, &["bad"; 40]);
    guarded.drain();
    assert_eq!(guarded.world.cluster.records(PRODUCT, 0).len(), 40);
}

proptest! {
    /// DATA-1 with breakers that open and close, under faults.
    #[test]
    fn breakers_neither_lose_nor_double(
        records in prop::collection::vec((0..PARTITIONS, any::<bool>()), 0..120),
        faults in prop::collection::vec(fault(), 0..150),
    ) {
        let world = World::new(Governance::at(4));
        for (partition, good) in &records {
            world.feed(*partition, &[if *good { "ok" } else { "bad" }]);
        }
        let mut guarded = Guarded::on(world, LIMITS, &faults);
        guarded.turns(30);
        for partition in 0..PARTITIONS {
            guarded.world.feed(partition, &["ok"; 4]);
        }
        guarded.drain();
        guarded.world.check();
        let told = guarded.told();
        let opened = told.iter().filter(|(what, ..)| *what == "opened").count();
        prop_assert_eq!(told.len(), opened * 2, "each that opened closed: {:?}", told);
    }
}
