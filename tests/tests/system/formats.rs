//! What stands around and within events: CloudEvents in both modes, keys under a schema, .proto files that import others.

use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use tests::{Domain, LIMIT, TestMesh, broker, python, wait_for};

const NOTES: &str = "apiVersion: v3.1.0
kind: DataContract
id: DOMAIN-notes
version: 1.0.0
status: active
domain: DOMAIN
servers: [{server: d, type: kafka, format: json}]
customProperties:
- {property: meshlog.cloudEvents, value: any}
- {property: meshlog.keySchema, value: schemas/note-key.avsc}
schema:
- name: note
  properties:
  - {name: id, logicalType: string, required: true, primaryKey: true}
  - {name: n, logicalType: integer}
  - {name: at, logicalType: timestamp}
---
apiVersion: v3.1.0
kind: DataContract
id: DOMAIN-orders
version: 1.0.0
status: active
domain: DOMAIN
servers: [{server: d, type: kafka, format: protobuf}]
schema:
- name: order
  authoritativeDefinitions: [{type: implementation, url: schemas/order.proto}]
  properties:
  - {name: id, logicalType: string, required: true, primaryKey: true}
  - {name: price, logicalType: object, required: true}
---
apiVersion: v1.0.0
kind: DataProduct
id: papers
status: active
domain: DOMAIN
outputPorts:
- {name: notes, version: 1.0.0, contractId: DOMAIN-notes}
- {name: orders, version: 1.0.0, contractId: DOMAIN-orders}
";

/// A record of one text: Confluent's Python client takes no schema that is a bare type.
const NOTE_KEY: &str =
    r#"{"type":"record","name":"NoteKey","fields":[{"name":"id","type":"string"}]}"#;

const ORDER: &str = "syntax = \"proto3\";\npackage shop;\nimport \"common/money.proto\";\nmessage Order {\n  string id = 1;\n  common.Money price = 2;\n}\n";
const MONEY: &str = "syntax = \"proto3\";\npackage common;\nmessage Money {\n  string currency = 1;\n  int64 units = 2;\n}\n";

/// The domain with the documents above beside its own.
fn domain() -> Domain {
    let domain = Domain::example("conversations");
    let write = |file: &str, text: &str| {
        let path = domain.dir().join(file);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder can be made");
        fs::write(path, text).expect("writes");
    };
    write("papers.yaml", &NOTES.replace("DOMAIN", &domain.name));
    write("schemas/note-key.avsc", NOTE_KEY);
    write("schemas/order.proto", ORDER);
    write("schemas/common/money.proto", MONEY);
    domain
}

fn lines(domain: &Domain, events: &[Value]) -> String {
    let file = domain.scratch().join(broker::unique("events"));
    let text: Vec<String> = events.iter().map(Value::to_string).collect();
    fs::write(&file, text.join("\n")).expect("writes");
    file.to_str().expect("our paths are text").to_owned()
}

/// Writes a record as it is.
fn write_raw(mesh: &TestMesh, topic: &str, key: Vec<u8>, value: &[u8], headers: &[(&str, &str)]) {
    let headers = headers.iter();
    let event = kafka::Outgoing {
        topic: topic.to_owned(),
        key: Some(key),
        value: Some(value.to_vec()),
        headers: headers
            .map(|(name, value)| kafka::Header::new(*name, *value))
            .collect(),
        ..kafka::Outgoing::default()
    };
    let cluster = kafka::Cluster::new(&mesh.ready.bootstrap_servers);
    let producer = kafka::Producer::new(&cluster).expect("a producer");
    broker::runtime()
        .block_on(producer.send(event))
        .expect("the event is taken");
}

/// The schema id bound under a subject.
fn schema_id(mesh: &TestMesh, port: &str, subject: &str) -> [u8; 4] {
    let shown = mesh.get(&format!("/api/v1/ports/{port}"));
    let bound = shown["activations"][0]["schemas"]
        .as_array()
        .into_iter()
        .flatten();
    let mut bound = bound.filter(|binding| binding["subject"] == subject);
    let id = bound
        .next()
        .and_then(|binding| binding["schema_id"].as_u64());
    let id = id.unwrap_or_else(|| unreachable!("nothing is bound under {subject}: {shown}"));
    u32::try_from(id).expect("an id").to_be_bytes()
}

fn refusals(mesh: &TestMesh, port: &str) -> BTreeSet<(String, String)> {
    let stats = mesh
        .cli(&["quarantine", "stats", port, "-o", "json"])
        .json();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let found = stats["by_reason"].as_array().into_iter().flatten();
    found
        .map(|reason| (text(&reason["code"]), text(&reason["path"])))
        .collect()
}

const BINARY: [(&str, &str); 4] = [
    ("ce_specversion", "1.0"),
    ("ce_id", "r-1"),
    ("ce_source", "/raw"),
    ("ce_type", "note.written"),
];
const STRUCTURED: [(&str, &str); 1] = [("content-type", "application/cloudevents+json")];

fn envelope(data: &str) -> String {
    format!(
        r#"{{"specversion":"1.0","id":"s-1","source":"/raw","type":"note.written","data":{data}}}"#
    )
}

/// Key, value and headers of a record, and the reason against it.
type Raw<'a> = (
    Vec<u8>,
    &'a [u8],
    &'a [(&'a str, &'a str)],
    (&'static str, &'static str),
);

/// Records written as they are, and what each is refused for; nothing for a good one.
fn raw(mesh: &TestMesh, port: &str) -> Vec<(&'static str, &'static str)> {
    let inbox = format!("{port}.inbox");
    let key_id = schema_id(mesh, port, &format!("{inbox}-key"));
    let value_id = schema_id(mesh, port, &format!("{inbox}-value"));
    let framed = |id: [u8; 4], text: &[u8]| [&[0][..], &id, &[4], text].concat();
    let key = || framed(key_id, b"k1");
    let good = br#"{"id":"k1","n":1}"#;
    let no_id: Vec<_> = BINARY
        .iter()
        .copied()
        .filter(|(name, _)| *name != "ce_id")
        .collect();
    let wrong_data = envelope(r#"{"id":"k1","n":"one"}"#);
    let wrong_time = envelope(r#"{"id":"k1","at":"2026-02-30T00:00:00Z"}"#);
    let fine = envelope(r#"{"id":"k1","n":2}"#);
    let records: Vec<Raw<'_>> = vec![
        (key(), good, &BINARY, ("", "")),
        (key(), fine.as_bytes(), &STRUCTURED, ("", "")),
        (key(), good, &no_id, ("MESH-1020", "ce_id")),
        (key(), b"{}", &STRUCTURED, ("MESH-1020", "/specversion")),
        (
            key(),
            wrong_data.as_bytes(),
            &STRUCTURED,
            ("MESH-1007", "/data/n"),
        ),
        (
            key(),
            wrong_time.as_bytes(),
            &STRUCTURED,
            ("MESH-1016", "/data/at"),
        ),
        (b"k1".to_vec(), good, &BINARY, ("MESH-1012", "key")),
        (framed(value_id, b"k1"), good, &BINARY, ("MESH-1002", "key")),
        (
            [key(), b"x".to_vec()].concat(),
            good,
            &BINARY,
            ("MESH-1012", "key"),
        ),
    ];
    for (key, value, headers, _) in &records {
        write_raw(mesh, &inbox, key.clone(), value, headers);
    }
    records
        .into_iter()
        .map(|(_, _, _, refusal)| refusal)
        .collect()
}

/// Posts a body to the gateway; gives the status.
fn post(mesh: &TestMesh, port: &str, headers: &[(&str, &str)], body: String) -> u16 {
    let client = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client");
    let mut request = client.post(format!("{}/api/v1/ports/{port}/events", mesh.ready.http));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = broker::runtime().block_on(request.body(body).send());
    answer.expect("an answer").status().as_u16()
}

fn over_http(mesh: &TestMesh, port: &str) {
    let json = ("content-type", "application/json");
    let status = |headers: &[(&str, &str)], body: &str| post(mesh, port, headers, body.to_owned());
    wait_for("the gateway has the port", LIMIT, || {
        match status(&[json], "") {
            400 => Ok(()),
            other => Err(other.to_string()),
        }
    });
    assert_eq!(status(&[json], r#"{"id":"h1"}"#), 202);
    assert_eq!(
        status(
            &[json, ("ce-id", "x"), ("ce-source", "/http")],
            r#"{"id":"h2"}"#
        ),
        202
    );
    assert_eq!(status(&[json, ("ce-time", "never")], r#"{"id":"h2"}"#), 422);
    assert_eq!(status(&STRUCTURED, &envelope(r#"{"id":"h3"}"#)), 202);
    assert_eq!(status(&STRUCTURED, &envelope(r#"{"id":3}"#)), 422);
    let batch = format!("[{}]", envelope(r#"{"id":"h4"}"#));
    assert_eq!(
        status(
            &[("content-type", "application/cloudevents-batch+json")],
            &batch
        ),
        207
    );
}

/// Events of Confluent's serializer; how many were written.
fn from_python(mesh: &TestMesh, domain: &Domain, inbox: &str) -> u64 {
    let (bootstrap, registry) = (&*mesh.ready.bootstrap_servers, &*mesh.ready.registry);
    let events = lines(domain, &[json!({"id": "p1"}), json!({"id": "p2", "n": 5})]);
    let told = [bootstrap, registry, inbox, "id", &*events];
    let Some(mut command) = python::command("cloud_event.py", &told) else {
        return 0;
    };
    let produced = tests::process::run(&mut command, LIMIT)
        .expect_code(0)
        .json();
    assert_eq!(produced["produced"], 2);
    2
}

#[test]
fn cloud_events_and_keys_are_judged_and_written() {
    let mesh = TestMesh::start("formats");
    let domain = domain();
    mesh.apply(&domain.dir());
    let port = domain.port_named("papers", "notes");

    let file = lines(&domain, &[json!({"id": "a", "n": 1}), json!({"id": "b"})]);
    let contract = format!("{}-notes@1.0.0", domain.name);
    mesh.cli(&["contract", "test", &contract, "--sample", &file])
        .expect_code(0);
    mesh.cli(&["publish", &port, "--jsonl", &file])
        .expect_code(0);
    let shown = mesh.settled(&port, 2);
    assert_eq!(shown["accepted"], 2, "{shown}");
    let consumed = mesh
        .cli(&["consume", &port, "--envelope"])
        .expect_code(0)
        .json_lines();
    let ids: BTreeSet<&str> = consumed
        .iter()
        .filter_map(|one| one["headers"]["ce_id"].as_str())
        .collect();
    assert_eq!(ids.len(), 2, "each row has an id of its own: {consumed:?}");
    assert_eq!(
        consumed[0]["headers"]["ce_source"],
        format!("urn:meshlog:{port}")
    );

    let wanted = raw(&mesh, &port);
    let (good, bad): (Vec<_>, Vec<_>) = wanted.iter().partition(|(code, _)| code.is_empty());
    over_http(&mesh, &port);
    let python = from_python(&mesh, &domain, &format!("{port}.inbox"));
    let accepted = 2 + good.len() as u64 + 4 + python;
    let stats = mesh.settled(&port, accepted + bad.len() as u64);
    assert_eq!(
        stats["accepted"],
        accepted,
        "{stats}: {:?}",
        refusals(&mesh, &port)
    );
    let found = refusals(&mesh, &port);
    for (code, path) in bad {
        assert!(
            found.contains(&((*code).to_owned(), (*path).to_owned())),
            "{code} {path}: {found:?}"
        );
    }
    let rows = mesh.cli(&["consume", &port]).expect_code(0).json_lines();
    assert!(
        rows.contains(&json!({"id": "k1", "n": 2})),
        "data without their envelope: {rows:?}"
    );

    imported_files(&mesh, &domain);
}

/// A schema that imports a file beside it: registered with a reference, and events judged through both.
fn imported_files(mesh: &TestMesh, domain: &Domain) {
    let port = domain.port_named("papers", "orders");
    let order = json!({"id": "o1", "price": {"currency": "EUR", "units": 3}});
    let without = json!({"id": "o2"});
    let file = lines(domain, &[order.clone(), without]);
    mesh.cli(&["publish", &port, "--jsonl", &file])
        .expect_code(0);
    let stats = mesh.settled(&port, 2);
    assert_eq!(
        (&stats["accepted"], &stats["quarantined"]),
        (&json!(1), &json!(1)),
        "{stats}"
    );
    let missing = ("MESH-1006".to_owned(), "/price".to_owned());
    assert!(
        refusals(mesh, &port).contains(&missing),
        "{:?}",
        refusals(mesh, &port)
    );
    let consumed = mesh.cli(&["consume", &port]).expect_code(0).json_lines();
    assert_eq!(consumed, [order]);

    let url = format!(
        "{}/subjects/{port}-value/versions/latest",
        mesh.ready.registry
    );
    let client = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client");
    let answer = broker::runtime().block_on(async { client.get(url).send().await?.text().await });
    let latest: Value = serde_json::from_str(&answer.expect("an answer")).expect("JSON");
    let imported = format!("{port}-value/common/money.proto");
    let reference = json!([{"name": "common/money.proto", "subject": imported, "version": 1}]);
    assert_eq!(latest["references"], reference, "{latest}");
}
