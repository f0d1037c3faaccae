//! A request from its headers to its answer: what is not taken is said before anything is written.

use super::answer::{Answer, Batch, Landed, Problem, REPLAYED, Shape};
use super::headers::{Asked, no_port, read_headers};
use super::judge::{Judged, OnInvalid, judge};
use super::keyed::{Job, Outcome, is_too_long};
use super::posted::written;
use super::remembered::{Id, Known, fingerprint};
use super::split::{Body as Events, NoEvents, split};
use super::{Inner, now_ms, traced};
use crate::force::PortEntry;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use contract::address::PortAddress;
use contract::row::EventWriter;
use futures_util::StreamExt;
use futures_util::future::join_all;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tracing::Instrument;

/// A body of up to so many times the limit is read to its end and dropped, since a client that is still sending when the
/// connection closes does not see the answer.
const HEARD_OUT: u32 = 4;

/// How far the view of this instance may be behind another's.
const BEHIND: Duration = Duration::from_secs(1);

/// A place among the requests that are being answered, given back when it is dropped.
pub(super) struct Place {
    inner: Arc<Inner>,
    bytes: u32,
    _request: OwnedSemaphorePermit,
    _bytes: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.inner.metrics.bytes_in_flight(-i64::from(self.bytes));
    }
}

pub(super) async fn post(
    State(inner): State<Arc<Inner>>,
    Path(port): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let started = Instant::now();
    let answered = respond(&inner, &port, query.as_deref(), &headers, body).await;
    let response = answered.unwrap_or_else(IntoResponse::into_response);
    let status = response.status().as_u16();
    inner.metrics.answered(status, started.elapsed());
    response
}

async fn respond(
    inner: &Arc<Inner>,
    port: &str,
    query: Option<&str>,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let asked = read_headers(&inner.admit, port, query, headers)?;
    let place = place(inner, headers)?;
    in_force(inner, &asked.address).await?;
    let limit = inner.limits.time;
    let arriving = tokio::time::timeout(limit, read_body(body, inner.limits.request_bytes));
    let body = arriving.await.map_err(|_| {
        let detail = format!("the body did not arrive within {} s", limit.as_secs());
        Problem::new(StatusCode::REQUEST_TIMEOUT, "too slow", detail)
    })??;
    // In a task of its own: what has begun is ended, and its place kept, whether or not the caller stays.
    let span = traced::span(&asked);
    let answering = answer(Arc::clone(inner), asked, body, place).instrument(span);
    let answering = tokio::spawn(answering);
    match tokio::time::timeout(limit, answering).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => {
            tracing::error!(%error, "answering a request failed");
            let detail = "a defect of the gateway; it is in its log";
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            Err(Problem::new(status, "not answered", detail))
        }
        Err(_) => {
            let detail = format!(
                "not done within {} s; events may have been written",
                limit.as_secs()
            );
            let status = StatusCode::GATEWAY_TIMEOUT;
            Err(Problem::passing(status, "not answered in time", detail))
        }
    }
}

/// Waits a little for a port that is not known to be in force: whoever has just applied it may have read that it is from
/// an instance that is ahead of this one.
async fn in_force(inner: &Inner, address: &PortAddress) -> Result<(), Problem> {
    let mut view = inner.view.clone();
    let shown = view.wait_for(|view| view.port(address).is_some());
    // What is known then is the answer, whichever it is.
    drop(tokio::time::timeout(BEHIND, shown).await);
    port_of(inner, address).map(drop)
}

/// The port and what writes its events, if it is in force.
fn port_of(
    inner: &Inner,
    address: &PortAddress,
) -> Result<(Arc<PortEntry>, Arc<EventWriter>), Problem> {
    let view = inner.view.borrow();
    let later = |detail| {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        Problem::passing(status, "no contract in force", detail)
    };
    if view.seq == 0 && view.ports.is_empty() {
        return Err(later("the contracts have not been read yet".to_owned()));
    }
    match view.port(address) {
        Some(port) => match &port.writer {
            Some(writer) => Ok((Arc::clone(port), Arc::clone(writer))),
            None => {
                let detail = format!(
                    "events of `{address}` cannot be made of JSON objects: its schema is no record, or its keys are not \
                     made of their members"
                );
                let status = StatusCode::NOT_IMPLEMENTED;
                Err(Problem::new(status, "not to be written as JSON", detail))
            }
        },
        None if view.awaited.contains(&address.topic()) => Err(later(format!(
            "port `{address}` is not in force yet: its topics and schemas are being prepared"
        ))),
        None => Err(no_port(&address.topic())),
    }
}

/// A place for the request, of the size that it says it has.
fn place(inner: &Arc<Inner>, headers: &HeaderMap) -> Result<Place, Problem> {
    let limit = inner.limits.request_bytes;
    let told = headers.get(header::CONTENT_LENGTH);
    let told = told.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let bytes = match told {
        None => limit,
        Some(told) => u32::try_from(told)
            .ok()
            .filter(|told| *told <= limit.saturating_mul(HEARD_OUT))
            .map(|told| told.min(limit))
            .ok_or_else(|| too_large(limit))?,
    };
    let busy = |_| {
        let detail = "as many requests as it takes are being answered; ask again";
        Problem::passing(StatusCode::TOO_MANY_REQUESTS, "busy", detail)
    };
    let request = Arc::clone(&inner.requests).try_acquire_owned();
    let request = request.map_err(busy)?;
    let weight = Arc::clone(&inner.bytes).try_acquire_many_owned(bytes);
    let weight = weight.map_err(busy)?;
    inner.metrics.bytes_in_flight(i64::from(bytes));
    Ok(Place {
        inner: Arc::clone(inner),
        bytes,
        _request: request,
        _bytes: weight,
    })
}

fn too_large(limit: u32) -> Problem {
    let detail = format!("a request has at most {limit} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too large", detail)
}

async fn read_body(body: Body, limit: u32) -> Result<Vec<u8>, Problem> {
    let mut stream = body.into_data_stream();
    let (mut whole, mut length) = (Vec::new(), 0_usize);
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|error| {
            let detail = format!("the body broke off: {error}");
            Problem::new(StatusCode::BAD_REQUEST, "no whole body", detail)
        })?;
        length += chunk.len();
        if length > limit as usize * HEARD_OUT as usize {
            return Err(too_large(limit));
        }
        if length <= limit as usize {
            whole.extend_from_slice(&chunk);
        }
    }
    if length > limit as usize {
        return Err(too_large(limit));
    }
    Ok(whole)
}

async fn answer(
    inner: Arc<Inner>,
    asked: Asked,
    body: Vec<u8>,
    place: Place,
) -> Result<Response, Problem> {
    match &asked.key {
        None => {
            let batch = judged(&inner, &asked, body).await?;
            let answered = send(&inner, &batch).await;
            drop(place);
            Ok(answered)
        }
        Some(key) => keyed(&inner, &asked, key, body, place).await,
    }
}

/// The events of a body with their verdicts, on a thread where that may take a while.
async fn judged(inner: &Arc<Inner>, asked: &Asked, body: Vec<u8>) -> Result<Batch, Problem> {
    let (port, writer) = port_of(inner, &asked.address)?;
    let (on_invalid, most) = (asked.on_invalid, inner.limits.events);
    let (form, id) = (asked.form.clone(), inner.ids.of(asked.key.as_deref()));
    let (trace, inbox) = (traced::header(asked), port.inbox.clone());
    let judging = tokio::task::spawn_blocking(move || {
        let one = |(at, text): (usize, &[u8])| -> Judged {
            let written = written(&writer, &form, text, &format!("{id}-{at}"));
            let written = traced::stamped(written, trace.as_deref());
            judge(&port, written, on_invalid)
        };
        let (shape, texts) = match split(&body, most).map_err(|why| no_events(why, most))? {
            Events::One(text) => (Shape::One, vec![text]),
            Events::Many(texts) => (Shape::Many, texts),
        };
        form.check(&writer, texts.len())?;
        let events = texts.into_iter().enumerate().map(one).collect();
        Ok(Batch { shape, events })
    });
    let judged = judging.await.unwrap_or_else(|error| {
        tracing::error!(%error, "judging a request failed");
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Err(Problem::new(
            status,
            "not judged",
            "a defect of the gateway; it is in its log",
        ))
    });
    judged.inspect(|batch| traced::tell(batch, &inbox))
}

fn no_events(why: NoEvents, most: usize) -> Problem {
    let bad = |title, detail: String| Problem::new(StatusCode::BAD_REQUEST, title, detail);
    match why {
        NoEvents::NotJson(error) => bad("not JSON", error),
        NoEvents::NoEvent => {
            let detail = "expected an event (an object) or an array of events";
            bad("no events", detail.to_owned())
        }
        NoEvents::TooMany(count) => {
            let detail = format!("a request has at most {most} events, found {count}");
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too many events", detail)
        }
    }
}

/// Write without a key: each event by itself, in their order.
async fn send(inner: &Inner, batch: &Batch) -> Response {
    let sends = batch.records().map(|(at, record)| async move {
        let landed = match inner.producer.send(record.clone()).await {
            Ok(delivered) => Landed::At(delivered),
            Err(error) => Landed::Failed(chain(&error)),
        };
        (at, landed)
    });
    let landed: BTreeMap<usize, Landed> = join_all(sends).await.into_iter().collect();
    let (answer, statuses) = batch.answer(|at| landed.get(&at).cloned());
    inner.metrics.events(&statuses);
    answer.into_response()
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

/// Write with a key, unless it is known already.
async fn keyed(
    inner: &Arc<Inner>,
    asked: &Asked,
    key: &str,
    body: Vec<u8>,
    place: Place,
) -> Result<Response, Problem> {
    let id = Id {
        port: asked.address.topic(),
        key: key.to_owned(),
    };
    let on_invalid = match asked.on_invalid {
        OnInvalid::Report => "",
        OnInvalid::Quarantine => "quarantine",
    };
    let asked_for = asked.form.told().map(|form| format!("{on_invalid} {form}"));
    let sha256 = fingerprint(&body, asked_for.as_deref().unwrap_or(on_invalid));
    if let Some(known) = inner.keys.find(&id, &sha256, now_ms()) {
        return known_answer(inner, known);
    }
    let busy = inner.keys.take(&id).ok_or_else(|| {
        let detail = "a request with this Idempotency-Key is being answered; ask again";
        Problem::passing(StatusCode::CONFLICT, "in progress", detail)
    })?;
    let batch = judged(inner, asked, body).await?;
    if is_too_long(&batch) {
        let detail =
            "the answer is too long to be remembered for an Idempotency-Key: send fewer events";
        let status = StatusCode::PAYLOAD_TOO_LARGE;
        return Err(Problem::new(status, "too many reasons", detail));
    }
    let (reply, outcome) = oneshot::channel();
    let job = Job {
        busy,
        id,
        sha256,
        batch,
        place,
        reply,
    };
    inner.keyed.try_send(job).map_err(|_| {
        let detail = "as many requests with keys as it takes are waiting; ask again";
        Problem::passing(StatusCode::TOO_MANY_REQUESTS, "busy", detail)
    })?;
    let not_written = |why: &str| {
        let detail =
            format!("{why}; ask again with the same Idempotency-Key, nothing is written twice");
        let status = StatusCode::SERVICE_UNAVAILABLE;
        Problem::passing(status, "the events were not acknowledged", detail)
    };
    match tokio::time::timeout(inner.limits.acknowledge, outcome).await {
        Ok(Ok(Outcome::Written(answer, statuses))) => {
            inner.metrics.events(&statuses);
            Ok(answer.into_response())
        }
        Ok(Ok(Outcome::Known(known))) => known_answer(inner, known),
        Ok(Ok(Outcome::Failed(why))) => Err(not_written(&why)),
        Ok(Err(_)) => Err(not_written("the gateway is stopping")),
        Err(_) => Err(not_written("the broker did not acknowledge in time")),
    }
}

fn known_answer(inner: &Inner, known: Known) -> Result<Response, Problem> {
    match known {
        Known::Answered(answer) => {
            inner.metrics.replayed();
            traced::tell_replayed();
            let mut response: Response = Answer::into_response(answer);
            let yes = HeaderValue::from_static("true");
            response.headers_mut().insert(REPLAYED, yes);
            Ok(response)
        }
        Known::Otherwise => {
            let detail = "this Idempotency-Key was used for another request to this port within the last 24 h";
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            Err(Problem::new(status, "the key was used otherwise", detail))
        }
    }
}
