//! `meshlog gateway`: takes events over HTTP. Any number of instances.

use std::sync::Arc;
use std::time::Duration;

use ::enforcer::Snapshot;
use ::enforcer::gateway::{Gateway, GatewayConfig, Limits, NotAdmitted};
use ::governor::follow::Follower;
use anyhow::Context;
use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use kafka::Cluster;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{
    Ready, RoleArgs, address, follow, force, listen, serve_until, start, usage, warn_of_open_door,
};
use crate::config;
use crate::output::Format;
use crate::up::stop_signal;

const WAYS: &str = "`[gateway] listen` or --http-port";

/// How a gateway is told.
#[derive(Debug, clap::Args)]
pub(crate) struct GatewayArgs {
    #[command(flatten)]
    pub(crate) role: RoleArgs,
    /// Port to listen on, at the address of `[gateway] listen`; 0 picks a free one
    #[arg(long, value_name = "PORT")]
    http_port: Option<u16>,
}

/// What runs in a gateway's process.
struct Running {
    follower: Follower,
    publisher: JoinHandle<()>,
    gateway: Gateway,
}

/// Runs a gateway until it is told to stop.
pub(crate) async fn run(args: GatewayArgs, format: Format) -> anyhow::Result<()> {
    let mut stop = stop_signal()?;
    let (config, cluster) = args.role.load()?;
    let address = address("gateway.listen", &config.gateway.listen, args.http_port)?;
    // taken by another: that is said now, not once the log has been read
    drop(listen(&address, WAYS).await?);
    let told = told(&config.gateway, &cluster, &config.mesh.id)?;
    let running = tokio::select! {
        running = Running::start(&cluster, told) => running?,
        _ = stop.changed() => return Ok(()),
    };
    let listener = listen(&address, WAYS).await?;
    warn_of_open_door(&listener, "post events to every port")?;
    let url = format!("http://{}", listener.local_addr()?);
    Ready {
        role: "gateway",
        mesh: &config.mesh.id,
        cluster: &cluster,
        more: &[("http", url.into())],
    }
    .announce(format)?;
    serve_until(listener, running.router(), &mut stop).await;
    running.stop();
    Ok(())
}

/// What a gateway is told by the configuration. Authentication is off: whoever names a principal properly may post.
///
/// # Errors
/// Limits that would take nothing.
pub(crate) fn told(
    config: &config::Gateway,
    cluster: &Cluster,
    mesh: &str,
) -> anyhow::Result<GatewayConfig> {
    let limits = Limits {
        request_bytes: config.max_request_bytes,
        events: config.max_events,
        requests: config.max_requests_in_flight,
        bytes: config.max_bytes_in_flight,
        acknowledge: Duration::from_secs(config.acknowledge_seconds),
        time: Duration::from_secs(config.request_seconds),
    };
    let none = limits.request_bytes == 0
        || limits.events == 0
        || limits.requests == 0
        || limits.acknowledge.is_zero()
        || limits.time.is_zero();
    if none {
        return Err(usage("a limit of [gateway] is 0: it would take no event"));
    }
    Ok(GatewayConfig {
        cluster: cluster.clone(),
        mesh: mesh.to_owned(),
        limits,
        admit: Arc::new(|headers, _port| {
            let named = ::governor::principal_of(headers);
            named
                .map(drop)
                .map_err(|why| NotAdmitted::Malformed(why.to_owned()))
        }),
    })
}

impl Running {
    async fn start(cluster: &Cluster, told: GatewayConfig) -> anyhow::Result<Self> {
        let follower = follow(cluster, &told.mesh).await?;
        let (sender, mut view) = watch::channel(Arc::new(Snapshot::default()));
        let publisher = tokio::spawn(force::publish(follower.view(), sender));
        let gateway = start(cluster, async || {
            Gateway::start(told.clone(), view.clone()).await
        });
        let gateway = gateway.await.context("the gateway cannot start")?;
        // The mesh is founded, so there is a first state; the sender lives as long as the publisher.
        drop(view.changed().await);
        Ok(Self {
            follower,
            publisher,
            gateway,
        })
    }

    /// Events in, and what those ask who look after it.
    fn router(&self) -> Router {
        let metrics = self.gateway.metrics();
        let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        let text = move || {
            let text = format!("{}# EOF\n", metrics());
            async move { ([(header::CONTENT_TYPE, kind)], text).into_response() }
        };
        // It listens once it has read the log, so that it is ready whenever it answers.
        self.gateway
            .router()
            .route("/metrics", get(text))
            .route("/healthz", get(async || "ok\n"))
            .route("/readyz", get(async || "ready\n"))
    }

    fn stop(self) {
        self.gateway.stop();
        self.publisher.abort();
        self.follower.stop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_that_take_nothing_are_refused() {
        let config = config::Gateway {
            listen: "127.0.0.1:0".to_owned(),
            max_request_bytes: 10,
            max_events: 1,
            max_requests_in_flight: 1,
            max_bytes_in_flight: 0,
            acknowledge_seconds: 1,
            request_seconds: 1,
        };
        let cluster = Cluster::new("127.0.0.1:1");
        assert!(told(&config, &cluster, "m").is_ok());
        let nothing = config::Gateway {
            max_events: 0,
            ..config
        };
        assert!(told(&nothing, &cluster, "m").is_err());
    }
}
