//! Avro: may a reader's schema resolve data of a writer's? All differences, each with its location in the reader.
//!
//! Which pairs of types fit is the greatest fixpoint: every pair that can meet is taken to fit until something proves
//! that it does not. So recursive types are judged exactly, in time that grows with the number of pairs, and a verdict
//! reached inside a union's trial cannot linger after the trial has failed.
//! Source: <https://avro.apache.org/docs/1.12.0/specification/#schema-resolution>

use super::{Compared, Difference, Direction, Verdict};
use crate::avro::schema::{Enum, Field, Kind, Name, NodeId, Record, Schema};
use crate::schema_error::SchemaError;
use std::collections::{BTreeMap, BTreeSet};

/// Most steps of one comparison: pairs of types that meet, and what each asks for. Two versions of one schema have
/// about as many pairs as types; more is two wide unions of unions, or an attack.
const MAX_STEPS: usize = 400_000;

/// Most bytes of differences that are told: paths are long in a deep schema, and nobody reads on.
const MAX_TOLD: usize = 4_000_000;

/// A reader's type and a writer's type that meet.
type Pair = (NodeId, NodeId);

/// Every difference that keeps `reader` from reading data of `writer`.
pub(super) fn compare(
    reader: &Schema,
    writer: &Schema,
    direction: Direction,
) -> Result<Compared, SchemaError> {
    let root = (reader.root(), writer.root());
    let rules = Rules {
        reader,
        writer,
        words: direction.words(),
    };
    let (demands, steps) = rules.demands_from(root)?;
    let broken = broken_pairs(&demands);
    Ok(Compared {
        differences: rules.report(root, &demands, &broken),
        steps,
    })
}

/// What a pair asks for, apart from what is wrong with it alone.
#[derive(Debug)]
enum Demand {
    /// Nothing is wrong here, and all of these pairs must fit, each at its place below this one.
    All(Vec<Flaw>, Vec<(String, Pair)>),
    /// A union on both sides: every branch of the writer's must fit the reader's union.
    EachBranch(Vec<Pair>),
    /// One of these pairs must fit: the reader's branches against the writer's type.
    AnyBranch(Vec<Pair>),
}

/// Something wrong with a pair by itself.
#[derive(Debug)]
struct Flaw {
    kind: FlawKind,
    /// Below the pair's location.
    place: String,
    detail: String,
}

#[derive(Debug, Clone, Copy)]
enum FlawKind {
    Name,
    FixedSize,
    EnumSymbols,
    MissingDefault,
    Type,
    UnionBranch,
}

struct Rules<'a> {
    reader: &'a Schema,
    writer: &'a Schema,
    words: (&'static str, &'static str),
}

impl Rules<'_> {
    /// The demands of every pair that can be reached from `root`.
    fn demands_from(&self, root: Pair) -> Result<(BTreeMap<Pair, Demand>, usize), SchemaError> {
        let mut demands = BTreeMap::new();
        let mut steps = 0;
        let mut open = vec![root];
        while let Some(pair) = open.pop() {
            if demands.contains_key(&pair) {
                continue;
            }
            let demand = self.demand(pair);
            steps += self.steps(pair, &demand);
            if steps > MAX_STEPS {
                return Err(SchemaError::TooLarge {
                    found: steps,
                    limit: MAX_STEPS,
                    unit: "steps of comparing types",
                });
            }
            match &demand {
                Demand::All(_, children) => open.extend(children.iter().map(|(_, pair)| *pair)),
                Demand::EachBranch(pairs) | Demand::AnyBranch(pairs) => open.extend(pairs),
            }
            demands.insert(pair, demand);
        }
        Ok((demands, steps))
    }

    /// What a pair costs in time and memory: the pair itself, those that it leads to, symbols and names.
    fn steps(&self, pair: Pair, demand: &Demand) -> usize {
        let symbols = |kind: &Kind| {
            if let Kind::Enum(one) = kind {
                one.symbols.len()
            } else {
                0
            }
        };
        let compared = symbols(self.reader.kind(pair.0)) + symbols(self.writer.kind(pair.1));
        1 + compared / 8
            + match demand {
                Demand::All(flaws, children) => {
                    let bytes: usize = flaws.iter().map(|flaw| flaw.detail.len()).sum();
                    children.len() + bytes / 128
                }
                Demand::EachBranch(pairs) | Demand::AnyBranch(pairs) => pairs.len(),
            }
    }

    fn demand(&self, pair: Pair) -> Demand {
        let (reader, writer) = (self.reader.kind(pair.0), self.writer.kind(pair.1));
        match (reader, writer) {
            (Kind::Union(_), Kind::Union(branches)) => {
                Demand::EachBranch(branches.iter().map(|branch| (pair.0, *branch)).collect())
            }
            // Every branch must be readable; the locations are the reader's, which stands in one place.
            (_, Kind::Union(branches)) => Demand::All(
                vec![],
                branches
                    .iter()
                    .map(|branch| (String::new(), (pair.0, *branch)))
                    .collect(),
            ),
            (Kind::Union(branches), _) => {
                Demand::AnyBranch(branches.iter().map(|branch| (*branch, pair.1)).collect())
            }
            (Kind::Array(reader), Kind::Array(writer)) => child("/items", *reader, *writer),
            (Kind::Map(reader), Kind::Map(writer)) => child("/values", *reader, *writer),
            (Kind::Record(reader), Kind::Record(writer)) => self.record(reader, writer, pair.1),
            (Kind::Enum(reader), Kind::Enum(writer)) => enumeration(reader, writer),
            (Kind::Fixed(reader), Kind::Fixed(writer)) => {
                let mut flaws = Vec::from_iter(name_flaw(&reader.name, &writer.name));
                if reader.size != writer.size {
                    let detail = format!("expected: {}, found: {}", writer.size, reader.size);
                    flaws.push(Flaw {
                        kind: FlawKind::FixedSize,
                        place: "/size".into(),
                        detail,
                    });
                }
                Demand::All(flaws, vec![])
            }
            (reader, writer) if promotes(writer, reader) => Demand::All(vec![], vec![]),
            (reader, writer) => {
                let detail = format!(
                    "reader type: {} not compatible with writer type: {}",
                    shout(reader),
                    shout(writer)
                );
                let flaw = Flaw {
                    kind: FlawKind::Type,
                    place: String::new(),
                    detail,
                };
                Demand::All(vec![flaw], vec![])
            }
        }
    }

    fn record(&self, reader: &Record, writer: &Record, writer_node: NodeId) -> Demand {
        let mut flaws = Vec::from_iter(name_flaw(&reader.name, &writer.name));
        let by_name: BTreeMap<&str, &Field> = writer
            .fields
            .iter()
            .map(|field| (field.name.as_str(), field))
            .collect();
        let mut children = Vec::new();
        for (index, field) in reader.fields.iter().enumerate() {
            let mut names = std::iter::once(&field.name).chain(&field.aliases);
            let written = names.find_map(|name| by_name.get(name.as_str()));
            let place = format!("/fields/{index}");
            match (written, self.reader.kind(field.schema)) {
                (Some(written), _) => {
                    children.push((place + "/type", (field.schema, written.schema)));
                }
                (None, _) if field.has_default => {}
                // The reference then compares the enum with the whole record: always a mismatch, but of this name.
                (
                    None,
                    Kind::Enum(Enum {
                        default: Some(_), ..
                    }),
                ) => {
                    children.push((place + "/type", (field.schema, writer_node)));
                }
                (None, _) => {
                    let detail = field.name.clone();
                    flaws.push(Flaw {
                        kind: FlawKind::MissingDefault,
                        place,
                        detail,
                    });
                }
            }
        }
        Demand::All(flaws, children)
    }

    /// Walk the broken pairs from the root down to what breaks them.
    fn report(
        &self,
        root: Pair,
        demands: &BTreeMap<Pair, Demand>,
        broken: &BTreeSet<Pair>,
    ) -> Vec<Difference> {
        let mut found = Vec::new();
        let mut told = (0, 0);
        let mut seen = BTreeSet::new();
        let mut open = vec![(String::new(), root)];
        while let Some((location, pair)) = open.pop() {
            if !broken.contains(&pair) || !seen.insert(pair) {
                continue;
            }
            told.1 += bytes(&found[told.0..]) + location.len();
            told.0 = found.len();
            if told.1 > MAX_TOLD {
                break;
            }
            match &demands[&pair] {
                Demand::All(flaws, children) => {
                    found.extend(flaws.iter().map(|flaw| self.difference(&location, flaw)));
                    // Last in, first out: in the order of the schema.
                    let children = children.iter().rev();
                    open.extend(children.map(|(place, pair)| (location.clone() + place, *pair)));
                }
                Demand::EachBranch(pairs) => {
                    for (index, branch) in pairs.iter().enumerate() {
                        if broken.contains(branch) {
                            let place = format!("/{index}");
                            found.push(self.difference(&location, &self.no_branch(place, *branch)));
                        }
                    }
                }
                Demand::AnyBranch(_) => {
                    found.push(self.difference(&location, &self.no_branch(String::new(), pair)));
                }
            }
        }
        found
    }

    fn no_branch(&self, place: String, pair: Pair) -> Flaw {
        let writer = self.writer.kind(pair.1);
        let name = writer
            .name()
            .map(|name| format!(" {}", name.full))
            .unwrap_or_default();
        let detail = format!("reader union lacking writer type: {}{name}", shout(writer));
        Flaw {
            kind: FlawKind::UnionBranch,
            place,
            detail,
        }
    }

    fn difference(&self, location: &str, flaw: &Flaw) -> Difference {
        let (reader, writer) = self.words;
        let path = format!("{location}{}", flaw.place);
        let path = if path.is_empty() {
            "/".to_owned()
        } else {
            path
        };
        let (kind, message) = match flaw.kind {
            FlawKind::Name => (
                "NAME_MISMATCH",
                format!("The name of the schema has changed (path '{path}')"),
            ),
            FlawKind::FixedSize => (
                "FIXED_SIZE_MISMATCH",
                format!(
                    "The size of FIXED type field at path '{path}' in the {reader} schema does \
                     not match with the {writer} schema"
                ),
            ),
            FlawKind::EnumSymbols => (
                "MISSING_ENUM_SYMBOLS",
                format!(
                    "The {reader} schema is missing enum symbols '{}' at path '{path}' in the \
                     {writer} schema",
                    flaw.detail
                ),
            ),
            FlawKind::MissingDefault => (
                "READER_FIELD_MISSING_DEFAULT_VALUE",
                format!(
                    "The field '{}' at path '{path}' in the {reader} schema has no default value \
                     and is missing in the {writer} schema",
                    flaw.detail
                ),
            ),
            FlawKind::Type => (
                "TYPE_MISMATCH",
                format!(
                    "The type (path '{path}') of a field in the {reader} schema does not match \
                     with the {writer} schema"
                ),
            ),
            FlawKind::UnionBranch => (
                "MISSING_UNION_BRANCH",
                format!(
                    "The {reader} schema is missing a type inside a union field at path '{path}' \
                     in the {writer} schema"
                ),
            ),
        };
        Difference {
            kind,
            path,
            message,
            detail: flaw.detail.clone(),
            verdict: Verdict::Incompatible,
        }
    }
}

fn bytes(found: &[Difference]) -> usize {
    let texts = found
        .iter()
        .flat_map(|one| [&one.path, &one.message, &one.detail]);
    texts.map(String::len).sum()
}

/// The pairs that do not fit: those with a flaw, and whatever cannot do without them.
fn broken_pairs(demands: &BTreeMap<Pair, Demand>) -> BTreeSet<Pair> {
    let mut needed_by: BTreeMap<Pair, Vec<Pair>> = BTreeMap::new();
    for (pair, demand) in demands {
        match demand {
            Demand::All(_, children) => {
                children
                    .iter()
                    .for_each(|(_, child)| needed_by.entry(*child).or_default().push(*pair));
            }
            Demand::EachBranch(pairs) | Demand::AnyBranch(pairs) => {
                pairs
                    .iter()
                    .for_each(|child| needed_by.entry(*child).or_default().push(*pair));
            }
        }
    }
    let mut broken = BTreeSet::new();
    let mut open: Vec<Pair> = demands.keys().copied().collect();
    while let Some(pair) = open.pop() {
        let fits = |pair: &Pair| !broken.contains(pair);
        let fit = match &demands[&pair] {
            Demand::All(flaws, children) => {
                flaws.is_empty() && children.iter().all(|(_, child)| fits(child))
            }
            Demand::EachBranch(pairs) => pairs.iter().all(fits),
            Demand::AnyBranch(pairs) => pairs.iter().any(fits),
        };
        if !fit && broken.insert(pair) {
            open.extend(needed_by.get(&pair).into_iter().flatten());
        }
    }
    broken
}

fn child(place: &str, reader: NodeId, writer: NodeId) -> Demand {
    Demand::All(vec![], vec![(place.to_owned(), (reader, writer))])
}

fn enumeration(reader: &Enum, writer: &Enum) -> Demand {
    let mut flaws = Vec::from_iter(name_flaw(&reader.name, &writer.name));
    let known: BTreeSet<&String> = reader.symbols.iter().collect();
    let missing: Vec<&str> = writer
        .symbols
        .iter()
        .filter(|symbol| !known.contains(symbol))
        .map(String::as_str)
        .collect();
    if !missing.is_empty() && reader.default.is_none() {
        let detail = format!("[{}]", missing.join(", "));
        flaws.push(Flaw {
            kind: FlawKind::EnumSymbols,
            place: "/symbols".into(),
            detail,
        });
    }
    Demand::All(flaws, vec![])
}

/// Names fit when they are equal without their namespaces, or when the writer's is an alias of the reader's.
fn name_flaw(reader: &Name, writer: &Name) -> Option<Flaw> {
    if reader.short() == writer.short() || reader.aliases.contains(&writer.full) {
        return None;
    }
    let detail = format!("expected: {}", writer.full);
    Some(Flaw {
        kind: FlawKind::Name,
        place: "/name".into(),
        detail,
    })
}

/// Whether a value of the primitive type `from` can be read as `to`.
fn promotes(from: &Kind, to: &Kind) -> bool {
    use Kind::{Boolean, Bytes, Double, Float, Int, Long, Null, String};
    matches!(
        (from, to),
        (Null, Null)
            | (Boolean, Boolean)
            | (Int, Int | Long | Float | Double)
            | (Long, Long | Float | Double)
            | (Float, Float | Double)
            | (Double, Double)
            | (Bytes | String, Bytes | String)
    )
}

/// The type's name in capitals, as the reference writes it.
fn shout(kind: &Kind) -> String {
    kind.type_name().to_uppercase()
}
