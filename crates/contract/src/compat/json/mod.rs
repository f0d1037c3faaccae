//! JSON Schema: is everything that the old schema allows allowed by the new one? All differences, each with its path.
//!
//! Compared today: `type`, `properties`, `required`, `additionalProperties`, `items` as one schema, and references
//! within the document. Annotations never matter. A change of any other keyword is reported as incompatible: the
//! reference passes over some of them in silence, and readers then meet what they cannot read.

mod change;
mod object;
mod types;

use super::{Difference, Direction, Policy, Verdict};
use crate::pointer;
use crate::schema_error::{SchemaError, parse_text};
use crate::source::Source;
use change::Change;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use types::Types;

/// Deepest nesting that is followed, through references: keeps a long chain of them off the stack.
const MAX_DEPTH: usize = 256;

/// Keywords that say nothing about which documents are valid.
const ANNOTATIONS: &[&str] = &[
    "$anchor",
    "$comment",
    "$defs",
    "$id",
    "$schema",
    "default",
    "definitions",
    "deprecated",
    "description",
    "examples",
    "id",
    "readOnly",
    "title",
    "writeOnly",
];

/// Keywords that are compared by their meaning.
const COMPARED: &[&str] = &[
    "type",
    "properties",
    "required",
    "additionalProperties",
    "items",
];

type Object = Map<String, Value>;

/// Every difference from `old` to `new`.
pub(super) fn compare(
    old: &Source<'_>,
    new: &Source<'_>,
    policy: Policy,
    direction: Direction,
) -> Result<Vec<Difference>, SchemaError> {
    let (old, new) = (parse_text(old.text)?, parse_text(new.text)?);
    let mut comparison = Comparison {
        old: &old,
        new: &new,
        policy,
        // The reader's schema is the new one of this comparison.
        word: direction.words().0,
        path: String::new(),
        depth: 0,
        memo: BTreeMap::new(),
        found: Vec::new(),
    };
    comparison.schemas(&old, &new)?;
    Ok(comparison.found)
}

/// One comparison under way.
struct Comparison<'a> {
    old: &'a Value,
    new: &'a Value,
    policy: Policy,
    word: &'static str,
    path: String,
    depth: usize,
    /// Pairs of places already compared, with the verdict. One under way counts as compatible: if it is not, that is
    /// reported where it is found.
    memo: BTreeMap<(usize, usize), bool>,
    found: Vec<Difference>,
}

impl<'a> Comparison<'a> {
    /// Compare two schemas; the result says whether they are compatible.
    fn schemas(&mut self, old: &'a Value, new: &'a Value) -> Result<bool, SchemaError> {
        let old = resolve(self.old, old);
        let new = resolve(self.new, new);
        // Places in two documents that live as long as the comparison: their addresses name them.
        let pair = (
            std::ptr::from_ref(old).addr(),
            std::ptr::from_ref(new).addr(),
        );
        if let Some(&known) = self.memo.get(&pair) {
            return Ok(known);
        }
        if self.depth == MAX_DEPTH {
            return Err(SchemaError::TooLarge {
                found: MAX_DEPTH + 1,
                limit: MAX_DEPTH,
                unit: "levels of nesting",
            });
        }
        self.memo.insert(pair, true);
        let before = self.found.len();
        self.depth += 1;
        self.resolved(old, new)?;
        self.depth -= 1;
        let compatible = self.found[before..]
            .iter()
            .all(|difference| difference.verdict == Verdict::Compatible);
        self.memo.insert(pair, compatible);
        Ok(compatible)
    }

    fn resolved(&mut self, old: &'a Value, new: &'a Value) -> Result<(), SchemaError> {
        if is_false(old) || is_anything(new) {
            return Ok(());
        }
        let (Value::Object(old), Value::Object(new)) = (old, new) else {
            // Anything before, or nothing now.
            self.add(Change::TypeChanged, "");
            return Ok(());
        };
        self.annotations(old, new);
        let (old_types, new_types) = (Types::of(old), Types::of(new));
        let changes = types::compare(old_types, new_types);
        changes.iter().for_each(|change| self.add(*change, ""));
        if changes.contains(&Change::TypeChanged) {
            return Ok(());
        }
        if old_types.allows_object() && new_types.allows_object() {
            self.objects(old, new)?;
        }
        if old_types.allows_array() && new_types.allows_array() {
            self.items(old, new)?;
        }
        self.other_keywords(old, new);
        Ok(())
    }

    fn annotations(&mut self, old: &Object, new: &Object) {
        for (keyword, change) in [
            ("$id", Change::IdChanged),
            ("id", Change::IdChanged),
            ("title", Change::TitleChanged),
            ("description", Change::DescriptionChanged),
            ("default", Change::DefaultChanged),
        ] {
            if old.get(keyword) != new.get(keyword) {
                self.add(change, "");
            }
        }
    }

    /// `items` where it is one schema for every item; a tuple is compared as a whole.
    fn items(&mut self, old: &'a Object, new: &'a Object) -> Result<(), SchemaError> {
        if is_tuple(old) || is_tuple(new) {
            self.keyword("items", old, new);
            return Ok(());
        }
        let mark = self.enter("items");
        match (old.get("items"), new.get("items")) {
            (None, None) => {}
            (None, Some(new)) if is_anything(resolve(self.new, new)) => {}
            (None, Some(_)) => self.add(Change::SchemaAdded, ""),
            (Some(_), None) => self.add(Change::SchemaRemoved, ""),
            (Some(old), Some(new)) => {
                self.schemas(old, new)?;
            }
        }
        self.path.truncate(mark);
        Ok(())
    }

    fn other_keywords(&mut self, old: &Object, new: &Object) {
        let known = |keyword: &&String| {
            let keyword = keyword.as_str();
            ANNOTATIONS.contains(&keyword) || COMPARED.contains(&keyword)
        };
        let keywords: BTreeSet<&String> = old
            .keys()
            .chain(new.keys())
            .filter(|keyword| !known(keyword))
            .collect();
        for keyword in keywords {
            self.keyword(keyword, old, new);
        }
    }

    /// A keyword whose meaning is not compared: it must be the same.
    fn keyword(&mut self, keyword: &str, old: &Object, new: &Object) {
        let (before, after) = (old.get(keyword), new.get(keyword));
        // The same text may refer to something else by now.
        let refers = [before, after]
            .into_iter()
            .flatten()
            .any(|value| keyword.ends_with("Ref") || keyword == "$ref" || holds_reference(value));
        if before != after || (refers && self.old != self.new) {
            let mark = self.enter(keyword);
            self.add(Change::KeywordNotCompared, &format!(" `{keyword}`"));
            self.path.truncate(mark);
        }
    }

    /// Go one step down; the result is where to cut the path on the way back.
    fn enter(&mut self, segment: &str) -> usize {
        let mark = self.path.len();
        pointer::push(&mut self.path, segment);
        mark
    }

    fn add(&mut self, change: Change, what: &str) {
        let path = if self.path.is_empty() {
            "#/".to_owned()
        } else {
            format!("#{}", self.path)
        };
        self.found.push(Difference {
            kind: change.name(),
            message: format!(
                "The {} schema {}{what} at path '{path}'",
                self.word,
                change.text()
            ),
            path,
            detail: String::new(),
            verdict: change.verdict(self.policy),
        });
    }
}

/// Follow a reference within the document, where the schema is nothing but a reference.
fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let mut here = schema;
    // Each step goes to another place, so more steps than this is a circle.
    for _ in 0..MAX_DEPTH {
        let Some(target) = reference(here).and_then(|reference| local(root, reference)) else {
            return here;
        };
        here = target;
    }
    schema
}

/// The reference of a schema that says nothing else about documents.
fn reference(schema: &Value) -> Option<&str> {
    let object = schema.as_object()?;
    let alone = object
        .keys()
        .all(|keyword| keyword == "$ref" || ANNOTATIONS.contains(&keyword.as_str()));
    object.get("$ref").filter(|_| alone)?.as_str()
}

/// What a reference such as `#/$defs/address` names.
fn local<'a>(root: &'a Value, reference: &str) -> Option<&'a Value> {
    let pointer = reference.strip_prefix('#')?;
    // An escape of the URI, or an anchor: not followed, so compared as text.
    if pointer.contains('%') || !(pointer.is_empty() || pointer.starts_with('/')) {
        return None;
    }
    root.pointer(pointer)
}

fn is_false(schema: &Value) -> bool {
    schema == &Value::Bool(false)
}

/// Whether every document is valid.
fn is_anything(schema: &Value) -> bool {
    match schema {
        Value::Bool(allowed) => *allowed,
        Value::Object(object) => object
            .keys()
            .all(|keyword| ANNOTATIONS.contains(&keyword.as_str())),
        Value::Null | Value::Number(_) | Value::String(_) | Value::Array(_) => false,
    }
}

fn is_tuple(schema: &Object) -> bool {
    schema.get("items").is_some_and(Value::is_array)
        || schema.contains_key("prefixItems")
        || schema.contains_key("additionalItems")
}

fn holds_reference(value: &Value) -> bool {
    match value {
        Value::Object(members) => members.iter().any(|(key, value)| {
            matches!(key.as_str(), "$ref" | "$dynamicRef" | "$recursiveRef")
                || holds_reference(value)
        }),
        Value::Array(items) => items.iter().any(holds_reference),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

#[cfg(test)]
mod tests;
