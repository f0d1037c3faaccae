//! Avro: a schema compiled once, and every byte of a datum checked against it.
//!
//! On the path: after [`crate::framing`] has told which schema an event names, before the verdict. The walk accepts
//! exactly the data that a strict decoder would decode in full, allocates nothing for them, and cannot be made to
//! allocate or recurse without bound by the others.
//! Source: <https://avro.apache.org/docs/1.12.0/specification/#binary-encoding>

mod cursor;
mod decode;
mod explain;
#[cfg(test)]
pub(crate) mod generate;
pub(crate) mod logical;
mod parser;
mod program;
pub(crate) mod schema;
#[cfg(test)]
mod tests;
mod walk;

use crate::leaf::Leaves;
use crate::schema_error::SchemaError;
use crate::source::Import;
use crate::verdict::{Code, Reason};
use cursor::Cursor;
use program::Program;
use schema::{Kind, NodeId, Schema};
use std::collections::BTreeSet;

/// A compiled Avro schema: checks and decodes data written with it.
#[derive(Debug)]
pub struct AvroValidator {
    schema: Schema,
    program: Program,
}

/// The fields of a record that are read; by default all of them.
#[derive(Debug, Clone, Default)]
pub struct Selection(Option<Vec<bool>>);

impl AvroValidator {
    /// Compile a schema that names no other.
    ///
    /// # Errors
    /// [`SchemaError`] says where the text is not a valid Avro schema.
    pub fn compile(schema_json: &str) -> Result<Self, SchemaError> {
        Self::compile_with(schema_json, &[])
    }

    /// Compile a schema that names types of others; `imports` are their texts, each after those it needs itself.
    ///
    /// # Errors
    /// [`SchemaError`] says where one of the texts is not a valid Avro schema.
    pub fn compile_with(schema_json: &str, imports: &[Import<'_>]) -> Result<Self, SchemaError> {
        let schema = Schema::parse(schema_json, imports)?;
        let program = Program::compile(&schema);
        Ok(Self { schema, program })
    }

    /// Check that `datum` is one value of this schema, to the last byte.
    ///
    /// # Errors
    /// The reasons against it, at least one: every value outside its logical type, then where it cannot be decoded.
    #[inline]
    pub fn check(&self, datum: &[u8]) -> Result<(), Vec<Reason>> {
        let mut cursor = Cursor::new(datum);
        let read = walk::walk(
            &self.program,
            self.program.root,
            &mut cursor,
            &mut walk::Silent,
            0,
        );
        if read.is_ok() && cursor.remaining() == 0 {
            Ok(())
        } else {
            Err(self.explain(datum))
        }
    }

    /// `datum` as plain JSON: unions bare, bytes as base64, decimals as strings, dates and times as RFC 3339.
    ///
    /// # Errors
    /// As [`AvroValidator::check`].
    pub fn decode_json(&self, datum: &[u8]) -> Result<serde_json::Value, Vec<Reason>> {
        self.check(datum)?;
        decode::decode(&self.schema, self.schema.root(), &mut Cursor::new(datum))
            .map_err(|_| self.explain(datum))
    }

    /// Which fields of the record are named; `None` names all of them.
    pub fn select(&self, members: Option<&BTreeSet<String>>) -> Selection {
        let Kind::Record(record) = self.schema.kind(self.schema.root()) else {
            return Selection::default();
        };
        let is_named = |names: &BTreeSet<String>| {
            let fields = record.fields.iter();
            fields.map(|field| names.contains(&field.name)).collect()
        };
        Selection(members.map(is_named))
    }

    /// Check a datum, and decode the selected fields of its record; [`Self::select`] of this validator made the
    /// selection.
    ///
    /// # Errors
    /// As [`AvroValidator::check`].
    pub fn decode_selected(
        &self,
        datum: &[u8],
        selection: &Selection,
    ) -> Result<serde_json::Value, Vec<Reason>> {
        let Some(selected) = &selection.0 else {
            return self.decode_json(datum);
        };
        decode::decode_selected(&self.schema, &self.program, selected, datum)
            .map_err(|_| self.explain(datum))
    }

    /// The selected fields of a datum's record, where the datum is one of this schema to its last byte and those fields have no
    /// parts; `None` says nothing.
    pub(crate) fn leaves<'a>(
        &'a self,
        datum: &'a [u8],
        selection: &Selection,
    ) -> Option<Leaves<'a>> {
        let selected = selection.0.as_ref()?;
        decode::leaves(&self.schema, &self.program, selected, datum).ok()
    }

    /// The schema, for who writes data of it.
    pub(crate) fn schema(&self) -> &Schema {
        &self.schema
    }

    /// One value of a type within the schema as plain JSON; `None` when `datum` is not one that we wrote.
    pub(crate) fn decode_node(&self, node: NodeId, datum: &[u8]) -> Option<serde_json::Value> {
        decode::decode(&self.schema, node, &mut Cursor::new(datum)).ok()
    }

    #[cold]
    fn explain(&self, datum: &[u8]) -> Vec<Reason> {
        let reasons = explain::reasons(&self.schema, &self.program, datum);
        if reasons.is_empty() {
            // The two walks are one function, so this cannot be; an event must still never pass by accident.
            return vec![Reason::new(Code::Internal, "", "a reason", "none")];
        }
        reasons
    }
}
