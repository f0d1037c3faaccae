//! A transaction as one span, with links to the traces that its events belong to. There is none for an event: it would cost
//! as much as judging it.
//!
//! A span has counts, positions and names of topics, and nothing of an event.

use crate::lanes::Lanes;
use crate::progress::Progress;
use kafka::trace::{self, TARGET, TRACEPARENT, TraceContext, number};
use kafka::tx::{HeaderRef, Outcome};
use tracing::Span;
use tracing::field::Empty;

/// Most links of a span: enough to come from an event's trace to its transaction where events are few, and a bound where
/// they are many. Backends draw no more either.
const MOST: usize = 32;

/// The span of the open transaction; while traces are off, nothing.
#[derive(Debug, Default)]
pub(super) struct Traced {
    on: bool,
    /// Begins with the first event, so that a transaction without any leaves no span.
    span: Option<Span>,
    links: Links,
}

impl Traced {
    pub(super) fn begin() -> Self {
        Self {
            on: trace::is_on(),
            ..Self::default()
        }
    }

    /// One more event is in the transaction.
    pub(super) fn event(&mut self, headers: &[HeaderRef<'_>]) {
        if self.on {
            self.span.get_or_insert_with(span);
            self.links.take(headers);
        }
    }

    /// The transaction ends; to be called while the lanes still know what it adds.
    pub(super) fn end(self, lanes: &Lanes, seq: u64, outcome: &Outcome) {
        let Some(span) = self.span else {
            return;
        };
        for link in &self.links.0 {
            trace::add_link(&span, link);
        }
        tell_counts(&span, lanes);
        span.record("mesh.seq", number(seq));
        let (ended, why) = match outcome {
            Outcome::Committed => ("committed", None),
            Outcome::Undone(why) | Outcome::Unknown(why) => ("judged_again", Some(why)),
        };
        span.record("mesh.outcome", ended);
        if let Some(why) = why {
            // With it the span counts as an error.
            span.record("otel.status_description", why.as_str());
        }
    }
}

fn span() -> Span {
    tracing::info_span!(
        target: TARGET,
        // What the thread does besides is no parent.
        parent: None,
        "judge",
        otel.kind = "consumer",
        otel.status_description = Empty,
        messaging.system = "kafka",
        messaging.operation.name = "judge",
        messaging.operation.type = "process",
        messaging.destination.name = Empty,
        messaging.batch.message_count = Empty,
        mesh.partitions = Empty,
        mesh.accepted = Empty,
        mesh.shadowed = Empty,
        mesh.quarantined = Empty,
        mesh.seq = Empty,
        mesh.outcome = Empty,
    )
}

fn tell_counts(span: &Span, lanes: &Lanes) {
    let mut touched = lanes.iter().filter(|lane| lane.is_touched()).peekable();
    let first = touched.peek().map(|lane| lane.topic.clone());
    let (mut partitions, mut all, mut one) = (0_u64, Progress::default(), true);
    for lane in touched {
        partitions += 1;
        all = all.plus(&lane.added());
        one &= first.as_ref() == Some(&lane.topic);
    }
    if let Some(inbox) = first.filter(|_| one) {
        span.record("messaging.destination.name", inbox);
    }
    span.record("messaging.batch.message_count", number(all.inbox));
    span.record("mesh.partitions", number(partitions));
    span.record("mesh.accepted", number(all.accepted));
    span.record("mesh.shadowed", number(all.shadowed));
    span.record("mesh.quarantined", number(all.quarantined));
}

/// The traces of a transaction's events, each once: the events of one request are of one span.
#[derive(Debug, Default)]
struct Links(Vec<TraceContext>);

impl Links {
    /// Only a trace that somebody keeps is worth a link.
    fn take(&mut self, headers: &[HeaderRef<'_>]) {
        if self.0.len() == MOST {
            return;
        }
        let last = headers.iter().rev().find(|(name, _)| *name == TRACEPARENT);
        let context = last.and_then(|(_, value)| TraceContext::parse((*value)?));
        if let Some(context) = context.filter(|context| context.sampled)
            && !self.0.contains(&context)
        {
            self.0.push(context);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(trace: u8, sampled: bool) -> String {
        let context = TraceContext {
            trace_id: [trace; 16],
            span_id: [1; 8],
            sampled,
        };
        context.to_string()
    }

    fn taken(values: &[&str]) -> Vec<u8> {
        let mut links = Links::default();
        for value in values {
            let headers: [HeaderRef<'_>; 2] =
                [("other", None), (TRACEPARENT, Some(value.as_bytes()))];
            links.take(&headers);
        }
        links.0.iter().map(|link| link.trace_id[0]).collect()
    }

    #[test]
    fn traces_that_are_kept_are_linked_once_each() {
        let (one, two, dropped) = (context(1, true), context(2, true), context(3, false));
        let values = [one.as_str(), &one, &dropped, "nonsense", &two, &one];
        assert_eq!(taken(&values), [1, 2]);
    }

    #[test]
    fn of_two_headers_the_last_counts_and_one_without_a_value_is_none() {
        let (one, two) = (context(1, true), context(2, true));
        let mut links = Links::default();
        links.take(&[
            (TRACEPARENT, Some(one.as_bytes())),
            (TRACEPARENT, Some(two.as_bytes())),
        ]);
        links.take(&[(TRACEPARENT, None)]);
        links.take(&[]);
        assert_eq!(links.0.len(), 1);
        assert_eq!(links.0[0].trace_id, [2; 16]);
    }

    #[test]
    fn there_are_no_more_links_than_the_bound() {
        let many: Vec<String> = (1..=100).map(|trace| context(trace, true)).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(taken(&many).len(), MOST);
    }

    #[test]
    fn while_traces_are_off_nothing_is_kept() {
        let one = context(1, true);
        let mut traced = Traced::begin();
        traced.event(&[(TRACEPARENT, Some(one.as_bytes()))]);
        assert!(traced.span.is_none() && traced.links.0.is_empty());
    }
}
