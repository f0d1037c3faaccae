//! The roles of a mesh, wired together in one process: registry, governor, enforcer, catalog.

use super::force::{self, Catch};
use anyhow::Context;
use axum::Router;
use catalog::stats::{Counters, LivePort, RunState};
use enforcer::{Enforcer, EnforcerConfig, EnforcerStatus, PortState, Snapshot, parse_progress};
use governor::provision::{RegisteredSchema, Registrar};
use governor::{Founding, GovernorConfig, GovernorHandle};
use kafka::Cluster;
use registry::{OwnedSubjects, RegistryConfig, RegistryHandle};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What the roles need to know.
pub(super) struct Plan {
    pub(super) cluster: Cluster,
    pub(super) replication: i32,
    pub(super) founding: Founding,
    pub(super) registry_topic: String,
    pub(super) snapshot_dir: PathBuf,
    pub(super) registry_url: String,
    pub(super) http_url: String,
}

/// The running roles.
pub(super) struct Roles {
    registry: RegistryHandle,
    governor: GovernorHandle,
    enforcer: Enforcer,
    catalog: catalog::CatalogHandle,
    publisher: JoinHandle<()>,
}

impl Plan {
    /// What the catalog is told, but for what the other roles add.
    fn catalog(&self) -> catalog::CatalogConfig {
        catalog::CatalogConfig {
            cluster: self.cluster.clone(),
            shown: catalog::Shown {
                mesh: self.founding.mesh_id.clone(),
                bootstrap_servers: self.cluster.bootstrap().to_owned(),
                registry: self.registry_url.clone(),
                http: self.http_url.clone(),
                schemas_topic: self.registry_topic.clone(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
            },
            dir: Some(self.snapshot_dir.clone()),
            hooks: catalog::Hooks::default(),
        }
    }
}

struct BuiltIn(OwnedSubjects);

impl Registrar for BuiltIn {
    async fn register(
        &self,
        subject: &str,
        schema_type: &str,
        schema: &str,
        port: &str,
    ) -> Result<RegisteredSchema, String> {
        let registered = self
            .0
            .register_owned(subject, schema_type, schema, port)
            .await
            .map_err(|refusal| refusal.to_string())?;
        Ok(RegisteredSchema {
            id: registered.id,
            guid: registered.guid,
        })
    }
}

impl Roles {
    /// Start them and wait until all are ready.
    pub(super) async fn start(plan: Plan) -> anyhow::Result<Self> {
        let shown = plan.catalog();
        let mesh_id = plan.founding.mesh_id.clone();
        let cluster_id = plan.founding.cluster_id.clone();
        let administrator = plan.founding.administrator.clone();
        let registry = registry::start(RegistryConfig {
            cluster: plan.cluster.clone(),
            mesh: mesh_id.clone(),
            topic: plan.registry_topic.clone(),
            replication: plan.replication,
        });
        let registry = registry.await.context("the registry cannot start")?;
        let config = GovernorConfig {
            cluster: plan.cluster.clone(),
            founding: plan.founding,
            replication: plan.replication,
            default_principal: administrator,
        };
        let governor = governor::start(config, BuiltIn(registry.owned()));
        let governor = governor.await.context("the governor cannot start")?;
        let (sender, snapshots) = watch::channel(Arc::new(Snapshot::default()));
        let publisher = tokio::spawn(force::publish(governor.view(), sender));
        governor.ready().await;
        check_cluster(&governor, &cluster_id)?;
        let catch = Catch {
            ends: governor.ends(),
            snapshots: snapshots.clone(),
            runtime: tokio::runtime::Handle::current(),
        };
        let config = EnforcerConfig::new(plan.cluster.clone(), mesh_id.as_str());
        let enforcer =
            Enforcer::spawn(config, snapshots, catch).context("the enforcer cannot start")?;
        let catalog_config = catalog::CatalogConfig {
            hooks: hooks(enforcer.status()),
            ..shown
        };
        let catalog = catalog::start(catalog_config);
        let catalog = catalog.await.context("the catalog cannot start")?;
        registry.ready().await;
        catalog
            .views()
            .ready()
            .await
            .context("the catalog's view cannot be built")?;
        Ok(Self {
            registry,
            governor,
            enforcer,
            catalog,
            publisher,
        })
    }

    /// Confluent's API.
    pub(super) fn registry_router(&self) -> Router {
        self.registry.router()
    }

    /// API and pages.
    pub(super) fn http_router(&self) -> Router {
        self.catalog.router().merge(self.governor.router())
    }

    /// Stop them: first what writes data, then what decides, then what shows.
    pub(super) async fn stop(self) {
        let enforcer = self.enforcer;
        match tokio::task::spawn_blocking(move || enforcer.stop()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the enforcer is still stopping"),
            Err(error) => tracing::error!(%error, "the enforcer's stop panicked"),
        }
        self.publisher.abort();
        self.governor.stop().await;
        self.registry.stop().await;
        self.catalog.stop().await;
    }
}

/// A log belongs to one cluster: a copy of it elsewhere would fork it.
fn check_cluster(governor: &GovernorHandle, cluster_id: &str) -> anyhow::Result<()> {
    let mesh = Arc::clone(&governor.view().borrow().mesh);
    let founded = mesh
        .founded
        .as_ref()
        .map(|founded| founded.cluster_id.as_str());
    match founded {
        Some(founded) if founded != cluster_id => anyhow::bail!(
            "this mesh was founded on Kafka cluster {founded}, the one at hand is {cluster_id}: name the \
             mesh's own cluster, or another mesh.id"
        ),
        Some(_) | None => Ok(()),
    }
}

fn hooks(status: watch::Receiver<EnforcerStatus>) -> catalog::Hooks {
    let counters = |text: &str| {
        let progress = parse_progress(text).ok()?;
        Some(Counters {
            inbox: progress.inbox,
            accepted: progress.accepted,
            quarantined: progress.quarantined,
        })
    };
    let live = move |port: &str| {
        let status = status.borrow();
        let port = status.ports.get(port)?;
        let (state, why) = match (&port.state, &status.trouble) {
            (PortState::Running, None) => (RunState::Running, None),
            (PortState::Running, Some(why)) | (PortState::Stalled(why), _) => {
                (RunState::Stalled, Some(why.clone()))
            }
            (PortState::Paused(why), _) => (RunState::Paused, Some(why.clone())),
        };
        Some(LivePort {
            state,
            why,
            last_event_ms: port.last_event_ms,
        })
    };
    catalog::Hooks {
        counters: Some(Arc::new(counters)),
        live: Some(Arc::new(live)),
        ..catalog::Hooks::default()
    }
}
