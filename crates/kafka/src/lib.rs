//! The Kafka adapter: the only crate that names rdkafka.
//!
//! ```text
//!            admin ──▶ topics as they must be, positions, cluster id
//! Cluster ─┬ producer ──▶ requests, events            (idempotent, one at a time)
//!          ├ reader ◀── one log, followed for ever     (read_committed, own thread)
//!          ├ scan ◀── any topic, from here to there    (read_committed, bounded)
//!          └ dev ──▶ a single-node Kafka of our own for development
//! ```
//!
//! Offsets, transactions, fences and librdkafka's many error codes stay in here; the services above see records, ends and
//! words. Read in this order: [`cluster`], [`record`], [`admin`], [`producer`], [`reader`], [`scan`].

pub mod admin;
pub mod cluster;
pub mod dev;
pub mod producer;
pub mod reader;
pub mod record;
pub mod scan;

mod client;

pub use admin::{
    Admin, AdminError, Committed, PartitionEnds, TopicDescription, TopicOutcome, TopicSpec,
};
pub use cluster::{Cluster, ClusterError, library_version};
pub use producer::{Delivered, Producer, SendError};
pub use reader::{LogEvent, LogReader, ReadError};
pub use record::{Header, Outgoing, Record};
pub use scan::{ScanEnd, ScanSpec, ScanStart, ScanSummary, scan};
