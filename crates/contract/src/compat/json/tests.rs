//! Verdicts on JSON Schemas: Confluent's own cases, ours, and documents that must stay valid.

use super::*;
use crate::compat::{Level, Verdict, Version, check};
use crate::json::JsonValidator;
use crate::judges;
use crate::source::SchemaType;
use proptest::prelude::*;
use serde_json::json;

fn source(text: &str) -> Source<'_> {
    Source::new(SchemaType::Json, text)
}

fn differences(old: &Value, new: &Value, policy: Policy) -> Vec<Difference> {
    let (old, new) = (old.to_string(), new.to_string());
    let (old, new) = (source(&old), source(&new));
    compare(&old, &new, policy, Direction::NewReadsOld).expect("schemas")
}

fn refusals(old: &Value, new: &Value, policy: Policy) -> Vec<String> {
    let found = differences(old, new, policy);
    found
        .into_iter()
        .filter(|difference| difference.verdict == Verdict::Incompatible)
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
        (
            json!({}),
            json!({"required": ["a"]}),
            "REQUIRED_ATTRIBUTE_ADDED #/required/a",
        ),
        (
            json!({"properties": {}}),
            json!({"type": "object"}),
            "TYPE_NARROWED #/",
        ),
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
            "KEYWORD_NOT_COMPARED #/properties/a/pattern",
        ),
        (
            json!({"$ref": "#/$defs/x", "maxLength": 3, "$defs": {"x": {"type": "string"}}}),
            json!({"$ref": "#/$defs/x", "maxLength": 3, "$defs": {"x": {"type": "null"}}}),
            "KEYWORD_NOT_COMPARED #/$ref",
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

/// Cases of Confluent's checker that change only what we compare; the others we must refuse or accept as it does.
#[test]
fn judge_confluent_json_cases() {
    for (file, least) in [
        ("registry/json-diff-schema-examples.json", 19),
        ("registry/json-diff-schema-examples-2020-12.json", 20),
        ("registry/json-diff-combined-schema-examples.json", 0),
        (
            "registry/json-diff-combined-schema-examples-2020-12.json",
            0,
        ),
    ] {
        let Some(cases) = judges::json(file) else {
            return;
        };
        let mut compared = 0;
        for case in cases.as_array().expect("a list") {
            compared += usize::from(judge(case));
        }
        assert!(compared >= least, "{file}: only {compared} cases compared");
    }
}

/// Whether the case could be compared in full.
fn judge(case: &Value) -> bool {
    let name = case["description"].as_str().expect("text");
    let (old, new) = (&case["original_schema"], &case["update_schema"]);
    let found = differences(old, new, Policy::Strict);
    let compatible = found
        .iter()
        .all(|difference| difference.verdict == Verdict::Compatible);
    if found
        .iter()
        .any(|difference| difference.kind == "KEYWORD_NOT_COMPARED")
    {
        return false;
    }
    assert_eq!(
        Some(compatible),
        case["compatible"].as_bool(),
        "{name}: {found:?}"
    );
    if let Some(lenient) = case.get("compatible_lenient").and_then(Value::as_bool) {
        assert_eq!(
            refusals(old, new, Policy::Lenient).is_empty(),
            lenient,
            "{name}"
        );
    }
    let expected: BTreeSet<&str> = case["changes"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    for refusal in refusals(old, new, Policy::Strict) {
        assert!(
            expected.contains(refusal.as_str()),
            "{name}: {refusal} is not in {expected:?}"
        );
    }
    true
}

/// Small schemas over the keywords compared, so that two of them often have much in common.
fn schemas() -> impl Strategy<Value = Value> {
    let types = prop_oneof![
        Just(json!("string")),
        Just(json!("integer")),
        Just(json!("number")),
        Just(json!(["string", "null"])),
        Just(json!(["integer", "null"])),
        Just(json!(["number", "null", "object"])),
    ];
    let leaf = prop_oneof![
        Just(json!({})),
        Just(json!(true)),
        Just(json!(false)),
        types.prop_map(|ty| json!({ "type": ty })),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let properties = prop::collection::btree_map("[abc]", inner.clone(), 0..3);
        let required = prop::collection::btree_set("[abc]", 0..3);
        let additional = prop::option::of(inner.clone());
        let object = (properties, required, additional, any::<bool>()).prop_map(
            |(properties, required, additional, typed)| {
                let mut schema = json!({"properties": properties, "required": required});
                if let Some(additional) = additional {
                    schema["additionalProperties"] = additional;
                }
                if typed {
                    schema["type"] = json!("object");
                }
                schema
            },
        );
        prop_oneof![2 => object, 1 => inner.prop_map(|items| json!({"type": "array", "items": items}))]
    })
}

/// A schema and another that is a step or two away from it.
fn two_schemas() -> impl Strategy<Value = (Value, Value)> {
    (
        schemas(),
        schemas(),
        prop::collection::vec((any::<prop::sample::Index>(), 0..5u8), 0..3),
    )
        .prop_map(|(old, other, steps)| {
            let mut new = old.clone();
            for (at, step) in steps {
                mutate(&mut new, at, step, &other);
            }
            (old, new)
        })
}

fn mutate(schema: &mut Value, at: prop::sample::Index, step: u8, other: &Value) {
    let Some(object) = schema.as_object_mut() else {
        *schema = other.clone();
        return;
    };
    match step {
        0 => {
            object.insert("additionalProperties".into(), other.clone());
        }
        1 => {
            object.remove("required");
        }
        2 => {
            object.remove("additionalProperties");
        }
        _ => {
            let Some(properties) = object.get_mut("properties").and_then(Value::as_object_mut)
            else {
                *schema = other.clone();
                return;
            };
            let name = ["a", "b", "c"][at.index(3)];
            if step == 3 {
                properties.insert(name.into(), other.clone());
            } else {
                properties.remove(name);
            }
        }
    }
}

fn documents() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        Just(json!(1)),
        Just(json!(1.5)),
        Just(json!("x")),
        Just(json!({})),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            3 => prop::collection::btree_map("[abcd]", inner.clone(), 0..4).prop_map(|map| json!(map)),
            1 => prop::collection::vec(inner, 0..3).prop_map(Value::Array),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn compatible_means_that_valid_documents_stay_valid(
        (old, new) in two_schemas(),
        documents in prop::collection::vec(documents(), 8),
    ) {
        if refusals(&old, &new, Policy::Strict).is_empty() {
            let before = JsonValidator::compile(&old.to_string()).expect("valid schema");
            let after = JsonValidator::compile(&new.to_string()).expect("valid schema");
            for document in documents {
                if before.check_value(&document).is_ok() {
                    prop_assert_eq!(after.check_value(&document), Ok(()), "{}", document);
                }
            }
        }
    }

    #[test]
    fn a_schema_is_compatible_with_itself(schema in schemas()) {
        prop_assert_eq!(differences(&schema, &schema, Policy::Strict), vec![]);
    }
}
