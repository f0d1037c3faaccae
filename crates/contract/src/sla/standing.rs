//! How a promise stands: window by window, and whether it is breached.
//!
//! One bad window is no breach and one good one no recovery, or facts would flap: a promise is breached when
//! [`BROKEN_OF`] of the last [`LOOKED_AT`] windows that count are broken, and recovered after [`RECOVERED_AFTER`] kept
//! ones in a row. Windows that do not count are passed over.

use super::judge::{Held, Judged, error_percent, judge};
use super::promise::{Demand, Kind, Objective};
use super::{Figures, Span};
use serde::Serialize;

/// Broken windows that make a breach.
pub const BROKEN_OF: usize = 3;
/// Windows that are looked at for it.
pub const LOOKED_AT: usize = 5;
/// Kept windows in a row that end it.
pub const RECOVERED_AFTER: usize = 5;

/// Windows shown as a line.
const SHOWN: usize = 60;

/// How a promise stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Standing {
    /// The property's name, or the rule's.
    pub name: String,
    /// `promise` or `rule`.
    pub kind: &'static str,
    /// The promise in words.
    pub promised: String,
    /// The figure promised, where there is one.
    pub target: Option<f64>,
    /// The unit of the figures.
    pub unit: String,
    /// How it stands.
    pub state: State,
    /// Why nothing is measured, where nothing is.
    pub why: Option<String>,
    /// The figure of the last window that counts.
    pub measured: Option<f64>,
    /// Where that window begins, UTC ms.
    pub from_ms: Option<i64>,
    /// Where it ends.
    pub to_ms: Option<i64>,
    /// Windows of the last 24 h that are as promised.
    pub kept: u64,
    /// Windows that are not.
    pub broken: u64,
    /// Windows that cannot say.
    pub not_counted: u64,
    /// Share of the windows that count which are as promised, percent.
    pub kept_percent: Option<f64>,
    /// How much may be broken, and how much was.
    pub budget: Option<Budget>,
    /// The last figures, oldest first; a window that does not count is null.
    pub series: Vec<Option<f64>>,
}

/// How a promise stands, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The last window is as promised.
    Kept,
    /// The last window is not; that is no breach yet.
    Broken,
    /// Too many windows are not.
    Breached,
    /// No window counts yet.
    NoWindow,
    /// It cannot be measured.
    NotMeasured,
}

impl State {
    /// For people.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Kept => "kept",
            State::Broken => "broken",
            State::Breached => "breached",
            State::NoWindow => "no window yet",
            State::NotMeasured => "not measured",
        }
    }
}

/// The error budget of a promised share, over the last 24 h.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Budget {
    /// What may be broken, percent.
    pub allowed_percent: f64,
    /// What was.
    pub spent_percent: f64,
    /// What is left of it, percent of what is allowed; never below 0.
    pub left_percent: f64,
}

/// What the governance log says of a promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// No breach is open.
    Nothing,
    /// A breach is open: only kept windows end it.
    Breach,
}

/// How a promise stands by the windows given, oldest first.
pub fn stand(objective: &Objective, spans: &[Span], recorded: Recorded) -> Standing {
    let mut standing = Standing {
        name: objective.name.clone(),
        kind: objective.kind.as_str(),
        promised: objective.promised.clone(),
        target: objective.target,
        unit: objective.unit.clone(),
        state: State::NotMeasured,
        why: None,
        measured: None,
        from_ms: None,
        to_ms: None,
        kept: 0,
        broken: 0,
        not_counted: 0,
        kept_percent: None,
        budget: None,
        series: Vec::new(),
    };
    let demand = match &objective.demand {
        Ok(demand) => demand,
        Err(why) => {
            standing.why = Some(why.clone());
            return standing;
        }
    };
    let judged: Vec<Judged> = spans
        .iter()
        .map(|span| judge(objective, demand, span))
        .collect();
    standing.count(&judged, recorded);
    standing.budget = budget(demand, &standing, spans);
    if standing.state == State::NoWindow {
        standing.why = Some(waiting(objective, spans));
    }
    standing
}

impl Standing {
    fn count(&mut self, judged: &[Judged], recorded: Recorded) {
        for window in judged {
            match window.held {
                Held::Kept => self.kept += 1,
                Held::Broken => self.broken += 1,
                Held::NotCounted => self.not_counted += 1,
            }
        }
        let counted: Vec<&Judged> = judged
            .iter()
            .filter(|it| it.held != Held::NotCounted)
            .collect();
        let held: Vec<Held> = counted.iter().map(|window| window.held).collect();
        let last = counted.last();
        self.state = match last {
            None => State::NoWindow,
            Some(_) if is_breached(&held, recorded) => State::Breached,
            Some(last) if last.held == Held::Broken => State::Broken,
            Some(_) => State::Kept,
        };
        self.measured = last.and_then(|window| window.figure);
        self.from_ms = last.map(|window| window.start_ms);
        self.to_ms = last.map(|window| window.end_ms);
        let all = self.kept + self.broken;
        self.kept_percent = (all > 0).then(|| percent(self.kept, all));
        let shown = judged.len().saturating_sub(SHOWN);
        self.series = judged[shown..].iter().map(|window| window.figure).collect();
    }
}

/// Whether the windows that count, oldest first, end in a breach.
fn is_breached(held: &[Held], recorded: Recorded) -> bool {
    let mut breached = recorded == Recorded::Breach;
    for end in 1..=held.len() {
        if breached {
            let last = &held[end.saturating_sub(RECOVERED_AFTER)..end];
            breached = last.len() < RECOVERED_AFTER || last.contains(&Held::Broken);
        } else {
            let last = &held[end.saturating_sub(LOOKED_AT)..end];
            let broken = last.iter().filter(|held| **held == Held::Broken).count();
            breached = broken >= BROKEN_OF;
        }
    }
    breached
}

fn budget(demand: &Demand, standing: &Standing, spans: &[Span]) -> Option<Budget> {
    let (allowed, spent) = match demand {
        Demand::Availability {
            at_least_percent, ..
        } => (100.0 - at_least_percent, 100.0 - standing.kept_percent?),
        Demand::ErrorRate { at_most_percent } => {
            let mut all = Figures::default();
            for span in spans {
                all.accepted += span.figures.accepted;
                all.refused += span.figures.refused;
            }
            (*at_most_percent, error_percent(&all)?)
        }
        Demand::Latency { .. }
        | Demand::Freshness { .. }
        | Demand::Frequency { .. }
        | Demand::Throughput { .. }
        | Demand::Retention { .. }
        | Demand::Rule { .. } => return None,
    };
    let left = match (allowed > 0.0, spent > 0.0) {
        (true, _) => (100.0 * (allowed - spent) / allowed).max(0.0),
        (false, true) => 0.0,
        (false, false) => 100.0,
    };
    Some(Budget {
        allowed_percent: allowed,
        spent_percent: spent,
        left_percent: left,
    })
}

/// Why no window counts yet.
fn waiting(objective: &Objective, spans: &[Span]) -> String {
    if spans.is_empty() {
        return "no window has ended since an observer runs".to_owned();
    }
    if objective.kind == Kind::Promise && spans.iter().all(|span| span.figures.events == 0) {
        return "no event has come in a window yet".to_owned();
    }
    "no window can say yet: the observer is catching up, or nothing came that could be measured"
        .to_owned()
}

fn percent(part: u64, all: u64) -> f64 {
    super::judge::count(part) * 100.0 / super::judge::count(all)
}

#[cfg(test)]
mod tests {
    use super::super::testing::objective;
    use super::*;
    use proptest::prelude::*;

    /// `K`ept, `B`roken, anything else does not count.
    fn held(text: &str) -> Vec<Held> {
        let all = text.chars().map(|c| match c {
            'K' => Held::Kept,
            'B' => Held::Broken,
            _ => Held::NotCounted,
        });
        all.filter(|held| *held != Held::NotCounted).collect()
    }

    #[test]
    fn three_of_five_broken_make_a_breach_and_five_kept_in_a_row_end_it() {
        let table = [
            ("", false),
            ("B", false),
            ("BB", false),
            ("BBB", true),
            ("BKBKB", true),
            ("BKKBKKB", false),
            ("KKKKKBB", false),
            ("BBBKKKK", true),
            ("BBBKKKKBKKKK", true),
            ("BBBKKKKK", false),
            ("BBBKKKKKB", false),
            ("BBBKKKKKBBB", true),
            ("B...B..B", true),
        ];
        for (text, expected) in table {
            assert_eq!(
                is_breached(&held(text), Recorded::Nothing),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn a_recorded_breach_lasts_until_five_kept_windows() {
        for (text, expected) in [
            ("", true),
            ("K", true),
            ("KKKK", true),
            ("KKKKK", false),
            ("KKBKKKK", true),
        ] {
            assert_eq!(
                is_breached(&held(text), Recorded::Breach),
                expected,
                "{text}"
            );
        }
    }

    fn spans(events: &[(u64, u64)]) -> Vec<Span> {
        let spans = events
            .iter()
            .zip(0..)
            .map(|((accepted, refused), at)| Span {
                start_ms: at * 1000,
                length_ms: 1000,
                contract: "1.0.0".to_owned(),
                complete: true,
                figures: Figures {
                    events: *accepted,
                    accepted: *accepted,
                    refused: *refused,
                    last_arrival_ms: (*accepted > 0).then_some(at * 1000 + 500).or(Some(0)),
                    ..Figures::default()
                },
            });
        spans.collect()
    }

    #[test]
    fn a_standing_tells_the_last_window_the_day_and_the_budget() {
        let seen = spans(&[(99, 1), (100, 0), (0, 0), (90, 10)]);
        let standing = stand(&objective("errorRate", 5.0, "%"), &seen, Recorded::Nothing);
        assert_eq!(standing.state, State::Broken);
        assert_eq!(
            (standing.kept, standing.broken, standing.not_counted),
            (2, 1, 1)
        );
        assert_eq!(standing.measured, Some(10.0));
        assert_eq!((standing.from_ms, standing.to_ms), (Some(3000), Some(4000)));
        assert_eq!(standing.series, [Some(1.0), Some(0.0), None, Some(10.0)]);
        let budget = standing.budget.expect("a share has one");
        assert!(
            (budget.spent_percent - 11.0 / 3.0).abs() < 1e-9,
            "{budget:?}"
        );
        assert!((budget.left_percent - 26.666).abs() < 1e-2, "{budget:?}");
        let available = stand(
            &objective("availability", 50.0, "%"),
            &seen,
            Recorded::Nothing,
        );
        assert_eq!(available.budget.expect("has one").left_percent, 50.0);
        assert_eq!(
            stand(&objective("latency", 5.0, "s"), &seen, Recorded::Nothing).budget,
            None
        );
    }

    #[test]
    fn nothing_measured_says_so() {
        let date = stand(
            &objective("generalAvailability", 1.0, ""),
            &spans(&[(1, 0)]),
            Recorded::Nothing,
        );
        assert_eq!(date.state, State::NotMeasured);
        assert!(date.why.expect("a reason").contains("a date"));
        let none = stand(&objective("latency", 5.0, "s"), &[], Recorded::Nothing);
        assert_eq!((none.state, none.why.is_some()), (State::NoWindow, true));
        let quiet = stand(
            &objective("latency", 5.0, "s"),
            &spans(&[(0, 0)]),
            Recorded::Nothing,
        );
        assert_eq!(
            quiet.why.expect("a reason"),
            "no event has come in a window yet"
        );
    }

    proptest! {
        #[test]
        fn a_breach_takes_three_broken_windows_and_lasts_until_five_kept_ones(text in "[KB]{0,30}") {
            let all = held(&text);
            let breached = is_breached(&all, Recorded::Nothing);
            let broken = all.iter().filter(|held| **held == Held::Broken).count();
            let tail = all.iter().rev().take_while(|held| **held == Held::Kept).count();
            prop_assert!(!breached || (broken >= BROKEN_OF && tail < RECOVERED_AFTER));
            prop_assert!(!(breached && tail >= RECOVERED_AFTER));
            if all.len() >= 3 && all[all.len() - 3..].iter().all(|held| *held == Held::Broken) {
                prop_assert!(breached);
            }
        }
    }
}
