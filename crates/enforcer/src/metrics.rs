//! What a data path has done since it started, and how it is doing, as OpenMetrics text.
//!
//! The counters of the ports themselves, which survive restarts, travel with the offsets ([`crate::progress`]); these are
//! of one process.

use crate::{
    progress::Progress,
    status::{EnforcerStatus, PortState},
};
use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use std::time::Duration;

/// Upper bounds of a transaction's time, in seconds: from an idle inbox's few records to where the broker gives it up.
const BUCKETS: [f64; 10] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Events {
    port: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Transactions {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfPort {
    port: String,
}

/// How a transaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Outputs and offsets are there.
    Committed,
    /// Neither is, or nobody knows; it is judged again from what is committed.
    JudgedAgain,
}

/// Counts since the start.
#[derive(Debug)]
pub(crate) struct Metrics {
    events: Family<Events, Counter>,
    transactions: Family<Transactions, Counter>,
    seconds: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        let metrics = Self {
            events: Family::default(),
            transactions: Family::default(),
            seconds: Histogram::new(BUCKETS),
        };
        // There from the start, so that an alert on their rate needs no second sample.
        for outcome in ["committed", "judged_again"] {
            drop(
                metrics
                    .transactions
                    .get_or_create(&Transactions { outcome }),
            );
        }
        metrics
    }
}

impl Metrics {
    pub(crate) fn ended(&self, how: Ended, took: Duration) {
        let outcome = match how {
            Ended::Committed => "committed",
            Ended::JudgedAgain => "judged_again",
        };
        self.transactions
            .get_or_create(&Transactions { outcome })
            .inc();
        self.seconds.observe(took.as_secs_f64());
    }

    /// What a committed transaction added to a port.
    pub(crate) fn events(&self, port: &str, added: &Progress) {
        for (outcome, count) in [
            ("accepted", added.accepted - added.shadowed),
            ("shadowed", added.shadowed),
            ("quarantined", added.quarantined),
        ] {
            let events = Events {
                port: port.to_owned(),
                outcome,
            };
            self.events.get_or_create(&events).inc_by(count);
        }
    }

    /// The text, without the mark that ends an exposition: others may follow.
    pub(crate) fn text(&self, status: &EnforcerStatus) -> String {
        let mut registry = Registry::with_prefix("meshlog_enforcer");
        let events = "Events judged and committed by this process, by what became of them";
        registry.register("events", events, self.events.clone());
        let transactions = "Transactions of this process by how they ended";
        registry.register("transactions", transactions, self.transactions.clone());
        let seconds = "Time from a transaction's first event to its end";
        registry.register("transaction_seconds", seconds, self.seconds.clone());
        register_status(&mut registry, status);
        let mut out = String::new();
        text::encode(&mut out, &registry).expect("writing to a String cannot fail");
        out.trim_end_matches("# EOF\n").to_owned()
    }
}

fn register_status(registry: &mut Registry, status: &EnforcerStatus) {
    let position = Gauge::<i64>::default();
    position.set(i64::try_from(status.seq).unwrap_or(i64::MAX));
    registry.register("position", "Governance position judged by", position);
    let stalled = Gauge::<i64>::default();
    stalled.set(i64::from(status.trouble.is_some()));
    let help = "1 while the cluster cannot be reached or the clients are lost";
    registry.register("stalled", help, stalled);
    let partitions = Family::<OfPort, Gauge>::default();
    let paused = Family::<OfPort, Gauge>::default();
    for (port, of) in &status.ports {
        let label = OfPort { port: port.clone() };
        let owned = i64::try_from(of.partitions).unwrap_or(i64::MAX);
        partitions.get_or_create(&label).set(owned);
        let waits = matches!(of.state, PortState::Paused(_));
        paused.get_or_create(&label).set(i64::from(waits));
    }
    let help = "Inbox partitions that this process judges";
    registry.register("partitions", help, partitions);
    let help = "1 while a partition of the port waits because its next event cannot be judged";
    registry.register("paused", help, paused);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::PortStatus;

    #[test]
    fn the_text_holds_what_was_counted_and_how_it_is() {
        let metrics = Metrics::default();
        metrics.ended(Ended::Committed, Duration::from_millis(40));
        let added = Progress {
            accepted: 5,
            shadowed: 2,
            quarantined: 1,
            ..Progress::default()
        };
        metrics.events("a.b.c.v1", &added);
        let mut status = EnforcerStatus {
            seq: 7,
            ..EnforcerStatus::default()
        };
        let waits = PortStatus {
            state: PortState::Paused("schema 5".to_owned()),
            partitions: 3,
            ..PortStatus::default()
        };
        status.ports.insert("a.b.c.v1".to_owned(), waits);
        let text = metrics.text(&status);
        for line in [
            "meshlog_enforcer_events_total{port=\"a.b.c.v1\",outcome=\"accepted\"} 3\n",
            "meshlog_enforcer_events_total{port=\"a.b.c.v1\",outcome=\"shadowed\"} 2\n",
            "meshlog_enforcer_events_total{port=\"a.b.c.v1\",outcome=\"quarantined\"} 1\n",
            "meshlog_enforcer_transactions_total{outcome=\"committed\"} 1\n",
            "meshlog_enforcer_transactions_total{outcome=\"judged_again\"} 0\n",
            "meshlog_enforcer_transaction_seconds_count 1\n",
            "meshlog_enforcer_position 7\n",
            "meshlog_enforcer_stalled 0\n",
            "meshlog_enforcer_partitions{port=\"a.b.c.v1\"} 3\n",
            "meshlog_enforcer_paused{port=\"a.b.c.v1\"} 1\n",
        ] {
            assert!(text.contains(line), "{line}{text}");
        }
        assert!(!text.contains("# EOF"));
    }
}
