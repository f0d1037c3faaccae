//! Cases of others: the reference's own, where we must agree in verdict and name, and second opinions.

use super::*;
use crate::judges;
use std::collections::BTreeSet;

/// Every case of the reference: its verdicts, and what it reports as incompatible.
#[test]
fn judge_confluent_json_cases() {
    for (file, count) in [
        ("registry/json-diff-schema-examples.json", 52),
        ("registry/json-diff-schema-examples-2020-12.json", 51),
        ("registry/json-diff-combined-schema-examples.json", 14),
        (
            "registry/json-diff-combined-schema-examples-2020-12.json",
            9,
        ),
    ] {
        let Some(cases) = judges::json(file) else {
            return;
        };
        let cases = cases.as_array().expect("a list");
        assert_eq!(cases.len(), count, "{file}");
        let failed: Vec<String> = cases.iter().filter_map(judge).collect();
        assert!(failed.is_empty(), "{file}: {failed:#?}");
    }
}

/// What is wrong with our answer.
fn judge(case: &Value) -> Option<String> {
    let name = case["description"].as_str().expect("text");
    let (old, new) = (&case["original_schema"], &case["update_schema"]);
    let found = differences(old, new, Policy::Strict);
    let changes = case["changes"].as_array().expect("a list");
    let expected: BTreeSet<String> = changes
        .iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    let all: BTreeSet<String> = found
        .iter()
        .filter(|difference| difference.verdict != Verdict::Unjudged)
        .map(|difference| format!("{} {}", difference.kind, difference.path))
        .collect();
    // Compatible changes too, save the order of branches, which is a hash set's there.
    let branches = |text: &&String| !text.contains("Of/");
    let same = all
        .iter()
        .filter(branches)
        .eq(expected.iter().filter(branches));
    let strict = refusals(old, new, Policy::Strict).is_empty();
    let lenient = refusals(old, new, Policy::Lenient).is_empty();
    let expected_lenient = case.get("compatible_lenient").and_then(Value::as_bool);
    let right = Some(strict) == case["compatible"].as_bool()
        && expected_lenient.is_none_or(|expected| expected == lenient)
        && same;
    (!right).then(|| format!("{name}: {strict} {lenient} {all:?}, expected {expected:?}"))
}

/// Where Apicurio's verdict is another, and why ours is the reference's.
const APICURIO: &[(&str, &str, &str)] = &[
    (
        "Conditional: else",
        "both",
        "conditions are not compared: told as CONDITIONAL_NOT_COMPARED",
    ),
    (
        "Conditional: if",
        "both",
        "conditions are not compared: told as CONDITIONAL_NOT_COMPARED",
    ),
    (
        "Conditional: then",
        "both",
        "conditions are not compared: told as CONDITIONAL_NOT_COMPARED",
    ),
    (
        "Array: contains",
        "both",
        "in draft 7 `contains` is not compared: told as CONTAINS_NOT_COMPARED",
    ),
    (
        "Object: patternProperties 1",
        "both",
        "patterns are not compared with each other: told as PATTERN_PROPERTIES_NOT_COMPARED",
    ),
    (
        "Object: patternProperties 2",
        "both",
        "patterns are not compared with each other: told as PATTERN_PROPERTIES_NOT_COMPARED",
    ),
    (
        "Object: propertyNames",
        "both",
        "names are not compared: told as PROPERTY_NAMES_NOT_COMPARED",
    ),
    (
        "Object: required",
        "both",
        "only declared properties count: told as REQUIRED_NOT_COMPARED",
    ),
    (
        "String: contentEncoding 2",
        "both",
        "content is not compared: told as CONTENT_NOT_COMPARED",
    ),
    (
        "String: contentEncoding 3",
        "both",
        "content is not compared: told as CONTENT_NOT_COMPARED",
    ),
    (
        "String: contentMediaType 2",
        "both",
        "content is not compared: told as CONTENT_NOT_COMPARED",
    ),
    (
        "String: contentMediaType 3",
        "both",
        "content is not compared: told as CONTENT_NOT_COMPARED",
    ),
    (
        "String: format 1",
        "both",
        "formats are not compared: told as FORMAT_NOT_COMPARED",
    ),
    (
        "String: format 2",
        "both",
        "formats are not compared: told as FORMAT_NOT_COMPARED",
    ),
    (
        "Number: exclusiveMaximum 1",
        "both",
        "draft 4's flag is not compared: told as EXCLUSIVE_.._NOT_COMPARED",
    ),
    (
        "Number: exclusiveMinimum 1",
        "both",
        "draft 4's flag is not compared: told as EXCLUSIVE_.._NOT_COMPARED",
    ),
    (
        "Number: exclusiveMaximum 2",
        "none",
        "inclusive and exclusive bounds are not compared with each other: one is removed, the other added",
    ),
    (
        "Number: exclusiveMinimum 2",
        "none",
        "inclusive and exclusive bounds are not compared with each other: one is removed, the other added",
    ),
    (
        "Number: exclusiveMaximum 3",
        "none",
        "inclusive and exclusive bounds are not compared with each other: one is removed, the other added",
    ),
    (
        "Number: exclusiveMinimum 3",
        "none",
        "inclusive and exclusive bounds are not compared with each other: one is removed, the other added",
    ),
    (
        "Number: exclusiveMaximum 5",
        "none",
        "inclusive and exclusive bounds are not compared with each other: one is removed, the other added",
    ),
    (
        "Number: exclusiveMinimum 5",
        "none",
        "inclusive and exclusive bounds are not compared with each other: one is removed, the other added",
    ),
    (
        "Const",
        "none",
        "`type` beside a list of values is an allOf, which is another kind than the type alone",
    ),
    (
        "Enum 1",
        "none",
        "`type` beside a list of values is an allOf, which is another kind than the type alone",
    ),
    (
        "Const: Enum equivalency",
        "none",
        "`const` and `enum` are two kinds",
    ),
];

/// Apicurio's cases; `both` means that either reads the other.
#[test]
fn judge_apicurio_json_cases() {
    let Some(file) = judges::json("registry/jsonschema-compatibility-test-data.json") else {
        return;
    };
    let mut differing = BTreeSet::new();
    for case in file["tests"].as_array().expect("a list") {
        let id = case["id"].as_str().expect("text");
        let (original, updated) = (&case["original"], &case["updated"]);
        let backward = refusals(original, updated, Policy::Strict).is_empty();
        let forward = refusals(updated, original, Policy::Strict).is_empty();
        let verdict = match (backward, forward) {
            (true, true) => "both",
            (true, false) => "backward",
            (false, true) => "forward",
            (false, false) => "none",
        };
        // What we pass where they refuse is at least told.
        let told =
            !unjudged(original, updated).is_empty() || !unjudged(updated, original).is_empty();
        if verdict == "both" && case["compatibility"] != "both" {
            assert!(told, "{id}");
        }
        if case["compatibility"] != verdict {
            differing.insert((id.to_owned(), verdict.to_owned()));
        }
    }
    let listed: BTreeSet<_> = APICURIO
        .iter()
        .map(|(id, verdict, _)| ((*id).to_owned(), (*verdict).to_owned()))
        .collect();
    let unlisted: Vec<_> = differing.difference(&listed).collect();
    let gone: Vec<_> = listed.difference(&differing).collect();
    assert!(
        unlisted.is_empty() && gone.is_empty(),
        "{unlisted:#?} {gone:#?}"
    );
}

/// Where Nakadi's verdict is another: it lets a schema change in no way but a few, the reference in any that leaves
/// documents valid.
const NAKADI: &[(&str, &str)] = &[
    ("Do not allow changes to id", "an annotation"),
    ("Capture changes to title", "an annotation"),
    ("Do not allow changes to description", "an annotation"),
    (
        "Do not allow changes to maxLength string schema",
        "a wider bound",
    ),
    (
        "Do not allow changes to maximum number schema",
        "a wider bound",
    ),
    ("Do not allow changes to type array", "one type more"),
    (
        "Do not allow changes to validation criteria in composed schema type",
        "an anyOf and an allOf of one schema are one",
    ),
    ("Do not allow required array to be removed", "requires less"),
    (
        "Do not allow required array to be changed",
        "requires less; `bar`, undeclared, is told as REQUIRED_NOT_COMPARED",
    ),
    ("Do not allow changes to minProperties", "a wider bound"),
    (
        "Do not allow changes to all items schema",
        "bounds items less",
    ),
    (
        "Do not allow changes to items schema list",
        "bounds items less",
    ),
    (
        "Do not allow changes to minItems",
        "a wider bound, and unique items no longer",
    ),
];

#[test]
fn judge_nakadi_json_cases() {
    let Some(cases) = judges::json("registry/invalid-schema-evolution-examples.json") else {
        return;
    };
    let mut differing = BTreeSet::new();
    for case in cases.as_array().expect("a list") {
        let name = case["description"].as_str().expect("text");
        let theirs = case["errors"].as_array().expect("a list").is_empty();
        let ours = refusals(
            &case["original_schema"],
            &case["update_schema"],
            Policy::Strict,
        )
        .is_empty();
        if ours != theirs {
            differing.insert(name);
        }
    }
    let listed: BTreeSet<&str> = NAKADI.iter().map(|(name, _)| *name).collect();
    let unlisted: Vec<_> = differing.difference(&listed).collect();
    let gone: Vec<_> = listed.difference(&differing).collect();
    assert!(
        unlisted.is_empty() && gone.is_empty(),
        "{unlisted:#?} {gone:#?}"
    );
}
