//! Objects: required properties, properties added and removed under an open, bounded or closed content model.

use super::change::Change;
use super::{Comparison, Object, is_anything, is_false, resolve};
use crate::schema_error::SchemaError;
use serde_json::Value;

/// What an object may hold beyond its declared properties.
enum Content<'a> {
    /// Anything.
    Open,
    /// What one schema allows.
    Bounded(&'a Value),
    /// Nothing.
    Closed,
    /// What keywords say that are not compared yet.
    Unknown,
}

impl<'a> Comparison<'a> {
    pub(super) fn objects(&mut self, old: &'a Object, new: &'a Object) -> Result<(), SchemaError> {
        self.required(old, new);
        for name in names(old).chain(names(new).filter(|name| property(old, name).is_none())) {
            let mark = self.enter("properties");
            self.enter(name);
            match (property(old, name), property(new, name)) {
                (Some(before), Some(after)) => {
                    self.schemas(before, after)?;
                }
                (Some(before), None) => self.removed(before, new)?,
                (None, Some(after)) => self.added(name, after, old, new)?,
                (None, None) => {}
            }
            self.path.truncate(mark);
        }
        self.additional(old, new)
    }

    fn required(&mut self, old: &'a Object, new: &'a Object) {
        let mark = self.enter("required");
        for name in required(old) {
            if !is_required(new, name) && property(new, name).is_some() {
                self.one_required(name, Change::RequiredAttributeRemoved);
            }
        }
        for name in required(new) {
            let declared = property(new, name);
            // A property that is new to `properties` is reported there. One that `properties` does not name at all
            // the reference overlooks; documents without it break all the same.
            let newly_declared = declared.is_some() && property(old, name).is_none();
            if !is_required(old, name) && !newly_declared {
                let change = match declared.is_some_and(|schema| self.has_default(schema)) {
                    true => Change::RequiredAttributeWithDefaultAdded,
                    false => Change::RequiredAttributeAdded,
                };
                self.one_required(name, change);
            }
        }
        self.path.truncate(mark);
    }

    fn one_required(&mut self, name: &str, change: Change) {
        let mark = self.enter(name);
        self.add(change, "");
        self.path.truncate(mark);
    }

    /// A property that the new schema no longer declares: its content model decides.
    fn removed(&mut self, before: &'a Value, new: &'a Object) -> Result<(), SchemaError> {
        let change = match content(new) {
            Content::Open => Change::PropertyRemovedFromOpen,
            Content::Bounded(schema) => match self.schemas(before, schema)? {
                true => Change::PropertyRemovedCovered,
                false => Change::PropertyRemovedNotCovered,
            },
            Content::Closed if is_false(resolve(self.old, before)) => {
                Change::PropertyWithFalseRemovedFromClosed
            }
            Content::Closed => Change::PropertyRemovedFromClosed,
            Content::Unknown => {
                self.unknown_content();
                return Ok(());
            }
        };
        self.add(change, "");
        Ok(())
    }

    /// A property that the old schema did not declare: what it allowed in its place decides.
    fn added(
        &mut self,
        name: &str,
        after: &'a Value,
        old: &'a Object,
        new: &'a Object,
    ) -> Result<(), SchemaError> {
        // Where the old schema required the name without declaring it, every document has it.
        let required = is_required(new, name) && !is_required(old, name);
        let default = self.has_default(after);
        match content(old) {
            Content::Open => {
                let anything = is_anything(resolve(self.new, after));
                self.add(added_to_open(anything, required, default), "");
                return Ok(());
            }
            Content::Bounded(schema) => {
                let change = match self.schemas(schema, after)? {
                    true => Change::PropertyAddedCovered,
                    false => Change::PropertyAddedNotCovered,
                };
                self.add(change, "");
            }
            Content::Closed => {}
            Content::Unknown => {
                self.unknown_content();
                return Ok(());
            }
        }
        self.add(
            match (required, default) {
                (true, true) => Change::RequiredPropertyWithDefaultAddedToUnopen,
                (true, false) => Change::RequiredPropertyAddedToUnopen,
                (false, _) => Change::OptionalPropertyAddedToUnopen,
            },
            "",
        );
        Ok(())
    }

    fn additional(&mut self, old: &'a Object, new: &'a Object) -> Result<(), SchemaError> {
        let mark = self.enter("additionalProperties");
        match (additional(old), additional(new)) {
            (Content::Closed, Content::Open | Content::Bounded(_)) => {
                self.add(Change::AdditionalPropertiesAdded, "");
            }
            (Content::Open | Content::Bounded(_), Content::Closed) => {
                self.add(Change::AdditionalPropertiesRemoved, "");
            }
            (Content::Open, Content::Bounded(_)) => {
                self.add(Change::AdditionalPropertiesNarrowed, "");
            }
            (Content::Bounded(_), Content::Open) => {
                self.add(Change::AdditionalPropertiesExtended, "");
            }
            (Content::Bounded(before), Content::Bounded(after)) => {
                self.schemas(before, after)?;
            }
            (Content::Open, Content::Open)
            | (Content::Closed, Content::Closed)
            | (Content::Unknown, _)
            | (_, Content::Unknown) => {}
        }
        self.path.truncate(mark);
        Ok(())
    }

    fn unknown_content(&mut self) {
        self.add(
            Change::KeywordNotCompared,
            " `patternProperties` or `unevaluatedProperties`",
        );
    }

    fn has_default(&self, schema: &Value) -> bool {
        let default = |schema: &Value| schema.get("default").is_some();
        default(schema) || default(resolve(self.new, schema))
    }
}

fn added_to_open(anything: bool, required: bool, default: bool) -> Change {
    match (required, default) {
        (true, false) => Change::RequiredPropertyAddedToOpen,
        _ if anything => Change::PropertyWithEmptySchemaAddedToOpen,
        (true, true) => Change::RequiredPropertyWithDefaultAddedToOpen,
        (false, _) => Change::PropertyAddedToOpen,
    }
}

fn content(schema: &Object) -> Content<'_> {
    let bounded = |keyword: &str| {
        schema.get(keyword).is_some_and(|value| {
            // `patternProperties` without a pattern, `unevaluatedProperties` that allows all.
            value != &Value::Bool(true) && value.as_object().is_none_or(|inner| !inner.is_empty())
        })
    };
    if bounded("patternProperties") || bounded("unevaluatedProperties") {
        return Content::Unknown;
    }
    additional(schema)
}

fn additional(schema: &Object) -> Content<'_> {
    match schema.get("additionalProperties") {
        None => Content::Open,
        Some(Value::Bool(false)) => Content::Closed,
        Some(value) if is_anything(value) => Content::Open,
        Some(value) => Content::Bounded(value),
    }
}

fn names(schema: &Object) -> impl Iterator<Item = &String> {
    schema
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(|all| all.keys())
}

fn property<'a>(schema: &'a Object, name: &str) -> Option<&'a Value> {
    schema.get("properties")?.get(name)
}

fn required(schema: &Object) -> impl Iterator<Item = &str> {
    let names = schema.get("required").and_then(Value::as_array);
    names.into_iter().flatten().filter_map(Value::as_str)
}

fn is_required(schema: &Object, name: &str) -> bool {
    required(schema).any(|required| required == name)
}
