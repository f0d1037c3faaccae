//! The state that a request looks at: the present, or the past where `as_of` asks for it.

use super::problem::{Problem, no_position};
use super::{POSITION, Site};
use crate::view::View;
use axum::Json;
use axum::extract::{Extension, FromRequestParts, Query};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use governance::mesh::Mesh;
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;

#[derive(Deserialize)]
struct AsOf {
    as_of: Option<String>,
}

/// What a request looks at.
#[derive(Debug, Clone)]
pub(crate) struct Moment {
    /// The view: history and names are those of the present, whatever `as_of` says.
    pub(crate) view: Arc<View>,
    /// The state.
    pub(crate) mesh: Arc<Mesh>,
    /// Whether the past was asked for.
    pub(crate) past: bool,
}

impl Moment {
    /// The last position of the state.
    pub(crate) fn position(&self) -> u64 {
        self.mesh.size.saturating_sub(1)
    }

    /// A JSON answer that says which position it stands for.
    pub(crate) fn answer(&self, body: Value) -> Response {
        ([(POSITION, self.position().to_string())], Json(body)).into_response()
    }
}

impl FromRequestParts<Site> for Moment {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Self, Problem> {
        let Extension(view) = Extension::<Arc<View>>::from_request_parts(parts, site)
            .await
            .unwrap_or_else(|_| Extension(site.views().now()));
        let asked = Query::<AsOf>::try_from_uri(&parts.uri)
            .map_err(|error| Problem::bad_request("query", error.to_string()))?;
        let Some(asked) = asked.0.as_of else {
            let mesh = Arc::clone(&view.mesh);
            return Ok(Self {
                view,
                mesh,
                past: false,
            });
        };
        let seq = position(&view, &asked)?;
        let history = Arc::clone(&view.history);
        // Folding a long log again takes a while, which must not hold up other requests.
        let folded = tokio::task::spawn_blocking(move || history.as_of(seq)).await;
        let mesh = folded
            .ok()
            .flatten()
            .ok_or_else(|| no_position(&view, &asked))?;
        Ok(Self {
            view,
            mesh: Arc::new(mesh),
            past: true,
        })
    }
}

/// The position that `as_of` names: a `seq`, or the last fact at or before a time.
fn position(view: &View, asked: &str) -> Result<u64, Problem> {
    if let Ok(seq) = asked.parse::<u64>() {
        return view
            .history
            .get(seq)
            .map(|_| seq)
            .ok_or_else(|| no_position(view, asked));
    }
    // In a query, a time zone's unescaped `+` arrives as a blank.
    let time: Result<jiff::Timestamp, _> = asked.replace(' ', "+").parse();
    let time = time.map_err(|_| {
        let detail = format!(
            "as_of={asked} is neither a position nor an RFC 3339 time, as 2026-11-22T10:15:00Z."
        );
        Problem::bad_request("as-of", detail)
    })?;
    view.history
        .at_time(time.as_millisecond())
        .ok_or_else(|| no_position(view, asked))
}

/// UTC ms as RFC 3339 text.
pub(crate) fn time_text(time_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(time_ms)
        .map(|time| time.to_string())
        .unwrap_or_default()
}
