//! A registry's content goes into another with its ids, versions and deletions, once, also after a kill.

use serde_json::{Value, json};
use std::process::Command;
use std::time::Duration;
use tests::mesh::binary;
use tests::process::{Output, Running, run};
use tests::registries::{Registry, ask};
use tests::{LIMIT, wait_for};

/// Versions to be moved in the test with a kill: enough for a run to be met in its midst.
const MANY: usize = 2_000;

/// Runs `meshlog registry …`.
fn cli(home: &tempfile::TempDir, arguments: &[&str]) -> Output {
    run(&mut command(home, arguments), LIMIT)
}

fn command(home: &tempfile::TempDir, arguments: &[&str]) -> Command {
    let mut command = binary(home.path());
    command.arg("registry").args(arguments).args(["-o", "json"]);
    command
}

fn register(registry: &Registry, subject: &str, body: &Value) {
    let url = format!("{}/subjects/{subject}/versions", registry.url);
    let told = ask(&url, Some(body)).expect("an answer");
    assert_eq!(told.0, 200, "{}", told.1);
}

fn request(method: reqwest::Method, url: String, body: &Value) {
    let client = reqwest::Client::builder().no_proxy().build();
    let request = client.expect("a client").request(method, &url);
    let sent = request
        .header("content-type", "application/json")
        .body(body.to_string());
    let answer = tests::broker::runtime().block_on(sent.send());
    let status = answer.expect("an answer").status();
    assert!(status.is_success(), "{url}: {status}");
}

/// Versions that refer to others, in two contexts, some softly deleted, with settings and a mode.
fn fill(registry: &Registry) {
    let avro = |text: &str| json!({"schema": text});
    register(
        registry,
        "b",
        &avro(r#"{"type":"fixed","name":"B","size":1}"#),
    );
    let record = r#"{"type":"record","name":"A","fields":[{"name":"b","type":"B"}]}"#;
    let to_b = json!([{"name": "B", "subject": "b", "version": 1}]);
    register(
        registry,
        "a",
        &json!({"schema": record, "references": to_b}),
    );
    register(registry, "c", &avro("\"int\""));
    register(registry, "c", &avro("\"long\""));
    register(registry, ":.eu:c", &avro("\"string\""));
    register(
        registry,
        "j",
        &json!({"schema": "{}", "schemaType": "JSON"}),
    );
    let proto = "syntax = \"proto3\";\nmessage M { string m = 1; }";
    register(
        registry,
        "p",
        &json!({"schema": proto, "schemaType": "PROTOBUF"}),
    );
    let url = |path: &str| format!("{}{path}", registry.url);
    request(
        reqwest::Method::DELETE,
        url("/subjects/c/versions/1"),
        &json!({}),
    );
    request(reqwest::Method::DELETE, url("/subjects/j"), &json!({}));
    request(
        reqwest::Method::PUT,
        url("/config/c"),
        &json!({"compatibility": "FULL"}),
    );
    request(
        reqwest::Method::PUT,
        url("/mode/:.eu:"),
        &json!({"mode": "READONLY"}),
    );
}

#[test]
fn a_registry_moves_with_its_ids_and_only_once() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let (from, to) = (Registry::start("moving-from"), Registry::start("moving-to"));
    fill(&from);
    let file = home.path().join("export.jsonl");
    let file = file.to_str().expect("a path in UTF-8");
    let exported = cli(&home, &["export", "--from", &from.url, "--to", file]);
    let exported = exported.expect_code(0).json_line();
    assert_eq!(
        (&exported["schemas"], &exported["deleted"]),
        (&json!(7), &json!(2))
    );
    let import = ["import", "--from", file, "--registry", &to.url];
    let first = cli(&home, &import).expect_code(0).json_line();
    assert_eq!(
        (&first["registered"], &first["deleted"]),
        (&json!(7), &json!(2))
    );
    assert_eq!(first["differences"], json!([]));
    let second = cli(&home, &import).expect_code(0).json_line();
    for what in ["registered", "deleted", "configs", "modes"] {
        assert_eq!(second[what], 0, "{what} of a second run");
    }
    assert_eq!(to.get("/mode"), Ok((200, json!({"mode": "READWRITE"}))));
    assert_eq!(to.get("/subjects/c/versions"), Ok((200, json!([2]))));
    register(&to, "new", &json!({"schema": "\"bytes\""}));
    let check = ["check", "--from", &from.url, "--registry", &to.url];
    let told = cli(&home, &check).expect_code(3).json_line();
    assert_eq!(told["differences"][0]["subject"], "new", "{told}");
}

#[test]
fn a_registry_with_other_content_is_left_as_it_is() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let (from, to) = (
        Registry::start("blocked-from"),
        Registry::start("blocked-to"),
    );
    register(&from, "s", &json!({"schema": "\"int\""}));
    register(&to, "other", &json!({"schema": "\"long\""}));
    let import = ["import", "--from", &from.url, "--registry", &to.url];
    let refused = cli(&home, &import).expect_code(3);
    assert!(
        refused.stderr.contains("id 1 of subject 's'"),
        "{}",
        refused.stderr
    );
    assert_eq!(to.get("/subjects"), Ok((200, json!(["other"]))));
    assert_eq!(to.get("/mode"), Ok((200, json!({"mode": "READWRITE"}))));
}

#[test]
fn a_killed_import_is_gone_on_with() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let to = Registry::start("killed-to");
    let file = home.path().join("export.jsonl");
    let mut lines = vec![json!({
        "format": "meshlog-registry-export", "version": 1, "source": "made", "contexts": ["."],
        "schemas": MANY, "configs": 0, "modes": 1,
    })];
    lines.extend((0..MANY).map(|number| {
        let schema = format!(r#"{{"type":"fixed","name":"F{number}","size":1}}"#);
        json!({
            "kind": "schema", "subject": format!("s{number}"), "version": 3, "id": number * 2 + 5,
            "schemaType": "AVRO", "schema": schema,
        })
    }));
    lines.push(json!({"kind": "mode", "mode": "READWRITE"}));
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    std::fs::write(&file, text).expect("writes");
    let file = file.to_str().expect("a path in UTF-8");
    let import = ["import", "--from", file, "--registry", &to.url];
    let count = || {
        let (_, subjects) = to.get("/subjects")?;
        Ok::<_, String>(subjects.as_array().map_or(0, Vec::len))
    };
    let running = Running::start(&mut command(&home, &import));
    wait_for("some subjects", Duration::from_secs(60), || {
        match count()? {
            0 => Err("none".to_owned()),
            _ => Ok(()),
        }
    });
    running.kill_9();
    let met = count().expect("an answer");
    assert!(met < MANY, "the import was over before it was killed");
    let rest = cli(&home, &import).expect_code(0).json_line();
    assert_eq!(rest["differences"], json!([]));
    assert_eq!(to.get("/mode"), Ok((200, json!({"mode": "READWRITE"}))));
    let last = format!("/subjects/s{}/versions/3", MANY - 1);
    let (_, told) = to.get(&last).expect("an answer");
    assert_eq!(told["id"], (MANY - 1) * 2 + 5);
}
