//! Documents worth trying: made of what both schemas say about a place, those that the writer takes and the reader
//! refuses there first.

use super::super::json::documents::{Documents, Place, Target, Texts, references};
use super::made::{self, LISTS, OBJECTS, Spoken, mentions};
use super::validator;
use jsonschema::Validator;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// How deep documents nest.
const MAX_DEPTH: usize = 5;
/// Values kept for one place within a document, and for the document itself.
const KEPT: usize = 12;
const KEPT_AT_ROOT: usize = 2_000;
/// Most values that are made in all.
const MAX_MADE: usize = 20_000;
/// Most schemas about one place, and most of those that are compiled in all.
const MAX_PLACES: usize = 40;
const MAX_COMPILED: usize = 400;
/// Most bytes of schemas that are copied, each to compile a part alone.
const MAX_COPIED: usize = 4_000_000;

pub(super) struct Candidates<'d, 'a> {
    texts: &'a [Texts; 2],
    sides: &'d [Documents<'a>; 2],
    compiled: BTreeMap<usize, Option<Validator>>,
    /// The lengths of the two schemas, in bytes, and how much was copied of them.
    lengths: [usize; 2],
    copied: usize,
    /// Values made so far.
    made: usize,
}

impl<'d, 'a> Candidates<'d, 'a> {
    pub(super) fn new(texts: &'a [Texts; 2], sides: &'d [Documents<'a>; 2]) -> Self {
        Self {
            texts,
            sides,
            compiled: BTreeMap::new(),
            lengths: [
                texts[0].root.to_string().len(),
                texts[1].root.to_string().len(),
            ],
            copied: 0,
            made: 0,
        }
    }

    pub(super) fn of_roots(&mut self) -> Vec<Value> {
        let roots = [self.sides[0].root, self.sides[1].root];
        self.of(&roots, 0)
    }

    /// Values for a place in a document about which `schemas` speak.
    fn of(&mut self, schemas: &[Place<'a>], depth: usize) -> Vec<Value> {
        let hints = self.hints(schemas);
        let objects: Vec<Spoken<'a>> = hints
            .iter()
            .filter_map(|hint| Some((*hint, hint.object()?)))
            .collect();
        let mut values = made::scalars(&objects);
        if depth < MAX_DEPTH && self.made < MAX_MADE {
            values.extend(self.lists(&objects, depth));
            values.extend(self.objects(&objects, depth));
        }
        let mut seen = BTreeSet::new();
        values.retain(|value| seen.insert(value.to_string()));
        self.made += values.len();
        let kept = if depth == 0 { KEPT_AT_ROOT } else { KEPT };
        self.best(schemas, values, kept)
    }

    /// The schemas themselves, and all that they refer to or combine for the same place.
    fn hints(&self, schemas: &[Place<'a>]) -> Vec<Place<'a>> {
        let mut seen = BTreeSet::new();
        let mut todo: Vec<Place<'a>> = schemas.iter().rev().copied().collect();
        let mut found = Vec::new();
        while let Some(place) = todo.pop() {
            if found.len() >= MAX_PLACES || !seen.insert(place.address()) {
                continue;
            }
            found.push(place);
            let (Some(object), documents) = (place.object(), &self.sides[place.side]) else {
                continue;
            };
            for (_, reference) in references(object, documents.draft) {
                if let Some(Target::Place(target)) = documents.resolve(place, reference) {
                    todo.push(target);
                }
            }
            for keyword in ["if", "then", "else", "not", "allOf", "anyOf", "oneOf"] {
                let inner = match object.get(keyword) {
                    Some(Value::Array(schemas)) => schemas.iter().collect(),
                    Some(schema) => vec![schema],
                    None => vec![],
                };
                todo.extend(
                    inner
                        .into_iter()
                        .rev()
                        .map(|value| documents.child(place, value)),
                );
            }
            let dependent = ["dependentSchemas", "dependencies"];
            let dependent = dependent
                .iter()
                .filter_map(|keyword| object.get(*keyword)?.as_object());
            let dependent = dependent.flat_map(Map::values);
            todo.extend(dependent.map(|value| documents.child(place, value)));
        }
        found
    }

    /// The best of several values: those over which the sides part, then what the writer takes, then a few others.
    fn best(&mut self, schemas: &[Place<'a>], values: Vec<Value>, kept: usize) -> Vec<Value> {
        let mut sorted: [Vec<Value>; 3] = Default::default();
        for value in values {
            let taken = |this: &mut Self, side: usize| {
                let own = schemas.iter().filter(|schema| schema.side == side);
                own.copied().all(|schema| this.accepts(schema, &value))
            };
            let rank = match (taken(self, 0), taken(self, 1)) {
                (true, false) => 0,
                (true, true) => 1,
                (false, _) => 2,
            };
            sorted[rank].push(value);
        }
        let [parted, taken, others] = sorted;
        let few = kept / 2;
        let parted = parted
            .into_iter()
            .take(few.max(kept.saturating_sub(taken.len())));
        let mut best: Vec<Value> = parted.chain(taken).take(kept.saturating_sub(3)).collect();
        best.extend(others.into_iter().take(kept - best.len()));
        best
    }

    /// Whether a schema takes a value; yes where it cannot be compiled on its own.
    fn accepts(&mut self, schema: Place<'a>, value: &Value) -> bool {
        if !self.compiled.contains_key(&schema.address()) {
            if self.compiled.len() >= MAX_COMPILED || self.copied > MAX_COPIED {
                return true;
            }
            let texts = &self.texts[schema.side];
            self.copied += self.lengths[schema.side];
            let compiled = validator(texts, &alone(&texts.root, schema.value));
            self.compiled.insert(schema.address(), compiled);
        }
        let compiled = self
            .compiled
            .get(&schema.address())
            .and_then(Option::as_ref);
        compiled.is_none_or(|compiled| compiled.is_valid(value))
    }

    fn lists(&mut self, objects: &[Spoken<'a>], depth: usize) -> Vec<Value> {
        if !mentions(objects, "array", LISTS) {
            return vec![json!([])];
        }
        let mut every = Vec::new();
        let mut by_position: Vec<Vec<Place<'a>>> = Vec::new();
        for (place, object) in objects {
            for keyword in ["items", "additionalItems", "contains", "unevaluatedItems"] {
                let one = object.get(keyword).filter(|value| !value.is_array());
                every.extend(one.map(|value| self.child(*place, value)));
            }
            let lists = ["items", "prefixItems"].into_iter();
            for list in lists.filter_map(|keyword| object.get(keyword)?.as_array()) {
                by_position.resize(by_position.len().max(list.len()), Vec::new());
                for (index, value) in list.iter().enumerate() {
                    by_position[index].push(self.child(*place, value));
                }
            }
        }
        let items = self.of(&every, depth + 1);
        let positions = by_position.iter();
        let tuple: Vec<Vec<Value>> = positions.map(|all| self.of(all, depth + 1)).collect();
        let mut found = made::tuples(&tuple, &items);
        found.extend(made::of_length(objects, &items));
        found
    }

    fn objects(&mut self, objects: &[Spoken<'a>], depth: usize) -> Vec<Value> {
        if !mentions(objects, "object", OBJECTS) {
            return vec![json!({})];
        }
        let mut values: Vec<(String, Vec<Value>)> = Vec::new();
        for name in made::names(objects) {
            let schemas = self.about(objects, &name);
            let of_name = self.of(&schemas, depth + 1);
            values.push((name, of_name));
        }
        made::members(objects, &values)
    }

    /// The schemas about a property.
    fn about(&mut self, objects: &[Spoken<'a>], name: &str) -> Vec<Place<'a>> {
        let mut found = Vec::new();
        for (place, object) in objects {
            let own = object.get("properties").and_then(|all| all.get(name));
            found.extend(own.map(|value| self.child(*place, value)));
            let patterns = object.get("patternProperties").and_then(Value::as_object);
            let mut by_pattern = false;
            for (pattern, value) in patterns.into_iter().flatten() {
                let matcher = jsonschema::options().build(&json!({ "pattern": pattern }));
                if matcher.is_ok_and(|matcher| matcher.is_valid(&json!(name))) {
                    by_pattern = true;
                    found.push(self.child(*place, value));
                }
            }
            if own.is_none() && !by_pattern {
                let rest = object
                    .get("additionalProperties")
                    .or_else(|| object.get("unevaluatedProperties"));
                found.extend(rest.map(|value| self.child(*place, value)));
            }
        }
        found.truncate(MAX_PLACES);
        found
    }

    fn child(&self, place: Place<'a>, value: &'a Value) -> Place<'a> {
        self.sides[place.side].child(place, value)
    }
}

/// A schema with what its document defines, so that references within it lead somewhere.
fn alone(root: &Value, schema: &Value) -> Value {
    let (Value::Object(members), Value::Object(document)) = (schema, root) else {
        return schema.clone();
    };
    let mut alone = members.clone();
    for keyword in ["$schema", "$id", "id", "definitions", "$defs"] {
        if let Some(value) = document
            .get(keyword)
            .filter(|_| !alone.contains_key(keyword))
        {
            alone.insert(keyword.to_owned(), value.clone());
        }
    }
    Value::Object(alone)
}
