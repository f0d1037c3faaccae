//! The ledger: what was sent, what must become of it, and what its producer was told. Written to, never changed.
//!
//! One line for each event, once its outcome is known, tabs between: number, key (`-` for none), sequence within the key,
//! expected verdict, SHA-256 of the value, outcome (`acked`, `unknown`), partition and offset where acked. The checker
//! reads it; it shares nothing else with the program that wrote it.

use super::event::Event;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

/// Lines that may be lost when this program dies.
const FLUSH: u64 = 100;

/// What a producer was told of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is there, for good.
    Acked(i32, i64),
    /// It may be there.
    Unknown,
}

/// A ledger that is being written.
#[derive(Debug)]
pub struct Book {
    file: BufWriter<File>,
    /// Events with an outcome.
    pub events: u64,
    /// Those whose outcome is unknown.
    pub unknown: u64,
}

impl Book {
    /// Begins a ledger.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn create(path: &Path) -> std::io::Result<Self> {
        Ok(Self {
            file: BufWriter::new(File::create_new(path)?),
            events: 0,
            unknown: 0,
        })
    }

    /// Writes an outcome.
    ///
    /// # Errors
    /// The disk does not take it.
    pub fn write(&mut self, event: &Event, outcome: Outcome) -> std::io::Result<()> {
        let Event {
            number,
            sequence,
            expected,
            ..
        } = event;
        let key = event.key.as_deref().unwrap_or("-");
        let digest = event.digest();
        let outcome = match outcome {
            Outcome::Acked(partition, offset) => format!("acked\t{partition}\t{offset}"),
            Outcome::Unknown => {
                self.unknown += 1;
                "unknown".to_owned()
            }
        };
        let line = format!("{number}\t{key}\t{sequence}\t{expected}\t{digest}\t{outcome}");
        writeln!(self.file, "{line}")?;
        self.events += 1;
        if self.events.is_multiple_of(FLUSH) {
            self.file.flush()?;
        }
        Ok(())
    }

    /// Writes what is left to the disk.
    ///
    /// # Errors
    /// The disk does not take it.
    pub fn close(mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}
