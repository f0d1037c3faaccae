//! A topic that was there before the mesh, with its producers and consumers, becomes a port's inbox: first in shadow, then
//! mended, then enforced (docs/adopting.md). Producers stay as they are, and so does the topic.

use kafka::{Admin, Cluster, Outgoing, Producer, ScanEnd, ScanSpec, ScanStart, TopicSpec};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use tests::broker::runtime;
use tests::registries::ask;
use tests::{Domain, LIMIT, TestMesh, python, wait_for};

const PARTITIONS: i32 = 2;

/// The checkout, which knows nothing of Meshlog, and its topic.
struct Legacy {
    cluster: Cluster,
    topic: String,
}

impl Legacy {
    /// A topic as the shop's documents name it, with settings of its own.
    fn of(domain: &Domain, mesh: &TestMesh) -> Self {
        let cluster = Cluster::new(&mesh.ready.bootstrap_servers);
        let topic = format!("legacy.{}.orders", domain.name);
        let configs = [("retention.ms", "-1"), ("segment.ms", "86400000")];
        let configs = configs.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let spec = TopicSpec {
            name: topic.clone(),
            partitions: PARTITIONS,
            replication: 1,
            configs: BTreeMap::from(configs),
        };
        let admin = Admin::new(&cluster).expect("an administrator");
        runtime()
            .block_on(admin.ensure_topics(&[spec]))
            .expect("the topic is made");
        Self { cluster, topic }
    }

    fn described(&self) -> Option<kafka::TopicDescription> {
        let admin = Admin::new(&self.cluster).expect("an administrator");
        runtime()
            .block_on(admin.describe_topic(&self.topic))
            .expect("the broker answers")
    }

    fn write(&self, events: impl Iterator<Item = (String, Vec<u8>)>) {
        let producer = Producer::new(&self.cluster).expect("a producer");
        for (key, value) in events {
            let event = Outgoing {
                topic: self.topic.clone(),
                key: Some(key.into_bytes()),
                value: Some(value),
                ..Outgoing::default()
            };
            runtime()
                .block_on(producer.send(event))
                .expect("the event is taken");
        }
    }

    /// Write the orders of these numbers.
    fn orders(&self, numbers: std::ops::Range<u64>) {
        self.write(numbers.map(|n| (customer(n), order(n).to_string().into_bytes())));
    }
}

fn customer(n: u64) -> String {
    format!("c-{}", n % 17)
}

/// Every tenth order lacks its currency, as old ones do; every 25th has a mistake that nobody wants.
fn order(n: u64) -> Value {
    let mut order = json!({"order_id": format!("o-{n:06}"), "customer_id": customer(n),
        "amount_cents": 100 + n, "currency": "EUR"});
    if lacks_currency(n) {
        order.as_object_mut().expect("an object").remove("currency");
    }
    if is_wrong(n) {
        order["amount_cents"] = json!(-1);
    }
    order
}

fn lacks_currency(n: u64) -> bool {
    n.is_multiple_of(10)
}

fn is_wrong(n: u64) -> bool {
    n % 25 == 7
}

fn count(numbers: std::ops::Range<u64>, which: fn(u64) -> bool) -> u64 {
    numbers.filter(|n| which(*n)).count() as u64
}

/// What a `read_committed` consumer reads of a topic: value and `mesh-src`.
fn read(legacy: &Legacy, topic: &str) -> Vec<(Vec<u8>, String, usize)> {
    let spec = ScanSpec {
        topic: topic.to_owned(),
        partitions: None,
        from: ScanStart::Beginning,
        until: ScanEnd::CurrentEnd,
    };
    let mut found = Vec::new();
    kafka::scan(&legacy.cluster, &spec, |record| {
        let source = record.header("mesh-src").map(String::from_utf8_lossy);
        let source = source.unwrap_or_default();
        let place = source.split('@').next().unwrap_or_default().to_owned();
        found.push((
            record.value.unwrap_or_default(),
            place,
            record.headers.len(),
        ));
        ControlFlow::Continue(())
    })
    .expect("the topic can be read");
    found
}

fn text(path: &Path) -> &str {
    path.to_str().expect("our paths are text")
}

/// The contract with these changes, in a file of its own.
fn contract(domain: &Domain, changes: &[(&str, &str)]) -> PathBuf {
    domain.changed("orders.odcs.yaml", changes)
}

const MENDED: [(&str, &str); 2] = [
    ("version: 1.0.0", "version: 1.1.0"),
    ("'^[A-Z]{3}$'}\n        required: true", "'^[A-Z]{3}$'}"),
];

/// What shadow let through, by path.
fn would_refuse(mesh: &TestMesh, port: &str) -> (BTreeMap<String, u64>, u64) {
    let stats = mesh
        .cli(&["quarantine", "stats", port, "--would-refuse", "-o", "json"])
        .json();
    let rows = stats["by_reason"].as_array().cloned().unwrap_or_default();
    let by_path = rows.iter().map(|row| {
        let path = row["path"].as_str().unwrap_or_default().to_owned();
        (path, row["count"].as_u64().unwrap_or_default())
    });
    (
        by_path.collect(),
        stats["mended"].as_u64().unwrap_or_default(),
    )
}

/// Waits until the enforcer judges by what is in force now: it follows a moment after `apply` has seen it.
fn in_force(mesh: &TestMesh, port: &str) {
    let shown = mesh.get(&format!("/api/v1/ports/{port}"));
    let activations = shown["activations"].as_array().cloned().unwrap_or_default();
    let seq = activations.last().and_then(|last| last["seq"].as_u64());
    wait_for("the enforcer judges by the last activation", LIMIT, || {
        let (_, text) = ask(&format!("{}/metrics", mesh.ready.http), None)?;
        let position = text
            .lines()
            .find_map(|line| line.strip_prefix("meshlog_enforcer_position "));
        let position = position.and_then(|position| position.parse().ok());
        if position >= seq {
            Ok(())
        } else {
            Err(format!("{position:?}"))
        }
    });
}

/// A topic that cannot be the inbox is refused before anything is sent.
fn is_not_adopted_with_mistakes(mesh: &TestMesh, domain: &Domain) {
    for (from, to, why) in [
        (
            "partitions\n    value: 2",
            "partitions\n    value: 3",
            "set meshlog.partitions to 2",
        ),
        ("value: legacy.", "value: legasy.", "does not exist"),
    ] {
        let wrong = contract(domain, &[(from, to)]);
        let output = mesh.cli(&["apply", "-f", text(&wrong)]).expect_code(3);
        assert!(output.stderr.contains(why), "{output:?}");
    }
}

#[test]
fn a_running_topic_is_adopted_in_shadow_mended_and_enforced() {
    let mut mesh = TestMesh::start("adopt");
    let domain = Domain::example("shop");
    let legacy = Legacy::of(&domain, &mesh);
    let port = domain.port("orders");
    legacy.orders(0..200);
    let before = legacy.described();

    is_not_adopted_with_mistakes(&mesh, &domain);
    let applied = mesh.apply(&domain.dir());
    let notes = applied["notes"].to_string();
    assert!(notes.contains("200 records"), "{applied}");
    // Its producers go on, and know nothing.
    legacy.orders(200..400);
    let stats = mesh.settled(&port, 400);
    let (lacking, wrong) = (count(0..400, lacks_currency), count(0..400, is_wrong));
    let either = count(0..400, |n| lacks_currency(n) || is_wrong(n));
    let counted = |stats: &Value| {
        let of = |name: &str| stats[name].as_u64().unwrap_or_default();
        (of("accepted"), of("quarantined"), of("shadowed"))
    };
    assert_eq!(counted(&stats), (400, 0, either), "{stats}");
    assert_eq!(stats["mode"], "shadow");
    let reasons = BTreeMap::from([
        ("/currency".to_owned(), lacking),
        ("/amount_cents".to_owned(), wrong),
    ]);
    assert_eq!(would_refuse(&mesh, &port), (reasons, 0));

    // Old orders may lack a currency after all: nothing was promised yet, so the contract may say so.
    let again = mesh.apply(&contract(&domain, &MENDED));
    assert_eq!(again["status"], "accepted", "{again}");
    assert_eq!(again["notes"], Value::Null, "adopted once: {again}");
    let reasons = BTreeMap::from([("/amount_cents".to_owned(), wrong)]);
    let mended = count(0..400, |n| lacks_currency(n) && !is_wrong(n));
    assert_eq!(would_refuse(&mesh, &port), (reasons, mended));

    let enforcing = [
        ("version: 1.0.0", "version: 1.1.1"),
        MENDED[1],
        ("value: shadow", "value: enforce"),
    ];
    mesh.apply(&contract(&domain, &enforcing));
    in_force(&mesh, &port);
    legacy.orders(400..600);
    let refused = count(400..600, is_wrong);
    let stats = mesh.settled(&port, 600);
    assert_eq!(counted(&stats), (600 - refused, refused, either), "{stats}");
    // From now on it is a promise.
    let back = contract(&domain, &[("version: 1.0.0", "version: 1.2.0")]);
    let output = mesh.cli(&["apply", "-f", text(&back)]).expect_code(3);
    assert!(output.stderr.contains("MESH-2010"), "{output:?}");

    consumers_can_move(&legacy, &port, refused);
    counted_by_another_client(&mesh, &port, refused);
    assert_eq!(legacy.described(), before, "the topic stays as it was");
    mesh.stop();
}

/// Whoever moves from the old topic to the port finds every event once, unchanged; whoever stays finds what was there.
fn consumers_can_move(legacy: &Legacy, port: &str, refused: u64) {
    let product = read(legacy, port);
    let quarantine = read(legacy, &format!("{port}.quarantine"));
    assert_eq!(quarantine.len() as u64, refused);
    let places: BTreeSet<&String> = product
        .iter()
        .chain(&quarantine)
        .map(|(_, place, _)| place)
        .collect();
    assert_eq!(
        places.len(),
        600,
        "each event of the old topic is in one of the two, once"
    );
    let values: BTreeSet<&Vec<u8>> = product
        .iter()
        .chain(&quarantine)
        .map(|(value, _, _)| value)
        .collect();
    let written: Vec<Vec<u8>> = (0..600)
        .map(|n| order(n).to_string().into_bytes())
        .collect();
    assert_eq!(values, written.iter().collect(), "as they were written");
    let old = read(legacy, &legacy.topic);
    assert_eq!(old.len(), 600);
    assert!(
        old.iter().all(|(_, _, headers)| *headers == 0),
        "the old topic is read, not written"
    );
}

fn counted_by_another_client(mesh: &TestMesh, port: &str, refused: u64) {
    let quarantine = format!("{port}.quarantine");
    let arguments = [mesh.ready.bootstrap_servers.as_str(), port, &quarantine];
    let Some(counted) = python::client("count.py", &arguments) else {
        return;
    };
    let topics = json!({port: 600 - refused, quarantine: refused});
    let expected = json!({"records": topics, "distinct_sources": 600, "sources_increase": true});
    assert_eq!(counted.json(), expected);
}

const FIRST: &str = r#"{"type":"record","name":"Order","namespace":"checkout","fields":[
    {"name":"order_id","type":"string"},{"name":"customer_id","type":"string"},{"name":"amount_cents","type":"long"}]}"#;
const SECOND: &str = r#"{"type":"record","name":"Order","namespace":"checkout","fields":[
    {"name":"order_id","type":"string"},{"name":"customer_id","type":"string"},{"name":"amount_cents","type":"long"},
    {"name":"currency","type":["null","string"],"default":null}]}"#;

/// As the checkout's own serializer registered it, before there was a mesh.
fn registered(mesh: &TestMesh, topic: &str, schema: &str) -> u32 {
    let url = format!("{}/subjects/{topic}-value/versions", mesh.ready.registry);
    let (status, answer) =
        ask(&url, Some(&json!({"schema": schema}))).expect("the registry answers");
    assert_eq!(status, 200, "{answer}");
    let answer: Value = serde_json::from_str(&answer).expect("JSON");
    u32::try_from(answer["id"].as_u64().expect("an id")).expect("ids are small")
}

/// An order in Confluent's frame: `tail` is what the second schema adds.
fn framed(id: u32, n: u64, tail: &[u8]) -> (String, Vec<u8>) {
    let mut value = vec![0];
    value.extend(id.to_be_bytes());
    for text in [format!("o-{n:06}"), customer(n)] {
        value.push(u8::try_from(text.len() * 2).expect("short"));
        value.extend(text.as_bytes());
    }
    value.push(u8::try_from(n * 2).expect("below 64"));
    value.extend(tail);
    (customer(n), value)
}

/// The contract as Avro, with this schema file.
fn avro(domain: &Domain, version: &str, schema: &str) -> PathBuf {
    let file = format!("orders-{version}.avsc");
    fs::write(domain.scratch().join(&file), schema).expect("writes");
    let implementation = format!(
        "logicalType: object\n    authoritativeDefinitions:\n      - type: implementation\n        url: {file}\n"
    );
    let version = format!("version: {version}");
    contract(
        domain,
        &[
            ("version: 1.0.0", &version),
            ("format: json", "format: avro"),
            ("logicalType: object\n", &implementation),
        ],
    )
}

#[test]
fn schemas_that_producers_registered_before_keep_their_ids_once_a_version_names_them() {
    let mut mesh = TestMesh::start("adopt-avro");
    let domain = Domain::example("shop");
    let legacy = Legacy::of(&domain, &mesh);
    let port = domain.port("orders");
    let ids = [FIRST, SECOND].map(|schema| registered(&mesh, &legacy.topic, schema));
    let euro = [&[2, 6][..], b"EUR"].concat();
    legacy.write((0..20).map(|n| framed(ids[0], n, &[])));
    legacy.write((20..30).map(|n| framed(ids[1], n, &euro)));

    for file in ["team.yaml", "domain.yaml"] {
        mesh.apply(&domain.dir().join(file));
    }
    mesh.apply(&avro(&domain, "1.0.0", FIRST));
    mesh.apply(&domain.dir().join("orders.odps.yaml"));
    let stats = mesh.settled(&port, 30);
    assert_eq!(
        stats["shadowed"], 10,
        "the second schema is not the contract's yet: {stats}"
    );
    mesh.apply(&avro(&domain, "1.1.0", SECOND));
    legacy.write((30..40).map(|n| framed(ids[0], n, &[])));
    legacy.write((40..50).map(|n| framed(ids[1], n, &euro)));
    let stats = mesh.settled(&port, 50);
    assert_eq!(
        (&stats["accepted"], &stats["shadowed"]),
        (&json!(50), &json!(10)),
        "{stats}"
    );
    assert_eq!(
        would_refuse(&mesh, &port),
        (BTreeMap::new(), 10),
        "today all of them would pass"
    );

    // The identical schema stays registered, another one is the contract's to decide.
    assert_eq!(registered(&mesh, &legacy.topic, FIRST), ids[0]);
    let url = format!(
        "{}/subjects/{}-value/versions",
        mesh.ready.registry, legacy.topic
    );
    let other = json!({"schema": FIRST.replace("amount_cents", "amount")});
    let (status, answer) = ask(&url, Some(&other)).expect("the registry answers");
    assert!(
        status == 422 && answer.contains("meshlog apply"),
        "{status} {answer}"
    );
    mesh.stop();
}
