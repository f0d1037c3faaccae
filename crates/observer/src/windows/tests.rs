//! Windows over a cluster in memory, with a clock that the test turns.

use super::*;
use contract::sla::{EventReader, EventTimes, Meter, objectives};
use kafka::tx::{FakeCluster, FakePort, Fault, Stored};
use std::cell::Cell;
use std::collections::BTreeSet;

const PORT: &str = "a.b.c.v1";
const OBSERVATIONS: &str = "m.observations";

thread_local! {
    static NOW: Cell<i64> = const { Cell::new(0) };
}

fn clock() -> i64 {
    NOW.get()
}

fn watched() -> Arc<Watched> {
    let meter =
        Meter::compile(EventReader::default(), &[], &[], &EventTimes::default()).expect("compiles");
    let port = WatchedPort {
        address: PORT.to_owned(),
        inbox: format!("{PORT}.inbox"),
        partitions: 2,
        version: "1.0.0".to_owned(),
        objectives: objectives(&[], &[]),
        meter: Arc::new(meter),
        breaches: BTreeSet::new(),
    };
    Arc::new(Watched {
        ports: BTreeMap::from([(PORT.to_owned(), Arc::new(port))]),
    })
}

struct Fixture {
    cluster: FakeCluster,
    windows: Windows<FakePort>,
    samples: watch::Sender<Samples>,
    _watched: watch::Sender<Arc<Watched>>,
    owned: watch::Receiver<Vec<Partition>>,
}

fn fixture(cluster: &FakeCluster, faults: Vec<Option<Fault>>) -> Fixture {
    let (sender, receiver) = watch::channel(watched());
    let (samples, sampled) = watch::channel(Samples::default());
    let (owned_sender, owned) = watch::channel(Vec::new());
    let output = Output {
        observations: OBSERVATIONS.to_owned(),
        length: Duration::from_millis(1000),
        clock,
    };
    let port = FakePort::new(cluster, faults);
    Fixture {
        cluster: cluster.clone(),
        windows: Windows::new(port, receiver, sampled, owned_sender, output),
        samples,
        _watched: sender,
        owned,
    }
}

fn cluster() -> FakeCluster {
    let cluster = FakeCluster::default();
    for partition in 0..2 {
        cluster.create(PORT, partition);
    }
    cluster.create(OBSERVATIONS, 0);
    cluster
}

fn append(cluster: &FakeCluster, partition: i32, timestamp_ms: i64) {
    let record = Stored {
        timestamp_ms: Some(timestamp_ms),
        value: Some(b"{}".to_vec()),
        ..Stored::default()
    };
    cluster.append(PORT, partition, record);
}

fn observations(cluster: &FakeCluster) -> Vec<Observation> {
    let records = cluster.records(OBSERVATIONS, 0).into_iter();
    let read =
        |record: Stored| serde_json::from_slice(&record.value.expect("a value")).expect("reads");
    records.map(read).collect()
}

impl Fixture {
    /// Let time pass, 50 ms a step.
    fn until(&mut self, time_ms: i64) {
        while clock() < time_ms {
            NOW.set(clock() + 50);
            self.windows.step();
        }
    }
}

#[test]
fn each_event_is_in_exactly_one_window_whatever_fails() {
    let all = [
        Fault::CommitUndone,
        Fault::CommitUnknownLost,
        Fault::CommitUnknownDone,
        Fault::Rebalance,
        Fault::SendBreaks,
        Fault::BrokerAway,
    ];
    for fault in all {
        for at in 0..60 {
            NOW.set(100_000);
            let cluster = cluster();
            let faults = (0..60).map(|step| (step == at).then_some(fault)).collect();
            let mut fixture = fixture(&cluster, faults);
            for event in 0..40 {
                append(&cluster, i32::from(event % 3 == 0), clock());
                fixture.until(clock() + 100);
            }
            fixture.until(clock() + 3000);
            let windows = observations(&cluster);
            let events: u64 = windows.iter().map(|window| window.figures.events).sum();
            assert_eq!(events, 40, "{fault:?} at {at}");
            let keys: BTreeSet<String> = windows.iter().map(Observation::key).collect();
            assert_eq!(
                keys.len(),
                windows.len(),
                "{fault:?} at {at}: a window was written twice"
            );
        }
    }
}

#[test]
fn one_that_follows_a_killed_one_goes_on_where_it_had_committed() {
    NOW.set(200_000);
    let cluster = cluster();
    let mut first = fixture(&cluster, vec![]);
    first.until(200_200);
    append(&cluster, 0, clock());
    first.until(201_100);
    append(&cluster, 0, clock()); // read, and in no window yet
    first.until(201_300);
    drop(first);
    let mut second = fixture(&cluster, vec![]);
    second.until(203_500);
    let windows = observations(&cluster);
    let seen: Vec<(i64, u64)> = windows
        .iter()
        .filter(|window| window.partition == 0)
        .map(|window| (window.start_ms, window.figures.events))
        .collect();
    assert_eq!(seen, [(200_000, 1), (201_000, 1), (202_000, 0)]);
    assert_eq!(
        *second.owned.borrow(),
        [(PORT.to_owned(), 0), (PORT.to_owned(), 1)]
    );
}

#[test]
fn what_had_waited_says_nothing_of_latency() {
    NOW.set(300_000);
    let cluster = cluster();
    append(&cluster, 0, 250_000);
    append(&cluster, 0, 260_000);
    let mut fixture = fixture(&cluster, vec![]);
    fixture.until(301_100);
    append(&cluster, 0, clock() - 40);
    fixture.until(302_100);
    let of_zero = |window: &Observation| window.partition == 0;
    let windows: Vec<Observation> = observations(&cluster).into_iter().filter(of_zero).collect();
    let told: Vec<_> = windows
        .iter()
        .map(|it| {
            (
                it.figures.catching_up,
                it.figures.events,
                it.figures.latency.count(),
            )
        })
        .collect();
    assert_eq!(told, [(true, 2, 0), (false, 1, 1)]);
    assert_eq!(windows[0].figures.last_arrival_ms, Some(260_000));
    assert!(
        windows[1]
            .figures
            .latency
            .quantile(99)
            .is_some_and(|ms| (40..200).contains(&ms))
    );
    assert!(
        windows[1]
            .figures
            .last_arrival_ms
            .is_some_and(|ms| ms > 301_000)
    );
}

#[test]
fn a_new_port_is_measured_from_its_first_window() {
    NOW.set(400_000);
    let cluster = cluster();
    let mut fixture = fixture(&cluster, vec![]);
    fixture.until(400_100);
    append(&cluster, 0, clock());
    fixture.until(401_100);
    assert!(
        observations(&cluster)
            .iter()
            .all(|window| !window.figures.catching_up)
    );
}

#[test]
fn the_enforcers_counters_are_told_by_what_they_grew() {
    NOW.set(500_000);
    let cluster = cluster();
    let mut fixture = fixture(&cluster, vec![]);
    let judged = |fixture: &Fixture, accepted, refused| {
        let judged = Judged { accepted, refused };
        fixture.samples.send_modify(|samples| {
            let sample = Sample {
                judged,
                asked_ms: i64::MAX,
            };
            samples.judged.insert((PORT.to_owned(), 1), sample);
            samples.retention_ms.insert(PORT.to_owned(), 7);
        });
    };
    judged(&fixture, 10, 2);
    fixture.until(501_000);
    judged(&fixture, 15, 2);
    fixture.until(502_000);
    judged(&fixture, 3, 1); // began anew
    fixture.until(503_000);
    let told: Vec<_> = observations(&fixture.cluster)
        .into_iter()
        .filter(|window| window.partition == 1)
        .map(|it| {
            (
                it.figures.accepted,
                it.figures.refused,
                it.figures.retention_ms,
            )
        })
        .collect();
    assert_eq!(told, [(10, 2, Some(7)), (5, 0, Some(7)), (3, 1, Some(7))]);
}

#[test]
fn the_text_of_version_one_stays_as_it_is() {
    let memory = Memory {
        end_ms: 60_000,
        judged: Judged {
            accepted: 7,
            refused: 1,
        },
        newest_event_ms: Some(59_000),
        last_arrival_ms: Some(59_500),
    };
    assert_eq!(memory.text(), "o1 end=60000 ok=7 q=1 ev=59000 ar=59500");
    assert_eq!(Memory::parse(&memory.text()), memory);
    assert_eq!(Memory::parse(&Memory::default().text()), Memory::default());
    assert_eq!(Memory::parse("v1 seq=3 in=1 ok=1 q=0"), Memory::default());
}
