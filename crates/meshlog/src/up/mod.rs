//! `meshlog up`: every role in one process, beside Kafka.
//!
//! ```text
//! directory (lock, ports, keys) ─▶ listeners bound ─▶ broker ─▶ roles ─▶ ready line ─▶ … signal ─▶ stop, in reverse
//! ```

mod broker;
mod roles;

use crate::config::Config;
use crate::directory::Directory;
use crate::exit::Failure;
use crate::output::Format;
use crate::role::gateway::told;
use crate::role::governor::founding;
use crate::role::observer::window;
use crate::telemetry::traced;
use anyhow::Context;
use broker::Broker;
use kafka::{Admin, Cluster};
use roles::{Plan, Roles};
use serde_json::json;
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How long open answers may take to end at a stop; live streams would never.
pub(crate) const DRAIN: Duration = Duration::from_secs(2);

/// What `up` is told.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct UpArgs {
    /// Where data, ports and keys are kept
    #[arg(long, value_name = "DIR", default_value = ".meshlog")]
    pub(crate) dir: PathBuf,
    /// An existing Kafka cluster; otherwise one is started as a child process
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) bootstrap_servers: Option<String>,
    /// Port of the Kafka of our own; 0 picks a free one
    #[arg(long, value_name = "PORT", default_value_t = 9092)]
    pub(crate) kafka_port: u16,
    /// Port of the schema registry; 0 picks a free one
    #[arg(long, value_name = "PORT", default_value_t = 8081)]
    pub(crate) registry_port: u16,
    /// Port of the API and the pages; 0 picks a free one
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    pub(crate) http_port: u16,
    /// Who may act for every domain while authentication is off; default: the OS user
    #[arg(long, value_name = "PRINCIPAL")]
    pub(crate) admin: Option<String>,
    /// How the line that says it is ready is printed
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Format,
}

/// Starts everything and runs until it is told to stop.
pub(crate) async fn run(args: UpArgs) -> anyhow::Result<()> {
    let mut stop = stop_signal()?;
    let output = args.output;
    let running = tokio::select! {
        running = Running::start(args) => running?,
        // Nothing is ready yet: a broker that has started already is adopted by the next `up`.
        _ = stop.changed() => return Ok(()),
    };
    running.announce(output)?;
    // An error means that the sender is gone, which is a stop too.
    drop(stop.changed().await);
    eprintln!("meshlog: stopping");
    running.stop().await
}

/// A running mesh.
pub(crate) struct Running {
    /// The address of API and pages.
    pub(crate) http: String,
    /// The schema registry's address.
    pub(crate) registry: String,
    /// Kafka's address.
    pub(crate) bootstrap_servers: String,
    directory: Directory,
    broker: Broker,
    roles: Roles,
    stop: watch::Sender<bool>,
    servers: Vec<JoinHandle<std::io::Result<()>>>,
}

impl Running {
    /// Start everything and wait until it is ready.
    pub(crate) async fn start(args: UpArgs) -> anyhow::Result<Self> {
        let config = Config::load(None)?;
        let mut directory = Directory::open(&args.dir, &config.mesh.id)?;
        let registry_port = directory.registry_port(args.registry_port);
        let registry_listener = listen(registry_port, "--registry-port").await?;
        let http_listener = listen(directory.http_port(args.http_port), "--http-port").await?;
        let (registry_port, http_port) = (
            registry_listener.local_addr()?.port(),
            http_listener.local_addr()?.port(),
        );
        directory.keep_ports(registry_port, http_port)?;
        let broker = start_broker(&args, &config, &directory).await?;
        let registry = format!("http://127.0.0.1:{registry_port}");
        let http = format!("http://127.0.0.1:{http_port}");
        let cluster_id = cluster_id(broker.cluster()).await?;
        let plan = Plan {
            cluster: broker.cluster().clone(),
            replication: broker.replication(),
            founding: founding(&config, &cluster_id, args.admin.clone(), &directory)?,
            registry_topic: config.registry.topic.clone(),
            snapshot_dir: directory.sub("catalog")?,
            registry_url: registry.clone(),
            http_url: http.clone(),
            breaker: crate::role::enforcer::told(&config.enforcer)?,
            window: window(&config)?,
            gateway: told(&config.gateway, broker.cluster(), &config.mesh.id)?,
        };
        let roles = Roles::start(plan).await?;
        let (stop, stopping) = watch::channel(false);
        let servers = vec![
            serve(registry_listener, roles.registry_router(), stopping.clone()),
            serve(http_listener, roles.http_router(), stopping),
        ];
        let bootstrap_servers = broker.cluster().bootstrap().to_owned();
        Ok(Self {
            http,
            registry,
            bootstrap_servers,
            directory,
            broker,
            roles,
            stop,
            servers,
        })
    }

    pub(crate) fn announce(&self, output: Format) -> anyhow::Result<()> {
        let dir = self.directory.path();
        match output {
            Format::Json => crate::output::json_line(&json!({
                "event": "ready",
                "bootstrap_servers": self.bootstrap_servers,
                "registry": self.registry,
                "http": self.http,
                "dir": dir,
            }))?,
            Format::Table => crate::output::line(format!(
                "ready: pages and API {}  registry {}  Kafka {}  (authentication is off: loopback only)",
                self.http, self.registry, self.bootstrap_servers
            ))?,
        }
        Ok(())
    }

    /// Stop everything, in reverse.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.stop.send_replace(true);
        for server in self.servers {
            if tokio::time::timeout(DRAIN, server).await.is_err() {
                tracing::debug!("open answers were cut off");
            }
        }
        self.roles.stop().await;
        let broker = self.broker;
        tokio::task::spawn_blocking(move || broker.stop()).await?
    }
}

async fn listen(port: u16, flag: &str) -> anyhow::Result<TcpListener> {
    match TcpListener::bind(("127.0.0.1", port)).await {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => Err(Failure::Usage(format!(
            "port {port} is in use: end the program that has it, or choose another with {flag} (0 picks a \
             free one)"
        ))
        .into()),
        Err(error) => Err(error).with_context(|| format!("cannot listen on port {port}")),
    }
}

/// Serves a router until it is told to stop; answers on their way are finished.
pub(crate) fn serve(
    listener: TcpListener,
    router: axum::Router,
    mut stopping: watch::Receiver<bool>,
) -> JoinHandle<std::io::Result<()>> {
    let stopped = async move {
        drop(stopping.wait_for(|stopping| *stopping).await);
    };
    tokio::spawn(
        axum::serve(listener, traced(router))
            .with_graceful_shutdown(stopped)
            .into_future(),
    )
}

async fn start_broker(
    args: &UpArgs,
    config: &Config,
    directory: &Directory,
) -> anyhow::Result<Broker> {
    if let Some(bootstrap) = &args.bootstrap_servers {
        return Ok(Broker::Named(Cluster::new(bootstrap)));
    }
    eprintln!("meshlog: starting Kafka (the first time its jars are fetched, about 44 MB)");
    let (dir, port, cache) = (directory.sub("kafka")?, args.kafka_port, config.jar_cache());
    tokio::task::spawn_blocking(move || Broker::start(dir, port, cache)).await?
}

/// The cluster's id; a cluster that was named has to be there.
async fn cluster_id(cluster: &Cluster) -> anyhow::Result<String> {
    let admin = Admin::new(cluster)?;
    let id = admin.cluster_id().await.map_err(|error| {
        let at = cluster.bootstrap();
        Failure::NotReachable(format!("no Kafka answers at {at}: {error}"))
    })?;
    Ok(id)
}

/// Turns true at the first SIGINT or SIGTERM; the second ends the process at once.
pub(crate) fn stop_signal() -> anyhow::Result<watch::Receiver<bool>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        let mut first = true;
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if !first {
                std::process::exit(1);
            }
            first = false;
            sender.send_replace(true);
        }
    });
    Ok(receiver)
}
