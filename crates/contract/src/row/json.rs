//! Rows as compact JSON objects.

use super::{Column, Expected, RowError, text};
use crate::schema_error::{SchemaError, parse_text};
use serde_json::{Map, Value};
use std::io::Write as _;

/// Deepest nesting of references and choices that is followed to find a property's types.
const MAX_DEPTH: usize = 32;

/// The columns of an object.
#[derive(Debug)]
pub(super) struct JsonRows {
    fields: Vec<FieldPlan>,
}

#[derive(Debug)]
struct FieldPlan {
    /// `"name":`, escaped once.
    label: Vec<u8>,
    types: Types,
}

/// The types that a cell may be read as.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Types {
    null: bool,
    boolean: bool,
    integer: bool,
    number: bool,
    string: bool,
    /// Arrays and objects: JSON inside the cell.
    nested: bool,
}

impl JsonRows {
    pub(super) fn new(schema: &str) -> Result<(Vec<Column>, Self), SchemaError> {
        let root = parse_text(schema)?;
        let object = follow(&root, &root, MAX_DEPTH);
        let Some(properties) = object.get("properties").and_then(Value::as_object) else {
            return Err(SchemaError::invalid(
                "",
                "rows need an object with `properties`",
            ));
        };
        let required = object.get("required").and_then(Value::as_array);
        let is_required = |name: &str| {
            required
                .into_iter()
                .flatten()
                .any(|required| required == name)
        };
        let mut columns = Vec::with_capacity(properties.len());
        let mut fields = Vec::with_capacity(properties.len());
        for (name, property) in properties {
            let mut types = Types::default();
            types.add(&root, property, MAX_DEPTH);
            let required = is_required(name);
            columns.push(Column {
                name: name.clone(),
                required,
                type_name: types.describe(),
            });
            fields.push(FieldPlan {
                label: format!("{}:", Value::from(name.as_str())).into(),
                types,
            });
        }
        Ok((columns, Self { fields }))
    }

    pub(super) fn write_cells(
        &self,
        columns: &[Column],
        cells: &[Option<&str>],
        errors: &mut Vec<RowError>,
        out: &mut Vec<u8>,
    ) {
        out.push(b'{');
        let mut first = true;
        for (index, (column, field)) in columns.iter().zip(&self.fields).enumerate() {
            let Some(cell) = cells.get(index).copied().flatten() else {
                continue;
            };
            if !first {
                out.push(b',');
            }
            first = false;
            out.extend_from_slice(&field.label);
            if let Err(expected) = field.types.write(cell, out) {
                errors.push(RowError::new(&column.name, Some(cell), expected));
            }
        }
        out.push(b'}');
    }

    pub(super) fn cell_json(&self, index: usize, cell: &str) -> Result<Value, Expected> {
        let types = self.fields[index].types;
        let mut text = Vec::new();
        types.write(cell, &mut text)?;
        serde_json::from_slice(&text).map_err(|_| types.describe())
    }
}

impl Types {
    /// Add what `schema` allows.
    fn add(&mut self, root: &Value, schema: &Value, depth: usize) {
        let schema = follow(root, schema, depth);
        let Value::Object(object) = schema else {
            // `true`: anything, so the text as it is.
            self.string |= schema == &Value::Bool(true);
            return;
        };
        match object.get("type") {
            Some(Value::String(name)) => self.add_name(name),
            Some(Value::Array(names)) => {
                names
                    .iter()
                    .filter_map(Value::as_str)
                    .for_each(|name| self.add_name(name));
            }
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => {
                self.add_untyped(root, object, depth);
            }
        }
    }

    fn add_untyped(&mut self, root: &Value, object: &Map<String, Value>, depth: usize) {
        let choices: Vec<&Value> = ["anyOf", "oneOf"]
            .iter()
            .filter_map(|keyword| object.get(*keyword)?.as_array())
            .flatten()
            .collect();
        let values = object.get("enum").and_then(Value::as_array);
        if let Some(values) = values {
            values.iter().for_each(|value| self.add_value(value));
        } else if let Some(value) = object.get("const") {
            self.add_value(value);
        } else if choices.is_empty() || depth == 0 {
            self.string = true;
        } else {
            choices
                .into_iter()
                .for_each(|choice| self.add(root, choice, depth - 1));
        }
    }

    fn add_name(&mut self, name: &str) {
        match name {
            "null" => self.null = true,
            "boolean" => self.boolean = true,
            "integer" => self.integer = true,
            "number" => self.number = true,
            "string" => self.string = true,
            "array" | "object" => self.nested = true,
            // Not a type; the schema's own check refuses it.
            _ => {}
        }
    }

    fn add_value(&mut self, value: &Value) {
        self.add_name(match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(number) if number.is_f64() => "number",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        });
    }

    fn describe(self) -> String {
        let names = [
            (self.integer, "integer"),
            (self.number, "number"),
            (self.boolean, "boolean"),
            (self.nested, "JSON"),
            (self.string, "string"),
            (self.null, "null"),
        ];
        let names: Vec<&str> = names
            .iter()
            .filter(|(is, _)| *is)
            .map(|(_, name)| *name)
            .collect();
        names.join(" or ")
    }

    /// Append a cell as the first type that it fits; as a string last, which takes any text.
    fn write(self, cell: &str, out: &mut Vec<u8>) -> Result<(), Expected> {
        if (self.integer && write_integer(cell, out)) || (self.number && write_number(cell, out)) {
            return Ok(());
        }
        if self.boolean
            && let Some(value) = text::boolean(cell)
        {
            out.extend_from_slice(if value { b"true" } else { b"false" });
            return Ok(());
        }
        if self.nested
            && let Ok(value) = crate::json::parse(cell.as_bytes())
            && (value.is_array() || value.is_object())
        {
            serde_json::to_writer(out, &value).expect("writing to memory does not fail");
            return Ok(());
        }
        if self.string {
            serde_json::to_writer(out, cell).expect("writing to memory does not fail");
            return Ok(());
        }
        Err(self.describe())
    }
}

fn write_integer(cell: &str, out: &mut Vec<u8>) -> bool {
    match text::integer(cell) {
        Some(number) => write!(out, "{number}").is_ok(),
        None => {
            // Beyond 64 bits JSON has integers too.
            let whole = text::is_json_number(cell) && !cell.contains(['.', 'e', 'E']);
            if whole {
                out.extend_from_slice(cell.as_bytes());
            }
            whole
        }
    }
}

fn write_number(cell: &str, out: &mut Vec<u8>) -> bool {
    match text::real(cell) {
        // To the last digit as given, where JSON writes numbers so.
        Some(_) if text::is_json_number(cell) => {
            out.extend_from_slice(cell.as_bytes());
            true
        }
        Some(number) => serde_json::to_writer(out, &number).is_ok(),
        None => false,
    }
}

/// The schema that a reference within the document names, or the schema itself.
fn follow<'a>(root: &'a Value, schema: &'a Value, depth: usize) -> &'a Value {
    let mut here = schema;
    for _ in 0..depth {
        let target = here.get("$ref").and_then(Value::as_str);
        match target.and_then(|target| root.pointer(target.strip_prefix('#')?)) {
            Some(next) => here = next,
            None => break,
        }
    }
    here
}
