//! Handlers that panic: answered, logged, and no end of anything else.

use super::super::answering;
use crate::{aside::Aside, refusal::Refusal};
use axum::{
    Router,
    body::{Body, to_bytes},
    http::Request,
    routing::get,
};
use serde_json::json;
use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};
use tower::ServiceExt;

/// What is logged.
#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        log.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Whatever this thread logs until the guard is dropped.
    fn begin(&self) -> tracing::subscriber::DefaultGuard {
        let log = self.clone();
        let logging = tracing_subscriber::fmt().with_writer(move || log.clone());
        tracing::subscriber::set_default(logging.finish())
    }

    fn text(&self) -> String {
        let log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&log).into_owned()
    }
}

/// Routes that panic, each in its way.
fn routes() -> Router {
    let aside = async || -> Result<String, Refusal> {
        Aside::new().run(|| unreachable!("a flaw aside")).await
    };
    Router::new()
        .route(
            "/handler",
            get(async || -> String { unreachable!("a flaw") }),
        )
        .route("/aside", get(aside))
        .route("/whole", get(async || "whole"))
}

#[tokio::test]
async fn a_panic_is_answered_as_an_error_and_logged() {
    let log = Log::default();
    let _logging = log.begin();
    let routes = answering(routes());
    for (path, logged) in [
        ("/handler", "a flaw"),
        ("/contexts/.c/handler", "a flaw"),
        ("/aside", "a flaw aside"),
    ] {
        let request = Request::get(path).header("x-request-id", "r-1");
        let request = request.body(Body::empty()).expect("a request");
        let answer = routes.clone().oneshot(request).await.expect("answered");
        assert_eq!(answer.status(), 500, "{path}");
        let content_type = &answer.headers()["content-type"];
        assert_eq!(content_type, "application/vnd.schemaregistry.v1+json");
        assert_eq!(answer.headers()["x-request-id"], "r-1");
        let body = to_bytes(answer.into_body(), usize::MAX).await;
        let body: serde_json::Value = serde_json::from_slice(&body.expect("a body")).expect("JSON");
        let expected = json!({"error_code": 50001, "message": Refusal::defect().message});
        assert_eq!(body, expected, "{path}");
        let log = log.text();
        assert!(
            log.contains("ERROR") && log.contains(logged),
            "{path}: {log}"
        );
    }
    assert!(log.text().contains("GET /handler"), "{}", log.text());
    let request = Request::get("/whole")
        .body(Body::empty())
        .expect("a request");
    let answer = routes.oneshot(request).await.expect("answered");
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn work_that_panics_gives_its_place_back() {
    let aside = Aside::new();
    for _ in 0..100 {
        let panics = aside.run::<()>(|| unreachable!("a flaw")).await;
        assert_eq!(panics, Err(Refusal::defect()));
    }
    drop(aside.occupy().await);
    assert_eq!(aside.run(|| Ok(7)).await, Ok(7));
}
