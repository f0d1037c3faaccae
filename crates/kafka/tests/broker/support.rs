//! The broker that the tests share, and what they do with it again and again.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use kafka::dev::{DevBroker, DevBrokerConfig, JarSource};
use kafka::{Admin, Cluster, LogEvent, LogReader, Outgoing, TopicSpec};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

/// Longer than anything takes on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);

/// Where the jars are kept between runs.
pub(crate) fn jars() -> JarSource {
    let cache = std::env::var_os("MESHLOG_CACHE")
        .map(PathBuf::from)
        .unwrap_or_else(|| {
            let home = PathBuf::from(std::env::var_os("HOME").expect("HOME is set"));
            let caches = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
            caches
                .unwrap_or_else(|| home.join(".cache"))
                .join("meshlog")
        });
    JarSource::Cache(cache)
}

/// The shared broker, ended when this test binary ends.
pub(crate) fn cluster() -> Cluster {
    static BROKER: OnceLock<(DevBroker, tempfile::TempDir)> = OnceLock::new();
    let (broker, _dir) = BROKER.get_or_init(|| {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let config = DevBrokerConfig {
            dir: dir.path().to_owned(),
            kafka_port: 0,
            jars: jars(),
        };
        let broker = DevBroker::start(&config).expect("a development broker");
        end_with_us(broker.pid(), dir.path().display().to_string());
        (broker, dir)
    });
    broker.cluster()
}

#[expect(
    clippy::zombie_processes,
    reason = "it waits for us to end, not we for it"
)]
/// The broker outlives us by design, and a test binary has no last moment of its own; so somebody watches.
fn end_with_us(broker: u32, dir: String) {
    let us = std::process::id();
    let script = format!(
        "while kill -0 {us} 2>/dev/null; do sleep 1; done; kill {broker}; \
         while kill -0 {broker} 2>/dev/null; do sleep 1; done; rm -rf '{dir}'"
    );
    let mut watcher = Command::new("sh");
    std::os::unix::process::CommandExt::process_group(&mut watcher, 0);
    let quiet = watcher
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    quiet.args(["-c", &script]).spawn().expect("sh is there");
}

/// A name that no other test uses.
pub(crate) fn unique(name: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!(
        "{name}-{}-{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}

pub(crate) fn spec(name: &str, configs: &[(&str, &str)]) -> TopicSpec {
    let configs: BTreeMap<_, _> = configs
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect();
    TopicSpec {
        name: name.to_owned(),
        partitions: 1,
        replication: 1,
        configs,
    }
}

/// A new topic of one partition.
pub(crate) async fn topic(name: &str) -> String {
    let name = unique(name);
    let admin = Admin::new(&cluster()).expect("an administrator");
    admin
        .ensure_topics(&[spec(&name, &[])])
        .await
        .expect("a topic");
    name
}

pub(crate) fn outgoing(topic: &str, key: &str, value: &str) -> Outgoing {
    Outgoing {
        topic: topic.to_owned(),
        partition: Some(0),
        key: Some(key.into()),
        value: Some(value.into()),
        ..Outgoing::default()
    }
}

/// A transactional client that is none of ours.
pub(crate) fn stranger(transactional_id: &str) -> BaseProducer {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", cluster().bootstrap())
        .set("transactional.id", transactional_id)
        .create()
        .expect("a producer");
    producer.init_transactions(LIMIT).expect("the fence");
    producer
}

/// Writes values in one transaction, which is committed or aborted.
pub(crate) fn transaction(producer: &BaseProducer, topic: &str, values: &[&str], commit: bool) {
    producer.begin_transaction().expect("begin");
    for value in values {
        let record = BaseRecord::<str, str>::to(topic)
            .partition(0)
            .payload(*value);
        producer
            .send(record)
            .map_err(|(error, _)| error)
            .expect("send");
    }
    producer.flush(LIMIT).expect("flush");
    let done = if commit {
        producer.commit_transaction(LIMIT)
    } else {
        producer.abort_transaction(LIMIT)
    };
    done.expect("the transaction ends");
}

/// What a reader says next, within the limit.
pub(crate) async fn next(reader: &mut LogReader) -> LogEvent {
    tokio::time::timeout(LIMIT, reader.next())
        .await
        .expect("in time")
        .expect("the reader runs")
}

/// The values up to the next end, and that end.
pub(crate) async fn until_end(reader: &mut LogReader) -> (Vec<String>, i64) {
    let mut values = Vec::new();
    loop {
        match next(reader).await {
            LogEvent::Record(record) => {
                let value = record.value.unwrap_or_default();
                values.push(String::from_utf8_lossy(&value).into_owned());
            }
            LogEvent::EndReached { next } => return (values, next),
            LogEvent::Trouble(what) => eprintln!("trouble: {what}"),
        }
    }
}

/// Waits until `check` gives something.
pub(crate) fn eventually<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(found) = check() {
            return found;
        }
        assert!(Instant::now() < deadline, "never came true: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
