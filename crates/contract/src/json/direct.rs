//! Most documents are valid, and most schemas are plain: such a document is accepted in one reading of its text, without a
//! tree. Where this is not sure it says nothing, and the document is read and validated in full: it never refuses.
//!
//! A part of the schema that is not plain (a pattern, an `anyOf`) has a validator of its own, and only what stands there becomes
//! a tree. Nothing is skipped over: each text is checked for UTF-8, each number for its size, and no object has a key twice.

mod compile;

use super::strict::Strict;
use crate::leaf::{Leaf, Leaves};
use jsonschema::Validator;
use serde::de::{
    Deserialize as _, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor,
};
use serde_json::{Map, Number, Value};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

/// Most members of an object beyond those that its schema names: each is compared with those before it.
const MOST_OTHERS: usize = 16;

/// Whole numbers up to here are exact as doubles.
const EXACT: u64 = 1 << 53;

/// What of an accepted document is wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Keep<'a> {
    /// Nothing.
    Nothing,
    /// Of an object, these members.
    Members(&'a BTreeSet<String>),
    /// All of it.
    Whole,
    /// Of an object, these members, which must be scalars.
    Leaves(&'a BTreeSet<String>),
    /// A scalar.
    Leaf,
}

/// What was kept of a value.
#[derive(Debug)]
enum Kept<'a> {
    Nothing,
    Tree(Value),
    Leaves(Leaves<'a>),
    Leaf(Leaf<'a>),
}

impl Keep<'_> {
    fn of_member(self, name: &str) -> Self {
        match self {
            Self::Nothing => Self::Nothing,
            Self::Members(members) if members.contains(name) => Self::Whole,
            Self::Leaves(members) if members.contains(name) => Self::Leaf,
            Self::Members(_) | Self::Leaves(_) => Self::Nothing,
            Self::Whole => Self::Whole,
            Self::Leaf => Self::Leaf,
        }
    }

    /// What is kept of a value that is no object; `None` for what is not decided here.
    fn of_value<'de>(
        self,
        tree: impl FnOnce() -> Value,
        leaf: impl FnOnce() -> Option<Leaf<'de>>,
    ) -> Option<Kept<'de>> {
        match self {
            Self::Nothing => Some(Kept::Nothing),
            // Of what is no object that is all of it.
            Self::Members(_) | Self::Whole => Some(Kept::Tree(tree())),
            Self::Leaf => leaf().map(Kept::Leaf),
            Self::Leaves(_) => None,
        }
    }
}

/// A plain schema.
#[derive(Debug)]
pub(super) struct Direct {
    root: Node,
}

impl Direct {
    /// What is wanted of a document, if it is certainly valid.
    pub(super) fn accept(&self, body: &[u8], keep: Keep<'_>) -> Option<Option<Value>> {
        match self.read(body, keep)? {
            Kept::Nothing => Some(None),
            Kept::Tree(value) => Some(Some(value)),
            Kept::Leaves(_) | Kept::Leaf(_) => None,
        }
    }

    /// These members of a document, if it is certainly valid and they are scalars.
    pub(super) fn leaves<'a>(
        &'a self,
        body: &'a [u8],
        members: &'a BTreeSet<String>,
    ) -> Option<Leaves<'a>> {
        match self.read(body, Keep::Leaves(members))? {
            Kept::Leaves(leaves) => Some(leaves),
            Kept::Nothing | Kept::Tree(_) | Kept::Leaf(_) => None,
        }
    }

    fn read<'a>(&'a self, body: &'a [u8], keep: Keep<'a>) -> Option<Kept<'a>> {
        // Once for all of it: in bytes, each text would be looked at by itself.
        let text = std::str::from_utf8(body).ok()?;
        let mut reading = serde_json::Deserializer::from_str(text);
        let seed = Place {
            node: &self.root,
            keep,
        };
        let kept = seed.deserialize(&mut reading).ok()?;
        reading.end().ok()?;
        Some(kept)
    }
}

/// What may stand at a place.
#[derive(Debug)]
enum Node {
    /// Anything.
    Any,
    /// What these limits allow.
    Plain(Box<Limits>),
    /// What its own validator accepts.
    Other(Box<Validator>),
}

#[derive(Debug, Default)]
struct Limits {
    types: Types,
    /// The texts there may be; other values than texts are not decided here.
    texts: Option<Vec<String>>,
    length: Lengths,
    number: Range,
    items: Option<Node>,
    count: Lengths,
    members: Option<Members>,
}

/// The types that are allowed; none named allows all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Types(u8);

impl Types {
    const NULL: u8 = 1;
    const BOOLEAN: u8 = 2;
    const INTEGER: u8 = 4;
    const NUMBER: u8 = 8;
    const STRING: u8 = 16;
    const ARRAY: u8 = 32;
    const OBJECT: u8 = 64;

    fn allow(self, kind: u8) -> bool {
        self.0 == 0 || self.0 & kind != 0
    }
}

/// Least and most of what is counted.
#[derive(Debug, Clone, Copy, Default)]
struct Lengths {
    least: Option<u64>,
    most: Option<u64>,
}

impl Lengths {
    fn allow(self, count: u64) -> bool {
        self.least.is_none_or(|least| count >= least) && self.most.is_none_or(|most| count <= most)
    }

    /// Characters are between a quarter of the bytes and all of them; often that is enough.
    fn allow_text(self, text: &str) -> bool {
        let bytes = text.len() as u64;
        let short = self.most.is_none_or(|most| bytes <= most);
        let long = self.least.is_none_or(|least| bytes.div_ceil(4) >= least);
        (short && long) || self.allow(text.chars().count() as u64)
    }
}

/// Bounds of numbers; each is exact as a double.
#[derive(Debug, Clone, Copy, Default)]
struct Range {
    least: Option<f64>,
    above: Option<f64>,
    most: Option<f64>,
    below: Option<f64>,
}

impl Range {
    fn is_open(&self) -> bool {
        let Self {
            least,
            above,
            most,
            below,
        } = self;
        [least, above, most, below]
            .iter()
            .all(|bound| bound.is_none())
    }

    fn allow(&self, number: f64) -> bool {
        self.least.is_none_or(|bound| number >= bound)
            && self.above.is_none_or(|bound| number > bound)
            && self.most.is_none_or(|bound| number <= bound)
            && self.below.is_none_or(|bound| number < bound)
    }
}

/// The members of an object.
#[derive(Debug)]
struct Members {
    named: Vec<Member>,
    /// The places in `named`, by name.
    sorted: Vec<usize>,
    /// Which of `named` must be there.
    required: u128,
    /// What others may be; none: there may be none.
    others: Option<Node>,
}

#[derive(Debug)]
struct Member {
    name: String,
    node: Node,
}

impl Members {
    /// The place of a name; producers mostly write members in the schema's order, so `next` is tried first.
    fn find(&self, name: &str, next: usize) -> Option<usize> {
        let is_next = self
            .named
            .get(next)
            .is_some_and(|member| member.name == name);
        if is_next {
            return Some(next);
        }
        let name_at = |at: &usize| {
            self.named
                .get(*at)
                .map_or("", |member| member.name.as_str())
        };
        let found = self.sorted.binary_search_by(|at| name_at(at).cmp(name));
        found.ok().and_then(|at| self.sorted.get(at).copied())
    }
}

/// The places that objects without a schema have.
static NO_MEMBERS: Members = Members {
    named: Vec::new(),
    sorted: Vec::new(),
    required: 0,
    others: Some(Node::Any),
};

/// A value at its place; what it gives is kept.
#[derive(Clone, Copy)]
struct Place<'a> {
    node: &'a Node,
    keep: Keep<'a>,
}

impl<'de> DeserializeSeed<'de> for Place<'de> {
    type Value = Kept<'de>;

    fn deserialize<D: Deserializer<'de>>(self, reading: D) -> Result<Kept<'de>, D::Error> {
        match self.node {
            Node::Any => reading.deserialize_any(Held {
                limits: None,
                keep: self.keep,
            }),
            Node::Plain(limits) => reading.deserialize_any(Held {
                limits: Some(limits),
                keep: self.keep,
            }),
            Node::Other(validator) => {
                let Strict(value) = Strict::deserialize(reading)?;
                if !validator.is_valid(&value) {
                    return Err(unsure());
                }
                match self.keep {
                    Keep::Nothing => Ok(Kept::Nothing),
                    Keep::Members(_) | Keep::Whole => Ok(Kept::Tree(value)),
                    Keep::Leaf => Leaf::of(value).map(Kept::Leaf).ok_or_else(unsure),
                    Keep::Leaves(_) => Err(unsure()),
                }
            }
        }
    }
}

/// It is not certain that the document is valid.
#[cold]
fn unsure<E: Error>() -> E {
    E::custom("not decided here")
}

#[derive(Clone, Copy)]
struct Held<'a> {
    limits: Option<&'a Limits>,
    keep: Keep<'a>,
}

impl Held<'_> {
    /// What is kept of a scalar, where its type is allowed and what else is asked of it holds.
    fn scalar<'de, E: Error>(
        self,
        kind: u8,
        holds: impl FnOnce(&Limits) -> bool,
        tree: impl FnOnce() -> Value,
        leaf: impl FnOnce() -> Option<Leaf<'de>>,
    ) -> Result<Kept<'de>, E> {
        let fits = |limits: &Limits| limits.types.allow(kind) && holds(limits);
        if !self.limits.is_none_or(fits) {
            return Err(unsure());
        }
        self.keep.of_value(tree, leaf).ok_or_else(unsure)
    }

    /// A whole number, its size and its value.
    fn whole<'de, E: Error>(self, size: u64, value: f64, number: Number) -> Result<Kept<'de>, E> {
        let holds = |limits: &Limits| {
            let range = &limits.number;
            limits.texts.is_none() && (range.is_open() || (size <= EXACT && range.allow(value)))
        };
        let kind = Types::INTEGER | Types::NUMBER;
        let leaf = number.as_i64();
        self.scalar(
            kind,
            holds,
            || Value::Number(number),
            || leaf.map(Leaf::Int),
        )
    }

    fn text<'de, E: Error>(
        self,
        text: &str,
        leaf: impl FnOnce() -> Leaf<'de>,
    ) -> Result<Kept<'de>, E> {
        let holds = |limits: &Limits| {
            let texts = limits.texts.as_ref();
            texts.is_none_or(|texts| texts.iter().any(|known| known == text))
                && limits.length.allow_text(text)
        };
        let tree = || Value::String(text.to_owned());
        self.scalar(Types::STRING, holds, tree, || Some(leaf()))
    }
}

impl<'de> Visitor<'de> for Held<'de> {
    type Value = Kept<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Kept<'de>, E> {
        let holds = |limits: &Limits| limits.texts.is_none();
        self.scalar(Types::NULL, holds, || Value::Null, || Some(Leaf::Null))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Kept<'de>, E> {
        let holds = |limits: &Limits| limits.texts.is_none();
        let leaf = || Some(Leaf::Truth(value));
        self.scalar(Types::BOOLEAN, holds, || Value::Bool(value), leaf)
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "numbers beyond 2^53 are not decided by it"
    )]
    fn visit_i64<E: Error>(self, value: i64) -> Result<Kept<'de>, E> {
        self.whole(value.unsigned_abs(), value as f64, value.into())
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "numbers beyond 2^53 are not decided by it"
    )]
    fn visit_u64<E: Error>(self, value: u64) -> Result<Kept<'de>, E> {
        self.whole(value, value as f64, value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Kept<'de>, E> {
        let number = Number::from_f64(value).ok_or_else(unsure)?;
        let holds = |limits: &Limits| limits.texts.is_none() && limits.number.allow(value);
        let leaf = || Some(Leaf::Double(value));
        // Whether 1.0 is an integer depends on the draft.
        self.scalar(Types::NUMBER, holds, || Value::Number(number), leaf)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Kept<'de>, E> {
        self.text(value, || Leaf::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<Kept<'de>, E> {
        self.text(value, || Leaf::text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Kept<'de>, A::Error> {
        let limits = self.limits;
        let fits = |limits: &Limits| limits.types.allow(Types::ARRAY) && limits.texts.is_none();
        if !limits.is_none_or(fits) {
            return Err(unsure());
        }
        let keep = match self.keep {
            Keep::Whole | Keep::Members(_) => Keep::Whole,
            Keep::Nothing => Keep::Nothing,
            Keep::Leaf | Keep::Leaves(_) => return Err(unsure()),
        };
        let node = limits.and_then(|limits| limits.items.as_ref());
        let seed = Place {
            node: node.unwrap_or(&Node::Any),
            keep,
        };
        let (mut count, mut list) = (0, Vec::new());
        while let Some(item) = items.next_element_seed(seed)? {
            count += 1;
            if let Kept::Tree(item) = item {
                list.push(item);
            }
        }
        if !limits.is_none_or(|limits| limits.count.allow(count)) {
            return Err(unsure());
        }
        Ok(match keep {
            Keep::Nothing => Kept::Nothing,
            Keep::Whole | Keep::Members(_) | Keep::Leaf | Keep::Leaves(_) => {
                Kept::Tree(Value::Array(list))
            }
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Kept<'de>, A::Error> {
        let fits = |limits: &Limits| limits.types.allow(Types::OBJECT) && limits.texts.is_none();
        if !self.limits.is_none_or(fits) {
            return Err(unsure());
        }
        let known = self.limits.and_then(|limits| limits.members.as_ref());
        let known = known.unwrap_or(&NO_MEMBERS);
        let mut object = Object::new(known, self.keep).ok_or_else(unsure)?;
        while let Some(key) = members.next_key_seed(Name(&object))? {
            let (name, seed) = object.place(key).ok_or_else(unsure)?;
            match members.next_value_seed(seed)? {
                Kept::Nothing | Kept::Leaves(_) => {}
                Kept::Tree(value) => drop(object.kept.insert(name.into_owned(), value)),
                Kept::Leaf(leaf) => object.add(name, leaf).ok_or_else(unsure)?,
            }
        }
        object.finish().ok_or_else(unsure)
    }
}

/// An object that is being read.
struct Object<'a> {
    known: &'a Members,
    keep: Keep<'a>,
    /// Which of the named members were there.
    seen: u128,
    /// The member that is expected next.
    next: usize,
    others: Vec<String>,
    kept: Map<String, Value>,
    leaves: Leaves<'a>,
}

/// A member's name as it was read.
enum Key {
    Named(usize),
    Other(String),
}

impl<'a> Object<'a> {
    /// An object of which so much is kept; `None` where it stands for a scalar.
    fn new(known: &'a Members, keep: Keep<'a>) -> Option<Self> {
        let leaves = match keep {
            Keep::Leaves(members) => Leaves::with_capacity(members.len()),
            Keep::Nothing | Keep::Members(_) | Keep::Whole => Leaves::default(),
            Keep::Leaf => return None,
        };
        Some(Self {
            known,
            keep,
            seen: 0,
            next: 0,
            others: Vec::new(),
            kept: Map::new(),
            leaves,
        })
    }

    /// Keep a scalar under a name that the schema has, or the one who asks.
    fn add(&mut self, name: Cow<'a, str>, leaf: Leaf<'a>) -> Option<()> {
        let name = match (name, self.keep) {
            (Cow::Borrowed(name), _) => name,
            (Cow::Owned(name), Keep::Leaves(members)) => members.get(&name)?,
            (Cow::Owned(_), _) => return None,
        };
        self.leaves.add(name, leaf);
        Some(())
    }

    /// What is kept, where every required member was there.
    fn finish(self) -> Option<Kept<'a>> {
        if self.seen & self.known.required != self.known.required {
            return None;
        }
        match self.keep {
            Keep::Nothing => Some(Kept::Nothing),
            Keep::Members(_) | Keep::Whole => Some(Kept::Tree(Value::Object(self.kept))),
            Keep::Leaves(_) => Some(Kept::Leaves(self.leaves)),
            Keep::Leaf => None,
        }
    }

    /// Where a member's value belongs, with its name where it is kept; `None` for what is not decided here.
    fn place(&mut self, key: Key) -> Option<(Cow<'a, str>, Place<'a>)> {
        let (known, keep) = (self.known, self.keep);
        match key {
            Key::Named(at) => {
                let bit = 1_u128.checked_shl(u32::try_from(at).ok()?)?;
                let twice = self.seen & bit != 0;
                self.seen |= bit;
                self.next = at + 1;
                let Member { name, node } = known.named.get(at)?;
                let keep = keep.of_member(name);
                (!twice).then_some((Cow::Borrowed(name.as_str()), Place { node, keep }))
            }
            Key::Other(name) => {
                let node = known.others.as_ref()?;
                if self.others.len() == MOST_OTHERS || self.others.contains(&name) {
                    return None;
                }
                let keep = keep.of_member(&name);
                self.others.push(name.clone());
                Some((Cow::Owned(name), Place { node, keep }))
            }
        }
    }
}

/// Reads a member's name without a copy, where the schema has it.
struct Name<'b, 'a>(&'b Object<'a>);

impl<'de> DeserializeSeed<'de> for Name<'_, '_> {
    type Value = Key;

    fn deserialize<D: Deserializer<'de>>(self, reading: D) -> Result<Key, D::Error> {
        reading.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name<'_, '_> {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Key, E> {
        let Object { known, next, .. } = self.0;
        let found = known.find(name, *next);
        Ok(found.map_or_else(|| Key::Other(name.to_owned()), Key::Named))
    }
}

#[cfg(test)]
mod tests;
