//! `meshlog quarantine redrive`: quarantined events that the contract in force accepts go through the inbox again.
//!
//! Each batch is one transaction: the events to the inbox, and to `<mesh>.observations` which offsets of the quarantine
//! have been redriven so far. So an event is redriven once, whatever filters are used, whoever was killed in the
//! middle; the transactional id of the port is the fence between two redrivers. The enforcer judges every event again:
//! what is judged here only keeps events from going round in vain.

mod done;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use contract::address::PortAddress;
use contract::verdict::Verdict;
use enforcer::envelope::{DLQ_HEADERS, KEY_TRUNCATED, REDRIVEN, SKIPPED, TRUNCATED};
use governance::body::{RedriveFilter, Redriven};
use kafka::{Cluster, Header, Outgoing, Record, ScanEnd, ScanSpec, ScanStart, TxError, TxProducer};
use serde_json::json;

use self::done::Done;
use super::super::Global;
use super::super::consume::parse_time;
use super::judge::Judge;
use super::reasons;
use crate::client::{Client, Status};
use crate::exit::Failure;
use crate::output::{self, Format};
use crate::port::Port;

/// How often an event may be redriven: whoever sends it a fourth time has not looked at why it comes back.
const MAX_TIMES: u32 = 3;
/// Most events in a transaction.
const BATCH_EVENTS: usize = 5_000;
/// Most bytes in a transaction.
const BATCH_BYTES: usize = 8 * 1024 * 1024;
/// Prefix of the enforcer's own headers.
const OURS: &str = "mesh-";

/// Which events, and whether to send them.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// The port
    pub(crate) port: PortAddress,
    /// Only events refused for this: a code, as MESH-1006, or the name of a quality rule
    #[arg(long, value_name = "CODE|RULE")]
    reason: Option<String>,
    /// Only events with this key
    #[arg(long, value_name = "TEXT")]
    key: Option<String>,
    /// Only events quarantined since this time
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    since: Option<i64>,
    /// Only events quarantined before this time
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    until: Option<i64>,
    /// Count, and send nothing
    #[arg(long)]
    dry_run: bool,
}

impl Args {
    fn filter(&self) -> RedriveFilter {
        RedriveFilter {
            reason: self.reason.clone(),
            key: self.key.clone(),
            since: self.since,
            until: self.until,
        }
    }
}

/// What became of the events that the filter chose.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Counts {
    sent: u64,
    still_refused: u64,
    too_often: u64,
    cut: u64,
    /// No event, but the place of a batch that nobody could read.
    unread: u64,
    /// Chosen, and redriven before.
    earlier: u64,
}

impl Counts {
    fn selected(&self) -> u64 {
        self.sent + self.still_refused + self.too_often + self.cut + self.unread
    }
}

/// Runs a redrive, and proposes the fact that records it.
pub(super) async fn run(global: &Global, args: Args) -> anyhow::Result<()> {
    let client = Client::new(&global.target)?;
    let info = client.mesh().await?;
    let port = Port::load(&client, &args.port).await?;
    port.active(&args.port)?;
    let judge = Judge::load(global, &port).await?;
    let stop = Arc::new(AtomicBool::new(false));
    let work = Redrive {
        cluster: info.cluster(),
        mesh: info.mesh_id.clone(),
        inbox: port.inbox.clone(),
        quarantine: port.quarantine.clone(),
        address: args.port.topic(),
        filter: args.filter(),
        judge,
        dry_run: args.dry_run,
        stop: Arc::clone(&stop),
        counts: Counts::default(),
    };
    let mut reading = tokio::task::spawn_blocking(move || work.run());
    let counts = loop {
        tokio::select! {
            done = &mut reading => break done.context("the redriving thread failed")??,
            pressed = tokio::signal::ctrl_c() => {
                pressed?;
                // The batch at hand is finished; the next run goes on behind it.
                stop.store(true, Ordering::Relaxed);
            }
        }
    };
    let seq = if counts.sent > 0 && !args.dry_run {
        record(&client, &args, &counts).await?
    } else {
        None
    };
    report(&args, &counts, seq, global.output)
}

/// Propose the fact; the events have been sent whatever comes of it.
async fn record(client: &Client, args: &Args, counts: &Counts) -> anyhow::Result<Option<u64>> {
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let redriven = Redriven {
        port: args.port.topic(),
        filter: args.filter(),
        selected: number(counts.selected()),
        sent: number(counts.sent),
        still_refused: number(counts.still_refused),
        held_back: number(counts.too_often + counts.cut + counts.unread),
    };
    let sent = counts.sent;
    let answer = client.record_redrive(&redriven).await.with_context(|| {
        format!("{sent} events were redriven, and the governor could not be told of it")
    })?;
    if answer.status() == Status::Rejected {
        let reasons = answer.reasons.iter().map(|reason| reason.message.clone());
        let text = format!(
            "{sent} events were redriven, and the governor refuses the record of it: {}",
            reasons.collect::<Vec<_>>().join("; ")
        );
        return Err(Failure::Refused(text).into());
    }
    Ok(answer.seqs.last().copied())
}

fn report(args: &Args, counts: &Counts, seq: Option<u64>, format: Format) -> anyhow::Result<()> {
    if format == Format::Json {
        output::json_line(&json!({
            "port": args.port.topic(), "dry_run": args.dry_run, "selected": counts.selected(), "sent": counts.sent,
            "still_refused": counts.still_refused, "too_often": counts.too_often, "cut": counts.cut,
            "unread": counts.unread,
            "redriven_before": counts.earlier, "seq": seq,
        }))?;
        return Ok(());
    }
    let done = if args.dry_run {
        "would be sent"
    } else {
        "sent"
    };
    output::line(format!(
        "{}: {} selected, {} {done}; {} still refused by the contract in force",
        args.port,
        counts.selected(),
        counts.sent,
        counts.still_refused
    ))?;
    for (count, what) in [
        (
            counts.too_often,
            "were redriven three times already and stay",
        ),
        (
            counts.cut,
            "were too large to be kept whole and cannot be redriven",
        ),
        (
            counts.unread,
            "stand for batches that nobody could read, and hold no event",
        ),
        (counts.earlier, "have been redriven before"),
    ] {
        if count > 0 {
            output::line(format!("  {count} {what}"))?;
        }
    }
    if let Some(seq) = seq {
        output::line(format!("recorded as fact {seq}"))?;
    }
    Ok(())
}

struct Redrive {
    cluster: Cluster,
    mesh: String,
    inbox: String,
    quarantine: String,
    address: String,
    filter: RedriveFilter,
    judge: Judge,
    dry_run: bool,
    stop: Arc<AtomicBool>,
    counts: Counts,
}

/// Events of a transaction that is not begun yet.
#[derive(Default)]
struct Batch {
    events: Vec<Outgoing>,
    offsets: Vec<(i32, i64)>,
    bytes: usize,
}

impl Batch {
    fn is_full(&self) -> bool {
        self.events.len() >= BATCH_EVENTS || self.bytes >= BATCH_BYTES
    }
}

impl Redrive {
    fn run(mut self) -> anyhow::Result<Counts> {
        // The fence first: what another redriver has sent is known when it is taken.
        let id = format!("{}-redrive-{}", self.mesh, self.address);
        let mut producer = match self.dry_run {
            true => None,
            false => Some(TxProducer::new(&self.cluster, &id)?),
        };
        let observations = format!("{}.observations", self.mesh);
        let mut done = Done::read(&self.cluster, &observations, &self.address)?;
        let spec = ScanSpec {
            topic: self.quarantine.clone(),
            partitions: None,
            from: self
                .filter
                .since
                .map_or(ScanStart::Beginning, ScanStart::Time),
            until: ScanEnd::CurrentEnd,
        };
        let mut batch = Batch::default();
        let mut failure = None;
        let cluster = self.cluster.clone();
        kafka::scan(&cluster, &spec, |record| {
            self.take(&record, &done, &mut batch);
            if let (Some(producer), true) = (&mut producer, batch.is_full()) {
                failure = self.send(producer, &mut batch, &mut done).err();
            }
            if failure.is_some() || self.stop.load(Ordering::Relaxed) {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })?;
        if let (Some(producer), None) = (&mut producer, &failure) {
            failure = self.send(producer, &mut batch, &mut done).err();
        }
        match failure {
            None => Ok(self.counts),
            Some(error) => {
                let sent = self.counts.sent;
                let text =
                    format!("{sent} events were redriven before this; run it again to go on");
                Err(anyhow::Error::new(error).context(text))
            }
        }
    }

    /// Put a record into the batch, or count why not.
    fn take(&mut self, record: &Record, done: &Done, batch: &mut Batch) {
        if !self.is_chosen(record) {
            return;
        }
        if done.holds(record.partition, record.offset) {
            self.counts.earlier += 1;
            return;
        }
        if record.header(SKIPPED).is_some() {
            self.counts.unread += 1;
            return;
        }
        if record.header(TRUNCATED).is_some() || record.header(KEY_TRUNCATED).is_some() {
            self.counts.cut += 1;
            return;
        }
        let times = times(record);
        if times >= MAX_TIMES {
            self.counts.too_often += 1;
            return;
        }
        let headers = producers_headers(record);
        match self.judge.judge(record, &headers) {
            Verdict::Quarantined(_) => self.counts.still_refused += 1,
            Verdict::Accepted | Verdict::Shadowed(_) if self.dry_run => self.counts.sent += 1,
            Verdict::Accepted | Verdict::Shadowed(_) => {
                let event = again(record, headers, times, &self.inbox);
                batch.bytes += event.value.as_ref().map_or(0, Vec::len);
                batch.events.push(event);
                batch.offsets.push((record.partition, record.offset));
            }
        }
    }

    fn is_chosen(&self, record: &Record) -> bool {
        let filter = &self.filter;
        let before = |until: i64| record.timestamp_ms.is_some_and(|time| time < until);
        let after = |since: i64| record.timestamp_ms.is_some_and(|time| time >= since);
        let keyed = |key: &String| record.key.as_deref() == Some(key.as_bytes());
        let refused_for = |wanted: &String| {
            reasons(record).iter().any(|reason| {
                reason.code.as_str() == wanted || reason.rule.as_ref() == Some(wanted)
            })
        };
        filter.until.is_none_or(before)
            && filter.since.is_none_or(after)
            && filter.key.as_ref().is_none_or(keyed)
            && filter.reason.as_ref().is_none_or(refused_for)
    }

    fn send(
        &mut self,
        producer: &mut TxProducer,
        batch: &mut Batch,
        done: &mut Done,
    ) -> Result<(), TxError> {
        let batch = std::mem::take(batch);
        if batch.events.is_empty() {
            return Ok(());
        }
        let mut after = done.clone();
        for (partition, offset) in &batch.offsets {
            after.add(*partition, *offset);
        }
        producer.begin()?;
        for event in batch.events.iter().chain(&after.records()) {
            producer.send(event)?;
        }
        producer.commit()?;
        *done = after;
        self.counts.sent += batch.events.len() as u64;
        Ok(())
    }
}

/// How often an event has been redriven.
fn times(record: &Record) -> u32 {
    let text = record.header(REDRIVEN).map(String::from_utf8_lossy);
    let times = text.and_then(|text| text.rsplit_once('#').map(|(_, times)| times.parse().ok()));
    times.flatten().unwrap_or(0)
}

/// The headers that the producer sent: the record's, less those that came with the refusal.
fn producers_headers(record: &Record) -> Vec<Header> {
    let mut left: BTreeMap<&str, usize> = DLQ_HEADERS.iter().map(|name| (*name, 1)).collect();
    let mut kept: Vec<Header> = Vec::new();
    // Ours stand last: a producer's own header of such a name comes before, and is the producer's.
    for header in record.headers.iter().rev() {
        let ours = left.get_mut(header.key.as_str()).filter(|left| **left > 0);
        if let Some(left) = ours {
            *left -= 1;
        } else if !header.key.starts_with(OURS) {
            kept.push(header.clone());
        }
    }
    kept.reverse();
    kept
}

/// The event as it goes to the inbox: to the partition it came from, at today's time, for the inbox forgets old events.
fn again(record: &Record, mut headers: Vec<Header>, times: u32, inbox: &str) -> Outgoing {
    let (partition, offset) = (record.partition, record.offset);
    let mark = format!("{partition}/{offset}#{}", times + 1);
    headers.push(Header::new(REDRIVEN, mark));
    Outgoing {
        topic: inbox.to_owned(),
        partition: Some(partition),
        timestamp_ms: None,
        key: record.key.clone(),
        value: record.value.clone(),
        headers,
    }
}

/// Nothing to judge by is told before anything is sent.
pub(super) fn no_version(port: &Port) -> Failure {
    Failure::NotFound(format!("no version of {} can be read", port.contract_id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(headers: &[(&str, &str)]) -> Record {
        Record {
            topic: "p.quarantine".to_owned(),
            partition: 2,
            offset: 7,
            timestamp_ms: Some(1),
            key: Some(b"k".to_vec()),
            value: Some(b"v".to_vec()),
            headers: headers
                .iter()
                .map(|(name, value)| Header::new(*name, *value))
                .collect(),
        }
    }

    #[test]
    fn only_the_producers_headers_go_round() {
        let refused = record(&[
            ("trace", "1"),
            ("__rule.name", "the producer's own"),
            ("mesh-src", "2/9@4"),
            ("mesh-redriven", "2/3#2"),
            ("__rule.name", "MESH-1006"),
            ("__rule.exception", "x"),
        ]);
        assert_eq!(times(&refused), 2);
        let headers = producers_headers(&refused);
        let names: Vec<&str> = headers.iter().map(|header| header.key.as_str()).collect();
        assert_eq!(names, ["trace", "__rule.name"]);
        let event = again(&refused, headers, 2, "p.inbox");
        assert_eq!((event.partition, event.timestamp_ms), (Some(2), None));
        let mark = event.headers.last().and_then(|header| header.value.clone());
        assert_eq!(mark.as_deref(), Some(&b"2/7#3"[..]));
    }

    #[test]
    fn a_forged_count_is_no_count() {
        for (value, expected) in [("x", 0), ("1/2#", 0), ("1/2#-1", 0), ("1/2#9", 9)] {
            assert_eq!(
                times(&record(&[("mesh-redriven", value)])),
                expected,
                "{value}"
            );
        }
    }
}
