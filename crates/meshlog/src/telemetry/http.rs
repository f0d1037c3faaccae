//! A span for each HTTP request, whichever role answers it: method, route and status. Paths are not in it, for they name
//! what people look at.

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::http::{Method, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use kafka::trace::{self, TARGET, TRACEPARENT};
use tracing::field::Empty;
use tracing::{Instrument, Span};

/// What monitoring asks again and again.
const NOT_TRACED: [&str; 3] = ["/metrics", "/healthz", "/readyz"];

/// The router, with a span for each request where spans are exported.
pub(crate) fn traced(router: Router) -> Router {
    if trace::is_on() {
        router.layer(from_fn(within_span))
    } else {
        router
    }
}

/// The span ends with the head of the answer; a stream of events goes on without it.
async fn within_span(request: Request, next: Next) -> Response {
    if NOT_TRACED.contains(&request.uri().path()) {
        return next.run(request).await;
    }
    let span = span(&request);
    let response = next.run(request).instrument(span.clone()).await;
    tell(&span, response.status());
    response
}

fn span(request: &Request) -> Span {
    let method = method(request.method());
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map(MatchedPath::as_str);
    let name = route.map_or_else(|| method.to_owned(), |route| format!("{method} {route}"));
    let span = tracing::info_span!(
        target: TARGET,
        parent: None,
        "request",
        otel.name = name,
        otel.kind = "server",
        otel.status_code = Empty,
        url.scheme = "http",
        http.request.method = method,
        http.route = route,
        http.response.status_code = Empty,
        error.type = Empty,
    );
    let caller = request.headers().get(TRACEPARENT);
    trace::set_parent(&span, caller.map(|value| value.as_bytes()));
    span
}

/// An answer is an error of ours from 500 on; what a caller did wrong is none.
fn tell(span: &Span, status: StatusCode) {
    span.record("http.response.status_code", i64::from(status.as_u16()));
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
        span.record("error.type", status.as_str());
    }
}

/// The method, of the few there are: a caller can make up more.
fn method(method: &Method) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    let known = KNOWN.into_iter().find(|known| method.as_str() == *known);
    known.unwrap_or("_OTHER")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_that_somebody_makes_up_have_one_name() {
        assert_eq!(method(&Method::POST), "POST");
        let made_up = Method::from_bytes(b"BREW-7").expect("a token");
        assert_eq!(method(&made_up), "_OTHER");
    }
}
