//! `/compatibility`: would this schema be taken? Against one version, or against what registering would look at.

use super::{
    params::{self, Query},
    subjects,
};
use crate::{
    compatibility,
    content::Content,
    refusal::Refusal,
    request::Which,
    service::Service,
    settings::InForce,
    state::{Deleted, State},
};
use axum::{
    Json,
    body::Bytes,
    extract::{Path, State as Extract},
};
use serde_json::{Value, json};

/// `POST /compatibility/subjects/{subject}/versions`: what registering would check.
pub(super) async fn with_subject(
    Extract(service): Extract<Service>,
    Path(subject): Path<String>,
    query: Query,
    body: Bytes,
) -> Result<Json<Value>, Refusal> {
    let subject = params::subject(&subject);
    answer(&service, &subject, &query, &body, |state, content| {
        compatibility::with_subject(state, &subject, content)
    })
    .await
}

/// `POST /compatibility/subjects/{subject}/versions/{version}`: that version alone, in the direction configured.
pub(super) async fn with_version(
    Extract(service): Extract<Service>,
    Path((subject, version)): Path<(String, String)>,
    query: Query,
    body: Bytes,
) -> Result<Json<Value>, Refusal> {
    let (subject, which) = (params::subject(&subject), params::version(&version)?);
    answer(&service, &subject, &query, &body, |state, content| {
        let earlier = match (
            subjects::find(state, &subject, which, Deleted::Hidden),
            which,
        ) {
            (Ok(found), _) => vec![found],
            // nothing there yet: anything may come first
            (Err(_), Which::Latest) => Vec::new(),
            (Err(_), Which::Number(number)) => return Err(Refusal::version_not_found(number)),
        };
        compatibility::against(content, &earlier, InForce::of(state, &subject))
    })
    .await
}

async fn answer(
    service: &Service,
    subject: &str,
    query: &Query,
    body: &Bytes,
    check: impl FnOnce(&State, &Content) -> Result<Vec<String>, Refusal>,
) -> Result<Json<Value>, Refusal> {
    let verbose = params::flag(query, "verbose");
    let request = params::schema(subject.to_owned(), body, false)?;
    let messages = match Content::parse(
        request.schema_type.as_deref(),
        &request.schema,
        request.metadata,
    ) {
        Ok(content) => service.read_fresh(|state| check(state, &content)).await?,
        // a schema that does not parse is one more reason, where reasons are asked for
        Err(refusal) if verbose => vec![refusal.message],
        Err(refusal) => return Err(refusal),
    };
    let compatible = messages.is_empty();
    Ok(Json(if verbose && !compatible {
        json!({"is_compatible": compatible, "messages": messages})
    } else {
        json!({"is_compatible": compatible})
    }))
}
