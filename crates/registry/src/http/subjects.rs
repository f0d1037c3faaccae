//! `/subjects`: names, versions, registering, looking up, deleting.

use super::{
    bodies::{Found, Schema, Shown},
    params::{self, Query},
    warnings::Warned,
};
use crate::{
    compatibility,
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
fn in_some_context<T>(
    state: &State,
    subject: &str,
    look: impl Fn(&str) -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    let subject = meant(state, subject);
    in_first(&subject, elsewhere(state, &subject), look)
}

/// The names that a subject has in other contexts, where it names none itself.
fn elsewhere(state: &State, subject: &str) -> impl Iterator<Item = String> {
    let is_bare = name::context_of(subject) == name::DEFAULT;
    let others = state.contexts().skip(1).filter(move |_| is_bare);
    others.map(move |context| name::join(context, subject))
}

/// What is found under a subject, or, where it is not there, under the first of others.
fn in_first<T>(
    subject: &str,
    mut others: impl Iterator<Item = String>,
    look: impl Fn(&str) -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    match look(subject) {
        Err(missing) if missing.status() == 404 => {
            others.find_map(|other| look(&other).ok()).ok_or(missing)
        }
        answer => answer,
    }
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
    let looked_at = service.read_fresh(|state| {
        let subject = meant(state, &request.subject);
        let others = elsewhere(state, &subject);
        let there = |other: &String| state.latest(other, deleted).is_some();
        let mut subjects: Vec<_> = others.filter(there).collect();
        subjects.insert(0, subject);
        let excerpt = state.excerpt(&subjects, &request.references);
        Ok((excerpt, subjects))
    });
    let (excerpt, mut subjects) = looked_at.await?;
    let work = move || {
        let subject = subjects.remove(0);
        in_first(&subject, subjects.into_iter(), |subject| {
            look_up(&excerpt, subject, &request, deleted)
                .and_then(|found| described(&excerpt, subject, found, &how)?.worked_out())
        })
    };
    Ok(Json(service.aside().run(work).await?))
}

/// The version of a subject that a lookup means.
fn look_up<'s>(
    state: &'s State,
    subject: &str,
    request: &Register,
    deleted: Deleted,
) -> Result<(u32, &'s Version), Refusal> {
    if state.latest(subject, deleted).is_none() {
        return Err(Refusal::subject_not_found(subject));
    }
    if request.schema.trim().is_empty() {
        return Err(Refusal::schema_not_found());
    }
    let content = sought(state, subject, request)?;
    let found = state.find(subject, &content, deleted);
    found.ok_or_else(Refusal::schema_not_found)
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
pub(super) fn shown(query: &Query) -> Shown {
    Shown {
        format: query.format(),
        tags: query.all("findTags").map(str::to_owned).collect(),
        full_references: query.wants_full_references(),
    }
}

/// A version as the query asks to see it.
fn described(
    state: &State,
    subject: &str,
    (number, version): (u32, &Version),
    how: &Shown,
) -> Result<Found, Refusal> {
    let body = Schema::of_version(subject, number, version);
    Found::new(state, subject, &version.content, body, how)
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
    Ok(Json(found.await?.shown(&service).await?))
}

/// `POST /subjects/{subject}/versions`
pub(super) async fn register(
    Extract(service): Extract<Service>,
    Path(subject): Path<String>,
    query: Query,
    body: Bytes,
) -> Result<Warned<Json<Value>>, Refusal> {
    let request = params::schema(params::subject(&subject), &body, &query)?;
    let (subject, done) = service.register(request).await?;
    answer(&service, &query, subject, done).await
}

async fn answer(
    service: &Service,
    query: &Query,
    subject: String,
    done: crate::Registered,
) -> Result<Warned<Json<Value>>, Refusal> {
    let how = shown(query);
    let excerpt = service.view();
    let excerpt = excerpt.read(|state| state.excerpt(std::slice::from_ref(&subject), &[]));
    let work = move || {
        let body = registered(&excerpt, &subject, done.version, &how);
        // deleted again in this very moment: what was done stays true
        let fallback = || json!({"id": done.id, "version": done.version, "guid": done.guid});
        let body = body.map_or_else(fallback, |schema| json!(schema));
        let warnings = compatibility::warnings(&excerpt, &subject, done.version);
        Ok(Warned(warnings, Json(body)))
    };
    service.aside().run(work).await
}

fn registered(state: &State, subject: &str, number: u32, how: &Shown) -> Option<Schema> {
    let body = Schema::of_registration(state, subject, number)?;
    let content = &state.version(subject, number)?.content;
    let found = Found::new(state, subject, content, body, how).ok()?;
    found.worked_out().ok()
}

/// `POST /subjects/{subject}/versions/{version}/tags`: a new version with tags added and removed.
pub(super) async fn tag(
    Extract(service): Extract<Service>,
    Path((subject, version)): Path<(String, String)>,
    query: Query,
    body: Bytes,
) -> Result<Warned<Json<Value>>, Refusal> {
    let (subject, which) = (params::subject(&subject), params::version(&version)?);
    let subject = service.meant(&subject).await?;
    let request = params::tag(subject.clone(), which, &body)?;
    let done = service.submit_registration(Command::Tag(request)).await?;
    answer(&service, &query, subject, done).await
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
    Ok(Json(found.await?.shown(&service).await?))
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
