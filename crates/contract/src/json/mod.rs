//! JSON Schema: a schema compiled once, and every violation of a document reported.
//!
//! On the path: after [`crate::framing`], before the verdict. Nothing is fetched, from nowhere: a reference that the
//! schema does not hold itself is an error of the schema. Patterns run on a linear-time engine, so no text can make
//! one run away; look-around and back-references are refused when the schema is compiled.
//! Source: <https://json-schema.org/draft/2020-12/json-schema-validation>

mod direct;
mod explain;
mod strict;
#[cfg(test)]
mod tests;

pub(crate) use direct::Keep;
pub(crate) use strict::without_position;
pub use strict::{MAX_DEPTH, parse};

use crate::leaf::Leaves;
use crate::schema_error::{SchemaError, parse_text};
use crate::verdict::{MAX_REASONS, Reason};
use direct::Direct;
use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::Value;
use std::collections::BTreeSet;

/// Most memory of one compiled pattern, in bytes: the `regex` crate's own default is ten times that, and a schema may
/// hold hundreds.
const PATTERN_SIZE: usize = 1 << 20;

/// Whether `format` is a rule or, as the draft has it by default, a remark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Formats {
    /// `format` refuses what does not fit.
    Assert,
    /// `format` is not checked.
    Annotate,
}

fn build(schema: &Value, formats: Formats) -> Result<Validator, ValidationError<'static>> {
    jsonschema::options()
        .with_pattern_options(PatternOptions::regex().size_limit(PATTERN_SIZE))
        .should_validate_formats(formats == Formats::Assert)
        .offline()
        .build(schema)
}

/// A compiled JSON Schema (draft 2020-12 where `$schema` names no other).
#[derive(Debug)]
pub struct JsonValidator {
    schema: Value,
    validator: Validator,
    /// Where the schema is plain.
    direct: Option<Direct>,
}

impl JsonValidator {
    /// Compile a schema; `format` is not checked.
    ///
    /// # Errors
    /// [`SchemaError`] says where the text is not a valid schema.
    pub fn compile(schema_json: &str) -> Result<Self, SchemaError> {
        Self::compile_with(schema_json, Formats::Annotate)
    }

    /// Compile a schema, saying what to make of `format`.
    ///
    /// # Errors
    /// [`SchemaError`] says where the text is not a valid schema.
    pub fn compile_with(schema_json: &str, formats: Formats) -> Result<Self, SchemaError> {
        let schema = parse_text(schema_json)?;
        let validator = build(&schema, formats).map_err(|error| {
            SchemaError::invalid(error.instance_path().as_str(), error.to_string())
        })?;
        let direct = Direct::compile(&schema, formats, &|part| build(part, formats).ok());
        Ok(Self {
            schema,
            validator,
            direct,
        })
    }

    /// What is wanted of the bytes of a document, if that is valid for certain; most that are valid are. `None` says nothing:
    /// [`Self::check`] does.
    #[inline]
    pub(crate) fn accept(&self, body: &[u8], keep: Keep<'_>) -> Option<Option<Value>> {
        self.direct.as_ref()?.accept(body, keep)
    }

    /// These members of a document, if that is valid for certain and they are scalars; `None` says nothing.
    pub(crate) fn leaves<'a>(
        &'a self,
        body: &'a [u8],
        members: &'a BTreeSet<String>,
    ) -> Option<Leaves<'a>> {
        self.direct.as_ref()?.leaves(body, members)
    }

    /// Check the bytes of one document.
    ///
    /// # Errors
    /// The reasons against it, at least one: that it is not JSON, or every violation found.
    pub fn check(&self, body: &[u8]) -> Result<(), Vec<Reason>> {
        let document = parse(body).map_err(|reason| vec![reason])?;
        self.check_value(&document)
    }

    /// Check a document that [`parse`] has read.
    ///
    /// # Errors
    /// Every violation found, at least one, at most [`MAX_REASONS`].
    #[inline]
    pub fn check_value(&self, document: &Value) -> Result<(), Vec<Reason>> {
        if self.validator.is_valid(document) {
            Ok(())
        } else {
            Err(self.explain(document))
        }
    }

    #[cold]
    fn explain(&self, document: &Value) -> Vec<Reason> {
        let mut reasons = explain::reasons(&self.schema, self.validator.iter_errors(document));
        reasons.truncate(MAX_REASONS);
        reasons
    }
}
