//! Bytes as a CloudEvent with a key under a schema: the first byte says the encoding and how the rest is split into
//! value, key and headers. Whatever comes, there is one verdict.

#![no_main]

use contract::key_schema::KeySchema;
use contract::rule::{ActiveVersion, Binding, Event, PortRules};
use contract::settings::{CloudEvents, Settings};
use contract::spec::{Encoding, Key};
use std::sync::LazyLock;

const AVRO: &str = r#"{"type":"record","name":"R","fields":[{"name":"id","type":"string"}]}"#;
const JSON: &str = r##"{"type":"object","properties":{"id":{"type":"string"},"at":{"type":"string","format":"date-time"},"kids":{"type":"array","items":{"$ref":"#"}}}}"##;
const PROTOBUF: &str = "syntax = \"proto3\"; message R { string id = 1; repeated R kids = 2; }";
const KEY: &str = r#"{"type":"record","name":"K","fields":[{"name":"id","type":"string"},{"name":"n","type":["null","long"]}]}"#;

static PORTS: LazyLock<Vec<PortRules>> = LazyLock::new(|| {
    [(Encoding::Avro, AVRO), (Encoding::Json, JSON), (Encoding::Protobuf, PROTOBUF)]
        .map(|(encoding, schema)| port(encoding, schema))
        .into()
});

fn port(encoding: Encoding, schema: &str) -> PortRules {
    let keys = KeySchema {
        file: "k.avsc".to_owned(),
        encoding: Encoding::Avro,
        text: KEY.to_owned(),
        record: String::new(),
        imports: Vec::new(),
    };
    let bindings = [Binding { id: 1, guid: [1; 16] }];
    let version = ActiveVersion {
        version: "1.0.0".parse().expect("a version"),
        encoding,
        schema,
        record: "R",
        imports: &[],
        required: &["id".to_owned()],
        key: &Key { properties: vec![], text: false },
        key_schema: Some((&keys, &bindings)),
        settings: &Settings { cloud_events: CloudEvents::Any, ..Settings::default() },
        rules: &[],
        classified: &[],
        bindings: &bindings,
    };
    PortRules::compile("c", &[version]).expect("compiles").expect("one version")
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((how, rest)) = data.split_first() else { return };
    let port = &PORTS[usize::from(*how) % PORTS.len()];
    let mut parts = rest.split(|byte| *byte == 0xff);
    let mut part = || parts.next().unwrap_or_default();
    let (value, key, id, time, kind) = (part(), part(), part(), part(), part());
    let kind = if how & 0x80 == 0 { &b"application/cloudevents+json"[..] } else { kind };
    let headers = [
        ("ce_specversion", Some(&b"1.0"[..])),
        ("ce_id", Some(id)),
        ("ce_source", Some(id)),
        ("ce_type", Some(id)),
        ("ce_time", Some(time)),
        ("content-type", Some(kind)),
    ];
    for key in [key.to_vec(), [&[0, 0, 0, 0, 1][..], key].concat()] {
        let event = Event { key: Some(&key), value: Some(value), headers: &headers };
        let verdict = port.judge_known(&event);
        assert_eq!(verdict, port.judge_known(&event), "the same event, the same verdict");
    }
});
