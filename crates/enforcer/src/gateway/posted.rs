//! From the text of a posted event to what is written: data typed by the contract, CloudEvents in the mode that it asks for.
//!
//! Over HTTP the data are JSON, whatever the contract's encoding. A CloudEvent comes in HTTP's own binary mode (`ce-…`
//! headers), in structured mode or as a batch; in a port of CloudEvents an event that comes without attributes gets them.
//! Source: <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md>

use super::answer::Problem;
use axum::http::{HeaderMap, StatusCode};
use contract::cloud_events::{Attributes, CONTENT_TYPE, Envelope, STRUCTURED};
use contract::row::{EventWriter, Wish, Written};
use contract::spec::Encoding;
use contract::verdict::Reason;
use std::collections::BTreeMap;

/// A batch of events in structured mode.
const BATCH: &str = "application/cloudevents-batch+json";

/// How the events of a request come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Form {
    /// As data alone.
    Data,
    /// As data, with the attributes of the one event in headers.
    Binary(Attributes),
    /// Each in an envelope.
    Structured,
}

impl Form {
    /// The form that a media type and headers say.
    pub(super) fn of(essence: &str, headers: &HeaderMap) -> Result<Self, Problem> {
        match essence {
            "application/json" => {}
            STRUCTURED | BATCH => return Ok(Self::Structured),
            other => {
                let detail = format!(
                    "expected Content-Type: application/json, {STRUCTURED} or {BATCH}, found `{other}`"
                );
                return Err(not_taken(detail));
            }
        }
        let mut attributes = BTreeMap::new();
        for (name, value) in headers {
            let Some(name) = name.as_str().strip_prefix("ce-") else {
                continue;
            };
            let text = value.to_str().ok().and_then(percent_decoded);
            let text = text.ok_or_else(|| {
                let detail = format!("the header ce-{name} is not percent-encoded UTF-8");
                Problem::new(StatusCode::BAD_REQUEST, "not an attribute", detail)
            })?;
            if attributes.insert(name.to_owned(), text).is_some() {
                let detail = format!("the header ce-{name} is there more than once");
                let status = StatusCode::BAD_REQUEST;
                return Err(Problem::new(status, "not an attribute", detail));
            }
        }
        if attributes.is_empty() {
            return Ok(Self::Data);
        }
        Ok(Self::Binary(Attributes(attributes)))
    }

    /// What an idempotency key stands for beside the body; nothing for data alone.
    pub(super) fn told(&self) -> Option<String> {
        match self {
            Self::Data => None,
            Self::Structured => Some("structured".to_owned()),
            Self::Binary(Attributes(all)) => {
                Some(serde_json::to_string(all).expect("texts by their names"))
            }
        }
    }

    /// Refuse what a port that does not have CloudEvents, or a body of several events, cannot take.
    pub(super) fn check(&self, writer: &EventWriter, events: usize) -> Result<(), Problem> {
        match self {
            Self::Structured if !writer.writes_cloud_events() => {
                let detail = "the events of this port are no CloudEvents: send their data as application/json";
                Err(not_taken(detail.to_owned()))
            }
            Self::Binary(_) if writer.writes_cloud_events() && events > 1 => {
                let detail = format!(
                    "`ce-` headers are the attributes of one event, found {events}; send {BATCH}"
                );
                let status = StatusCode::BAD_REQUEST;
                Err(Problem::new(status, "attributes of one event", detail))
            }
            Self::Data | Self::Binary(_) | Self::Structured => Ok(()),
        }
    }
}

fn not_taken(detail: String) -> Problem {
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not taken", detail)
}

/// What is to be written of an event, or the reasons why its text cannot be, with what stands for it in quarantine.
pub(super) fn written(
    writer: &EventWriter,
    form: &Form,
    text: &[u8],
    id: &str,
) -> Result<Written, (Written, Vec<Reason>)> {
    let as_posted = |headers| Written {
        key: None,
        value: text.to_vec(),
        headers,
    };
    match form {
        Form::Structured => {
            let headers = || vec![(CONTENT_TYPE.to_owned(), STRUCTURED.as_bytes().to_vec())];
            let refused = |reasons| (as_posted(headers()), reasons);
            let envelope = match Envelope::read(Encoding::Json, text) {
                (Some(envelope), reasons) if reasons.is_empty() => envelope,
                (_, reasons) => return Err(refused(reasons)),
            };
            let data = match (envelope.bytes, envelope.data) {
                (Some(bytes), _) => bytes,
                (None, Some(data)) => data.to_string().into_bytes(),
                (None, None) => Vec::new(),
            };
            let attributes = Attributes(envelope.attributes.into_iter().collect());
            finished(writer, &data, id, (Wish::Structured, attributes)).map_err(refused)
        }
        Form::Data | Form::Binary(_) => {
            let given = match form {
                Form::Binary(attributes) => attributes.clone(),
                Form::Data | Form::Structured => Attributes::default(),
            };
            let done = finished(writer, text, id, (Wish::Binary, given));
            done.map_err(|reasons| (as_posted(Vec::new()), reasons))
        }
    }
}

fn finished(
    writer: &EventWriter,
    data: &[u8],
    id: &str,
    (wish, mut given): (Wish, Attributes),
) -> Result<Written, Vec<Reason>> {
    let mut written = writer.write_text(data)?;
    // What was posted is JSON; what is written has the contract's encoding.
    given.0.remove("datacontenttype");
    written.headers = writer.finish(id, (wish, given), &mut written.value);
    Ok(written)
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: u8| char::from(byte).to_digit(16);
        let number = digit(rest.next()?)? * 16 + digit(rest.next()?)?;
        bytes.push(u8::try_from(number).ok()?);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderName, HeaderValue};
    use contract::cloud_events::Origin;
    use contract::settings::CloudEvents;
    use contract::spec::Key;
    use contract::validator::Schema;
    use serde_json::{Value, json};

    fn writer(encoding: Encoding, mode: CloudEvents) -> EventWriter {
        let schema = match encoding {
            Encoding::Json => r#"{"type":"object","properties":{"id":{"type":"string"}}}"#,
            Encoding::Avro | Encoding::Protobuf => {
                r#"{"type":"record","name":"E","fields":[{"name":"id","type":"string"}]}"#
            }
        };
        let key = Key {
            properties: vec!["id".to_owned()],
            text: true,
        };
        EventWriter::new(&Schema::new(encoding, schema, ""), 7, key)
            .expect("a writer")
            .with_cloud_events(mode, Origin::new("d.p.e.v1", "c"))
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            let value = HeaderValue::from_str(value).expect("a value");
            (HeaderName::from_static(name), value)
        };
        pairs.iter().map(pair).collect()
    }

    fn shown(written: &Written) -> BTreeMap<String, String> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let headers = written.headers.iter();
        headers
            .map(|(name, value)| (name.clone(), text(value)))
            .collect()
    }

    #[test]
    fn data_alone_become_a_cloud_event_where_the_contract_wants_one() {
        let none = written(
            &writer(Encoding::Json, CloudEvents::None),
            &Form::Data,
            b"{}",
            "1",
        );
        assert!(none.expect("written").headers.is_empty());
        let binary = writer(Encoding::Avro, CloudEvents::Binary);
        let binary = written(&binary, &Form::Data, br#"{"id":"a"}"#, "1").expect("written");
        assert_eq!(binary.value, b"\0\0\0\0\x07\x02a");
        assert_eq!(binary.key.as_deref(), Some(&b"a"[..]));
        let shown = shown(&binary);
        let expected = [
            ("ce_id", "1"),
            ("ce_source", "urn:meshlog:d.p.e.v1"),
            ("ce_specversion", "1.0"),
            ("ce_type", "c"),
            ("content-type", "application/avro"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(shown, BTreeMap::from(expected));
    }

    #[test]
    fn attributes_in_headers_are_decoded_and_kept() {
        let pairs = [
            ("ce-id", "x"),
            ("ce-source", "/s"),
            ("ce-subject", "%C3%A4%20b"),
        ];
        let form = Form::of("application/json", &headers(&pairs)).expect("a form");
        let any = writer(Encoding::Json, CloudEvents::Any);
        let found = written(&any, &form, br#"{"id":"a"}"#, "1").expect("written");
        let shown = shown(&found);
        assert_eq!(
            (shown["ce_id"].as_str(), shown["ce_source"].as_str()),
            ("x", "/s")
        );
        assert_eq!(shown["ce_subject"], "ä b");
        assert!(form.check(&any, 2).is_err() && form.check(&any, 1).is_ok());
        assert!(Form::of("application/json", &headers(&[("ce-id", "%C3")])).is_err());
        assert!(Form::of("text/plain", &headers(&[])).is_err());
    }

    #[test]
    fn envelopes_are_written_in_the_mode_of_the_contract() {
        let text =
            br#"{"specversion":"1.0","id":"x","source":"/s","type":"t","n":7,"data":{"id":"a"}}"#;
        let any = writer(Encoding::Json, CloudEvents::Any);
        let found = written(&any, &Form::Structured, text, "1").expect("written");
        let value: Value = serde_json::from_slice(&found.value).expect("JSON");
        assert_eq!(
            (&value["id"], &value["data"]),
            (&json!("x"), &json!({"id": "a"}))
        );
        assert_eq!(found.key.as_deref(), Some(&b"a"[..]));
        assert!(shown(&found)["content-type"].starts_with(STRUCTURED));

        let binary = writer(Encoding::Avro, CloudEvents::Binary);
        let found = written(&binary, &Form::Structured, text, "1").expect("written");
        assert_eq!(found.value, b"\0\0\0\0\x07\x02a");
        assert_eq!(shown(&found)["ce_n"], "7");

        let none = writer(Encoding::Json, CloudEvents::None);
        assert!(Form::Structured.check(&none, 1).is_err());
        let (kept, reasons) = written(&any, &Form::Structured, b"{}", "1").expect_err("no event");
        assert_eq!(reasons.len(), 4, "{reasons:?}");
        assert_eq!(kept.value, b"{}");
    }
}
