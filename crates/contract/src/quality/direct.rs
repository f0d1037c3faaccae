//! The common forms of a condition, decided without the library: comparisons of members with literals and with each
//! other, `in` a list of literals, `has`, `matches` with a pattern, and `&&`, `||`, `!` over them.
//!
//! The library makes a value of its own of everything it reads and looks operators up by the types it meets, which
//! costs more than all the rest of judging an event. What is decided here is only what needs no such care: where a member
//! is absent, or the two sides are of different types, [`Direct::decide`] says nothing and the library has the word, so
//! there is one meaning of a condition: the library's. The test `what_is_decided_directly_is_what_the_library_says`
//! holds the two together.

use super::condition::Condition;
use super::functions::Pattern;
use crate::leaf::{Leaf, Leaves};
use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue};
use serde_json::Value;
use std::cmp::Ordering;

/// A condition in a form that can be decided directly.
#[derive(Debug)]
pub(super) enum Direct {
    Compare(Comparison, Operand, Operand),
    Matches(Operand, Pattern),
    In(Operand, Vec<Literal>),
    Has(String),
    Is(Operand),
    Not(Box<Direct>),
    And(Box<Direct>, Box<Direct>),
    Or(Box<Direct>, Box<Direct>),
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Comparison {
    Equal,
    Unequal,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

#[derive(Debug)]
pub(super) enum Operand {
    /// A member of the event.
    Member(String),
    /// The field's value, in a rule about a field.
    Field,
    Literal(Literal),
}

#[derive(Debug)]
pub(super) enum Literal {
    Null,
    Truth(bool),
    Int(i64),
    Double(f64),
    Text(String),
}

/// A value as it is compared.
#[derive(Debug, Clone, Copy)]
pub(super) enum Scalar<'a> {
    Null,
    Truth(bool),
    Int(i64),
    Double(f64),
    Text(&'a str),
}

/// An event as conditions look at it.
pub(super) trait Members {
    /// A member that is there and a scalar.
    fn scalar(&self, name: &str) -> Option<Scalar<'_>>;
    /// Whether a member is there; `None` where there can be none.
    fn has(&self, name: &str) -> Option<bool>;
}

impl Members for Value {
    fn scalar(&self, name: &str) -> Option<Scalar<'_>> {
        Scalar::of(self.get(name)?)
    }

    fn has(&self, name: &str) -> Option<bool> {
        Some(self.as_object()?.contains_key(name))
    }
}

impl Members for Leaves<'_> {
    fn scalar(&self, name: &str) -> Option<Scalar<'_>> {
        self.get(name).map(Scalar::from)
    }

    fn has(&self, name: &str) -> Option<bool> {
        Some(self.get(name).is_some())
    }
}

impl Direct {
    /// The direct form of a compiled condition, if it has one.
    pub(super) fn of(condition: &Condition) -> Option<Self> {
        Self::form(condition, &condition.expression)
    }

    fn form(condition: &Condition, node: &IdedExpr) -> Option<Self> {
        if let Expr::Select(select) = &node.expr {
            let is_event = matches!(&select.operand.expr, Expr::Ident(name) if matches!(name.as_str(), "event" | "message"));
            return (select.test && is_event).then(|| Self::Has(select.field.clone()));
        }
        let Expr::Call(call) = &node.expr else {
            return Operand::of(condition, node).map(Self::Is);
        };
        let part = |node| Self::form(condition, node).map(Box::new);
        match (call.func_name.as_str(), call.args.as_slice()) {
            ("!_", [only]) => Some(Self::Not(part(only)?)),
            ("_&&_", [left, right]) => Some(Self::And(part(left)?, part(right)?)),
            ("_||_", [left, right]) => Some(Self::Or(part(left)?, part(right)?)),
            ("matches", _) => Self::pattern(condition, call),
            ("@in", [value, list]) => Self::one_of(condition, value, list),
            (operator, [left, right]) => Some(Self::Compare(
                Comparison::of(operator)?,
                Operand::of(condition, left)?,
                Operand::of(condition, right)?,
            )),
            _ => None,
        }
    }

    fn pattern(condition: &Condition, call: &CallExpr) -> Option<Self> {
        let (text, pattern) = match (call.target.as_deref(), call.args.as_slice()) {
            (Some(text), [pattern]) | (None, [text, pattern]) => (text, pattern),
            _ => return None,
        };
        let Expr::Ident(name) = &pattern.expr else {
            return None;
        };
        let pattern = condition.pattern(name)?.clone();
        Some(Self::Matches(Operand::of(condition, text)?, pattern))
    }

    fn one_of(condition: &Condition, value: &IdedExpr, list: &IdedExpr) -> Option<Self> {
        let Expr::List(list) = &list.expr else {
            return None;
        };
        let literal = |node: &IdedExpr| match Operand::of(condition, node)? {
            Operand::Literal(literal) => Some(literal),
            Operand::Member(_) | Operand::Field => None,
        };
        let literals = list.elements.iter().map(literal).collect::<Option<_>>()?;
        Some(Self::In(Operand::of(condition, value)?, literals))
    }

    /// What the condition says of an event, and of the field's value in a rule about a field; `None` where that is for
    /// the library to say.
    pub(super) fn decide(&self, event: &impl Members, field: Option<Scalar<'_>>) -> Option<bool> {
        match self {
            Self::Compare(comparison, left, right) => {
                comparison.decide(left.read(event, field)?, right.read(event, field)?)
            }
            Self::Matches(text, pattern) => match text.read(event, field)? {
                Scalar::Text(text) => Some(pattern.0.is_match(text)),
                Scalar::Null | Scalar::Truth(_) | Scalar::Int(_) | Scalar::Double(_) => None,
            },
            Self::In(value, literals) => {
                let value = value.read(event, field)?;
                // Each of them is compared: one that the library has to look at is not passed over.
                literals.iter().try_fold(false, |found, one| {
                    let equal = Comparison::Equal.decide(value, one.scalar())?;
                    Some(found || equal)
                })
            }
            Self::Has(member) => event.has(member),
            Self::Is(operand) => match operand.read(event, field)? {
                Scalar::Truth(truth) => Some(truth),
                Scalar::Null | Scalar::Int(_) | Scalar::Double(_) | Scalar::Text(_) => None,
            },
            Self::Not(part) => part.decide(event, field).map(|truth| !truth),
            Self::And(left, right) => match left.decide(event, field)? {
                false => Some(false),
                true => right.decide(event, field),
            },
            Self::Or(left, right) => match left.decide(event, field)? {
                true => Some(true),
                false => right.decide(event, field),
            },
        }
    }
}

impl Comparison {
    fn of(operator: &str) -> Option<Self> {
        Some(match operator {
            "_==_" => Self::Equal,
            "_!=_" => Self::Unequal,
            "_<_" => Self::Less,
            "_<=_" => Self::AtMost,
            "_>_" => Self::Greater,
            "_>=_" => Self::AtLeast,
            _ => return None,
        })
    }

    fn decide(self, left: Scalar<'_>, right: Scalar<'_>) -> Option<bool> {
        let ordering = match (left, right) {
            (Scalar::Int(left), Scalar::Int(right)) => left.cmp(&right),
            (Scalar::Double(left), Scalar::Double(right)) => left.partial_cmp(&right)?,
            (Scalar::Int(left), Scalar::Double(right)) => exact(left)?.partial_cmp(&right)?,
            (Scalar::Double(left), Scalar::Int(right)) => left.partial_cmp(&exact(right)?)?,
            (Scalar::Text(left), Scalar::Text(right)) => left.cmp(right),
            (Scalar::Truth(left), Scalar::Truth(right)) => return self.equality(left == right),
            (Scalar::Null, right) => return self.equality(matches!(right, Scalar::Null)),
            (left, Scalar::Null) => return self.equality(matches!(left, Scalar::Null)),
            _ => return None,
        };
        Some(match self {
            Self::Equal => ordering == Ordering::Equal,
            Self::Unequal => ordering != Ordering::Equal,
            Self::Less => ordering == Ordering::Less,
            Self::AtMost => ordering != Ordering::Greater,
            Self::Greater => ordering == Ordering::Greater,
            Self::AtLeast => ordering != Ordering::Less,
        })
    }

    /// Of values that have no order.
    fn equality(self, equal: bool) -> Option<bool> {
        match self {
            Self::Equal => Some(equal),
            Self::Unequal => Some(!equal),
            Self::Less | Self::AtMost | Self::Greater | Self::AtLeast => None,
        }
    }
}

/// An integer that a double holds as it is.
fn exact(int: i64) -> Option<f64> {
    i32::try_from(int).ok().map(f64::from)
}

impl Operand {
    fn of(condition: &Condition, node: &IdedExpr) -> Option<Self> {
        if let Expr::Ident(name) = &node.expr {
            return Some(match name.as_str() {
                "value" => Self::Field,
                name => Self::Member(condition.member(name)?.to_owned()),
            });
        }
        Literal::of(&node.expr).map(Self::Literal)
    }

    fn read<'a>(
        &'a self,
        event: &'a impl Members,
        field: Option<Scalar<'a>>,
    ) -> Option<Scalar<'a>> {
        match self {
            Self::Member(name) => event.scalar(name),
            Self::Field => field,
            Self::Literal(literal) => Some(literal.scalar()),
        }
    }
}

impl Literal {
    /// A literal, perhaps with a minus before it.
    fn of(expr: &Expr) -> Option<Self> {
        if let Expr::Literal(literal) = expr {
            return Self::value(literal);
        }
        let Expr::Call(call) = expr else {
            return None;
        };
        let [argument] = call.args.as_slice() else {
            return None;
        };
        let Expr::Literal(literal) = &argument.expr else {
            return None;
        };
        match (call.func_name.as_str(), Self::value(literal)?) {
            ("-_", Self::Int(int)) => int.checked_neg().map(Self::Int),
            ("-_", Self::Double(double)) => Some(Self::Double(-double)),
            _ => None,
        }
    }

    fn value(literal: &LiteralValue) -> Option<Self> {
        Some(match literal {
            LiteralValue::Null => Self::Null,
            LiteralValue::Boolean(truth) => Self::Truth(*truth.inner()),
            LiteralValue::Int(int) => Self::Int(*int.inner()),
            LiteralValue::Double(double) => Self::Double(*double.inner()),
            LiteralValue::String(text) => Self::Text(text.inner().to_owned()),
            LiteralValue::Bytes(_) | LiteralValue::UInt(_) => return None,
        })
    }

    fn scalar(&self) -> Scalar<'_> {
        match self {
            Self::Null => Scalar::Null,
            Self::Truth(truth) => Scalar::Truth(*truth),
            Self::Int(int) => Scalar::Int(*int),
            Self::Double(double) => Scalar::Double(*double),
            Self::Text(text) => Scalar::Text(text),
        }
    }
}

impl<'a> Scalar<'a> {
    /// The value as CEL has it, of those that are compared here.
    pub(super) fn of(value: &'a Value) -> Option<Self> {
        match value {
            Value::Null => Some(Self::Null),
            Value::Bool(truth) => Some(Self::Truth(*truth)),
            Value::Number(number) => match number.as_i64() {
                Some(int) => Some(Self::Int(int)),
                None if number.is_u64() => None,
                None => number.as_f64().map(Self::Double),
            },
            Value::String(text) => Some(Self::Text(text)),
            Value::Array(_) | Value::Object(_) => None,
        }
    }
}

impl<'a> From<&'a Leaf<'_>> for Scalar<'a> {
    fn from(leaf: &'a Leaf<'_>) -> Self {
        match leaf {
            Leaf::Null => Self::Null,
            Leaf::Truth(truth) => Self::Truth(*truth),
            Leaf::Int(int) => Self::Int(*int),
            Leaf::Double(double) => Self::Double(*double),
            Leaf::Text(text) => Self::Text(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::evaluate;
    use super::super::variables::{Record, Variables};
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Map, json};

    fn literal() -> impl Strategy<Value = String> {
        let known = [
            "null",
            "true",
            "false",
            "0",
            "-3",
            "7",
            "0.0",
            "1.5",
            "-0.0",
            "7.0",
            "''",
            "'a'",
            "'b'",
            "'é'",
            "3u",
            "4000000000",
            "9007199254740993",
            "9007199254740992.0",
        ];
        prop::sample::select(known.to_vec()).prop_map(str::to_owned)
    }

    fn operand() -> impl Strategy<Value = String> {
        let members = ["event.a", "event.b", "message.c", "value"];
        prop_oneof![
            3 => prop::sample::select(members.to_vec()).prop_map(str::to_owned),
            2 => literal(),
        ]
    }

    fn condition() -> impl Strategy<Value = String> {
        let operators = ["==", "!=", "<", "<=", ">", ">="];
        let compared = (
            operand(),
            prop::sample::select(operators.to_vec()),
            operand(),
        )
            .prop_map(|(left, operator, right)| format!("{left} {operator} {right}"));
        let listed = (operand(), prop::collection::vec(literal(), 0..4))
            .prop_map(|(value, list)| format!("{value} in [{}]", list.join(", ")));
        let others = [
            "has(event.a)",
            "has(message.b)",
            "!has(event.c)",
            "event.a",
            "value",
            "true",
            "event.b.matches('^a?$')",
            "matches(event.a, 'b')",
            "value.matches('é')",
        ];
        let leaf = prop_oneof![
            4 => compared,
            2 => listed,
            2 => prop::sample::select(others.to_vec()).prop_map(str::to_owned),
        ];
        leaf.prop_recursive(3, 12, 2, |part| {
            prop_oneof![
                (part.clone(), part.clone())
                    .prop_map(|(left, right)| format!("({left}) && ({right})")),
                (part.clone(), part.clone())
                    .prop_map(|(left, right)| format!("({left}) || ({right})")),
                part.prop_map(|part| format!("!({part})")),
            ]
        })
    }

    fn value() -> impl Strategy<Value = Value> {
        prop::sample::select(vec![
            json!(null),
            json!(true),
            json!(false),
            json!(0),
            json!(-3),
            json!(7),
            json!(7.0),
            json!(1.5),
            json!(-0.0),
            json!(4_000_000_000_u64),
            json!(u64::MAX),
            json!(9_007_199_254_740_993_i64),
            json!(9_007_199_254_740_992.0),
            json!(""),
            json!("a"),
            json!("b"),
            json!("é"),
            json!([1]),
            json!({"a": 1}),
        ])
    }

    fn event() -> impl Strategy<Value = Value> {
        let members = prop::collection::vec(prop::option::weighted(0.8, value()), 3);
        members.prop_map(|members| {
            let named = ["a", "b", "c"].into_iter().zip(members);
            let object: Map<String, Value> = named
                .filter_map(|(name, value)| Some((name.to_owned(), value?)))
                .collect();
            Value::Object(object)
        })
    }

    fn library(
        condition: &Condition,
        event: &Value,
        field: Option<&Value>,
    ) -> Result<bool, String> {
        let variables = Variables::new(condition, event, field, Record::default(), None);
        evaluate(condition, &variables)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]
        #[test]
        fn what_is_decided_directly_is_what_the_library_says(
            text in condition(), event in event(), field in prop::option::of(value()),
        ) {
            let condition = Condition::compile(&text).expect("compiles");
            let direct = condition.direct.as_ref().and_then(|direct| direct.decide(&event, field.as_ref().and_then(Scalar::of)));
            if let Some(truth) = direct {
                prop_assert_eq!(library(&condition, &event, field.as_ref()), Ok(truth), "{}", text);
            }
        }
    }

    #[test]
    fn the_common_forms_are_decided_directly() {
        let event = json!({"n": 3, "x": 1.5, "code": "UA", "none": null, "ok": true});
        for (text, truth) in [
            ("event.n >= 0 && event.n < 10", true),
            ("event.x > 1 || event.none == null", true),
            ("event.none == null || event.none > 5", true),
            ("event.code != message.code", false),
            ("event.code in ['UA', 'DL']", true),
            ("!(event.code.matches('^[a-z]+$')) && event.ok", true),
            ("has(event.absent)", false),
            ("value <= 2.5", true),
            ("event.x >= -120.0 && event.n > -7", true),
        ] {
            let condition = Condition::compile(text).expect("compiles");
            let direct = condition.direct.as_ref().expect(text);
            assert_eq!(
                direct.decide(&event, Some(Scalar::Double(2.0))),
                Some(truth),
                "{text}"
            );
        }
    }

    #[test]
    fn what_needs_care_is_left_to_the_library() {
        let event = json!({"n": 3, "code": "UA", "big": u64::MAX, "list": [1]});
        for text in [
            "event.absent > 0",
            "event.n == 'x'",
            "event.big > 1",
            "event.list == [1]",
            "event.code > 1",
            "event.n",
            "event.code < null",
            "value > 1",
        ] {
            let condition = Condition::compile(text).expect("compiles");
            let decided = condition
                .direct
                .as_ref()
                .and_then(|direct| direct.decide(&event, None));
            assert_eq!(decided, None, "{text}");
        }
    }
}
