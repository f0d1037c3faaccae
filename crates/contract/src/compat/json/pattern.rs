//! The content model of objects, and properties by pattern, which the reference uses to cover properties by name but
//! does not compare with each other.

use super::Comparison;
use super::change::Change;
use super::documents::Place;
use super::model::{Kind, Node};
use super::object::{Rest, names, property};
use crate::schema_error::SchemaError;
use serde_json::{Value, json};

/// Keywords that may evaluate properties and items besides those that name them.
const SIBLINGS: &[&str] = &[
    "$dynamicRef",
    "$recursiveRef",
    "$ref",
    "allOf",
    "anyOf",
    "contains",
    "dependentSchemas",
    "else",
    "if",
    "not",
    "oneOf",
    "then",
];

impl<'a> Comparison<'_, 'a> {
    pub(super) fn is_open(&mut self, node: &Node<'a>) -> bool {
        let patterns = node.get("patternProperties").and_then(Value::as_object);
        patterns.is_none_or(|all| all.is_empty()) && matches!(self.rest_as_told(node), Rest::Open)
    }

    /// The schema of what a name may hold that is not declared: its pattern's, or that of the rest.
    pub(super) fn partial(
        &mut self,
        node: &Node<'a>,
        name: &str,
    ) -> Result<Option<Place<'a>>, SchemaError> {
        for (pattern, schema) in patterns(node) {
            // Compiling a pattern is more work than comparing a pair.
            self.step(if self.patterns.contains_key(pattern) {
                1
            } else {
                20
            })?;
            if self.is_match(pattern, name) == Some(true) {
                return Ok(Some(self.child(node, schema)));
            }
        }
        Ok(match self.rest_as_told(node) {
            Rest::Bounded(schema) => Some(schema),
            Rest::Open | Rest::Closed => None,
        })
    }

    /// The rest as the reference has it.
    fn rest_as_told(&mut self, node: &Node<'a>) -> Rest<'a> {
        match node.get("additionalProperties") {
            Some(Value::Bool(false)) => Rest::Closed,
            Some(schema @ Value::Object(_)) => Rest::Bounded(self.child(node, schema)),
            _ => self.unevaluated_rest(node, "unevaluatedProperties"),
        }
    }

    /// The rest for certain: what siblings evaluate is not in `unevaluatedProperties`.
    pub(super) fn rest_of_object(&mut self, node: &Node<'a>) -> Rest<'a> {
        let siblings = has_siblings(node) && node.get("additionalProperties").is_none();
        if siblings {
            Rest::Open
        } else {
            self.rest_as_told(node)
        }
    }

    pub(super) fn unevaluated_rest(&mut self, node: &Node<'a>, keyword: &str) -> Rest<'a> {
        let Some(place) = self.unevaluated_of(node, keyword) else {
            return Rest::Open;
        };
        let node = self.node(place);
        if matches!(node.kind, Kind::Nothing) {
            Rest::Closed
        } else if matches!(node.kind, Kind::Anything) {
            Rest::Open
        } else {
            Rest::Bounded(place)
        }
    }

    fn unevaluated_of(&self, node: &Node<'a>, keyword: &str) -> Option<Place<'a>> {
        let modern = self.documents(node.place).draft == super::documents::Draft::Modern;
        node.get(keyword)
            .filter(|_| modern)
            .map(|value| self.child(node, value))
    }

    /// `unevaluatedProperties` or `unevaluatedItems`; `names` are of what was added, removed, extended, narrowed.
    pub(super) fn unevaluated(
        &mut self,
        keyword: &str,
        names: [Change; 4],
        old: &Node<'a>,
        new: &Node<'a>,
    ) -> Result<(), SchemaError> {
        let [added, removed, extended, narrowed] = names;
        let (before, after) = (
            self.unevaluated_of(old, keyword),
            self.unevaluated_of(new, keyword),
        );
        let mut kind = |place: Option<Place<'a>>| place.map(|place| self.node(place).kind.class());
        let (nothing, anything) = (Kind::Nothing.class(), Kind::Anything.class());
        let (is, was) = (kind(after), kind(before));
        let change = match (was, is) {
            (None, None) => return Ok(()),
            (was, Some(is)) if is == nothing && was != Some(nothing) => removed,
            (Some(was), is) if was == nothing && is != Some(nothing) => added,
            (None, Some(_)) => narrowed,
            (Some(_), None) => extended,
            (Some(was), Some(is)) if was == anything && is != anything => narrowed,
            (Some(was), Some(is)) if was != anything && is == anything => extended,
            (Some(_), Some(_)) => {
                return self.at(keyword, |comparison| comparison.optional(before, after));
            }
        };
        self.add_at(keyword, change)
    }

    /// What is unevaluated depends on every sibling; the reference does not look at them together. `grows` says
    /// whether the new schema names more, which the old one may have let siblings allow.
    pub(super) fn unevaluated_by_siblings(
        &mut self,
        (keyword, change): (&str, Change),
        grows: bool,
        old: &Node<'a>,
        new: &Node<'a>,
    ) -> Result<(), SchemaError> {
        let mut bounds =
            |node: &Node<'a>| !matches!(self.unevaluated_rest(node, keyword), Rest::Open);
        let (before, after) = (bounds(old), bounds(new));
        let siblings = has_siblings(old) || has_siblings(new);
        let matters = siblings && (after || (before && grows));
        match matters && !self.is_same_value(old.place.value, new.place.value) {
            true => self.add_at(keyword, change),
            false => Ok(()),
        }
    }

    pub(super) fn property_names(
        &mut self,
        old: &Node<'a>,
        new: &Node<'a>,
    ) -> Result<(), SchemaError> {
        let Some(after) = new
            .get("propertyNames")
            .filter(|_| self.documents(new.place).draft > super::documents::Draft::Four)
        else {
            return Ok(());
        };
        let after = self.child(new, after);
        let certain = match old.get("propertyNames") {
            _ if self.is_anything(after) => true,
            None => false,
            Some(before) => {
                let before = self.child(old, before);
                self.is_same_value(before.value, after.value) || self.covers(after, before)?
            }
        };
        match certain {
            true => Ok(()),
            false => self.add_at("propertyNames", Change::PropertyNamesNotCompared),
        }
    }

    /// Whether each name that a pattern or the rest of the new schema bounds was bounded as much by the old one.
    pub(super) fn patterns(&mut self, old: &Node<'a>, new: &Node<'a>) -> Result<(), SchemaError> {
        for (pattern, schema) in patterns(new) {
            let schema = self.child(new, schema);
            if !self.is_anything(schema) && !self.pattern(old, pattern, schema)? {
                self.at("patternProperties", |c| {
                    c.add_at(pattern, Change::PatternPropertiesNotCompared)
                })?;
            }
        }
        for (pattern, before) in patterns(old) {
            if new
                .get("patternProperties")
                .and_then(|all| all.get(pattern))
                .is_some()
            {
                continue;
            }
            let before = self.child(old, before);
            let certain = match self.rest_as_told(new) {
                Rest::Open => true,
                Rest::Bounded(after) => self.covers(after, before)?,
                Rest::Closed => matches!(self.node(before).kind, Kind::Nothing),
            };
            if !certain {
                self.at("patternProperties", |c| {
                    c.add_at(pattern, Change::PatternPropertiesNotCompared)
                })?;
            }
        }
        Ok(())
    }

    /// Whether whatever `old` allows at names that match `pattern` is allowed by `schema`.
    fn pattern(
        &mut self,
        old: &Node<'a>,
        pattern: &str,
        schema: Place<'a>,
    ) -> Result<bool, SchemaError> {
        if let Some(before) = old
            .get("patternProperties")
            .and_then(|all| all.get(pattern))
        {
            let before = self.child(old, before);
            if self.covers(schema, before)? {
                return Ok(true);
            }
        }
        let rest = match self.rest_of_object(old) {
            Rest::Open => return Ok(false),
            Rest::Bounded(rest) => self.covers(schema, rest)?,
            Rest::Closed => true,
        };
        if !rest {
            return Ok(false);
        }
        if !self.declared(old, pattern, schema)? {
            return Ok(false);
        }
        for (_, before) in patterns(old) {
            let before = self.child(old, before);
            if !self.covers(schema, before)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The same of the properties that `old` declares.
    fn declared(
        &mut self,
        old: &Node<'a>,
        pattern: &str,
        schema: Place<'a>,
    ) -> Result<bool, SchemaError> {
        for name in names(old) {
            self.step(1)?;
            if self.is_match(pattern, name) != Some(false) {
                let before = property(old, name).map(|value| self.child(old, value));
                if let Some(before) = before
                    && !self.covers(schema, before)?
                {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Whether a name has a part that the pattern matches; `None` where the pattern is none.
    fn is_match(&mut self, pattern: &str, name: &str) -> Option<bool> {
        let compiled = self.patterns.entry(pattern.to_owned()).or_insert_with(|| {
            jsonschema::options()
                .build(&json!({ "pattern": pattern }))
                .ok()
        });
        compiled
            .as_ref()
            .map(|compiled| compiled.is_valid(&json!(name)))
    }
}

fn has_siblings(node: &Node<'_>) -> bool {
    node.object()
        .is_some_and(|object| SIBLINGS.iter().any(|keyword| object.contains_key(*keyword)))
}

fn patterns<'a>(node: &Node<'a>) -> impl Iterator<Item = (&'a str, &'a Value)> {
    let all = node.get("patternProperties").and_then(Value::as_object);
    all.into_iter()
        .flatten()
        .map(|(pattern, schema)| (pattern.as_str(), schema))
}
