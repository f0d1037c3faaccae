//! What stands in paths, queries and bodies, read as the reference reads it.

use crate::{
    name,
    record::Reference,
    refusal::Refusal,
    request::{EntityTags, Register, Tag, Which},
    rules::{self, Metadata, RuleSet},
    state::Deleted,
};
use axum::{
    body::Bytes,
    extract::FromRequestParts,
    http::{Uri, request::Parts},
};
use contract::canonical::Format;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

/// The context whose name the path began with; put into a request's extensions by the router.
#[derive(Debug, Clone)]
pub(crate) struct InContext(pub(crate) String);

/// The query of a request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query {
    pairs: Vec<(String, String)>,
    context: Option<String>,
}

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let context = parts
            .extensions
            .get::<InContext>()
            .map(|InContext(name)| name.clone());
        Ok(Self {
            context,
            ..Self::of(&parts.uri)?
        })
    }
}

impl Query {
    /// # Errors
    /// 400 for what is no query.
    fn of(uri: &Uri) -> Result<Self, Refusal> {
        let pairs = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|error| Refusal::bad_body(error.to_string()))?;
        Ok(Self {
            pairs: pairs.0,
            context: None,
        })
    }

    /// The first value of a parameter.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// Every value of a parameter.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let named = self.pairs.iter().filter(move |(key, _)| key == name);
        named.map(|(_, value)| value.as_str())
    }

    /// A boolean parameter: true is `true` in any case, everything else is false.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.get(name)
            .is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// Whether soft-deleted things are asked for.
    pub(crate) fn deleted(&self) -> Deleted {
        if self.flag("deletedOnly") {
            Deleted::Only
        } else if self.flag("deleted") {
            Deleted::Shown
        } else {
            Deleted::Hidden
        }
    }

    /// One page of a list, by `offset` and `limit` (-1, 0 or absent: no limit).
    pub(crate) fn page<T>(&self, list: Vec<T>) -> Vec<T> {
        let number = |name: &str| self.get(name).and_then(|value| value.parse::<i64>().ok());
        let offset = usize::try_from(number("offset").unwrap_or(0)).unwrap_or(0);
        let limit = number("limit").and_then(|limit| usize::try_from(limit).ok());
        let limit = limit.filter(|limit| *limit > 0);
        list.into_iter()
            .skip(offset)
            .take(limit.unwrap_or(usize::MAX))
            .collect()
    }

    /// The form in which a schema's text is asked for. One that is not known is as good as none.
    pub(crate) fn format(&self) -> Format {
        Format::of(self.get("format").unwrap_or_default())
    }

    /// Whether subjects that a schema refers to are asked for by their full names.
    pub(crate) fn wants_full_references(&self) -> bool {
        let format = self.get("referenceFormat");
        format.is_some_and(|format| format.eq_ignore_ascii_case("qualified"))
    }

    /// The context that a question without a subject is about.
    pub(crate) fn context(&self) -> &str {
        self.context.as_deref().unwrap_or(name::DEFAULT)
    }

    /// Which subjects are asked for.
    pub(crate) fn subjects(&self) -> Subjects {
        let given = self.get("subjectPrefix").unwrap_or_default();
        match (&self.context, given.strip_prefix(name::ANY)) {
            (Some(context), _) => Subjects {
                context: Some(context.clone()),
                prefix: name::join(context, given),
                shown_bare: true,
            },
            (None, Some(rest)) => Subjects {
                context: None,
                prefix: rest.to_owned(),
                shown_bare: false,
            },
            (None, None) => Subjects {
                context: Some(name::context_of(given).to_owned()),
                prefix: name::normalize(given),
                shown_bare: false,
            },
        }
    }
}

/// Subjects asked for: of one context or of all, by a prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subjects {
    context: Option<String>,
    prefix: String,
    /// Whether they are named without their context, which the path has said already.
    shown_bare: bool,
}

impl Subjects {
    /// Whether a subject, by its full name, is one of them.
    pub(crate) fn has(&self, full: &str) -> bool {
        let (context, own) = name::split(full);
        match &self.context {
            Some(asked) => asked == context && full.starts_with(&self.prefix),
            None => own.starts_with(&self.prefix),
        }
    }

    /// A subject's name in the answer.
    pub(crate) fn shown<'s>(&self, full: &'s str) -> &'s str {
        if self.shown_bare {
            name::split(full).1
        } else {
            full
        }
    }
}

/// The full name of a path's subject, in the one spelling that is stored.
pub(crate) fn subject(given: &str) -> String {
    name::normalize(given)
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

/// The JSON object of a body; no body at all is an empty one.
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

fn shaped<T: DeserializeOwned>(body: &Bytes) -> Result<T, Refusal> {
    serde_json::from_value(json(body)?).map_err(|error| Refusal::bad_body(error.to_string()))
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
    rule_set: Option<RuleSet>,
    #[serde(default)]
    id: Option<i64>,
    #[serde(default)]
    version: Option<i64>,
    #[serde(default)]
    schema_tags_to_add: Option<Vec<EntityTags>>,
    #[serde(default)]
    schema_tags_to_remove: Option<Vec<EntityTags>>,
}

/// The schema that a body holds, as a registration under `subject`.
///
/// # Errors
/// 400 when it is not such a body; 42210 for rules that are none.
pub(crate) fn schema(subject: String, body: &Bytes, query: &Query) -> Result<Register, Refusal> {
    let body: SchemaBody = shaped(body)?;
    Ok(Register {
        subject,
        schema_type: body.schema_type,
        schema: body.schema.unwrap_or_default(),
        references: body.references.unwrap_or_default(),
        metadata: rules::tidy_metadata(body.metadata),
        rule_set: checked(body.rule_set)?,
        // the reference's clients say -1 where they mean none
        id: body.id.and_then(|id| u32::try_from(id).ok()),
        version: body
            .version
            .map(|version| i32::try_from(version).unwrap_or(i32::MAX)),
        normalize: query.flag("normalize"),
        force: query.flag("force"),
        tags_to_add: body.schema_tags_to_add.unwrap_or_default(),
        tags_to_remove: body.schema_tags_to_remove.unwrap_or_default(),
        owner: None,
    })
}

/// Rules as they will be kept. Clients send empty sets; those say nothing.
fn checked(rules: Option<RuleSet>) -> Result<Option<RuleSet>, Refusal> {
    let Some(rules) = rules.filter(|rules| *rules != RuleSet::default()) else {
        return Ok(None);
    };
    rules.check().map_err(Refusal::invalid_rules)?;
    Ok(Some(rules))
}

/// Body of a request to tag parts of a schema.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TagBody {
    #[serde(default)]
    new_version: Option<i32>,
    #[serde(default)]
    tags_to_add: Option<Vec<EntityTags>>,
    #[serde(default)]
    tags_to_remove: Option<Vec<EntityTags>>,
    #[serde(default)]
    metadata: Option<Metadata>,
    #[serde(default)]
    rule_set: Option<RuleSet>,
    #[serde(default)]
    rules_to_merge: Option<RuleSet>,
    #[serde(default)]
    rules_to_remove: Option<Vec<String>>,
}

/// What a body asks to tag in a version of a subject.
///
/// # Errors
/// As [`schema`].
pub(crate) fn tag(subject: String, version: Which, body: &Bytes) -> Result<Tag, Refusal> {
    let body: TagBody = shaped(body)?;
    Ok(Tag {
        subject,
        version,
        new_version: body.new_version,
        tags_to_add: body.tags_to_add.unwrap_or_default(),
        tags_to_remove: body.tags_to_remove.unwrap_or_default(),
        metadata: rules::tidy_metadata(body.metadata),
        rule_set: checked(body.rule_set)?,
        rules_to_merge: checked(body.rules_to_merge)?,
        rules_to_remove: body.rules_to_remove,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Query {
        Query::of(&format!("/?{text}").parse().expect("a uri")).expect("a query")
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
    fn pages_flags_and_repeated_parameters() {
        assert_eq!(query("offset=1&limit=2").page(vec![1, 2, 3, 4]), [2, 3]);
        assert_eq!(query("limit=-1").page(vec![1, 2]), [1, 2]);
        assert_eq!(query("limit=0").page(vec![1, 2]), [1, 2]);
        assert!(query("deleted=True").flag("deleted") && !query("deleted=1").flag("deleted"));
        assert_eq!(
            query("key=a&key=b%20c").all("key").collect::<Vec<_>>(),
            ["a", "b c"]
        );
    }

    #[test]
    fn subjects_are_those_of_a_context() {
        let all = ["s", "t", ":.eu:s"];
        let asked = |query: &Query| -> Vec<&str> {
            let subjects = query.subjects();
            let met = all.into_iter().filter(|full| subjects.has(full));
            met.map(|full| subjects.shown(full)).collect()
        };
        assert_eq!(asked(&query("")), ["s", "t"]);
        assert_eq!(asked(&query("subjectPrefix=s")), ["s"]);
        assert_eq!(asked(&query("subjectPrefix=:*:")), all);
        assert_eq!(asked(&query("subjectPrefix=:*:s")), ["s", ":.eu:s"]);
        assert_eq!(asked(&query("subjectPrefix=:.eu:")), [":.eu:s"]);
        let by_path = Query {
            context: Some(".eu".into()),
            ..query("")
        };
        assert_eq!(asked(&by_path), ["s"]);
    }

    #[test]
    fn bodies_that_are_none_are_refused() {
        let code = |body: &'static str| {
            schema(
                "s".into(),
                &Bytes::from_static(body.as_bytes()),
                &Query::default(),
            )
            .map_err(|refusal| refusal.error_code)
        };
        let rules = r#"{"schema":"x","ruleSet":{"domainRules":[{"name":"r"}]}}"#;
        assert_eq!(code(rules), Err(42210));
        assert_eq!(code("[]"), Err(400));
        assert_eq!(code("nonsense"), Err(400));
        assert_eq!(code(r#"{"schema":7}"#), Err(400));
        let plain = r#"{"schema":"x","references":[],"metadata":null,"ruleSet":{},"later":1}"#;
        assert_eq!(code(plain).map(|request| request.rule_set), Ok(None));
    }
}
