//! How long an event takes from its producer to a `read_committed` reader of the product topic, at 1,000 events a
//! second, by the enforcer and by the bare copy with the same interval.

use super::{
    BenchError, Row,
    events::Events,
    rounds::{Bench, Clock, Copy, PATIENCE, Setup, enforcing, median},
};
use crate::PortEntry;
use contract::spec::Encoding;
use kafka::{Cluster, LogEvent, LogReader, Outgoing, Producer, tx::TransactionalPort};
use std::{
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};
use tokio::{
    runtime::{Builder, Runtime},
    task::JoinSet,
    time::{MissedTickBehavior, interval, timeout},
};

/// Time from one event to the next.
const EVERY: Duration = Duration::from_millis(1);

/// The part of the events that is left out at the beginning: they waited for the group to be joined. One in so many.
const WARM_UP: usize = 3;

/// When each event was handed to its producer.
type Sent = Mutex<Vec<Instant>>;

impl Bench {
    /// Both sides, one after the other.
    pub(super) fn latency(
        &mut self,
        trickle: Duration,
        say: &mut dyn FnMut(&str),
    ) -> Result<Vec<Row>, BenchError> {
        let total = usize::try_from(trickle.as_millis())
            .unwrap_or(usize::MAX)
            .max(100);
        let events = Events::new(Encoding::Avro, total);
        let names = ["latency-copy", "latency-avro"];
        let setup = Setup {
            partitions: 1,
            ..Setup::new(1)
        };
        let ports = [
            self.port_of(&events, names[0], &setup)?,
            self.port_of(&events, names[1], &setup)?,
        ];
        let mut copy = Copy::new(self.port(), &ports[0]);
        let copied = self.measure(names[0], total, &ports[0], || copy.turn())?;
        copy.tx.close();
        let mut path = enforcing(self.port(), &ports[1]);
        let enforced = self.measure(names[1], total, &ports[1], || {
            path.turn();
            path.committed().inbox
        })?;
        path.close();
        say(&format!(
            "latency: copy {copied:.1} ms, avro {enforced:.1} ms"
        ));
        let row = |name: &str, rate, ratio, against: Option<&str>| Row {
            name: name.to_owned(),
            rate,
            unit: "ms (p50 at 1000 events/s)",
            event_bytes: events.bytes(),
            rounds: 1,
            ratio,
            against: against.map(str::to_owned),
            ..Row::default()
        };
        let ratio = Some(enforced / copied);
        Ok(vec![
            row(names[0], copied, None, None),
            row(names[1], enforced, ratio, Some(names[0])),
        ])
    }

    /// The median latency in milliseconds while `turn` drives one side on this thread.
    fn measure(
        &self,
        row: &'static str,
        total: usize,
        port: &PortEntry,
        mut turn: impl FnMut() -> u64,
    ) -> Result<f64, BenchError> {
        let sent = Sent::default();
        thread::scope(|scope| {
            let reader = scope.spawn(|| follow(&self.cluster, row, port, total, &sent));
            let feeder = scope.spawn(|| trickle(&self.cluster, &port.inbox, total, &sent));
            let mut clock = Clock::new(row, total);
            while !clock.is_done() {
                clock.note(turn())?;
            }
            feeder.join().unwrap_or(Ok(()))?;
            let stuck = BenchError::Stuck {
                row: row.to_owned(),
                done: 0,
                total: total as u64,
            };
            let mut waits = reader.join().unwrap_or(Err(stuck))?;
            Ok(median(&mut waits))
        })
    }
}

fn runtime() -> Result<Runtime, BenchError> {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(BenchError::Runtime)
}

/// One good event every millisecond.
fn trickle(cluster: &Cluster, inbox: &str, total: usize, sent: &Sent) -> Result<(), BenchError> {
    let producer = Producer::new(cluster).map_err(BenchError::Producer)?;
    let value = Events::new(Encoding::Avro, total).value(0);
    runtime()?.block_on(async {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut sends = JoinSet::new();
        for number in 0..total {
            ticks.tick().await;
            let record = Outgoing {
                topic: inbox.to_owned(),
                partition: Some(0),
                key: Some(Events::key(number)),
                value: Some(value.clone()),
                ..Outgoing::default()
            };
            sent.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(Instant::now());
            let producer = producer.clone();
            sends.spawn(async move { producer.send(record).await });
        }
        for sent in sends.join_all().await {
            sent.map_err(BenchError::Feed)?;
        }
        Ok(())
    })
}

/// Follow the product topic; how long each event took, in milliseconds, without those of the warm-up.
fn follow(
    cluster: &Cluster,
    row: &'static str,
    port: &PortEntry,
    total: usize,
    sent: &Sent,
) -> Result<Vec<f64>, BenchError> {
    runtime()?.block_on(async {
        let mut reader =
            LogReader::follow(cluster, &port.product, 0).map_err(BenchError::Follow)?;
        let mut waits = Vec::with_capacity(total);
        while waits.len() < total {
            let done = waits.len() as u64;
            let stuck = || BenchError::Stuck {
                row: row.to_owned(),
                done,
                total: total as u64,
            };
            let next = timeout(PATIENCE, reader.next())
                .await
                .map_err(|_| stuck())?;
            match next.ok_or_else(stuck)? {
                LogEvent::Record(_) => {
                    // One partition keeps the order, so the records come as they were sent.
                    let sent = sent.lock().unwrap_or_else(PoisonError::into_inner);
                    let wait = sent
                        .get(waits.len())
                        .map_or(Duration::ZERO, Instant::elapsed);
                    waits.push(wait.as_secs_f64() * 1_000.0);
                }
                LogEvent::EndReached { .. } | LogEvent::Trouble(_) => {}
            }
        }
        reader.stop();
        Ok(waits.split_off(total / WARM_UP))
    })
}
