//! The adapter against a real Apache Kafka: what no mock shows (transactions, markers, fences, groups, restarts).
//!
//! One broker for all tests of this binary; each test has topics and groups of its own. Needs what a development broker
//! needs (a JRE 17+ and Maven, or Docker) and fails without.

mod dev;
mod logs;
mod publish;
mod support;
mod topics;
mod writer;
