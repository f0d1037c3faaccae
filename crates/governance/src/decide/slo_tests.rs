//! Breaches and recoveries of promises: given facts, when a record, then a fact, nothing or a refusal.

use super::tests::{folded, golden, golden_log};
use super::*;
use crate::body::{SloReport, SloTurn};

fn report() -> SloReport {
    SloReport {
        port: "flights.calls.events.v1".to_owned(),
        version: "1.0.0".to_owned(),
        objective: "latency".to_owned(),
        kind: "promise".to_owned(),
        promised: "at most 5 s for 99 % of the events".to_owned(),
        measured: "7.25".to_owned(),
        unit: "s".to_owned(),
        window_start: 1_790_000_040_000,
        window_end: 1_790_000_100_000,
    }
}

fn record(turn: SloTurn, report: SloReport) -> Command {
    Command::RecordSlo(turn, report)
}

#[test]
fn a_breach_is_recorded_once_and_ended_once() {
    let mut log = golden_log();
    let before = log.mesh.state_hash();
    let breached = record(SloTurn::Breached, report());
    let events = log.when("s1", &breached).expect("accepted");
    assert_eq!(events, [Event::SloBreached(report())]);
    let port = |log: &super::tests::Log| log.mesh.ports["flights.calls.events.v1"].clone();
    assert_eq!(port(&log).breaches["latency"].report, report());
    assert_ne!(log.mesh.state_hash(), before);
    assert_eq!(log.when("s2", &breached).expect("no news"), []);
    let recovered = record(SloTurn::Recovered, report());
    let events = log.when("s3", &recovered).expect("accepted");
    assert_eq!(events, [Event::SloRecovered(report())]);
    assert!(port(&log).breaches.is_empty());
    assert_eq!(log.when("s4", &recovered).expect("no news"), []);
}

#[test]
fn a_breach_of_what_is_not_in_force_is_refused() {
    let mut log = golden_log();
    let unknown = SloReport {
        port: "flights.calls.events.v2".to_owned(),
        ..report()
    };
    let old = SloReport {
        version: "0.9.0".to_owned(),
        ..report()
    };
    for (at, wrong) in [unknown, old].into_iter().enumerate() {
        let refused = log.when(&format!("w{at}"), &record(SloTurn::Breached, wrong));
        let codes: Vec<String> = refused
            .expect_err("refused")
            .0
            .into_iter()
            .map(|it| it.code)
            .collect();
        assert_eq!(codes, ["MESH-2031"]);
    }
}

/// Facts of breaches are written as they were; and a log without them has the state hash it had before there were any.
#[test]
fn facts_of_breaches_are_written_as_they_were() {
    let mut log = golden_log();
    let before = log.values.len();
    log.when("s1", &record(SloTurn::Breached, report()))
        .expect("accepted");
    let breached = crate::fact::hex(&log.mesh.state_hash());
    log.when("s2", &record(SloTurn::Recovered, report()))
        .expect("accepted");
    let lines = log.values[before..]
        .iter()
        .map(|value| crate::fact::hex(value) + "\n");
    let mut now: String = lines.collect();
    now.push_str(&format!("state_hash {breached}\n"));
    let path = golden("slo-facts-v0.3.txt");
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    if stored != now {
        std::fs::write(path.with_extension("new"), &now).expect("writes");
        panic!(
            "stored bytes changed: compare golden/slo-facts-v0.3.new; add a version, do not edit"
        );
    }
    let all: String = log
        .values
        .iter()
        .map(|value| crate::fact::hex(value) + "\n")
        .collect();
    assert_eq!(folded(&all).0.state_hash(), log.mesh.state_hash());
}
