//! The verdict on an event before it is written: the enforcer's own judge, on the bytes that would go to the inbox.

use crate::force::{Mode, PortEntry};
use contract::row::{MAX_EVENT, Written};
use contract::rule::Event;
use contract::verdict::{Code, Reason, Verdict};
use kafka::{Header, Outgoing};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// An event with its verdict.
#[derive(Debug)]
pub(super) struct Judged {
    /// What is written, if it is.
    pub(super) record: Option<Outgoing>,
    /// Why it is refused; none when it is accepted.
    pub(super) reasons: Vec<Reason>,
    /// What an accepted event would be refused for without shadow.
    pub(super) would_refuse: Vec<Reason>,
}

/// What happens to refused events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnInvalid {
    /// They are reported and not written.
    Report,
    /// They are reported, and written for the enforcer to quarantine.
    Quarantine,
}

/// Judge an event, made of its text or not to be made.
pub(super) fn judge(
    port: &PortEntry,
    written: Result<Written, (Written, Vec<Reason>)>,
    on_invalid: OnInvalid,
) -> Judged {
    let (written, verdict) = match written {
        Ok(written) => {
            let verdict = verdict(port, &written);
            (written, verdict)
        }
        Err((as_posted, mut reasons)) => {
            port.rules.mask(&mut reasons);
            // Without a schema's encoding it is refused wherever it goes: in shadow too it is no event.
            return refused(port, as_posted, reasons, on_invalid);
        }
    };
    let size = written.value.len() + written.key.as_ref().map_or(0, Vec::len);
    if size > MAX_EVENT {
        let expected = format!("at most {MAX_EVENT} bytes, key included");
        let reason = Reason::new(Code::TooLarge, "", expected, &format!("{size} bytes"));
        return refused(port, written, vec![reason], on_invalid);
    }
    let would_refuse = match (verdict, port.mode) {
        (Verdict::Accepted, Mode::Enforce | Mode::Shadow) => Vec::new(),
        (Verdict::Shadowed(reasons), Mode::Enforce | Mode::Shadow)
        | (Verdict::Quarantined(reasons), Mode::Shadow) => reasons,
        (Verdict::Quarantined(reasons), Mode::Enforce) => {
            return refused(port, written, reasons, on_invalid);
        }
    };
    Judged {
        record: Some(record(port, written)),
        reasons: Vec::new(),
        would_refuse,
    }
}

fn verdict(port: &PortEntry, written: &Written) -> Verdict {
    let headers = written.headers.iter();
    let headers: Vec<(&str, Option<&[u8]>)> = headers
        .map(|(name, value)| (name.as_str(), Some(value.as_slice())))
        .collect();
    let event = Event {
        key: written.key.as_deref(),
        value: Some(&written.value),
        headers: &headers,
    };
    let judged = catch_unwind(AssertUnwindSafe(|| port.rules.judge_known(&event)));
    judged.unwrap_or_else(|_| {
        let contract = port.rules.contract();
        tracing::error!(contract, "the validator panicked in the gateway");
        let reason = Reason::new(Code::Internal, "", "a verdict", "the validator panicked");
        Verdict::refused(reason)
    })
}

fn refused(
    port: &PortEntry,
    written: Written,
    reasons: Vec<Reason>,
    on_invalid: OnInvalid,
) -> Judged {
    let fits = written.value.len() + written.key.as_ref().map_or(0, Vec::len) <= MAX_EVENT;
    let wanted = fits && on_invalid == OnInvalid::Quarantine;
    Judged {
        record: wanted.then(|| record(port, written)),
        reasons,
        would_refuse: Vec::new(),
    }
}

fn record(port: &PortEntry, written: Written) -> Outgoing {
    let headers = written.headers.into_iter();
    let headers = headers.map(|(name, value)| Header::new(name, value));
    Outgoing {
        topic: port.inbox.clone(),
        key: written.key,
        value: Some(written.value),
        headers: headers.collect(),
        ..Outgoing::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::force::testing::port;
    use crate::gateway::posted::{Form, written};
    use contract::row::EventWriter;
    use contract::spec::{Encoding, Key};
    use contract::validator::Schema;

    fn writer(encoding: Encoding) -> EventWriter {
        let schema = match encoding {
            Encoding::Json => r#"{"type":"object","properties":{"id":{"type":"string"}}}"#,
            Encoding::Avro | Encoding::Protobuf => {
                r#"{"type":"record","name":"E","fields":[{"name":"id","type":"string"}]}"#
            }
        };
        let key = Key {
            properties: vec![],
            text: false,
        };
        EventWriter::new(&Schema::new(encoding, schema, ""), 7, key).expect("a writer")
    }

    // The judge of the tests accepts what begins with `ok`.
    fn judged(text: &str, mode: Mode, on_invalid: OnInvalid) -> Judged {
        let mut port = port();
        port.mode = mode;
        let text = text.as_bytes();
        let written = written(&writer(Encoding::Json), &Form::Data, text, "1");
        judge(&port, written, on_invalid)
    }

    #[test]
    fn refused_events_are_written_only_when_asked_for() {
        let report = judged("no", Mode::Enforce, OnInvalid::Report);
        assert!(report.record.is_none() && !report.reasons.is_empty());
        let quarantine = judged("no", Mode::Enforce, OnInvalid::Quarantine);
        let record = quarantine.record.expect("written");
        assert_eq!(record.value.as_deref(), Some(&b"no"[..]));
        assert_eq!(record.topic, "d.p.e.v1.inbox");
        assert_eq!(quarantine.reasons, report.reasons);
    }

    #[test]
    fn shadow_accepts_and_says_what_it_would_refuse() {
        let shadow = judged("no", Mode::Shadow, OnInvalid::Report);
        assert!(shadow.record.is_some() && shadow.reasons.is_empty());
        assert_eq!(shadow.would_refuse[0].code, Code::WrongType);
        let accepted = judged("ok", Mode::Shadow, OnInvalid::Report);
        assert!(accepted.record.is_some() && accepted.would_refuse.is_empty());
    }

    #[test]
    fn a_judge_that_panics_refuses() {
        let judged = judged("panic", Mode::Enforce, OnInvalid::Report);
        assert_eq!(judged.reasons[0].code, Code::Internal);
    }

    #[test]
    fn what_cannot_be_encoded_goes_to_quarantine_as_its_text() {
        let text = b"{\"id\":1}";
        let written = written(&writer(Encoding::Avro), &Form::Data, text, "1");
        let judged = judge(&port(), written, OnInvalid::Quarantine);
        assert_eq!(judged.reasons[0].code, Code::WrongType);
        let record = judged.record.expect("written");
        assert_eq!(record.value.as_deref(), Some(&b"{\"id\":1}"[..]));
    }

    #[test]
    fn an_event_that_no_topic_takes_is_refused_and_never_written() {
        let text = format!("ok{}", "x".repeat(MAX_EVENT));
        let judged = judged(&text, Mode::Shadow, OnInvalid::Quarantine);
        assert_eq!(judged.reasons[0].code, Code::TooLarge);
        assert!(judged.record.is_none());
    }
}
