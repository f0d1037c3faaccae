//! The scalars at the top of an event, as the rules over it read them: without a tree.
//!
//! Between the validator, which reads them on its way through the bytes, and the rules, which most events keep. It can only
//! say that an event is fine: where a value is no scalar, or a rule is not decided by scalars, the event is made a tree of and
//! looked at again, so there is one meaning of a rule.

use serde_json::Value;
use std::borrow::Cow;

/// A value without parts, as [`Value`] would hold it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Leaf<'a> {
    Null,
    Truth(bool),
    Int(i64),
    Double(f64),
    Text(Cow<'a, str>),
}

impl<'a> Leaf<'a> {
    /// The scalar in a tree; `None` for what has parts, and for a number beyond `i64`.
    pub(crate) fn of(value: Value) -> Option<Self> {
        match value {
            Value::Null => Some(Self::Null),
            Value::Bool(truth) => Some(Self::Truth(truth)),
            Value::Number(number) => match number.as_i64() {
                Some(int) => Some(Self::Int(int)),
                None if number.is_u64() => None,
                None => number.as_f64().map(Self::Double),
            },
            Value::String(text) => Some(Self::Text(Cow::Owned(text))),
            Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// A text that lies in the event or its schema.
    pub(crate) fn text(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    /// The same as a tree.
    pub(crate) fn into_value(self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Truth(truth) => Value::Bool(truth),
            Self::Int(int) => Value::from(int),
            // A double that JSON cannot hold is a text, and never comes here as a number.
            Self::Double(double) => Value::from(double),
            Self::Text(text) => Value::String(text.into_owned()),
        }
    }

    /// Whether it equals a tree, as trees equal each other: `1` and `1.0` do not.
    pub(crate) fn is(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Null, Value::Null) => true,
            (Self::Truth(one), Value::Bool(other)) => one == other,
            (Self::Int(one), Value::Number(other)) => other.as_i64() == Some(*one),
            (Self::Double(one), Value::Number(other)) => {
                other.is_f64() && other.as_f64() == Some(*one)
            }
            (Self::Text(one), Value::String(other)) => one == other,
            _ => false,
        }
    }
}

/// The members of an event that are read, those that are there.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Leaves<'a>(Vec<(&'a str, Leaf<'a>)>);

impl<'a> Leaves<'a> {
    /// With room for so many.
    pub(crate) fn with_capacity(count: usize) -> Self {
        Self(Vec::with_capacity(count))
    }

    /// The member of a name, which is told once.
    pub(crate) fn add(&mut self, name: &'a str, leaf: Leaf<'a>) {
        self.0.push((name, leaf));
    }

    /// The member of a name, of which the last that is told counts.
    pub(crate) fn set(&mut self, name: &'a str, leaf: Leaf<'a>) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, before)) => *before = leaf,
            None => self.add(name, leaf),
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Leaf<'a>> {
        let mut members = self.0.iter();
        let found = members.find(|(known, _)| *known == name);
        found.map(|(_, leaf)| leaf)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The bytes of the longest text among them.
    pub(crate) fn longest_text(&self) -> usize {
        let lengths = self.0.iter().map(|(_, leaf)| match leaf {
            Leaf::Text(text) => text.len(),
            Leaf::Null | Leaf::Truth(_) | Leaf::Int(_) | Leaf::Double(_) => 0,
        });
        lengths.max().unwrap_or(0)
    }

    /// As an object.
    #[cfg(test)]
    pub(crate) fn into_value(self) -> Value {
        let members = self.0.into_iter();
        Value::Object(
            members
                .map(|(name, leaf)| (name.to_owned(), leaf.into_value()))
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_leaf_equals_what_its_tree_equals() {
        let values = [
            json!(null),
            json!(true),
            json!(false),
            json!(0),
            json!(1),
            json!(-1),
            json!(0.0),
            json!(-0.0),
            json!(1.0),
            json!(1.5),
            json!(u64::MAX),
            json!(""),
            json!("1"),
            json!("null"),
            json!([]),
            json!({}),
        ];
        for one in &values {
            let Some(leaf) = Leaf::of(one.clone()) else {
                assert!(one.is_array() || one.is_object() || one.is_u64(), "{one}");
                continue;
            };
            assert_eq!(&leaf.clone().into_value(), one);
            for other in &values {
                assert_eq!(leaf.is(other), one == other, "{one} and {other}");
            }
        }
    }

    #[test]
    fn of_a_name_set_twice_the_last_counts() {
        let mut leaves = Leaves::with_capacity(2);
        leaves.set("a", Leaf::Int(1));
        leaves.set("b", Leaf::text("longer"));
        leaves.set("a", Leaf::Truth(true));
        assert_eq!((leaves.len(), leaves.longest_text()), (2, 6));
        assert_eq!(leaves.get("c"), None);
        assert_eq!(leaves.into_value(), json!({"a": true, "b": "longer"}));
    }
}
