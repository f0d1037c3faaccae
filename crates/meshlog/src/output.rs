//! What goes to stdout: tables for people, JSON for programs (lists: one object a line). Everything else goes to stderr.

use serde_json::Value;
use std::io::{self, Write};

/// How results are shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// Aligned columns.
    #[default]
    Table,
    /// JSON; lists as one object a line.
    Json,
}

/// A column of a table: its heading, and where in each object its value stands (JSON Pointer, or a plain member's name).
pub(crate) type Column = (&'static str, &'static str);

/// Longest text of a cell; a description must not push the other columns off the screen.
const MAX_CELL: usize = 60;

/// Prints one JSON value in a line.
pub(crate) fn json_line(value: &Value) -> io::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, value)?;
    out.write_all(b"\n")
}

/// Prints a text and a line end.
pub(crate) fn line(text: impl AsRef<str>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_ref().as_bytes())?;
    out.write_all(b"\n")
}

/// Prints a list of objects.
pub(crate) fn list(format: Format, columns: &[Column], items: &[Value]) -> io::Result<()> {
    match format {
        Format::Json => items.iter().try_for_each(json_line),
        Format::Table => io::stdout()
            .lock()
            .write_all(table(columns, items).as_bytes()),
    }
}

/// Prints one object: as it is, or its members under each other.
pub(crate) fn object(format: Format, value: &Value) -> io::Result<()> {
    match format {
        Format::Json => json_line(value),
        Format::Table => io::stdout().lock().write_all(members(value, 0).as_bytes()),
    }
}

/// Aligned columns; the last one is not padded.
pub(crate) fn table(columns: &[Column], items: &[Value]) -> String {
    let head: Vec<String> = columns
        .iter()
        .map(|(name, _)| name.to_uppercase())
        .collect();
    let rows = items
        .iter()
        .map(|item| columns.iter().map(|(_, at)| cell(item, at)).collect());
    let rows: Vec<Vec<String>> = std::iter::once(head).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..columns.len())
        .map(|column| width(column).unwrap_or(0))
        .collect();
    let mut text = String::new();
    for row in &rows {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

fn cell(item: &Value, at: &str) -> String {
    let found = if at.starts_with('/') {
        item.pointer(at)
    } else {
        item.get(at)
    };
    let text = found.map(plain).unwrap_or_default();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(MAX_CELL) {
        None => text,
        Some((cut, _)) => format!("{}…", &text[..cut]),
    }
}

/// A value without JSON's quotes; lists with commas.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

/// Members under each other, names aligned, inner objects indented.
fn members(value: &Value, indent: usize) -> String {
    let Value::Object(map) = value else {
        return format!("{}\n", plain(value));
    };
    let width = map.keys().map(|key| key.chars().count()).max().unwrap_or(0);
    let margin = " ".repeat(indent);
    let mut text = String::new();
    for (key, value) in map.iter().filter(|(_, value)| !is_empty(value)) {
        match value {
            Value::Object(_) => {
                text.push_str(&format!("{margin}{key}\n{}", members(value, indent + 2)));
            }
            Value::Array(items) if items.iter().any(Value::is_object) => {
                text.push_str(&format!("{margin}{key}\n"));
                for item in items {
                    text.push_str(&bullet(item, indent + 2));
                }
            }
            Value::String(long) if long.contains('\n') => {
                text.push_str(&format!("{margin}{key}\n"));
                for line in long.lines() {
                    text.push_str(&format!("{margin}  {line}\n"));
                }
            }
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => {
                text.push_str(&format!("{margin}{key:<width$}  {}\n", plain(value)));
            }
        }
    }
    text
}

fn bullet(item: &Value, indent: usize) -> String {
    let inner = members(item, indent + 2);
    let mut lines = inner.lines();
    let first = lines.next().unwrap_or_default().trim_start();
    let mut text = format!("{}- {first}\n", " ".repeat(indent));
    for line in lines {
        text.push_str(line);
        text.push('\n');
    }
    text
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn tables_are_aligned_and_end_where_the_text_ends() {
        let items = [
            json!({"a": "x", "b": {"c": 12}}),
            json!({"a": "longer", "b": {"c": null}}),
        ];
        let text = table(&[("a", "a"), ("c", "/b/c")], &items);
        assert_eq!(text, "A       C\nx       12\nlonger\n");
    }

    #[test]
    fn long_cells_are_cut_and_kept_in_one_line() {
        let items = [json!({"a": format!("x\n{}", "é".repeat(100))})];
        let text = table(&[("a", "a")], &items);
        assert_eq!(text.lines().count(), 2);
        assert!(text.ends_with("…\n"), "{text}");
    }

    #[test]
    fn objects_show_their_members_without_the_empty_ones() {
        let value =
            json!({"port": "p", "why": null, "n": 3, "in": {"a": 1}, "l": [{"x": 1, "y": 2}]});
        assert_eq!(
            members(&value, 0),
            "port  p\nn     3\nin\n  a  1\nl\n  - x  1\n    y  2\n"
        );
    }
}
