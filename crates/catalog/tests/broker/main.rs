//! The projector and the counters against a real broker: followed, restarted from a snapshot, stopped by a bad record.

#[expect(dead_code, reason = "shared with the test without Kafka")]
#[path = "../catalog/fixture.rs"]
mod fixture;

use axum::body::{Body, to_bytes};
use axum::http::Request;
use catalog::{CatalogConfig, CatalogHandle, Counters, Freshness, Hooks, Shown, View};
use fixture::Fixture;
use kafka::dev::{DevBroker, DevBrokerConfig, JarSource};
use kafka::{Admin, Cluster, Outgoing, Position, TopicSpec, TxProducer};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tower::ServiceExt;

/// Longer than anything takes on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);
const LOG: &str = "mesh.governance";
const PORT: &str = "conversations.messages.events.v1";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_is_followed_and_a_bad_record_stops_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = DevBrokerConfig {
        dir: dir.path().join("kafka"),
        kafka_port: 0,
        jars: jars(),
    };
    let broker = DevBroker::start(&config).expect("a development broker");
    let cluster = broker.cluster();
    let fixture = Fixture::full();
    let mut producer = prepare(&cluster, &fixture).await;
    let (first, rest) = fixture.log.split_at(fixture.log.len() / 2);

    producer = write(producer, LOG, first.to_vec(), false).await;
    producer = write(producer, LOG, vec![b"aborted".to_vec()], true).await;
    let handle = start(&cluster, dir.path()).await;
    let view = ready(&handle).await;
    assert_eq!(view.mesh.size, first.len() as u64);
    assert_eq!(view.name_of("system:governor"), "system:governor");

    producer = write(producer, LOG, rest.to_vec(), false).await;
    let last = fixture.log.len() as u64 - 1;
    let reached = tokio::time::timeout(LIMIT, handle.views().reached(last)).await;
    let view = reached.expect("in time").expect("runs");
    assert_eq!(view.state_hash(), fixture.view.state_hash());
    producer = counters(producer, &handle).await;
    handle.stop().await;

    let handle = start(&cluster, dir.path()).await;
    assert_eq!(ready(&handle).await.state_hash(), fixture.view.state_hash());
    handle.stop().await;

    // A snapshot of another log: it folds, and its last fact is not the one in the topic.
    let snapshot = dir.path().join(catalog::snapshot::FILE_NAME);
    let bytes = std::fs::read(&snapshot).expect("was written");
    let mut wrong = bytes.clone();
    wrong[38..46].copy_from_slice(&3_i64.to_be_bytes());
    std::fs::write(&snapshot, wrong).expect("writes");
    let handle = start(&cluster, dir.path()).await;
    assert_eq!(ready(&handle).await.state_hash(), fixture.view.state_hash());

    write(producer, LOG, vec![b"not a fact".to_vec()], false).await;
    let stale = handle.views();
    let stale = stale.when(|view| matches!(view.freshness, Freshness::Stale(_)));
    let view = tokio::time::timeout(LIMIT, stale)
        .await
        .expect("in time")
        .expect("runs");
    assert_eq!(view.state_hash(), fixture.view.state_hash());
    let why = view.freshness.why().unwrap_or_default();
    assert!(why.contains(&format!("position {}", last + 1)), "{why}");
    assert_eq!(get(&handle, "/readyz").await["state"], "stale");
    handle.stop().await;
    broker.stop().expect("stops");
}

/// Counters come with the offsets; markers do not count as waiting, records do.
async fn counters(producer: TxProducer, handle: &CatalogHandle) -> TxProducer {
    let inbox = format!("{PORT}.inbox");
    let path = format!("/api/v1/ports/{PORT}/stats");
    let events = |count| vec![b"{}".to_vec(); count];
    let mut producer = write(producer, &inbox, events(10), false).await;
    lag_becomes(handle, &path, 10).await;
    let topic = inbox.clone();
    producer = tokio::task::spawn_blocking(move || {
        let metadata = "7 3".to_owned();
        let judged = Position {
            topic,
            partition: 0,
            offset: 10,
            metadata,
        };
        producer.begin().expect("begins");
        producer
            .send_offsets("mesh.enforcer", &[judged])
            .expect("sends");
        producer.commit().expect("commits");
        producer
    })
    .await
    .expect("runs");
    // Only the marker is left.
    let stats = lag_becomes(handle, &path, 0).await;
    assert_eq!(
        (&stats["accepted"], &stats["quarantined"]),
        (&Value::from(7), &Value::from(3))
    );
    producer = write(producer, &inbox, events(5), true).await;
    lag_becomes(handle, &path, 0).await;
    producer = write(producer, &inbox, events(3), false).await;
    lag_becomes(handle, &path, 3).await;
    producer
}

/// A commit returns before its records can be read: the markers follow a moment later.
async fn lag_becomes(handle: &CatalogHandle, path: &str, lag: u64) -> Value {
    let deadline = std::time::Instant::now() + LIMIT;
    loop {
        let stats = get(handle, path).await;
        if stats["lag"] == lag {
            return stats;
        }
        let late = std::time::Instant::now() >= deadline;
        assert!(!late, "lag {lag} is due: {stats}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

async fn prepare(cluster: &Cluster, fixture: &Fixture) -> TxProducer {
    let spec = |name: &str| TopicSpec {
        name: name.to_owned(),
        partitions: 1,
        replication: 1,
        configs: BTreeMap::new(),
    };
    let inbox = format!("{PORT}.inbox");
    let topics = [spec(LOG), spec("mesh.people"), spec(&inbox)];
    let admin = Admin::new(cluster).expect("an administrator");
    admin.ensure_topics(&topics).await.expect("topics");
    let (cluster, people) = (cluster.clone(), fixture.people.clone());
    let open = move || {
        let mut producer = TxProducer::new(&cluster, "mesh.test").expect("a producer");
        producer.begin().expect("begins");
        for (key, value) in people {
            let record = outgoing("mesh.people", Some(key.into_bytes()), value);
            producer.send(&record).expect("sends");
        }
        producer.commit().expect("commits");
        producer
    };
    tokio::task::spawn_blocking(open).await.expect("runs")
}

async fn write(
    mut producer: TxProducer,
    topic: &str,
    values: Vec<Vec<u8>>,
    abort: bool,
) -> TxProducer {
    let topic = topic.to_owned();
    let work = move || {
        producer.begin().expect("begins");
        for value in values {
            producer
                .send(&outgoing(&topic, None, value))
                .expect("sends");
        }
        if abort {
            producer.abort()
        } else {
            producer.commit()
        }
        .expect("ends");
        producer
    };
    tokio::task::spawn_blocking(work).await.expect("runs")
}

fn outgoing(topic: &str, key: Option<Vec<u8>>, value: Vec<u8>) -> Outgoing {
    Outgoing {
        topic: topic.to_owned(),
        partition: Some(0),
        timestamp_ms: None,
        key,
        value: Some(value),
        headers: vec![],
    }
}

async fn start(cluster: &Cluster, dir: &Path) -> CatalogHandle {
    let parse = |text: &str| {
        let (accepted, quarantined) = text.split_once(' ')?;
        let (accepted, quarantined) = (accepted.parse().ok()?, quarantined.parse().ok()?);
        Some(Counters {
            inbox: accepted + quarantined,
            accepted,
            quarantined,
            shadowed: 0,
        })
    };
    let config = CatalogConfig {
        cluster: cluster.clone(),
        shown: Shown {
            mesh: "mesh".to_owned(),
            ..Shown::default()
        },
        dir: Some(dir.to_owned()),
        hooks: Hooks {
            counters: Some(Arc::new(parse)),
            ..Hooks::default()
        },
    };
    catalog::start(config).await.expect("starts")
}

async fn ready(handle: &CatalogHandle) -> Arc<View> {
    let views = handle.views();
    tokio::time::timeout(LIMIT, views.ready())
        .await
        .expect("in time")
        .expect("runs")
}

async fn get(handle: &CatalogHandle, path: &str) -> Value {
    let request = Request::get(path).body(Body::empty()).expect("a request");
    let response = handle.router().oneshot(request).await.expect("answers");
    let bytes = to_bytes(response.into_body(), usize::MAX)
        .await
        .expect("a body");
    serde_json::from_slice(&bytes).expect("JSON")
}

/// Where the jars are kept between runs.
fn jars() -> JarSource {
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    let caches = variable("XDG_CACHE_HOME")
        .or_else(|| variable("HOME").map(|home| home.join(".cache")))
        .expect("HOME is set");
    JarSource::Cache(variable("MESHLOG_CACHE").unwrap_or_else(|| caches.join("meshlog")))
}
