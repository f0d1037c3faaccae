//! `meshlog port`: what ports there are, what they carry, how they do.

use clap::Subcommand;
use contract::address::PortAddress;
use serde_json::Value;

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
    }
    Ok(())
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
