//! `meshlog registry` without a verb: the schema registry alone. Any number of instances on one Kafka; each answers and
//! takes writes.

use ::registry::{RegistryConfig, RegistryHandle};
use anyhow::Context;
use kafka::Cluster;
use tokio::sync::watch;

use super::{Ready, RoleArgs, address, listen, serve_until, start, warn_of_open_door};
use crate::config::Config;
use crate::output::Format;
use crate::up::stop_signal;

const WAYS: &str = "`[registry] listen` or --registry-port";

/// How the registry is told.
#[derive(Debug, Default, PartialEq, Eq, clap::Args)]
pub(crate) struct RegistryArgs {
    #[command(flatten)]
    pub(crate) role: RoleArgs,
    /// Port to listen on, at the address of `[registry] listen`; 0 picks a free one
    #[arg(long, value_name = "PORT")]
    registry_port: Option<u16>,
}

/// Runs the registry until it is told to stop.
pub(crate) async fn run(args: RegistryArgs, format: Format) -> anyhow::Result<()> {
    let mut stop = stop_signal()?;
    let (config, cluster) = args.role.load()?;
    let address = address(
        "registry.listen",
        &config.registry.listen,
        args.registry_port,
    )?;
    // taken by another: that is said now, not once the log has been read
    drop(listen(&address, WAYS).await?);
    let plan = plan(&config, &cluster);
    let registry = tokio::select! {
        registry = start(&cluster, async || ::registry::start(plan.clone()).await) => {
            registry.context("the registry cannot start")?
        }
        _ = stop.changed() => return Ok(()),
    };
    let served = serve(&registry, &address, &plan, format, &mut stop).await;
    registry.stop().await;
    served
}

/// What a registry on a given Kafka is told; topics are replicated as the cluster has it.
pub(super) fn plan(config: &Config, cluster: &Cluster) -> RegistryConfig {
    RegistryConfig {
        cluster: cluster.clone(),
        mesh: config.mesh.id.clone(),
        topic: config.registry.topic.clone(),
        replication: -1,
    }
}

async fn serve(
    registry: &RegistryHandle,
    address: &str,
    plan: &RegistryConfig,
    format: Format,
    stop: &mut watch::Receiver<bool>,
) -> anyhow::Result<()> {
    tokio::select! {
        () = registry.ready() => {}
        _ = stop.changed() => return Ok(()),
    }
    let listener = listen(address, WAYS).await?;
    warn_of_open_door(&listener, "register and delete")?;
    let url = format!("http://{}", listener.local_addr()?);
    Ready {
        role: "registry",
        mesh: &plan.mesh,
        cluster: &plan.cluster,
        more: &[
            ("registry", url.into()),
            ("topic", plan.topic.as_str().into()),
        ],
    }
    .announce(format)?;
    tokio::select! {
        () = serve_until(listener, registry.router(), stop) => Ok(()),
        why = registry.ended() => anyhow::bail!("the registry takes no writes any longer: {why}"),
    }
}
