//! The broker that the tests share, a mesh for each test, and the check that nothing was lost or doubled.

use contract::{
    address::PortAddress,
    rule::{Event, UnknownSchema},
    verdict::{Code, Reason, Verdict},
};
use enforcer::{
    CatchUp, CatchUpFailed, Enforcer, EnforcerConfig, Judge, PortEntry, PortState, Snapshot,
    data_path::{DataPath, Limits},
    envelope::{SOURCE, Source},
    parse_progress,
};
use futures_util::future::join_all;
use kafka::{
    Admin, Cluster, Outgoing, Producer, Record, ScanEnd, ScanSpec, ScanStart, TopicSpec,
    dev::{DevBroker, DevBrokerConfig, JarSource},
    scan,
    tx::{KafkaPort, TransactionalPort, TxConfig},
};
use std::{
    collections::BTreeMap,
    ops::ControlFlow,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};
use tokio::{runtime::Runtime, sync::watch};

/// Longer than anything takes on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);

/// Partitions of every inbox here.
pub(crate) const PARTITIONS: i32 = 4;

/// A development broker in a directory.
pub(crate) fn broker(dir: &Path) -> DevBroker {
    let cache = std::env::var_os("MESHLOG_CACHE")
        .map(PathBuf::from)
        .unwrap_or_else(|| {
            let home = PathBuf::from(std::env::var_os("HOME").expect("HOME is set"));
            let caches = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
            caches
                .unwrap_or_else(|| home.join(".cache"))
                .join("meshlog")
        });
    let jars = JarSource::Cache(cache);
    let config = DevBrokerConfig {
        dir: dir.to_owned(),
        kafka_port: 0,
        jars,
    };
    let broker = DevBroker::start(&config).expect("a development broker");
    end_with_us(broker.pid(), dir);
    broker
}

/// The broker outlives us by design, and a test binary has no last moment of its own; so somebody watches.
#[expect(clippy::zombie_processes, reason = "it waits for us, not we for it")]
fn end_with_us(broker: u32, dir: &Path) {
    let us = std::process::id();
    let dir = dir.display();
    let script = format!(
        "while kill -0 {us} 2>/dev/null && kill -0 {broker} 2>/dev/null; do sleep 1; done; \
         kill -0 {us} 2>/dev/null && exit; kill {broker}; \
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

/// The shared broker.
pub(crate) fn cluster() -> Cluster {
    static BROKER: OnceLock<(DevBroker, tempfile::TempDir)> = OnceLock::new();
    if let Some(running) = std::env::var_os("MESHLOG_TEST_BOOTSTRAP") {
        return Cluster::new(running.to_string_lossy());
    }
    let (broker, _dir) = BROKER.get_or_init(|| {
        let dir = tempfile::tempdir().expect("a temporary directory");
        (broker(dir.path()), dir)
    });
    broker.cluster()
}

/// Accepts what begins with `ok`.
struct ByValue;

impl Judge for ByValue {
    fn judge(&self, event: &Event<'_>) -> Result<Verdict, UnknownSchema> {
        if event.value.is_some_and(|value| value.starts_with(b"ok")) {
            return Ok(Verdict::Accepted);
        }
        Ok(Verdict::refused(Reason::new(
            Code::WrongType,
            "",
            "ok",
            "something else",
        )))
    }

    fn judge_known(&self, event: &Event<'_>) -> Verdict {
        self.judge(event).expect("knows every schema")
    }

    fn contract(&self) -> &str {
        "test@1.0.0"
    }
}

/// A governance log that is always read to its end.
pub(crate) struct AtEnd;

impl CatchUp for AtEnd {
    fn catch_up(&mut self, _timeout: Duration) -> Result<(), CatchUpFailed> {
        Ok(())
    }
}

/// A mesh of one port.
pub(crate) struct Mesh {
    pub(crate) id: String,
    pub(crate) cluster: Cluster,
    pub(crate) port: PortEntry,
    runtime: Runtime,
    view: watch::Sender<Arc<Snapshot>>,
}

impl Mesh {
    pub(crate) fn new(cluster: Cluster) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let id = format!("t{}-{number}", std::process::id());
        let address = PortAddress::new(&id, "p", "e", 1).expect("valid");
        let port = PortEntry::new(address.clone(), address.default_inbox(), Arc::new(ByValue));
        let runtime = Runtime::new().expect("a runtime");
        let topics = [&port.inbox, &port.product, &port.quarantine].map(|name| TopicSpec {
            name: name.clone(),
            partitions: PARTITIONS,
            replication: 1,
            configs: BTreeMap::new(),
        });
        let admin = Admin::new(&cluster).expect("an administrator");
        runtime
            .block_on(admin.ensure_topics(&topics))
            .expect("topics");
        let (view, _) = watch::channel(Arc::new(Snapshot::new(3, [port.clone()])));
        Self {
            id,
            cluster,
            port,
            runtime,
            view,
        }
    }

    pub(crate) fn inbox(&self) -> String {
        self.port.inbox.clone()
    }

    /// Append events `from..to`, every tenth of them bad, spread over the partitions.
    pub(crate) fn feed(&self, from: usize, to: usize) {
        let value = |n: usize| format!("{} {n}", if n % 10 == 3 { "bad" } else { "ok" });
        let records = (from..to).map(|n| Outgoing {
            topic: self.inbox(),
            partition: i32::try_from(n).ok().map(|n| n % PARTITIONS),
            key: Some(n.to_string().into_bytes()),
            value: Some(value(n).into_bytes()),
            ..Outgoing::default()
        });
        self.send(records.collect());
    }

    pub(crate) fn send(&self, records: Vec<Outgoing>) {
        let producer = Producer::new(&self.cluster).expect("a producer");
        self.runtime.block_on(async {
            let sends = records.into_iter().map(|record| producer.send(record));
            for sent in join_all(sends).await {
                sent.expect("delivered");
            }
        });
    }

    /// A port of this mesh on the caller's thread.
    pub(crate) fn tx(&self, slot: u32) -> KafkaPort {
        let group = EnforcerConfig::group(&self.id);
        let transactional_id = format!("{group}.{slot}");
        let cluster = self.cluster.clone();
        KafkaPort::new(&TxConfig {
            cluster,
            group,
            transactional_id,
        })
    }

    /// A data path of this mesh on the caller's thread.
    pub(crate) fn path(&self, slot: u32) -> DataPath<impl TransactionalPort + use<>> {
        let (view, status) = (self.view.subscribe(), watch::channel(Default::default()).0);
        DataPath::new(
            self.tx(slot),
            view,
            Box::new(AtEnd),
            Limits::default(),
            status,
        )
    }

    /// A data path of this mesh on its own thread.
    pub(crate) fn start(&self, slot: u32) -> Enforcer {
        let config = EnforcerConfig::new(self.cluster.clone(), &self.id);
        let config = EnforcerConfig { slot, ..config };
        Enforcer::spawn(config, self.view.subscribe(), AtEnd).expect("a thread")
    }

    /// What a read-committed reader finds in a topic.
    pub(crate) fn records(&self, topic: &str) -> Vec<Record> {
        let (from, until) = (ScanStart::Beginning, ScanEnd::CurrentEnd);
        let spec = ScanSpec {
            topic: topic.to_owned(),
            partitions: None,
            from,
            until,
        };
        let mut records = Vec::new();
        scan(&self.cluster, &spec, |record| {
            records.push(record);
            ControlFlow::Continue(())
        })
        .expect("the topic can be read");
        records
    }

    /// The records of a topic once there are `count`: a commit answers before its markers are in every partition.
    pub(crate) fn records_once_there(&self, topic: &str, count: usize) -> Vec<Record> {
        eventually(&format!("{count} records in {topic}"), || {
            let records = self.records(topic);
            assert!(
                records.len() <= count,
                "{} instead of {count}",
                records.len()
            );
            (records.len() == count).then_some(records)
        })
    }

    /// Wait until `total` events are judged and committed.
    pub(crate) fn wait_for(&self, total: u64) {
        let admin = Admin::new(&self.cluster).expect("an administrator");
        eventually(&format!("{total} events are judged"), || {
            let group = EnforcerConfig::group(&self.id);
            let committed = self
                .runtime
                .block_on(admin.committed(&group, &self.port.inbox));
            let judged = committed.ok()?.into_iter().map(|at| {
                let progress = parse_progress(&at.metadata).expect("our own text");
                assert_eq!(progress.inbox, progress.accepted + progress.quarantined);
                progress.inbox
            });
            (judged.sum::<u64>() == total).then_some(())
        });
    }

    /// DATA-1: every event is in exactly one topic, once, in order, its bytes unchanged.
    pub(crate) fn check(&self, total: usize) {
        let mut inbox = BTreeMap::new();
        for record in self.records(&self.port.inbox) {
            inbox.insert((record.partition, record.offset), record);
        }
        assert_eq!(inbox.len(), total);
        let bad = total / 10;
        let outputs = [
            (&self.port.product, total - bad, true),
            (&self.port.quarantine, bad, false),
        ];
        for (topic, count, good) in outputs {
            let mut last = BTreeMap::new();
            for record in self.records_once_there(topic, count) {
                let source = source_of(&record);
                assert_eq!((source.partition, source.seq), (record.partition, 3));
                let before = last.insert(source.partition, source.offset).unwrap_or(-1);
                assert!(before < source.offset, "doubled or out of order in {topic}");
                let key = (source.partition, source.offset);
                let original = inbox.remove(&key).expect("in no other topic");
                assert_eq!(
                    (&original.key, &original.value),
                    (&record.key, &record.value)
                );
                assert_eq!(original.timestamp_ms, record.timestamp_ms);
                assert_eq!(record.value.unwrap_or_default().starts_with(b"ok"), good);
            }
        }
        assert!(inbox.is_empty(), "{} events are lost", inbox.len());
    }

    /// Wait for the port to be in a state.
    pub(crate) fn wait_for_state(&self, enforcer: &Enforcer, is: impl Fn(&PortState) -> bool) {
        let address = self.port.address.to_string();
        eventually("the port's state", || {
            let status = enforcer.status();
            let status = status.borrow();
            status
                .ports
                .get(&address)
                .filter(|port| is(&port.state))
                .map(|_| ())
        });
    }
}

/// Where an output came from.
pub(crate) fn source_of(record: &Record) -> Source {
    let header = record
        .headers
        .iter()
        .rev()
        .find(|header| header.key == SOURCE);
    let text = header
        .and_then(|header| header.value.clone())
        .expect("outputs name their source");
    Source::parse(&String::from_utf8(text).expect("UTF-8")).expect("a source")
}

/// Wait until `check` gives something.
pub(crate) fn eventually<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(found) = check() {
            return found;
        }
        assert!(Instant::now() < deadline, "never came true: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}
