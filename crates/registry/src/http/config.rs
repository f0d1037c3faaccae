//! `/config` and `/mode`: settings of the registry and of single subjects.

use super::params::{self, Query};
use crate::{
    compatibility::effective_config,
    record::ConfigValue,
    refusal::Refusal,
    request::{Answer, Command},
    service::{Service, stray},
    settings::{DEFAULT_LEVEL, Update},
};
use axum::{
    Json,
    body::Bytes,
    extract::{Path, State as Extract},
};
use serde_json::{Value, json};

type Answered<T> = Result<Json<T>, Refusal>;

/// Settings as answered: the record without its subject.
fn shown(config: &ConfigValue) -> ConfigValue {
    ConfigValue {
        subject: None,
        ..config.clone()
    }
}

/// `GET /config`
pub(super) async fn global(Extract(service): Extract<Service>) -> Answered<ConfigValue> {
    let found = service.read_fresh(|state| {
        let mut config = state.config(None).map(shown).unwrap_or_default();
        config
            .compatibility_level
            .get_or_insert_with(|| DEFAULT_LEVEL.to_string());
        Ok(config)
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
        if params::flag(&query, "defaultToGlobal") {
            return Ok(shown(&effective_config(state, &subject)));
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
    body: Bytes,
) -> Answered<Update> {
    set(&service, None, &body).await
}

/// `PUT /config/{subject}`
pub(super) async fn set_subject(
    Extract(service): Extract<Service>,
    Path(subject): Path<String>,
    body: Bytes,
) -> Answered<Update> {
    set(&service, Some(params::subject(&subject)), &body).await
}

/// The request is the answer.
async fn set(service: &Service, subject: Option<String>, body: &Bytes) -> Answered<Update> {
    let update = Update::parse(&params::json(body)?)?;
    match service
        .submit(Command::SetConfig {
            subject,
            update: update.clone(),
        })
        .await?
    {
        Answer::Configured(_) => Ok(Json(update)),
        Answer::Registered { .. } | Answer::Deleted(_) | Answer::ConfigDeleted(_) => Err(stray()),
    }
}

/// `DELETE /config`
pub(super) async fn delete_global(Extract(service): Extract<Service>) -> Answered<ConfigValue> {
    delete(&service, None).await
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
        Answer::ConfigDeleted(config) => {
            let mut config = shown(&config);
            config
                .compatibility_level
                .get_or_insert_with(|| DEFAULT_LEVEL.to_string());
            Ok(Json(config))
        }
        Answer::Registered { .. } | Answer::Deleted(_) | Answer::Configured(_) => Err(stray()),
    }
}

/// `GET /mode`
pub(super) async fn global_mode(Extract(service): Extract<Service>) -> Answered<Value> {
    let found = service.read_fresh(|state| Ok(state.mode(None).unwrap_or("READWRITE").to_owned()));
    Ok(Json(json!({"mode": found.await?})))
}

/// `GET /mode/{subject}`
pub(super) async fn subject_mode(
    Extract(service): Extract<Service>,
    Path(subject): Path<String>,
    query: Query,
) -> Answered<Value> {
    let subject = params::subject(&subject);
    let to_global = params::flag(&query, "defaultToGlobal");
    let found = service.read_fresh(|state| {
        let global = || to_global.then(|| state.mode(None).unwrap_or("READWRITE"));
        let mode = state.mode(Some(&subject)).or_else(global);
        mode.map(str::to_owned)
            .ok_or_else(|| Refusal::no_subject_mode(&subject))
    });
    Ok(Json(json!({"mode": found.await?})))
}
