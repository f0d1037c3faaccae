//! Where a run is in its file, and how the next run finds that place again.
//!
//! The position is committed in the transaction that carries the rows, as an offset of a consumer group of its own:
//! `<mesh>.publish.<identity>`, on partition 0 of the inbox. So rows and position appear together or not at all, and
//! the same file on the same port goes on where it stopped, whichever of the processes was killed.
//!
//! Identity of a file = SHA-256 over port, file name, size and the first 64 KiB: the same file under another directory
//! goes on, one that grew or was edited starts anew. Kafka forgets positions of idle groups after
//! `offsets.retention.minutes` (7 days by default).

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::event::hex;

/// What of a file goes into its identity.
const HEAD: u64 = 64 * 1024;

/// Rows read so far, and where the next one starts.
///
/// In `__consumer_offsets` since v0.1, as JSON with the version. Add a version to change it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    /// Version of this shape: 1.
    v: u32,
    /// Rows read.
    pub(super) row: u64,
    /// Of these, rows that could not be typed.
    pub(super) skipped: u64,
    /// Bytes read.
    pub(super) byte: u64,
    /// Line that starts there, from 1.
    pub(super) line: u64,
}

impl Position {
    /// The place before the first row.
    pub(super) fn start(byte: u64, line: u64) -> Self {
        Self {
            v: 1,
            row: 0,
            skipped: 0,
            byte,
            line,
        }
    }

    /// Rows published.
    pub(super) fn published(&self) -> u64 {
        self.row - self.skipped
    }

    /// The text kept with the committed offset.
    pub(super) fn encode(&self) -> String {
        serde_json::to_string(self).expect("numbers under fixed names")
    }

    /// Reads a committed offset; `None` for one that is not ours or says something else than its text.
    pub(super) fn decode(offset: i64, metadata: &str) -> Option<Self> {
        let position: Self = serde_json::from_str(metadata).ok()?;
        let consistent = position.v == 1
            && i64::try_from(position.row) == Ok(offset)
            && position.skipped <= position.row;
        consistent.then_some(position)
    }
}

/// Identity of a file on a port, 16 hex digits.
pub(super) fn identity(port: &str, path: &Path) -> std::io::Result<String> {
    let mut file = std::fs::File::open(path)?;
    let size = file.seek(SeekFrom::End(0))?;
    file.rewind()?;
    let mut head = Vec::new();
    file.take(HEAD).read_to_end(&mut head)?;
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy())
        .unwrap_or_default();
    let mut hasher = Sha256::new();
    for part in [port.as_bytes(), name.as_bytes(), &size.to_be_bytes(), &head] {
        hasher.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hasher.update(part);
    }
    Ok(hex(&hasher.finalize()[..8]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_survive_their_text_and_others_are_not_taken_for_ours() {
        let position = Position {
            v: 1,
            row: 12,
            skipped: 2,
            byte: 300,
            line: 14,
        };
        assert_eq!(Position::decode(12, &position.encode()), Some(position));
        assert_eq!(position.published(), 10);
        let cases = [
            (11, position.encode()),
            (12, position.encode().replace("\"v\":1", "\"v\":2")),
            (
                12,
                position.encode().replace("\"skipped\":2", "\"skipped\":13"),
            ),
            (12, String::new()),
        ];
        for (offset, text) in cases {
            assert_eq!(Position::decode(offset, &text), None, "{offset} {text}");
        }
    }

    #[test]
    fn the_same_file_has_the_same_identity_wherever_it_lies() {
        let (a, b) = (
            tempfile::tempdir().expect("a"),
            tempfile::tempdir().expect("b"),
        );
        let write = |dir: &tempfile::TempDir, name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).expect("written");
            identity("d.p.o.v1", &path).expect("an identity")
        };
        let first = write(&a, "f.csv", "a,b\n1,2\n");
        assert_eq!(first.len(), 16);
        assert_eq!(write(&b, "f.csv", "a,b\n1,2\n"), first);
        assert_ne!(write(&b, "g.csv", "a,b\n1,2\n"), first);
        assert_ne!(write(&b, "f.csv", "a,b\n1,2\n3,4\n"), first);
        assert_ne!(
            identity("d.p.o.v2", &a.path().join("f.csv")).expect("an identity"),
            first
        );
    }
}
