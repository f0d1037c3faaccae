//! The rule an event must meet, and the check.

pub mod address;
pub mod rule;
pub mod verdict;
