//! Verdicts on JSON Schemas: Confluent's own cases, ours, and documents that must stay valid.

use super::*;
use crate::compat::{Level, Verdict, Version, check};
use crate::source::{Import, SchemaType, Source};
use serde_json::{Map, Value, json};

pub(super) mod holes;
mod judged;
mod property;

fn source(text: &str) -> Source<'_> {
    Source::new(SchemaType::Json, text)
}

fn compare(
    old: &Source<'_>,
    new: &Source<'_>,
    policy: Policy,
    direction: Direction,
) -> Result<Compared, SchemaError> {
    super::compare(&Texts::parse(old)?, &Texts::parse(new)?, policy, direction)
}

fn differences(old: &Value, new: &Value, policy: Policy) -> Vec<Difference> {
    let (old, new) = (old.to_string(), new.to_string());
    let (old, new) = (source(&old), source(&new));
    compare(&old, &new, policy, Direction::NewReadsOld)
        .expect("schemas")
        .differences
}

fn refusals(old: &Value, new: &Value, policy: Policy) -> Vec<String> {
    let found = differences(old, new, policy);
    found
        .into_iter()
        .filter(|difference| difference.verdict == Verdict::Incompatible)
        .map(|difference| format!("{} {}", difference.kind, difference.path))
        .collect()
}

/// What we report beyond the reference.
fn unjudged(old: &Value, new: &Value) -> Vec<String> {
    let found = differences(old, new, Policy::Strict);
    found
        .into_iter()
        .filter(|difference| difference.verdict == Verdict::Unjudged)
        .map(|difference| format!("{} {}", difference.kind, difference.path))
        .collect()
}

fn closed(properties: Value, required: &[&str]) -> Value {
    json!({"type": "object", "properties": properties, "required": required,
           "additionalProperties": false})
}

#[test]
fn optional_property_of_a_closed_object_is_full_under_lenient_only() {
    let old = closed(json!({"a": {"type": "integer"}}), &["a"]).to_string();
    let new = closed(
        json!({"a": {"type": "integer"}, "b": {"type": "string"}}),
        &["a"],
    )
    .to_string();
    let previous = [Version {
        number: 1,
        schema: source(&old),
    }];
    let judge = |policy| {
        let report = check(Level::FullTransitive, policy, &source(&new), &previous);
        report.expect("schemas").incompatible
    };
    assert_eq!(judge(Policy::Lenient), []);
    let strict = judge(Policy::Strict);
    assert_eq!(strict.len(), 1);
    assert_eq!(strict[0].direction, Direction::OldReadsNew);
    assert_eq!(
        strict[0].difference.kind,
        "PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL"
    );
    assert_eq!(strict[0].difference.path, "#/properties/b");
}

#[test]
fn what_breaks_readers_is_refused_with_its_path() {
    let one = |schema: Value| closed(json!({ "a": schema }), &[]);
    for (old, new, refusal) in [
        (
            one(json!({"type": "number"})),
            one(json!({"type": "integer"})),
            "TYPE_NARROWED #/properties/a",
        ),
        (
            one(json!({"type": "string"})),
            one(json!({"type": "null"})),
            "TYPE_CHANGED #/properties/a",
        ),
        (
            one(json!({})),
            closed(json!({"a": {}}), &["a"]),
            "REQUIRED_ATTRIBUTE_ADDED #/required/a",
        ),
        (json!({}), json!({"required": ["a"]}), "TYPE_CHANGED #/"),
        (
            one(json!({})),
            closed(json!({"a": {}, "b": {}}), &["b"]),
            "REQUIRED_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL #/properties/b",
        ),
        (
            json!({"type": "object"}),
            json!({"properties": {"b": {"type": "null"}}, "required": ["b"]}),
            "REQUIRED_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL #/properties/b",
        ),
        (
            one(json!({"type": "array", "items": {"type": "string"}})),
            one(json!({"type": "array", "items": {"type": "null"}})),
            "TYPE_CHANGED #/properties/a/items",
        ),
        (
            one(json!({"pattern": "a"})),
            one(json!({"pattern": "b"})),
            "PATTERN_CHANGED #/properties/a/pattern",
        ),
        (
            json!({"$ref": "#/$defs/x", "maxLength": 3, "$defs": {"x": {"type": "string"}}}),
            json!({"$ref": "#/$defs/x", "maxLength": 3, "$defs": {"x": {"type": "null"}}}),
            "TYPE_CHANGED #/",
        ),
    ] {
        assert_eq!(
            refusals(&old, &new, Policy::Lenient),
            [refusal],
            "{old} to {new}"
        );
    }
}

#[test]
fn annotations_never_matter() {
    let old = json!({"type": "string", "title": "a", "examples": ["x"], "$comment": "c"});
    let new = json!({"type": "string", "description": "b", "deprecated": true, "readOnly": true});
    assert_eq!(refusals(&old, &new, Policy::Strict), [""; 0]);
}

#[test]
fn recursive_schemas_are_compared_once_and_in_depth() {
    let tree = |leaf: &str| {
        json!({"$ref": "#/$defs/tree", "$defs": {"tree": {"type": "object", "properties": {
            "value": {"type": leaf}, "left": {"$ref": "#/$defs/tree"}, "right": {"$ref": "#/$defs/tree"}}}}})
    };
    assert_eq!(
        refusals(&tree("integer"), &tree("number"), Policy::Strict),
        [""; 0]
    );
    assert_eq!(
        refusals(&tree("number"), &tree("integer"), Policy::Strict),
        ["TYPE_NARROWED #/properties/value"]
    );
    let circle = json!({"$ref": "#"});
    assert_eq!(refusals(&circle, &circle, Policy::Strict), [""; 0]);
}

#[test]
fn chains_of_references_end() {
    let chain: Map<String, Value> = (0..5_000)
        .map(|n| {
            (
                format!("d{n}"),
                json!({"properties": {"x": {"$ref": format!("#/$defs/d{}", n + 1)}}}),
            )
        })
        .collect();
    let schema = json!({"$ref": "#/$defs/d0", "$defs": chain}).to_string();
    let choices: Map<String, Value> = (0..5_000)
        .map(|n| {
            (
                format!("d{n}"),
                json!({"anyOf": [{"type": "null"}, {"$ref": format!("#/$defs/d{}", n + 1)}]}),
            )
        })
        .collect();
    let deep = json!({"$ref": "#/$defs/d0", "$defs": choices}).to_string();
    let result = compare(
        &source(&deep),
        &source(&deep),
        Policy::Strict,
        Direction::NewReadsOld,
    );
    assert!(
        matches!(result, Err(SchemaError::TooLarge { .. })),
        "{result:?}"
    );
    let result = compare(
        &source(&schema),
        &source(&schema),
        Policy::Strict,
        Direction::NewReadsOld,
    );
    assert!(matches!(
        result,
        Err(SchemaError::TooLarge {
            unit: "levels of nesting",
            ..
        })
    ));
}

#[test]
fn references_lead_to_imports_ids_and_anchors() {
    let other = r##"{"$id": "http://example.com/dir/other.json", "definitions": {"a b": {"$id": "#named", "type": "string"}}, "type": "null"}"##;
    let wide = r##"{"$id": "http://example.com/dir/other.json", "definitions": {"a b": {"$id": "#named", "type": "integer"}}, "type": "boolean"}"##;
    for (reference, named) in [
        ("other.json", true),
        ("./other.json", true),
        ("http://example.com/dir/other.json#", true),
        ("/dir/other.json#/definitions/a%20b", true),
        ("other.json#named", true),
        ("none.json", false),
        ("other.json#/definitions/none", false),
        ("#nowhere", false),
    ] {
        let text = json!({"$id": "http://example.com/dir/root.json", "properties": {"x": {"$ref": reference}}}).to_string();
        let old = [Import {
            name: "other.json",
            text: other,
        }];
        let new = [Import {
            name: "other.json",
            text: wide,
        }];
        let with = |imports| Source {
            imports,
            ..source(&text)
        };
        let found = compare(
            &with(&old),
            &with(&new),
            Policy::Strict,
            Direction::NewReadsOld,
        );
        match found {
            Ok(found) => {
                assert!(named, "{reference}");
                let kinds: Vec<_> = found
                    .differences
                    .iter()
                    .map(|one| (one.kind, &*one.path))
                    .collect();
                assert_eq!(kinds, [("TYPE_CHANGED", "#/properties/x")], "{reference}");
            }
            Err(error) => assert!(!named && error.to_string().contains(reference), "{error}"),
        }
    }
}

#[test]
fn recursion_through_choices_is_judged_exactly() {
    let list = |value: &str| {
        json!({"definitions": {"list": {"oneOf": [{"type": "null"}, {"type": "object", "properties": {
            "value": {"type": value}, "next": {"$ref": "#/definitions/list"}}, "additionalProperties": false}]}},
            "$ref": "#/definitions/list"})
    };
    assert_eq!(
        refusals(&list("integer"), &list("number"), Policy::Strict),
        [""; 0]
    );
    assert_eq!(unjudged(&list("integer"), &list("number")), [""; 0]);
    assert_eq!(
        refusals(&list("number"), &list("integer"), Policy::Strict),
        ["COMBINED_TYPE_SUBSCHEMAS_CHANGED #/"]
    );
}

#[test]
fn many_branches_and_deep_references_end_soon() {
    let branch = |n: usize, other: usize| json!({"type": "object", "properties": {"k": {"const": n}, "next": {"$ref": format!("#/definitions/d{other}")}}, "required": ["k"]});
    let definitions: Map<String, Value> = (0..12)
        .map(|n| {
            (
                format!("d{n}"),
                json!({"anyOf": (0..12).map(|k| branch(k, (k + n) % 12)).collect::<Vec<_>>()}),
            )
        })
        .collect();
    let old = json!({"$ref": "#/definitions/d0", "definitions": definitions.clone()});
    let mut new = old.clone();
    new["definitions"]["d7"]["anyOf"][3]["maxProperties"] = json!(1);
    assert_eq!(refusals(&old, &old, Policy::Strict), [""; 0]);
    assert!(!refusals(&old, &new, Policy::Strict).is_empty());
    let wide =
        json!({"anyOf": (0..500).map(|n| json!({"const": n})).collect::<Vec<_>>()}).to_string();
    let result = compare(
        &source(&wide),
        &source(&wide),
        Policy::Strict,
        Direction::NewReadsOld,
    );
    assert!(matches!(result, Err(SchemaError::TooLarge { .. })));
}
