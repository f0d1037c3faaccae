//! What an accepted event costs in allocations: none, or one for what its rules read.
//!
//! Counted on this thread by an allocator that stands before the system's. Through the judge of a port, as the data path asks
//! it, so that framing, key and headers are in it.

use allocation_counter::measure;
use contract::quality::{Check, QualityRule};
use contract::rule::{ActiveVersion, Binding, Event, PortRules, VALUE_SCHEMA_ID_HEADER};
use contract::settings::{Mode, Settings};
use contract::spec::{Encoding, Key};
use contract::verdict::Verdict;

const AVRO: &str = r#"{"type":"record","name":"R","fields":[{"name":"id","type":"string"},{"name":"n","type":["null","long"]},
{"name":"at","type":{"type":"long","logicalType":"timestamp-micros"}},
{"name":"price","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}},
{"name":"kids","type":{"type":"array","items":["null","R"]}},
{"name":"m","type":{"type":"map","values":{"type":"string","logicalType":"uuid"}}},
{"name":"u","type":["int","string","double"]},{"name":"e","type":{"type":"enum","name":"E","symbols":["A","B"]}}]}"#;
const JSON: &str = r#"{"type":"object","required":["id"],"additionalProperties":false,"properties":{
"id":{"type":"string","minLength":1},"n":{"type":["integer","null"]},"kids":{"type":"array","items":{"type":"string"}},
"e":{"enum":["A","B"]}}}"#;
const PROTOBUF: &str = "syntax = \"proto3\"; message R { string id = 1; optional int64 n = 2; repeated R kids = 3; \
    map<string, bytes> m = 4; oneof o { double d = 5; sint32 s = 6; } }";

const GUID: [u8; 16] = [7; 16];
const GUID_HEADER: [u8; 17] = [1, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7];

/// The events, and one that breaks the contract.
const EVENTS: [(Encoding, &str, &[u8], &[u8]); 3] = [
    (
        Encoding::Avro,
        AVRO,
        b"\x02a\x02\x0e\x80\x80\x80\x80\x20\x04\x01\x02\
          \x02\x02\x02b\x00\x00\x02\x07\x00\x00\x00\x02\x00\x00\
          \x02\x02k\x480f8fad5b-d9cb-469f-a165-70867728950e\x00\x02\x06xyz\x02",
        b"\x02a",
    ),
    (
        Encoding::Json,
        JSON,
        br#"{"id":"abc","n":7,"kids":["b","c"],"e":"B"}"#,
        b"{}",
    ),
    (
        Encoding::Protobuf,
        PROTOBUF,
        b"\x0a\x01a\x10\x07\x1a\x03\x0a\x01b\x22\x05\x0a\x01k\x12\x00\x30\x05",
        b"\x0a",
    ),
];

fn port(encoding: Encoding, schema: &str, conditions: &[&str]) -> PortRules {
    let rules: Vec<QualityRule> = conditions
        .iter()
        .map(|condition| QualityRule {
            name: (*condition).to_owned(),
            path: String::new(),
            mode: Mode::Enforce,
            description: String::new(),
            check: Check::Cel {
                condition: (*condition).to_owned(),
                guard: None,
                field: None,
            },
        })
        .collect();
    let key = Key {
        properties: vec!["id".to_owned(), "n".to_owned()],
        text: false,
    };
    let settings = Settings {
        required_headers: vec!["trace".to_owned()],
        ..Settings::default()
    };
    let version = ActiveVersion {
        version: "1.0.0".parse().expect("a version"),
        encoding,
        schema,
        record: "R",
        imports: &[],
        required: &[],
        key: &key,
        key_schema: None,
        settings: &settings,
        rules: &rules,
        classified: &["id".to_owned()],
        bindings: &[Binding { id: 7, guid: GUID }],
    };
    let compiled = PortRules::compile("c", &[version]).expect("compiles");
    compiled.expect("has a version")
}

/// Allocations of judging an event in every framing that its encoding has, and whether it was accepted in each.
fn allocations(port: &PortRules, encoding: Encoding, body: &[u8]) -> Vec<(u64, bool)> {
    let indexes: &[u8] = match encoding {
        Encoding::Protobuf => &[0],
        Encoding::Avro | Encoding::Json => &[],
    };
    let prefixed = [&[0, 0, 0, 0, 7], indexes, body].concat();
    let trace = ("trace", Some(&b"t"[..]));
    let guid = (VALUE_SCHEMA_ID_HEADER, Some(&GUID_HEADER[..]));
    let mut forms = vec![(prefixed.as_slice(), vec![trace])];
    if encoding != Encoding::Protobuf {
        forms.push((body, vec![trace, guid]));
    }
    if encoding == Encoding::Json {
        forms.push((body, vec![trace]));
    }
    let each = forms.iter().map(|(value, headers)| {
        let event = Event {
            key: Some(br#"["a",7]"#),
            value: Some(value),
            headers,
        };
        // A pattern makes its working memory when it is first asked.
        port.judge(&event).ok();
        let mut verdict = None;
        let counted = measure(|| verdict = Some(port.judge(&event)));
        let accepted = matches!(verdict, Some(Ok(Verdict::Accepted)));
        (counted.count_total, accepted)
    });
    each.collect()
}

#[test]
fn an_accepted_event_takes_no_allocation() {
    for (encoding, schema, good, _) in EVENTS {
        let port = port(encoding, schema, &[]);
        for counted in allocations(&port, encoding, good) {
            assert_eq!(counted, (0, true), "{encoding:?}");
        }
    }
}

#[test]
fn common_rules_take_one() {
    let rules = [
        "event.n >= 0",
        "event.id != 'x' || event.n == 1",
        "event.id.matches('^a')",
    ];
    for (encoding, schema, good, _) in EVENTS {
        let port = port(encoding, schema, &rules);
        for counted in allocations(&port, encoding, good) {
            assert_eq!(counted, (1, true), "{encoding:?}");
        }
    }
}

/// What makes a tree or a reason is counted, or the tests above would hold of anything.
#[test]
fn the_count_sees_what_allocates() {
    for (encoding, schema, good, bad) in EVENTS {
        for (counted, accepted) in allocations(&port(encoding, schema, &[]), encoding, bad) {
            assert!(counted > 0 && !accepted, "{encoding:?}");
        }
        // A function that only the library knows.
        let library = port(encoding, schema, &["size(event.id) > 0"]);
        for (counted, accepted) in allocations(&library, encoding, good) {
            assert!(counted > 3 && accepted, "{encoding:?}: {counted}");
        }
    }
}
