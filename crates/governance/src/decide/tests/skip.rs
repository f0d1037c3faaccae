//! Batches given up, as facts.

use super::*;
use crate::skip::Skip;

const PORT: &str = "flights.calls.events.v1";

fn skip(partition: i32, from: i64, to: i64) -> Skip {
    Skip {
        port: PORT.to_owned(),
        partition,
        from,
        to,
        reason: Some("the disk of broker 2".to_owned()),
    }
}

impl Log {
    fn give_up(&mut self, skip: Skip) -> Result<Vec<Event>, Rejection> {
        let id = format!("skip-{}", self.values.len());
        self.when(&id, &Command::Skip(skip))
    }
}

#[test]
fn the_newest_of_a_partition_is_in_force() {
    let mut log = golden_log();
    assert!(log.mesh.ports[PORT].skips.is_empty());
    for order in [skip(2, 10, 70), skip(0, 0, 5), skip(2, 90, 91)] {
        let events = log.give_up(order).expect("fits");
        assert_eq!(kinds(&events), ["mesh.port.batch.skipped.v1"]);
    }
    let skips = &log.mesh.ports[PORT].skips;
    assert_eq!(skips.get(&2), Some(&skip(2, 90, 91)));
    assert_eq!(skips.get(&0), Some(&skip(0, 0, 5)));
    for value in &log.values {
        assert_eq!(Fact::decode(value).expect("decodes").encode(), *value);
    }
}

#[test]
fn what_is_given_up_already_is_no_fact() {
    let mut log = golden_log();
    log.give_up(skip(1, 10, 70)).expect("fits");
    let again = Skip {
        reason: None,
        ..skip(1, 10, 70)
    };
    assert_eq!(log.give_up(again).expect("fits"), []);
    assert_eq!(log.give_up(skip(1, 10, 71)).expect("fits").len(), 1);
}

#[test]
fn an_order_that_does_not_fit_its_port_is_refused() {
    let mut log = golden_log();
    let elsewhere = Skip {
        port: "flights.x.y.v1".to_owned(),
        ..skip(0, 1, 2)
    };
    let wordy = Skip {
        reason: Some("x".repeat(501)),
        ..skip(0, 1, 2)
    };
    let orders = [
        elsewhere,
        wordy,
        skip(99, 1, 2),
        skip(-1, 1, 2),
        skip(0, -1, 2),
        skip(0, 2, 2),
        skip(0, 2, 1),
        skip(0, 0, 1_000_001),
        skip(0, 0, i64::MAX),
    ];
    for order in orders {
        let rejection = log.give_up(order.clone()).expect_err("does not fit");
        assert_eq!(codes(&rejection), ["MESH-2032"], "{order:?}");
    }
    log.give_up(skip(0, 0, 1_000_000)).expect("fits just so");
    let command = Command::Skip(skip(0, 1, 2));
    let rejection = log.when_from(Some("billing"), "x", &command);
    assert_eq!(codes(&rejection.expect_err("not theirs")), ["MESH-2032"]);
    log.when_from(Some("flights"), "y", &command)
        .expect("theirs");
}

/// Stored since v0.3, as the other golden files: what this build writes is what the file holds.
#[test]
fn facts_about_skips_are_written_as_they_were() {
    let mut log = golden_log();
    let before = log.values.len();
    log.give_up(skip(2, 10, 70)).expect("fits");
    let plain = Skip {
        reason: None,
        ..skip(0, 0, 5)
    };
    log.give_up(plain).expect("fits");
    log.is_written_as(before, "skip-v0.3.txt");
}
