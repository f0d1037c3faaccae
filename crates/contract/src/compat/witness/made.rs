//! The values themselves: at the bounds that schemas set and beside them.

use super::super::json::documents::{Object, Place};
use super::text;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// A schema that speaks about a place, and its members.
pub(super) type Spoken<'a> = (Place<'a>, &'a Object);

/// Longest string or list that is made to pass a bound.
const MAX_LENGTH: usize = 2_000;
/// Most names of one object.
const MAX_NAMES: usize = 40;

/// Lists by position, and with what may follow.
pub(super) fn tuples(tuple: &[Vec<Value>], items: &[Value]) -> Vec<Value> {
    let mut found = vec![json!([])];
    let firsts = tuple.iter().filter_map(|values| values.first().cloned());
    let base: Vec<Value> = firsts.collect();
    for (index, values) in tuple.iter().enumerate() {
        for value in values {
            let mut list: Vec<Value> = base.iter().take(index).cloned().collect();
            list.push(value.clone());
            found.push(list.clone().into());
            list.extend(base.iter().skip(index + 1).cloned());
            found.push(list.into());
        }
    }
    for item in items {
        found.push(base.iter().chain([item]).cloned().collect());
        found.push(base.iter().chain([item, item]).cloned().collect());
        found.extend(items.iter().take(4).map(|other| json!([item, other])));
    }
    found
}

/// Lists as long as bounds have it.
pub(super) fn of_length(objects: &[Spoken<'_>], items: &[Value]) -> Vec<Value> {
    let mut found = Vec::new();
    let keywords = ["minItems", "maxItems", "minContains", "maxContains"];
    for length in bounds(objects, &keywords) {
        let same = items.iter().take(3);
        found.extend(same.map(|item| Value::Array(vec![item.clone(); length])));
        found.push((0..length).map(|number| json!(number)).collect());
        let own = |index: usize| items.get(index % items.len().max(1)).cloned();
        found.push(
            (0..length)
                .map(|index| own(index).unwrap_or_default())
                .collect(),
        );
    }
    found
}

/// Objects with members of given values: all, those that must be there, one more or less, two.
pub(super) fn members(objects: &[Spoken<'_>], values: &[(String, Vec<Value>)]) -> Vec<Value> {
    let required = required(objects);
    let first =
        |(name, values): &(String, Vec<Value>)| Some((name.clone(), values.first()?.clone()));
    let full: Object = values.iter().filter_map(first).collect();
    let needed = values
        .iter()
        .filter(|(name, _)| required.contains(name.as_str()));
    let base: Object = needed.filter_map(first).collect();
    let mut found = vec![json!({}), base.clone().into(), full.clone().into()];
    for (name, values) in values {
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
    found.extend(pairs(values));
    for count in bounds(objects, &["minProperties", "maxProperties"]) {
        let more = (0..count).map(|number| (format!("p{number}"), json!(number)));
        let all = base.clone().into_iter().chain(more);
        found.push(all.take(count).collect::<Object>().into());
        let own = full.clone().into_iter().take(count);
        found.push(own.collect::<Object>().into());
    }
    found
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

pub(super) const LISTS: &[&str] = &[
    "items",
    "prefixItems",
    "additionalItems",
    "contains",
    "minItems",
    "maxItems",
    "uniqueItems",
    "unevaluatedItems",
];
pub(super) const OBJECTS: &[&str] = &[
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
pub(super) fn mentions(objects: &[Spoken<'_>], ty: &str, keywords: &[&str]) -> bool {
    objects.iter().any(|(_, object)| {
        let named = match object.get("type") {
            Some(Value::Array(names)) => names.iter().any(|name| name == ty),
            Some(name) => name == ty,
            None => false,
        };
        named || keywords.iter().any(|keyword| object.contains_key(*keyword))
    })
}

fn required<'a>(objects: &[Spoken<'a>]) -> BTreeSet<&'a str> {
    let lists = objects.iter().filter(|(place, _)| place.side == 0);
    let lists = lists.filter_map(|(_, object)| object.get("required")?.as_array());
    lists.flatten().filter_map(Value::as_str).collect()
}

/// Names that some schema knows, and some that none does.
pub(super) fn names(objects: &[Spoken<'_>]) -> Vec<String> {
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
        let lists = ["dependencies", "dependentRequired"].into_iter();
        let lists = lists.filter_map(|keyword| object.get(keyword)?.as_object());
        let lists = lists.flat_map(Map::values).chain(object.get("required"));
        names.extend(strings(lists));
        let patterns = object.get("patternProperties").and_then(Value::as_object);
        let patterns = patterns.into_iter().flat_map(Map::keys);
        names.extend(patterns.filter_map(|pattern| text::of_pattern(pattern)));
    }
    names.extend(names_by_rule(objects));
    names.extend(["x", "zz", "A-long_name.0"].map(str::to_owned));
    let mut seen = BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names.truncate(MAX_NAMES);
    names
}

/// Names that `propertyNames` speaks of.
fn names_by_rule(objects: &[Spoken<'_>]) -> Vec<String> {
    let rules = objects.iter();
    let rules = rules
        .filter_map(|(place, object)| Some((*place, object.get("propertyNames")?.as_object()?)));
    let rules: Vec<Spoken<'_>> = rules.collect();
    let lengths = bounds(&rules, &["minLength", "maxLength"]).into_iter();
    let mut names: Vec<String> = lengths.map(|length| "a".repeat(length)).collect();
    for (_, rule) in rules {
        let pattern = rule.get("pattern").and_then(Value::as_str);
        names.extend(pattern.and_then(text::of_pattern));
        names.extend(strings(rule.get("enum").into_iter()));
        names.extend(strings(rule.get("const").into_iter()));
    }
    names
}

/// The strings in several lists, or that stand there themselves.
fn strings<'a>(lists: impl Iterator<Item = &'a Value>) -> Vec<String> {
    let all = lists.flat_map(|value| match value.as_array() {
        Some(list) => list.iter().collect(),
        None => vec![value],
    });
    all.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Sizes at and beside the bounds that schemas set.
fn bounds(objects: &[Spoken<'_>], keywords: &[&str]) -> Vec<usize> {
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

pub(super) fn scalars(objects: &[Spoken<'_>]) -> Vec<Value> {
    let mut found = Vec::new();
    for (_, object) in objects {
        found.extend(object.get("const").cloned());
        for keyword in ["enum", "examples"] {
            let listed = object.get(keyword).and_then(Value::as_array);
            found.extend(listed.into_iter().flatten().cloned());
        }
        found.extend(object.get("default").cloned());
        found.extend(numbers(object));
        let text = |keyword: &str| object.get(keyword).and_then(Value::as_str);
        found.extend(text("format").and_then(text::of_format).map(Value::from));
        found.extend(text("pattern").and_then(text::of_pattern).map(Value::from));
    }
    for length in bounds(objects, &["minLength", "maxLength"]) {
        found.push("a".repeat(length).into());
    }
    let texts = ["x", "", "Ab 1-_é", "a", "eyJhIjoxfQ=="];
    let others = [
        json!(1),
        json!(null),
        json!(true),
        json!(1.5),
        json!(0),
        json!(-1),
        json!(100),
        json!(2),
    ];
    found.extend(texts.into_iter().map(Value::from));
    found.extend(others);
    found.push(json!(false));
    found
}

/// Numbers at and beside the bounds of one schema.
fn numbers(object: &Object) -> Vec<Value> {
    let mut found = Vec::new();
    let keywords = [
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
    ];
    for number in keywords
        .into_iter()
        .filter_map(|keyword| object.get(keyword))
    {
        if let Some(value) = number.as_f64() {
            found.push(number.clone());
            found.extend([-1.0, -0.5, 0.5, 1.0, value].map(|step| plain(value + step)));
        }
    }
    found
}

/// A whole number without a fraction, as people write it.
fn plain(number: f64) -> Value {
    let whole = format!("{number}").parse::<i64>();
    whole.map_or_else(|_| json!(number), Value::from)
}
