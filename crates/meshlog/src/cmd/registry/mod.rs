//! `meshlog registry`: the registry's role by itself; and whole registries, anybody's, to a file, into another, compared.
//!
//! ```text
//! export ─▶ dump ─▶ file          (no verb) role::registry
//!            │
//!            ├─▶ plan (order) ─▶ import ─▶ export, compare
//!            └─▶ compare
//! ```

mod compare;
mod dump;
mod export;
mod file;
mod import;
mod order;
mod plan;
mod remote;

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::{Value, json};

use super::Global;
use crate::client::{Client, DryRun};
use crate::exit::{Exit, Failure, said};
use crate::output::{self, Column, Format};
use crate::role;
use compare::{Difference, Others, compare};
use dump::Dump;
use remote::Remote;

/// Without a verb: run the registry alone, beside any number of others on the same Kafka.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    role: role::registry::RegistryArgs,
}

/// What to do with a registry's content.
#[derive(Debug, Subcommand)]
enum Verb {
    /// Write all of a registry (Confluent's, Karapace's, ours) to a file
    Export {
        /// The registry; otherwise the mesh's own
        #[arg(long, value_name = "URL")]
        from: Option<String>,
        /// The file, JSON Lines
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
    },
    /// Bring a file or another registry's content into a registry, ids and versions kept
    #[command(
        after_help = "While it runs, the subjects concerned are in IMPORT mode. Run it again after an \
                            interruption: it does what is left. It ends with a check; differences are exit code 3."
    )]
    Import {
        /// An export, or the registry to read
        #[arg(long, value_name = "FILE|URL")]
        from: String,
        /// The registry to write to; otherwise the mesh's own
        #[arg(long, value_name = "URL")]
        registry: Option<String>,
        /// Say what would be done
        #[arg(long)]
        dry_run: bool,
    },
    /// Compare a registry with a file or another registry; differences are exit code 3
    Check {
        /// An export, or the registry to read
        #[arg(long, value_name = "FILE|URL")]
        from: String,
        /// The registry to look at; otherwise the mesh's own
        #[arg(long, value_name = "URL")]
        registry: Option<String>,
    },
}

const DIFFERENCES: &[Column] = &[
    ("kind", "kind"),
    ("subject", "subject"),
    ("version", "version"),
    ("member", "member"),
    ("source", "source"),
    ("registry", "registry"),
];

impl Args {
    /// How the role is told, if it is the role, which runs until it is stopped.
    pub(crate) fn service(&self) -> Option<&role::RoleArgs> {
        self.verb.is_none().then_some(&self.role.role)
    }
}

/// Runs the role or a verb.
pub(super) async fn run(global: &Global, args: Args) -> anyhow::Result<()> {
    let Some(verb) = args.verb else {
        return role::registry::run(args.role, global.output).await;
    };
    if args.role != role::registry::RegistryArgs::default() {
        // clap can refuse this too, but then also the options that every command has
        return Err(usage(
            "--config, --bootstrap-servers and --registry-port are for the registry itself, not for its verbs",
        ));
    }
    match verb {
        Verb::Export { from, to } => {
            let remote = remote(global, from, "--from").await?;
            output::object(global.output, &export::run(&remote, &to).await?)?;
            Ok(())
        }
        Verb::Import {
            from,
            registry,
            dry_run,
        } => {
            let dry_run = if dry_run { DryRun::Yes } else { DryRun::No };
            let source = source(&from).await?;
            let remote = remote(global, registry, "--registry").await?;
            let done = import::run(&source, &remote, dry_run).await?;
            imported(global.output, done, dry_run)
        }
        Verb::Check { from, registry } => check(global, &from, registry).await,
    }
}

/// Prints what an import did, and what differs all the same.
fn imported(format: Format, done: import::Done, dry_run: DryRun) -> anyhow::Result<()> {
    let mut summary = done.numbers;
    summary["dry_run"] = (dry_run == DryRun::Yes).into();
    let differences = done.differences.as_deref();
    if let Some(differences) = differences {
        summary["differences"] = match format {
            Format::Json => differences.iter().map(Difference::to_json).collect(),
            Format::Table => differences.len().into(),
        };
    }
    output::object(format, &summary)?;
    let differences = differences.unwrap_or_default();
    if format == Format::Table {
        list(format, differences)?;
    }
    conclude(differences)
}

async fn check(global: &Global, from: &str, registry: Option<String>) -> anyhow::Result<()> {
    let source = source(from).await?;
    let remote = remote(global, registry, "--registry").await?;
    let there = export::read(&remote).await?;
    let differences = compare(&source, &there, Others::Count);
    if global.output == Format::Table {
        let summary = json!({
            "source": source.source,
            "registry": remote.address(),
            "schemas": source.schemas.len(),
            "differences": differences.len(),
        });
        output::object(global.output, &summary)?;
    }
    list(global.output, &differences)?;
    conclude(&differences)
}

/// Prints differences, if there are any.
fn list(format: Format, differences: &[Difference]) -> anyhow::Result<()> {
    let row = |one: &Difference| match format {
        Format::Json => one.to_json(),
        Format::Table => one.to_row(),
    };
    let rows: Vec<Value> = differences.iter().map(row).collect();
    if !rows.is_empty() {
        output::list(format, DIFFERENCES, &rows)?;
    }
    Ok(())
}

/// Differences end a command as refused.
fn conclude(differences: &[Difference]) -> anyhow::Result<()> {
    if differences.is_empty() {
        Ok(())
    } else {
        Err(said(Exit::Refused))
    }
}

/// The registry that is named, or the mesh's own; `flag` is what would name it.
async fn remote(global: &Global, named: Option<String>, flag: &str) -> anyhow::Result<Remote> {
    if let Some(url) = named {
        return Remote::new(&url);
    }
    match Client::new(&global.target)?.mesh().await {
        Ok(mesh) => Remote::new(&mesh.registry),
        Err(error) => match error.downcast_ref() {
            Some(no_mesh @ Failure::NoMesh { .. }) => {
                let text = format!("{no_mesh}, or name a registry with {flag}");
                Err(Failure::NotReachable(text).into())
            }
            Some(_) | None => Err(error),
        },
    }
}

/// What a file or a registry holds.
async fn source(from: &str) -> anyhow::Result<Dump> {
    if from.starts_with("http://") || from.starts_with("https://") {
        export::read(&Remote::new(from)?).await
    } else {
        file::read(Path::new(from))
    }
}

/// A wrong use, in words.
fn usage(text: impl Into<String>) -> anyhow::Error {
    Failure::Usage(text.into()).into()
}
