//! `/config` and `/mode`: settings of the registry, of contexts and of single subjects.

use super::params::{self, Query};
use crate::{
    name,
    record::ConfigValue,
    refusal::Refusal,
    request::{Answer, Command},
    service::{Service, stray},
    settings::{self, DEFAULT_LEVEL, Mode, Update},
};
use axum::{
    Json,
    body::Bytes,
    extract::{Path, State as Extract},
};
use serde_json::{Value, json};

type Answered<T> = Result<Json<T>, Refusal>;

/// Settings as answered: the record without its subject, and with a level.
fn shown(config: &ConfigValue) -> ConfigValue {
    let mut config = ConfigValue {
        subject: None,
        ..config.clone()
    };
    config
        .compatibility_level
        .get_or_insert_with(|| DEFAULT_LEVEL.to_string());
    config
}

/// What a path without a subject is about: a context, or (`None`) the default one.
fn whole(query: &Query) -> Option<String> {
    let context = query.context();
    (context != name::DEFAULT).then(|| name::prefix(context))
}

/// `GET /config`
pub(super) async fn global(
    Extract(service): Extract<Service>,
    query: Query,
) -> Answered<ConfigValue> {
    let scope = whole(&query);
    let found = service.read_fresh(|state| {
        let own = state.config(scope.as_deref());
        Ok(match own {
            Some(own) => shown(own),
            None if query.flag("defaultToGlobal") => shown(&settings::effective(
                state,
                scope.as_deref().unwrap_or_default(),
            )),
            None => shown(&ConfigValue::default()),
        })
    });
    Ok(Json(found.await?))
}

/// `GET /config/{subject}`
pub(super) async fn of_subject(
    Extract(service): Extract<Service>,
    Path(subject): Path<String>,
    query: Query,
) -> Answered<ConfigValue> {
    let subject = params::subject(&subject);
    let found = service.read_fresh(|state| {
        if query.flag("defaultToGlobal") {
            return Ok(shown(&settings::effective(state, &subject)));
        }
        state
            .config(Some(&subject))
            .map(shown)
            .ok_or_else(|| Refusal::no_subject_config(&subject))
    });
    Ok(Json(found.await?))
}

/// `PUT /config`
pub(super) async fn set_global(
    Extract(service): Extract<Service>,
    query: Query,
    body: Bytes,
) -> Answered<Update> {
    set(&service, whole(&query), &body).await
}

/// `PUT /config/{subject}`
pub(super) async fn set_subject(
    Extract(service): Extract<Service>,
    Path(subject): Path<String>,
    body: Bytes,
) -> Answered<Update> {
    set(&service, Some(params::subject(&subject)), &body).await
}

/// The request is the answer; one that asks for nothing is answered with the level as it is.
async fn set(service: &Service, subject: Option<String>, body: &Bytes) -> Answered<Update> {
    let mut update = Update::parse(&params::json(body)?)?;
    let command = Command::SetConfig {
        subject,
        update: update.clone(),
    };
    match service.submit(command).await? {
        Answer::Configured(after) => {
            if update == Update::default() {
                update.compatibility = Some(shown(&after).compatibility_level);
            }
            Ok(Json(update))
        }
        Answer::Registered { .. }
        | Answer::Deleted(_)
        | Answer::ConfigDeleted(_)
        | Answer::Mode(_)
        | Answer::ContextDeleted => Err(stray()),
    }
}

/// `DELETE /config`
pub(super) async fn delete_global(
    Extract(service): Extract<Service>,
    query: Query,
) -> Answered<ConfigValue> {
    delete(&service, whole(&query)).await
}

/// `DELETE /config/{subject}`
pub(super) async fn delete_subject(
    Extract(service): Extract<Service>,
    Path(subject): Path<String>,
) -> Answered<ConfigValue> {
    delete(&service, Some(params::subject(&subject))).await
}

async fn delete(service: &Service, subject: Option<String>) -> Answered<ConfigValue> {
    match service.submit(Command::DeleteConfig { subject }).await? {
        Answer::ConfigDeleted(config) => Ok(Json(shown(&config))),
        Answer::Registered { .. }
        | Answer::Deleted(_)
        | Answer::Configured(_)
        | Answer::Mode(_)
        | Answer::ContextDeleted => Err(stray()),
    }
}

/// `GET /mode`
pub(super) async fn global_mode(
    Extract(service): Extract<Service>,
    query: Query,
) -> Answered<Value> {
    let scope = whole(&query);
    let found = service.read_fresh(|state| {
        if query.flag("defaultToGlobal") {
            let subject = scope.as_deref().unwrap_or_default();
            return Ok(Mode::of(state, subject).as_str().to_owned());
        }
        let own = state.mode(scope.as_deref());
        Ok(own.unwrap_or(Mode::ReadWrite.as_str()).to_owned())
    });
    Ok(Json(json!({"mode": found.await?})))
}

/// `GET /mode/{subject}`
pub(super) async fn subject_mode(
    Extract(service): Extract<Service>,
    Path(subject): Path<String>,
    query: Query,
) -> Answered<Value> {
    let subject = params::subject(&subject);
    let found = service.read_fresh(|state| {
        if query.flag("defaultToGlobal") {
            return Ok(Mode::of(state, &subject).as_str().to_owned());
        }
        let own = state.mode(Some(&subject)).map(str::to_owned);
        own.ok_or_else(|| Refusal::no_subject_mode(&subject))
    });
    Ok(Json(json!({"mode": found.await?})))
}

/// `PUT /mode`
pub(super) async fn set_global_mode(
    Extract(service): Extract<Service>,
    query: Query,
    body: Bytes,
) -> Answered<Value> {
    set_mode(&service, whole(&query), &query, &body).await
}

/// `PUT /mode/{subject}`
pub(super) async fn set_subject_mode(
    Extract(service): Extract<Service>,
    Path(subject): Path<String>,
    query: Query,
    body: Bytes,
) -> Answered<Value> {
    set_mode(&service, Some(params::subject(&subject)), &query, &body).await
}

async fn set_mode(
    service: &Service,
    subject: Option<String>,
    query: &Query,
    body: &Bytes,
) -> Answered<Value> {
    let body = params::json(body)?;
    let given = body["mode"].as_str();
    let mode = given
        .and_then(Mode::parse)
        .ok_or_else(Refusal::invalid_mode)?;
    let command = Command::SetMode {
        subject,
        mode: mode.as_str().to_owned(),
        force: query.flag("force"),
    };
    mode_of(service.submit(command).await?)
}

/// `DELETE /mode`
pub(super) async fn delete_global_mode(
    Extract(service): Extract<Service>,
    query: Query,
) -> Answered<Value> {
    delete_mode(&service, whole(&query), &query).await
}

/// `DELETE /mode/{subject}`
pub(super) async fn delete_subject_mode(
    Extract(service): Extract<Service>,
    Path(subject): Path<String>,
    query: Query,
) -> Answered<Value> {
    delete_mode(&service, Some(params::subject(&subject)), &query).await
}

async fn delete_mode(service: &Service, subject: Option<String>, query: &Query) -> Answered<Value> {
    let command = Command::DeleteMode {
        subject,
        recursive: query.flag("recursive"),
    };
    mode_of(service.submit(command).await?)
}

fn mode_of(answer: Answer) -> Answered<Value> {
    match answer {
        Answer::Mode(mode) => Ok(Json(json!({"mode": mode}))),
        Answer::Registered { .. }
        | Answer::Deleted(_)
        | Answer::Configured(_)
        | Answer::ConfigDeleted(_)
        | Answer::ContextDeleted => Err(stray()),
    }
}
