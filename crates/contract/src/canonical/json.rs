//! JSON Schema's text as the reference stores it, and normalized.
//!
//! The reference reads a schema with Jackson, numbers exactly, and writes it again: white space gone, members in their
//! order, strings with as few escapes as may be, fractions as Java's `BigDecimal` prints them. Normalized is the same
//! with members sorted by name.
//! Source: read of <https://github.com/confluentinc/schema-registry>
//! `json-schema-provider/src/main/java/io/confluent/kafka/schemaregistry/json/JsonSchema.java`.

use crate::compat::json::check_references;
use crate::compat::json::documents::{Documents, Texts};
use crate::schema_error::SchemaError;
use crate::source::Source;
use jsonschema::error::ValidationErrorKind;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Whether members keep their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Kept,
    Sorted,
}

/// The text of a schema that meets its draft and whose references all name something.
pub(super) fn text(source: &Source<'_>, order: Order) -> Result<String, SchemaError> {
    let texts = Texts::parse(source)?;
    check_draft(&texts.root)?;
    check_references(&Documents::new(&texts, 0))?;
    let mut reader = Reader {
        rest: source.text.trim_start(),
        order,
    };
    let mut out = String::with_capacity(source.text.len());
    reader.value(&mut out);
    Ok(out)
}

/// A JSON Schema must meet the draft that it names. One of a draft that we do not know passes, as with the reference.
fn check_draft(schema: &Value) -> Result<(), SchemaError> {
    if !(schema.is_object() || schema.is_boolean()) {
        return Err(SchemaError::invalid(
            "",
            format!("`{schema}` is not a schema"),
        ));
    }
    match jsonschema::meta::validate(schema) {
        Ok(()) => Ok(()),
        Err(error) if matches!(error.kind(), ValidationErrorKind::Referencing(_)) => Ok(()),
        Err(error) => Err(SchemaError::invalid(
            error.instance_path().as_str(),
            error.to_string(),
        )),
    }
}

/// Reads JSON that is known to be well-formed and not too deep, to keep what a parsed value does not: numbers as
/// written.
struct Reader<'a> {
    rest: &'a str,
    order: Order,
}

impl<'a> Reader<'a> {
    fn value(&mut self, out: &mut String) {
        match self.rest.as_bytes().first() {
            Some(b'{') => self.object(out),
            Some(b'[') => self.array(out),
            Some(b'"') => {
                let text = self.string();
                quote(&text, out);
            }
            _ => {
                let end = self
                    .rest
                    .find(|c: char| ",]}".contains(c) || c.is_ascii_whitespace());
                match self.take(end.unwrap_or(self.rest.len())) {
                    word @ ("true" | "false" | "null") => out.push_str(word),
                    number => out.push_str(&java_number(number)),
                }
            }
        }
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, count: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(count);
        self.rest = rest;
        taken
    }

    /// Go past one character and the white space after it; whether it was that one.
    fn eat(&mut self, c: char) -> bool {
        match self.rest.strip_prefix(c) {
            Some(rest) => {
                self.rest = rest.trim_start();
                true
            }
            None => false,
        }
    }

    fn array(&mut self, out: &mut String) {
        self.eat('[');
        out.push('[');
        while !self.eat(']') && !self.rest.is_empty() {
            self.value(out);
            if self.eat(',') {
                out.push(',');
            }
        }
        out.push(']');
    }

    /// Of members of one name the last counts, at the place of the first.
    fn object(&mut self, out: &mut String) {
        let mut members: Vec<(String, String)> = Vec::new();
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        self.eat('{');
        while !self.eat('}') && !self.rest.is_empty() {
            let name = self.string();
            self.rest = self.rest.trim_start();
            self.eat(':');
            let mut value = String::new();
            self.value(&mut value);
            self.eat(',');
            match places.get(&name) {
                Some(place) => members[*place].1 = value,
                None => {
                    places.insert(name.clone(), members.len());
                    members.push((name, value));
                }
            }
        }
        if self.order == Order::Sorted {
            // As Java compares strings.
            members.sort_by(|(one, _), (other, _)| one.encode_utf16().cmp(other.encode_utf16()));
        }
        out.push('{');
        for (index, (name, value)) in members.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            quote(name, out);
            out.push(':');
            out.push_str(value);
        }
        out.push('}');
    }

    fn string(&mut self) -> String {
        let mut escaped = false;
        let end = self.rest.char_indices().skip(1).find(|(_, c)| {
            let ends = *c == '"' && !escaped;
            escaped = *c == '\\' && !escaped;
            ends
        });
        let text = self.take(end.map_or(self.rest.len(), |(at, _)| at + 1));
        serde_json::from_str(text).unwrap_or_default()
    }
}

/// A string as Jackson writes it.
fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            c if c < ' ' => {
                // Writing to a string does not fail.
                let _always = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// A number as Java writes it: whole ones by their digits, others as `BigDecimal.toString` does.
fn java_number(text: &str) -> String {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text),
    };
    let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().unwrap_or(0)),
        None => (digits, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if mantissa.len() == digits.len() && fraction.is_empty() && !mantissa.contains('.') {
        let sign = if whole == "0" { "" } else { sign };
        return format!("{sign}{whole}");
    }
    let scale = i64::try_from(fraction.len())
        .unwrap_or(i64::MAX)
        .saturating_sub(exponent);
    let unscaled = format!("{whole}{fraction}");
    let unscaled = unscaled.trim_start_matches('0');
    let (unscaled, sign) = if unscaled.is_empty() {
        ("0", "")
    } else {
        (unscaled, sign)
    };
    format!("{sign}{}", decimal(unscaled, scale))
}

/// Source: <https://docs.oracle.com/en/java/javase/17/docs/api/java.base/java/math/BigDecimal.html#toString()>
fn decimal(unscaled: &str, scale: i64) -> String {
    let count = i64::try_from(unscaled.len()).unwrap_or(i64::MAX);
    let adjusted = (count - 1).saturating_sub(scale);
    if scale >= 0 && adjusted >= -6 {
        let places = usize::try_from(scale).unwrap_or(0);
        if places == 0 {
            return unscaled.to_owned();
        }
        let padded = format!("{unscaled:0>width$}", width = places + 1);
        let (whole, fraction) = padded.split_at(padded.len() - places);
        return format!("{whole}.{fraction}");
    }
    let (first, rest) = unscaled.split_at(1);
    let point = if rest.is_empty() { "" } else { "." };
    format!("{first}{point}{rest}E{adjusted:+}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_java_writes_them() {
        for (given, expected) in [
            ("1", "1"),
            ("-0", "0"),
            ("12345678901234567890123", "12345678901234567890123"),
            ("1.0", "1.0"),
            ("0.10", "0.10"),
            ("-1.50", "-1.50"),
            ("1e2", "1E+2"),
            ("1.5E-10", "1.5E-10"),
            ("0.0000001", "1E-7"),
            ("0.000001", "0.000001"),
            ("123e-2", "1.23"),
            ("0.0", "0.0"),
            ("12.5e3", "1.25E+4"),
        ] {
            assert_eq!(java_number(given), expected, "{given}");
        }
    }
}
