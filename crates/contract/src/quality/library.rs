//! The metrics of ODCS's library, with every operator.

use super::{Scope, path::Path};
use crate::document::odcs::Quality;
use crate::leaf::{Leaf, Leaves};
use crate::verdict::{Code, Reason};
use regex::Regex;
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

/// A metric, and what it must come to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Library {
    /// What is counted.
    pub metric: Metric,
    /// What the count must be.
    pub operator: Operator,
    /// How it is counted.
    pub unit: Unit,
    /// The values that count as valid, or as missing.
    pub values: Vec<Value>,
    /// The regular expression that a valid text matches.
    pub pattern: Option<String>,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Metric {
    /// Events in which the field is null or absent.
    NullValues,
    /// Events in which the field holds a value that stands for "missing".
    MissingValues,
    /// Events in which the field holds a value that is not valid.
    InvalidValues,
    /// Events whose value an earlier event has had.
    DuplicateValues,
    /// Events.
    RowCount,
}

/// What the count must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Operator {
    /// `=`
    MustBe(Number),
    /// `≠`
    MustNotBe(Number),
    /// `>`
    MustBeGreaterThan(Number),
    /// `≥`
    MustBeGreaterOrEqualTo(Number),
    /// `<`
    MustBeLessThan(Number),
    /// `≤`
    MustBeLessOrEqualTo(Number),
    /// From the first to the second, both allowed.
    MustBeBetween(Number, Number),
    /// Below the first or above the second.
    MustNotBeBetween(Number, Number),
}

/// How it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// As events.
    Rows,
    /// As a share of all events, 0 to 100.
    Percent,
}

impl Metric {
    /// The name in ODCS.
    pub fn name(self) -> &'static str {
        match self {
            Metric::NullValues => "nullValues",
            Metric::MissingValues => "missingValues",
            Metric::InvalidValues => "invalidValues",
            Metric::DuplicateValues => "duplicateValues",
            Metric::RowCount => "rowCount",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        let all = [
            Metric::NullValues,
            Metric::MissingValues,
            Metric::InvalidValues,
            Metric::DuplicateValues,
            Metric::RowCount,
        ];
        all.into_iter().find(|metric| metric.name() == name)
    }
}

impl Unit {
    /// For people.
    pub fn word(self) -> &'static str {
        match self {
            Unit::Rows => "events",
            Unit::Percent => "%",
        }
    }
}

fn figure(number: &Number) -> f64 {
    number.as_f64().unwrap_or(f64::NAN)
}

impl Operator {
    /// Whether a figure is as demanded.
    pub fn admits(&self, count: f64) -> bool {
        match self {
            #[expect(clippy::float_cmp, reason = "counts are whole, and so compare exactly")]
            Operator::MustBe(number) => count == figure(number),
            #[expect(clippy::float_cmp, reason = "counts are whole, and so compare exactly")]
            Operator::MustNotBe(number) => count != figure(number),
            Operator::MustBeGreaterThan(number) => count > figure(number),
            Operator::MustBeGreaterOrEqualTo(number) => count >= figure(number),
            Operator::MustBeLessThan(number) => count < figure(number),
            Operator::MustBeLessOrEqualTo(number) => count <= figure(number),
            Operator::MustBeBetween(low, high) => (figure(low)..=figure(high)).contains(&count),
            Operator::MustNotBeBetween(low, high) => !(figure(low)..=figure(high)).contains(&count),
        }
    }

    /// The figure that it names; the lower one of two.
    pub fn target(&self) -> Option<f64> {
        match self {
            Operator::MustBe(number)
            | Operator::MustNotBe(number)
            | Operator::MustBeGreaterThan(number)
            | Operator::MustBeGreaterOrEqualTo(number)
            | Operator::MustBeLessThan(number)
            | Operator::MustBeLessOrEqualTo(number)
            | Operator::MustBeBetween(number, _)
            | Operator::MustNotBeBetween(number, _) => number.as_f64(),
        }
    }

    /// The highest figure it admits, where there is one, and whether that figure itself is admitted.
    fn ceiling(&self) -> Option<(f64, bool)> {
        match self {
            Operator::MustBe(number) | Operator::MustBeLessOrEqualTo(number) => {
                Some((figure(number), true))
            }
            Operator::MustBeLessThan(number) => Some((figure(number), false)),
            Operator::MustBeBetween(_, high) => Some((figure(high), true)),
            Operator::MustNotBe(_)
            | Operator::MustBeGreaterThan(_)
            | Operator::MustBeGreaterOrEqualTo(_)
            | Operator::MustNotBeBetween(..) => None,
        }
    }

    fn text(&self) -> String {
        match self {
            Operator::MustBe(number) => format!("= {number}"),
            Operator::MustNotBe(number) => format!("≠ {number}"),
            Operator::MustBeGreaterThan(number) => format!("> {number}"),
            Operator::MustBeGreaterOrEqualTo(number) => format!("≥ {number}"),
            Operator::MustBeLessThan(number) => format!("< {number}"),
            Operator::MustBeLessOrEqualTo(number) => format!("≤ {number}"),
            Operator::MustBeBetween(low, high) => format!("between {low} and {high}"),
            Operator::MustNotBeBetween(low, high) => format!("not between {low} and {high}"),
        }
    }

    /// The one operator of a rule.
    fn read(quality: &Quality) -> Result<Self, String> {
        let one = |name: &str, given: &Option<Value>| match given {
            None => Ok(None),
            Some(Value::Number(number)) => Ok(Some(number.clone())),
            Some(other) => Err(format!("`{name}` is {other}; expected a number")),
        };
        let two = |name: &str, given: &Option<Value>| match given {
            None => Ok(None),
            Some(value) => match value.as_array().map(Vec::as_slice) {
                Some([Value::Number(low), Value::Number(high)]) if figure(low) <= figure(high) => {
                    Ok(Some((low.clone(), high.clone())))
                }
                _ => Err(format!(
                    "`{name}` is {value}; expected two numbers, the smaller one first"
                )),
            },
        };
        let given = [
            one("mustBe", &quality.must_be)?.map(Operator::MustBe),
            one("mustNotBe", &quality.must_not_be)?.map(Operator::MustNotBe),
            one("mustBeGreaterThan", &quality.must_be_greater_than)?
                .map(Operator::MustBeGreaterThan),
            one(
                "mustBeGreaterOrEqualTo",
                &quality.must_be_greater_or_equal_to,
            )?
            .map(Operator::MustBeGreaterOrEqualTo),
            one("mustBeLessThan", &quality.must_be_less_than)?.map(Operator::MustBeLessThan),
            one("mustBeLessOrEqualTo", &quality.must_be_less_or_equal_to)?
                .map(Operator::MustBeLessOrEqualTo),
            two("mustBeBetween", &quality.must_be_between)?
                .map(|(low, high)| Operator::MustBeBetween(low, high)),
            two("mustNotBeBetween", &quality.must_not_be_between)?
                .map(|(low, high)| Operator::MustNotBeBetween(low, high)),
        ];
        let mut given = given.into_iter().flatten();
        match (given.next(), given.next()) {
            (Some(operator), None) => Ok(operator),
            (None, _) => Err(
                "has no operator; expected one of mustBe, mustNotBe, mustBeGreaterThan, \
                 mustBeGreaterOrEqualTo, mustBeLessThan, mustBeLessOrEqualTo, mustBeBetween, mustNotBeBetween"
                    .to_owned(),
            ),
            (Some(_), Some(_)) => Err("has more than one operator; expected one".to_owned()),
        }
    }
}

impl Library {
    /// Read a rule of the library; `path` is the field's, empty for the schema object.
    pub(super) fn read(quality: &Quality, metric: &str, path: &str) -> Result<Self, String> {
        let metric = Metric::parse(metric).ok_or_else(|| {
            format!(
                "`metric` is `{metric}`; expected nullValues, missingValues, invalidValues, duplicateValues or rowCount"
            )
        })?;
        let unit = match quality.unit.as_deref() {
            None | Some("rows") => Unit::Rows,
            Some("percent") => Unit::Percent,
            Some(other) => return Err(format!("`unit` is `{other}`; expected rows or percent")),
        };
        let about_a_field = !matches!(metric, Metric::RowCount | Metric::DuplicateValues);
        if about_a_field && path.is_empty() {
            return Err(format!(
                "`{}` is about a field; put the rule under that property",
                metric.name()
            ));
        }
        let argument = |name: &str| quality.arguments.get(name);
        let list = |name: &str| match argument(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(values)) => Ok(values.clone()),
            Some(other) => Err(format!("argument `{name}` is {other}; expected a list")),
        };
        let pattern = match argument("pattern") {
            None => None,
            Some(Value::String(pattern)) => {
                compiled(pattern)?;
                Some(pattern.clone())
            }
            Some(other) => return Err(format!("argument `pattern` is {other}; expected a text")),
        };
        let values = match metric {
            Metric::InvalidValues => list("validValues")?,
            Metric::MissingValues => list("missingValues")?,
            Metric::DuplicateValues => list("properties")?,
            Metric::NullValues | Metric::RowCount => Vec::new(),
        };
        match metric {
            Metric::InvalidValues if values.is_empty() && pattern.is_none() => {
                return Err(
                    "`invalidValues` needs the argument `validValues` or `pattern`".to_owned(),
                );
            }
            Metric::MissingValues if values.is_empty() => {
                return Err("`missingValues` needs the argument `missingValues`".to_owned());
            }
            Metric::NullValues
            | Metric::MissingValues
            | Metric::InvalidValues
            | Metric::DuplicateValues
            | Metric::RowCount => {}
        }
        Ok(Self {
            metric,
            operator: Operator::read(quality)?,
            unit,
            values,
            pattern,
        })
    }

    /// One event decides where not a single one may break the rule.
    pub(super) fn scope(&self) -> Scope {
        let by_event = matches!(
            self.metric,
            Metric::NullValues | Metric::MissingValues | Metric::InvalidValues
        );
        let none_allowed = self.operator.admits(0.0)
            && self
                .operator
                .ceiling()
                .is_some_and(|(most, included)| match self.unit {
                    Unit::Rows => most < 1.0 || (most <= 1.0 && !included),
                    Unit::Percent => most <= 0.0,
                });
        if by_event && none_allowed {
            Scope::Event
        } else {
            Scope::Window
        }
    }

    pub(super) fn demand(&self) -> String {
        let unit = match self.unit {
            Unit::Rows => "",
            Unit::Percent => " %",
        };
        let mut demand = format!("{} {}{unit}", self.metric.name(), self.operator.text());
        if !self.values.is_empty() {
            let values: Vec<String> = self.values.iter().map(Value::to_string).collect();
            let what = match self.metric {
                Metric::InvalidValues => "valid",
                Metric::MissingValues => "missing",
                Metric::DuplicateValues => "of",
                Metric::NullValues | Metric::RowCount => "values",
            };
            demand.push_str(&format!(", {what}: {}", values.join(", ")));
        }
        if let Some(pattern) = &self.pattern {
            demand.push_str(&format!(", pattern {pattern}"));
        }
        demand
    }
}

/// A rule of the library that each event meets or breaks.
#[derive(Debug)]
pub(super) struct FieldCheck {
    path: Path,
    metric: Metric,
    values: Vec<Value>,
    pattern: Option<Regex>,
}

impl FieldCheck {
    pub(super) fn compile(library: &Library, path: &str) -> Result<Self, String> {
        Ok(Self {
            path: Path::parse(path),
            metric: library.metric,
            values: library.values.clone(),
            pattern: library.pattern.as_deref().map(compiled).transpose()?,
        })
    }

    pub(super) fn member(&self) -> Option<&str> {
        self.path.member()
    }

    /// Whether scalars at the top of an event can decide it.
    pub(super) fn is_direct(&self) -> bool {
        self.path.top().is_some()
    }

    /// Whether an event meets it for certain.
    pub(super) fn holds(&self, event: &Leaves<'_>) -> bool {
        let Some(name) = self.path.top() else {
            return false;
        };
        let leaf = event.get(name).unwrap_or(&Leaf::Null);
        let listed = || self.values.iter().any(|value| leaf.is(value));
        match self.metric {
            Metric::NullValues => *leaf != Leaf::Null,
            Metric::MissingValues => !listed(),
            Metric::InvalidValues => {
                let fits =
                    |pattern: &Regex| matches!(leaf, Leaf::Text(text) if pattern.is_match(text));
                let is_listed = self.values.is_empty() || listed();
                *leaf == Leaf::Null || (is_listed && self.pattern.as_ref().is_none_or(fits))
            }
            Metric::DuplicateValues | Metric::RowCount => true,
        }
    }

    /// What breaks the rule in this event.
    pub(super) fn check(&self, event: &Value, demand: &str) -> Vec<Reason> {
        let broken = self.path.values(event).into_iter().filter(|(_, value)| {
            let value = value.unwrap_or(&Value::Null);
            match self.metric {
                Metric::NullValues => value.is_null(),
                Metric::MissingValues => self.values.contains(value),
                Metric::InvalidValues => !value.is_null() && !self.is_valid(value),
                Metric::DuplicateValues | Metric::RowCount => false,
            }
        });
        broken
            .map(|(at, value)| {
                let found = value.map_or_else(|| "nothing".to_owned(), Value::to_string);
                Reason::new(Code::RuleBroken, at, demand, &found)
            })
            .collect()
    }

    fn is_valid(&self, value: &Value) -> bool {
        let listed = self.values.is_empty() || self.values.contains(value);
        let fits = |pattern: &Regex| match value {
            Value::String(text) => pattern.is_match(text),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::Array(_)
            | Value::Object(_) => pattern.is_match(&value.to_string()),
        };
        listed && self.pattern.as_ref().is_none_or(fits)
    }
}

/// A pattern on a linear-time engine, with its memory bounded.
pub(super) fn compiled(pattern: &str) -> Result<Regex, String> {
    regex::RegexBuilder::new(pattern)
        .size_limit(1 << 20)
        .build()
        .map_err(|error| format!("the pattern `{pattern}` is not a regular expression: {error}"))
}
