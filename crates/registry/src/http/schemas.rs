//! `/schemas`: what ids and GUIDs stand for. Those never change their meaning, so they are answered from memory; only a
//! miss asks for the end of the log.

use super::{
    bodies::{Found, Schema},
    params::{self, Query},
    subjects,
};
use crate::{
    name,
    refusal::Refusal,
    service::Service,
    state::{Deleted, State},
};
use axum::{
    Json,
    extract::{Path, State as Extract},
};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

type Answered<T> = Result<Json<T>, Refusal>;

/// Most schemas in one answer of `GET /schemas`, as the reference's default.
const MAX_LIST: usize = 1000;

/// A schema of a list, with the names that stand for its subject.
#[derive(Debug, Serialize)]
pub(super) struct Listed {
    #[serde(flatten)]
    schema: Schema,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    aliases: Vec<String>,
}

/// `GET /schemas`
pub(super) async fn list(
    Extract(service): Extract<Service>,
    query: Query,
) -> Answered<Vec<Listed>> {
    let found = service.read_fresh(|state| Ok(listed(state, &query)));
    let mut page = query.page(found.await?);
    page.truncate(MAX_LIST);
    Ok(Json(page))
}

fn listed(state: &State, query: &Query) -> Vec<Listed> {
    let (asked, deleted) = (query.subjects(), query.deleted());
    let latest_only = query.flag("latestOnly");
    let aliases = if query.flag("aliases") {
        aliases(state)
    } else {
        BTreeMap::new()
    };
    let mut found = Vec::new();
    for subject in state
        .subjects(Deleted::Shown)
        .filter(|subject| asked.has(subject))
    {
        let mut versions: Vec<_> = state.versions(subject, deleted).collect();
        if latest_only {
            versions.drain(..versions.len().saturating_sub(1));
        }
        for (number, version) in versions {
            let rules = query.get("ruleType");
            if rules.is_some_and(|ty| !has_rule(version.content.rule_set.as_ref(), ty)) {
                continue;
            }
            let schema = Schema {
                subject: Some(asked.shown(subject).to_owned()),
                ..Schema::of_version(subject, number, version)
            };
            found.push(Listed {
                schema,
                aliases: aliases.get(subject).cloned().unwrap_or_default(),
            });
        }
    }
    found
}

/// The names that stand for subjects, by subject.
fn aliases(state: &State) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (alias, _) in state.configs() {
        if let Some(alias) = alias
            && let Some(subject) = state.aliased(alias)
        {
            found.entry(subject).or_default().push(alias.to_owned());
        }
    }
    found
}

fn has_rule(rules: Option<&Value>, ty: &str) -> bool {
    let lists = ["migrationRules", "domainRules", "encodingRules"];
    let rules = lists
        .iter()
        .filter_map(|list| rules?.get(list)?.as_array())
        .flatten();
    rules.into_iter().any(|rule| rule["type"] == ty)
}

/// `GET /schemas/types`
pub(super) async fn types() -> Json<Value> {
    Json(json!(["JSON", "PROTOBUF", "AVRO"]))
}

fn id(given: &str) -> Result<u32, Refusal> {
    given
        .parse()
        .map_err(|_not_a_number| Refusal::plain(404, "Not Found"))
}

/// Where an id is looked for: in the context of the subject asked for, else of the path. A subject that names no
/// context may be in another one.
fn place(state: &State, id: u32, query: &Query) -> String {
    let asked = query.get("subject").map(params::subject);
    let (context, own) = match asked.as_deref().map(name::split) {
        Some((name::DEFAULT, own)) => (query.context(), own),
        Some(qualified) => qualified,
        None => (query.context(), ""),
    };
    let uses = |context: &str| {
        let full = name::join(context, own);
        let uses = state.uses(context, id, Deleted::Shown);
        uses.iter().any(|(subject, _)| *subject == full)
    };
    if own.is_empty() || context != name::DEFAULT || uses(context) {
        return context.to_owned();
    }
    let elsewhere = state.contexts().skip(1).find(|other| uses(other));
    elsewhere.unwrap_or(context).to_owned()
}

/// What an id stands for, with the place asked for (`subject`), else its first use.
fn describe(state: &State, id: u32, query: &Query) -> Result<Found, Refusal> {
    let context = place(state, id, query);
    let (content, guid) = state
        .by_id(&context, id)
        .ok_or_else(|| Refusal::id_not_found(&id.to_string()))?;
    let mut body = Schema::of_content(content, guid);
    let uses = state.uses(&context, id, Deleted::Shown);
    let asked = query.get("subject").map(params::subject);
    let wanted = asked.map(|subject| name::join(&context, name::split(&subject).1));
    let place = uses
        .iter()
        .rev()
        .find(|(subject, _)| wanted.as_deref() == Some(*subject))
        .or_else(|| uses.first());
    if let Some((subject, number)) = place
        && let Some(version) = state.version(subject, *number)
    {
        body.subject = Some(name::split(subject).1.to_owned());
        body.version = Some(*number);
        body.ts = version.timestamp_ms;
        body.deleted = version.deleted.then_some(true);
    }
    body.max_id = query.flag("fetchMaxId").then(|| state.max_id(&context));
    let holder = place.map_or(name::prefix(&context), |(subject, _)| (*subject).to_owned());
    Found::new(state, &holder, content, body, &subjects::shown(query))
}

async fn described(service: &Service, given: &str, query: &Query) -> Result<Schema, Refusal> {
    let id = id(given)?;
    let found = service.read_known(|state| describe(state, id, query));
    found.await?.shown(service).await
}

/// `GET /schemas/ids/{id}`
pub(super) async fn by_id(
    Extract(service): Extract<Service>,
    Path(given): Path<String>,
    query: Query,
) -> Answered<Schema> {
    Ok(Json(described(&service, &given, &query).await?))
}

/// `GET /schemas/ids/{id}/schema`: the text itself.
pub(super) async fn text(
    Extract(service): Extract<Service>,
    Path(given): Path<String>,
    query: Query,
) -> Result<String, Refusal> {
    Ok(described(&service, &given, &query).await?.schema)
}

async fn uses(
    service: &Service,
    given: &str,
    query: &Query,
) -> Result<Vec<(String, u32)>, Refusal> {
    let id = id(given)?;
    let wanted = query.get("subject").map(params::subject);
    service
        .read_fresh(|state| {
            let context = place(state, id, query);
            state
                .by_id(&context, id)
                .ok_or_else(|| Refusal::id_not_found(given))?;
            let wanted = wanted.map(|subject| name::split(&subject).1.to_owned());
            let all = state.uses(&context, id, query.deleted()).into_iter();
            let bare = all.map(|(subject, number)| (name::split(subject).1, number));
            let asked = bare.filter(|(subject, _)| {
                wanted
                    .as_deref()
                    .is_none_or(|w| w.is_empty() || w == *subject)
            });
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
    Ok(Json(query.page(names)))
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
    Ok(Json(query.page(pairs.collect())))
}

/// `GET /schemas/guids/{guid}`
pub(super) async fn by_guid(
    Extract(service): Extract<Service>,
    Path(guid): Path<String>,
    query: Query,
) -> Answered<Schema> {
    let how = subjects::shown(&query);
    let found = service.read_known(|state| {
        let places = state.by_guid(&guid);
        let place = places.first().copied();
        let known = place.and_then(|(context, id)| Some((context, id, state.by_id(context, id)?)));
        let (context, id, (content, guid)) = known.ok_or_else(|| Refusal::id_not_found(&guid))?;
        let body = Schema::of_content(content, guid);
        let uses = state.uses(context, id, Deleted::Shown);
        let holder = uses
            .first()
            .map_or_else(|| name::prefix(context), |(s, _)| (*s).to_owned());
        Found::new(state, &holder, content, body, &how)
    });
    Ok(Json(found.await?.shown(&service).await?))
}

/// `GET /schemas/guids/{guid}/ids`
pub(super) async fn ids_of_guid(
    Extract(service): Extract<Service>,
    Path(guid): Path<String>,
    query: Query,
) -> Answered<Value> {
    let found = service.read_known(|state| {
        let places: Vec<Value> = state
            .by_guid(&guid)
            .into_iter()
            .map(|(context, id)| json!({"context": context, "id": id}))
            .collect();
        if places.is_empty() {
            return Err(Refusal::id_not_found(&guid));
        }
        Ok(places)
    });
    Ok(Json(json!(query.page(found.await?))))
}
