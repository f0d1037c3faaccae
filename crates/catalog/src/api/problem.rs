//! Errors as RFC 9457 problem documents that say what to do.

use crate::model::closest;
use crate::view::View;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use governance::mesh::Mesh;
use serde_json::{Map, Value, json};

/// A problem document.
///
/// Source: <https://www.rfc-editor.org/rfc/rfc9457>
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    /// Last part of `type`, which is `urn:meshlog:problem:<kind>`.
    pub(crate) kind: &'static str,
    pub(crate) title: &'static str,
    pub(crate) detail: String,
    /// Names that may have been meant.
    pub(crate) closest: Vec<String>,
}

impl Problem {
    pub(crate) fn new(
        status: StatusCode,
        kind: &'static str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            status,
            kind,
            title,
            detail: detail.into(),
            closest: Vec::new(),
        }
    }

    pub(crate) fn not_found(kind: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, kind, "Not found", detail)
    }

    pub(crate) fn bad_request(kind: &'static str, detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            kind,
            "The request cannot be understood",
            detail,
        )
    }

    fn with_closest(mut self, names: Vec<&str>) -> Self {
        if !names.is_empty() {
            let list = names.join(", ");
            self.detail = format!("{} Did you mean {list}?", self.detail);
        }
        self.closest = names.into_iter().map(ToOwned::to_owned).collect();
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut body = Map::new();
        body.insert(
            "type".to_owned(),
            json!(format!("urn:meshlog:problem:{}", self.kind)),
        );
        body.insert("title".to_owned(), json!(self.title));
        body.insert("status".to_owned(), json!(self.status.as_u16()));
        body.insert("detail".to_owned(), json!(self.detail));
        if !self.closest.is_empty() {
            body.insert("closest".to_owned(), json!(self.closest));
        }
        let headers = [(header::CONTENT_TYPE, "application/problem+json")];
        let text = Value::Object(body).to_string();
        let mut response = (self.status, headers, text).into_response();
        // Pages show the same problem to people.
        response.extensions_mut().insert(self);
        response
    }
}

pub(crate) fn no_port(mesh: &Mesh, address: &str) -> Problem {
    Problem::not_found("unknown-port", format!("There is no port `{address}`."))
        .with_closest(closest(address, mesh.ports.keys()))
}

pub(crate) fn no_product(mesh: &Mesh, key: &str) -> Problem {
    Problem::not_found(
        "unknown-product",
        format!("There is no data product `{key}`."),
    )
    .with_closest(closest(key, mesh.products.keys()))
}

pub(crate) fn no_contract(mesh: &Mesh, id: &str) -> Problem {
    Problem::not_found("unknown-contract", format!("There is no contract `{id}`."))
        .with_closest(closest(id, mesh.contracts.keys()))
}

pub(crate) fn no_version(mesh: &Mesh, id: &str, version: &str) -> Problem {
    let Some(contract) = mesh.contracts.get(id) else {
        return no_contract(mesh, id);
    };
    let known: Vec<String> = contract.versions.keys().map(ToString::to_string).collect();
    let detail = format!(
        "Contract `{id}` has no version `{version}`; it has {}.",
        known.join(", ")
    );
    Problem {
        closest: known,
        ..Problem::not_found("unknown-version", detail)
    }
}

/// A position that the log has not reached, or a time before it began.
pub(crate) fn no_position(view: &View, asked: &str) -> Problem {
    let last = view
        .position()
        .map_or("empty".to_owned(), |last| format!("at position {last}"));
    Problem::not_found(
        "no-such-position",
        format!("as_of={asked} is not in the log, which is {last}."),
    )
}
