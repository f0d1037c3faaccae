//! From `tracing`'s spans to OpenTelemetry's: what services say of parents and links, and which traces are kept.

use kafka::trace::{TraceContext, Tracing};
use opentelemetry::trace::{
    Link, SpanContext, SpanId, SpanKind, TraceContextExt, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{
    Sampler, SamplingDecision, SamplingResult, SdkTracer, ShouldSample,
};
use tracing::{Span, Subscriber};
use tracing_opentelemetry::{OpenTelemetryLayer, OpenTelemetrySpanExt};
use tracing_subscriber::registry::LookupSpan;

/// The layer that makes spans. They carry what services say and nothing of threads, files and modules; a span starts when it
/// ends or is asked where it is, so that parents and links can be told until then.
pub(super) fn layer<S>(tracer: SdkTracer) -> OpenTelemetryLayer<S, SdkTracer>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    tracing_opentelemetry::layer()
        .with_tracer(tracer)
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_level(false)
        .with_tracked_inactivity(false)
        .with_context_activation(false)
}

/// Spans as the layer exports them.
#[derive(Debug)]
pub(super) struct Exported;

impl Tracing for Exported {
    fn set_parent(&self, span: &Span, parent: &TraceContext) {
        let parent = Context::new().with_remote_span_context(remote(parent));
        if let Err(error) = span.set_parent(parent) {
            tracing::debug!(%error, "a span goes on with no trace");
        }
    }

    fn add_link(&self, span: &Span, to: &TraceContext) {
        span.add_link(remote(to));
    }

    fn context(&self, span: &Span) -> Option<TraceContext> {
        let context = span.context();
        let context = context.span().span_context().clone();
        context.is_valid().then(|| TraceContext {
            trace_id: context.trace_id().to_bytes(),
            span_id: context.span_id().to_bytes(),
            sampled: context.is_sampled(),
        })
    }
}

fn remote(context: &TraceContext) -> SpanContext {
    let flags = TraceFlags::default().with_sampled(context.sampled);
    SpanContext::new(
        TraceId::from_bytes(context.trace_id),
        SpanId::from_bytes(context.span_id),
        flags,
        true,
        TraceState::default(),
    )
}

/// Which traces are kept: those that their callers keep, and a share of those begun here. A span that is linked to a trace
/// that is kept is kept too: else the way from an event to its transaction would end at this share.
#[derive(Debug, Clone)]
pub(super) struct Kept(Sampler);

impl Kept {
    /// With this share, 0 to 1.
    pub(super) fn share(share: f64) -> Self {
        let root = Sampler::TraceIdRatioBased(share);
        Self(Sampler::ParentBased(Box::new(root)))
    }
}

impl ShouldSample for Kept {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace_id: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let mut result = self
            .0
            .should_sample(parent, trace_id, name, kind, attributes, links);
        if links.iter().any(|link| link.span_context.is_sampled()) {
            result.decision = SamplingDecision::RecordAndSample;
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kafka::trace::{TARGET, number};
    use opentelemetry::Value;
    use opentelemetry::trace::TracerProvider;
    use opentelemetry_sdk::error::OTelSdkResult;
    use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
    use std::sync::{Arc, Mutex};
    use tracing_subscriber::filter::{LevelFilter, Targets};
    use tracing_subscriber::prelude::*;

    #[derive(Debug, Clone, Default)]
    struct Collected(Arc<Mutex<Vec<SpanData>>>);

    impl SpanExporter for Collected {
        async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
            self.0.lock().expect("no test panics here").extend(batch);
            Ok(())
        }
    }

    const CALLER: TraceContext = TraceContext {
        trace_id: [7; 16],
        span_id: [8; 8],
        sampled: true,
    };

    /// The spans that are exported of what is done, where this share is kept.
    fn exported(share: f64, done: impl FnOnce()) -> Vec<SpanData> {
        let collected = Collected::default();
        let provider = SdkTracerProvider::builder()
            .with_simple_exporter(collected.clone())
            .with_sampler(Kept::share(share))
            .build();
        let ours = Targets::new().with_target(TARGET, LevelFilter::INFO);
        let layer = layer(provider.tracer("test")).with_filter(ours);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), done);
        let spans = collected.0.lock().expect("no test panics here");
        spans.clone()
    }

    fn attribute(span: &SpanData, name: &str) -> Option<Value> {
        let found = span.attributes.iter().find(|kv| kv.key.as_str() == name);
        found.map(|kv| kv.value.clone())
    }

    #[test]
    fn a_span_goes_on_with_its_callers_trace_and_says_where_it_is() {
        let mut context = None;
        let spans = exported(0.0, || {
            let span = tracing::info_span!(target: TARGET, "outer", otel.kind = "server");
            Exported.set_parent(&span, &CALLER);
            let _in = span.enter();
            let inner = tracing::info_span!(target: TARGET, "inner", mesh.seq = number(3_u64));
            context = Exported.context(&inner);
        });
        let context = context.expect("it is exported");
        assert_eq!((context.trace_id, context.sampled), ([7; 16], true));
        let [inner, outer] = spans.as_slice() else {
            panic!("{spans:?}");
        };
        assert_eq!(inner.span_context.span_id().to_bytes(), context.span_id);
        assert_eq!(inner.parent_span_id, outer.span_context.span_id());
        assert_eq!(outer.parent_span_id.to_bytes(), [8; 8]);
        assert_eq!(outer.span_kind, SpanKind::Server);
        assert_eq!(attribute(inner, "mesh.seq"), Some(Value::I64(3)));
        assert_eq!(outer.attributes, [], "nothing of threads or files");
    }

    #[test]
    fn log_lines_get_into_no_span() {
        let spans = exported(1.0, || {
            let span = tracing::info_span!(target: TARGET, "outer");
            let _in = span.enter();
            tracing::error!("what an operator is told");
            tracing::info_span!("of somebody else").in_scope(|| ());
        });
        assert_eq!(spans.len(), 1);
        assert!(spans[0].events.is_empty());
    }

    #[test]
    fn a_span_linked_to_a_trace_that_is_kept_is_kept() {
        let linked = |to: &TraceContext| {
            exported(0.0, || {
                let span = tracing::info_span!(target: TARGET, parent: None, "judge");
                Exported.add_link(&span, to);
            })
        };
        let kept = linked(&CALLER);
        assert_eq!(kept.len(), 1);
        let link = kept[0].links.iter().next().expect("a link");
        assert_eq!(link.span_context.trace_id().to_bytes(), [7; 16]);
        let sampled = false;
        let dropped = TraceContext { sampled, ..CALLER };
        assert_eq!(linked(&dropped), []);
    }

    #[test]
    fn a_share_of_nothing_keeps_no_trace_that_begins_here_and_a_caller_hears_so() {
        let mut context = None;
        let spans = exported(0.0, || {
            let span = tracing::info_span!(target: TARGET, "outer");
            context = Exported.context(&span);
        });
        assert_eq!(spans, []);
        assert!(context.is_some_and(|context| !context.sampled));
    }
}
