//! Compatibility of schemas: may data written with one be read with another, and if not, every reason why.
//!
//! Rules and names of differences are those of Confluent's registry 8.1, so that its clients and their users see what
//! they know. Not on the path of events: asked when a contract or a schema is about to change.
//! Where the reference compares nothing at all (a JSON Schema keyword that it ignores), a change is reported as
//! [`Verdict::Unjudged`], and [`witness`] looks for a document that proves it to break readers.

mod avro;
pub(crate) mod json;
mod protobuf;
mod reserved;
mod witness;

pub use reserved::{Reserved, reserved, reserved_names};

use crate::avro::schema::Schema;
use crate::protobuf::Loaded;
use crate::schema_error::SchemaError;
use crate::source::{SchemaType, Source};
use json::documents::Texts;
use std::{collections::BTreeSet, fmt, str::FromStr};

/// Which earlier versions a new one is checked against, and in which direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Level {
    /// No check.
    None,
    /// The new version reads data of the latest.
    Backward,
    /// The new version reads data of every earlier one.
    BackwardTransitive,
    /// The latest version reads data of the new one.
    Forward,
    /// Every earlier version reads data of the new one.
    ForwardTransitive,
    /// Both directions with the latest.
    Full,
    /// Both directions with every earlier one.
    FullTransitive,
}

/// A text is not the name of a [`Level`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a compatibility level")]
pub struct InvalidLevel(pub String);

impl Level {
    /// Every level.
    pub const ALL: &'static [Level] = &[
        Level::None,
        Level::Backward,
        Level::BackwardTransitive,
        Level::Forward,
        Level::ForwardTransitive,
        Level::Full,
        Level::FullTransitive,
    ];

    /// As written in configurations: `BACKWARD_TRANSITIVE`.
    pub fn as_str(self) -> &'static str {
        match self {
            Level::None => "NONE",
            Level::Backward => "BACKWARD",
            Level::BackwardTransitive => "BACKWARD_TRANSITIVE",
            Level::Forward => "FORWARD",
            Level::ForwardTransitive => "FORWARD_TRANSITIVE",
            Level::Full => "FULL",
            Level::FullTransitive => "FULL_TRANSITIVE",
        }
    }

    /// Whether every earlier version counts, not only the latest.
    pub fn is_transitive(self) -> bool {
        match self {
            Level::BackwardTransitive | Level::ForwardTransitive | Level::FullTransitive => true,
            Level::None | Level::Backward | Level::Forward | Level::Full => false,
        }
    }

    /// The directions that are checked, in order.
    pub fn directions(self) -> &'static [Direction] {
        match self {
            Level::None => &[],
            Level::Backward | Level::BackwardTransitive => &[Direction::NewReadsOld],
            Level::Forward | Level::ForwardTransitive => &[Direction::OldReadsNew],
            Level::Full | Level::FullTransitive => {
                &[Direction::NewReadsOld, Direction::OldReadsNew]
            }
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Level {
    type Err = InvalidLevel;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Level::ALL
            .iter()
            .find(|level| level.as_str().eq_ignore_ascii_case(text));
        found.copied().ok_or_else(|| InvalidLevel(text.to_owned()))
    }
}

/// How JSON Schemas are judged; Avro knows one way only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Policy {
    /// Whatever one schema allows, the other must allow.
    Strict,
    /// The same, save that readers ignore properties that they do not know.
    Lenient,
}

/// One difference between two schemas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Confluent's name of it: `READER_FIELD_MISSING_DEFAULT_VALUE`; for what Confluent does not compare, ours.
    pub kind: &'static str,
    /// Where: in the reader's schema for Avro (`/fields/1`), in either for JSON (`#/properties/bar`).
    pub path: String,
    /// The whole sentence.
    pub message: String,
    /// What exactly: the missing symbols, the field's name, the two types. Empty where there is no more to say.
    pub detail: String,
    /// Whether data may still be read.
    pub verdict: Verdict,
}

/// What a difference means for the reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Data may still be read.
    Compatible,
    /// Some data may not.
    Incompatible,
    /// The reference passes over it in silence, though some data may not be readable any more. A registry warns; a
    /// contract, whose promise must hold, counts it as [`Verdict::Incompatible`].
    Unjudged,
}

impl fmt::Display for Difference {
    /// As Confluent's clients see it among the details of a refusal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            message,
            detail,
            ..
        } = self;
        if detail.is_empty() {
            write!(f, "{{errorType:\"{kind}\", description:\"{message}\"}}")
        } else {
            write!(
                f,
                "{{errorType:'{kind}', description:'{message}', additionalInfo:'{detail}'}}"
            )
        }
    }
}

/// Who reads whose data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The new version must read data of the old: backward.
    NewReadsOld,
    /// The old version must read data of the new: forward.
    OldReadsNew,
}

impl Direction {
    /// What the reader's and the writer's schema are called in messages.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Direction::NewReadsOld => ("new", "old"),
            Direction::OldReadsNew => ("old", "new"),
        }
    }
}

/// An earlier version of a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version<'a> {
    /// Its number in the subject.
    pub number: u32,
    /// The schema.
    pub schema: Source<'a>,
}

/// A difference that breaks a reader of `version`, or a reader that is `version`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incompatibility {
    /// The number of the earlier version.
    pub version: u32,
    /// Who could not read.
    pub direction: Direction,
    /// Why.
    pub difference: Difference,
}

/// Every difference that matters to `reader` reading data of `writer`, the compatible ones included.
///
/// # Errors
/// [`SchemaError`] when one of them is not a schema, or they are too large to compare.
pub fn compare(
    reader: &Source<'_>,
    writer: &Source<'_>,
    policy: Policy,
) -> Result<Vec<Difference>, SchemaError> {
    compare_counted(reader, writer, policy).map(|found| found.differences)
}

/// The same with what it took.
///
/// # Errors
/// As [`compare`].
pub fn compare_counted(
    reader: &Source<'_>,
    writer: &Source<'_>,
    policy: Policy,
) -> Result<Compared, SchemaError> {
    let (reader, writer) = (Side::read(reader)?, Side::read(writer)?);
    compare_as(&reader, &writer, policy, Direction::NewReadsOld)
}

/// A schema to be compared, read as far as it can be apart from the other: once in a check, whatever it is compared with.
struct Side<'a> {
    read: Read<'a>,
    /// What it costs in each comparison, in steps, however little of it differs.
    steps: usize,
}

/// A schema as its language has it.
enum Read<'a> {
    Avro(Schema),
    Json(Texts),
    Protobuf(Loaded<'a>),
}

impl<'a> Side<'a> {
    fn read(source: &'a Source<'a>) -> Result<Self, SchemaError> {
        let (read, steps) = match source.ty {
            SchemaType::Avro => (
                Read::Avro(Schema::parse(source.text, source.imports)?),
                bytes(source) / BYTES_STEP,
            ),
            SchemaType::Json => (
                Read::Json(Texts::parse(source)?),
                bytes(source) / BYTES_STEP,
            ),
            SchemaType::Protobuf => (Read::Protobuf(protobuf::read(source)?), 0),
        };
        Ok(Self { read, steps })
    }

    fn ty(&self) -> SchemaType {
        match self.read {
            Read::Avro(_) => SchemaType::Avro,
            Read::Json(_) => SchemaType::Json,
            Read::Protobuf(_) => SchemaType::Protobuf,
        }
    }
}

/// What comparing two schemas brought out, and what it took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// Every difference that matters, the compatible ones included.
    pub differences: Vec<Difference>,
    /// Pairs compared and differences noted; some microseconds each.
    pub steps: usize,
}

/// Most steps of one check, over all earlier versions: two or three seconds of a registry's one writer, which answers
/// nobody else meanwhile. Reading counts too. Some nine hundred versions of 20 KB, both ways, are within it.
pub const MAX_STEPS: usize = 2_000_000;

/// As many bytes of Avro or JSON cost one step in each comparison.
const BYTES_STEP: usize = 64;

/// As many bytes of Protobuf, when it is read: then every name is looked up.
const PROTOBUF_BYTES_STEP: usize = 8;

/// What a check may still take.
struct Allowance {
    left: usize,
}

impl Allowance {
    fn spend(&mut self, steps: usize) -> Result<(), SchemaError> {
        let left = self.left.checked_sub(steps);
        self.left = left.ok_or(SchemaError::TooLarge {
            found: MAX_STEPS - self.left + steps,
            limit: MAX_STEPS,
            unit: "steps to be compared with its earlier versions",
        })?;
        Ok(())
    }

    fn read<'a>(&mut self, source: &'a Source<'a>) -> Result<Side<'a>, SchemaError> {
        if source.ty == SchemaType::Protobuf {
            self.spend(bytes(source) / PROTOBUF_BYTES_STEP)?;
        }
        Side::read(source)
    }

    fn compare(
        &mut self,
        reader: &Side<'_>,
        writer: &Side<'_>,
        policy: Policy,
        direction: Direction,
    ) -> Result<Vec<Difference>, SchemaError> {
        self.spend(reader.steps + writer.steps)?;
        let found = compare_as(reader, writer, policy, direction)?;
        self.spend(found.steps)?;
        Ok(found.differences)
    }
}

/// What is read for a schema.
fn bytes(source: &Source<'_>) -> usize {
    let imports = source.imports.iter().map(|import| import.text.len());
    source.text.len() + imports.sum::<usize>()
}

/// What a check found, of the first version with which something is wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// What breaks a reader; empty when the new version is compatible.
    pub incompatible: Vec<Incompatibility>,
    /// What the reference passes over though it may break a reader ([`Verdict::Unjudged`]), of every version checked.
    pub unjudged: Vec<Incompatibility>,
    /// What the check took, in steps: what reading costs, pairs compared, and differences noted. At most
    /// [`MAX_STEPS`], and the same each time.
    pub steps: usize,
}

/// Check a new version against the earlier ones, given newest last.
///
/// As the reference does, it goes from the newest back and stops at the first version with an incompatibility. A version
/// whose text has been compared already, as where two follow each other in turn, is not compared again.
///
/// # Errors
/// [`SchemaError`] when one of them is not a schema, or they are too large to compare, each or all together.
pub fn check(
    level: Level,
    policy: Policy,
    new: &Source<'_>,
    previous: &[Version<'_>],
) -> Result<Report, SchemaError> {
    let depth = if level.is_transitive() {
        previous.len()
    } else {
        1
    };
    let mut report = Report::default();
    if level.directions().is_empty() || previous.is_empty() {
        return Ok(report);
    }
    let mut allowance = Allowance { left: MAX_STEPS };
    let new = allowance.read(new)?;
    let mut seen = BTreeSet::new();
    for old in previous.iter().rev().take(depth) {
        let schema = &old.schema;
        if schema.imports.is_empty() && !seen.insert((schema.ty.as_str(), schema.text)) {
            continue;
        }
        let schema = allowance.read(schema)?;
        for &direction in level.directions() {
            let (reader, writer) = match direction {
                Direction::NewReadsOld => (&new, &schema),
                Direction::OldReadsNew => (&schema, &new),
            };
            for difference in allowance.compare(reader, writer, policy, direction)? {
                report.note(Incompatibility {
                    version: old.number,
                    direction,
                    difference,
                });
            }
        }
        if !report.incompatible.is_empty() {
            break;
        }
    }
    report.steps = MAX_STEPS - allowance.left;
    Ok(report)
}

impl Report {
    fn note(&mut self, found: Incompatibility) {
        match found.difference.verdict {
            Verdict::Compatible => {}
            Verdict::Incompatible => self.incompatible.push(found),
            Verdict::Unjudged => self.unjudged.push(found),
        }
    }
}

fn compare_as(
    reader: &Side<'_>,
    writer: &Side<'_>,
    policy: Policy,
    direction: Direction,
) -> Result<Compared, SchemaError> {
    match (&reader.read, &writer.read) {
        (Read::Avro(reader), Read::Avro(writer)) => avro::compare(reader, writer, direction),
        (Read::Json(reader), Read::Json(writer)) => {
            json::compare(writer, reader, policy, direction)
        }
        (Read::Protobuf(reader), Read::Protobuf(writer)) => {
            protobuf::compare(writer, reader, direction)
        }
        (Read::Avro(_) | Read::Json(_) | Read::Protobuf(_), _) => Ok(Compared {
            differences: vec![of_other_type(reader.ty(), writer.ty())],
            steps: 1,
        }),
    }
}

/// An example that proves a difference to break a reader: of JSON Schemas a document that the writer's accepts and the
/// reader's refuses, of Protobuf bytes with what either side reads of them. Found by a search that is bounded and the
/// same each time, so none found proves nothing; Avro, where nothing is passed over, has none.
pub fn witness(found: &Incompatibility, new: &Source<'_>, previous: &Source<'_>) -> Option<String> {
    let (reader, writer) = match found.direction {
        Direction::NewReadsOld => (new, previous),
        Direction::OldReadsNew => (previous, new),
    };
    match (reader.ty, writer.ty) {
        (SchemaType::Json, SchemaType::Json) => witness::of_documents(reader, writer),
        (SchemaType::Protobuf, SchemaType::Protobuf) => {
            let (direction, difference) = (found.direction, &found.difference);
            // a schema that cannot be read was reported when the two were compared
            protobuf::witness(writer, reader, direction, difference).ok()?
        }
        (SchemaType::Avro | SchemaType::Json | SchemaType::Protobuf, _) => None,
    }
}

/// Nothing can be read in another language.
fn of_other_type(reader: SchemaType, writer: SchemaType) -> Difference {
    Difference {
        kind: "SCHEMA_TYPE_CHANGED",
        path: String::new(),
        message: "Incompatible because of different schema type".to_owned(),
        detail: format!("{writer} to {reader}"),
        verdict: Verdict::Incompatible,
    }
}

#[cfg(test)]
mod tests;
