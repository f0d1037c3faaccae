//! Events of the example port `usage`/`records`, and waiting for what becomes of them.

use crate::{Domain, TestMesh, broker, wait_for};
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;

/// The watchdog asks every 30 seconds whether what it holds can be read.
const SOON: Duration = Duration::from_secs(90);

/// Publishes `count` events that meet the contract.
#[track_caller]
pub fn publish(mesh: &TestMesh, domain: &Domain, port: &str, count: usize) {
    let name = broker::unique("usage");
    let record = |n: usize| {
        json!({"record_id": format!("{name}-{n}"), "customer_id": "acme", "conversation_id": "c-1",
            "model": "swift-2", "input_tokens": 10, "output_tokens": 3, "amount_micros": 8400,
            "currency": "EUR", "used_at": "2026-11-22T10:15:30.250Z"})
        .to_string()
    };
    let file = domain.scratch().join(&name);
    let lines: Vec<String> = (0..count).map(record).collect();
    fs::write(&file, lines.join("\n")).expect("writes");
    let file = file.to_str().expect("our paths are text");
    let published = mesh.cli(&["publish", port, "--jsonl", file, "-o", "json"]);
    assert_eq!(published.json()["published"], count);
}

/// The port's statistics, once they are so.
#[track_caller]
pub fn stats(mesh: &TestMesh, port: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    wait_for(what, SOON, || {
        let stats = mesh.try_get(&format!("/api/v1/ports/{port}/stats"))?;
        if is_so(&stats) {
            Ok(stats)
        } else {
            Err(stats.to_string())
        }
    })
}

/// Where a partition stands because what is there cannot be read, as its port says it: at the batch, or at markers of
/// transactions before it.
#[track_caller]
pub fn stands(mesh: &TestMesh, port: &str, partition: i32, batch: i64) -> i64 {
    let place = format!("partition {partition} of {port}.inbox stands at offset ");
    let at = |stats: &Value| {
        let (at, rest) = stats["why"]
            .as_str()?
            .strip_prefix(&place)?
            .split_once(':')?;
        rest.contains("cannot be read").then_some(at.parse().ok()?)
    };
    let stalled = stats(mesh, port, "the place is named", |stats| {
        stats["state"] == "stalled" && at(stats).is_some()
    });
    let at: i64 = at(&stalled).expect("it was there");
    assert!(
        (batch - 2..=batch).contains(&at),
        "{at} is not just before {batch}"
    );
    at
}
