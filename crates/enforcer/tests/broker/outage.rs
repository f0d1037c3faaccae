//! A broker that goes away and comes back.

use crate::support::{Mesh, broker, eventually};
use enforcer::PortState;
use std::{process::Command, thread, time::Duration};

fn signal(pid: u32, signal: &str) {
    let sent = Command::new("kill")
        .args([signal, &pid.to_string()])
        .status();
    assert!(sent.expect("kill is there").success());
}

#[test]
fn the_data_path_waits_for_its_broker_and_goes_on() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let first = broker(dir.path());
    let mesh = Mesh::new(first.cluster());
    mesh.feed(0, 5_000);
    let enforcer = mesh.start(0);
    mesh.wait_for(5_000);
    first.stop().expect("the broker stops");
    mesh.wait_for_state(&enforcer, |state| matches!(state, PortState::Stalled(_)));
    let second = broker(dir.path());
    mesh.feed(5_000, 10_000);
    mesh.wait_for(10_000);
    mesh.wait_for_state(&enforcer, |state| *state == PortState::Running);
    enforcer.stop().expect("stops in time");
    mesh.check(10_000);
    second.stop().expect("the broker stops");
}

#[test]
fn a_broker_that_freezes_and_is_killed_in_mid_flow_costs_no_event() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut first = broker(dir.path());
    let mesh = Mesh::new(first.cluster());
    let enforcer = mesh.start(0);
    thread::scope(|scope| {
        scope.spawn(|| (0..10).for_each(|part| mesh.feed(part * 10_000, (part + 1) * 10_000)));
        // Longer than a commit without a retry may take: a freeze may cost the producer its life, and nothing else.
        for _ in 0..5 {
            thread::sleep(Duration::from_millis(250));
            signal(first.pid(), "-STOP");
            thread::sleep(Duration::from_millis(600));
            signal(first.pid(), "-CONT");
        }
    });
    mesh.feed(100_000, 150_000);
    signal(first.pid(), "-KILL");
    eventually("the broker is dead", || (!first.is_alive()).then_some(()));
    drop(first);
    let second = broker(dir.path());
    mesh.feed(150_000, 160_000);
    mesh.wait_for(160_000);
    enforcer.stop().expect("stops in time");
    mesh.check(160_000);
    second.stop().expect("the broker stops");
}
