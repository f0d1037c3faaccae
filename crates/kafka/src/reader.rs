//! Following one single-partition log from an offset, for ever: what every fold of a log stands on.
//!
//! A thread of its own polls librdkafka and hands records over through a bounded channel: a slow fold slows the reading, not
//! the memory. Brokers that go away are waited for.
//!
//! Where a log *ends* needs care on transactional topics: the last offsets are often markers and aborted records, which are
//! never delivered, so "the last record is the high watermark" never comes true. The end is the read-committed end, asked of
//! the broker, compared with the consumer's position, which does move over markers.
//! Source: <https://kafka.apache.org/documentation/#consumerconfigs_isolation.level>

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::sync::mpsc;

use crate::client::{Context, is_transport};
use crate::cluster::{Cluster, ClusterError};
use crate::record::Record;

/// Records handed over and not yet taken. Small: a record may be 1 MB.
const CHANNEL: usize = 256;
/// How long the thread sleeps when nothing happens. Records, stops and requests wake it; this only bounds a lost wake-up.
const NAP: Duration = Duration::from_millis(200);
/// How long one question to a broker may take; also how long a stop may have to wait.
const ASK: Duration = Duration::from_millis(1000);
/// When an end that was asked for has not been reached after this time, the rest may be offsets that no longer hold
/// anything (compaction): the partition is assigned anew, and its end-of-partition event settles it.
const SETTLE_AFTER: Duration = Duration::from_millis(700);

/// Why reading could not start, or a bounded read not finish.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// No client could be made.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The topic, or a partition of it, does not exist.
    #[error("topic {topic} does not exist, or lacks a partition that was named")]
    NoTopic {
        /// The topic.
        topic: String,
    },
    /// Brokers refused, or stayed away.
    #[error("cannot read topic {topic}")]
    Read {
        /// The topic.
        topic: String,
        /// What librdkafka says.
        source: KafkaError,
    },
}

/// What a followed log has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogEvent {
    /// The next committed record.
    Record(Record),
    /// Everything that was there has been delivered.
    EndReached {
        /// The offset that the next record will have, or a later one.
        next: i64,
    },
    /// Something is wrong, in words for an operator. Said once; the next event shows that it is over. Only when the log
    /// itself has lost the offset to be read is this the last event.
    Trouble(String),
}

/// What wakes the polling thread.
#[derive(Debug, Default)]
struct Signal {
    state: Mutex<SignalState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct SignalState {
    stop: bool,
    arrived: bool,
    end_requests: u64,
}

impl Signal {
    fn update(&self, change: impl FnOnce(&mut SignalState)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }

    /// Sleeps until something arrives, and tells whether to go on and how many end requests there have been.
    fn wait(&self, seen: u64, nap: Duration) -> (bool, u64) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let quiet = |s: &mut SignalState| !s.stop && !s.arrived && s.end_requests == seen;
        let waited = self.changed.wait_timeout_while(state, nap, quiet);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.arrived = false;
        (!state.stop, state.end_requests)
    }
}

/// A followed log. Dropping it stops it.
#[derive(Debug)]
pub struct LogReader {
    events: mpsc::Receiver<LogEvent>,
    signal: Arc<Signal>,
    thread: Option<JoinHandle<()>>,
}

impl LogReader {
    /// Follows partition 0 of `topic` from offset `from`; 0 is the first record still there.
    ///
    /// # Errors
    /// When no client can be made. A topic or broker that is not there is [`LogEvent::Trouble`].
    pub fn follow(cluster: &Cluster, topic: &str, from: i64) -> Result<Self, ReadError> {
        let (sender, events) = mpsc::channel(CHANNEL);
        let signal = Arc::<Signal>::default();
        let follower = Follower::new(cluster, topic, from, sender, Arc::clone(&signal))?;
        let thread = std::thread::Builder::new()
            .name(format!("read {topic}"))
            .spawn(move || follower.run())
            .expect("the system can start one more thread");
        Ok(Self {
            events,
            signal,
            thread: Some(thread),
        })
    }

    /// The next event; `None` when the reader has stopped, which its last [`LogEvent::Trouble`] explains.
    pub async fn next(&mut self) -> Option<LogEvent> {
        self.events.recv().await
    }

    /// Asks for an [`LogEvent::EndReached`] that reflects an end of the log taken after this call.
    /// Requests that are close together are answered by one event.
    pub fn request_end(&self) {
        self.signal.update(|state| state.end_requests += 1);
    }

    /// A handle that can ask for ends while another task waits in [`LogReader::next`].
    pub fn end_requester(&self) -> EndRequester {
        EndRequester(Arc::clone(&self.signal))
    }

    /// Stops the thread and waits for it: at most about a second, usually milliseconds.
    pub fn stop(mut self) {
        self.events.close();
        self.signal.update(|state| state.stop = true);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::warn!(target: "kafka", "a reader's thread panicked");
        }
    }
}

impl Drop for LogReader {
    fn drop(&mut self) {
        self.signal.update(|state| state.stop = true);
    }
}

/// Asks a [`LogReader`] for its end from elsewhere. Cheap to clone.
#[derive(Clone, Debug)]
pub struct EndRequester(Arc<Signal>);

impl EndRequester {
    /// See [`LogReader::request_end`].
    pub fn request_end(&self) {
        self.0.update(|state| state.end_requests += 1);
    }
}

/// An end that has been asked of the broker and is to be reached.
#[derive(Debug)]
struct Target {
    end: i64,
    asked: Instant,
    /// The assignment is younger than `end`, so an end-of-partition event proves that `end` was reached.
    provable: bool,
}

/// The state of the polling thread.
struct Follower {
    cluster: Cluster,
    topic: String,
    consumer: BaseConsumer<Context>,
    sender: mpsc::Sender<LogEvent>,
    signal: Arc<Signal>,
    /// Everything before this offset has been delivered, or holds nothing.
    next: i64,
    target: Option<Target>,
    told: Option<i64>,
    trouble: Option<Trouble>,
}

#[derive(Debug)]
struct Trouble {
    what: String,
    said: bool,
    probe_at: Instant,
}

/// The channel is closed or the log is lost: the thread ends.
struct Ended;

impl Follower {
    fn new(
        cluster: &Cluster,
        topic: &str,
        from: i64,
        sender: mpsc::Sender<LogEvent>,
        signal: Arc<Signal>,
    ) -> Result<Self, ReadError> {
        let mut config = cluster.reader_config();
        config
            .set("fetch.wait.max.ms", "500")
            .set("queued.max.messages.kbytes", "16384");
        let mut consumer: BaseConsumer<Context> = cluster.create(&config, "reader")?;
        let waker = Arc::clone(&signal);
        consumer.set_nonempty_callback(move || waker.update(|state| state.arrived = true));
        let follower = Self {
            cluster: cluster.clone(),
            topic: topic.to_owned(),
            consumer,
            sender,
            signal,
            next: from.max(0),
            target: None,
            told: None,
            trouble: None,
        };
        follower.assign()?;
        Ok(follower)
    }

    fn assign(&self) -> Result<(), ReadError> {
        let offset = if self.next == 0 {
            Offset::Beginning
        } else {
            Offset::Offset(self.next)
        };
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.topic, 0, offset)
            .and_then(|()| self.consumer.assign(&list))
            .map_err(|source| ReadError::Read {
                topic: self.topic.clone(),
                source,
            })
    }

    fn run(mut self) {
        // The first end is owed to everyone: it says that the past has been read.
        let mut owed = true;
        let mut seen = 0;
        loop {
            if self.drain().is_err() {
                return;
            }
            if owed && self.trouble.is_none() {
                owed = !self.ask_end();
            }
            if self.check_target().is_err() || self.probe().is_err() {
                return;
            }
            let nap = if owed || self.target.is_some() {
                Duration::from_millis(5)
            } else {
                NAP
            };
            let (go_on, requests) = self.signal.wait(seen, nap);
            if !go_on {
                return;
            }
            owed |= requests != seen;
            seen = requests;
        }
    }

    /// Delivers what librdkafka holds.
    fn drain(&mut self) -> Result<(), Ended> {
        loop {
            // One millisecond, not zero: with zero a log line in the queue would hide the record behind it.
            let polled = match self.consumer.poll(Duration::from_millis(1)) {
                None => return Ok(()),
                Some(Ok(message)) => Ok(Record::from_message(&message)),
                Some(Err(error)) => Err(error),
            };
            match polled {
                Ok(record) => {
                    self.next = record.offset + 1;
                    self.trouble = None;
                    self.send(LogEvent::Record(record))?;
                    if self
                        .target
                        .as_ref()
                        .is_some_and(|target| self.next >= target.end)
                    {
                        self.end_reached()?;
                    }
                }
                Err(KafkaError::PartitionEOF(_)) => self.at_end_of_partition()?,
                Err(error) => self.failed(&error)?,
            }
        }
    }

    fn send(&self, event: LogEvent) -> Result<(), Ended> {
        self.sender.blocking_send(event).map_err(|_closed| Ended)
    }

    /// Asks the broker where the log ends; `false` when it could not be asked.
    fn ask_end(&mut self) -> bool {
        match self.cluster.ends(&self.topic, 0, ASK) {
            Ok((low, end)) => {
                self.next = self.next.max(low);
                self.target = Some(Target {
                    end,
                    asked: Instant::now(),
                    provable: false,
                });
                true
            }
            Err(error) => {
                self.in_trouble(&error.to_string());
                false
            }
        }
    }

    fn check_target(&mut self) -> Result<(), Ended> {
        let Some(target) = &self.target else {
            return Ok(());
        };
        if self.next < target.end {
            self.next = self.next.max(self.position());
        }
        if self.next >= target.end {
            return self.end_reached();
        }
        if !target.provable && target.asked.elapsed() >= SETTLE_AFTER {
            self.settle()?;
        }
        Ok(())
    }

    /// Where the consumer stands: after the last delivered record and the markers behind it.
    fn position(&self) -> i64 {
        let Ok(list) = self.consumer.position() else {
            return 0;
        };
        match list
            .find_partition(&self.topic, 0)
            .map(|element| element.offset())
        {
            Some(Offset::Offset(offset)) => offset,
            Some(_) | None => 0,
        }
    }

    fn settle(&mut self) -> Result<(), Ended> {
        if let Err(error) = self.assign() {
            self.in_trouble(&error.to_string());
        } else if let Some(target) = &mut self.target {
            target.provable = true;
        }
        Ok(())
    }

    fn end_reached(&mut self) -> Result<(), Ended> {
        if let Some(target) = self.target.take() {
            self.next = self.next.max(target.end);
        }
        self.trouble = None;
        self.told = Some(self.next);
        self.send(LogEvent::EndReached { next: self.next })
    }

    fn at_end_of_partition(&mut self) -> Result<(), Ended> {
        self.next = self.next.max(self.position());
        match &self.target {
            Some(target) if target.provable => self.end_reached(),
            Some(_) => self.check_target(),
            None if self.told == Some(self.next) => Ok(()),
            None => self.end_reached(),
        }
    }

    fn failed(&mut self, error: &KafkaError) -> Result<(), Ended> {
        let lost = matches!(
            error.rdkafka_error_code(),
            Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange)
        );
        if lost || matches!(error, KafkaError::MessageConsumptionFatal(_)) {
            self.send(LogEvent::Trouble(format!(
                "topic {} no longer has offset {}: it was truncated, or deleted and made again",
                self.topic, self.next
            )))?;
            return Err(Ended);
        }
        self.in_trouble(&error.to_string());
        if is_transport(error) {
            // One broken connection of several is no trouble: the probe decides whether it is said.
            return self.probe();
        }
        self.say_trouble()
    }

    fn in_trouble(&mut self, what: &str) {
        self.trouble.get_or_insert_with(|| Trouble {
            what: what.to_owned(),
            said: false,
            probe_at: Instant::now(),
        });
    }

    fn say_trouble(&mut self) -> Result<(), Ended> {
        let Some(trouble) = self.trouble.as_mut().filter(|trouble| !trouble.said) else {
            return Ok(());
        };
        trouble.said = true;
        let what = format!("topic {}: {}", self.topic, trouble.what);
        self.send(LogEvent::Trouble(what))
    }

    /// Finds out whether trouble is over, once a second.
    fn probe(&mut self) -> Result<(), Ended> {
        if self
            .trouble
            .as_ref()
            .is_none_or(|trouble| trouble.probe_at > Instant::now())
        {
            return Ok(());
        }
        let pending = self.target.is_some();
        if self.ask_end() {
            let said = self.trouble.take().is_some_and(|trouble| trouble.said);
            if !said && !pending && self.told.is_some() {
                // Nobody has heard of the trouble, so nobody waits to hear that it is over.
                self.target = None;
            }
            return Ok(());
        }
        if let Some(trouble) = &mut self.trouble {
            trouble.probe_at = Instant::now() + Duration::from_secs(1);
        }
        self.say_trouble()
    }
}
