//! `/schemas`: what ids and GUIDs stand for. Those never change their meaning, so they are answered from memory; only a
//! miss asks for the end of the log.

use super::{
    bodies::Schema,
    params::{self, Query},
    subjects::prefix,
};
use crate::{
    refusal::Refusal,
    service::Service,
    state::{Deleted, State},
};
use axum::{
    Json,
    extract::{Path, State as Extract},
};
use serde_json::{Value, json};

type Answered<T> = Result<Json<T>, Refusal>;

/// Most schemas in one answer of `GET /schemas`, as the reference's default.
const MAX_LIST: usize = 1000;

/// `GET /schemas`
pub(super) async fn list(
    Extract(service): Extract<Service>,
    query: Query,
) -> Answered<Vec<Schema>> {
    let (prefix, deleted) = (prefix(&query), params::deleted(&query));
    let latest_only = params::flag(&query, "latestOnly");
    let found = service
        .read_fresh(|state| {
            let names = state
                .subjects(Deleted::Shown)
                .filter(|name| name.starts_with(&prefix));
            let versions = |name| {
                let skip = if latest_only {
                    state.versions(name, deleted).count().saturating_sub(1)
                } else {
                    0
                };
                let all = state.versions(name, deleted).skip(skip);
                all.map(move |(number, version)| Schema::of_version(name, number, version))
            };
            Ok(names.flat_map(versions).collect())
        })
        .await?;
    let mut page = params::page(&query, found);
    page.truncate(MAX_LIST);
    Ok(Json(page))
}

/// `GET /schemas/types`
pub(super) async fn types() -> Json<Value> {
    Json(json!(["JSON", "AVRO"]))
}

fn id(given: &str) -> Result<u32, Refusal> {
    given
        .parse()
        .map_err(|_not_a_number| Refusal::plain(404, "Not Found"))
}

/// What an id stands for, with the place asked for (`subject`), else its first use.
fn describe(state: &State, id: u32, query: &Query) -> Result<Schema, Refusal> {
    let (content, guid) = state
        .by_id(id)
        .ok_or_else(|| Refusal::id_not_found(&id.to_string()))?;
    let mut body = Schema::of_content(content, guid);
    let uses = state.uses(id, Deleted::Shown);
    let wanted = query.get("subject").map(|subject| params::subject(subject));
    let place = uses
        .iter()
        .rev()
        .find(|(subject, _)| wanted.as_deref() == Some(*subject))
        .or_else(|| uses.first());
    if let Some((subject, number)) = place
        && let Some(version) = state.version(subject, *number)
    {
        body.subject = Some((*subject).to_owned());
        body.version = Some(*number);
        body.ts = version.timestamp_ms;
        body.deleted = Some(version.deleted);
    }
    body.max_id = params::flag(query, "fetchMaxId").then(|| state.max_id());
    Ok(body)
}

/// `GET /schemas/ids/{id}`
pub(super) async fn by_id(
    Extract(service): Extract<Service>,
    Path(given): Path<String>,
    query: Query,
) -> Answered<Schema> {
    let id = id(&given)?;
    Ok(Json(
        service
            .read_known(|state| describe(state, id, &query))
            .await?,
    ))
}

/// `GET /schemas/ids/{id}/schema`: the text itself.
pub(super) async fn text(
    Extract(service): Extract<Service>,
    Path(given): Path<String>,
    query: Query,
) -> Result<String, Refusal> {
    let id = id(&given)?;
    Ok(service
        .read_known(|state| describe(state, id, &query))
        .await?
        .schema)
}

async fn uses(
    service: &Service,
    given: &str,
    query: &Query,
) -> Result<Vec<(String, u32)>, Refusal> {
    let id = id(given)?;
    let wanted = query.get("subject").map(|subject| params::subject(subject));
    service
        .read_fresh(|state| {
            state
                .by_id(id)
                .ok_or_else(|| Refusal::id_not_found(given))?;
            let all = state.uses(id, params::deleted(query)).into_iter();
            let asked = all.filter(|(subject, _)| wanted.as_deref().is_none_or(|w| w == *subject));
            Ok(asked
                .map(|(subject, number)| (subject.to_owned(), number))
                .collect())
        })
        .await
}

/// `GET /schemas/ids/{id}/subjects`
pub(super) async fn subjects(
    Extract(service): Extract<Service>,
    Path(given): Path<String>,
    query: Query,
) -> Answered<Vec<String>> {
    let mut names: Vec<String> = uses(&service, &given, &query)
        .await?
        .into_iter()
        .map(|(subject, _)| subject)
        .collect();
    names.dedup();
    Ok(Json(params::page(&query, names)))
}

/// `GET /schemas/ids/{id}/versions`
pub(super) async fn versions(
    Extract(service): Extract<Service>,
    Path(given): Path<String>,
    query: Query,
) -> Answered<Vec<Value>> {
    let found = uses(&service, &given, &query).await?;
    let pairs = found
        .into_iter()
        .map(|(subject, version)| json!({"subject": subject, "version": version}));
    Ok(Json(params::page(&query, pairs.collect())))
}

/// `GET /schemas/guids/{guid}`
pub(super) async fn by_guid(
    Extract(service): Extract<Service>,
    Path(guid): Path<String>,
) -> Answered<Schema> {
    let found = service.read_known(|state| {
        let known = state.by_guid(&guid).and_then(|id| state.by_id(id));
        let (content, guid) = known.ok_or_else(|| Refusal::id_not_found(&guid))?;
        Ok(Schema::of_content(content, guid))
    });
    Ok(Json(found.await?))
}

/// `GET /schemas/guids/{guid}/ids`
pub(super) async fn ids_of_guid(
    Extract(service): Extract<Service>,
    Path(guid): Path<String>,
) -> Answered<Value> {
    let found = service.read_known(|state| {
        state
            .by_guid(&guid)
            .ok_or_else(|| Refusal::id_not_found(&guid))
    });
    Ok(Json(json!([{"context": ".", "id": found.await?}])))
}
