//! Events from rows: cells of a CSV file or a JSON line, typed by a schema and written in its encoding.
//!
//! On the producer's side of the path. A row that cannot be typed is refused with its column, value and the type
//! expected; whether a typed row meets the contract is the enforcer's to say, so a missing value is left out (JSON, Protobuf) or
//! null (Avro, where the schema allows null; else it cannot be written at all).

mod avro;
mod base;
mod event;
mod json;
mod key;
mod protobuf;
#[cfg(test)]
mod tests;
mod text;

pub use event::{EventWriter, MAX_EVENT, Wish, Written};
pub use key::NoKeys;

use crate::schema_error::SchemaError;
use crate::spec::Encoding;
use crate::validator::Schema;
use avro::AvroRows;
use json::JsonRows;
use protobuf::ProtobufRows;
use serde_json::Value;
use std::collections::BTreeMap;

/// Longest text of a value in a [`RowError`], in characters.
const MAX_VALUE: usize = 120;

/// A column that a row may have: a top-level field or property.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Whether the schema wants a value in every event.
    pub required: bool,
    /// The type's name, for people: `long`, `timestamp-micros`, `integer`.
    pub type_name: String,
}

/// A value that cannot be typed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column `{column}`: expected {expected}, found {}", self.found())]
pub struct RowError {
    /// The column; below the top level a path with dots.
    pub column: String,
    /// The value as given, cut; `None` when it is missing.
    pub value: Option<String>,
    /// What the schema asks for.
    pub expected: String,
}

impl RowError {
    fn new(column: &str, value: Option<&str>, expected: impl Into<String>) -> Self {
        let value = value.map(|value| match value.char_indices().nth(MAX_VALUE) {
            Some((end, _)) => format!("{}…", &value[..end]),
            None => value.to_owned(),
        });
        Self {
            column: column.to_owned(),
            value,
            expected: expected.into(),
        }
    }

    fn found(&self) -> String {
        self.value
            .as_ref()
            .map_or_else(|| "nothing".to_owned(), |value| format!("`{value}`"))
    }
}

/// What a cell or member is not.
type Expected = String;

/// Writes rows in a schema's encoding.
#[derive(Debug)]
pub struct RowEncoder {
    columns: Vec<Column>,
    by_name: BTreeMap<String, usize>,
    rows: Rows,
}

#[derive(Debug)]
enum Rows {
    Avro(AvroRows),
    Json(JsonRows),
    Protobuf(ProtobufRows),
}

impl RowEncoder {
    /// Prepare to write rows of a schema whose top level is a record (Avro), an object (JSON Schema) or the message
    /// `record` (Protobuf).
    ///
    /// # Errors
    /// [`SchemaError`] when the text is not a schema, or not one of rows.
    pub fn new(encoding: Encoding, schema: &str, record: &str) -> Result<Self, SchemaError> {
        Self::compile(&Schema::new(encoding, schema, record))
    }

    /// The same for a schema that may import others.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn compile(schema: &Schema<'_>) -> Result<Self, SchemaError> {
        let (columns, rows) = match schema.encoding {
            Encoding::Avro => {
                let (columns, rows) = AvroRows::new(schema.text)?;
                (columns, Rows::Avro(rows))
            }
            Encoding::Json => {
                let (columns, rows) = JsonRows::new(schema.text)?;
                (columns, Rows::Json(rows))
            }
            Encoding::Protobuf => {
                let (columns, rows) = ProtobufRows::new(schema)?;
                (columns, Rows::Protobuf(rows))
            }
        };
        let names = columns.iter().enumerate();
        let by_name = names
            .map(|(index, column)| (column.name.clone(), index))
            .collect();
        Ok(Self {
            columns,
            by_name,
            rows,
        })
    }

    /// The columns, in the schema's order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The position of a column by its name.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// Append one row of texts, given by name in any order; `None` is a missing value, and so is a column not given.
    ///
    /// # Errors
    /// Every value that cannot be typed and every name that the schema does not know; `out` is then as before.
    pub fn encode_strings<'a>(
        &self,
        row: impl Iterator<Item = (&'a str, Option<&'a str>)>,
        out: &mut Vec<u8>,
    ) -> Result<(), Vec<RowError>> {
        let mut cells = vec![None; self.columns.len()];
        let mut errors = Vec::new();
        for (name, cell) in row {
            match self.position(name) {
                Some(index) => cells[index] = cell,
                None => errors.push(RowError::new(name, cell, event::A_COLUMN)),
            }
        }
        self.finish(errors, out, |errors, out| {
            self.write_cells(&cells, errors, out)
        })
    }

    /// Append one row of texts in the order of [`RowEncoder::columns`]: the fast way, for a file whose header has
    /// been mapped once with [`RowEncoder::position`].
    ///
    /// # Errors
    /// Every value that cannot be typed; `out` is then as before.
    pub fn encode_cells(
        &self,
        cells: &[Option<&str>],
        out: &mut Vec<u8>,
    ) -> Result<(), Vec<RowError>> {
        self.finish(vec![], out, |errors, out| {
            self.write_cells(cells, errors, out)
        })
    }

    /// Append one row given as a JSON object. Avro: typed by the schema, in the form that
    /// [`crate::avro::AvroValidator::decode_json`] gives. Protobuf: as [`crate::protobuf::ProtobufEvents::decode_json`]
    /// gives it. JSON: written compactly as it is.
    ///
    /// # Errors
    /// Every value that cannot be typed and every member that the schema does not know; `out` is then as before.
    pub fn encode_json(&self, row: &Value, out: &mut Vec<u8>) -> Result<(), Vec<RowError>> {
        let Value::Object(object) = row else {
            return Err(vec![RowError::new(
                "",
                Some(&row.to_string()),
                "a JSON object",
            )]);
        };
        self.finish(vec![], out, |errors, out| match &self.rows {
            Rows::Avro(rows) => rows.write_object(object, errors, out),
            Rows::Protobuf(rows) => rows.write_object(object, errors, out),
            Rows::Json(_) => {
                serde_json::to_writer(out, row).expect("writing to memory does not fail");
            }
        })
    }

    /// One cell as JSON, as it will stand in the event: what keys are made of. `None` where it is missing.
    ///
    /// # Errors
    /// [`RowError`] when it cannot be typed, or the column is not one of the schema's.
    pub fn cell_json(&self, column: &str, cell: Option<&str>) -> Result<Option<Value>, RowError> {
        let unknown = || RowError::new(column, cell, event::A_COLUMN);
        let index = self.position(column).ok_or_else(unknown)?;
        let Some(text) = cell else { return Ok(None) };
        let value = match &self.rows {
            Rows::Avro(rows) => rows.cell_json(index, text),
            Rows::Json(rows) => rows.cell_json(index, text),
            Rows::Protobuf(rows) => rows.cell_json(index, text),
        };
        value
            .map(Some)
            .map_err(|expected| RowError::new(column, cell, expected))
    }

    fn write_cells(&self, cells: &[Option<&str>], errors: &mut Vec<RowError>, out: &mut Vec<u8>) {
        match &self.rows {
            Rows::Avro(rows) => rows.write_cells(&self.columns, cells, errors, out),
            Rows::Json(rows) => rows.write_cells(&self.columns, cells, errors, out),
            Rows::Protobuf(rows) => rows.write_cells(&self.columns, cells, errors, out),
        }
    }

    /// Keep what `write` has appended, unless something was wrong.
    fn finish(
        &self,
        mut errors: Vec<RowError>,
        out: &mut Vec<u8>,
        write: impl FnOnce(&mut Vec<RowError>, &mut Vec<u8>),
    ) -> Result<(), Vec<RowError>> {
        let before = out.len();
        write(&mut errors, out);
        if errors.is_empty() {
            return Ok(());
        }
        out.truncate(before);
        Err(errors)
    }
}
