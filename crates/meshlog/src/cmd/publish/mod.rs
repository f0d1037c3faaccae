//! `meshlog publish`: a file's rows to a port's inbox, exactly once, however often it is interrupted.
//!
//! ```text
//! source (rows) ─▶ rows (typed by the contract, keyed) ─▶ sender ──one transaction──▶ inbox + position
//! ```
//! Timestamps are now, not a time found in the data: retention would delete old ones at once (decision 13).

mod meter;
mod pace;
mod position;
mod rows;
mod sender;
mod source;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use contract::address::PortAddress;
use kafka::{Admin, Cluster, TxProducer};
use serde_json::json;
use tokio::sync::oneshot;

use super::Global;
use crate::client::Client;
use crate::event::hex;
use crate::exit::{Exit, Failure, said};
use crate::output::{self, Format};
use crate::port::Port;
use meter::Meter;
use pace::Pace;
use position::Position;
use rows::RowWriter;
use sender::{End, Sender, committed};
use source::{CsvFile, LinesFile, Source, Stdin};

/// How long a stopped run may take to commit what it has sent.
const LAST_COMMIT: Duration = Duration::from_secs(10);

/// Options of `publish`.
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("input").required(true)))]
pub(crate) struct Args {
    /// The port
    port: PortAddress,
    /// A CSV file whose header row names the contract's columns; an empty field is a missing value
    #[arg(long, value_name = "FILE", group = "input")]
    csv: Option<PathBuf>,
    /// A file of JSON objects, one a line; `-` is stdin
    #[arg(long, value_name = "FILE|-", group = "input")]
    jsonl: Option<PathBuf>,
    /// A field that also stands for a missing value
    #[arg(long, value_name = "TEXT", requires = "csv")]
    null_value: Option<String>,
    /// So many rows per second at most
    #[arg(long, value_name = "N/s", value_parser = pace::parse)]
    rate: Option<f64>,
    /// Start at the first row, whatever earlier runs have published
    #[arg(long)]
    restart: bool,
}

/// What is to be published.
struct Input {
    source: Source,
    start: Position,
    size: Option<u64>,
    name: String,
    /// Of the file on this port; drawn for stdin, which nobody can read again.
    identity: String,
}

impl Input {
    fn open(args: &Args) -> anyhow::Result<Self> {
        let unreadable = |path: &Path, error: std::io::Error| {
            Failure::Usage(format!("cannot read {}: {error}", path.display()))
        };
        let (path, source, start) = match (&args.csv, &args.jsonl) {
            (Some(path), _) => {
                let csv = CsvFile::open(path).map_err(|error| unreadable(path, error))?;
                let start = csv.start();
                (path, Source::Csv(Box::new(csv)), start)
            }
            (None, Some(path)) if path.as_os_str() == "-" => return Self::stdin(),
            (None, Some(path)) => {
                let lines = LinesFile::open(path).map_err(|error| unreadable(path, error))?;
                (path, Source::Lines(lines), Position::start(0, 1))
            }
            (None, None) => {
                return Err(
                    Failure::Usage("name a file: --csv FILE or --jsonl FILE".into()).into(),
                );
            }
        };
        let size = std::fs::metadata(path)
            .map_err(|error| unreadable(path, error))?
            .len();
        let identity = position::identity(&args.port.topic(), path);
        let identity = identity.map_err(|error| unreadable(path, error))?;
        Ok(Self {
            source,
            start,
            size: Some(size),
            name: path.display().to_string(),
            identity,
        })
    }

    fn stdin() -> anyhow::Result<Self> {
        let mut random = [0; 8];
        getrandom::fill(&mut random)
            .map_err(|error| anyhow::anyhow!("no random bytes: {error}"))?;
        Ok(Self {
            source: Source::Stdin(Stdin::default()),
            start: Position::start(0, 1),
            size: None,
            name: "stdin".to_owned(),
            identity: hex(&random),
        })
    }

    fn header(&self) -> Option<&[String]> {
        match &self.source {
            Source::Csv(csv) => Some(&csv.header),
            Source::Lines(_) | Source::Stdin(_) => None,
        }
    }
}

/// What a run did.
struct Done {
    end: End,
    position: Position,
    resumed_at: u64,
}

/// Publishes a file.
pub(super) async fn run(global: &Global, args: Args) -> anyhow::Result<()> {
    let input = Input::open(&args)?;
    let client = Client::new(&global.target)?;
    let mesh = client.mesh().await?;
    let port = Port::load(&client, &args.port).await?;
    let version = port.active(&args.port)?;
    let given = (input.header(), args.null_value.clone());
    let address = args.port.topic();
    let rows = RowWriter::new((&port, &address), version, given, &input.identity)?;
    let name = input.name.clone();
    let prefix = format!("{}.publish", mesh.mesh_id);
    let started = Instant::now();
    let done = send(&args, &mesh.cluster(), &prefix, &port.inbox, input, rows).await?;
    report(&args.port, &name, &done, started.elapsed(), global.output)?;
    if done.end == End::Stopped {
        eprintln!(
            "stopped after row {}; the same command goes on from there",
            done.position.row
        );
    }
    if done.position.skipped > 0 || done.end == End::Stopped {
        return Err(said(Exit::Else));
    }
    Ok(())
}

async fn send(
    args: &Args,
    cluster: &Cluster,
    prefix: &str,
    inbox: &str,
    input: Input,
    rows: RowWriter,
) -> anyhow::Result<Done> {
    let group = format!("{prefix}.{}", input.identity);
    let meter = Arc::new(Meter::new(input.size));
    let stop = Arc::new(AtomicBool::new(false));
    let producer = take_fence(cluster, &group).await?;
    let admin = Admin::new(cluster)?;
    let earlier = match args.restart {
        true => None,
        false => committed(&admin, &group, inbox).await?,
    };
    let position = earlier.unwrap_or(input.start);
    if position.row > 0 {
        meter.resumed(&input.name, &position);
    }
    let sender = Sender {
        producer,
        admin,
        runtime: tokio::runtime::Handle::current(),
        group,
        inbox: inbox.to_owned(),
        source: input.source,
        rows,
        position,
        anchored: earlier.is_some(),
        pace: Pace::new(args.rate),
        meter: Arc::clone(&meter),
        stop: Arc::clone(&stop),
    };
    let (end, reached) = watch(sender, &meter, &stop).await?;
    Ok(Done {
        end,
        position: reached,
        resumed_at: position.row,
    })
}

/// When this returns nothing of an earlier run is open, so its committed position is the truth.
async fn take_fence(cluster: &Cluster, group: &str) -> anyhow::Result<TxProducer> {
    let (of, id) = (cluster.clone(), group.to_owned());
    let taken = tokio::task::spawn_blocking(move || TxProducer::new(&of, &id)).await;
    taken
        .context("the sending thread failed")?
        .map_err(|error| {
            let text = format!("no broker answers at {}", cluster.bootstrap());
            anyhow::Error::new(error).context(Failure::NotReachable(text))
        })
}

/// Runs the sender on its thread and keeps an eye on it and on the user.
async fn watch(
    mut sender: Sender,
    meter: &Meter,
    stop: &AtomicBool,
) -> anyhow::Result<(End, Position)> {
    let (finished, mut result) = oneshot::channel();
    std::thread::Builder::new()
        .name("publish".to_owned())
        .spawn(move || {
            let outcome = sender.run().map(|end| (end, sender.position));
            // Nobody listens any more when the user was in a hurry.
            drop(finished.send(outcome));
        })?;
    let mut glance = tokio::time::interval(Duration::from_millis(500));
    let mut deadline = None;
    let outcome = loop {
        tokio::select! {
            outcome = &mut result => break outcome.context("the sending thread failed")?,
            _ = glance.tick() => meter.watch(),
            pressed = tokio::signal::ctrl_c() => {
                pressed?;
                stop.store(true, Ordering::Relaxed);
                let now = Instant::now();
                // A second Ctrl-C does not wait for the last commit.
                deadline = Some(if deadline.is_some() { now } else { now + LAST_COMMIT });
            }
        }
        if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            meter.finish();
            anyhow::bail!(
                "stopped while the broker does not answer; the same command goes on from the last row that was committed"
            );
        }
    };
    meter.finish();
    outcome
}

fn report(
    port: &PortAddress,
    file: &str,
    done: &Done,
    took: Duration,
    format: Format,
) -> anyhow::Result<()> {
    let position = &done.position;
    let now = position.row - done.resumed_at;
    if format == Format::Json {
        output::json_line(&json!({
            "port": port.topic(), "file": file, "rows": position.row,
            "published": position.published(), "skipped": position.skipped,
            "resumed_at": done.resumed_at, "finished": done.end == End::Finished,
            "seconds": (took.as_secs_f64() * 1000.0).round() / 1000.0,
        }))?;
        return Ok(());
    }
    if now == 0 && done.resumed_at > 0 && done.end == End::Finished {
        output::line(format!(
            "{file}: all {} rows were published before; --restart sends them again",
            position.row
        ))?;
        return Ok(());
    }
    let earlier = match done.resumed_at {
        0 => String::new(),
        row => format!(" (rows 1 to {row} by an earlier run)"),
    };
    output::line(format!(
        "{port}: {} rows read, {} published, {} skipped{earlier}, in {:.1} s",
        position.row,
        position.published(),
        position.skipped,
        took.as_secs_f64()
    ))?;
    Ok(())
}
