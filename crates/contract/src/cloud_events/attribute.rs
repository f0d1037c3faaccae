//! The attributes of a CloudEvent: which there must be, and what each may hold.

use super::refused;
use crate::quality::{uri, uri_ref};
use crate::rule::Event;
use crate::spec::Encoding;
use crate::verdict::Reason;
use std::collections::BTreeSet;

/// The header that says what the value is, and so which mode the event has.
pub const CONTENT_TYPE: &str = "content-type";

/// What the name of a header with an attribute begins with.
pub const HEADER_PREFIX: &str = "ce_";

/// The media type of an envelope in JSON.
pub const STRUCTURED: &str = "application/cloudevents+json";

/// The attributes that no CloudEvent goes without.
pub(super) const REQUIRED: [&str; 4] = ["specversion", "id", "source", "type"];

/// Whether a media type is one of events in structured mode, of whatever format.
pub fn is_structured(kind: &str) -> bool {
    let prefix = kind.trim_start().get(.."application/cloudevents".len());
    prefix.is_some_and(|start| start.eq_ignore_ascii_case("application/cloudevents"))
}

/// The media type that the record's header gives.
pub(super) fn content_type<'a>(event: &Event<'a>) -> Result<Option<&'a str>, Reason> {
    let mut headers = event.headers.iter();
    let found = headers.find(|(name, _)| *name == CONTENT_TYPE);
    if headers.any(|(name, _)| *name == CONTENT_TYPE) {
        return Err(refused(CONTENT_TYPE, "one header of this name", "several"));
    }
    let Some((_, Some(value))) = found else {
        return Ok(None);
    };
    let text = std::str::from_utf8(value);
    text.map(Some)
        .map_err(|_| refused(CONTENT_TYPE, "a media type", "bytes that are no text"))
}

/// Everything that is wrong with the attributes in a record's headers.
pub(super) fn check_headers(encoding: Encoding, headers: &[(&str, Option<&[u8]>)]) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let mut seen = BTreeSet::new();
    for (header, value) in headers {
        let name = match header.strip_prefix(HEADER_PREFIX) {
            // A header with a name of its own, and the one attribute that it stands for.
            None if *header == CONTENT_TYPE => DATA_CONTENT_TYPE,
            None => continue,
            Some(DATA_CONTENT_TYPE) => {
                let expected = "the media type in the header `content-type`";
                reasons.push(refused(header, expected, "a header of its own"));
                continue;
            }
            Some(name) => name,
        };
        if !seen.insert(name) {
            reasons.push(refused(header, "one header of this name", "several"));
            continue;
        }
        let text = value.map(std::str::from_utf8);
        let checked = match text {
            None => Err((expected_of(name), "no value".to_owned())),
            Some(Err(_)) => Err((expected_of(name), "bytes that are no text".to_owned())),
            Some(Ok(text)) => check(encoding, name, text),
        };
        if let Err((expected, found)) = checked {
            reasons.push(refused(header, &expected, &found));
        }
    }
    for name in REQUIRED.iter().filter(|name| !seen.contains(*name)) {
        let header = format!("{HEADER_PREFIX}{name}");
        reasons.push(refused(&header, &expected_of(name), "no such header"));
    }
    reasons
}

pub(super) const DATA_CONTENT_TYPE: &str = "datacontenttype";

/// Check one attribute; gives what was expected and what was found.
pub(super) fn check(encoding: Encoding, name: &str, text: &str) -> Result<(), (String, String)> {
    let legal_name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    if name.is_empty() || !name.bytes().all(legal_name) {
        let expected = "an attribute's name of lower-case letters and digits".to_owned();
        return Err((expected, format!("`{name}`")));
    }
    let good = !text.contains(char::is_control)
        && match name {
            "specversion" => text == "1.0",
            "id" | "type" | "subject" => !text.is_empty(),
            "source" => uri_ref(text),
            "dataschema" => uri(text),
            "time" => is_rfc3339(text),
            DATA_CONTENT_TYPE => {
                is_media_type(text) && (encoding != Encoding::Json || is_json(text))
            }
            _ => true,
        };
    if good {
        return Ok(());
    }
    let expected = match (name, encoding) {
        (DATA_CONTENT_TYPE, Encoding::Json) => "a media type of JSON, as the data are".to_owned(),
        (_, Encoding::Json | Encoding::Avro | Encoding::Protobuf) => expected_of(name),
    };
    Err((expected, format!("`{text}`")))
}

/// What an attribute is to be.
pub(super) fn expected_of(name: &str) -> String {
    let expected = match name {
        "specversion" => "1.0",
        "id" => "an id that is not empty",
        "type" => "a type that is not empty",
        "subject" => "a subject that is not empty",
        "source" => "a URI reference",
        "dataschema" => "an absolute URI",
        "time" => "a time as RFC 3339 writes it",
        DATA_CONTENT_TYPE => "a media type",
        _ => "a text without control characters",
    };
    expected.to_owned()
}

/// `type/subtype`, with or without parameters.
fn is_media_type(text: &str) -> bool {
    let token = |text: &str| {
        let legal = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        !text.is_empty() && text.bytes().all(legal)
    };
    let essence = text.split(';').next().unwrap_or_default().trim();
    essence
        .split_once('/')
        .is_some_and(|(kind, subtype)| token(kind) && token(subtype))
}

/// Whether a media type says that the data are JSON.
pub(super) fn is_json(text: &str) -> bool {
    let essence = text.split(';').next().unwrap_or_default().trim();
    let (_, subtype) = essence.split_once('/').unwrap_or_default();
    let suffix = subtype
        .rsplit_once('+')
        .map_or(subtype, |(_, suffix)| suffix);
    suffix.eq_ignore_ascii_case("json")
}

/// Source: <https://datatracker.ietf.org/doc/html/rfc3339#section-5.6>
fn is_rfc3339(text: &str) -> bool {
    let shape = |text: &str, shape: &str| {
        text.len() == shape.len()
            && text.bytes().zip(shape.bytes()).all(|(b, s)| match s {
                b'0' => b.is_ascii_digit(),
                b'T' => b.eq_ignore_ascii_case(&b'T'),
                _ => b == s,
            })
    };
    let Some((moment, rest)) = text.split_at_checked(19) else {
        return false;
    };
    let rest = match rest.strip_prefix('.') {
        None => rest,
        Some(fraction) => {
            let zone = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
            if zone.len() == fraction.len() {
                return false;
            }
            zone
        }
    };
    let zone = rest.eq_ignore_ascii_case("z")
        || (rest.starts_with(['+', '-']) && shape(&rest[1..], "00:00"));
    if !shape(moment, "0000-00-00T00:00:00") || !zone {
        return false;
    }
    let number = |text: &str| text.parse::<i16>().unwrap_or(i16::MAX);
    let at = |from: usize| number(&moment[from..from + 2]);
    let day = i8::try_from(at(5)).ok().zip(i8::try_from(at(8)).ok());
    let date =
        day.and_then(|(month, day)| jiff::civil::Date::new(number(&moment[..4]), month, day).ok());
    let offset = rest.len() == 1 || (number(&rest[1..3]) < 24 && number(&rest[4..6]) < 60);
    // 60 is a leap second.
    date.is_some() && at(11) < 24 && at(14) < 60 && at(17) <= 60 && offset
}
