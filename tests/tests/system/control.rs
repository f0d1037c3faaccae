//! The control path: documents in, facts out, over the command line and over plain Kafka; and the log of it all.

use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;
use tests::process::{Output, run};
use tests::{Domain, TestMesh, broker, mesh, python, root};

/// Applies a document that must be refused, for this reason; the refusal.
#[track_caller]
fn refused(mesh: &TestMesh, document: &Path, code: &str) -> Value {
    let path = document.to_str().expect("our paths are text");
    let before = mesh.get("/api/v1/state");
    let dry = mesh.cli(&["apply", "-f", path, "--dry-run"]).expect_code(3);
    assert!(dry.text().contains(code), "{dry:?}");
    assert_eq!(
        mesh.get("/api/v1/state"),
        before,
        "a dry run leaves no trace"
    );
    let output = mesh
        .cli(&["apply", "-f", path, "-o", "json"])
        .expect_code(3);
    assert!(
        output.stderr.contains(code),
        "people are told too: {output:?}"
    );
    let answer = output.json_line();
    let reasons = answer["reasons"].as_array().cloned().unwrap_or_default();
    let reason = reasons
        .iter()
        .find(|reason| reason["code"] == code)
        .cloned();
    let reason = reason.unwrap_or_default();
    let message = reason["message"].as_str().unwrap_or_default();
    assert!(
        !message.is_empty(),
        "{code} is not among the reasons: {answer}"
    );
    let fact = mesh
        .cli(&["audit", "show", &answer["seq"].to_string(), "-o", "json"])
        .json();
    assert_eq!(
        fact["type"], "mesh.proposal.rejected.v1",
        "a refusal is a fact: {fact}"
    );
    reason
}

#[test]
fn applying_again_changes_nothing_and_says_so() {
    let mut mesh = TestMesh::start("again");
    let domain = Domain::flights();
    let first = mesh.apply(&domain.dir());
    assert_eq!(first["status"], "accepted", "{first}");
    let before = mesh.get("/api/v1/state");
    let second = mesh.apply(&domain.dir());
    assert_eq!(second["status"], "unchanged", "{second}");
    let documents = second["documents"].as_array().cloned().unwrap_or_default();
    assert_eq!(documents.len(), 6, "{second}");
    assert!(
        documents
            .iter()
            .all(|document| document["result"] == "unchanged"),
        "{second}"
    );
    assert_eq!(mesh.get("/api/v1/state"), before);
    let ports = mesh
        .cli(&["port", "list", "-o", "json"])
        .expect_code(0)
        .json_lines();
    let shown: Vec<_> = ports
        .iter()
        .map(|port| (port["port"].clone(), port["encoding"].clone()))
        .collect();
    let expected = [
        (json!(domain.port("arrivals")), json!("avro")),
        (json!(domain.port("departures")), json!("json")),
    ];
    assert_eq!(shown, expected);
    mesh.stop();
}

#[test]
fn what_is_wrong_is_refused_with_reasons_and_kept_as_a_fact() {
    let mesh = TestMesh::start("refusing");
    let domain = Domain::flights();
    mesh.apply(&domain.dir());

    let document = domain.changed(
        "domain.yaml",
        &[("owner: flight-operations", "owner: nobody")],
    );
    let reason = refused(&mesh, &document, "MESH-2002");
    assert!(
        reason["way_out"]
            .as_str()
            .unwrap_or_default()
            .contains("flight-operations"),
        "{reason}"
    );

    let unknown_type = [
        ("version: 1.0.0", "version: 1.1.0"),
        ("logicalType: integer", "logicalType: number-ish"),
    ];
    refused(
        &mesh,
        &domain.changed("arrivals.odcs.yaml", &unknown_type),
        "MESH-2006",
    );

    let servers = "\nservers:";
    let named =
        "\nauthoritativeDefinitions:\n  - type: implementation\n    url: broken.avsc\nservers:";
    std::fs::write(
        domain.scratch().join("broken.avsc"),
        r#"{"type":"record","name":1}"#,
    )
    .expect("writes");
    let broken = [("version: 1.0.0", "version: 1.1.0"), (servers, named)];
    refused(
        &mesh,
        &domain.changed("arrivals.odcs.yaml", &broken),
        "MESH-2006",
    );

    let renamed = [
        ("version: 1.0.0", "version: 1.1.0"),
        ("- name: dep_time", "- name: departed_at"),
    ];
    let reason = refused(
        &mesh,
        &domain.changed("departures.odcs.yaml", &renamed),
        "MESH-2010",
    );
    assert!(
        reason["way_out"]
            .as_str()
            .unwrap_or_default()
            .contains("2.0.0"),
        "{reason}"
    );

    let edited = [("purpose: >-", "purpose: >-\n    Not the same.")];
    refused(
        &mesh,
        &domain.changed("departures.odcs.yaml", &edited),
        "MESH-2008",
    );

    let log = mesh.cli(&["audit", "log", "--outcome", "rejected", "-o", "json"]);
    assert_eq!(
        log.expect_code(0).json_lines().len(),
        5,
        "each refusal, and no dry run"
    );
}

#[test]
fn a_domain_proposes_over_plain_kafka_and_only_for_itself() {
    let mesh = TestMesh::start("plain");
    let (domain, other) = (Domain::flights(), Domain::flights());
    mesh.apply(&domain.dir());
    mesh.apply(&other.dir());
    let propose = |own: &Domain, document: &Path| -> Option<Value> {
        let path = document.to_str().expect("our paths are text");
        let arguments = [
            mesh.ready.bootstrap_servers.as_str(),
            &mesh.id,
            &own.name,
            path,
        ];
        python::client("propose.py", &arguments).map(Output::json)
    };
    let change = [("description: Flights", "description: All the flights")];
    let document = domain.changed("domain.yaml", &change);
    let Some(accepted) = propose(&domain, &document) else {
        return;
    };
    assert_eq!(accepted["status"], "accepted", "{accepted}");
    let fact = mesh
        .cli(&[
            "audit",
            "show",
            &accepted["seqs"][0].to_string(),
            "-o",
            "json",
        ])
        .json();
    assert_eq!(fact["type"], "mesh.domain.updated.v1", "{fact}");
    assert_eq!(fact["actor"], format!("domain:{}", domain.name), "{fact}");
    let unchanged = propose(&domain, &document).unwrap_or_default();
    assert_eq!(unchanged["status"], "unchanged", "{unchanged}");

    let foreign = domain.changed(
        "domain.yaml",
        &[("description: Flights", "description: Mine,")],
    );
    let refused = propose(&other, &foreign).unwrap_or_default();
    assert_eq!(refused["status"], "rejected", "{refused}");
    assert_eq!(refused["reasons"][0]["code"], "MESH-2005", "{refused}");
}

#[test]
fn a_minor_version_takes_effect_without_a_restart() {
    let mesh = TestMesh::start("minor");
    let domain = Domain::flights();
    mesh.apply(&domain.dir());
    let port = domain.port("departures");
    let inbox = format!("{port}.inbox");
    let key = r#"[2013,1,1,"UA",1545,"EWR"]"#;
    let with_gate = r#"{"year":2013,"month":1,"day":1,"dep_time":517,"sched_dep_time":515,"sched_arr_time":819,"carrier":"UA","flight":1545,"origin":"EWR","dest":"IAH","distance":1400,"hour":5,"minute":15,"time_hour":"2013-01-01T10:00:00Z","gate":"C7"}"#;
    let without = with_gate.replace(r#","gate":"C7""#, "");
    mesh.produce(&inbox, key, &without);
    mesh.produce(&inbox, key, with_gate);
    let before = mesh.settled(&port, 2);
    assert_eq!(
        (&before["accepted"], &before["quarantined"]),
        (&json!(1), &json!(1)),
        "{before}"
    );

    let gate = "properties:\n      - name: gate\n        logicalType: string\n        classification: public";
    let minor = [("version: 1.0.0", "version: 1.1.0"), ("properties:", gate)];
    let answer = mesh.apply(&domain.changed("departures.odcs.yaml", &minor));
    assert_eq!(answer["status"], "accepted", "{answer}");
    // Apply returns when the version is in force: what is written from now on is judged by it.
    mesh.produce(&inbox, key, with_gate);
    mesh.produce(&inbox, key, &without);
    let after = mesh.settled(&port, 4);
    assert_eq!(
        (&after["accepted"], &after["quarantined"]),
        (&json!(3), &json!(1)),
        "{after}"
    );
    assert_eq!(
        after["contract"],
        format!("{}-departures@1.1.0", domain.name),
        "{after}"
    );
    let reasons = mesh
        .cli(&["quarantine", "stats", &port, "-o", "json"])
        .json();
    assert_eq!(reasons["by_reason"][0]["code"], "MESH-1009", "{reasons}");
    let consumed = mesh
        .cli(&["consume", &port, "-o", "json"])
        .expect_code(0)
        .json_lines();
    assert_eq!(consumed.len(), 3, "{consumed:?}");
}

#[test]
fn the_log_verifies_and_others_can_read_it() {
    let mesh = TestMesh::start("audited");
    let domain = Domain::flights();
    mesh.apply(&domain.dir());
    let state = mesh.get("/api/v1/state");
    let verdict = mesh.cli(&["audit", "verify", "-o", "json"]).json();
    let size = state["seq"].as_u64().map(|seq| seq + 1);
    assert_eq!(
        (&verdict["ok"], verdict["size"].as_u64()),
        (&json!(true), size),
        "{verdict}"
    );
    assert_eq!(verdict["root"], state["root"], "{verdict}");
    assert_eq!(
        verdict["root"].as_str().map(str::len),
        Some(64),
        "{verdict}"
    );

    let schemas = root().join("schemas/governance");
    let schemas = schemas.to_str().expect("our paths are text");
    let arguments = [mesh.ready.bootstrap_servers.as_str(), &mesh.id, schemas];
    let Some(printed) = python::client("print_log.py", &arguments) else {
        return;
    };
    let facts = printed.expect_code(0).json_lines();
    let seqs: Vec<Option<u64>> = facts.iter().map(|fact| fact["seq"].as_u64()).collect();
    let expected: Vec<Option<u64>> = (0..size.unwrap_or_default()).map(Some).collect();
    assert_eq!(seqs, expected, "dense, from 0");
    assert_eq!(facts[0]["type"], "mesh.founded.v1");
    assert_eq!(facts[0]["body"]["mesh_id"], mesh.id);
    let ours = mesh
        .cli(&["audit", "log", "-o", "json"])
        .expect_code(0)
        .json_lines();
    let kinds = |facts: &[Value]| facts.iter().map(|f| f["type"].clone()).collect::<Vec<_>>();
    assert_eq!(kinds(&ours), kinds(&facts));
}

#[test]
fn a_log_topic_that_may_lose_facts_is_not_used() {
    let id = broker::unique("compacted");
    let governance = format!("{id}.governance");
    let spec = kafka::TopicSpec {
        name: governance.clone(),
        partitions: 1,
        replication: 1,
        configs: [("cleanup.policy".to_owned(), "compact".to_owned())].into(),
    };
    let admin = kafka::Admin::new(&broker::cluster()).expect("an administrator");
    broker::runtime()
        .block_on(admin.ensure_topics(&[spec]))
        .expect("a topic");
    let home = tempfile::tempdir().expect("a temporary directory");
    let mut up = mesh::up(&id, home.path(), tests::Kafka::Shared);
    let output = run(&mut up, Duration::from_secs(60));
    assert!(!matches!(output.code, None | Some(0)), "{output:?}");
    for word in [governance.as_str(), "cleanup.policy", "delete", "compact"] {
        assert!(
            output.stderr.contains(word),
            "`{word}` is missing: {output:?}"
        );
    }
    assert_eq!(output.stdout, "", "not ready");
}
