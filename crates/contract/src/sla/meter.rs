//! What an event adds to the window it arrives in.

use super::promise::EventTimes;
use super::reader::EventReader;
use super::time::millis;
use super::{Figures, Sketch};
use crate::quality::{FieldPath, QualityRule, RuleError, WindowCounts, WindowRules};
use crate::rule::Event;
use serde_json::Value;

/// Measures the events of one port under the contract version in force.
#[derive(Debug)]
pub struct Meter {
    reader: EventReader,
    rules: WindowRules,
    latency: Option<FieldPath>,
    freshness: Option<FieldPath>,
}

/// An event, as it arrives.
#[derive(Debug, Clone, Copy)]
pub struct Arrival<'a> {
    /// The record.
    pub event: Event<'a>,
    /// The record's timestamp, UTC ms.
    pub timestamp_ms: Option<i64>,
    /// When it was read.
    pub read_ms: i64,
    /// Whether it had waited for the observer: then it arrived when its producer says.
    pub waited: bool,
}

/// A window that is being filled.
#[derive(Debug, Default)]
pub struct Tally {
    figures: Figures,
    counts: WindowCounts,
}

impl Meter {
    /// A meter of the rules over many events, and of the times that stand where `times` says.
    ///
    /// # Errors
    /// [`RuleError`] for a rule that this build cannot compile.
    pub fn compile(
        reader: EventReader,
        rules: &[QualityRule],
        key: &[String],
        times: &EventTimes,
    ) -> Result<Self, RuleError> {
        Ok(Self {
            reader,
            rules: WindowRules::compile(rules, key)?,
            latency: times.latency.as_deref().map(FieldPath::parse),
            freshness: times.freshness.as_deref().map(FieldPath::parse),
        })
    }

    /// A window begins, knowing what the ones before saw last.
    pub fn start(&self, newest_event_ms: Option<i64>, last_arrival_ms: Option<i64>) -> Tally {
        Tally {
            figures: Figures {
                newest_event_ms,
                last_arrival_ms,
                ..Figures::default()
            },
            counts: self.rules.start(),
        }
    }

    /// Add an event. It is decoded only where something asks for its content.
    pub fn add(&self, tally: &mut Tally, arrival: &Arrival<'_>) {
        let times = self.latency.is_some() || self.freshness.is_some();
        let reads = times || self.rules.read_events();
        let content = if reads {
            self.reader.read(&arrival.event)
        } else {
            None
        };
        let figures = &mut tally.figures;
        figures.events += 1;
        figures.bytes += arrival.event.value.map_or(0, |value| value.len() as u64);
        let time = |path| time_of(path, content.as_ref()).or(arrival.timestamp_ms);
        figures.newest_event_ms = figures.newest_event_ms.max(time(&self.freshness));
        if let Some(time) = time(&self.latency) {
            // A producer's clock may be ahead of ours; nothing is read before it happens.
            let late = arrival.read_ms.saturating_sub(time);
            figures.latency.add(u64::try_from(late).unwrap_or(0));
        }
        let arrived = if arrival.waited {
            arrival
                .timestamp_ms
                .map(|stamped| stamped.min(arrival.read_ms))
        } else {
            Some(arrival.read_ms)
        };
        figures.last_arrival_ms = figures.last_arrival_ms.max(arrived);
        self.rules.count(&mut tally.counts, content.as_ref());
    }

    /// The window ends. `partitions` is how many the topic has.
    pub fn finish(&self, tally: Tally, partitions: i32) -> Figures {
        Figures {
            rules: self.rules.finish(&tally.counts, partitions),
            ..tally.figures
        }
    }
}

/// The time at a path; an event without it, such as a tombstone, has the record's.
fn time_of(path: &Option<FieldPath>, content: Option<&Value>) -> Option<i64> {
    millis(path.as_ref()?.first(content?)?)
}

impl Tally {
    /// What was seen so far, without the rules.
    pub fn figures(&self) -> &Figures {
        &self.figures
    }

    /// Forget how long events took, which says something of the observer alone.
    pub fn forget_latency(&mut self) {
        self.figures.latency = Sketch::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::{ActiveVersion, Binding};
    use crate::settings::Settings;
    use crate::spec::{Encoding, Key};

    fn reader() -> EventReader {
        let version = ActiveVersion {
            version: "1.0.0".parse().expect("a version"),
            encoding: Encoding::Json,
            schema: "{}",
            record: "event",
            imports: &[],
            required: &[],
            key: &Key {
                properties: vec![],
                text: false,
            },
            key_schema: None,
            settings: &Settings::default(),
            rules: &[],
            classified: &[],
            bindings: &[Binding {
                id: 7,
                guid: [1; 16],
            }],
        };
        EventReader::compile(&[version]).expect("compiles")
    }

    fn arrival(value: &[u8], timestamp_ms: i64, read_ms: i64) -> Arrival<'_> {
        Arrival {
            event: Event {
                key: None,
                value: Some(value),
                headers: &[],
            },
            timestamp_ms: Some(timestamp_ms),
            read_ms,
            waited: false,
        }
    }

    #[test]
    fn an_event_adds_its_time_its_size_and_its_arrival() {
        let meter = Meter::compile(reader(), &[], &[], &EventTimes::default()).expect("compiles");
        let mut tally = meter.start(Some(5_000), None);
        meter.add(&mut tally, &arrival(b"{}", 1_000, 1_250));
        meter.add(&mut tally, &arrival(b"{} ", 2_000, 1_900)); // its producer's clock is ahead
        let figures = meter.finish(tally, 1);
        assert_eq!((figures.events, figures.bytes), (2, 5));
        assert_eq!(figures.newest_event_ms, Some(5_000));
        assert_eq!(figures.last_arrival_ms, Some(1_900));
        assert_eq!(figures.latency.quantile(99), Some(255));
        assert_eq!(figures.latency.quantile(50), Some(0));
    }

    #[test]
    fn an_event_time_field_wins_over_the_records_time() {
        let at = Some("meta.at".to_owned());
        let times = EventTimes {
            latency: at.clone(),
            freshness: at,
        };
        let meter = Meter::compile(reader(), &[], &[], &times).expect("compiles");
        let mut tally = meter.start(None, None);
        let prefixed = [&[0, 0, 0, 0, 7][..], br#"{"meta": {"at": 1790000000000}}"#].concat();
        meter.add(&mut tally, &arrival(&prefixed, 1, 1_790_000_000_100));
        assert_eq!(tally.figures().newest_event_ms, Some(1_790_000_000_000));
        meter.add(
            &mut tally,
            &arrival(b"{}", 1_790_000_000_050, 1_790_000_000_100),
        );
        assert_eq!(tally.figures().newest_event_ms, Some(1_790_000_000_050));
        assert_eq!(tally.figures().latency.quantile(100), Some(103));
    }

    #[test]
    fn an_event_that_waited_arrived_when_its_producer_says() {
        let meter = Meter::compile(reader(), &[], &[], &EventTimes::default()).expect("compiles");
        let mut tally = meter.start(None, None);
        let waited = Arrival {
            waited: true,
            ..arrival(b"{}", 1_000, 9_000)
        };
        meter.add(&mut tally, &waited);
        assert_eq!(tally.figures().last_arrival_ms, Some(1_000));
    }
}
