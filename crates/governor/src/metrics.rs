//! What a governor has decided since it started, and what it has still to bring about, as Prometheus text.

use crate::follow::View;
use crate::provision::Pending;
use governance::outcome::Outcome;
use kafka::WriterStatus;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

/// Proposals decided by this process, by outcome. One that was decided again, because its transaction was undone, counts
/// twice: the log itself holds each once.
#[derive(Debug, Default)]
pub(crate) struct Decided {
    accepted: AtomicU64,
    rejected: AtomicU64,
    unchanged: AtomicU64,
}

impl Decided {
    pub(crate) fn count(&self, outcome: &Outcome) {
        let counter = match outcome {
            Outcome::Accepted { .. } => &self.accepted,
            Outcome::Rejected { .. } => &self.rejected,
            Outcome::Unchanged { .. } => &self.unchanged,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    fn samples(&self) -> [(String, u64); 3] {
        let counters = [
            ("accepted", &self.accepted),
            ("rejected", &self.rejected),
            ("unchanged", &self.unchanged),
        ];
        counters.map(|(outcome, count)| {
            let labels = format!("{{outcome=\"{outcome}\"}}");
            (labels, count.load(Ordering::Relaxed))
        })
    }
}

/// The text of a governor's metrics. Names of ports and topics hold nothing that needs to be escaped.
pub(crate) fn text(
    decided: &Decided,
    writer: &WriterStatus,
    view: &View,
    pending: &Pending,
) -> String {
    let mut text = String::new();
    let help = "Proposals decided by this process.";
    family(
        &mut text,
        "proposals_total counter",
        help,
        &decided.samples(),
    );
    let writing = u64::from(*writer == WriterStatus::Writing);
    let facts = "Facts in the governance log, as far as it is read.";
    let due = view.mesh.due_activations().len() as u64;
    for (name, help, value) in [
        ("writing gauge", "1 in the process that decides.", writing),
        ("facts gauge", facts, view.mesh.size),
        (
            "due_ports gauge",
            "Ports whose approved version is not in force.",
            due,
        ),
    ] {
        family(&mut text, name, help, &[(String::new(), value)]);
    }
    let pending = pending
        .keys()
        .map(|what| (format!("{{what=\"{what}\"}}"), 1));
    let help = "1 for each port or topic that cannot be made yet; the log says why.";
    family(
        &mut text,
        "pending gauge",
        help,
        &pending.collect::<Vec<_>>(),
    );
    text
}

/// A family, by name and type: its samples by their labels.
fn family(text: &mut String, kind: &str, help: &str, samples: &[(String, u64)]) {
    let name = kind.split(' ').next().unwrap_or_default();
    writeln!(
        text,
        "# HELP meshlog_governor_{name} {help}\n# TYPE meshlog_governor_{kind}"
    )
    .expect("writing to a String cannot fail");
    for (labels, value) in samples {
        writeln!(text, "meshlog_governor_{name}{labels} {value}")
            .expect("writing to a String cannot fail");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_holds_what_was_decided_and_what_waits() {
        let decided = Decided::default();
        decided.count(&Outcome::Accepted { seqs: vec![1] });
        decided.count(&Outcome::Unchanged { seq: 1 });
        let pending = Pending::from([("a.b.c.v1".to_owned(), "no topic".to_owned())]);
        let text = text(&decided, &WriterStatus::Writing, &View::default(), &pending);
        for line in [
            "meshlog_governor_proposals_total{outcome=\"accepted\"} 1\n",
            "meshlog_governor_proposals_total{outcome=\"rejected\"} 0\n",
            "meshlog_governor_proposals_total{outcome=\"unchanged\"} 1\n",
            "meshlog_governor_writing 1\n",
            "meshlog_governor_due_ports 0\n",
            "meshlog_governor_pending{what=\"a.b.c.v1\"} 1\n",
        ] {
            assert!(text.contains(line), "{line}{text}");
        }
    }
}
