//! `meshlog consume`: a port's events, decoded, one JSON a line.

use std::io::{BufWriter, Write};
use std::ops::ControlFlow;

use anyhow::Context;
use contract::address::PortAddress;
use kafka::{Record, ScanEnd, ScanSpec, ScanStart};
use serde_json::Value;

use super::Global;
use crate::client::Client;
use crate::event::{Decoder, Undecoded, envelope};
use crate::exit::{Exit, Failure, said};
use crate::port::Port;

/// Undecodable records shown one by one; the rest is counted.
const SHOWN: u64 = 20;

/// Options of `consume`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The port
    port: PortAddress,
    /// Where to start: `beginning`, `end`, a time, or with --partition an offset
    #[arg(long, value_name = "WHERE", value_parser = parse_start)]
    from: Option<Start>,
    /// Only this partition
    #[arg(long)]
    partition: Option<i32>,
    /// Where to stop: before a time, or with --partition before an offset
    #[arg(long, value_name = "WHERE", value_parser = parse_mark)]
    until: Option<Mark>,
    /// Stop after this many events
    #[arg(long, value_name = "N")]
    max: Option<u64>,
    /// Go on when the end is reached; starts at the end unless --from says otherwise
    #[arg(long)]
    follow: bool,
    /// With partition, offset, time, key and headers around each event
    #[arg(long)]
    envelope: bool,
}

/// A place in a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Time(i64),
    Offset(i64),
}

/// A place to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    Beginning,
    End,
    At(Mark),
}

fn parse_start(text: &str) -> Result<Start, String> {
    match text {
        "beginning" => Ok(Start::Beginning),
        "end" => Ok(Start::End),
        _ => parse_mark(text).map(Start::At),
    }
}

fn parse_mark(text: &str) -> Result<Mark, String> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text
            .parse()
            .map(Mark::Offset)
            .map_err(|_| "the offset is too large".to_owned());
    }
    parse_time(text).map(Mark::Time)
}

/// A time as RFC 3339, or a date (its first moment in UTC), in milliseconds.
pub(super) fn parse_time(text: &str) -> Result<i64, String> {
    let time = text.parse::<jiff::Timestamp>().or_else(|error| {
        let date = text.parse::<jiff::civil::Date>().map_err(|_| error)?;
        format!("{date}T00:00:00Z").parse()
    });
    let wrong = |_| "expected a time such as 2026-11-22T10:00:00Z, or a date".to_owned();
    time.map(jiff::Timestamp::as_millisecond).map_err(wrong)
}

impl Args {
    fn spec(&self) -> Result<ScanSpec, Failure> {
        let needs_partition = |option: &str| {
            let text =
                format!("{option} with an offset needs --partition: offsets count per partition");
            Failure::Usage(text)
        };
        let from = match self.from {
            None if self.follow => ScanStart::End,
            None | Some(Start::Beginning) => ScanStart::Beginning,
            Some(Start::End) => ScanStart::End,
            Some(Start::At(Mark::Time(ms))) => ScanStart::Time(ms),
            Some(Start::At(Mark::Offset(_))) if self.partition.is_none() => {
                return Err(needs_partition("--from"));
            }
            Some(Start::At(Mark::Offset(offset))) => ScanStart::Offset(offset),
        };
        let until = match self.until {
            None if self.follow => ScanEnd::Never,
            None => ScanEnd::CurrentEnd,
            Some(_) if self.follow => {
                let text = "--follow goes on without end, --until names one: give only one of them";
                return Err(Failure::Usage(text.to_owned()));
            }
            Some(Mark::Time(ms)) => ScanEnd::Time(ms),
            Some(Mark::Offset(_)) if self.partition.is_none() => {
                return Err(needs_partition("--until"));
            }
            Some(Mark::Offset(offset)) => ScanEnd::Offset(offset),
        };
        let partitions = self.partition.map(|partition| vec![partition]);
        Ok(ScanSpec {
            topic: self.port.topic(),
            partitions,
            from,
            until,
        })
    }
}

/// Prints the events.
pub(super) async fn run(global: &Global, args: Args) -> anyhow::Result<()> {
    let spec = args.spec()?;
    let client = Client::new(&global.target)?;
    let cluster = client.mesh().await?.cluster();
    let port = Port::load(&client, &args.port).await?;
    if let Some(partition) = args.partition.filter(|partition| *partition < 0) {
        return Err(Failure::Usage(format!("partition {partition} is negative")).into());
    }
    if args.max == Some(0) {
        return Ok(());
    }
    let decoder = Decoder::new(&port)?;
    let runtime = tokio::runtime::Handle::current();
    let reading = tokio::task::spawn_blocking(move || {
        let address = args.port.clone();
        let refresh = move || runtime.block_on(refreshed(&client, &address));
        let mut printer = Printer::new(&args, decoder, refresh);
        kafka::scan(&cluster, &spec, |record| printer.visit(&record))?;
        printer.finish()
    });
    tokio::select! {
        done = reading => done.context("the reading thread failed")?,
        // Nothing is left half done: what was printed was printed.
        stopped = tokio::signal::ctrl_c() => Ok(stopped?),
    }
}

async fn refreshed(client: &Client, address: &PortAddress) -> anyhow::Result<Decoder> {
    Decoder::new(&Port::load(client, address).await?)
}

struct Printer<R> {
    out: BufWriter<std::io::Stdout>,
    line: Vec<u8>,
    decoder: Decoder,
    refresh: R,
    envelope: bool,
    follow: bool,
    left: Option<u64>,
    undecoded: u64,
    failure: Option<anyhow::Error>,
}

impl<R: FnMut() -> anyhow::Result<Decoder>> Printer<R> {
    fn new(args: &Args, decoder: Decoder, refresh: R) -> Self {
        Self {
            out: BufWriter::with_capacity(1 << 16, std::io::stdout()),
            line: Vec::new(),
            decoder,
            refresh,
            envelope: args.envelope,
            follow: args.follow,
            left: args.max,
            undecoded: 0,
            failure: None,
        }
    }

    fn visit(&mut self, record: &Record) -> ControlFlow<()> {
        if let Err(error) = self.print(record) {
            self.failure = Some(error);
            return ControlFlow::Break(());
        }
        if let Some(left) = &mut self.left {
            *left -= 1;
            if *left == 0 {
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }

    fn print(&mut self, record: &Record) -> anyhow::Result<()> {
        self.line.clear();
        let mut decoded = self.decoder.write(record, &mut self.line);
        if let Err(Undecoded::UnknownSchema(_)) = decoded {
            // A version may have been put in force since we asked.
            self.decoder = (self.refresh)()?;
            self.line.clear();
            decoded = self.decoder.write(record, &mut self.line);
        }
        if let Err(why) = &decoded {
            self.report(record, why);
        }
        if self.envelope {
            let mut members = envelope(record);
            match decoded {
                Ok(()) => members.insert("value".to_owned(), serde_json::from_slice(&self.line)?),
                Err(why) => members.insert("error".to_owned(), why.to_string().into()),
            };
            self.line.clear();
            serde_json::to_writer(&mut self.line, &Value::Object(members))?;
        } else if decoded.is_err() {
            return Ok(());
        }
        self.line.push(b'\n');
        self.out.write_all(&self.line)?;
        if self.follow {
            self.out.flush()?;
        }
        Ok(())
    }

    fn report(&mut self, record: &Record, why: &Undecoded) {
        self.undecoded += 1;
        if self.undecoded <= SHOWN {
            eprintln!(
                "partition {} offset {}: {why}",
                record.partition, record.offset
            );
        }
    }

    fn finish(mut self) -> anyhow::Result<()> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        self.out.flush()?;
        if self.undecoded > 0 {
            eprintln!("{} events could not be decoded", self.undecoded);
            return Err(said(Exit::Else));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn spec(line: &str) -> Result<ScanSpec, String> {
        let words = ["x", "a.b.c.v1"].into_iter().chain(line.split_whitespace());
        let parsed = Line::try_parse_from(words).map_err(|error| error.to_string())?;
        parsed.args.spec().map_err(|error| error.to_string())
    }

    #[test]
    fn places_in_a_topic_become_scans() {
        let time = 1_795_341_600_000;
        let cases = [
            ("", ScanStart::Beginning, ScanEnd::CurrentEnd),
            ("--follow", ScanStart::End, ScanEnd::Never),
            (
                "--follow --from beginning",
                ScanStart::Beginning,
                ScanEnd::Never,
            ),
            ("--from end", ScanStart::End, ScanEnd::CurrentEnd),
            (
                "--from 2026-11-22T10:00:00Z",
                ScanStart::Time(time),
                ScanEnd::CurrentEnd,
            ),
            (
                "--until 2026-11-22",
                ScanStart::Beginning,
                ScanEnd::Time(time - 36_000_000),
            ),
            (
                "--partition 1 --from 5 --until 9",
                ScanStart::Offset(5),
                ScanEnd::Offset(9),
            ),
        ];
        for (line, from, until) in cases {
            let spec = spec(line).expect(line);
            assert_eq!((spec.from, spec.until), (from, until), "{line}");
        }
        for line in ["--from 5", "--until 9", "--follow --until 9 --partition 0"] {
            assert!(spec(line).is_err(), "{line}");
        }
    }
}
