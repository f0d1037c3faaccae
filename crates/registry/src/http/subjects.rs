//! `/subjects`: names, versions, registering, looking up, deleting.

use super::{
    bodies::Schema,
    params::{self, Query},
};
use crate::{
    content::Content,
    refusal::Refusal,
    request::{Answer, Command, Which},
    service::{Service, stray},
    state::{Deleted, State, Version},
};
use axum::{
    Json,
    body::Bytes,
    extract::{Path, State as Extract},
};
use serde_json::{Value, json};

type Answered<T> = Result<Json<T>, Refusal>;

/// `GET /subjects`
pub(super) async fn list(
    Extract(service): Extract<Service>,
    query: Query,
) -> Answered<Vec<String>> {
    let prefix = prefix(&query);
    let names = service
        .read_fresh(|state| {
            let all = state.subjects(params::deleted(&query));
            Ok(all
                .filter(|name| name.starts_with(&prefix))
                .map(str::to_owned)
                .collect())
        })
        .await?;
    Ok(Json(params::page(&query, names)))
}

/// The prefix asked for, where `:*:` and `:.:` stand for all contexts and the default one: the same here.
pub(super) fn prefix(query: &Query) -> String {
    let given = query
        .get("subjectPrefix")
        .map(String::as_str)
        .unwrap_or_default();
    given
        .strip_prefix(":*:")
        .or_else(|| given.strip_prefix(":.:"))
        .unwrap_or(given)
        .to_owned()
}

/// `POST /subjects/{subject}`: which version holds this schema?
pub(super) async fn lookup(
    Extract(service): Extract<Service>,
    Path(subject): Path<String>,
    query: Query,
    body: Bytes,
) -> Answered<Schema> {
    let request = params::schema(params::subject(&subject), &body, false)?;
    let content = Content::parse(
        request.schema_type.as_deref(),
        &request.schema,
        request.metadata,
    )?;
    let (subject, deleted) = (request.subject, params::deleted(&query));
    let found = service.read_fresh(|state| {
        if state.latest(&subject, deleted).is_none() {
            return Err(Refusal::subject_not_found(&subject));
        }
        let (number, version) = state
            .find(&subject, &content, deleted)
            .ok_or_else(Refusal::schema_not_found)?;
        Ok(Schema::of_version(&subject, number, version))
    });
    Ok(Json(found.await?))
}

/// `POST /subjects/{subject}/versions`
pub(super) async fn register(
    Extract(service): Extract<Service>,
    Path(subject): Path<String>,
    query: Query,
    body: Bytes,
) -> Answered<Value> {
    let force = params::flag(&query, "force");
    let request = params::schema(params::subject(&subject), &body, force)?;
    let subject = request.subject.clone();
    let done = service.register(request).await?;
    let body = service
        .view()
        .read(|state| Schema::of_registration(state, &subject, done.version));
    // deleted again in this very moment: what was done stays true
    let fallback = || json!({"id": done.id, "version": done.version, "guid": done.guid});
    Ok(Json(body.map_or_else(fallback, |schema| json!(schema))))
}

/// `GET /subjects/{subject}/versions`
pub(super) async fn versions(
    Extract(service): Extract<Service>,
    Path(subject): Path<String>,
    query: Query,
) -> Answered<Vec<i64>> {
    let subject = params::subject(&subject);
    let negative = params::flag(&query, "deletedAsNegative");
    let deleted = if negative {
        Deleted::Shown
    } else {
        params::deleted(&query)
    };
    let numbers: Vec<i64> = service
        .read_fresh(|state| {
            let sign = |version: &Version| if negative && version.deleted { -1 } else { 1 };
            let all = state.versions(&subject, deleted);
            Ok(all
                .map(|(number, version)| i64::from(number) * sign(version))
                .collect())
        })
        .await?;
    if numbers.is_empty() {
        return Err(Refusal::subject_not_found(&subject));
    }
    Ok(Json(params::page(&query, numbers)))
}

/// The version of a subject that a path names.
pub(super) fn find<'s>(
    state: &'s State,
    subject: &str,
    which: Which,
    deleted: Deleted,
) -> Result<(u32, &'s Version), Refusal> {
    let unknown = || Refusal::subject_not_found(subject);
    match which {
        Which::Latest => state.latest(subject, deleted).ok_or_else(unknown),
        Which::Number(number) => {
            state.latest(subject, deleted).ok_or_else(unknown)?;
            let version = state
                .version(subject, number)
                .filter(|v| deleted.admits(v.deleted));
            version
                .map(|v| (number, v))
                .ok_or_else(|| Refusal::version_not_found(number))
        }
    }
}

/// `GET /subjects/{subject}/versions/{version}`
pub(super) async fn version(
    Extract(service): Extract<Service>,
    Path((subject, version)): Path<(String, String)>,
    query: Query,
) -> Answered<Schema> {
    let (subject, which) = (params::subject(&subject), params::version(&version)?);
    let found = service.read_fresh(|state| {
        let (number, version) = find(state, &subject, which, params::deleted(&query))?;
        Ok(Schema::of_version(&subject, number, version))
    });
    Ok(Json(found.await?))
}

/// `GET /subjects/{subject}/versions/{version}/schema`: the text itself.
pub(super) async fn text(
    Extract(service): Extract<Service>,
    Path((subject, version)): Path<(String, String)>,
    query: Query,
) -> Result<String, Refusal> {
    let (subject, which) = (params::subject(&subject), params::version(&version)?);
    let found = service.read_fresh(|state| {
        let (_, version) = find(state, &subject, which, params::deleted(&query))?;
        Ok(version.content.text.clone())
    });
    found.await
}

/// `GET /subjects/{subject}/versions/{version}/referencedby`
pub(super) async fn referenced_by(
    Extract(service): Extract<Service>,
    Path((subject, version)): Path<(String, String)>,
    query: Query,
) -> Answered<Vec<u32>> {
    let (subject, which) = (params::subject(&subject), params::version(&version)?);
    let found = service.read_fresh(|state| {
        let (number, _) = find(state, &subject, which, params::deleted(&query))?;
        Ok(state.referenced_by(&subject, number))
    });
    Ok(Json(params::page(&query, found.await?)))
}

/// `DELETE /subjects/{subject}`
pub(super) async fn delete(
    Extract(service): Extract<Service>,
    Path(subject): Path<String>,
    query: Query,
) -> Answered<Vec<u32>> {
    let subject = params::subject(&subject);
    let permanent = params::flag(&query, "permanent");
    match service
        .submit(Command::DeleteSubject { subject, permanent })
        .await?
    {
        Answer::Deleted(versions) => Ok(Json(versions)),
        Answer::Registered { .. } | Answer::Configured(_) | Answer::ConfigDeleted(_) => {
            Err(stray())
        }
    }
}

/// `DELETE /subjects/{subject}/versions/{version}`: answered with the bare number.
pub(super) async fn delete_version(
    Extract(service): Extract<Service>,
    Path((subject, version)): Path<(String, String)>,
    query: Query,
) -> Answered<Option<u32>> {
    let (subject, version) = (params::subject(&subject), params::version(&version)?);
    let permanent = params::flag(&query, "permanent");
    match service
        .submit(Command::DeleteVersion {
            subject,
            version,
            permanent,
        })
        .await?
    {
        Answer::Deleted(versions) => Ok(Json(versions.first().copied())),
        Answer::Registered { .. } | Answer::Configured(_) | Answer::ConfigDeleted(_) => {
            Err(stray())
        }
    }
}
