//! Rows to the inbox in transactions, each with the position that it leads to.
//!
//! A failure never leaves a doubt standing: the fence is taken anew, which ends what was open, and the committed
//! position says which rows are there. The file is read again from that place.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use kafka::{Admin, Outgoing, TxError, TxProducer};
use tokio::runtime::Handle;

use super::meter::Meter;
use super::pace::Pace;
use super::position::Position;
use super::rows::RowWriter;
use super::source::Source;

/// Most rows in a transaction: what is read again after a failure.
const BATCH_ROWS: u64 = 20_000;
/// Most bytes in a transaction, well below librdkafka's queue.
const BATCH_BYTES: usize = 16 * 1024 * 1024;
/// Longest a row waits for its commit: readers see nothing of an open transaction.
const BATCH_TIME: Duration = Duration::from_millis(500);
/// Between two attempts to reach a broker.
const BACK_OFF: Duration = Duration::from_secs(1);
/// A batch that fails this often with brokers at hand will not get better.
const ATTEMPTS: u32 = 5;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// All rows were read.
    Finished,
    /// The user stopped it.
    Stopped,
}

/// What a batch led to.
enum Batch {
    Committed,
    Last(End),
}

/// Why a batch did not come about.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Kafka(#[from] TxError),
    #[error("cannot read the file")]
    File(#[from] std::io::Error),
}

/// Sends the rows of one source.
pub(super) struct Sender {
    pub(super) producer: TxProducer,
    pub(super) admin: Admin,
    /// To ask the admin client from this thread.
    pub(super) runtime: Handle,
    pub(super) group: String,
    pub(super) inbox: String,
    pub(super) source: Source,
    pub(super) rows: RowWriter,
    /// Committed, once `anchored`.
    pub(super) position: Position,
    /// Whether the position is the committed one: a run that starts anew has to say so first.
    pub(super) anchored: bool,
    pub(super) pace: Pace,
    pub(super) meter: Arc<Meter>,
    pub(super) stop: Arc<AtomicBool>,
}

impl Sender {
    /// Sends rows until the source ends or the user stops; the position tells what is published.
    ///
    /// # Errors
    /// A file that cannot be read; another run on the same file; a record that brokers keep refusing.
    pub(super) fn run(&mut self) -> anyhow::Result<End> {
        self.source
            .rewind(&self.position)
            .context("cannot read the file from where it stopped")?;
        self.meter.committed(&self.position);
        let mut event = Outgoing {
            topic: self.inbox.clone(),
            ..Outgoing::default()
        };
        let mut failures = 0;
        loop {
            let before = self.position;
            match self.batch(&mut event) {
                Ok(Batch::Committed) => failures = 0,
                Ok(Batch::Last(end)) => return Ok(end),
                Err(Trouble::File(error)) => return Err(error).context("cannot read the file"),
                Err(Trouble::Kafka(error)) => {
                    failures += 1;
                    if failures > ATTEMPTS {
                        return Err(error)
                            .context("the brokers are there, and refuse all the same");
                    }
                    if !self.recover(error)? {
                        return Ok(End::Stopped);
                    }
                    if self.position != before {
                        // The commit had gone through after all.
                        failures = 0;
                    }
                }
            }
        }
    }

    fn batch(&mut self, event: &mut Outgoing) -> Result<Batch, Trouble> {
        if !self.anchored {
            self.producer.begin()?;
            self.commit(self.position)?;
            self.anchored = true;
        }
        let (mut next, mut bytes, mut begun) = (self.position, 0, None);
        let last = loop {
            if self.stop.load(Ordering::Relaxed) {
                break Some(End::Stopped);
            }
            let rows = next.row - self.position.row;
            let is_old = |begun: &Instant| begun.elapsed() >= BATCH_TIME;
            if rows >= BATCH_ROWS || bytes >= BATCH_BYTES || begun.as_ref().is_some_and(is_old) {
                break None;
            }
            if let Some(wait) = self.pace.wait(next.row) {
                self.meter.beat();
                std::thread::sleep(wait);
                continue;
            }
            if !self.source.advance()? {
                break Some(End::Finished);
            }
            if begun.is_none() {
                self.producer.begin()?;
                begun = Some(Instant::now());
            }
            bytes += self.send_row(event, &mut next)?;
        };
        if begun.is_some() {
            self.commit(next)?;
        }
        Ok(last.map_or(Batch::Committed, Batch::Last))
    }

    /// Sends the row read last, or tells why not; gives the bytes sent.
    fn send_row(&mut self, event: &mut Outgoing, next: &mut Position) -> Result<usize, Trouble> {
        next.row += 1;
        (next.byte, next.line) = self.source.place();
        match self.rows.write((next.row, self.source.row()), event) {
            Ok(()) => {
                self.producer.send(event)?;
                Ok(event.value.as_ref().map_or(0, Vec::len))
            }
            Err(reasons) => {
                next.skipped += 1;
                self.meter.bad_row(next.row, self.source.line(), &reasons);
                Ok(0)
            }
        }
    }

    fn commit(&mut self, next: Position) -> Result<(), Trouble> {
        let offset = i64::try_from(next.row).expect("no file has 2^63 rows");
        let position = kafka::Position {
            topic: self.inbox.clone(),
            partition: 0,
            offset,
            metadata: next.encode(),
        };
        self.producer.send_offsets(&self.group, &[position])?;
        self.producer.commit()?;
        self.position = next;
        self.source.committed(&next);
        self.meter.committed(&next);
        Ok(())
    }

    /// Gets a producer and the truth again, however long the broker stays away; `false` when the user stops it.
    fn recover(&mut self, error: TxError) -> anyhow::Result<bool> {
        let mut trouble = error;
        loop {
            if let TxError::Fenced { .. } = trouble {
                let text = "another `meshlog publish` of this file on this port has taken over; it goes on";
                return Err(trouble).context(text);
            }
            let why = anyhow::Error::new(trouble);
            if !self.wait(&why) {
                return Ok(false);
            }
            // Takes the fence anew: whatever was open is ended when this returns.
            match self.producer.abort() {
                Ok(()) => break,
                Err(error) => trouble = error,
            }
        }
        while self.anchored {
            let asked = committed(&self.admin, &self.group, &self.inbox);
            match self.runtime.block_on(asked) {
                Ok(found) => {
                    self.position = found.context("the committed position has vanished")?;
                    break;
                }
                Err(why) if self.wait(&why) => {}
                Err(_) => return Ok(false),
            }
        }
        let rewound = self.source.rewind(&self.position);
        rewound.context("cannot read the file again")?;
        self.meter.committed(&self.position);
        Ok(true)
    }

    /// Says what is waited for, and waits; `false` when the user stops it.
    fn wait(&self, why: &anyhow::Error) -> bool {
        self.meter.waiting(&why.root_cause().to_string());
        std::thread::sleep(BACK_OFF);
        !self.stop.load(Ordering::Relaxed)
    }
}

/// The position that earlier runs have committed.
pub(super) async fn committed(
    admin: &Admin,
    group: &str,
    inbox: &str,
) -> anyhow::Result<Option<Position>> {
    let found = admin.committed(group, inbox).await?;
    let ours = found.iter().find(|committed| committed.partition == 0);
    Ok(ours.and_then(|committed| Position::decode(committed.offset, &committed.metadata)))
}
