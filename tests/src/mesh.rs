//! A mesh under test: `meshlog up` as a child, with a directory, system topics and ports of its own.

use crate::broker::{cluster, runtime, unique};
use crate::process::{Output, Running, end_with_us, run, signal, tail, wait_end};
use crate::wait::{LIMIT, wait_for};
use nix::sys::signal::Signal;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use tempfile::TempDir;

/// How long a clean stop may take: the broker of a mesh's own closes its logs.
const STOP: Duration = Duration::from_secs(45);

/// Which Kafka a mesh runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kafka {
    /// The one that the tests share.
    Shared,
    /// A child of its own, as for `meshlog up` without options.
    Own,
}

/// What `up` says when it is ready.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Ready {
    /// Kafka.
    pub bootstrap_servers: String,
    /// The schema registry.
    pub registry: String,
    /// API and pages.
    pub http: String,
    /// The directory.
    pub dir: PathBuf,
}

/// A mesh. Dropping it ends its processes.
#[derive(Debug)]
pub struct TestMesh {
    /// The mesh's id, which its topics start with.
    pub id: String,
    /// Where it is.
    pub ready: Ready,
    kafka: Kafka,
    home: TempDir,
    up: Option<Child>,
}

impl TestMesh {
    /// Starts a mesh on the shared Kafka.
    #[track_caller]
    pub fn start(name: &str) -> Self {
        Self::start_on(name, Kafka::Shared)
    }

    /// Starts a mesh.
    #[track_caller]
    pub fn start_on(name: &str, kafka: Kafka) -> Self {
        Self::start_configured(name, kafka, "")
    }

    /// Starts a mesh with a configuration file of its own.
    #[track_caller]
    pub fn start_configured(name: &str, kafka: Kafka, configuration: &str) -> Self {
        let id = unique(name);
        let home = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(home.path().join("meshlog.toml"), configuration).expect("writes");
        let mut command = up(&id, home.path(), kafka);
        let (child, ready) = launch(&mut command, home.path());
        Self {
            id,
            ready,
            kafka,
            home,
            up: Some(child),
        }
    }

    /// A mesh whose roles somebody else starts and ends.
    pub fn apart(id: &str, ready: Ready) -> Self {
        Self {
            id: id.to_owned(),
            ready,
            kafka: Kafka::Shared,
            home: tempfile::tempdir().expect("a temporary directory"),
            up: None,
        }
    }

    /// The command line client, told where this mesh is.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = binary(self.home.path());
        command
            .env("MESHLOG_HTTP", &self.ready.http)
            .args(arguments);
        command
    }

    /// Runs a client command to its end.
    #[track_caller]
    pub fn cli(&self, arguments: &[&str]) -> Output {
        run(&mut self.command(arguments), LIMIT)
    }

    /// Runs a client command in the background.
    #[track_caller]
    pub fn cli_in_background(&self, arguments: &[&str]) -> Running {
        Running::start(&mut self.command(arguments))
    }

    /// Asks the API, as `/api/v1/state`; fails on anything but an answer of JSON.
    #[track_caller]
    pub fn get(&self, path: &str) -> Value {
        match self.try_get(path) {
            Ok(value) => value,
            Err(error) => {
                let log = tail(&self.log());
                assert!(error.is_empty(), "GET {path}: {error}\n{log}");
                Value::Null
            }
        }
    }

    /// As [`Self::get`], for a mesh that may not answer.
    ///
    /// # Errors
    /// Why there is no answer, or the refusal, as text.
    pub fn try_get(&self, path: &str) -> Result<Value, String> {
        let url = format!("{}{path}", self.ready.http);
        runtime().block_on(async {
            // A proxy of the environment is for the world outside.
            let client = reqwest::Client::builder()
                .no_proxy()
                .build()
                .expect("a client");
            let answer = client.get(&url).timeout(Duration::from_secs(20)).send();
            let answer = answer.await.map_err(|error| format!("{error:?}"))?;
            let status = answer.status();
            let text = answer.text().await.map_err(|error| format!("{error:?}"))?;
            if !status.is_success() {
                return Err(format!("{status}: {text}"));
            }
            serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))
        })
    }

    /// Applies documents, which must be accepted; the answer.
    #[track_caller]
    pub fn apply(&self, documents: &Path) -> Value {
        let path = documents.to_str().expect("our paths are text");
        self.cli(&["apply", "-f", path, "-o", "json"]).json()
    }

    /// Writes one event to a topic, as a producer that knows nothing of Meshlog.
    #[track_caller]
    pub fn produce(&self, topic: &str, key: &str, value: &str) {
        let cluster = kafka::Cluster::new(&self.ready.bootstrap_servers);
        let event = kafka::Outgoing {
            topic: topic.to_owned(),
            key: Some(key.into()),
            value: Some(value.into()),
            ..kafka::Outgoing::default()
        };
        let producer = kafka::Producer::new(&cluster).expect("a producer");
        runtime()
            .block_on(producer.send(event))
            .expect("the event is taken");
    }

    /// Waits until a port has judged everything; its counts then.
    #[track_caller]
    pub fn settled(&self, port: &str, inbox: u64) -> Value {
        let what = format!("{port} has judged {inbox} events");
        wait_for(&what, LIMIT, || {
            let stats = self.try_get(&format!("/api/v1/ports/{port}/stats"))?;
            let done = stats["lag"] == 0 && stats["inbox"].as_u64() >= Some(inbox);
            if done {
                Ok(stats)
            } else {
                Err(stats.to_string())
            }
        })
    }

    /// Where `up` writes what is no data.
    pub fn log(&self) -> PathBuf {
        self.home.path().join("up.log")
    }

    /// The directory that the mesh keeps.
    pub fn dir(&self) -> PathBuf {
        data_dir(self.home.path())
    }

    /// The command that would start this mesh once more.
    pub fn up_command(&self) -> Command {
        up(&self.id, self.home.path(), self.kafka)
    }

    /// Ends `up` as a crash would.
    #[track_caller]
    pub fn kill_9(&mut self) {
        let mut up = self.up.take().expect("up runs");
        up.kill().expect("a child can be killed");
        up.wait().expect("a child can be waited for");
    }

    /// Ends the mesh's own broker as a crash would.
    #[track_caller]
    pub fn kill_9_broker(&self) {
        let pid = own_broker(&self.dir()).expect("the mesh has a broker of its own, and it runs");
        signal(pid, Signal::SIGKILL);
    }

    /// Starts `up` again where it was: the same directory, the same ports.
    #[track_caller]
    pub fn restart(&mut self) {
        assert!(self.up.is_none(), "up runs");
        let (child, ready): (Child, Ready) = launch(&mut self.up_command(), self.home.path());
        self.up = Some(child);
        assert_eq!(ready, self.ready, "the next `up` takes the same ports");
    }

    /// Stops the mesh as a user would, who expects a clean end.
    #[track_caller]
    pub fn stop(&mut self) {
        let mut up = self.up.take().expect("up runs");
        signal(up.id(), Signal::SIGTERM);
        let status = wait_end(&mut up, STOP);
        let clean = status.is_some_and(|status| status.success());
        if status.is_none() {
            up.kill().expect("a child can be killed");
            up.wait().expect("a child can be waited for");
        }
        assert!(clean, "no clean stop: {status:?}\n{}", tail(&self.log()));
        let broker = own_broker(&self.dir());
        assert_eq!(broker, None, "the broker of its own outlives a clean stop");
    }
}

impl Drop for TestMesh {
    fn drop(&mut self) {
        if let Some(mut up) = self.up.take() {
            signal(up.id(), Signal::SIGTERM);
            if wait_end(&mut up, STOP).is_none() {
                drop(up.kill());
                drop(up.wait());
            }
        }
        if let Some(broker) = own_broker(&self.dir()) {
            signal(broker, Signal::SIGKILL);
        }
        if std::thread::panicking() {
            eprintln!("--- the end of {}'s log:\n{}", self.id, tail(&self.log()));
        }
    }
}

/// The built program, run in a folder of ours with nothing of the caller's settings.
pub fn binary(folder: &Path) -> Command {
    let mut command = Command::new(binary_path());
    command.current_dir(folder);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let ours = text.starts_with("MESHLOG_") && text != "MESHLOG_KAFKA__CACHE";
        if ours || text.starts_with("OTEL_") {
            command.env_remove(&name);
        }
    }
    command
}

/// `MESHLOG_BIN`, else where cargo puts it: `<target>/<profile>/meshlog`, beside the ledger's program and above the test
/// binary, which is `<target>/<profile>/deps/system-…`.
fn binary_path() -> PathBuf {
    let named = std::env::var_os("MESHLOG_BIN").map(PathBuf::from);
    let path = named.unwrap_or_else(|| {
        let us = std::env::current_exe().expect("a running program has a path");
        let folder = us.parent().expect("a program is in a folder");
        let profile = match folder.file_name() {
            Some(name) if name == "deps" => folder.parent().expect("cargo's layout"),
            Some(_) | None => folder,
        };
        profile.join("meshlog")
    });
    assert!(
        path.is_file(),
        "{} is not there: `cargo build` first (scripts/test does), or name the program in MESHLOG_BIN",
        path.display()
    );
    path
}

fn data_dir(home: &Path) -> PathBuf {
    home.join("data")
}

/// The command that starts a mesh, on free ports that its directory keeps.
pub fn up(id: &str, home: &Path, kafka: Kafka) -> Command {
    let mut command = binary(home);
    command
        .env("MESHLOG_MESH__ID", id)
        .env("MESHLOG_REGISTRY__TOPIC", format!("{id}.schemas"));
    command.arg("up").arg("--dir").arg(data_dir(home));
    command.args([
        "--kafka-port",
        "0",
        "--registry-port",
        "0",
        "--http-port",
        "0",
        "-o",
        "json",
    ]);
    if kafka == Kafka::Shared {
        command.args(["--bootstrap-servers", cluster().bootstrap()]);
    }
    command
}

/// A service that has been started. Its log is `up.log` in its folder.
#[derive(Debug)]
pub(crate) struct Starting {
    child: Child,
    lines: mpsc::Receiver<String>,
    log: PathBuf,
}

/// Starts a service in a folder of its own.
#[track_caller]
pub(crate) fn begin(command: &mut Command, home: &Path) -> Starting {
    let log_path = home.join("up.log");
    let log: std::io::Result<File> = OpenOptions::new().create(true).append(true).open(&log_path);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log.expect("a log can be opened"));
    let mut child = command.spawn().expect("the program can be started");
    end_with_us(child.id(), None);
    let stdout = child.stdout.take().expect("stdout is a pipe");
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        // Reads to the end, so that `up` never meets a closed pipe.
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            drop(sender.send(line));
        }
    });
    Starting {
        child,
        lines,
        log: log_path,
    }
}

impl Starting {
    /// The process, ready or not.
    pub(crate) fn unwaited(self) -> Child {
        self.child
    }

    /// Waits until it says that it is ready, and what it says.
    #[track_caller]
    pub(crate) fn ready<R: DeserializeOwned>(mut self) -> (Child, R) {
        let line = self.lines.recv_timeout(LIMIT).unwrap_or_default();
        let ready = serde_json::from_str(&line).ok();
        if ready.is_none() {
            drop(self.child.kill());
            drop(self.child.wait());
        }
        assert!(
            ready.is_some(),
            "the service is not ready; it said `{line}`\n{}",
            tail(&self.log)
        );
        (self.child, ready.expect("just looked"))
    }
}

/// Starts a service and waits until it says that it is ready.
#[track_caller]
pub(crate) fn launch<R: DeserializeOwned>(command: &mut Command, home: &Path) -> (Child, R) {
    begin(command, home).ready()
}

/// The process id of a mesh's own broker, where that runs.
fn own_broker(dir: &Path) -> Option<u32> {
    let record = std::fs::read(dir.join("kafka/broker.json")).ok()?;
    let record: Value = serde_json::from_slice(&record).ok()?;
    let pid = u32::try_from(record["process"]["pid"].as_u64()?).ok()?;
    // Ids are reused: it is ours only if its command line names our directory.
    let shown = Command::new("ps")
        .args(["-ww", "-o", "args=", "-p", &pid.to_string()])
        .output()
        .ok()?;
    let folder = dir.canonicalize().ok()?;
    String::from_utf8_lossy(&shown.stdout)
        .contains(&*folder.to_string_lossy())
        .then_some(pid)
}
