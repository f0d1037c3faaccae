//! `/ports`: where data can be read, under which contract, and how much came through.

use super::Site;
use super::moment::{Moment, time_text};
use super::problem::{Problem, no_port};
use crate::model::{self, PortInfo};
use crate::stats::{LivePort, RunState, StatsAnswer, StatsError};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use contract::address::PortAddress;
use governance::mesh::Mesh;
use serde_json::{Value, json};
use std::time::Duration;

pub(crate) async fn list(moment: Moment) -> Response {
    let ports: Vec<Value> = model::ports(&moment.mesh)
        .map(|info| port_json(&moment.mesh, &info))
        .collect();
    moment.answer(json!({ "position": moment.position(), "ports": ports }))
}

pub(crate) async fn one(
    State(site): State<Site>,
    moment: Moment,
    Path(address): Path<String>,
) -> Result<Response, Problem> {
    let mesh = &moment.mesh;
    let info = model::port(mesh, &address).ok_or_else(|| no_port(mesh, &address))?;
    let mut body = port_json(mesh, &info);
    body["position"] = json!(moment.position());
    body["pending_why"] = json!(site.hooks().pending_why(&address));
    Ok(moment.answer(body))
}

/// A port as the API shows it.
pub(crate) fn port_json(mesh: &Mesh, info: &PortInfo<'_>) -> Value {
    let body = info.body;
    let activations: Vec<Value> = info
        .port
        .activations
        .iter()
        .map(|active| {
            json!({
                "seq": active.seq, "time": time_text(active.time_ms),
                "version": active.version, "schemas": active.bindings,
            })
        })
        .collect();
    let contract = info.contract.map(|(_, approved)| &approved.state);
    let urn = body
        .address
        .parse::<PortAddress>()
        .map(|address| address.urn())
        .ok();
    json!({
        "port": body.address, "urn": urn, "product": body.product, "domain": body.owner,
        "owner": info.team, "description": body.description, "state": info.state(),
        "contract": info.contract_in_force(), "contract_id": body.contract_id,
        "version": info.active().map(|active| active.version), "major": body.major,
        "pending_version": info.due, "topic": body.address, "inbox": body.inbox,
        "quarantine": body.quarantine, "partitions": body.partitions,
        "encoding": contract.map(|contract| &contract.encoding),
        "key": contract.map(|contract| &contract.key),
        "mode": contract.map(|contract| &contract.settings.mode),
        "schemas": info.active().map(|active| &active.bindings),
        "activations": activations, "breaker": breaker_json(info),
        "breaches": info.port.breaches.keys().collect::<Vec<_>>(),
        "readers": model::readers(mesh, &body.contract_id).collect::<Vec<_>>(),
        "opened_seq": info.port.opened.created_seq,
        "opened_at": time_text(info.port.opened.changed_ms),
    })
}

/// A port's circuit breaker as the facts say it.
fn breaker_json(info: &PortInfo<'_>) -> Value {
    let Some(breaker) = &info.port.breaker else {
        return json!({ "state": "closed", "held": null, "open": [] });
    };
    let state = &breaker.state;
    let word = match &state.held {
        Some(_) => "held",
        None if state.open.is_empty() => "closed",
        None => "open",
    };
    json!({
        "state": word, "held": state.held, "open": state.open,
        "seq": breaker.changed_seq, "since": time_text(breaker.changed_ms),
    })
}

pub(crate) async fn stats(
    State(site): State<Site>,
    moment: Moment,
    Path(address): Path<String>,
) -> Result<Response, Problem> {
    let mesh = &moment.mesh;
    let info = model::port(mesh, &address).ok_or_else(|| no_port(mesh, &address))?;
    let answer = port_stats(&site, &info, Duration::ZERO)
        .await
        .map_err(|error| {
            let (status, title) = (StatusCode::SERVICE_UNAVAILABLE, "No counters");
            Problem::new(status, "no-counters", title, error.to_string())
        })?;
    Ok(moment.answer(json!(answer)))
}

/// The counters of a port, `age` old at most.
pub(crate) async fn port_stats(
    site: &Site,
    info: &PortInfo<'_>,
    age: Duration,
) -> Result<StatsAnswer, StatsError> {
    let counted = site.stats().get(info.body, age).await?;
    let live = match &site.hooks().live {
        Some(live) => live(&info.body.address).unwrap_or_else(|| presumed(info, 1)),
        None => presumed(info, site.stats().enforcers().await?),
    };
    let pending = site.hooks().pending_why(&info.body.address);
    let live = match pending.filter(|_| info.active().is_none()) {
        Some(why) => LivePort {
            why: Some(format!("no contract version is in force yet: {why}")),
            ..live
        },
        None => live,
    };
    let live = with_breaker(info, live);
    let contract = info.contract.map(|(_, approved)| &approved.state);
    Ok(StatsAnswer {
        port: info.body.address.clone(),
        inbox: counted.counters.inbox,
        accepted: counted.counters.accepted,
        quarantined: counted.counters.quarantined,
        shadowed: counted.counters.shadowed,
        lag: counted.lag,
        contract: info.contract_in_force(),
        mode: contract
            .map_or("enforce", |contract| &contract.settings.mode)
            .to_owned(),
        state: live.state,
        why: live.why,
        last_event_at: live.last_event_ms.map(time_text),
    })
}

/// The enforcer of this process owns some partitions of a port, or none: an open breaker of another one is known by its
/// fact.
fn with_breaker(info: &PortInfo<'_>, live: LivePort) -> LivePort {
    let recorded = info.port.breaker.as_ref().map(|breaker| &breaker.state);
    match recorded {
        Some(breaker) if live.state == RunState::Running && !breaker.is_closed() => LivePort {
            state: RunState::Breaker,
            why: Some(breaker.to_string()),
            ..live
        },
        Some(_) | None => live,
    }
}

/// The state of a port that no enforcer of this process knows of: by the log, and by how many enforcers there are.
fn presumed(info: &PortInfo<'_>, enforcers: usize) -> LivePort {
    if info.active().is_some() && enforcers > 0 {
        return LivePort::default();
    }
    if info.active().is_some() {
        return LivePort {
            state: RunState::Stalled,
            why: Some("no enforcer is running: `meshlog enforcer` starts one".to_owned()),
            last_event_ms: None,
        };
    }
    let why =
        Some("no contract version is in force yet: topics and schemas are being made".to_owned());
    LivePort {
        state: RunState::Paused,
        why,
        last_event_ms: None,
    }
}
