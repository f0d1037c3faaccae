//! What stands in paths, queries and bodies, read as the reference reads it.

use crate::{
    record::{Metadata, Reference},
    refusal::Refusal,
    request::{Register, Which},
    state::Deleted,
};
use axum::body::Bytes;
use serde::Deserialize;
use serde_json::Value;
use std::collections::HashMap;

/// The query of a request.
pub(crate) type Query = axum::extract::Query<HashMap<String, String>>;

/// A boolean parameter: true is `true` in any case, everything else is false.
pub(crate) fn flag(query: &Query, name: &str) -> bool {
    query
        .get(name)
        .is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// Whether soft-deleted things are asked for.
pub(crate) fn deleted(query: &Query) -> Deleted {
    if flag(query, "deletedOnly") {
        Deleted::Only
    } else if flag(query, "deleted") {
        Deleted::Shown
    } else {
        Deleted::Hidden
    }
}

/// One page of a list, by `offset` and `limit` (-1 or absent: no limit).
pub(crate) fn page<T>(query: &Query, list: Vec<T>) -> Vec<T> {
    let number = |name: &str| query.get(name).and_then(|value| value.parse::<i64>().ok());
    let offset = usize::try_from(number("offset").unwrap_or(0)).unwrap_or(0);
    let limit = number("limit").and_then(|limit| usize::try_from(limit).ok());
    list.into_iter()
        .skip(offset)
        .take(limit.unwrap_or(usize::MAX))
        .collect()
}

/// The subject of a path: the default context may be written out, and is left out in what is stored.
pub(crate) fn subject(given: &str) -> String {
    given.strip_prefix(":.:").unwrap_or(given).to_owned()
}

/// The version of a path: 1 to 2^31-1, `latest` in any case, or -1, which is the latest too.
///
/// # Errors
/// 42202.
pub(crate) fn version(given: &str) -> Result<Which, Refusal> {
    if given.trim().eq_ignore_ascii_case("latest") || given.trim() == "-1" {
        return Ok(Which::Latest);
    }
    match given
        .trim()
        .parse::<i32>()
        .ok()
        .and_then(|number| u32::try_from(number).ok())
    {
        Some(number) if number > 0 => Ok(Which::Number(number)),
        Some(_) | None => Err(Refusal::invalid_version(given)),
    }
}

/// The JSON of a body.
///
/// # Errors
/// 400.
pub(crate) fn json(body: &Bytes) -> Result<Value, Refusal> {
    let value: Value =
        serde_json::from_slice(body).map_err(|error| Refusal::bad_body(error.to_string()))?;
    if value.is_object() {
        Ok(value)
    } else {
        Err(Refusal::bad_body("the body is not a JSON object"))
    }
}

/// Body of a registration, a lookup or a compatibility check. Members that are unknown are passed over.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SchemaBody {
    #[serde(default)]
    schema: Option<String>,
    #[serde(default)]
    schema_type: Option<String>,
    #[serde(default)]
    references: Option<Vec<Reference>>,
    #[serde(default)]
    metadata: Option<Metadata>,
    #[serde(default)]
    rule_set: Option<Value>,
    #[serde(default)]
    id: Option<i64>,
    #[serde(default)]
    version: Option<i64>,
    #[serde(default)]
    schema_tags_to_add: Option<Value>,
    #[serde(default)]
    schema_tags_to_remove: Option<Value>,
}

/// The schema that a body holds, as a registration under `subject`.
///
/// # Errors
/// 400 when it is not such a body; 42201 for references, 42210 for rules and 42205 for explicit ids, versions and tags,
/// none of which this registry serves.
pub(crate) fn schema(subject: String, body: &Bytes, force: bool) -> Result<Register, Refusal> {
    let body: SchemaBody = serde_json::from_value(json(body)?)
        .map_err(|error| Refusal::bad_body(error.to_string()))?;
    if body
        .references
        .is_some_and(|references| !references.is_empty())
    {
        return Err(Refusal::invalid_schema(
            "Invalid schema: references to other subjects are not supported by this registry; send the schema with \
             its named types inlined",
        ));
    }
    if body.rule_set.is_some_and(|rules| has_rules(&rules)) {
        return Err(Refusal::rules_not_supported());
    }
    if body.id.is_some_and(|id| id >= 0) {
        return Err(Refusal::not_permitted(format!(
            "Subject {subject} in context . is not in import mode"
        )));
    }
    let not_served = |what: &str| {
        Err(Refusal::not_permitted(format!(
            "{what} are not supported by this registry"
        )))
    };
    if body.version.is_some_and(|version| version > 0) {
        return not_served("Explicit versions");
    }
    if body.schema_tags_to_add.is_some() || body.schema_tags_to_remove.is_some() {
        return not_served("Schema tags");
    }
    Ok(Register {
        subject,
        schema_type: body.schema_type,
        schema: body.schema.unwrap_or_default(),
        metadata: body.metadata,
        force,
        owner: None,
    })
}

/// Clients send empty rule sets; those say nothing.
fn has_rules(rules: &Value) -> bool {
    let kinds = ["migrationRules", "domainRules", "encodingRules"];
    kinds.iter().any(|kind| {
        rules[*kind]
            .as_array()
            .is_some_and(|rules| !rules.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Query {
        axum::extract::Query::try_from_uri(&format!("/?{text}").parse().expect("a uri"))
            .expect("a query")
    }

    #[test]
    fn versions() {
        assert_eq!(version("LATEST"), Ok(Which::Latest));
        assert_eq!(version("-1"), Ok(Which::Latest));
        assert_eq!(version("2147483647"), Ok(Which::Number(2_147_483_647)));
        for bad in ["0", "-2", "2147483648", "one", ""] {
            assert_eq!(
                version(bad).map_err(|r| r.error_code),
                Err(42202),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn pages_and_flags() {
        assert_eq!(page(&query("offset=1&limit=2"), vec![1, 2, 3, 4]), [2, 3]);
        assert_eq!(page(&query("limit=-1"), vec![1, 2]), [1, 2]);
        assert!(flag(&query("deleted=True"), "deleted") && !flag(&query("deleted=1"), "deleted"));
    }

    #[test]
    fn bodies_that_ask_for_what_is_not_served_are_refused() {
        let code = |body: &'static str| {
            schema("s".into(), &Bytes::from_static(body.as_bytes()), false)
                .map_err(|refusal| refusal.error_code)
        };
        let references = r#"{"schema":"x","references":[{"name":"n","subject":"o","version":1}]}"#;
        assert_eq!(code(references), Err(42201));
        let rules = r#"{"schema":"x","ruleSet":{"domainRules":[{"name":"r"}]}}"#;
        assert_eq!(code(rules), Err(42210));
        assert_eq!(code(r#"{"schema":"x","id":7}"#), Err(42205));
        assert_eq!(code("[]"), Err(400));
        assert_eq!(code("nonsense"), Err(400));
        let plain = r#"{"schema":"x","references":[],"metadata":null,"ruleSet":null,"later":1}"#;
        assert!(code(plain).is_ok());
    }
}
