//! Circuit breakers as facts: what changes the breaker is one, what is so already is none.

use super::*;
use crate::breaker::{Breaker, BreakerAct, Opening};
use crate::mesh::BreakerState;

const PORT: &str = "flights.calls.events.v1";

fn opening(partition: i32) -> Opening {
    Opening {
        partition,
        offset: 1_000,
        since: 1_203,
        refused: 501,
        of: 1_000,
        code: "MESH-1006".to_owned(),
        path: "/dep_time".to_owned(),
    }
}

fn opened(partition: i32) -> BreakerAct {
    BreakerAct::Opened {
        port: PORT.to_owned(),
        opening: opening(partition),
    }
}

fn closed(partition: i32) -> BreakerAct {
    BreakerAct::Closed {
        port: PORT.to_owned(),
        partition,
        reason: "of the newest 100 events 0 would be refused".to_owned(),
    }
}

fn hold(reason: Option<&str>) -> BreakerAct {
    BreakerAct::Hold {
        port: PORT.to_owned(),
        reason: reason.map(str::to_owned),
    }
}

fn reset() -> BreakerAct {
    BreakerAct::Reset {
        port: PORT.to_owned(),
        reason: None,
    }
}

impl Log {
    fn act(&mut self, act: BreakerAct) -> Result<Vec<Event>, Rejection> {
        let id = format!("act-{}", self.values.len());
        self.when(&id, &Command::Breaker(act))
    }

    fn breaker(&self) -> &BreakerState {
        self.mesh.ports[PORT].breaker.as_ref().expect("is there")
    }
}

fn is_open(breaker: &Breaker) -> Vec<i32> {
    breaker.open.iter().map(|open| open.partition).collect()
}

#[test]
fn each_fact_carries_the_whole_breaker() {
    let mut log = golden_log();
    assert!(log.mesh.ports[PORT].breaker.is_none());
    let steps: [(BreakerAct, &str, Option<&str>, &[i32]); 6] = [
        (opened(2), "mesh.port.breaker.opened.v1", None, &[2]),
        (opened(0), "mesh.port.breaker.opened.v1", None, &[0, 2]),
        (closed(2), "mesh.port.breaker.closed.v1", None, &[0]),
        (
            hold(Some("drill")),
            "mesh.port.breaker.held.v1",
            Some("drill"),
            &[0],
        ),
        (
            opened(1),
            "mesh.port.breaker.opened.v1",
            Some("drill"),
            &[0, 1],
        ),
        (reset(), "mesh.port.breaker.reset.v1", None, &[]),
    ];
    for (act, kind, held, open) in steps {
        let events = log.act(act).expect("fits");
        assert_eq!(kinds(&events), [kind]);
        let breaker = log.breaker();
        assert_eq!(
            (breaker.state.held.as_deref(), is_open(&breaker.state)),
            (held, open.to_vec())
        );
        assert_eq!(breaker.changed_seq, log.mesh.size - 1);
    }
    let reset_seq = log.breaker().reset_seq;
    assert_eq!(reset_seq, Some(log.mesh.size - 1));
    log.act(opened(2)).expect("fits");
    assert_eq!(log.breaker().reset_seq, reset_seq, "it is remembered");
    assert_eq!(log.breaker().state.opening(2), Some(&opening(2)));
    for value in &log.values {
        assert_eq!(Fact::decode(value).expect("decodes").encode(), *value);
    }
}

#[test]
fn what_is_so_already_is_no_fact() {
    let mut log = golden_log();
    for act in [closed(0), reset()] {
        assert_eq!(log.act(act).expect("fits"), []);
    }
    log.act(opened(0)).expect("fits");
    log.act(hold(None)).expect("fits");
    let size = log.mesh.size;
    for act in [opened(0), closed(1), hold(Some("again"))] {
        assert_eq!(log.act(act).expect("fits"), []);
    }
    assert_eq!(log.mesh.size, size);
}

#[test]
fn an_act_that_does_not_fit_its_port_is_refused() {
    let mut log = golden_log();
    let elsewhere = BreakerAct::Reset {
        port: "flights.x.y.v1".to_owned(),
        reason: None,
    };
    for act in [
        elsewhere,
        opened(99),
        opened(-1),
        hold(Some(&"x".repeat(501))),
    ] {
        let rejection = log.act(act).expect_err("does not fit");
        assert_eq!(codes(&rejection), ["MESH-2030"]);
    }
    let command = Command::Breaker(hold(None));
    let rejection = log.when_from(Some("billing"), "x", &command);
    assert_eq!(codes(&rejection.expect_err("not theirs")), ["MESH-2030"]);
    log.when_from(Some("flights"), "y", &command)
        .expect("theirs");
}

/// Stored since v0.3: what this build writes is what the golden file holds. A log without such facts keeps its state
/// hash, which `facts_are_written_as_they_were` holds.
#[test]
fn facts_about_breakers_are_written_as_they_were() {
    let mut log = golden_log();
    let before = log.values.len();
    for act in [opened(2), closed(2), hold(Some("drill")), reset()] {
        log.act(act).expect("fits");
    }
    log.is_written_as(before, "breaker-v0.3.txt");
}
