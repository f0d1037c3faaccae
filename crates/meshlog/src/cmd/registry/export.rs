//! Reading a whole registry over its API, as far as it has one: Confluent's of any age, Karapace, ours.
//!
//! What every registry has is asked for everywhere (subjects, versions, one version, config, mode); contexts, GUIDs and
//! aliases only add to it. No registry lists its settings, so those of names without versions are found only for
//! contexts and aliases.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Context;
use indicatif::ProgressBar;
use registry::name;
use registry::record::Reference;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::dump::{Dump, Key, Schema, Scope, WHOLE};
use super::file;
use super::remote::{Ask, Remote, bar, each};
use crate::exit::Failure;

/// The member of settings that has a value in every answer.
const LEVEL: &str = "compatibilityLevel";

/// Items asked for in one page.
const PAGE: usize = 500;

/// One version, as told.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    id: u32,
    schema: String,
    #[serde(default)]
    guid: Option<String>,
    #[serde(default)]
    schema_type: Option<String>,
    #[serde(default)]
    references: Option<Vec<Reference>>,
    #[serde(default)]
    metadata: Option<Value>,
    #[serde(default)]
    rule_set: Option<Value>,
    #[serde(default)]
    deleted: Option<bool>,
}

impl Told {
    fn placed(self, key: &Key, deleted: bool) -> Schema {
        Schema {
            subject: key.0.clone(),
            version: key.1,
            id: self.id,
            guid: self.guid,
            schema_type: self.schema_type.unwrap_or_else(|| "AVRO".to_owned()),
            references: self.references.unwrap_or_default(),
            metadata: self.metadata,
            rule_set: self.rule_set,
            schema: self.schema,
            deleted: deleted || self.deleted == Some(true),
        }
    }
}

/// Writes a registry's content to a file; what was written, in numbers.
pub(super) async fn run(remote: &Remote, to: &Path) -> anyhow::Result<Value> {
    let dump = read(remote).await?;
    let file = to.to_owned();
    let shown = to.display().to_string();
    let numbers = json!({
        "file": shown,
        "source": dump.source,
        "contexts": dump.contexts.len(),
        "subjects": dump.subjects().len(),
        "schemas": dump.schemas.len(),
        "deleted": dump.deleted(),
        "configs": dump.configs.len(),
        "modes": dump.modes.len(),
    });
    let writing = tokio::task::spawn_blocking(move || file::write(&dump, &file));
    writing.await.context("the writing thread failed")??;
    Ok(numbers)
}

/// Reads a registry.
pub(super) async fn read(remote: &Remote) -> anyhow::Result<Dump> {
    let subjects = subjects(remote).await?;
    let contexts = contexts(remote, &subjects).await?;
    let scopes = scopes(&contexts, &subjects, &aliases(remote).await?);
    let reading = bar("settings", scopes.len() * 2);
    let configs = settings(remote, &scopes, "config", &reading).await?;
    let configs = own_levels(remote, configs).await?;
    let modes = settings(remote, &scopes, "mode", &reading).await?;
    reading.finish_and_clear();
    let configs: BTreeMap<Scope, Map<String, Value>> = configs.into_iter().collect();
    let modes = modes.into_iter().filter_map(|(scope, told)| {
        let mode = told.get("mode")?.as_str()?.to_owned();
        Some((scope, mode))
    });
    let aliased = |subject: &&String| configs.get(*subject).is_some_and(is_alias);
    let (hidden, plain): (Vec<&String>, Vec<&String>) = subjects.iter().partition(aliased);
    let mut schemas = versions(remote, &plain).await?;
    for subject in hidden {
        schemas.extend(behind_alias(remote, subject).await?);
    }
    Ok(Dump {
        source: remote.address().to_owned(),
        contexts,
        schemas: schemas.into_iter().map(|one| (one.key(), one)).collect(),
        modes: modes.collect(),
        configs,
    })
}

fn is_alias(config: &Map<String, Value>) -> bool {
    let alias = config.get("alias").and_then(Value::as_str);
    alias.is_some_and(|alias| !alias.is_empty())
}

/// Every subject of every context, deleted ones included.
async fn subjects(remote: &Remote) -> anyhow::Result<Vec<String>> {
    let query = [("deleted", "true"), ("subjectPrefix", name::ANY)];
    let told = pages(remote, &["subjects"], &query).await?;
    let told = told.ok_or_else(|| {
        let address = remote.address();
        Failure::Usage(format!(
            "{address} has no /subjects: it is no schema registry"
        ))
    })?;
    Ok(texts(told).into_iter().collect())
}

/// Every context, the default one first; a registry without contexts has that one.
async fn contexts(remote: &Remote, subjects: &[String]) -> anyhow::Result<Vec<String>> {
    let told = pages(remote, &["contexts"], &[]).await?;
    let mut all = texts(told.unwrap_or_default());
    all.extend(
        subjects
            .iter()
            .map(|subject| name::context_of(subject).to_owned()),
    );
    all.remove(name::DEFAULT);
    let default = std::iter::once(name::DEFAULT.to_owned());
    Ok(default.chain(all).collect())
}

/// Names that stand for subjects, where the registry tells them.
async fn aliases(remote: &Remote) -> anyhow::Result<BTreeSet<String>> {
    let query = [
        ("aliases", "true"),
        ("latestOnly", "true"),
        ("deleted", "true"),
        ("subjectPrefix", name::ANY),
    ];
    let told = pages(remote, &["schemas"], &query).await?;
    let lists = told.unwrap_or_default().into_iter();
    let lists = lists.filter_map(|one| one.get("aliases").cloned());
    Ok(lists
        .filter_map(|list| serde_json::from_value::<Vec<String>>(list).ok())
        .flatten()
        .collect())
}

/// All of a list, page by page, until a page brings nothing new: some registries know no pages, some have shorter ones.
async fn pages(
    remote: &Remote,
    path: &[&str],
    query: &[(&str, &str)],
) -> anyhow::Result<Option<Vec<Value>>> {
    let limit = PAGE.to_string();
    let mut seen = BTreeSet::new();
    let mut all = Vec::new();
    loop {
        let offset = all.len().to_string();
        let mut query = query.to_vec();
        query.extend([("offset", offset.as_str()), ("limit", limit.as_str())]);
        let Some(Value::Array(page)) = remote.find(Ask::get(path, &query)).await? else {
            return Ok((!all.is_empty()).then_some(all));
        };
        let (whole, before) = (page.len() > PAGE, all.len());
        all.extend(
            page.into_iter()
                .filter(|item| seen.insert(item.to_string())),
        );
        if whole || all.len() == before {
            return Ok(Some(all));
        }
    }
}

fn texts(items: Vec<Value>) -> BTreeSet<String> {
    let text = |item: Value| item.as_str().map(str::to_owned);
    items.into_iter().filter_map(text).collect()
}

/// Under which names settings are looked for.
fn scopes(contexts: &[String], subjects: &[String], aliases: &BTreeSet<String>) -> Vec<Scope> {
    let contexts = contexts.iter().map(|context| name::prefix(context));
    let mut scopes: BTreeSet<Scope> = contexts.chain(subjects.iter().cloned()).collect();
    scopes.extend(aliases.iter().cloned());
    scopes.insert(name::GLOBAL.to_owned());
    scopes.insert(WHOLE.to_owned());
    scopes.into_iter().collect()
}

async fn settings(
    remote: &Remote,
    scopes: &[Scope],
    kind: &'static str,
    reading: &ProgressBar,
) -> anyhow::Result<Vec<(Scope, Map<String, Value>)>> {
    let told = each(scopes, reading, async |scope: &Scope| {
        let path = [kind, scope.as_str()];
        let path = if scope == WHOLE { &path[..1] } else { &path };
        let told = remote.find(Ask::get(path, &[])).await?;
        Ok(told.and_then(|told| match told {
            Value::Object(members) => Some((scope.clone(), members)),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => None,
        }))
    });
    Ok(told.await?.into_iter().flatten().collect())
}

/// Settings without a compatibility level that is not their own: registries answer with one in any case, and where none
/// is set, with another than what holds.
async fn own_levels(
    remote: &Remote,
    configs: Vec<(Scope, Map<String, Value>)>,
) -> anyhow::Result<Vec<(Scope, Map<String, Value>)>> {
    let reading = bar("levels", configs.len());
    let own = each(configs, &reading, async |(scope, mut config)| {
        let path = ["config", scope.as_str()];
        let path = if scope == WHOLE { &path[..1] } else { &path };
        let query = [("defaultToGlobal", "true")];
        let holds = remote.find(Ask::get(path, &query)).await?;
        let level = |config: &Value| config.get(LEVEL).cloned();
        let holds = holds.as_ref().and_then(level);
        if holds.is_some() && holds.as_ref() != config.get(LEVEL) {
            config.shift_remove(LEVEL);
        }
        Ok((scope, config))
    });
    let own = own.await?;
    reading.finish_and_clear();
    Ok(own)
}

/// All versions of subjects, deleted ones included.
async fn versions(remote: &Remote, subjects: &[&String]) -> anyhow::Result<Vec<Schema>> {
    let listing = bar("versions", subjects.len());
    let lists = each(subjects, &listing, async |subject: &&String| {
        let path = ["subjects", subject.as_str(), "versions"];
        let all = remote.find(Ask::get(&path, &[("deleted", "true")])).await?;
        let live = remote.find(Ask::get(&path, &[])).await?;
        let live = numbers(live);
        let keys = numbers(all).into_iter();
        let keys = keys.map(|number| (((*subject).clone(), number), !live.contains(&number)));
        Ok(keys.collect::<Vec<_>>())
    });
    let keys: Vec<(Key, bool)> = lists.await?.into_iter().flatten().collect();
    listing.finish_and_clear();
    let reading = bar("schemas", keys.len());
    let schemas = each(&keys, &reading, async |(key, deleted): &(Key, bool)| {
        let number = key.1.to_string();
        let path = ["subjects", key.0.as_str(), "versions", number.as_str()];
        let told = remote.find(Ask::get(&path, &[("deleted", "true")])).await?;
        let told = told.map(serde_json::from_value::<Told>).transpose();
        let told = told.with_context(|| format!("subject '{}' version {number}", key.0))?;
        // gone since it was listed: erased for good meanwhile
        Ok(told.map(|told| told.placed(key, *deleted)))
    });
    let schemas = schemas.await?;
    reading.finish_and_clear();
    Ok(schemas.into_iter().flatten().collect())
}

fn numbers(told: Option<Value>) -> BTreeSet<u32> {
    let told = told.as_ref().and_then(Value::as_array);
    let numbers = told.into_iter().flatten().filter_map(Value::as_u64);
    numbers
        .filter_map(|number| u32::try_from(number).ok())
        .collect()
}

/// The versions of a subject whose name stands for another's: its own path leads there, the list of schemas does not.
async fn behind_alias(remote: &Remote, subject: &str) -> anyhow::Result<Vec<Schema>> {
    let query = [("deleted", "true"), ("subjectPrefix", subject)];
    let listed = pages(remote, &["schemas"], &query).await?;
    let mut found = Vec::new();
    for one in listed.unwrap_or_default() {
        let number = one["version"]
            .as_u64()
            .and_then(|number| u32::try_from(number).ok());
        let (Some(name), Some(number)) = (one["subject"].as_str(), number) else {
            continue;
        };
        if name == subject {
            let told: Told = serde_json::from_value(one.clone())
                .with_context(|| format!("subject '{subject}' version {number}"))?;
            found.push(told.placed(&(subject.to_owned(), number), false));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::extract::Request;
    use axum::http::{StatusCode, Uri};
    use std::sync::Arc;

    /// A registry that answers from a list of paths, and 404 to everything else.
    async fn stub(answers: impl Fn(&Uri) -> Option<Value> + Send + Sync + 'static) -> Remote {
        let answers = Arc::new(answers);
        let router = Router::new().fallback(move |request: Request| {
            let answer = answers(request.uri());
            async move {
                let text = answer.map(|body| body.to_string());
                text.ok_or((StatusCode::NOT_FOUND, r#"{"message":"not here"}"#))
            }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a free port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move { axum::serve(listener, router).await });
        Remote::new(&format!("http://{address}")).expect("a URL")
    }

    fn asks_for_deleted(uri: &Uri) -> bool {
        uri.query()
            .is_some_and(|query| query.contains("deleted=true"))
    }

    #[tokio::test]
    async fn a_registry_without_contexts_guids_and_pages_is_read_whole() {
        let remote = stub(|uri| {
            let all = asks_for_deleted(uri);
            Some(match uri.path() {
                "/subjects" if all => json!(["a", "b"]),
                "/subjects/a/versions" if all => json!([1, 2]),
                "/subjects/a/versions" => json!([2]),
                "/subjects/b/versions" if all => json!([1]),
                "/subjects/a/versions/1" if all => json!({"id": 1, "schema": "\"int\""}),
                "/subjects/a/versions/2" => json!({"id": 2, "schema": "{}", "schemaType": "JSON"}),
                "/subjects/b/versions/1" if all => json!({"id": 1, "schema": "\"int\""}),
                "/config" => json!({"compatibilityLevel": "FULL"}),
                "/config/b" => json!({"compatibilityLevel": "NONE"}),
                "/mode" => json!({"mode": "READWRITE"}),
                _ => return None,
            })
        });
        let dump = read(&remote.await).await.expect("reads");
        let told = dump.schemas.values();
        let told = told.map(|one| {
            let (subject, ty) = (one.subject.as_str(), one.schema_type.as_str());
            (subject, one.version, one.id, ty, one.deleted)
        });
        assert_eq!(
            told.collect::<Vec<_>>(),
            [
                ("a", 1, 1, "AVRO", true),
                ("a", 2, 2, "JSON", false),
                ("b", 1, 1, "AVRO", true),
            ]
        );
        assert_eq!(dump.contexts, ["."]);
        let configs: Vec<_> = dump.configs.keys().map(String::as_str).collect();
        assert_eq!((configs, dump.modes.len()), (vec![WHOLE, "b"], 1));
    }

    #[tokio::test]
    async fn pages_are_asked_for_until_one_brings_nothing_new() {
        // shorter pages than were asked for, as a server's own limit makes them
        let remote = stub(|uri| {
            let query = uri.query().unwrap_or_default();
            let offset = query
                .split('&')
                .find_map(|pair| pair.strip_prefix("offset="));
            let offset: usize = offset.and_then(|offset| offset.parse().ok()).unwrap_or(0);
            let page = (offset..7).take(3).map(|number| format!("s{number}"));
            (uri.path() == "/subjects").then(|| page.collect())
        });
        let subjects = subjects(&remote.await).await.expect("reads");
        assert_eq!(subjects, ["s0", "s1", "s2", "s3", "s4", "s5", "s6"]);
    }

    #[tokio::test]
    async fn the_versions_behind_an_alias_are_found() {
        let listed = json!([
            {"subject": "a", "version": 3, "id": 7, "schema": "\"int\"", "deleted": true},
            {"subject": "ab", "version": 1, "id": 8, "schema": "\"long\""},
        ]);
        let remote = stub(move |uri| match uri.path() {
            "/subjects" => Some(json!(["a"])),
            "/schemas" => Some(listed.clone()),
            "/config/a" => Some(json!({"alias": "b"})),
            _ => None,
        });
        let dump = read(&remote.await).await.expect("reads");
        let keys: Vec<_> = dump
            .schemas
            .values()
            .map(|one| (one.key(), one.deleted))
            .collect();
        assert_eq!(keys, [(("a".to_owned(), 3), true)]);
    }

    #[tokio::test]
    async fn a_level_that_is_not_its_own_is_left_out() {
        let remote = stub(|uri| {
            let holds = uri
                .query()
                .is_some_and(|query| query.contains("defaultToGlobal"));
            let level = |level: &str| Some(json!({"compatibilityLevel": level, "normalize": true}));
            match (uri.path(), holds) {
                ("/subjects", _) => Some(json!(["inherits", "sets"])),
                ("/config" | "/config/inherits", true) => level("FULL"),
                ("/config", false) => level("FULL"),
                ("/config/inherits", false) | ("/config/sets", _) => level("BACKWARD"),
                _ => None,
            }
        });
        let dump = read(&remote.await).await.expect("reads");
        let level = |scope: &str| dump.configs[scope].get(LEVEL).and_then(Value::as_str);
        assert_eq!(
            (level(WHOLE), level("inherits"), level("sets")),
            (Some("FULL"), None, Some("BACKWARD"))
        );
        assert_eq!(dump.configs["inherits"]["normalize"], true);
    }

    #[tokio::test]
    async fn what_has_no_subjects_is_no_registry() {
        let remote = stub(|_| None).await;
        let error = read(&remote).await.expect_err("refused");
        assert!(error.to_string().contains("no schema registry"), "{error}");
        assert!(matches!(error.downcast_ref(), Some(Failure::Usage(_))));
    }
}
