//! `/contexts`: what contexts there are, and every other path as seen from inside one.
//!
//! `/contexts/.eu/subjects/orders` is `/subjects/:.eu:orders`: the path is rewritten before it is routed.

use super::params::{InContext, Query};
use crate::{
    name,
    refusal::Refusal,
    request::{Answer, Command},
    service::{Service, stray},
};
use axum::{
    Json, Router,
    extract::{Path, Request, State as Extract},
    http::{StatusCode, Uri, uri::PathAndQuery},
    response::{IntoResponse, Response},
};
use tower::ServiceExt;

/// `GET /contexts`
pub(super) async fn list(
    Extract(service): Extract<Service>,
    query: Query,
) -> Result<Json<Vec<String>>, Refusal> {
    let prefix = query.get("contextPrefix").unwrap_or_default();
    let found = service.read_fresh(|state| {
        let all = state
            .contexts()
            .filter(|context| context.starts_with(prefix));
        Ok(all.map(str::to_owned).collect())
    });
    Ok(Json(query.page(found.await?)))
}

/// `DELETE /contexts/{context}`
pub(super) async fn delete(
    Extract(service): Extract<Service>,
    Path(given): Path<String>,
) -> Result<StatusCode, Refusal> {
    let context = checked(&given)?;
    match service.submit(Command::DeleteContext { context }).await? {
        Answer::ContextDeleted => Ok(StatusCode::NO_CONTENT),
        Answer::Registered { .. }
        | Answer::Deleted(_)
        | Answer::Configured(_)
        | Answer::ConfigDeleted(_)
        | Answer::Mode(_) => Err(stray()),
    }
}

fn checked(given: &str) -> Result<String, Refusal> {
    let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    name::context(given)
        .filter(|context| context.chars().all(letter))
        .ok_or_else(|| Refusal::invalid_context(given))
}

/// Answer a path inside a context by the routes of all.
pub(super) async fn within(
    routes: Router,
    Path((given, rest)): Path<(String, String)>,
    request: Request,
) -> Response {
    match rewritten(&given, &rest, request) {
        Ok(request) => match routes.oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        },
        Err(refusal) => refusal.into_response(),
    }
}

fn rewritten(given: &str, rest: &str, mut request: Request) -> Result<Request, Refusal> {
    let context = checked(given)?;
    let prefix = name::prefix(&context);
    let is_setting = rest.starts_with("config") || rest.starts_with("mode");
    if prefix == name::GLOBAL && !is_setting {
        return Err(Refusal::global_context());
    }
    // the path as sent: its escapes are read once, by the routes
    let path = request.uri().path();
    let inner = path.splitn(4, '/').nth(3).unwrap_or_default();
    let path = qualified(inner, &prefix);
    let query = request
        .uri()
        .query()
        .map(|query| format!("?{query}"))
        .unwrap_or_default();
    let target = format!("{path}{query}").parse::<PathAndQuery>();
    let target = target.map_err(|_no_path| Refusal::plain(404, "Not Found"))?;
    *request.uri_mut() = Uri::from(target);
    // what the router of this path left there would be taken for the inner path's parameters
    request.extensions_mut().clear();
    request.extensions_mut().insert(InContext(context));
    Ok(request)
}

/// A path as seen from inside a context, with its subject's full name.
fn qualified(inner: &str, prefix: &str) -> String {
    let mut segments: Vec<String> = inner.split('/').map(str::to_owned).collect();
    let at = match segments.first().map(String::as_str) {
        Some("subjects" | "config" | "mode") => 1,
        Some("compatibility") => 2,
        Some(_) | None => usize::MAX,
    };
    if let Some(subject) = segments.get_mut(at)
        && !subject.is_empty()
        && !is_qualified(subject)
    {
        subject.insert_str(0, prefix);
    }
    format!("/{}", segments.join("/"))
}

/// Whether a segment names a context itself; its colon may be escaped.
fn is_qualified(segment: &str) -> bool {
    let colon = segment
        .strip_prefix(':')
        .or_else(|| segment.strip_prefix("%3A"));
    let colon = colon.or_else(|| segment.strip_prefix("%3a"));
    colon.is_some_and(|rest| rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_inside_a_context_name_its_subjects() {
        for (inner, full) in [
            ("subjects", "/subjects"),
            ("subjects/s/versions", "/subjects/:.eu:s/versions"),
            (
                "subjects/a%2Fb/versions/1",
                "/subjects/:.eu:a%2Fb/versions/1",
            ),
            ("subjects/:.us:s/versions", "/subjects/:.us:s/versions"),
            ("config/s", "/config/:.eu:s"),
            ("mode", "/mode"),
            (
                "compatibility/subjects/s/versions/latest",
                "/compatibility/subjects/:.eu:s/versions/latest",
            ),
            ("schemas/ids/7", "/schemas/ids/7"),
        ] {
            assert_eq!(qualified(inner, ":.eu:"), full);
        }
        assert_eq!(qualified("subjects/s", ""), "/subjects/s");
    }

    #[test]
    fn contexts_have_names_of_plain_letters() {
        assert_eq!(checked("My-Ctx_v2.0").as_deref(), Ok(".My-Ctx_v2.0"));
        for bad in [".bad!", ".sp ace", ".at@sign", ".a:b"] {
            assert!(checked(bad).is_err(), "{bad}");
        }
    }
}
