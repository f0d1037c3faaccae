//! The rules: what a write request leads to, given the state. A pure function of both.
//!
//! Registering is idempotent, since a client that met a timeout registers again: content that a subject holds is
//! answered with the version it has, whatever the rules say by now. Ids are given in order and never twice.

mod delete;
mod register;
mod settings;

pub use register::{Draft, held};

use crate::{
    name,
    record::{Key, Write},
    refusal::Refusal,
    request::{Answer, Command},
    settings::Mode,
    state::State,
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
/// The [`Refusal`] that the client gets; nothing is written then. 42209 when a record of it would not fit the log.
pub fn decide(state: &State, command: &Command) -> Result<Decision, Refusal> {
    let Decision { writes, answer } = decided(state, command)?;
    if writes.iter().any(|write| write.size() > MAX_RECORD) {
        return Err(Refusal::too_large(MAX_RECORD));
    }
    let writes = writes.into_iter().flat_map(|write| {
        let mut all = misspelled(state, &write);
        all.push(write);
        all
    });
    Ok(Decision {
        writes: writes.collect(),
        answer,
    })
}

/// Largest record written, in bytes of key and value: below the broker's default of 1 MiB by what headers and framing
/// take. One that the broker refuses would stop the writer for good, since it would decide the same again.
pub const MAX_RECORD: usize = 1_000_000;

/// Tombstones of what other writers have left in the log under other bytes of the same key.
fn misspelled(state: &State, write: &Write) -> Vec<Write> {
    let known = Key::decode(&write.key).ok();
    let spelled = known.iter().flat_map(|known| state.spelled(known));
    spelled
        .map(|bytes| Write {
            key: bytes.to_owned(),
            value: None,
        })
        .collect()
}

fn decided(state: &State, command: &Command) -> Result<Decision, Refusal> {
    match command {
        Command::Register(request) => register::register(state, request),
        Command::Tag(request) => register::tag(state, request),
        Command::DeleteSubject { subject, permanent } => {
            delete::subject(state, subject, *permanent)
        }
        Command::DeleteVersion {
            subject,
            version,
            permanent,
        } => delete::version(state, subject, *version, *permanent),
        Command::DeleteContext { context } => delete::context(state, context),
        Command::SetConfig { subject, update } => {
            settings::set_config(state, subject.as_deref(), update)
        }
        Command::DeleteConfig { subject } => settings::delete_config(state, subject.as_deref()),
        Command::SetMode {
            subject,
            mode,
            force,
        } => settings::set_mode(state, subject.as_deref(), mode, *force),
        Command::DeleteMode { subject, recursive } => {
            settings::delete_mode(state, subject.as_deref(), *recursive)
        }
    }
}

/// Whether a subject may be written under this name.
///
/// # Errors
/// 400 in the context that holds settings only; 42208: empty, with control characters, or reserved.
pub fn check_name(subject: &str) -> Result<(), Refusal> {
    if name::is_subject(subject) {
        Ok(())
    } else if name::prefix(name::context_of(subject)) == name::GLOBAL {
        Err(Refusal::global_context())
    } else {
        Err(Refusal::invalid_subject(subject))
    }
}

/// Subjects of a port follow its contract, not a client.
fn check_free(state: &State, subject: Option<&str>) -> Result<(), Refusal> {
    match subject.and_then(|subject| Some((subject, state.owner(subject)?))) {
        Some((subject, port)) => Err(Refusal::owned_by_port(subject, port)),
        None => Ok(()),
    }
}

fn check_not_read_only(state: &State, subject: &str) -> Result<(), Refusal> {
    if Mode::of(state, subject).is_read_only() {
        return Err(in_mode(subject, "is in read-only mode"));
    }
    Ok(())
}

/// A write that the mode of a subject forbids.
fn in_mode(subject: &str, how: &str) -> Refusal {
    let context = name::context_of(subject);
    Refusal::not_permitted(format!("Subject {subject} in context {context} {how}"))
}

#[cfg(test)]
mod tests;
