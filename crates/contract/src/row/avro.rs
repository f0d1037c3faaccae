//! Rows in Avro's binary encoding.
//!
//! Every value is written by one function from either a text or a JSON value, so that both are typed alike.

use super::{Column, Expected, RowError, base, text};
use crate::avro::logical::Logical;
use crate::avro::schema::{Fixed, Kind, NodeId, Record, Schema};
use crate::avro::{AvroValidator, schema};
use crate::schema_error::SchemaError;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};

/// Deepest nesting that is written: the reader's limit.
const MAX_DEPTH: usize = 64;

/// The columns of a record.
#[derive(Debug)]
pub(super) struct AvroRows {
    validator: AvroValidator,
    fields: Vec<FieldPlan>,
}

/// A field, with the choice between null and a value made beforehand.
#[derive(Debug, Clone, Copy)]
struct FieldPlan {
    node: NodeId,
    /// Which branch is null, where the field is a union with null.
    null: Option<usize>,
    /// The other branch and its index, where the union has two.
    value: Option<(usize, NodeId)>,
}

/// A value as given.
#[derive(Debug, Clone, Copy)]
enum Given<'a> {
    /// The text of a cell; records, arrays and maps are JSON inside.
    Text(&'a str),
    Json(&'a Value),
}

/// What could not be written, and the path below the column.
struct Problem {
    below: String,
    value: Option<String>,
    expected: Expected,
}

impl AvroRows {
    pub(super) fn new(text: &str) -> Result<(Vec<Column>, Self), SchemaError> {
        let validator = AvroValidator::compile(text)?;
        let schema = validator.schema();
        let Kind::Record(record) = schema.kind(schema.root()) else {
            return Err(SchemaError::invalid(
                "",
                "rows need a record at the top level",
            ));
        };
        let fields: Vec<FieldPlan> = record
            .fields
            .iter()
            .map(|field| plan(schema, field.schema))
            .collect();
        let columns = record
            .fields
            .iter()
            .zip(&fields)
            .map(|(field, plan)| Column {
                name: field.name.clone(),
                required: plan.null.is_none() && !matches!(schema.kind(plan.node), Kind::Null),
                type_name: type_name(schema, field.schema),
            });
        Ok((columns.collect(), Self { fields, validator }))
    }

    pub(super) fn write_cells(
        &self,
        columns: &[Column],
        cells: &[Option<&str>],
        errors: &mut Vec<RowError>,
        out: &mut Vec<u8>,
    ) {
        for (index, (column, plan)) in columns.iter().zip(&self.fields).enumerate() {
            let given = cells.get(index).copied().flatten().map(Given::Text);
            if let Err(problem) = self.field(plan, given, out) {
                errors.push(problem.in_column(&column.name));
            }
        }
    }

    pub(super) fn write_object(
        &self,
        object: &Map<String, Value>,
        errors: &mut Vec<RowError>,
        out: &mut Vec<u8>,
    ) {
        let schema = self.validator.schema();
        let Kind::Record(record) = schema.kind(schema.root()) else {
            return;
        };
        for (field, plan) in record.fields.iter().zip(&self.fields) {
            let given = object
                .get(&field.name)
                .filter(|value| !value.is_null())
                .map(Given::Json);
            if let Err(problem) = self.field(plan, given, out) {
                errors.push(problem.in_column(&field.name));
            }
        }
        if let Some((name, value)) = undeclared(record, object) {
            errors.push(RowError::new(
                name,
                Some(&value.to_string()),
                super::event::A_COLUMN,
            ));
        }
    }

    pub(super) fn cell_json(&self, index: usize, cell: &str) -> Result<Value, Expected> {
        let plan = self.fields[index];
        let mut datum = Vec::new();
        self.field(&plan, Some(Given::Text(cell)), &mut datum)
            .map_err(|problem| problem.expected)?;
        // What was just written is whole, so this cannot fail.
        self.validator
            .decode_node(plan.node, &datum)
            .ok_or_else(String::new)
    }

    fn field(
        &self,
        plan: &FieldPlan,
        given: Option<Given<'_>>,
        out: &mut Vec<u8>,
    ) -> Result<(), Problem> {
        let schema = self.validator.schema();
        match (given, plan) {
            (
                None,
                FieldPlan {
                    null: Some(null), ..
                },
            ) => base::size(*null, out),
            (None, _) if matches!(schema.kind(plan.node), Kind::Null) => {}
            (None, _) => {
                let expected = type_name(schema, plan.node);
                return Err(Problem {
                    below: String::new(),
                    value: None,
                    expected,
                });
            }
            (
                Some(given),
                FieldPlan {
                    value: Some((branch, node)),
                    ..
                },
            ) => {
                base::size(*branch, out);
                write(schema, *node, given, 0, out)?;
            }
            (Some(given), _) => write(schema, plan.node, given, 0, out)?,
        }
        Ok(())
    }
}

impl Problem {
    fn at(given: Given<'_>, expected: impl Into<Expected>) -> Self {
        let value = match given {
            Given::Text(text) => text.to_owned(),
            Given::Json(Value::String(text)) => text.clone(),
            Given::Json(value) => value.to_string(),
        };
        Self {
            below: String::new(),
            value: Some(value),
            expected: expected.into(),
        }
    }

    fn below(mut self, step: &str) -> Self {
        self.below.insert_str(0, &format!(".{step}"));
        self
    }

    fn in_column(self, column: &str) -> RowError {
        let column = format!("{column}{}", self.below);
        RowError::new(&column, self.value.as_deref(), self.expected)
    }
}

fn plan(schema: &Schema, node: NodeId) -> FieldPlan {
    let Kind::Union(branches) = schema.kind(node) else {
        return FieldPlan {
            node,
            null: None,
            value: None,
        };
    };
    let null = branches
        .iter()
        .position(|branch| matches!(schema.kind(*branch), Kind::Null));
    let value = match (null, branches.as_slice()) {
        (Some(0), [_, other]) => Some((1, *other)),
        (Some(1), [other, _]) => Some((0, *other)),
        _ => None,
    };
    FieldPlan { node, null, value }
}

fn write(
    schema: &Schema,
    id: NodeId,
    given: Given<'_>,
    depth: usize,
    out: &mut Vec<u8>,
) -> Result<(), Problem> {
    let node = schema.node(id);
    let wrong = || Problem::at(given, type_name(schema, id));
    if depth > MAX_DEPTH {
        return Err(Problem::at(given, "less nesting"));
    }
    match &node.kind {
        Kind::Null => matches!(given, Given::Json(Value::Null))
            .then_some(())
            .ok_or_else(wrong)?,
        Kind::Boolean => out.push(u8::from(given.boolean().ok_or_else(wrong)?)),
        Kind::Int => {
            let number = given
                .number(node.logical)
                .and_then(|number| i32::try_from(number).ok());
            base::long(i64::from(number.ok_or_else(wrong)?), out);
        }
        Kind::Long => base::long(given.number(node.logical).ok_or_else(wrong)?, out),
        Kind::Float => {
            out.extend_from_slice(&given.float().ok_or_else(wrong)?.to_le_bytes());
        }
        Kind::Double => out.extend_from_slice(&given.real().ok_or_else(wrong)?.to_le_bytes()),
        Kind::Bytes => base::bytes(&given.bytes(node.logical).ok_or_else(wrong)?, out),
        Kind::String => {
            let fits = |text: &&str| node.logical.is_none_or(|logical| logical.allows_text(text));
            base::bytes(given.text().filter(fits).ok_or_else(wrong)?.as_bytes(), out);
        }
        Kind::Fixed(fixed) => {
            out.extend_from_slice(&given.fixed(fixed, node.logical).ok_or_else(wrong)?);
        }
        Kind::Enum(symbols) => {
            let text = given.text().ok_or_else(wrong)?;
            let index = symbols.symbols.iter().position(|symbol| symbol == text);
            base::size(index.ok_or_else(wrong)?, out);
        }
        Kind::Union(branches) => return union(schema, id, branches, given, depth, out),
        Kind::Record(_) | Kind::Array(_) | Kind::Map(_) => match given {
            Given::Json(value) => return complex(schema, id, value, depth, out),
            Given::Text(text) => {
                let value = crate::json::parse(text.as_bytes()).map_err(|_| wrong())?;
                return complex(schema, id, &value, depth, out);
            }
        },
    }
    Ok(())
}

/// The first branch that takes the value; a branch that takes any text comes last.
fn union(
    schema: &Schema,
    id: NodeId,
    branches: &[NodeId],
    given: Given<'_>,
    depth: usize,
    out: &mut Vec<u8>,
) -> Result<(), Problem> {
    let takes_any = |branch: &NodeId| {
        let node = schema.node(*branch);
        matches!(node.kind, Kind::String) && node.logical.is_none()
    };
    let before = out.len();
    let (last, first): (Vec<_>, Vec<_>) = branches
        .iter()
        .enumerate()
        .partition(|(_, branch)| takes_any(branch));
    let mut problem = None;
    for (index, branch) in first.into_iter().chain(last) {
        base::size(index, out);
        match write(schema, *branch, given, depth, out) {
            Ok(()) => return Ok(()),
            Err(failed) => {
                out.truncate(before);
                problem = Some(failed);
            }
        }
    }
    // Of a nullable type the other branch knows better what was wrong, and where.
    match (problem, branches.len()) {
        (Some(problem), 2) if !problem.below.is_empty() => Err(problem),
        _ => Err(Problem::at(given, type_name(schema, id))),
    }
}

fn complex(
    schema: &Schema,
    id: NodeId,
    value: &Value,
    depth: usize,
    out: &mut Vec<u8>,
) -> Result<(), Problem> {
    match (schema.kind(id), value) {
        (Kind::Record(record), Value::Object(object)) => {
            self::record(schema, record, object, depth + 1, out)
        }
        (Kind::Array(items), Value::Array(list)) => {
            if !list.is_empty() {
                base::size(list.len(), out);
                for (index, item) in list.iter().enumerate() {
                    write(schema, *items, Given::Json(item), depth + 1, out)
                        .map_err(|problem| problem.below(&index.to_string()))?;
                }
            }
            base::size(0, out);
            Ok(())
        }
        (Kind::Map(values), Value::Object(object)) => {
            if !object.is_empty() {
                base::size(object.len(), out);
                for (key, value) in object {
                    base::bytes(key.as_bytes(), out);
                    write(schema, *values, Given::Json(value), depth + 1, out)
                        .map_err(|problem| problem.below(key))?;
                }
            }
            base::size(0, out);
            Ok(())
        }
        _ => Err(Problem::at(Given::Json(value), type_name(schema, id))),
    }
}

fn record(
    schema: &Schema,
    record: &Record,
    object: &Map<String, Value>,
    depth: usize,
    out: &mut Vec<u8>,
) -> Result<(), Problem> {
    if let Some((name, value)) = undeclared(record, object) {
        return Err(Problem::at(Given::Json(value), "a field of the schema").below(name));
    }
    for field in &record.fields {
        // A member left out is null, where that is allowed.
        let given = object.get(&field.name).unwrap_or(&Value::Null);
        write(schema, field.schema, Given::Json(given), depth, out)
            .map_err(|problem| problem.below(&field.name))?;
    }
    Ok(())
}

fn undeclared<'a>(
    record: &Record,
    object: &'a Map<String, Value>,
) -> Option<(&'a String, &'a Value)> {
    // Most objects have no more members than the record has fields, all of them known.
    object
        .iter()
        .find(|(name, _)| !record.fields.iter().any(|field| &field.name == *name))
}

fn type_name(schema: &Schema, id: NodeId) -> String {
    let node: &schema::Node = schema.node(id);
    match (&node.kind, node.logical) {
        (_, Some(logical)) => logical.describe(),
        (Kind::Union(branches), None) => {
            let names: Vec<String> = branches
                .iter()
                .map(|branch| type_name(schema, *branch))
                .collect();
            names.join(" or ")
        }
        (Kind::Enum(symbols), None) => format!("one of {}", symbols.symbols.join(", ")),
        (Kind::Fixed(fixed), None) => format!("fixed of {} bytes in base64", fixed.size),
        (Kind::Bytes, None) => "bytes in base64".to_owned(),
        (kind, None) => kind.type_name().to_owned(),
    }
}

impl<'a> Given<'a> {
    fn text(self) -> Option<&'a str> {
        match self {
            Given::Text(text) => Some(text),
            Given::Json(value) => value.as_str(),
        }
    }

    fn boolean(self) -> Option<bool> {
        match self {
            Given::Text(text) => text::boolean(text),
            Given::Json(value) => value.as_bool(),
        }
    }

    fn number(self, logical: Option<Logical>) -> Option<i64> {
        let number = match (self, logical, self.text()) {
            (_, Some(logical), Some(text)) => return text::logical_number(logical, text),
            (Given::Text(text), ..) => text::integer(text),
            (Given::Json(value), ..) => value.as_i64(),
        };
        number.filter(|number| logical.is_none_or(|logical| logical.allows_number(*number)))
    }

    fn real(self) -> Option<f64> {
        match self {
            Given::Text(text) => text::real(text),
            Given::Json(Value::String(text)) => match text.as_str() {
                "NaN" => Some(f64::NAN),
                "Infinity" => Some(f64::INFINITY),
                "-Infinity" => Some(f64::NEG_INFINITY),
                _ => None,
            },
            Given::Json(value) => value.as_f64(),
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "a float column holds the nearest float"
    )]
    fn float(self) -> Option<f32> {
        let real = self.real()?;
        let float = real as f32;
        (float.is_finite() || !real.is_finite()).then_some(float)
    }

    fn bytes(self, logical: Option<Logical>) -> Option<Vec<u8>> {
        let bytes = match (self, logical) {
            (Given::Json(Value::Number(number)), Some(Logical::Decimal { scale, .. })) => {
                text::decimal(&number.to_string(), scale)?
            }
            (given, Some(Logical::Decimal { scale, .. })) => text::decimal(given.text()?, scale)?,
            (given, _) => STANDARD.decode(given.text()?).ok()?,
        };
        logical
            .is_none_or(|logical| logical.allows_bytes(&bytes))
            .then_some(bytes)
    }

    fn fixed(self, fixed: &Fixed, logical: Option<Logical>) -> Option<Vec<u8>> {
        let bytes = match logical {
            Some(Logical::Uuid) => uuid(self.text()?)?,
            Some(Logical::Decimal { .. }) => padded(&self.bytes(logical)?, fixed.size)?,
            _ => self.bytes(None)?,
        };
        (bytes.len() == fixed.size).then_some(bytes)
    }
}

/// A two's complement number widened to `size` bytes.
fn padded(number: &[u8], size: usize) -> Option<Vec<u8>> {
    let sign = if *number.first()? >= 0x80 { 0xff } else { 0 };
    let mut padded = vec![sign; size.checked_sub(number.len())?];
    padded.extend_from_slice(number);
    Some(padded)
}

fn uuid(text: &str) -> Option<Vec<u8>> {
    if !Logical::Uuid.allows_text(text) {
        return None;
    }
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b'-').collect();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.chunks(2).map(pair).collect()
}
