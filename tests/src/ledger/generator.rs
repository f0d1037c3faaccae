//! The generator: sends events at a pace, in order, and writes to the ledger what it was told of each.

use super::book::{Book, Outcome};
use super::event::{Event, Events, Schemas};
use kafka::{Cluster, Delivered, Producer, SendError};
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::task::JoinSet;

/// Between two handfuls of events.
const TICK: Duration = Duration::from_millis(20);

/// Handfuls in a second.
const TICKS: u64 = 50;

/// Most events on their way. A broker that is away for long must not fill the memory.
const OUTSTANDING: usize = 20_000;

/// A running generator.
#[derive(Debug)]
pub struct Generator {
    stop: Arc<AtomicBool>,
    second: Arc<AtomicU32>,
    thread: JoinHandle<std::io::Result<Sent>>,
}

/// What a generator did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// Events with an outcome.
    pub events: u64,
    /// Those that may be there or not.
    pub unknown: u64,
}

/// What a generator needs to know.
#[derive(Debug, Clone)]
pub struct Load {
    /// Where to.
    pub cluster: Cluster,
    /// The inbox.
    pub topic: String,
    /// Which events.
    pub seed: u64,
    /// Events a second.
    pub rate: u64,
    /// The schema of the contract's first version.
    pub schema: u32,
}

impl Generator {
    /// Begins to send.
    ///
    /// # Errors
    /// There is no ledger to write to.
    pub fn start(load: Load, ledger: &Path) -> std::io::Result<Self> {
        let book = Book::create(ledger)?;
        let (stop, second) = (Arc::default(), Arc::default());
        let (stopped, switched) = (Arc::clone(&stop), Arc::clone(&second));
        let thread = std::thread::Builder::new()
            .name("generator".to_owned())
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()?;
                runtime.block_on(run(load, book, &stopped, &switched))
            })?;
        Ok(Self {
            stop,
            second,
            thread,
        })
    }

    /// From now on half of the events are of the contract's second version.
    pub fn use_second(&self, schema: u32) {
        self.second.store(schema, Ordering::Relaxed);
    }

    /// Sends no more, and waits for the outcomes of what was sent.
    ///
    /// # Errors
    /// The ledger could not be written.
    pub fn stop(self) -> std::io::Result<Sent> {
        self.stop.store(true, Ordering::Relaxed);
        let joined = self.thread.join();
        joined.unwrap_or_else(|_| Err(std::io::Error::other("the generator panicked")))
    }
}

type Told = Result<Delivered, SendError>;
type Sending = Pin<Box<dyn Future<Output = (Event, Told)> + Send>>;

async fn run(
    load: Load,
    mut book: Book,
    stop: &AtomicBool,
    second: &AtomicU32,
) -> std::io::Result<Sent> {
    let producer = Producer::new(&load.cluster).map_err(std::io::Error::other)?;
    let mut events = Events::new(load.seed);
    let mut sending = JoinSet::new();
    let mut tick = tokio::time::interval(TICK);
    let handful = load.rate / TICKS;
    while !stop.load(Ordering::Relaxed) {
        tick.tick().await;
        let second = second.load(Ordering::Relaxed);
        let schemas = Schemas {
            first: load.schema,
            second: (second != 0).then_some(second),
        };
        for _ in 0..handful {
            if sending.len() < OUTSTANDING {
                send(&producer, &load.topic, events.next(schemas), &mut sending);
            }
        }
        while let Some(told) = sending.try_join_next() {
            note(&mut book, told)?;
        }
    }
    while let Some(told) = sending.join_next().await {
        note(&mut book, told)?;
    }
    let sent = Sent {
        events: book.events,
        unknown: book.unknown,
    };
    book.close()?;
    Ok(sent)
}

/// Queues the event now, so that events stand in the queue in the order of their numbers, and waits elsewhere.
fn send(producer: &Producer, topic: &str, event: Event, sending: &mut JoinSet<(Event, Told)>) {
    let (producer, record) = (producer.clone(), event.outgoing(topic));
    let mut future: Sending = Box::pin(async move { (event, producer.send(record).await) });
    match future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(told) => sending.spawn(std::future::ready(told)),
        Poll::Pending => sending.spawn(future),
    };
}

fn note(
    book: &mut Book,
    told: Result<(Event, Told), tokio::task::JoinError>,
) -> std::io::Result<()> {
    let (event, told) = told.map_err(std::io::Error::other)?;
    let outcome = match told {
        Ok(Delivered { partition, offset }) => Outcome::Acked(partition, offset),
        Err(_) => Outcome::Unknown,
    };
    book.write(&event, outcome)
}
