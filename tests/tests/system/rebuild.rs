//! The views are folds of the log: with a snapshot, without one, or by the auditor's own hands, the state is the same.

use serde_json::Value;
use tests::{Domain, TestMesh};

/// Position and hash of the state that the mesh serves.
fn state(mesh: &TestMesh, query: &str) -> (Value, Value) {
    let state = mesh.get(&format!("/api/v1/state{query}"));
    (state["seq"].clone(), state["state_hash"].clone())
}

#[test]
fn snapshot_rebuild_and_replay_give_the_same_state() {
    let mut mesh = TestMesh::start("rebuilt");
    let domain = Domain::flights();
    mesh.apply(&domain.dir());
    mesh.apply(&domain.changed(
        "domain.yaml",
        &[("description: Flights", "description: All flights")],
    ));
    let before = state(&mesh, "");
    assert_eq!(before.1.as_str().map(str::len), Some(64), "{before:?}");
    let early = state(&mesh, "?as_of=3");
    mesh.stop();

    let catalog = mesh.dir().join("catalog");
    let kept = std::fs::read_dir(&catalog)
        .map(Iterator::count)
        .unwrap_or_default();
    assert!(
        kept > 0,
        "a clean stop leaves a snapshot in {}",
        catalog.display()
    );
    mesh.restart();
    assert_eq!(state(&mesh, ""), before, "from the snapshot");

    mesh.kill_9();
    std::fs::remove_dir_all(&catalog).expect("the snapshot can be removed");
    mesh.restart();
    assert_eq!(state(&mesh, ""), before, "from the log alone");
    assert_eq!(state(&mesh, "?as_of=3"), early);

    for (arguments, expected) in [
        (vec!["audit", "replay", "-o", "json"], &before),
        (
            vec!["audit", "replay", "--as-of", "3", "-o", "json"],
            &early,
        ),
    ] {
        let replayed = mesh.cli(&arguments).json();
        assert_eq!(
            (&replayed["seq"], &replayed["state_hash"]),
            (&expected.0, &expected.1)
        );
    }
    mesh.stop();
}
