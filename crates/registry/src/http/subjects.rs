//! `/subjects`: names, versions, registering, looking up, deleting.

use super::{
    bodies::{Schema, Shown},
    params::{self, Query},
};
use crate::{
    content::{Content, Normalize},
    name,
    refusal::Refusal,
    request::{Answer, Command, Register, Which},
    rules,
    service::{Service, stray},
    settings,
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
    let asked = query.subjects();
    let names = service
        .read_fresh(|state| {
            let all = state.subjects(query.deleted());
            Ok(all
                .filter(|name| asked.has(name))
                .map(|name| asked.shown(name).to_owned())
                .collect())
        })
        .await?;
    Ok(Json(query.page(names)))
}

/// The subject that a path means: another's alias stands for that other.
pub(super) fn meant(state: &State, subject: &str) -> String {
    state.aliased(subject).unwrap_or_else(|| subject.to_owned())
}

/// The subject, or, where it names no context and is not there, one of the same name in another context.
pub(super) fn in_some_context<T>(
    state: &State,
    subject: &str,
    look: impl Fn(&str) -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    let subject = meant(state, subject);
    let first = match look(&subject) {
        Err(missing) if missing.status() == 404 => missing,
        answer => return answer,
    };
    if name::context_of(&subject) == name::DEFAULT {
        let others = state.contexts().skip(1);
        for context in others {
            if let Ok(found) = look(&name::join(context, &subject)) {
                return Ok(found);
            }
        }
    }
    Err(first)
}

/// `POST /subjects/{subject}`: which version holds this schema?
pub(super) async fn lookup(
    Extract(service): Extract<Service>,
    Path(subject): Path<String>,
    query: Query,
    body: Bytes,
) -> Answered<Schema> {
    let request = params::schema(params::subject(&subject), &body, &query)?;
    let deleted = query.deleted();
    let how = shown(&query);
    let found = service.read_fresh(|state| {
        in_some_context(state, &request.subject, |subject| {
            if state.latest(subject, deleted).is_none() {
                return Err(Refusal::subject_not_found(subject));
            }
            if request.schema.trim().is_empty() {
                return Err(Refusal::schema_not_found());
            }
            let content = sought(state, subject, &request)?;
            let (number, version) = state
                .find(subject, &content, deleted)
                .ok_or_else(Refusal::schema_not_found)?;
            described(state, subject, (number, version), &how)
        })
    });
    Ok(Json(found.await?))
}

/// What a lookup looks for, as it would be stored under the subject.
fn sought(state: &State, subject: &str, request: &Register) -> Result<Content, Refusal> {
    let config = settings::in_scope(state, subject);
    let asked = request.normalize || config.and_then(|c| c.normalize) == Some(true);
    let rules = request.rule_set.as_ref();
    let rules = rules.map(|rules| serde_json::to_value(rules).expect("rules hold text only"));
    let sent = Content::sent(
        request.schema_type.as_deref(),
        &request.schema,
        request.references.clone(),
    );
    let imported = state.imports(subject, &request.references)?;
    sent.with(rules::tidy_metadata(request.metadata.clone()), rules)
        .parsed(
            &imported,
            if asked { Normalize::Yes } else { Normalize::No },
        )
}

/// How the query asks to see a schema.
pub(super) fn shown(query: &Query) -> Shown<'_> {
    Shown {
        format: query.format(),
        tags: query.all("findTags").collect(),
        full_references: query.wants_full_references(),
    }
}

/// A version as the query asks to see it.
fn described(
    state: &State,
    subject: &str,
    (number, version): (u32, &Version),
    how: &Shown<'_>,
) -> Result<Schema, Refusal> {
    let body = Schema::of_version(subject, number, version);
    if how.is_plain() {
        return Ok(body);
    }
    let imported = state.imports(subject, &version.content.references)?;
    body.shown_as(subject, &version.content, &imported, how)
}

/// `GET /subjects/{subject}/metadata`: the newest version whose metadata has these properties.
pub(super) async fn with_metadata(
    Extract(service): Extract<Service>,
    Path(subject): Path<String>,
    query: Query,
) -> Answered<Schema> {
    let subject = params::subject(&subject);
    let (deleted, how) = (query.deleted(), shown(&query));
    let wanted: Vec<_> = query.all("key").zip(query.all("value")).collect();
    let found = service.read_fresh(|state| {
        let subject = meant(state, &subject);
        if state.latest(&subject, deleted).is_none() {
            return Err(Refusal::subject_not_found(&subject));
        }
        let has = |version: &Version| {
            let metadata = version.content.metadata.as_ref();
            let has = |(key, value): &(&str, &str)| {
                metadata.and_then(|m| m.property(key)) == Some(*value)
            };
            wanted.iter().all(has)
        };
        let mut newest_first = state.versions(&subject, deleted).rev();
        let found = newest_first
            .find(|(_, version)| has(version))
            .ok_or_else(Refusal::schema_not_found)?;
        described(state, &subject, found, &how)
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
    let request = params::schema(params::subject(&subject), &body, &query)?;
    let (subject, done) = service.register(request).await?;
    answer(&service, &query, &subject, done)
}

fn answer(
    service: &Service,
    query: &Query,
    subject: &str,
    done: crate::Registered,
) -> Answered<Value> {
    let how = shown(query);
    let body = service.view().read(|state| {
        let body = Schema::of_registration(state, subject, done.version)?;
        if how.is_plain() {
            return Some(body);
        }
        let content = &state.version(subject, done.version)?.content;
        let imported = state.imports(subject, &content.references).ok()?;
        body.shown_as(subject, content, &imported, &how).ok()
    });
    // deleted again in this very moment: what was done stays true
    let fallback = || json!({"id": done.id, "version": done.version, "guid": done.guid});
    Ok(Json(body.map_or_else(fallback, |schema| json!(schema))))
}

/// `POST /subjects/{subject}/versions/{version}/tags`: a new version with tags added and removed.
pub(super) async fn tag(
    Extract(service): Extract<Service>,
    Path((subject, version)): Path<(String, String)>,
    query: Query,
    body: Bytes,
) -> Answered<Value> {
    let (subject, which) = (params::subject(&subject), params::version(&version)?);
    let subject = service.meant(&subject).await?;
    let request = params::tag(subject.clone(), which, &body)?;
    let done = service.submit_registration(Command::Tag(request)).await?;
    answer(&service, &query, &subject, done)
}

/// `GET /subjects/{subject}/versions`
pub(super) async fn versions(
    Extract(service): Extract<Service>,
    Path(subject): Path<String>,
    query: Query,
) -> Answered<Vec<i64>> {
    let subject = params::subject(&subject);
    let negative = query.flag("deletedAsNegative");
    let deleted = if negative {
        Deleted::Shown
    } else {
        query.deleted()
    };
    // a subject of which only deleted versions are asked for is there even when it has none
    let there = match deleted {
        Deleted::Hidden => Deleted::Hidden,
        Deleted::Shown | Deleted::Only => Deleted::Shown,
    };
    let numbers: Vec<i64> = service
        .read_fresh(|state| {
            let subject = meant(state, &subject);
            if state.latest(&subject, there).is_none() {
                return Err(Refusal::subject_not_found(&subject));
            }
            let sign = |version: &Version| if negative && version.deleted { -1 } else { 1 };
            let all = state.versions(&subject, deleted);
            Ok(all
                .map(|(number, version)| i64::from(number) * sign(version))
                .collect())
        })
        .await?;
    Ok(Json(query.page(numbers)))
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
        // the latest is never a deleted one, unless only such are left and asked for
        Which::Latest => state
            .latest(subject, Deleted::Hidden)
            .or_else(|| state.latest(subject, deleted))
            .ok_or_else(unknown),
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
    let how = shown(&query);
    let found = service.read_fresh(|state| {
        in_some_context(state, &subject, |subject| {
            let found = find(state, subject, which, query.deleted())?;
            described(state, subject, found, &how)
        })
    });
    Ok(Json(found.await?))
}

/// `GET /subjects/{subject}/versions/{version}/schema`: the text itself.
pub(super) async fn text(
    service: Extract<Service>,
    path: Path<(String, String)>,
    query: Query,
) -> Result<String, Refusal> {
    Ok(version(service, path, query).await?.0.schema)
}

/// `GET /subjects/{subject}/versions/{version}/referencedby`
pub(super) async fn referenced_by(
    Extract(service): Extract<Service>,
    Path((subject, version)): Path<(String, String)>,
    query: Query,
) -> Answered<Vec<u32>> {
    let (subject, which) = (params::subject(&subject), params::version(&version)?);
    let found = service.read_fresh(|state| {
        in_some_context(state, &subject, |subject| {
            let (number, _) = find(state, subject, which, Deleted::Shown)?;
            Ok(state.referenced_by(subject, number, query.deleted()))
        })
    });
    Ok(Json(query.page(found.await?)))
}

/// `DELETE /subjects/{subject}`
pub(super) async fn delete(
    Extract(service): Extract<Service>,
    Path(subject): Path<String>,
    query: Query,
) -> Answered<Vec<u32>> {
    let subject = service.meant(&params::subject(&subject)).await?;
    let permanent = query.flag("permanent");
    let command = Command::DeleteSubject { subject, permanent };
    Ok(Json(deleted(service.submit(command).await?)?))
}

/// `DELETE /subjects/{subject}/versions/{version}`: answered with the bare number.
pub(super) async fn delete_version(
    Extract(service): Extract<Service>,
    Path((subject, version)): Path<(String, String)>,
    query: Query,
) -> Answered<Option<u32>> {
    let version = params::version(&version)?;
    let subject = service.meant(&params::subject(&subject)).await?;
    let command = Command::DeleteVersion {
        subject,
        version,
        permanent: query.flag("permanent"),
    };
    Ok(Json(
        deleted(service.submit(command).await?)?.first().copied(),
    ))
}

fn deleted(answer: Answer) -> Result<Vec<u32>, Refusal> {
    match answer {
        Answer::Deleted(versions) => Ok(versions),
        Answer::Registered { .. }
        | Answer::Configured(_)
        | Answer::ConfigDeleted(_)
        | Answer::Mode(_)
        | Answer::ContextDeleted => Err(stray()),
    }
}
