//! Protobuf: may a reader's schema decode data of a writer's?
//!
//! The reference compares the texts, not the descriptors: fields by their number, types by their name less the
//! package, labels where both sides write one, a oneof by its name. Its verdicts are kept, those of 8.1.1; what it
//! passes over though data may be lost is told beside them ([`holes`]).
//! Source: <https://docs.confluent.io/platform/current/schema-registry/fundamentals/schema-evolution.html>,
//! <https://protobuf.dev/programming-guides/proto3/#updating>

mod change;
#[cfg(test)]
mod differential;
mod field;
mod holes;
mod message;
#[cfg(test)]
mod tests;
mod witness;

pub(super) use witness::witness;

use super::{Compared, Difference, Direction, Verdict};
use crate::protobuf::ast::Message;
use crate::protobuf::{self, Loaded, Names};
use crate::schema_error::SchemaError;
use crate::source::Source;
use change::Change;
use std::collections::BTreeMap;

/// Most pairs of messages to compare: far more than any schema has messages, and it bounds an attack.
const MAX_PAIRS: usize = 20_000;

/// Most bytes of paths to differences: names are long, and messages within each other.
const MAX_TOLD: usize = 8_000_000;

/// Longest chain of imported messages, each reached through the one before: keeps it off the stack.
const MAX_CHAIN: usize = 64;

/// Read a schema and check it: most of what comparing takes, so that a check against many versions reads each once.
pub(super) fn read<'a>(source: &Source<'a>) -> Result<Loaded<'a>, SchemaError> {
    let loaded = protobuf::load(source.text, source.imports)?;
    protobuf::check(&loaded)?;
    Ok(loaded)
}

/// Every difference from `old`, which wrote the data, to `new`, which reads them.
pub(super) fn compare(
    old: &Loaded<'_>,
    new: &Loaded<'_>,
    direction: Direction,
) -> Result<Compared, SchemaError> {
    let mut comparison = Comparison {
        old: Side::of(old),
        new: Side::of(new),
        words: direction.words(),
        path: Vec::new(),
        chain: 0,
        memo: BTreeMap::new(),
        found: Vec::new(),
        told: 0,
    };
    comparison.files()?;
    comparison.check_told()?;
    Ok(Compared {
        steps: comparison.memo.len() + comparison.found.len() + comparison.told / 128,
        differences: comparison.found,
    })
}

/// Whether the first message of the file has a field of that name.
pub(super) fn has_top_level_field(source: &Source<'_>, name: &str) -> Result<bool, SchemaError> {
    let file = protobuf::read(source.text)?;
    Ok(file.messages.first().is_some_and(|message| {
        let fields = message.oneofs.iter().flat_map(|oneof| &oneof.fields);
        fields
            .chain(&message.fields)
            .any(|field| field.name == name)
    }))
}

/// One of the two schemas.
#[derive(Debug)]
struct Side<'a> {
    loaded: &'a Loaded<'a>,
    names: Names<'a>,
}

impl<'a> Side<'a> {
    fn of(loaded: &'a Loaded<'_>) -> Self {
        Self {
            loaded,
            names: Names::of(loaded),
        }
    }

    fn is_local(&self, file: usize) -> bool {
        file + 1 == self.loaded.files.len()
    }

    fn is_proto3(&self, file: usize) -> bool {
        self.loaded.files[file].file.is_proto3()
    }
}

/// A message and its full name.
#[derive(Debug, Clone, Copy)]
struct At<'a, 's> {
    scope: &'s str,
    message: &'a Message,
}

/// A comparison under way.
#[derive(Debug)]
struct Comparison<'a> {
    old: Side<'a>,
    new: Side<'a>,
    words: (&'static str, &'static str),
    path: Vec<String>,
    chain: usize,
    /// Pairs of imported messages already compared, with the verdict; one under way counts as compatible.
    memo: BTreeMap<(String, String), bool>,
    found: Vec<Difference>,
    /// Bytes of what was found.
    told: usize,
}

impl<'a> Comparison<'a> {
    fn files(&mut self) -> Result<(), SchemaError> {
        let (old, new) = (self.old.loaded, self.new.loaded);
        let (old, new) = (old.main(), new.main());
        if old.package != new.package {
            self.add(Change::PackageChanged);
        }
        if old.is_proto3() != new.is_proto3() {
            self.add(Change::SyntaxChanged);
        }
        let scopes = (old.package(), new.package());
        self.messages(scopes, &old.messages, &new.messages)?;
        self.enums(&old.enums, &new.enums);
        self.extensions();
        Ok(())
    }

    fn add(&mut self, change: Change) {
        let path = format!("#/{}", self.path.join("/"));
        self.told += path.len();
        if self.told > MAX_TOLD {
            // an error, in the end
            return;
        }
        let known = self.found.iter().rev().take_while(|one| one.path == path);
        if known.clone().any(|one| one.kind == change.as_str()) {
            return;
        }
        self.found.push(Difference {
            kind: change.as_str(),
            message: change.message(&path, self.words),
            path,
            detail: String::new(),
            verdict: change.verdict(),
        });
    }

    /// Whether there is too much to tell: then no verdict is given.
    fn check_told(&self) -> Result<(), SchemaError> {
        if self.told <= MAX_TOLD {
            return Ok(());
        }
        Err(SchemaError::TooLarge {
            found: self.told,
            limit: MAX_TOLD,
            unit: "bytes of paths to differences",
        })
    }

    /// Within a step of the path.
    fn within<T>(&mut self, step: impl Into<String>, compare: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(step.into());
        let result = compare(self);
        self.path.pop();
        result
    }

    fn is_compatible_since(&self, before: usize) -> bool {
        let found = &self.found[before..];
        found.iter().all(|one| one.verdict != Verdict::Incompatible)
    }
}
