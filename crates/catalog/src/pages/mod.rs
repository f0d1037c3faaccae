//! Pages (stub while the API is made).
use crate::api::{Problem, Site};
use crate::view::View;
use axum::Router;
use axum::response::{IntoResponse, Response};
pub(crate) fn router() -> Router<Site> { Router::new() }
pub(crate) fn problem(_site: &Site, _view: &View, problem: &Problem) -> Response { problem.detail.clone().into_response() }
