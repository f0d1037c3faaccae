//! From rows to events: columns checked against the contract, values typed, keys made.

use std::fmt;
use std::io::Write as _;

use contract::avro::AvroValidator;
use contract::compat::SchemaType;
use contract::framing::write_prefix;
use contract::row::{Column, RowEncoder, RowError};
use contract::spec::{Encoding, Key};
use csv::ByteRecord;
use kafka::Outgoing;
use serde_json::Value;

use super::source::Row;
use crate::exit::Failure;
use crate::port::{BoundVersion, Port};

/// Largest event: librdkafka's `message.max.bytes` of 1,000,000, less what a record needs around key and value.
const MAX_EVENT: usize = 999_000;

/// Why a row cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BadRow {
    /// Column; empty for the row as a whole.
    pub(super) column: String,
    /// What stands there.
    pub(super) value: String,
    /// What was expected.
    pub(super) expected: String,
}

impl BadRow {
    fn of_row(value: impl Into<String>, expected: impl Into<String>) -> Vec<Self> {
        vec![Self { column: String::new(), value: value.into(), expected: expected.into() }]
    }
}

impl From<RowError> for BadRow {
    fn from(error: RowError) -> Self {
        Self { column: error.column, value: error.value, expected: error.expected }
    }
}

impl fmt::Display for BadRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.column.is_empty() {
            write!(f, "column {}: ", self.column)?;
        }
        write!(f, "found {}, expected {}", self.value, self.expected)
    }
}

/// Makes events of rows.
#[derive(Debug)]
pub(super) struct RowWriter {
    encoder: RowEncoder,
    /// The schema id, before each value, where the encoding asks for it.
    prefix: Option<u32>,
    key: KeyRule,
    header: Vec<String>,
    null_value: Option<String>,
}

/// How keys come about.
#[derive(Debug)]
enum KeyRule {
    /// The contract asks for none.
    None,
    /// From fields of the row as they stand: (index, form); `text` writes one as it is.
    Fields { parts: Vec<(usize, Form)>, text: bool },
    /// From the event as JSON.
    Event { key: Key, avro: Option<AvroValidator> },
}

/// How a field stands in a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    Integer,
}

impl RowWriter {
    /// A writer of the port's version in force.
    ///
    /// `header` is that of a CSV file; it must hold the contract's columns, all of them and no other.
    ///
    /// # Errors
    /// [`Failure::Usage`] for a wrong header; a schema that cannot type rows.
    pub(super) fn new(
        port: &Port,
        version: &BoundVersion,
        header: Option<&[String]>,
        null_value: Option<String>,
    ) -> anyhow::Result<Self> {
        let schema_type = match version.encoding {
            Encoding::Avro => SchemaType::Avro,
            Encoding::Json => SchemaType::Json,
        };
        let encoder = RowEncoder::new(schema_type, &version.schema).map_err(|error| {
            anyhow::anyhow!("the schema of version {} cannot type rows: {error}", version.version)
        })?;
        if let Some(header) = header {
            check_header(encoder.columns(), header)?;
        }
        let prefix = match version.encoding {
            Encoding::Json => None,
            Encoding::Avro => Some(version.schema_id(&port.inbox).ok_or_else(|| {
                Failure::NotFound(format!("no schema id is bound to version {}", version.version))
            })?),
        };
        let key = KeyRule::new(version, header)?;
        let header = header.unwrap_or_default().to_vec();
        Ok(Self { encoder, prefix, key, header, null_value })
    }

    /// Writes key and value of a row into `event`.
    ///
    /// # Errors
    /// Everything in the row that cannot be typed.
    pub(super) fn write(&self, row: Row<'_>, event: &mut Outgoing) -> Result<(), Vec<BadRow>> {
        let value = event.value.get_or_insert_default();
        value.clear();
        if let Some(id) = self.prefix {
            write_prefix(id, value);
        }
        let start = value.len();
        let key = match row {
            Row::Fields(record) => {
                self.write_fields(record, value)?;
                self.key.of_fields(|index| self.field(record, index), &value[start..])
            }
            Row::Json(line) => {
                let json: Value = serde_json::from_slice(line).map_err(|error| {
                    let shown = String::from_utf8_lossy(line.trim_ascii());
                    BadRow::of_row(clipped(&shown), format!("one JSON value in the line ({error})"))
                })?;
                self.encoder.encode_json(&json, value).map_err(into_bad)?;
                self.key.of_json(&json)
            }
        };
        let size = value.len() + key.as_ref().map_or(0, Vec::len);
        event.key = key;
        if size > MAX_EVENT {
            let expected = format!("at most {MAX_EVENT} bytes, key included");
            return Err(BadRow::of_row(format!("an event of {size} bytes"), expected));
        }
        Ok(())
    }

    fn write_fields(&self, record: &ByteRecord, value: &mut Vec<u8>) -> Result<(), Vec<BadRow>> {
        if record.len() != self.header.len() {
            let expected = format!("{} fields, as in the header", self.header.len());
            return Err(BadRow::of_row(format!("{} fields", record.len()), expected));
        }
        let mut no_text = Vec::new();
        let fields = self.header.iter().zip(record).map(|(name, field)| {
            let text = std::str::from_utf8(field).unwrap_or_else(|_| {
                no_text.push(name.clone());
                ""
            });
            (name.as_str(), self.present(text))
        });
        let encoded = self.encoder.encode_strings(fields, value);
        if !no_text.is_empty() {
            let bad = |column| BadRow { column, value: "bytes".into(), expected: "UTF-8".into() };
            return Err(no_text.into_iter().map(bad).collect());
        }
        encoded.map_err(into_bad)
    }

    /// A field, unless it stands for a missing value.
    fn present<'a>(&self, text: &'a str) -> Option<&'a str> {
        let missing = text.is_empty() || self.null_value.as_deref() == Some(text);
        (!missing).then_some(text)
    }

    fn field<'a>(&self, record: &'a ByteRecord, index: usize) -> Option<&'a str> {
        self.present(std::str::from_utf8(record.get(index)?).ok()?)
    }
}

fn into_bad(errors: Vec<RowError>) -> Vec<BadRow> {
    errors.into_iter().map(BadRow::from).collect()
}

/// Enough of a value to find it.
fn clipped(text: &str) -> String {
    match text.char_indices().nth(60) {
        None => text.to_owned(),
        Some((cut, _)) => format!("{}…", &text[..cut]),
    }
}

impl KeyRule {
    fn new(version: &BoundVersion, header: Option<&[String]>) -> anyhow::Result<Self> {
        let key = &version.key;
        if key.properties.is_empty() {
            return Ok(KeyRule::None);
        }
        let part = |name: &String| {
            let index = header?.iter().position(|column| column == name)?;
            let form = match version.kinds.get(name).map(String::as_str) {
                Some("string") => Form::Text,
                Some("integer" | "long" | "int") => Form::Integer,
                // Dates, decimals and the like have one form in an event and many in a file.
                Some(_) | None => return None,
            };
            Some((index, form))
        };
        let parts: Option<Vec<_>> = key.properties.iter().map(part).collect();
        if let Some(parts) = parts {
            return Ok(KeyRule::Fields { parts, text: key.text });
        }
        let avro = match version.encoding {
            Encoding::Json => None,
            Encoding::Avro => Some(AvroValidator::compile(&version.schema)?),
        };
        Ok(KeyRule::Event { key: key.clone(), avro })
    }

    /// The key of a row of fields; a part that is missing leaves no key, which is the contract's to judge.
    fn of_fields<'a>(
        &self,
        field: impl Fn(usize) -> Option<&'a str>,
        body: &[u8],
    ) -> Option<Vec<u8>> {
        match self {
            KeyRule::None => None,
            KeyRule::Fields { parts, text: true } => {
                let (index, _) = parts.first()?;
                field(*index).map(|text| text.as_bytes().to_vec())
            }
            KeyRule::Fields { parts, text: false } => {
                let mut out = Vec::with_capacity(48);
                for (at, (index, form)) in parts.iter().enumerate() {
                    out.push(if at == 0 { b'[' } else { b',' });
                    write_part(field(*index)?, *form, &mut out)?;
                }
                out.push(b']');
                Some(out)
            }
            KeyRule::Event { key, avro } => {
                let event = match avro {
                    Some(avro) => avro.decode_json(body).ok()?,
                    None => serde_json::from_slice(body).ok()?,
                };
                key.bytes(&event)
            }
        }
    }

    /// The key of an event that came as JSON.
    fn of_json(&self, event: &Value) -> Option<Vec<u8>> {
        match self {
            KeyRule::None | KeyRule::Fields { .. } => None,
            KeyRule::Event { key, .. } => key.bytes(event),
        }
    }
}

fn write_part(text: &str, form: Form, out: &mut Vec<u8>) -> Option<()> {
    match form {
        Form::Text => serde_json::to_writer(out, text).ok(),
        Form::Integer => write!(out, "{}", text.trim().parse::<i64>().ok()?).ok(),
    }
}

/// The header must name the contract's columns, each once, in any order.
fn check_header(columns: &[Column], header: &[String]) -> Result<(), Failure> {
    let known = |name: &str| columns.iter().any(|column| column.name == name);
    let missing: Vec<&str> = columns
        .iter()
        .map(|column| column.name.as_str())
        .filter(|name| header.iter().all(|column| column != name))
        .collect();
    let extra: Vec<&str> =
        header.iter().map(String::as_str).filter(|name| !known(name)).collect();
    let twice: Vec<&str> = header
        .iter()
        .enumerate()
        .filter(|(at, name)| header[..*at].contains(name))
        .map(|(_, name)| name.as_str())
        .collect();
    let problems: Vec<String> = [
        ("missing", missing),
        ("not in the contract", extra),
        ("there more than once", twice),
    ]
    .into_iter()
    .filter(|(_, names)| !names.is_empty())
    .map(|(what, names)| format!("{what}: {}", names.join(", ")))
    .collect();
    if problems.is_empty() {
        return Ok(());
    }
    let columns: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    Err(Failure::Usage(format!(
        "wrong header row, nothing was sent: {}; the contract has the columns {}",
        problems.join("; "),
        columns.join(", ")
    )))
}
