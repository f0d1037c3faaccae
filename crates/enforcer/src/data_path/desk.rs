//! The desk: one record judged and sent on, within the open transaction.

use super::traced::Traced;
use crate::{
    breaker::{BreakerLimits, Guard, Tripped},
    envelope::{self, Refusal, SOURCE, Source, WOULD_REFUSE, size_bound},
    force::{Mode, PortEntry, Snapshot},
    lanes::{Disposed, Lanes},
};
use contract::{
    rule::{Event, UnknownSchema},
    verdict::{Code, Reason, Verdict},
};
use kafka::tx::{Broken, HeaderRef, Inbound, Outbox};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};
use tokio::sync::watch;

/// What became of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// It is in the open transaction.
    Judged,
    /// The transaction cannot go on; it will be undone.
    Broken,
    /// It cannot be judged now; nothing was done with it.
    Stop(Stop),
    /// The circuit breaker of its partition opens; nothing was done with it.
    Trip(Trip),
}

/// A record that cannot be judged now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stop {
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) why: Why,
}

impl Stop {
    fn at(record: &Inbound<'_>, why: Why) -> Self {
        Self {
            topic: record.topic.to_owned(),
            partition: record.partition,
            why,
        }
    }
}

/// Why not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Why {
    /// No contract in force names this inbox.
    NoContract,
    /// It names a schema that the snapshot does not know; the log's end might.
    UnknownSchema(UnknownSchema),
    /// A record of a partition that is not owned: the port broke its promise.
    NotOwned,
}

/// A record that would be one refusal too many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trip {
    pub(super) topic: String,
    pub(super) partition: i32,
    /// The governance position that it was judged at.
    pub(super) seq: u64,
    pub(super) tripped: Tripped,
}

/// The open transaction.
#[derive(Debug)]
pub(super) struct Txn {
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) started: Duration,
    pub(super) bytes: usize,
    pub(super) traced: Traced,
    /// The port of the last record: records come in runs of one topic.
    last: Option<Arc<PortEntry>>,
}

impl Txn {
    pub(super) fn begin(view: &watch::Receiver<Arc<Snapshot>>, now: Duration) -> Self {
        Self {
            snapshot: Arc::clone(&view.borrow()),
            started: now,
            bytes: 0,
            traced: Traced::begin(),
            last: None,
        }
    }

    fn port_of(&mut self, topic: &str) -> Option<&Arc<PortEntry>> {
        if self.last.as_ref().is_none_or(|port| port.inbox != topic) {
            self.last = self.snapshot.ports.get(topic).cloned();
        }
        self.last.as_ref()
    }
}

/// What is needed to judge records, and what judging them changes.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) view: watch::Receiver<Arc<Snapshot>>,
    pub(super) lanes: Lanes,
    pub(super) txn: Option<Txn>,
    pub(super) limits: BreakerLimits,
    source: String,
}

impl Desk {
    pub(super) fn new(view: watch::Receiver<Arc<Snapshot>>, limits: BreakerLimits) -> Self {
        Self {
            limits,
            view,
            lanes: Lanes::default(),
            txn: None,
            source: String::new(),
        }
    }

    /// Judge one record and send it where it belongs.
    pub(super) fn record(
        &mut self,
        now: Duration,
        record: &Inbound<'_>,
        outbox: &mut dyn Outbox,
    ) -> Step {
        let stop = |why| Step::Stop(Stop::at(record, why));
        let txn = self.txn.get_or_insert_with(|| Txn::begin(&self.view, now));
        let seq = txn.snapshot.seq;
        let Some(port) = txn.port_of(record.topic) else {
            return stop(Why::NoContract);
        };
        let Some(lane) = self.lanes.find(record.topic, record.partition) else {
            return stop(Why::NotOwned);
        };
        lane.heard = now;
        let verdict = match judge(port, record, lane.horizon) {
            Ok(verdict) => verdict,
            Err(unknown) => return stop(Why::UnknownSchema(unknown)),
        };
        let (partition, offset) = (record.partition, record.offset);
        let at = Source {
            partition,
            offset,
            seq,
        };
        at.write(&mut self.source);
        let mut disposal = Disposal {
            port,
            record,
            source: &self.source,
            guard: &mut lane.guard,
            limits: &self.limits,
        };
        match disposal.by(verdict, outbox) {
            Ok((disposed, bytes)) => {
                lane.count(record.offset, record.timestamp_ms, disposed);
                txn.bytes += bytes;
                txn.traced.event(record.headers);
                Step::Judged
            }
            Err(not_sent) => not_sent.step(record, seq),
        }
    }
}

/// The verdict, always one unless the record names a schema that only a newer position can know. Below `horizon` the
/// record was in the inbox before the log was last read to its end, so what is unknown now is unknown for good.
pub(crate) fn judge(
    port: &PortEntry,
    record: &Inbound<'_>,
    horizon: i64,
) -> Result<Verdict, UnknownSchema> {
    if let Some(reason) = beyond(port, record) {
        return Ok(Verdict::refused(reason));
    }
    if record.unreadable_headers > 0 {
        let found = format!("{} that are not", record.unreadable_headers);
        let reason = Reason::new(Code::Header, "", "header names in UTF-8", &found);
        return Ok(Verdict::refused(reason));
    }
    let event = Event {
        key: record.key,
        value: record.value,
        headers: record.headers,
    };
    let judged = catch_unwind(AssertUnwindSafe(|| {
        if record.offset < horizon {
            Ok(port.rules.judge_known(&event))
        } else {
            port.rules.judge(&event)
        }
    }));
    judged.unwrap_or_else(|_| {
        let at = format!(
            "{}/{} offset {}",
            record.topic, record.partition, record.offset
        );
        tracing::error!(
            at,
            contract = port.rules.contract(),
            "the validator panicked"
        );
        let reason = Reason::new(Code::Internal, "", "a verdict", "the validator panicked");
        Ok(Verdict::refused(reason))
    })
}

/// Why a record that is too large for its topic, whatever it says, is refused. It is not looked into: what was a small batch
/// before it was decompressed must not be parsed as well.
fn beyond(port: &PortEntry, record: &Inbound<'_>) -> Option<Reason> {
    let length = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
    let size = length(record.key) + length(record.value);
    (size > port.max_message_bytes).then(|| too_large(port, size))
}

fn too_large(port: &PortEntry, size: usize) -> Reason {
    let most = port.max_message_bytes;
    let limit = format!("at most {most} bytes with {SOURCE}");
    Reason::new(Code::TooLarge, "", limit, &format!("up to {size} bytes"))
}

/// Why a record was not sent on.
#[derive(Debug)]
enum NotSent {
    Broken,
    Tripped(Tripped),
}

impl NotSent {
    fn step(self, record: &Inbound<'_>, seq: u64) -> Step {
        match self {
            Self::Broken => Step::Broken,
            Self::Tripped(tripped) => Step::Trip(Trip {
                topic: record.topic.to_owned(),
                partition: record.partition,
                seq,
                tripped,
            }),
        }
    }
}

impl From<Broken> for NotSent {
    fn from(_: Broken) -> Self {
        Self::Broken
    }
}

/// One record on its way out: how it was disposed of comes back with its size.
struct Disposal<'a> {
    port: &'a PortEntry,
    record: &'a Inbound<'a>,
    source: &'a str,
    guard: &'a mut Guard,
    limits: &'a BreakerLimits,
}

type Sent = Result<(Disposed, usize), NotSent>;

impl Disposal<'_> {
    /// Send the record where its verdict says.
    fn by(&mut self, verdict: Verdict, outbox: &mut dyn Outbox) -> Sent {
        let source = (SOURCE, Some(self.source.as_bytes()));
        match (verdict, self.port.mode) {
            (Verdict::Accepted, Mode::Enforce | Mode::Shadow) => {
                self.accept(&[source], Disposed::Accepted, outbox)
            }
            (Verdict::Shadowed(reasons), Mode::Enforce | Mode::Shadow)
            | (Verdict::Quarantined(reasons), Mode::Shadow) => {
                let codes = envelope::codes(&reasons);
                let added = [source, (WOULD_REFUSE, Some(codes.as_bytes()))];
                self.accept(&added, Disposed::Shadowed, outbox)
            }
            (Verdict::Quarantined(reasons), Mode::Enforce) => self.refuse(&reasons, outbox),
        }
    }

    fn accept(
        &mut self,
        added: &[HeaderRef<'_>],
        disposed: Disposed,
        outbox: &mut dyn Outbox,
    ) -> Sent {
        let outbound = envelope::product(self.port, self.record, added);
        let size = size_bound(&outbound);
        if size > self.port.max_message_bytes {
            return self.refuse(&[too_large(self.port, size)], outbox);
        }
        outbox.send(&outbound)?;
        if self.record.offset >= self.guard.grace {
            self.guard.window.accepted(self.limits);
        }
        Ok((disposed, size))
    }

    /// The breaker is asked before anything is written.
    fn refuse(&mut self, reasons: &[Reason], outbox: &mut dyn Outbox) -> Sent {
        let (port, record) = (self.port, self.record);
        if port.mode == Mode::Enforce && record.offset >= self.guard.grace {
            let window = &mut self.guard.window;
            if let Some(tripped) = window.refused(self.limits, record.offset, reasons.first()) {
                return Err(NotSent::Tripped(tripped));
            }
        }
        let refusal = Refusal::new(&port.inbox, reasons);
        let sent = refusal.with_record(port, record, self.source, |outbound| {
            outbox.send(outbound)?;
            Ok::<_, Broken>((Disposed::Quarantined, size_bound(outbound)))
        });
        Ok(sent?)
    }
}
