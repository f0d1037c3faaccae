//! `/metrics` in Prometheus' text format: where the view stands, and every port's counters.
//!
//! Source: <https://prometheus.io/docs/instrumenting/exposition_formats/>

use super::Site;
use super::ports::port_stats;
use crate::model;
use crate::observed::PortSlo;
use crate::stats::{RunState, StatsAnswer};
use crate::view::{Freshness, View};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use contract::sla::{Standing, State as SloState};
use futures_util::{StreamExt, stream};
use std::fmt::{Display, Write};
use std::time::Duration;

/// Scrapes may see counts this old.
const AGE: Duration = Duration::from_secs(1);
/// Ports whose counters are read at a time.
const AT_ONCE: usize = 8;

pub(crate) async fn metrics(State(site): State<Site>) -> Response {
    let view = site.views().now();
    let mut text = Text::default();
    projector_text(&mut text, &view, &site.shown().version);
    // Collected first: a stream over borrowed ports is not `Send` for every lifetime.
    let ports: Vec<_> = model::ports(&view.mesh).collect();
    let asked: Vec<_> = ports
        .iter()
        .map(|info| port_stats(&site, info, AGE))
        .collect();
    let answers: Vec<_> = stream::iter(asked)
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let mut known: Vec<StatsAnswer> = answers.into_iter().filter_map(Result::ok).collect();
    known.sort_by(|a, b| a.port.cmp(&b.port));
    ports_text(&mut text, &known);
    slo_text(&mut text, &site, &view);
    for more in &site.hooks().metrics {
        text.0.push_str(&more());
    }
    (
        [(
            header::CONTENT_TYPE,
            "text/plain; version=0.0.4; charset=utf-8",
        )],
        text.0,
    )
        .into_response()
}

/// Version, position and what the view holds.
fn projector_text(text: &mut Text, view: &View, version: &str) {
    text.head("meshlog_build_info", "gauge", "Version of Meshlog.");
    text.line("meshlog_build_info", &[("version", version)], 1);
    text.head(
        "meshlog_projector_facts",
        "counter",
        "Facts folded: the position plus one.",
    );
    text.line("meshlog_projector_facts", &[], view.mesh.size);
    let stale = u8::from(view.freshness != Freshness::Live);
    text.head(
        "meshlog_projector_stale",
        "gauge",
        "1 while the view is not the present.",
    );
    text.line("meshlog_projector_stale", &[], stale);
    let last = view.mesh.last_time_ms / 1000;
    text.head(
        "meshlog_projector_last_fact_seconds",
        "gauge",
        "Time of the last fact, Unix.",
    );
    text.line("meshlog_projector_last_fact_seconds", &[], last);
    for (name, count) in [
        ("domains", view.mesh.domains.len()),
        ("products", view.mesh.products.len()),
        ("ports", view.mesh.ports.len()),
        ("contracts", view.mesh.contracts.len()),
    ] {
        let metric = format!("meshlog_{name}");
        text.head(&metric, "gauge", &format!("Number of {name}."));
        text.line(&metric, &[], count);
    }
}

/// How the promises stand, and who reads.
fn slo_text(text: &mut Text, site: &Site, view: &View) {
    let ports: Vec<(String, PortSlo)> = model::ports(&view.mesh)
        .filter_map(|info| {
            let (_, approved) = info.contract?;
            let slo = site.observed().port(&info, &view.details().get(approved));
            Some((info.body.address.clone(), slo))
        })
        .collect();
    type Figure = fn(&Standing) -> Option<f64>;
    let metrics: [(&str, &str, Figure); 3] = [
        (
            "meshlog_slo_measured",
            "Figure of the last window that counts, in the promise's unit.",
            |it| it.measured,
        ),
        (
            "meshlog_slo_kept_ratio",
            "Share of the windows of the last 24 h that are as promised.",
            |it| it.kept_percent.map(|percent| percent / 100.0),
        ),
        (
            "meshlog_slo_breached",
            "1 while the promise is breached.",
            |it| Some(f64::from(u8::from(it.state == SloState::Breached))),
        ),
    ];
    for (name, help, of) in metrics {
        text.head(name, "gauge", help);
        for (port, slo) in &ports {
            for standing in slo
                .standings
                .iter()
                .filter(|it| it.state != SloState::NotMeasured)
            {
                if let Some(figure) = of(standing).filter(|figure| figure.is_finite()) {
                    text.line(
                        name,
                        &[("port", port), ("objective", &standing.name)],
                        figure,
                    );
                }
            }
        }
    }
    let name = "meshlog_consumer_lag";
    text.head(
        name,
        "gauge",
        "Offsets a consumer group is behind on a port, at most.",
    );
    for consumer in ports.iter().flat_map(|(_, slo)| &slo.consumers) {
        text.line(
            name,
            &[("port", &consumer.port), ("group", &consumer.group)],
            consumer.lag,
        );
    }
}

type Of = fn(&StatsAnswer) -> u64;

/// Name, kind, help and figure of what is said of every port.
const OF_PORT: [(&str, &str, &str, Of); 8] = [
    (
        "meshlog_port_inbox_total",
        "counter",
        "Events judged.",
        |port| port.inbox,
    ),
    (
        "meshlog_port_accepted_total",
        "counter",
        "Events that met the contract.",
        |port| port.accepted,
    ),
    (
        "meshlog_port_quarantined_total",
        "counter",
        "Events quarantined.",
        |port| port.quarantined,
    ),
    (
        "meshlog_port_shadowed_total",
        "counter",
        "Events accepted that a rule or a port in shadow would have refused.",
        |port| port.shadowed,
    ),
    (
        "meshlog_port_lag",
        "gauge",
        "Records not yet judged.",
        |port| port.lag,
    ),
    (
        "meshlog_port_running",
        "gauge",
        "1 while events are being judged.",
        |port| u64::from(port.state == RunState::Running),
    ),
    (
        "meshlog_port_stalled",
        "gauge",
        "1 while events should be judged and are not.",
        |port| u64::from(port.state == RunState::Stalled),
    ),
    (
        "meshlog_port_breaker_open",
        "gauge",
        "1 while the circuit breaker is open on a partition, or the port is held.",
        |port| u64::from(port.state == RunState::Breaker),
    ),
];

fn ports_text(text: &mut Text, ports: &[StatsAnswer]) {
    for (name, kind, help, of) in OF_PORT {
        text.head(name, kind, help);
        for port in ports {
            text.line(name, &[("port", &port.port)], of(port));
        }
    }
}

#[derive(Default)]
struct Text(String);

impl Text {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}")
            .expect("writing to a String cannot fail");
    }

    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<String> = labels
            .iter()
            .map(|(label, value)| {
                let value = value
                    .replace('\\', "\\\\")
                    .replace('"', "\\\"")
                    .replace('\n', "\\n");
                format!("{label}=\"{value}\"")
            })
            .collect();
        let labels = if labels.is_empty() {
            String::new()
        } else {
            format!("{{{}}}", labels.join(","))
        };
        writeln!(self.0, "{name}{labels} {value}").expect("writing to a String cannot fail");
    }
}
