//! `/ports/{port}/slo`: each promise beside what was measured of it, and who reads the port.

use super::Site;
use super::moment::{Moment, time_text};
use super::problem::{Problem, no_port};
use crate::model::{self, PortInfo};
use crate::observed::PortSlo;
use axum::extract::{Path, State};
use axum::response::Response;
use contract::sla::Standing;
use serde_json::{Value, json};

pub(crate) async fn slo(
    State(site): State<Site>,
    moment: Moment,
    Path(address): Path<String>,
) -> Result<Response, Problem> {
    let mesh = &moment.mesh;
    let info = model::port(mesh, &address).ok_or_else(|| no_port(mesh, &address))?;
    let details = info
        .contract
        .map(|(_, approved)| site.views().now().details().get(approved));
    let details = details.unwrap_or_default();
    let slo = site.observed().port(&info, &details);
    Ok(moment.answer(answer(&info, &slo)))
}

fn answer(info: &PortInfo<'_>, slo: &PortSlo) -> Value {
    let objectives: Vec<Value> = slo.standings.iter().map(|it| objective(info, it)).collect();
    let consumers = slo.consumers.iter().map(|consumer| {
        json!({
            "group": consumer.group, "state": consumer.state, "members": consumer.members,
            "partitions": consumer.partitions, "lag": consumer.lag, "seen_at": time_text(consumer.seen_ms),
        })
    });
    json!({
        "port": info.body.address, "contract": info.contract_in_force(),
        "window_ms": slo.window_ms, "windows": slo.windows, "observed_to": slo.to_ms.map(time_text),
        "objectives": objectives, "consumers": consumers.collect::<Vec<_>>(),
    })
}

fn objective(info: &PortInfo<'_>, standing: &Standing) -> Value {
    let breach = info.port.breaches.get(&standing.name);
    let recorded =
        breach.map(|breach| json!({ "seq": breach.seq, "time": time_text(breach.time_ms) }));
    json!({
        "name": standing.name, "kind": standing.kind, "promised": standing.promised,
        "target": standing.target, "unit": standing.unit, "state": standing.state, "why": standing.why,
        "measured": standing.measured, "from": standing.from_ms.map(time_text),
        "to": standing.to_ms.map(time_text), "windows": {
            "kept": standing.kept, "broken": standing.broken, "not_counted": standing.not_counted,
        },
        "kept_percent": standing.kept_percent, "budget": standing.budget, "series": standing.series,
        "breach": recorded,
    })
}
