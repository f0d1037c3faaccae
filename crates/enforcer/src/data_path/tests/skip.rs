//! A batch that cannot be read is given up by an order, and by nothing less.

use super::watchdog::Watched;
use super::*;
use crate::envelope::{REASONS, SKIPPED};
use kafka::probe::Found;
use std::ops::Range;

fn order(watched: &Watched, seq: u64, given_up: Range<i64>) {
    let mut port = port_at(5);
    port.skips.insert(0, given_up);
    watched.world.governance.publish(Snapshot::new(seq, [port]));
}

fn unreadable() -> Found {
    Found::Unreadable(2, "bad compression".to_owned())
}

/// Three records are there, the third in a batch that reaches to offset 5; two more can be read behind it.
fn stuck(found: Found) -> Watched {
    let watched = Watched::stuck(found);
    watched.world.feed(0, &["ok"; 4]);
    watched
}

#[test]
fn its_coordinates_go_to_quarantine_and_what_is_behind_it_is_judged() {
    let mut watched = stuck(unreadable());
    watched.seconds(40);
    assert!(watched.stalled().is_some());
    watched.world.cluster.mend_from(INBOX, 0, 5);
    order(&watched, 6, 2..5);
    watched.seconds(2);
    assert_eq!(watched.stalled(), None);
    let quarantined = watched.world.cluster.records(QUARANTINE, 0);
    let [record] = quarantined.as_slice() else {
        unreachable!("one record stands for the batch, not {quarantined:?}")
    };
    assert_eq!((&record.key, &record.value), (&None, &None));
    assert_eq!(record.header(SOURCE), Some(&b"0/2@6"[..]));
    assert_eq!(record.header(SKIPPED), Some(&b"2-4"[..]));
    let reasons = record.header(REASONS).expect("it says why");
    let reasons = String::from_utf8_lossy(reasons);
    assert!(
        reasons.contains("MESH-1021") && reasons.contains("bad compression"),
        "{reasons}"
    );
    assert_eq!(watched.world.cluster.records(PRODUCT, 0).len(), 4);
    let (next, text) = watched
        .world
        .cluster
        .committed(INBOX, 0)
        .expect("committed");
    let progress = parse_progress(&text).expect("ours");
    assert_eq!(
        (
            next,
            progress.inbox,
            progress.accepted,
            progress.quarantined
        ),
        (7, 5, 4, 1)
    );
}

#[test]
fn the_order_alone_gives_nothing_up_that_can_be_read() {
    let mut watched = stuck(unreadable());
    watched.world.cluster.stick(INBOX, 0, None);
    order(&watched, 6, 2..5);
    watched.seconds(80);
    assert_eq!(watched.world.cluster.records(QUARANTINE, 0).len(), 0);
    assert_eq!(watched.world.cluster.records(PRODUCT, 0).len(), 7);
}

#[test]
fn an_order_for_another_place_is_not_obeyed() {
    for given_up in [0..2, 3..5] {
        let mut watched = stuck(unreadable());
        watched.seconds(40);
        order(&watched, 6, given_up);
        watched.seconds(40);
        assert!(watched.stalled().is_some());
        assert_eq!(watched.world.cluster.records(QUARANTINE, 0).len(), 0);
    }
}

#[test]
fn a_record_that_only_does_not_come_is_not_given_up() {
    let mut watched = stuck(Found::Record(2));
    order(&watched, 6, 2..5);
    watched.seconds(100);
    assert!(watched.stalled().is_some());
    assert_eq!(watched.world.cluster.records(QUARANTINE, 0).len(), 0);
}

#[test]
fn where_neither_a_record_nor_the_end_comes_the_order_is_obeyed() {
    let mut watched = stuck(Found::Silence);
    watched.seconds(40);
    watched.world.cluster.mend_from(INBOX, 0, 5);
    order(&watched, 6, 2..5);
    watched.seconds(2);
    assert_eq!(watched.world.cluster.records(QUARANTINE, 0).len(), 1);
}

#[test]
fn a_port_that_is_held_gives_nothing_up() {
    let mut watched = stuck(unreadable());
    watched.seconds(40);
    let mut port = port_at(5);
    port.skips.insert(0, 2..5);
    port.breaker.held = Some("drill".to_owned());
    watched.world.governance.publish(Snapshot::new(6, [port]));
    watched.seconds(40);
    assert_eq!(watched.world.cluster.records(QUARANTINE, 0).len(), 0);
}

/// Whatever becomes of the transaction, the batch is given up once.
#[test]
fn it_is_given_up_once_whatever_fails() {
    let faults = [
        Fault::SendBreaks,
        Fault::CommitUndone,
        Fault::CommitUnknownLost,
        Fault::CommitUnknownDone,
        Fault::Rebalance,
    ];
    for fault in faults {
        let mut watched = stuck(unreadable());
        watched.seconds(40);
        watched.world.cluster.mend_from(INBOX, 0, 5);
        watched.path.port.arm(fault);
        order(&watched, 6, 2..5);
        watched.seconds(45);
        assert_eq!(
            watched.world.cluster.records(QUARANTINE, 0).len(),
            1,
            "{fault:?}"
        );
        assert_eq!(
            watched.world.cluster.records(PRODUCT, 0).len(),
            4,
            "{fault:?}"
        );
    }
}
