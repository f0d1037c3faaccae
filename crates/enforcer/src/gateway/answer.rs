//! What a request is answered with: one status for one event, one for each of an array, or a problem (RFC 9457).

use super::judge::Judged;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use contract::verdict::Reason;
use kafka::{Delivered, Outgoing};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Says that an answer was given before, for this idempotency key.
pub(super) const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// A request that is not answered with verdicts.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    title: &'static str,
    detail: String,
    retry_after: Option<u32>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, title: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            title,
            detail: detail.into(),
            retry_after: None,
        }
    }

    /// One that passes.
    pub(super) fn passing(
        status: StatusCode,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            retry_after: Some(1),
            ..Self::new(status, title, detail)
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = json!({
            "type": "about:blank", "title": self.title, "status": self.status.as_u16(),
            "detail": self.detail,
        });
        let mut response = as_problem(self.status, &body);
        if let Some(seconds) = self.retry_after {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

fn as_problem(status: StatusCode, body: &Value) -> Response {
    let content_type = [(header::CONTENT_TYPE, "application/problem+json")];
    (status, content_type, body.to_string()).into_response()
}

/// Whether a body held one event or an array of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    One,
    Many,
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    Accepted,
    Rejected,
    Failed,
}

/// One event's part of an answer.
#[derive(Debug, Serialize)]
struct Part<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    partition: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quarantined: Option<bool>,
    #[serde(skip_serializing_if = "<[Reason]>::is_empty")]
    reasons: &'a [Reason],
    #[serde(skip_serializing_if = "<[Reason]>::is_empty")]
    would_refuse: &'a [Reason],
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
}

/// Where an event that was to be written is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Landed {
    /// There, acknowledged.
    At(Delivered),
    /// Not acknowledged, and why.
    Failed(String),
}

/// The judged events of one request.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) shape: Shape,
    pub(super) events: Vec<Judged>,
}

/// An answer with verdicts. Stored for idempotency keys since v0.1: add members, change none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Value,
}

impl Batch {
    /// The records to be written, with the numbers of their events.
    pub(super) fn records(&self) -> impl Iterator<Item = (usize, &Outgoing)> {
        let events = self.events.iter().enumerate();
        events.filter_map(|(at, event)| Some((at, event.record.as_ref()?)))
    }

    /// The answer once it is known where each record is; one that is not named is taken as not acknowledged.
    pub(super) fn answer(&self, landed: impl Fn(usize) -> Option<Landed>) -> (Answer, Vec<Status>) {
        let places: Vec<_> = (0..self.events.len()).map(landed).collect();
        let parts = self.events.iter().enumerate().zip(&places);
        let parts = parts
            .map(|((at, event), place)| part(at, self.shape, event, place.as_ref()))
            .collect::<Vec<_>>();
        let statuses = parts.iter().map(|part| part.status).collect();
        let answer = match (self.shape, parts.as_slice()) {
            (Shape::One, [one]) => single(one),
            (Shape::One | Shape::Many, parts) => Answer {
                status: StatusCode::MULTI_STATUS.as_u16(),
                body: json!(parts),
            },
        };
        (answer, statuses)
    }
}

fn part<'a>(at: usize, shape: Shape, event: &'a Judged, place: Option<&'a Landed>) -> Part<'a> {
    let (delivered, failure) = match (&event.record, place) {
        (None, _) => (None, None),
        (Some(_), Some(Landed::At(delivered))) => (Some(*delivered), None),
        (Some(_), Some(Landed::Failed(why))) => (None, Some(why.as_str())),
        (Some(_), None) => (None, Some("the broker did not acknowledge it")),
    };
    let refused = !event.reasons.is_empty();
    let status = match (failure, refused) {
        (Some(_), _) => Status::Failed,
        (None, true) => Status::Rejected,
        (None, false) => Status::Accepted,
    };
    Part {
        id: (shape == Shape::Many).then(|| at.to_string()),
        status,
        partition: delivered.map(|delivered| delivered.partition),
        offset: delivered.map(|delivered| delivered.offset),
        quarantined: (refused && delivered.is_some()).then_some(true),
        reasons: &event.reasons,
        would_refuse: &event.would_refuse,
        detail: failure,
    }
}

fn single(part: &Part<'_>) -> Answer {
    let (status, title) = match part.status {
        Status::Accepted => {
            return Answer {
                status: StatusCode::ACCEPTED.as_u16(),
                body: json!(part),
            };
        }
        Status::Rejected => (
            StatusCode::UNPROCESSABLE_ENTITY,
            "the event breaks its contract",
        ),
        Status::Failed => (
            StatusCode::SERVICE_UNAVAILABLE,
            "the event was not acknowledged",
        ),
    };
    let mut body = json!(part);
    body["type"] = "about:blank".into();
    body["title"] = title.into();
    body["event"] = body["status"].take();
    body["status"] = status.as_u16().into();
    if part.status == Status::Rejected {
        let count = part.reasons.len();
        body["detail"] = format!("{count} reason(s)").into();
    }
    Answer {
        status: status.as_u16(),
        body,
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        if !status.is_client_error() && !status.is_server_error() {
            return (status, axum::Json(self.body)).into_response();
        }
        let mut response = as_problem(status, &self.body);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(1_u32));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::verdict::Code;

    fn event(write: bool, refused: bool) -> Judged {
        let reason = || Reason::new(Code::Missing, "/a", "a value", "nothing");
        Judged {
            record: write.then(Outgoing::default),
            reasons: if refused { vec![reason()] } else { vec![] },
            would_refuse: vec![],
        }
    }

    fn at(offset: i64) -> Option<Landed> {
        let partition = 2;
        Some(Landed::At(Delivered { partition, offset }))
    }

    #[test]
    fn one_event_has_a_status_of_its_own() {
        let answer = |event, landed: Option<Landed>| {
            let batch = Batch {
                shape: Shape::One,
                events: vec![event],
            };
            batch.answer(|_| landed.clone()).0
        };
        let accepted = answer(event(true, false), at(7));
        let body = json!({"status": "accepted", "partition": 2, "offset": 7});
        assert_eq!((accepted.status, accepted.body), (202, body));
        let rejected = answer(event(false, true), None);
        assert_eq!(rejected.status, 422);
        assert_eq!(rejected.body["reasons"][0]["code"], "MESH-1006");
        assert_eq!(rejected.body["quarantined"], Value::Null);
        let quarantined = answer(event(true, true), at(7));
        assert_eq!(quarantined.status, 422);
        assert_eq!(quarantined.body["quarantined"], true);
        let failed = answer(event(true, false), None);
        assert_eq!(
            (failed.status, &failed.body["event"]),
            (503, &json!("failed"))
        );
        let response = failed.into_response();
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
    }

    #[test]
    fn an_array_is_answered_event_by_event() {
        let batch = Batch {
            shape: Shape::Many,
            events: vec![event(true, false), event(false, true), event(true, false)],
        };
        let (answer, statuses) = batch.answer(|number| match number {
            0 => at(1),
            _ => Some(Landed::Failed("gone".to_owned())),
        });
        assert_eq!(answer.status, 207);
        assert_eq!(
            statuses,
            [Status::Accepted, Status::Rejected, Status::Failed]
        );
        assert_eq!(
            answer.body[0],
            json!({"id": "0", "status": "accepted", "partition": 2, "offset": 1})
        );
        assert_eq!(
            answer.body[2],
            json!({"id": "2", "status": "failed", "detail": "gone"})
        );
    }
}
