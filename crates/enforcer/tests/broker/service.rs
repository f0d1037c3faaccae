//! The whole data path: exact counts over kills, restarts and rebalances.

use crate::support::{Mesh, cluster};
use enforcer::PortState;

#[test]
fn kills_in_the_middle_lose_and_double_nothing() {
    let mesh = Mesh::new(cluster());
    mesh.feed(0, 30_000);
    // Each life ends without any goodbye to the coordinator, most of them within an open transaction.
    for turns in [700, 40, 1_900, 3_001, 5] {
        let mut path = mesh.path(0);
        (0..turns).for_each(|_| path.turn());
        drop(path);
    }
    let enforcer = mesh.start(0);
    mesh.feed(30_000, 40_000);
    mesh.wait_for(40_000);
    enforcer.stop().expect("stops in time");
    mesh.check(40_000);
}

#[test]
fn members_that_come_and_go_share_the_work_exactly() {
    let mesh = Mesh::new(cluster());
    mesh.feed(0, 20_000);
    let first = mesh.start(0);
    let second = mesh.start(1);
    mesh.feed(20_000, 30_000);
    first.stop().expect("stops in time");
    let third = mesh.start(2);
    mesh.feed(30_000, 40_000);
    mesh.wait_for(40_000);
    mesh.check(40_000);
    mesh.wait_for_state(&third, |state| *state == PortState::Running);
    let owned = |enforcer: &enforcer::Enforcer| {
        enforcer
            .status()
            .borrow()
            .ports
            .values()
            .map(|port| port.partitions)
            .sum::<usize>()
    };
    assert_eq!(owned(&second) + owned(&third), 4);
    second.stop().expect("stops in time");
    third.stop().expect("stops in time");
}
