//! Objects: required properties, properties added and removed under an open, partly open or closed content model.

use super::Comparison;
use super::change::Change;
use super::documents::{Draft, Object, Place};
use super::model::{Kind, Node};
use super::scalar::{MAX_PROPERTIES, MIN_PROPERTIES, is_subset};
use crate::schema_error::SchemaError;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// What an object, or a list, may hold beyond what its schema declares.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rest<'a> {
    Open,
    /// What one schema allows.
    Bounded(Place<'a>),
    Closed,
}

impl<'a> Comparison<'_, 'a> {
    pub(super) fn objects(&mut self, old: &Node<'a>, new: &Node<'a>) -> Result<(), SchemaError> {
        self.at("required", |comparison| comparison.required(old, new))?;
        self.at("properties", |comparison| comparison.properties(old, new))?;
        self.at("dependencies", |comparison| {
            comparison.dependencies(old, new)
        })?;
        self.additional_properties(old, new)?;
        self.unevaluated_properties(old, new)?;
        self.bound(&MAX_PROPERTIES, old, new)?;
        self.bound(&MIN_PROPERTIES, old, new)?;
        self.property_names(old, new)?;
        self.patterns(old, new)
    }

    fn required(&mut self, old: &Node<'a>, new: &Node<'a>) -> Result<(), SchemaError> {
        let (needed_before, needed) = (self.required_of(old), self.required_of(new));
        for name in needed_before.iter() {
            let declared = property(old, name).is_some() && property(new, name).is_some();
            if declared && !needed.contains(name) {
                self.add_at(name, Change::RequiredAttributeRemoved)?;
            }
        }
        for name in needed.iter() {
            if needed_before.contains(name) {
                continue;
            }
            let change = match (property(old, name), property(new, name)) {
                (Some(_), Some(schema)) if schema.get("default").is_some() => {
                    self.add_at(name, Change::RequiredAttributeWithDefaultAdded)?;
                    // Clients of the reference fill in the default; a validator does not.
                    Change::DefaultNotCompared
                }
                (Some(_), Some(_)) => Change::RequiredAttributeAdded,
                // Told where the property is added.
                (None, Some(_)) => continue,
                (_, None) => Change::RequiredNotCompared,
            };
            self.add_at(name, change)?;
        }
        Ok(())
    }

    fn properties(&mut self, old: &Node<'a>, new: &Node<'a>) -> Result<(), SchemaError> {
        let added = names(new).filter(|name| property(old, name).is_none());
        for name in names(old).chain(added) {
            let (before, after) = (property(old, name), property(new, name));
            let before = before.map(|value| self.child(old, value));
            let after = after.map(|value| self.child(new, value));
            self.at(name, |comparison| match (before, after) {
                (Some(before), Some(after)) => comparison.places(before, after),
                (Some(before), None) => comparison.removed(name, before, new),
                (None, Some(after)) => comparison.added(name, after, old, new),
                (None, None) => Ok(()),
            })?;
        }
        Ok(())
    }

    /// A property that the new schema no longer declares: its content model decides.
    fn removed(
        &mut self,
        name: &str,
        before: Place<'a>,
        new: &Node<'a>,
    ) -> Result<(), SchemaError> {
        if self.is_open(new) {
            return self.add(Change::PropertyRemovedFromOpenContentModel);
        }
        let Some(schema) = self.partial(new, name)? else {
            let never = matches!(self.node(before).kind, Kind::Nothing);
            return self.add(match never {
                true => Change::PropertyWithFalseRemovedFromClosedContentModel,
                false => Change::PropertyRemovedFromClosedContentModel,
            });
        };
        let compatible = self.within(before, schema)?;
        self.add(match compatible {
            true => Change::PropertyRemovedIsCoveredByPartiallyOpenContentModel,
            false => Change::PropertyRemovedNotCoveredByPartiallyOpenContentModel,
        })
    }

    /// A property that the old schema did not declare: what it allowed in its place decides.
    fn added(
        &mut self,
        name: &str,
        after: Place<'a>,
        old: &Node<'a>,
        new: &Node<'a>,
    ) -> Result<(), SchemaError> {
        let required = self.required_of(new).contains(name);
        let default = after.value.get("default").is_some();
        if required && default && !self.required_of(old).contains(name) {
            self.add(Change::DefaultNotCompared)?;
        }
        if self.is_open(old) {
            let anything = matches!(self.node(after).kind, Kind::Anything);
            let change = added_to_open(anything, required, default);
            self.add(change)?;
            if change == Change::PropertyWithEmptySchemaAddedToOpenContentModel {
                self.hidden(after)?;
            }
            return Ok(());
        }
        if let Some(schema) = self.partial(old, name)? {
            let compatible = self.within(schema, after)?;
            self.add(match compatible {
                true => Change::PropertyAddedIsCoveredByPartiallyOpenContentModel,
                false => Change::PropertyAddedNotCoveredByPartiallyOpenContentModel,
            })?;
        } else if matches!(self.rest_of_object(old), Rest::Open) && !self.is_anything(after) {
            // Any name that no pattern matches was free; the reference takes the object for closed.
            self.add(Change::PatternPropertiesNotCompared)?;
        }
        self.add(match (required, default) {
            (true, true) => Change::RequiredPropertyWithDefaultAddedToUnopenContentModel,
            (true, false) => Change::RequiredPropertyAddedToUnopenContentModel,
            (false, _) => Change::OptionalPropertyAddedToUnopenContentModel,
        })
    }

    /// Compare, note what there is, and say whether it is compatible.
    pub(super) fn within(&mut self, old: Place<'a>, new: Place<'a>) -> Result<bool, SchemaError> {
        let (old, new) = (self.node(old), self.node(new));
        let outcome = self.trial(&old, &new)?;
        self.absorb(&outcome)?;
        Ok(self.is_compatible(&outcome))
    }

    fn additional_properties(&mut self, old: &Node<'a>, new: &Node<'a>) -> Result<(), SchemaError> {
        let of = |node: &Node<'a>| node.get("additionalProperties");
        let schema = |node: &Node<'a>| of(node).filter(|value| value.is_object());
        let permits = |node: &Node<'a>| of(node) != Some(&Value::Bool(false));
        let (before, after) = (schema(old), schema(new));
        self.at("additionalProperties", |comparison| {
            match (permits(old), permits(new)) {
                (false, true) => comparison.add(Change::AdditionalPropertiesAdded),
                (true, false) => comparison.add(Change::AdditionalPropertiesRemoved),
                _ => match (before, after) {
                    (None, Some(_)) => comparison.add(Change::AdditionalPropertiesNarrowed),
                    (Some(_), None) => comparison.add(Change::AdditionalPropertiesExtended),
                    (Some(before), Some(after)) => {
                        let (before, after) =
                            (comparison.child(old, before), comparison.child(new, after));
                        comparison.places(before, after)
                    }
                    (None, None) => Ok(()),
                },
            }
        })
    }

    fn unevaluated_properties(
        &mut self,
        old: &Node<'a>,
        new: &Node<'a>,
    ) -> Result<(), SchemaError> {
        let names = [
            Change::UnevaluatedPropertiesAdded,
            Change::UnevaluatedPropertiesRemoved,
            Change::UnevaluatedPropertiesExtended,
            Change::UnevaluatedPropertiesNarrowed,
        ];
        self.unevaluated("unevaluatedProperties", names, old, new)?;
        let declares = |node: &Node<'a>| -> BTreeSet<&'a String> {
            let patterns = node.get("patternProperties").and_then(Value::as_object);
            names_of(node)
                .chain(patterns.into_iter().flat_map(|all| all.keys()))
                .collect()
        };
        let grows = !declares(new).is_subset(&declares(old));
        self.unevaluated_by_siblings(
            (
                "unevaluatedProperties",
                Change::UnevaluatedPropertiesNotCompared,
            ),
            grows,
            old,
            new,
        )
    }

    fn dependencies(&mut self, old: &Node<'a>, new: &Node<'a>) -> Result<(), SchemaError> {
        let ([lists_before, before], [lists_after, after]) =
            (self.dependent(old), self.dependent(new));
        for name in lists_before
            .keys()
            .chain(lists_after.keys())
            .collect::<BTreeSet<_>>()
        {
            let (before, after) = (lists_before.get(name), lists_after.get(name));
            if let Some(change) = dependency(list(before), list(after)) {
                self.add_at(name, change)?;
            }
        }
        for name in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
            match (before.get(name), after.get(name)) {
                (None, None) => {}
                (Some(_), None) => self.add_at(name, Change::DependencySchemaRemoved)?,
                (None, Some(_)) => self.add_at(name, Change::DependencySchemaAdded)?,
                (Some(before), Some(after)) => {
                    let (before, after) = (self.child(old, before), self.child(new, after));
                    self.at(name, |comparison| comparison.places(before, after))?;
                }
            }
        }
        Ok(())
    }

    /// Names on which others depend, and on which a schema does.
    fn dependent(&self, node: &Node<'a>) -> [Members<'a>; 2] {
        let keywords: &[&str] = match self.documents(node.place).draft {
            Draft::Modern => &["dependentRequired", "dependentSchemas"],
            Draft::Four | Draft::Six | Draft::Seven => &["dependencies"],
        };
        let maps = keywords
            .iter()
            .filter_map(|keyword| node.get(keyword)?.as_object());
        let all = maps.flatten().map(|(name, value)| (name.as_str(), value));
        let (lists, schemas): (Members<'a>, Members<'a>) =
            all.partition(|(_, value)| value.is_array());
        let some =
            |(_, value): &(&str, &Value)| value.as_array().is_some_and(|names| !names.is_empty());
        [lists.into_iter().filter(some).collect(), schemas]
    }

    /// The names that a schema requires.
    fn required_of(&mut self, node: &Node<'a>) -> Rc<BTreeSet<&'a str>> {
        let known = self.required.entry(node.place.address());
        Rc::clone(known.or_insert_with(|| Rc::new(required(node).collect())))
    }
}

/// Members of an object by name.
type Members<'a> = BTreeMap<&'a str, &'a Value>;

fn list<'a>(value: Option<&&'a Value>) -> Option<&'a Vec<Value>> {
    value.and_then(|value| value.as_array())
}

fn dependency(old: Option<&Vec<Value>>, new: Option<&Vec<Value>>) -> Option<Change> {
    let (old, new) = match (old, new) {
        (None, None) => return None,
        (Some(_), None) => return Some(Change::DependencyArrayRemoved),
        (None, Some(_)) => return Some(Change::DependencyArrayAdded),
        (Some(old), Some(new)) => (old, new),
    };
    match (is_subset(old, new), is_subset(new, old)) {
        (true, true) => None,
        (true, false) => Some(Change::DependencyArrayExtended),
        (false, true) => Some(Change::DependencyArrayNarrowed),
        (false, false) => Some(Change::DependencyArrayChanged),
    }
}

fn added_to_open(anything: bool, required: bool, default: bool) -> Change {
    match (required, default) {
        (true, false) => Change::RequiredPropertyAddedToOpenContentModel,
        _ if anything => Change::PropertyWithEmptySchemaAddedToOpenContentModel,
        (true, true) => Change::RequiredPropertyWithDefaultAddedToOpenContentModel,
        (false, _) => Change::PropertyAddedToOpenContentModel,
    }
}

fn names_of<'a>(node: &Node<'a>) -> impl Iterator<Item = &'a String> {
    let properties = node.get("properties").and_then(Value::as_object);
    properties.into_iter().flat_map(Object::keys)
}

pub(super) fn names<'a>(node: &Node<'a>) -> impl Iterator<Item = &'a str> {
    names_of(node).map(String::as_str)
}

pub(super) fn property<'a>(node: &Node<'a>, name: &str) -> Option<&'a Value> {
    node.get("properties")?.get(name)
}

pub(super) fn required<'a>(node: &Node<'a>) -> impl Iterator<Item = &'a str> {
    let names = node.get("required").and_then(Value::as_array);
    names.into_iter().flatten().filter_map(Value::as_str)
}
