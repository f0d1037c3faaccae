//! What a process tells those who look after it: log lines on stderr, and spans to a collector (OTLP over HTTP).
//!
//! ```text
//! settings (whether, where, how many) ─▶ export (in batches, from a thread of its own)
//! services ── tracing spans of kafka::trace::TARGET ──▶ spans (parents, links, sampling) ─▶ ▲
//! http (a span for each request) ──────────────────────▲
//! ```
//!
//! Metrics are elsewhere: each role serves its own. Without a collector nothing here is set up but the log.

mod export;
mod http;
mod settings;
mod spans;

pub(crate) use http::traced;

use std::io::IsTerminal;
use std::path::Path;
use std::time::Duration;

use kafka::trace::TARGET;
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{EnvFilter, LevelFilter, Targets};
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry::LookupSpan;

use crate::config::Config;

/// How long a clean stop waits for the last spans: a collector that is away must not keep a process.
const FLUSH: Duration = Duration::from_secs(3);

/// A command that runs until it is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Service<'a> {
    /// What its spans are of: `service.name`.
    pub(crate) name: &'static str,
    /// The configuration that it was told to read.
    pub(crate) config: Option<&'a Path>,
}

/// What has to be ended with the process.
#[derive(Debug)]
pub(crate) struct Telemetry {
    provider: Option<SdkTracerProvider>,
}

/// Start to tell. Only a service has spans, and a log unless `RUST_LOG` asks for one: a client command says itself what
/// its user must know.
///
/// # Errors
/// A configuration that cannot be read, or whose `[traces]` means nothing.
pub(crate) fn start(service: Option<Service<'_>>) -> anyhow::Result<Telemetry> {
    let provider = match service {
        Some(service) => {
            let config = Config::load(service.config)?;
            let settings = settings::told(&config.traces)?;
            settings.map(|settings| export::provider(&settings, service.name))
        }
        None => None,
    };
    let provider = provider.transpose()?;
    let default = match service {
        Some(_) => "warn,kafka=error",
        None => "off",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| default.into());
    match &provider {
        // The log's filter is everybody's: what is not logged costs nothing.
        None => tracing_subscriber::registry()
            .with(filter)
            .with(log())
            .init(),
        Some(provider) => {
            let spans = spans::layer(provider.tracer("meshlog"));
            let ours = Targets::new().with_target(TARGET, LevelFilter::INFO);
            tracing_subscriber::registry()
                .with(log().with_filter(filter))
                .with(spans.with_filter(ours))
                .init();
            kafka::trace::install(Box::new(spans::Exported));
        }
    }
    Ok(Telemetry { provider })
}

fn log<S>() -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
}

impl Telemetry {
    /// Send what is left, for a while.
    pub(crate) fn finish(self) {
        let Some(provider) = self.provider else {
            return;
        };
        if let Err(error) = provider.shutdown_with_timeout(FLUSH) {
            tracing::warn!(%error, "the last spans did not reach the collector");
        }
    }
}
