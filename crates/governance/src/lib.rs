//! The control path's core: what can be proposed, what it leads to, what the log says. Pure.
//!
//! ```text
//!  proposal ──▶ command ──decide(mesh)──▶ events ──log::next──▶ facts (bytes) ──▶ mesh.governance
//!                            ▲                                                         │
//!                            └──────────────── mesh ◀──evolve── log::fold (checked) ◀──┘
//! ```
//!
//! Reading order: [`body`], [`breaker`], [`skip`] and [`event`] (what is stored), [`fact`] (its bytes), [`mesh`] (the state and its hash),
//! [`log`] (reading with checks), [`command`], [`decide`] and [`refusal`] (the rules), [`invariants`], [`merkle`],
//! [`people`] (personal data), [`proposal`] and [`outcome`] (requests and replies on the wire).

pub mod body;
pub mod breaker;
pub mod command;
pub mod decide;
pub mod event;
pub mod fact;
pub mod invariants;
pub mod log;
pub mod merkle;
pub mod mesh;
pub mod outcome;
pub mod people;
pub mod proposal;
pub mod refusal;
pub mod skip;
mod slo;
