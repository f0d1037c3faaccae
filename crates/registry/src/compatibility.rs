//! May a schema follow the versions that a subject has? The comparing itself is the `contract` crate's.

use crate::{
    content::Content,
    record::ConfigValue,
    refusal::Refusal,
    settings::InForce,
    state::{Deleted, State, Version},
};
use contract::{compat, source::Source};

/// How much of an old schema's text a message quotes, in bytes.
const QUOTED: usize = 10 * 1024;

/// Why `content` may not follow `earlier` (oldest first) under what is in force; empty when it may.
///
/// # Errors
/// 42201 when a stored schema cannot be compared, which an edited log may bring about.
pub fn against(
    content: &Content,
    earlier: &[(u32, &Version)],
    in_force: InForce,
) -> Result<Vec<String>, Refusal> {
    let Some(ty) = content.served() else {
        return Err(Refusal::invalid_schema(format!(
            "Invalid schema type {}",
            content.schema_type
        )));
    };
    let compared = compared(earlier, in_force);
    if let Some((number, other)) = compared
        .iter()
        .rev()
        .find(|(_, v)| v.content.schema_type != content.schema_type)
    {
        let found = vec!["Incompatible because of different schema type".to_owned()];
        return Ok(with_context(found, *number, other, in_force));
    }
    let previous: Vec<_> = compared
        .iter()
        .map(|(number, v)| compat::Version {
            number: *number,
            schema: Source::new(ty, &v.content.text),
        })
        .collect();
    let new = Source::new(ty, &content.text);
    let report = compat::check(in_force.level, in_force.policy, &new, &previous)
        .map_err(|error| Refusal::invalid_schema(format!("Cannot compare schemas: {error}")))?;
    let found = report.incompatible;
    let Some(number) = found.first().map(|first| first.version) else {
        return Ok(Vec::new());
    };
    let texts = found.iter().map(|one| one.difference.to_string()).collect();
    let other = compared.iter().find(|(n, _)| *n == number).map(|(_, v)| *v);
    Ok(match other {
        Some(other) => with_context(texts, number, other, in_force),
        None => texts,
    })
}

/// The versions that the level looks at: none, the newest, or all.
fn compared<'a>(earlier: &[(u32, &'a Version)], in_force: InForce) -> Vec<(u32, &'a Version)> {
    let depth = match (in_force.level.directions(), in_force.level.is_transitive()) {
        ([], _) => 0,
        (_, true) => earlier.len(),
        (_, false) => 1,
    };
    let from = earlier.len().saturating_sub(depth);
    earlier[from..].to_vec()
}

/// Why `content` may not be registered next under `subject`; empty when it may.
///
/// # Errors
/// As [`against`].
pub fn with_subject(
    state: &State,
    subject: &str,
    content: &Content,
) -> Result<Vec<String>, Refusal> {
    let earlier: Vec<_> = state.versions(subject, Deleted::Hidden).collect();
    against(content, &earlier, InForce::of(state, subject))
}

fn with_context(
    mut texts: Vec<String>,
    number: u32,
    other: &Version,
    in_force: InForce,
) -> Vec<String> {
    let mut end = other.content.text.len().min(QUOTED);
    while !other.content.text.is_char_boundary(end) {
        end -= 1;
    }
    texts.push(format!("{{oldSchemaVersion: {number}}}"));
    texts.push(format!("{{oldSchema: '{}'}}", &other.content.text[..end]));
    texts.push(format!(
        "{{validateFields: 'false', compatibility: '{}'}}",
        in_force.level
    ));
    texts
}

/// The settings that answer `GET /config/{subject}`: the subject's own, filled up from the registry's if asked.
pub fn effective_config(state: &State, subject: &str) -> ConfigValue {
    let mut config = state.config(Some(subject)).cloned().unwrap_or_default();
    let in_force = InForce::of(state, subject);
    config.compatibility_level = Some(in_force.level.to_string());
    if config.compatibility_policy.is_none() {
        config.compatibility_policy = state
            .config(None)
            .and_then(|global| global.compatibility_policy.clone());
    }
    config
}
