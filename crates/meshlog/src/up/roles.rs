//! The roles of a mesh, wired together in one process: registry, governor, enforcer, observer, gateway, catalog.

use crate::role::catalog::hooks;
use crate::role::check_cluster;
use crate::role::enforcer::Enforcing;
use crate::role::governor::Schemas;
use crate::role::observer::{self, Observing};
use anyhow::Context;
use axum::Router;
use enforcer::{BreakerLimits, Gateway, GatewayConfig};
use governor::provision::Pending;
use governor::{Founding, GovernorConfig, GovernorHandle, Proposals};
use kafka::Cluster;
use registry::{RegistryConfig, RegistryHandle};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::watch;

/// What the roles need to know.
pub(super) struct Plan {
    pub(super) cluster: Cluster,
    pub(super) replication: i32,
    pub(super) founding: Founding,
    pub(super) registry_topic: String,
    pub(super) snapshot_dir: PathBuf,
    pub(super) registry_url: String,
    pub(super) http_url: String,
    pub(super) gateway: GatewayConfig,
    pub(super) breaker: BreakerLimits,
    pub(super) window: std::time::Duration,
}

/// The running roles.
pub(super) struct Roles {
    registry: RegistryHandle,
    governor: GovernorHandle,
    proposals: Proposals,
    enforcing: Enforcing,
    observing: Observing,
    gateway: Gateway,
    catalog: catalog::CatalogHandle,
}

impl Plan {
    /// What the registry is told.
    fn registry(&self) -> RegistryConfig {
        RegistryConfig {
            cluster: self.cluster.clone(),
            mesh: self.founding.mesh_id.clone(),
            topic: self.registry_topic.clone(),
            replication: self.replication,
        }
    }

    /// What the governor is told.
    fn governor(&self) -> GovernorConfig {
        GovernorConfig {
            cluster: self.cluster.clone(),
            founding: self.founding.clone(),
            replication: self.replication,
        }
    }

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

/// What the catalog may ask the services beside it.
fn all_hooks(
    governor: &GovernorHandle,
    enforcing: &Enforcing,
    gateway: &Gateway,
) -> catalog::Hooks {
    let metrics = vec![
        gateway.metrics(),
        enforcing.enforcer.metrics(),
        governor.metrics(),
    ];
    catalog::Hooks {
        metrics,
        provisioning: Some(provisioning(governor.pending())),
        ..hooks(enforcing.enforcer.status())
    }
}

/// What keeps ports from coming into force, as the catalog asks the governor beside it.
fn provisioning(pending: watch::Receiver<Pending>) -> catalog::Provisioning {
    Arc::new(move |port: &str| pending.borrow().get(port).cloned())
}

impl Roles {
    /// Start them and wait until all are ready.
    pub(super) async fn start(plan: Plan) -> anyhow::Result<Self> {
        let (cluster, founding) = (&plan.cluster, &plan.founding);
        let registry = registry::start(plan.registry()).await;
        let registry = registry.context("the registry cannot start")?;
        let governor = governor::start(plan.governor(), Schemas(registry.owned())).await;
        let governor = governor.context("the governor cannot start")?;
        governor.ready().await;
        let follower = governor.follower();
        check_cluster(follower, &founding.cluster_id)?;
        let anyone = founding.administrator.clone();
        let proposals = Proposals::start(cluster, &founding.mesh_id, follower, anyone).await;
        let proposals = proposals.context("proposals cannot be taken")?;
        let slot = (0, plan.breaker);
        let enforcing = Enforcing::start(cluster, &founding.mesh_id, slot, follower)?;
        let told = observer::plan(cluster, &founding.mesh_id, 0, plan.window);
        let observing = Observing::start(told, follower).await?;
        let gateway = Gateway::start(plan.gateway.clone(), enforcing.snapshots.clone()).await;
        let gateway = gateway.context("the gateway cannot start")?;
        let catalog = catalog::start(catalog::CatalogConfig {
            hooks: all_hooks(&governor, &enforcing, &gateway),
            ..plan.catalog()
        });
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
            proposals,
            enforcing,
            observing,
            gateway,
            catalog,
        })
    }

    /// Confluent's API.
    pub(super) fn registry_router(&self) -> Router {
        self.registry.router()
    }

    /// API and pages.
    pub(super) fn http_router(&self) -> Router {
        let api = self.catalog.router().merge(self.proposals.router());
        api.merge(self.gateway.router())
    }

    /// Stop them: first what writes data, then what decides, then what shows.
    pub(super) async fn stop(self) {
        self.gateway.stop();
        self.enforcing.stop().await;
        self.observing.stop().await;
        self.proposals.stop();
        self.governor.stop().await;
        self.registry.stop().await;
        self.catalog.stop().await;
    }
}
