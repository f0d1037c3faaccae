//! The Kafka adapter: the only crate that names rdkafka.
//!
//! ```text
//!            admin ──▶ topics as they must be, positions, cluster id
//! Cluster ─┬ producer ──▶ requests, events            (idempotent, one at a time)
//!          ├ reader ◀── one log, followed for ever     (read_committed, own thread)
//!          ├ log_writer ◀─▶ requests in, results and replies out, one writer per log
//!          ├ tx_producer ──▶ records and a position, all or nothing
//!          ├ tx ◀─▶ inboxes in, products and quarantine out, in transactions (the data path's, own thread)
//!          ├ scan ◀── any topic, from here to there    (read_committed, bounded)
//!          ├ trace (which trace a record belongs to, in a header)
//!          └ dev ──▶ a single-node Kafka of our own for development
//! ```
//!
//! Offsets, transactions, fences and librdkafka's many error codes stay in here; the services above see records, ends and
//! words. Read in this order: [`cluster`], [`record`], [`admin`], [`producer`], [`reader`], [`mod@scan`],
//! [`log_writer`], [`tx`].

pub mod admin;
pub mod cluster;
pub mod dev;
pub mod log_writer;
pub mod mutants;
pub mod probe;
pub mod producer;
pub mod reader;
pub mod record;
pub mod scan;
pub mod trace;
pub mod tx;
pub mod tx_producer;

mod client;
mod start;
mod transaction;

pub use admin::{
    Admin, AdminError, Committed, Group, GroupPosition, PartitionEnds, TopicDescription,
    TopicOutcome, TopicSpec,
};
pub use cluster::{Cluster, ClusterError, library_version};
pub use log_writer::{LogCore, LogWriter, LogWriterConfig, WriterStatus};
pub use producer::{Delivered, Producer, SendError};
pub use reader::{EndRequester, LogEvent, LogReader, ReadError};
pub use record::{Header, Outgoing, Record};
pub use scan::{ScanEnd, ScanSpec, ScanStart, ScanSummary, scan};
pub use start::StartError;
pub use transaction::TxError;
pub use tx_producer::{Position, TxProducer};
