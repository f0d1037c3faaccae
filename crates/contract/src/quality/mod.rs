//! Quality rules: what a contract asks of its events beyond what a schema can say.
//!
//! ```text
//!  ODCS `quality`, `meshlog.ruleSet` ──read──▶ QualityRule ──compile──▶ EventRules::check(event) ─▶ reasons
//! ```
//!
//! A rule that one event can break by itself decides a verdict ([`Scope::Event`]); one over many events (row counts,
//! duplicates, shares) is a measurement ([`Scope::Window`]) and refuses nothing. Rules are CEL conditions, or the
//! metrics of ODCS's library. A rule in `shadow` says what it would refuse and refuses nothing.
//! Source: <https://bitol-io.github.io/open-data-contract-standard/latest/data-quality/>,
//! <https://github.com/google/cel-spec/blob/master/doc/langdef.md>

mod check;
mod condition;
mod direct;
mod functions;
mod library;
mod mask;
mod path;
mod read;
mod rule_set;
#[cfg(test)]
mod tests;
mod variables;
mod window;

pub use check::{EventRules, Findings, RuleError};
pub(crate) use functions::{uri, uri_ref};
pub use library::{Library, Metric, Operator, Unit};
pub use mask::Mask;
pub use path::Path as FieldPath;
pub(crate) use read::read;
pub(crate) use rule_set::PROPERTY as RULE_SET;
pub use window::{RuleCount, WindowCounts, WindowRules, window_rules};

use crate::settings::Mode;
use serde::{Deserialize, Serialize};

/// A rule over the events of a port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QualityRule {
    /// Its name, unique within the contract.
    pub name: String,
    /// The field it is about, as [`crate::spec::Field::path`]; empty for the event as a whole.
    pub path: String,
    /// Whether it refuses, or only says what it would refuse.
    pub mode: Mode,
    /// What it means, for people.
    pub description: String,
    /// What must hold.
    pub check: Check,
}

/// What a rule demands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "engine", rename_all = "snake_case")]
pub enum Check {
    /// A CEL expression that must be true.
    Cel {
        /// The expression.
        condition: String,
        /// Only where this expression is true, if there is one.
        guard: Option<String>,
        /// What is known of the field, for rules over fields.
        field: Option<FieldFacts>,
    },
    /// A metric of ODCS's library.
    Library(Library),
}

/// What a CEL rule over fields can ask about the field: the variables of Confluent's `CEL_FIELD`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldFacts {
    /// `name`.
    pub name: String,
    /// `fullName`: with the record's name and the names above it.
    pub full_name: String,
    /// `typeName`: `STRING`, `INT`, ...
    pub type_name: String,
    /// `tags`.
    pub tags: Vec<String>,
}

/// What a rule needs to be decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// One event.
    Event,
    /// The events of a time window.
    Window,
}

impl QualityRule {
    /// What it needs to be decided.
    pub fn scope(&self) -> Scope {
        match &self.check {
            Check::Cel { .. } => Scope::Event,
            Check::Library(library) => library.scope(),
        }
    }

    /// What it demands, in one line.
    pub fn demand(&self) -> String {
        match &self.check {
            Check::Cel {
                condition, guard, ..
            } => match guard {
                Some(guard) => format!("{condition} (where {guard})"),
                None => condition.clone(),
            },
            Check::Library(library) => library.demand(),
        }
    }
}
