//! `meshlog contract`: check a contract before it is proposed, compare two, show what is in force.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use clap::Subcommand;
use contract::change::{ChangeReport, classify};
use contract::document::{Document, odcs::Odcs, parse};
use contract::files;
use contract::settings::Settings;
use contract::spec::{Spec, derive};
use contract::version::{Bump, Version};
use governance::body::StoredSettings;
use serde_json::{Value, json};

use super::Global;
use crate::client::Client;
use crate::exit::Failure;
use crate::output::{self, Column, Format};

/// What to do with contracts.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Check documents without a mesh; what a port could not enforce is a warning
    Lint {
        /// A file of documents
        #[arg(required = true)]
        files: Vec<std::path::PathBuf>,
    },
    /// What changes from one contract to another, who breaks, and which version that needs
    Diff {
        /// The old one: a file, or ID@VERSION
        a: String,
        /// The new one: a file, or ID@VERSION
        b: String,
    },
    /// Try a contract on sample events, one JSON object a line, as the enforcer would judge them
    Test {
        /// A file, or ID@VERSION
        contract: String,
        /// The events; `-` reads them from standard input
        #[arg(long, value_name = "FILE")]
        sample: std::path::PathBuf,
    },
    /// A contract as given
    Show {
        /// ID, or ID@VERSION
        contract: String,
    },
    /// Every contract with its versions
    List,
}

const LIST: &[Column] = &[
    ("contract", "id"),
    ("version", "version"),
    ("state", "state"),
    ("bump", "bump"),
    ("title", "title"),
];

/// Runs a verb.
pub(super) async fn run(global: &Global, verb: Verb) -> anyhow::Result<()> {
    match verb {
        Verb::Lint { files } => lint(&files, global.output),
        Verb::Diff { a, b } => {
            let old = load(global, &a).await?;
            let new = load(global, &b).await?;
            let report = classify(&old, &new).map_err(|why| {
                Failure::Refused(format!("{a} and {b} cannot be compared: {why}"))
            })?;
            diff(&old, &new, &report, global.output)
        }
        Verb::Test { contract, sample } => {
            let spec = load(global, &contract).await?;
            super::contract_test::run(&spec, &sample, global.output)
        }
        Verb::Show { contract } => {
            let client = Client::new(&global.target)?;
            let (id, version) = split(&contract)?;
            let shown = client
                .get(&["contracts", id, "versions", version], &[])
                .await?;
            match (global.output, shown.get("document").and_then(Value::as_str)) {
                (Format::Table, Some(document)) => output::line(document.trim_end())?,
                (Format::Table | Format::Json, _) => output::object(global.output, &shown)?,
            }
            Ok(())
        }
        Verb::List => {
            let client = Client::new(&global.target)?;
            let contracts = client.items(&["contracts"], &[]).await?;
            let rows = match global.output {
                Format::Json => contracts,
                Format::Table => contracts.iter().flat_map(rows).collect(),
            };
            output::list(global.output, LIST, &rows)?;
            Ok(())
        }
    }
}

/// A row for each version of a contract.
fn rows(contract: &Value) -> Vec<Value> {
    let versions = contract.get("versions").and_then(Value::as_array);
    let row = |version: &Value| {
        let mut row = version.clone();
        row["id"] = contract["id"].clone();
        row["title"] = contract["title"].clone();
        row
    };
    versions.into_iter().flatten().map(row).collect()
}

/// ID and version; `latest` where none is named.
fn split(text: &str) -> Result<(&str, &str), Failure> {
    let (id, version) = text.rsplit_once('@').unwrap_or((text, "latest"));
    if version != "latest" && version.parse::<Version>().is_err() {
        let wrong =
            format!("`{version}` is no version: expected ID@VERSION, as flights-departures@1.0.0");
        return Err(Failure::Usage(wrong));
    }
    Ok((id, version))
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path)
        .map_err(|error| Failure::Usage(format!("cannot read {}: {error}", path.display())))
}

/// The schema files that a contract names, and what those import, as far as they can be read.
fn schema_files(odcs: &Odcs, path: &Path) -> (BTreeMap<String, String>, Vec<String>) {
    let base = path.parent().unwrap_or(Path::new("."));
    files::collect(odcs, |name| {
        let file = base.join(name);
        std::fs::read_to_string(&file)
            .map_err(|error| format!("the schema file {} cannot be read: {error}", file.display()))
    })
}

fn lint(files: &[std::path::PathBuf], format: Format) -> anyhow::Result<()> {
    let mut wrong = Vec::new();
    for path in files {
        let source = path.display().to_string();
        match parse(&source, &read(path)?) {
            Ok(documents) if documents.is_empty() => {
                return Err(Failure::Usage(format!("{source} holds no document")).into());
            }
            Ok(documents) => {
                for sourced in &documents {
                    let warnings = warnings(&sourced.document, path);
                    report(
                        &source,
                        sourced.line,
                        &sourced.document.label(),
                        &warnings,
                        format,
                    )?;
                }
            }
            Err(errors) => wrong.extend(errors.iter().map(ToString::to_string)),
        }
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(Failure::Refused(wrong.join("\n  ")).into())
    }
}

/// What a port could not enforce: valid ODCS all the same.
fn warnings(document: &Document, path: &Path) -> Vec<String> {
    match document {
        Document::Contract(odcs) => {
            let (files, unread) = schema_files(odcs, path);
            if !unread.is_empty() {
                return unread;
            }
            match derive(odcs, &files) {
                Ok(spec) => spec.unchecked(),
                Err(errors) => errors,
            }
        }
        Document::Domain(_) | Document::Team(_) | Document::Product(_) => Vec::new(),
    }
}

fn report(
    source: &str,
    line: u64,
    label: &str,
    warnings: &[String],
    format: Format,
) -> anyhow::Result<()> {
    match format {
        Format::Json => output::json_line(&json!({
            "source": source, "line": line, "document": label, "ok": true, "warnings": warnings,
        }))?,
        Format::Table => {
            output::line(format!("{source}:{line}: {label}: ok"))?;
            for warning in warnings {
                output::line(format!("  warning: {warning}; a port cannot enforce this"))?;
            }
        }
    }
    Ok(())
}

/// A contract from a file, or from the mesh.
pub(super) async fn load(global: &Global, name: &str) -> anyhow::Result<Spec> {
    let path = Path::new(name);
    let (text, answer) = if path.is_file() {
        (read(path)?, None)
    } else if name.contains('@') {
        let (id, version) = split(name)?;
        let client = Client::new(&global.target)?;
        let answer = client
            .get(&["contracts", id, "versions", version], &[])
            .await?;
        let text = answer.get("document").and_then(Value::as_str);
        let text = text.with_context(|| format!("the mesh gave no document for {name}"))?;
        (text.to_owned(), Some(answer))
    } else {
        let text = format!("`{name}` is neither a file nor ID@VERSION");
        return Err(Failure::Usage(text).into());
    };
    let odcs = first_contract(name, &text)?;
    let (files, unread) = match &answer {
        Some(answer) => (serde_json::from_value(answer["texts"].clone())?, Vec::new()),
        None => schema_files(&odcs, path),
    };
    let derived = match unread.is_empty() {
        true => derive(&odcs, &files),
        false => Err(unread),
    };
    let mut spec = derived.map_err(|errors| {
        let text = errors.join("\n  ");
        Failure::Refused(format!(
            "{name} is no contract that a port can enforce:\n  {text}"
        ))
    })?;
    if let Some(answer) = answer {
        // A version that an older build approved is enforced as it was then, whatever its document means today.
        let stored: StoredSettings = serde_json::from_value(answer["settings"].clone())?;
        spec.settings = Settings::from(&stored);
        spec.required = serde_json::from_value(answer["required"].clone())?;
        // A schema that is no JSON is given as a text.
        let schema = &answer["schema"];
        spec.schema = schema.as_str().map_or(schema.to_string(), str::to_owned);
    }
    Ok(spec)
}

fn first_contract(source: &str, text: &str) -> Result<Odcs, Failure> {
    let documents = parse(source, text).map_err(|errors| {
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        Failure::Refused(texts.join("\n  "))
    })?;
    let contract = documents
        .into_iter()
        .find_map(|sourced| match sourced.document {
            Document::Contract(odcs) => Some(*odcs),
            Document::Domain(_) | Document::Team(_) | Document::Product(_) => None,
        });
    contract.ok_or_else(|| Failure::Usage(format!("{source} holds no DataContract")))
}

fn diff(old: &Spec, new: &Spec, report: &ChangeReport, format: Format) -> anyhow::Result<()> {
    let least = old.version.bumped(report.bump);
    let fits = new.version >= least;
    if format == Format::Json {
        output::json_line(&json!({
            "from": format!("{}@{}", old.id, old.version),
            "to": format!("{}@{}", new.id, new.version),
            "bump": report.bump,
            "at_least": least,
            "version_fits": fits,
            "breaks": report.breaks,
        }))?;
        return Ok(());
    }
    for broken in &report.breaks {
        output::line(broken.to_string())?;
    }
    if report.bump == Bump::None {
        output::line(format!(
            "no change of what is enforced since {}@{}",
            old.id, old.version
        ))?;
        return Ok(());
    }
    let bump = serde_json::to_value(report.bump)?;
    let bump = output::plain(&bump);
    let verdict = if fits {
        format!("{} says so", new.version)
    } else {
        format!("{} is too low: it must be at least {least}", new.version)
    };
    output::line(format!(
        "{bump} change from {}@{}: {verdict}",
        old.id, old.version
    ))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(name: &str) -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../schemas/examples")
            .join(name)
    }

    #[test]
    fn a_valid_contract_that_no_port_could_enforce_is_warned_about() {
        let text = "apiVersion: v3.1.0\nkind: DataContract\nid: c\nversion: 1.0.0\nstatus: draft\nschema: []\n";
        let documents = parse("c.yaml", text).expect("valid ODCS");
        let warnings = warnings(&documents[0].document, Path::new("c.yaml"));
        assert!(
            warnings.iter().any(|warning| warning.contains("objects")),
            "{warnings:?}"
        );
        let path = example("billing/usage.odcs.yaml");
        let text = std::fs::read_to_string(&path).expect("the example");
        let documents = parse("usage", &text).expect("parses");
        assert!(super::warnings(&documents[0].document, &path).is_empty());
    }

    #[test]
    fn names_of_versions_are_checked() {
        assert!(matches!(split("a@1.0.0"), Ok(("a", "1.0.0"))));
        assert!(matches!(split("a"), Ok(("a", "latest"))));
        assert!(matches!(split("a@one"), Err(Failure::Usage(_))));
    }

    #[test]
    fn files_without_a_contract_are_wrong_use() {
        let text = "apiVersion: meshlog/v1\nkind: Team\nname: crew\n";
        assert!(matches!(
            first_contract("t.yaml", text),
            Err(Failure::Usage(_))
        ));
        assert!(matches!(
            first_contract("t.yaml", "kind: X\n"),
            Err(Failure::Refused(_))
        ));
    }
}
