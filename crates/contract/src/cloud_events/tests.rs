//! Verdicts on CloudEvents in both modes, good and bad of each kind.

use super::{Attributes, CONTENT_TYPE, Origin, STRUCTURED};
use crate::rule::{ActiveVersion, Binding, Event, PortRules};
use crate::settings::{CloudEvents, Settings};
use crate::spec::{Encoding, Key};
use crate::verdict::{Code, Verdict};
use std::collections::BTreeMap;

const JSON: &str = r#"{"type":"object","properties":{"id":{"type":"string"},"at":{"type":"string","format":"date-time"}},"required":["id"],"additionalProperties":false}"#;
const AVRO: &str = r#"{"type":"record","name":"E","fields":[{"name":"id","type":"string"}]}"#;

fn port(mode: CloudEvents, encoding: Encoding) -> PortRules {
    let version = ActiveVersion {
        version: "1.0.0".parse().expect("a version"),
        encoding,
        schema: if encoding == Encoding::Json {
            JSON
        } else {
            AVRO
        },
        record: "",
        imports: &[],
        required: &[],
        key: &Key {
            properties: vec![],
            text: false,
        },
        key_schema: None,
        settings: &Settings {
            cloud_events: mode,
            ..Settings::default()
        },
        rules: &[],
        classified: &[],
        bindings: &[Binding {
            id: 7,
            guid: [1; 16],
        }],
    };
    let compiled = PortRules::compile("c", &[version]);
    compiled.expect("compiles").expect("a version")
}

type Headers<'a> = Vec<(&'a str, &'a str)>;

fn good() -> Headers<'static> {
    vec![
        ("ce_specversion", "1.0"),
        ("ce_id", "1"),
        ("ce_source", "/calls"),
        ("ce_type", "call.ended"),
        ("ce_time", "2026-02-28T23:59:60.5+01:00"),
        ("ce_dataschema", "https://x.example/s"),
        ("ce_subject", "ä"),
        ("ce_traceid1", ""),
        (CONTENT_TYPE, "application/json; charset=utf-8"),
        ("unrelated", "x"),
    ]
}

fn with(name: &'static str, value: &'static str) -> Headers<'static> {
    let mut headers = good();
    headers.retain(|(known, _)| *known != name);
    headers.push((name, value));
    headers
}

fn verdict(port: &PortRules, value: &[u8], headers: &[(&str, &str)]) -> Vec<(Code, String)> {
    let headers: Vec<(&str, Option<&[u8]>)> = headers
        .iter()
        .map(|(name, value)| (*name, Some(value.as_bytes())))
        .collect();
    let event = Event {
        key: None,
        value: Some(value),
        headers: &headers,
    };
    match port.judge_known(&event) {
        Verdict::Accepted | Verdict::Shadowed(_) => Vec::new(),
        Verdict::Quarantined(reasons) => reasons
            .into_iter()
            .map(|reason| (reason.code, reason.path))
            .collect(),
    }
}

#[test]
fn binary_mode_asks_for_attributes_and_judges_the_value() {
    let port = port(CloudEvents::Binary, Encoding::Json);
    let data = br#"{"id":"a"}"#;
    assert_eq!(verdict(&port, data, &good()), []);
    let framed = [&b"\0\0\0\0\x07"[..], data].concat();
    assert_eq!(verdict(&port, &framed, &good()), []);
    let bad = |path: &str| vec![(Code::CloudEvent, path.to_owned())];
    for (name, value) in [
        ("ce_specversion", "0.3"),
        ("ce_id", ""),
        ("ce_source", "not a uri"),
        ("ce_type", "a\nb"),
        ("ce_subject", ""),
        ("ce_dataschema", "/relative"),
        ("ce_time", "2026-02-29T00:00:00Z"),
        ("ce_time", "2026-02-28 00:00:00Z"),
        ("ce_time", "2026-02-28T24:00:00Z"),
        ("ce_time", "2026-02-28T00:00:00"),
        ("ce_time", "2026-02-28T00:00:00+25:00"),
        ("ce_Trace", "x"),
        ("ce_trace_id", "x"),
        ("ce_", "x"),
        ("ce_datacontenttype", "application/json"),
        (CONTENT_TYPE, "text/plain"),
        (CONTENT_TYPE, "json"),
        (CONTENT_TYPE, "application/cloudevents+json"),
    ] {
        assert_eq!(
            verdict(&port, data, &with(name, value)),
            bad(name),
            "{name}: {value}"
        );
    }
    for name in ["ce_specversion", "ce_id", "ce_source", "ce_type"] {
        let mut headers = good();
        headers.retain(|(known, _)| *known != name);
        assert_eq!(verdict(&port, data, &headers), bad(name));
        headers.extend([(name, "1.0"), (name, "1.0")]);
        assert_eq!(verdict(&port, data, &headers), bad(name), "twice");
    }
    let both = verdict(&port, br#"{"id":1}"#, &with("ce_id", ""));
    let expected = [
        (Code::CloudEvent, "ce_id".to_owned()),
        (Code::WrongType, "/id".to_owned()),
    ];
    assert_eq!(both, expected);
}

#[test]
fn values_in_binary_mode_are_framed_as_ever() {
    let port = port(CloudEvents::Binary, Encoding::Avro);
    let headers = with(CONTENT_TYPE, "application/avro");
    assert_eq!(verdict(&port, b"\0\0\0\0\x07\x02a", &headers), []);
    let wrong = |value: &[u8]| verdict(&port, value, &headers)[0].0;
    assert_eq!(wrong(b"\x02a"), Code::NotFramed);
    assert_eq!(wrong(b"\0\0\0\0\x08\x02a"), Code::UnknownSchemaId);
    assert_eq!(wrong(b"\0\0\0\0\x07\x02ab"), Code::TrailingBytes);
}

const ENVELOPE: &str =
    r#""specversion":"1.0","id":"1","source":"/calls","type":"call.ended","time":null,"n":3"#;

fn structured(port: &PortRules, rest: &str) -> Vec<(Code, String)> {
    let value = format!("{{{ENVELOPE},{rest}}}");
    verdict(
        port,
        value.as_bytes(),
        &[(CONTENT_TYPE, "Application/CloudEvents+json; charset=utf-8")],
    )
}

#[test]
fn structured_mode_judges_the_data_of_an_envelope() {
    let port = port(CloudEvents::Structured, Encoding::Json);
    assert_eq!(structured(&port, r#""data":{"id":"a"}"#), []);
    // {"id":"a"}
    assert_eq!(structured(&port, r#""data_base64":"eyJpZCI6ImEifQ==""#), []);
    let found = |rest: &str| -> Vec<(&'static str, String)> {
        let reasons = structured(&port, rest).into_iter();
        reasons.map(|(code, path)| (code.as_str(), path)).collect()
    };
    for (rest, code, path) in [
        (r#""data":{"id":1}"#, "MESH-1007", "/data/id"),
        (r#""data":{}"#, "MESH-1006", "/data/id"),
        (
            r#""data":{"id":"a","at":"yesterday"}"#,
            "MESH-1016",
            "/data/at",
        ),
        (r#""data":null"#, "MESH-1007", "/data"),
        (r#""x":"y""#, "MESH-1006", "/data"),
        (
            r#""data":{"id":"a"},"datacontenttype":"text/xml""#,
            "MESH-1020",
            "/datacontenttype",
        ),
        (r#""data":{"id":"a"},"Id":"x""#, "MESH-1020", "/Id"),
        (r#""data":{"id":"a"},"o":{}"#, "MESH-1020", "/o"),
        (r#""data":{"id":"a"},"f":1.5"#, "MESH-1020", "/f"),
        (r#""data":{"id":"a"},"subject":7"#, "MESH-1020", "/subject"),
        (
            r#""data":{"id":"a"},"data_base64":"eyJpZCI6ImEifQ==""#,
            "MESH-1020",
            "/data_base64",
        ),
        (r#""data_base64":"?""#, "MESH-1020", "/data_base64"),
        (r#""data_base64":"""#, "MESH-1011", "/data"),
        (r#""data_base64":"eyJpZCI6MX0=""#, "MESH-1007", "/data/id"),
        (r#""data":{"id":"a"},"id":"2""#, "MESH-1005", ""),
    ] {
        assert_eq!(found(rest), [(code, path.to_owned())], "{rest}");
    }
    let types = |kind: &str| verdict(&port, b"{}", &[(CONTENT_TYPE, kind)]);
    let wrong = [(Code::CloudEvent, CONTENT_TYPE.to_owned())];
    for kind in [
        "application/json",
        "application/cloudevents-batch+json",
        "application/cloudevents+avro",
    ] {
        assert_eq!(types(kind), wrong, "{kind}");
    }
    assert_eq!(types(STRUCTURED).len(), 5, "four attributes and the data");
    assert_eq!(
        verdict(&port, b"[1]", &[(CONTENT_TYPE, STRUCTURED)])[0].0,
        Code::CloudEvent
    );
    assert_eq!(verdict(&port, br#"{"id":"a"}"#, &good()), wrong);
}

#[test]
fn encoded_data_stand_in_base64_with_their_framing() {
    let port = port(CloudEvents::Any, Encoding::Avro);
    assert_eq!(structured(&port, r#""data_base64":"AAAAAAcCYQ==""#), []);
    let found = |rest: &str| structured(&port, rest);
    assert_eq!(
        found(r#""data":{"id":"a"}"#),
        [(Code::NotFramed, "/data".to_owned())]
    );
    assert_eq!(
        found(r#""data_base64":"AmE=""#),
        [(Code::NotFramed, "/data".to_owned())]
    );
    assert_eq!(
        found(r#""data_base64":"AAAAAAgCYQ==""#),
        [(Code::UnknownSchemaId, "/data".to_owned())]
    );
    let binary = verdict(
        &port,
        b"\0\0\0\0\x07\x02a",
        &with(CONTENT_TYPE, "application/avro"),
    );
    assert_eq!(binary, []);
}

#[test]
fn a_contract_without_cloud_events_looks_at_no_attribute() {
    let port = port(CloudEvents::None, Encoding::Json);
    let headers = [("ce_id", ""), (CONTENT_TYPE, STRUCTURED)];
    assert_eq!(verdict(&port, br#"{"id":"a"}"#, &headers), []);
}

#[test]
fn tombstones_are_no_cloud_events() {
    let event = Event {
        key: None,
        value: None,
        headers: &[],
    };
    for mode in [
        CloudEvents::Binary,
        CloudEvents::Structured,
        CloudEvents::Any,
    ] {
        let Verdict::Quarantined(reasons) = port(mode, Encoding::Json).judge_known(&event) else {
            unreachable!("tombstones are refused by default");
        };
        assert_eq!(reasons[0].code, Code::Tombstone);
    }
}

#[test]
fn what_we_write_is_accepted_in_every_mode() {
    let origin = Origin::new("d.p.e.v1", "calls");
    let given = Attributes(BTreeMap::from([(
        "subject".to_owned(),
        "a \"quoted\" ä".to_owned(),
    )]));
    for (encoding, data) in [
        (Encoding::Json, &br#"{"id":"a"}"#[..]),
        (Encoding::Avro, b"\0\0\0\0\x07\x02a"),
    ] {
        let port = port(CloudEvents::Any, encoding);
        let attributes = origin.attributes("f-1", given.clone());
        let headers = attributes.headers(encoding);
        let texts = |headers: &[(String, Vec<u8>)]| -> Vec<(String, String)> {
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
            headers
                .iter()
                .map(|(name, value)| (name.clone(), text(value)))
                .collect()
        };
        let headers = texts(&headers);
        let borrowed: Headers<'_> = headers
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_str()))
            .collect();
        assert_eq!(verdict(&port, data, &borrowed), []);
        let (value, header) = attributes.envelope(encoding, data);
        let header = texts(&[header]);
        assert_eq!(verdict(&port, &value, &[(&header[0].0, &header[0].1)]), []);
    }
}
