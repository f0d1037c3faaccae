//! The API over the example mesh: what each address says, of the present and of the past.

use crate::fixture::Fixture;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, Response, StatusCode};
use catalog::{Freshness, Site, View};
use futures_util::StreamExt;
use serde_json::Value;
use std::sync::Arc;
use tower::ServiceExt;

pub(crate) async fn get(site: &Site, path: &str) -> Response<Body> {
    let router: Router = site.router();
    let request = Request::get(path).body(Body::empty()).expect("a request");
    router.oneshot(request).await.expect("answers")
}

async fn json(site: &Site, path: &str) -> (StatusCode, Value) {
    let response = get(site, path).await;
    let status = response.status();
    let bytes = to_bytes(response.into_body(), usize::MAX)
        .await
        .expect("a body");
    let text = String::from_utf8_lossy(&bytes);
    (
        status,
        serde_json::from_slice(&bytes).unwrap_or(Value::String(text.into_owned())),
    )
}

pub(crate) async fn ok(site: &Site, path: &str) -> Value {
    let (status, body) = json(site, path).await;
    assert_eq!(status, StatusCode::OK, "{path}: {body}");
    body
}

#[tokio::test]
async fn every_address_answers_with_its_position() {
    let fixture = Fixture::full();
    let (site, _sender) = fixture.site();
    let last = fixture.log.len() as u64 - 1;
    for path in [
        "/api/v1/mesh",
        "/api/v1/state",
        "/api/v1/domains",
        "/api/v1/teams",
        "/api/v1/products",
        "/api/v1/products/flights/departures",
        "/api/v1/ports",
        "/api/v1/ports/flights.departures.events.v1",
        "/api/v1/ports/flights.departures.events.v1/stats",
        "/api/v1/contracts",
        "/api/v1/contracts/conversations-messages",
        "/api/v1/contracts/conversations-messages/versions/1.0.0",
        "/api/v1/schemas/1",
        "/api/v1/search?q=dep",
        "/api/v1/governance/events",
        "/api/v1/proposals/cli%2Falice%23flights",
        "/",
        "/search?q=tokens",
        "/products/flights/departures",
        "/contracts/conversations-messages/1.0.0",
        "/governance",
        "/metrics",
    ] {
        let response = get(&site, path).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert_eq!(
            response.headers()["meshlog-position"],
            last.to_string(),
            "{path}"
        );
        let csp = response.headers()["content-security-policy"]
            .to_str()
            .expect("text");
        assert!(csp.starts_with("default-src 'self'"), "{path}");
    }
}

#[tokio::test]
async fn stats_have_the_documented_shape() {
    let (site, _sender) = Fixture::full().site();
    let body = ok(&site, "/api/v1/ports/flights.departures.events.v1/stats").await;
    let expected = serde_json::json!({
        "port": "flights.departures.events.v1", "inbox": 336_776, "accepted": 328_521,
        "quarantined": 8_255, "shadowed": 0, "lag": 0, "contract": "flights-departures@1.0.0",
        "mode": "enforce", "state": "running", "why": null, "last_event_at": null,
    });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn the_past_is_shown_as_it_was() {
    let fixture = Fixture::full();
    let (site, _sender) = fixture.site();
    let present = ok(&site, "/api/v1/products").await;
    assert_eq!(present["products"].as_array().map(Vec::len), Some(5));

    let mut again = View::default();
    for (seq, value) in fixture.log.iter().enumerate() {
        again.fold(value).expect("folds");
        let state = ok(&site, &format!("/api/v1/state?as_of={seq}")).await;
        assert_eq!(state["seq"], seq);
        assert_eq!(state["state_hash"], again.state_hash());
    }
    assert_eq!(
        ok(&site, "/api/v1/state").await["state_hash"],
        again.state_hash()
    );

    let founded = get(&site, "/api/v1/products?as_of=0").await;
    assert_eq!(founded.headers()["meshlog-position"], "0");
    let later = ok(&site, "/api/v1/products?as_of=2999-01-01T00:00:00Z").await;
    assert_eq!(later["products"], present["products"]);
    let (status, problem) = json(&site, "/api/v1/ports?as_of=1999-01-01T00:00:00Z").await;
    assert_eq!(
        (status, &problem["status"]),
        (StatusCode::NOT_FOUND, &Value::from(404))
    );
    let (status, _) = json(&site, "/api/v1/ports?as_of=100000").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    for elsewhere in [
        "/api/v1/mesh?as_of=1",
        "/api/v1/search?q=a&as_of=1",
        "/api/v1/ports/flights.departures.events.v1/stats?as_of=1",
        "/api/v1/ports?as_of=yesterday",
    ] {
        let (status, problem) = json(&site, elsewhere).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{elsewhere}");
        assert!(
            problem["detail"]
                .as_str()
                .is_some_and(|detail| detail.contains("as_of"))
        );
    }
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_with_the_closest_names() {
    let (site, _sender) = Fixture::full().site();
    let response = get(&site, "/api/v1/ports/flights.departure.events.v1").await;
    assert_eq!(
        response.headers()["content-type"],
        "application/problem+json"
    );
    let (status, problem) = json(&site, "/api/v1/ports/flights.departure.events.v1").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(problem["closest"][0], "flights.departures.events.v1");
    assert_eq!(problem["type"], "urn:meshlog:problem:unknown-port");
    for path in [
        "/api/v1/products/flights/nothing",
        "/api/v1/contracts/nothing",
        "/api/v1/contracts/billing-usage/versions/9.0.0",
        "/api/v1/nothing",
    ] {
        assert_eq!(json(&site, path).await.0, StatusCode::NOT_FOUND, "{path}");
    }
    let page = get(&site, "/products/flights/departure").await;
    assert_eq!(page.status(), StatusCode::NOT_FOUND);
    assert!(
        page.headers()["content-type"]
            .to_str()
            .expect("text")
            .starts_with("text/html")
    );
}

#[tokio::test]
async fn a_contract_comes_back_byte_for_byte() {
    let (site, _sender) = Fixture::full().site();
    let path = "/api/v1/contracts/conversations-messages/versions/1.0.0";
    let response = get(&site, &format!("{path}?format=odcs")).await;
    let bytes = to_bytes(response.into_body(), usize::MAX)
        .await
        .expect("a body");
    let root = env!("CARGO_MANIFEST_DIR");
    let file = format!("{root}/../../schemas/examples/conversations/messages.odcs.yaml");
    assert_eq!(bytes, std::fs::read(file).expect("reads"));
    let body = ok(&site, path).await;
    assert_eq!(body["state"], "active");
    assert!(
        body["fields"]
            .as_array()
            .is_some_and(|fields| fields.len() == 11)
    );
    assert_eq!(
        json(&site, &format!("{path}?format=xml")).await.0,
        StatusCode::BAD_REQUEST
    );
    assert_eq!(
        ok(&site, &path.replace("1.0.0", "latest")).await["version"],
        "1.0.0"
    );
}

#[tokio::test]
async fn a_protobuf_contract_is_shown_with_its_file_and_message() {
    let mut fixture = Fixture::founded();
    fixture.apply("devices", "alice", "devices");
    fixture.activate_what_is_due();
    let (site, _sender) = fixture.site();
    let path = "/api/v1/contracts/devices-readings/versions/1.0.0";
    let body = ok(&site, path).await;
    assert_eq!(body["encoding"], "protobuf");
    assert_eq!(body["message"], "telemetry.v1.Reading");
    let root = env!("CARGO_MANIFEST_DIR");
    let file = format!("{root}/../../schemas/examples/devices/readings.proto");
    let file = std::fs::read_to_string(file).expect("reads");
    assert_eq!(body["schema"], file.as_str());
    for format in ["schema", "protobuf"] {
        let answer = json(&site, &format!("{path}?format={format}")).await;
        assert_eq!(answer, (StatusCode::OK, Value::String(file.clone())));
    }
    let other = json(&site, &format!("{path}?format=avro")).await;
    assert_eq!(other.0, StatusCode::BAD_REQUEST);
    let pages = [
        ("/contracts/devices-readings/1.0.0", "message Alarm"),
        ("/contracts/devices-readings/1.0.0", "celsius"),
        ("/products/devices/readings", "events_pb2.Reading,"),
        (
            "/products/devices/readings",
            "kafka-protobuf-console-consumer",
        ),
    ];
    for (page, text) in pages {
        let (status, shown) = json(&site, page).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        assert!(
            shown.as_str().is_some_and(|shown| shown.contains(text)),
            "{page}: {text}"
        );
    }
}

#[tokio::test]
async fn proposals_tell_what_became_of_them() {
    let mut fixture = Fixture::full();
    let (site, sender) = fixture.site();
    let accepted = ok(&site, "/api/v1/proposals/cli/alice%23flights").await;
    assert_eq!(accepted["status"], "accepted");
    let refused = ok(
        &site,
        "/api/v1/proposals/cli%2Ftom.berger%23conversations%2Frename-tokens",
    )
    .await;
    assert_eq!(refused["status"], "rejected");
    assert!(
        refused["reasons"][0]["code"]
            .as_str()
            .is_some_and(|code| code.starts_with("MESH-"))
    );
    assert_eq!(
        ok(&site, "/api/v1/proposals/cli%23nothing").await["status"],
        "unknown"
    );

    let mut early = Fixture::founded();
    early.apply("conversations", "alice", "pending");
    sender.send_replace(Arc::new(early.view.clone()));
    let pending = ok(&site, "/api/v1/proposals/cli%2Falice%23pending").await;
    assert_eq!(pending["status"], "pending");
    assert_eq!(
        pending["pending_ports"][0],
        "conversations.messages.events.v1"
    );
    fixture.view.freshness = Freshness::Stale("stopped at position 9".into());
    sender.send_replace(Arc::new(fixture.view.clone()));
    let stale = get(&site, "/api/v1/mesh").await;
    assert_eq!(stale.headers()["meshlog-stale"], "stopped at position 9");
    assert_eq!(ok(&site, "/readyz").await["state"], "stale");
}

#[tokio::test]
async fn events_come_in_pages_and_as_a_stream_that_goes_on() {
    let full = Fixture::full();
    let mut fixture = Fixture::founded();
    let (site, sender) = fixture.site();
    let request = Request::get("/api/v1/governance/events?from=0")
        .header("accept", "text/event-stream")
        .body(Body::empty())
        .expect("a request");
    let response = site.router().oneshot(request).await.expect("answers");
    let mut stream = response.into_body().into_data_stream();
    let first = stream.next().await.expect("an event").expect("bytes");
    assert!(String::from_utf8_lossy(&first).contains("event: mesh.founded.v1"));
    fixture.apply("conversations", "alice", "conversations");
    sender.send_replace(Arc::new(fixture.view.clone()));
    let second = stream.next().await.expect("an event").expect("bytes");
    assert!(String::from_utf8_lossy(&second).contains("id: 1"));

    let (site, _sender) = full.site();
    let mut seen = 0;
    let mut from = 0;
    loop {
        let page = ok(
            &site,
            &format!("/api/v1/governance/events?from={from}&limit=7"),
        )
        .await;
        for event in page["events"].as_array().expect("a list") {
            assert_eq!(event["seq"], seen);
            seen += 1;
        }
        match page["next"].as_u64() {
            Some(next) => from = next,
            None => break,
        }
    }
    assert_eq!(seen, full.log.len());
}

#[tokio::test]
async fn nothing_is_served_before_the_log_is_read() {
    let fixture = Fixture::founded();
    let (site, sender) = fixture.site();
    sender.send_replace(Arc::new(View::default()));
    for path in ["/api/v1/products", "/", "/readyz"] {
        assert_eq!(
            get(&site, path).await.status(),
            StatusCode::SERVICE_UNAVAILABLE,
            "{path}"
        );
    }
    for path in ["/healthz", "/metrics", "/assets/style.css"] {
        assert_eq!(get(&site, path).await.status(), StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn a_field_is_found_with_what_matched() {
    let (site, _sender) = Fixture::full().site();
    let body = ok(&site, "/api/v1/search?q=latency_p95").await;
    let first = &body["results"][0];
    assert_eq!(first["kind"], "contract");
    assert_eq!(first["matches"][0]["field"], "latency_p95_ms", "{first}");
    let texts = first["matches"][0]["text"].as_array().expect("pieces");
    assert!(
        texts
            .iter()
            .any(|piece| piece["hit"] == true && piece["text"] == "p95")
    );
    let owner = ok(&site, "/api/v1/search?q=revenue-engineering").await;
    assert!(
        owner["results"]
            .as_array()
            .is_some_and(|r| r.iter().any(|hit| hit["id"] == "billing/usage"))
    );
    assert_eq!(
        json(&site, "/api/v1/search?q=").await.0,
        StatusCode::BAD_REQUEST
    );
}

#[tokio::test]
async fn who_uses_a_schema_id_is_answered_by_the_log() {
    let fixture = Fixture::full();
    let (site, _sender) = fixture.site();
    let known = ok(&site, "/api/v1/ports/flights.departures.events.v1").await;
    let id = &known["schemas"][0]["schema_id"];
    let used = ok(&site, &format!("/api/v1/schemas/{id}")).await;
    assert_eq!(used["used"], true);
    assert_eq!(used["uses"][0]["port"], "flights.departures.events.v1");
    assert_eq!(used["uses"][0]["contract"], known["contract"]);
    assert_eq!(used["uses"][0]["in_force"], true);
    let before = ok(&site, &format!("/api/v1/schemas/{id}?as_of=0")).await;
    assert_eq!(before["used"], false, "nothing was in force yet");
    assert_eq!(ok(&site, "/api/v1/schemas/999999").await["used"], false);
    let (status, _) = json(&site, "/api/v1/schemas/seven").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}
