//! The transactional port alone: what is given up is never seen, and is read again.

use crate::support::{Mesh, PARTITIONS, cluster};
use kafka::{
    Header, Outgoing,
    tx::{Outbound, Outcome, Polled, Progress, TransactionalPort},
};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// Copy records to the product topic until `count` were read; the next offsets by partition.
fn copy(mesh: &Mesh, tx: &mut impl TransactionalPort, count: usize) -> BTreeMap<i32, i64> {
    let mut next = BTreeMap::new();
    let mut read = 0;
    let deadline = Instant::now() + Duration::from_secs(60);
    while read < count {
        assert!(Instant::now() < deadline, "read {read} of {count}");
        let polled = tx.poll(Duration::from_millis(100), &mut |record, outbox| {
            let outbound = Outbound {
                topic: &mesh.port.product,
                partition: record.partition,
                timestamp_ms: record.timestamp_ms,
                key: record.key,
                value: record.value,
                headers: record.headers,
                added: &[("mesh-src", Some(b"ours"))],
            };
            outbox.send(&outbound).expect("sent");
            next.insert(record.partition, record.offset + 1);
        });
        match polled {
            Polled::Record => read += 1,
            Polled::Positions(positions) => {
                assert!(positions.iter().all(|at| at.topic == mesh.port.inbox));
                assert_eq!(read, 0, "repositioned in the middle");
            }
            Polled::Idle | Polled::Drained => {}
            Polled::Waiting(trouble) => eprintln!("waiting: {}", trouble.why),
        }
    }
    next
}

fn progress(mesh: &Mesh, next: &BTreeMap<i32, i64>) -> Vec<Progress> {
    let at = |(partition, next): (&i32, &i64)| Progress {
        topic: mesh.inbox(),
        partition: *partition,
        next: *next,
        metadata: format!("text of {partition}"),
    };
    next.iter().map(at).collect()
}

#[test]
fn ten_thousand_queued_then_aborted_returns_and_all_are_read_again() {
    let mesh = Mesh::new(cluster());
    mesh.feed(0, 10_000);
    let mut tx = mesh.tx(0);
    tx.subscribe(&[mesh.inbox()]);
    copy(&mesh, &mut tx, 10_000);
    let started = Instant::now();
    tx.abort();
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "took {:?}",
        started.elapsed()
    );
    assert!(
        mesh.records(&mesh.port.product).is_empty(),
        "an aborted attempt is visible"
    );

    let next = copy(&mesh, &mut tx, 10_000);
    assert_eq!(tx.commit(&progress(&mesh, &next)), Outcome::Committed);
    mesh.records_once_there(&mesh.port.product, 10_000);

    // Held partitions are left out, and what was committed comes back with its text.
    tx.hold(&[(mesh.inbox(), 0)]);
    let Polled::Positions(positions) = tx.poll(Duration::from_secs(1), &mut |_, _| ()) else {
        unreachable!("positions follow a hold");
    };
    assert_eq!(positions.len(), usize::try_from(PARTITIONS).expect("a few"));
    for at in positions {
        assert_eq!(at.metadata, format!("text of {}", at.partition));
        assert_eq!(at.next, Some(next[&at.partition]));
    }
    mesh.feed(10_000, 10_004);
    let next = copy(&mesh, &mut tx, 3);
    assert!(!next.contains_key(&0), "a held partition is read");
    tx.close();
}

#[test]
fn a_producer_that_is_replaced_ends_what_the_old_one_had_open() {
    let mesh = Mesh::new(cluster());
    mesh.feed(0, 1_000);
    let mut old = mesh.tx(0);
    old.subscribe(&[mesh.inbox()]);
    let next = copy(&mesh, &mut old, 1_000);
    // The same transactional id, as after a restart that the old process has not noticed.
    let mut new = mesh.tx(0);
    new.subscribe(&[mesh.inbox()]);
    let taken_over = (0..100).any(|_| {
        let polled = new.poll(Duration::from_millis(100), &mut |_, _| {
            unreachable!("owns nothing yet")
        });
        matches!(polled, Polled::Positions(_) | Polled::Idle)
    });
    assert!(taken_over);
    let outcome = old.commit(&progress(&mesh, &next));
    assert_ne!(
        outcome,
        Outcome::Committed,
        "a fenced producer must not commit"
    );
    assert!(mesh.records(&mesh.port.product).is_empty());
    old.close();
    let next = copy(&mesh, &mut new, 1_000);
    assert_eq!(new.commit(&progress(&mesh, &next)), Outcome::Committed);
    mesh.records_once_there(&mesh.port.product, 1_000);
    new.close();
}

#[test]
fn null_and_empty_stay_apart_and_times_and_headers_stay() {
    let mesh = Mesh::new(cluster());
    let header = |key: &str, value: Option<&[u8]>| Header {
        key: key.to_owned(),
        value: value.map(<[u8]>::to_vec),
    };
    let original = Outgoing {
        topic: mesh.inbox(),
        partition: Some(1),
        timestamp_ms: Some(1_600_000_000_000),
        key: Some(Vec::new()),
        value: None,
        headers: vec![
            header("a", None),
            header("mesh-src", Some(b"forged")),
            header("b", Some(b"")),
            header("a", Some(b"2")),
        ],
    };
    let empty = Outgoing {
        key: None,
        value: Some(Vec::new()),
        ..original.clone()
    };
    mesh.send(vec![original, empty]);
    let mut tx = mesh.tx(0);
    tx.subscribe(&[mesh.inbox()]);
    let next = copy(&mesh, &mut tx, 2);
    assert_eq!(tx.commit(&progress(&mesh, &next)), Outcome::Committed);
    let records = mesh.records_once_there(&mesh.port.product, 2);
    assert_eq!(
        (&records[0].key, &records[0].value),
        (&Some(Vec::new()), &None)
    );
    assert_eq!(
        (&records[1].key, &records[1].value),
        (&None, &Some(Vec::new()))
    );
    assert_eq!(records[0].timestamp_ms, Some(1_600_000_000_000));
    let headers = [
        header("a", None),
        header("b", Some(b"")),
        header("a", Some(b"2")),
        header("mesh-src", Some(b"ours")),
    ];
    assert_eq!(records[0].headers, headers);
    tx.close();
}
