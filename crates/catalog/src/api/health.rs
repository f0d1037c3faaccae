//! `/healthz`: the process answers. `/readyz`: there is something to serve, stale or not, and the services beside agree.

use super::Site;
use crate::view::Freshness;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

pub(crate) async fn healthz(State(site): State<Site>) -> Json<Value> {
    let view = site.views().now();
    Json(json!({
        "status": "ok", "position": view.position(), "state": view.freshness.as_str(),
        "why": view.freshness.why(),
    }))
}

pub(crate) async fn readyz(State(site): State<Site>) -> (StatusCode, Json<Value>) {
    let view = site.views().now();
    let mut ready = view.position().is_some() && view.freshness != Freshness::Loading;
    let mut services = serde_json::Map::new();
    for (name, readiness) in &site.hooks().readiness {
        let state = match readiness() {
            Ok(()) => "ready".to_owned(),
            Err(why) => {
                ready = false;
                why
            }
        };
        services.insert((*name).to_owned(), json!(state));
    }
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let body = json!({
        "ready": ready, "position": view.position(), "state": view.freshness.as_str(),
        "why": view.freshness.why(), "services": services,
    });
    (status, Json(body))
}
