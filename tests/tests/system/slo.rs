//! Promises measured on a live port: kept, broken until the breach is a fact, kept again; who reads; and each event in one
//! window, over a crash.

use kafka::tx::{KafkaPort, Polled, Progress, TransactionalPort, TxConfig};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;
use tests::broker::unique;
use tests::{Domain, Kafka, LIMIT, TestMesh, wait_for};

/// What the contract promises here: an event every two seconds, and no message twice.
const PROMISES: [(&str, &str); 3] = [
    ("    value: 1\n    unit: d\n", "    value: 2\n    unit: s\n"),
    (
        "      - name: message_id\n",
        "      - name: message_id\n        quality: [{name: no-doubles, metric: duplicateValues, mustBe: 0}]\n",
    ),
    (
        "slaProperties:\n",
        "slaProperties:\n  - {property: generalAvailability, value: \"2026-12-01\"}\n",
    ),
];

struct Port {
    mesh: TestMesh,
    address: String,
    produced: u64,
}

impl Port {
    fn produce(&mut self, id: &str) {
        let event = json!({"message_id": id, "conversation_id": "c-1", "customer_id": "acme", "sender": "user",
            "sent_at": "2026-11-22T10:15:30.250Z", "text": "Where is my invoice?", "tokens": 5});
        self.mesh.produce(
            &format!("{}.inbox", self.address),
            "c-1",
            &event.to_string(),
        );
        self.produced += 1;
    }

    fn produce_one(&mut self) {
        let id = format!("m-{}", self.produced);
        self.produce(&id);
    }

    fn slo(&self) -> Result<Value, String> {
        self.mesh
            .try_get(&format!("/api/v1/ports/{}/slo", self.address))
    }

    /// Waits until a promise is in a state that is, or is not, recorded as a breach; `each` is done before each look.
    fn wait_for(
        &mut self,
        name: &str,
        state: &str,
        recorded: bool,
        mut each: impl FnMut(&mut Self),
    ) -> Value {
        wait_for(&format!("{name} is {state}"), LIMIT, || {
            each(self);
            let slo = self.slo()?;
            let objective = objective(&slo, name).clone();
            if objective["state"] == state && objective["breach"].is_null() != recorded {
                Ok(objective)
            } else {
                Err(slo.to_string())
            }
        })
    }

    fn facts(&self, kind: &str) -> Vec<Value> {
        let lines = self
            .mesh
            .cli(&["audit", "log", "--type", kind, "-o", "json"]);
        lines.json_lines()
    }

    /// Events by window, of all partitions.
    fn windows(&self) -> BTreeMap<String, u64> {
        let cluster = kafka::Cluster::new(&self.mesh.ready.bootstrap_servers);
        let spec = kafka::ScanSpec {
            topic: format!("{}.observations", self.mesh.id),
            partitions: None,
            from: kafka::ScanStart::Beginning,
            until: kafka::ScanEnd::CurrentEnd,
        };
        let mut windows = BTreeMap::new();
        let mut twice = Vec::new();
        kafka::scan(&cluster, &spec, |record| {
            let key =
                String::from_utf8_lossy(record.key.as_deref().unwrap_or_default()).into_owned();
            if key.starts_with(&format!("slo/{}/", self.address)) {
                let window: Value =
                    serde_json::from_slice(record.value.as_deref().unwrap_or_default())
                        .expect("JSON");
                let events = window["figures"]["events"].as_u64().expect("a count");
                if windows.insert(key.clone(), events).is_some() {
                    twice.push(key);
                }
            }
            ControlFlow::Continue(())
        })
        .expect("the topic can be read");
        assert!(twice.is_empty(), "written twice: {twice:?}");
        windows
    }
}

fn objective<'a>(slo: &'a Value, name: &str) -> &'a Value {
    let mut objectives = slo["objectives"].as_array().into_iter().flatten();
    objectives
        .find(|it| it["name"] == name)
        .unwrap_or(&Value::Null)
}

fn open() -> Port {
    let mesh = TestMesh::start_configured("slo", Kafka::Shared, "[observer]\nwindow_seconds = 1\n");
    let domain = Domain::example("conversations");
    let contract = domain.changed("messages.odcs.yaml", &PROMISES);
    std::fs::copy(contract, domain.dir().join("messages.odcs.yaml")).expect("copies");
    mesh.apply(&domain.dir());
    let address = domain.port_named("messages", "events");
    Port {
        mesh,
        address,
        produced: 0,
    }
}

/// A consumer that reads some events of a topic, commits, and leaves.
fn consume(mesh: &TestMesh, topic: &str, group: &str, most: usize) {
    let mut port = KafkaPort::new(&TxConfig {
        cluster: kafka::Cluster::new(&mesh.ready.bootstrap_servers),
        group: group.to_owned(),
        transactional_id: group.to_owned(),
    });
    port.subscribe(&[topic.to_owned()]);
    let mut read: BTreeMap<i32, i64> = BTreeMap::new();
    let mut seen = 0;
    wait_for("a consumer reads", LIMIT, || {
        let polled = port.poll(Duration::from_millis(100), &mut |record, _| {
            seen += 1;
            read.insert(record.partition, record.offset + 1);
        });
        if polled == Polled::Record && seen >= most {
            Ok(())
        } else {
            Err(format!("{polled:?}"))
        }
    });
    let progress: Vec<Progress> = read
        .into_iter()
        .map(|(partition, next)| Progress {
            topic: topic.to_owned(),
            partition,
            next,
            metadata: String::new(),
        })
        .collect();
    assert_eq!(port.commit(&progress), kafka::tx::Outcome::Committed);
    port.close();
}

#[test]
fn promises_are_kept_broken_and_kept_again_beside_their_figures() {
    let mut port = open();
    let kept = port.wait_for("latency", "kept", false, Port::produce_one);
    assert!(
        kept["measured"]
            .as_f64()
            .is_some_and(|seconds| seconds < 5.0),
        "{kept}"
    );
    port.wait_for("frequency", "kept", false, Port::produce_one);
    port.wait_for("retention", "kept", false, Port::produce_one);
    let slo = port.slo().expect("answers");
    assert_eq!(
        objective(&slo, "generalAvailability")["state"],
        "not_measured",
        "{slo}"
    );
    assert_eq!(objective(&slo, "no-doubles")["state"], "kept", "{slo}");
    assert_eq!(objective(&slo, "errorRate"), &Value::Null);

    // Nothing comes: the frequency is broken, and once it is breached that is a fact with the promise beside the figure.
    port.wait_for("frequency", "breached", true, |_| {});
    let facts = port.facts("mesh.port.slo.breached.v1");
    let breach = facts
        .iter()
        .find(|fact| fact["body"]["objective"] == "frequency");
    let breach = &breach.expect("the breach is a fact")["body"];
    assert_eq!(breach["port"], port.address.as_str());
    assert_eq!(
        (&breach["version"], &breach["promised"], &breach["unit"]),
        (&json!("1.0.0"), &json!("an event every 2 s"), &json!("s"))
    );
    let measured: f64 = breach["measured"]
        .as_str()
        .and_then(|it| it.parse().ok())
        .expect("a figure");
    assert!(measured > 2.0, "{breach}");

    // Events again, each twice: one promise recovers, the rule is breached.
    port.wait_for("no-doubles", "breached", true, |port| {
        let id = format!("d-{}", port.produced / 2);
        port.produce(&id);
        port.produce(&id);
    });
    port.wait_for("frequency", "kept", false, Port::produce_one);
    let recovered = port.facts("mesh.port.slo.recovered.v1");
    let of_frequency = recovered
        .iter()
        .filter(|fact| fact["body"]["objective"] == "frequency");
    assert_eq!(of_frequency.count(), 1, "{recovered:?}");
    port.wait_for("no-doubles", "kept", false, Port::produce_one);

    let group = unique("readers");
    consume(&port.mesh, &port.address, &group, 2);
    let seen = wait_for("the consumer is seen", LIMIT, || {
        let slo = port.slo()?;
        let mut consumers = slo["consumers"].as_array().into_iter().flatten();
        let found = consumers.find(|consumer| consumer["group"] == group.as_str());
        found.cloned().ok_or_else(|| slo.to_string())
    });
    assert!(
        seen["lag"].as_u64() >= Some(port.produced - 3),
        "{seen} of {}",
        port.produced
    );

    let table = port
        .mesh
        .cli(&["port", "slo", &port.address])
        .expect_code(0)
        .text();
    for text in [
        "PROMISE",
        "at most 5 s for 99 % of the events",
        "an event every 2 s",
        "a date is kept by people",
        group.as_str(),
    ] {
        assert!(table.contains(text), "{text}: {table}");
    }
    one_window_for_each_event_over_a_crash(port);
}

fn one_window_for_each_event_over_a_crash(mut port: Port) {
    port.produce_one();
    port.mesh.kill_9();
    port.mesh.restart();
    port.produce_one();
    let produced = port.produced;
    wait_for("each event is in a window", LIMIT, || {
        let events: u64 = port.windows().values().sum();
        assert!(
            events <= produced,
            "{events} events in windows, {produced} produced"
        );
        if events == produced {
            Ok(())
        } else {
            Err(format!("{events} of {produced}"))
        }
    });
}
