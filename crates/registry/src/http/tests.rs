//! Requests made to hurt, against the routes in process: each is answered with a code that fits it, in our JSON form.
//!
//! What takes long is in [`aside`], what panics in [`panics`]. Nothing here reaches a broker: reads see a state that stands still, and what would be written is refused before.

mod aside;
mod panics;

use super::{MAX_BODY, router};
use crate::{content::MAX_SCHEMA, service::Service, state::State, topics::Topics, view::View};
use axum::{
    Router,
    body::{Body, to_bytes},
    http::Request,
};
use serde_json::{Value, json};
use tokio::sync::watch;
use tower::ServiceExt;

fn state() -> State {
    let mut state = State::default();
    for (subject, version, id) in [
        ("a/b", 1, 1),
        ("s", 1, 2),
        ("s", 2, 3),
        ("\u{fc}", 1, 4),
        ("%2F", 1, 5),
    ] {
        let value = json!({"subject": subject, "version": version, "id": id, "schema": format!("\"fixed{id}\"")});
        let key = crate::record::Key::schema(subject, version).encode();
        state
            .fold(&key, Some(value.to_string().as_bytes()), None)
            .expect("folds");
    }
    state
}

fn service() -> Service {
    let cluster = kafka::Cluster::new("127.0.0.1:1");
    let producer = kafka::Producer::new(&cluster).expect("a producer");
    let (_status, writer) = watch::channel(kafka::WriterStatus::StandBy);
    Service::new(
        View::still(state()),
        producer,
        Topics::new("mesh", "_schemas"),
        writer,
        "c".into(),
    )
}

struct Answer {
    status: u16,
    body: Value,
}

impl Answer {
    /// The status, and the code where there is one.
    fn codes(&self) -> (u16, u64) {
        (self.status, self.body["error_code"].as_u64().unwrap_or(0))
    }
}

async fn ask(method: &str, path: &str, body: impl Into<Body>) -> Answer {
    ask_of(router(service()), method, path, body).await
}

async fn ask_of(registry: Router, method: &str, path: &str, body: impl Into<Body>) -> Answer {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", "application/json")
        .body(body.into())
        .expect("a request");
    let response = registry.oneshot(request).await.expect("answered");
    let status = response.status().as_u16();
    let content_type = response.headers()["content-type"].clone();
    assert_eq!(
        content_type, "application/vnd.schemaregistry.v1+json",
        "{path}"
    );
    let bytes = to_bytes(response.into_body(), usize::MAX)
        .await
        .expect("a body");
    let body =
        serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{path}: {error}: {bytes:?}"));
    if status >= 400 {
        let Value::Object(members) = &body else {
            panic!("{path}: {body}")
        };
        let names: Vec<&str> = members.keys().map(String::as_str).collect();
        assert_eq!(names, ["error_code", "message"], "{path}");
        assert_ne!(status, 500, "{path}: {body}");
    }
    Answer { status, body }
}

fn schema(text: &str) -> String {
    json!({"schema": text}).to_string()
}

#[tokio::test]
async fn bodies_that_are_too_large_are_answered_as_such() {
    let quoted = |length: usize| format!("\"{}\"", "a".repeat(length));
    for path in [
        "/subjects/n/versions",
        "/subjects/s",
        "/compatibility/subjects/s/versions",
    ] {
        let answer = ask("POST", path, schema(&quoted(MAX_SCHEMA))).await;
        assert_eq!(answer.codes(), (422, 42209), "{path}: {}", answer.body);
    }
    for path in [
        "/subjects/n/versions",
        "/import/schemas",
        "/contexts/.c/subjects/n/versions",
    ] {
        let answer = ask("POST", path, schema(&quoted(MAX_BODY))).await;
        assert_eq!(answer.codes(), (413, 413), "{path}: {}", answer.body);
    }
    for path in ["/config", "/mode/s"] {
        let answer = ask("PUT", path, schema(&quoted(MAX_BODY))).await;
        assert_eq!(answer.codes(), (413, 413), "{path}: {}", answer.body);
    }
}

#[tokio::test]
async fn bodies_that_are_no_requests_are_refused() {
    let deep = "[".repeat(100_000);
    let nested = format!(
        "{{\"schema\":{}\"\"{}}}",
        "[".repeat(5_000),
        "]".repeat(5_000)
    );
    for body in [
        b"".to_vec(),
        b"\xff\xfe{}".to_vec(),
        b"{\"schema\":\"\xff\"}".to_vec(),
        b"{\"schema\":\"\\ud800\"}".to_vec(),
        b"{\"schema\":\"x\",\"schema\":\"y\"".to_vec(),
        b"{\"schema\":7}".to_vec(),
        b"{\"schema\":\"x\",\"version\":1e400}".to_vec(),
        b"{\"schema\":\"x\",\"version\":99999999999999999999}".to_vec(),
        b"{\"schema\":\"x\",\"id\":1.5}".to_vec(),
        b"{\"schema\":\"x\",\"references\":[{\"name\":\"n\",\"subject\":\"s\",\"version\":4294967296}]}".to_vec(),
        b"{\"schema\":\"x\",\"references\":{}}".to_vec(),
        b"\"\"".to_vec(),
        b"null".to_vec(),
        deep.into_bytes(),
        nested.into_bytes(),
    ] {
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        let answer = ask("POST", "/subjects/n/versions", body).await;
        assert_eq!(answer.codes(), (400, 400), "{shown}: {}", answer.body);
    }
    for body in [
        "{\"schema\":\"\\u0000\"}",
        "{\"schema\":\"x\",\"schemaType\":\"\\u0000\"}",
    ] {
        let answer = ask("POST", "/subjects/n/versions", body).await;
        assert_eq!(answer.status, 422, "{body}: {}", answer.body);
    }
}

#[tokio::test]
async fn names_are_read_once_and_checked() {
    // `%2F` is a slash in a subject, `%252F` the three characters that escape one
    for (path, expected) in [
        ("/subjects/a%2Fb/versions", json!([1])),
        ("/subjects/%C3%BC/versions", json!([1])),
        ("/subjects/%252F/versions", json!([1])),
        ("/contexts/./subjects/a%2Fb/versions", json!([1])),
        ("/subjects/:.:s/versions", json!([1, 2])),
        ("/subjects/%3A.%3As/versions", json!([1, 2])),
    ] {
        let answer = ask("GET", path, "").await;
        assert_eq!((answer.status, &answer.body), (200, &expected), "{path}");
    }
    for (path, codes) in [
        ("/subjects/%00/versions", (404, 40401)),
        ("/subjects/%2F/versions", (404, 40401)),
        ("/subjects/a%252Fb/versions", (404, 40401)),
        ("/subjects/%2e%2e/versions", (404, 40401)),
        ("/subjects//versions", (404, 40401)),
        ("/subjects/%ff/versions", (400, 400)),
        ("/contexts/%ff/subjects", (400, 400)),
        ("/contexts/%00/subjects", (422, 422)),
        ("/contexts/a%2Fb/subjects", (422, 422)),
        ("/contexts/.c/%ff", (400, 400)),
        ("/contexts/.c/contexts/.d/subjects", (404, 404)),
        ("/schemas/guids/%00", (404, 40403)),
        ("/schemas/guids/%ff", (400, 400)),
    ] {
        assert_eq!(ask("GET", path, "").await.codes(), codes, "{path}");
    }
    for subject in [
        "%00",
        "a%0Ab",
        "%7F",
        "a%C2%85",
        "__EMPTY",
        ":.eu:",
        ":.eu:%00",
        ":.%00:s",
        ":*:s",
        ":.c%0d%0a:s",
    ] {
        let answer = ask(
            "POST",
            &format!("/subjects/{subject}/versions"),
            schema("\"string\""),
        )
        .await;
        assert_eq!(answer.codes(), (422, 42208), "{subject}: {}", answer.body);
    }
    let long = "n".repeat(20_000);
    let answer = ask(
        "POST",
        &format!("/subjects/{long}/versions"),
        schema("\"string\""),
    )
    .await;
    assert_eq!(answer.codes(), (422, 42208), "a name too long");
}

#[tokio::test]
async fn numbers_beyond_their_range_are_answered() {
    for (path, codes) in [
        ("/schemas/ids/4294967296", (404, 404)),
        ("/schemas/ids/4294967295", (404, 40403)),
        ("/schemas/ids/0", (404, 40403)),
        ("/schemas/ids/-1", (404, 404)),
        ("/schemas/ids/1e3", (404, 404)),
        ("/schemas/ids/%31", (200, 0)),
        ("/subjects/s/versions/2147483648", (422, 42202)),
        ("/subjects/s/versions/2147483647", (404, 40402)),
        ("/subjects/s/versions/99999999999999999999", (422, 42202)),
        ("/subjects/s/versions/0", (422, 42202)),
        ("/subjects/s/versions/%00", (422, 42202)),
        ("/subjects/s/versions/-0", (422, 42202)),
    ] {
        let answer = ask("GET", path, "").await;
        assert_eq!(answer.codes(), codes, "{path}: {}", answer.body);
    }
    for (query, expected) in [
        ("limit=9223372036854775807&offset=1", json!([2])),
        ("limit=99999999999999999999", json!([1, 2])),
        ("offset=99999999999999999999", json!([1, 2])),
        ("offset=9223372036854775807", json!([])),
        ("offset=-9223372036854775808&limit=-1", json!([1, 2])),
        ("limit=1&limit=2", json!([1])),
        ("limit=%31", json!([1])),
        ("offset=1e0&limit=0x1", json!([1, 2])),
        ("deleted=%00&=&&a", json!([1, 2])),
    ] {
        let answer = ask("GET", &format!("/subjects/s/versions?{query}"), "").await;
        assert_eq!(answer.body, expected, "{query}");
    }
    for query in ["limit=%zz", "limit=%ff", "%"] {
        let answer = ask("GET", &format!("/subjects/s/versions?{query}"), "").await;
        assert!(
            matches!(answer.status, 200 | 400),
            "{query}: {}",
            answer.body
        );
    }
}

#[tokio::test]
async fn a_member_given_twice_counts_as_the_last() {
    let body =
        r#"{"schema":"\"fixed2\"","schema":"\"string\"","schemaType":"JSON","schemaType":"AVRO"}"#;
    let answer = ask("POST", "/subjects/s", body).await;
    assert_eq!(answer.codes(), (404, 40403), "{}", answer.body);
}

#[tokio::test]
async fn tags_of_a_protobuf_schema_are_found() {
    let service = service();
    let text = r#"syntax = "proto3"; import "confluent/meta.proto"; message M { option (confluent.message_meta).tags = "S";
        int32 a = 1 [(confluent.field_meta) = {tags: ["PII", "EU"]}]; }"#;
    let value =
        json!({"subject": "p", "version": 1, "id": 9, "schemaType": "PROTOBUF", "schema": text});
    service.view().take(&kafka::Record {
        topic: "_schemas".into(),
        partition: 0,
        offset: 0,
        timestamp_ms: None,
        key: Some(crate::record::Key::schema("p", 1).encode()),
        value: Some(value.to_string().into_bytes()),
        headers: vec![],
    });
    let record =
        json!({"schemaEntity": {"entityPath": "M", "entityType": "sr_record"}, "tags": ["S"]});
    let field = json!({"schemaEntity": {"entityPath": "M.a", "entityType": "sr_field"}, "tags": ["PII", "EU"]});
    for (tags, expected) in [
        ("*", json!([record, field])),
        ("PII", json!([field])),
        ("none", Value::Null),
    ] {
        let path = format!("/subjects/p/versions/1?findTags={tags}");
        let answer = ask_of(router(service.clone()), "GET", &path, "").await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.body["schemaTags"], expected, "{tags}");
    }
}
