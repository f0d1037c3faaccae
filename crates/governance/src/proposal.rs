//! Proposals on the wire: CloudEvents on `mesh.proposals` and `<domain>.proposals`, binary or structured mode.
//!
//! `type` says the command, `source` + `id` are the idempotency key for 30 days. The data of an apply is the document as
//! written (YAML or JSON), or a bundle: documents with the schema files that they name.
//! Source: CloudEvents 1.0.2, Kafka protocol binding, sections 3.2 and 3.3.

use crate::body::{Activated, Redriven, Refusal, SloReport, SloTurn};
use crate::breaker::BreakerAct;
use crate::refusal::{Code, refuse};
use crate::skip::Skip;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `type` of an apply.
pub const APPLY: &str = "mesh.proposal.apply.v1";
/// `type` of the provisioner's activation.
pub const ACTIVATE: &str = "mesh.proposal.activate.v1";
/// `type` of the record of a redrive.
pub const REDRIVEN: &str = "mesh.proposal.redriven.v1";
/// Media type of that record at the API.
pub const REDRIVEN_TYPE: &str = "application/vnd.meshlog.redriven+json";
/// `type` of an act about a port's circuit breaker.
pub const BREAKER: &str = "mesh.proposal.breaker.v1";
/// Media type of such an act at the API.
pub const BREAKER_TYPE: &str = "application/vnd.meshlog.breaker+json";
/// `type` of the order to give up a batch that nobody can read.
pub const SKIP: &str = "mesh.proposal.batch.skip.v1";
/// Media type of that order at the API.
pub const SKIP_TYPE: &str = "application/vnd.meshlog.batch-skip+json";
/// `type` of the observer's record of a breach.
pub const SLO_BREACHED: &str = "mesh.proposal.slo.breached.v1";
/// `type` of the observer's record of a recovery.
pub const SLO_RECOVERED: &str = "mesh.proposal.slo.recovered.v1";
/// `datacontenttype` of a [`Bundle`].
pub const BUNDLE: &str = "application/vnd.meshlog.bundle+json";
/// CloudEvents attribute with the principal that the API has authenticated; believed on `mesh.proposals` only.
pub const ACTOR: &str = "actor";
/// CloudEvents attribute saying how; believed on `mesh.proposals` only.
pub const AUTHENTICATED_BY: &str = "authenticatedby";

/// Documents of several files with the schema files that they name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    /// The files.
    pub documents: Vec<BundledFile>,
}

/// A file of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundledFile {
    /// Name for messages.
    pub name: String,
    /// The text as written; may hold several documents.
    pub text: String,
    /// Schema files by the path that the document uses.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
}

/// A proposal as read from its record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// Idempotency key: `<source>#<id>`.
    pub id: String,
    /// The principal, where the record says one.
    pub actor: Option<String>,
    /// How it was authenticated, where the record says so.
    pub authenticated_by: Option<String>,
    /// What is proposed.
    pub request: Request,
}

/// What is proposed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Apply documents.
    Apply(Bundle),
    /// Put a contract version in force.
    Activate(Activated),
    /// Record a redrive.
    RecordRedrive(Redriven),
    /// Do or record something about a circuit breaker.
    Breaker(BreakerAct),
    /// Give up a batch that nobody can read.
    Skip(Skip),
    /// Record that a promise turned.
    RecordSlo(SloTurn, SloReport),
    /// It cannot be read; the reasons are the answer.
    Unreadable(Vec<Refusal>),
}

#[derive(Deserialize)]
struct Structured {
    specversion: String,
    #[serde(rename = "type")]
    kind: String,
    source: String,
    id: String,
    #[serde(default)]
    datacontenttype: Option<String>,
    #[serde(default)]
    actor: Option<String>,
    #[serde(default)]
    authenticatedby: Option<String>,
    #[serde(default)]
    data: Option<serde_json::Value>,
}

/// The attributes of a CloudEvent, whichever mode it came in.
struct Attributes {
    kind: String,
    key: String,
    content_type: String,
    actor: Option<String>,
    authenticated_by: Option<String>,
}

/// Read a proposal. `fallback_id` names a record that has no readable id: its topic and position.
///
/// `headers` are the record's, as text.
pub fn read(headers: &[(String, String)], value: &[u8], fallback_id: &str) -> Proposal {
    let header = |name: &str| {
        let found = headers
            .iter()
            .rev()
            .find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.clone())
    };
    let content_type = header("content-type").unwrap_or_default();
    if content_type.starts_with("application/cloudevents") {
        return read_structured(value, fallback_id);
    }
    let (Some(kind), Some(source), Some(id)) =
        (header("ce_type"), header("ce_source"), header("ce_id"))
    else {
        let message = "the record is no CloudEvent";
        let way_out = "set the headers ce_specversion, ce_type, ce_source, ce_id, or send \
            structured mode (content-type: application/cloudevents+json)";
        return unreadable(fallback_id.to_owned(), message, way_out);
    };
    let attributes = Attributes {
        kind,
        key: format!("{source}#{id}"),
        content_type,
        actor: header("ce_actor"),
        authenticated_by: header("ce_authenticatedby"),
    };
    proposal(attributes, value)
}

fn read_structured(value: &[u8], fallback_id: &str) -> Proposal {
    let event: Structured = match serde_json::from_slice(value) {
        Ok(event) => event,
        Err(error) => {
            let message = format!("the structured CloudEvent does not parse: {error}");
            let way_out = "members specversion, type, source, id, datacontenttype, data";
            return unreadable(fallback_id.to_owned(), &message, way_out);
        }
    };
    let key = format!("{}#{}", event.source, event.id);
    if event.specversion != "1.0" {
        return unreadable(key, "specversion is not 1.0", "CloudEvents 1.0");
    }
    let data = match event.data {
        Some(serde_json::Value::String(text)) => text.into_bytes(),
        Some(other) => other.to_string().into_bytes(),
        None => Vec::new(),
    };
    let attributes = Attributes {
        kind: event.kind,
        key,
        content_type: event.datacontenttype.unwrap_or_default(),
        actor: event.actor,
        authenticated_by: event.authenticatedby,
    };
    proposal(attributes, &data)
}

fn proposal(attributes: Attributes, data: &[u8]) -> Proposal {
    let request = match attributes.kind.as_str() {
        APPLY => apply(&attributes, data),
        ACTIVATE => match serde_json::from_slice(data) {
            Ok(activated) => Request::Activate(activated),
            Err(error) => {
                let message = format!("the activation does not parse: {error}");
                Request::Unreadable(vec![refuse(Code::Activation, "", "", message, "")])
            }
        },
        REDRIVEN => match serde_json::from_slice(data) {
            Ok(redriven) => Request::RecordRedrive(redriven),
            Err(error) => {
                let message = format!("the record of the redrive does not parse: {error}");
                Request::Unreadable(vec![refuse(Code::Redrive, "", "", message, "")])
            }
        },
        BREAKER => match serde_json::from_slice(data) {
            Ok(act) => Request::Breaker(act),
            Err(error) => {
                let message = format!("the act about the circuit breaker does not parse: {error}");
                let way_out = r#"as {"act":"hold","port":"…"} or {"act":"reset","port":"…"}"#;
                Request::Unreadable(vec![refuse(Code::Breaker, "", "", message, way_out)])
            }
        },
        SKIP => match serde_json::from_slice(data) {
            Ok(skip) => Request::Skip(skip),
            Err(error) => {
                let message = format!("the order to give up a batch does not parse: {error}");
                let way_out =
                    r#"as {"port":"…","partition":0,"from":10,"to":20}, `to` behind the last"#;
                Request::Unreadable(vec![refuse(Code::Skip, "", "", message, way_out)])
            }
        },
        SLO_BREACHED => slo(SloTurn::Breached, data),
        SLO_RECOVERED => slo(SloTurn::Recovered, data),
        other => {
            let message = format!("command `{other}` is not known");
            let refusal = refuse(
                Code::UnknownCommand,
                "",
                "/type",
                message,
                format!("use {APPLY}, {BREAKER}, {SKIP} or {REDRIVEN}"),
            );
            Request::Unreadable(vec![refusal])
        }
    };
    Proposal {
        id: attributes.key,
        actor: attributes.actor,
        authenticated_by: attributes.authenticated_by,
        request,
    }
}

fn slo(turn: SloTurn, data: &[u8]) -> Request {
    match serde_json::from_slice(data) {
        Ok(report) => Request::RecordSlo(turn, report),
        Err(error) => {
            let message = format!("the record of the promise does not parse: {error}");
            Request::Unreadable(vec![refuse(Code::Slo, "", "", message, "")])
        }
    }
}

fn apply(attributes: &Attributes, data: &[u8]) -> Request {
    let fail = |message: String| {
        let way_out = "send the document as UTF-8 YAML or JSON";
        Request::Unreadable(vec![refuse(Code::Document, "", "", message, way_out)])
    };
    if attributes.content_type.starts_with(BUNDLE) {
        return match serde_json::from_slice(data) {
            Ok(bundle) => Request::Apply(bundle),
            Err(error) => fail(format!("the bundle does not parse: {error}")),
        };
    }
    match std::str::from_utf8(data) {
        Ok(text) if !text.trim().is_empty() => {
            let (name, text) = ("document".to_owned(), text.to_owned());
            let file = BundledFile {
                name,
                text,
                files: BTreeMap::new(),
            };
            Request::Apply(Bundle {
                documents: vec![file],
            })
        }
        Ok(_) => fail("the proposal has no data".to_owned()),
        Err(error) => fail(format!("the document is no UTF-8 text: {error}")),
    }
}

fn unreadable(id: String, message: &str, way_out: &str) -> Proposal {
    let refusal = refuse(Code::UnknownCommand, "", "", message, way_out);
    Proposal {
        id,
        actor: None,
        authenticated_by: None,
        request: Request::Unreadable(vec![refusal]),
    }
}

/// A refusal of a document that does not parse.
pub fn document_refusal(error: &contract::document::DocumentError) -> Refusal {
    let path = match (error.line, error.column) {
        (Some(line), Some(column)) => format!("{}:{line}:{column}", error.source),
        (Some(line), None) => format!("{}:{line}", error.source),
        (None, _) => error.source.clone(),
    };
    refuse(Code::Document, "", &path, error.message.clone(), "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    }

    #[test]
    fn binary_and_structured_mode_say_the_same() {
        let binary = read(
            &headers(&[
                ("ce_specversion", "1.0"),
                ("ce_type", APPLY),
                ("ce_source", "flights"),
                ("ce_id", "1"),
                ("content-type", "application/yaml"),
            ]),
            b"kind: Team\n",
            "t/0/5",
        );
        let structured = read(
            &headers(&[("content-type", "application/cloudevents+json; charset=utf-8")]),
            br#"{"specversion":"1.0","type":"mesh.proposal.apply.v1","source":"flights","id":"1","datacontenttype":"application/yaml","data":"kind: Team\n"}"#,
            "t/0/5",
        );
        assert_eq!(binary, structured);
        assert_eq!(binary.id, "flights#1");
        assert!(matches!(binary.request, Request::Apply(_)));
    }

    #[test]
    fn acts_about_breakers_are_read() {
        for (data, known) in [
            (r#"{"act":"hold","port":"a.b.c.v1"}"#, true),
            (
                r#"{"act":"reset","port":"a.b.c.v1","reason":"mended"}"#,
                true,
            ),
            (r#"{"act":"explode","port":"a.b.c.v1"}"#, false),
            (r#"{"act":"hold","port":"a.b.c.v1","partition":1}"#, false),
        ] {
            let attributes = [("ce_type", BREAKER), ("ce_source", "s"), ("ce_id", "1")];
            let request = read(&headers(&attributes), data.as_bytes(), "x").request;
            assert_eq!(matches!(request, Request::Breaker(_)), known, "{data}");
        }
    }

    #[test]
    fn json_documents_may_stand_in_data_as_they_are() {
        let proposal = read(
            &headers(&[("content-type", "application/cloudevents+json")]),
            br#"{"specversion":"1.0","type":"mesh.proposal.apply.v1","source":"s","id":"1","data":{"kind":"Team"}}"#,
            "x",
        );
        let Request::Apply(bundle) = proposal.request else {
            panic!("no apply")
        };
        assert_eq!(bundle.documents[0].text, r#"{"kind":"Team"}"#);
    }

    #[test]
    fn what_is_no_proposal_is_answered_too() {
        for (pairs, value) in [
            (headers(&[]), &b"hello"[..]),
            (
                headers(&[("ce_type", "x"), ("ce_source", "s"), ("ce_id", "1")]),
                b"",
            ),
            (
                headers(&[("ce_type", APPLY), ("ce_source", "s"), ("ce_id", "1")]),
                b"\xff",
            ),
            (
                headers(&[("content-type", "application/cloudevents+json")]),
                b"{",
            ),
        ] {
            let proposal = read(&pairs, value, "topic/0/5");
            assert!(
                matches!(proposal.request, Request::Unreadable(_)),
                "{pairs:?}"
            );
            assert!(!proposal.id.is_empty());
        }
    }
}
