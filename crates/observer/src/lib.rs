//! The observer: measures what contracts promise, on the product topics themselves.
//!
//! ```text
//!  product topics ──windows (one transaction: figures and offsets)──▶ <mesh>.observations ──▶ catalog
//!  groups, enforcer's counters ──sampler──┘                                   │
//!                    <mesh>.proposals ◀── breached, recovered ──judge ◀───────┘
//! ```
//!
//! It reads as any consumer does (`read_committed`, group `<mesh>.observer`), so several share the partitions, and what it
//! measures is what a consumer sees. It decides nothing: a breach is proposed to the governor like everything else.
//! Reading order: [`Watched`] (what is measured), `windows` (events to windows), `sampler` (what others know), `judge`
//! (windows to breaches), [`Observer`] (all of it, running). The formulas are `contract::sla`'s.

mod judge;
mod sampler;
mod service;
mod watched;
mod windows;

pub use service::{Observer, ObserverConfig, ParseCounts, StartError};
pub use watched::{Watched, WatchedPort};
