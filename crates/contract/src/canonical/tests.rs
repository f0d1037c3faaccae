//! Canonical texts and GUIDs against the reference's.

use super::*;
use crate::judges;
use crate::source::Import;
use serde_json::json;

fn avro(text: &str) -> String {
    canonical(&Source::new(SchemaType::Avro, text)).expect("valid schema")
}

#[test]
fn avro_is_written_as_java_writes_it() {
    for (given, stored) in [
        (r#" {"type": "string"} "#, r#""string""#),
        (r#"{"type": "string", "doc": "dropped"}"#, r#""string""#),
        (
            r#"{"logicalType": "date", "type": "int"}"#,
            r#"{"type":"int","logicalType":"date"}"#,
        ),
        (
            r#"{"items": {"type": "long"}, "type": "array"}"#,
            r#"{"type":"array","items":"long"}"#,
        ),
        (
            r#"{"type": "record", "fields": [
                {"type": ["null", {"type": "string"}], "name": "a", "default": null, "x": 1, "doc": "d", "order": "ascending"},
                {"type": "string", "aliases": ["c"], "order": "ignore", "name": "b"}
               ], "name": "a.b.R", "aliases": ["a.b.S", "c.T"], "owner": {"z": 1, "a": 2}, "doc": "D"}"#,
            concat!(
                r#"{"type":"record","name":"R","namespace":"a.b","doc":"D","fields":["#,
                r#"{"name":"a","type":["null","string"],"doc":"d","default":null,"x":1},"#,
                r#"{"name":"b","type":"string","order":"ignore","aliases":["c"]}],"#,
                r#""owner":{"z":1,"a":2},"aliases":["S","c.T"]}"#
            ),
        ),
        (
            r#"{"type": "record", "name": "R", "namespace": "n", "fields": [
                {"name": "e", "type": {"type": "enum", "name": "E", "namespace": "n", "default": "A", "symbols": ["A"]}},
                {"name": "f", "type": {"type": "fixed", "name": "o.F", "size": 2}},
                {"name": "g", "type": ["n.E", "o.F", {"type": "n.R", "x": 1}]},
                {"name": "h", "type": {"type": "fixed", "name": "G", "namespace": "", "size": 2}},
                {"name": "i", "type": "G"}
               ]}"#,
            concat!(
                r#"{"type":"record","name":"R","namespace":"n","fields":["#,
                r#"{"name":"e","type":{"type":"enum","name":"E","symbols":["A"],"default":"A"}},"#,
                r#"{"name":"f","type":{"type":"fixed","name":"F","namespace":"o","size":2}},"#,
                r#"{"name":"g","type":["E","o.F","R"]},"#,
                r#"{"name":"h","type":{"type":"fixed","name":"G","namespace":"","size":2}},"#,
                r#"{"name":"i","type":"G"}]}"#
            ),
        ),
    ] {
        assert_eq!(avro(given), stored);
        assert_eq!(avro(stored), stored, "canonical is a fixed point");
    }
}

#[test]
fn names_of_referenced_types_stay_names() {
    let user = r#"{"type": "record", "name": "n.User", "fields": []}"#;
    let order =
        r#"{"type": "record", "name": "n.Order", "fields": [{"name": "by", "type": "n.User"}]}"#;
    let imports = [Import {
        name: "n.User",
        text: user,
    }];
    let source = Source {
        imports: &imports,
        ..Source::new(SchemaType::Avro, order)
    };
    assert_eq!(
        canonical(&source).as_deref(),
        Ok(
            r#"{"type":"record","name":"Order","namespace":"n","fields":[{"name":"by","type":"User"}]}"#
        )
    );
    assert!(canonical(&Source::new(SchemaType::Avro, order)).is_err());
}

#[test]
fn json_keeps_the_order_of_its_members() {
    let json = |text: &str| canonical(&Source::new(SchemaType::Json, text));
    let given = "{ \"type\" : \"object\",\n \"properties\": {\"b\": {}, \"a\": true} }";
    assert_eq!(
        json(given).as_deref(),
        Ok(r#"{"type":"object","properties":{"b":{},"a":true}}"#)
    );
    assert_eq!(
        json(r#"{"$schema": "urn:own"}"#).as_deref(),
        Ok(r#"{"$schema":"urn:own"}"#)
    );
    assert_eq!(json("true").as_deref(), Ok("true"));
    for bad in ["7", "{", r#"{"type": 7}"#] {
        assert!(json(bad).is_err(), "{bad}");
    }
}

#[test]
fn json_keeps_numbers_and_strings_as_jackson_does() {
    let json = |text: &str| canonical(&Source::new(SchemaType::Json, text));
    for (given, stored) in [
        (
            r#"{"maximum": 1.0, "minimum": 0.10, "multipleOf": 1e2}"#,
            r#"{"maximum":1.0,"minimum":0.10,"multipleOf":1E+2}"#,
        ),
        (
            r#"{"const": 12345678901234567890123456}"#,
            r#"{"const":12345678901234567890123456}"#,
        ),
        (
            r#"{"title": "\u00e9\/\u0001\t\ud83d\ude00 \"q\" \\"}"#,
            "{\"title\":\"é/\\u0001\\t😀 \\\"q\\\" \\\\\"}",
        ),
        (
            r#"{"title": "a", "type": "string", "title": "b"}"#,
            r#"{"title":"b","type":"string"}"#,
        ),
        (
            r#"{"enum": [ [ ] , { } , [1 , {"a" : null}] ]}"#,
            r#"{"enum":[[],{},[1,{"a":null}]]}"#,
        ),
    ] {
        assert_eq!(json(given).as_deref(), Ok(stored));
        assert_eq!(
            json(stored).as_deref(),
            Ok(stored),
            "canonical is a fixed point"
        );
    }
}

#[test]
fn references_that_name_nothing_are_refused() {
    let json = |text: &str| canonical(&Source::new(SchemaType::Json, text));
    for (text, reference) in [
        (r##"{"$ref": "#/definitions/none"}"##, "#/definitions/none"),
        (
            r#"{"properties": {"a": {"$ref": "other.json"}}}"#,
            "other.json",
        ),
        (
            r#"{"items": {"$ref": "http://example.com/x.json"}}"#,
            "http://example.com/x.json",
        ),
        (
            r##"{"definitions": {"a": {"$ref": "#nowhere"}}, "$ref": "#/definitions/a"}"##,
            "#nowhere",
        ),
    ] {
        let problem = json(text).expect_err(text).to_string();
        assert!(problem.contains(&format!("`{reference}`")), "{problem}");
    }
    for text in [
        r##"{"definitions": {"unused": {"$ref": "#/none"}}}"##,
        r##"{"definitions": {"a%b": {}}, "$ref": "#/definitions/a%25b"}"##,
        r##"{"$ref": "http://json-schema.org/draft-07/schema#"}"##,
        r##"{"properties": {"$ref": {"type": "string"}}}"##,
        r##"{"enum": [{"$ref": "#/none"}]}"##,
    ] {
        assert!(json(text).is_ok(), "{text}: {:?}", json(text));
    }
    let imports = [Import {
        name: "other.json",
        text: "{}",
    }];
    let text = r#"{"properties": {"a": {"$ref": "other.json"}}}"#;
    let source = Source {
        imports: &imports,
        ..Source::new(SchemaType::Json, text)
    };
    assert!(canonical(&source).is_ok());
}

#[test]
fn normalized_texts_are_one_for_all_orders() {
    let json = |text: &str| normalized(&Source::new(SchemaType::Json, text));
    let given = r#"{"type": "object", "properties": {"b": {"title": "x", "const": 1.50}, "a": {}}, "required": ["b", "a"]}"#;
    assert_eq!(
        json(given).as_deref(),
        Ok(
            r#"{"properties":{"a":{},"b":{"const":1.50,"title":"x"}},"required":["b","a"],"type":"object"}"#
        )
    );
    let avro = |text: &str| normalized(&Source::new(SchemaType::Avro, text));
    for (given, stored) in [
        (
            r#"{"z": 1, "type": "int", "logicalType": "date", "a": {"d": 1, "c": 2}}"#,
            r#"{"type":"int","logicalType":"date","a":{"c":2,"d":1},"z":1}"#,
        ),
        (
            r#"{"type": "bytes", "scale": 2, "logicalType": "decimal", "precision": 4, "b": 1}"#,
            r#"{"type":"bytes","logicalType":"decimal","precision":4,"scale":2,"b":1}"#,
        ),
        (
            r#"{"type": "error", "name": "n.R", "doc": "", "aliases": ["z", "a", "b.c"], "fields": [
            {"name": "f", "type": "double", "default": 1, "y": 1, "x": 2, "aliases": ["h", "g"], "doc": ""}]}"#,
            concat!(
                r#"{"type":"record","name":"R","namespace":"n","fields":[{"name":"f","type":"double","doc":"","default":1.0,"#,
                r#""aliases":["g","h"],"x":2,"y":1}],"aliases":["b.c","a","z"]}"#
            ),
        ),
    ] {
        assert_eq!(avro(given).as_deref(), Ok(stored));
        assert_eq!(
            avro(stored).as_deref(),
            Ok(stored),
            "normalized is a fixed point"
        );
    }
}

#[test]
fn judge_golden_guids() {
    let Some(golden) = judges::json("registry/schema-md5-golden-data.json") else {
        return;
    };
    let list = golden["references"].as_array().expect("a list");
    let references: Vec<ReferenceName<'_>> = list
        .iter()
        .map(|reference| ReferenceName {
            name: reference["name"].as_str().expect("text"),
            subject: reference["subject"].as_str().expect("text"),
            version: i32::try_from(reference["version"].as_i64().expect("a number"))
                .expect("small"),
        })
        .collect();
    for (ty, hashes) in golden["expectedHashes"].as_object().expect("an object") {
        let text = golden["schemas"][ty.to_lowercase()].as_str().expect("text");
        for (parts, expected) in hashes.as_object().expect("an object") {
            let has = |at: usize| parts.as_bytes()[at] == b'1';
            let guid = guid_of(&GuidInput {
                text,
                references: if has(0) { &references } else { &[] },
                metadata: has(1).then_some(&golden["metadata"]),
                rule_set: has(2).then_some(&golden["rules"]),
            });
            let hex: String = guid.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(
                json!(hex),
                json!(expected.as_str().expect("text").replace('-', "")),
                "{ty} {parts}"
            );
        }
    }
}

/// Apache Avro's own cases: what differs for it only in form has one canonical text here too, and it is valid.
#[test]
fn judge_avro_schema_tests() {
    let Some(text) = judges::text("registry/schema-tests.txt") else {
        return;
    };
    let mut count = 0;
    for case in text.split("<<INPUT").skip(1) {
        // Longer ones are written between `<<INPUT` and a line `INPUT`.
        let input = case.split("\n<<").next().unwrap_or(case);
        let input = input
            .split("\nINPUT")
            .next()
            .unwrap_or(input)
            .split("\n//")
            .next()
            .expect("one");
        let Ok(once) = canonical(&Source::new(SchemaType::Avro, input)) else {
            continue;
        };
        assert_eq!(avro(&once), once);
        count += 1;
    }
    assert!(count > 20, "only {count} cases read");
}
