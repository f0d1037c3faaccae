//! A handler that panics answers with an error as any other. Without this the connection would be closed, and with it
//! whatever else the client waits for.

use crate::defect;
use axum::{
    extract::Request,
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use std::panic::AssertUnwindSafe;

/// The answer of the handlers, or 50001 where one panics.
pub(super) async fn caught(request: Request, next: Next) -> Response {
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let answer = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    answer.unwrap_or_else(|panic| {
        let what = format!("{method} {}", uri.path());
        defect::refuse(&what, &*panic).into_response()
    })
}
