//! The roles of a mesh, each as it is put together: what `up` runs in one process, production runs one by one.
//!
//! ```text
//! registry   Confluent's API over `_schemas`          catalog   API and pages, proposals in
//! governor   proposals decided, facts, provisioning   enforcer  inboxes judged
//! gateway    events over HTTP, into the inboxes       observer  promises measured
//! ```
//!
//! A role that runs alone waits for Kafka and for what other roles have to make, says so, and listens only once it has
//! read its log: whoever has several addresses goes to another until then.

mod breaker;
pub(crate) mod catalog;
pub(crate) mod enforcer;
mod force;
pub(crate) mod gateway;
pub(crate) mod governor;
mod metrics;
pub(crate) mod observer;
pub(crate) mod registry;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ::governor::follow::Follower;
use ::governor::topics::Topics;
use anyhow::Context;
use kafka::{Admin, Cluster, StartError};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::config::Config;
use crate::exit::Failure;
use crate::output::{self, Format};
use crate::up::{DRAIN, serve};

/// Between two attempts to start.
const AGAIN: Duration = Duration::from_secs(1);

/// Silence after which somebody wants to know why.
const SILENCE: Duration = Duration::from_secs(3);

/// What every role that runs alone is told.
#[derive(Debug, Default, PartialEq, Eq, clap::Args)]
pub(crate) struct RoleArgs {
    /// The configuration; otherwise meshlog.toml, where there is one
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Kafka; otherwise `[kafka] bootstrap_servers`
    #[arg(long, value_name = "HOST:PORT")]
    bootstrap_servers: Option<String>,
}

impl RoleArgs {
    /// The configuration that it is told to read.
    pub(crate) fn config(&self) -> Option<&Path> {
        self.config.as_deref()
    }

    /// The configuration, and the cluster that it or the flag names.
    fn load(&self) -> anyhow::Result<(Config, Cluster)> {
        let config = Config::load(self.config.as_deref())?;
        let bootstrap = self.bootstrap_servers.as_ref();
        let bootstrap = bootstrap.unwrap_or(&config.kafka.bootstrap_servers);
        if bootstrap.is_empty() {
            let text = "no Kafka is named: set `[kafka] bootstrap_servers` in the configuration, or --bootstrap-servers";
            return Err(usage(text));
        }
        let cluster = Cluster::new(bootstrap);
        Ok((config, cluster))
    }
}

fn usage(text: impl Into<String>) -> anyhow::Error {
    Failure::Usage(text.into()).into()
}

/// Does what takes as long as others need, and says on stderr what is being waited for once that takes a while.
async fn saying<T>(what: &str, waiting: impl Future<Output = T>) -> T {
    tokio::pin!(waiting);
    tokio::select! {
        done = &mut waiting => return done,
        () = tokio::time::sleep(SILENCE) => {}
    }
    eprintln!("meshlog: waiting for {what}");
    waiting.await
}

/// Starts something over Kafka as soon as Kafka, and what other roles make there, is there.
async fn start<T>(
    cluster: &Cluster,
    attempt: impl AsyncFn() -> Result<T, StartError>,
) -> anyhow::Result<T> {
    let what = format!("Kafka at {}", cluster.bootstrap());
    Ok(saying(&what, attempts(attempt)).await?)
}

/// Tries until it succeeds, or fails for another reason than that something is not there yet.
async fn attempts<T>(attempt: impl AsyncFn() -> Result<T, StartError>) -> Result<T, StartError> {
    loop {
        match attempt().await {
            Err(error) if error.may_pass() => {
                tracing::debug!(%error, "cannot start yet");
                tokio::time::sleep(AGAIN).await;
            }
            started => return started,
        }
    }
}

/// The id of the cluster, as soon as it answers.
async fn cluster_id(cluster: &Cluster) -> anyhow::Result<String> {
    start(cluster, async || {
        Ok(Admin::new(cluster)?.cluster_id().await?)
    })
    .await
}

/// Follows the governance log of a mesh, once there is one.
async fn follow(cluster: &Cluster, mesh_id: &str) -> anyhow::Result<Follower> {
    let cluster_id = cluster_id(cluster).await?;
    let topics = Topics::of(mesh_id);
    let admin = Admin::new(cluster)?;
    let made = attempts(async || {
        for topic in [&topics.governance, &topics.people] {
            admin.end_offsets(topic).await?;
        }
        Ok(())
    });
    saying(&founding_of(mesh_id), made).await?;
    let follower = Follower::start(cluster, &topics)?;
    founded(&follower, mesh_id, &cluster_id).await?;
    Ok(follower)
}

/// Until the mesh is founded.
async fn founded(follower: &Follower, mesh_id: &str, cluster_id: &str) -> anyhow::Result<()> {
    saying(&founding_of(mesh_id), follower.founded()).await;
    check_cluster(follower, cluster_id)
}

/// What waiting for a mesh's first fact is called.
fn founding_of(mesh_id: &str) -> String {
    format!("mesh `{mesh_id}` (mesh.id) to be founded, which its first governor does")
}

/// A log belongs to one cluster: a copy of it elsewhere would fork it.
pub(crate) fn check_cluster(follower: &Follower, cluster_id: &str) -> anyhow::Result<()> {
    let mesh = std::sync::Arc::clone(&follower.view().borrow().mesh);
    let founded = mesh.founded.as_ref();
    match founded.map(|founded| founded.cluster_id.as_str()) {
        Some(founded) if founded != cluster_id => anyhow::bail!(
            "this mesh was founded on Kafka cluster {founded}, the one at hand is {cluster_id}: name the \
             mesh's own cluster, or another mesh.id"
        ),
        Some(_) | None => Ok(()),
    }
}

/// What a role says when it is ready.
struct Ready<'a> {
    role: &'a str,
    mesh: &'a str,
    cluster: &'a Cluster,
    /// What else is to be known, by its name: addresses under the names that `up` gives them.
    more: &'a [(&'a str, Value)],
}

impl Ready<'_> {
    /// Prints the one line of data that a role prints.
    fn announce(&self, format: Format) -> anyhow::Result<()> {
        let Self { role, mesh, .. } = self;
        let kafka = self.cluster.bootstrap();
        match format {
            Format::Json => {
                let mut line = json!({"event": "ready", "role": role, "mesh": mesh, "bootstrap_servers": kafka});
                for (name, value) in self.more {
                    line[*name] = value.clone();
                }
                output::json_line(&line)?;
            }
            Format::Table => {
                let more = self.more.iter().map(|(name, value)| {
                    let text = value
                        .as_str()
                        .map_or_else(|| value.to_string(), str::to_owned);
                    format!("  {name} {text}")
                });
                let more: String = more.collect();
                output::line(format!("ready: {role} of mesh {mesh}{more}  Kafka {kafka}"))?;
            }
        }
        Ok(())
    }
}

/// Runs until it is told to stop.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // an error means that the sender is gone, which is a stop too
    drop(stop.wait_for(|stop| *stop).await);
    eprintln!("meshlog: stopping");
}

/// Serves until it is told to stop, and finishes the answers on their way.
async fn serve_until(
    listener: TcpListener,
    router: axum::Router,
    stop: &mut watch::Receiver<bool>,
) {
    let (stopping, told) = watch::channel(false);
    let server = serve(listener, router, told);
    stopped(stop).await;
    stopping.send_replace(true);
    if tokio::time::timeout(DRAIN, server).await.is_err() {
        tracing::debug!("open answers were cut off");
    }
}

/// The address to listen on: as configured under `key`, but for the port that a flag names.
fn address(key: &str, listen: &str, port: Option<u16>) -> anyhow::Result<String> {
    let parts = listen.rsplit_once(':');
    let parts = parts.filter(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
    let Some((host, configured)) = parts else {
        return Err(usage(format!(
            "{key} is `{listen}`, expected HOST:PORT, as 127.0.0.1:8081"
        )));
    };
    let port = port.map_or_else(|| configured.to_owned(), |port| port.to_string());
    Ok(format!("{host}:{port}"))
}

/// Binds an address; `ways` says how another is chosen.
async fn listen(address: &str, ways: &str) -> anyhow::Result<TcpListener> {
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => Err(usage(format!(
            "{address} is in use: end the program that has it, or choose another with {ways} (0 picks a free one)"
        ))),
        Err(error) => Err(error).with_context(|| format!("cannot listen on {address}")),
    }
}

/// Says what an open door means.
fn warn_of_open_door(listener: &TcpListener, may: &str) -> anyhow::Result<()> {
    let local = listener.local_addr()?;
    if !local.ip().is_loopback() {
        eprintln!("meshlog: authentication is off: whoever reaches {local} may {may}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_changes_the_port_alone() {
        let of = |listen, port| address("registry.listen", listen, port);
        assert_eq!(of("0.0.0.0:8081", None).expect("one"), "0.0.0.0:8081");
        assert_eq!(of("[::1]:8081", Some(0)).expect("one"), "[::1]:0");
        for bad in ["8081", ":8081", "localhost", "localhost:http", ""] {
            assert!(of(bad, None).is_err(), "{bad}");
        }
    }
}
