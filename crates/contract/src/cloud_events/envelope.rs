//! Structured mode: one JSON object with the attributes and the data.

use super::attribute::{self, DATA_CONTENT_TYPE, REQUIRED, STRUCTURED};
use super::{Data, Opened, refused};
use crate::json;
use crate::spec::Encoding;
use crate::verdict::{Code, Reason};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};

/// An envelope that was read: attributes by name, and the members with data.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope {
    /// The attributes, as texts.
    pub attributes: Vec<(String, String)>,
    /// The member `data`.
    pub data: Option<Value>,
    /// The member `data_base64`, decoded.
    pub bytes: Option<Vec<u8>>,
}

impl Envelope {
    /// Read an envelope whose data are to be of this encoding: what could be read of it, and everything that is wrong.
    pub fn read(encoding: Encoding, text: &[u8]) -> (Option<Self>, Vec<Reason>) {
        match json::parse(text) {
            Err(reason) => (None, vec![reason]),
            Ok(Value::Object(members)) => {
                let mut reasons = Vec::new();
                let envelope = Self::of(encoding, members, &mut reasons);
                (Some(envelope), reasons)
            }
            Ok(_) => {
                let reason = refused("", "a CloudEvent: a JSON object", "another value");
                (None, vec![reason])
            }
        }
    }

    fn of(encoding: Encoding, members: Map<String, Value>, reasons: &mut Vec<Reason>) -> Self {
        let mut envelope = Self {
            attributes: Vec::new(),
            data: None,
            bytes: None,
        };
        for (name, value) in members {
            match (name.as_str(), value) {
                ("data", data) => envelope.data = Some(data),
                // What is null is not there.
                (_, Value::Null) => {}
                ("data_base64", value) => match decoded(&value) {
                    Some(bytes) => envelope.bytes = Some(bytes),
                    None => reasons.push(refused("/data_base64", "base64", "something else")),
                },
                (_, value) => match attribute_text(encoding, &name, &value) {
                    Ok(text) => envelope.attributes.push((name, text)),
                    Err((expected, found)) => {
                        let path = crate::pointer::join("", &name);
                        reasons.push(refused(&path, &expected, &found));
                        // It is there, if not as it should be.
                        envelope.attributes.push((name, String::new()));
                    }
                },
            }
        }
        for name in REQUIRED {
            if envelope.attribute(name).is_none() {
                let path = format!("/{name}");
                reasons.push(refused(&path, &attribute::expected_of(name), "nothing"));
            }
        }
        if envelope.data.is_some() && envelope.bytes.is_some() {
            let expected = "`data` or `data_base64`";
            reasons.push(refused("/data_base64", expected, "both"));
        }
        envelope
    }

    /// An attribute's text.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(known, _)| known == name);
        found.map(|(_, text)| text.as_str())
    }
}

pub(super) fn open<'a>(encoding: Encoding, kind: &str, value: &'a [u8]) -> Opened<'a> {
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case(STRUCTURED) {
        return Opened::nothing(refused(attribute::CONTENT_TYPE, STRUCTURED, kind));
    }
    let (envelope, mut reasons) = Envelope::read(encoding, value);
    let Some(Envelope {
        attributes,
        data,
        bytes,
    }) = envelope
    else {
        return Opened {
            data: Data::Nothing,
            reasons,
            attributes: Vec::new(),
        };
    };
    let data = match (data, bytes, encoding) {
        (_, Some(bytes), _) => Data::Bytes(bytes),
        (Some(data), None, Encoding::Json) => Data::Json(data),
        (Some(_), None, Encoding::Avro | Encoding::Protobuf) => {
            let expected = "`data_base64` with a schema id and what it encodes";
            reasons.push(Reason::new(Code::NotFramed, "/data", expected, "JSON"));
            Data::Nothing
        }
        (None, None, _) => {
            if !reasons.iter().any(|reason| reason.path == "/data_base64") {
                reasons.push(Reason::new(Code::Missing, "/data", "the data", "nothing"));
            }
            Data::Nothing
        }
    };
    let header = |(name, text): (String, String)| {
        // As in binary mode, where this one has a header with a name of its own.
        let name = match name.as_str() {
            DATA_CONTENT_TYPE => attribute::CONTENT_TYPE.to_owned(),
            name => format!("{}{name}", attribute::HEADER_PREFIX),
        };
        (name, text.into_bytes())
    };
    Opened {
        data,
        reasons,
        attributes: attributes.into_iter().map(header).collect(),
    }
}

fn decoded(value: &Value) -> Option<Vec<u8>> {
    STANDARD.decode(value.as_str()?).ok()
}

/// An attribute's value: a text, a truth value or a 32-bit integer, as the format has them.
fn attribute_text(
    encoding: Encoding,
    name: &str,
    value: &Value,
) -> Result<String, (String, String)> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Bool(truth) => truth.to_string(),
        Value::Number(number) if number.as_i64().is_some_and(|n| i32::try_from(n).is_ok()) => {
            number.to_string()
        }
        Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            let kind = match value {
                Value::Array(_) => "an array",
                Value::Object(_) => "an object",
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => "a number",
            };
            let expected = "a text, a truth value or a 32-bit integer";
            return Err((expected.to_owned(), kind.to_owned()));
        }
    };
    let standard = REQUIRED.contains(&name)
        || ["subject", "dataschema", "time", DATA_CONTENT_TYPE].contains(&name);
    if standard && !value.is_string() {
        return Err((attribute::expected_of(name), text));
    }
    // Data in `data_base64` may be of any type; whether they are of the contract's, their judge says.
    attribute::check(encoding, name, &text).map(|()| text)
}
