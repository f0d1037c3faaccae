//! Promises beside what was measured: the API, the page and the metrics over windows that an observer would have written.

use crate::api::{get, ok};
use crate::fixture::Fixture;
use axum::body::to_bytes;
use catalog::Site;
use contract::sla::{Consumer, Figures, OBSERVATION_VERSION, Observation, Sketch};
use serde_json::{Value, json};

const PORT: &str = "conversations.messages.events.v1";
/// Partitions of the example.
const PARTITIONS: i32 = 3;
const MINUTE: i64 = 60_000;

fn window(site: &Site, partition: i32, at: i64, latency_ms: u64) {
    let start_ms = 1_795_341_600_000 + at * MINUTE;
    let mut latency = Sketch::default();
    latency.add(latency_ms);
    let window = Observation {
        v: OBSERVATION_VERSION,
        port: PORT.to_owned(),
        partition,
        start_ms,
        length_ms: MINUTE,
        contract: "1.0.0".to_owned(),
        figures: Figures {
            events: 1,
            accepted: 1,
            latency,
            newest_event_ms: Some(start_ms),
            last_arrival_ms: Some(start_ms),
            ..Figures::default()
        },
    };
    let value = serde_json::to_vec(&window).expect("writes");
    site.observed().take(&window.key(), Some(&value));
}

fn consumer(site: &Site) {
    let consumer = Consumer {
        v: OBSERVATION_VERSION,
        port: PORT.to_owned(),
        group: "team-a".to_owned(),
        state: "Stable".to_owned(),
        members: 2,
        partitions: 3,
        lag: 41,
        seen_ms: 1_795_341_600_000,
    };
    let value = serde_json::to_vec(&consumer).expect("writes");
    site.observed().take(&consumer.key(), Some(&value));
}

fn objective<'a>(slo: &'a Value, name: &str) -> &'a Value {
    let mut all = slo["objectives"].as_array().into_iter().flatten();
    all.find(|it| it["name"] == name).expect("it is promised")
}

async fn text(site: &Site, path: &str) -> String {
    let answer = get(site, path).await;
    let bytes = to_bytes(answer.into_body(), usize::MAX)
        .await
        .expect("a body");
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn before_the_first_window_that_is_what_is_said() {
    let (site, _sender) = Fixture::full().site();
    let slo = ok(&site, &format!("/api/v1/ports/{PORT}/slo")).await;
    let latency = objective(&slo, "latency");
    assert_eq!(
        (&latency["state"], &latency["measured"]),
        (&json!("no_window"), &Value::Null)
    );
    assert!(
        latency["why"]
            .as_str()
            .is_some_and(|why| why.contains("no window has ended"))
    );
    let page = text(&site, "/products/conversations/messages").await;
    assert!(
        page.contains("No window has ended yet") && page.contains("meshlog observer"),
        "{page}"
    );
    assert!(page.contains("No consumer group has committed"), "{page}");
}

#[tokio::test]
async fn the_promise_stands_beside_the_figure() {
    let (site, _sender) = Fixture::full().site();
    for at in 0..4 {
        for partition in 0..PARTITIONS {
            window(&site, partition, at, if at == 3 { 7_000 } else { 100 });
        }
    }
    consumer(&site);
    let slo = ok(&site, &format!("/api/v1/ports/{PORT}/slo")).await;
    let latency = objective(&slo, "latency");
    assert_eq!(
        (&latency["state"], &latency["promised"]),
        (
            &json!("broken"),
            &json!("at most 5 s for 99 % of the events")
        )
    );
    assert_eq!(latency["measured"], json!(7.167));
    assert_eq!(
        latency["windows"],
        json!({"kept": 3, "broken": 1, "not_counted": 0})
    );
    assert_eq!(
        objective(&slo, "availability")["budget"]["left_percent"],
        json!(100.0)
    );
    assert_eq!(slo["consumers"][0]["lag"], 41);

    let page = text(&site, "/products/conversations/messages").await;
    for part in [
        "at most 5 s for 99 % of the events",
        "7.167 s",
        "75 % of 4 windows kept",
        "<polyline",
        "role=\"img\"",
        "team-a",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let metrics = text(&site, "/metrics").await;
    for line in [
        format!("meshlog_slo_measured{{port=\"{PORT}\",objective=\"latency\"}} 7.167"),
        format!("meshlog_slo_kept_ratio{{port=\"{PORT}\",objective=\"latency\"}} 0.75"),
        format!("meshlog_slo_breached{{port=\"{PORT}\",objective=\"latency\"}} 0"),
        format!("meshlog_consumer_lag{{port=\"{PORT}\",group=\"team-a\"}} 41"),
    ] {
        assert!(metrics.contains(&line), "{line}: {metrics}");
    }
}
