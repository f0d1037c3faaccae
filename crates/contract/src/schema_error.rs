//! What is wrong with a schema's text: shared by the validators, the compatibility checker and the row encoder.
//!
//! A bad *schema* is an error of its author; a bad *event* is a [`crate::verdict::Reason`].

/// Longest text of one schema, in bytes: Kafka's default record limit, so that it fits a registry record.
/// Raise it together with `message.max.bytes`.
pub const MAX_SCHEMA_BYTES: usize = 1_000_000;

/// A schema's text cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// The text is not JSON.
    #[error("the schema is not JSON: {problem} at line {line} column {column}")]
    NotJson {
        /// Line, from 1.
        line: usize,
        /// Column, from 1; 0 before the first character.
        column: usize,
        /// What is wrong there.
        problem: String,
    },
    /// The JSON is not a schema.
    #[error("{problem} at {path}")]
    Invalid {
        /// JSON Pointer into the schema; `#` for the whole.
        path: String,
        /// What is wrong there.
        problem: String,
    },
    /// The text is longer than [`MAX_SCHEMA_BYTES`], or has more parts than we are ready to check.
    #[error("the schema has {found} {unit}, more than the limit of {limit}")]
    TooLarge {
        /// How many there are.
        found: usize,
        /// How many there may be.
        limit: usize,
        /// Of what.
        unit: &'static str,
    },
}

impl SchemaError {
    pub(crate) fn invalid(path: &str, problem: impl Into<String>) -> Self {
        let path = if path.is_empty() {
            "#".to_owned()
        } else {
            format!("#{path}")
        };
        Self::Invalid {
            path,
            problem: problem.into(),
        }
    }
}

/// Parse a schema's JSON, within the size limit.
pub(crate) fn parse_text(text: &str) -> Result<serde_json::Value, SchemaError> {
    if text.len() > MAX_SCHEMA_BYTES {
        return Err(SchemaError::TooLarge {
            found: text.len(),
            limit: MAX_SCHEMA_BYTES,
            unit: "bytes",
        });
    }
    serde_json::from_str(text).map_err(|error| SchemaError::NotJson {
        line: error.line(),
        column: error.column(),
        problem: crate::json::without_position(&error),
    })
}
