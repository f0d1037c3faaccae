//! From the validator's errors to reasons: a stable code, the field's path, what the schema asks and what was found.

use crate::pointer;
use crate::verdict::{Code, MAX_REASONS, Reason};
use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use serde_json::Value;

/// Longest text of what a keyword asks, in characters.
const MAX_EXPECTED: usize = 200;

/// Branches of `anyOf` within `anyOf` that are followed to find the violation meant.
const MAX_BRANCHES: usize = 8;

/// The reasons behind the errors, in their order, without repetition.
pub(super) fn reasons<'a>(
    schema: &Value,
    errors: impl Iterator<Item = ValidationError<'a>>,
) -> Vec<Reason> {
    let mut out = Reasons {
        schema,
        list: Vec::new(),
    };
    for error in errors {
        if out.list.len() >= MAX_REASONS {
            break;
        }
        out.add(&error, MAX_BRANCHES);
    }
    out.list
}

struct Reasons<'a> {
    schema: &'a Value,
    list: Vec<Reason>,
}

impl Reasons<'_> {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the crate's list of keywords may grow; every other one bounds a value of the right type"
    )]
    fn add(&mut self, error: &ValidationError<'_>, branches: usize) {
        let path = error.instance_path().as_str();
        match error.kind() {
            Kind::Required { property } => {
                let name = property.as_str().unwrap_or_default();
                self.push(
                    Code::Missing,
                    &pointer::join(path, name),
                    "a value",
                    "nothing",
                );
            }
            Kind::AdditionalProperties { unexpected }
            | Kind::UnevaluatedProperties { unexpected } => {
                for name in unexpected {
                    let found = error.instance().get(name).map_or_else(String::new, compact);
                    let path = pointer::join(path, name);
                    self.push(Code::Undeclared, &path, "no such property", &found);
                }
            }
            Kind::FalseSchema => {
                let found = compact(error.instance());
                self.push(Code::Undeclared, path, "no such property", &found);
            }
            Kind::Type { kind } => {
                let missing = error.instance().is_null() && self.is_required(error);
                let code = if missing {
                    Code::Missing
                } else {
                    Code::WrongType
                };
                self.push(code, path, &types(kind), &compact(error.instance()));
            }
            Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
                self.add_branches(error, context, branches);
            }
            Kind::PropertyNames { error: inner } => {
                let expected = self.expected(inner);
                let found = compact(inner.instance());
                self.push(
                    Code::OutOfBounds,
                    path,
                    &format!("names with {expected}"),
                    &found,
                );
            }
            Kind::Format { format } => {
                let found = compact(error.instance());
                self.push(Code::LogicalType, path, format, &found);
            }
            Kind::BacktrackLimitExceeded { .. }
            | Kind::RegexEngineFailure { .. }
            | Kind::Referencing(_) => {
                self.push(
                    Code::Internal,
                    path,
                    "a validator that works",
                    &error.to_string(),
                );
            }
            _ => {
                let expected = self.expected(error);
                self.push(
                    Code::OutOfBounds,
                    path,
                    &expected,
                    &compact(error.instance()),
                );
            }
        }
    }

    /// None of several branches took the value. Where one was meant, its violations are told: the only one whose type
    /// fits. Where none has the type, the types are told.
    fn add_branches(
        &mut self,
        error: &ValidationError<'_>,
        context: &[Vec<ValidationError<'static>>],
        branches: usize,
    ) {
        let path = error.instance_path().as_str();
        let own_type = |branch: &[ValidationError<'static>]| {
            branch.iter().find_map(|inner| {
                let Kind::Type { kind } = inner.kind() else {
                    return None;
                };
                (inner.instance_path().as_str() == path).then(|| types(kind))
            })
        };
        let wrong: Vec<String> = context
            .iter()
            .filter_map(|branch| own_type(branch))
            .collect();
        let mut meant = context.iter().filter(|branch| own_type(branch).is_none());
        match (meant.next(), meant.next()) {
            (None, _) if !wrong.is_empty() => {
                let missing = error.instance().is_null() && self.is_required(error);
                let code = if missing {
                    Code::Missing
                } else {
                    Code::WrongType
                };
                self.push(code, path, &wrong.join(" or "), &compact(error.instance()));
            }
            (Some(branch), None) if branches > 0 && context.len() > 1 => {
                for inner in branch {
                    self.add(inner, branches - 1);
                }
            }
            _ => {
                let expected = self.expected(error);
                self.push(
                    Code::OutOfBounds,
                    path,
                    &expected,
                    &compact(error.instance()),
                );
            }
        }
    }

    fn push(&mut self, code: Code, path: &str, expected: &str, found: &str) {
        let reason = Reason::new(code, path, cut(expected), found);
        if !self.list.contains(&reason) {
            self.list.push(reason);
        }
    }

    /// The keyword and what it says: `maximum 10`.
    fn expected(&self, error: &ValidationError<'_>) -> String {
        let keyword = error.kind().keyword();
        match self.schema.pointer(error.schema_path().as_str()) {
            Some(value) => format!("{keyword} {}", compact(value)),
            None => keyword.to_owned(),
        }
    }

    /// Whether the object around the property that the error is about requires it: the error's keyword stands at
    /// `<object>/properties/<name>/<keyword>`.
    fn is_required(&self, error: &ValidationError<'_>) -> bool {
        let up = |path: &str| {
            path.rsplit_once('/')
                .map(|(parent, last)| (parent.to_owned(), last.to_owned()))
        };
        let find = || {
            let (property, _keyword) = up(error.schema_path().as_str())?;
            let (properties, _name) = up(&property)?;
            let (object, keyword) = up(&properties)?;
            let required = self.schema.pointer(&object)?.get("required")?.as_array()?;
            let name = error.instance_path().as_str().rsplit('/').next()?;
            let name = name.replace("~1", "/").replace("~0", "~");
            Some(
                keyword == "properties"
                    && required
                        .iter()
                        .any(|text| text == &Value::from(name.as_str())),
            )
        };
        find().unwrap_or(false)
    }
}

fn types(kind: &TypeKind) -> String {
    match kind {
        TypeKind::Single(one) => one.to_string(),
        TypeKind::Multiple(many) => many
            .iter()
            .map(|one| one.to_string())
            .collect::<Vec<_>>()
            .join(" or "),
    }
}

/// Compact JSON, written only as far as it will be shown.
fn compact(value: &Value) -> String {
    match value {
        Value::Array(items) if items.len() > MAX_EXPECTED => {
            format!("an array of {} items", items.len())
        }
        Value::Object(members) if members.len() > MAX_EXPECTED => {
            format!("an object of {} members", members.len())
        }
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => value.to_string(),
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_EXPECTED) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}
