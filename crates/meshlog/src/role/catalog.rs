//! `meshlog catalog`: the API and the pages; proposals over HTTP are taken here. Any number of instances.

use std::path::PathBuf;
use std::sync::Arc;

use ::catalog::stats::{Counters, LivePort, RunState};
use ::catalog::{CatalogConfig, CatalogHandle, Hooks, Shown};
use ::enforcer::{EnforcerStatus, PortState, parse_progress};
use ::governor::Proposals;
use ::governor::follow::Follower;
use anyhow::Context;
use kafka::Cluster;
use tokio::sync::watch;

use super::{
    Ready, RoleArgs, address, follow, listen, saying, serve_until, start, usage, warn_of_open_door,
};
use crate::config::Config;
use crate::output::Format;
use crate::up::stop_signal;

const WAYS: &str = "`[catalog] listen` or --http-port";

/// How the catalog is told.
#[derive(Debug, clap::Args)]
pub(crate) struct CatalogArgs {
    #[command(flatten)]
    pub(crate) role: RoleArgs,
    /// Port to listen on, at the address of `[catalog] listen`; 0 picks a free one
    #[arg(long, value_name = "PORT")]
    http_port: Option<u16>,
}

/// What runs in a catalog's process.
struct Running {
    follower: Follower,
    proposals: Proposals,
    catalog: CatalogHandle,
}

/// Runs a catalog until it is told to stop.
pub(crate) async fn run(args: CatalogArgs, format: Format) -> anyhow::Result<()> {
    let mut stop = stop_signal()?;
    let (config, cluster) = args.role.load()?;
    let address = address("catalog.listen", &config.catalog.listen, args.http_port)?;
    // taken by another: that is said now, not once the log has been read; and a port that is picked is known from here
    let address = listen(&address, WAYS).await?.local_addr()?.to_string();
    for (key, url) in [
        ("catalog.url", &config.catalog.url),
        ("catalog.registry", &config.catalog.registry),
    ] {
        check_url(key, url)?;
    }
    let shown = shown(&config, &cluster, &address);
    let running = tokio::select! {
        running = Running::start(&config, &cluster, shown.clone()) => running?,
        _ = stop.changed() => return Ok(()),
    };
    let served = running
        .serve(&address, &cluster, &shown, format, &mut stop)
        .await;
    running.stop().await;
    served
}

/// What users are told as an address has to be one.
fn check_url(key: &str, url: &str) -> anyhow::Result<()> {
    let web = |url: reqwest::Url| matches!(url.scheme(), "http" | "https");
    if url.is_empty() || reqwest::Url::parse(url).is_ok_and(web) {
        return Ok(());
    }
    Err(usage(format!(
        "{key} is `{url}`, expected a URL, as https://mesh.example.org"
    )))
}

/// Addresses and names as users are shown them.
fn shown(config: &Config, cluster: &Cluster, address: &str) -> Shown {
    let or = |told: &str, address: &str| {
        if told.is_empty() {
            format!("http://{address}")
        } else {
            told.trim_end_matches('/').to_owned()
        }
    };
    Shown {
        mesh: config.mesh.id.clone(),
        bootstrap_servers: cluster.bootstrap().to_owned(),
        registry: or(&config.catalog.registry, &config.registry.listen),
        http: or(&config.catalog.url, address),
        schemas_topic: config.registry.topic.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

impl Running {
    async fn start(config: &Config, cluster: &Cluster, shown: Shown) -> anyhow::Result<Self> {
        let follower = follow(cluster, &config.mesh.id).await?;
        let proposals = start(cluster, async || {
            let anyone = crate::client::os_user();
            Proposals::start(cluster, &config.mesh.id, &follower, anyone).await
        });
        let proposals = proposals.await.context("proposals cannot be taken")?;
        let dir = Some(&config.catalog.dir).filter(|dir| !dir.is_empty());
        let catalog = ::catalog::start(CatalogConfig {
            cluster: cluster.clone(),
            shown,
            dir: dir.map(PathBuf::from),
            hooks: counting(),
        });
        let catalog = catalog.await.context("the catalog cannot start")?;
        let ready = catalog.views();
        let ready = saying("the governance log to be read", ready.ready()).await;
        ready.context("the catalog's view cannot be built")?;
        Ok(Self {
            follower,
            proposals,
            catalog,
        })
    }

    async fn serve(
        &self,
        address: &str,
        cluster: &Cluster,
        shown: &Shown,
        format: Format,
        stop: &mut watch::Receiver<bool>,
    ) -> anyhow::Result<()> {
        let listener = listen(address, WAYS).await?;
        warn_of_open_door(&listener, "propose in anyone's name")?;
        let local = listener.local_addr()?.to_string();
        Ready {
            role: "catalog",
            mesh: &shown.mesh,
            cluster,
            more: &[
                ("http", shown.http.as_str().into()),
                ("listens", local.into()),
            ],
        }
        .announce(format)?;
        let router = self.catalog.router().merge(self.proposals.router());
        serve_until(listener, router, stop).await;
        Ok(())
    }

    async fn stop(self) {
        self.proposals.stop();
        self.catalog.stop().await;
        self.follower.stop();
    }
}

/// What a catalog without an enforcer beside it knows of the enforcers: what they commit.
fn counting() -> Hooks {
    let counters = |text: &str| {
        let progress = parse_progress(text).ok()?;
        Some(Counters {
            inbox: progress.inbox,
            accepted: progress.accepted,
            quarantined: progress.quarantined,
            shadowed: progress.shadowed,
        })
    };
    Hooks {
        counters: Some(Arc::new(counters)),
        ..Hooks::default()
    }
}

/// What a catalog knows of the enforcer beside it.
pub(crate) fn hooks(status: watch::Receiver<EnforcerStatus>) -> Hooks {
    let live = move |port: &str| {
        let status = status.borrow();
        let port = status.ports.get(port)?;
        let (state, why) = match (&port.state, &status.trouble) {
            (PortState::Running, None) => (RunState::Running, None),
            (PortState::Running, Some(why)) | (PortState::Stalled(why), _) => {
                (RunState::Stalled, Some(why.clone()))
            }
            (PortState::Paused(why), _) => (RunState::Paused, Some(why.clone())),
            (PortState::Breaker(why), _) => (RunState::Breaker, Some(why.clone())),
        };
        Some(LivePort {
            state,
            why,
            last_event_ms: port.last_event_ms,
        })
    };
    Hooks {
        live: Some(Arc::new(live)),
        ..counting()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_for_users_are_urls_of_the_web() {
        for good in ["", "https://mesh.example.org", "http://10.0.0.1:8080/"] {
            assert!(check_url("catalog.url", good).is_ok(), "{good}");
        }
        for bad in ["not a url", "ftp://x", "mesh.example.org", "localhost:8080"] {
            assert!(check_url("catalog.url", bad).is_err(), "{bad}");
        }
    }
}
