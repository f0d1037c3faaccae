//! What the data path costs, against the copy it cannot be faster than.
//!
//! `copy-limit` moves the same records through the same transactional port with the same one header and the same
//! interval, and judges nothing. Both sides run in turns, round after round, on the same broker, and the median counts:
//! the ratio holds from machine to machine where the figures do not.

mod cost;
mod events;
mod latency;
mod peer;
mod rounds;
mod validate;

use contract::{rule::CompileError, spec::Encoding};
use events::Events;
use kafka::{AdminError, Cluster, ClusterError, ReadError, SendError};
use rounds::{Bench, How, Setup, Side};
use serde::Serialize;
use std::{io, time::Duration};

/// What to run.
#[derive(Debug, Clone)]
pub struct BenchOptions {
    /// Events of the Avro rows.
    pub avro_events: usize,
    /// Events of the JSON rows, which are about twice as large.
    pub json_events: usize,
    /// Events of the Protobuf rows.
    pub protobuf_events: usize,
    /// Events of each row of the table of costs.
    pub cost_events: usize,
    /// A program that does the same with the Avro events, as a row of its own: command and arguments, after which come
    /// the bootstrap servers, inbox, product topic, quarantine, group and the schema's text.
    pub peer: Option<Vec<String>>,
    /// How often each row runs; odd, so that there is a median.
    pub rounds: usize,
    /// For how long events trickle in, for the latency rows.
    pub trickle: Duration,
    /// No new round starts after this time.
    pub time_limit: Duration,
}

impl Default for BenchOptions {
    /// Half a million Avro, 200,000 JSON and 200,000 Protobuf events, as many for each cost; five rounds, ten minutes.
    fn default() -> Self {
        Self {
            avro_events: 500_000,
            json_events: 200_000,
            protobuf_events: 200_000,
            cost_events: 200_000,
            peer: None,
            rounds: 5,
            trickle: Duration::from_secs(10),
            time_limit: Duration::from_secs(600),
        }
    }
}

/// The machine it ran on, since figures mean nothing without.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Machine {
    /// Cores this process may use.
    pub cores: usize,
    /// Operating system.
    pub os: &'static str,
    /// Processor architecture.
    pub arch: &'static str,
}

/// One line of the table.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Row {
    /// What ran.
    pub name: String,
    /// Median over the rounds, or over the events.
    pub rate: f64,
    /// Of what.
    pub unit: &'static str,
    /// Bytes of one event's value.
    pub event_bytes: usize,
    /// Rounds that were run.
    pub rounds: usize,
    /// The median of the rounds' own ratios.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
    /// The row that the ratios are against.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub against: Option<String>,
    /// Microseconds of processor time that this process took for an event, Kafka's client included; the median.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_us: Option<f64>,
    /// The same by that of `against`, the median of the rounds' own. It depends less on what else the machine does than the
    /// ratio of rates, of which the broker has the largest part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_ratio: Option<f64>,
}

/// The whole table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// `enforce`, `cost` or `validate`.
    pub bench: &'static str,
    /// Where.
    pub machine: Machine,
    /// The rows.
    pub rows: Vec<Row>,
}

/// The benchmark could not be run.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// No runtime for the preparation.
    #[error("cannot start a runtime")]
    Runtime(#[source] io::Error),
    /// Topics could not be made.
    #[error("cannot make the topics")]
    Topics(#[source] Box<AdminError>),
    /// No producer for the events.
    #[error("cannot make a producer")]
    Producer(#[source] ClusterError),
    /// Events could not be written to the inbox.
    #[error("cannot write the events")]
    Feed(#[source] SendError),
    /// The benchmark's own contract does not compile.
    #[error("the benchmark's contract does not compile")]
    Contract(#[source] CompileError),
    /// A library that is compared with does not take the benchmark's schema or events.
    #[error("{library} does not take the benchmark's events: {problem}")]
    Peer {
        /// Which one.
        library: &'static str,
        /// Why not.
        problem: String,
    },
    /// The peer's program does not run.
    #[error("`{program}` does not do its part: {problem}")]
    Program {
        /// Which one.
        program: String,
        /// Why not.
        problem: String,
    },
    /// A product topic could not be followed.
    #[error("cannot follow the product topic")]
    Follow(#[source] ReadError),
    /// A run did not come to its end.
    #[error("{row} stopped after {done} of {total} events")]
    Stuck {
        /// Which row.
        row: String,
        /// Events judged.
        done: u64,
        /// Events to judge.
        total: u64,
    },
    /// A run judged otherwise than the events were made.
    #[error("{row} refused {found} events, made were {expected} bad ones")]
    Verdicts {
        /// Which row.
        row: String,
        /// Events quarantined.
        found: u64,
        /// Bad events generated.
        expected: u64,
    },
}

/// Run it on a broker; blocks for minutes, so not on a runtime's worker. Topics are made under a domain of their own.
/// `say` is told what happens.
///
/// # Errors
/// [`BenchError`] says what stopped it.
pub fn run(
    cluster: &Cluster,
    options: &BenchOptions,
    say: &mut dyn FnMut(&str),
) -> Result<Report, BenchError> {
    let mut bench = Bench::new(cluster, options.time_limit)?;
    let setup = Setup::new(options.rounds);
    let mut rows = Vec::new();
    for (limit, encoding, count) in [
        ("copy-limit", Encoding::Avro, options.avro_events),
        ("copy-limit-json", Encoding::Json, options.json_events),
        (
            "copy-limit-protobuf",
            Encoding::Protobuf,
            options.protobuf_events,
        ),
    ] {
        let events = Events::new(encoding, count);
        let name = encoding.name();
        let mut sides = vec![
            Side::new(name, events),
            Side::new(format!("{name}-3-rules"), events.with_rules()),
        ];
        if let (Encoding::Avro, Some(command)) = (encoding, &options.peer) {
            let mut peer = Side::new("peer", events);
            peer.how = How::Peer(command.clone());
            sides.push(peer);
        }
        rows.extend(bench.compare(limit, &sides, &setup, say)?);
    }
    rows.extend(bench.latency(options.trickle, say)?);
    Ok(Report::new("enforce", rows))
}

/// What record validation costs, by what is looked at, the record's size, its producer's batches and the topics'
/// compression; see [`run`].
///
/// # Errors
/// [`BenchError`] says what stopped it.
pub fn run_cost(
    cluster: &Cluster,
    options: &BenchOptions,
    say: &mut dyn FnMut(&str),
) -> Result<Report, BenchError> {
    let mut bench = Bench::new(cluster, options.time_limit)?;
    Ok(Report::new("cost", cost::rows(&mut bench, options, say)?))
}

/// The judge alone, without Kafka, against reading the same bytes with a library; see [`run`].
///
/// # Errors
/// [`BenchError::Contract`], [`BenchError::Peer`].
pub fn run_validate(say: &mut dyn FnMut(&str)) -> Result<Report, BenchError> {
    Ok(Report::new("validate", validate::rows(say)?))
}

impl Report {
    fn new(bench: &'static str, rows: Vec<Row>) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let machine = Machine {
            cores,
            os: std::env::consts::OS,
            arch: std::env::consts::ARCH,
        };
        Self {
            bench,
            machine,
            rows,
        }
    }
}
