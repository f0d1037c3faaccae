//! The data path: every event of an inbox is judged by its contract and goes to the product topic or to quarantine.
//!
//! ```text
//!  inbox ──▶ kafka::tx ──▶ data_path ──▶ force: the contracts in force at one seq ──▶ contract::rule
//!               ▲              │
//!               │              ├──▶ envelope: the product or quarantine record ──┐
//!               │              └──▶ progress: exact counters ────────────────────┤
//!               └──────────── one transaction: outputs, offsets, counters ◀──────┘
//! ```
//!
//! What holds: each inbox record below the committed offset is, for `read_committed` readers, in exactly one of product
//! and quarantine, exactly once, in inbox order per partition. The same record at the same `seq` gets the same verdict.
//!
//! Read in this order: [`force`], [`data_path`], [`envelope`], [`progress`], [`breaker`], [`look`], [`status`], [`service`];
//! [`mod@bench`] measures it. [`gateway`] takes events over HTTP and judges them by the same rules before they are written.

pub mod bench;
pub mod breaker;
pub mod data_path;
pub mod envelope;
pub mod force;
pub mod gateway;
pub mod look;
pub mod progress;
pub mod service;
pub mod status;

mod lanes;
mod metrics;

pub use breaker::{Act, Acts, BreakerLimits, Herald, Recorded, Tripped, What};
pub use force::{CatchUp, CatchUpFailed, Judge, Mode, PortEntry, Snapshot};
pub use gateway::{Gateway, GatewayConfig};
pub use progress::{Progress, parse_progress};
pub use service::{Enforcer, EnforcerConfig};
pub use status::{EnforcerStatus, PortState, PortStatus};
