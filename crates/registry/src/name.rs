//! Full names of subjects: a name inside a context.
//!
//! `orders-value` is in the default context `.`; `:.eu:orders-value` is in the context `.eu`. A name with an empty
//! subject stands for the context itself, where settings are kept: `:.eu:`. One name more is special: `:.__GLOBAL:`
//! holds the settings that every context falls back on.
//! Source: `QualifiedSubject` of confluentinc/schema-registry.

/// The default context.
pub const DEFAULT: &str = ".";

/// Where settings for all contexts are kept.
pub const GLOBAL: &str = ":.__GLOBAL:";

/// The context whose settings hold for all; no subject can be in it.
const GLOBAL_CONTEXT: &str = ".__GLOBAL";

/// Prefix of a name that stands for every context.
pub const ANY: &str = ":*:";

/// Longest full name that is taken, in bytes: a topic's name (249) and a record's full name fit several times. Names are
/// keys of records, and those of contexts stand together in one ([`crate::record::NoopValue`]).
pub const MAX_NAME: usize = 1_024;

/// The context of a full name, and the name inside it.
pub fn split(full: &str) -> (&str, &str) {
    if let Some(rest) = full.strip_prefix(ANY) {
        return ("*", rest);
    }
    if !full.starts_with(":.") {
        return (DEFAULT, full);
    }
    let inner = &full[1..];
    inner.split_once(':').unwrap_or((inner, ""))
}

/// The context of a full name.
pub fn context_of(full: &str) -> &str {
    split(full).0
}

/// What a subject's name starts with inside a context: nothing in the default one, else `:.name:`.
pub fn prefix(context: &str) -> String {
    if context == DEFAULT {
        String::new()
    } else {
        format!(":{context}:")
    }
}

/// The full name of a subject inside a context.
pub fn join(context: &str, subject: &str) -> String {
    prefix(context) + subject
}

/// The one spelling of a full name: the default context is left out, an open end is closed. What is left when the
/// default context is left out is read as a full name again, since that is how it will be read from then on.
pub fn normalize(full: &str) -> String {
    let mut rest = full;
    while let (DEFAULT, inner) = split(rest)
        && inner.len() < rest.len()
    {
        rest = inner;
    }
    let (context, subject) = split(rest);
    join(context, subject)
}

/// The full name of what a schema or a setting of `parent` calls `name`: in the parent's context, unless it names one
/// itself.
pub fn beside(parent: &str, name: &str) -> String {
    match split(&normalize(name)) {
        (DEFAULT, subject) => join(context_of(parent), subject),
        (context, subject) => join(context, subject),
    }
}

/// The context that a path names, with or without its dot and colons: `eu`, `.eu` and `:.eu:` are one.
/// `None` when no context can have that name.
pub fn context(given: &str) -> Option<String> {
    let bare = given.strip_prefix(':').unwrap_or(given);
    let bare = bare.strip_suffix(':').unwrap_or(bare);
    if bare.contains(':') || bare.chars().any(char::is_control) {
        return None;
    }
    if bare.starts_with('.') {
        Some(bare.to_owned())
    } else {
        Some(format!(".{bare}"))
    }
}

/// Whether schemas may be registered under a full name.
pub fn is_subject(full: &str) -> bool {
    let (context, subject) = split(full);
    !subject.is_empty() && context != GLOBAL_CONTEXT && is_setting(full)
}

/// Whether settings may be kept under a full name, which may be that of a context.
pub fn is_setting(full: &str) -> bool {
    let (context, subject) = split(full);
    context != "*"
        && full.len() <= MAX_NAME
        && !matches!(subject, "__GLOBAL" | "__EMPTY")
        && !full.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_one_spelling() {
        for (given, context, subject, normal) in [
            ("s", ".", "s", "s"),
            (":.:s", ".", "s", "s"),
            (":.:", ".", "", ""),
            (":.eu:s", ".eu", "s", ":.eu:s"),
            (":.eu:", ".eu", "", ":.eu:"),
            (":.eu", ".eu", "", ":.eu:"),
            (":.eu:a:b", ".eu", "a:b", ":.eu:a:b"),
            (":s", ".", ":s", ":s"),
            (":*:s", "*", "s", ":*:s"),
            (":.::.eu:s", ".", ":.eu:s", ":.eu:s"),
            (":.::*:s", ".", ":*:s", ":*:s"),
            (":.::.::s", ".", ":.::s", ":s"),
        ] {
            assert_eq!(split(given), (context, subject), "{given}");
            assert_eq!(normalize(given), normal);
            assert_eq!(normalize(&normalize(given)), normal);
        }
    }

    #[test]
    fn names_beside_a_subject_are_in_its_context() {
        assert_eq!(beside(":.eu:a", "b"), ":.eu:b");
        assert_eq!(beside(":.eu:a", ":.us:b"), ":.us:b");
        assert_eq!(beside("a", "b"), "b");
        assert_eq!(beside(":.eu:a", ":.::.us:b"), ":.us:b");
    }

    #[test]
    fn contexts_by_any_spelling() {
        for given in ["eu", ".eu", ":.eu:", ":.eu"] {
            assert_eq!(context(given).as_deref(), Some(".eu"));
        }
        assert_eq!(context(".").as_deref(), Some("."));
        assert_eq!(context("a:b"), None);
        assert_eq!(context("a\u{7}"), None);
    }

    #[test]
    fn what_may_hold_schemas_and_what_settings() {
        for (name, subject, setting) in [
            ("s", true, true),
            (":.eu:s", true, true),
            (":.eu:", false, true),
            (GLOBAL, false, true),
            (":.__GLOBAL:s", false, true),
            ("__EMPTY", false, false),
            ("__GLOBAL", false, false),
            ("a\nb", false, false),
            (":*:s", false, false),
        ] {
            assert_eq!(
                (is_subject(name), is_setting(name)),
                (subject, setting),
                "{name}"
            );
        }
    }
}
