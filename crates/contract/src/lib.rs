//! The rule an event must meet, and the check. Pure: no clock, no network, no randomness.
//!
//! ```text
//!  ODCS, ODPS, Domain, Team ──document──▶ spec (schema, key, settings) ──rule──▶ PortRules::judge(event) ─▶ verdict
//!                                            │                                     framing, avro, json
//!                                            └──change (compat) ──▶ what a new version breaks, for whom
//! ```
//!
//! Reading order: [`address`] (names), [`document`] (what authors write), [`spec`] with [`schema`], [`settings`] and
//! [`version`] (what the machine takes from it), [`quality`] (rules over the content), [`framing`], [`avro`], [`json`], [`protobuf`] (the validators), [`rule`] and
//! [`verdict`] (the judge), [`mod@source`] (a schema and what it refers to), [`compat`] and [`change`] (evolution),
//! [`sla`] (promises measured), [`canonical`] (identity of schemas), [`tags`] (inside their texts), [`row`]
//! (events from CSV and JSON lines).

pub mod address;
pub mod avro;
pub mod canonical;
pub mod change;
pub mod compat;
pub mod document;
pub mod framing;
pub mod json;
mod pointer;
pub mod protobuf;
pub mod quality;
pub mod row;
pub mod rule;
pub mod schema;
pub mod schema_error;
pub mod settings;
pub mod sla;
pub mod source;
pub mod spec;
pub mod tags;
pub mod verdict;
pub mod version;

#[cfg(test)]
mod judges;
