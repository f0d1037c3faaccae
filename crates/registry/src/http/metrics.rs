//! `/metrics`: requests by route and outcome with their latencies, and what the registry holds, as OpenMetrics text.
//!
//! What the reference exports over JMX too has the name under which its users chart it (`kafka_schema_registry_*`).

use crate::{
    service::Service,
    state::{Deleted, State},
};
use axum::{
    extract::{MatchedPath, Request},
    http::{HeaderName, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use std::{collections::BTreeMap, sync::Arc, time::Instant};

/// Upper bounds of the latencies' buckets, in seconds: from an answer out of memory to a write that times out.
const BUCKETS: [f64; 12] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 40.0,
];

const CONTENT_TYPE: (HeaderName, &str) = (
    header::CONTENT_TYPE,
    "application/openmetrics-text; version=1.0.0; charset=utf-8",
);

/// A request's kind. Routes are patterns, so that there are few.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    method: &'static str,
    route: String,
}

/// A request's kind and how it ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    method: &'static str,
    route: String,
    status: u16,
}

/// What has been asked of this instance since it started. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Requests(Arc<Counts>);

#[derive(Debug)]
struct Counts {
    outcomes: Family<Outcome, Counter>,
    latencies: Family<Route, Histogram, fn() -> Histogram>,
    succeeded: Counter,
    failed: Counter,
}

/// A request that is being answered.
#[derive(Debug)]
pub(super) struct Started {
    route: Route,
    at: Instant,
}

impl Requests {
    /// Nothing asked yet.
    pub(super) fn new() -> Self {
        Self(Arc::new(Counts {
            outcomes: Family::default(),
            latencies: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            succeeded: Counter::default(),
            failed: Counter::default(),
        }))
    }

    /// A request has come.
    pub(super) fn started(&self, request: &Request) -> Started {
        let path = request.extensions().get::<MatchedPath>();
        Started {
            route: Route {
                method: known(request.method()),
                route: path.map_or("(none)", MatchedPath::as_str).to_owned(),
            },
            at: Instant::now(),
        }
    }

    /// It has been answered.
    pub(super) fn answered(&self, started: Started, status: StatusCode) {
        let Started { route, at } = started;
        let took = at.elapsed();
        let counts = &self.0;
        let end = if status.is_client_error() || status.is_server_error() {
            &counts.failed
        } else {
            &counts.succeeded
        };
        end.inc();
        counts
            .latencies
            .get_or_create(&route)
            .observe(took.as_secs_f64());
        let outcome = Outcome {
            method: route.method,
            route: route.route,
            status: status.as_u16(),
        };
        counts.outcomes.get_or_create(&outcome).inc();
    }

    /// The text of all metrics.
    fn text(&self, service: &Service) -> String {
        let mut registry = Registry::default();
        let counts = &self.0;
        registry.register(
            "meshlog_registry_requests",
            "Requests by route and status",
            counts.outcomes.clone(),
        );
        registry.register(
            "meshlog_registry_request_seconds",
            "Time to the answer, by route",
            counts.latencies.clone(),
        );
        let mut gauge = |name: &str, help: &str, value: i64| {
            let gauge = Gauge::<i64>::default();
            gauge.set(value);
            registry.register(name, help, gauge);
        };
        let whole = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        gauge(
            "kafka_schema_registry_api_success_count",
            "Requests answered without an error",
            whole(counts.succeeded.get()),
        );
        gauge(
            "kafka_schema_registry_api_failure_count",
            "Requests answered with an error",
            whole(counts.failed.get()),
        );
        gauge(
            "kafka_schema_registry_master_slave_role",
            "1 while this instance is the one that writes",
            i64::from(service.is_writer()),
        );
        for (name, help, value) in service.view().read(holdings) {
            gauge(&name, help, value);
        }
        let mut out = String::new();
        text::encode(&mut out, &registry).expect("writing to a String cannot fail");
        out
    }
}

/// What the registry holds, under the reference's names.
fn holdings(state: &State) -> Vec<(String, &'static str, i64)> {
    let mut by_type: BTreeMap<&str, (i64, i64)> =
        [("avro", (0, 0)), ("json", (0, 0)), ("protobuf", (0, 0))].into();
    let mut live = 0;
    for subject in state.subjects(Deleted::Shown) {
        for (_, version) in state.versions(subject, Deleted::Shown) {
            let ty = match version.content.schema_type.as_str() {
                "JSON" => "json",
                "PROTOBUF" => "protobuf",
                _ => "avro",
            };
            let (created, deleted) = by_type.entry(ty).or_default();
            *created += 1;
            *deleted += i64::from(version.deleted);
            live += i64::from(!version.deleted);
        }
    }
    let mut found = vec![(
        "kafka_schema_registry_registered_count".to_owned(),
        "Versions registered and not deleted",
        live,
    )];
    for (ty, (created, deleted)) in by_type {
        let name = |what: &str| format!("kafka_schema_registry_{ty}_schemas_{what}");
        found.push((
            name("created"),
            "Versions of this type, soft-deleted ones too",
            created,
        ));
        found.push((
            name("deleted"),
            "Versions of this type that are soft-deleted",
            deleted,
        ));
    }
    found
}

/// `GET /metrics`
pub(super) fn answer(requests: &Requests, service: &Service) -> Response {
    ([CONTENT_TYPE], requests.text(service)).into_response()
}

/// A client may send any word for a method.
fn known(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        _ => "other",
    }
}
