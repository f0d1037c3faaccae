//! Windows to breaches: what turned is proposed to the governor, again and again until its fact shows.
//!
//! A port is judged by the member that reads its first partition; that two do so for a moment does no harm, for a breach
//! that is recorded is not recorded twice.

use crate::service::Shared;
use crate::watched::WatchedPort;
use contract::sla::{Board, Objective, Observation, Recorded, Standing, State, stand};
use governance::body::{SloReport, SloTurn};
use governance::proposal::{ACTOR, AUTHENTICATED_BY, SLO_BREACHED, SLO_RECOVERED};
use kafka::{Header, LogEvent, LogReader, Outgoing};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The actor of the observer's proposals.
const OBSERVER: &str = "system:observer";

/// How long a proposal may take to show before it is made again.
const DECIDED_WITHIN: Duration = Duration::from_secs(30);

pub(crate) struct Judge {
    shared: Shared,
    reader: LogReader,
    board: Board,
    proposed: BTreeMap<(String, String, bool), Instant>,
    /// Whether a window came since the ports were judged last.
    news: bool,
}

impl Judge {
    pub(crate) fn new(shared: Shared, reader: LogReader) -> Self {
        Self {
            shared,
            reader,
            board: Board::default(),
            proposed: BTreeMap::new(),
            news: false,
        }
    }

    /// Judge for ever.
    pub(crate) async fn run(mut self) {
        while let Some(event) = self.reader.next().await {
            match event {
                LogEvent::Record(record) => {
                    let key = record.key.as_deref().map(String::from_utf8_lossy);
                    let key = key.unwrap_or_default();
                    self.news |= key.starts_with(Observation::PREFIX);
                    self.board.take(&key, record.value.as_deref());
                }
                LogEvent::EndReached { .. } if std::mem::take(&mut self.news) => {
                    self.judge().await;
                }
                LogEvent::EndReached { .. } => {}
                LogEvent::Trouble(why) => {
                    tracing::warn!(reason = %why, "the observations cannot be read now");
                }
            }
        }
    }

    async fn judge(&mut self) {
        self.proposed.retain(|_, at| at.elapsed() < DECIDED_WITHIN);
        for port in self.shared.led_ports() {
            let spans = self.board.spans(&port.address, port.partitions);
            for (turn, report) in turns(&port, &spans) {
                let breached = turn == SloTurn::Breached;
                let key = (report.port.clone(), report.objective.clone(), breached);
                if self.proposed.contains_key(&key) {
                    continue;
                }
                match self.propose(turn, &report).await {
                    Ok(()) => drop(self.proposed.insert(key, Instant::now())),
                    Err(why) => {
                        tracing::warn!(port = %report.port, reason = %why, "a breach could not be proposed yet");
                    }
                }
            }
        }
    }

    async fn propose(&self, turn: SloTurn, report: &SloReport) -> Result<(), String> {
        let (kind, word) = match turn {
            SloTurn::Breached => (SLO_BREACHED, "breached"),
            SloTurn::Recovered => (SLO_RECOVERED, "recovered"),
        };
        let SloReport {
            port,
            objective,
            window_end,
            ..
        } = report;
        let id = format!("{port}/{objective}/{word}/{window_end}");
        let header = |key: &str, value: &str| Header::new(key, value);
        let request = Outgoing {
            topic: format!("{}.proposals", self.shared.config.mesh),
            partition: Some(0),
            timestamp_ms: None,
            key: Some(port.clone().into_bytes()),
            value: Some(serde_json::to_vec(report).map_err(|error| error.to_string())?),
            headers: vec![
                header("ce_specversion", "1.0"),
                header("ce_type", kind),
                header("ce_source", "observer"),
                header("ce_id", &id),
                header(&format!("ce_{ACTOR}"), OBSERVER),
                header(&format!("ce_{AUTHENTICATED_BY}"), "system"),
                header("content-type", "application/json"),
            ],
        };
        let sent = self.shared.producer.send(request).await;
        sent.map(drop).map_err(|error| error.to_string())
    }
}

/// The promises that stand otherwise than the governance log says.
fn turns(port: &WatchedPort, spans: &[contract::sla::Span]) -> Vec<(SloTurn, SloReport)> {
    let mut turns = Vec::new();
    for objective in &port.objectives {
        let open = port.breaches.contains(&objective.name);
        let recorded = if open {
            Recorded::Breach
        } else {
            Recorded::Nothing
        };
        let standing = stand(objective, spans, recorded);
        let turn = match (standing.state, open) {
            (State::Breached, false) => SloTurn::Breached,
            (State::Kept | State::Broken, true) => SloTurn::Recovered,
            (State::NotMeasured, true) => SloTurn::Recovered,
            (State::Breached | State::NoWindow, true)
            | (State::Kept | State::Broken | State::NoWindow | State::NotMeasured, false) => {
                continue;
            }
        };
        turns.push((turn, report(port, objective, &standing)));
    }
    let promised = |name: &&String| port.objectives.iter().any(|it| it.name == **name);
    let dropped = port.breaches.iter().filter(|name| !promised(name));
    turns.extend(dropped.map(|name| (SloTurn::Recovered, no_longer(port, name, spans))));
    turns
}

fn report(port: &WatchedPort, objective: &Objective, standing: &Standing) -> SloReport {
    let measured = standing.measured.filter(|figure| figure.is_finite());
    SloReport {
        port: port.address.clone(),
        version: port.version.clone(),
        objective: objective.name.clone(),
        kind: objective.kind.as_str().to_owned(),
        promised: objective.promised.clone(),
        measured: measured.map_or_else(String::new, figure),
        unit: objective.unit.clone(),
        window_start: standing.from_ms.unwrap_or_default(),
        window_end: standing.to_ms.unwrap_or_default(),
    }
}

/// A breach of a promise that the contract in force does not make.
fn no_longer(port: &WatchedPort, name: &str, spans: &[contract::sla::Span]) -> SloReport {
    let last = spans.last();
    SloReport {
        port: port.address.clone(),
        version: port.version.clone(),
        objective: name.to_owned(),
        kind: "promise".to_owned(),
        promised: "no longer promised".to_owned(),
        measured: String::new(),
        unit: String::new(),
        window_start: last.map_or(0, |span| span.start_ms),
        window_end: last.map_or(0, contract::sla::Span::end_ms),
    }
}

/// A figure as it stands in a fact: no more digits than it is worth.
fn figure(figure: f64) -> String {
    let rounded = (figure * 1000.0).round() / 1000.0;
    rounded.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::document::odcs::SlaProperty;
    use contract::sla::{EventReader, EventTimes, Figures, Meter, Span, objectives};
    use std::collections::BTreeSet;
    use std::sync::Arc;

    fn port(open: &[&str]) -> WatchedPort {
        let promise = SlaProperty {
            property: "frequency".to_owned(),
            value: serde_json::json!(1),
            unit: Some("s".to_owned()),
            element: None,
        };
        let meter = Meter::compile(EventReader::default(), &[], &[], &EventTimes::default())
            .expect("compiles");
        WatchedPort {
            address: "a.b.c.v1".to_owned(),
            inbox: "a.b.c.v1.inbox".to_owned(),
            partitions: 1,
            version: "1.0.0".to_owned(),
            objectives: objectives(&[promise], &[]),
            meter: Arc::new(meter),
            breaches: open
                .iter()
                .map(|name| (*name).to_owned())
                .collect::<BTreeSet<_>>(),
        }
    }

    /// Windows of a second; `K` saw an event, `B` did not.
    fn spans(text: &str) -> Vec<Span> {
        let mut last = Some(0);
        let windows = text.chars().zip(0..).map(|(window, at)| {
            let start_ms = at * 1000;
            if window == 'K' {
                last = Some(start_ms + 500);
            } else {
                last = Some(-5000);
            }
            Span {
                start_ms,
                length_ms: 1000,
                contract: "1.0.0".to_owned(),
                complete: true,
                figures: Figures {
                    last_arrival_ms: last,
                    ..Figures::default()
                },
            }
        });
        windows.collect()
    }

    #[test]
    fn only_what_stands_otherwise_than_recorded_is_proposed() {
        let table = [
            ("KKK", &[][..], None),
            ("KBB", &[], None),
            ("KBBB", &[], Some((SloTurn::Breached, "9"))),
            ("KBBB", &["frequency"], None),
            ("BBBKKKK", &["frequency"], None),
            (
                "BBBKKKKK",
                &["frequency"],
                Some((SloTurn::Recovered, "0.5")),
            ),
            ("", &["frequency"], None),
        ];
        for (text, open, expected) in table {
            let found = turns(&port(open), &spans(text));
            let found: Vec<_> = found
                .iter()
                .map(|(turn, it)| (*turn, it.measured.as_str()))
                .collect();
            assert_eq!(found.first().copied(), expected, "{text}");
        }
    }

    #[test]
    fn a_breach_of_a_promise_that_is_gone_ends() {
        let found = turns(&port(&["latency"]), &spans("K"));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].0, SloTurn::Recovered);
        assert_eq!(found[0].1.promised, "no longer promised");
    }
}
