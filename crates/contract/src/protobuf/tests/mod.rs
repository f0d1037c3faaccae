mod check;
mod event;

use super::*;
use crate::canonical::canonical;
use crate::source::{Import, SchemaType, Source};
use prost_types::FileDescriptorProto;

pub(super) const ALL: &str = r#"
// Everything that a text can hold.
syntax = "proto2" ; package a . b;
import "google/protobuf/descriptor.proto"; import public "google/type/money.proto";
option java_package="com.x"; /* a */ option (file_opt).text = 'it\'s "x"' " and y";
option optimize_for = SPEED;
extend google.protobuf.FileOptions { optional Extra file_opt = 50001; }
extend google.protobuf.FieldOptions { repeated Extra field_opt = 50002 ; optional double ratio = 50003; }
enum Kind { option allow_alias = true; reserved 5, 10 to 12, 100 to max; reserved "OLD"; A = 0; B = 1 [deprecated = true]; C = 0x1; D = -1; }
message Extra { optional string text = 1; repeated int32 n = 2; optional Extra more = 3; extensions 100 to 199; }
message M {
  reserved 20 to 29, 31; reserved "gone";
  option deprecated = false;
  optional group G = 7 { optional int32 x = 1; }
  required string s = 1 [default = "a\001\n"]; optional bytes raw = 2 [default = "\xff\x00a"];
  map < string , .a.b.Inner > m = 3; repeated int32 p = 4 [packed=true, json_name="pp", (field_opt) = { text: "t" n: 1 n: [2, 3] more { text: 'u' } }, (field_opt)={}, (ratio) = -1.5e3];
  oneof choice { option (a.b.one) = true; Kind k = 5 ; .google.type.Money money = 6; }
  optional double d = 8 [default = -inf]; optional Kind e = 9 [default = B];
  extensions 1000 to max; extensions 500;
  message Deep { enum E { Z = 0; } optional E e = 1; message Deeper {} }
  extend Extra { optional int32 ext = 100; }
  enum Last { L = 0; }
}
extend google.protobuf.OneofOptions { optional bool one = 50004; }
message Inner { }
service S { option deprecated = true; rpc Do(M) returns (stream Inner); rpc Up (stream M) returns (M) { option idempotency_level = IDEMPOTENT; } }
"#;

const ALL_CANONICAL: &str = r#"syntax = "proto2";
package a.b;

import "google/protobuf/descriptor.proto";
import public "google/type/money.proto";

option java_package = "com.x";
option (file_opt).text = "it\'s \"x\" and y";
option optimize_for = SPEED;

message Extra {
  optional string text = 1;
  repeated int32 n = 2;
  optional Extra more = 3;

  extensions 100 to 199;
}
message M {
  reserved 20 to 29, 31;
  reserved "gone";

  option deprecated = false;

  required string s = 1 [default = "a\001\n"];
  optional bytes raw = 2 [default = "\377\000a"];
  map<string, .a.b.Inner> m = 3;
  repeated int32 p = 4 [
    packed = true,
    (field_opt) = {
      text: "t",
      n: [
        1,
        2,
        3
      ],
      more: {
        text: "u"
      }
    },
    (field_opt) = {
    },
    (ratio) = -1.5e3,
    json_name = "pp"
  ];
  optional double d = 8 [default = -inf];
  optional Kind e = 9 [default = B];

  oneof choice {
    option (a.b.one) = true;
  
    Kind k = 5;
    .google.type.Money money = 6;
  }

  optional group G = 7 {
    optional int32 x = 1;
  }

  extensions 1000 to max;
  extensions 500;

  extend Extra {
    optional int32 ext = 100;
  }

  message Deep {
    optional E e = 1;
  
    message Deeper {}
    enum E {
      Z = 0;
    }
  }
  enum Last {
    L = 0;
  }
}
message Inner {}
enum Kind {
  reserved 5, 10 to 12, 100 to max;
  reserved "OLD";
  option allow_alias = true;
  A = 0;
  B = 1 [deprecated = true];
  C = 1;
  D = -1;
}

extend google.protobuf.FileOptions {
  optional Extra file_opt = 50001;
}
extend google.protobuf.FieldOptions {
  repeated Extra field_opt = 50002;
  optional double ratio = 50003;
}
extend google.protobuf.OneofOptions {
  optional bool one = 50004;
}

service S {
  option deprecated = true;

  rpc Do (M) returns (stream Inner);
  rpc Up (stream M) returns (M) {
    option idempotency_level = IDEMPOTENT;
  };
}
"#;

fn of(text: &str) -> Result<String, SchemaError> {
    canonical(&Source::new(SchemaType::Protobuf, text))
}

/// The descriptor with all that has an order in it sorted: a canonical text orders by kind.
fn descriptor(text: &str) -> FileDescriptorProto {
    let schema = Schema::parse(text, &[]).expect("a schema");
    let mut file = prost::Message::decode(schema.serialized().as_slice()).expect("a descriptor");
    sort(&mut file);
    file
}

fn sort(file: &mut FileDescriptorProto) {
    fn sort_message(message: &mut prost_types::DescriptorProto) {
        message.field.sort_by_key(|field| field.number);
        message
            .field
            .iter_mut()
            .for_each(|field| field.json_name = None);
        message.nested_type.sort_by(|a, b| a.name.cmp(&b.name));
        message.nested_type.iter_mut().for_each(sort_message);
    }
    file.message_type.iter_mut().for_each(sort_message);
}

#[test]
fn canonical_text_is_that_of_the_reference() {
    assert_eq!(of(ALL).expect("a schema"), ALL_CANONICAL);
}

#[test]
fn canonical_text_means_the_same_and_stays() {
    let canonical = of(ALL).expect("a schema");
    assert_eq!(of(&canonical).expect("a schema"), canonical);
    assert_eq!(descriptor(&canonical), descriptor(ALL));
}

/// Every file that is bundled imports, compiles and has a canonical text that means the same.
#[test]
fn bundled_files_are_known() {
    for name in bundle::all() {
        assert!(is_bundled(name), "{name}");
        let text = format!("syntax = \"proto3\"; import \"{name}\"; message M {{}}");
        of(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let file = bundle::file(name).expect("parses").expect("is there");
        let given = [Import {
            name,
            text: &print(&file),
        }];
        Schema::parse(&text, &given).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn white_space_and_comments_are_no_difference() {
    let one = "syntax=\"proto3\";/* */message M{// x\nint32 a=1;}";
    let other = "\u{feff}syntax = 'proto3' ;\r\n\n message\tM { int32\n a = 0x1 ; ; }\n;";
    assert_eq!(of(one).expect("a schema"), of(other).expect("a schema"));
    assert_eq!(
        of(one).expect("a schema"),
        "syntax = \"proto3\";\n\nmessage M {\n  int32 a = 1;\n}\n"
    );
}

#[test]
fn errors_say_where_and_what() {
    let cases = [
        (
            "syntax = \"proto3\";\nmessage M {\n  int32 a 1;\n}",
            "expected `=`, found `1` at line 3 column 11",
        ),
        (
            "message M { optional int32 a = 1; ",
            "expected a field, a declaration or `}`, found the end of the text at line 1 column 35",
        ),
        (
            "syntax = \"proto4\";",
            "expected \"proto2\" or \"proto3\", found \"proto4\" at line 1 column 10",
        ),
        (
            "edition = \"2023\";",
            "editions are not read by this version; write syntax = \"proto3\" or \"proto2\" at line 1 column 1",
        ),
        (
            "syntax = \"proto3\";\nmessage M { Missing a = 1; }",
            "name 'Missing' is not defined at line 2 column 13",
        ),
        (
            "syntax = \"proto3\"; message M { int32 a = 1; int32 b = 1; }",
            "field number '1' is already used at line 1 column 55",
        ),
        (
            "syntax = \"proto3\"; message M {} message M {}",
            "name 'M' is defined twice at line 1 column 41",
        ),
        (
            "syntax = \"proto3\"; message M { reserved 1; int32 a = 1; }",
            "field number '1' conflicts with reserved range '1 to 1' at line 1 column 54",
        ),
        (
            "syntax = \"proto3\"; message M { int32 a = 0; }",
            "message numbers must be between 1 and 536870911 at line 1 column 42",
        ),
        (
            "syntax = \"proto3\"; message M { required int32 a = 1; }",
            "required fields are not allowed in proto3 syntax at line 1 column 32",
        ),
        (
            "syntax = \"proto3\"; message M { int32 a = 1 [deprecate = true]; }",
            "option field 'deprecate' is not defined at line 1 column 45",
        ),
        (
            "syntax = \"proto3\"; import \"x.proto\"; message M {}",
            "the file `x.proto`, imported, is not among the references at import \"x.proto\"",
        ),
        (
            "syntax = \"proto3\"; message M { string a = 1 [json_name = \"\\q\"]; }",
            "an escape that no string may hold at line 1 column 59",
        ),
        (
            "syntax = \"proto3\"; /* message",
            "a comment that does not end, expected `*/` at line 1 column 20",
        ),
        (
            "syntax = \"proto3\"; enum E { A = 1; }",
            "the first value for proto3 enums must be 0 at line 1 column 33",
        ),
        ("", "the text declares nothing at #"),
        (
            "syntax = \"proto2\"; import \"google/protobuf/descriptor.proto\"; message E { optional int32 n = 1; } \
             extend google.protobuf.FieldOptions { repeated E one = 50002; optional double two = 50002; } \
             message M { optional int32 a = 1 [(one) = {}, (two) = 1.5]; }",
            "extension number 50002 of `google.protobuf.FieldOptions` is given to `one` and to `two` at #",
        ),
        (
            "{\"type\": \"string\"}",
            "expected a declaration, found `{` at line 1 column 1",
        ),
    ];
    for (text, expected) in cases {
        let error = of(text).expect_err(text);
        assert_eq!(error.to_string(), expected, "{text}");
    }
}

#[test]
fn imports_are_given_and_may_need_others() {
    let a = Import {
        name: "a.proto",
        text: "syntax = \"proto3\"; package a; message A { int32 x = 1; }",
    };
    let b = Import {
        name: "b.proto",
        text: "syntax = \"proto3\"; import public \"a.proto\"; message B { a.A a = 1; }",
    };
    let main = "syntax = \"proto3\"; import \"b.proto\"; message M { B b = 1; a.A a = 2; }";
    Schema::parse(main, &[b, a]).expect("in any order");
    let error = Schema::parse(main, &[b]).expect_err("`a.proto` is missing");
    assert_eq!(
        error.to_string(),
        "the file `a.proto`, imported by `b.proto`, is not among the references at import \"a.proto\""
    );
    let wrong = Import {
        text: "syntax = \"proto3\"; import public \"a.proto\"; message B { a.A a = 1 }",
        ..b
    };
    let error = Schema::parse(main, &[wrong, a]).expect_err("no semicolon");
    assert!(
        error.to_string().ends_with("line 1 column 67 of `b.proto`"),
        "{error}"
    );
    let own = Import {
        name: "default",
        text: "syntax = \"proto3\"; message D {}",
    };
    let main = "syntax = \"proto3\"; import \"default\"; message M { D d = 1; }";
    Schema::parse(main, &[own]).expect("an import may have the name that we give the schema");
}

#[test]
fn import_cycles_are_refused() {
    let a = Import {
        name: "a",
        text: "import \"b\";",
    };
    let b = Import {
        name: "b",
        text: "import \"a\";",
    };
    let error = Schema::parse("import \"a\";", &[a, b]).expect_err("a cycle");
    assert!(
        error
            .to_string()
            .starts_with("the file imports itself: a -> b -> a"),
        "{error}"
    );
    let own = Import {
        name: "default",
        text: "import \"default\";",
    };
    Schema::parse("import \"default\";", &[own]).expect_err("a cycle");
}

fn many(count: usize, part: impl Fn(usize) -> String) -> String {
    (0..count).map(part).collect()
}

/// None of these may take long or end in an exhausted stack; a test that hangs has failed.
#[test]
fn hostile_texts_are_refused_or_read_quickly() {
    let head = "syntax = \"proto3\";";
    let deep = format!("{head}{}", "message M {".repeat(90_000));
    let deep_option = format!("{head}option (a) = {}", "{a:".repeat(300_000));
    let deep_list = format!("{head}option (a) = {{a:{}", "[".repeat(900_000));
    let deep_parts = format!("{head}option (a){} = 1;", ".a".repeat(50_000));
    let fields = format!(
        "{head}message M {{{}}}",
        many(50_000, |n| format!("int32 f{n}={};", n + 20_000))
    );
    let too_many = format!(
        "{head}message M {{{}}}",
        many(61_000, |n| format!("int32 f{n}={};", n + 20_000))
    );
    let unknown = format!(
        "{head}message M {{{}}}",
        many(40_000, |n| format!("X{n} f{n}={};", n + 20_000))
    );
    let messages = format!(
        "{head}{}",
        many(9_000, |n| format!("message M{n} {{ M{n} m = 1; }}"))
    );
    let options = format!(
        "{head}message M {{int32 a=1 [{}];}}",
        many(900, |n| format!("(o{n})=1,")) + "(x)=1"
    );
    let comments = "/**/".repeat(240_000);
    let strings = format!("{head}option java_package = {};", "''".repeat(300_000));
    let long = format!("{head}message {} {{}}", "M".repeat(900_000));
    let enums = format!(
        "{head}enum E {{ {} }}",
        many(40_000, |n| format!("V{n} = {n};"))
    );
    let ranges = format!(
        "{head}message M {{ {} int32 a = 1; }}",
        many(20_000, |n| format!("reserved {};", n + 20_002))
    );
    let extensions = "syntax = \"proto2\"; message M { extensions 1 to max; } ".to_owned()
        + &many(20_000, |n| {
            format!("extend M {{ optional int32 e{n} = {}; }}", n + 20_000)
        });
    for (text, good) in [
        (&deep, false),
        (&deep_option, false),
        (&deep_list, false),
        (&deep_parts, false),
        (&fields, true),
        (&too_many, false),
        (&unknown, false),
        (&messages, true),
        (&options, false),
        (&comments, false),
        (&strings, true),
        (&long, false),
        (&enums, true),
        (&ranges, true),
        (&extensions, true),
    ] {
        let result = of(text);
        assert_eq!(result.is_ok(), good, "{} {:?}", &text[..40], result.err());
    }
}

#[test]
fn descriptors_in_base64_are_schemas() {
    use base64::Engine;
    let text = "syntax = \"proto3\"; package p; import \"google/protobuf/timestamp.proto\"; \
        message M { map<string, N> m = 1; optional int32 o = 2; oneof c { string s = 3; N n = 4; } \
        repeated double d = 5 [packed = false]; google.protobuf.Timestamp t = 6; message N { E e = 1; } enum E { Z = 0; } \
        reserved 7, 9 to 12; reserved \"x\"; } service S { rpc R(M) returns (stream M); }";
    let schema = Schema::parse(text, &[]).expect("a schema");
    let mut file = schema.descriptor().file_descriptor_proto().clone();
    file.source_code_info = None;
    let encoded =
        base64::engine::general_purpose::STANDARD.encode(prost::Message::encode_to_vec(&file));
    let canonical = of(&encoded).expect("a schema");
    assert_eq!(
        of(&canonical).expect("a schema"),
        canonical,
        "the text stays"
    );
    assert!(
        canonical.contains("repeated .p.M.MEntry m = 1"),
        "{canonical}"
    );
    assert!(
        canonical.contains("    option map_entry = true;\n"),
        "{canonical}"
    );
    let mut again = descriptor(&canonical);
    sort(&mut file);
    again.name.clone_from(&file.name);
    assert_eq!(again, file, "and means the same");
    assert!(Schema::parse("AAAA", &[]).is_err());
    assert!(Schema::parse("", &[]).is_err());
}
