//! CloudEvents as our own producers write them.

use super::attribute::{CONTENT_TYPE, DATA_CONTENT_TYPE, HEADER_PREFIX, STRUCTURED};
use crate::spec::Encoding;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;
use std::collections::BTreeMap;

/// Where the events of a port come from and what they are, for producers that are told neither.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// `urn:meshlog:<port>`.
    pub source: String,
    /// The contract's id.
    pub kind: String,
}

impl Origin {
    /// The origin of events that are written to a port.
    pub fn new(port: &str, contract_id: &str) -> Self {
        Self {
            source: format!("urn:meshlog:{port}"),
            kind: contract_id.to_owned(),
        }
    }

    /// The attributes of an event with this id, where `given` does not say otherwise.
    pub fn attributes(&self, id: &str, given: Attributes) -> Attributes {
        let mut all = BTreeMap::from([
            ("specversion".to_owned(), "1.0".to_owned()),
            ("id".to_owned(), id.to_owned()),
            ("source".to_owned(), self.source.clone()),
            ("type".to_owned(), self.kind.clone()),
        ]);
        all.extend(given.0);
        Attributes(all)
    }
}

/// The attributes of an event, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes(pub BTreeMap<String, String>);

impl Attributes {
    /// Binary mode: the headers beside a value.
    pub fn headers(&self, encoding: Encoding) -> Vec<(String, Vec<u8>)> {
        let kind = self.0.get(DATA_CONTENT_TYPE).map(String::as_str);
        let kind = kind.unwrap_or(match encoding {
            Encoding::Json => "application/json",
            Encoding::Avro => "application/avro",
            Encoding::Protobuf => "application/protobuf",
        });
        let others = self.0.iter().filter(|(name, _)| *name != DATA_CONTENT_TYPE);
        let header = |(name, text): (&String, &String)| {
            (format!("{HEADER_PREFIX}{name}"), text.clone().into_bytes())
        };
        let own = (CONTENT_TYPE.to_owned(), kind.as_bytes().to_vec());
        others.map(header).chain([own]).collect()
    }

    /// Structured mode: the envelope around a value, and the header that says so.
    pub fn envelope(&self, encoding: Encoding, value: &[u8]) -> (Vec<u8>, (String, Vec<u8>)) {
        let mut text = Vec::with_capacity(value.len() * 4 / 3 + 256);
        text.push(b'{');
        for (name, value) in &self.0 {
            member(&mut text, name, value);
        }
        match encoding {
            Encoding::Json => {
                if !self.0.contains_key(DATA_CONTENT_TYPE) {
                    member(&mut text, DATA_CONTENT_TYPE, "application/json");
                }
                // The text as it is: numbers keep their digits.
                text.extend_from_slice(b"\"data\":");
                text.extend_from_slice(value);
            }
            Encoding::Avro | Encoding::Protobuf => {
                text.extend_from_slice(b"\"data_base64\":\"");
                text.extend_from_slice(STANDARD.encode(value).as_bytes());
                text.push(b'"');
            }
        }
        text.push(b'}');
        let kind = format!("{STRUCTURED}; charset=utf-8");
        (text, (CONTENT_TYPE.to_owned(), kind.into_bytes()))
    }
}

fn member(text: &mut Vec<u8>, name: &str, value: &str) {
    text.extend_from_slice(Value::from(name).to_string().as_bytes());
    text.push(b':');
    text.extend_from_slice(Value::from(value).to_string().as_bytes());
    text.push(b',');
}
