//! `meshlog governor`: decides proposals, writes the facts, and has topics and schemas made. Any number of instances; one
//! writes, the others stand by.

use std::path::PathBuf;

use ::governor::provision::{PortSchema, RegisteredSchema, Registrar};
use ::governor::{Founding, GovernorConfig, GovernorHandle};
use anyhow::Context;
use kafka::Cluster;
use registry::{OwnedSubjects, record::Reference};
use serde_json::Value;

use super::metrics::{Door, MetricsArgs};
use super::{Ready, RoleArgs, cluster_id, founded, start};
use crate::config::Config;
use crate::directory::{Directory, random_bytes};
use crate::output::Format;
use crate::up::stop_signal;

/// How a governor is told.
#[derive(Debug, clap::Args)]
pub(crate) struct GovernorArgs {
    #[command(flatten)]
    pub(crate) role: RoleArgs,
    #[command(flatten)]
    metrics: MetricsArgs,
    /// Where its key is kept; each governor has a directory of its own
    #[arg(long, value_name = "DIR", default_value = ".meshlog")]
    dir: PathBuf,
    /// The administrator of a mesh that is founded now; default: the OS user
    #[arg(long, value_name = "PRINCIPAL")]
    admin: Option<String>,
}

/// Runs a governor until it is told to stop.
pub(crate) async fn run(args: GovernorArgs, format: Format) -> anyhow::Result<()> {
    let mut stop = stop_signal()?;
    let (config, cluster) = args.role.load()?;
    let door = Door::open(&config, &args.metrics).await?;
    let directory = Directory::open(&args.dir, &config.mesh.id)?;
    let governor = tokio::select! {
        governor = begin(&args, &config, &cluster, &directory) => governor?,
        _ = stop.changed() => return Ok(()),
    };
    let url = door.url().map(|url| ("metrics", Value::from(url)));
    Ready {
        role: "governor",
        mesh: &config.mesh.id,
        cluster: &cluster,
        more: url.as_slice(),
    }
    .announce(format)?;
    let done = tokio::select! {
        () = door.serve(governor.metrics(), &mut stop) => Ok(()),
        why = writer_ended(&governor) => Err(why),
    };
    governor.stop().await;
    done
}

async fn begin(
    args: &GovernorArgs,
    config: &Config,
    cluster: &Cluster,
    directory: &Directory,
) -> anyhow::Result<GovernorHandle> {
    let plan = super::registry::plan(config, cluster);
    let registry = start(cluster, async || registry::ask(plan.clone()).await);
    let registry = registry.await.context("the registry cannot be asked")?;
    registry.ready().await;
    let cluster_id = cluster_id(cluster).await?;
    let founding = founding(config, &cluster_id, args.admin.clone(), directory)?;
    let governor = start(cluster, async || {
        let config = GovernorConfig {
            cluster: cluster.clone(),
            founding: founding.clone(),
            replication: -1,
        };
        ::governor::start(config, Schemas(registry.clone())).await
    });
    let governor = governor.await.context("the governor cannot start")?;
    tokio::select! {
        founded = founded(governor.follower(), &config.mesh.id, &cluster_id) => founded?,
        why = writer_ended(&governor) => return Err(why),
    }
    let view = governor.follower().view();
    let mesh = std::sync::Arc::clone(&view.borrow().mesh);
    if mesh.size == 1 && mesh.last_time_ms == founding.time_ms {
        eprintln!(
            "meshlog: founded mesh `{}` on this cluster; its administrator is {}",
            config.mesh.id, founding.administrator
        );
    }
    Ok(governor)
}

/// A writer that has ended saw something that a human has to look at: it would not help to go on and decide nothing.
async fn writer_ended(governor: &GovernorHandle) -> anyhow::Error {
    anyhow::anyhow!("the governor decides no longer: {}", governor.ended().await)
}

/// What a mesh begins with, should it be founded now.
pub(crate) fn founding(
    config: &Config,
    cluster_id: &str,
    admin: Option<String>,
    directory: &Directory,
) -> anyhow::Result<Founding> {
    Ok(Founding {
        mesh_id: config.mesh.id.clone(),
        cluster_id: cluster_id.to_owned(),
        administrator: admin.unwrap_or_else(crate::client::os_user),
        notary_key: directory.notary_key()?,
        secret: random_bytes()?,
        time_ms: now_ms(),
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "the founding's time is stamped here, at the edge"
)]
fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// Our registry, as the provisioner asks it.
pub(crate) struct Schemas(pub(crate) OwnedSubjects);

impl Registrar for Schemas {
    async fn register(
        &self,
        subject: &str,
        schema: &PortSchema<'_>,
        port: &str,
    ) -> Result<RegisteredSchema, String> {
        let references = schema.references.iter();
        let references = references.map(|reference| Reference {
            name: reference.name.clone(),
            subject: reference.subject.clone(),
            version: i32::try_from(reference.version).unwrap_or(i32::MAX),
        });
        let references: Vec<Reference> = references.collect();
        let registered = self
            .0
            .register_owned(subject, schema.schema_type, schema.text, &references, port)
            .await
            .map_err(|refusal| refusal.to_string())?;
        Ok(RegisteredSchema {
            id: registered.id,
            version: registered.version,
            guid: registered.guid,
        })
    }
}
