//! The span of a decision: from a proposal's record to its facts, which are committed right after.
//!
//! A span has the kind of the proposal, positions and codes. Documents, names of people and what a client calls its proposal
//! are in none.

use governance::outcome::Outcome;
use governance::proposal::Request;
use kafka::trace::{self, TARGET, TRACEPARENT, number};
use std::collections::BTreeSet;
use tracing::Span;
use tracing::field::Empty;

/// CloudEvents' own name for the same: an attribute of its extension for tracing.
/// Source: <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/extensions/distributed-tracing.md>
const CE_TRACEPARENT: &str = "ce_traceparent";

/// The span of a proposal that is decided now; goes on with the trace that its headers name.
pub(crate) fn span(request: &Request, headers: &[(String, String)]) -> Span {
    let kind = kind(request);
    let span = tracing::info_span!(
        target: TARGET,
        // What the thread does besides is no parent.
        parent: None,
        "decide",
        otel.name = format!("decide {kind}"),
        otel.kind = "consumer",
        messaging.system = "kafka",
        messaging.operation.name = "decide",
        messaging.operation.type = "process",
        mesh.proposal.type = kind,
        mesh.outcome = Empty,
        mesh.seq.first = Empty,
        mesh.seq.last = Empty,
        mesh.codes = Empty,
    );
    let said = |name: &str| {
        let found = headers.iter().rev().find(|(header, _)| header == name);
        found.map(|(_, value)| value.as_bytes())
    };
    // The record's own header comes first: a client that is traced writes it anew, the attribute is the event's for life.
    trace::set_parent(&span, said(TRACEPARENT).or_else(|| said(CE_TRACEPARENT)));
    span
}

/// Tell the span what came of it.
pub(crate) fn tell(span: &Span, outcome: &Outcome) {
    let (name, seqs) = match outcome {
        Outcome::Accepted { seqs } => ("accepted", seqs.as_slice()),
        Outcome::Rejected { seq, .. } => ("rejected", std::slice::from_ref(seq)),
        Outcome::Unchanged { .. } => ("unchanged", [].as_slice()),
    };
    span.record("mesh.outcome", name);
    if let (Some(first), Some(last)) = (seqs.first(), seqs.last()) {
        span.record("mesh.seq.first", number(*first));
        span.record("mesh.seq.last", number(*last));
    }
    if let Outcome::Rejected { reasons, .. } = outcome {
        let codes: BTreeSet<&str> = reasons.iter().map(|reason| reason.code.as_str()).collect();
        let codes: Vec<&str> = codes.into_iter().collect();
        span.record("mesh.codes", codes.join(","));
    }
}

fn kind(request: &Request) -> &'static str {
    match request {
        Request::Apply(_) => "apply",
        Request::Activate(_) => "activate",
        Request::RecordRedrive(_) => "redriven",
        Request::Breaker(_) => "breaker",
        Request::Skip(_) => "skip",
        Request::RecordSlo(..) => "slo",
        Request::Unreadable(_) => "unreadable",
    }
}
