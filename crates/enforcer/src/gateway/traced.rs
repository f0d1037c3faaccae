//! The span of a request's events on their way to the inbox, and the header by which whoever reads them finds it.
//!
//! A span has counts and names of topics, and nothing of an event or of its sender.

use super::answer::Batch;
use super::headers::Asked;
use contract::row::Written;
use contract::verdict::Reason;
use kafka::trace::{self, TARGET, TRACEPARENT, number};
use tracing::Span;
use tracing::field::Empty;

/// The span; it ends when the broker has the events, also if the caller has gone away by then.
pub(super) fn span(asked: &Asked) -> Span {
    tracing::info_span!(
        target: TARGET,
        "send",
        otel.name = format!("send {}", asked.address),
        otel.kind = "producer",
        messaging.system = "kafka",
        messaging.operation.name = "send",
        messaging.operation.type = "send",
        messaging.destination.name = Empty,
        messaging.batch.message_count = Empty,
        mesh.port = %asked.address,
        mesh.accepted = Empty,
        mesh.refused = Empty,
        mesh.replayed = Empty,
    )
}

/// The header of the records that are written within the current span.
pub(super) fn header(asked: &Asked) -> Option<Vec<u8>> {
    trace::header(&Span::current(), asked.traceparent.as_deref())?.value
}

/// What is written, with the header: before it is judged, since it is judged as it is written.
pub(super) fn stamped(
    written: Result<Written, (Written, Vec<Reason>)>,
    header: Option<&[u8]>,
) -> Result<Written, (Written, Vec<Reason>)> {
    let stamp = |mut written: Written| {
        let header = header.map(|value| (TRACEPARENT.to_owned(), value.to_vec()));
        written.headers.extend(header);
        written
    };
    written
        .map(stamp)
        .map_err(|(as_posted, reasons)| (stamp(as_posted), reasons))
}

/// Tell the current span what was judged, and where it goes.
pub(super) fn tell(batch: &Batch, inbox: &str) {
    let span = Span::current();
    let refused = batch
        .events
        .iter()
        .filter(|event| !event.reasons.is_empty());
    let (all, refused) = (batch.events.len(), refused.count());
    span.record("messaging.destination.name", inbox);
    span.record("messaging.batch.message_count", number(all));
    span.record("mesh.accepted", number(all - refused));
    span.record("mesh.refused", number(refused));
}

/// Tell the current span that the answer was there already: nothing is sent.
pub(super) fn tell_replayed() {
    Span::current().record("mesh.replayed", true);
}
