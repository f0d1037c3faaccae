//! `meshlog registry` without a verb: the registry alone, for production. Any number of instances on one Kafka; each
//! answers and takes writes.
//!
//! It listens once it has read the whole log, so that a client with several addresses goes to another until then.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use kafka::{AdminError, Cluster};
use registry::{RegistryConfig, RegistryHandle, StartError};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::{Global, usage};
use crate::config::Config;
use crate::output::{self, Format};
use crate::up::{DRAIN, serve, stop_signal};

/// Between two attempts to reach Kafka.
const AGAIN: Duration = Duration::from_secs(1);

/// Silence after which somebody wants to know why.
const SILENCE: Duration = Duration::from_secs(3);

/// How the role is told.
#[derive(Debug, Default, PartialEq, Eq, clap::Args)]
pub(super) struct RoleArgs {
    /// The configuration; otherwise meshlog.toml, where there is one
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Kafka; otherwise `[kafka] bootstrap_servers`
    #[arg(long, value_name = "HOST:PORT")]
    bootstrap_servers: Option<String>,
    /// Port to listen on, at the address of `[registry] listen`; 0 picks a free one
    #[arg(long, value_name = "PORT")]
    registry_port: Option<u16>,
}

/// Runs the registry until it is told to stop.
pub(super) async fn run(global: &Global, args: RoleArgs) -> anyhow::Result<()> {
    let mut stop = stop_signal()?;
    let config = Config::load(args.config.as_deref())?;
    let bootstrap = args.bootstrap_servers.as_ref();
    let bootstrap = bootstrap.unwrap_or(&config.kafka.bootstrap_servers).clone();
    if bootstrap.is_empty() {
        let text = "no Kafka is named: set `[kafka] bootstrap_servers` in the configuration, or --bootstrap-servers";
        return Err(usage(text));
    }
    let address = address(&config.registry.listen, args.registry_port)?;
    // taken by another: that is said now, not once the log has been read
    drop(listen(&address).await?);
    let registry = tokio::select! {
        registry = start(&config, &bootstrap) => registry?,
        _ = stop.changed() => return Ok(()),
    };
    let stopped = serve_until(&registry, &address, &bootstrap, global.output, stop).await;
    registry.stop().await;
    stopped
}

async fn serve_until(
    registry: &RegistryHandle,
    address: &str,
    bootstrap: &str,
    format: Format,
    mut stop: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    tokio::select! {
        () = registry.ready() => {}
        _ = stop.changed() => return Ok(()),
    }
    let listener = listen(address).await?;
    let local = listener.local_addr()?;
    if !local.ip().is_loopback() {
        eprintln!(
            "meshlog: authentication is off: whoever reaches {local} may register and delete"
        );
    }
    let (stopping, told) = watch::channel(false);
    let server = serve(listener, registry.router(), told);
    announce(&format!("http://{local}"), bootstrap, format)?;
    // an error means that the sender is gone, which is a stop too
    drop(stop.wait_for(|stop| *stop).await);
    eprintln!("meshlog: stopping");
    stopping.send_replace(true);
    if tokio::time::timeout(DRAIN, server).await.is_err() {
        tracing::debug!("open answers were cut off");
    }
    Ok(())
}

fn announce(registry: &str, bootstrap: &str, format: Format) -> anyhow::Result<()> {
    match format {
        Format::Json => output::json_line(&json!({
            "event": "ready",
            "bootstrap_servers": bootstrap,
            "registry": registry,
        }))?,
        Format::Table => output::line(format!("ready: registry {registry}  Kafka {bootstrap}"))?,
    }
    Ok(())
}

/// Starts the registry as soon as Kafka answers.
async fn start(config: &Config, bootstrap: &str) -> anyhow::Result<RegistryHandle> {
    let starting = attempts(config, bootstrap);
    tokio::pin!(starting);
    tokio::select! {
        started = &mut starting => return started,
        () = tokio::time::sleep(SILENCE) => {}
    }
    eprintln!("meshlog: waiting for Kafka at {bootstrap}");
    starting.await
}

async fn attempts(config: &Config, bootstrap: &str) -> anyhow::Result<RegistryHandle> {
    loop {
        let plan = RegistryConfig {
            cluster: Cluster::new(bootstrap),
            mesh: config.mesh.id.clone(),
            topic: config.registry.topic.clone(),
            // the cluster's default
            replication: -1,
        };
        match registry::start(plan).await {
            Ok(registry) => return Ok(registry),
            Err(error) if may_pass(&error) => {
                tracing::warn!(%error, "Kafka does not answer yet");
                tokio::time::sleep(AGAIN).await;
            }
            Err(error) => return Err(error).context("the registry cannot start"),
        }
    }
}

/// Whether a start failed because Kafka was not there yet.
fn may_pass(error: &StartError) -> bool {
    match error {
        StartError::Admin(
            AdminError::Request { .. }
            | AdminError::Unreachable { .. }
            | AdminError::NoTopic { .. },
        )
        | StartError::Read(_) => true,
        StartError::Admin(
            AdminError::Cluster(_)
            | AdminError::TopicMismatch { .. }
            | AdminError::Unreadable { .. },
        )
        | StartError::Cluster(_) => false,
    }
}

/// The address to listen on.
fn address(listen: &str, port: Option<u16>) -> anyhow::Result<String> {
    let parts = listen.rsplit_once(':');
    let parts = parts.filter(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
    let Some((host, configured)) = parts else {
        return Err(usage(format!(
            "registry.listen is `{listen}`, expected HOST:PORT, as 127.0.0.1:8081"
        )));
    };
    let port = port.map_or_else(|| configured.to_owned(), |port| port.to_string());
    Ok(format!("{host}:{port}"))
}

async fn listen(address: &str) -> anyhow::Result<TcpListener> {
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => Err(usage(format!(
            "{address} is in use: end the program that has it, or choose another with `[registry] listen` or \
             --registry-port (0 picks a free one)"
        ))),
        Err(error) => Err(error).with_context(|| format!("cannot listen on {address}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_changes_the_port_alone() {
        assert_eq!(address("0.0.0.0:8081", None).expect("one"), "0.0.0.0:8081");
        assert_eq!(address("[::1]:8081", Some(0)).expect("one"), "[::1]:0");
        for bad in ["8081", ":8081", "localhost", "localhost:http", ""] {
            assert!(address(bad, None).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_an_absent_kafka_is_waited_for() {
        let unreachable = AdminError::Unreachable {
            bootstrap: "x".into(),
        };
        assert!(may_pass(&unreachable.into()));
        let mismatch = AdminError::TopicMismatch {
            topic: "_schemas".into(),
            setting: "cleanup.policy".into(),
            expected: "compact".into(),
            found: "delete".into(),
        };
        assert!(!may_pass(&mismatch.into()));
    }
}
