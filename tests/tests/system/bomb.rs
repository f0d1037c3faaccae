//! Batches that are small on the wire and large once they are decompressed: they cost the enforcer no more than a place.

use serde_json::Value;
use tests::usage::{publish, stands, stats};
use tests::{Domain, TestMesh, python};

/// More than a client of librdkafka takes of zstd, which knows the size beforehand (`receive.message.max.bytes`).
const MEGABYTES: &str = "150";

fn explode(mesh: &TestMesh, inbox: &str, codec: &str) -> Option<i64> {
    let arguments = [&*mesh.ready.bootstrap_servers, inbox, "0", codec, MEGABYTES];
    let sent = python::client("bomb.py", &arguments)?.json();
    Some(sent["offset"].as_i64().expect("an offset"))
}

fn is_done(stats: &Value, accepted: u64, quarantined: u64) -> bool {
    stats["lag"] == 0 && stats["accepted"] == accepted && stats["quarantined"] == quarantined
}

#[test]
fn a_batch_that_grows_costs_a_place_in_quarantine() {
    let mesh = TestMesh::start("bomb");
    let domain = Domain::example("billing");
    mesh.apply(&domain.dir());
    let port = domain.port_named("usage", "records");
    let inbox = format!("{port}.inbox");

    // gzip does not say its size, and the client decompresses it whatever it is.
    let Some(_) = explode(&mesh, &inbox, "gzip") else {
        return;
    };
    publish(&mesh, &domain, &port, 40);
    stats(&mesh, &port, "what is behind the first", |stats| {
        is_done(stats, 40, 1)
    });
    let listed = mesh
        .cli(&["quarantine", "list", &port, "-o", "json"])
        .json();
    assert_eq!(listed["reasons"][0]["code"], "MESH-1017");
    let place = listed["offset"].to_string();
    let shown = mesh
        .cli(&["quarantine", "show", &port, "0", &place, "-o", "json"])
        .json();
    let whole = shown["headers"]["mesh-truncated"]
        .as_str()
        .unwrap_or_default();
    assert!(whole.ends_with("/150000000"), "{shown}");

    // zstd says it, and the client refuses: nobody can read the batch.
    let bomb = explode(&mesh, &inbox, "zstd").expect("as before");
    publish(&mesh, &domain, &port, 40);
    let at = stands(&mesh, &port, 0, bomb).to_string();
    let skip = ["quarantine", "skip-batch", &port, "0", &at, "-o", "json"];
    assert_eq!(mesh.cli(&skip).json()["to"], bomb + 1);
    stats(&mesh, &port, "what is behind the second", |stats| {
        is_done(stats, 80, 2)
    });
}
