//! Lists: one schema for all items, schemas by position, and what may follow those.

use super::Comparison;
use super::change::Change;
use super::documents::{Draft, Place};
use super::model::{Kind, Node};
use super::object::Rest;
use super::scalar::{MAX_CONTAINS, MAX_ITEMS, MIN_CONTAINS, MIN_ITEMS, number};
use crate::schema_error::SchemaError;
use serde_json::Value;

impl<'a> Comparison<'_, 'a> {
    pub(super) fn arrays(&mut self, old: &Node<'a>, new: &Node<'a>) -> Result<(), SchemaError> {
        let (before, after) = (self.all_items(old), self.all_items(new));
        self.at("items", |comparison| comparison.optional(before, after))?;
        self.positions(old, new)?;
        self.additional_items(old, new)?;
        self.unevaluated_items(old, new)?;
        self.bound(&MAX_ITEMS, old, new)?;
        self.bound(&MIN_ITEMS, old, new)?;
        let unique = |node: &Node<'a>| node.get("uniqueItems") == Some(&Value::Bool(true));
        match (unique(old), unique(new)) {
            (true, false) => self.add_at("uniqueItems", Change::UniqueItemsRemoved)?,
            (false, true) => self.add_at("uniqueItems", Change::UniqueItemsAdded)?,
            (true, true) | (false, false) => {}
        }
        self.contains(old, new)
    }

    fn is_modern(&self, node: &Node<'a>) -> bool {
        self.documents(node.place).draft == Draft::Modern
    }

    fn list(&self, node: &Node<'a>) -> Option<&'a Vec<Value>> {
        let prefix = node.get("prefixItems").filter(|_| self.is_modern(node));
        prefix.or_else(|| node.get("items"))?.as_array()
    }

    /// Schemas by position.
    fn tuple(&self, node: &Node<'a>) -> Vec<Place<'a>> {
        let list = self.list(node).into_iter().flatten();
        list.map(|value| self.child(node, value)).collect()
    }

    /// The one schema of all items.
    fn all_items(&self, node: &Node<'a>) -> Option<Place<'a>> {
        let items = node.get("items").filter(|items| !items.is_array())?;
        let told_elsewhere =
            self.is_modern(node) && (items.is_boolean() || self.list(node).is_some());
        (!told_elsewhere).then(|| self.child(node, items))
    }

    /// What may follow, by `additionalItems` or what has its meaning.
    fn following(&self, node: &Node<'a>) -> Rest<'a> {
        let value = match node.get("items") {
            Some(items) if self.is_modern(node) && !items.is_array() => {
                Some(items).filter(|items| items.is_boolean() || self.list(node).is_some())
            }
            _ => node
                .get("additionalItems")
                .filter(|_| !self.is_modern(node) || self.list(node).is_some()),
        };
        match value {
            Some(Value::Bool(false)) => Rest::Closed,
            Some(schema @ Value::Object(_)) => Rest::Bounded(self.child(node, schema)),
            _ => Rest::Open,
        }
    }

    /// What may follow, by `unevaluatedItems` too.
    fn rest_of_list(&mut self, node: &Node<'a>) -> Rest<'a> {
        match self.following(node) {
            Rest::Open => self.unevaluated_rest(node, "unevaluatedItems"),
            rest @ (Rest::Bounded(_) | Rest::Closed) => rest,
        }
    }

    fn positions(&mut self, old: &Node<'a>, new: &Node<'a>) -> Result<(), SchemaError> {
        let (before, after) = (self.tuple(old), self.tuple(new));
        if before.is_empty()
            && !after.is_empty()
            && !matches!(self.following(old), Rest::Open)
            && !self.is_modern(old)
        {
            // Without schemas by position `additionalItems` says nothing; the reference takes it at its word.
            self.add_at("items", Change::ItemsNotCompared)?;
        }
        for index in 0..before.len().max(after.len()) {
            let (before, after) = (before.get(index).copied(), after.get(index).copied());
            self.at(&format!("items/{index}"), |comparison| {
                match (before, after) {
                    (Some(before), Some(after)) => comparison.places(before, after),
                    (Some(before), None) => comparison.item_removed(before, new),
                    (None, Some(after)) => comparison.item_added(after, old),
                    (None, None) => Ok(()),
                }
            })?;
        }
        Ok(())
    }

    fn item_removed(&mut self, before: Place<'a>, new: &Node<'a>) -> Result<(), SchemaError> {
        let change = match self.rest_of_list(new) {
            Rest::Open => Change::ItemRemovedFromOpenContentModel,
            Rest::Bounded(rest) => match self.within(before, rest)? {
                true => Change::ItemRemovedIsCoveredByPartiallyOpenContentModel,
                false => Change::ItemRemovedNotCoveredByPartiallyOpenContentModel,
            },
            Rest::Closed if matches!(self.node(before).kind, Kind::Nothing) => {
                Change::ItemWithFalseRemovedFromClosedContentModel
            }
            Rest::Closed => Change::ItemRemovedFromClosedContentModel,
        };
        self.add(change)
    }

    fn item_added(&mut self, after: Place<'a>, old: &Node<'a>) -> Result<(), SchemaError> {
        let change = match self.rest_of_list(old) {
            Rest::Open if matches!(self.node(after).kind, Kind::Anything) => {
                self.hidden(after)?;
                Change::ItemWithEmptySchemaAddedToOpenContentModel
            }
            Rest::Open => Change::ItemAddedToOpenContentModel,
            Rest::Bounded(rest) => match self.within(rest, after)? {
                true => Change::ItemAddedIsCoveredByPartiallyOpenContentModel,
                false => Change::ItemAddedNotCoveredByPartiallyOpenContentModel,
            },
            Rest::Closed => Change::ItemAddedToClosedContentModel,
        };
        self.add(change)
    }

    fn additional_items(&mut self, old: &Node<'a>, new: &Node<'a>) -> Result<(), SchemaError> {
        let (before, after) = (self.following(old), self.following(new));
        self.at("additionalItems", |comparison| match (before, after) {
            (Rest::Open, Rest::Open) | (Rest::Closed, Rest::Closed) => Ok(()),
            (Rest::Closed, Rest::Open | Rest::Bounded(_)) => {
                comparison.add(Change::AdditionalItemsAdded)
            }
            (Rest::Open | Rest::Bounded(_), Rest::Closed) => {
                comparison.add(Change::AdditionalItemsRemoved)
            }
            (Rest::Open, Rest::Bounded(_)) => comparison.add(Change::AdditionalItemsNarrowed),
            (Rest::Bounded(_), Rest::Open) => comparison.add(Change::AdditionalItemsExtended),
            (Rest::Bounded(before), Rest::Bounded(after)) => comparison.places(before, after),
        })
    }

    fn unevaluated_items(&mut self, old: &Node<'a>, new: &Node<'a>) -> Result<(), SchemaError> {
        let names = [
            Change::UnevaluatedItemsAdded,
            Change::UnevaluatedItemsRemoved,
            Change::UnevaluatedItemsExtended,
            Change::UnevaluatedItemsNarrowed,
        ];
        self.unevaluated("unevaluatedItems", names, old, new)?;
        let grows = self.tuple(new).len() > self.tuple(old).len();
        self.unevaluated_by_siblings(
            ("unevaluatedItems", Change::UnevaluatedItemsNotCompared),
            grows,
            old,
            new,
        )
    }

    /// The reference compares how many items must match, not what they must match.
    fn contains(&mut self, old: &Node<'a>, new: &Node<'a>) -> Result<(), SchemaError> {
        let known = |draft: Draft| draft > Draft::Four;
        let of = |node: &Node<'a>| {
            node.get("contains")
                .filter(|_| known(self.documents(node.place).draft))
        };
        let (before, after) = (of(old), of(new));
        let modern = |node: &Node<'a>, has: bool| has && self.is_modern(node);
        let counted = (modern(old, before.is_some()), modern(new, after.is_some()));
        let most = |node: &Node<'a>, counts: bool| number(node, "maxContains").filter(|_| counts);
        let least = |node: &Node<'a>, counts: bool| {
            counts.then(|| number(node, "minContains").unwrap_or(1.0))
        };
        let (max, min) = (most(new, counted.1), least(new, counted.1));
        self.bound_of(&MAX_CONTAINS, most(old, counted.0), max)?;
        self.bound_of(&MIN_CONTAINS, least(old, counted.0), min)?;
        let Some(after) = after.filter(|_| max.is_some() || min != Some(0.0)) else {
            return Ok(());
        };
        let certain = match before {
            None => false,
            Some(before) if self.is_same_value(before, after) => true,
            Some(_) if max.is_some() => false,
            Some(before) => {
                let (before, after) = (self.child(old, before), self.child(new, after));
                self.covers(after, before)?
            }
        };
        match certain {
            true => Ok(()),
            false => self.add_at("contains", Change::ContainsNotCompared),
        }
    }
}
