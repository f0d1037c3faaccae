//! A partition where events wait and none comes is said to be stalled, and where.

use super::*;
use crate::look::{Answer, Errand, Question, Report, Scout};
use kafka::probe::Found;
use std::{cell::RefCell, rc::Rc};

/// Answers what the test says, and counts the questions.
#[derive(Clone)]
struct Ear {
    found: Rc<RefCell<Found>>,
    asked: Rc<RefCell<Vec<Question>>>,
    answered: Rc<RefCell<usize>>,
}

impl Scout for Ear {
    fn send(&mut self, _errand: Errand) {}

    fn reports(&mut self) -> Vec<Report> {
        Vec::new()
    }

    fn ask(&mut self, question: Question) {
        self.asked.borrow_mut().push(question);
    }

    fn answers(&mut self) -> Vec<Answer> {
        let asked = self.asked.borrow();
        let first = self.answered.replace(asked.len());
        let answer = |question: &Question| Answer {
            question: question.clone(),
            found: Ok(self.found.borrow().clone()),
        };
        asked[first..].iter().map(answer).collect()
    }
}

pub(super) struct Watched {
    pub(super) world: World,
    pub(super) path: DataPath<FakePort>,
    ear: Ear,
}

impl Watched {
    /// Two events came; the third is there, and cannot be read.
    pub(super) fn stuck(found: Found) -> Self {
        let world = World::new(Governance::at(5));
        world.cluster.stick(INBOX, 0, Some(2));
        world.feed(0, &["ok"; 3]);
        world.feed(1, &["ok"; 3]);
        let ear = Ear {
            found: Rc::new(RefCell::new(found)),
            asked: Rc::default(),
            answered: Rc::default(),
        };
        let (herald, _) = Herald::new();
        let path = world.start(&[]);
        let path = path.with_breaker(Box::new(ear.clone()), herald);
        Self { world, path, ear }
    }

    /// Idle turns take 100 ms on the clock in memory.
    pub(super) fn seconds(&mut self, seconds: usize) {
        (0..seconds * 10).for_each(|_| self.path.turn());
    }

    pub(super) fn stalled(&self) -> Option<String> {
        match self.world.state() {
            PortState::Stalled(why) => Some(why),
            PortState::Running | PortState::Paused(_) | PortState::Breaker(_) => None,
        }
    }
}

#[test]
fn an_unreadable_place_is_named_and_a_mended_one_forgotten() {
    let mut watched = Watched::stuck(Found::Unreadable(2, "bad compression".to_owned()));
    watched.seconds(25);
    assert_eq!(watched.stalled(), None, "silence alone is no trouble");
    watched.seconds(15);
    assert_eq!(
        watched.stalled().as_deref(),
        Some(
            "partition 0 of d.p.e.v1.inbox stands at offset 2: what is there cannot be read: bad compression"
        )
    );
    watched.world.feed(1, &["ok"]);
    watched.seconds(1);
    assert!(watched.stalled().is_some(), "others going on ends nothing");
    assert_eq!(watched.world.cluster.records(PRODUCT, 1).len(), 4);
    watched.world.cluster.stick(INBOX, 0, None);
    watched.seconds(50);
    assert!(watched.stalled().is_some(), "it is held, so nothing comes");
    watched.ear.found.replace(Found::Record(2));
    watched.seconds(35);
    assert_eq!(watched.stalled(), None);
    watched.world.check();
}

#[test]
fn a_batch_that_cannot_be_read_is_looked_for_at_once() {
    let mut watched = Watched::stuck(Found::Unreadable(2, "bad checksum".to_owned()));
    let faults = [None, None, None, Some(Fault::Unreadable)];
    let port = FakePort::new(&watched.world.cluster, faults);
    let (herald, _) = Herald::new();
    let view = watched.world.governance.lock().view.subscribe();
    let catch_up = Box::new(watched.world.governance.clone());
    let status = watched.world.status.clone();
    watched.path = DataPath::new(port, view, catch_up, Limits::default(), status)
        .with_breaker(Box::new(watched.ear.clone()), herald);
    watched.seconds(3);
    assert!(
        watched
            .stalled()
            .is_some_and(|why| why.contains("bad checksum"))
    );
    assert_eq!(watched.world.cluster.records(PRODUCT, 0).len(), 2);
    assert_eq!(watched.world.cluster.records(PRODUCT, 1).len(), 3);
}

#[test]
fn a_record_that_has_just_come_is_no_stall() {
    let mut watched = Watched::stuck(Found::Record(2));
    watched.seconds(50);
    assert_eq!(watched.stalled(), None);
    watched.seconds(30);
    assert!(
        watched
            .stalled()
            .is_some_and(|why| why.contains("offset 2"))
    );
}

#[test]
fn markers_at_the_end_are_looked_at_once() {
    let mut watched = Watched::stuck(Found::Nothing);
    watched.seconds(200);
    assert_eq!(watched.stalled(), None);
    assert_eq!(watched.ear.asked.borrow().len(), 1);
}

#[test]
fn a_held_partition_is_not_stalled() {
    let mut watched = Watched::stuck(Found::Silence);
    let mut port = port_at(5);
    port.breaker.held = Some("drill".to_owned());
    watched.world.governance.publish(Snapshot::new(6, [port]));
    watched.seconds(100);
    assert_eq!(watched.stalled(), None);
    assert!(watched.ear.asked.borrow().is_empty());
}
