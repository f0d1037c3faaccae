//! Bringing a dump into a registry, with its ids and versions, and looking afterwards whether it is all there.

use std::collections::BTreeMap;

use anyhow::Context;
use reqwest::Method;
use serde_json::{Value, json};

use super::compare::{Difference, Others, compare};
use super::dump::{Dump, Key, WHOLE};
use super::export;
use super::order::Step;
use super::plan::{IMPORT, Plan, others, plan};
use super::remote::{Answer, Ask, Refused, Remote, bar, each};
use crate::client::DryRun;
use crate::exit::Failure;

/// Reasons shown when an import is refused; the rest are counted.
const SHOWN: usize = 20;

/// What an import did.
#[derive(Debug)]
pub(super) struct Done {
    /// In numbers.
    pub(super) numbers: Value,
    /// What is not as in the source; nobody has looked after a dry run.
    pub(super) differences: Option<Vec<Difference>>,
}

/// Imports.
///
/// # Errors
/// [`Failure::Refused`] when the registry holds what is in the way, or does not take ids as given.
pub(super) async fn run(source: &Dump, remote: &Remote, dry_run: DryRun) -> anyhow::Result<Done> {
    let before = export::read(remote).await?;
    let plan = plan(source, &before).map_err(|reasons| refused(remote, &reasons))?;
    tell_left_out(&plan);
    let numbers = numbers(source, &before, remote, &plan);
    if dry_run == DryRun::Yes {
        return Ok(Done {
            numbers,
            differences: None,
        });
    }
    act(source, remote, &plan).await?;
    let after = export::read(remote).await?;
    Ok(Done {
        numbers,
        differences: Some(compare(source, &after, Others::Overlook)),
    })
}

/// What is to be done, in numbers.
fn numbers(source: &Dump, before: &Dump, remote: &Remote, plan: &Plan) -> Value {
    let owned = source.subjects();
    let owned = owned
        .iter()
        .filter(|subject| source.owner(subject).is_some());
    json!({
        "source": source.source,
        "registry": remote.address(),
        "registered": plan.registrations(),
        "deleted": plan.deletions(),
        "unchanged": plan.unchanged(source),
        "left_out": plan.left_out.len(),
        "configs": plan.configs.len(),
        "modes": plan.modes_changed,
        "marks_of_ports_left_out": owned.count(),
        "other_subjects": others(source, before),
    })
}

fn tell_left_out(plan: &Plan) {
    for ((subject, version), missing) in plan.left_out.iter().take(SHOWN) {
        eprintln!(
            "meshlog: left out: subject '{subject}' version {version} refers to {missing}, which neither the source \
             nor the registry can give"
        );
    }
    if plan.left_out.len() > SHOWN {
        eprintln!("meshlog: left out: {} more", plan.left_out.len() - SHOWN);
    }
}

fn refused(remote: &Remote, reasons: &[String]) -> Failure {
    let mut text = format!(
        "{} holds what is in the way of the ids and versions of the source; nothing was written:",
        remote.address()
    );
    for reason in reasons.iter().take(SHOWN) {
        text.push_str("\n  ");
        text.push_str(reason);
    }
    if reasons.len() > SHOWN {
        text.push_str(&format!("\n  and {} more", reasons.len() - SHOWN));
    }
    text.push_str(
        "\ndelete there for good what is in the way (once softly, once with permanent=true), or import into another registry",
    );
    Failure::Refused(text)
}

async fn act(source: &Dump, remote: &Remote, plan: &Plan) -> anyhow::Result<()> {
    let written = write(source, remote, plan).await;
    // Also when something failed: a registry that is left in IMPORT mode takes no other schemas.
    let restored = restore_modes(remote, &plan.modes).await;
    let left = if restored.is_ok() {
        "the import broke off; run it again once the cause is mended, it does what is left"
    } else {
        "the import broke off and IMPORT mode is left behind; run it again once the cause is mended, it does what is left"
    };
    written.and(restored).context(left)
}

async fn write(source: &Dump, remote: &Remote, plan: &Plan) -> anyhow::Result<()> {
    let opening = bar("import mode", plan.import.len());
    each(&plan.import, &opening, async |scope: &String| {
        let told = set_mode(remote, scope, IMPORT).await?;
        told.map_err(|no| no_import(remote, scope, &no))?;
        Ok(())
    })
    .await?;
    opening.finish_and_clear();
    for (scope, settings) in &plan.aside {
        set_config(remote, scope, &json!(settings)).await?;
    }
    let writing = bar("schemas", plan.registrations() + plan.deletions());
    for wave in &plan.waves {
        each(wave, &writing, async |step: &Step| match step {
            Step::Register(key) => register(source, remote, key).await,
            Step::Delete(key) => delete(remote, key).await,
        })
        .await?;
    }
    writing.finish_and_clear();
    let setting = bar("settings", plan.configs.len());
    each(
        &plan.configs,
        &setting,
        async |(scope, change)| match change {
            Some(update) => set_config(remote, scope, &Value::Object(update.clone())).await,
            None => unset_config(remote, scope).await,
        },
    )
    .await?;
    setting.finish_and_clear();
    Ok(())
}

async fn set_config(remote: &Remote, scope: &str, update: &Value) -> anyhow::Result<()> {
    let path = ["config", scope];
    let path = if scope == WHOLE { &path[..1] } else { &path };
    remote.need(Ask::send(Method::PUT, path, update)).await?;
    Ok(())
}

async fn unset_config(remote: &Remote, scope: &str) -> anyhow::Result<()> {
    let path = ["config", scope];
    let path = if scope == WHOLE { &path[..1] } else { &path };
    remote.find(Ask::delete(path)).await?;
    Ok(())
}

fn no_import(remote: &Remote, scope: &str, no: &Refused) -> Failure {
    let whose = if scope == WHOLE {
        "the registry".to_owned()
    } else {
        format!("'{scope}'")
    };
    Failure::Refused(format!(
        "{} does not put {whose} into IMPORT mode, which ids and versions need: {} (HTTP {})",
        remote.address(),
        no.message,
        no.status
    ))
}

/// With `force`: what is there has been looked at, and is part of the source.
async fn set_mode(remote: &Remote, scope: &str, mode: &str) -> anyhow::Result<Answer> {
    let path = ["mode", scope];
    let path = if scope == WHOLE { &path[..1] } else { &path };
    let body = json!({"mode": mode});
    let ask = Ask::send(Method::PUT, path, &body);
    remote.ask(ask.with(&[("force", "true")])).await
}

async fn register(source: &Dump, remote: &Remote, key: &Key) -> anyhow::Result<()> {
    let schema = source
        .schemas
        .get(key)
        .context("a step without its schema")?;
    let mut body = json!({
        "version": schema.version,
        "id": schema.id,
        "schemaType": schema.schema_type,
        "schema": schema.schema,
    });
    let more = [
        (
            "references",
            (!schema.references.is_empty()).then(|| json!(schema.references)),
        ),
        ("metadata", schema.metadata.clone()),
        ("ruleSet", schema.rule_set.clone()),
    ];
    for (name, value) in more {
        if let Some(value) = value {
            body[name] = value;
        }
    }
    let path = ["subjects", key.0.as_str(), "versions"];
    let told = remote.ask(Ask::send(Method::POST, &path, &body)).await?;
    let what = format!(
        "subject '{}' version {} with id {}",
        key.0, key.1, schema.id
    );
    let told = told.map_err(|no| remote.refusal(&what, &no))?;
    if told["id"] != schema.id {
        let text = format!("{} gave {what} the id {}", remote.address(), told["id"]);
        return Err(Failure::Refused(text).into());
    }
    Ok(())
}

async fn delete(remote: &Remote, key: &Key) -> anyhow::Result<()> {
    let number = key.1.to_string();
    let path = ["subjects", key.0.as_str(), "versions", number.as_str()];
    // missing: a first attempt whose answer was lost has deleted it
    remote.find(Ask::delete(&path)).await?;
    Ok(())
}

async fn restore_modes(
    remote: &Remote,
    modes: &BTreeMap<String, Option<String>>,
) -> anyhow::Result<()> {
    let restoring = bar("modes", modes.len());
    // the whole registry last: until then it takes ids as given, and what is narrower is finished
    let (whole, narrow): (Vec<_>, Vec<_>) = modes.iter().partition(|(scope, _)| *scope == WHOLE);
    for scopes in [narrow, whole] {
        each(scopes, &restoring, async |(scope, mode)| {
            let told = match mode {
                Some(mode) => set_mode(remote, scope, mode).await?,
                None => unset_mode(remote, scope).await?,
            };
            told.map_err(|no| remote.refusal(&format!("the mode of '{scope}'"), &no))?;
            Ok(())
        })
        .await?;
    }
    restoring.finish_and_clear();
    Ok(())
}

/// Registries that cannot take a mode away have one that is as good as none.
async fn unset_mode(remote: &Remote, scope: &str) -> anyhow::Result<Answer> {
    let path = ["mode", scope];
    let path = if scope == WHOLE { &path[..1] } else { &path };
    match remote.ask(Ask::delete(path)).await? {
        Err(no) if no.is_missing() => set_mode(remote, scope, "READWRITE").await,
        told => Ok(told),
    }
}
