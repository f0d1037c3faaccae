//! The rule an event must meet, and the check. Pure: no clock, no network, no randomness.
//!
//! ```text
//!  ODCS, ODPS, Domain, Team ──document──▶ spec (schema, key, settings) ──rule──▶ PortRules::judge(event) ─▶ verdict
//!                                            │                                     framing, avro, json
//!                                            └──change (compat) ──▶ what a new version breaks, for whom
//! ```
//!
//! Reading order: [`address`] (names), [`document`] and [`files`] (what authors write), [`spec`] with [`schema`], [`settings`] and
//! [`version`] (what the machine takes from it), [`quality`] (rules over the content), [`framing`],
//! [`avro`], [`json`], [`protobuf`] behind [`validator`], [`key_schema`] and [`cloud_events`] (what stands around a value), [`rule`] and
//! [`verdict`] (the judge), [`mod@source`] (a schema and what it refers to), [`compat`] and [`change`] (evolution),
//! [`sla`] (promises measured), [`canonical`] (identity of schemas), [`tags`] (inside their texts), [`row`]
//! (events from CSV and JSON lines).
//!
//! A producer can ask the judge before it sends:
//! ```
//! use contract::document::{self, Document};
//! use contract::rule::{ActiveVersion, Bound, Event, PortRules};
//! use contract::verdict::Verdict;
//!
//! let text = "apiVersion: v3.1.0\nkind: DataContract\nid: calls\nversion: 1.0.0\nstatus: active\n\
//! servers: [{server: d, type: kafka, format: json}]\nschema:\n- name: call\n  properties:\n\
//! \x20 - {name: id, logicalType: string, required: true}\n";
//! let documents = document::parse("calls.yaml", text).expect("a document");
//! let Document::Contract(odcs) = &documents[0].document else { unreachable!() };
//! let spec = contract::spec::derive(odcs, &Default::default()).expect("a contract that can be enforced");
//! let bound = Bound::default();
//! let rules = PortRules::compile(&spec.id, &[ActiveVersion::of(&spec, &[], &bound)]);
//! let rules = rules.expect("it compiles").expect("it has a version");
//! let event = Event { key: None, value: Some(br#"{"id": 7}"#), headers: &[] };
//! let Verdict::Quarantined(reasons) = rules.judge_known(&event) else { unreachable!() };
//! assert_eq!(reasons[0].to_string(), "MESH-1007 /id: expected string, found 7");
//! ```

pub mod address;
pub mod avro;
pub mod canonical;
pub mod change;
pub mod cloud_events;
pub mod compat;
pub mod document;
pub mod files;
pub mod framing;
pub mod json;
pub mod key_schema;
mod leaf;
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
pub mod validator;
pub mod verdict;
pub mod version;

#[cfg(test)]
mod judges;
