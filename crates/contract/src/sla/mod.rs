//! Promises measured: what a contract promises of its stream, what was seen in windows of time, and what the one says of
//! the other. Pure: windows come with their times; `docs/slo.md` has every formula.
//!
//! ```text
//!  slaProperties, quality ──promise──▶ Objective ────────────────┐
//!  event ──reader──▶ meter ──▶ Figures ──window──▶ Observation ──▶ board ──▶ Span ──standing──▶ Standing: kept, breached
//! ```
//!
//! Reading order: [`Objective`] (what is promised), [`Meter`] (what an event adds), [`Observation`] (what is stored),
//! [`Board`] (the windows of all ports), [`Standing`] (how a promise stands).

mod board;
mod judge;
mod meter;
mod promise;
mod reader;
mod sketch;
mod standing;
mod time;
mod unit;
mod window;

pub use board::{Board, Span};
pub use judge::{Held, Judged, LATENCY_PERCENT};
pub use meter::{Arrival, Meter, Tally};
pub use promise::{Demand, EventTimes, Kind, Objective, event_times, objectives};
pub use reader::EventReader;
pub use sketch::Sketch;
pub use standing::{
    BROKEN_OF, Budget, LOOKED_AT, RECOVERED_AFTER, Recorded, Standing, State, stand,
};
pub use unit::Quantity;
pub use window::{Consumer, Figures, KEPT_MS, OBSERVATION_VERSION, Observation, window_start};

#[cfg(test)]
mod testing {
    //! What the tests of promises share.

    use super::{Objective, objectives};
    use crate::document::odcs::SlaProperty;
    use serde_json::json;

    /// The objective that one promise makes.
    pub(super) fn objective(property: &str, value: f64, unit: &str) -> Objective {
        let given = SlaProperty {
            property: property.to_owned(),
            value: json!(value),
            unit: Some(unit.to_owned()),
            element: None,
        };
        objectives(&[given], &[]).remove(0)
    }
}
