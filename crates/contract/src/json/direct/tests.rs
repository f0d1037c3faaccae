//! What is accepted directly is what a full reading accepts; and plain documents are.

use super::*;
use crate::json::{Formats, JsonValidator, parse};
use proptest::prelude::*;
use serde_json::json;

fn compiled(schema: &Value) -> JsonValidator {
    JsonValidator::compile_with(&schema.to_string(), Formats::Assert).expect("a schema")
}

/// What is kept of a text that is accepted directly.
fn accepted(validator: &JsonValidator, text: &str, keep: Keep<'_>) -> Option<Option<Value>> {
    validator.accept(text.as_bytes(), keep)
}

/// A departure of a flight, as contracts describe things.
fn departure() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Departure", "type": "object", "additionalProperties": false,
        "required": ["id", "at", "seats"],
        "properties": {
            "id": {"type": "string", "minLength": 2, "maxLength": 4},
            "at": {"type": "string", "format": "date-time"},
            "seats": {"type": "integer", "minimum": 0, "maximum": 900},
            "delay": {"type": ["number", "null"], "exclusiveMinimum": -60, "exclusiveMaximum": 1000},
            "state": {"enum": ["open", "gone"]},
            "code": {"type": "string", "pattern": "^[A-Z]+$"},
            "stops": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 2},
            "more": {"type": "object", "additionalProperties": {"type": "integer"}},
            "any": {},
        },
    })
}

#[test]
fn plain_documents_are_accepted_in_one_reading() {
    let validator = compiled(&departure());
    let least = r#""id":"é🚀","at":"2026-11-22T10:15:30Z","seats":3"#;
    for more in [
        "",
        r#","delay":null"#,
        r#","delay":-59.5"#,
        r#","delay":999"#,
        r#","state":"gone""#,
        r#","code":"AB""#,
        r#","stops":["a","b"]"#,
        r#","more":{"a":1,"b":2}"#,
        r#","any":{"a":[{"b":1.5e3},null,true,"x"]}"#,
    ] {
        let text = format!("{{{least}{more}}}");
        assert_eq!(
            accepted(&validator, &text, Keep::Nothing),
            Some(None),
            "{text}"
        );
        let whole = accepted(&validator, &text, Keep::Whole).expect("accepted");
        assert_eq!(whole, parse(text.as_bytes()).ok());
    }
    // In any order.
    let text = r#"{"seats":3,"at":"2026-11-22T10:15:30Z","id":"ab"}"#;
    assert_eq!(accepted(&validator, text, Keep::Nothing), Some(None));
}

#[test]
fn what_breaks_the_schema_is_left_to_the_full_reading() {
    let validator = compiled(&departure());
    let least = r#""id":"ab","at":"2026-11-22T10:15:30Z","seats":3"#;
    let broken = [
        String::new(),
        "{".to_owned(),
        "[]".to_owned(),
        r#"{"id":"ab","seats":3}"#.to_owned(),
        format!("{{{least}}} x"),
        format!("{{{least},}}"),
    ];
    let members = [
        r#""id":"ab""#,
        r#""other":1"#,
        r#""delay":-60"#,
        r#""delay":1000.0"#,
        r#""delay":"1""#,
        r#""delay":1e999"#,
        r#""state":"shut""#,
        r#""state":1"#,
        r#""code":"ab""#,
        r#""stops":[]"#,
        r#""stops":["a","b","c"]"#,
        r#""stops":["a",1]"#,
        r#""stops":"a""#,
        r#""more":{"a":1,"a":2}"#,
        r#""more":{"a":1,"a":1}"#,
        r#""more":{"a":"x"}"#,
        r#""any":{"a":1,"a":1}"#,
        r#""any":"\ud800""#,
    ];
    let members = members.map(|member| format!("{{{least},{member}}}"));
    let instead = [
        (r#""seats":3"#, r#""seats":901"#),
        (r#""seats":3"#, r#""seats":-1"#),
        (r#""seats":3"#, r#""seats":3.5"#),
        (r#""seats":3"#, r#""seats":99999999999999999999"#),
        (r#""id":"ab""#, r#""id":"é""#),
        (r#""id":"ab""#, r#""id":"abcde""#),
        ("2026-11-22T", "2026-11-32T"),
    ];
    let instead = instead.map(|(from, to)| format!("{{{}}}", least.replace(from, to)));
    for text in broken.iter().chain(&members).chain(&instead) {
        assert_eq!(accepted(&validator, text, Keep::Nothing), None, "{text}");
        assert!(validator.check(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn what_is_not_decided_may_be_valid_all_the_same() {
    let validator = compiled(&departure());
    let text = r#"{"id":"ab","at":"2026-11-22T10:15:30Z","seats":3.0}"#;
    assert_eq!(accepted(&validator, text, Keep::Nothing), None);
    assert!(validator.check(text.as_bytes()).is_ok());
    let others: Vec<String> = (0..=MOST_OTHERS)
        .map(|at| format!(r#""x{at}":1"#))
        .collect();
    let open = compiled(&json!({"type": "object"}));
    let text = format!("{{{}}}", others.join(","));
    assert_eq!(accepted(&open, &text, Keep::Nothing), None);
    assert!(open.check(text.as_bytes()).is_ok());
}

#[test]
fn bytes_that_are_no_text_are_never_passed_over() {
    let validator = compiled(&json!({"type": "object"}));
    for body in [
        &b"{\"a\":\"\xff\"}"[..],
        b"{\"\xff\":1}",
        b"{\"a\":{\"b\":[\"\xc3\"]}}",
    ] {
        assert_eq!(validator.accept(body, Keep::Nothing), None);
    }
    let deep = format!(
        "{}{}",
        r#"{"a":"#.repeat(200),
        "1".to_owned() + &"}".repeat(200)
    );
    assert_eq!(accepted(&validator, &deep, Keep::Nothing), None);
}

#[test]
fn schemas_that_refer_are_not_for_this() {
    for schema in [
        json!({"$ref": "#/$defs/a", "$defs": {"a": {"type": "object"}}}),
        json!({"type": "object", "properties": {"a": {"$dynamicRef": "#x"}}}),
        json!({"type": "object", "properties": {"a": {"$anchor": "x"}}}),
        json!({"anyOf": [{"type": "object"}]}),
        json!(true),
        json!({"type": "object", "unevaluatedProperties": false}),
    ] {
        if let Ok(validator) = JsonValidator::compile(&schema.to_string()) {
            assert!(validator.direct.is_none(), "{schema}");
        }
    }
}

#[test]
fn of_an_object_the_members_asked_for_are_kept() {
    let validator =
        compiled(&json!({"type": "object", "properties": {"a": {"type": "integer"}, "b": {}}}));
    let text = r#"{"b":{"x":[1,{"y":null}]},"c":true,"d":"no","a":1}"#;
    let members: BTreeSet<String> = ["b", "c", "absent"].map(str::to_owned).into();
    let kept = accepted(&validator, text, Keep::Members(&members)).expect("accepted");
    assert_eq!(kept, Some(json!({"b": {"x": [1, {"y": null}]}, "c": true})));
    // Of what is no object there are no members: it is kept.
    let list = compiled(&json!({"type": "array"}));
    let kept = accepted(&list, "[1,{\"b\":2}]", Keep::Members(&members)).expect("accepted");
    assert_eq!(kept, Some(json!([1, {"b": 2}])));
}

#[test]
fn scalars_are_read_and_what_has_parts_is_not() {
    let validator = compiled(&departure());
    let leaves = |more: &str, names: &[&str]| {
        let text = format!(r#"{{"id":"ab","at":"2026-11-22T10:15:30Z","seats":3{more}}}"#);
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        let leaves = validator.leaves(text.as_bytes(), &names);
        leaves.map(Leaves::into_value)
    };
    assert_eq!(leaves("", &["absent"]), Some(json!({})));
    assert_eq!(
        leaves(
            r#","delay":null,"code":"AB","any":"\u0061\n""#,
            &["seats", "delay", "code", "any"]
        ),
        Some(json!({"seats": 3, "delay": null, "code": "AB", "any": "a\n"}))
    );
    assert_eq!(
        leaves(
            r#","delay":1.5,"stops":["a"],"any":true"#,
            &["delay", "any"]
        ),
        Some(json!({"delay": 1.5, "any": true}))
    );
    assert_eq!(leaves(r#","stops":["a"]"#, &["seats", "stops"]), None);
    assert_eq!(leaves(r#","more":{"a":1}"#, &["more"]), None);
    assert_eq!(leaves(r#","any":18446744073709551615"#, &["any"]), None);
    assert_eq!(leaves(r#","delay":-60"#, &["seats"]), None);
    let open = compiled(&json!({"type": "object"}));
    let names = ["b".to_owned()].into();
    let read = open.leaves(br#"{"a":{"b":2},"b":1}"#, &names);
    assert_eq!(read.map(Leaves::into_value), Some(json!({"b": 1})));
    let list = compiled(&json!({"type": "array"}));
    assert_eq!(list.leaves(b"[]", &names), None);
}

fn schema() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!({})),
        Just(json!(true)),
        Just(json!(false)),
        Just(json!({"type": "integer"})),
        Just(json!({"type": "integer", "minimum": 0, "exclusiveMaximum": 3})),
        Just(json!({"type": ["number", "null"], "maximum": 1.5})),
        Just(json!({"type": "string", "minLength": 1, "maxLength": 2})),
        Just(json!({"maxLength": 1, "minimum": 1})),
        Just(json!({"enum": ["a", "bb"]})),
        Just(json!({"enum": ["a", null, 1]})),
        Just(json!({"const": "a"})),
        Just(json!({"type": "string", "pattern": "^a"})),
        Just(json!({"type": "string", "format": "date"})),
        Just(json!({"type": "boolean"})),
        Just(json!({"not": {"type": "null"}})),
        Just(json!({"multipleOf": 2})),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let properties = prop::collection::btree_map("[abc]", inner.clone(), 0..3);
        let required = prop::collection::btree_set("[abc]", 0..3);
        let object = (properties, required, prop::option::of(inner.clone()));
        let object = object.prop_map(|(properties, required, others)| {
            let mut schema =
                json!({"type": "object", "properties": properties, "required": required});
            if let Some(others) = others {
                schema["additionalProperties"] = others;
            }
            schema
        });
        let array = (inner.clone(), 0_u8..3, any::<bool>()).prop_map(|(items, least, typed)| {
            let mut schema = json!({"items": items, "minItems": least, "maxItems": 3});
            if typed {
                schema["type"] = json!("array");
            }
            schema
        });
        let either = (inner.clone(), inner).prop_map(|(a, b)| json!({"anyOf": [a, b]}));
        prop_oneof![4 => object, 2 => array, 1 => either]
    })
}

/// Texts of documents, now and then with a member twice.
fn document() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        prop::sample::select(vec![
            "null",
            "true",
            "0",
            "1",
            "2",
            "3",
            "-1",
            "1.0",
            "1.5",
            "2.0",
            "1e0",
            "-0",
            "1e400",
            "9007199254740993",
            "18446744073709551616",
            "\"\"",
            "\"a\"",
            "\"bb\"",
            "\"é🚀\"",
            "\"\\u0061\"",
            "\"2026-11-22\"",
            "\"\\ud83d\\ude80\"",
            "\"\\ud83d\"",
            "nul",
            "01",
        ])
        .prop_map(str::to_owned),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let member = ("(a|b|c|d|\\\\u0061)", inner.clone());
        let object = prop::collection::vec(member, 0..4).prop_map(|members| {
            let members = members
                .iter()
                .map(|(name, value)| format!("\"{name}\" :{value}"));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        });
        let array =
            prop::collection::vec(inner, 0..4).prop_map(|items| format!("[{}]", items.join(" ,")));
        prop_oneof![3 => object, 1 => array]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    /// Whatever is accepted here, the full reading accepts, and what is kept is what it would give.
    #[test]
    fn nothing_is_accepted_that_a_full_reading_refuses(schema in schema(), text in document()) {
        let Ok(validator) = JsonValidator::compile_with(&schema.to_string(), Formats::Assert) else {
            return Ok(());
        };
        let Some(kept) = accepted(&validator, &text, Keep::Whole) else {
            return Ok(());
        };
        let full = parse(text.as_bytes());
        prop_assert!(full.is_ok(), "{text} is no JSON");
        prop_assert!(validator.check(text.as_bytes()).is_ok(), "{schema} refuses {text}");
        prop_assert_eq!(kept, full.ok());
        prop_assert_eq!(accepted(&validator, &text, Keep::Nothing), Some(None));
    }

    /// The scalars that are read are those of the document, and there are none where a full reading refuses it.
    #[test]
    fn scalars_are_read_as_the_whole_has_them(
        schema in schema(), text in document(), names in prop::collection::btree_set("[a-d]", 0..4),
    ) {
        let Ok(validator) = JsonValidator::compile_with(&schema.to_string(), Formats::Assert) else {
            return Ok(());
        };
        let Some(leaves) = validator.leaves(text.as_bytes(), &names) else {
            return Ok(());
        };
        prop_assert!(validator.check(text.as_bytes()).is_ok(), "{schema} refuses {text}");
        let mut whole = parse(text.as_bytes()).expect("is JSON");
        whole.as_object_mut().expect("an object").retain(|name, _| names.contains(name));
        prop_assert_eq!(leaves.into_value(), whole);
    }
}
