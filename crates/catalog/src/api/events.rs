//! `/governance/events`: the facts, a page at a time, or as a stream that goes on (SSE).

use super::moment::{Moment, time_text};
use super::{Problem, Site};
use crate::view::View;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, header};
use axum::response::sse::{Event as Sse, KeepAlive};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt, stream};
use governance::event::Event;
use governance::fact::{Fact, hex, leaf_hash};
use serde::Deserialize;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::watch;

/// Facts in a page where the caller does not say.
const PAGE: usize = 100;
/// Facts in a page at most.
const MAX_PAGE: usize = 1000;

#[derive(Deserialize)]
pub(crate) struct Range {
    from: Option<u64>,
    limit: Option<usize>,
}

pub(crate) async fn events(
    State(site): State<Site>,
    moment: Moment,
    headers: HeaderMap,
    range: Result<Query<Range>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Problem> {
    let Query(range) = range.map_err(|error| Problem::bad_request("query", error.body_text()))?;
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok());
    if accept.is_some_and(|accept| accept.contains("text/event-stream")) {
        let seen = headers
            .get("last-event-id")
            .and_then(|id| id.to_str().ok()?.parse().ok());
        let from = seen.map(|seen: u64| seen + 1).or(range.from).unwrap_or(0);
        let live = tail(site.views().watch(), from);
        let live = live.take(range.limit.unwrap_or(usize::MAX));
        let sse = axum::response::Sse::new(live).keep_alive(KeepAlive::default());
        return Ok(sse.into_response());
    }
    let from = range.from.unwrap_or(0);
    let limit = range.limit.unwrap_or(PAGE).clamp(1, MAX_PAGE);
    let start = usize::try_from(from).unwrap_or(usize::MAX);
    let facts: Vec<Value> = (from..)
        .zip(moment.view.history.entries().iter().skip(start))
        .take(limit)
        .map(|(seq, _)| fact_at(&moment.view, seq))
        .collect();
    let next = from + facts.len() as u64;
    let next = (next < moment.mesh.size && !facts.is_empty()).then_some(next);
    let position = moment.position();
    Ok(moment.answer(json!({ "position": position, "events": facts, "next": next })))
}

fn fact_at(view: &View, seq: u64) -> Value {
    view.history.get(seq).map_or(Value::Null, |entry| {
        fact_json(view, &entry.fact(), &entry.value)
    })
}

/// A fact as the API shows it. Documents stand as stored: commitments in place of what is personal.
pub(crate) fn fact_json(view: &View, fact: &Fact, value: &[u8]) -> Value {
    json!({
        "seq": fact.seq, "time": time_text(fact.time_ms), "type": fact.event.kind(),
        "subject": fact.subject(), "actor": fact.actor, "actor_name": view.people.principal(&fact.actor),
        "authenticated_by": fact.authenticated_by, "proposal_id": fact.proposal_id,
        "prev_hash": hex(&fact.prev_hash), "hash": hex(&leaf_hash(value)),
        "body": body_json(&fact.event),
    })
}

fn body_json(event: &Event) -> Value {
    match event {
        Event::MeshFounded(body) => json!(body),
        Event::TeamRegistered(body) | Event::TeamUpdated(body) => json!(body),
        Event::DomainRegistered(body) | Event::DomainUpdated(body) => json!(body),
        Event::ProductApproved(body) | Event::ProductMetadataChanged(body) => json!(body),
        Event::ContractVersionApproved(body)
        | Event::ContractVersionApprovedV1(body)
        | Event::ContractVersionApprovedV2(body) => {
            json!(body)
        }
        Event::PortOpened(body) => json!(body),
        Event::ContractVersionActivated(body) => json!(body),
        Event::QuarantineRedriven(body) => json!(body),
        Event::BreakerOpened(body)
        | Event::BreakerClosed(body)
        | Event::BreakerHeld(body)
        | Event::BreakerReset(body) => json!(body),
        Event::BatchSkipped(body) => json!(body),
        Event::SloBreached(body) | Event::SloRecovered(body) => json!(body),
        Event::ProposalRejected(body) => json!(body),
    }
}

/// The facts from a position on, then each new one as it is folded.
fn tail(
    views: watch::Receiver<Arc<View>>,
    from: u64,
) -> impl Stream<Item = Result<Sse, Infallible>> {
    stream::unfold((views, from), |(mut views, seq)| async move {
        let view = views
            .wait_for(|view| view.mesh.size > seq)
            .await
            .ok()
            .map(|view| Arc::clone(&view))?;
        let entry = view.history.get(seq)?;
        let fact = entry.fact();
        let data = fact_json(&view, &fact, &entry.value).to_string();
        let sse = Sse::default()
            .id(seq.to_string())
            .event(fact.event.kind())
            .data(data);
        Some((Ok(sse), (views, seq + 1)))
    })
}
