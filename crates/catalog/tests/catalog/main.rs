//! The catalog over the example mesh, without Kafka: one binary, so that it is linked once.

mod api;
mod fixture;
mod replay;
mod slo;
