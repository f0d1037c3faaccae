//! The rule an event must meet, and the check.

pub mod address;
pub mod document;
pub mod verdict;
