//! The rule an event must meet, and the check.

pub mod address;
pub mod avro;
pub mod compat;
pub mod framing;
pub mod json;
mod pointer;
pub mod schema_error;
pub mod verdict;

#[cfg(test)]
mod judges;
