//! Events that nobody meant: bytes cut, flipped and repeated, under each encoding and framing, with rules. Whatever comes,
//! there is one verdict, the same one each time, and reasons that fit their header.

use contract::cloud_events::{Attributes, Origin};
use contract::key_schema::KeySchema;
use contract::quality::{Check, EventRules, Mask, QualityRule};
use contract::rule::{ActiveVersion, Binding, Event, PortRules, VALUE_SCHEMA_ID_HEADER};
use contract::settings::CloudEvents;
use contract::settings::{Mode, Settings};
use contract::spec::{Encoding, Key};
use contract::verdict::{MAX_FOUND, MAX_REASONS, Verdict};
use proptest::prelude::*;

const AVRO: &str = r#"{"type":"record","name":"R","fields":[{"name":"id","type":"string"},{"name":"n","type":["null","long"]},
{"name":"at","type":{"type":"long","logicalType":"timestamp-micros"}},
{"name":"price","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}},
{"name":"kids","type":{"type":"array","items":["null","R"]}},
{"name":"m","type":{"type":"map","values":{"type":"string","logicalType":"uuid"}}}]}"#;
const JSON: &str = r##"{"type":"object","properties":{"id":{"type":"string"},"n":{"type":"integer"},
"kids":{"type":"array","items":{"$ref":"#"}}},"required":["id"],"additionalProperties":false}"##;
const PROTOBUF: &str = "syntax = \"proto3\"; message R { string id = 1; optional int64 n = 2; repeated R kids = 3; \
    map<string, bytes> m = 4; oneof o { double d = 5; sint32 s = 6; } }";

/// An event that meets the contract, to be spoilt.
const GOOD: [(Encoding, &str, &[u8]); 3] = [
    (
        Encoding::Avro,
        AVRO,
        b"\x02a\x02\x0e\x80\x80\x80\x80\x20\x04\x01\x02\x02\x00\x00\x00",
    ),
    (
        Encoding::Json,
        JSON,
        br#"{"id":"a","n":7,"kids":[{"id":"b","kids":[]}]}"#,
    ),
    (
        Encoding::Protobuf,
        PROTOBUF,
        b"\x00\x0a\x01a\x10\x07\x1a\x03\x0a\x01b\x22\x05\x0a\x01k\x12\x00\x30\x05",
    ),
];

fn rule(condition: &str) -> QualityRule {
    QualityRule {
        name: "r".to_owned(),
        path: String::new(),
        mode: Mode::Enforce,
        description: String::new(),
        check: Check::Cel {
            condition: condition.to_owned(),
            guard: None,
            field: None,
        },
    }
}

fn port(encoding: Encoding, schema: &str) -> PortRules {
    port_with(encoding, schema, (Settings::default(), None))
}

fn port_with(
    encoding: Encoding,
    schema: &str,
    (settings, keys): (Settings, Option<&KeySchema>),
) -> PortRules {
    let bindings = [Binding {
        id: 1,
        guid: [1; 16],
    }];
    let version = ActiveVersion {
        version: "1.0.0".parse().expect("a version"),
        encoding,
        schema,
        record: "R",
        imports: &[],
        required: &[],
        key_schema: keys.map(|keys| (keys, &bindings[..])),
        key: &Key {
            properties: vec!["id".to_owned()],
            text: true,
        },
        settings: &settings,
        rules: &[
            rule("!has(event.n) || event.n == null || event.n > 0"),
            rule("!has(event.kids) || event.kids.all(kid, kid == null || size(kid) > 0)"),
        ],
        classified: &["id".to_owned()],
        bindings: &bindings,
    };
    let compiled = PortRules::compile("c", &[version]);
    compiled.expect("compiles").expect("one version")
}

/// A record of a port of CloudEvents with keys under a schema, to be spoilt: value, key and headers.
type Record = (Vec<u8>, Vec<u8>, Vec<(String, Vec<u8>)>);

fn cloud_event(encoding: Encoding, body: &[u8], structured: bool) -> Record {
    let value = match encoding {
        Encoding::Json => body.to_vec(),
        Encoding::Avro | Encoding::Protobuf => [&[0, 0, 0, 0, 1][..], body].concat(),
    };
    let attributes = Origin::new("d.p.e.v1", "c").attributes("1", Attributes::default());
    let key = b"\0\0\0\0\x01\x02k".to_vec();
    if structured {
        let (value, header) = attributes.envelope(encoding, &value);
        return (value, key, vec![header]);
    }
    (value, key, attributes.headers(encoding))
}

fn keyed_port(encoding: Encoding, schema: &str) -> PortRules {
    let keys = KeySchema {
        file: "k.avsc".to_owned(),
        encoding: Encoding::Avro,
        text: "\"string\"".to_owned(),
        record: String::new(),
        imports: Vec::new(),
    };
    let settings = Settings {
        cloud_events: CloudEvents::Any,
        ..Settings::default()
    };
    port_with(encoding, schema, (settings, Some(&keys)))
}

fn judged_record(port: &PortRules, (value, key, headers): &Record) -> Verdict {
    let headers: Vec<(&str, Option<&[u8]>)> = headers
        .iter()
        .map(|(name, value)| (name.as_str(), Some(value.as_slice())))
        .collect();
    let event = Event {
        key: Some(key),
        value: Some(value),
        headers: &headers,
    };
    let verdict = port.judge_known(&event);
    assert_eq!(verdict, port.judge_known(&event));
    if let Ok(known) = port.judge(&event) {
        assert_eq!(known, verdict, "what needs no more facts is decided");
    }
    verdict
}

fn judged(port: &PortRules, body: &[u8]) -> [Verdict; 3] {
    let framed = [&[0, 0, 0, 0, 1][..], body].concat();
    let guid = [&[1][..], &[1; 16]].concat();
    let header = [(VALUE_SCHEMA_ID_HEADER, Some(&guid[..]))];
    [(body, &[][..]), (&framed, &[][..]), (body, &header[..])].map(|(value, headers)| {
        let event = Event {
            key: Some(b"k"),
            value: Some(value),
            headers,
        };
        let verdict = port.judge_known(&event);
        assert_eq!(verdict, port.judge_known(&event));
        if let Verdict::Quarantined(reasons) = &verdict {
            assert!((1..=MAX_REASONS).contains(&reasons.len()));
            for reason in reasons {
                assert!(reason.found.chars().count() <= MAX_FOUND + 1, "{reason}");
            }
        }
        verdict
    })
}

#[test]
fn the_events_to_be_spoilt_are_good_ones() {
    for (encoding, schema, body) in GOOD {
        let [_, framed, _] = judged(&port(encoding, schema), body);
        assert_eq!(framed, Verdict::Accepted, "{encoding:?}");
    }
}

#[test]
fn the_cloud_events_to_be_spoilt_are_good_ones() {
    for (encoding, schema, body) in GOOD {
        for structured in [true, false] {
            let record = cloud_event(encoding, body, structured);
            let verdict = judged_record(&keyed_port(encoding, schema), &record);
            assert_eq!(
                verdict,
                Verdict::Accepted,
                "{encoding:?}, structured: {structured}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Envelopes, attributes and keys, however spoilt.
    #[test]
    fn spoilt_cloud_events_have_one_verdict(
        which in 0_usize..3,
        structured: bool,
        part in 0_usize..6,
        flips in prop::collection::vec((0_usize..256, any::<u8>()), 0..4),
        cut in 0_usize..256,
    ) {
        let (encoding, schema, body) = GOOD[which];
        let mut record = cloud_event(encoding, body, structured);
        let count = record.2.len();
        let spoilt: &mut Vec<u8> = match part {
            0 | 1 => &mut record.0,
            2 => &mut record.1,
            other => &mut record.2[other % count].1,
        };
        for (at, byte) in flips {
            if !spoilt.is_empty() {
                let at = at % spoilt.len();
                spoilt[at] ^= byte;
            }
        }
        spoilt.truncate(cut.max(1));
        judged_record(&keyed_port(encoding, schema), &record);
    }

    #[test]
    fn spoilt_events_have_one_verdict(
        which in 0_usize..3,
        flips in prop::collection::vec((0_usize..64, any::<u8>()), 0..4),
        cut in 0_usize..64,
        again in 0_usize..3,
        noise in prop::collection::vec(any::<u8>(), 0..24),
    ) {
        let (encoding, schema, good) = GOOD[which];
        let mut body = good.to_vec();
        for (at, byte) in flips {
            let at = at % body.len();
            body[at] ^= byte;
        }
        if cut < body.len() {
            body.truncate(cut.max(1));
        }
        let body = body.repeat(1 + again);
        let port = port(encoding, schema);
        judged(&port, &body);
        judged(&port, &[&body[..], &noise].concat());
    }

    /// Conditions of every shape: refused, or they judge.
    #[test]
    fn texts_are_conditions_or_refused(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "event", ".a", ".b", "[0]", "['s']", "(", ")", "==", "<", "&&", "||", "!", "-", "+", "*", "/", "1", "2.5",
                "'x'", "null", "true", "has(event.a)", ".all(x, x > 0)", ".map(x, x + x)", ".matches('a+')", "size(event.b)",
                "?", ":", "[1, 2]", "in", "{'k': 1}", "timestamp(event.s)", "9223372036854775807", "key", "headers.h",
            ]),
            1..9,
        ),
    ) {
        let text = parts.join(" ");
        if let Ok(rules) = EventRules::compile(&[rule(&text)]) {
            let event = serde_json::json!({"a": 1, "b": [1, "x", null, {"c": 2.5}], "s": "text"});
            let check = || rules.check(&event, Some(b"k"), &[("h", None)], &Mask::default());
            prop_assert_eq!(check(), check());
        }
    }
}
