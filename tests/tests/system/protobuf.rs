//! A port in Protobuf: written by Confluent's serializer, judged, and read by somebody else.

use serde_json::{Value, json};
use std::fs;
use tests::{Domain, Output, TestMesh, broker, python};

/// The message that events are: the second of its file.
const MESSAGE: &str = "telemetry.v1.Reading";

fn reading(sequence: u64) -> Value {
    json!({"device_id": "m-1", "sequence": sequence, "celsius": 41.5, "state": "BUSY",
        "taken_at": "2026-11-22T10:15:30.250Z", "alarms": [{"code": "FAN", "level": 2}]})
}

fn lines(domain: &Domain, events: &[Value]) -> String {
    let file = domain.scratch().join(broker::unique("events"));
    let text: Vec<String> = events.iter().map(Value::to_string).collect();
    fs::write(&file, text.join("\n")).expect("writes");
    file.to_str().expect("our paths are text").to_owned()
}

/// Produces events with Confluent's serializer; `None` without the client.
fn produce(mesh: &TestMesh, topic: &str, file: &str, more: &[&str]) -> Option<Output> {
    let (bootstrap, registry) = (&*mesh.ready.bootstrap_servers, &*mesh.ready.registry);
    let given = ["--key", "device_id", "--message", MESSAGE, "--events", file];
    let arguments = [&[bootstrap, registry, topic][..], &given, more].concat();
    python::client("produce.py", &arguments)
}

/// Writes a value as it is.
fn write_raw(mesh: &TestMesh, inbox: &str, value: Vec<u8>) {
    let event = kafka::Outgoing {
        topic: inbox.to_owned(),
        key: Some(b"m-9".to_vec()),
        value: Some(value),
        ..kafka::Outgoing::default()
    };
    let cluster = kafka::Cluster::new(&mesh.ready.bootstrap_servers);
    let producer = kafka::Producer::new(&cluster).expect("a producer");
    broker::runtime()
        .block_on(producer.send(event))
        .expect("the event is taken");
}

/// The schema id that the port's facts bind its inbox to.
fn schema_id(mesh: &TestMesh, port: &str) -> u32 {
    let shown = mesh.get(&format!("/api/v1/ports/{port}"));
    let bindings = shown["activations"][0]["schemas"].as_array().cloned();
    let bindings = bindings.unwrap_or_default();
    assert_eq!(bindings.len(), 2, "{shown}");
    assert!(
        bindings.iter().all(|binding| binding["guid"]
            .as_str()
            .is_some_and(|guid| guid.len() >= 32)),
        "{shown}"
    );
    let id = bindings[0]["schema_id"].as_u64().unwrap_or_default();
    u32::try_from(id).expect("an id")
}

#[test]
fn protobuf_events_are_judged_and_read_by_confluents_client() {
    let mut mesh = TestMesh::start("protobuf");
    let domain = Domain::example("devices");
    mesh.apply(&domain.dir());
    let port = domain.port("readings");
    let inbox = format!("{port}.inbox");
    let id = schema_id(&mesh, &port);

    // Our own producer first: with the id in front, as Confluent's.
    let file = lines(&domain, &[reading(1), reading(2)]);
    let published = mesh.cli(&["publish", &port, "--jsonl", &file, "-o", "json"]);
    assert_eq!(published.json()["published"], 2);

    // What is no event of the port, each for another reason.
    let framed = |rest: &[u8]| [&[0][..], &id.to_be_bytes(), rest].concat();
    let broken = [
        (framed(&[0, 0x0a, 1, b'x']), "MESH-1007", ""),
        (framed(&[2, 2, 0x0a, 1, b'x', 0x78, 1]), "MESH-1009", ""),
        (framed(&[2, 2, 0x32, 2, 0x48, 1]), "MESH-1009", "/alarms/0"),
        (framed(&[2, 2, 0x0a, 9, b'x']), "MESH-1003", "/device_id"),
        (framed(&[2, 2, 0x0a, 1, 0xff]), "MESH-1003", "/device_id"),
        (framed(&[2, 2, 0x12, 0]), "MESH-1007", "/sequence"),
        (framed(&[]), "MESH-1001", ""),
        (b"\x0a\x01x".to_vec(), "MESH-1001", ""),
        (
            [&[0, 0x7f, 0xff, 0xff, 0xff][..], &[2, 2]].concat(),
            "MESH-1002",
            "",
        ),
    ];
    for (value, _, _) in &broken {
        write_raw(&mesh, &inbox, value.clone());
    }
    let refused = broken.len() as u64;
    let stats = mesh.settled(&port, 2 + refused);
    assert_eq!(stats["accepted"], 2, "{stats}");
    assert_eq!(stats["quarantined"], refused, "{stats}");
    let reasons = mesh
        .cli(&["quarantine", "stats", &port, "-o", "json"])
        .json();
    for (_, code, path) in &broken {
        let found = reasons["by_reason"].as_array().into_iter().flatten();
        let mut same = found.filter(|reason| reason["code"] == *code && reason["path"] == *path);
        assert!(same.next().is_some(), "{code} at `{path}`: {reasons}");
    }
    let shown = mesh.cli(&["consume", &port]).expect_code(0).json_lines();
    assert_eq!(shown, [reading(1), reading(2)]);

    confluents_client(&mesh, &domain, (&port, 2, refused));
    the_next_version(&mesh, &domain, &port);
    mesh.stop();
}

/// Both framings of Confluent's serializer are taken, and its deserializer reads what the port has.
fn confluents_client(mesh: &TestMesh, domain: &Domain, (port, before, refused): (&str, u64, u64)) {
    let inbox = format!("{port}.inbox");
    let file = lines(domain, &[reading(3)]);
    let Some(in_front) = produce(mesh, &inbox, &file, &[]) else {
        return;
    };
    assert_eq!(in_front.json()["produced"], 1);
    let file = lines(domain, &[reading(4)]);
    let in_header = produce(mesh, &inbox, &file, &["--id-in-header"]).expect("as before");
    assert_eq!(in_header.json()["produced"], 1);
    let stats = mesh.settled(port, before + refused + 2);
    assert_eq!(stats["accepted"], before + 2, "{stats}");

    let (bootstrap, registry) = (&*mesh.ready.bootstrap_servers, &*mesh.ready.registry);
    let arguments = [bootstrap, registry, port, "--message", MESSAGE];
    let read = python::client("consume.py", &arguments).expect("as before");
    let read = read.expect_code(0).json_lines();
    let mut sequences: Vec<&Value> = read
        .iter()
        .map(|record| &record["value"]["sequence"])
        .collect();
    sequences.sort_by_key(|sequence| sequence.to_string());
    // Protobuf's own JSON has 64-bit numbers as texts.
    assert_eq!(sequences, ["1", "2", "3", "4"]);
    assert!(
        read.iter().all(|record| record["value"]["state"] == "BUSY"),
        "{read:?}"
    );
    let quarantine = format!("{port}.quarantine");
    let counted = python::client("count.py", &[bootstrap, port, &quarantine]).expect("as before");
    let counted = counted.json();
    assert_eq!(
        counted["records"],
        json!({port: before + 2, &quarantine: refused}),
        "{counted}"
    );
    assert_eq!(
        counted["distinct_sources"],
        before + refused + 2,
        "{counted}"
    );
    let ours = mesh.cli(&["consume", port]).expect_code(0).json_lines();
    assert_eq!(ours.len() as u64, before + 2, "{ours:?}");
}

/// A field more is a minor version, which old readers take; another type breaks them, and is refused.
fn the_next_version(mesh: &TestMesh, domain: &Domain, port: &str) {
    let proto = domain.text("readings.proto");
    let file = domain.scratch().join("readings.proto");
    let next = domain.changed(
        "readings.odcs.yaml",
        &[("version: 1.0.0", "version: 1.1.0")],
    );
    let path = next.to_str().expect("our paths are text");

    fs::write(
        &file,
        proto.replace("int64 sequence = 2", "string sequence = 2"),
    )
    .expect("writes");
    let refused = mesh
        .cli(&["apply", "-f", path, "-o", "json"])
        .expect_code(3);
    assert!(refused.text().contains("MESH-2010"), "{refused:?}");
    assert!(
        refused.text().contains("FIELD_SCALAR_KIND_CHANGED"),
        "{refused:?}"
    );

    fs::write(&file, "syntax = \"proto3\"; message A {} message B {}").expect("writes");
    let refused = mesh
        .cli(&["apply", "-f", path, "-o", "json"])
        .expect_code(3);
    assert!(
        refused.text().contains("`reading` is none of them"),
        "{refused:?}"
    );

    let more = "repeated Alarm alarms = 6;\n  optional string room = 7;";
    fs::write(&file, proto.replace("repeated Alarm alarms = 6;", more)).expect("writes");
    assert_eq!(mesh.apply(&next)["status"], "accepted");
    let mut event = reading(5);
    event["room"] = "B2".into();
    let before = mesh.get(&format!("/api/v1/ports/{port}/stats"));
    let jsonl = lines(domain, &[event.clone()]);
    let published = mesh.cli(&["publish", port, "--jsonl", &jsonl, "-o", "json"]);
    assert_eq!(published.json()["published"], 1);
    let inbox = before["inbox"].as_u64().unwrap_or_default() + 1;
    let after = mesh.settled(port, inbox);
    assert_eq!(after["quarantined"], before["quarantined"], "{after}");
    let shown = mesh.cli(&["consume", port]).expect_code(0).json_lines();
    assert!(shown.contains(&event), "{shown:?}");
}
