//! `/search?q=`.

use super::Problem;
use super::moment::Moment;
use axum::extract::Query;
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
pub(crate) struct Asked {
    pub(crate) q: Option<String>,
}

pub(crate) async fn search(
    moment: Moment,
    Query(Asked { q }): Query<Asked>,
) -> Result<Response, Problem> {
    let Some(query) = q.filter(|query| !query.trim().is_empty()) else {
        return Err(Problem::bad_request(
            "query",
            "Say what to search for: ?q=WORDS.",
        ));
    };
    let results = moment.view.index().search(&query);
    let position = moment.position();
    Ok(moment.answer(json!({ "position": position, "query": query, "results": results })))
}
