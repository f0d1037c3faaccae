//! The rules of a contract, compiled, and an event checked against them.

use super::condition::{Condition, Members};
use super::direct::Scalar;
use super::functions::ENV;
use super::library::FieldCheck;
use super::mask::{MASKED, Mask};
use super::path::Path;
use super::variables::{Record, Variables};
use super::{Check, FieldFacts, QualityRule, Scope};
use crate::leaf::{Leaf, Leaves};
use crate::settings::Mode;
use crate::verdict::{Code, Reason};
use cel::common::types::CelBool;
use cel::{Context, ExecutionError};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Most steps of one condition on one event, some 50 ns each.
const MAX_STEPS: u64 = 2_000_000;

/// A rule that does not compile: a newer build approved it, or memory is damaged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("quality rule `{name}`: {problem}")]
pub struct RuleError {
    /// The rule.
    pub name: String,
    /// What is wrong.
    pub problem: String,
}

/// What the rules say of one event.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Findings {
    /// Why it is refused.
    pub enforced: Vec<Reason>,
    /// What rules in shadow would refuse it for.
    pub shadowed: Vec<Reason>,
}

impl Findings {
    /// Whether they say nothing.
    pub fn is_empty(&self) -> bool {
        self.enforced.is_empty() && self.shadowed.is_empty()
    }
}

/// The rules of one contract version that one event decides.
#[derive(Debug)]
pub struct EventRules {
    rules: Vec<EventRule>,
    members: Members,
}

#[derive(Debug)]
struct EventRule {
    name: String,
    expected: String,
    mode: Mode,
    test: Test,
}

#[derive(Debug)]
enum Test {
    Condition {
        condition: Box<Condition>,
        guard: Option<Box<Condition>>,
        path: Option<Path>,
        field: Option<FieldFacts>,
    },
    Field(FieldCheck),
}

impl EventRules {
    /// Compile the rules that one event decides; the others are left out.
    ///
    /// # Errors
    /// [`RuleError`] for a rule that this build cannot compile.
    pub fn compile(rules: &[QualityRule]) -> Result<Self, RuleError> {
        let mut compiled = Self {
            rules: Vec::new(),
            members: Members::Some(BTreeSet::new()),
        };
        for rule in rules.iter().filter(|rule| rule.scope() == Scope::Event) {
            let rule = EventRule::compile(rule).map_err(|problem| RuleError {
                name: rule.name.clone(),
                problem,
            })?;
            rule.add_members(&mut compiled.members);
            compiled.rules.push(rule);
        }
        Ok(compiled)
    }

    /// Whether there is nothing to check.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The members of the event that the rules read; `None` for all of it. An event given to [`Self::check`] need hold
    /// no others.
    pub fn members(&self) -> Option<&BTreeSet<String>> {
        match &self.members {
            Members::Some(names) => Some(names),
            Members::All => None,
        }
    }

    /// Whether the scalars at the top of an event can decide all of them.
    pub fn is_direct(&self) -> bool {
        let are_some = matches!(self.members, Members::Some(_));
        are_some && self.rules.iter().all(EventRule::is_direct)
    }

    /// Whether an event meets all of them for certain; [`Self::check`] says so of each event of which this does, and knows of
    /// more.
    pub(crate) fn hold(&self, event: &Leaves<'_>) -> bool {
        let size = Size {
            items: event.len() as u64,
            longest_text: event.longest_text() as u64,
        };
        self.rules.iter().all(|rule| rule.holds(event, size))
    }

    /// Check an event, given as plain JSON with its record's key and headers.
    pub fn check(
        &self,
        event: &Value,
        key: Option<&[u8]>,
        headers: &[(&str, Option<&[u8]>)],
        mask: &Mask,
    ) -> Findings {
        let record = Record { key, headers };
        let size = Size::of(event);
        let mut findings = Findings::default();
        for rule in &self.rules {
            let reasons = rule.check(event, record, size, mask);
            match rule.mode {
                Mode::Enforce => findings.enforced.extend(reasons),
                Mode::Shadow => findings.shadowed.extend(reasons),
            }
        }
        findings
    }
}

impl EventRule {
    fn compile(rule: &QualityRule) -> Result<Self, String> {
        let demand = rule.demand();
        let test = match &rule.check {
            Check::Cel {
                condition,
                guard,
                field,
            } => Test::Condition {
                condition: Box::new(Condition::compile(condition)?),
                guard: guard
                    .as_deref()
                    .map(Condition::compile)
                    .transpose()?
                    .map(Box::new),
                path: Some(rule.path.as_str())
                    .filter(|path| !path.is_empty())
                    .map(Path::parse),
                field: field.clone(),
            },
            Check::Library(library) => Test::Field(FieldCheck::compile(library, &rule.path)?),
        };
        let expected = format!("{}: {demand}", rule.name);
        Ok(Self {
            name: rule.name.clone(),
            expected,
            mode: rule.mode,
            test,
        })
    }

    fn add_members(&self, members: &mut Members) {
        match &self.test {
            Test::Condition {
                condition,
                guard,
                path,
                ..
            } => {
                members.add(&condition.members);
                if let Some(guard) = guard {
                    members.add(&guard.members);
                }
                if let Some(member) = path.as_ref().and_then(Path::member) {
                    members.add_one(member);
                }
            }
            Test::Field(check) => {
                if let Some(member) = check.member() {
                    members.add_one(member);
                }
            }
        }
    }

    fn is_direct(&self) -> bool {
        match &self.test {
            Test::Condition {
                condition,
                guard,
                path,
                ..
            } => {
                let mut conditions = [Some(condition), guard.as_ref()].into_iter().flatten();
                conditions.all(|condition| condition.direct.is_some())
                    && path.as_ref().is_none_or(|path| path.top().is_some())
            }
            Test::Field(check) => check.is_direct(),
        }
    }

    /// Whether an event of this size meets it for certain.
    fn holds(&self, event: &Leaves<'_>, size: Size) -> bool {
        let Test::Condition {
            condition,
            guard,
            path,
            ..
        } = &self.test
        else {
            return matches!(&self.test, Test::Field(check) if check.holds(event));
        };
        let field = match path.as_ref().map(Path::top) {
            None => None,
            Some(None) => return false,
            Some(Some(name)) => match event.get(name) {
                // For `required` and `nullValues` to judge.
                None | Some(Leaf::Null) => return true,
                Some(leaf) => Some(Scalar::from(leaf)),
            },
        };
        let decide = |condition: &Condition| {
            within_cost(condition, size).ok()?;
            condition.direct.as_ref()?.decide(event, field)
        };
        match guard.as_deref().map(decide) {
            Some(Some(false)) => true,
            Some(None) => false,
            None | Some(Some(true)) => decide(condition) == Some(true),
        }
    }

    fn check(&self, event: &Value, record: Record<'_>, size: Size, mask: &Mask) -> Vec<Reason> {
        let mut reasons = match &self.test {
            Test::Field(check) => check.check(event, &self.expected),
            Test::Condition {
                path: Some(path), ..
            } => {
                let values = path.values(event).into_iter();
                // A value that is not there is for `required` and `nullValues` to judge.
                let present =
                    values.filter_map(|(at, value)| Some((at, value.filter(|v| !v.is_null())?)));
                present
                    .filter_map(|(at, value)| self.judge(event, Some((&at, value)), record, size))
                    .collect()
            }
            Test::Condition { path: None, .. } => {
                self.judge(event, None, record, size).into_iter().collect()
            }
        };
        for reason in &mut reasons {
            reason.rule = Some(self.name.clone());
            if reason.code == Code::RuleBroken && reason.path.is_empty() {
                self.name_what_was_read(event, mask, reason);
            }
        }
        reasons
    }

    /// Evaluate the condition once; `value` is the field's, for a rule about one.
    fn judge(
        &self,
        event: &Value,
        value: Option<(&str, &Value)>,
        record: Record<'_>,
        size: Size,
    ) -> Option<Reason> {
        let Test::Condition {
            condition,
            guard,
            field,
            ..
        } = &self.test
        else {
            return None;
        };
        let path = value.map_or("", |(at, _)| at);
        let evaluate = |condition: &Condition| {
            let value = value.map(|(_, value)| value);
            within_cost(condition, size)?;
            let direct = condition.direct.as_ref();
            let scalar = value.and_then(Scalar::of);
            if let Some(truth) = direct.and_then(|direct| direct.decide(event, scalar)) {
                return Ok(truth);
            }
            let variables = Variables::new(condition, event, value, record, field.as_ref());
            evaluate(condition, &variables)
        };
        let failed = |problem: String| {
            Some(Reason::new(
                Code::RuleFailed,
                path,
                &*self.expected,
                &problem,
            ))
        };
        if let Some(guard) = guard {
            match evaluate(guard) {
                Ok(true) => {}
                Ok(false) => return None,
                Err(problem) => return failed(problem),
            }
        }
        match evaluate(condition) {
            Ok(true) => None,
            Ok(false) => {
                let found =
                    value.map_or_else(|| "false".to_owned(), |(_, value)| value.to_string());
                Some(Reason::new(Code::RuleBroken, path, &*self.expected, &found))
            }
            Err(problem) => failed(problem),
        }
    }

    /// A rule over the whole event is false: show the members that it read.
    fn name_what_was_read(&self, event: &Value, mask: &Mask, reason: &mut Reason) {
        let Test::Condition { condition, .. } = &self.test else {
            return;
        };
        let Members::Some(names) = &condition.members else {
            return;
        };
        let shown = names.iter().map(|name| {
            let pointer = crate::pointer::join("", name);
            match event.get(name) {
                None => format!("{name} absent"),
                Some(_) if mask.covers(&pointer) => format!("{name} = {MASKED}"),
                Some(value) => format!("{name} = {value}"),
            }
        });
        let shown = shown.collect::<Vec<_>>().join(", ");
        if !shown.is_empty() {
            *reason = Reason {
                rule: reason.rule.take(),
                ..Reason::new(reason.code, "", reason.expected.as_str(), &shown)
            };
        }
    }
}

/// What an event can make a condition cost.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    items: u64,
    longest_text: u64,
}

impl Size {
    fn of(value: &Value) -> Self {
        let mut size = Self::default();
        size.add(value);
        size
    }

    /// Depth is bounded by the parsers of events.
    fn add(&mut self, value: &Value) {
        match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
            Value::String(text) => self.longest_text = self.longest_text.max(text.len() as u64),
            Value::Array(items) => {
                self.items += items.len() as u64;
                items.iter().for_each(|item| self.add(item));
            }
            Value::Object(object) => {
                self.items += object.len() as u64;
                object.values().for_each(|item| self.add(item));
            }
        }
    }
}

fn within_cost(condition: &Condition, size: Size) -> Result<(), String> {
    let cost = condition.cost(size.items, size.longest_text);
    if cost > MAX_STEPS {
        return Err(format!(
            "it could take {cost} steps on an event of this size; at most {MAX_STEPS} are run"
        ));
    }
    Ok(())
}

/// What the library says.
pub(super) fn evaluate(condition: &Condition, variables: &Variables<'_>) -> Result<bool, String> {
    let mut context = Context::with_env(Arc::clone(&ENV));
    context.set_variable_resolver(variables);
    match cel::Value::resolve_val(&condition.expression, &context) {
        Ok(result) => match result.downcast_ref::<CelBool>() {
            Some(truth) => Ok(*truth.inner()),
            None => Err(format!(
                "it gives a {}, not true or false",
                result.get_type().name()
            )),
        },
        Err(error) => Err(problem(condition, &error)),
    }
}

fn no_member(name: &str) -> String {
    format!("there is no `{name}`; ask with has() before it is read")
}

/// What went wrong, without a value of the event: it may be classified.
fn problem(condition: &Condition, error: &ExecutionError) -> String {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the library may add errors, and its texts hold values"
    )]
    match error {
        ExecutionError::NoSuchKey(name) => no_member(name),
        ExecutionError::NoSuchOverload(overload) => format!(
            "`{}` does not take ({})",
            overload.function(),
            overload.argument_types().join(", ")
        ),
        ExecutionError::UndeclaredReference(name) => match condition.member(name) {
            Some(member) => no_member(member),
            None => format!("there is no `{name}`"),
        },
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => {
            "a division by zero".to_owned()
        }
        ExecutionError::Overflow(..) => "a number too large for its type".to_owned(),
        ExecutionError::IndexOutOfBounds(_) => "an index beyond the end of a list".to_owned(),
        ExecutionError::UnsupportedBinaryOperator(operator, ..) => {
            format!("`{operator}` does not take values of these types")
        }
        ExecutionError::FunctionError { function, .. } => {
            format!("`{function}` does not take this value")
        }
        ExecutionError::UnexpectedType { got, want } => format!("a {got} where {want} is needed"),
        _ => "an operation that these values do not allow".to_owned(),
    }
}
