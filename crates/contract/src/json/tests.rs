//! What the JSON validator refuses, and what it says about it.

use super::*;
use crate::verdict::Code;
use serde_json::json;

fn flights() -> JsonValidator {
    let schema = json!({
        "type": "object",
        "properties": {
            "flight": {"type": "integer", "minimum": 1, "maximum": 9999},
            "dep_time": {"type": "integer"},
            "arr_time": {"type": ["integer", "null"]},
            "carrier": {"type": "string", "pattern": "^[A-Z0-9]{2}$"},
            "plane": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/plane"}]},
            "a/b": {"type": "string"}
        },
        "required": ["flight", "dep_time"],
        "additionalProperties": false,
        "$defs": {"plane": {
            "type": "object",
            "properties": {"seats": {"type": "integer"}, "owner": {"type": "string"}},
            "required": ["seats"]
        }}
    });
    JsonValidator::compile(&schema.to_string()).expect("valid schema")
}

fn codes(validator: &JsonValidator, body: &str) -> Vec<(Code, String)> {
    match validator.check(body.as_bytes()) {
        Ok(()) => vec![],
        Err(reasons) => reasons
            .into_iter()
            .map(|reason| (reason.code, reason.path))
            .collect(),
    }
}

fn one(code: Code, path: &str) -> Vec<(Code, String)> {
    vec![(code, path.to_owned())]
}

#[test]
fn what_meets_the_schema_passes() {
    let body = r#"{"flight": 1, "dep_time": 517, "arr_time": null, "plane": {"seats": 3}}"#;
    assert_eq!(codes(&flights(), body), vec![]);
}

#[test]
fn every_kind_of_violation_has_its_code_and_path() {
    let validator = flights();
    for (body, code, path) in [
        (r#"{"flight": 1}"#, Code::Missing, "/dep_time"),
        (
            r#"{"flight": 1, "dep_time": null}"#,
            Code::Missing,
            "/dep_time",
        ),
        (
            r#"{"flight": 1, "dep_time": "x"}"#,
            Code::WrongType,
            "/dep_time",
        ),
        (
            r#"{"flight": 1, "dep_time": 1, "arr_time": "x"}"#,
            Code::WrongType,
            "/arr_time",
        ),
        (
            r#"{"flight": 0, "dep_time": 1}"#,
            Code::OutOfBounds,
            "/flight",
        ),
        (
            r#"{"flight": 1, "dep_time": 1, "carrier": "ua"}"#,
            Code::OutOfBounds,
            "/carrier",
        ),
        (
            r#"{"flight": 1, "dep_time": 1, "~x": 1}"#,
            Code::Undeclared,
            "/~0x",
        ),
        (
            r#"{"flight": 1, "dep_time": 1, "a/b": 1}"#,
            Code::WrongType,
            "/a~1b",
        ),
        (
            r#"{"flight": 1, "dep_time": 1, "plane": 7}"#,
            Code::WrongType,
            "/plane",
        ),
        (
            r#"{"flight": 1, "dep_time": 1, "plane": {}}"#,
            Code::Missing,
            "/plane/seats",
        ),
        (
            r#"{"flight": 1, "dep_time": 1, "plane": {"seats": null}}"#,
            Code::Missing,
            "/plane/seats",
        ),
        (r#"[]"#, Code::WrongType, ""),
        (r#"{"flight": 1, "dep_time": 1"#, Code::NotJson, ""),
        (
            r#"{"flight": 1, "flight": 2, "dep_time": 1}"#,
            Code::NotJson,
            "",
        ),
        ("{} {}", Code::NotJson, ""),
        ("", Code::NotJson, ""),
    ] {
        assert_eq!(codes(&validator, body), one(code, path), "{body}");
    }
}

#[test]
fn a_null_that_nobody_requires_is_a_wrong_type() {
    let body = r#"{"flight": 1, "dep_time": 1, "carrier": null}"#;
    assert_eq!(codes(&flights(), body), one(Code::WrongType, "/carrier"));
}

#[test]
fn all_violations_are_told_with_what_was_asked_and_found() {
    let body = r#"{"flight": 10000, "carrier": 7, "x": [1]}"#;
    let reasons = flights()
        .check(body.as_bytes())
        .expect_err("four violations");
    let mut texts: Vec<_> = reasons.iter().map(ToString::to_string).collect();
    texts.sort();
    assert_eq!(
        texts,
        [
            "MESH-1006 /dep_time: expected a value, found nothing",
            "MESH-1007 /carrier: expected string, found 7",
            "MESH-1008 /flight: expected maximum 9999, found 10000",
            "MESH-1009 /x: expected no such property, found [1]",
        ]
    );
}

#[test]
fn what_is_not_json_is_told_with_its_position() {
    let reasons = flights()
        .check(b"{\n \"flight\": 1,\n \"flight\": 2}")
        .expect_err("duplicate");
    assert!(
        reasons[0]
            .found
            .starts_with("duplicate key `flight` at line 3 column"),
        "{reasons:?}"
    );
}

#[test]
fn nesting_beyond_the_limit_is_too_complex() {
    let validator = JsonValidator::compile("true").expect("valid schema");
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert_eq!(codes(&validator, &nested(MAX_DEPTH - 1)), vec![]);
    for depth in [MAX_DEPTH + 1, 100_000] {
        assert_eq!(codes(&validator, &nested(depth)), one(Code::TooComplex, ""));
    }
}

#[test]
fn numbers_and_surrogates_that_no_reader_agrees_on_are_refused() {
    let validator = JsonValidator::compile("true").expect("valid schema");
    for body in ["1e400", r#""\ud800""#, "NaN", "\"\u{1}\"", "01"] {
        assert_eq!(codes(&validator, body), one(Code::NotJson, ""), "{body}");
    }
}

#[test]
fn formats_are_checked_only_when_asked() {
    let schema = r#"{"properties": {"day": {"type": "string", "format": "date"}}}"#;
    let lax = JsonValidator::compile(schema).expect("valid schema");
    assert_eq!(codes(&lax, r#"{"day": "x"}"#), vec![]);
    let strict = JsonValidator::compile_with(schema, Formats::Assert).expect("valid schema");
    assert_eq!(
        codes(&strict, r#"{"day": "x"}"#),
        one(Code::LogicalType, "/day")
    );
    assert_eq!(codes(&strict, r#"{"day": "2013-01-01"}"#), vec![]);
}

#[test]
fn patterns_take_linear_time() {
    let schema = r#"{"type": "string", "pattern": "^(a+)+$"}"#;
    let validator = JsonValidator::compile(schema).expect("valid schema");
    let body = format!("\"{}!\"", "a".repeat(50_000));
    assert_eq!(codes(&validator, &body), one(Code::OutOfBounds, ""));
    let backtracking = r#"{"type": "string", "pattern": "(?=a)b"}"#;
    assert!(JsonValidator::compile(backtracking).is_err());
}

#[test]
fn nothing_is_fetched() {
    for reference in [
        "http://127.0.0.1:1/x.json",
        "file:///etc/passwd",
        "other.json",
    ] {
        let schema = json!({ "$ref": reference }).to_string();
        assert!(JsonValidator::compile(&schema).is_err(), "{reference}");
    }
}

#[test]
fn schemas_that_are_none_are_refused() {
    for bad in [
        "",
        "{",
        "7",
        r#"{"type": "nothing"}"#,
        r#"{"minimum": "x"}"#,
        r#"{"pattern": "("}"#,
    ] {
        assert!(JsonValidator::compile(bad).is_err(), "{bad}");
    }
}
