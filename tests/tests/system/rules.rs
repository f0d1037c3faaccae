//! A contract's rules in the data path: what they refuse, what they only flag, and what no reason shows.

use serde_json::{Value, json};
use std::fs;
use std::ops::ControlFlow;
use tests::{Domain, TestMesh, broker};

fn record(id: &str, changes: &[(&str, Value)]) -> Value {
    let mut event = json!({"record_id": id, "customer_id": "acme", "conversation_id": "c-1", "model": "swift-2",
        "input_tokens": 10, "output_tokens": 3, "amount_micros": 8400, "currency": "EUR",
        "used_at": "2026-11-22T10:15:30.250Z"});
    for (name, value) in changes {
        event[name] = value.clone();
    }
    event
}

/// Values that break a rule each, and what says so.
fn broken() -> [(Value, &'static str, &'static str); 3] {
    [
        (
            record("b1", &[("input_tokens", json!(-5))]),
            "tokens-are-counted",
            "",
        ),
        (
            record("b2", &[("currency", json!("euro"))]),
            "currency-is-a-code",
            "/currency",
        ),
        (
            record(
                "b3",
                &[("output_tokens", json!(-1)), ("currency", json!(""))],
            ),
            "tokens-are-counted",
            "",
        ),
    ]
}

fn lines(domain: &Domain, events: &[Value]) -> String {
    let file = domain.scratch().join(broker::unique("events"));
    let text: Vec<String> = events.iter().map(Value::to_string).collect();
    fs::write(&file, text.join("\n")).expect("writes");
    file.to_str().expect("our paths are text").to_owned()
}

/// The values of a header over a whole topic.
fn headers(mesh: &TestMesh, topic: &str, name: &str) -> Vec<String> {
    let cluster = kafka::Cluster::new(&mesh.ready.bootstrap_servers);
    let spec = kafka::ScanSpec {
        topic: topic.to_owned(),
        partitions: None,
        from: kafka::ScanStart::Beginning,
        until: kafka::ScanEnd::CurrentEnd,
    };
    let mut found = Vec::new();
    kafka::scan(&cluster, &spec, |record| {
        let value = record.header(name).map(String::from_utf8_lossy);
        found.extend(value.map(std::borrow::Cow::into_owned));
        ControlFlow::Continue(())
    })
    .expect("the topic can be read");
    found
}

#[test]
fn rules_refuse_flag_and_show_nothing_that_is_classified() {
    let mut mesh = TestMesh::start("rules");
    let domain = Domain::example("billing");
    let contract = domain.dir().join("usage.odcs.yaml");
    let contract = contract.to_str().expect("our paths are text");

    // Before anything is applied: the same verdicts from the file alone.
    let implausible = record("a2", &[("amount_micros", json!(900_000_001))]);
    let good = [record("a1", &[]), implausible];
    let events: Vec<Value> = good
        .iter()
        .cloned()
        .chain(broken().map(|(event, _, _)| event))
        .collect();
    let sample = lines(&domain, &events);
    let tried = mesh
        .cli(&[
            "contract", "test", contract, "--sample", &sample, "-o", "json",
        ])
        .expect_code(3)
        .json_lines();
    let summary = tried.last().expect("a summary");
    assert_eq!(
        (
            &summary["accepted"],
            &summary["shadowed"],
            &summary["refused"]
        ),
        (&json!(2), &json!(1), &json!(3)),
        "{tried:?}"
    );
    let good_alone = lines(&domain, &good);
    mesh.cli(&["contract", "test", contract, "--sample", &good_alone])
        .expect_code(0);

    mesh.apply(&domain.dir());
    let port = domain.port_named("usage", "records");
    let published = mesh.cli(&["publish", &port, "--jsonl", &sample, "-o", "json"]);
    assert_eq!(published.json()["published"], 5);
    let stats = mesh.settled(&port, 5);
    assert_eq!(
        (
            &stats["accepted"],
            &stats["quarantined"],
            &stats["shadowed"]
        ),
        (&json!(2), &json!(3), &json!(1)),
        "{stats}"
    );
    assert_eq!(headers(&mesh, &port, "mesh-would-refuse"), ["MESH-1018"]);

    let rows = mesh
        .cli(&["quarantine", "list", &port, "-o", "json"])
        .json_lines();
    for (event, rule, path) in broken() {
        let row = rows.iter().find(|row| row["key"] == event["record_id"]);
        let reason = &row.expect("it is quarantined")["reasons"][0];
        assert_eq!(
            (&reason["rule"], &reason["path"]),
            (&json!(rule), &json!(path)),
            "{reason}"
        );
        assert_eq!(reason["code"], "MESH-1018");
    }
    let names = headers(&mesh, &format!("{port}.quarantine"), "__rule.name");
    assert_eq!(
        names
            .iter()
            .filter(|name| *name == "tokens-are-counted")
            .count(),
        2
    );

    // A rule that reads a classified field says so, and not what stood there.
    let secret = "900000001";
    let shown = tried.iter().map(Value::to_string).collect::<String>();
    assert!(shown.contains("amount_micros = (masked"), "{shown}");
    assert!(!shown.contains(secret), "{shown}");

    let shown = mesh.get(
        "/api/v1/contracts/billing-usage/versions/1.0.0"
            .replace("billing", &domain.name)
            .as_str(),
    );
    let decides: Vec<&Value> = shown["rules"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|rule| &rule["decides"])
        .collect();
    assert_eq!(decides, ["refuses", "shadow", "refuses"], "{shown}");
    redriven_when_the_contract_allows_it(&mesh, &domain, &port);
    whole_port_in_shadow(&mesh, &domain, &port);
    mesh.stop();
}

/// Events come back when a new version accepts them, once, whatever is asked for how often.
fn redriven_when_the_contract_allows_it(mesh: &TestMesh, domain: &Domain, port: &str) {
    let redrive = |more: &[&str]| {
        let arguments = [&["quarantine", "redrive", port, "-o", "json"][..], more].concat();
        mesh.cli(&arguments).expect_code(0).json()
    };
    let counts = |answer: &Value| {
        ["selected", "sent", "still_refused", "redriven_before"].map(|name| answer[name].as_u64())
    };
    let before = redrive(&["--dry-run"]);
    assert_eq!(
        counts(&before),
        [Some(3), Some(0), Some(3), Some(0)],
        "{before}"
    );

    let wider = domain.changed(
        "usage.odcs.yaml",
        &[
            ("version: 1.0.0", "version: 1.1.0"),
            ("event.input_tokens >= 0", "event.input_tokens >= -10"),
        ],
    );
    mesh.apply(&wider);
    let dry = redrive(&["--dry-run"]);
    assert_eq!(counts(&dry), [Some(3), Some(1), Some(2), Some(0)], "{dry}");
    let other = redrive(&["--reason", "currency-is-a-code"]);
    assert_eq!(
        counts(&other),
        [Some(2), Some(0), Some(2), Some(0)],
        "{other}"
    );
    assert!(
        other["seq"].is_null(),
        "nothing was done, so nothing is recorded: {other}"
    );
    let sent = redrive(&["--reason", "tokens-are-counted"]);
    assert_eq!(
        counts(&sent),
        [Some(2), Some(1), Some(1), Some(0)],
        "{sent}"
    );
    let again = redrive(&[]);
    assert_eq!(
        counts(&again),
        [Some(2), Some(0), Some(2), Some(1)],
        "{again}"
    );

    let stats = mesh.settled(port, 6);
    assert_eq!(
        (&stats["accepted"], &stats["quarantined"]),
        (&json!(3), &json!(3)),
        "{stats}"
    );
    let events = mesh.cli(&["consume", port]).expect_code(0).json_lines();
    let back = events.iter().filter(|event| event["record_id"] == "b1");
    assert_eq!(back.count(), 1, "{events:?}");
    assert!(
        headers(mesh, port, "mesh-redriven").is_empty(),
        "a product carries one header of ours"
    );
    let seq = sent["seq"].to_string();
    let fact = mesh
        .cli(&["audit", "show", &seq, "-o", "json"])
        .expect_code(0)
        .json();
    assert_eq!(fact["type"], "mesh.quarantine.redriven.v1", "{fact}");
}

/// The next version puts the port in shadow: everything that decodes or not is let through, counted and tagged.
fn whole_port_in_shadow(mesh: &TestMesh, domain: &Domain, port: &str) {
    let shadow = domain.changed(
        "usage.odcs.yaml",
        &[
            ("version: 1.0.0", "version: 1.2.0"),
            (
                "  - property: meshlog.partitions",
                "  - property: meshlog.mode\n    value: shadow\n  - property: meshlog.partitions",
            ),
        ],
    );
    mesh.apply(&shadow);
    mesh.produce(&format!("{port}.inbox"), "x", "no Avro at all");
    let stats = mesh.settled(port, 7);
    assert_eq!(
        (
            &stats["mode"],
            &stats["accepted"],
            &stats["quarantined"],
            &stats["shadowed"]
        ),
        (&json!("shadow"), &json!(4), &json!(3), &json!(2)),
        "{stats}"
    );
    let mut tags = headers(mesh, port, "mesh-would-refuse");
    tags.sort();
    assert_eq!(tags, ["MESH-1001", "MESH-1018"]);
}
