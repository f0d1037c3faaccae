//! Schemas made to hurt: whatever a text is, it is answered, within bounds.
//!
//! Through the crate's public face, as a registry asks it. Bounds are counted, in steps and bytes, so that a slow machine
//! finds what a fast one does; what nothing counts has to end. What was found by fuzzing and concerns one file only
//! stands beside that file.

use contract::{
    canonical::{self, Format},
    compat::{
        self, Compared, Difference, Direction, Incompatibility, Level, Policy, Verdict, Version,
    },
    schema_error::SchemaError,
    source::{Import, SchemaType, Source},
    tags,
};
use proptest::prelude::*;
use std::fmt::Write;

/// The largest text that a registry takes.
const LARGEST: usize = 400 * 1024;

/// Most steps of one comparison, whatever the schemas are: a fifth of what a check may take.
const ONE_COMPARISON: usize = compat::MAX_STEPS / 5;

/// As many bytes of any schema cost a check one step at the least.
const BYTES_STEP: usize = 64;

/// Every form of a schema, and its tags.
fn forms(source: &Source<'_>) -> Result<String, SchemaError> {
    tags::list(source).ok();
    canonical::normalized(source).ok();
    for format in [
        Format::Resolved,
        Format::IgnoreExtensions,
        Format::Serialized,
    ] {
        canonical::formatted(source, format).ok();
    }
    canonical::canonical(source)
}

/// Both directions, both policies, and a search for examples.
fn compared(one: &Source<'_>, other: &Source<'_>) {
    for policy in [Policy::Strict, Policy::Lenient] {
        for (reader, writer) in [(one, other), (other, one)] {
            let Ok(found) = compat::compare_counted(reader, writer, policy) else {
                continue;
            };
            assert!(found.steps <= ONE_COMPARISON, "{} steps", found.steps);
            for difference in found.differences.into_iter().take(3) {
                let found = Incompatibility {
                    version: 1,
                    direction: Direction::NewReadsOld,
                    difference,
                };
                compat::witness(&found, reader, writer);
            }
        }
    }
}

/// Parts until the text is as large as may be.
fn filled(open: &str, part: impl Fn(usize) -> String, close: &str) -> String {
    let mut text = open.to_owned();
    for index in 0.. {
        let part = part(index);
        if text.len() + part.len() + close.len() + 1 > LARGEST {
            break;
        }
        if index > 0 && !open.starts_with("syntax") {
            text.push(',');
        }
        text.push_str(&part);
    }
    text + close
}

fn wide_record(ty: &str) -> String {
    filled(
        r#"{"type":"record","name":"R","fields":["#,
        |index| format!(r#"{{"name":"f{index}","type":{ty}}}"#),
        "]}",
    )
}

/// Records in a chain, each naming the next, every one of them without something that its reader needs.
fn chain(extra: &str) -> String {
    let mut text = String::from("\"null\"");
    let mut records = Vec::new();
    for index in 0..4_000 {
        let next = if index == 0 {
            "\"null\"".to_owned()
        } else {
            format!("\"R{}\"", index - 1)
        };
        records.push(format!(
            r#"{{"type":"record","name":"R{index}","fields":[{{"name":"n","type":{next}}}{extra}]}}"#
        ));
    }
    // as alternatives of a union, the last of them reaching all others
    text.insert(0, '[');
    for record in records {
        write!(text, ",{record}").expect("writes");
    }
    text + "]"
}

fn wide_unions(names: char) -> String {
    let branches: Vec<String> = (0..200)
        .map(|index| format!(r#"{{"type":"enum","name":"{names}{index}","symbols":["A"]}}"#))
        .collect();
    filled(
        &format!(
            r#"{{"type":"record","name":"R","fields":[{{"name":"u","type":[{}]}},"#,
            branches.join(",")
        ),
        |index| {
            let list: Vec<String> = (0..200)
                .map(|branch| format!("\"{names}{branch}\""))
                .collect();
            format!(r#"{{"name":"f{index}","type":[{}]}}"#, list.join(","))
        },
        "]}",
    )
}

fn wide_object(ty: &str) -> String {
    filled(
        r#"{"type":"object","properties":{"#,
        |index| format!(r#""p{index}":{ty}"#),
        "}}",
    )
}

fn alternatives(keyword: &str, part: &str) -> String {
    filled(
        &format!(r#"{{"{keyword}":["#),
        |index| part.replace('N', &index.to_string()),
        "]}",
    )
}

/// Long names on the way to many differences: what is told of each holds the whole way.
fn long_paths(leaf: &str) -> String {
    let name = "n".repeat(2_000);
    let mut open = String::new();
    for _ in 0..40 {
        write!(open, r#"{{"type":"object","properties":{{"{name}":"#).expect("writes");
    }
    filled(
        &(open + r#"{"type":"object","properties":{"#),
        |index| format!(r#""p{index}":{leaf}"#),
        &"}}".repeat(41),
    )
}

fn wide_message(ty: &str) -> String {
    filled(
        "syntax = \"proto3\"; message M {",
        |index| {
            format!(
                "{ty} f{index} = {};",
                if index < 18_999 {
                    index + 1
                } else {
                    index + 1_001
                }
            )
        },
        "}",
    )
}

fn many_messages(field: &str) -> String {
    filled(
        "syntax = \"proto3\"; package p;",
        |index| format!("message M{index} {{ {field} }}"),
        "",
    )
}

fn deep_messages(leaf: &str) -> String {
    let name = "N".repeat(500);
    let open: String = (0..28).map(|_| format!("message {name} {{")).collect();
    filled(
        &format!("syntax = \"proto3\"; {open}"),
        |index| {
            format!(
                "{leaf} f{index} = {};",
                if index < 18_999 {
                    index + 1
                } else {
                    index + 1_001
                }
            )
        },
        &"}".repeat(28),
    )
}

/// Pairs of texts, each as large as may be, that are made to be compared for long.
fn largest() -> Vec<(&'static str, SchemaType, String, String)> {
    use SchemaType::{Avro, Json, Protobuf};
    let pattern = |n: &str| format!(r#"{{"type":"string","pattern":"^({n}a+)+$"}}"#);
    vec![
        (
            "wide record",
            Avro,
            wide_record("\"int\""),
            wide_record("\"string\""),
        ),
        (
            "the same record",
            Avro,
            wide_record("\"int\""),
            wide_record("\"int\""),
        ),
        (
            "chain",
            Avro,
            chain(""),
            chain(r#",{"name":"x","type":"int"}"#),
        ),
        ("unions", Avro, wide_unions('E'), wide_unions('F')),
        (
            "enum",
            Avro,
            filled(
                r#"{"type":"enum","name":"E","symbols":["#,
                |i| format!("\"S{i}\""),
                "]}",
            ),
            filled(
                r#"{"type":"enum","name":"E","symbols":["#,
                |i| format!("\"T{i}\""),
                "]}",
            ),
        ),
        (
            "wide object",
            Json,
            wide_object(r#"{"type":"string"}"#),
            wide_object(r#"{"type":"integer"}"#),
        ),
        (
            "open object",
            Json,
            wide_object("true"),
            wide_object("false"),
        ),
        (
            "oneOf",
            Json,
            alternatives("oneOf", r#"{"const":"aN"}"#),
            alternatives("oneOf", r#"{"const":"bN"}"#),
        ),
        (
            "anyOf of objects",
            Json,
            alternatives(
                "anyOf",
                r#"{"type":"object","properties":{"aN":{"type":"string"}}}"#,
            ),
            alternatives(
                "anyOf",
                r#"{"type":"object","properties":{"bN":{"type":"string"}}}"#,
            ),
        ),
        (
            "allOf",
            Json,
            alternatives("allOf", r#"{"minLength":N}"#),
            alternatives("allOf", r#"{"maxLength":N}"#),
        ),
        (
            "enum of JSON",
            Json,
            alternatives("enum", r#""aN""#),
            alternatives("enum", r#""bN""#),
        ),
        (
            "long paths",
            Json,
            long_paths("true"),
            long_paths(r#"{"type":"integer"}"#),
        ),
        (
            "patterns",
            Json,
            wide_object(&pattern("")),
            wide_object(&pattern("b")),
        ),
        (
            "pattern properties",
            Json,
            filled(
                r#"{"patternProperties":{"#,
                |i| format!(r#""^a{i}(x+)+$":{{"type":"string"}}"#),
                "}}",
            ),
            filled(
                r#"{"properties":{"#,
                |i| format!(r#""a{i}xxxxxxxxxxxxxxxxxxxx":{{"type":"integer"}}"#),
                "}}",
            ),
        ),
        (
            "wide message",
            Protobuf,
            wide_message("int32"),
            wide_message("string"),
        ),
        (
            "many messages",
            Protobuf,
            many_messages("string a = 1;"),
            many_messages("int32 a = 1;"),
        ),
        (
            "deep messages",
            Protobuf,
            deep_messages("int32"),
            deep_messages("string"),
        ),
        (
            "enum values",
            Protobuf,
            filled(
                "syntax = \"proto3\"; enum E {",
                |i| format!("V{i} = {i};"),
                "}",
            ),
            filled(
                "syntax = \"proto3\"; enum E {",
                |i| format!("W{i} = {i};"),
                "}",
            ),
        ),
    ]
}

#[test]
fn the_largest_schemas_are_read_and_compared_within_bounds() {
    for (what, ty, one, other) in largest() {
        let (one, other) = (Source::new(ty, &one), Source::new(ty, &other));
        for source in [&one, &other] {
            forms(source).ok();
        }
        let policies: &[Policy] = match ty {
            SchemaType::Json => &[Policy::Strict, Policy::Lenient],
            SchemaType::Avro | SchemaType::Protobuf => &[Policy::Strict],
        };
        for policy in policies {
            for (reader, writer) in [(&one, &other), (&other, &one)] {
                match compat::compare_counted(reader, writer, *policy) {
                    Ok(found) => bounded(what, found, (reader, writer)),
                    Err(error) => too_large(what, &error),
                }
            }
        }
    }
}

/// A comparison took few steps, and tells what can be told. Then an example is searched for.
fn bounded(what: &str, found: Compared, (reader, writer): (&Source<'_>, &Source<'_>)) {
    let Compared { differences, steps } = found;
    assert!(steps <= ONE_COMPARISON, "{what}: {steps} steps");
    let bytes: usize = differences.iter().map(|one| one.message.len()).sum();
    assert!(bytes < 32_000_000, "{what}: {bytes} bytes of differences");
    // each difference is a step, so that what is told is paid for
    assert!(differences.len() <= steps, "{what}: {steps} steps");
    let breaking = |one: &Difference| one.verdict != Verdict::Compatible;
    if let Some(difference) = differences.into_iter().find(breaking) {
        let found = Incompatibility {
            version: 1,
            direction: Direction::NewReadsOld,
            difference,
        };
        let example = compat::witness(&found, reader, writer).unwrap_or_default();
        assert!(example.len() < LARGEST, "{what}: {} bytes", example.len());
    }
}

fn too_large(what: &str, error: &SchemaError) {
    let too_large = matches!(error, SchemaError::TooLarge { .. });
    assert!(too_large, "{what}: {error}");
}

/// Check a schema against as many versions of it, both ways. None of them breaks anything, so none ends the check;
/// white space makes each another text, since what is the same is compared once.
fn checked(ty: SchemaType, text: &str, versions: usize) -> Result<usize, SchemaError> {
    let texts: Vec<String> = (1..=versions)
        .map(|number| text.to_owned() + &" ".repeat(number))
        .collect();
    let versions: Vec<Version<'_>> = (1..)
        .zip(&texts)
        .map(|(number, text)| Version {
            number,
            schema: Source::new(ty, text),
        })
        .collect();
    let new = Source::new(ty, text);
    compat::check(Level::FullTransitive, Policy::Strict, &new, &versions).map(|found| found.steps)
}

#[test]
fn each_version_costs_a_check_what_it_takes_so_that_a_hundred_are_refused() {
    let mut most = Vec::new();
    for (what, ty, text, _) in largest() {
        let (one, two) = match (checked(ty, &text, 1), checked(ty, &text, 2)) {
            (Ok(one), Ok(two)) => (one, two),
            (Err(error), _) | (_, Err(error)) => {
                too_large(what, &error);
                continue;
            }
        };
        let further = two - one;
        let source = Source::new(ty, &text);
        let compared = compat::compare_counted(&source, &source, Policy::Strict);
        let compared = compared.expect("as in the check").steps;
        let least = text.len() / BYTES_STEP + 2 * compared;
        assert!(further >= least, "{what}: {further} steps, not {least}");
        assert!(2 * further >= one, "{what}: {one} steps, then {further}");
        if 100 * further > compat::MAX_STEPS {
            most.push(what);
        }
    }
    for what in ["wide message", "wide record", "wide object"] {
        assert!(most.contains(&what), "{what} is checked for too long");
    }
}

#[test]
fn a_check_of_more_steps_than_there_may_be_is_refused() {
    let text = wide_record("\"int\"");
    let limit = compat::MAX_STEPS;
    let refused = checked(SchemaType::Avro, &text, 100);
    // at the comparison that would go beyond
    let beyond = limit + 1..=limit + ONE_COMPARISON;
    assert!(
        matches!(&refused, Err(SchemaError::TooLarge { found, limit: at, unit })
            if beyond.contains(found) && *at == limit && unit.contains("earlier versions")),
        "{refused:?}"
    );
}

fn nested(open: &str, middle: &str, close: &str, depth: usize) -> String {
    open.repeat(depth) + middle + &close.repeat(depth)
}

#[test]
fn nesting_of_any_depth_is_an_error_not_an_end() {
    use SchemaType::{Avro, Json, Protobuf};
    let avro = {
        let mut text = String::new();
        for index in 0..10_000 {
            write!(
                text,
                r#"{{"type":"record","name":"R{index}","fields":[{{"name":"f","type":"#
            )
            .expect("writes");
        }
        text + "\"int\"" + &"}]}".repeat(10_000)
    };
    for (ty, text) in [
        (Avro, avro),
        (
            Avro,
            nested(r#"{"type":"array","items":"#, "\"int\"", "}", 10_000),
        ),
        (Avro, nested("[", "\"int\"", "]", 10_000)),
        (Avro, nested(r#"{"type":"#, "\"int\"", "}", 10_000)),
        (Json, nested(r#"{"properties":{"a":"#, "true", "}}", 10_000)),
        (Json, nested(r#"{"not":"#, "true", "}", 10_000)),
        (Json, nested(r#"{"const":["#, "", "]}", 10_000)),
        (Json, nested("[", "", "]", 10_000)),
        (Json, nested("[", "", "", 100_000)),
        (
            Protobuf,
            format!(
                "syntax = \"proto3\"; {}",
                nested("message M {", "", "}", 10_000)
            ),
        ),
        (
            Protobuf,
            format!(
                "syntax = \"proto2\"; {}",
                nested("message M { optional group G = 1 {", "", "}}", 5_000)
            ),
        ),
        (
            Protobuf,
            format!(
                "syntax = \"proto3\"; import \"google/protobuf/descriptor.proto\"; option (a) = {};",
                nested("{ a: ", "1", "}", 10_000)
            ),
        ),
        (
            Protobuf,
            format!(
                "syntax = \"proto3\"; message M {{ {} f = 1; }}",
                "a.".repeat(50_000) + "b"
            ),
        ),
    ] {
        let source = Source::new(ty, &text);
        let start: String = text.chars().take(40).collect();
        assert!(forms(&source).is_err(), "{ty}: {start}");
        compared(&source, &source);
    }
}

#[test]
fn nothing_is_fetched() {
    for target in [
        "http://127.0.0.1:1/schema.json",
        "https://example.com/schema",
        "file:///etc/passwd",
        "/etc/passwd",
        "../../../etc/passwd",
        "urn:example:none",
    ] {
        for keyword in ["$ref", "$dynamicRef"] {
            let text = format!(
                r#"{{"$schema":"https://json-schema.org/draft/2020-12/schema","properties":{{"a":{{"{keyword}":"{target}"}}}}}}"#
            );
            let source = Source::new(SchemaType::Json, &text);
            let error = canonical::canonical(&source)
                .expect_err("names nothing")
                .to_string();
            assert!(error.contains(target), "{error}");
            assert!(
                compat::compare(&source, &source, Policy::Strict).is_err() || target.is_empty()
            );
        }
    }
    let own = r#"{"$schema":"http://example.com/own-metaschema","type":"object"}"#;
    forms(&Source::new(SchemaType::Json, own)).expect("of a draft that nobody knows");
    for draft in [
        "http://json-schema.org/draft-07/schema#",
        "https://json-schema.org/draft/2020-12/schema",
    ] {
        let text = format!(r#"{{"type":"object","properties":{{"schema":{{"$ref":"{draft}"}}}}}}"#);
        let source = Source::new(SchemaType::Json, &text);
        canonical::canonical(&source).expect("a draft's own schema is known");
        compared(&source, &source);
    }
    for import in [
        "/etc/passwd",
        "file:///etc/passwd",
        "http://127.0.0.1:1/a.proto",
        "google/../../../etc/passwd",
    ] {
        let text = format!("syntax = \"proto3\"; import \"{import}\"; message M {{}}");
        let error = canonical::canonical(&Source::new(SchemaType::Protobuf, &text))
            .expect_err("is not there");
        assert!(
            error.to_string().contains("not among the references"),
            "{error}"
        );
    }
}

#[test]
fn patterns_that_explode_are_searched_within_bounds() {
    for pattern in [
        "^(a+)+$",
        "^(a|a)*$",
        "^(.*a){30}$",
        "(x+x+)+y",
        "^(([a-z])+.)+[A-Z]([a-z])+$",
        "(?=(a+))\\\\1b",
        "^(?:(?:(?:a{1,100}){1,100}){1,100}){1,100}$",
        "\\\\p{L}{1000}",
        "[",
        "(?<!a)(?<=(a+)+)b",
    ] {
        let of = |ty: &str| {
            format!(
                r#"{{"type":"object","properties":{{"a":{{"type":"string","pattern":"{pattern}"}}}},
                "patternProperties":{{"{pattern}":{{"type":"{ty}","minLength":40}}}},"minProperties":3}}"#
            )
        };
        let (one, other) = (of("string"), of("integer"));
        let plain = r#"{"type":"object","properties":{"a":{"type":"string","minLength":100}}}"#;
        let sources = [&one, &other, plain].map(|text| Source::new(SchemaType::Json, text));
        for reader in &sources {
            forms(reader).ok();
            for writer in &sources {
                compared(reader, writer);
            }
        }
    }
}

#[test]
fn names_and_numbers_at_the_edges_are_answered() {
    for text in [
        r#"{"type":"integer","minimum":1e400}"#,
        r#"{"type":"integer","minimum":-1e400,"maximum":1e-400}"#,
        r#"{"type":"number","multipleOf":1e-320}"#,
        r#"{"const":0e-99999999999999999999}"#,
        r#"{"const":1e-99999999999999999999}"#,
        r#"{"const":99999999999999999999999999999999999999999999}"#,
        r#"{"minLength":1e3,"maxLength":18446744073709551616}"#,
        r#"{"minItems":-1}"#,
        r#"{"maxLength":9007199254740993.0}"#,
        r#"{"type":"string","type":"integer"}"#,
        r#"{"properties":{"a":{},"a":{"type":"string"}},"properties":{"\u0000":{}}}"#,
        "{\"a\u{0}\":1}",
        "\u{feff}{}",
        "{\"$id\":\"\u{202e}\",\"$ref\":\"#\u{202e}\"}",
        r##"{"$ref":"#"}"##,
        r##"{"$ref":"#/definitions/a","definitions":{"a":{"$ref":"#/definitions/b"},"b":{"$ref":"#/definitions/a"}}}"##,
        r##"{"$ref":"#/%zz"}"##,
        r##"{"$ref":"#/%ff%fe"}"##,
        r#"{"$id":"http://a/b","$ref":"http://a/b"}"#,
        r#"{"enum":[]}"#,
        r#"{"dependencies":{"a":["a","a"]},"required":["a","a"]}"#,
    ] {
        let source = Source::new(SchemaType::Json, text);
        let other = Source::new(SchemaType::Json, r#"{"type":"number","minimum":0}"#);
        forms(&source).ok();
        compared(&source, &other);
        compared(&source, &source);
    }
    for text in [
        r#"{"type":"fixed","name":"F","size":18446744073709551615}"#,
        r#"{"type":"fixed","name":"F","size":-1}"#,
        r#"{"type":"fixed","name":"F","size":1e3}"#,
        r#"{"type":"bytes","logicalType":"decimal","precision":4294967296,"scale":4294967297}"#,
        r#"{"type":"record","name":"R","fields":[{"name":"r","type":"R"}]}"#,
        r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int","default":1e400}]}"#,
        r#"{"type":"record","name":"R","name":"S","fields":[]}"#,
        r#"{"type":"record","name":"","fields":[]}"#,
        r#"{"type":"record","name":"....","fields":[]}"#,
        "{\"type\":\"record\",\"name\":\"a\u{0}\",\"fields\":[]}",
        r#"{"type":"enum","name":"E","symbols":["A"],"default":"B"}"#,
        "[]",
        "",
    ] {
        let source = Source::new(SchemaType::Avro, text);
        forms(&source).ok();
        compared(&source, &Source::new(SchemaType::Avro, "\"int\""));
        compared(&source, &source);
    }
    for text in [
        "syntax = \"proto3\"; message M { int32 a = 18446744073709551616; }",
        "syntax = \"proto3\"; message M { int32 a = 0x7fffffff; }",
        "syntax = \"proto3\"; message M { reserved 1 to max, 5; }",
        "syntax = \"proto2\"; message M { extensions 1 to max; optional double d = 1 [default = 1e400]; }",
        "syntax = \"proto3\"; enum E { A = -2147483648; B = 2147483648; }",
        "syntax = \"proto3\"; message M { M m = 1; map<string, M> n = 2; }",
        "syntax = \"\\377\";",
        "syntax = \"proto3\"; option java_package = \"\\u0000\\xff\\400\";",
        "/* ",
        "// \u{0}",
        "CgA=",
    ] {
        let source = Source::new(SchemaType::Protobuf, text);
        forms(&source).ok();
        compared(
            &source,
            &Source::new(SchemaType::Protobuf, "syntax = \"proto3\"; message M {}"),
        );
        compared(&source, &source);
    }
}

#[test]
fn what_a_schema_brings_with_it_is_bounded() {
    let big = wide_record("\"int\"");
    let texts: Vec<(String, String)> = (0..100)
        .map(|index| {
            (
                format!("i{index}"),
                big.replace("\"R\"", &format!("\"R{index}\"")),
            )
        })
        .collect();
    let objects = wide_object("true");
    for (ty, own) in [(SchemaType::Avro, "\"int\""), (SchemaType::Json, "{}")] {
        let imports: Vec<Import<'_>> = texts
            .iter()
            .map(|(name, text)| Import {
                name,
                text: if ty == SchemaType::Avro {
                    text
                } else {
                    &objects
                },
            })
            .collect();
        let source = Source {
            ty,
            text: own,
            imports: &imports,
        };
        let error = forms(&source).expect_err("too many");
        assert!(matches!(error, SchemaError::TooLarge { .. }), "{error}");
    }
}

/// Schemas in use, to be mutilated.
const WHOLE: &[(SchemaType, &str)] = &[
    (
        SchemaType::Avro,
        r#"{"type":"record","name":"R","namespace":"a.b","aliases":["S"],"fields":[
        {"name":"id","type":"string","doc":"d","confluent:tags":["PII"]},
        {"name":"u","type":["null",{"type":"enum","name":"E","symbols":["A","B"],"default":"A"}],"default":null},
        {"name":"m","type":{"type":"map","values":{"type":"array","items":"R"}}},
        {"name":"d","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}},
        {"name":"f","type":{"type":"fixed","name":"F","size":16}},{"name":"e","type":"E","order":"ignore"}]}"#,
    ),
    (
        SchemaType::Json,
        r##"{"$schema":"http://json-schema.org/draft-07/schema#","$id":"http://a/b","type":"object",
        "properties":{"a":{"$ref":"#/definitions/x"},"b":{"oneOf":[{"type":"string","pattern":"^a+$"},{"type":"integer",
        "minimum":1,"multipleOf":2}]},"c":{"type":["array","null"],"items":[{"const":1.5e3}],"additionalItems":false,
        "confluent:tags":["PII"]}},
        "required":["a"],"additionalProperties":{"not":{"enum":[1,"b",null]}},"patternProperties":{"^x":{"minLength":3}},
        "definitions":{"x":{"anyOf":[{"$ref":"#"},{"type":"string","format":"date"}]}},"dependencies":{"a":["b"]}}"##,
    ),
    (
        SchemaType::Protobuf,
        r#"syntax = "proto3"; package a.b; import "google/protobuf/timestamp.proto"; option java_package = "x";
        import "confluent/meta.proto";
        message M { reserved 9, 20 to 30; reserved "z"; string id = 1 [deprecated = true]; repeated int32 n = 2;
        map<string, M> m = 3; oneof o { bytes b = 4; E e = 5; } google.protobuf.Timestamp t = 6; optional N k = 7;
        message N { option (confluent.message_meta) = { doc: "d" tags: "S" }; M up = 1 [(confluent.field_meta).tags = "PII"]; } enum E { option allow_alias = true; A = 0; B = 1; C = 1; } }
        service S { rpc Go (M) returns (stream M.N); }"#,
    ),
];

/// Where, how long, and what is put in its place.
type Cut = (prop::sample::Index, usize, usize);

fn mutilated(text: &str, cuts: &[Cut]) -> String {
    const PIECES: &[&str] = &[
        "",
        "{",
        "}",
        "[",
        "]",
        "\"",
        ",",
        ":",
        ";",
        "0",
        "-1",
        "1e400",
        "null",
        "\"type\"",
        "\"$ref\":\"#\"",
        "message M {",
        "repeated",
        "=",
        "\\u0000",
        "\u{0}",
        "é",
        "99999999999999999999",
        "true",
        "oneof",
        "extend M",
        "//",
        "/*",
    ];
    let mut text = text.to_owned();
    for (at, length, piece) in cuts {
        let boundary = |mut at: usize| {
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        let start = boundary(at.index(text.len() + 1));
        let end = boundary((start + length).min(text.len()));
        let again = text[start..end].repeat(2);
        // one in four places is doubled
        let piece = if piece % 4 == 0 {
            again.as_str()
        } else {
            PIECES[piece % PIECES.len()]
        };
        text.replace_range(start..end, piece);
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn mutilated_schemas_are_answered(
        which in 0..WHOLE.len(),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), 0..24_usize, 0..200_usize), 1..4),
    ) {
        let (ty, whole) = WHOLE[which];
        let text = mutilated(whole, &cuts);
        let (one, other) = (Source::new(ty, whole), Source::new(ty, &text));
        if let Ok(stored) = forms(&other) {
            let kept = Source::new(ty, &stored);
            prop_assert_eq!(canonical::canonical(&kept), Ok(stored.clone()));
            let tagged = tags::list(&kept).expect("a schema");
            let bare = tags::edited(&kept, &[], &tagged).expect("has the parts that it lists");
            prop_assert_eq!(tags::list(&Source::new(ty, &bare)), Ok(vec![]));
            prop_assert_eq!(canonical::canonical(&Source::new(ty, &bare)), Ok(bare.clone()));
        }
        compared(&one, &other);
    }
}

#[test]
fn an_empty_file_is_a_schema_in_every_form() {
    let source = Source::new(SchemaType::Protobuf, "syntax = \"proto2\";");
    let normal = canonical::normalized(&source).expect("a schema");
    let again = canonical::normalized(&Source::new(SchemaType::Protobuf, &normal));
    assert_eq!(again, Ok(normal));
}
