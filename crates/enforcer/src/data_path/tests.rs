//! The loop on a cluster in memory, with every fault the port knows.

mod breaker;
mod skip;
mod watchdog;

use super::*;
use crate::{
    envelope::{SOURCE, Source},
    force::{CatchUpFailed, Mode, testing::port_at},
    progress::parse_progress,
    status::PortState,
};
use kafka::tx::{FakeCluster, FakePort, Fault, Stored};
use proptest::prelude::*;
use std::sync::{Mutex, MutexGuard};

const INBOX: &str = "d.p.e.v1.inbox";
const PRODUCT: &str = "d.p.e.v1";
const QUARANTINE: &str = "d.p.e.v1.quarantine";
const PARTITIONS: i32 = 3;

/// The governance log as the tests play it: what catching up would bring.
#[derive(Debug)]
struct Log {
    end: Result<Snapshot, CatchUpFailed>,
    reads: usize,
    view: watch::Sender<Arc<Snapshot>>,
}

#[derive(Clone)]
struct Governance(Arc<Mutex<Log>>);

impl Governance {
    fn at(seq: u64) -> Self {
        let snapshot = snapshot(seq, seq);
        let (view, _) = watch::channel(Arc::new(snapshot.clone()));
        Self(Arc::new(Mutex::new(Log {
            end: Ok(snapshot),
            reads: 0,
            view,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        self.0.lock().expect("no test panics while holding it")
    }

    fn publish(&self, snapshot: Snapshot) {
        self.lock().view.send_replace(Arc::new(snapshot));
    }
}

impl CatchUp for Governance {
    fn catch_up(&mut self, _timeout: Duration) -> Result<(), CatchUpFailed> {
        let mut log = self.lock();
        log.reads += 1;
        let snapshot = log.end.clone()?;
        log.view.send_replace(Arc::new(snapshot));
        Ok(())
    }
}

/// Schemas below `known` are bound by facts up to `seq`.
fn snapshot(seq: u64, known: u64) -> Snapshot {
    Snapshot::new(seq, [port_at(known)])
}

struct World {
    cluster: FakeCluster,
    governance: Governance,
    status: watch::Sender<EnforcerStatus>,
}

impl World {
    fn new(governance: Governance) -> Self {
        let cluster = FakeCluster::default();
        for partition in 0..PARTITIONS {
            for topic in [INBOX, PRODUCT, QUARANTINE] {
                cluster.create(topic, partition);
            }
        }
        Self {
            cluster,
            governance,
            status: watch::channel(EnforcerStatus::default()).0,
        }
    }

    fn feed(&self, partition: i32, values: &[&str]) {
        for value in values {
            let value = Some(value.as_bytes().to_vec());
            self.cluster.append(
                INBOX,
                partition,
                Stored {
                    value,
                    ..Stored::default()
                },
            );
        }
    }

    fn start(&self, faults: &[Option<Fault>]) -> DataPath<FakePort> {
        DataPath::new(
            FakePort::new(&self.cluster, faults.iter().copied()),
            self.governance.lock().view.subscribe(),
            Box::new(self.governance.clone()),
            Limits {
                interval: Duration::from_millis(10),
                bytes: 1_000_000,
                breaker: BreakerLimits::default(),
            },
            self.status.clone(),
        )
    }

    /// Turn until every record is committed.
    fn drain(&self, path: &mut DataPath<FakePort>) {
        for _ in 0..20_000 {
            let done = |partition| {
                let all = self.cluster.records(INBOX, partition).len();
                let next = self
                    .cluster
                    .committed(INBOX, partition)
                    .map_or(0, |(next, _)| next);
                usize::try_from(next) == Ok(all)
            };
            if (0..PARTITIONS).all(done) {
                return;
            }
            path.turn();
        }
        unreachable!("not drained: {path:?}");
    }

    fn state(&self) -> PortState {
        self.status.borrow().ports[PRODUCT].state.clone()
    }

    /// DATA-1: every record ends in exactly one topic, once, in order, and the counters say so.
    fn check(&self) {
        for partition in 0..PARTITIONS {
            let inbox = self.cluster.records(INBOX, partition);
            let product = self.offsets(PRODUCT, partition);
            let quarantine = self.offsets(QUARANTINE, partition);
            assert!(
                product.is_sorted() && quarantine.is_sorted(),
                "out of order"
            );
            let mut all = [product.clone(), quarantine.clone()].concat();
            all.sort_unstable();
            assert!(
                all.iter().copied().eq(0..inbox.len()),
                "lost or doubled: {all:?}"
            );
            let refused = |at: &usize| {
                let value = inbox[*at].value.as_deref().unwrap_or_default();
                value.starts_with(b"bad") || value.starts_with(b"panic")
            };
            assert!(quarantine.iter().all(refused) && !product.iter().any(refused));
            let (_, text) = self.cluster.committed(INBOX, partition).unwrap_or_default();
            let progress = parse_progress(&text).expect("our own text");
            let Progress {
                inbox: read,
                accepted,
                quarantined,
                ..
            } = progress;
            let counts = [all.len(), product.len(), quarantine.len()].map(|n| n as u64);
            assert_eq!([read, accepted, quarantined], counts);
        }
    }

    fn offsets(&self, topic: &str, partition: i32) -> Vec<usize> {
        let source = |record: &Stored| {
            let text = record
                .header(SOURCE)
                .and_then(|text| std::str::from_utf8(text).ok());
            let source = text
                .and_then(Source::parse)
                .expect("every output names its source");
            assert_eq!(source.partition, partition);
            usize::try_from(source.offset).expect("offsets are not negative")
        };
        self.cluster
            .records(topic, partition)
            .iter()
            .map(source)
            .collect()
    }
}

#[test]
fn good_and_bad_events_part_and_are_counted() {
    let world = World::new(Governance::at(5));
    world.feed(0, &["ok 1", "bad", "ok 2", "panic", "ok 3"]);
    world.feed(2, &["bad"]);
    let mut path = world.start(&[]);
    world.drain(&mut path);
    world.check();
    let (next, text) = world.cluster.committed(INBOX, 0).expect("committed");
    assert_eq!((next, text.as_str()), (5, "v1 seq=5 in=5 ok=3 q=2"));
    let first = &world.cluster.records(PRODUCT, 0)[0];
    assert_eq!(first.header(SOURCE), Some(&b"0/0@5"[..]));
    let panicked = &world.cluster.records(QUARANTINE, 0)[1];
    assert_eq!(panicked.header("__rule.name"), Some(&b"MESH-1015"[..]));
    assert_eq!(world.state(), PortState::Running);
}

#[test]
fn headers_of_producers_stay_except_ours() {
    let world = World::new(Governance::at(0));
    let header = |name: &str| (name.to_owned(), Some(b"theirs".to_vec()));
    let value = Some(b"ok".to_vec());
    let headers = vec![header("trace"), header("mesh-src"), header("trace")];
    let record = Stored {
        value,
        headers,
        timestamp_ms: Some(77),
        key: Some(Vec::new()),
    };
    world.cluster.append(INBOX, 1, record);
    let mut path = world.start(&[]);
    world.drain(&mut path);
    let out = world.cluster.records(PRODUCT, 1).remove(0);
    let names: Vec<&str> = out.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["trace", "trace", "mesh-src"]);
    assert_eq!(out.header(SOURCE), Some(&b"1/0@0"[..]));
    assert_eq!((out.timestamp_ms, out.key), (Some(77), Some(Vec::new())));
}

#[test]
fn shadow_mode_lets_through_what_it_would_refuse_and_tags_it() {
    let world = World::new(Governance::at(0));
    let port = crate::PortEntry {
        mode: Mode::Shadow,
        ..port_at(0)
    };
    world.governance.publish(Snapshot::new(0, [port]));
    world.feed(0, &["bad", "ok"]);
    let mut path = world.start(&[]);
    world.drain(&mut path);
    let out = world.cluster.records(PRODUCT, 0);
    assert_eq!(out[0].header("mesh-would-refuse"), Some(&b"MESH-1007"[..]));
    assert_eq!(out[1].header("mesh-would-refuse"), None);
    let (_, text) = world.cluster.committed(INBOX, 0).expect("committed");
    assert_eq!(text, "v1 seq=0 in=2 ok=2 q=0 sh=1");
}

#[test]
fn an_unknown_schema_waits_for_the_logs_end_and_is_then_judged_once_for_all() {
    let world = World::new(Governance::at(3));
    world.governance.lock().end = Ok(snapshot(7, 7));
    world.feed(0, &["ok", "schema 5", "schema 8", "schema 9", "schema 8"]);
    let mut path = world.start(&[]);
    world.drain(&mut path);
    let quarantined = world.cluster.records(QUARANTINE, 0);
    assert_eq!(quarantined.len(), 3);
    assert_eq!(
        quarantined[0].header("__rule.name"),
        Some(&b"MESH-1002"[..])
    );
    let sources: Vec<Stored> = world.cluster.records(PRODUCT, 0);
    assert_eq!(sources[0].header(SOURCE), Some(&b"0/0@3"[..]));
    assert_eq!(sources[1].header(SOURCE), Some(&b"0/1@7"[..]));
    assert_eq!(
        world.governance.lock().reads,
        1,
        "one reading covers what was there before it"
    );
    world.feed(0, &["schema 8"]);
    world.drain(&mut path);
    assert_eq!(
        world.governance.lock().reads,
        2,
        "a later record may follow a later fact"
    );
}

#[test]
fn a_partition_pauses_while_the_log_cannot_be_read_and_the_others_go_on() {
    let world = World::new(Governance::at(3));
    world.governance.lock().end = Err(CatchUpFailed("no broker".to_owned()));
    world.feed(0, &["ok", "schema 5", "ok"]);
    let mut path = world.start(&[]);
    for _ in 0..50 {
        path.turn();
    }
    assert!(matches!(world.state(), PortState::Paused(why) if why.contains("schema 5")));
    world.feed(1, &["ok", "bad"]);
    for _ in 0..50 {
        path.turn();
    }
    assert_eq!(
        world.cluster.committed(INBOX, 0).map(|(next, _)| next),
        Some(1)
    );
    assert_eq!(
        world.cluster.committed(INBOX, 1).map(|(next, _)| next),
        Some(2)
    );
    world.governance.lock().end = Ok(snapshot(6, 6));
    world.drain(&mut path);
    world.check();
    assert_eq!(world.state(), PortState::Running);
}

#[test]
fn a_new_owner_waits_until_its_view_has_reached_the_committed_position() {
    let world = World::new(Governance::at(3));
    world
        .cluster
        .set_committed(INBOX, 0, 1, "v1 seq=9 in=1 ok=1 q=0");
    world.feed(0, &["ok", "ok"]);
    let mut path = world.start(&[]);
    for _ in 0..20 {
        path.turn();
    }
    assert!(matches!(world.state(), PortState::Paused(why) if why.contains('9')));
    world.governance.publish(snapshot(9, 9));
    world.drain(&mut path);
    let (_, text) = world.cluster.committed(INBOX, 0).expect("committed");
    assert_eq!(text, "v1 seq=9 in=2 ok=2 q=0");
}

#[test]
fn a_text_of_a_newer_version_pauses_its_partition() {
    let world = World::new(Governance::at(0));
    world.cluster.set_committed(INBOX, 0, 0, "v2 whatever");
    world.feed(0, &["ok"]);
    let mut path = world.start(&[]);
    for _ in 0..20 {
        path.turn();
    }
    assert!(matches!(world.state(), PortState::Paused(why) if why.contains("v2")));
    assert!(world.cluster.records(PRODUCT, 0).is_empty());
}

#[test]
fn a_new_port_takes_effect_without_a_restart() {
    let world = World::new(Governance::at(1));
    world.governance.publish(Snapshot::new(0, []));
    world.feed(0, &["ok", "bad"]);
    let mut path = world.start(&[]);
    for _ in 0..10 {
        path.turn();
    }
    assert!(world.cluster.records(PRODUCT, 0).is_empty());
    world.governance.publish(snapshot(1, 0));
    world.drain(&mut path);
    world.check();
}

#[test]
fn trouble_shows_and_passes() {
    let world = World::new(Governance::at(0));
    world.feed(0, &["ok"]);
    let mut path = world.start(&[None, None, Some(Fault::BrokerAway)]);
    (0..3).for_each(|_| path.turn());
    assert!(matches!(world.state(), PortState::Stalled(_)));
    world.drain(&mut path);
    assert_eq!(world.state(), PortState::Running);
    assert_eq!(world.status.borrow().trouble, None);
}

fn fault() -> impl Strategy<Value = Option<Fault>> {
    prop_oneof![
        6 => Just(None),
        1 => Just(Some(Fault::CommitUndone)),
        1 => Just(Some(Fault::CommitUnknownLost)),
        1 => Just(Some(Fault::CommitUnknownDone)),
        1 => Just(Some(Fault::Rebalance)),
        1 => Just(Some(Fault::BrokerAway)),
        1 => Just(Some(Fault::Unreadable)),
        1 => Just(Some(Fault::SendBreaks)),
    ]
}

proptest! {
    /// DATA-1 under faults, and over a restart that forgets everything but the cluster.
    #[test]
    fn every_record_ends_in_exactly_one_topic(
        records in prop::collection::vec((0..PARTITIONS, prop::bool::weighted(0.8)), 0..120),
        faults in prop::collection::vec(fault(), 0..150),
        killed_after in 0_usize..200,
    ) {
        let world = World::new(Governance::at(4));
        for (partition, good) in &records {
            world.feed(*partition, &[if *good { "ok" } else { "bad" }]);
        }
        let mut path = world.start(&faults);
        (0..killed_after).for_each(|_| path.turn());
        drop(path);
        let mut path = world.start(&faults[faults.len() / 2..]);
        world.drain(&mut path);
        world.check();
    }
}
