//! `meshlog port`: what ports there are, what they carry, how they do.

use clap::Subcommand;
use contract::address::PortAddress;
use serde_json::Value;
use serde_json::json;

use super::Global;
use crate::client::Client;
use crate::output::{self, Column, Format};

/// What to do with ports.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Every port
    List,
    /// One port: contract, topics, fields
    Show {
        /// The port
        port: PortAddress,
    },
    /// Counts since creation, lag, state; exact once lag is 0
    Stats {
        /// The port
        port: PortAddress,
    },
    /// Each promise beside what was measured of it, and who reads the port
    Slo {
        /// The port
        port: PortAddress,
    },
}

const LIST: &[Column] = &[
    ("port", "port"),
    ("contract", "contract"),
    ("encoding", "encoding"),
    ("state", "state"),
    ("owner", "owner"),
];

/// Runs a verb.
pub(super) async fn run(global: &Global, verb: Verb) -> anyhow::Result<()> {
    let client = Client::new(&global.target)?;
    match verb {
        Verb::List => {
            let ports = client.items(&["ports"], &[]).await?;
            output::list(global.output, LIST, &ports)?;
        }
        Verb::Show { port } => {
            let mut shown = client.get(&["ports", &port.topic()], &[]).await?;
            if global.output == Format::Table {
                shorten(&mut shown);
            }
            output::object(global.output, &shown)?;
        }
        Verb::Stats { port } => {
            let stats = client.get(&["ports", &port.topic(), "stats"], &[]).await?;
            output::object(global.output, &stats)?;
        }
        Verb::Slo { port } => {
            let slo = client.get(&["ports", &port.topic(), "slo"], &[]).await?;
            match global.output {
                Format::Json => output::json_line(&slo)?,
                Format::Table => print_slo(&slo)?,
            }
        }
    }
    Ok(())
}

const SLO: &[Column] = &[
    ("promise", "name"),
    ("promised", "promised"),
    ("measured", "measured"),
    ("last 24 h", "day"),
    ("state", "state"),
    ("budget left", "left"),
    ("windows", "windows"),
];

const CONSUMERS: &[Column] = &[
    ("consumer group", "group"),
    ("state", "state"),
    ("members", "members"),
    ("lag at most", "lag"),
    ("seen", "seen_at"),
];

fn print_slo(slo: &Value) -> std::io::Result<()> {
    let list = |name: &str| slo[name].as_array().map_or(&[][..], Vec::as_slice);
    let rows: Vec<Value> = list("objectives").iter().map(slo_row).collect();
    if rows.is_empty() {
        output::line("nothing is promised: slaProperties of the contract are empty")?;
    } else {
        output::list(Format::Table, SLO, &rows)?;
    }
    for row in rows.iter().filter(|row| !row["why"].is_null()) {
        let (name, why) = (output::plain(&row["name"]), output::plain(&row["why"]));
        output::line(format!("{name}: {why}"))?;
    }
    if !list("consumers").is_empty() {
        output::line("")?;
        output::list(Format::Table, CONSUMERS, list("consumers"))?;
    }
    Ok(())
}

fn slo_row(objective: &Value) -> Value {
    let with = |figure: &Value, unit: &str| match figure.as_f64() {
        Some(figure) if figure > 0.0 && figure < 0.001 => format!("below 0.001 {unit}"),
        Some(figure) => format!("{} {unit}", (figure * 1000.0).round() / 1000.0),
        None => "-".to_owned(),
    };
    let windows = &objective["windows"];
    let counted = format!(
        "{} kept, {} broken, {} not counted",
        windows["kept"], windows["broken"], windows["not_counted"]
    );
    json!({
        "name": objective["name"], "promised": objective["promised"], "why": objective["why"],
        "measured": with(&objective["measured"], objective["unit"].as_str().unwrap_or_default()),
        "day": with(&objective["kept_percent"], "%"),
        "state": output::plain(&objective["state"]).replace('_', " "),
        "left": with(&objective["budget"]["left_percent"], "%"), "windows": counted,
    })
}

/// A screen is for reading: schema texts and whole documents are left to `-o json`.
fn shorten(value: &mut Value) {
    if let Some(items) = value.as_array_mut() {
        items.iter_mut().for_each(shorten);
    }
    if let Some(members) = value.as_object_mut() {
        for long in ["schema", "document", "files"] {
            members.remove(long);
        }
        members.values_mut().for_each(shorten);
    }
}
