//! `meshlog product`: the data products of the mesh.

use clap::Subcommand;

use super::Global;
use crate::client::Client;
use crate::output::{self, Column};

/// What to do with products.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Every product
    List,
    /// One product: purpose, ports, inputs, readers
    Show {
        /// The product, as `domain/product`
        #[arg(value_parser = parse_key)]
        product: Key,
    },
}

/// Domain and name of a product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key(String, String);

fn parse_key(text: &str) -> Result<Key, String> {
    match text.split_once('/') {
        Some((domain, product)) if !domain.is_empty() && !product.is_empty() => {
            Ok(Key(domain.to_owned(), product.to_owned()))
        }
        Some(_) | None => Err("expected `domain/product`, as flights/departures".to_owned()),
    }
}

const LIST: &[Column] = &[
    ("product", "product"),
    ("owner", "owner"),
    ("ports", "ports"),
    ("purpose", "purpose"),
];

/// Runs a verb.
pub(super) async fn run(global: &Global, verb: Verb) -> anyhow::Result<()> {
    let client = Client::new(&global.target)?;
    match verb {
        Verb::List => {
            let products = client.items(&["products"], &[]).await?;
            output::list(global.output, LIST, &products)?;
        }
        Verb::Show {
            product: Key(domain, product),
        } => {
            let shown = client.get(&["products", &domain, &product], &[]).await?;
            output::object(global.output, &shown)?;
        }
    }
    Ok(())
}
