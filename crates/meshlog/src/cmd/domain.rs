//! `meshlog domain`: the domains of the mesh.

use clap::Subcommand;

use super::Global;
use crate::client::Client;
use crate::exit::Failure;
use crate::output::{self, Column};

/// What to do with domains.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Every domain
    List,
    /// One domain: owner, products
    Show {
        /// The domain
        domain: String,
    },
}

const LIST: &[Column] = &[
    ("domain", "domain"),
    ("owner", "owner"),
    ("description", "description"),
];

/// Runs a verb.
pub(super) async fn run(global: &Global, verb: Verb) -> anyhow::Result<()> {
    let client = Client::new(&global.target)?;
    match verb {
        Verb::List => {
            let domains = client.items(&["domains"], &[]).await?;
            output::list(global.output, LIST, &domains)?;
        }
        Verb::Show { domain } => {
            let domains = client.items(&["domains"], &[]).await?;
            let found = domains
                .iter()
                .find(|known| known["domain"] == domain.as_str());
            let names: Vec<String> = domains
                .iter()
                .map(|known| output::plain(&known["domain"]))
                .collect();
            let text = format!("no domain `{domain}`; there are: {}", names.join(", "));
            output::object(global.output, found.ok_or(Failure::NotFound(text))?)?;
        }
    }
    Ok(())
}
