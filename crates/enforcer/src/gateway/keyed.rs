//! Writes requests that have an idempotency key: the events and the answer to them in one transaction.
//!
//! All gateways of a mesh write these under one transactional id. Whoever takes its fence ends what the last holder left
//! open, shuts it out, and then reads the keys to their end: so no key is missed, and of two gateways with one key only
//! one can commit. As long as the fence is held nobody else can have written, and nothing needs to be read again.
//! What this costs: several gateways with keyed requests take turns (decision 29).

use super::answer::{Answer, Batch, Landed, Status};
use super::now_ms;
use super::remembered::{Busy, Entry, Id, Keys, Known};
use super::request::Place;
use kafka::{Admin, AdminError, Cluster, EndRequester, TxError, TxProducer};
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

/// Most requests in a transaction.
const MOST: usize = 64;
/// How often the fence may be lost to another gateway before a request is given up.
const ATTEMPTS: u32 = 8;
/// Longest the keys may take to be read to their end.
const CATCH_UP: Duration = Duration::from_secs(10);
/// Longest record of an answer: what the topic takes by default, less its envelope.
const MAX_ANSWER: usize = 900_000;
/// What partition and offset add to an event's part of an answer.
const PLACE: usize = 64;

/// A request to be written.
pub(super) struct Job {
    pub(super) busy: Busy,
    pub(super) id: Id,
    pub(super) sha256: String,
    pub(super) batch: Batch,
    /// Kept for as long as the events are.
    pub(super) place: Place,
    pub(super) reply: oneshot::Sender<Outcome>,
}

/// What became of it.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Written now.
    Written(Answer, Vec<Status>),
    /// The key was known already.
    Known(Known),
    /// Not written, as far as is known; the same key tells.
    Failed(String),
}

/// Why a transaction did not come about.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Kafka(#[from] TxError),
    #[error(transparent)]
    Admin(Box<AdminError>),
    #[error("idempotency keys cannot be read to their end")]
    NotAtEnd,
}

/// The writing thread's state.
pub(super) struct KeyedWriter {
    pub(super) cluster: Cluster,
    pub(super) admin: Admin,
    pub(super) topic: String,
    pub(super) transactional_id: String,
    pub(super) keys: Keys,
    pub(super) ends: EndRequester,
    pub(super) runtime: Handle,
    pub(super) producer: Option<TxProducer>,
}

/// Whether the answer to a request would be too long to be remembered.
pub(super) fn is_too_long(batch: &Batch) -> bool {
    let (answer, _) = batch.answer(|_| None);
    answer.body.to_string().len() + PLACE * batch.events.len() > MAX_ANSWER
}

impl KeyedWriter {
    /// Write what comes until nobody can send any more.
    pub(super) fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        while let Some(first) = jobs.blocking_recv() {
            let mut batch = vec![first];
            while batch.len() < MOST
                && let Ok(job) = jobs.try_recv()
            {
                batch.push(job);
            }
            self.write(batch);
        }
    }

    fn write(&mut self, mut jobs: Vec<Job>) {
        let mut attempt = 0;
        loop {
            // Whoever has gone away asks again with the same key.
            jobs.retain(|job| !job.reply.is_closed());
            if jobs.is_empty() {
                return;
            }
            let error = match self.attempt(&mut jobs) {
                Ok(()) => return,
                Err(error) => error,
            };
            // Taking the fence anew ends what is open, whatever state it is in.
            self.producer = None;
            attempt += 1;
            let lost = matches!(error, Trouble::Kafka(TxError::Fenced { .. }));
            if lost && attempt < ATTEMPTS {
                std::thread::sleep(back_off(attempt));
                continue;
            }
            tracing::warn!(%error, requests = jobs.len(), "requests with idempotency keys were not written");
            for job in jobs {
                answer(job, Outcome::Failed(error.to_string()));
            }
            return;
        }
    }

    /// Answer what is known already and write the rest; on an error nothing is answered that was not known.
    fn attempt(&mut self, jobs: &mut Vec<Job>) -> Result<(), Trouble> {
        self.hold_fence()?;
        let now = now_ms();
        let all = std::mem::take(jobs);
        for job in all {
            match self.keys.find(&job.id, &job.sha256, now) {
                Some(known) => answer(job, Outcome::Known(known)),
                None => jobs.push(job),
            }
        }
        if jobs.is_empty() {
            return Ok(());
        }
        let answers = self.transaction(jobs)?;
        for (job, (entry, written, statuses)) in jobs.drain(..).zip(answers) {
            self.keys.remember(entry, now);
            answer(job, Outcome::Written(written, statuses));
        }
        Ok(())
    }

    fn hold_fence(&mut self) -> Result<(), Trouble> {
        if self.producer.as_ref().is_some_and(TxProducer::holds_fence) {
            return Ok(());
        }
        self.producer = None;
        let producer = TxProducer::new(&self.cluster, &self.transactional_id)?;
        // Nobody else can write from here on: what is in the topic now is all there is.
        self.runtime.block_on(async {
            let ends = self.admin.end_offsets(&self.topic).await;
            let ends = ends.map_err(|error| Trouble::Admin(Box::new(error)))?;
            let end = ends.first().map_or(0, |ends| ends.end);
            self.ends.request_end();
            let reached = tokio::time::timeout(CATCH_UP, self.keys.reach(end)).await;
            reached.map_err(|_| Trouble::NotAtEnd)
        })?;
        self.producer = Some(producer);
        Ok(())
    }

    fn transaction(&mut self, jobs: &[Job]) -> Result<Vec<(Entry, Answer, Vec<Status>)>, Trouble> {
        let producer = self
            .producer
            .as_mut()
            .expect("the fence has just been taken");
        producer.begin()?;
        let records = jobs.iter().enumerate().flat_map(|(at, job)| {
            let records = job.batch.records();
            records.map(move |(event, record)| ((at, event), record))
        });
        let mut numbers = BTreeMap::new();
        for (number, (place, record)) in records.enumerate() {
            numbers.insert(place, number);
            producer.send_numbered(record, number)?;
        }
        let delivered: BTreeMap<usize, _> = producer.delivered()?.into_iter().collect();
        let mut answers = Vec::with_capacity(jobs.len());
        for (at, job) in jobs.iter().enumerate() {
            let landed = |event| delivered.get(numbers.get(&(at, event))?).copied();
            let (answer, statuses) = job.batch.answer(|event| landed(event).map(Landed::At));
            let entry = Entry::new(&job.id, &job.sha256, answer.clone());
            producer.send(&entry.record(&self.topic))?;
            answers.push((entry, answer, statuses));
        }
        producer.commit()?;
        Ok(answers)
    }
}

/// The key is free before the answer is there, so that a client that asks again at once is not told to wait.
fn answer(job: Job, outcome: Outcome) {
    let Job {
        busy, place, reply, ..
    } = job;
    drop((busy, place));
    // Whoever has gone away needs no answer.
    drop(reply.send(outcome));
}

/// Two gateways that want the fence must not take it from each other for ever.
fn back_off(attempt: u32) -> Duration {
    let random = RandomState::new().hash_one(attempt);
    let most = 100_u64 << attempt.min(5);
    Duration::from_millis(20 + random % most)
}
