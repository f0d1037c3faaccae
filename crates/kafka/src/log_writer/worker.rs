//! The writer's thread: stands by, takes the seat, serves requests, leaves the seat, again and again until it is stopped.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rdkafka::error::KafkaError;
use tokio::sync::watch;

use super::group::{Group, Membership, RewindError};
use super::seat::{Seat, Setback};
use super::{LogCore, LogWriterConfig, WriterStatus};
use crate::client::is_transport;
use crate::record::Record;

/// How long one wait for requests takes; a stop may have to wait for it.
const TICK: Duration = Duration::from_millis(100);
/// A batch is what is there, up to these. Small enough for a transaction to stay short.
const BATCH_RECORDS: usize = 500;
const BATCH_BYTES: usize = 4 << 20;
/// First and longest pause after a setback that passes.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// How long a writer that was fenced while the group still calls it the writer stands by. Longer than the session timeout:
/// by then either the group has given the partition to the other one, or the other one is gone.
const AFTER_FENCE: Duration = Duration::from_secs(15);

/// Runs until stopped, or until the log is not as it must be.
pub(super) fn run<C: LogCore>(
    config: LogWriterConfig,
    core: C,
    status: watch::Sender<WriterStatus>,
    stop: Arc<AtomicBool>,
) {
    let id = config.transactional_id.clone();
    let ended = catch_unwind(AssertUnwindSafe(|| {
        let group = Group::join(&config).map_err(|error| error.to_string())?;
        let worker = Worker {
            config,
            core,
            group,
            seat: None,
            status: &status,
            stop,
            resume_at: Instant::now(),
            fenced: false,
            pause: PAUSE.0,
            probe_at: None,
        };
        worker.run()
    }));
    let why = match ended {
        Ok(Ok(())) => "stopped".to_owned(),
        Ok(Err(why)) => why,
        Err(_) => "a bug: the writer's thread panicked, see the log".to_owned(),
    };
    tracing::info!(target: "kafka", id, why, "log writer ended");
    status.send_replace(WriterStatus::Stopped(why));
}

struct Worker<'a, C> {
    config: LogWriterConfig,
    core: C,
    group: Group,
    seat: Option<Seat>,
    status: &'a watch::Sender<WriterStatus>,
    stop: Arc<AtomicBool>,
    /// No attempt to take the seat before this time.
    resume_at: Instant,
    /// The pause is for a fence, which a new word of the group ends.
    fenced: bool,
    pause: Duration,
    /// When to ask next whether brokers are back.
    probe_at: Option<Instant>,
}

impl<C: LogCore> Worker<'_, C> {
    /// `Err` says why a human has to look.
    fn run(mut self) -> Result<(), String> {
        while !self.stop.load(Ordering::Relaxed) {
            let before = self.group.membership();
            let polled = self.group.poll(TICK);
            self.follow_group()?;
            match polled {
                Some(Ok(request)) if self.group.membership() == before => self.serve(request)?,
                // Ours no longer, or rewound to earlier requests: it will be read again by whoever answers it.
                Some(Ok(_)) => {}
                Some(Err(error)) => self.note(&error),
                None => self.probe(),
            }
        }
        // The fence first, then the group: whoever is next finds both free.
        self.seat = None;
        Ok(())
    }

    fn say(&self, status: WriterStatus) {
        self.status.send_if_modified(|current| {
            let changed = *current != status;
            if changed {
                tracing::info!(
                    target: "kafka", id = self.config.transactional_id, ?status, "log writer"
                );
                *current = status;
            }
            changed
        });
    }

    /// Does what the group's word asks for: take the seat, keep it, or leave it.
    fn follow_group(&mut self) -> Result<(), String> {
        if let Some(partitions) = self.group.writers_share() {
            let taken = matches!(
                self.group.membership(),
                Membership::Assigned { taken: true, .. }
            );
            if self.seat.is_some() && taken {
                return Ok(());
            }
            if Instant::now() < self.resume_at {
                return Ok(());
            }
            return match self.take_seat(&partitions) {
                Ok(()) => Ok(()),
                Err(setback) => self.set_back(setback),
            };
        }
        if std::mem::take(&mut self.fenced) {
            self.resume_at = Instant::now();
        }
        match self.group.membership() {
            // Between two assignments: nothing is polled, and nobody else can write without the fence.
            Membership::Unsettled => {}
            Membership::Lost => self.seat = None,
            Membership::Assigned { .. } => {
                self.seat = None;
                self.group.take_nothing();
                self.group.subscribe(Vec::new());
                self.say(WriterStatus::StandBy);
            }
        }
        Ok(())
    }

    fn take_seat(&mut self, partitions: &[super::group::Partition]) -> Result<(), Setback> {
        let mut seat = match self.seat.take() {
            Some(seat) => seat,
            None => {
                self.say(WriterStatus::Starting);
                Seat::take(&self.config, &mut self.core)?
            }
        };
        seat.next = match self.group.rewind(partitions) {
            Ok(next) => next,
            Err(error) => return Err(self.not_rewound(error)),
        };
        self.seat = Some(seat);
        self.pause = PAUSE.0;
        self.group.subscribe(self.core.request_topics());
        self.say(WriterStatus::Writing);
        Ok(())
    }

    /// Brokers that are away come back; what they keep back while they are there stays so until a human looks.
    fn not_rewound(&self, error: RewindError) -> Setback {
        let config = &self.config;
        let there = || config.cluster.ends(&config.primary_request_topic, 0, TICK);
        if matches!(error, RewindError::HeldBack) && there().is_ok() {
            tracing::error!(target: "kafka", id = config.transactional_id, %error, "nothing is decided");
        }
        error.into()
    }

    fn serve(&mut self, first: Record) -> Result<(), String> {
        let before = self.group.membership();
        let mut size = first.size();
        let mut batch = vec![first];
        while batch.len() < BATCH_RECORDS && size < BATCH_BYTES {
            match self.group.poll(Duration::ZERO) {
                Some(Ok(request)) => {
                    size += request.size();
                    batch.push(request);
                }
                Some(Err(error)) => self.note(&error),
                None => break,
            }
        }
        if self.group.membership() != before {
            // A rebalance in between: what was not answered is read again from the committed offsets.
            return Ok(());
        }
        let Some(seat) = &mut self.seat else {
            return Ok(());
        };
        let decided = self
            .group
            .metadata()
            .map_err(Setback::from)
            .and_then(|member| seat.decide(&self.config, &mut self.core, &batch, &member));
        match decided {
            Ok(()) => {
                self.pause = PAUSE.0;
                self.group.subscribe(self.core.request_topics());
                Ok(())
            }
            Err(setback) => self.set_back(setback),
        }
    }

    /// Leaves the seat. The next one is taken from the log, when it is time.
    fn set_back(&mut self, setback: Setback) -> Result<(), String> {
        self.seat = None;
        self.group.put_down();
        match setback {
            Setback::Broken(why) => {
                tracing::error!(target: "kafka", id = self.config.transactional_id, why, "log writer stops");
                return Err(why);
            }
            Setback::Fenced(why) => {
                tracing::warn!(target: "kafka", id = self.config.transactional_id, why, "fenced");
                self.resume_at = Instant::now() + AFTER_FENCE;
                self.fenced = true;
                self.say(WriterStatus::StandBy);
            }
            Setback::Passing(why) => {
                self.resume_at = Instant::now() + self.pause;
                self.pause = (self.pause * 2).min(PAUSE.1);
                self.say(WriterStatus::Waiting(why));
            }
        }
        Ok(())
    }

    /// Notes an error of the request side; librdkafka goes on by itself.
    fn note(&mut self, error: &KafkaError) {
        if is_transport(error) {
            self.probe_at.get_or_insert_with(Instant::now);
        } else {
            tracing::debug!(target: "kafka", id = self.config.transactional_id, %error, "requests");
        }
    }

    /// While idle: lets the producer speak, and finds out whether brokers that went away are back.
    fn probe(&mut self) {
        if let Some(seat) = &self.seat {
            seat.serve();
        }
        if self.probe_at.is_none_or(|at| at > Instant::now()) {
            return;
        }
        let topic = &self.config.primary_request_topic;
        match self.config.cluster.ends(topic, 0, Duration::from_secs(1)) {
            Ok(_) => {
                self.probe_at = None;
                if self.seat.is_some() {
                    self.say(WriterStatus::Writing);
                }
            }
            Err(error) => {
                self.probe_at = Some(Instant::now() + Duration::from_secs(1));
                self.say(WriterStatus::Waiting(format!("no broker answers: {error}")));
            }
        }
    }
}
