//! Whether no document meets two schemas: what makes a `oneOf` as good as an `anyOf`.
//!
//! "Disjoint" is said only where it is certain: other types, other values, or a property that must be there and
//! cannot meet both.

use super::Comparison;
use super::documents::Target;
use super::model::{Criterion, Integer, Kind, Node, Typed};
use super::object::{property, required};
use crate::schema_error::SchemaError;
use serde_json::Value;
use std::rc::Rc;

const NULL: u8 = 1;
const BOOLEAN: u8 = 1 << 1;
const TEXT: u8 = 1 << 2;
const WHOLE: u8 = 1 << 3;
const FRACTION: u8 = 1 << 4;
const OBJECT: u8 = 1 << 5;
const ARRAY: u8 = 1 << 6;
const ALL: u8 = 0x7f;

/// How deep properties and references are followed; beyond it nothing is certain.
const MAX_DEPTH: u8 = 6;

/// Most pairs of listed values that are compared.
const MAX_VALUES: usize = 10_000;

impl<'a> Comparison<'_, 'a> {
    pub(super) fn are_disjoint(
        &mut self,
        one: &Rc<Node<'a>>,
        other: &Rc<Node<'a>>,
    ) -> Result<bool, SchemaError> {
        self.disjoint(one, other, MAX_DEPTH)
    }

    fn disjoint(
        &mut self,
        one: &Rc<Node<'a>>,
        other: &Rc<Node<'a>>,
        depth: u8,
    ) -> Result<bool, SchemaError> {
        self.step(1)?;
        if depth == 0 {
            return Ok(false);
        }
        if self.types(one, depth) & self.types(other, depth) == 0 {
            return Ok(true);
        }
        let (ones, others) = (self.conditions(one, depth), self.conditions(other, depth));
        for one in &ones {
            for other in &others {
                if self.exclude(one, other, depth)? {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// The types of documents that may meet a schema.
    fn types(&mut self, node: &Rc<Node<'a>>, depth: u8) -> u8 {
        let typed = |typed: Typed, bits: u8| if typed == Typed::Yes { bits } else { ALL };
        match &node.kind {
            Kind::Nothing => 0,
            Kind::Null => NULL,
            Kind::Boolean => BOOLEAN,
            Kind::Text(is) => typed(*is, TEXT),
            Kind::Number(is, Integer::Yes) => typed(*is, WHOLE),
            Kind::Number(is, Integer::No) => typed(*is, WHOLE | FRACTION),
            Kind::Object(is) => typed(*is, OBJECT),
            Kind::Array(is) => typed(*is, ARRAY),
            Kind::Enum(values) => values.iter().fold(0, |bits, value| bits | type_of(value)),
            Kind::Const(value) => type_of(value),
            Kind::Combined(criterion, parts) if depth > 0 => {
                let mut all = parts.iter().map(|part| self.types(part, depth - 1));
                match criterion {
                    Criterion::All => all.fold(ALL, |bits, own| bits & own),
                    Criterion::Any | Criterion::One => all.by_ref().fold(0, |bits, own| bits | own),
                }
            }
            Kind::Reference(_) if depth > 0 => match self.target(node) {
                Some(target) => self.types(&target, depth - 1),
                None => ALL,
            },
            Kind::Anything
            | Kind::Not(_)
            | Kind::Conditional
            | Kind::Combined(..)
            | Kind::Reference(_) => ALL,
        }
    }

    /// The schemas that a document must all meet to meet this one.
    fn conditions(&mut self, node: &Rc<Node<'a>>, depth: u8) -> Vec<Rc<Node<'a>>> {
        match &node.kind {
            Kind::Combined(Criterion::All, parts) if depth > 0 => parts
                .iter()
                .flat_map(|part| self.conditions(part, depth - 1))
                .collect(),
            Kind::Combined(_, parts) if depth > 0 && parts.len() == 1 => {
                self.conditions(&parts[0], depth - 1)
            }
            Kind::Reference(_) if depth > 0 => match self.target(node) {
                Some(target) => self.conditions(&target, depth - 1),
                None => Vec::new(),
            },
            Kind::Anything
            | Kind::Nothing
            | Kind::Null
            | Kind::Boolean
            | Kind::Text(_)
            | Kind::Number(..)
            | Kind::Object(_)
            | Kind::Array(_)
            | Kind::Enum(_)
            | Kind::Const(_)
            | Kind::Not(_)
            | Kind::Conditional
            | Kind::Combined(..)
            | Kind::Reference(_) => vec![Rc::clone(node)],
        }
    }

    fn exclude(
        &mut self,
        one: &Rc<Node<'a>>,
        other: &Rc<Node<'a>>,
        depth: u8,
    ) -> Result<bool, SchemaError> {
        if let (Some(ones), Some(others)) = (values(one), values(other)) {
            if ones.len() * others.len() > MAX_VALUES {
                return Ok(false);
            }
            return Ok(!ones
                .iter()
                .any(|one| others.iter().any(|other| are_equal(one, other))));
        }
        let (Kind::Object(is), Kind::Object(other_is)) = (&one.kind, &other.kind) else {
            return Ok(false);
        };
        if (*is, *other_is) != (Typed::Yes, Typed::Yes) {
            return Ok(false);
        }
        for name in required(one).chain(required(other)) {
            if let (Some(before), Some(after)) = (property(one, name), property(other, name)) {
                let (before, after) = (self.child(one, before), self.child(other, after));
                let (before, after) = (self.node(before), self.node(after));
                if self.disjoint(&before, &after, depth - 1)? {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn target(&mut self, node: &Rc<Node<'a>>) -> Option<Rc<Node<'a>>> {
        let Kind::Reference(text) = node.kind else {
            return None;
        };
        match self.documents(node.place).resolve(node.place, text)? {
            Target::Place(place) => Some(self.node(place)),
            Target::Standard => None,
        }
    }
}

/// The values that a schema lists.
fn values<'a>(node: &Node<'a>) -> Option<&'a [Value]> {
    if let Kind::Enum(values) = node.kind {
        return Some(values);
    }
    if let Kind::Const(value) = node.kind {
        return Some(std::slice::from_ref(value));
    }
    None
}

/// JSON has one kind of number: 1 is 1.0.
fn are_equal(one: &Value, other: &Value) -> bool {
    let nested = one.is_array() || one.is_object();
    match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => one == other,
        // Numbers within may be equal in another form.
        _ if nested => std::mem::discriminant(one) == std::mem::discriminant(other),
        _ => one == other,
    }
}

fn type_of(value: &Value) -> u8 {
    match value {
        Value::Null => NULL,
        Value::Bool(_) => BOOLEAN,
        Value::String(_) => TEXT,
        Value::Number(number) => match number.as_f64() {
            Some(number) if number.fract() != 0.0 => FRACTION,
            _ => WHOLE,
        },
        Value::Object(_) => OBJECT,
        Value::Array(_) => ARRAY,
    }
}
