use super::super::{Level, Policy, Version, check};
use super::*;
use crate::judges;
use crate::source::{Import, SchemaType};
use serde_json::Value;

fn source<'a>(text: &'a str, imports: &'a [Import<'a>]) -> Source<'a> {
    Source {
        ty: SchemaType::Protobuf,
        text,
        imports,
    }
}

fn compare(
    old: &Source<'_>,
    new: &Source<'_>,
    direction: Direction,
) -> Result<Compared, SchemaError> {
    super::compare(&read(old)?, &read(new)?, direction)
}

fn differences(old: &str, new: &str) -> Vec<Difference> {
    let (old, new) = (source(old, &[]), source(new, &[]));
    compare(&old, &new, Direction::NewReadsOld)
        .expect("schemas")
        .differences
}

/// `KIND path` of those with the verdict, sorted.
fn told(found: &[Difference], verdict: Verdict) -> Vec<String> {
    let wanted = found.iter().filter(|one| one.verdict == verdict);
    let mut told: Vec<String> = wanted
        .map(|one| format!("{} {}", one.kind, one.path))
        .collect();
    told.sort();
    told.dedup();
    told
}

fn imports_of<'a>(case: &'a Value, key: &str) -> Vec<Import<'a>> {
    let list = case.get(key).and_then(Value::as_array);
    let list = list.into_iter().flatten();
    list.map(|one| Import {
        name: one["name"].as_str().expect("a name"),
        text: one["dependency"].as_str().expect("a text"),
    })
    .collect()
}

#[test]
fn verdicts_are_those_of_the_reference() {
    let Some(cases) = judges::json("registry/protobuf-diff-schema-examples.json") else {
        return;
    };
    let cases = cases.as_array().expect("a list");
    for case in cases {
        let name = &case["description"];
        let text = |key: &str| case[key].as_str().expect("a text");
        let (old_imports, new_imports) = (
            imports_of(case, "original_dependencies"),
            imports_of(case, "update_dependencies"),
        );
        let old = source(text("original_schema"), &old_imports);
        let new = source(text("update_schema"), &new_imports);
        let found = compare(&old, &new, Direction::NewReadsOld)
            .expect("schemas")
            .differences;
        let expected = case["changes"].as_array().expect("a list");
        let mut expected: Vec<&str> = expected.iter().filter_map(Value::as_str).collect();
        expected.sort_unstable();
        let mut judged = told(&found, Verdict::Compatible);
        let incompatible = told(&found, Verdict::Incompatible);
        judged.extend(incompatible.iter().cloned());
        judged.sort();
        assert_eq!(judged, expected, "{name}");
        assert_eq!(
            incompatible.is_empty(),
            case["compatible"] == Value::Bool(true),
            "{name}"
        );
    }
    assert!(cases.len() >= 20, "{} cases", cases.len());
}

const HEAD: &str = "syntax = \"proto3\";";

#[test]
fn holes_are_told() {
    // What the message holds before and after, and what is unjudged about it.
    let cases = [
        (
            "int32 x = 1;",
            "repeated int32 x = 1;",
            "FIELD_CARDINALITY_CHANGED #/M/1",
        ),
        (
            "repeated string x = 1;",
            "string x = 1;",
            "FIELD_CARDINALITY_CHANGED #/M/1",
        ),
        (
            "repeated M x = 1;",
            "M x = 1;",
            "FIELD_CARDINALITY_CHANGED #/M/1",
        ),
        ("int32 x = 1;", "int32 x = 2;", "FIELD_NUMBER_CHANGED #/M/2"),
        ("int32 x = 1;", "int32 y = 1;", "FIELD_NUMBER_REUSED #/M/1"),
        ("reserved 5;", "int32 x = 5;", "RESERVED_NUMBER_USED #/M/5"),
        (
            "reserved 5 to max;",
            "int32 x = 7;",
            "RESERVED_NUMBER_USED #/M/7",
        ),
        (
            "reserved \"x\";",
            "int32 x = 5;",
            "RESERVED_NAME_USED #/M/5",
        ),
        (
            "int32 x = 1;",
            "int32 x = 1 [json_name = \"y\"];",
            "FIELD_JSON_NAME_CHANGED #/M/1",
        ),
        ("int64 x = 1;", "int32 x = 1;", "FIELD_TYPE_NARROWED #/M/1"),
        ("int32 x = 1;", "uint32 x = 1;", "FIELD_TYPE_NARROWED #/M/1"),
        ("bytes x = 1;", "string x = 1;", "FIELD_TYPE_NARROWED #/M/1"),
        (
            "fixed32 x = 1;",
            "sfixed32 x = 1;",
            "FIELD_TYPE_NARROWED #/M/1",
        ),
        (
            "map<int32, int64> x = 1;",
            "map<int32, int32> x = 1;",
            "FIELD_TYPE_NARROWED #/M/1",
        ),
        (
            "enum E { A = 0; B = 1; } E x = 1;",
            "enum E { A = 0; } E x = 1;",
            "ENUM_VALUE_UNKNOWN #/M/E/1",
        ),
        (
            "enum E { A = 0; B = 1; } E x = 1;",
            "enum E { A = 0; C = 1; } E x = 1;",
            "ENUM_VALUE_REUSED #/M/E/1",
        ),
        (
            "enum E { A = 0; B = 1; } E x = 1;",
            "enum E { A = 0; B = 1; } enum F { Z = 0; } F x = 1;",
            "ENUM_VALUE_REUSED #/M/1/0|ENUM_VALUE_UNKNOWN #/M/1/1",
        ),
        (
            "enum E { A = 0; B = 1; C = 2; } E x = 1;",
            "enum E { A = 0; C = 1; B = 2; } E x = 1;",
            "ENUM_VALUE_RENUMBERED #/M/E/1|ENUM_VALUE_RENUMBERED #/M/E/2|ENUM_VALUE_REUSED #/M/E/1|ENUM_VALUE_REUSED #/M/E/2",
        ),
        (
            "string x = 1;",
            "oneof c { int32 x = 1; }",
            "FIELD_MOVED_AND_CHANGED #/M/1",
        ),
        (
            "oneof a { string x = 1; } oneof b { string y = 2; }",
            "oneof c { string x = 1; string y = 2; }",
            "ONEOFS_MERGED #/M/c",
        ),
    ];
    for (old, new, expected) in cases {
        let text = |members: &str| format!("{HEAD} message M {{ {members} }}");
        let found = differences(&text(old), &text(new));
        assert_eq!(
            told(&found, Verdict::Unjudged).join("|"),
            expected,
            "{old} -> {new}"
        );
        assert_eq!(
            told(&found, Verdict::Incompatible),
            Vec::<String>::new(),
            "{old} -> {new}"
        );
    }
}

#[test]
fn holes_of_proto2_are_told() {
    let cases = [
        (
            "optional int32 x = 1 [default = 1];",
            "optional int32 x = 1;",
            "FIELD_DEFAULT_CHANGED #/M/1",
        ),
        (
            "optional string x = 1;",
            "required string x = 1;",
            "FIELD_BECAME_REQUIRED #/M/1",
        ),
        (
            "optional group G = 1 { optional int32 a = 1; }",
            "optional group G = 1 { optional int64 a = 1; }",
            "GROUP_CHANGED #/M/1",
        ),
        (
            "optional group G = 1 { optional int32 a = 1; }",
            "optional int32 a = 1;",
            "GROUP_CHANGED #/M/1",
        ),
        (
            "extensions 5 to 9; extend M { optional int32 e = 5; }",
            "extensions 5 to 9; extend M { optional int64 e = 5; }",
            "EXTENSION_CHANGED #/M/5",
        ),
        (
            "optional int32 x = 1 [default = 0];",
            "optional int32 x = 1;",
            "",
        ),
    ];
    for (old, new, expected) in cases {
        let text = |members: &str| format!("syntax = \"proto2\"; message M {{ {members} }}");
        let found = differences(&text(old), &text(new));
        assert_eq!(
            told(&found, Verdict::Unjudged).join("|"),
            expected,
            "{old} -> {new}"
        );
    }
    let found = differences(
        "message M { optional int32 x = 1; }",
        &format!("{HEAD} message M {{ int32 x = 1; }}"),
    );
    assert_eq!(told(&found, Verdict::Unjudged), ["SYNTAX_CHANGED #/"]);
}

#[test]
fn widening_is_sound() {
    for (old, new) in [
        ("int32 x = 1;", "int64 x = 1;"),
        ("uint32 x = 1;", "int64 x = 1;"),
        ("bool x = 1;", "int32 x = 1;"),
        ("string x = 1;", "bytes x = 1;"),
        (
            "enum E { A = 0; } E x = 1;",
            "enum E { A = 0; B = 1; } E x = 1;",
        ),
        ("enum E { A = 0; } E x = 1;", "int32 x = 1;"),
        ("string x = 1;", "oneof c { string x = 1; string y = 2; }"),
        (
            "oneof c { string x = 1; string y = 2; }",
            "string x = 1; string y = 2;",
        ),
        ("int32 x = 1; int32 y = 2;", "int32 x = 1; reserved 2;"),
        ("map<string, int32> x = 1;", "map<string, int64> x = 1;"),
    ] {
        let text = |members: &str| format!("{HEAD} message M {{ {members} }}");
        let found = differences(&text(old), &text(new));
        assert_eq!(
            told(&found, Verdict::Unjudged),
            Vec::<String>::new(),
            "{old} -> {new}"
        );
    }
}

#[test]
fn messages_are_those_of_the_reference() {
    let old = source(
        "syntax = \"proto3\"; package a; message M { int32 x = 1; }",
        &[],
    );
    let new = source(
        "syntax = \"proto3\"; package b; message M { string x = 1; }",
        &[],
    );
    let previous = [Version {
        number: 3,
        schema: old,
    }];
    let report = check(Level::Full, Policy::Strict, &new, &previous).expect("schemas");
    let told: Vec<String> = report
        .incompatible
        .iter()
        .map(|one| one.difference.to_string())
        .collect();
    assert_eq!(
        told,
        [
            "{errorType:\"PACKAGE_CHANGED\", description:\"The package at '#/' in the new schema does not match the package in the old schema\"}",
            "{errorType:\"FIELD_SCALAR_KIND_CHANGED\", description:\"The kind of a SCALAR field at path '#/M/1' in the new schema does not match its kind in the old schema\"}",
            "{errorType:\"PACKAGE_CHANGED\", description:\"The package at '#/' in the old schema does not match the package in the new schema\"}",
            "{errorType:\"FIELD_SCALAR_KIND_CHANGED\", description:\"The kind of a SCALAR field at path '#/M/1' in the old schema does not match its kind in the new schema\"}",
        ]
    );
}

#[test]
fn written_out_map_entries_are_maps() {
    let map = format!("{HEAD} package p; message M {{ map<string, M> m = 1; }}");
    let entries = format!(
        "{HEAD} package p; message M {{ repeated .p.M.MEntry m = 1; \
         message MEntry {{ option map_entry = true; string key = 1; .p.M value = 2; }} }}"
    );
    assert_eq!(differences(&map, &entries), []);
    assert_eq!(differences(&entries, &map), []);
    let other = format!(
        "{HEAD} package p; message M {{ repeated E m = 1; message E {{ string key = 1; M value = 2; }} }}"
    );
    assert_eq!(
        told(&differences(&map, &other), Verdict::Incompatible),
        ["FIELD_KIND_CHANGED #/M/1"]
    );
}

/// Comparing every message at each of its uses would take 2^40 steps.
#[test]
fn imported_messages_are_compared_once() {
    let chain = |last: &str| {
        let mut text = format!("{HEAD} package x; message L40 {{ {last} }}");
        for n in 0..40 {
            text += &format!(" message L{n} {{ L{0} a = 1; L{0} b = 2; }}", n + 1);
        }
        text
    };
    let main = format!("{HEAD} import \"x\"; message M {{ x.L0 a = 1; M m = 2; }}");
    let (a, b) = (
        chain("int32 v = 1; L0 again = 2;"),
        chain("string v = 1; L0 again = 2;"),
    );
    let (old, new) = (
        [Import {
            name: "x",
            text: &a,
        }],
        [Import {
            name: "x",
            text: &b,
        }],
    );
    let found = compare(
        &source(&main, &old),
        &source(&main, &new),
        Direction::NewReadsOld,
    )
    .expect("schemas")
    .differences;
    let found = told(&found, Verdict::Incompatible);
    assert!(
        found.contains(&"FIELD_SCALAR_KIND_CHANGED #/L40/1".to_owned()),
        "{found:?}"
    );
    assert!(
        found.contains(&"FIELD_NAMED_TYPE_CHANGED #/M/1".to_owned()),
        "{found:?}"
    );
    assert!(
        found.contains(&"FIELD_NAMED_TYPE_CHANGED #/L7/2".to_owned()),
        "{found:?}"
    );
}

#[test]
fn reserved_fields_are_those_of_the_first_message() {
    let text = format!(
        "{HEAD} message M {{ int32 a = 1; oneof c {{ int32 b = 2; }} }} message N {{ int32 d = 1; }}"
    );
    let source = source(&text, &[]);
    for (name, expected) in [("a", true), ("b", true), ("c", false), ("d", false)] {
        assert_eq!(
            has_top_level_field(&source, name).expect("a schema"),
            expected,
            "{name}"
        );
    }
}

#[test]
fn witnesses_show_what_is_lost() {
    let cases = [
        (
            "int64 a = 1;",
            "int32 a = 1;",
            "bytes 08 80 80 80 80 80 20: old reads {\"a\":1099511627776}, new reads {}",
        ),
        (
            "int32 a = 1;",
            "int32 a = 2;",
            "bytes 08 01: old reads {\"a\":1}, new reads {}",
        ),
        (
            "int32 a = 1;",
            "int32 b = 1;",
            "bytes 08 01: old reads {\"a\":1}, new reads {\"b\":1}",
        ),
        (
            "bytes a = 1;",
            "string a = 1;",
            "bytes 0a 01 61: old reads {\"a\":\"61\"}, new reads {\"a\":\"a\"}",
        ),
        (
            "repeated string a = 1;",
            "string a = 1;",
            "bytes 0a 01 61 0a 01 61: old reads {\"a\":[\"a\",\"a\"]}, new reads {\"a\":\"a\"}",
        ),
        (
            "oneof x { int32 a = 1; } oneof y { int32 b = 2; }",
            "oneof z { int32 a = 1; int32 b = 2; }",
            "bytes 08 01 10 01: old reads {\"a\":1,\"b\":1}, new reads {\"b\":1}",
        ),
    ];
    for (old, new, expected) in cases {
        let text = |members: &str| format!("{HEAD} package p; message M {{ {members} }}");
        let (old, new) = (text(old), text(new));
        let (old, new) = (source(&old, &[]), source(&new, &[]));
        let found = compare(&old, &new, Direction::NewReadsOld)
            .expect("schemas")
            .differences;
        let hole = found
            .iter()
            .find(|one| one.verdict == Verdict::Unjudged)
            .expect("a hole");
        let witness = witness(&old, &new, Direction::NewReadsOld, hole).expect("schemas");
        assert_eq!(witness.as_deref(), Some(expected), "{hole:?}");
    }
}

/// Neither may take long; a test that hangs has failed.
#[test]
fn large_schemas_are_compared_quickly() {
    let text = |ty: &str, reserved: usize, from: usize| {
        let fields: String = (0..20_000)
            .map(|n| format!("{ty} f{}={};", n + from, n + 20_000))
            .collect();
        let names: String = (0..reserved)
            .map(|n| format!("reserved \"f{}\";", n + 1_000_000))
            .collect();
        let values: String = (0..9_000).map(|n| format!("V{n}={n};")).collect();
        format!("{HEAD} message M {{ {fields} {names} }} enum E {{ {values} }}")
    };
    let old = text("int32", 10_000, 0);
    let found = differences(&old, &text("string", 0, 1_000_000));
    assert!(found.len() > 60_000, "{}", found.len());
    let report = &found[0];
    let (old, new) = (source(&old, &[]), source(&old, &[]));
    let witness = witness(&old, &new, Direction::NewReadsOld, report).expect("schemas");
    assert_eq!(witness, None, "a schema reads its own data");
}
