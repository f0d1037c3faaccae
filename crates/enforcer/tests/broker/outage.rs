//! A broker that goes away and comes back.

use crate::support::{Mesh, broker};
use enforcer::PortState;

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
