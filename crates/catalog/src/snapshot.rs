//! A copy of the log on disk for a fast start. Never trusted: it is folded again, its hash compared, and its last fact
//! looked up in the topic before anything is served.
//!
//! On disk since v0.1, `projector.snapshot`: the magic line, then big-endian: count of facts (u64), Kafka offset of the
//! last one (i64), state hash (32 bytes), and each fact's value with its length (u32). Another version is another
//! magic line; a file that is not understood is made anew from the topic.

use crate::history::History;
use crate::view::View;
use governance::fact::{Hash, hex};
use governance::log::LogError;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

const MAGIC: &[u8] = b"meshlog-projector-snapshot/v1\n";

/// File name within the directory.
pub const FILE_NAME: &str = "projector.snapshot";

/// A snapshot cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The file cannot be read.
    #[error("the snapshot cannot be read")]
    Read(#[from] std::io::Error),
    /// It is of another version, cut off, or too long.
    #[error("the snapshot is damaged or of another version: {0}")]
    Shape(&'static str),
    /// Its facts do not make a log.
    #[error("the snapshot's facts do not fold")]
    Fold(#[from] LogError),
    /// Its facts make another state than it says.
    #[error("the snapshot says state {expected}, its facts make {found}")]
    Hash {
        /// In the file.
        expected: String,
        /// Folded.
        found: String,
    },
}

/// What a snapshot gives: a view, and where the topic must hold its last fact.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// The fold of its facts.
    pub(crate) view: View,
    /// Kafka offset of its last fact.
    pub(crate) offset: i64,
}

/// Write a snapshot; either the whole of it is there afterwards or the one before.
pub(crate) fn write(
    path: &Path,
    history: &History,
    offset: i64,
    state_hash: &Hash,
) -> std::io::Result<()> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir)?;
    }
    let fresh = path.with_extension("snapshot.new");
    let mut file = BufWriter::new(File::create(&fresh)?);
    file.write_all(MAGIC)?;
    file.write_all(&(history.entries().len() as u64).to_be_bytes())?;
    file.write_all(&offset.to_be_bytes())?;
    file.write_all(state_hash)?;
    for entry in history.entries() {
        let length = u32::try_from(entry.value.len()).map_err(std::io::Error::other)?;
        file.write_all(&length.to_be_bytes())?;
        file.write_all(&entry.value)?;
    }
    file.into_inner()?.sync_all()?;
    std::fs::rename(&fresh, path)?;
    // The rename itself must survive too.
    path.parent()
        .map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}

/// Read a snapshot; `None` when there is none, or an empty one.
///
/// # Errors
/// [`SnapshotError`]: the caller goes on without it.
pub(crate) fn load(path: &Path) -> Result<Option<Loaded>, SnapshotError> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut rest = bytes
        .strip_prefix(MAGIC)
        .ok_or(SnapshotError::Shape("magic line"))?;
    let count = u64::from_be_bytes(take(&mut rest)?);
    let offset = i64::from_be_bytes(take(&mut rest)?);
    let hash: Hash = take(&mut rest)?;
    let mut view = View::default();
    for _ in 0..count {
        let length = u32::from_be_bytes(take(&mut rest)?);
        let length = usize::try_from(length).map_err(|_| SnapshotError::Shape("length"))?;
        let value = rest
            .split_at_checked(length)
            .ok_or(SnapshotError::Shape("cut off"))?;
        view.fold(value.0)?;
        rest = value.1;
    }
    if !rest.is_empty() {
        return Err(SnapshotError::Shape("bytes are left over"));
    }
    let (expected, found) = (hex(&hash), view.state_hash().to_owned());
    if expected != found {
        return Err(SnapshotError::Hash { expected, found });
    }
    Ok((count > 0).then_some(Loaded { view, offset }))
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], SnapshotError> {
    let (head, tail) = rest
        .split_first_chunk::<N>()
        .ok_or(SnapshotError::Shape("cut off"))?;
    *rest = tail;
    Ok(*head)
}

#[cfg(test)]
mod tests {
    use super::*;
    use governance::body::Founded;
    use governance::command::Stamp;
    use governance::event::Event;
    use governance::log::next;

    fn view() -> View {
        let stamp = Stamp {
            time_ms: 1_000,
            actor: "system:governor".to_owned(),
            authenticated_by: "internal".to_owned(),
            proposal_id: "found".to_owned(),
            domain: None,
        };
        let founded = Founded {
            mesh_id: "mesh".to_owned(),
            cluster_id: "c".to_owned(),
            administrators: vec![],
            notary_key: String::new(),
        };
        let mut view = View::default();
        let fact = next(&view.mesh, &stamp, Event::MeshFounded(founded));
        view.fold(&fact.encode()).expect("folds");
        view
    }

    #[test]
    fn a_snapshot_comes_back_and_a_damaged_one_does_not() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("made").join(FILE_NAME);
        assert!(load(&path).expect("none is no error").is_none());

        let view = view();
        write(&path, &view.history, 17, &view.mesh.state_hash()).expect("writes");
        let loaded = load(&path).expect("reads").expect("is there");
        assert_eq!((loaded.offset, &loaded.view.mesh), (17, &view.mesh));

        let good = std::fs::read(&path).expect("reads");
        for (at, _) in good
            .iter()
            .enumerate()
            .filter(|(at, _)| !(38..46).contains(at))
        {
            let mut bad = good.clone();
            bad[at] ^= 1;
            std::fs::write(&path, &bad).expect("writes");
            assert!(load(&path).is_err(), "byte {at} changed and nobody noticed");
        }
        for length in [0, 10, good.len() - 1] {
            std::fs::write(&path, &good[..length]).expect("writes");
            assert!(load(&path).is_err(), "cut at {length}");
        }
    }
}
