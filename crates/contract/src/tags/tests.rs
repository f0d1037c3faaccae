//! Tags come and go in each language, and what cannot be tagged is named.

use super::*;
use crate::canonical::canonical;
use crate::source::Import;
use proptest::prelude::*;

fn tagged(kind: Kind, path: &str, tags: &[&str]) -> Tagged {
    Tagged {
        entity: entity(kind, path),
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
    }
}

#[test]
fn tags_come_and_go_where_they_are_said_to() {
    let avro = r#"{"type":"record","name":"R","namespace":"n","fields":[{"name":"a","type":"string"},{"name":"b","type":["null",{"type":"record","name":"S","fields":[{"name":"c","type":"int"}]}]}]}"#;
    let json = r#"{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"object","properties":{"c":{}}}}}"#;
    for (ty, text, parts) in [
        (SchemaType::Avro, avro, ["n.R", "n.R.a", "n.S.c"]),
        (
            SchemaType::Json,
            json,
            ["object", "object.a", "object.b.object.c"],
        ),
    ] {
        let all = [
            tagged(Kind::Record, parts[0], &["SECRET"]),
            tagged(Kind::Field, parts[1], &["PII", "EU"]),
            tagged(Kind::Field, parts[2], &["PII"]),
        ];
        let once = edited(&Source::new(ty, text), &all, &[]).expect("edited");
        let mut found = list(&Source::new(ty, &once)).expect("a schema");
        found.sort_by(|a, b| a.entity.cmp(&b.entity));
        assert_eq!(found, all);
        assert_eq!(
            edited(&Source::new(ty, &once), &all, &[]).as_deref(),
            Ok(&*once)
        );
        assert_eq!(
            edited(&Source::new(ty, &once), &[], &all).as_deref(),
            Ok(text)
        );
    }
}

#[test]
fn parts_that_are_not_named_stay_as_they_are() {
    let text = r#"{"properties":{"a":{},"b":{"confluent:tags":["Z","A","Z"]}}}"#;
    let source = Source::new(SchemaType::Json, text);
    let edited = edited(&source, &[tagged(Kind::Field, ".object.a", &["X"])], &[]);
    let expected =
        r#"{"properties":{"a":{"confluent:tags":["X"]},"b":{"confluent:tags":["Z","A","Z"]}}}"#;
    assert_eq!(edited.as_deref(), Ok(expected));
}

#[test]
fn a_part_that_is_not_there_is_named() {
    let source = Source::new(SchemaType::Json, r#"{"properties":{"a":{}}}"#);
    let error = edited(&source, &[tagged(Kind::Field, "object.b", &["X"])], &[]);
    assert!(
        error
            .expect_err("unknown")
            .to_string()
            .contains("sr_field `object.b`")
    );
}

const MESSAGES: &str = r#"syntax = "proto3";
package com.example;
import "confluent/meta.proto";
message Outer {
  option deprecated = true;
  int32 plain = 1 [deprecated = true];
  map<string, Inner> entries = 2;
  oneof choice { string one = 3; Inner two = 4; }
  message Inner { option (confluent.message_meta) = { doc: "in", params: [{ key: "k", value: "v" }] };
    int64 deep = 1 [(confluent.field_meta).doc = "d", json_name = "D"];
    message Inmost { bool last = 1; } }
}
message Other {}
"#;

fn proto(text: &str) -> Source<'_> {
    Source::new(SchemaType::Protobuf, text)
}

/// A field of a message with options, canonical.
fn field(options: &str) -> String {
    let text = format!(
        "syntax = \"proto3\"; import \"confluent/meta.proto\"; message M {{ int32 a = 1{options}; }}"
    );
    canonical(&proto(&text)).expect("a schema")
}

#[test]
fn tags_of_messages_and_fields_come_and_go() {
    let bare = field("");
    let outer = canonical(&proto(MESSAGES)).expect("a schema");
    let doc = field(
        " [deprecated = true, (confluent.field_meta) = { doc: \"it's\" }, json_name = \"A\"]",
    );
    let all = |all: &[(Kind, &str)]| -> Vec<Tagged> {
        let parts = all.iter().zip(
            [&["B"][..], &["A", "C"], &["\"q\"\n\u{fc}"]]
                .into_iter()
                .cycle(),
        );
        parts
            .map(|((kind, path), tags)| tagged(*kind, path, tags))
            .collect()
    };
    for (text, parts) in [
        (&bare, &[(Kind::Record, "M")][..]),
        (&bare, &[(Kind::Field, "M.a"), (Kind::Record, "M")]),
        (&doc, &[(Kind::Field, "M.a")]),
        (
            &outer,
            &[
                (Kind::Record, "Outer"),
                (Kind::Field, "Outer.plain"),
                (Kind::Field, "Outer.entries"),
                (Kind::Field, "Outer.one"),
                (Kind::Record, "Outer.Inner.Inmost"),
                (Kind::Field, "Outer.Inner.Inmost.last"),
                (Kind::Record, "Other"),
            ],
        ),
    ] {
        let mut parts = all(parts);
        let once = edited(&proto(text), &parts, &[]).expect("edited");
        assert_eq!(
            canonical(&proto(&once)).as_ref(),
            Ok(&once),
            "compiles, and is canonical"
        );
        let mut found = list(&proto(&once)).expect("a schema");
        found.sort_by(|a, b| a.entity.cmp(&b.entity));
        parts.sort_by(|a, b| a.entity.cmp(&b.entity));
        assert_eq!(found, parts);
        assert_eq!(edited(&proto(&once), &parts, &[]).as_ref(), Ok(&once));
        assert_eq!(edited(&proto(&once), &[], &parts).as_ref(), Ok(text));
        assert_eq!(list(&proto(text)), Ok(vec![]));
    }
}

#[test]
fn what_else_an_option_says_stays() {
    let parts = [
        tagged(Kind::Record, "Outer.Inner", &["A"]),
        tagged(Kind::Field, "Outer.Inner.deep", &["B"]),
        tagged(Kind::Field, "Outer.choice.two", &["C"]),
    ];
    let text = edited(&proto(MESSAGES), &parts, &[]).expect("edited");
    let expected = r#"
  oneof choice {
    string one = 3;
    Inner two = 4 [(confluent.field_meta) = {
      tags: [
        "C"
      ]
    }];
  }

  message Inner {
    option (confluent.message_meta) = {
      doc: "in",
      params: [
        {
          key: "k",
          value: "v"
        }
      ],
      tags: [
        "A"
      ]
    };
  
    int64 deep = 1 [
      (confluent.field_meta) = {
        doc: "d",
        tags: [
          "B"
        ]
      },
      json_name = "D"
    ];
"#;
    assert!(text.contains(expected), "{text}");
    assert_eq!(canonical(&proto(&text)).as_ref(), Ok(&text));
    let bare = edited(&proto(&text), &[], &parts).expect("edited");
    let spelled = bare.replace(
        "(confluent.field_meta) = {\n        doc: \"d\"\n      }",
        "(confluent.field_meta).doc = \"d\"",
    );
    assert_eq!(canonical(&proto(MESSAGES)), Ok(spelled));
}

#[test]
fn an_option_is_read_however_it_is_spelled() {
    let listed = |tags: &str| field(&format!(" [(confluent.field_meta) = {{ tags: [{tags}] }}]"));
    for (options, tags) in [
        (r#"(confluent.field_meta) = {tags: "PII"}"#, &["PII"][..]),
        (
            r#"(confluent.field_meta) = {tags: ["PII", "EU"]}"#,
            &["PII", "EU"],
        ),
        (
            r#"(confluent.field_meta) = {tags: "PII" tags: "EU"}"#,
            &["PII", "EU"],
        ),
        (r#"(confluent.field_meta).tags = "PII""#, &["PII"]),
        (
            r#"(.confluent.field_meta).tags = "PII", (confluent.field_meta).tags = "EU""#,
            &["PII", "EU"],
        ),
        (
            r#"(confluent.field_meta) = {tags: "PII"}, (confluent.field_meta).tags = "EU""#,
            &["PII", "EU"],
        ),
    ] {
        let text = field(&format!(" [{options}]"));
        let known = tagged(Kind::Field, "M.a", tags);
        assert_eq!(list(&proto(&text)), Ok(vec![known.clone()]), "{options}");
        let quoted: Vec<String> = tags.iter().map(|tag| format!("\"{tag}\"")).collect();
        let more = edited(
            &proto(&text),
            &[tagged(Kind::Field, ".M.a", &["PII", "Z", "A"])],
            &[],
        );
        assert_eq!(
            more,
            Ok(listed(&format!("{}, \"Z\", \"A\"", quoted.join(", ")))),
            "{options}"
        );
        let same = edited(&proto(&text), &[], &[tagged(Kind::Field, "M.a", &["none"])]);
        assert_eq!(same, Ok(listed(&quoted.join(", "))), "{options}");
        assert_eq!(
            edited(&proto(&text), &[], &[known]),
            Ok(field("")),
            "{options}"
        );
    }
}

#[test]
fn the_definition_is_imported_where_it_is_not_seen() {
    let text = "syntax = \"proto3\";\npackage p;\n\nmessage M {\n  int32 a = 1;\n}\n";
    let tags = [tagged(Kind::Field, "p.M.a", &["A"])];
    let once = edited(&proto(text), &tags, &[]).expect("edited");
    assert!(once.starts_with(
        "syntax = \"proto3\";\npackage p;\n\nimport \"confluent/meta.proto\";\n\nmessage M"
    ));
    assert_eq!(canonical(&proto(&once)).as_ref(), Ok(&once));
    assert_eq!(edited(&proto(&once), &tags, &[]), Ok(once));
    let nothing = edited(&proto(text), &[], &tags);
    assert_eq!(nothing.as_deref(), Ok(text), "nothing to say");
    // one that passes the definition on, and one that does not
    for (kind, imports) in [("public ", 0), ("", 1)] {
        let passing =
            format!("syntax = \"proto3\"; import {kind}\"confluent/meta.proto\"; message N {{}}");
        let text = "import \"n.proto\"; message M {}";
        let import = [Import {
            name: "n.proto",
            text: &passing,
        }];
        let source = |text| Source {
            ty: SchemaType::Protobuf,
            text,
            imports: &import,
        };
        let text =
            edited(&source(text), &[tagged(Kind::Record, "M", &["A"])], &[]).expect("edited");
        assert_eq!(text.matches("meta.proto").count(), imports);
        assert_eq!(canonical(&source(&text)).as_ref(), Ok(&text));
    }
    // the definition itself
    let meta = include_str!("../protobuf/bundled/confluent/meta.proto");
    let text = edited(
        &proto(meta),
        &[tagged(Kind::Field, "Meta.doc", &["A"])],
        &[],
    )
    .expect("edited");
    assert_eq!(text.matches("import").count(), 1);
    assert_eq!(canonical(&proto(&text)).as_ref(), Ok(&text));
}

#[test]
fn what_is_no_message_or_field_is_named() {
    let text = r#"syntax = "proto2"; package p; message M { optional group G = 1 { optional int32 x = 2; }
        oneof o { int32 a = 3; } enum E { Z = 0; } extensions 100 to 200; }
        enum F { Y = 0; } extend M { optional int32 ext = 100; } service S {}"#;
    canonical(&proto(text)).expect("a schema");
    for (kind, path) in [
        (Kind::Field, "M"),
        (Kind::Field, "M.none"),
        (Kind::Field, "M.none.a"),
        (Kind::Field, "M.G"),
        (Kind::Field, "M.G.x"),
        (Kind::Field, "ext"),
        (Kind::Field, "M.o"),
        (Kind::Field, "a"),
        (Kind::Record, "M.a"),
        (Kind::Record, "M.o"),
        (Kind::Record, "M.E"),
        (Kind::Record, "F"),
        (Kind::Record, "S"),
        (Kind::Record, "q.M"),
        (Kind::Record, "p"),
        (Kind::Record, ""),
        (Kind::Record, ".M."),
    ] {
        for (add, remove) in [(1, 0), (0, 1)] {
            let wish = tagged(kind, path, &["X"]);
            let error = edited(&proto(text), &vec![wish.clone(); add], &vec![wish; remove]);
            let named = format!("{} `{}`", kind.as_str(), path.trim_start_matches('.'));
            let error = error.expect_err(path).to_string();
            assert!(error.contains(&named), "{error}");
        }
    }
    let dots = edited(
        &proto("message M {}"),
        &[tagged(Kind::Record, "..M", &["X"])],
        &[],
    );
    assert!(dots.expect_err("refused").to_string().contains("`.M`"));
}

#[test]
fn texts_made_to_hurt_are_errors_at_most() {
    let nested = |levels: usize| "message M { ".repeat(levels) + &"}".repeat(levels);
    let wish = [
        tagged(Kind::Record, "M", &["X"]),
        tagged(Kind::Field, "M.a", &["Y"]),
    ];
    let value = |value: &str| {
        format!("message M {{ option (confluent.message_meta) = {value}; int32 a = 1; }}")
    };
    for text in [
        String::new(),
        "\u{0}".to_owned(),
        "message".to_owned(),
        "CgA=".to_owned(),
        nested(32),
        nested(10_000),
        value(&"{ tags: ".repeat(40)),
        value(&("{ tags: [".repeat(10_000) + "\"A\"")),
    ] {
        assert!(edited(&proto(&text), &wish, &[]).is_err(), "{text:.40}");
        assert!(
            list(&proto(&text)).map_or(true, |found| found.is_empty()),
            "{text:.40}"
        );
    }
    // parsed, but without a meaning: no tags, and what comes out is refused by the check that follows
    for meta in [
        "1",
        "\"A\"",
        "X",
        "{}",
        "{ tags: 1 }",
        "{ tags: {} }",
        "{ tags: \"\\377\" }",
        "{ tags: [[\"A\"]] }",
        "{ [a.b/c]: 1 }",
    ] {
        let text = value(meta);
        assert_eq!(list(&proto(&text)), Ok(vec![]), "{meta}");
        edited(&proto(&text), &wish, &wish).expect(meta);
    }
}

#[test]
fn many_wishes_for_many_parts_end() {
    let fields = |each: &dyn Fn(usize) -> String| (0..5_000).map(each).collect::<String>();
    let text = fields(&|n| format!("int32 f{n} = {};", n + 1));
    let tags: Vec<String> = (0..5_000).map(|n| format!("T{n}")).collect();
    let mut wishes: Vec<Tagged> = (0..5_000)
        .map(|n| tagged(Kind::Field, &format!("p.M.f{n}"), &["A"]))
        .collect();
    wishes.push(Tagged {
        entity: entity(Kind::Record, "M"),
        tags,
    });
    let text = format!("package p; message M {{ {text} }}");
    let once = edited(&proto(&text), &wishes, &[]).expect("edited");
    assert_eq!(list(&proto(&once)).map(|found| found.len()), Ok(5_001));
}

proptest! {
    #[test]
    fn any_tag_is_found_as_it_was_given(tags in prop::collection::btree_set(".{0,8}", 1..4).prop_map(|tags| tags.into_iter().rev().collect::<Vec<_>>())) {
        let wish = Tagged { entity: entity(Kind::Field, "M.a"), tags };
        let once = edited(&proto(&field("")), std::slice::from_ref(&wish), &[]).expect("edited");
        prop_assert_eq!(canonical(&proto(&once)), Ok(once.clone()));
        prop_assert_eq!(list(&proto(&once)), Ok(vec![wish]));
    }

    #[test]
    fn any_text_is_read_or_refused(text in "(message|option|[(]confluent.message_meta[)]|tags|M|[{}=;:.\\[\\]\" 0-9]){0,24}") {
        list(&proto(&text)).ok();
        edited(&proto(&text), &[tagged(Kind::Record, "M", &["A"])], &[]).ok();
    }
}
