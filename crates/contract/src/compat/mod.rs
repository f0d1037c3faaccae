//! Placeholder until core lands.
#![allow(missing_docs, reason = "placeholder until core lands")]
use crate::schema_error::SchemaError;
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy { Strict, Lenient }
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaType { Avro, Json }
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference { pub kind: &'static str, pub path: String, pub message: String, pub detail: String, pub compatible: bool }
#[allow(clippy::missing_errors_doc, reason = "placeholder until core lands")]
pub fn compare(_: SchemaType, _: &str, _: &str, _: Policy) -> Result<Vec<Difference>, SchemaError> { Ok(vec![]) }
