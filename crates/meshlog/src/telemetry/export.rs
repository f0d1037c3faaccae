//! The way out: batches over HTTP in Protobuf, sent by a thread of the SDK's own. Spans wait in a bounded queue; what does not
//! fit, or does not arrive, is lost, and nobody waits for it.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use opentelemetry::KeyValue;
use opentelemetry_otlp::{Protocol, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use reqwest::Url;

use super::settings::Settings;
use super::spans::Kept;
use crate::client::is_loopback;
use crate::directory::random_bytes;

/// How long a collector may take to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// Between two lines of the log about spans that are lost.
const SAY_AGAIN: Duration = Duration::from_secs(60);

/// What makes and exports the spans of a service. Not to be called on a thread of the async runtime.
pub(super) fn provider(
    settings: &Settings,
    name: &'static str,
) -> anyhow::Result<SdkTracerProvider> {
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_http_client(client(&settings.url)?)
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(settings.url.as_str())
        .with_timeout(ANSWER)
        .build()
        .context("spans cannot be exported")?;
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(Reported::new(exporter, settings.url.clone()))
        .with_sampler(Kept::share(settings.sample))
        .with_resource(resource(name)?)
        .build())
}

fn client(url: &Url) -> anyhow::Result<reqwest::blocking::Client> {
    let mut builder = reqwest::blocking::Client::builder().timeout(ANSWER);
    if url.host_str().is_some_and(is_loopback) {
        // A proxy of the environment is for the world outside, not for this machine.
        builder = builder.no_proxy();
    }
    builder.build().context("cannot make an HTTP client")
}

/// Who the spans are of; `OTEL_RESOURCE_ATTRIBUTES` adds to it.
fn resource(name: &'static str) -> anyhow::Result<Resource> {
    let drawn = random_bytes()?;
    let instance: String = drawn[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Ok(Resource::builder()
        .with_service_name(name)
        .with_attributes([
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", instance),
        ])
        .build())
}

/// An exporter that says now and then what is lost.
#[derive(Debug)]
struct Reported<E> {
    exporter: E,
    collector: Url,
    lost: Mutex<Lost>,
}

/// Spans that were lost since it was last said.
#[derive(Debug, Default)]
struct Lost {
    spans: usize,
    said: Option<Instant>,
}

impl Lost {
    /// Count, and say how many there are if it is time to.
    fn more(&mut self, spans: usize, now: Instant) -> Option<usize> {
        self.spans += spans;
        let quiet = self.said.is_some_and(|said| now - said < SAY_AGAIN);
        (!quiet).then(|| {
            self.said = Some(now);
            std::mem::take(&mut self.spans)
        })
    }
}

impl<E> Reported<E> {
    fn new(exporter: E, collector: Url) -> Self {
        let lost = Mutex::default();
        Self {
            exporter,
            collector,
            lost,
        }
    }

    fn report(&self, spans: usize, result: &OTelSdkResult) {
        let Err(error) = result else {
            return;
        };
        let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(spans) = lost.more(spans, Instant::now()) {
            let collector = &self.collector;
            tracing::warn!(spans, %collector, %error, "spans did not reach the collector and are lost");
        }
    }
}

impl<E: SpanExporter> SpanExporter for Reported<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let result = self.exporter.export(batch).await;
        self.report(spans, &result);
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_spans_are_told_at_once_and_then_now_and_then() {
        let (mut lost, start) = (Lost::default(), Instant::now());
        let mut more = |spans, seconds| lost.more(spans, start + Duration::from_secs(seconds));
        assert_eq!(more(3, 0), Some(3));
        assert_eq!(more(5, 5), None);
        assert_eq!(more(5, 59), None);
        assert_eq!(more(1, 60), Some(11));
        assert_eq!(more(1, 61), None);
    }
}
