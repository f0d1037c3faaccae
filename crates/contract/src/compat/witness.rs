//! A document that proves a change to break readers: valid for the writer's schema, refused by the reader's.
//!
//! For the operator, beside a difference: where the reference registry looks away, an example says more than a
//! warning. A search, bounded and the same each time: finding none proves nothing.

mod candidates;
mod made;
mod random;
mod shrink;
mod text;

use super::json::documents::{Documents, Texts};
use super::json::uri;
use crate::source::{SchemaType, Source};
use candidates::Candidates;
use jsonschema::{PatternOptions, Retrieve, Uri, Validator};
use random::Random;
use serde_json::Value;
use std::collections::BTreeMap;

/// Most documents that are tried after the guided ones.
const RANDOM_TRIES: usize = 300;

/// Longest witness that is worth showing, in bytes.
const MAX_BYTES: usize = 16 * 1024;

/// Most memory of one compiled pattern, as for the validator of events.
const PATTERN_SIZE: usize = 1 << 20;

/// A JSON document, compact, that `writer` accepts and `reader` refuses, both with `format` asserted; `None` where the
/// search finds none, and for schemas that are not JSON Schemas.
pub(super) fn of_documents(reader: &Source<'_>, writer: &Source<'_>) -> Option<String> {
    if (reader.ty, writer.ty) != (SchemaType::Json, SchemaType::Json) {
        return None;
    }
    let texts = [Texts::parse(writer).ok()?, Texts::parse(reader).ok()?];
    let judge = Judge {
        writer: validator(&texts[0], &texts[0].root)?,
        reader: validator(&texts[1], &texts[1].root)?,
    };
    let sides = [Documents::new(&texts[0], 0), Documents::new(&texts[1], 1)];
    let mut candidates = Candidates::new(&texts, &sides);
    let guided = candidates.of_roots();
    let found = guided.iter().find(|value| judge.parts(value)).cloned();
    let found = found.or_else(|| vary(&guided, &judge))?;
    let text = shrink::smallest(found, &judge).to_string();
    (text.len() <= MAX_BYTES).then_some(text)
}

/// The two validators.
struct Judge {
    writer: Validator,
    reader: Validator,
}

impl Judge {
    /// Whether the schemas part ways over a document.
    fn parts(&self, document: &Value) -> bool {
        self.writer.is_valid(document) && !self.reader.is_valid(document)
    }
}

/// Mix documents that the writer takes until one is a witness.
fn vary(guided: &[Value], judge: &Judge) -> Option<Value> {
    let valid: Vec<&Value> = guided
        .iter()
        .filter(|value| judge.writer.is_valid(value))
        .collect();
    let mut random = Random::new();
    for _ in 0..RANDOM_TRIES {
        let (one, other) = (random.pick(&valid)?, random.pick(guided)?);
        let mixed = mix((*one).clone(), other, &mut random);
        if judge.parts(&mixed) {
            return Some(mixed);
        }
    }
    None
}

/// One document with members or items of another.
fn mix(mut one: Value, other: &Value, random: &mut Random) -> Value {
    match (&mut one, other) {
        (Value::Object(members), Value::Object(others)) => {
            for (name, value) in others {
                match (random.coin(), members.get_mut(name)) {
                    (false, _) => {}
                    (true, Some(own)) => *own = mix(own.take(), value, random),
                    (true, None) => {
                        members.insert(name.clone(), value.clone());
                    }
                }
            }
            one
        }
        (Value::Array(items), Value::Array(others)) => {
            items.extend(others.iter().filter(|_| random.coin()).cloned());
            one
        }
        _ if random.coin() => other.clone(),
        _ => one,
    }
}

/// A validator of `schema`, which stands in the document of `texts`.
fn validator(texts: &Texts, schema: &Value) -> Option<Validator> {
    let options = jsonschema::options()
        .with_pattern_options(PatternOptions::regex().size_limit(PATTERN_SIZE))
        .should_validate_formats(true)
        .with_retriever(Imports::of(texts));
    options.build(schema).ok()
}

/// The imports of a schema by every URI that a reference may have for them.
struct Imports(BTreeMap<String, Value>);

impl Imports {
    fn of(texts: &Texts) -> Self {
        let id = |value: &Value| {
            let id = value.get("$id").or_else(|| value.get("id"));
            let id = id.and_then(Value::as_str).unwrap_or_default();
            uri::split(id).0.to_owned()
        };
        let base = id(&texts.root);
        let mut known = BTreeMap::new();
        for (name, value) in &texts.imports {
            let name = uri::split(name).0;
            for uri in [
                name.to_owned(),
                uri::join(&base, name),
                uri::join(NOWHERE, name),
                id(value),
            ] {
                known.entry(uri).or_insert_with(|| value.clone());
            }
        }
        Self(known)
    }
}

/// What the validator resolves references against where a schema has no id.
const NOWHERE: &str = "json-schema:///";

/// A reference names nothing that was given along.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not among the imports")]
struct NotImported(String);

impl Retrieve for Imports {
    fn retrieve(
        &self,
        uri: &Uri<String>,
    ) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        let known = self.0.get(uri.as_str());
        known
            .cloned()
            .ok_or_else(|| Box::new(NotImported(uri.as_str().to_owned())).into())
    }
}

#[cfg(test)]
mod tests;
