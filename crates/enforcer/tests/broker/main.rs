//! The data path against a real Apache Kafka: transactions, fences, rebalances and restarts as they are.
//!
//! One broker for all tests of this binary; each test has a mesh of its own. Needs what a development broker needs (a
//! JRE 17+ and Maven), and fails without; `MESHLOG_TEST_BOOTSTRAP` names one that runs already.

mod outage;
mod port;
mod service;
mod support;
