//! What the gateway counts, as OpenMetrics text.

use super::answer::Status;
use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use std::fmt::{self, Write};
use std::time::Duration;

/// Upper bounds of the latencies' buckets, in seconds: from a refusal out of memory to the time limit.
const BUCKETS: [f64; 11] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0,
];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Requests {
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Events {
    status: Status,
}

impl EncodeLabelValue for Status {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), fmt::Error> {
        encoder.write_str(match self {
            Status::Accepted => "accepted",
            Status::Rejected => "rejected",
            Status::Failed => "failed",
        })
    }
}

/// Counts since the start.
#[derive(Debug)]
pub(super) struct Metrics {
    requests: Family<Requests, Counter>,
    events: Family<Events, Counter>,
    replayed: Counter,
    seconds: Histogram,
    bytes: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            requests: Family::default(),
            events: Family::default(),
            replayed: Counter::default(),
            seconds: Histogram::new(BUCKETS),
            bytes: Gauge::default(),
        }
    }
}

impl Metrics {
    pub(super) fn answered(&self, status: u16, took: Duration) {
        self.requests.get_or_create(&Requests { status }).inc();
        self.seconds.observe(took.as_secs_f64());
    }

    pub(super) fn events(&self, statuses: &[Status]) {
        for status in statuses {
            self.events.get_or_create(&Events { status: *status }).inc();
        }
    }

    pub(super) fn replayed(&self) {
        self.replayed.inc();
    }

    pub(super) fn bytes_in_flight(&self, change: i64) {
        self.bytes.inc_by(change);
    }

    /// The text, without the mark that ends an exposition: others may follow.
    pub(super) fn text(&self) -> String {
        let mut registry = Registry::with_prefix("meshlog_gateway");
        let requests = "Requests by status";
        registry.register("requests", requests, self.requests.clone());
        registry.register(
            "events",
            "Events by what became of them",
            self.events.clone(),
        );
        let replayed = "Answers given again for an idempotency key";
        registry.register("replayed", replayed, self.replayed.clone());
        let seconds = "Time to the answer";
        registry.register("request_seconds", seconds, self.seconds.clone());
        let bytes = "Bytes of requests that are being answered";
        registry.register("bytes_in_flight", bytes, self.bytes.clone());
        let mut out = String::new();
        text::encode(&mut out, &registry).expect("writing to a String cannot fail");
        out.trim_end_matches("# EOF\n").to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_holds_what_was_counted_and_has_no_end() {
        let metrics = Metrics::default();
        metrics.answered(207, Duration::from_millis(3));
        metrics.events(&[Status::Accepted, Status::Failed, Status::Accepted]);
        metrics.bytes_in_flight(12);
        let text = metrics.text();
        for line in [
            "meshlog_gateway_requests_total{status=\"207\"} 1\n",
            "meshlog_gateway_events_total{status=\"accepted\"} 2\n",
            "meshlog_gateway_bytes_in_flight 12\n",
        ] {
            assert!(text.contains(line), "{line}{text}");
        }
        assert!(!text.contains("# EOF"));
    }
}
