//! The functions that a condition can call: CEL's own, and those that Confluent's rules know of texts.

use cel::common::types::{CelBool, CelString, Type};
use cel::common::value::{StaticVal, Val};
use cel::{DeclarationError, Env};
use regex::Regex;
use std::any::Any;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, LazyLock};

static PATTERN_TYPE: Type = Type::new_unspecified_type("pattern");

/// A compiled regular expression as a value: the second argument of `matches`, compiled once and not per event.
#[derive(Debug, Clone)]
pub(super) struct Pattern(pub(super) Arc<Regex>);

impl Val for Pattern {
    fn get_type(&self) -> &Type {
        &PATTERN_TYPE
    }

    fn cel_type() -> &'static Type {
        &PATTERN_TYPE
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for Pattern {}

/// Functions and operators that a condition may name: an unknown one is refused when the contract is applied, not when
/// the first event meets it.
pub(super) const KNOWN: &[&str] = &[
    "_?_:_",
    "_&&_",
    "_||_",
    "!_",
    "-_",
    "_+_",
    "_-_",
    "_*_",
    "_/_",
    "_%_",
    "_==_",
    "_!=_",
    "_<_",
    "_<=_",
    "_>_",
    "_>=_",
    "_[_]",
    "_?._",
    "_[?_]",
    "@in",
    "@not_strictly_false",
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "int",
    "uint",
    "double",
    "string",
    "bytes",
    "bool",
    "dyn",
    "type",
    "timestamp",
    "duration",
    "getFullYear",
    "getMonth",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getHours",
    "getMinutes",
    "getSeconds",
    "getMilliseconds",
    "isEmail",
    "isHostname",
    "isIpv4",
    "isIpv6",
    "isUri",
    "isUriRef",
    "isUuid",
];

/// The environment of every condition, made once.
pub(super) static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    extend(&mut env).expect("names that no standard function has");
    Arc::new(env)
});

fn extend(env: &mut Env) -> Result<(), DeclarationError> {
    cel::add_member_overload!(env, fn matches: (CelString, Pattern) -> CelBool)?;
    cel::add_overload!(env, fn matches: (CelString, Pattern) -> CelBool, id = "matches_pattern")?;
    cel::add_member_overload!(env, fn is_email: (CelString) -> CelBool)?;
    cel::add_member_overload!(env, fn is_hostname: (CelString) -> CelBool)?;
    cel::add_member_overload!(env, fn is_ipv4: (CelString) -> CelBool)?;
    cel::add_member_overload!(env, fn is_ipv6: (CelString) -> CelBool)?;
    cel::add_member_overload!(env, fn is_uri: (CelString) -> CelBool)?;
    cel::add_member_overload!(env, fn is_uri_ref: (CelString) -> CelBool)?;
    cel::add_member_overload!(env, fn is_uuid: (CelString) -> CelBool)
}

fn matches(text: &CelString<'_>, pattern: &Pattern) -> CelBool {
    CelBool::from(pattern.0.is_match(text.inner()))
}

fn is_email(text: &CelString<'_>) -> CelBool {
    CelBool::from(email(text.inner()))
}

fn is_hostname(text: &CelString<'_>) -> CelBool {
    CelBool::from(hostname(text.inner()))
}

fn is_ipv4(text: &CelString<'_>) -> CelBool {
    CelBool::from(text.inner().parse::<Ipv4Addr>().is_ok())
}

fn is_ipv6(text: &CelString<'_>) -> CelBool {
    CelBool::from(text.inner().parse::<Ipv6Addr>().is_ok())
}

fn is_uri(text: &CelString<'_>) -> CelBool {
    CelBool::from(uri(text.inner()))
}

fn is_uri_ref(text: &CelString<'_>) -> CelBool {
    CelBool::from(uri_ref(text.inner()))
}

fn is_uuid(text: &CelString<'_>) -> CelBool {
    CelBool::from(uuid(text.inner()))
}

fn email(text: &str) -> bool {
    let Some((local, host)) = text.rsplit_once('@') else {
        return false;
    };
    let legal = |c: char| c.is_alphanumeric() || ".!#$%&'*+/=?^_`{|}~-".contains(c);
    !local.is_empty()
        && local.len() <= 64
        && local.chars().all(legal)
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..")
        && hostname(host)
}

fn hostname(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(label)
}

pub(crate) fn uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else {
        return false;
    };
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(legal)
        && !rest.is_empty()
        && uri_ref(rest)
}

pub(crate) fn uri_ref(text: &str) -> bool {
    let legal = |c: char| c.is_ascii_graphic() && !"\"<>\\^`{|}".contains(c);
    !text.is_empty() && text.chars().all(legal)
}

fn uuid(text: &str) -> bool {
    let dash = |at: usize| matches!(at, 8 | 13 | 18 | 23);
    text.len() == 36
        && text.bytes().enumerate().all(|(at, b)| {
            if dash(at) {
                b == b'-'
            } else {
                b.is_ascii_hexdigit()
            }
        })
}
