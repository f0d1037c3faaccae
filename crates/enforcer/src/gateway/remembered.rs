//! The idempotency keys of the last day with the answers given, as the topic `<mesh>.idempotency` tells them.
//!
//! Looking here without the fence (`keyed`) may miss what another gateway has just written; what is found is true.

use super::answer::Answer;
use kafka::{Header, LogEvent, LogReader, Outgoing, Record};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// How long a key is remembered.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A key of a port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id {
    pub(super) port: String,
    pub(super) key: String,
}

/// What stands in the topic for a key. On disk since v0.1: add members, change none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    port: String,
    key: String,
    /// Of the request: its body, and what was asked for refused events; lower-case hex.
    sha256: String,
    #[serde(flatten)]
    answer: Answer,
}

/// What is known of a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// It was used for this request, which was answered so.
    Answered(Answer),
    /// It was used for another request.
    Otherwise,
}

#[derive(Debug, Default)]
struct Table {
    entries: BTreeMap<Id, (i64, Entry)>,
    /// Ids by the time they were written, the oldest first.
    by_age: VecDeque<(i64, Id)>,
    busy: BTreeSet<Id>,
}

/// The keys. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    table: Arc<Mutex<Table>>,
    /// Everything before this offset of the topic is known.
    next: Arc<watch::Sender<i64>>,
}

/// Holds a key while its request is under way.
#[derive(Debug)]
pub(super) struct Busy {
    keys: Keys,
    id: Id,
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.keys.table().busy.remove(&self.id);
    }
}

/// The hash by which a request is known again.
pub(super) fn fingerprint(body: &[u8], asked: &str) -> String {
    let digest = Sha256::new()
        .chain_update(asked)
        .chain_update([0])
        .chain_update(body)
        .finalize();
    format!("{digest:x}")
}

impl Entry {
    pub(super) fn new(id: &Id, sha256: &str, answer: Answer) -> Self {
        Self {
            port: id.port.clone(),
            key: id.key.clone(),
            sha256: sha256.to_owned(),
            answer,
        }
    }

    fn id(&self) -> Id {
        Id {
            port: self.port.clone(),
            key: self.key.clone(),
        }
    }

    /// The record that stands for it.
    pub(super) fn record(&self, topic: &str) -> Outgoing {
        let value = serde_json::to_vec(self).expect("texts and JSON");
        Outgoing {
            topic: topic.to_owned(),
            partition: Some(0),
            key: Some(format!("{}\n{}", self.port, self.key).into_bytes()),
            value: Some(value),
            headers: vec![Header::new("content-type", "application/json")],
            ..Outgoing::default()
        }
    }
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            table: Arc::default(),
            next: Arc::new(watch::Sender::new(0)),
        }
    }
}

impl Keys {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of a key.
    pub(super) fn find(&self, id: &Id, sha256: &str, now_ms: i64) -> Option<Known> {
        let table = self.table();
        let (written_ms, entry) = table.entries.get(id)?;
        if is_old(*written_ms, now_ms) {
            return None;
        }
        Some(if entry.sha256 == sha256 {
            Known::Answered(entry.answer.clone())
        } else {
            Known::Otherwise
        })
    }

    /// Take a key for a request; `None` while another request has it.
    pub(super) fn take(&self, id: &Id) -> Option<Busy> {
        let keys = self.clone();
        let id = id.clone();
        let free = self.table().busy.insert(id.clone());
        free.then_some(Busy { keys, id })
    }

    /// Know a key from now on.
    pub(super) fn remember(&self, entry: Entry, now_ms: i64) {
        let mut table = self.table();
        let id = entry.id();
        table.by_age.push_back((now_ms, id.clone()));
        table.entries.insert(id, (now_ms, entry));
        while let Some((written_ms, _)) = table.by_age.front()
            && is_old(*written_ms, now_ms)
        {
            let Some((_, id)) = table.by_age.pop_front() else {
                return;
            };
            let still = |(written_ms, _): &(i64, Entry)| is_old(*written_ms, now_ms);
            if table.entries.get(&id).is_some_and(still) {
                table.entries.remove(&id);
            }
        }
    }

    /// Wait until everything before an offset of the topic is known.
    pub(super) async fn reach(&self, end: i64) {
        let mut next = self.next.subscribe();
        // The sender lives as long as we do.
        drop(next.wait_for(|next| *next >= end).await);
    }

    /// Read the topic for ever.
    pub(super) async fn follow(self, mut reader: LogReader) {
        while let Some(event) = reader.next().await {
            match event {
                LogEvent::Record(record) => {
                    self.read(&record);
                    self.known_to(record.offset + 1);
                }
                LogEvent::EndReached { next } => self.known_to(next),
                LogEvent::Trouble(why) => {
                    tracing::warn!(reason = %why, "idempotency keys cannot be read now");
                }
            }
        }
        tracing::error!("idempotency keys are no longer followed: requests with one are refused");
    }

    fn read(&self, record: &Record) {
        let entry = record.value.as_deref().map(serde_json::from_slice::<Entry>);
        match entry {
            Some(Ok(entry)) => self.remember(entry, record.timestamp_ms.unwrap_or_default()),
            Some(Err(error)) => {
                let offset = record.offset;
                tracing::error!(offset, %error, "a record of idempotency keys is unreadable");
            }
            None => {}
        }
    }

    fn known_to(&self, offset: i64) {
        self.next.send_modify(|next| *next = offset.max(*next));
    }
}

fn is_old(written_ms: i64, now_ms: i64) -> bool {
    let day = i64::try_from(DAY.as_millis()).expect("a day is short");
    now_ms.saturating_sub(written_ms) >= day
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn id(key: &str) -> Id {
        Id {
            port: "d.p.e.v1".to_owned(),
            key: key.to_owned(),
        }
    }

    fn answer() -> Answer {
        Answer {
            status: 202,
            body: json!({"status": "accepted"}),
        }
    }

    const DAY_MS: i64 = 86_400_000;

    #[test]
    fn a_key_is_known_for_a_day_with_its_request_and_answer() {
        let keys = Keys::default();
        keys.remember(Entry::new(&id("a"), "x", answer()), 5);
        assert_eq!(keys.find(&id("a"), "x", 6), Some(Known::Answered(answer())));
        assert_eq!(keys.find(&id("a"), "y", 6), Some(Known::Otherwise));
        assert_eq!(keys.find(&id("b"), "x", 6), None);
        assert_eq!(keys.find(&id("a"), "x", 5 + DAY_MS), None);
        keys.remember(Entry::new(&id("b"), "x", answer()), 5 + DAY_MS);
        assert_eq!(keys.table().entries.len(), 1, "the old one is gone");
    }

    #[test]
    fn a_key_has_one_request_at_a_time() {
        let keys = Keys::default();
        let busy = keys.take(&id("a")).expect("free");
        assert!(keys.take(&id("a")).is_none());
        assert!(keys.take(&id("b")).is_some());
        drop(busy);
        assert!(keys.take(&id("a")).is_some());
    }

    #[test]
    fn what_is_written_is_read_again() {
        let entry = Entry::new(&id("a"), "x", answer());
        let written = entry.record("m.idempotency");
        let text = String::from_utf8(written.value.clone().expect("a value")).expect("text");
        assert_eq!(
            text,
            r#"{"port":"d.p.e.v1","key":"a","sha256":"x","status":202,"body":{"status":"accepted"}}"#
        );
        let read: Entry = serde_json::from_str(&text).expect("reads");
        assert_eq!(read, entry);
    }

    #[test]
    fn what_was_asked_for_belongs_to_the_request() {
        assert_ne!(fingerprint(b"x", ""), fingerprint(b"x", "quarantine"));
        assert_eq!(fingerprint(b"x", "").len(), 64);
    }
}
