//! Confluent's wire format: which schema a Kafka value says it was written with.
//!
//! First step on an event's path: it separates the schema id from the body and looks at neither the schema nor the
//! body. Both forms of the format are read: the prefix (`00`, id as 4 bytes big endian, body) and the header
//! `__value_schema_id` / `__key_schema_id` (`01`, GUID as 16 bytes), where the body stands unframed. Protobuf's message
//! indexes follow the id, so they begin the body of the first form and end the header of the second.
//! We never guess by length: other registries' framings (8-byte ids) are not recognised.
//! Source: <https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#wire-format>

use crate::verdict::{Code, Reason};

/// Name of the Kafka header that carries the schema id of a record's value.
pub const VALUE_SCHEMA_ID_HEADER: &str = "__value_schema_id";

/// Name of the Kafka header that carries the schema id of a record's key.
pub const KEY_SCHEMA_ID_HEADER: &str = "__key_schema_id";

/// Bytes before the body in the prefix form.
pub const PREFIX_LEN: usize = 5;

const MAGIC_ID: u8 = 0;
const MAGIC_GUID: u8 = 1;
const EXPECTED: &str = "a schema id: byte 00 and 4 bytes before the body, or the header form";

/// How a value names its schema, and its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing<'a> {
    /// A numeric schema id, from the prefix (or from a header that holds one).
    Prefix {
        /// The id, never 0.
        id: u32,
        /// What follows the prefix.
        body: &'a [u8],
    },
    /// A GUID from the record's header.
    Header {
        /// The GUID's bytes.
        guid: [u8; 16],
        /// What the header holds after the GUID: a Protobuf message's indexes, else nothing.
        indexes: &'a [u8],
        /// The whole value.
        body: &'a [u8],
    },
    /// No schema is named: the whole value.
    Plain(&'a [u8]),
}

impl<'a> Framing<'a> {
    /// The bytes to validate.
    pub fn body(&self) -> &'a [u8] {
        match self {
            Framing::Prefix { body, .. } | Framing::Header { body, .. } | Framing::Plain(body) => {
                body
            }
        }
    }
}

/// Tell the schema id from the body.
///
/// `schema_id_header` is the last header of that name, if any; it goes before the prefix, so a body that happens to
/// start with `00` stays whole.
///
/// # Errors
/// A [`Code::NotFramed`] or [`Code::UnknownSchemaId`] reason: the value or header starts as the format says and
/// then breaks off, or the id is one that no registry gives.
pub fn read_framing<'a>(
    value: &'a [u8],
    schema_id_header: Option<&'a [u8]>,
) -> Result<Framing<'a>, Reason> {
    if let Some(header) = schema_id_header {
        return read_header(value, header);
    }
    match value {
        [MAGIC_ID, a, b, c, d, body @ ..] => prefix([*a, *b, *c, *d], body),
        [MAGIC_ID, ..] => Err(Reason::new(
            Code::NotFramed,
            "",
            EXPECTED,
            &describe_start(value),
        )),
        _ => Ok(Framing::Plain(value)),
    }
}

/// The reason against a value that had to name its schema and does not; it says what the value starts with.
#[cold]
pub fn not_framed(value: &[u8]) -> Reason {
    Reason::new(Code::NotFramed, "", EXPECTED, &describe_start(value))
}

/// Append the prefix form's 5 bytes; the body follows.
pub fn write_prefix(id: u32, out: &mut Vec<u8>) {
    out.push(MAGIC_ID);
    out.extend_from_slice(&id.to_be_bytes());
}

/// Longest text of indexes after a GUID: as many numbers as a path may have, each as long as it may be.
const MAX_INDEXES: usize = 512;

fn read_header<'a>(value: &'a [u8], header: &'a [u8]) -> Result<Framing<'a>, Reason> {
    match header {
        [MAGIC_ID, a, b, c, d] => return prefix([*a, *b, *c, *d], value),
        [MAGIC_GUID, rest @ ..] => {
            if let Some((guid, indexes)) = rest.split_first_chunk::<16>()
                && indexes.len() <= MAX_INDEXES
            {
                return Ok(Framing::Header {
                    guid: *guid,
                    indexes,
                    body: value,
                });
            }
        }
        _ => {}
    }
    Err(Reason::new(
        Code::NotFramed,
        "",
        "a schema id header of byte 01 and a 16-byte GUID",
        &describe_start(header),
    ))
}

fn prefix(id: [u8; 4], body: &[u8]) -> Result<Framing<'_>, Reason> {
    // The id is a positive signed integer to every other implementation.
    let id = i32::from_be_bytes(id);
    match u32::try_from(id) {
        Ok(id) if id > 0 => Ok(Framing::Prefix { id, body }),
        _ => Err(Reason::new(
            Code::UnknownSchemaId,
            "",
            "a positive schema id",
            &id.to_string(),
        )),
    }
}

fn describe_start(value: &[u8]) -> String {
    match value.first() {
        None => "no bytes".to_owned(),
        Some(byte) if byte.is_ascii_graphic() => {
            format!(
                "{} bytes starting with {byte:02x} (`{}`)",
                value.len(),
                char::from(*byte)
            )
        }
        Some(byte) => format!("{} bytes starting with {byte:02x}", value.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn header_goes_before_prefix() {
        let value = [0, 0, 0, 0, 9, 1];
        let mut header = vec![1];
        header.extend_from_slice(&[7; 16]);
        assert_eq!(
            read_framing(&value, Some(&header)),
            Ok(Framing::Header {
                guid: [7; 16],
                indexes: &[],
                body: &value
            })
        );
        header.extend_from_slice(&[2, 2]);
        assert_eq!(
            read_framing(&value, Some(&header)),
            Ok(Framing::Header {
                guid: [7; 16],
                indexes: &[2, 2],
                body: &value
            })
        );
        assert_eq!(
            read_framing(&value, Some(&[0, 0, 0, 1, 0])),
            Ok(Framing::Prefix {
                id: 256,
                body: &value
            })
        );
    }

    #[test]
    fn broken_framings_say_what_was_found() {
        for short in [&[0][..], &[0, 0, 0, 1]] {
            let reason = read_framing(short, None).expect_err("too short");
            assert_eq!(reason.code, Code::NotFramed);
        }
        for id in [[0, 0, 0, 0], [0xff, 0xff, 0xff, 0xff]] {
            let value = [&[0][..], &id].concat();
            let reason = read_framing(&value, None).expect_err("not an id");
            assert_eq!(reason.code, Code::UnknownSchemaId);
        }
        let reason = read_framing(b"x", Some(&[1, 2, 3])).expect_err("header too short");
        assert_eq!(reason.code, Code::NotFramed);
        assert!(not_framed(b"0123").found.contains("30 (`0`)"));
    }

    proptest! {
        #[test]
        fn prefix_round_trips(id in 1..=u32::MAX / 2, body: Vec<u8>) {
            let mut value = Vec::new();
            write_prefix(id, &mut value);
            prop_assert_eq!(value.len(), PREFIX_LEN);
            value.extend_from_slice(&body);
            prop_assert_eq!(read_framing(&value, None), Ok(Framing::Prefix { id, body: &body }));
        }

        #[test]
        fn no_value_makes_it_panic(value: Vec<u8>, header: Option<Vec<u8>>) {
            if let Ok(framing) = read_framing(&value, header.as_deref()) {
                prop_assert!(value.ends_with(framing.body()));
            }
        }
    }
}
