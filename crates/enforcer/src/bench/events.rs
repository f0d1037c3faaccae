//! The events of the benchmark: a departure of a flight, as Avro and as JSON, one in a hundred of them broken.

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
#[derive(Debug)]
pub(super) struct Events {
    /// How many.
    pub(super) count: usize,
    /// Their encoding.
    pub(super) encoding: Encoding,
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
    pub(super) fn avro(count: usize) -> Self {
        Self {
            count,
            encoding: Encoding::Avro,
            ruled: false,
        }
    }

    pub(super) fn json(count: usize) -> Self {
        Self {
            count,
            encoding: Encoding::Json,
            ruled: false,
        }
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

    /// The key of an event.
    pub(super) fn key(number: usize) -> Vec<u8> {
        format!("F{number:07}").into_bytes()
    }

    /// The value of an event.
    pub(super) fn value(&self, number: usize) -> Vec<u8> {
        let bad = number % BAD_EVERY == BAD_EVERY / 2;
        if self.encoding == Encoding::Avro {
            avro(number, bad)
        } else {
            json(number, bad)
        }
    }

    /// Bytes of a (good) value.
    pub(super) fn bytes(&self) -> usize {
        self.value(0).len()
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
            schema: if self.encoding == Encoding::Avro {
                AVRO
            } else {
                JSON
            },
            record: "",
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

fn avro(number: usize, bad: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(300);
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
    text(&"r".repeat(REMARK), &mut out);
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
    let mut rest = number << 1;
    while rest >= 0x80 {
        out.push(0x80 | (rest & 0x7f) as u8);
        rest >>= 7;
    }
    out.push((rest & 0x7f) as u8);
}

fn json(number: usize, bad: bool) -> Vec<u8> {
    let mut out = String::with_capacity(512);
    let delay = if bad { "\"two\"" } else { "2.0" };
    write!(
        out,
        "{{\"id\":\"F{number:07}\",\"scheduled\":{},\"carrier\":\"UA\",\"flight\":1545,\
         \"tail\":\"N14228\",\"origin\":\"EWR\",\"destination\":\"IAH\",\"departed\":{},\
         \"delay\":{delay},\"distance\":1400.0,\"cancelled\":false,\"stops\":[\"ORD\",\"DEN\"],\
         \"remark\":\"{}\"}}",
        1_357_034_400_000_000 + number,
        1_357_034_520_000_000 + number,
        "r".repeat(REMARK),
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
        let plain = [Events::avro(300), Events::json(300)];
        let ruled = [
            Events::avro(300).with_rules(),
            Events::json(300).with_rules(),
        ];
        for events in plain.into_iter().chain(ruled) {
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
        assert_eq!(Events::avro(1).bytes(), 287);
    }
}
