//! The directory of a development broker: its files, its ports, its cluster id.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::child::{ProcessId, listens};
use super::launch::Launcher;
use super::{Detour, DevError};

const LOGGING: &str = include_str!("log4j2.properties");
/// How long a killed broker may hold its ports: its process counts as ended before its last threads have gone.
const LET_GO: Duration = Duration::from_secs(10);
/// How much of a log an error shows.
const TAIL_LINES: usize = 25;

/// `broker.json`. On disk since v0.1: new fields must be optional.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct BrokerRecord {
    pub(super) kafka_port: u16,
    pub(super) controller_port: u16,
    pub(super) cluster_id: String,
    pub(super) process: Option<ProcessId>,
}

impl BrokerRecord {
    pub(super) fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.kafka_port)
    }
}

/// The files of one broker.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    dir: PathBuf,
}

impl Layout {
    pub(super) fn open(dir: &Path) -> Result<Self, DevError> {
        fs::create_dir_all(dir.join("data")).map_err(|e| DevError::io("create", dir, e))?;
        // Absolute: the broker has another working directory than whoever starts it next.
        let dir = fs::canonicalize(dir).map_err(|e| DevError::io("open", dir, e))?;
        Ok(Self { dir })
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.dir.join("broker.log")
    }

    pub(super) fn properties(&self) -> PathBuf {
        self.dir.join("server.properties")
    }

    pub(super) fn controller_properties(&self) -> PathBuf {
        self.dir.join("controller.properties")
    }

    pub(super) fn controller_log(&self) -> PathBuf {
        self.dir.join("controller.log")
    }

    pub(super) fn logging(&self) -> PathBuf {
        self.dir.join("log4j2.properties")
    }

    fn record(&self) -> PathBuf {
        self.dir.join("broker.json")
    }

    /// Held while a broker starts, so that two starts in one directory take turns.
    pub(super) fn lock(&self) -> Result<File, DevError> {
        let path = self.dir.join("start.lock");
        File::create(&path)
            .and_then(|file| file.lock().map(|()| file))
            .map_err(|e| DevError::io("lock", path, e))
    }

    pub(super) fn read_record(&self) -> Result<Option<BrokerRecord>, DevError> {
        let path = self.record();
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|e| DevError::io("read", path, e.into())),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(DevError::io("read", path, e)),
        }
    }

    pub(super) fn write_record(&self, record: &BrokerRecord) -> Result<(), DevError> {
        let (path, new) = (self.record(), self.dir.join("broker.json.new"));
        let bytes = serde_json::to_vec_pretty(record).map_err(std::io::Error::from);
        bytes
            .and_then(|bytes| fs::write(&new, bytes))
            .and_then(|()| fs::rename(&new, &path))
            .map_err(|e| DevError::io("write", path, e))
    }

    /// Chooses ports, writes the configuration and formats the data directory once.
    pub(super) fn prepare(
        &self,
        old: Option<BrokerRecord>,
        port: u16,
        detour: Option<Detour>,
        launcher: &Launcher,
    ) -> Result<BrokerRecord, DevError> {
        let kafka_port = match (port, &old) {
            (0, Some(old)) => old.kafka_port,
            (0, None) => free_port()?,
            (port, _) => port,
        };
        let controller_port = match &old {
            Some(old) if old.controller_port != kafka_port => old.controller_port,
            Some(_) | None => free_port()?,
        };
        for port in [kafka_port, controller_port] {
            let ours = old
                .as_ref()
                .is_some_and(|old| [old.kafka_port, old.controller_port].contains(&port));
            if !(ours && is_let_go(port)) && listens(port) {
                return Err(DevError::PortInUse { port });
            }
        }
        let formatted = self.formatted_cluster_id();
        let cluster_id = formatted.clone().map_or_else(new_cluster_id, Ok)?;
        let record = BrokerRecord {
            kafka_port,
            controller_port,
            cluster_id,
            process: None,
        };
        self.write_configuration(&record, launcher, detour)?;
        if formatted.is_none() {
            self.format(&record, launcher)?;
        }
        self.write_record(&record)?;
        Ok(record)
    }

    fn write_configuration(
        &self,
        record: &BrokerRecord,
        launcher: &Launcher,
        detour: Option<Detour>,
    ) -> Result<(), DevError> {
        let mut properties = server_properties(record, launcher, &launcher.data_dir(self));
        if let Some(detour) = detour {
            properties.push_str(&detour_properties(record, detour));
        }
        fs::write(self.properties(), properties)
            .and_then(|()| fs::write(self.logging(), LOGGING))
            .map_err(|e| DevError::io("write", self.properties(), e))
    }

    /// The cluster that the data directory belongs to, if it has been formatted.
    fn formatted_cluster_id(&self) -> Option<String> {
        let text = fs::read_to_string(self.data().join("meta.properties")).ok()?;
        let id = text
            .lines()
            .find_map(|line| line.strip_prefix("cluster.id="))?;
        Some(id.trim().to_owned())
    }

    fn format(&self, record: &BrokerRecord, launcher: &Launcher) -> Result<(), DevError> {
        let mut command = launcher.format(self, &record.cluster_id);
        let output = command
            .stdin(Stdio::null())
            .output()
            .map_err(|e| DevError::io("run", command.get_program(), e))?;
        if output.status.success() && self.formatted_cluster_id().is_some() {
            return Ok(());
        }
        let text = [output.stdout, output.stderr].concat();
        let tail = last_lines(&String::from_utf8_lossy(&text));
        Err(DevError::Tool {
            tool: "kafka-storage format",
            tail,
        })
    }

    /// An empty log for a new run; the log of the run before is kept beside it.
    pub(super) fn new_log(&self) -> Result<File, DevError> {
        let log = self.log();
        if log.exists() {
            let old = self.dir.join("broker.log.1");
            fs::rename(&log, &old).map_err(|e| DevError::io("rename", &log, e))?;
        }
        File::create(&log).map_err(|e| DevError::io("create", log, e))
    }

    pub(super) fn write_controller_properties(&self, text: &str) -> Result<(), DevError> {
        let path = self.controller_properties();
        fs::write(&path, text).map_err(|e| DevError::io("write", path, e))
    }

    /// An empty log for a controller that runs alone.
    pub(super) fn new_controller_log(&self) -> Result<File, DevError> {
        let log = self.controller_log();
        File::create(&log).map_err(|e| DevError::io("create", log, e))
    }

    pub(super) fn log_tail(&self) -> String {
        fs::read(self.log())
            .map(|bytes| last_lines(&String::from_utf8_lossy(&bytes)))
            .unwrap_or_default()
    }
}

/// The last lines of a text.
pub(super) fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}

/// Waits until a port that a broker of ours had can be bound again. Not by connecting: a listener that accepts nobody
/// takes only as many connections as its backlog holds, and then looks as if it were gone.
fn is_let_go(port: u16) -> bool {
    let deadline = Instant::now() + LET_GO;
    while TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_err() {
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    true
}

fn free_port() -> Result<u16, DevError> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|e| DevError::io("find", "a free port", e))
}

/// 16 random bytes in Kafka's spelling of a UUID.
fn new_cluster_id() -> Result<String, DevError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|e| DevError::Random {
        reason: e.to_string(),
    })?;
    // Kafka's tools would take an id that starts with `-` for an option.
    bytes[0] &= 0x7f;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

fn server_properties(record: &BrokerRecord, launcher: &Launcher, data: &Path) -> String {
    let BrokerRecord {
        kafka_port,
        controller_port,
        ..
    } = record;
    let host = launcher.listen_host();
    let data = data.display();
    format!(
        "# Written by Meshlog at each start; changes here are lost.
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://{host}:{kafka_port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{kafka_port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}

# A mistyped topic name must be an error.
auto.create.topics.enable=false
message.max.bytes=1048588

# One node: internal topics cannot be replicated, and groups need not wait for members from elsewhere.
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0

# A process that stood still (a laptop asleep, SIGSTOP) must not declare itself dead when it goes on: Kafka 4.3.1 may then
# lose the marks of its transactions (KAFKA-20734). After a kill the old session is ended before the successor starts.
broker.session.timeout.ms=120000
broker.heartbeat.interval.ms=1000
"
    )
}

/// What a second listener changes; of two lines for one setting Kafka takes the later one.
fn detour_properties(record: &BrokerRecord, detour: Detour) -> String {
    let Detour { listen, advertised } = detour;
    let (kafka_port, controller_port) = (record.kafka_port, record.controller_port);
    format!(
        "
# A second way in, by a proxy.
listeners=PLAINTEXT://127.0.0.1:{kafka_port},DETOUR://127.0.0.1:{listen},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{kafka_port},DETOUR://127.0.0.1:{advertised}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,DETOUR:PLAINTEXT,CONTROLLER:PLAINTEXT
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cluster_ids_have_kafkas_form() {
        for _ in 0..100 {
            let id = new_cluster_id().expect("random bytes");
            assert_eq!(id.len(), 22);
            assert!(!id.starts_with('-'));
        }
    }

    #[test]
    fn a_tail_is_the_end() {
        let text: String = (0..100).map(|n| format!("{n}\n")).collect();
        let tail = last_lines(&text);
        assert!(tail.starts_with("75\n") && tail.ends_with("99"), "{tail}");
        assert_eq!(last_lines("one"), "one");
    }
}
