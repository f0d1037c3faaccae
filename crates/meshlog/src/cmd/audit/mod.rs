//! `meshlog audit`: the governance log read by the auditor's own hands: from Kafka, folded here, trusting no view.

mod facts;
mod verify;

use std::ops::ControlFlow;

use anyhow::Context;
use clap::Subcommand;
use governance::fact::{Fact, hex};
use governance::log::{self, LogError};
use governance::mesh::Mesh;
use kafka::{Cluster, ScanEnd, ScanSpec, ScanStart};
use serde_json::{Value, json};

use super::Global;
use super::consume::parse_time;
use crate::client::Client;
use crate::exit::Failure;
use crate::output::{self, Column, Format};
use facts::{Filter, fact_json, fact_line};

/// What to do with the log.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Facts in order, refusals included
    Log(Filter),
    /// One fact: before, after
    Show {
        /// Its position
        seq: u64,
    },
    /// Check every fact, hash and invariant; exit 3 and the first bad position on any gap, fork, edit or truncation
    Verify,
    /// Fold the log up to a position or time: the state's hash as of then
    Replay {
        /// A position or a time; default: all of it
        #[arg(long, value_name = "SEQ|TIME", value_parser = parse_as_of)]
        as_of: Option<AsOf>,
        /// Print the whole state
        #[arg(long)]
        view: bool,
    },
}

/// A place in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AsOf {
    Seq(u64),
    Time(i64),
}

fn parse_as_of(text: &str) -> Result<AsOf, String> {
    match text.parse() {
        Ok(seq) => Ok(AsOf::Seq(seq)),
        Err(_) => parse_time(text).map(AsOf::Time),
    }
}

const LIST: &[Column] = &[
    ("seq", "seq"),
    ("time", "time"),
    ("type", "type"),
    ("subject", "subject"),
    ("actor", "actor"),
    ("what", "what"),
];

/// Runs a verb.
pub(super) async fn run(global: &Global, verb: Verb) -> anyhow::Result<()> {
    let client = Client::new(&global.target)?;
    let mesh = client.mesh().await?;
    let (cluster, topic) = (mesh.cluster(), format!("{}.governance", mesh.mesh_id));
    let claimed = match verb {
        // What the mesh says of itself, to be compared with what its log says.
        Verb::Verify => Some(client.get(&["state"], &[]).await?),
        Verb::Log(_) | Verb::Show { .. } | Verb::Replay { .. } => None,
    };
    let format = global.output;
    let reading = tokio::task::spawn_blocking(move || match verb {
        Verb::Log(filter) => list(&cluster, topic, &filter, format),
        Verb::Show { seq } => show(&cluster, topic, seq, format),
        Verb::Verify => verify::run(&cluster, topic, &claimed.unwrap_or_default(), format),
        Verb::Replay { as_of, view } => replay(&cluster, topic, as_of, view, format),
    });
    reading.await.context("the reading thread failed")?
}

/// The values of the governance topic, in order.
fn scan(
    cluster: &Cluster,
    topic: String,
    mut visit: impl FnMut(&[u8]) -> ControlFlow<()>,
) -> anyhow::Result<()> {
    let (from, until) = (ScanStart::Beginning, ScanEnd::CurrentEnd);
    let spec = ScanSpec {
        topic,
        partitions: Some(vec![0]),
        from,
        until,
    };
    kafka::scan(cluster, &spec, |record| {
        visit(record.value.as_deref().unwrap_or_default())
    })?;
    Ok(())
}

/// Folds the log as long as `visit` goes on; it sees each fact and the state after it.
fn fold(
    cluster: &Cluster,
    topic: String,
    mut visit: impl FnMut(&Mesh, &Fact) -> ControlFlow<()>,
) -> anyhow::Result<(Mesh, Result<(), LogError>)> {
    let mut mesh = Mesh::default();
    let mut result = Ok(());
    scan(cluster, topic, |value| match log::fold(&mut mesh, value) {
        Ok(fact) => visit(&mesh, &fact),
        Err(error) => {
            result = Err(error);
            ControlFlow::Break(())
        }
    })?;
    Ok((mesh, result))
}

fn list(cluster: &Cluster, topic: String, filter: &Filter, format: Format) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    let mut printed = Ok(());
    let (_, result) = fold(cluster, topic, |_, fact| {
        if filter.wants(fact) {
            match format {
                Format::Json => printed = output::json_line(&fact_json(fact)),
                Format::Table => rows.push(fact_line(fact)),
            }
        }
        if printed.is_ok() {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    })?;
    printed?;
    if format == Format::Table {
        output::list(format, LIST, &rows)?;
    }
    result.map_err(bad_log)
}

fn show(cluster: &Cluster, topic: String, seq: u64, format: Format) -> anyhow::Result<()> {
    let mut before: Vec<Fact> = Vec::new();
    let mut found = None;
    let (mesh, result) = fold(cluster, topic, |_, fact| {
        if fact.seq < seq {
            before.push(fact.clone());
            return ControlFlow::Continue(());
        }
        found = Some(fact.clone());
        ControlFlow::Break(())
    })?;
    let Some(fact) = found else {
        result.map_err(bad_log)?;
        let text = format!(
            "no fact {seq}: the log has {} facts, 0 to {}",
            mesh.size,
            mesh.size.saturating_sub(1)
        );
        return Err(Failure::NotFound(text).into());
    };
    let subject = fact.subject();
    let before = before
        .iter()
        .rev()
        .find(|earlier| earlier.subject() == subject);
    let mut shown = fact_json(&fact);
    if let Some(members) = shown.as_object_mut() {
        let after = members.shift_remove("body").unwrap_or_default();
        members.insert("before_seq".to_owned(), before.map(|fact| fact.seq).into());
        members.insert(
            "before".to_owned(),
            before.map(facts::body_json).unwrap_or_default(),
        );
        members.insert("after".to_owned(), after);
    }
    output::object(format, &shown)?;
    Ok(())
}

fn replay(
    cluster: &Cluster,
    topic: String,
    as_of: Option<AsOf>,
    view: bool,
    format: Format,
) -> anyhow::Result<()> {
    let state = fold_to(cluster, topic, as_of)?;
    if let Some(AsOf::Seq(seq)) = as_of
        && seq >= state.size
    {
        let text = format!("no fact {seq}: the log has {} facts", state.size);
        return Err(Failure::NotFound(text).into());
    }
    let Some(last) = state.size.checked_sub(1) else {
        return Err(Failure::NotFound("the log has no fact that early".to_owned()).into());
    };
    let mut shown = json!({"seq": last, "state_hash": hex(&state.state_hash())});
    if view {
        shown["state"] = serde_json::to_value(&state)?;
    }
    output::object(format, &shown)?;
    Ok(())
}

/// The state after the last fact that is not behind a place.
fn fold_to(cluster: &Cluster, topic: String, as_of: Option<AsOf>) -> anyhow::Result<Mesh> {
    let mut state = Mesh::default();
    let mut result = Ok(());
    scan(cluster, topic, |value| {
        let next = match log::check(&state, value) {
            Ok(fact) => fact,
            Err(error) => {
                result = Err(error);
                return ControlFlow::Break(());
            }
        };
        let behind = match as_of {
            None => false,
            Some(AsOf::Seq(seq)) => next.seq > seq,
            Some(AsOf::Time(ms)) => next.time_ms > ms,
        };
        if behind {
            return ControlFlow::Break(());
        }
        state.apply(&next, value);
        ControlFlow::Continue(())
    })?;
    result.map_err(bad_log)?;
    Ok(state)
}

fn bad_log(error: LogError) -> anyhow::Error {
    let what = format!(
        "the log is bad from position {} on; `meshlog audit verify` says more",
        error.seq()
    );
    anyhow::Error::new(error).context(Failure::Refused(what))
}

/// A member of the mesh's own statement about its state.
fn claim<'a>(state: &'a Value, name: &str) -> Option<&'a Value> {
    state.get(name).filter(|value| !value.is_null())
}
