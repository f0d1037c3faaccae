//! Events over HTTP: judged as over Kafka, written once for an idempotency key, refused while they cannot be taken.

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::OnceLock;
use std::time::Duration;
use tests::broker::runtime;
use tests::process::signal;
use tests::{Domain, Kafka, LIMIT, Role, TestMesh, wait_for};

/// An answer: status, whether it was given before, body.
#[derive(Debug, Clone, PartialEq)]
struct Answer {
    status: u16,
    replayed: bool,
    retry_after: bool,
    body: Value,
}

fn client() -> &'static reqwest::Client {
    static CLIENT: OnceLock<reqwest::Client> = OnceLock::new();
    CLIENT.get_or_init(|| {
        let builder = reqwest::Client::builder().no_proxy();
        builder.build().expect("a client")
    })
}

async fn request(url: String, body: Vec<u8>, headers: Vec<(String, String)>) -> Answer {
    let mut request = client().post(url).timeout(Duration::from_secs(60));
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let answer = request.body(body).send().await.expect("an answer");
    let is_there = |name: &str| answer.headers().contains_key(name);
    let (replayed, retry_after) = (is_there("idempotency-replayed"), is_there("retry-after"));
    let status = answer.status().as_u16();
    let text = answer.text().await.expect("a text");
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    Answer {
        status,
        replayed,
        retry_after,
        body,
    }
}

fn address(http: &str, port: &str) -> String {
    format!("{http}/api/v1/ports/{port}/events")
}

fn headers(more: &[(&str, &str)]) -> Vec<(String, String)> {
    let json = [("content-type", "application/json")];
    let all = json.iter().chain(more);
    all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// Posts JSON to an address, perhaps under a key.
fn post(url: &str, body: &Value, key: Option<&str>) -> Answer {
    let key: Vec<_> = key
        .map(|key| ("idempotency-key", key))
        .into_iter()
        .collect();
    let (url, body) = (url.to_owned(), body.to_string().into_bytes());
    runtime().block_on(request(url, body, headers(&key)))
}

fn message(id: &str) -> Value {
    json!({"message_id": id, "conversation_id": "c-1", "customer_id": "acme", "sender": "user",
        "sent_at": "2026-11-22T10:15:30.250Z", "text": "Where is my invoice?", "tokens": 5})
}

fn usage(id: &str) -> Value {
    json!({"record_id": id, "customer_id": "acme", "conversation_id": "c-1", "model": "swift-2",
        "input_tokens": 3, "output_tokens": 4, "amount_micros": 12, "currency": "EUR",
        "used_at": "2026-11-22T10:15:30.250Z", "plan": "team"})
}

fn reading(id: &str) -> Value {
    json!({"device_id": id, "sequence": 1, "celsius": 41.5, "state": "BUSY",
        "taken_at": "2026-11-22T10:15:30.250Z"})
}

/// The event without one of its members.
fn without(mut event: Value, member: &str) -> Value {
    event
        .as_object_mut()
        .expect("an object")
        .remove(member)
        .expect("it is there");
    event
}

/// Code and path of each reason.
fn reasons(list: &Value) -> BTreeSet<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = list.as_array().into_iter().flatten();
    list.map(|reason| (text(&reason["code"]), text(&reason["path"])))
        .collect()
}

/// A domain of the examples on a mesh, and the address of one of its ports, which is in force.
fn open(mesh: &TestMesh, example: &str, product: &str, port: &str) -> (String, String) {
    let domain = Domain::example(example);
    mesh.apply(&domain.dir());
    let port = domain.port_named(product, port);
    let url = address(&mesh.ready.http, &port);
    wait_for("the port takes events", LIMIT, || {
        // No body is no event: nothing is written.
        let answer = runtime().block_on(request(url.clone(), Vec::new(), headers(&[])));
        if answer.status == 400 {
            Ok(())
        } else {
            Err(format!("{answer:?}"))
        }
    });
    (port, url)
}

/// One good and one bad event: both verdicts, and what the enforcer says of the same bytes.
#[track_caller]
fn same_verdicts(mesh: &TestMesh, (port, url): &(String, String), good: &Value, bad: &Value) {
    let accepted = post(url, good, None);
    assert_eq!(accepted.status, 202, "{accepted:?}");
    assert_eq!(accepted.body["status"], "accepted");
    assert!(accepted.body["offset"].is_i64() && accepted.body["partition"].is_i64());

    let rejected = post(url, bad, None);
    assert_eq!(rejected.status, 422, "{rejected:?}");
    assert_eq!(rejected.body["quarantined"], Value::Null);
    let said = reasons(&rejected.body["reasons"]);
    assert!(!said.is_empty(), "{rejected:?}");
    let stats = mesh.settled(port, 1);
    assert_eq!(stats["inbox"], 1, "a refused event is not written: {stats}");
    assert_eq!(stats["accepted"], 1, "{stats}");

    let quarantined = post(&format!("{url}?on_invalid=quarantine"), bad, None);
    assert_eq!(quarantined.status, 422, "{quarantined:?}");
    assert_eq!(quarantined.body["quarantined"], true);
    assert_eq!(reasons(&quarantined.body["reasons"]), said);
    let stats = mesh.settled(port, 2);
    assert_eq!(stats["quarantined"], 1, "once: {stats}");
    let found = mesh
        .cli(&["quarantine", "stats", port, "-o", "json"])
        .json();
    assert_eq!(reasons(&found["by_reason"]), said, "{found}");
    let shown = mesh.cli(&["consume", port]).expect_code(0).json_lines();
    assert_eq!(shown.len(), 1, "{shown:?}");
}

#[test]
fn events_over_http_are_judged_as_over_kafka() {
    let mut mesh = TestMesh::start("gateway");
    let messages = open(&mesh, "conversations", "messages", "events");
    let mut bad = without(message("m-2"), "text");
    bad["rating"] = 7.into();
    same_verdicts(&mesh, &messages, &message("m-1"), &bad);
    let records = open(&mesh, "billing", "usage", "records");
    same_verdicts(&mesh, &records, &usage("u-1"), &usage(""));
    let readings = open(&mesh, "devices", "readings", "events");
    let bad = without(reading("x"), "device_id");
    same_verdicts(&mesh, &readings, &reading("m-1"), &bad);

    // What cannot be written in the contract's encoding at all is told field by field, and quarantined as its text.
    let (port, url) = &records;
    let url_to_quarantine = format!("{url}?on_invalid=quarantine");
    let answer = post(&url_to_quarantine, &without(usage("u-2"), "currency"), None);
    let expected = [("MESH-1006".to_owned(), "/currency".to_owned())];
    assert_eq!(
        reasons(&answer.body["reasons"]),
        expected.into(),
        "{answer:?}"
    );
    assert_eq!(mesh.settled(port, 3)["quarantined"], 2);

    let (port, url) = &messages;
    let array = json!([message("m-3"), {"no": "message"}, message("m-4")]);
    let answer = post(url, &array, None);
    assert_eq!(answer.status, 207, "{answer:?}");
    let parts = answer.body.as_array().expect("an array");
    let statuses: Vec<_> = parts
        .iter()
        .map(|part| (&part["id"], &part["status"]))
        .collect();
    let expected = json!(["0", "accepted", "1", "rejected", "2", "accepted"]);
    let flat: Vec<&Value> = statuses
        .into_iter()
        .flat_map(|(id, status)| [id, status])
        .collect();
    assert_eq!(json!(flat), expected, "{answer:?}");
    assert_eq!(mesh.settled(port, 4)["accepted"], 3);

    refusals(&mesh, &messages);
    let metrics = tests::registries::ask(&format!("{}/metrics", mesh.ready.http), None);
    let (_, metrics) = metrics.expect("metrics");
    assert!(
        metrics.contains("meshlog_gateway_events_total{status=\"accepted\"}"),
        "{metrics}"
    );
    assert!(
        metrics.contains("meshlog_gateway_bytes_in_flight 0\n"),
        "{metrics}"
    );
    mesh.stop();
}

/// What is no request, before anything is written.
fn refusals(mesh: &TestMesh, (port, url): &(String, String)) {
    let ask = |url: &str, body: &[u8], headers: Vec<(String, String)>| {
        runtime().block_on(request(url.to_owned(), body.to_vec(), headers))
    };
    let one = message("m-9").to_string().into_bytes();
    let nowhere = address(&mesh.ready.http, "no.such.port.v1");
    assert_eq!(ask(&nowhere, &one, headers(&[])).status, 404);
    let no_name = address(&mesh.ready.http, "NO");
    assert_eq!(ask(&no_name, &one, headers(&[])).status, 404);
    let plain = vec![("content-type".to_owned(), "text/plain".to_owned())];
    assert_eq!(ask(url, &one, plain).status, 415);
    assert_eq!(ask(url, &one, vec![]).status, 415);
    let packed = headers(&[("content-encoding", "gzip")]);
    assert_eq!(ask(url, &one, packed).status, 415);
    let broken = ask(url, b"{\n\"a\": }", headers(&[]));
    assert_eq!(broken.status, 400);
    let detail = broken.body["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("line 2 column 6"), "{broken:?}");
    for body in [&b"[]"[..], b"3", b""] {
        assert_eq!(ask(url, body, headers(&[])).status, 400);
    }
    assert_eq!(
        ask(&format!("{url}?on_invalid=drop"), &one, headers(&[])).status,
        400
    );
    assert_eq!(ask(url, &vec![b' '; 1_000_001], headers(&[])).status, 413);
    let many = format!("[{}1]", "1,".repeat(1_000));
    assert_eq!(ask(url, many.as_bytes(), headers(&[])).status, 413);
    let long = "k".repeat(201);
    assert_eq!(
        ask(url, &one, headers(&[("idempotency-key", &long)])).status,
        400
    );
    let nobody = headers(&[("meshlog-principal", "system:governor")]);
    assert_eq!(ask(url, &one, nobody).status, 400);
    assert_eq!(
        mesh.settled(port, 4)["inbox"],
        4,
        "nothing of it was written"
    );
}

#[test]
fn a_key_is_written_once_whoever_is_asked() {
    let mut mesh = TestMesh::start("keys");
    let (port, url) = open(&mesh, "conversations", "messages", "events");
    let body = json!([message("m-1"), {"no": "message"}]);
    let first = post(&url, &body, Some("k 1"));
    assert_eq!((first.status, first.replayed), (207, false), "{first:?}");
    assert_eq!(first.body[0]["status"], "accepted");
    let again = Answer {
        replayed: true,
        ..first.clone()
    };
    assert_eq!(post(&url, &body, Some("k 1")), again);
    let other = post(&url, &message("m-2"), Some("k 1"));
    assert_eq!(other.status, 422, "{other:?}");
    assert_eq!(other.body["title"], "the key was used otherwise");

    // Another gateway, and this one after its end.
    let second = Role::start(&mesh.id, &["gateway", "--http-port", "0"]);
    let http = second.ready["http"]
        .as_str()
        .expect("an address")
        .to_owned();
    let elsewhere = address(&http, &port);
    assert_eq!(post(&elsewhere, &body, Some("k 1")), again);
    mesh.kill_9();
    mesh.restart();
    assert_eq!(post(&url, &body, Some("k 1")), again);
    assert_eq!(mesh.settled(&port, 1)["inbox"], 1);

    // Both at once, again and again: one of them writes.
    for round in 0..6 {
        let (key, body) = (format!("race {round}"), message(&format!("r-{round}")));
        let asked = [&url, &elsewhere, &url, &elsewhere].map(|url| {
            let key = headers(&[("idempotency-key", &key)]);
            runtime().spawn(request(url.clone(), body.to_string().into_bytes(), key))
        });
        let answers = asked.map(|asked| runtime().block_on(asked).expect("no panic"));
        let of = |status| answers.iter().filter(move |answer| answer.status == status);
        let written = of(202).filter(|answer| !answer.replayed).count();
        assert_eq!(written, 1, "{answers:?}");
        assert_eq!(of(202).count() + of(409).count(), 4, "{answers:?}");
        let places: BTreeSet<String> = of(202).map(|answer| answer.body.to_string()).collect();
        assert_eq!(places.len(), 1, "{answers:?}");
    }
    let stats = mesh.settled(&port, 7);
    assert_eq!(
        (&stats["inbox"], &stats["accepted"]),
        (&json!(7), &json!(7)),
        "{stats}"
    );
    second.stop();
    mesh.stop();
}

#[test]
fn without_a_broker_events_fail_and_can_be_sent_again() {
    let mut mesh = TestMesh::start_on("brokerless", Kafka::Own);
    let (port, url) = open(&mesh, "conversations", "messages", "events");
    assert_eq!(post(&url, &message("m-1"), Some("k-1")).status, 202);
    let record = std::fs::read(mesh.dir().join("kafka/broker.json")).expect("a broker runs");
    let record: Value = serde_json::from_slice(&record).expect("JSON");
    let pid = record["process"]["pid"].as_u64().expect("a process id");
    let pid = u32::try_from(pid).expect("a process id");
    signal(pid, Signal::SIGSTOP);
    let failed = post(&url, &message("m-2"), None);
    let keyed = post(&url, &message("m-3"), Some("k-2"));
    signal(pid, Signal::SIGCONT);
    assert_eq!(
        (failed.status, failed.retry_after),
        (503, true),
        "{failed:?}"
    );
    assert_eq!(failed.body["event"], "failed");
    assert_eq!((keyed.status, keyed.retry_after), (503, true), "{keyed:?}");
    let taken = |key: Option<&str>, id: &str| {
        wait_for("events are taken again", LIMIT, || {
            let answer = post(&url, &message(id), key);
            match answer.status {
                202 => Ok(answer),
                _ => Err(format!("{answer:?}")),
            }
        })
    };
    taken(None, "m-4");
    taken(Some("k-2"), "m-3");
    assert!(taken(Some("k-2"), "m-3").replayed);
    let stats = mesh.settled(&port, 3);
    // What had failed may have been written all the same; the key was written once.
    let inbox = stats["inbox"].as_u64().unwrap_or_default();
    assert!((3..=4).contains(&inbox), "{stats}");
    let shown = mesh.cli(&["consume", &port]).expect_code(0).json_lines();
    let third = shown.iter().filter(|event| event["message_id"] == "m-3");
    assert_eq!(third.count(), 1, "{shown:?}");
    mesh.stop();
}
