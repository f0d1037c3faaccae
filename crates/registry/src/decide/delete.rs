//! Deleting: softly, which hides, and then for good.

use super::{Decision, check_free, check_not_read_only};
use crate::{
    name,
    record::{DeleteSubjectValue, Key, Write},
    refusal::Refusal,
    request::{Answer, Which},
    state::{Deleted, State},
};

pub(super) fn subject(state: &State, subject: &str, permanent: bool) -> Result<Decision, Refusal> {
    check_free(state, Some(subject))?;
    let numbers = |deleted| -> Vec<u32> {
        let versions = state.versions(subject, deleted);
        versions.map(|(number, _)| number).collect()
    };
    let (all, live) = (numbers(Deleted::Shown), numbers(Deleted::Hidden));
    let Some(newest) = all.last() else {
        return Err(Refusal::subject_not_found(subject));
    };
    check_not_read_only(state, subject)?;
    if permanent {
        if !live.is_empty() {
            return Err(Refusal::subject_not_soft_deleted(subject));
        }
        check_unreferenced(state, subject, &all)?;
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
    Ok(Decision {
        writes: vec![Write::put(&Key::DeleteSubject(subject.to_owned()), &value)],
        answer: Answer::Deleted(live),
    })
}

pub(super) fn version(
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
    check_not_read_only(state, subject)?;
    let writes = match (permanent, record.deleted) {
        (true, false) => return Err(Refusal::version_not_soft_deleted(subject, number)),
        (false, true) => return Err(Refusal::version_soft_deleted(subject, number)),
        (true, true) => {
            check_unreferenced(state, subject, &[number])?;
            erase(state, subject, &[number])
        }
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

/// A context in which no version is left, soft-deleted ones included.
pub(super) fn context(state: &State, context: &str) -> Result<Decision, Refusal> {
    let prefix = name::prefix(context);
    let in_context = |full: Option<&str>| full.is_some_and(|full| full.starts_with(&prefix));
    if state
        .subjects(Deleted::Shown)
        .any(|subject| in_context(Some(subject)))
    {
        return Err(Refusal::context_not_empty(context));
    }
    let known = state.contexts().any(|known| known == context);
    let configs = state.configs().map(|(subject, _)| subject);
    let configs = configs.filter(|subject| in_context(*subject));
    let modes = state.modes().map(|(subject, _)| subject);
    let modes = modes.filter(|subject| in_context(*subject));
    let owned = |subject: Option<&str>| subject.map(str::to_owned);
    let mut writes: Vec<Write> = configs
        .map(|subject| Write::delete(&Key::Config(owned(subject))))
        .chain(modes.map(|subject| Write::delete(&Key::Mode(owned(subject)))))
        .collect();
    if known && context != name::DEFAULT {
        writes.push(Write::delete(&Key::Context(context.to_owned())));
    }
    Ok(Decision {
        writes,
        answer: Answer::ContextDeleted,
    })
}

/// What is referred to stays, even where only soft-deleted versions refer to it: they may be in use.
fn check_unreferenced(state: &State, subject: &str, versions: &[u32]) -> Result<(), Refusal> {
    let referred = |number: &&u32| {
        let by = state.referenced_by(subject, **number, Deleted::Shown);
        !by.is_empty()
    };
    match versions.iter().find(referred) {
        Some(number) => Err(Refusal::referenced(subject, *number)),
        None => Ok(()),
    }
}

/// Permanent deletion: the highest ids are written down first, since after compaction nothing else remembers them.
pub(super) fn erase(state: &State, subject: &str, versions: &[u32]) -> Vec<Write> {
    let mut writes = vec![Write::put(&Key::Noop, &state.max_ids())];
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
