//! From rows to events: columns checked against the contract, values typed, keys made.

use std::fmt;

use contract::cloud_events::{Attributes, Origin};
use contract::row::{Column, EventWriter, MAX_EVENT, RowError, Wish};
use contract::spec::Encoding;
use csv::ByteRecord;
use kafka::{Header, Outgoing};
use serde_json::Value;

use super::source::Row;
use crate::exit::Failure;
use crate::port::{BoundVersion, Port};

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
        vec![Self {
            column: String::new(),
            value: value.into(),
            expected: expected.into(),
        }]
    }
}

impl From<RowError> for BadRow {
    fn from(error: RowError) -> Self {
        let value = error
            .value
            .map_or_else(|| "nothing".to_owned(), |value| format!("`{value}`"));
        Self {
            column: error.column,
            value,
            expected: error.expected,
        }
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
    events: EventWriter,
    /// For each column of the contract its place in the file; empty for JSON lines.
    places: Vec<usize>,
    null_value: Option<String>,
    /// What the ids of events begin with, where they are CloudEvents: the file on its port.
    identity: String,
}

impl RowWriter {
    /// A writer of the port's version in force.
    ///
    /// `header` is that of a CSV file; it must hold the contract's columns, all of them and no other.
    ///
    /// # Errors
    /// [`Failure::Usage`] for a wrong header; a schema that cannot type rows.
    pub(super) fn new(
        (port, address): (&Port, &str),
        version: &BoundVersion,
        (header, null_value): (Option<&[String]>, Option<String>),
        identity: &str,
    ) -> anyhow::Result<Self> {
        let id = match (version.encoding, version.schema_id(&port.inbox)) {
            (Encoding::Json, id) => id.unwrap_or_default(),
            (Encoding::Avro | Encoding::Protobuf, Some(id)) => id,
            (Encoding::Avro | Encoding::Protobuf, None) => {
                let text = format!("no schema id is bound to version {}", version.version);
                return Err(Failure::NotFound(text).into());
            }
        };
        let events = EventWriter::new(&version.value_schema(), id, version.key.clone());
        let events = events.map_err(|error| {
            let version = &version.version;
            anyhow::anyhow!("the schema of version {version} cannot type rows: {error}")
        })?;
        let key_id = version.key_schema_id(&port.inbox).unwrap_or_default();
        let events = events.with_keys(version.key_schema.as_ref(), key_id);
        let origin = Origin::new(address, &port.contract_id);
        let events = events
            .map_err(|error| Failure::Refused(format!("nothing was sent: {error}")))?
            .with_cloud_events(version.cloud_events, origin);
        let places = match header {
            Some(header) => places(events.rows().columns(), header)?,
            None => Vec::new(),
        };
        Ok(Self {
            events,
            places,
            null_value,
            identity: identity.to_owned(),
        })
    }

    /// Writes key, value and headers of the row of that number into `event`.
    ///
    /// # Errors
    /// Everything in the row that cannot be typed.
    pub(super) fn write(
        &self,
        (number, row): (u64, Row<'_>),
        event: &mut Outgoing,
    ) -> Result<(), Vec<BadRow>> {
        let value = event.value.get_or_insert_default();
        self.events.begin(value);
        let key = match row {
            Row::Fields(record) => self.write_fields(record, value)?,
            Row::Json(line) => {
                let json: Value = serde_json::from_slice(line).map_err(|error| {
                    let shown = String::from_utf8_lossy(line.trim_ascii());
                    BadRow::of_row(
                        clipped(&shown),
                        format!("one JSON value in the line ({error})"),
                    )
                })?;
                self.events.write(&json, value).map_err(into_bad)?
            }
        };
        if self.events.writes_cloud_events() {
            let id = format!("{}-{number}", self.identity);
            let as_usual = (Wish::Binary, Attributes::default());
            let headers = self.events.finish(&id, as_usual, value).into_iter();
            event.headers = headers
                .map(|(name, value)| Header::new(&name, value))
                .collect();
        }
        let size = value.len() + key.as_ref().map_or(0, Vec::len);
        event.key = key;
        if size > MAX_EVENT {
            let expected = format!("at most {MAX_EVENT} bytes, key included");
            return Err(BadRow::of_row(
                format!("an event of {size} bytes"),
                expected,
            ));
        }
        Ok(())
    }

    /// Writes the value and gives the key.
    fn write_fields(
        &self,
        record: &ByteRecord,
        value: &mut Vec<u8>,
    ) -> Result<Option<Vec<u8>>, Vec<BadRow>> {
        if record.len() != self.places.len() {
            let expected = format!("{} fields, as in the header", self.places.len());
            return Err(BadRow::of_row(format!("{} fields", record.len()), expected));
        }
        let mut no_text = Vec::new();
        let mut cells = Vec::with_capacity(self.places.len());
        for (place, column) in self.places.iter().zip(self.events.rows().columns()) {
            match std::str::from_utf8(&record[*place]) {
                Ok(text) => cells.push(self.present(text)),
                Err(_) => no_text.push(BadRow {
                    column: column.name.clone(),
                    value: "bytes that are no text".to_owned(),
                    expected: "UTF-8".to_owned(),
                }),
            }
        }
        if !no_text.is_empty() {
            return Err(no_text);
        }
        let rows = self.events.rows();
        rows.encode_cells(&cells, value).map_err(into_bad)?;
        let json = |name: &str| rows.cell_json(name, cells[rows.position(name)?]).ok()?;
        match self.events.key_of_cells(json) {
            Some(key) => key.map_err(into_bad),
            None => Ok(self.key_of(&cells)),
        }
    }

    /// A field, unless it stands for a missing value.
    fn present<'a>(&self, text: &'a str) -> Option<&'a str> {
        let missing = text.is_empty() || self.null_value.as_deref() == Some(text);
        (!missing).then_some(text)
    }

    /// The key, as `Key::bytes` makes it of the event; a part that is missing leaves none, which is the contract's to
    /// judge.
    fn key_of(&self, cells: &[Option<&str>]) -> Option<Vec<u8>> {
        let (rows, wanted) = (self.events.rows(), self.events.key());
        let cell = |name: &str| cells[rows.position(name)?];
        if let ([name], true) = (wanted.properties.as_slice(), wanted.text) {
            return cell(name).map(|text| text.as_bytes().to_vec());
        }
        if wanted.properties.is_empty() {
            return None;
        }
        let mut key = Vec::with_capacity(64);
        for (at, name) in wanted.properties.iter().enumerate() {
            let part = rows.cell_json(name, Some(cell(name)?)).ok()??;
            key.push(if at == 0 { b'[' } else { b',' });
            serde_json::to_writer(&mut key, &part).ok()?;
        }
        key.push(b']');
        Some(key)
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

/// Where in the file each column of the contract stands: the header names all of them, each once, and no other.
fn places(columns: &[Column], header: &[String]) -> Result<Vec<usize>, Failure> {
    let place = |column: &Column| header.iter().position(|name| *name == column.name);
    let known = |name: &str| columns.iter().any(|column| column.name == name);
    let missing: Vec<&str> = columns
        .iter()
        .filter(|column| place(column).is_none())
        .map(|column| column.name.as_str())
        .collect();
    let extra: Vec<&str> = header
        .iter()
        .map(String::as_str)
        .filter(|name| !known(name))
        .collect();
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
        return Ok(columns.iter().filter_map(place).collect());
    }
    let columns: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    Err(Failure::Usage(format!(
        "wrong header row, nothing was sent: {}; the contract has the columns {}",
        problems.join("; "),
        columns.join(", ")
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::spec::Key;
    use serde_json::json;

    const JSON: &str = r#"{"type":"object","properties":{"id":{"type":"string"},"n":{"type":"integer"},"d":{"type":"number"}},"required":["id","n"],"additionalProperties":false}"#;
    const AVRO: &str = r#"{"type":"record","name":"E","fields":[{"name":"id","type":"string"},{"name":"n","type":"long"},{"name":"d","type":["null","double"],"default":null}]}"#;

    const PROTOBUF: &str =
        "syntax = \"proto3\"; message E { string id = 1; int64 n = 2; optional double d = 3; }";

    fn writer(
        encoding: Encoding,
        key: &[&str],
        header: Option<&[&str]>,
    ) -> Result<RowWriter, String> {
        let schema = match encoding {
            Encoding::Avro => AVRO,
            Encoding::Json => JSON,
            Encoding::Protobuf => PROTOBUF,
        };
        let text = key == ["id"];
        let key = Key {
            properties: key.iter().map(|name| (*name).to_owned()).collect(),
            text,
        };
        let port = Port::for_test(encoding, schema, key);
        let header: Option<Vec<String>> =
            header.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
        let version = &port.versions[0];
        let given = (header.as_deref(), Some("NA".to_owned()));
        RowWriter::new((&port, "a.b.c.v1"), version, given, "f").map_err(|error| error.to_string())
    }

    fn written(writer: &RowWriter, row: &[&str]) -> Result<(Option<String>, Vec<u8>), Vec<BadRow>> {
        let mut event = Outgoing::default();
        writer.write(
            (1, Row::Fields(&ByteRecord::from(row.to_vec()))),
            &mut event,
        )?;
        let key = event.key.map(|key| String::from_utf8(key).expect("text"));
        Ok((key, event.value.expect("written")))
    }

    #[test]
    fn headers_are_checked_before_anything_is_sent() {
        let header = |names: &[&str]| writer(Encoding::Json, &[], Some(names)).map(|_| ());
        assert_eq!(header(&["d", "id", "n"]), Ok(()));
        for (names, said) in [
            (&["id", "n"][..], "missing: d"),
            (&["id", "n", "d", "x", "y"], "not in the contract: x, y"),
            (&["id", "n", "d", "n"], "there more than once: n"),
            (&["ID", "n", "d"], "missing: id; not in the contract: ID"),
        ] {
            let error = header(names).expect_err("wrong");
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn rows_become_events_with_their_keys() {
        let one = writer(Encoding::Json, &["id"], Some(&["n", "id", "d"])).expect("a writer");
        let (key, value) = written(&one, &["7", "a\"b", "NA"]).expect("typed");
        assert_eq!(key.as_deref(), Some("a\"b"));
        let value: Value = serde_json::from_slice(&value).expect("JSON");
        assert_eq!(value, json!({"id": "a\"b", "n": 7}));

        let two = writer(Encoding::Json, &["n", "id"], Some(&["id", "n", "d"])).expect("a writer");
        let (key, _) = written(&two, &["x\"", "007", "1.5"]).expect("typed");
        assert_eq!(key.as_deref(), Some(r#"[7,"x\""]"#));
        let (key, value) =
            written(&two, &["x", "", "1.5"]).expect("missing is the contract's to judge");
        assert_eq!(key, None);
        assert!(!String::from_utf8_lossy(&value).contains("\"n\""));
    }

    #[test]
    fn keys_are_those_that_the_contract_makes_of_the_event() {
        for encoding in [Encoding::Json, Encoding::Avro, Encoding::Protobuf] {
            for names in [&["id"][..], &["n"], &["n", "id"], &["d", "n"]] {
                let writer = writer(encoding, names, Some(&["id", "n", "d"])).expect("a writer");
                let (key, _) = written(&writer, &["x", "-3", "2.50"]).expect("typed");
                let event = json!({"id": "x", "n": -3, "d": 2.5});
                let expected = writer
                    .events
                    .key()
                    .bytes(&event)
                    .map(|key| String::from_utf8(key).expect("text"));
                assert_eq!(key, expected, "{names:?}");
            }
        }
    }

    #[test]
    fn avro_is_framed_and_null_only_where_the_schema_allows_it() {
        let writer = writer(Encoding::Avro, &["id"], Some(&["id", "n", "d"])).expect("a writer");
        let (_, value) = written(&writer, &["a", "1", "NA"]).expect("typed");
        assert_eq!(value, b"\0\0\0\0\x07\x02a\x02\0");
        let bad = written(&writer, &["a", "NA", "x"]).expect_err("n is not nullable, x no number");
        let columns: Vec<&str> = bad.iter().map(|bad| bad.column.as_str()).collect();
        assert_eq!(columns, ["n", "d"]);
        assert!(
            bad[1]
                .to_string()
                .starts_with("column d: found `x`, expected"),
            "{}",
            bad[1]
        );
    }

    #[test]
    fn protobuf_is_framed_with_the_messages_indexes() {
        let writer =
            writer(Encoding::Protobuf, &["id"], Some(&["id", "n", "d"])).expect("a writer");
        let (key, value) = written(&writer, &["a", "3", "NA"]).expect("typed");
        assert_eq!(key.as_deref(), Some("a"));
        assert_eq!(value, b"\0\0\0\0\x07\0\x0a\x01a\x10\x03");
        let bad = written(&writer, &["a", "x", "y"]).expect_err("no numbers");
        let texts: Vec<String> = bad.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "column n: found `x`, expected int64",
                "column d: found `y`, expected double"
            ]
        );
    }

    #[test]
    fn rows_that_are_none_are_refused_as_a_whole() {
        let csv = writer(Encoding::Json, &[], Some(&["id", "n", "d"])).expect("a writer");
        assert!(
            written(&csv, &["a", "1"]).expect_err("short")[0]
                .to_string()
                .contains("3 fields")
        );
        let latin = ByteRecord::from(vec![&b"\xe9"[..], b"1", b""]);
        let mut event = Outgoing::default();
        let bad = csv
            .write((1, Row::Fields(&latin)), &mut event)
            .expect_err("no UTF-8");
        assert_eq!(bad[0].column, "id");

        let lines = writer(Encoding::Json, &["id"], None).expect("a writer");
        for line in [&b"{\"a\":"[..], b"nonsense", b"[1]"] {
            assert!(lines.write((1, Row::Json(line)), &mut event).is_err());
        }
        lines
            .write((1, Row::Json(b"{\"id\":\"k\",\"n\":1}")), &mut event)
            .expect("typed");
        assert_eq!(event.key.as_deref(), Some(&b"k"[..]));
    }
}
