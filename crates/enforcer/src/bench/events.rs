//! The events of the benchmark: a departure of a flight, as Avro, JSON and Protobuf, one in a hundred of them broken.

use contract::{
    framing::write_prefix,
    quality::{Check, QualityRule},
    rule::{ActiveVersion, Binding, CompileError, PortRules},
    settings::{Mode, Settings},
    spec::{Encoding, Key},
    version::Version,
};
use std::fmt::Write;

/// Registry id that the benchmark's schema is bound to.
const SCHEMA_ID: u32 = 1;

/// One in so many events is broken.
const BAD_EVERY: usize = 100;

/// Bytes of the remark that bring the Avro value, with its prefix, to 287.
const REMARK: usize = 205;

const PROTOBUF: &str = r#"syntax = "proto3"; package bench.departures; message Departure {
string id = 1; int64 scheduled = 2; string carrier = 3; int64 flight = 4; optional string tail = 5; string origin = 6;
string destination = 7; optional int64 departed = 8; optional double delay = 9; double distance = 10; bool cancelled = 11;
repeated string stops = 12; string remark = 13; }"#;

const AVRO: &str = r#"{"type":"record","name":"Departure","namespace":"bench.departures","fields":[
{"name":"id","type":"string"},
{"name":"scheduled","type":{"type":"long","logicalType":"timestamp-micros"}},
{"name":"carrier","type":"string"},
{"name":"flight","type":"long"},
{"name":"tail","type":["null","string"],"default":null},
{"name":"origin","type":"string"},
{"name":"destination","type":"string"},
{"name":"departed","type":["null","long"],"default":null},
{"name":"delay","type":["null","double"],"default":null},
{"name":"distance","type":"double"},
{"name":"cancelled","type":"boolean"},
{"name":"stops","type":{"type":"array","items":"string"}},
{"name":"remark","type":"string"}]}"#;

const JSON: &str = r#"{"type":"object","additionalProperties":false,
"required":["id","scheduled","carrier","flight","origin","destination","distance","cancelled","stops","remark"],
"properties":{
"id":{"type":"string","minLength":1,"maxLength":64},
"scheduled":{"type":"integer"},
"carrier":{"type":"string","minLength":2,"maxLength":2},
"flight":{"type":"integer","minimum":0},
"tail":{"type":"string"},
"origin":{"type":"string","minLength":3,"maxLength":3},
"destination":{"type":"string","minLength":3,"maxLength":3},
"departed":{"type":"integer"},
"delay":{"type":"number"},
"distance":{"type":"number","minimum":0},
"cancelled":{"type":"boolean"},
"stops":{"type":"array","items":{"type":"string"}},
"remark":{"type":"string"}}}"#;

/// A set of events of one encoding.
#[derive(Debug, Clone, Copy)]
pub(super) struct Events {
    /// How many.
    pub(super) count: usize,
    /// Their encoding.
    pub(super) encoding: Encoding,
    /// Bytes of the remark, which makes them as large as one likes.
    pub(super) remark: usize,
    /// Whether the contract has rules beside its schema.
    ruled: bool,
}

/// Three rules as contracts have them: a bound, two fields compared, a pattern.
const RULES: [(&str, &str); 3] = [
    (
        "delay-in-reason",
        "event.delay == null || event.delay >= -120.0",
    ),
    ("goes-elsewhere", "event.origin != event.destination"),
    (
        "carrier-is-a-code",
        "event.carrier.matches('^[A-Z0-9]{2}$')",
    ),
];

impl Events {
    /// So many, in the size of the published figures.
    pub(super) fn new(encoding: Encoding, count: usize) -> Self {
        Self {
            count,
            encoding,
            remark: REMARK,
            ruled: false,
        }
    }

    /// The same with a remark of so many bytes.
    pub(super) fn with_remark(self, remark: usize) -> Self {
        Self { remark, ..self }
    }

    /// The same under a contract with three rules, which every event meets.
    pub(super) fn with_rules(self) -> Self {
        Self {
            ruled: true,
            ..self
        }
    }

    fn quality(&self) -> Vec<QualityRule> {
        let rules = RULES.iter().filter(|_| self.ruled);
        rules
            .map(|(name, condition)| QualityRule {
                name: (*name).to_owned(),
                path: String::new(),
                mode: Mode::Enforce,
                description: String::new(),
                check: Check::Cel {
                    condition: (*condition).to_owned(),
                    guard: None,
                    field: None,
                },
            })
            .collect()
    }

    /// How many of them break the contract.
    pub(super) fn bad(&self) -> u64 {
        (self.count / BAD_EVERY) as u64
    }

    /// Whether an event breaks the contract.
    pub(super) fn is_bad(&self, number: usize) -> bool {
        number % BAD_EVERY == BAD_EVERY / 2
    }

    /// The key of an event.
    pub(super) fn key(number: usize) -> Vec<u8> {
        format!("F{number:07}").into_bytes()
    }

    /// The value of an event.
    pub(super) fn value(&self, number: usize) -> Vec<u8> {
        let bad = self.is_bad(number);
        match self.encoding {
            Encoding::Avro => avro(number, self.remark, bad),
            Encoding::Json => json(number, self.remark, bad),
            Encoding::Protobuf => protobuf(number, self.remark, bad),
        }
    }

    /// Bytes of a (good) value.
    pub(super) fn bytes(&self) -> usize {
        self.value(0).len()
    }

    /// The text of their schema.
    pub(super) fn schema(&self) -> &'static str {
        match self.encoding {
            Encoding::Avro => AVRO,
            Encoding::Json => JSON,
            Encoding::Protobuf => PROTOBUF,
        }
    }

    /// The rules they are judged by, as a port has them.
    pub(super) fn rules(&self) -> Result<PortRules, CompileError> {
        let version = ActiveVersion {
            version: Version {
                major: 1,
                minor: 0,
                patch: 0,
            },
            encoding: self.encoding,
            schema: self.schema(),
            record: "",
            imports: &[],
            required: &[],
            key_schema: None,
            key: &Key {
                properties: vec!["id".to_owned()],
                text: true,
            },
            settings: &Settings::default(),
            rules: &self.quality(),
            classified: &[],
            bindings: &[Binding {
                id: SCHEMA_ID,
                guid: [0; 16],
            }],
        };
        let rules = PortRules::compile("bench", &[version])?;
        Ok(rules.expect("compile() gives a judge for one version"))
    }
}

fn avro(number: usize, remark: usize, bad: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(100 + remark);
    write_prefix(SCHEMA_ID, &mut out);
    text(&format!("F{number:07}"), &mut out);
    long(1_357_034_400_000_000 + number as u64, &mut out);
    text("UA", &mut out);
    long(1_545, &mut out);
    optional(&mut out);
    text("N14228", &mut out);
    text("EWR", &mut out);
    text("IAH", &mut out);
    optional(&mut out);
    long(1_357_034_520_000_000 + number as u64, &mut out);
    optional(&mut out);
    out.extend_from_slice(&2.0_f64.to_le_bytes());
    out.extend_from_slice(&1_400.0_f64.to_le_bytes());
    out.push(0);
    long(2, &mut out);
    text("ORD", &mut out);
    text("DEN", &mut out);
    long(0, &mut out);
    text(&"r".repeat(remark), &mut out);
    if bad {
        // The last byte of the remark is missing.
        out.pop();
    }
    out
}

/// The second branch of a nullable field.
fn optional(out: &mut Vec<u8>) {
    long(1, out);
}

fn text(text: &str, out: &mut Vec<u8>) {
    long(text.len() as u64, out);
    out.extend_from_slice(text.as_bytes());
}

/// Avro's zigzag varint of a number that is not negative.
fn long(number: u64, out: &mut Vec<u8>) {
    varint(number << 1, out);
}

fn varint(number: u64, out: &mut Vec<u8>) {
    let mut rest = number;
    while rest >= 0x80 {
        out.push(0x80 | (rest & 0x7f) as u8);
        rest >>= 7;
    }
    out.push((rest & 0x7f) as u8);
}

fn protobuf(number: usize, remark: usize, bad: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(100 + remark);
    write_prefix(SCHEMA_ID, &mut out);
    // The first message of the file.
    out.push(0);
    let remark = "r".repeat(remark);
    let id = format!("F{number:07}");
    let texts = |fields: &[(u64, &str)], out: &mut Vec<u8>| {
        for (field, text) in fields {
            varint(field << 3 | 2, out);
            varint(text.len() as u64, out);
            out.extend_from_slice(text.as_bytes());
        }
    };
    let numbers = |fields: &[(u64, u64)], out: &mut Vec<u8>| {
        for (field, number) in fields {
            varint(field << 3, out);
            varint(*number, out);
        }
    };
    let number = number as u64;
    texts(
        &[(1, &id), (3, "UA"), (5, "N14228"), (6, "EWR"), (7, "IAH")],
        &mut out,
    );
    numbers(
        &[
            (2, 1_357_034_400_000_000 + number),
            (4, 1_545),
            (8, 1_357_034_520_000_000 + number),
        ],
        &mut out,
    );
    for (field, double) in [(9_u64, 2.0_f64), (10, 1_400.0)] {
        varint(field << 3 | 1, &mut out);
        out.extend_from_slice(&double.to_le_bytes());
    }
    texts(&[(12, "ORD"), (12, "DEN"), (13, &remark)], &mut out);
    if bad {
        // The last byte of the remark is missing.
        out.pop();
    }
    out
}

fn json(number: usize, remark: usize, bad: bool) -> Vec<u8> {
    let mut out = String::with_capacity(300 + remark);
    let delay = if bad { "\"two\"" } else { "2.0" };
    write!(
        out,
        "{{\"id\":\"F{number:07}\",\"scheduled\":{},\"carrier\":\"UA\",\"flight\":1545,\
         \"tail\":\"N14228\",\"origin\":\"EWR\",\"destination\":\"IAH\",\"departed\":{},\
         \"delay\":{delay},\"distance\":1400.0,\"cancelled\":false,\"stops\":[\"ORD\",\"DEN\"],\
         \"remark\":\"{}\"}}",
        1_357_034_400_000_000 + number,
        1_357_034_520_000_000 + number,
        "r".repeat(remark),
    )
    .expect("writing to a string does not fail");
    out.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::{rule::Event, verdict::Verdict};

    #[test]
    fn one_in_a_hundred_breaks_the_contract_and_the_others_meet_it() {
        let encodings = [Encoding::Avro, Encoding::Json, Encoding::Protobuf];
        let plain = encodings.map(|encoding| Events::new(encoding, 300));
        let ruled = plain.map(Events::with_rules);
        let large = plain.map(|events| events.with_remark(2_000));
        for events in plain.into_iter().chain(ruled).chain(large) {
            let rules = events.rules().expect("compiles");
            let refused = |number: &usize| {
                let (key, value) = (Events::key(*number), events.value(*number));
                let event = Event {
                    key: Some(&key),
                    value: Some(&value),
                    headers: &[],
                };
                rules.judge(&event).expect("a known schema") != Verdict::Accepted
            };
            let bad: Vec<usize> = (0..events.count).filter(refused).collect();
            assert_eq!(bad, [50, 150, 250]);
            assert_eq!(bad.len() as u64, events.bad());
        }
    }

    #[test]
    fn avro_values_have_the_size_of_the_published_figures() {
        assert_eq!(Events::new(Encoding::Avro, 1).bytes(), 287);
    }
}
