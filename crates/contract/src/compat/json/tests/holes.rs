//! What the reference overlooks: its verdict stays, and we say that nobody judged.

use super::*;

/// Changes that the reference lets pass, each of which breaks some document.
pub(crate) const HOLES: &[(&str, &str, &str)] = &[
    (
        r#"{"type": "object"}"#,
        r#"{"type": "object", "patternProperties": {"^a": {"type": "string"}}, "additionalProperties": true}"#,
        "PATTERN_PROPERTIES_NOT_COMPARED #/patternProperties/^a",
    ),
    (
        r#"{"patternProperties": {"^a": {"type": "string"}}}"#,
        r#"{"patternProperties": {"^a": {"type": "integer"}}}"#,
        "PATTERN_PROPERTIES_NOT_COMPARED #/patternProperties/^a",
    ),
    (
        r#"{"patternProperties": {"^a": {"type": "string"}}, "additionalProperties": false}"#,
        r#"{"patternProperties": {"^b": {"type": "string"}}, "additionalProperties": false}"#,
        "PATTERN_PROPERTIES_NOT_COMPARED #/patternProperties/^a",
    ),
    (
        r#"{"patternProperties": {"^x": {"type": "string"}}}"#,
        r#"{"patternProperties": {"^x": {"type": "string"}}, "properties": {"a": {"type": "string"}}}"#,
        "PATTERN_PROPERTIES_NOT_COMPARED #/properties/a",
    ),
    (
        r#"{"type": "object", "properties": {"ab": {"type": "string"}}, "additionalProperties": false}"#,
        r#"{"type": "object", "properties": {"ab": {"type": "string"}}, "patternProperties": {"b": {"maxLength": 3}}, "additionalProperties": false}"#,
        "PATTERN_PROPERTIES_NOT_COMPARED #/patternProperties/b",
    ),
    (
        r#"{"type": "object"}"#,
        r#"{"type": "object", "propertyNames": {"pattern": "^[a-z]*$"}}"#,
        "PROPERTY_NAMES_NOT_COMPARED #/propertyNames",
    ),
    (
        r#"{"type": "object", "propertyNames": {"maxLength": 5}}"#,
        r#"{"type": "object", "propertyNames": {"maxLength": 4}}"#,
        "PROPERTY_NAMES_NOT_COMPARED #/propertyNames",
    ),
    (
        r#"{"$schema": "http://json-schema.org/draft-07/schema#", "type": "array"}"#,
        r#"{"$schema": "http://json-schema.org/draft-07/schema#", "type": "array", "contains": {"type": "string"}}"#,
        "CONTAINS_NOT_COMPARED #/contains",
    ),
    (
        r#"{"type": "array", "contains": {"type": "number"}}"#,
        r#"{"type": "array", "contains": {"type": "integer"}}"#,
        "CONTAINS_NOT_COMPARED #/contains",
    ),
    (
        r#"{"if": {"type": "string"}, "then": {"maxLength": 5}}"#,
        r#"{"if": {"type": "string"}, "then": {"maxLength": 3}}"#,
        "CONDITIONAL_NOT_COMPARED #/if",
    ),
    (
        r#"{"type": "string"}"#,
        r#"{"type": "string", "format": "date"}"#,
        "FORMAT_NOT_COMPARED #/format",
    ),
    (
        r#"{"type": "string", "format": "date"}"#,
        r#"{"type": "string", "format": "date-time"}"#,
        "FORMAT_NOT_COMPARED #/format",
    ),
    (
        r#"{"type": "object"}"#,
        r#"{"type": "object", "required": ["a"]}"#,
        "REQUIRED_NOT_COMPARED #/required/a",
    ),
    (
        r#"{"type": "object", "properties": {"a": {"type": "string"}}}"#,
        r#"{"type": "object", "required": ["a"]}"#,
        "REQUIRED_NOT_COMPARED #/required/a",
    ),
    (
        r#"{"$schema": "http://json-schema.org/draft-07/schema#", "type": "string"}"#,
        r#"{"$schema": "http://json-schema.org/draft-07/schema#", "type": "string", "contentEncoding": "base64"}"#,
        "CONTENT_NOT_COMPARED #/contentEncoding",
    ),
    (
        r#"{"properties": {"a": {"type": "string"}}}"#,
        r#"{"type": "object", "properties": {"a": {"type": "string"}}}"#,
        "TYPE_NOT_COMPARED #/",
    ),
    (
        r#"{"minimum": 1}"#,
        r#"{"type": "number", "minimum": 1}"#,
        "TYPE_NOT_COMPARED #/",
    ),
    (
        r#"{"type": "object", "properties": {"a": {}}}"#,
        r#"{"type": "object", "properties": {"a": {"default": 1}}, "required": ["a"]}"#,
        "DEFAULT_NOT_COMPARED #/required/a",
    ),
    (
        r#"{"type": "string"}"#,
        r#"{"oneOf": [{"type": "string"}, {"maxLength": 3}]}"#,
        "ONE_OF_NOT_COMPARED #/oneOf",
    ),
    (
        r#"{"oneOf": [{"type": "string", "minLength": 5}, {"type": "string", "maxLength": 3}]}"#,
        r#"{"oneOf": [{"type": "string", "minLength": 3}, {"type": "string", "maxLength": 3}]}"#,
        "ONE_OF_NOT_COMPARED #/oneOf",
    ),
    (
        r#"{"oneOf": [{"type": "string"}]}"#,
        r#"{"oneOf": [{"type": "string"}, {"type": "string"}]}"#,
        "ONE_OF_NOT_COMPARED #/oneOf",
    ),
    (
        r#"{"type": "number", "exclusiveMaximum": 10, "maximum": 20}"#,
        r#"{"type": "number", "exclusiveMaximum": 5, "maximum": 20}"#,
        "EXCLUSIVE_MAXIMUM_NOT_COMPARED #/exclusiveMaximum",
    ),
    (
        r#"{"$schema": "http://json-schema.org/draft-04/schema#", "type": "number", "maximum": 10}"#,
        r#"{"$schema": "http://json-schema.org/draft-04/schema#", "type": "number", "maximum": 10, "exclusiveMaximum": true}"#,
        "EXCLUSIVE_MAXIMUM_NOT_COMPARED #/exclusiveMaximum",
    ),
    (
        r#"{"$schema": "http://json-schema.org/draft-04/schema#", "type": "number", "minimum": 10}"#,
        r#"{"$schema": "http://json-schema.org/draft-04/schema#", "type": "number", "minimum": 10, "exclusiveMinimum": true}"#,
        "EXCLUSIVE_MINIMUM_NOT_COMPARED #/exclusiveMinimum",
    ),
    (
        r#"{"type": "number", "multipleOf": 4}"#,
        r#"{"type": "number", "multipleOf": 2.5}"#,
        "MULTIPLE_OF_NOT_COMPARED #/multipleOf",
    ),
    (
        r#"{"type": "array", "additionalItems": false}"#,
        r#"{"type": "array", "items": [{"type": "string"}], "additionalItems": false}"#,
        "ITEMS_NOT_COMPARED #/items",
    ),
    (
        r#"{"not": {"type": "string"}}"#,
        r#"{"not": {"properties": {"a": {"type": "string"}}, "type": "object"}}"#,
        "",
    ),
    (
        r#"{"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "allOf": [{"properties": {"a": {"type": "string"}}}], "unevaluatedProperties": false}"#,
        r#"{"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "allOf": [{}], "unevaluatedProperties": false}"#,
        "UNEVALUATED_PROPERTIES_NOT_COMPARED",
    ),
];

#[test]
fn what_the_reference_overlooks_is_told_and_passes() {
    for (old, new, expected) in HOLES
        .iter()
        .filter(|(_, _, expected)| expected.contains('#'))
    {
        let (old, new): (Value, Value) = (
            serde_json::from_str(old).expect("JSON"),
            serde_json::from_str(new).expect("JSON"),
        );
        assert_eq!(
            refusals(&old, &new, Policy::Strict),
            [""; 0],
            "{old} to {new}"
        );
        assert_eq!(unjudged(&old, &new), [*expected], "{old} to {new}");
    }
}

#[test]
fn what_provably_loosens_is_not_told() {
    for (old, new) in [
        (
            json!({"type": "object", "patternProperties": {"^a": {"type": "integer"}}}),
            json!({"type": "object", "patternProperties": {"^a": {"type": "number"}}}),
        ),
        (
            json!({"type": "object", "patternProperties": {"^a": {"type": "integer"}}}),
            json!({"type": "object"}),
        ),
        (
            json!({"type": "object", "patternProperties": {"^a": {"type": "integer"}}, "additionalProperties": false}),
            json!({"type": "object", "patternProperties": {"^a": {"type": "integer"}, "^b": {"type": "integer"}}, "additionalProperties": false}),
        ),
        (
            json!({"type": "object", "propertyNames": {"maxLength": 3}}),
            json!({"type": "object", "propertyNames": {"maxLength": 4}}),
        ),
        (
            json!({"type": "object", "propertyNames": {"maxLength": 3}}),
            json!({"type": "object"}),
        ),
        (
            json!({"type": "array", "contains": {"type": "integer"}}),
            json!({"type": "array", "contains": {"type": "number"}}),
        ),
        (
            json!({"type": "array", "contains": {"type": "integer"}}),
            json!({"type": "array"}),
        ),
        (
            json!({"if": {"type": "string"}, "then": {"maxLength": 3}}),
            json!({"if": {"type": "string"}, "then": {"maxLength": 4}}),
        ),
        (
            json!({"type": "string", "format": "date"}),
            json!({"type": "string"}),
        ),
        (
            json!({"type": "object", "required": ["a", "b"]}),
            json!({"type": "object", "required": ["a"]}),
        ),
        (
            json!({"type": "string"}),
            json!({"oneOf": [{"type": "string"}, {"type": "null"}]}),
        ),
        (
            json!({"oneOf": [{"type": "string"}, {"maxLength": 2}]}),
            json!({"oneOf": [{"maxLength": 2}, {"type": "string"}]}),
        ),
        (
            json!({"type": "object", "properties": {"k": {"const": "a"}}, "required": ["k"]}),
            json!({"oneOf": [
            {"type": "object", "properties": {"k": {"const": "b"}}, "required": ["k"]},
            {"type": "object", "properties": {"k": {"const": "a"}}, "required": ["k"]}]}),
        ),
    ] {
        assert_eq!(
            refusals(&old, &new, Policy::Strict),
            [""; 0],
            "{old} to {new}"
        );
        assert_eq!(unjudged(&old, &new), [""; 0], "{old} to {new}");
    }
}
