//! The demo: three domains at work, some events that break their contract, a change that is refused.

use serde_json::Value;
use std::time::Duration;
use tests::broker::{cluster, unique};
use tests::mesh::binary;
use tests::process::run;

/// A run of a few hundred events, and the windows that the AI domain waits for.
const RUN: Duration = Duration::from_secs(180);

#[test]
fn every_event_is_let_in_or_kept_with_a_reason() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let id = unique("demo");
    let mut demo = binary(home.path());
    demo.env("MESHLOG_MESH__ID", &id)
        .env("MESHLOG_REGISTRY__TOPIC", format!("{id}.schemas"))
        .args([
            "demo",
            "--events",
            "200",
            "-o",
            "json",
            "--registry-port",
            "0",
        ])
        .args([
            "--http-port",
            "0",
            "--bootstrap-servers",
            cluster().bootstrap(),
        ]);
    let output = run(&mut demo, RUN).expect_code(0);
    assert!(
        output
            .stderr
            .contains("conversations proposed a change that breaks its consumers; refused"),
        "{output:?}"
    );
    let lines = output.json_lines();
    let ports: Vec<&Value> = lines
        .iter()
        .filter(|line| line["port"].is_string())
        .collect();
    let names: Vec<&str> = ports
        .iter()
        .filter_map(|port| port["port"].as_str())
        .collect();
    assert_eq!(
        names,
        [
            "conversations.messages.events.v1",
            "billing.usage.records.v1",
            "ai.model-performance.scores.v1"
        ]
    );
    let count = |port: &Value, what: &str| port[what].as_u64().expect("a count");
    for port in &ports {
        assert_eq!(
            count(port, "sent"),
            count(port, "accepted") + count(port, "quarantined"),
            "{port}"
        );
        assert_eq!(count(port, "broken"), count(port, "quarantined"), "{port}");
    }
    let sent: u64 = ports[..2].iter().map(|port| count(port, "sent")).sum();
    assert!(sent >= 200, "{ports:?}");
    let broken: u64 = ports.iter().map(|port| count(port, "broken")).sum();
    assert!(broken > 0, "some break their contract: {ports:?}");
}
