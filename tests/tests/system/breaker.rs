//! A bad deploy: the breaker opens within seconds, closes by itself once the producer is mended, and obeys operators.

use serde_json::{Value, json};
use std::fs;
use std::time::Duration;
use tests::{Domain, TestMesh, broker, wait_for};

/// A deploy is noticed, or mended, within this time: the second look ahead comes after ten seconds.
const SOON: Duration = Duration::from_secs(60);

/// Usage records, good or with a currency that breaks a rule.
fn events(domain: &Domain, name: &str, range: std::ops::Range<usize>, currency: &str) -> String {
    let record = |n: usize| {
        json!({"record_id": format!("{name}-{n}"), "customer_id": "acme", "conversation_id": "c-1",
            "model": "swift-2", "input_tokens": 10, "output_tokens": 3, "amount_micros": 8400,
            "currency": currency, "used_at": "2026-11-22T10:15:30.250Z"})
        .to_string()
    };
    let file = domain.scratch().join(broker::unique(name));
    let lines: Vec<String> = range.map(record).collect();
    fs::write(&file, lines.join("\n")).expect("writes");
    file.to_str().expect("our paths are text").to_owned()
}

struct Scene {
    mesh: TestMesh,
    domain: Domain,
    port: String,
}

impl Scene {
    fn publish(&self, name: &str, count: usize, currency: &str) {
        let file = events(&self.domain, name, 0..count, currency);
        let published = self
            .mesh
            .cli(&["publish", &self.port, "--jsonl", &file, "-o", "json"]);
        assert_eq!(published.json()["published"], count);
    }

    fn breaker(&self, verb: &str) -> Value {
        self.mesh
            .cli(&["breaker", verb, &self.port, "-o", "json"])
            .json()
    }

    /// Waits for statistics that are as they should be.
    fn stats(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let path = format!("/api/v1/ports/{}/stats", self.port);
        wait_for(what, SOON, || {
            let stats = self.mesh.try_get(&path)?;
            if is_so(&stats) {
                Ok(stats)
            } else {
                Err(stats.to_string())
            }
        })
    }

    /// The facts about the port's breaker: type without its prefix, actor.
    fn facts(&self) -> Vec<(String, String)> {
        let arguments = ["audit", "log", "--type", "mesh.port.breaker", "--subject"];
        let arguments = [&arguments[..], &[&self.port, "-o", "json"]].concat();
        let facts = self.mesh.cli(&arguments).json_lines();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let short = |fact: &Value| text(&fact["type"]).replace("mesh.port.breaker.", "");
        facts
            .iter()
            .map(|fact| (short(fact), text(&fact["actor"])))
            .collect()
    }
}

#[test]
fn a_bad_deploy_waits_in_the_inbox_until_it_is_mended() {
    let mesh = TestMesh::start("breaker");
    let domain = Domain::example("billing");
    mesh.apply(&domain.dir());
    let port = domain.port_named("usage", "records");
    let scene = Scene { mesh, domain, port };
    scene.publish("good", 60, "EUR");
    scene.mesh.settled(&scene.port, 60);

    scene.publish("bad", 900, "euro");
    let open = scene.stats("the breaker opens", |stats| stats["state"] == "breaker");
    let why = open["why"].as_str().expect("it says why").to_owned();
    assert!(why.contains("MESH-1018 at /currency"), "{why}");
    // Partitions open one by one; all three together let fewer than a hundred each into quarantine.
    let waiting = scene.stats("all partitions are held", |stats| {
        let judged = stats["inbox"].as_u64().unwrap_or(0);
        judged < 360 && stats["lag"].as_u64() == Some(960 - judged)
    });
    assert!(waiting["quarantined"].as_u64() < Some(300), "{waiting}");
    let status = scene.breaker("status");
    assert_eq!(status["state"], "open", "{status}");
    let metrics = format!("{}/metrics", scene.mesh.ready.http);
    let (_, metrics) = tests::registries::ask(&metrics, None).expect("metrics");
    let gauge = format!("meshlog_port_breaker_open{{port=\"{}\"}} 1", scene.port);
    assert!(metrics.contains(&gauge), "{metrics}");

    // Rolled back: it goes on by itself, and every event is where it belongs, once.
    scene.publish("mended", 600, "EUR");
    let stats = scene.stats("it closes by itself", |stats| {
        stats["state"] == "running" && stats["lag"] == 0
    });
    let counts = ["inbox", "accepted", "quarantined"].map(|name| stats[name].clone());
    assert_eq!(counts, [json!(1560), json!(660), json!(900)]);
    let quarantined = scene
        .mesh
        .cli(&["quarantine", "list", &scene.port, "-o", "json"]);
    let mut keys: Vec<String> = quarantined
        .json_lines()
        .iter()
        .map(|row| row["key"].to_string())
        .collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 900, "each of the bad ones once");
    let facts = scene.facts();
    let of = |what: &str| facts.iter().filter(|(kind, _)| kind == what).count();
    assert_eq!(of("opened.v1"), of("closed.v1"), "{facts:?}");
    assert!((1..=3).contains(&of("opened.v1")), "{facts:?}");
    assert!(
        facts.iter().all(|(_, actor)| actor == "system:enforcer"),
        "{facts:?}"
    );
    operator(&scene);
    scene.mesh.cli(&["audit", "verify"]).expect_code(0);
}

/// Hold and reset by command.
fn operator(scene: &Scene) {
    let held = scene.breaker("hold");
    assert_eq!(held["done"], "held", "{held}");
    assert!(scene.breaker("hold")["seq"].is_null(), "it is held already");
    scene.stats("it is held", |stats| stats["state"] == "breaker");
    scene.publish("held", 20, "EUR");
    let waiting = scene.stats("events wait", |stats| stats["lag"] == 20);
    assert_eq!(waiting["inbox"], 1560, "{waiting}");
    let shown = scene.mesh.get(&format!("/api/v1/ports/{}", scene.port));
    assert_eq!(shown["breaker"]["state"], "held", "{shown}");
    assert_eq!(scene.breaker("reset")["done"], "reset");
    let stats = scene.stats("it goes on", |stats| {
        stats["state"] == "running" && stats["lag"] == 0
    });
    assert_eq!(stats["accepted"], 680, "{stats}");
    let kinds: Vec<String> = scene.facts().into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds[kinds.len() - 2..], ["held.v1", "reset.v1"]);
    let nowhere = ["breaker", "hold", "no.such.port.v1"];
    scene.mesh.cli(&nowhere).expect_code(3);
}
