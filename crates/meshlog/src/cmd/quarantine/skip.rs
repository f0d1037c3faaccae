//! `meshlog quarantine skip-batch`: give up a batch of the inbox that nobody can read, so that what is behind it is judged.
//!
//! It is an order in the governance log. The enforcer that owns the partition obeys it where it cannot read the batch itself,
//! and puts the batch's coordinates into the quarantine.

use anyhow::Context;
use contract::address::PortAddress;
use governance::skip::Skip;
use indicatif::ProgressBar;
use kafka::Cluster;
use kafka::probe::{Extent, extent};
use serde_json::json;

use super::super::Global;
use super::super::apply::settled;
use crate::client::Client;
use crate::exit::Failure;
use crate::output::{self, Format};
use crate::port::Port;

/// Which batch, and why.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// The port
    port: PortAddress,
    /// Partition of the inbox
    partition: i32,
    /// Where the partition stands, as `meshlog port stats` says it
    #[arg(value_parser = clap::value_parser!(i64).range(0..))]
    offset: i64,
    /// The first offset behind the batch, where that cannot be found out
    #[arg(long, value_name = "OFFSET")]
    to: Option<i64>,
    /// Why: recorded for ever with the fact, so no personal data
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Say what would be given up, and give up nothing
    #[arg(long)]
    dry_run: bool,
}

/// Looks at what is there, and orders that it be given up.
pub(super) async fn run(global: &Global, args: Args) -> anyhow::Result<()> {
    let client = Client::new(&global.target)?;
    let cluster = client.mesh().await?.cluster();
    let port = Port::load(&client, &args.port).await?;
    let (topic, partition) = (port.inbox.clone(), args.partition);
    if partition < 0 || i64::from(partition) >= port.partitions {
        let text = format!("{} has {} partitions, from 0", args.port, port.partitions);
        return Err(Failure::NotFound(text).into());
    }
    let places = (args.offset, args.to);
    let looked = tokio::task::spawn_blocking(move || look(&cluster, &topic, partition, places));
    let (to, why) = looked.await.context("the reading thread failed")??;
    let skip = Skip {
        port: args.port.topic(),
        partition,
        from: args.offset,
        to,
        reason: args.reason,
    };
    let seq = if args.dry_run {
        None
    } else {
        let answer = client.give_up(&skip).await?;
        settled(&client, answer).await?
    };
    report(&skip, &why, args.dry_run, seq, global.output)
}

/// The first offset behind what cannot be read, and why it cannot.
fn look(
    cluster: &Cluster,
    topic: &str,
    partition: i32,
    (from, told): (i64, Option<i64>),
) -> anyhow::Result<(i64, String)> {
    let bar = ProgressBar::new_spinner();
    let at = |offset| {
        let mut seen = |at| {
            bar.set_message(format!("offset {at} cannot be read"));
            bar.tick();
        };
        let found = extent(cluster, topic, partition, offset, &mut seen);
        found.map_err(|why| Failure::NotReachable(format!("{topic} cannot be looked at: {why}")))
    };
    let place = format!("offset {from} of partition {partition} of {topic}");
    let refused = |text: String| Err(Failure::Refused(text).into());
    match (at(from)?, told) {
        (Extent::Readable, _) => refused(format!(
            "{place} can be read, or is not there yet, so nothing is given up; `meshlog port stats` says where a \
             partition stands"
        )),
        (Extent::Unreadable { to, why }, told) => match told.filter(|told| *told != to) {
            None => Ok((to, why)),
            Some(told) => refused(format!(
                "what cannot be read there ends before offset {to}, not {told}: leave --to away"
            )),
        },
        (
            Extent::Endless {
                at: reached, why, ..
            },
            None,
        ) => {
            let text = format!(
                "{place} cannot be read ({why}), and where that ends is not known up to offset {reached}: say with --to which \
                 is the first offset behind the batch; kafka-dump-log.sh on the broker shows where each ends"
            );
            Err(Failure::Usage(text).into())
        }
        (Extent::Endless { end, .. }, Some(told)) if told > end || told <= from => {
            refused(format!(
                "--to {told} does not lie behind offset {from} and up to the partition's end, {end}"
            ))
        }
        (Extent::Endless { why, .. }, Some(told)) => match at(told)? {
            Extent::Readable => Ok((told, why)),
            Extent::Unreadable { .. } | Extent::Endless { .. } => refused(format!(
                "nothing can be read at offset {told} either: --to is the first offset behind the batch"
            )),
        },
    }
}

fn report(
    skip: &Skip,
    why: &str,
    dry_run: bool,
    seq: Option<u64>,
    format: Format,
) -> anyhow::Result<()> {
    if format == Format::Json {
        output::json_line(&json!({
            "port": skip.port, "partition": skip.partition, "from": skip.from, "to": skip.to,
            "offsets": skip.offsets(), "why": why, "dry_run": dry_run, "seq": seq,
        }))?;
        return Ok(());
    }
    let port = &skip.port;
    output::line(match (dry_run, seq) {
        (true, _) => format!(
            "{port}: {skip} would be given up, events at most: {}; {why}",
            skip.offsets()
        ),
        (false, Some(seq)) => format!(
            "{port}: {skip} given up, recorded as fact {seq}; the enforcer puts their place into the quarantine and goes on behind them"
        ),
        (false, None) => format!("{port}: {skip} are given up already: nothing to do"),
    })?;
    Ok(())
}
