//! Bytes as an event of a port in each encoding, with rules: whatever comes, there is a verdict.

#![no_main]

use contract::quality::{Check, QualityRule};
use contract::rule::{ActiveVersion, Binding, Event, PortRules, VALUE_SCHEMA_ID_HEADER};
use contract::settings::{Mode, Settings};
use contract::spec::{Encoding, Key};
use std::sync::LazyLock;

const AVRO: &str = r#"{"type":"record","name":"R","fields":[{"name":"id","type":"string"},{"name":"n","type":["null","long"]},
{"name":"at","type":{"type":"long","logicalType":"timestamp-micros"}},{"name":"price","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}},
{"name":"kids","type":{"type":"array","items":["null","R"]}},{"name":"m","type":{"type":"map","values":{"type":"string","logicalType":"uuid"}}}]}"#;
const JSON: &str = r##"{"type":"object","properties":{"id":{"type":"string"},"n":{"type":"integer"},"kids":{"type":"array","items":{"$ref":"#"}}},"required":["id"],"additionalProperties":false}"##;
const PROTOBUF: &str = "syntax = \"proto3\"; message R { string id = 1; optional int64 n = 2; repeated R kids = 3; map<string, bytes> m = 4; oneof o { double d = 5; sint32 s = 6; } }";

static PORTS: LazyLock<Vec<PortRules>> = LazyLock::new(|| {
    [(Encoding::Avro, AVRO), (Encoding::Json, JSON), (Encoding::Protobuf, PROTOBUF)]
        .map(|(encoding, schema)| port(encoding, schema))
        .into()
});

fn port(encoding: Encoding, schema: &str) -> PortRules {
    let condition = "has(event.n) && event.n != null && event.n > 0 || event.kids.all(kid, kid != null)";
    let rule = QualityRule {
        name: "r".to_owned(),
        path: String::new(),
        mode: Mode::Enforce,
        description: String::new(),
        check: Check::Cel { condition: condition.to_owned(), guard: None, field: None },
    };
    let version = ActiveVersion {
        version: "1.0.0".parse().expect("a version"),
        encoding,
        schema,
        record: "R",
        imports: &[],
        required: &[],
        key_schema: None,
        key: &Key { properties: vec!["id".to_owned()], text: true },
        settings: &Settings::default(),
        rules: &[rule],
        classified: &["id".to_owned()],
        bindings: &[Binding { id: 1, guid: [1; 16] }],
    };
    PortRules::compile("c", &[version]).expect("compiles").expect("one version")
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let framed = [&[0, 0, 0, 0, 1][..], data].concat();
    let guid = [&[1][..], &[1; 16]].concat();
    let header = [(VALUE_SCHEMA_ID_HEADER, Some(&guid[..]))];
    for port in PORTS.iter() {
        for (value, headers) in [(data, &[][..]), (&framed, &[][..]), (data, &header[..])] {
            let event = Event { key: Some(b"k"), value: Some(value), headers };
            let verdict = port.judge_known(&event);
            assert_eq!(verdict, port.judge_known(&event), "the same event, the same verdict");
        }
    }
});
