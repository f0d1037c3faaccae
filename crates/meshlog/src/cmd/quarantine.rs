//! `meshlog quarantine`: events that broke their contract, read from the port's quarantine topic, and why.

mod judge;
mod redrive;
mod skip;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufWriter, Write};
use std::ops::ControlFlow;

use anyhow::Context;
use clap::Subcommand;
use contract::address::PortAddress;
use contract::verdict::{Reason, Verdict};
use enforcer::envelope::{REASONS, SKIPPED, SOURCE, TRUNCATED, WOULD_REFUSE};
use kafka::{Cluster, Record, ScanEnd, ScanSpec, ScanStart};
use serde_json::{Value, json};

use self::judge::Judge;
use super::Global;
use super::consume::parse_time;
use crate::client::Client;
use crate::event::{Decoder, bytes_json, envelope, hex, rfc3339};
use crate::exit::Failure;
use crate::output::{self, Column, Format};
use crate::port::Port;

/// What to do with quarantined events.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// How many there are, by reason
    Stats {
        /// The port
        port: PortAddress,
        /// Instead those that shadow let through, by what the contract in force says of them
        #[arg(long)]
        would_refuse: bool,
    },
    /// Each of them
    List {
        /// The port
        port: PortAddress,
        /// Only those with this code, as MESH-1006
        #[arg(long, value_name = "CODE")]
        reason: Option<String>,
        /// Only those quarantined since this time
        #[arg(long, value_name = "TIME", value_parser = parse_time)]
        since: Option<i64>,
        /// Instead those that shadow let through and the contract in force would refuse
        #[arg(long)]
        would_refuse: bool,
    },
    /// One of them: the event as it came, and what was expected
    Show {
        /// The port
        port: PortAddress,
        /// Partition of the quarantine topic
        partition: i32,
        /// Offset in the quarantine topic
        offset: i64,
    },
    /// Send events through the inbox again that the contract in force accepts; run again, it goes on where it stopped
    Redrive(redrive::Args),
    /// Give up a batch of the inbox that nobody can read, so that what is behind it is judged
    SkipBatch(skip::Args),
}

/// Runs a verb.
pub(super) async fn run(global: &Global, verb: Verb) -> anyhow::Result<()> {
    let format = global.output;
    match verb {
        Verb::Redrive(args) => redrive::run(global, args).await,
        Verb::SkipBatch(args) => skip::run(global, args).await,
        Verb::Stats { port, would_refuse } => {
            let (cluster, of) = looked_at(global, &port, would_refuse).await?;
            reading(move || stats(&cluster, &of, &port, format)).await
        }
        Verb::List {
            port,
            reason,
            since,
            would_refuse,
        } => {
            let (cluster, of) = looked_at(global, &port, would_refuse).await?;
            reading(move || list(&cluster, &of, reason.as_deref(), since, format)).await
        }
        Verb::Show {
            port,
            partition,
            offset,
        } => {
            let (cluster, port) = of_port(global, &port).await?;
            let record = move || {
                let record = find(&cluster, port.quarantine.clone(), partition, offset)?;
                show(&record, &Decoder::new(&port)?, format)
            };
            reading(record).await
        }
    }
}

async fn of_port(global: &Global, address: &PortAddress) -> anyhow::Result<(Cluster, Port)> {
    let client = Client::new(&global.target)?;
    let cluster = client.mesh().await?.cluster();
    Ok((cluster, Port::load(&client, address).await?))
}

async fn looked_at(
    global: &Global,
    address: &PortAddress,
    would_refuse: bool,
) -> anyhow::Result<(Cluster, Of)> {
    let (cluster, port) = of_port(global, address).await?;
    let of = if would_refuse {
        Of::Shadow {
            topic: address.topic(),
            judge: Judge::load(global, &port).await?,
        }
    } else {
        Of::Quarantine(port.quarantine)
    };
    Ok((cluster, of))
}

/// Reading Kafka blocks, so it has a thread of its own.
async fn reading(work: impl FnOnce() -> anyhow::Result<()> + Send + 'static) -> anyhow::Result<()> {
    let done = tokio::task::spawn_blocking(work).await;
    done.context("the reading thread failed")?
}

/// The reasons of a quarantined record.
pub(super) fn reasons(record: &Record) -> Vec<Reason> {
    let header = record.header(REASONS);
    header
        .and_then(|json| serde_json::from_slice(json).ok())
        .unwrap_or_default()
}

/// Which events are looked at.
enum Of {
    /// Those in quarantine.
    Quarantine(String),
    /// Those in the product topic that shadow let through, and who says why they would be refused.
    Shadow { topic: String, judge: Judge },
}

/// Why an event is or would be refused.
enum Found {
    /// For these reasons.
    Refused(Vec<Reason>),
    /// It would have been, and the contract in force accepts it.
    Mended,
}

impl Of {
    fn topic(&self) -> &str {
        match self {
            Of::Quarantine(topic) | Of::Shadow { topic, .. } => topic,
        }
    }

    /// What is said of a record, where it is one of those looked at.
    fn found(&self, record: &Record) -> Option<Found> {
        match self {
            Of::Quarantine(_) => Some(Found::Refused(reasons(record))),
            Of::Shadow { judge, .. } => {
                record.header(WOULD_REFUSE)?;
                Some(match judge.judge(record, &record.headers) {
                    Verdict::Accepted => Found::Mended,
                    Verdict::Shadowed(reasons) | Verdict::Quarantined(reasons) => {
                        Found::Refused(reasons)
                    }
                })
            }
        }
    }

    fn words(&self) -> &'static str {
        match self {
            Of::Quarantine(_) => "quarantined",
            Of::Shadow { .. } => "would be refused",
        }
    }
}

fn whole(topic: &str, from: ScanStart) -> ScanSpec {
    ScanSpec {
        topic: topic.to_owned(),
        partitions: None,
        from,
        until: ScanEnd::CurrentEnd,
    }
}

fn stats(cluster: &Cluster, of: &Of, address: &PortAddress, format: Format) -> anyhow::Result<()> {
    let mut tally = Tally::default();
    kafka::scan(
        cluster,
        &whole(of.topic(), ScanStart::Beginning),
        |record| {
            tally.take(of.found(&record));
            ControlFlow::Continue(())
        },
    )?;
    match format {
        Format::Json => {
            let mut shown = tally.to_json(address);
            if matches!(of, Of::Shadow { .. }) {
                shown["mended"] = json!(tally.mended);
            }
            output::json_line(&shown)?;
        }
        Format::Table => {
            output::line(format!("{address}: {} {}", tally.total, of.words()))?;
            if tally.mended > 0 {
                output::line(format!(
                    "{} more would have been, and the contract in force accepts them",
                    tally.mended
                ))?;
            }
            let rows = tally.rows();
            if !rows.is_empty() {
                output::list(
                    format,
                    &[("code", "code"), ("path", "path"), ("count", "count")],
                    &rows,
                )?;
            }
        }
    }
    Ok(())
}

/// Counts by code and path: an event counts once for each of its different reasons.
#[derive(Debug, Default)]
struct Tally {
    total: u64,
    mended: u64,
    by_reason: BTreeMap<(String, String), u64>,
}

impl Tally {
    fn take(&mut self, found: Option<Found>) {
        match found {
            Some(Found::Refused(reasons)) => self.add(&reasons),
            Some(Found::Mended) => self.mended += 1,
            None => {}
        }
    }

    fn add(&mut self, reasons: &[Reason]) {
        self.total += 1;
        let different: BTreeSet<_> = reasons
            .iter()
            .map(|reason| (reason.code.to_string(), reason.path.clone()))
            .collect();
        for reason in different {
            *self.by_reason.entry(reason).or_default() += 1;
        }
    }

    /// Most frequent first.
    fn rows(&self) -> Vec<Value> {
        let mut sorted: Vec<_> = self.by_reason.iter().collect();
        sorted.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let row = |((code, path), count): (&(String, String), &u64)| json!({"code": code, "path": path, "count": count});
        sorted.into_iter().map(row).collect()
    }

    fn to_json(&self, address: &PortAddress) -> Value {
        json!({"port": address.topic(), "total": self.total, "by_reason": self.rows()})
    }
}

const LIST: &[Column] = &[
    ("partition", "partition"),
    ("offset", "offset"),
    ("time", "timestamp"),
    ("source", "source"),
    ("key", "key"),
    ("code", "/reasons/0/code"),
    ("path", "/reasons/0/path"),
    ("expected", "/reasons/0/expected"),
    ("found", "/reasons/0/found"),
];

fn list(
    cluster: &Cluster,
    of: &Of,
    code: Option<&str>,
    since: Option<i64>,
    format: Format,
) -> anyhow::Result<()> {
    let from = since.map_or(ScanStart::Beginning, ScanStart::Time);
    let mut rows = Vec::new();
    let mut out = BufWriter::new(std::io::stdout());
    let mut written = Ok(());
    kafka::scan(cluster, &whole(of.topic(), from), |record| {
        let Some(Found::Refused(reasons)) = of.found(&record) else {
            return ControlFlow::Continue(());
        };
        if code.is_some_and(|code| reasons.iter().all(|reason| reason.code.as_str() != code)) {
            return ControlFlow::Continue(());
        }
        let row = row(&record, &reasons);
        match format {
            Format::Table => rows.push(row),
            Format::Json => written = writeln!(out, "{row}"),
        }
        if written.is_ok() {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    })?;
    written?;
    out.flush()?;
    if format == Format::Table {
        output::list(format, LIST, &rows)?;
    }
    Ok(())
}

fn row(record: &Record, reasons: &[Reason]) -> Value {
    json!({
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": record.timestamp_ms.and_then(rfc3339),
        "source": record.header(SOURCE).map(String::from_utf8_lossy),
        "key": bytes_json(record.key.as_deref()),
        "reasons": reasons,
    })
}

fn find(cluster: &Cluster, topic: String, partition: i32, offset: i64) -> anyhow::Result<Record> {
    let (from, until) = (ScanStart::Offset(offset), ScanEnd::Offset(offset + 1));
    let spec = ScanSpec {
        topic: topic.clone(),
        partitions: Some(vec![partition]),
        from,
        until,
    };
    let mut found = None;
    kafka::scan(cluster, &spec, |record| {
        found = Some(record).filter(|record| record.offset == offset);
        ControlFlow::Break(())
    })?;
    found.ok_or_else(|| {
        let text = format!(
            "no record at partition {partition} offset {offset} of {topic}; `quarantine list` shows what is there"
        );
        Failure::NotFound(text).into()
    })
}

/// The value in the best form it has: decoded, else text, else hex.
fn value_json(record: &Record, decoder: &Decoder) -> Value {
    let decoded = decoder.value(record);
    let error = decoded.as_ref().err().map(ToString::to_string);
    let bytes = record.value.as_deref();
    let text = bytes.and_then(|bytes| std::str::from_utf8(bytes).ok());
    let hex = bytes.filter(|_| text.is_none()).map(hex);
    json!({"decoded": decoded.ok(), "error": error, "text": text, "hex": hex})
}

fn show(record: &Record, decoder: &Decoder, format: Format) -> anyhow::Result<()> {
    let reasons = reasons(record);
    let value = value_json(record, decoder);
    match format {
        Format::Table => show_text(record, &reasons, &value),
        Format::Json => {
            let mut members = envelope(record);
            if let Some(headers) = members.get_mut("headers").and_then(Value::as_object_mut) {
                headers.shift_remove(REASONS);
            }
            members.insert("reasons".to_owned(), json!(reasons));
            members.insert("value".to_owned(), value);
            Ok(output::json_line(&Value::Object(members))?)
        }
    }
}

fn show_text(record: &Record, reasons: &[Reason], value: &Value) -> anyhow::Result<()> {
    let header = |name: &str| record.header(name).map(String::from_utf8_lossy);
    let time = record.timestamp_ms.and_then(rfc3339).unwrap_or_default();
    let (partition, offset) = (record.partition, record.offset);
    output::line(format!("partition {partition} offset {offset}, {time}"))?;
    let source = header(SOURCE).unwrap_or_default();
    output::line(format!("inbox position @ governance position: {source}"))?;
    if let Some(offsets) = header(SKIPPED) {
        output::line(format!(
            "stands for offsets {offsets} of the inbox, which nobody could read\n"
        ))?;
        return reason_table(reasons);
    }
    let key = output::plain(&bytes_json(record.key.as_deref()));
    output::line(format!("key: {key}"))?;
    if let Some(whole) = header(TRUNCATED) {
        output::line(format!("cut; the whole: {whole}"))?;
    }
    let forms = ["decoded", "text", "hex"].iter().map(|form| &value[*form]);
    let best = forms.into_iter().find(|form| !form.is_null());
    let text = best.map_or_else(|| "null".to_owned(), shown);
    output::line(format!("value: {text}\n"))?;
    reason_table(reasons)
}

fn reason_table(reasons: &[Reason]) -> anyhow::Result<()> {
    let rows: Vec<Value> = reasons.iter().map(|reason| json!(reason)).collect();
    output::list(Format::Table, REASON, &rows)?;
    Ok(())
}

const REASON: &[Column] = &[
    ("code", "code"),
    ("path", "path"),
    ("expected", "expected"),
    ("found", "found"),
];

fn shown(value: &Value) -> String {
    match value {
        Value::Object(_) | Value::Array(_) => {
            serde_json::to_string_pretty(value).unwrap_or_default()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => output::plain(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::verdict::Code;

    #[test]
    fn events_count_once_for_each_different_reason() {
        let missing = Reason::new(Code::Missing, "/dep_time", "integer", "nothing");
        let wrong = Reason::new(Code::WrongType, "/n", "integer", "text");
        let mut tally = Tally::default();
        tally.add(&[wrong.clone(), missing.clone()]);
        tally.add(&[missing.clone(), missing.clone()]);
        tally.add(&[]);
        let port: PortAddress = "a.b.c.v1".parse().expect("a port");
        assert_eq!(
            tally.to_json(&port),
            json!({"port": "a.b.c.v1", "total": 3, "by_reason": [
                {"code": "MESH-1006", "path": "/dep_time", "count": 2},
                {"code": "MESH-1007", "path": "/n", "count": 1},
            ]})
        );
    }
}
