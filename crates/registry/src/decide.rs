//! The rules: what a write request leads to, given the state. A pure function of both.
//!
//! Registering is idempotent, since a client that met a timeout registers again: content that a subject holds is
//! answered with the version it has, whatever the rules say by now. Ids are given in order and never twice.

use crate::{
    compatibility,
    content::Content,
    ownership,
    record::{DeleteSubjectValue, Key, NoopValue, SchemaValue, Write},
    refusal::Refusal,
    request::{Answer, Command, Register, Which},
    state::{Deleted, State},
};

/// What follows from a request: records of `_schemas`, and the answer.
#[derive(Debug, PartialEq)]
pub struct Decision {
    /// Records to append, in order; empty when nothing changes.
    pub writes: Vec<Write>,
    /// The answer.
    pub answer: Answer,
}

/// Decide one request.
///
/// # Errors
/// The [`Refusal`] that the client gets; nothing is written then.
pub fn decide(state: &State, command: &Command) -> Result<Decision, Refusal> {
    match command {
        Command::Register(request) => register(state, request),
        Command::DeleteSubject { subject, permanent } => delete_subject(state, subject, *permanent),
        Command::DeleteVersion {
            subject,
            version,
            permanent,
        } => delete_version(state, subject, *version, *permanent),
        Command::SetConfig { subject, update } => {
            check_free(state, subject.as_deref())?;
            if let Some(subject) = subject {
                check_name(subject)?;
            }
            let after = update.apply(state.config(subject.as_deref()), subject.as_deref());
            let writes = vec![Write::put(&Key::Config(subject.clone()), &after)];
            Ok(Decision {
                writes,
                answer: Answer::Configured(Box::new(after)),
            })
        }
        Command::DeleteConfig { subject } => {
            check_free(state, subject.as_deref())?;
            let before = state.config(subject.as_deref()).cloned();
            let writes = before
                .is_some()
                .then(|| Write::delete(&Key::Config(subject.clone())));
            match (before, subject) {
                (None, Some(subject)) => Err(Refusal::subject_not_found(subject)),
                (before, _) => Ok(Decision {
                    writes: writes.into_iter().collect(),
                    answer: Answer::ConfigDeleted(Box::new(before.unwrap_or_default())),
                }),
            }
        }
    }
}

/// Whether a subject may be written under this name.
///
/// # Errors
/// 42208: empty, with control characters, or in a context other than the default.
pub fn check_name(subject: &str) -> Result<(), Refusal> {
    // `:.name:subject` puts a subject into a context; this registry has the default one only
    let in_context = subject.starts_with(":.") || subject.starts_with(":*:");
    let reserved = matches!(subject, "__GLOBAL" | "__EMPTY");
    if subject.is_empty() || in_context || reserved || subject.chars().any(char::is_control) {
        return Err(Refusal::invalid_subject(subject));
    }
    Ok(())
}

/// Subjects of a port follow its contract, not a client.
fn check_free(state: &State, subject: Option<&str>) -> Result<(), Refusal> {
    let Some(subject) = subject else {
        return Ok(());
    };
    match state.owner(subject) {
        Some(port) => Err(Refusal::owned_by_port(subject, port)),
        None => Ok(()),
    }
}

fn check_writable(state: &State, subject: &str) -> Result<(), Refusal> {
    let mode = state
        .mode(Some(subject))
        .or(state.mode(None))
        .unwrap_or("READWRITE");
    if mode == "READWRITE" {
        return Ok(());
    }
    let mode = if mode.starts_with("READONLY") {
        "read-only"
    } else {
        mode
    };
    Err(Refusal::not_permitted(format!(
        "Subject {subject} in context . is in {mode} mode"
    )))
}

fn register(state: &State, request: &Register) -> Result<Decision, Refusal> {
    let subject = &request.subject;
    check_name(subject)?;
    let content = Content::parse(
        request.schema_type.as_deref(),
        &request.schema,
        request.metadata.clone(),
    )?;
    let mut writes = Vec::new();
    match (state.owner(subject), &request.owner) {
        (Some(port), Some(asking)) if port != asking => {
            return Err(Refusal::owned_by_port(subject, port));
        }
        (None, Some(port)) => {
            let config = ownership::owned_config(subject, port);
            writes.push(Write::put(&Key::Config(Some(subject.clone())), &config));
        }
        (Some(_) | None, _) => {}
    }
    if let Some((number, version)) = state.find(subject, &content, Deleted::Hidden) {
        let (id, guid) = (version.id, version.guid.clone());
        return Ok(Decision {
            writes,
            answer: Answer::Registered {
                id,
                version: number,
                guid,
            },
        });
    }
    check_may_follow(state, request, &content)?;
    let (record, cleanup) = next_version(state, subject, &content);
    let answer = Answer::Registered {
        id: record.id,
        version: record.version,
        guid: content.guid(),
    };
    writes.push(Write::put(&Key::schema(subject, record.version), &record));
    writes.extend(cleanup);
    Ok(Decision { writes, answer })
}

/// New content, by a client or by the owning port, whose contract has decided already.
fn check_may_follow(state: &State, request: &Register, content: &Content) -> Result<(), Refusal> {
    let subject = &request.subject;
    if request.owner.is_some() {
        return Ok(());
    }
    check_free(state, Some(subject))?;
    check_writable(state, subject)?;
    if request.force {
        return Ok(());
    }
    let found = compatibility::with_subject(state, subject, content)?;
    if found.is_empty() {
        Ok(())
    } else {
        Err(Refusal::incompatible(subject, &found))
    }
}

/// The record of the next version, and tombstones of soft-deleted versions of the same schema, which it replaces.
fn next_version(state: &State, subject: &str, content: &Content) -> (SchemaValue, Vec<Write>) {
    let id = state.id_of(content).unwrap_or(state.max_id() + 1);
    let version = state
        .latest(subject, Deleted::Shown)
        .map_or(1, |(number, _)| number + 1);
    let cleanup = state
        .versions(subject, Deleted::Only)
        .filter(|(number, v)| v.id == id && state.referenced_by(subject, *number).is_empty())
        .map(|(number, _)| Write::delete(&Key::schema(subject, number)))
        .collect();
    let record = SchemaValue {
        subject: subject.to_owned(),
        version,
        id,
        guid: Some(content.guid()),
        schema_type: (content.schema_type != "AVRO").then(|| content.schema_type.clone()),
        references: content.references.clone(),
        metadata: content.metadata.clone(),
        rule_set: None,
        schema: content.text.clone(),
        deleted: false,
        rest: serde_json::Map::new(),
    };
    (record, cleanup)
}

fn delete_subject(state: &State, subject: &str, permanent: bool) -> Result<Decision, Refusal> {
    check_free(state, Some(subject))?;
    let all: Vec<u32> = state
        .versions(subject, Deleted::Shown)
        .map(|(number, _)| number)
        .collect();
    let live: Vec<u32> = state
        .versions(subject, Deleted::Hidden)
        .map(|(number, _)| number)
        .collect();
    let Some(newest) = all.last() else {
        return Err(Refusal::subject_not_found(subject));
    };
    check_writable(state, subject)?;
    if permanent {
        if !live.is_empty() {
            return Err(Refusal::subject_not_soft_deleted(subject));
        }
        let writes = erase(state, subject, &all);
        return Ok(Decision {
            writes,
            answer: Answer::Deleted(all),
        });
    }
    if live.is_empty() {
        return Err(Refusal::subject_soft_deleted(subject));
    }
    check_unreferenced(state, subject, &live)?;
    let value = DeleteSubjectValue {
        subject: subject.to_owned(),
        version: *newest,
    };
    let mut writes = vec![Write::put(&Key::DeleteSubject(subject.to_owned()), &value)];
    writes.extend(clear_settings(state, subject));
    Ok(Decision {
        writes,
        answer: Answer::Deleted(live),
    })
}

fn delete_version(
    state: &State,
    subject: &str,
    which: Which,
    permanent: bool,
) -> Result<Decision, Refusal> {
    check_free(state, Some(subject))?;
    let number = match which {
        Which::Number(number) => number,
        Which::Latest => {
            let latest = state.latest(subject, Deleted::Hidden);
            latest.ok_or_else(|| Refusal::subject_not_found(subject))?.0
        }
    };
    if state.latest(subject, Deleted::Shown).is_none() {
        return Err(Refusal::subject_not_found(subject));
    }
    let Some(mut record) = state.record(subject, number) else {
        return Err(Refusal::version_not_found(number));
    };
    check_writable(state, subject)?;
    let writes = match (permanent, record.deleted) {
        (true, false) => return Err(Refusal::version_not_soft_deleted(subject, number)),
        (false, true) => return Err(Refusal::version_soft_deleted(subject, number)),
        (true, true) => erase(state, subject, &[number]),
        (false, false) => {
            check_unreferenced(state, subject, &[number])?;
            record.deleted = true;
            vec![Write::put(&Key::schema(subject, number), &record)]
        }
    };
    Ok(Decision {
        writes,
        answer: Answer::Deleted(vec![number]),
    })
}

fn check_unreferenced(state: &State, subject: &str, versions: &[u32]) -> Result<(), Refusal> {
    match versions
        .iter()
        .find(|number| !state.referenced_by(subject, **number).is_empty())
    {
        Some(number) => Err(Refusal::referenced(subject, *number)),
        None => Ok(()),
    }
}

/// Permanent deletion: the highest id is written down first, since after compaction nothing else remembers it.
fn erase(state: &State, subject: &str, versions: &[u32]) -> Vec<Write> {
    let mut writes = vec![Write::put(
        &Key::Noop,
        &NoopValue {
            max_id: state.max_id(),
        },
    )];
    writes.extend(
        versions
            .iter()
            .map(|number| Write::delete(&Key::schema(subject, *number))),
    );
    if state
        .versions(subject, Deleted::Shown)
        .all(|(number, _)| versions.contains(&number))
    {
        writes.extend(clear_settings(state, subject));
    }
    writes
}

fn clear_settings(state: &State, subject: &str) -> Vec<Write> {
    let name = Some(subject.to_owned());
    let mode = state
        .mode(Some(subject))
        .map(|_| Write::delete(&Key::Mode(name.clone())));
    let config = state
        .config(Some(subject))
        .map(|_| Write::delete(&Key::Config(name.clone())));
    mode.into_iter().chain(config).collect()
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
