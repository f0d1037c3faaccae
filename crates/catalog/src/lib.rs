//! The catalog: a view of the mesh folded from its log, with an API and pages. It writes nothing to the mesh.
//!
//! ```text
//!  mesh.governance ──▶ projector ──▶ View (mesh, history, people) ──▶ Views ──┬──▶ api: JSON, SSE, metrics
//!  mesh.people ───────────┘  │                                                ├──▶ pages: HTML
//!                            └──▶ snapshot (disk, never trusted)              └──▶ whoever waits for a position
//!  enforcer's committed offsets ──▶ stats ─────────────────────────────────────▶ api, pages
//! ```
//!
//! Reading order: [`view`] (what a request looks at), [`history`] (the past), [`handle`] (start, stop, wait),
//! [`snapshot`], [`details`] and [`search`] (what is read out of documents), [`stats`] (counters), [`api`], [`config`].

pub mod api;
pub mod config;
pub mod details;
pub mod handle;
pub mod history;
pub mod search;
pub mod snapshot;
pub mod stats;
pub mod view;

mod model;
mod observed;
mod pages;
mod projector;
mod text;

pub use api::Site;
pub use config::{CatalogConfig, Hooks, Provisioning, Shown};
pub use handle::{CatalogHandle, Gone, StartError, Views, start};
pub use observed::Observed;
pub use stats::{Counted, Counters, LivePort, PortStats, RunState, StatsAnswer, StatsError};
pub use view::{Freshness, View};
