//! Documents worth trying: made of what both schemas say about a place, those that the writer takes and the reader
//! refuses there first.

use super::super::json::documents::{Documents, Object, Place, Target, Texts, references};
use super::{text, validator};
use jsonschema::Validator;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// How deep documents nest.
const MAX_DEPTH: usize = 5;
/// Values kept for one place within a document, and for the document itself.
const KEPT: usize = 12;
const KEPT_AT_ROOT: usize = 2_000;
/// Most values that are made in all.
const MAX_MADE: usize = 60_000;
/// Most schemas about one place, and most of those that are compiled in all.
const MAX_PLACES: usize = 40;
const MAX_COMPILED: usize = 400;
/// Longest string or list that is made to pass a bound.
const MAX_LENGTH: usize = 2_000;

pub(super) struct Candidates<'d, 'a> {
    texts: &'a [Texts; 2],
    sides: &'d [Documents<'a>; 2],
    compiled: BTreeMap<usize, Option<Validator>>,
    /// Values made so far.
    made: usize,
}

impl<'d, 'a> Candidates<'d, 'a> {
    pub(super) fn new(texts: &'a [Texts; 2], sides: &'d [Documents<'a>; 2]) -> Self {
        Self {
            texts,
            sides,
            compiled: BTreeMap::new(),
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
        let objects: Vec<(Place<'a>, &'a Object)> = hints
            .iter()
            .filter_map(|hint| Some((*hint, hint.object()?)))
            .collect();
        let mut values = scalars(&objects);
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
                own.fold(true, |all, schema| all && this.accepts(*schema, &value))
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
            if self.compiled.len() >= MAX_COMPILED {
                return true;
            }
            let texts = &self.texts[schema.side];
            let compiled = validator(texts, &alone(&texts.root, schema.value));
            self.compiled.insert(schema.address(), compiled);
        }
        let compiled = self
            .compiled
            .get(&schema.address())
            .and_then(Option::as_ref);
        compiled.is_none_or(|compiled| compiled.is_valid(value))
    }

    fn lists(&mut self, objects: &[(Place<'a>, &'a Object)], depth: usize) -> Vec<Value> {
        if !mentions(objects, "array", LISTS) {
            return vec![json!([])];
        }
        let mut every = Vec::new();
        let mut by_position: Vec<Vec<Place<'a>>> = Vec::new();
        for (place, object) in objects {
            for keyword in ["items", "additionalItems", "contains", "unevaluatedItems"] {
                every.extend(
                    object
                        .get(keyword)
                        .filter(|value| !value.is_array())
                        .map(|value| self.child(*place, value)),
                );
            }
            for list in ["items", "prefixItems"]
                .iter()
                .filter_map(|keyword| object.get(*keyword)?.as_array())
            {
                by_position.resize(by_position.len().max(list.len()), Vec::new());
                for (index, value) in list.iter().enumerate() {
                    by_position[index].push(self.child(*place, value));
                }
            }
        }
        let items = self.of(&every, depth + 1);
        let tuple: Vec<Vec<Value>> = by_position
            .iter()
            .map(|schemas| self.of(schemas, depth + 1))
            .collect();
        let mut found = vec![json!([])];
        let base: Vec<Value> = tuple
            .iter()
            .filter_map(|values| values.first().cloned())
            .collect();
        for (index, values) in tuple.iter().enumerate() {
            for value in values {
                let mut list: Vec<Value> = base.iter().take(index).cloned().collect();
                list.push(value.clone());
                found.push(list.clone().into());
                list.extend(base.iter().skip(index + 1).cloned());
                found.push(list.into());
            }
        }
        for item in &items {
            found.push(base.iter().chain([item]).cloned().collect());
            found.push(base.iter().chain([item, item]).cloned().collect());
            found.extend(items.iter().take(4).map(|other| json!([item, other])));
        }
        for length in bounds(
            objects,
            &["minItems", "maxItems", "minContains", "maxContains"],
        ) {
            found.extend(
                items
                    .iter()
                    .take(3)
                    .map(|item| Value::Array(vec![item.clone(); length])),
            );
            found.push((0..length).map(|number| json!(number)).collect());
            found.push(
                (0..length)
                    .map(|index| {
                        items
                            .get(index % items.len().max(1))
                            .cloned()
                            .unwrap_or_default()
                    })
                    .collect(),
            );
        }
        found
    }

    fn objects(&mut self, objects: &[(Place<'a>, &'a Object)], depth: usize) -> Vec<Value> {
        if !mentions(objects, "object", OBJECTS) {
            return vec![json!({})];
        }
        let names = names(objects);
        let mut values: Vec<(String, Vec<Value>)> = Vec::new();
        for name in names {
            let schemas = self.about(objects, &name);
            let of_name = self.of(&schemas, depth + 1);
            values.push((name, of_name));
        }
        let required: BTreeSet<&str> = required(objects);
        let base: Object = values
            .iter()
            .filter(|(name, _)| required.contains(name.as_str()))
            .filter_map(|(name, values)| Some((name.clone(), values.first()?.clone())))
            .collect();
        let full: Object = values
            .iter()
            .filter_map(|(name, values)| Some((name.clone(), values.first()?.clone())))
            .collect();
        let mut found = vec![json!({}), base.clone().into(), full.clone().into()];
        for (name, values) in &values {
            for around in [&base, &full] {
                let mut without = (*around).clone();
                without.shift_remove(name);
                found.push(without.into());
                for value in values {
                    let mut with = (*around).clone();
                    with.insert(name.clone(), value.clone());
                    found.push(with.into());
                }
            }
            found.extend(values.iter().map(|value| json!({ name.as_str(): value })));
        }
        found.extend(pairs(&values));
        for count in bounds(objects, &["minProperties", "maxProperties"]) {
            let more = (0..count).map(|number| (format!("p{number}"), json!(number)));
            found.push(
                more.chain(base.clone())
                    .take(count)
                    .collect::<Object>()
                    .into(),
            );
            let own = full.clone().into_iter().take(count).collect::<Object>();
            found.push(own.into());
        }
        found
    }

    /// The schemas about a property.
    fn about(&mut self, objects: &[(Place<'a>, &'a Object)], name: &str) -> Vec<Place<'a>> {
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

/// Objects of two members, each of the first values.
fn pairs(values: &[(String, Vec<Value>)]) -> Vec<Value> {
    let mut found = Vec::new();
    for (index, (one, of_one)) in values.iter().enumerate().take(8) {
        for (other, of_other) in values.iter().skip(index + 1).take(8) {
            for first in of_one.iter().take(6) {
                let of_other = of_other.iter().take(6);
                found.extend(
                    of_other.map(|second| json!({ one.as_str(): first, other.as_str(): second })),
                );
            }
        }
    }
    found
}

const LISTS: &[&str] = &[
    "items",
    "prefixItems",
    "additionalItems",
    "contains",
    "minItems",
    "maxItems",
    "uniqueItems",
    "unevaluatedItems",
];
const OBJECTS: &[&str] = &[
    "properties",
    "required",
    "additionalProperties",
    "patternProperties",
    "propertyNames",
    "minProperties",
    "maxProperties",
    "dependencies",
    "dependentRequired",
    "dependentSchemas",
    "unevaluatedProperties",
];

/// Whether a schema speaks of a type, by name or by one of its keywords.
fn mentions(objects: &[(Place<'_>, &Object)], ty: &str, keywords: &[&str]) -> bool {
    objects.iter().any(|(_, object)| {
        let named = match object.get("type") {
            Some(Value::Array(names)) => names.iter().any(|name| name == ty),
            Some(name) => name == ty,
            None => false,
        };
        named || keywords.iter().any(|keyword| object.contains_key(*keyword))
    })
}

fn required<'a>(objects: &[(Place<'a>, &'a Object)]) -> BTreeSet<&'a str> {
    let lists = objects.iter().filter(|(place, _)| place.side == 0);
    let lists = lists.filter_map(|(_, object)| object.get("required")?.as_array());
    lists.flatten().filter_map(Value::as_str).collect()
}

/// Names that some schema knows, and some that none does.
fn names(objects: &[(Place<'_>, &Object)]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for (_, object) in objects {
        for keyword in [
            "properties",
            "dependencies",
            "dependentRequired",
            "dependentSchemas",
        ] {
            let own = object.get(keyword).and_then(Value::as_object);
            names.extend(own.into_iter().flat_map(Map::keys).cloned());
        }
        let lists = ["dependencies", "dependentRequired"].iter();
        let lists = lists
            .filter_map(|keyword| object.get(*keyword)?.as_object())
            .flat_map(Map::values);
        let lists = lists
            .chain(object.get("required"))
            .filter_map(Value::as_array)
            .flatten();
        names.extend(lists.filter_map(Value::as_str).map(str::to_owned));
        let patterns = object.get("patternProperties").and_then(Value::as_object);
        names.extend(
            patterns
                .into_iter()
                .flat_map(Map::keys)
                .filter_map(|pattern| text::of_pattern(pattern)),
        );
        let of_names = object
            .get("propertyNames")
            .and_then(|schema| schema.get("pattern"));
        names.extend(of_names.and_then(Value::as_str).and_then(text::of_pattern));
        let listed = object
            .get("propertyNames")
            .and_then(|schema| schema.get("enum")?.as_array());
        names.extend(
            listed
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .map(str::to_owned),
        );
    }
    let of_names = objects
        .iter()
        .filter_map(|(place, object)| Some((*place, object.get("propertyNames")?.as_object()?)));
    let of_names: Vec<_> = of_names.collect();
    names.extend(
        bounds(&of_names, &["minLength", "maxLength"])
            .into_iter()
            .map(|length| "a".repeat(length)),
    );
    names.extend(["x".to_owned(), "zz".to_owned(), "A-long_name.0".to_owned()]);
    let mut seen = BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names.truncate(MAX_PLACES);
    names
}

/// Sizes at and beside the bounds that schemas set.
fn bounds(objects: &[(Place<'_>, &Object)], keywords: &[&str]) -> Vec<usize> {
    let all = objects.iter().flat_map(|(_, object)| {
        keywords
            .iter()
            .filter_map(|keyword| object.get(*keyword)?.as_u64())
    });
    let all = all
        .filter_map(|bound| usize::try_from(bound).ok())
        .filter(|bound| *bound < MAX_LENGTH);
    let sizes: BTreeSet<usize> = all
        .flat_map(|bound| [bound.saturating_sub(1), bound, bound + 1])
        .collect();
    sizes.into_iter().collect()
}

fn scalars(objects: &[(Place<'_>, &Object)]) -> Vec<Value> {
    let mut found = Vec::new();
    for (_, object) in objects {
        found.extend(object.get("const").cloned());
        for keyword in ["enum", "examples"] {
            found.extend(
                object
                    .get(keyword)
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten()
                    .cloned(),
            );
        }
        found.extend(object.get("default").cloned());
        for keyword in [
            "minimum",
            "maximum",
            "exclusiveMinimum",
            "exclusiveMaximum",
            "multipleOf",
        ] {
            if let Some(number) = object.get(keyword).filter(|value| value.is_number()) {
                found.push(number.clone());
                let beside =
                    [-1.0, -0.5, 0.5, 1.0].map(|step| number.as_f64().map(|number| number + step));
                found.extend(beside.into_iter().flatten().map(plain));
                found.extend(number.as_f64().map(|number| plain(number * 2.0)));
            }
        }
        found.extend(
            object
                .get("format")
                .and_then(Value::as_str)
                .and_then(text::of_format)
                .map(Value::from),
        );
        found.extend(
            object
                .get("pattern")
                .and_then(Value::as_str)
                .and_then(text::of_pattern)
                .map(Value::from),
        );
    }
    for length in bounds(objects, &["minLength", "maxLength"]) {
        found.push("a".repeat(length).into());
    }
    found.extend([
        json!("x"),
        json!(""),
        json!(1),
        json!(null),
        json!(true),
        json!(1.5),
        json!(0),
        json!(-1),
        json!("Ab 1-_é"),
        json!(100),
        json!("a"),
        json!("eyJhIjoxfQ=="),
        json!(false),
        json!(2),
    ]);
    found
}

/// A whole number without a fraction, as people write it.
fn plain(number: f64) -> Value {
    let whole = format!("{number}").parse::<i64>();
    whole.map_or_else(|_| json!(number), Value::from)
}
