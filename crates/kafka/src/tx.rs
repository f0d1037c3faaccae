//! The transactional port of the data path: inbox records in, product and quarantine records out, outputs and inbox
//! offsets moving together or not at all.
//!
//! [`TransactionalPort`] is what the enforcer's loop is written against; [`KafkaPort`] is its implementation on
//! librdkafka, a fake in memory (feature `test-util`) the one its tests run on. Everything here is synchronous and stays
//! on one OS thread: rebalances happen inside `poll`, commits block, and nothing of it may run on an async runtime's
//! workers.
//!
//! The promise kept: for a `read_committed` reader each inbox record below the committed offset is in exactly one
//! output, exactly once, in input order. It rests on the rules written beside the code:
//! - an outcome that is not known is never guessed: the producer is replaced (which ends the old transaction at the
//!   broker) and the group's committed offsets say where to read on ([`KafkaPort`], "Rule 1");
//! - offsets go through `send_offsets_to_transaction` with the live group metadata, so a member that lost its
//!   partitions cannot commit.
//!
//! Not here: what a record is judged by, and what its outputs look like (the enforcer crate).

mod classify;
mod client;
mod config;
mod consume;
mod context;
mod produce;

#[cfg(any(test, feature = "test-util"))]
mod fake;

use std::time::Duration;

pub use client::KafkaPort;
pub use config::TxConfig;
#[cfg(any(test, feature = "test-util"))]
pub use fake::{FakeCluster, FakePort, Fault, Stored};

/// One header: name and value, null apart from empty.
pub type HeaderRef<'a> = (&'a str, Option<&'a [u8]>);

/// Headers under this prefix are Meshlog's: those of producers are dropped, no header is identity.
pub const RESERVED_PREFIX: &str = "mesh-";

/// One record of an inbox, borrowed from the client's own buffers.
#[derive(Debug, Clone, Copy)]
pub struct Inbound<'a> {
    /// The inbox topic.
    pub topic: &'a str,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Milliseconds since the epoch, as stamped by producer or broker.
    pub timestamp_ms: Option<i64>,
    /// The key; null apart from empty.
    pub key: Option<&'a [u8]>,
    /// The value; null (a tombstone) apart from empty.
    pub value: Option<&'a [u8]>,
    /// The headers in order, those whose name is not UTF-8 left out.
    pub headers: &'a [HeaderRef<'a>],
    /// How many headers were left out because their name is not UTF-8, which Kafka's protocol requires.
    pub unreadable_headers: usize,
}

/// One record for a product or quarantine topic.
#[derive(Debug, Clone, Copy)]
pub struct Outbound<'a> {
    /// The output topic.
    pub topic: &'a str,
    /// The output partition, which is the inbox's: never left to a partitioner.
    pub partition: i32,
    /// The record's own time, kept.
    pub timestamp_ms: Option<i64>,
    /// The key, as it came.
    pub key: Option<&'a [u8]>,
    /// The value, as it came.
    pub value: Option<&'a [u8]>,
    /// The producer's headers; those under [`RESERVED_PREFIX`] are dropped on the way.
    pub headers: &'a [HeaderRef<'a>],
    /// Our own headers, written after them.
    pub added: &'a [HeaderRef<'a>],
}

/// Where the outputs of the record in hand go.
pub trait Outbox {
    /// Queue one output in the open transaction, opening one when there is none.
    ///
    /// # Errors
    /// [`Broken`]: the transaction can no longer be committed; [`TransactionalPort::commit`] will say
    /// [`Outcome::Undone`] and take the positions back.
    fn send(&mut self, record: &Outbound<'_>) -> Result<(), Broken>;
}

/// The open transaction has failed and will be undone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the transaction cannot go on: {0}")]
pub struct Broken(pub String);

/// A partition that this member owns, and what the group has committed for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The inbox topic.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// The next offset to read; `None` when the group has never committed one (reading starts at the beginning).
    pub next: Option<i64>,
    /// The text committed with the offset, empty when there is none.
    pub metadata: String,
}

/// How far one inbox partition was processed in the transaction that is to be committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The inbox topic.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// Last processed offset + 1.
    pub next: i64,
    /// Text to keep with the offset.
    pub metadata: String,
}

/// What became of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Outputs and offsets are visible together.
    Committed,
    /// None of it is visible. [`Polled::Positions`] follows.
    Undone(String),
    /// It may be visible or not; the committed offsets will tell. [`Polled::Positions`] follows.
    Unknown(String),
}

/// Why the port does not go on at present.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What kind of trouble, for the status.
    pub kind: TroubleKind,
    /// In words, for an operator.
    pub why: String,
}

/// Kinds of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TroubleKind {
    /// No broker answers; it is tried again until one does.
    BrokerAway,
    /// Another producer took our transactional id; we stand by and come back later.
    Fenced,
    /// A batch of one of the owned partitions cannot be read; nothing behind it is taken.
    Unreadable,
    /// The client had to be thrown away, or cannot read a partition; it is tried again with a growing pause.
    Stalled,
}

/// What one call of [`TransactionalPort::poll`] brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Polled {
    /// One record was handed over.
    Record,
    /// Nothing came in time; all is well.
    Idle,
    /// Nothing is left to read at present in the partitions that were being read.
    Drained,
    /// From here on exactly these partitions are owned, read from these positions. An open transaction is gone with
    /// everything in it.
    Positions(Vec<Position>),
    /// It cannot go on at present, and tries again by itself at the next call.
    Waiting(Trouble),
}

/// Reads inbox records and writes outputs in transactions; see the module's text.
///
/// The caller's duty: after [`Polled::Positions`], and after any [`Outcome`] but `Committed`, forget what the open
/// transaction held; commit at its own pace; call [`poll`](Self::poll) at least every few minutes.
/// As an [`Outbox`] it takes outputs that belong to no one record, such as what was counted of many.
pub trait TransactionalPort: Outbox {
    /// Read these inbox topics from now on, instead of those before.
    fn subscribe(&mut self, topics: &[String]);

    /// Wait up to `timeout` for one record and hand it over with the outbox for its outputs.
    fn poll(
        &mut self,
        timeout: Duration,
        handle: &mut dyn FnMut(&Inbound<'_>, &mut dyn Outbox),
    ) -> Polled;

    /// Commit what was sent since the last commit together with how far the inboxes were processed.
    fn commit(&mut self, progress: &[Progress]) -> Outcome;

    /// Give the open transaction up. [`Polled::Positions`] follows.
    fn abort(&mut self);

    /// Leave exactly these partitions out of what is read, also over rebalances, until the next call (an empty list:
    /// read all again). There must be no open transaction. [`Polled::Positions`] follows, with every owned partition,
    /// held or not.
    fn hold(&mut self, partitions: &[(String, i32)]);

    /// An offset such that every record below it was in the inbox before this call.
    ///
    /// # Errors
    /// The broker's answer did not come; the text says why.
    fn horizon(&mut self, topic: &str, partition: i32) -> Result<i64, Broken>;

    /// Time since an arbitrary start, never going back.
    fn now(&self) -> Duration;

    /// Leave the group and let go of both clients; an open transaction is aborted. Bounded by tens of seconds with
    /// no broker, milliseconds otherwise.
    fn close(&mut self);
}

/// An error with all its causes, for a status that is read by people.
fn in_full(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
