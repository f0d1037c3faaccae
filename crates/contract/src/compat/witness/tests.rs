//! Witnesses of every change that the reference overlooks, and of none where there is none.

use super::*;
use crate::source::Import;
use serde_json::json;

fn seen(old: &Value, new: &Value) -> Option<String> {
    let (old, new) = (old.to_string(), new.to_string());
    of_documents(
        &Source::new(SchemaType::Json, &new),
        &Source::new(SchemaType::Json, &old),
    )
}

#[test]
fn each_overlooked_change_has_a_witness() {
    let (old7, new7) = (
        "http://json-schema.org/draft-07/schema#",
        "https://json-schema.org/draft/2020-12/schema",
    );
    for (old, new) in super::super::json::holes() {
        for draft in [old7, new7] {
            let with = |schema: &Value| {
                let mut schema = schema.clone();
                let own = schema.get("$schema").is_some();
                if let Some(object) = schema.as_object_mut().filter(|_| !own) {
                    object.insert("$schema".to_owned(), json!(draft));
                }
                schema
            };
            let (old, new) = (with(&old), with(&new));
            let found = seen(&old, &new);
            let modern = ["unevaluated", "dependent", "minContains", "prefixItems"];
            let unknown = draft == old7 && modern.iter().any(|word| new.to_string().contains(word));
            let earlier = draft == new7
                && ["additionalItems", "dependencies", "contentEncoding"]
                    .iter()
                    .any(|word| new.to_string().contains(word));
            assert!(found.is_some() || unknown || earlier, "{old} to {new}");
        }
    }
}

#[test]
fn no_witness_where_all_stays_valid() {
    for (old, new) in [
        (json!({"type": "integer"}), json!({"type": "number"})),
        (json!({"required": ["a"]}), json!({})),
        (
            json!({"patternProperties": {"^a": {"type": "null"}}}),
            json!({"type": ["object", "string", "null", "number", "array", "boolean"]}),
        ),
        (json!(false), json!({"type": "null"})),
    ] {
        assert_eq!(seen(&old, &new), None, "{old} to {new}");
    }
}

#[test]
fn witnesses_are_small_and_the_same_each_time() {
    let old = json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "object", "properties": {"c": {"maxLength": 9}}}}, "required": ["a"]});
    let new = json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "object", "properties": {"c": {"maxLength": 5}}}}, "required": ["a"]});
    let found = seen(&old, &new);
    assert_eq!(found.as_deref(), Some(r#"{"a":"","b":{"c":"aaaaaa"}}"#));
    assert_eq!(found, seen(&old, &new));
}

#[test]
fn imports_are_heeded_and_nothing_is_fetched() {
    let text = r#"{"properties": {"a": {"$ref": "other.json"}}}"#;
    let of = |other: &'static str| {
        [Import {
            name: "other.json",
            text: other,
        }]
    };
    let (wide, narrow) = (
        of(r#"{"type": ["string", "null"]}"#),
        of(r#"{"type": "string"}"#),
    );
    let source = |imports| Source {
        imports,
        ..Source::new(SchemaType::Json, text)
    };
    assert_eq!(
        of_documents(&source(&narrow), &source(&wide)).as_deref(),
        Some(r#"{"a":null}"#)
    );
    assert_eq!(of_documents(&source(&wide), &source(&narrow)), None);
    let far = r#"{"$ref": "http://127.0.0.1:1/x.json"}"#;
    assert_eq!(
        of_documents(
            &Source::new(SchemaType::Json, far),
            &Source::new(SchemaType::Json, "{}")
        ),
        None
    );
}
