//! What happened to each document: the facts of a proposal, told document by document.

use std::fmt;

use serde_json::{Value, json};

use super::collect::Label;
use crate::client::{Answer, Client, DryRun};

/// A fact, as far as reporting goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    kind: String,
    subject: String,
    seq: Option<u64>,
}

impl Change {
    fn read(value: &Value) -> Option<Self> {
        let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let seq = value.get("seq").and_then(Value::as_u64);
        Some(Self {
            kind: text("type")?,
            subject: text("subject")?,
            seq,
        })
    }

    /// `mesh.domain.registered.v1` is `registered`.
    fn verb(&self) -> &str {
        let name = self
            .kind
            .rsplit_once(".v")
            .map_or(self.kind.as_str(), |(name, _)| name);
        name.rsplit('.').next().unwrap_or(name)
    }
}

/// The facts that a dry run says would be written.
pub(super) fn planned(answer: &Answer) -> Vec<Change> {
    let events = answer.raw.get("events").and_then(Value::as_array);
    events
        .into_iter()
        .flatten()
        .filter_map(Change::read)
        .collect()
}

/// The facts that were written.
pub(super) async fn written(client: &Client, answer: &Answer) -> anyhow::Result<Vec<Change>> {
    let (Some(first), Some(last)) = (answer.seqs.iter().min(), answer.seqs.iter().max()) else {
        return Ok(Vec::new());
    };
    let limit = (last - first + 1).to_string();
    let query = [("from", first.to_string()), ("limit", limit)];
    let query: Vec<(&str, &str)> = query.iter().map(|(k, v)| (*k, v.as_str())).collect();
    let events = client.items(&["governance", "events"], &query).await?;
    let ours = |change: &Change| change.seq.is_some_and(|seq| answer.seqs.contains(&seq));
    Ok(events
        .iter()
        .filter_map(Change::read)
        .filter(ours)
        .collect())
}

/// One line of the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// Document or fact's subject.
    name: String,
    /// What happened, or would.
    verb: String,
    /// The fact.
    seq: Option<u64>,
    dry_run: DryRun,
}

impl Line {
    pub(super) fn to_json(&self) -> Value {
        json!({"document": self.name, "result": self.verb, "seq": self.seq})
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let would = match self.dry_run {
            DryRun::Yes if self.verb != UNCHANGED => "would be ",
            DryRun::Yes | DryRun::No => "",
        };
        write!(f, "{}: {would}{}", self.name, self.verb)?;
        self.seq.map_or(Ok(()), |seq| write!(f, " (fact {seq})"))
    }
}

const UNCHANGED: &str = "unchanged";

/// What happened to each document, then what else was written (ports, mostly).
pub(super) fn per_document(labels: &[Label], changes: &[Change], dry_run: DryRun) -> Vec<Line> {
    let mut rest: Vec<&Change> = changes.iter().collect();
    let mut lines = Vec::new();
    for label in labels {
        let at = rest
            .iter()
            .position(|change| label.is_subject(&change.subject));
        let change = at.map(|at| rest.remove(at));
        let verb = change.map_or(UNCHANGED, Change::verb).to_owned();
        let seq = change.and_then(|change| change.seq);
        lines.push(Line {
            name: label.name.clone(),
            verb,
            seq,
            dry_run,
        });
    }
    for change in rest {
        let name = change.subject.replacen('/', " ", 1);
        lines.push(Line {
            name,
            verb: change.verb().to_owned(),
            seq: change.seq,
            dry_run,
        });
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(name: &str, subject: (&'static str, &str)) -> Label {
        Label {
            name: name.to_owned(),
            subject: (subject.0, subject.1.to_owned()),
        }
    }

    #[test]
    fn documents_without_a_fact_are_unchanged_and_ports_are_told_too() {
        let labels = [
            label("Domain flights", ("domain/", "/flights")),
            label("DataProduct departures", ("product/", "/departures")),
        ];
        let changes: Vec<Change> = [
            json!({"seq": 4, "type": "mesh.product.metadata.changed.v1", "subject": "product/flights/departures"}),
            json!({"seq": 5, "type": "mesh.port.opened.v1", "subject": "port/flights.departures.events.v1"}),
        ]
        .iter()
        .filter_map(Change::read)
        .collect();
        let shown = |dry_run| {
            let lines = per_document(&labels, &changes, dry_run);
            lines.iter().map(Line::to_string).collect::<Vec<_>>()
        };
        assert_eq!(
            shown(DryRun::No),
            [
                "Domain flights: unchanged",
                "DataProduct departures: changed (fact 4)",
                "port flights.departures.events.v1: opened (fact 5)"
            ]
        );
        assert_eq!(shown(DryRun::Yes)[0], "Domain flights: unchanged");
        assert_eq!(
            shown(DryRun::Yes)[1],
            "DataProduct departures: would be changed (fact 4)"
        );
    }
}
