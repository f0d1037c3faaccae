//! `/import/schemas`: many schemas at once, each with the id and the version that it had elsewhere.
//!
//! Not the reference's: AxonOps' registry has it, and so have tools that move schemas between registries. What one of
//! them says goes for that one; the others are imported all the same.

use super::params::{self, Query};
use crate::{refusal::Refusal, request::Command, service::Service};
use axum::{Json, body::Bytes, extract::State as Extract};
use serde_json::{Value, json};

/// Most schemas of one request.
const MOST: usize = 1_000;

/// `POST /import/schemas`
pub(super) async fn schemas(
    Extract(service): Extract<Service>,
    body: Bytes,
) -> Result<Json<Value>, Refusal> {
    let body = params::json(&body)?;
    let given = body["schemas"]
        .as_array()
        .ok_or_else(|| Refusal::bad_body("`schemas` is not a list"))?;
    if given.len() > MOST {
        return Err(Refusal::bad_body(format!(
            "more than {MOST} schemas at once"
        )));
    }
    let mut results = Vec::with_capacity(given.len());
    for one in given {
        let outcome = import(&service, one).await;
        let (id, subject, version) = (&one["id"], &one["subject"], &one["version"]);
        results.push(match outcome {
            Ok(()) => json!({"id": id, "subject": subject, "version": version, "success": true}),
            Err(refusal) => json!({
                "id": id, "subject": subject, "version": version, "success": false,
                "error": refusal.message,
            }),
        });
    }
    let imported = results.iter().filter(|one| one["success"] == true).count();
    let errors = results.len() - imported;
    Ok(Json(
        json!({"imported": imported, "errors": errors, "results": results}),
    ))
}

async fn import(service: &Service, one: &Value) -> Result<(), Refusal> {
    let subject = one["subject"].as_str().unwrap_or_default();
    let body = Bytes::from(one.to_string());
    let mut request = params::schema(params::subject(subject), &body, &Query::default())?;
    if request.id.is_none() {
        return Err(Refusal::bad_body("`id` is not a schema id"));
    }
    request.import = true;
    service
        .submit_registration(Command::Register(request))
        .await?;
    Ok(())
}
