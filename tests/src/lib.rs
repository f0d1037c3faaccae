//! What the whole-system tests stand on: one real Kafka, meshes on it run from the built binary, documents under names
//! that nobody else uses, flights with known counts, and clients from elsewhere.
//!
//! ```text
//! broker (one for a test binary) ◀── mesh (`meshlog up` as a child, its command line, its API)
//! documents (schemas/examples, renamed) ──▶ apply        flights (generated, seeded) ──▶ publish
//! role (one of a mesh, alone)   registries (instances of `meshlog registry`, side by side)
//! ledger (events with known verdicts while everything fails)     fault_proxy (between a broker and its clients)
//! collector (of spans, as they come from a mesh)
//! gate (holds a client's requests in their midst)
//! python (confluent_kafka, fastavro): counts and reads what Meshlog wrote, without Meshlog's code
//! usage (events of one example port, sent and waited for)
//! wait (for a state, never for a while)      process (children with deadlines, ended by their ids)
//! ```
//!
//! The tests themselves are in `tests/system`.

pub mod broker;
pub mod collector;
pub mod documents;
pub mod fault_proxy;
pub mod flights;
pub mod gate;
pub mod ledger;
pub mod mesh;
pub mod process;
pub mod python;
pub mod registries;
pub mod role;
pub mod usage;
pub mod wait;

pub use documents::Domain;
pub use flights::Flights;
pub use mesh::{Kafka, TestMesh};
pub use process::Output;
pub use role::Role;
pub use wait::{LIMIT, wait_for};

use std::path::PathBuf;

/// The top folder of the repository.
pub fn root() -> PathBuf {
    let tests = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    tests
        .parent()
        .expect("tests/ stands in the repository")
        .to_owned()
}

/// Says that a test does not check what it should, and why. In CI that is a failure: nobody reads there.
pub fn skip(what: &str, why: &str) {
    let in_ci = std::env::var_os("CI").is_some();
    assert!(!in_ci, "{what} cannot be checked: {why}");
    eprintln!("\n=== SKIPPED: {what}: {why} ===\n");
}
