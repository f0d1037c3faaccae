//! The GUID of a schema: MD5 over its content, in the order in which the reference hashes it.
//!
//! Worked out from, and checked against, the reference's published golden hashes.

use md5::{Digest, Md5};
use serde_json::Value;

/// What a schema refers to, as far as its GUID sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReferenceName<'a> {
    /// Name by which the text refers to it.
    pub name: &'a str,
    /// Subject that holds it.
    pub subject: &'a str,
    /// Version within the subject.
    pub version: i32,
}

/// Everything that makes a schema's GUID; metadata and rules in the JSON form of the registry's interface.
#[derive(Debug, Clone, Copy)]
pub struct GuidInput<'a> {
    /// The schema's text, canonical.
    pub text: &'a str,
    /// References, in their order.
    pub references: &'a [ReferenceName<'a>],
    /// `{tags: {path: [tag]}, properties: {name: value}, sensitive: [name]}`.
    pub metadata: Option<&'a Value>,
    /// `{migrationRules, domainRules, encodingRules, enableAt}`.
    pub rule_set: Option<&'a Value>,
}

/// The GUID of a schema without references, metadata and rules.
pub fn guid(canonical: &str) -> [u8; 16] {
    Md5::digest(canonical).into()
}

/// The GUID of a schema with all that belongs to it.
pub fn guid_of(input: &GuidInput<'_>) -> [u8; 16] {
    let mut hash = Md5::new();
    hash.update(input.text);
    for reference in input.references {
        hash.update(reference.name);
        hash.update(reference.subject);
        hash.update(reference.version.to_be_bytes());
    }
    if let Some(metadata) = input.metadata {
        hash.update([1]);
        for part in ["tags", "properties", "sensitive"] {
            sorted(metadata.get(part), &mut hash);
        }
    }
    if let Some(rule_set) = input.rule_set {
        hash.update([1]);
        for part in ["migrationRules", "domainRules", "encodingRules"] {
            let rules = rule_set.get(part).and_then(Value::as_array);
            rules
                .into_iter()
                .flatten()
                .for_each(|one| rule(one, &mut hash));
        }
        text(rule_set.get("enableAt"), &mut hash);
    }
    hash.finalize().into()
}

fn rule(rule: &Value, hash: &mut Md5) {
    for part in ["name", "doc", "kind", "mode", "type"] {
        text(rule.get(part), hash);
    }
    sorted(rule.get("tags"), hash);
    sorted(rule.get("params"), hash);
    for part in ["expr", "onSuccess", "onFailure"] {
        text(rule.get(part), hash);
    }
    if rule.get("disabled") == Some(&Value::Bool(true)) {
        hash.update([1]);
    }
}

fn text(value: Option<&Value>, hash: &mut Md5) {
    if let Some(text) = value.and_then(Value::as_str) {
        hash.update(text);
    }
}

/// A map by its keys, a set by its members: the reference keeps both sorted.
fn sorted(value: Option<&Value>, hash: &mut Md5) {
    match value {
        Some(Value::Object(map)) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            for (key, value) in entries {
                hash.update(key);
                sorted(Some(value), hash);
            }
        }
        Some(Value::Array(set)) => {
            let mut members: Vec<&str> = set.iter().filter_map(Value::as_str).collect();
            members.sort_unstable();
            members.into_iter().for_each(|member| hash.update(member));
        }
        Some(Value::String(text)) => hash.update(text),
        Some(Value::Null | Value::Bool(_) | Value::Number(_)) | None => {}
    }
}
