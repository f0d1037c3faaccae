//! Strings, numbers and lists of values.

use super::Comparison;
use super::change::Change;
use super::model::{Integer, Node};
use crate::schema_error::SchemaError;
use serde_json::Value;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

/// The names of what may happen to a bound.
pub(super) struct Bound {
    pub(super) keyword: &'static str,
    pub(super) added: Change,
    pub(super) removed: Change,
    pub(super) increased: Change,
    pub(super) decreased: Change,
}

macro_rules! bound {
    ($name:ident, $keyword:literal, $added:ident, $removed:ident, $increased:ident, $decreased:ident) => {
        pub(super) const $name: Bound = Bound {
            keyword: $keyword,
            added: Change::$added,
            removed: Change::$removed,
            increased: Change::$increased,
            decreased: Change::$decreased,
        };
    };
}

bound!(
    MAX_LENGTH,
    "maxLength",
    MaxLengthAdded,
    MaxLengthRemoved,
    MaxLengthIncreased,
    MaxLengthDecreased
);
bound!(
    MIN_LENGTH,
    "minLength",
    MinLengthAdded,
    MinLengthRemoved,
    MinLengthIncreased,
    MinLengthDecreased
);
bound!(
    MAX_ITEMS,
    "maxItems",
    MaxItemsAdded,
    MaxItemsRemoved,
    MaxItemsIncreased,
    MaxItemsDecreased
);
bound!(
    MIN_ITEMS,
    "minItems",
    MinItemsAdded,
    MinItemsRemoved,
    MinItemsIncreased,
    MinItemsDecreased
);
bound!(
    MAX_CONTAINS,
    "maxContains",
    MaxContainsAdded,
    MaxContainsRemoved,
    MaxContainsIncreased,
    MaxContainsDecreased
);
bound!(
    MIN_CONTAINS,
    "minContains",
    MinContainsAdded,
    MinContainsRemoved,
    MinContainsIncreased,
    MinContainsDecreased
);
bound!(
    MAX_PROPERTIES,
    "maxProperties",
    MaxPropertiesAdded,
    MaxPropertiesRemoved,
    MaxPropertiesIncreased,
    MaxPropertiesDecreased
);
bound!(
    MIN_PROPERTIES,
    "minProperties",
    MinPropertiesAdded,
    MinPropertiesRemoved,
    MinPropertiesIncreased,
    MinPropertiesDecreased
);
bound!(
    MAXIMUM,
    "maximum",
    MaximumAdded,
    MaximumRemoved,
    MaximumIncreased,
    MaximumDecreased
);
bound!(
    MINIMUM,
    "minimum",
    MinimumAdded,
    MinimumRemoved,
    MinimumIncreased,
    MinimumDecreased
);
bound!(
    EXCLUSIVE_MAXIMUM,
    "exclusiveMaximum",
    ExclusiveMaximumAdded,
    ExclusiveMaximumRemoved,
    ExclusiveMaximumIncreased,
    ExclusiveMaximumDecreased
);
bound!(
    EXCLUSIVE_MINIMUM,
    "exclusiveMinimum",
    ExclusiveMinimumAdded,
    ExclusiveMinimumRemoved,
    ExclusiveMinimumIncreased,
    ExclusiveMinimumDecreased
);

impl<'a> Comparison<'_, 'a> {
    pub(super) fn texts(&mut self, old: &Node<'a>, new: &Node<'a>) -> Result<(), SchemaError> {
        self.bound(&MAX_LENGTH, old, new)?;
        self.bound(&MIN_LENGTH, old, new)?;
        match (old.get("pattern"), new.get("pattern")) {
            (None, Some(_)) => self.add_at("pattern", Change::PatternAdded),
            (Some(_), None) => self.add_at("pattern", Change::PatternRemoved),
            (before, after) if before != after => self.add_at("pattern", Change::PatternChanged),
            _ => Ok(()),
        }
    }

    pub(super) fn numbers(
        &mut self,
        (old, from): (&Node<'a>, Integer),
        (new, to): (&Node<'a>, Integer),
    ) -> Result<(), SchemaError> {
        self.bound(&MAXIMUM, old, new)?;
        self.bound(&MINIMUM, old, new)?;
        self.exclusive_maximum(old, new)?;
        self.bound(&EXCLUSIVE_MINIMUM, old, new)?;
        self.exclusive_by_flag("maximum", "exclusiveMaximum", old, new)?;
        self.exclusive_by_flag("minimum", "exclusiveMinimum", old, new)?;
        self.multiple_of(old.get("multipleOf"), new.get("multipleOf"))?;
        match (from, to) {
            (Integer::Yes, Integer::No) => self.add(Change::TypeExtended),
            (Integer::No, Integer::Yes) => self.add(Change::TypeNarrowed),
            (Integer::Yes, Integer::Yes) | (Integer::No, Integer::No) => Ok(()),
        }
    }

    pub(super) fn bound(
        &mut self,
        bound: &Bound,
        old: &Node<'a>,
        new: &Node<'a>,
    ) -> Result<(), SchemaError> {
        let (old, new) = (number(old, bound.keyword), number(new, bound.keyword));
        self.bound_of(bound, old, new)
    }

    pub(super) fn bound_of(
        &mut self,
        bound: &Bound,
        old: Option<f64>,
        new: Option<f64>,
    ) -> Result<(), SchemaError> {
        let change = match (old, new) {
            (None, None) => return Ok(()),
            (None, Some(_)) => bound.added,
            (Some(_), None) => bound.removed,
            (Some(old), Some(new)) => match old.partial_cmp(&new) {
                Some(Ordering::Less) => bound.increased,
                Some(Ordering::Greater) => bound.decreased,
                Some(Ordering::Equal) | None => return Ok(()),
            },
        };
        self.add_at(bound.keyword, change)
    }

    /// The reference compares a lower `exclusiveMaximum` with the new `maximum` by mistake, and fails where there is
    /// none. Where it gives a verdict, that one stands.
    fn exclusive_maximum(&mut self, old: &Node<'a>, new: &Node<'a>) -> Result<(), SchemaError> {
        let keyword = EXCLUSIVE_MAXIMUM.keyword;
        let (before, after) = (number(old, keyword), number(new, keyword));
        let passes = match (before, after, number(new, "maximum")) {
            (Some(before), Some(after), Some(maximum)) => before > after && before <= maximum,
            _ => false,
        };
        if passes {
            return self.add_at(keyword, Change::ExclusiveMaximumNotCompared);
        }
        self.bound_of(&EXCLUSIVE_MAXIMUM, before, after)
    }

    /// In draft 4 a flag makes a bound exclusive; the reference does not look at it.
    fn exclusive_by_flag(
        &mut self,
        keyword: &'static str,
        flag: &'static str,
        old: &Node<'a>,
        new: &Node<'a>,
    ) -> Result<(), SchemaError> {
        let set = |node: &Node<'a>| node.get(flag) == Some(&Value::Bool(true));
        let (before, after) = (number(old, keyword), number(new, keyword));
        let wider = match (before, after) {
            (Some(before), Some(after)) if flag == "exclusiveMaximum" => after > before,
            (Some(before), Some(after)) => after < before,
            _ => false,
        };
        if set(new) && !set(old) && after.is_some() && !wider {
            let change = match flag {
                "exclusiveMaximum" => Change::ExclusiveMaximumNotCompared,
                _ => Change::ExclusiveMinimumNotCompared,
            };
            self.add_at(flag, change)?;
        }
        Ok(())
    }

    /// The reference compares the whole parts only, and fails where one of them is 0.
    fn multiple_of(&mut self, old: Option<&Value>, new: Option<&Value>) -> Result<(), SchemaError> {
        let (before, after) = match (old, new) {
            (None, Some(_)) => return self.add_at("multipleOf", Change::MultipleOfAdded),
            (Some(_), None) => return self.add_at("multipleOf", Change::MultipleOfRemoved),
            (old, new) if old == new => return Ok(()),
            (old, new) => (old.and_then(Value::as_f64), new.and_then(Value::as_f64)),
        };
        let (Some(before), Some(after)) = (before, after) else {
            return Ok(());
        };
        let divides = |small: f64, large: f64| (large / small).fract() == 0.0;
        let (whole_before, whole_after) = (before.trunc(), after.trunc());
        let (from, to) = match whole_before == 0.0 || whole_after == 0.0 {
            true => (before, after),
            false => (whole_before, whole_after),
        };
        if divides(from, to) {
            self.add_at("multipleOf", Change::MultipleOfExpanded)
        } else if divides(to, from) {
            self.add_at("multipleOf", Change::MultipleOfReduced)?;
            match divides(after, before) {
                true => Ok(()),
                false => self.add_at("multipleOf", Change::MultipleOfNotCompared),
            }
        } else {
            self.add_at("multipleOf", Change::MultipleOfChanged)
        }
    }

    pub(super) fn enums(&mut self, old: &[Value], new: &[Value]) -> Result<(), SchemaError> {
        match (is_subset(old, new), is_subset(new, old)) {
            (true, true) => Ok(()),
            (true, false) => self.add_at("enum", Change::EnumArrayExtended),
            (false, true) => self.add_at("enum", Change::EnumArrayNarrowed),
            (false, false) => self.add_at("enum", Change::EnumArrayChanged),
        }
    }
}

/// Whether each of some values is one of others.
pub(super) fn is_subset(some: &[Value], others: &[Value]) -> bool {
    let others: BTreeSet<String> = others.iter().map(in_order).collect();
    some.iter().all(|value| others.contains(&in_order(value)))
}

/// A text that is the same for all equal values.
fn in_order(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let members: BTreeMap<&String, String> = members
                .iter()
                .map(|(name, value)| (name, in_order(value)))
                .collect();
            format!("{members:?}")
        }
        Value::Array(items) => format!("{:?}", items.iter().map(in_order).collect::<Vec<_>>()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}

pub(super) fn number(node: &Node<'_>, keyword: &str) -> Option<f64> {
    node.get(keyword)?.as_f64()
}
