//! What a window shows of a promise: the figure, and whether it is as promised.

use super::promise::{Demand, Objective};
use super::unit::{self, Quantity};
use super::{Figures, Span};
use crate::quality::{Library, RuleCount, Unit};

/// Whether a window is as promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// It is.
    Kept,
    /// It is not.
    Broken,
    /// It cannot say: nothing happened that could be measured, or what was seen is about the observer.
    NotCounted,
}

/// A window, judged by one promise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judged {
    /// Where the window begins, UTC ms.
    pub start_ms: i64,
    /// Where it ends.
    pub end_ms: i64,
    /// What was measured, in the promise's unit.
    pub figure: Option<f64>,
    /// Whether it is as promised.
    pub held: Held,
}

/// The share of events that have to be in time: the latency that is told is the one that so many percent do not exceed.
pub const LATENCY_PERCENT: u64 = 99;

/// Judge a window. A promise that is not measured never gets here.
pub(super) fn judge(objective: &Objective, demand: &Demand, span: &Span) -> Judged {
    let measured = measure(demand, span);
    let scale = if demand.is_time() {
        unit::time_ms(&objective.unit).unwrap_or(1.0)
    } else {
        1.0
    };
    Judged {
        start_ms: span.start_ms,
        end_ms: span.end_ms(),
        figure: measured.map(|(figure, _)| figure / scale),
        held: match measured {
            Some((_, true)) => Held::Kept,
            Some((_, false)) => Held::Broken,
            None => Held::NotCounted,
        },
    }
}

/// The figure in the base unit and whether it is as promised; `None` where the window cannot say.
fn measure(demand: &Demand, span: &Span) -> Option<(f64, bool)> {
    let figures = &span.figures;
    // Some of its partitions nobody reported, or the observer read what had waited for it: of these only what does not
    // depend on the moment of reading is told.
    let timely = span.complete && !figures.catching_up;
    match demand {
        Demand::Retention { at_least_ms } => {
            let kept = figures.retention_ms?;
            let kept = if kept < 0 { f64::INFINITY } else { real(kept) };
            Some((kept, kept >= *at_least_ms))
        }
        Demand::ErrorRate { at_most_percent } => {
            let share = error_percent(figures)?;
            Some((share, share <= *at_most_percent))
        }
        _ if !timely => None,
        Demand::Latency { at_most_ms } => {
            let latency = count(figures.latency.quantile(LATENCY_PERCENT)?);
            Some((latency, latency <= *at_most_ms))
        }
        Demand::Freshness { at_most_ms } => {
            let age = age(span, figures.newest_event_ms?);
            Some((age, age <= *at_most_ms))
        }
        Demand::Frequency { every_ms } => {
            let age = age(span, figures.last_arrival_ms?);
            Some((age, age <= *every_ms))
        }
        Demand::Availability { every_ms, .. } => {
            let due = every_ms.unwrap_or(0.0).max(real(span.length_ms));
            let arrived = age(span, figures.last_arrival_ms?) <= due;
            Some((if arrived { 100.0 } else { 0.0 }, arrived))
        }
        Demand::Throughput {
            at_least,
            of,
            per_ms,
        } => {
            let amount = match of {
                Quantity::Events => count(figures.events),
                Quantity::Bytes(size) => count(figures.bytes) / size,
            };
            let rate = amount * per_ms / real(span.length_ms.max(1));
            Some((rate, rate >= *at_least))
        }
        Demand::Rule { key, library } => {
            rule(library, figures.rules.get(key).copied().unwrap_or_default())
        }
    }
}

/// How old something was when the window ended.
fn age(span: &Span, time_ms: i64) -> f64 {
    real(span.end_ms().saturating_sub(time_ms).max(0))
}

/// The share of refused events.
pub(super) fn error_percent(figures: &Figures) -> Option<f64> {
    let judged = figures.accepted + figures.refused;
    (judged > 0).then(|| count(figures.refused) * 100.0 / count(judged))
}

fn rule(library: &Library, counted: RuleCount) -> Option<(f64, bool)> {
    let figure = match library.unit {
        Unit::Rows => count(counted.counted),
        Unit::Percent if counted.rows == 0 => return None,
        Unit::Percent => count(counted.counted) * 100.0 / count(counted.rows),
    };
    Some((figure, library.operator.admits(figure)))
}

/// A figure for people: counts below 2^53 are exact.
pub(super) fn count(number: u64) -> f64 {
    number as f64
}

/// A figure for people: times below 2^53 ms are exact.
pub(super) fn real(number: i64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::super::testing::objective;
    use super::super::{Kind, Sketch};
    use super::*;

    fn span(figures: Figures) -> Span {
        Span {
            start_ms: 60_000,
            length_ms: 60_000,
            contract: "1.0.0".to_owned(),
            complete: true,
            figures,
        }
    }

    fn judged(objective: &Objective, span: &Span) -> (Option<f64>, Held) {
        let demand = objective.demand.as_ref().expect("measurable");
        let judged = judge(objective, demand, span);
        (judged.figure, judged.held)
    }

    #[test]
    fn each_property_has_its_formula() {
        let mut latency = Sketch::default();
        (0..100).for_each(|ms| latency.add(ms * 10));
        let figures = Figures {
            events: 120,
            bytes: 6_000_000,
            accepted: 120,
            refused: 30,
            latency,
            newest_event_ms: Some(90_000),
            last_arrival_ms: Some(110_000),
            retention_ms: Some(604_800_000),
            ..Figures::default()
        };
        let span = span(figures);
        let table = [
            (objective("latency", 1.0, "s"), 0.991, Held::Kept),
            (objective("latency", 900.0, "ms"), 991.0, Held::Broken),
            (objective("freshness", 30.0, "s"), 30.0, Held::Kept),
            (objective("freshness", 29.0, "s"), 30.0, Held::Broken),
            (objective("frequency", 10.0, "s"), 10.0, Held::Kept),
            (objective("frequency", 9.0, "s"), 10.0, Held::Broken),
            (objective("availability", 99.0, "%"), 100.0, Held::Kept),
            (objective("throughput", 2.0, "events/s"), 2.0, Held::Kept),
            (objective("throughput", 2.1, "events/s"), 2.0, Held::Broken),
            (objective("throughput", 6.0, "MB/m"), 6.0, Held::Kept),
            (objective("errorRate", 20.0, "%"), 20.0, Held::Kept),
            (objective("errorRate", 19.9, "%"), 20.0, Held::Broken),
            (objective("retention", 7.0, "d"), 7.0, Held::Kept),
            (objective("retention", 8.0, "d"), 7.0, Held::Broken),
        ];
        for (objective, figure, held) in table {
            let (found, verdict) = judged(&objective, &span);
            let found = found.expect("measured");
            assert!((found - figure).abs() < 1e-2, "{}: {found}", objective.name);
            assert_eq!(verdict, held, "{} {}", objective.name, objective.promised);
        }
    }

    #[test]
    fn a_window_without_events_says_nothing_of_latency_and_much_of_frequency() {
        let quiet = span(Figures {
            newest_event_ms: Some(0),
            last_arrival_ms: Some(0),
            ..Figures::default()
        });
        assert_eq!(
            judged(&objective("latency", 1.0, "s"), &quiet),
            (None, Held::NotCounted)
        );
        assert_eq!(
            judged(&objective("errorRate", 1.0, "%"), &quiet),
            (None, Held::NotCounted)
        );
        assert_eq!(
            judged(&objective("frequency", 1.0, "s"), &quiet),
            (Some(120.0), Held::Broken)
        );
        assert_eq!(
            judged(&objective("availability", 99.0, "%"), &quiet),
            (Some(0.0), Held::Broken)
        );
        let never = span(Figures::default());
        assert_eq!(
            judged(&objective("freshness", 1.0, "s"), &never),
            (None, Held::NotCounted)
        );
    }

    #[test]
    fn while_the_observer_catches_up_only_what_has_no_clock_is_told() {
        let mut latency = Sketch::default();
        latency.add(1);
        let mut catching_up = span(Figures {
            catching_up: true,
            events: 9,
            accepted: 9,
            latency,
            last_arrival_ms: Some(100_000),
            newest_event_ms: Some(100_000),
            retention_ms: Some(-1),
            ..Figures::default()
        });
        for property in ["latency", "freshness", "frequency"] {
            let found = judged(&objective(property, 1.0, "s"), &catching_up);
            assert_eq!(found, (None, Held::NotCounted), "{property}");
        }
        assert_eq!(
            judged(&objective("errorRate", 1.0, "%"), &catching_up).1,
            Held::Kept
        );
        assert_eq!(
            judged(&objective("retention", 9.0, "y"), &catching_up).1,
            Held::Kept
        );
        catching_up.figures.catching_up = false;
        assert_eq!(
            judged(&objective("latency", 1.0, "s"), &catching_up).1,
            Held::Kept
        );
        catching_up.complete = false;
        assert_eq!(
            judged(&objective("latency", 1.0, "s"), &catching_up).1,
            Held::NotCounted
        );
    }

    #[test]
    fn rules_are_shares_of_rows_or_counts() {
        use crate::quality::{Metric, Operator};
        let library = |operator, unit| Library {
            metric: Metric::NullValues,
            operator,
            unit,
            values: vec![],
            pattern: None,
        };
        let counted = |rows, counted| RuleCount {
            rows,
            counted,
            at_least: false,
        };
        let percent = library(Operator::MustBeLessThan(5.into()), Unit::Percent);
        assert_eq!(rule(&percent, counted(100, 4)), Some((4.0, true)));
        assert_eq!(rule(&percent, counted(100, 5)), Some((5.0, false)));
        assert_eq!(rule(&percent, counted(0, 0)), None);
        let rows = library(Operator::MustBeGreaterThan(0.into()), Unit::Rows);
        assert_eq!(rule(&rows, counted(0, 0)), Some((0.0, false)));
        assert_eq!(Kind::Rule.as_str(), "rule");
    }
}
