//! JSON Schema: is everything that the old schema allows allowed by the new one? All differences, each with its path.
//!
//! The rules are the reference's, its names and its verdicts. Where it looks away (`format`, `patternProperties`
//! against each other, conditions), what may break readers is reported as unjudged; what provably does not, is not.
//! Source: read of <https://github.com/confluentinc/schema-registry>
//! `json-schema-provider/src/main/java/io/confluent/kafka/schemaregistry/json/diff`.

mod array;
mod change;
mod combined;
pub(crate) mod documents;
mod hole;
mod logic;
mod matching;
pub(crate) mod model;
mod object;
mod overlap;
mod pattern;
mod scalar;
pub(crate) mod uri;

use super::{Compared, Difference, Direction, Policy, Verdict};
use crate::schema_error::SchemaError;
use change::Change;
use documents::{Documents, Place, Target, Texts};
use model::{Kind, Node, Typed};

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// Deepest nesting that is followed, through references: keeps a long chain of them off the stack.
const MAX_DEPTH: usize = 512;

/// Most pairs of schemas that are compared, and differences that are noted, in one comparison: some ten thousand times
/// what schemas in use need, and less than a second.
const MAX_STEPS: usize = 200_000;

/// As many bytes of a difference's path cost one step: names as long as a text are told with every difference below.
const PATH_STEP: usize = 128;

/// Every difference from `old` to `new`.
pub(super) fn compare(
    old: &Texts,
    new: &Texts,
    policy: Policy,
    direction: Direction,
) -> Result<Compared, SchemaError> {
    let sides = [Documents::new(old, 0), Documents::new(new, 1)];
    let mut comparison = Comparison::new(&sides, policy, old == new);
    let found = comparison.until_settled()?;
    let (reader, writer) = direction.words();
    let differences = found.into_iter().map(|Found { change, path }| {
        let path = format!("#/{path}");
        Difference {
            kind: change.name(),
            message: change.message(&path, reader, writer),
            path,
            detail: String::new(),
            verdict: change.verdict(policy),
        }
    });
    Ok(Compared {
        differences: differences.collect(),
        steps: comparison.steps,
    })
}

/// A difference at a path from the pair of schemas where it was found.
#[derive(Debug, Clone)]
struct Found {
    change: Change,
    path: String,
}

/// What the comparison of a pair came to.
#[derive(Debug, Clone, Default)]
struct Outcome {
    found: Vec<Found>,
    /// Incompatible because of a pair that is under way and known to be incompatible: told where that began.
    refuted: bool,
}

/// The names of two schemas: each an address and the number of a part.
type Pair = ((usize, usize), (usize, usize));

/// One comparison under way.
struct Comparison<'d, 'a> {
    sides: &'d [Documents<'a>; 2],
    policy: Policy,
    /// Whether both sides are the same text with the same imports, so that a reference means the same in both.
    same: bool,
    path: Vec<String>,
    outcome: Outcome,
    steps: usize,
    nodes: BTreeMap<usize, Rc<Node<'a>>>,
    /// The names that each schema requires.
    required: BTreeMap<usize, Rc<BTreeSet<&'a str>>>,
    memo: BTreeMap<Pair, Rc<Outcome>>,
    under_way: BTreeSet<Pair>,
    /// Pairs that were taken for compatible because they were under way.
    assumed: BTreeSet<Pair>,
    /// Pairs of an earlier pass that were so taken and are not.
    refuted: BTreeSet<Pair>,
    patterns: BTreeMap<String, Option<jsonschema::Validator>>,
}

impl<'d, 'a> Comparison<'d, 'a> {
    fn new(sides: &'d [Documents<'a>; 2], policy: Policy, same: bool) -> Self {
        Self {
            sides,
            policy,
            same,
            path: Vec::new(),
            outcome: Outcome::default(),
            steps: 0,
            nodes: BTreeMap::new(),
            required: BTreeMap::new(),
            memo: BTreeMap::new(),
            under_way: BTreeSet::new(),
            assumed: BTreeSet::new(),
            refuted: BTreeSet::new(),
            patterns: BTreeMap::new(),
        }
    }

    /// Compare the roots until no assumption about a recursive pair turns out wrong. Each pass refutes one more.
    fn until_settled(&mut self) -> Result<Vec<Found>, SchemaError> {
        loop {
            let known = self.refuted.len();
            // What is incompatible under an assumption is so without it.
            let memo = std::mem::take(&mut self.memo).into_iter();
            self.memo = memo
                .filter(|(_, outcome)| !self.is_compatible(outcome))
                .collect();
            self.assumed.clear();
            self.outcome = Outcome::default();
            let [old, new] = [&self.sides[0].root, &self.sides[1].root];
            self.places(*old, *new)?;
            if self.refuted.len() == known {
                return Ok(std::mem::take(&mut self.outcome).found);
            }
        }
    }

    fn places(&mut self, old: Place<'a>, new: Place<'a>) -> Result<(), SchemaError> {
        let (old, new) = (self.node(old), self.node(new));
        self.pair(&old, &new)
    }

    /// Compare two schemas that may be absent.
    fn optional(
        &mut self,
        old: Option<Place<'a>>,
        new: Option<Place<'a>>,
    ) -> Result<(), SchemaError> {
        match (old, new) {
            (None, None) => Ok(()),
            (None, Some(_)) => self.add(Change::SchemaAdded),
            (Some(_), None) => self.add(Change::SchemaRemoved),
            (Some(old), Some(new)) => self.places(old, new),
        }
    }

    /// Compare two schemas, once: what was found is noted again wherever the pair comes up.
    fn pair(&mut self, old: &Rc<Node<'a>>, new: &Rc<Node<'a>>) -> Result<(), SchemaError> {
        self.ignored_siblings(old, new)?;
        let (old, new) = (self.follow(old)?, self.follow(new)?);
        let pair = (old.key(), new.key());
        if let Some(known) = self.memo.get(&pair).cloned() {
            return self.absorb(&known);
        }
        if self.under_way.contains(&pair) {
            self.assumed.insert(pair);
            self.outcome.refuted |= self.refuted.contains(&pair);
            return Ok(());
        }
        if self.under_way.len() == MAX_DEPTH {
            return Err(SchemaError::TooLarge {
                found: MAX_DEPTH + 1,
                limit: MAX_DEPTH,
                unit: "levels of nesting",
            });
        }
        self.under_way.insert(pair);
        let path = std::mem::take(&mut self.path);
        let outcome = self.apart(|comparison| comparison.nodes(&old, &new));
        self.path = path;
        self.under_way.remove(&pair);
        let outcome = Rc::new(outcome?);
        if !self.is_compatible(&outcome) && self.assumed.contains(&pair) {
            self.refuted.insert(pair);
        }
        self.memo.insert(pair, Rc::clone(&outcome));
        self.absorb(&outcome)
    }

    /// Two schemas that are no references.
    fn nodes(&mut self, old: &Rc<Node<'a>>, new: &Rc<Node<'a>>) -> Result<(), SchemaError> {
        if self.are_bytes(old, new)? {
            return Ok(());
        }
        if !self.one_against_many(old, new)? {
            if old.kind.class() == new.kind.class() {
                self.annotations(old, new)?;
                self.same_class(old, new)?;
            } else if !matches!(old.kind, Kind::Nothing) && !matches!(new.kind, Kind::Anything) {
                self.add(Change::TypeChanged)?;
            }
        }
        self.overlooked(old, new)
    }

    fn same_class(&mut self, old: &Rc<Node<'a>>, new: &Rc<Node<'a>>) -> Result<(), SchemaError> {
        match (&old.kind, &new.kind) {
            (Kind::Text(before), Kind::Text(after)) => {
                self.typed(*before, *after)?;
                self.texts(old, new)
            }
            (Kind::Number(before, from), Kind::Number(after, to)) => {
                self.typed(*before, *after)?;
                self.numbers((old, *from), (new, *to))
            }
            (Kind::Object(before), Kind::Object(after)) => {
                self.typed(*before, *after)?;
                self.objects(old, new)
            }
            (Kind::Array(before), Kind::Array(after)) => {
                self.typed(*before, *after)?;
                self.arrays(old, new)
            }
            (Kind::Enum(before), Kind::Enum(after)) => self.enums(before, after),
            (Kind::Const(before), Kind::Const(after)) if before != after => {
                self.add_at("const", Change::EnumArrayChanged)
            }
            (Kind::Not(before), Kind::Not(after)) => self.nots(*before, *after),
            (Kind::Conditional, Kind::Conditional) => self.conditionals(old, new),
            (Kind::Combined(..), Kind::Combined(..)) => self.combinations(old, new),
            // Both a draft's own schema.
            (Kind::Reference(before), Kind::Reference(after)) if before != after => {
                self.add(Change::TypeChanged)
            }
            // Nothing, anything, null, boolean: the class says it all.
            _ => Ok(()),
        }
    }

    /// The reference does not see whether keywords about a type came with that type.
    fn typed(&mut self, old: Typed, new: Typed) -> Result<(), SchemaError> {
        if old < new {
            self.add(Change::TypeNotCompared)?;
        }
        Ok(())
    }

    fn annotations(&mut self, old: &Node<'a>, new: &Node<'a>) -> Result<(), SchemaError> {
        for (keyword, change) in [
            ("$id", Change::IdChanged),
            ("title", Change::TitleChanged),
            ("description", Change::DescriptionChanged),
            ("default", Change::DefaultChanged),
        ] {
            let of = |node: &Node<'a>| node.get(keyword).filter(|_| node.is_whole());
            if of(old) != of(new) {
                self.add(change)?;
            }
        }
        Ok(())
    }

    /// The schema that a reference names in the end.
    fn follow(&mut self, node: &Rc<Node<'a>>) -> Result<Rc<Node<'a>>, SchemaError> {
        let mut node = Rc::clone(node);
        let mut seen = BTreeSet::new();
        while let Kind::Reference(text) = node.kind {
            self.step(1)?;
            if !seen.insert(node.key()) {
                // A circle of references says nothing.
                return Ok(Rc::new(Node {
                    place: node.place,
                    part: CIRCLE,
                    kind: Kind::Anything,
                }));
            }
            match self.documents(node.place).resolve(node.place, text) {
                Some(Target::Place(place)) => node = self.node(place),
                Some(Target::Standard) => return Ok(node),
                None => return Err(hole::unresolved("", text)),
            }
        }
        Ok(node)
    }

    fn documents(&self, place: Place<'a>) -> &'d Documents<'a> {
        &self.sides[place.side]
    }

    fn node(&mut self, place: Place<'a>) -> Rc<Node<'a>> {
        let documents = self.documents(place);
        let entry = self.nodes.entry(place.address());
        Rc::clone(entry.or_insert_with(|| Rc::new(model::read(documents, place))))
    }

    /// A schema within another.
    fn child(&self, node: &Node<'a>, value: &'a Value) -> Place<'a> {
        self.documents(node.place).child(node.place, value)
    }

    /// Run a comparison whose outcome is not yet that of this one.
    fn apart(
        &mut self,
        run: impl FnOnce(&mut Self) -> Result<(), SchemaError>,
    ) -> Result<Outcome, SchemaError> {
        let around = std::mem::take(&mut self.outcome);
        let result = run(self);
        let outcome = std::mem::replace(&mut self.outcome, around);
        result.map(|()| outcome)
    }

    /// Compare two schemas apart.
    fn trial(&mut self, old: &Rc<Node<'a>>, new: &Rc<Node<'a>>) -> Result<Outcome, SchemaError> {
        let path = std::mem::take(&mut self.path);
        let outcome = self.apart(|comparison| comparison.pair(old, new));
        self.path = path;
        outcome
    }

    /// Whether everything that `old` allows is allowed by `new`, for certain.
    fn covers(&mut self, new: Place<'a>, old: Place<'a>) -> Result<bool, SchemaError> {
        let (old, new) = (self.node(old), self.node(new));
        let outcome = self.trial(&old, &new)?;
        Ok(self.is_certain(&outcome))
    }

    fn is_compatible(&self, outcome: &Outcome) -> bool {
        let breaks = |found: &Found| found.change.verdict(self.policy) == Verdict::Incompatible;
        !outcome.refuted && !outcome.found.iter().any(breaks)
    }

    /// Compatible, with nothing that was overlooked.
    fn is_certain(&self, outcome: &Outcome) -> bool {
        let plain = |found: &Found| found.change.verdict(self.policy) == Verdict::Compatible;
        !outcome.refuted && outcome.found.iter().all(plain)
    }

    /// Make the outcome of a comparison part of this one.
    fn absorb(&mut self, outcome: &Outcome) -> Result<(), SchemaError> {
        let prefix = self.path.join("/");
        let paths = outcome
            .found
            .iter()
            .map(|found| prefix.len() + found.path.len());
        self.step(1 + outcome.found.len() + paths.sum::<usize>() / PATH_STEP)?;
        self.outcome.refuted |= outcome.refuted;
        let rebased = outcome.found.iter().map(|found| Found {
            change: found.change,
            path: match (prefix.is_empty(), found.path.is_empty()) {
                (true, _) => found.path.clone(),
                (false, true) => prefix.clone(),
                (false, false) => format!("{prefix}/{}", found.path),
            },
        });
        self.outcome.found.extend(rebased);
        Ok(())
    }

    /// Compare or note something one step down.
    fn at<T>(&mut self, step: &str, run: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(step.to_owned());
        let result = run(self);
        self.path.pop();
        result
    }

    fn add(&mut self, change: Change) -> Result<(), SchemaError> {
        let path = self.path.join("/");
        self.step(1 + path.len() / PATH_STEP)?;
        self.outcome.found.push(Found { change, path });
        Ok(())
    }

    fn add_at(&mut self, step: &str, change: Change) -> Result<(), SchemaError> {
        self.at(step, |comparison| comparison.add(change))
    }

    fn step(&mut self, count: usize) -> Result<(), SchemaError> {
        self.steps += count;
        if self.steps > MAX_STEPS {
            return Err(SchemaError::TooLarge {
                found: self.steps,
                limit: MAX_STEPS,
                unit: "pairs of schemas to compare",
            });
        }
        Ok(())
    }
}

/// The number of a part that stands for a reference to itself.
const CIRCLE: usize = usize::MAX;

pub(crate) use hole::check_references;

#[cfg(test)]
mod tests;

/// Changes that the reference overlooks.
#[cfg(test)]
pub(super) fn holes() -> Vec<(Value, Value)> {
    let read = |text: &str| serde_json::from_str(text).expect("JSON");
    let all = tests::holes::HOLES.iter();
    let breaking = all.filter(|(_, _, expected)| expected.contains('#'));
    breaking
        .map(|(old, new, _)| (read(old), read(new)))
        .collect()
}
