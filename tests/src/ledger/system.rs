//! The system under test: a broker, a proxy before it for the enforcers, and the roles of a mesh in processes of their own.

use super::documents;
use crate::broker::{jar_cache, unique};
use crate::fault_proxy::FaultProxy;
use crate::mesh::{begin, binary};
use crate::process::{end_with_us, run, signal, tail};
use crate::registries::ask;
use crate::wait::{LIMIT, wait_for};
use kafka::dev::{Detour, DevBroker, DevBrokerConfig, JarSource};
use kafka::{Admin, Cluster};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use tokio::runtime::Runtime;

/// What enforcers log: what the run counts, and what explains a failure.
const ENFORCER_LOG: &str =
    "warn,enforcer=info,kafka::tx=info,kafka::tx::client=debug,librdkafka=info";

/// librdkafka ends its process when partitions are taken away while it is still letting go of the same ones.
/// Source: <https://github.com/confluentinc/librdkafka/issues/5573>, mended after 2.15.0.
const KNOWN_CRASH: &str = "rd_kafka_assignment_partition_stopped: Assertion";

/// A process of a role.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
}

impl Process {
    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub fn signal(&self, which: Signal) {
        signal(self.child.id(), which);
    }

    /// Ends it as a crash would.
    pub fn kill_9(mut self) {
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a child can be waited for");
    }

    /// Whether it runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A stopped process is ended by this too; one that has ended was waited for.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Everything that runs.
#[derive(Debug)]
pub struct System {
    /// The mesh's id.
    pub mesh: String,
    /// The domain.
    pub domain: String,
    /// The proxy that the enforcers go through.
    pub proxy: FaultProxy,
    /// The enforcers by their slots; `None` where none runs.
    pub enforcers: Vec<Option<Process>>,
    /// The registry, unless it is down.
    pub registry: Option<Process>,
    /// The runtime of the proxy and of questions.
    pub runtime: Runtime,
    dir: PathBuf,
    mutant: Option<String>,
    broker: Option<DevBroker>,
    broker_config: DevBrokerConfig,
    detour: Detour,
    http: String,
    registry_port: u16,
    others: Vec<Process>,
    /// Enforcers that librdkafka ended.
    pub crashes: usize,
}

impl System {
    /// Starts all of it in a directory, with so many enforcers.
    #[track_caller]
    pub fn start(dir: &Path, slots: usize, mutant: Option<&str>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let listen = free_port();
        let proxy = runtime.block_on(FaultProxy::start(listen)).expect("a port");
        let detour = Detour {
            listen,
            advertised: proxy.port(),
        };
        let broker_config = DevBrokerConfig {
            dir: dir.join("kafka"),
            kafka_port: 0,
            jars: JarSource::Cache(jar_cache()),
        };
        let mut system = Self {
            mesh: unique("ledger"),
            domain: unique("ledger"),
            proxy,
            enforcers: Vec::new(),
            registry: None,
            runtime,
            dir: dir.to_owned(),
            mutant: mutant.map(str::to_owned),
            broker: None,
            broker_config,
            detour,
            http: String::new(),
            registry_port: free_port(),
            others: Vec::new(),
            crashes: 0,
        };
        system.start_broker();
        system.found();
        for slot in 0..slots {
            system.enforcers.push(None);
            system.start_enforcer(slot);
        }
        system
    }

    /// Starts the broker, where it was before.
    #[track_caller]
    pub fn start_broker(&mut self) {
        let broker = DevBroker::start_with(&self.broker_config, self.detour).expect("a broker");
        end_with_us(broker.pid(), None);
        self.broker = Some(broker);
    }

    /// Ends the broker as a crash would.
    #[track_caller]
    pub fn kill_broker(&mut self) {
        let mut broker = self.broker.take().expect("the broker runs");
        signal(broker.pid(), Signal::SIGKILL);
        wait_for("the broker is gone", LIMIT, || {
            if broker.is_alive() {
                Err(String::new())
            } else {
                Ok(())
            }
        });
    }

    /// Stops the broker cleanly.
    #[track_caller]
    pub fn stop_broker(&mut self) {
        let broker = self.broker.take().expect("the broker runs");
        broker.stop().expect("stops");
    }

    /// Whether the broker runs.
    pub fn has_broker(&mut self) -> bool {
        self.broker.as_mut().is_some_and(DevBroker::is_alive)
    }

    /// The broker, not by the proxy.
    pub fn cluster(&self) -> Cluster {
        self.broker
            .as_ref()
            .map(DevBroker::cluster)
            .expect("the broker runs")
    }

    /// The governor, the registry and the catalog, and the domain applied.
    fn found(&mut self) {
        self.begin_and_wait(&["governor"]);
        self.start_registry();
        let catalog = self.begin_and_wait(&["catalog", "--http-port", "0"]);
        catalog["http"]
            .as_str()
            .unwrap_or_default()
            .clone_into(&mut self.http);
        let folder = self.dir.join("documents");
        documents::write(&folder, &self.domain).expect("writes");
        self.apply(&folder);
    }

    fn begin_and_wait(&mut self, arguments: &[&str]) -> Value {
        let name = arguments.first().copied().unwrap_or_default();
        let bootstrap = self.cluster().bootstrap().to_owned();
        let (mut command, home) = self.command(name, arguments, &bootstrap);
        let (child, ready) = begin(&mut command, &home).ready();
        self.others.push(Process {
            name: name.to_owned(),
            child,
        });
        ready
    }

    fn command(&self, name: &str, arguments: &[&str], bootstrap: &str) -> (Command, PathBuf) {
        let home = self.dir.join(name);
        std::fs::create_dir_all(&home).expect("a directory can be made");
        let mut command = binary(&home);
        command
            .env("MESHLOG_MESH__ID", &self.mesh)
            .env("MESHLOG_REGISTRY__TOPIC", format!("{}.schemas", self.mesh))
            .args(arguments)
            .args(["-o", "json", "--bootstrap-servers", bootstrap]);
        (command, home)
    }

    fn spawn(&self, name: &str, command: &mut Command, home: &Path) -> Process {
        Process {
            name: name.to_owned(),
            child: begin(command, home).unwaited(),
        }
    }

    /// Starts the registry, on the port that it had.
    pub fn start_registry(&mut self) {
        let bootstrap = self.cluster().bootstrap().to_owned();
        let port = self.registry_port.to_string();
        let arguments = ["registry", "--registry-port", &port];
        let (mut command, home) = self.command("registry", &arguments, &bootstrap);
        self.registry = Some(self.spawn("registry", &mut command, &home));
    }

    /// Starts the enforcer of a slot.
    pub fn start_enforcer(&mut self, slot: usize) {
        let process = self.extra_enforcer(slot);
        self.enforcers[slot] = Some(process);
    }

    /// Starts an enforcer that is kept elsewhere.
    pub fn extra_enforcer(&self, slot: usize) -> Process {
        let bootstrap = format!("127.0.0.1:{}", self.proxy.port());
        let (name, number) = (format!("enforcer-{slot}"), slot.to_string());
        let (mut command, home) = self.command(&name, &["enforcer", "--slot", &number], &bootstrap);
        command.env("RUST_LOG", ENFORCER_LOG);
        if let Some(mutant) = &self.mutant {
            command.env("MESHLOG_MUTANT", mutant);
        }
        self.spawn(&name, &mut command, &home)
    }

    /// The transactional id of a slot.
    pub fn transactional_id(&self, slot: usize) -> String {
        format!("{}.{slot}", self.group())
    }

    /// The enforcers' consumer group.
    pub fn group(&self) -> String {
        format!("{}.enforcer", self.mesh)
    }

    /// The port's address.
    pub fn port(&self) -> String {
        documents::port(&self.domain)
    }

    /// Applies documents, which must be accepted.
    #[track_caller]
    fn apply(&self, folder: &Path) {
        let path = folder.to_str().expect("our paths are text");
        let mut command = binary(&self.dir);
        command.env("MESHLOG_HTTP", &self.http);
        command.args(["apply", "-f", path, "-o", "json"]);
        let told = run(&mut command, LIMIT).json();
        assert_eq!(told["status"], "accepted", "{told}");
    }

    /// Has the contract's second version decided.
    #[track_caller]
    pub fn change_contract(&self) {
        let folder = self.dir.join("second");
        documents::write_second(&folder, &self.domain).expect("writes");
        self.apply(&folder);
    }

    /// The id of the schema of a version of the contract, as soon as the registry has it.
    #[track_caller]
    pub fn schema(&self, version: u32) -> u32 {
        let (port, subject) = (self.registry_port, format!("{}-value", self.port()));
        let url = format!("http://127.0.0.1:{port}/subjects/{subject}/versions/{version}");
        wait_for("the schema is registered", LIMIT, || {
            let (status, text) = ask(&url, None)?;
            let answer: Value = serde_json::from_str(&text).map_err(|e| e.to_string())?;
            let id = answer["id"].as_u64().and_then(|id| u32::try_from(id).ok());
            id.ok_or_else(|| format!("{status}: {text}"))
        })
    }

    /// For questions about topics and groups.
    ///
    /// # Errors
    /// No client can be made.
    pub fn admin(&self) -> Result<Admin, String> {
        Admin::new(&self.cluster()).map_err(|error| error.to_string())
    }

    /// The logs of all enforcers, one after the other.
    pub fn enforcer_logs(&self) -> String {
        let mut text = String::new();
        for entry in std::fs::read_dir(&self.dir).expect("a directory").flatten() {
            if entry.file_name().to_string_lossy().starts_with("enforcer-") {
                let log = std::fs::read(entry.path().join("up.log")).unwrap_or_default();
                text.push_str(&String::from_utf8_lossy(&log));
            }
        }
        text
    }

    /// Starts again what a known fault of librdkafka ended, as whatever watches over processes would in production, and
    /// counts it. An enforcer that ended by itself for another reason stays as it is.
    pub fn revive(&mut self) {
        for slot in 0..self.enforcers.len() {
            let ended = self.enforcers[slot]
                .as_mut()
                .is_some_and(|process| !process.is_running());
            let log = self.dir.join(format!("enforcer-{slot}")).join("up.log");
            if ended && tail(&log).contains(KNOWN_CRASH) {
                self.crashes += 1;
                self.start_enforcer(slot);
            }
        }
    }

    /// Roles that ended though nobody ended them.
    pub fn dead(&mut self) -> Vec<String> {
        let enforcers = self.enforcers.iter_mut().flatten();
        let all = self
            .others
            .iter_mut()
            .chain(&mut self.registry)
            .chain(enforcers);
        all.filter_map(|process| (!process.is_running()).then(|| process.name.clone()))
            .collect()
    }
}

impl Drop for System {
    fn drop(&mut self) {
        // Their log would say that the broker is away.
        self.enforcers.clear();
        self.registry = None;
        self.others.clear();
        if let Some(broker) = &self.broker {
            signal(broker.pid(), Signal::SIGKILL);
        }
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("bound").port()
}
