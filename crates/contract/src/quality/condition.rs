//! A CEL expression, compiled once: what it reads, and what it can cost at most.
//!
//! The `cel` crate has no budget for evaluation, so the cost is bounded before it runs: an expression has at most so
//! many nodes and nests at most one comprehension in another, and is not evaluated on an event whose lists and texts
//! would make it too dear ([`Condition::cost`]). See decision 16.

use super::direct::Direct;
use super::functions::{KNOWN, Pattern};
use super::library::compiled;
use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue};
use cel::parser::Expression;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Longest source of a condition, in bytes.
const MAX_SOURCE: usize = 4096;

/// Most nodes of a condition.
const MAX_NODES: u64 = 1000;

/// A comprehension within a comprehension.
const MAX_NESTING: u32 = 2;

/// Deepest nesting of operators: evaluation recurses.
const MAX_DEPTH: u32 = 120;

/// Variables: the event (`message` in Confluent's rules), the field's value, the record's key and headers, and what is
/// known of the field.
const VARIABLES: [&str; 9] = [
    "event", "message", "value", "key", "headers", "name", "fullName", "typeName", "tags",
];

/// The prefix of the variables that stand for compiled patterns; no author can write such a name.
const PATTERN: &str = "@pattern";

/// The prefix of the variables that stand for `event.x`: the library takes a name apart and looks for it in several
/// places, which takes longer than to read the member.
const MEMBER: &str = "@member";

/// A compiled expression.
#[derive(Debug)]
pub(super) struct Condition {
    pub(super) expression: Expression,
    pub(super) patterns: Vec<Pattern>,
    pub(super) members: Members,
    /// What the member variables stand for.
    reads: Vec<String>,
    nodes: u64,
    nesting: u32,
    /// The same in a form that needs no library, where there is one.
    pub(super) direct: Option<Direct>,
}

/// Which members of the event an expression reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Members {
    Some(BTreeSet<String>),
    All,
}

impl Members {
    pub(super) fn add(&mut self, other: &Members) {
        match (&mut *self, other) {
            (Members::Some(mine), Members::Some(others)) => mine.extend(others.iter().cloned()),
            (Members::All, _) => {}
            (Members::Some(_), Members::All) => *self = Members::All,
        }
    }

    pub(super) fn add_one(&mut self, name: &str) {
        if let Members::Some(names) = self {
            names.insert(name.to_owned());
        }
    }
}

impl Condition {
    /// Compile an expression.
    ///
    /// # Errors
    /// What is wrong with it, and where; or that it may cost too much.
    pub(super) fn compile(source: &str) -> Result<Self, String> {
        if source.len() > MAX_SOURCE {
            return Err(format!(
                "the CEL expression has {} bytes; at most {MAX_SOURCE} are run",
                source.len()
            ));
        }
        let mut expression = super::functions::ENV
            .parser()
            .parse(source)
            .map_err(|errors| {
                format!(
                    "`{}` is no CEL expression: {}",
                    short(source),
                    one_line(&errors)
                )
            })?;
        let mut survey = Survey::default();
        survey
            .visit(&mut expression, 0)
            .map_err(|problem| format!("`{}`: {problem}", short(source)))?;
        let mut condition = Self {
            expression,
            patterns: survey.patterns,
            members: survey.members.unwrap_or(Members::Some(BTreeSet::new())),
            reads: survey.reads,
            nodes: survey.nodes,
            nesting: survey.deepest,
            direct: None,
        };
        condition.direct = Direct::of(&condition);
        Ok(condition)
    }

    /// An upper bound of the steps on an event with so many list items and members, whose longest text has so many
    /// bytes. A step takes some 50 ns.
    pub(super) fn cost(&self, items: u64, longest_text: u64) -> u64 {
        let rounds = items.max(1).saturating_pow(self.nesting);
        let per_node = 1 + longest_text / 64;
        self.nodes.saturating_mul(rounds).saturating_mul(per_node)
    }

    /// The member of the event that a variable stands for.
    pub(super) fn member(&self, variable: &str) -> Option<&str> {
        let index = variable.strip_prefix(MEMBER)?.parse::<usize>().ok()?;
        self.reads.get(index).map(String::as_str)
    }

    /// The pattern that a variable stands for.
    pub(super) fn pattern(&self, variable: &str) -> Option<&Pattern> {
        let index = variable.strip_prefix(PATTERN)?.parse::<usize>().ok()?;
        self.patterns.get(index)
    }
}

/// Enough of an expression to know it by.
fn short(source: &str) -> &str {
    &source[..source.floor_char_boundary(200)]
}

fn one_line(errors: &cel::ParseErrors) -> String {
    let text = errors.to_string();
    let first = text.lines().next().unwrap_or_default();
    first.trim_start_matches("ERROR: ").to_owned()
}

/// Walks an expression: counts, checks names, takes the patterns out.
#[derive(Default)]
struct Survey {
    nodes: u64,
    nesting: u32,
    deepest: u32,
    patterns: Vec<Pattern>,
    members: Option<Members>,
    reads: Vec<String>,
    bound: Vec<String>,
}

impl Survey {
    fn visit(&mut self, node: &mut IdedExpr, depth: u32) -> Result<(), String> {
        self.nodes += 1;
        if self.nodes > MAX_NODES || depth > MAX_DEPTH {
            return Err(format!(
                "has more than {MAX_NODES} parts, or nests more than {MAX_DEPTH} deep"
            ));
        }
        let depth = depth + 1;
        match &mut node.expr {
            Expr::Literal(_) => Ok(()),
            Expr::Ident(name) => {
                let name = name.clone();
                self.variable(&name)
            }
            Expr::Select(select) => {
                if is_event(&select.operand.expr) && !self.is_bound(&select.operand.expr) {
                    let variable = self.reads(&select.field);
                    if !select.test {
                        node.expr = Expr::Ident(variable);
                    }
                    return Ok(());
                }
                self.visit(&mut select.operand, depth)
            }
            Expr::Call(call) => self.call(call, depth),
            Expr::List(list) => list
                .elements
                .iter_mut()
                .try_for_each(|element| self.visit(element, depth)),
            Expr::Map(map) => map
                .entries
                .iter_mut()
                .try_for_each(|entry| match &mut entry.expr {
                    EntryExpr::MapEntry(entry) => {
                        self.visit(&mut entry.key, depth)?;
                        self.visit(&mut entry.value, depth)
                    }
                    EntryExpr::StructField(field) => self.visit(&mut field.value, depth),
                }),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension, depth),
            Expr::Struct(message) => Err(format!(
                "builds a message `{}`; conditions know no messages",
                message.type_name
            )),
            Expr::Unspecified => Err("holds an empty part".to_owned()),
        }
    }

    fn variable(&mut self, name: &str) -> Result<(), String> {
        if self.bound.iter().any(|bound| bound == name) {
            return Ok(());
        }
        if !VARIABLES.contains(&name) {
            return Err(format!(
                "there is no variable `{name}`; known are {}",
                VARIABLES.join(", ")
            ));
        }
        if matches!(name, "event" | "message") {
            self.members = Some(Members::All);
        }
        Ok(())
    }

    /// Note that a member is read; the variable that stands for it.
    fn reads(&mut self, member: &str) -> String {
        self.members
            .get_or_insert(Members::Some(BTreeSet::new()))
            .add_one(member);
        let known = self.reads.iter().position(|name| name == member);
        let index = known.unwrap_or_else(|| {
            self.reads.push(member.to_owned());
            self.reads.len() - 1
        });
        format!("{MEMBER}{index}")
    }

    fn is_bound(&self, expr: &Expr) -> bool {
        matches!(expr, Expr::Ident(name) if self.bound.contains(name))
    }

    fn call(&mut self, call: &mut CallExpr, depth: u32) -> Result<(), String> {
        if !KNOWN.contains(&call.func_name.as_str()) {
            return Err(format!("there is no function `{}`", call.func_name));
        }
        if call.func_name == "matches" {
            self.take_pattern(call)?;
        }
        // Objects of events know how to compare themselves with maps; maps do not know them.
        let is_equality = matches!(call.func_name.as_str(), "_==_" | "_!=_");
        if is_equality && matches!(call.args.first().map(|arg| &arg.expr), Some(Expr::Map(_))) {
            call.args.reverse();
        }
        if let Some(target) = &mut call.target {
            self.visit(target, depth)?;
        }
        let is_pattern =
            |arg: &IdedExpr| matches!(&arg.expr, Expr::Ident(name) if name.starts_with(PATTERN));
        call.args
            .iter_mut()
            .filter(|arg| !is_pattern(arg))
            .try_for_each(|arg| self.visit(arg, depth))
    }

    /// A pattern is compiled here, once: compiling it per event takes longer than all the rest.
    fn take_pattern(&mut self, call: &mut CallExpr) -> Result<(), String> {
        let given = call.args.last_mut().ok_or("`matches` needs a pattern")?;
        let Expr::Literal(LiteralValue::String(pattern)) = &given.expr else {
            return Err(
                "the pattern of `matches` must be a literal text, so that it is compiled once"
                    .to_owned(),
            );
        };
        let compiled = compiled(pattern.inner())?;
        given.expr = Expr::Ident(format!("{PATTERN}{}", self.patterns.len()));
        self.patterns.push(Pattern(Arc::new(compiled)));
        Ok(())
    }

    fn comprehension(&mut self, it: &mut ComprehensionExpr, depth: u32) -> Result<(), String> {
        if matches!(it.iter_range.expr, Expr::Map(_)) {
            return Err(
                "goes over a map literal, whose order is not the same in each run; use a list"
                    .to_owned(),
            );
        }
        self.visit(&mut it.iter_range, depth)?;
        self.visit(&mut it.accu_init, depth)?;
        self.nesting += 1;
        self.deepest = self.deepest.max(self.nesting);
        if self.nesting > MAX_NESTING {
            return Err(format!(
                "nests more than {MAX_NESTING} of all, exists, exists_one, map, filter; its cost cannot be bounded"
            ));
        }
        let names = [
            Some(&it.iter_var),
            it.iter_var2.as_ref(),
            Some(&it.accu_var),
        ];
        let before = self.bound.len();
        self.bound.extend(names.into_iter().flatten().cloned());
        for part in [&mut it.loop_cond, &mut it.loop_step, &mut it.result] {
            self.visit(part, depth)?;
        }
        self.bound.truncate(before);
        self.nesting -= 1;
        Ok(())
    }
}

fn is_event(expr: &Expr) -> bool {
    matches!(expr, Expr::Ident(name) if name == "event" || name == "message")
}
