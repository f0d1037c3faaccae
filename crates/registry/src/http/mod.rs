//! Confluent Schema Registry's HTTP API, pinned to 8.1.1: routes, content types, errors.
//!
//! One file per resource. Every body is JSON under the type that the client prefers; every error is
//! `{"error_code", "message"}` and nothing else.

mod bodies;
mod compatibility;
mod config;
mod contexts;
mod import;
mod metrics;
mod negotiate;
mod panics;
mod params;
mod schemas;
mod subjects;
mod warnings;

use crate::{refusal::Refusal, service::Service};
use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Path, Request, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{any, delete, get, post},
};
use metrics::Requests;
use serde_json::json;

/// Largest body read, in bytes: above the largest schema, so that one too large is answered as such.
const MAX_BODY: usize = 2 * 1024 * 1024;

/// The version of the reference that this API follows.
const PINNED: &str = "8.1.1";

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The API over a registry.
pub(crate) fn router(service: Service) -> Router {
    let requests = Requests::new();
    let metrics = {
        let (requests, service) = (requests.clone(), service.clone());
        move || async move { metrics::answer(&requests, &service) }
    };
    answering(routes(service))
        .route("/metrics", get(metrics))
        .layer(middleware::from_fn(panics::caught))
        .layer(middleware::from_fn_with_state(requests, counted))
        .layer(DefaultBodyLimit::max(MAX_BODY))
}

/// The routes, seen from inside a context too, with every answer in our form.
fn answering(routes: Router) -> Router {
    let inner = routes.clone();
    let within = move |path: Path<(String, String)>, request: Request| {
        contexts::within(inner.clone(), path, request)
    };
    routes
        .route("/contexts/{context}/{*rest}", any(within))
        .fallback(async || Refusal::plain(404, "Not Found"))
        .method_not_allowed_fallback(async || Refusal::plain(405, "Method Not Allowed"))
        .layer(middleware::from_fn(panics::caught))
        .layer(middleware::from_fn(content_types))
}

/// Counts every request with its outcome.
async fn counted(State(requests): State<Requests>, request: Request, next: Next) -> Response {
    let started = requests.started(&request);
    let response = next.run(request).await;
    requests.answered(started, response.status());
    response
}

fn routes(service: Service) -> Router {
    Router::new()
        .route("/", get(root).post(root))
        .route("/v1/metadata/id", get(metadata_id))
        .route("/v1/metadata/version", get(metadata_version))
        .route("/contexts", get(contexts::list))
        .route("/contexts/{context}", delete(contexts::delete))
        .route("/subjects", get(subjects::list))
        .route(
            "/subjects/{subject}",
            post(subjects::lookup).delete(subjects::delete),
        )
        .route("/subjects/{subject}/metadata", get(subjects::with_metadata))
        .route(
            "/subjects/{subject}/versions",
            get(subjects::versions).post(subjects::register),
        )
        .route(
            "/subjects/{subject}/versions/{version}",
            get(subjects::version).delete(subjects::delete_version),
        )
        .route(
            "/subjects/{subject}/versions/{version}/schema",
            get(subjects::text),
        )
        .route(
            "/subjects/{subject}/versions/{version}/referencedby",
            get(subjects::referenced_by),
        )
        .route(
            "/subjects/{subject}/versions/{version}/tags",
            post(subjects::tag),
        )
        .route("/schemas", get(schemas::list))
        .route("/schemas/types", get(schemas::types))
        .route("/import/schemas", post(import::schemas))
        .route("/schemas/ids/{id}", get(schemas::by_id))
        .route("/schemas/ids/{id}/schema", get(schemas::text))
        .route("/schemas/ids/{id}/subjects", get(schemas::subjects))
        .route("/schemas/ids/{id}/versions", get(schemas::versions))
        .route("/schemas/guids/{guid}", get(schemas::by_guid))
        .route("/schemas/guids/{guid}/ids", get(schemas::ids_of_guid))
        .route(
            "/compatibility/subjects/{subject}/versions",
            post(compatibility::with_subject),
        )
        .route(
            "/compatibility/subjects/{subject}/versions/{version}",
            post(compatibility::with_version),
        )
        .route(
            "/config",
            get(config::global)
                .put(config::set_global)
                .delete(config::delete_global),
        )
        .route(
            "/config/{subject}",
            get(config::of_subject)
                .put(config::set_subject)
                .delete(config::delete_subject),
        )
        .route(
            "/mode",
            get(config::global_mode)
                .put(config::set_global_mode)
                .delete(config::delete_global_mode),
        )
        .route(
            "/mode/{subject}",
            get(config::subject_mode)
                .put(config::set_subject_mode)
                .delete(config::delete_subject_mode),
        )
        .fallback(async || Refusal::plain(404, "Not Found"))
        .method_not_allowed_fallback(async || Refusal::plain(405, "Method Not Allowed"))
        .with_state(service)
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, Json(self)).into_response()
    }
}

/// Refuses what cannot be read or answered, and gives every answer the type that the client prefers.
async fn content_types(request: Request, next: Next) -> Response {
    let answer_type = negotiate::answer_type(request.headers());
    let id = request.headers().get(REQUEST_ID).cloned();
    let mut response = if answer_type.is_none() {
        Refusal::plain(406, "Not Acceptable").into_response()
    } else if negotiate::reads(request.headers()) {
        own_words(next.run(request).await)
    } else {
        Refusal::plain(415, "Unsupported Media Type").into_response()
    };
    let answer_type = HeaderValue::from_static(answer_type.unwrap_or("application/json"));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, answer_type);
    if let Some(id) = id {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// Errors that the framework itself makes (a body too large, a broken escape) come as text: say them in JSON.
fn own_words(response: Response) -> Response {
    let is_json = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/json"));
    let status = response.status();
    if is_json || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    Refusal::plain(
        status.as_u16(),
        status.canonical_reason().unwrap_or("Error"),
    )
    .into_response()
}

async fn root() -> Response {
    Json(json!({})).into_response()
}

async fn metadata_id(State(service): State<Service>) -> Response {
    let clusters = json!({
        "kafka-cluster": service.cluster_id,
        "schema-registry-cluster": "schema-registry",
    });
    Json(json!({"scope": {"path": [], "clusters": clusters}, "id": ""})).into_response()
}

async fn metadata_version() -> Response {
    Json(json!({"version": PINNED, "commitId": concat!("meshlog-", env!("CARGO_PKG_VERSION"))}))
        .into_response()
}

#[cfg(test)]
mod tests;
