//! The Kafka that all tests of a binary share.

use crate::process::end_with_us;
use kafka::Cluster;
use kafka::dev::{DevBroker, DevBrokerConfig, JarSource};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::runtime::{Builder, Runtime};

/// The shared cluster: the one that `MESHLOG_TEST_BOOTSTRAP` names, otherwise a development broker that is started once
/// and ends with this process.
pub fn cluster() -> Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    let cluster = CLUSTER.get_or_init(|| match std::env::var("MESHLOG_TEST_BOOTSTRAP") {
        Ok(bootstrap) if !bootstrap.is_empty() => Cluster::new(bootstrap),
        Ok(_) | Err(_) => start(),
    });
    cluster.clone()
}

fn start() -> Cluster {
    // A test binary has no last moment of its own: the directory goes with the broker.
    let dir = tempfile::tempdir().expect("a temporary directory").keep();
    let config = DevBrokerConfig {
        dir: dir.clone(),
        kafka_port: 0,
        jars: JarSource::Cache(jar_cache()),
    };
    let broker = DevBroker::start(&config).expect("a development broker");
    end_with_us(broker.pid(), Some(&dir));
    broker.cluster()
}

/// Where `meshlog up` keeps Kafka's jars too.
pub(crate) fn jar_cache() -> PathBuf {
    let under = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let home = || under("HOME").expect("HOME is set").join(".cache");
    let named = under("MESHLOG_KAFKA__CACHE");
    named.unwrap_or_else(|| under("XDG_CACHE_HOME").unwrap_or_else(home).join("meshlog"))
}

/// The runtime on which the tests, which are not asynchronous, call what is.
pub fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime")
    })
}

/// A name that nothing else on the shared Kafka has, in this run or another.
pub fn unique(name: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let seconds = since.expect("the clock is past 1970").as_secs();
    let (process, next) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    format!("{name}-{seconds:x}-{process:x}-{next}")
}
