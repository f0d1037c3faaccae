//! Settings and modes of subjects, contexts and the whole registry.

use super::{Decision, check_free, check_not_read_only};
use crate::{
    name,
    record::{ClearSubjectValue, Key, ModeValue, Write},
    refusal::Refusal,
    request::Answer,
    settings::{Mode, Update},
    state::{Deleted, State},
};

fn check_name(subject: Option<&str>) -> Result<(), Refusal> {
    match subject {
        Some(subject) if !name::is_setting(subject) => Err(Refusal::invalid_subject(subject)),
        Some(_) | None => Ok(()),
    }
}

pub(super) fn set_config(
    state: &State,
    subject: Option<&str>,
    update: &Update,
) -> Result<Decision, Refusal> {
    check_name(subject)?;
    check_free(state, subject)?;
    check_not_read_only(state, subject.unwrap_or_default())?;
    let after = update.apply(state.config(subject), subject);
    let key = Key::Config(subject.map(str::to_owned));
    Ok(Decision {
        writes: vec![Write::put(&key, &after)],
        answer: Answer::Configured(Box::new(after)),
    })
}

pub(super) fn delete_config(state: &State, subject: Option<&str>) -> Result<Decision, Refusal> {
    check_free(state, subject)?;
    let before = state.config(subject).cloned();
    if let (None, Some(subject)) = (&before, subject) {
        return Err(Refusal::subject_not_found(subject));
    }
    check_not_read_only(state, subject.unwrap_or_default())?;
    let key = Key::Config(subject.map(str::to_owned));
    let writes = before.is_some().then(|| Write::delete(&key));
    Ok(Decision {
        writes: writes.into_iter().collect(),
        answer: Answer::ConfigDeleted(Box::new(before.unwrap_or_default())),
    })
}

pub(super) fn set_mode(
    state: &State,
    subject: Option<&str>,
    mode: &str,
    force: bool,
) -> Result<Decision, Refusal> {
    check_name(subject)?;
    check_free(state, subject)?;
    let mode = Mode::parse(mode).ok_or_else(Refusal::invalid_mode)?;
    let key = Key::Mode(subject.map(str::to_owned));
    let mut writes = Vec::new();
    let imports_already = Mode::of(state, subject.unwrap_or_default()) == Mode::Import;
    if mode == Mode::Import && !imports_already && !force {
        writes.extend(make_room(state, subject)?);
    }
    let value = ModeValue {
        mode: mode.as_str().to_owned(),
        rest: serde_json::Map::new(),
    };
    writes.push(Write::put(&key, &value));
    Ok(Decision {
        writes,
        answer: Answer::Mode(mode.as_str().to_owned()),
    })
}

/// An import gives ids and versions itself, so nothing may be there before it; what is soft-deleted goes for good.
fn make_room(state: &State, subject: Option<&str>) -> Result<Vec<Write>, Refusal> {
    if !state.subjects_of(subject, Deleted::Hidden).is_empty() {
        return Err(Refusal::not_permitted(
            "Cannot import since found existing subjects",
        ));
    }
    let gone = state.soft_deleted(subject);
    if gone.is_empty() {
        return Ok(Vec::new());
    }
    let referred = |(subject, number): &&(String, u32)| {
        let by = state.referenced_by(subject, *number, Deleted::Hidden);
        !by.is_empty()
    };
    if let Some((subject, number)) = gone.iter().find(referred) {
        return Err(Refusal::referenced(subject, *number));
    }
    let mut writes = vec![Write::put(&Key::Noop, &state.max_ids())];
    let tombstone =
        |(subject, number): &(String, u32)| Write::delete(&Key::schema(subject, *number));
    writes.extend(gone.iter().map(tombstone));
    let scope = subject.map(str::to_owned);
    let cleared = ClearSubjectValue {
        subject: scope.clone(),
    };
    writes.push(Write::put(&Key::ClearSubject(scope), &cleared));
    Ok(writes)
}

pub(super) fn delete_mode(
    state: &State,
    subject: Option<&str>,
    recursive: bool,
) -> Result<Decision, Refusal> {
    check_free(state, subject)?;
    let before = state.mode(subject).map(str::to_owned);
    if let (None, Some(subject)) = (&before, subject) {
        return Err(Refusal::subject_not_found(subject));
    }
    let mut keys: Vec<Option<String>> = Vec::new();
    if before.is_some() {
        keys.push(subject.map(str::to_owned));
    }
    if recursive {
        keys.extend(below(state, subject));
    }
    let writes = keys.into_iter().map(|key| Write::delete(&Key::Mode(key)));
    Ok(Decision {
        writes: writes.collect(),
        answer: Answer::Mode(before.unwrap_or_else(|| Mode::ReadWrite.as_str().to_owned())),
    })
}

/// Modes of the subjects of a context.
fn below(state: &State, scope: Option<&str>) -> Vec<Option<String>> {
    let (context, own) = scope.map_or((name::DEFAULT, ""), name::split);
    if !own.is_empty() {
        return Vec::new();
    }
    let modes = state.modes().filter_map(|(subject, _)| subject);
    modes
        .filter(|subject| name::split(subject).0 == context && !name::split(subject).1.is_empty())
        .map(|subject| Some(subject.to_owned()))
        .collect()
}
