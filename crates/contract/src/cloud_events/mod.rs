//! CloudEvents 1.0 over Kafka: the attributes around an event's data, in headers (binary) or in an envelope (structured).
//!
//! ```text
//!  record ──mode by `content-type`──┬─ binary: `ce_…` headers ─┐
//!                                   └─ structured: JSON value ─┴─ attributes ──▶ reasons (MESH-1020)
//!                                                                 data ────────▶ judged as any value is
//! ```
//! Before [`crate::framing`] on an event's path, where the contract says `meshlog.cloudEvents`. In binary mode the value
//! is the data, framed or not as the contract's encoding wants. In structured mode JSON data stand in `data` (or, encoded,
//! in `data_base64`); those in Avro and Protobuf in `data_base64`, as the bytes that would be the value in binary mode.
//! Source: <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md>,
//! <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md>

mod attribute;
mod envelope;
#[cfg(test)]
mod tests;
mod write;

pub use attribute::{CONTENT_TYPE, HEADER_PREFIX, STRUCTURED, is_structured};
pub use envelope::Envelope;
pub use write::{Attributes, Origin};

use crate::rule::Event;
use crate::settings::CloudEvents;
use crate::spec::Encoding;
use crate::verdict::{Code, Reason};
use serde_json::Value;

/// A CloudEvent taken apart.
pub(crate) struct Opened<'a> {
    /// What the contract's schema judges.
    pub(crate) data: Data<'a>,
    /// What is wrong around it.
    pub(crate) reasons: Vec<Reason>,
    /// The attributes of an envelope as headers, names with `ce_`: rules then see them alike in both modes.
    pub(crate) attributes: Vec<(String, Vec<u8>)>,
}

/// The data of a CloudEvent.
pub(crate) enum Data<'a> {
    /// The value.
    Value(&'a [u8]),
    /// Bytes from an envelope, as they would be a value.
    Bytes(Vec<u8>),
    /// JSON from an envelope.
    Json(Value),
    /// There are none to be had.
    Nothing,
}

impl Opened<'_> {
    fn nothing(reason: Reason) -> Self {
        Self {
            data: Data::Nothing,
            reasons: vec![reason],
            attributes: Vec::new(),
        }
    }
}

/// Take a record with a value apart, in the mode that it says it has, if the contract allows that.
pub(crate) fn open<'a>(
    allowed: CloudEvents,
    encoding: Encoding,
    event: &Event<'a>,
    value: &'a [u8],
) -> Opened<'a> {
    let kind = match attribute::content_type(event) {
        Ok(kind) => kind,
        Err(reason) => return Opened::nothing(reason),
    };
    let structured = kind.is_some_and(is_structured);
    match (allowed, structured) {
        (CloudEvents::Any | CloudEvents::Structured, true) => {
            envelope::open(encoding, kind.unwrap_or_default(), value)
        }
        (CloudEvents::Any | CloudEvents::Binary, false) => binary(encoding, event, value),
        (CloudEvents::None, _) => Opened {
            data: Data::Value(value),
            reasons: Vec::new(),
            attributes: Vec::new(),
        },
        (CloudEvents::Structured, false) => {
            let found = kind.unwrap_or("no such header");
            Opened::nothing(refused(CONTENT_TYPE, STRUCTURED, found))
        }
        (CloudEvents::Binary, true) => {
            let expected =
                "a CloudEvent in binary mode: attributes in `ce_` headers, the data as value";
            Opened::nothing(refused(CONTENT_TYPE, expected, kind.unwrap_or_default()))
        }
    }
}

fn binary<'a>(encoding: Encoding, event: &Event<'a>, value: &'a [u8]) -> Opened<'a> {
    Opened {
        data: Data::Value(value),
        reasons: attribute::check_headers(encoding, event.headers),
        attributes: Vec::new(),
    }
}

fn refused(path: &str, expected: &str, found: &str) -> Reason {
    Reason::new(Code::CloudEvent, path, expected, found)
}
