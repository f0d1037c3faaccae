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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::judge::OnInvalid;
    use crate::gateway::posted::Form;

    const CALLER: &[u8] = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn asked(traceparent: Option<&[u8]>) -> Asked {
        Asked {
            address: "d.p.e.v1".parse().expect("an address"),
            on_invalid: OnInvalid::Report,
            key: None,
            form: Form::Data,
            traceparent: traceparent.map(<[u8]>::to_vec),
        }
    }

    fn written() -> Written {
        Written {
            key: None,
            value: b"{}".to_vec(),
            headers: vec![("ce_id".to_owned(), b"1".to_vec())],
        }
    }

    #[test]
    fn while_traces_are_off_the_callers_header_is_written_if_it_is_one() {
        assert_eq!(header(&asked(Some(CALLER))).as_deref(), Some(CALLER));
        assert_eq!(header(&asked(Some(b"00-nonsense"))), None);
        assert_eq!(header(&asked(None)), None);
    }

    #[test]
    fn the_header_is_on_what_is_refused_too_and_last() {
        let last = |written: &Written| written.headers.last().cloned();
        let expected = Some((TRACEPARENT.to_owned(), CALLER.to_vec()));
        let accepted = stamped(Ok(written()), Some(CALLER)).expect("as it was");
        assert_eq!(last(&accepted), expected);
        let (refused, _) = stamped(Err((written(), vec![])), Some(CALLER)).expect_err("as it was");
        assert_eq!(last(&refused), expected);
        let without = stamped(Ok(written()), None).expect("as it was");
        assert_eq!(without.headers, written().headers);
    }
}
