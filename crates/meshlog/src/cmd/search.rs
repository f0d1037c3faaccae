//! `meshlog search`: products, ports, contracts and fields by words.

use super::Global;
use crate::client::Client;
use crate::output::{self, Column};

/// Options of `search`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Words to look for
    #[arg(required = true, num_args = 1..)]
    query: Vec<String>,
}

const LIST: &[Column] = &[
    ("kind", "kind"),
    ("id", "id"),
    ("title", "title"),
    ("about", "summary"),
];

/// Prints what was found, best first.
pub(super) async fn run(global: &Global, args: Args) -> anyhow::Result<()> {
    let client = Client::new(&global.target)?;
    let found = client
        .items(&["search"], &[("q", &args.query.join(" "))])
        .await?;
    if found.is_empty() {
        eprintln!("nothing found");
    }
    output::list(global.output, LIST, &found)?;
    Ok(())
}
