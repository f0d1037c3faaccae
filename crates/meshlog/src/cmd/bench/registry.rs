//! `meshlog bench registry`: reads by id, registrations alone and together, memory, start, on a Kafka and a registry of
//! its own. The load shares the cores with both.

mod instance;
mod load;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use kafka::{Admin, Cluster, Outgoing, TopicSpec, TxProducer};
use serde_json::{Value, json};

use instance::Instance;
use load::{Measured, Until, drive, request};

/// Connections that read.
const READERS: usize = 16;
/// Connections that register at once.
const WRITERS: usize = 64;
/// Ids that are read.
const IDS: usize = 1_000;
/// Rounds of each row; odd, so that there is a median.
const ROUNDS: usize = 5;
/// How long one round of reads takes.
const READING: Duration = Duration::from_secs(5);
/// Registrations, and transactions, of one round.
const ONE_BY_ONE: usize = 100;
/// Between two bare transactions: one that is begun while the broker still completes the last is put off by 20 ms, which
/// would flatter what is measured against it.
const APART: Duration = Duration::from_millis(15);
/// Registrations of one round with all writers.
const TOGETHER: usize = 960;
/// Registrations of a burst whose rate must not depend on how many subjects there are.
const BURST: usize = 500;
/// Bursts at each number of subjects; odd, so that there is a median.
const BURSTS: usize = 3;
/// Registrations before anything is measured.
const WARM: usize = 4_000;
/// Nothing new is begun after this time: the whole stays within a quarter of an hour.
const TIME_LIMIT: Duration = Duration::from_secs(780);
/// Where bare transactions go.
const TOPIC: &str = "bench.transactions";

/// Runs it; `say` is told what happens.
pub(super) async fn run(
    cluster: &Cluster,
    directory: &Path,
    say: &(dyn Fn(&str) + Sync),
) -> anyhow::Result<Value> {
    warm_up(cluster, directory, say).await?;
    let config = configuration(cluster, directory, "bench")?;
    let first = Instance::start(&config).await?;
    let mut bench = Bench {
        cluster: cluster.clone(),
        config,
        registry: first.address.clone(),
        subjects: 0,
        born: Instant::now(),
        rows: Vec::new(),
        say,
    };
    let measured = bench.measure(&first).await;
    first.stop().await?;
    measured?;
    Ok(json!({"bench": "registry", "machine": machine(), "rows": bench.rows}))
}

fn machine() -> Value {
    json!({
        "cores": std::thread::available_parallelism().map_or(1, usize::from),
        "os": std::env::consts::OS,
        "arch": std::env::consts::ARCH,
        "build": if cfg!(debug_assertions) { "debug" } else { "release" },
        "shared_by": "Kafka, the registry, the load",
    })
}

/// Registers with another registry first: a Kafka that has just started is several times slower than it will be, which
/// would be taken for a rate that grows with the number of subjects.
async fn warm_up(
    cluster: &Cluster,
    directory: &Path,
    say: &(dyn Fn(&str) + Sync),
) -> anyhow::Result<()> {
    say("warming up");
    let config = configuration(cluster, directory, "warm")?;
    let instance = Instance::start(&config).await?;
    let warmed = drive(&instance.address, WRITERS, Until::Count(WARM), registration).await;
    instance.stop().await?;
    warmed.map(|_| ())
}

fn configuration(cluster: &Cluster, directory: &Path, mesh: &str) -> anyhow::Result<PathBuf> {
    let path = directory.join(format!("{mesh}.toml"));
    let text = format!(
        "[mesh]\nid = \"{mesh}\"\n[registry]\ntopic = \"{mesh}._schemas\"\n[kafka]\nbootstrap_servers = \"{}\"\n",
        cluster.bootstrap()
    );
    std::fs::write(&path, text).context("cannot write a configuration")?;
    Ok(path)
}

struct Bench<'a> {
    cluster: Cluster,
    config: PathBuf,
    registry: String,
    /// Registered so far, each with one schema of its own.
    subjects: usize,
    born: Instant,
    rows: Vec<Value>,
    say: &'a (dyn Fn(&str) + Sync),
}

impl Bench<'_> {
    async fn measure(&mut self, first: &Instance) -> anyhow::Result<()> {
        // the first registration waits for this instance to take the writer's seat
        self.register(1, 1).await?;
        let mut flat = vec![self.burst().await?];
        self.one_by_one().await?;
        self.together().await?;
        self.reads().await?;
        for (subjects, is_measured) in [(5_000, true), (10_000, false), (20_000, true)] {
            if !self.fill(subjects).await? {
                (self.say)("out of time: the rows about more subjects are left out");
                break;
            }
            if is_measured {
                flat.push(self.burst().await?);
            } else {
                self.memory(first);
                self.ready().await?;
            }
        }
        self.rows.push(json!({
            "name": "register-flat", "unit": "registrations/s", "connections": WRITERS, "burst": BURST,
            "subjects": (&[0, 5_000, 20_000][..flat.len()]), "rates": flat,
        }));
        Ok(())
    }

    /// Reads of the same ids by all readers.
    async fn reads(&mut self) -> anyhow::Result<()> {
        self.fill(IDS).await?;
        let mut rounds = Vec::new();
        for round in 1..=ROUNDS {
            (self.say)(&format!("reads by id, round {round} of {ROUNDS}"));
            let read =
                |index: usize| request("GET", &format!("/schemas/ids/{}", index % IDS + 1), "");
            rounds.push(drive(&self.registry, READERS, Until::Elapsed(READING), read).await?);
        }
        let of = |value: fn(&Measured) -> f64| median(rounds.iter().map(value).collect());
        self.rows.push(json!({
            "name": "reads-by-id", "rate": of(Measured::rate), "unit": "reads/s", "connections": READERS,
            "p50_ms": of(|round| round.percentile(50)), "p99_ms": of(|round| round.percentile(99)),
            "rounds": ROUNDS,
        }));
        Ok(())
    }

    /// Registrations on one connection, and bare transactions, in turns.
    async fn one_by_one(&mut self) -> anyhow::Result<()> {
        let producer = self.transactions().await?;
        let mut producer = Some(producer);
        let (mut registrations, mut transactions, mut ratios) = (vec![], vec![], vec![]);
        for round in 1..=ROUNDS {
            (self.say)(&format!(
                "registrations one by one, round {round} of {ROUNDS}"
            ));
            let taken = producer
                .take()
                .context("a producer is lent to one round at a time")?;
            let committing = tokio::task::spawn_blocking(move || commit(taken));
            let (back, transaction) =
                committing.await.context("the producer's thread failed")??;
            producer = Some(back);
            let registration = self.register(1, ONE_BY_ONE).await?.percentile(50);
            ratios.push(registration / transaction);
            registrations.push(registration);
            transactions.push(transaction);
        }
        self.rows.push(json!({
            "name": "transaction-1", "value": median(transactions), "unit": "ms", "rounds": ROUNDS,
        }));
        self.rows.push(json!({
            "name": "register-1", "value": median(registrations), "unit": "ms", "rounds": ROUNDS,
            "ratio": median(ratios), "against": "transaction-1",
        }));
        Ok(())
    }

    async fn transactions(&self) -> anyhow::Result<TxProducer> {
        let topic = TopicSpec {
            name: TOPIC.to_owned(),
            partitions: 1,
            replication: 1,
            configs: [].into(),
        };
        Admin::new(&self.cluster)?.ensure_topics(&[topic]).await?;
        let cluster = self.cluster.clone();
        let opening = tokio::task::spawn_blocking(move || TxProducer::new(&cluster, TOPIC));
        Ok(opening.await.context("the producer's thread failed")??)
    }

    async fn together(&mut self) -> anyhow::Result<()> {
        let mut rounds = Vec::new();
        for round in 1..=ROUNDS {
            (self.say)(&format!(
                "registrations together, round {round} of {ROUNDS}"
            ));
            rounds.push(self.register(WRITERS, TOGETHER).await?);
        }
        let of = |value: fn(&Measured) -> f64| median(rounds.iter().map(value).collect());
        self.rows.push(json!({
            "name": "register-64", "rate": of(Measured::rate), "unit": "registrations/s", "connections": WRITERS,
            "p50_ms": of(|round| round.percentile(50)), "p99_ms": of(|round| round.percentile(99)),
            "rounds": ROUNDS,
        }));
        Ok(())
    }

    /// The rate of a burst at so many subjects; the median of three.
    async fn burst(&mut self) -> anyhow::Result<f64> {
        (self.say)(&format!("bursts at {} subjects", self.subjects));
        let mut rates = Vec::new();
        for _ in 0..BURSTS {
            rates.push(self.register(WRITERS, BURST).await?.rate());
        }
        Ok(median(rates))
    }

    fn memory(&mut self, first: &Instance) {
        self.rows.push(json!({
            "name": "memory-10000", "value": first.memory_mb(), "unit": "MB",
            "of": "the process that wrote them", "schemas": self.subjects,
        }));
    }

    /// The start of another instance, which is stopped again.
    async fn ready(&mut self) -> anyhow::Result<()> {
        let (mut ready, mut memory) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            (self.say)("starting another instance");
            let second = Instance::start(&self.config).await?;
            ready.push(second.ready_after.as_secs_f64());
            memory.extend(second.memory_mb());
            second.stop().await?;
        }
        self.rows.push(json!({
            "name": "ready-10000", "value": median(ready), "unit": "s", "rounds": 3,
            "schemas": self.subjects, "memory_mb": median(memory),
        }));
        Ok(())
    }

    /// Registers until there are so many subjects; `false` when the time is over.
    async fn fill(&mut self, subjects: usize) -> anyhow::Result<bool> {
        while self.subjects < subjects {
            if self.born.elapsed() > TIME_LIMIT {
                return Ok(false);
            }
            let more = (subjects - self.subjects).min(1_000);
            self.register(WRITERS, more).await?;
            (self.say)(&format!("{} of {subjects} subjects", self.subjects));
        }
        Ok(true)
    }

    /// Registers new schemas, each under a subject of its own.
    async fn register(&mut self, connections: usize, count: usize) -> anyhow::Result<Measured> {
        let first = self.subjects;
        let make = move |index| registration(first + index);
        let measured = drive(&self.registry, connections, Until::Count(count), make).await?;
        self.subjects += count;
        Ok(measured)
    }
}

/// The n-th registration: an Avro record of the size that events usually have.
fn registration(number: usize) -> Vec<u8> {
    let schema = json!({
        "type": "record", "name": format!("Event{number}"), "namespace": "bench.registry",
        "doc": "An event of the benchmark",
        "fields": [
            {"name": "id", "type": "string", "doc": "Which one"},
            {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
            {"name": "amount", "type": ["null", "double"], "default": null},
            {"name": "tags", "type": {"type": "array", "items": "string"}, "default": []},
            {"name": format!("field_{number}"), "type": ["null", "string"], "default": null},
        ],
    });
    let body = json!({"schema": schema.to_string()}).to_string();
    request(
        "POST",
        &format!("/subjects/bench-{number}-value/versions"),
        &body,
    )
}

/// One round of transactions of one record; the median of their times, in ms. Blocks.
fn commit(mut producer: TxProducer) -> anyhow::Result<(TxProducer, f64)> {
    let record = Outgoing {
        topic: TOPIC.to_owned(),
        partition: Some(0),
        timestamp_ms: None,
        key: None,
        value: Some(vec![b'x'; 600]),
        headers: Vec::new(),
    };
    let mut times = Vec::with_capacity(ONE_BY_ONE);
    for _ in 0..ONE_BY_ONE {
        std::thread::sleep(APART);
        let start = Instant::now();
        producer.begin()?;
        producer.send(&record)?;
        producer.commit()?;
        times.push(start.elapsed().as_secs_f64() * 1_000.0);
    }
    Ok((producer, median(times)))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_registration_is_another_schema() {
        let text = |number| String::from_utf8(registration(number)).expect("text");
        let body = text(7)
            .split("\r\n\r\n")
            .nth(1)
            .map(str::to_owned)
            .expect("a body");
        let body: Value = serde_json::from_str(&body).expect("JSON");
        let schema = body["schema"].as_str().expect("a schema");
        assert!(schema.contains("Event7"), "{schema}");
        assert_ne!(text(7), text(8));
        assert!(text(7).starts_with("POST /subjects/bench-7-value/versions HTTP/1.1\r\n"));
    }

    #[test]
    fn the_median_is_the_one_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert!(median(vec![]).is_nan());
    }
}
