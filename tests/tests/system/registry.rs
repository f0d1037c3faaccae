//! Confluent's own clients against the mesh: its registry, its inboxes, its ports.

use serde_json::{Value, json};
use std::io::Write;
use std::process::Stdio;
use tests::{Domain, TestMesh, python};

#[test]
fn an_ordinary_registry_client_is_at_home() {
    let mesh = TestMesh::start("registry");
    let Some(checked) = python::client("registry.py", &[&mesh.ready.registry]) else {
        return;
    };
    assert_eq!(checked.json(), json!({"ok": true}));
}

/// Produces events with Confluent's serializer of the schema that the contract put there.
#[track_caller]
fn produce(mesh: &TestMesh, inbox: &str, key: &str, events: &[Value]) -> Option<Value> {
    let arguments = [
        mesh.ready.bootstrap_servers.as_str(),
        &mesh.ready.registry,
        inbox,
        "--key",
        key,
    ];
    let mut command = python::command("produce.py", &arguments)?;
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut client = command.spawn().expect("the client starts");
    let mut stdin = client.stdin.take().expect("stdin is a pipe");
    for event in events {
        writeln!(stdin, "{event}").expect("the client reads");
    }
    drop(stdin);
    let output = client.wait_with_output().expect("the client ends");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    Some(serde_json::from_slice(&output.stdout).expect("JSON"))
}

/// What Confluent's deserializers read from the port.
fn consume(mesh: &TestMesh, port: &str) -> Option<Vec<Value>> {
    let arguments = [
        mesh.ready.bootstrap_servers.as_str(),
        &mesh.ready.registry,
        port,
    ];
    Some(
        python::client("consume.py", &arguments)?
            .expect_code(0)
            .json_lines(),
    )
}

#[test]
fn json_schema_serializers_write_to_a_port_and_read_it() {
    let mesh = TestMesh::start("json");
    let domain = Domain::example("conversations");
    mesh.apply(&domain.dir());
    let port = domain.port("messages");
    let message = |number: u32| {
        json!({
            "message_id": format!("m-{number}"), "conversation_id": "c-1", "customer_id": "k-1",
            "sender": "user", "sent_at": "2026-11-22T10:00:00Z", "text": "How late is it?",
            "tokens": number,
        })
    };
    let events: Vec<Value> = (1..=20).map(message).collect();
    let Some(produced) = produce(&mesh, &format!("{port}.inbox"), "conversation_id", &events)
    else {
        return;
    };
    assert_eq!(produced, json!({"produced": 20}));
    let stats = mesh.settled(&port, 20);
    let why = mesh.cli(&["quarantine", "stats", &port, "-o", "json"]);
    assert_eq!(stats["accepted"], 20, "{stats} {why:?}");
    let Some(read) = consume(&mesh, &port) else {
        return;
    };
    let values: Vec<Value> = read.iter().map(|record| record["value"].clone()).collect();
    assert_eq!(values, events);
    let ours = mesh
        .cli(&["consume", &port, "-o", "json"])
        .expect_code(0)
        .json_lines();
    assert_eq!(ours, events);
}

#[test]
fn avro_serializers_write_to_a_port_and_read_it() {
    let mesh = TestMesh::start("avro");
    let domain = Domain::example("billing");
    mesh.apply(&domain.dir());
    let port = domain.port_named("usage", "records");
    let usage = |number: u32| {
        json!({
            "record_id": format!("r-{number}"), "customer_id": "k-1", "conversation_id": "c-1",
            "model": "large", "input_tokens": number, "output_tokens": 2 * number,
            "amount_micros": 12_500, "currency": "EUR", "used_at": 1_795_000_000_000_000_u64,
        })
    };
    let events: Vec<Value> = (1..=20).map(usage).collect();
    let Some(produced) = produce(&mesh, &format!("{port}.inbox"), "record_id", &events) else {
        return;
    };
    assert_eq!(produced, json!({"produced": 20}));
    let stats = mesh.settled(&port, 20);
    let why = mesh.cli(&["quarantine", "stats", &port, "-o", "json"]);
    assert_eq!(stats["accepted"], 20, "{stats} {why:?}");
    let Some(read) = consume(&mesh, &port) else {
        return;
    };
    let mut ids: Vec<Value> = read
        .iter()
        .map(|record| record["value"]["record_id"].clone())
        .collect();
    let mut expected: Vec<Value> = events
        .iter()
        .map(|event| event["record_id"].clone())
        .collect();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    ids.sort_by_key(text);
    expected.sort_by_key(text);
    assert_eq!(ids, expected);
}
