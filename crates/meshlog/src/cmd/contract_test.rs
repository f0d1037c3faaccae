//! `meshlog contract test`: sample events typed as `publish` types them, and judged as the enforcer judges them.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use anyhow::Context;
use contract::framing::write_prefix;
use contract::quality::Mask;
use contract::row::RowEncoder;
use contract::rule::{ActiveVersion, Binding, Event, PortRules};
use contract::spec::{Encoding, Spec};
use contract::verdict::{Reason, Verdict};
use serde_json::{Value, json};

use crate::exit::Failure;
use crate::output::{self, Format};

/// The schema id that sample events carry: no registry is asked.
const SAMPLE_ID: u32 = 1;

/// Longest line of a sample, in bytes: an event larger than a topic takes is no sample of one.
const MAX_LINE: u64 = 1 << 20;

/// Judges each line of `sample`; exit 3 when one is refused.
pub(super) fn run(spec: &Spec, sample: &Path, format: Format) -> anyhow::Result<()> {
    let judge = Sampler::new(spec)?;
    let mut tally = Tally::default();
    let mut reader = BufReader::new(open(sample)?);
    for number in 1_u64.. {
        let mut line = Vec::new();
        let read = (&mut reader)
            .take(MAX_LINE + 1)
            .read_until(b'\n', &mut line);
        if read.with_context(|| format!("cannot read {}", sample.display()))? == 0 {
            break;
        }
        if line.len() as u64 > MAX_LINE {
            let text = format!(
                "{}:{number}: the line is longer than 1 MB",
                sample.display()
            );
            return Err(Failure::Usage(text).into());
        }
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        let outcome = judge.judge(line);
        tally.count(&outcome);
        show(number, &outcome, format)?;
    }
    tally.finish(spec, sample, format)
}

fn open(sample: &Path) -> Result<Box<dyn Read>, Failure> {
    if sample == Path::new("-") {
        return Ok(Box::new(std::io::stdin()));
    }
    let file = std::fs::File::open(sample)
        .map_err(|error| Failure::Usage(format!("cannot read {}: {error}", sample.display())))?;
    Ok(Box::new(file))
}

/// What became of a sample event.
enum Outcome {
    /// A row that cannot be written in the contract's encoding at all: `publish` would report it and go on.
    Untyped(Vec<String>),
    /// What the enforcer would say.
    Judged(Verdict),
}

struct Sampler<'a> {
    spec: &'a Spec,
    rules: PortRules,
    encoder: Option<RowEncoder>,
}

impl<'a> Sampler<'a> {
    fn new(spec: &'a Spec) -> anyhow::Result<Self> {
        let classified = Mask::classified(&spec.fields);
        let bindings = [Binding {
            id: SAMPLE_ID,
            guid: [0; 16],
        }];
        let version = ActiveVersion::of(spec, &classified, &bindings);
        let rules = PortRules::compile(&spec.id, &[version])?.context("there is one version")?;
        // JSON events are judged as they stand: typing them first would hide what is wrong with them.
        let encoder = match spec.encoding {
            Encoding::Json => None,
            Encoding::Avro | Encoding::Protobuf => Some(
                RowEncoder::new(spec.encoding, &spec.schema, &spec.record)
                    .map_err(|error| anyhow::anyhow!("the schema cannot type rows: {error}"))?,
            ),
        };
        Ok(Self {
            spec,
            rules,
            encoder,
        })
    }

    fn judge(&self, line: &[u8]) -> Outcome {
        let row: Result<Value, _> = serde_json::from_slice(line);
        let key = row.as_ref().ok().and_then(|row| self.spec.key.bytes(row));
        let mut value = Vec::new();
        match (&self.encoder, row) {
            (None, _) => value.extend_from_slice(line),
            (Some(_), Err(error)) => return Outcome::Untyped(vec![format!("no JSON: {error}")]),
            (Some(encoder), Ok(row)) => {
                write_prefix(SAMPLE_ID, &mut value);
                if let Err(errors) = encoder.encode_json(&row, &mut value) {
                    let texts = errors.iter().map(|error| {
                        let found = error.value.as_deref().unwrap_or("nothing");
                        format!(
                            "{}: expected {}, found {found}",
                            error.column, error.expected
                        )
                    });
                    return Outcome::Untyped(texts.collect());
                }
            }
        }
        // A contract may ask for headers; a sample has none, so they are taken as given.
        let headers: Vec<(&str, Option<&[u8]>)> = self
            .spec
            .settings
            .required_headers
            .iter()
            .map(|name| (name.as_str(), Some(&b"sample"[..])))
            .collect();
        Outcome::Judged(self.rules.judge_known(&Event {
            key: key.as_deref(),
            value: Some(&value),
            headers: &headers,
        }))
    }
}

#[derive(Default)]
struct Tally {
    accepted: u64,
    shadowed: u64,
    refused: u64,
    by_reason: BTreeMap<(String, String), u64>,
}

impl Tally {
    fn count(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Untyped(_) => {
                self.refused += 1;
                let reason = ("(cannot be written)".to_owned(), String::new());
                *self.by_reason.entry(reason).or_default() += 1;
            }
            Outcome::Judged(Verdict::Accepted) => self.accepted += 1,
            Outcome::Judged(Verdict::Shadowed(_)) => {
                self.accepted += 1;
                self.shadowed += 1;
            }
            Outcome::Judged(Verdict::Quarantined(reasons)) => {
                self.refused += 1;
                let mut named: Vec<_> = reasons.iter().map(name_of).collect();
                named.sort();
                named.dedup();
                for reason in named {
                    *self.by_reason.entry(reason).or_default() += 1;
                }
            }
        }
    }

    fn finish(&self, spec: &Spec, sample: &Path, format: Format) -> anyhow::Result<()> {
        if self.accepted + self.refused == 0 {
            return Err(Failure::Usage(format!("{} holds no events", sample.display())).into());
        }
        let contract = format!("{}@{}", spec.id, spec.version);
        if format == Format::Json {
            let by_reason = self.by_reason.iter();
            let by_reason: Vec<Value> = by_reason
                .map(|((code, what), count)| json!({"code": code, "what": what, "count": count}))
                .collect();
            output::json_line(&json!({
                "contract": contract, "accepted": self.accepted, "shadowed": self.shadowed, "refused": self.refused,
                "by_reason": by_reason,
            }))?;
        } else {
            output::line(format!(
                "{contract}: {} accepted, {} refused{}",
                self.accepted,
                self.refused,
                match self.shadowed {
                    0 => String::new(),
                    shadowed =>
                        format!("; rules in shadow would refuse {shadowed} of the accepted"),
                }
            ))?;
        }
        if self.refused > 0 {
            let text = format!("{} of the sample's events would be refused", self.refused);
            return Err(Failure::Refused(text).into());
        }
        Ok(())
    }
}

/// The code, and the rule or the field.
fn name_of(reason: &Reason) -> (String, String) {
    let what = reason.rule.as_ref().unwrap_or(&reason.path);
    (reason.code.to_string(), what.clone())
}

fn show(line: u64, outcome: &Outcome, format: Format) -> anyhow::Result<()> {
    let (status, texts, reasons) = match outcome {
        Outcome::Untyped(texts) => ("unwritable", texts.clone(), Vec::new()),
        Outcome::Judged(Verdict::Accepted) => return Ok(()),
        Outcome::Judged(Verdict::Shadowed(reasons)) => {
            let texts = reasons.iter().map(ToString::to_string).collect();
            ("shadow", texts, reasons.clone())
        }
        Outcome::Judged(Verdict::Quarantined(reasons)) => {
            let texts = reasons.iter().map(ToString::to_string).collect();
            ("refused", texts, reasons.clone())
        }
    };
    match format {
        Format::Json => output::json_line(&json!({
            "line": line, "status": status, "reasons": reasons,
            "problems": if reasons.is_empty() { texts } else { Vec::new() },
        }))?,
        Format::Table => {
            for text in texts {
                output::line(format!("line {line}: {status}: {text}"))?;
            }
        }
    }
    Ok(())
}
