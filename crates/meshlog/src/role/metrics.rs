//! `/metrics`, `/healthz` and `/readyz` of roles that listen for nothing else: enforcer and governor, where they run alone.

use axum::Router;
use axum::http::header;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::{address, listen, serve_until, stopped};
use crate::config::Config;

const WAYS: &str = "`[metrics] listen` or --metrics-port";

/// Where metrics are served unless the configuration names another host.
const HOST: &str = "127.0.0.1:0";

/// How the door for metrics is told.
#[derive(Debug, Default, PartialEq, Eq, clap::Args)]
pub(super) struct MetricsArgs {
    /// Port to serve /metrics on, at the address of `[metrics] listen`; 0 picks a free one
    #[arg(long, value_name = "PORT")]
    metrics_port: Option<u16>,
}

/// A listener for those who look after a role; none where nobody asked for it.
pub(super) struct Door(Option<TcpListener>);

/// A role's metrics, as text without the mark that ends an exposition.
pub(super) type Text = std::sync::Arc<dyn Fn() -> String + Send + Sync>;

impl Door {
    /// Listen where configuration or flag say, before anything else is started: an address that is taken is said at once.
    pub(super) async fn open(config: &Config, args: &MetricsArgs) -> anyhow::Result<Self> {
        let configured = config.metrics.listen.as_str();
        let host = match (configured, args.metrics_port) {
            ("", None) => return Ok(Self(None)),
            ("", Some(_)) => HOST,
            (configured, _) => configured,
        };
        let address = address("metrics.listen", host, args.metrics_port)?;
        Ok(Self(Some(listen(&address, WAYS).await?)))
    }

    /// Its URL, for the line that says that a role is ready.
    pub(super) fn url(&self) -> Option<String> {
        let local = self.0.as_ref()?.local_addr().ok()?;
        Some(format!("http://{local}"))
    }

    /// Serve until it is told to stop.
    pub(super) async fn serve(self, text: Text, stop: &mut watch::Receiver<bool>) {
        match self.0 {
            Some(listener) => serve_until(listener, router(text), stop).await,
            None => stopped(stop).await,
        }
    }
}

fn router(text: Text) -> Router {
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    let metrics = move || {
        let text = text();
        async move { ([(header::CONTENT_TYPE, kind)], text) }
    };
    // It answers once the role is ready: until then, whoever connects waits.
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(async || "ready\n"))
}
