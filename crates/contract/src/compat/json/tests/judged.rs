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
const APICURIO: &[(&str, &str, &str)] = &[];

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
