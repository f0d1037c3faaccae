//! `/compatibility`: would this schema be taken? Against one version, or against what registering would look at.

use super::{
    params::{self, Query},
    subjects,
    warnings::Warned,
};
use crate::{
    compatibility::{self, Findings},
    content::{Content, Normalize},
    refusal::Refusal,
    request::{Register, Which},
    service::Service,
    settings,
    state::{Deleted, State},
};
use axum::{
    Json,
    body::Bytes,
    extract::{Path, State as Extract},
};
use serde_json::{Value, json};

type Answered = Result<Warned<Json<Value>>, Refusal>;

/// `POST /compatibility/subjects/{subject}/versions`: what registering would check.
pub(super) async fn with_subject(
    Extract(service): Extract<Service>,
    Path(subject): Path<String>,
    query: Query,
    body: Bytes,
) -> Answered {
    let request = params::schema(params::subject(&subject), &body, &query)?;
    answer(&service, request, &query, |state, subject, content| {
        compatibility::with_subject(state, subject, content)
    })
    .await
}

/// `POST /compatibility/subjects/{subject}/versions/{version}`: that version alone, in the direction configured.
pub(super) async fn with_version(
    Extract(service): Extract<Service>,
    Path((subject, version)): Path<(String, String)>,
    query: Query,
    body: Bytes,
) -> Answered {
    let (subject, which) = (params::subject(&subject), params::version(&version)?);
    let request = params::schema(subject, &body, &query)?;
    answer(&service, request, &query, move |state, subject, content| {
        let found = subjects::find(state, subject, which, Deleted::Hidden);
        let earlier = match (found, which) {
            (Ok(found), _) => vec![found],
            // nothing there yet: anything may come first
            (Err(_), Which::Latest) => Vec::new(),
            (Err(_), Which::Number(number)) => return Err(Refusal::version_not_found(number)),
        };
        compatibility::against(state, subject, content, &earlier)
    })
    .await
}

async fn answer(
    service: &Service,
    request: Register,
    query: &Query,
    check: impl FnOnce(&State, &str, &Content) -> Result<Findings, Refusal> + Send + 'static,
) -> Answered {
    let verbose = query.flag("verbose");
    let looked_at = service.read_fresh(|state| {
        let subjects = [subjects::meant(state, &request.subject)];
        let excerpt = state.excerpt(&subjects, &request.references);
        let [subject] = subjects;
        Ok((excerpt, subject))
    });
    let (excerpt, subject) = looked_at.await?;
    let work = move || match parsed(&excerpt, &subject, &request) {
        Ok(content) => check(&excerpt, &subject, &content),
        // a schema that does not parse is one more reason, where reasons are asked for
        Err(refusal) if verbose => Ok(Findings {
            incompatible: vec![refusal.message],
            warnings: Vec::new(),
        }),
        Err(refusal) => Err(refusal),
    };
    let found = service.aside().run(work).await?;
    let compatible = found.is_compatible();
    let mut body = json!({"is_compatible": compatible});
    let messages = if compatible {
        &found.warnings
    } else {
        &found.incompatible
    };
    if verbose && !messages.is_empty() {
        body["messages"] = json!(messages);
    }
    Ok(Warned(found.warnings, Json(body)))
}

fn parsed(state: &State, subject: &str, request: &Register) -> Result<Content, Refusal> {
    let config = settings::in_scope(state, subject);
    let asked = request.normalize || config.and_then(|c| c.normalize) == Some(true);
    let normalize = if asked { Normalize::Yes } else { Normalize::No };
    let imported = state.imports(subject, &request.references)?;
    let sent = Content::sent(
        request.schema_type.as_deref(),
        &request.schema,
        request.references.clone(),
    );
    sent.with(request.metadata.clone(), None)
        .parsed(&imported, normalize)
}
