//! The schema registry: Confluent's HTTP API for Avro, JSON and Protobuf schemas, over a log in Kafka that Confluent's tools read.
//!
//! ```text
//! client ──HTTP──▶ http ──▶ service ──requests──▶ <mesh>.registry.requests
//!                   ▲          ▲                        │ writer: decide(state, request)
//!                   │          └──replies── .replies ◀──┤  (one transaction)
//!                   └── view: fold of ◀── _schemas ◀────┘
//! ```
//!
//! Any instance answers and takes writes; one of them, by group and fence, is the writer. Ids are a function of the log.
//!
//! Read in this order: [`name`] (subjects in contexts), [`record`] (what is on disk), [`content`] and [`rules`] (what an
//! id stands for), [`state`] (the fold), [`settings`] and [`ownership`] (what is set for a subject, and whose it is),
//! [`compatibility`], [`tags`], [`decide`] (the rules), [`request`] (what travels to the writer and back), then the moving parts: `writer`, `view`, `aside` (where
//! schemas are read and compared for answers), `service`, `http`, `defect`, and `start`, which puts them together.

mod aside;
pub mod compatibility;
pub mod content;
pub mod decide;
mod defect;
mod http;
pub mod name;
pub mod ownership;
pub mod record;
pub mod refusal;
pub mod request;
pub mod rules;
mod service;
pub mod settings;
mod start;
pub mod state;
pub mod tags;
mod topics;
mod view;
mod writer;

pub use refusal::Refusal;
pub use service::Registered;
pub use start::{OwnedSubjects, RegistryConfig, RegistryHandle, ask, start};
pub use topics::{Topics, topics};
