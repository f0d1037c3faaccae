//! `meshlog contract test`: sample events typed as `publish` types them, and judged as the enforcer judges them.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use anyhow::Context;
use contract::cloud_events::{Attributes, CONTENT_TYPE, HEADER_PREFIX, Origin, STRUCTURED};
use contract::quality::Mask;
use contract::row::{EventWriter, Wish, Written};
use contract::rule::{ActiveVersion, Binding, Bound, Event, PortRules};
use contract::settings::CloudEvents;
use contract::spec::{Encoding, Spec};
use contract::verdict::{Reason, Verdict};
use serde_json::{Value, json};

use crate::exit::Failure;
use crate::output::{self, Format};

/// The schema id that sample events carry: no registry is asked.
const SAMPLE_ID: u32 = 1;

/// The schema id that the keys of sample events carry.
const SAMPLE_KEY_ID: u32 = 2;

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
        let outcome = judge.judge((number, line));
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
    /// None for a JSON schema that is not one of objects: its events are judged as they stand, without keys.
    writer: Option<EventWriter>,
}

impl<'a> Sampler<'a> {
    fn new(spec: &'a Spec) -> anyhow::Result<Self> {
        let classified = Mask::classified(&spec.fields);
        let sample = |id| vec![Binding { id, guid: [0; 16] }];
        let bound = Bound {
            values: sample(SAMPLE_ID),
            keys: sample(SAMPLE_KEY_ID),
        };
        let version = ActiveVersion::of(spec, &classified, &bound);
        let rules = PortRules::compile(&spec.id, &[version])?.context("there is one version")?;
        let writer = match EventWriter::new(&spec.value_schema(), SAMPLE_ID, spec.key.clone()) {
            Ok(writer) => {
                let origin = Origin::new("sample", &spec.id);
                let writer = writer.with_keys(spec.key_schema.as_ref(), SAMPLE_KEY_ID);
                let writer = writer.map_err(|error| Failure::Refused(error.to_string()))?;
                Some(writer.with_cloud_events(spec.settings.cloud_events, origin))
            }
            Err(_) if spec.encoding == Encoding::Json => None,
            Err(error) => return Err(anyhow::anyhow!("the schema cannot type rows: {error}")),
        };
        Ok(Self {
            spec,
            rules,
            writer,
        })
    }

    fn judge(&self, (number, line): (u64, &[u8])) -> Outcome {
        let (written, own) = match self.as_envelope(line) {
            Some(written) => (Ok(written), true),
            None => (self.write(number, line), false),
        };
        let written = match written {
            Ok(written) => written,
            Err(texts) => return Outcome::Untyped(texts),
        };
        let mut headers: Vec<(&str, Option<&[u8]>)> = written
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), Some(value.as_slice())))
            .collect();
        // A contract may ask for other headers; a sample has none, so they are taken as given.
        for name in &self.spec.settings.required_headers {
            let attribute = name.starts_with(HEADER_PREFIX) || name == CONTENT_TYPE;
            let there = headers.iter().any(|(known, _)| known == name);
            if !(there || own && attribute) {
                headers.push((name, Some(b"sample")));
            }
        }
        Outcome::Judged(self.rules.judge_known(&Event {
            key: written.key.as_deref(),
            value: Some(&written.value),
            headers: &headers,
        }))
    }

    /// The event of a line of data, as `publish` would write it.
    fn write(&self, number: u64, line: &[u8]) -> Result<Written, Vec<String>> {
        let Some(writer) = &self.writer else {
            return Ok(Written {
                key: None,
                value: line.to_vec(),
                headers: Vec::new(),
            });
        };
        let texts = |reasons: Vec<Reason>| {
            let texts = reasons.iter().map(|reason| {
                let path = reason.path.trim_start_matches('/');
                format!(
                    "{path}: expected {}, found {}",
                    reason.expected, reason.found
                )
            });
            texts.collect::<Vec<_>>()
        };
        let mut written = writer.write_text(line).map_err(texts)?;
        let as_usual = (Wish::Binary, Attributes::default());
        written.headers = writer.finish(&number.to_string(), as_usual, &mut written.value);
        Ok(written)
    }

    /// A line that is an envelope itself, where the contract takes events in structured mode: it is judged as it stands.
    fn as_envelope(&self, line: &[u8]) -> Option<Written> {
        match self.spec.settings.cloud_events {
            CloudEvents::Structured | CloudEvents::Any => {}
            CloudEvents::None | CloudEvents::Binary => return None,
        }
        let envelope: Value = serde_json::from_slice(line).ok()?;
        envelope.get("specversion")?;
        let data = envelope.get("data").zip(self.writer.as_ref());
        let key = data.and_then(|(data, writer)| writer.key_of(data).ok().flatten());
        let kind = STRUCTURED.as_bytes().to_vec();
        Some(Written {
            key,
            value: line.to_vec(),
            headers: vec![(CONTENT_TYPE.to_owned(), kind)],
        })
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
