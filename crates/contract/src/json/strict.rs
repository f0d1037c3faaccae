//! Strict JSON: what `serde_json` reads, less duplicate keys.
//!
//! Two members of one name mean one thing to one reader and another thing to the next, so an event that holds them
//! is refused. Depth is bounded by `serde_json`; numbers that no double can hold and lone surrogates are its errors too.

use crate::verdict::{Code, Reason};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

/// Deepest nesting of a document: `serde_json`'s own limit.
pub const MAX_DEPTH: usize = 128;

/// Read one JSON document.
///
/// # Errors
/// A [`Code::NotJson`] reason with the position, or [`Code::TooComplex`] beyond [`MAX_DEPTH`].
pub fn parse(body: &[u8]) -> Result<Value, Reason> {
    serde_json::from_slice::<Strict>(body)
        .map(|strict| strict.0)
        .map_err(|error| refusal(&error))
}

#[cold]
fn refusal(error: &serde_json::Error) -> Reason {
    let problem = without_position(error);
    // `serde_json` has no kind for this one; a test holds the text fast.
    let code = if problem == "recursion limit exceeded" {
        Code::TooComplex
    } else {
        Code::NotJson
    };
    let found = format!(
        "{problem} at line {} column {}",
        error.line(),
        error.column()
    );
    Reason::new(code, "", "a JSON document", &found)
}

/// The problem alone: `serde_json` appends the position to its text.
pub(crate) fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let position = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&position).unwrap_or(&text).to_owned()
}

/// A [`Value`] whose objects had each key once.
pub(super) struct Strict(pub(super) Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Strict)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = members.next_key::<String>()? {
            let Strict(value) = members.next_value()?;
            match object.entry(key) {
                serde_json::map::Entry::Vacant(free) => free.insert(value),
                serde_json::map::Entry::Occupied(taken) => {
                    return Err(A::Error::custom(format_args!(
                        "duplicate key `{}`",
                        taken.key()
                    )));
                }
            };
        }
        Ok(Value::Object(object))
    }
}
