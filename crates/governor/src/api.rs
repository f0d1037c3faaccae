//! `POST /api/v1/proposals`: documents in, the governor's answer out.
//!
//! Any instance takes proposals: it appends the request and answers once the reply has come by on `mesh.outcomes` and its
//! own view has reached the reply's facts: read your writes, no leader.

use crate::core::chain;
use crate::follow::{Ends, Follower, View};
use crate::prepare::{Channel, prepare};
use crate::topics::{MAX_PROPOSAL, Topics};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use governance::decide::decide;
use governance::outcome::{Outcome, Reply};
use governance::people::People;
use governance::proposal::{
    self, ACTOR, APPLY, AUTHENTICATED_BY, BREAKER, BREAKER_TYPE, REDRIVEN, REDRIVEN_TYPE, SKIP,
    SKIP_TYPE,
};
use kafka::trace::{self, TRACEPARENT};
use kafka::{Admin, Cluster, Header, LogEvent, LogReader, Outgoing, Producer, StartError};
use serde::Deserialize;
use serde_json::json;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tracing::Span;

/// Header with the principal; believed because authentication is off and the address is loopback.
pub const PRINCIPAL_HEADER: &str = "meshlog-principal";
/// How long a caller waits for the governor.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// Takes proposals, in any process that follows the log; no governor has to be in it.
#[derive(Debug)]
pub struct Proposals {
    router: Router,
    replies: JoinHandle<()>,
}

impl Proposals {
    /// Follow the governor's replies. A caller that names no principal is `default_principal`.
    ///
    /// # Errors
    /// [`StartError`], notably while the topic of replies is not there: a governor makes it.
    pub async fn start(
        cluster: &Cluster,
        mesh_id: &str,
        follower: &Follower,
        default_principal: String,
    ) -> Result<Self, StartError> {
        let topics = Topics::of(mesh_id);
        let producer = Producer::new(cluster)?;
        let ends = Admin::new(cluster)?.end_offsets(&topics.outcomes).await?;
        let end = ends.first().map_or(0, |ends| ends.end);
        let reader = LogReader::follow(cluster, &topics.outcomes, end)?;
        let replies = Replies::default();
        let router = router(Api {
            producer,
            topics,
            replies: replies.clone(),
            view: follower.view(),
            ends: follower.ends(),
            default_principal,
        });
        Ok(Self {
            router,
            replies: tokio::spawn(replies.follow(reader)),
        })
    }

    /// `POST /api/v1/proposals`.
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// Follow the replies no longer.
    pub fn stop(self) {
        self.replies.abort();
    }
}

/// State of the API.
#[derive(Clone)]
struct Api {
    producer: Producer,
    topics: Topics,
    replies: Replies,
    view: watch::Receiver<View>,
    ends: Ends,
    default_principal: String,
}

/// Replies as they come by, for those who wait.
#[derive(Clone, Default)]
struct Replies(Arc<Mutex<Waiting>>);

#[derive(Default)]
struct Waiting {
    waiters: HashMap<String, Vec<oneshot::Sender<Outcome>>>,
    /// Replies that may come by before somebody waits for them.
    recent: VecDeque<(String, Outcome)>,
}

/// Replies kept for those who come late.
const RECENT: usize = 256;

impl Replies {
    async fn follow(self, mut reader: LogReader) {
        while let Some(event) = reader.next().await {
            match event {
                LogEvent::Record(record) => {
                    if let Some(reply) = record.value.as_deref().and_then(Reply::decode) {
                        self.arrived(reply);
                    }
                }
                LogEvent::EndReached { .. } => {}
                LogEvent::Trouble(why) => {
                    tracing::warn!(reason = %why, "replies cannot be read now");
                }
            }
        }
    }

    fn arrived(&self, reply: Reply) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for waiter in waiting
            .waiters
            .remove(&reply.proposal_id)
            .unwrap_or_default()
        {
            // A caller that has gone away needs no answer.
            drop(waiter.send(reply.outcome.clone()));
        }
        waiting.recent.push_back((reply.proposal_id, reply.outcome));
        if waiting.recent.len() > RECENT {
            waiting.recent.pop_front();
        }
    }

    fn expect(&self, id: &str) -> oneshot::Receiver<Outcome> {
        let (sender, receiver) = oneshot::channel();
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting
            .waiters
            .entry(id.to_owned())
            .or_default()
            .push(sender);
        receiver
    }
}

#[derive(Deserialize)]
struct Parameters {
    #[serde(default)]
    dry_run: bool,
}

fn router(api: Api) -> Router {
    Router::new()
        .route("/api/v1/proposals", post(propose))
        .layer(DefaultBodyLimit::max(MAX_PROPOSAL))
        .with_state(api)
}

async fn propose(
    State(api): State<Api>,
    Query(parameters): Query<Parameters>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let text = |name: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.map(str::to_owned).filter(|value| !value.is_empty())
    };
    let principal = match principal_of(&headers) {
        Ok(named) => named.unwrap_or_else(|| api.default_principal.clone()),
        Err(detail) => return problem(StatusCode::BAD_REQUEST, "not a principal", detail),
    };
    let content_type = text("content-type").unwrap_or_else(|| "application/yaml".to_owned());
    if content_type.starts_with("application/cloudevents") {
        // Such an envelope would say itself who sends it.
        let detail = "send what is proposed itself, not in a CloudEvent: who proposes it is for the API to say";
        return problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not a proposal", detail);
    }
    let id = text("idempotency-key").unwrap_or_else(new_id);
    let said = request_headers(&id, &content_type, &principal);
    if parameters.dry_run {
        return dry_run(&api, &id, &said, &body).await;
    }
    let asynchronously = text("prefer").is_some_and(|prefer| prefer.contains("respond-async"));
    let trace = headers.get(TRACEPARENT).map(HeaderValue::as_bytes);
    let trace = trace::header(&Span::current(), trace);
    let said = said.into_iter().map(|(key, value)| Header::new(key, value));
    let headers = said.chain(trace).collect();
    submit(&api, &id, headers, body, asynchronously).await
}

/// The principal that a request names, where it names one. While authentication is off it is believed.
///
/// # Errors
/// What a principal is, for a text that is none.
pub fn principal_of(headers: &HeaderMap) -> Result<Option<String>, &'static str> {
    let named = headers
        .get(PRINCIPAL_HEADER)
        .and_then(|value| value.to_str().ok());
    match named.filter(|named| !named.is_empty()) {
        Some(named) if !is_principal(named) => Err(
            "a principal has 1 to 200 characters, none of them a control character, and does not \
            start with `system:` or `domain:`",
        ),
        named => Ok(named.map(str::to_owned)),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the edge makes the ids that deciding is given"
)]
fn new_id() -> String {
    uuid::Uuid::now_v7().to_string()
}

/// What may stand for a caller: our own names are not to be had.
fn is_principal(principal: &str) -> bool {
    let ours = principal.starts_with("system:") || principal.starts_with("domain:");
    !ours && principal.len() <= 200 && !principal.chars().any(char::is_control)
}

fn request_headers(id: &str, content_type: &str, principal: &str) -> Vec<(String, String)> {
    let kind = if content_type.starts_with(REDRIVEN_TYPE) {
        REDRIVEN
    } else if content_type.starts_with(BREAKER_TYPE) {
        BREAKER
    } else if content_type.starts_with(SKIP_TYPE) {
        SKIP
    } else {
        APPLY
    };
    let actor = format!("ce_{ACTOR}");
    let authenticated_by = format!("ce_{AUTHENTICATED_BY}");
    [
        ("ce_specversion", "1.0"),
        ("ce_type", kind),
        ("ce_source", "api"),
        ("ce_id", id),
        (actor.as_str(), principal),
        (authenticated_by.as_str(), "unverified"),
        ("content-type", content_type),
    ]
    .iter()
    .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
    .collect()
}

async fn submit(
    api: &Api,
    id: &str,
    headers: Vec<Header>,
    body: Bytes,
    asynchronously: bool,
) -> Response {
    let proposal_id = format!("api#{id}");
    let answer = api.replies.expect(&proposal_id);
    let request = Outgoing {
        topic: api.topics.proposals.clone(),
        partition: Some(0),
        timestamp_ms: None,
        key: Some(proposal_id.clone().into_bytes()),
        value: Some(body.to_vec()),
        headers,
    };
    if let Err(error) = api.producer.send(request).await {
        let status = if error.is_too_large() {
            StatusCode::PAYLOAD_TOO_LARGE
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        };
        return problem(status, "the proposal was not taken", &chain(&error));
    }
    if asynchronously {
        return accepted_for_later(&proposal_id);
    }
    match tokio::time::timeout(ANSWER_LIMIT, answer).await {
        Ok(Ok(outcome)) => answered(api, proposal_id, outcome).await,
        Ok(Err(_)) | Err(_) => accepted_for_later(&proposal_id),
    }
}

/// 202: the proposal is in the log of requests and will be decided.
fn accepted_for_later(proposal_id: &str) -> Response {
    let encoded = proposal_id.replace('#', "%23").replace('/', "%2F");
    let location = format!("/api/v1/proposals/{encoded}");
    let body = axum::Json(json!({"status": "pending", "proposal_id": proposal_id}));
    (StatusCode::ACCEPTED, [(header::LOCATION, location)], body).into_response()
}

async fn answered(api: &Api, proposal_id: String, outcome: Outcome) -> Response {
    let last = match &outcome {
        Outcome::Accepted { seqs } => seqs.last().copied(),
        Outcome::Rejected { seq, .. } => Some(*seq),
        Outcome::Unchanged { .. } => None,
    };
    if let Some(seq) = last {
        let mut view = api.view.clone();
        let reached = view.wait_for(|view| view.mesh.size > seq);
        // The answer is true whether or not our own view is there in time.
        if !matches!(tokio::time::timeout(ANSWER_LIMIT, reached).await, Ok(Ok(_))) {
            tracing::warn!(seq, "answered before this instance has read the fact");
        }
    }
    outcome_response(proposal_id, outcome)
}

fn outcome_response(proposal_id: String, outcome: Outcome) -> Response {
    match outcome {
        Outcome::Accepted { .. } | Outcome::Unchanged { .. } => {
            axum::Json(Reply::new(proposal_id, outcome)).into_response()
        }
        Outcome::Rejected { seq, reasons } => {
            let count = reasons.len();
            let body = json!({
                "type": "about:blank",
                "title": "the proposal is refused",
                "status": 422,
                "detail": format!("{count} reason(s), recorded as fact {seq}"),
                "proposal_id": proposal_id,
                "seq": seq,
                "reasons": reasons,
            });
            problem_body(StatusCode::UNPROCESSABLE_ENTITY, body)
        }
    }
}

/// Decide on the view as it is now, and write nothing.
async fn dry_run(api: &Api, id: &str, headers: &[(String, String)], body: &[u8]) -> Response {
    let view = match api.ends.reach(ANSWER_LIMIT).await {
        Ok(view) => view,
        Err(error) => {
            let detail = error.to_string();
            return problem(StatusCode::SERVICE_UNAVAILABLE, "no current view", &detail);
        }
    };
    let proposal = proposal::read(headers, body, id);
    let mut people: People = (*view.people).clone();
    let time_ms = view.mesh.last_time_ms;
    let prepared = prepare(&view.mesh, &mut people, &Channel::Mesh, proposal, time_ms);
    match decide(&view.mesh, &prepared.stamp, &prepared.command) {
        Ok(events) => {
            let events: Vec<_> = events
                .iter()
                .map(|event| json!({"type": event.kind(), "subject": event.subject(id)}))
                .collect();
            let status = if events.is_empty() {
                "unchanged"
            } else {
                "accepted"
            };
            axum::Json(json!({"dry_run": true, "status": status, "events": events})).into_response()
        }
        Err(rejection) => {
            let body = json!({
                "type": "about:blank",
                "title": "the proposal would be refused",
                "status": 422,
                "detail": format!("{} reason(s); nothing was written", rejection.0.len()),
                "dry_run": true,
                "reasons": rejection.0,
            });
            problem_body(StatusCode::UNPROCESSABLE_ENTITY, body)
        }
    }
}

fn problem(status: StatusCode, title: &str, detail: &str) -> Response {
    let body = json!({
        "type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail,
    });
    problem_body(status, body)
}

/// RFC 9457.
fn problem_body(status: StatusCode, body: serde_json::Value) -> Response {
    let content_type = [(header::CONTENT_TYPE, "application/problem+json")];
    (status, content_type, body.to_string()).into_response()
}
