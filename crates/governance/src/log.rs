//! Reading the log: every fact must extend the one before.
//!
//! Used alike by the governor (before it writes), the projector, the enforcer and `audit verify`: a record that does
//! not extend the head stops the reader, which names the position and goes on serving its last good view.

use crate::fact::{Fact, FactError, Hash, hex};
use crate::mesh::Mesh;

/// A record does not extend the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// It is not a fact that this build can read.
    #[error("record at position {seq} cannot be read")]
    Unreadable {
        /// Position at which a fact was due.
        seq: u64,
        /// Why.
        #[source]
        source: FactError,
    },
    /// Its `seq` is not the next one.
    #[error("gap or fork: position {expected} is due, the record says {found}")]
    Gap {
        /// Position due.
        expected: u64,
        /// Position found.
        found: u64,
    },
    /// Its `prev_hash` is not the hash of the fact before.
    #[error(
        "position {seq} does not follow the fact before it: prev_hash {found}, expected {expected}"
    )]
    Chain {
        /// Position.
        seq: u64,
        /// Hash of the fact before.
        expected: String,
        /// Hash in the record.
        found: String,
    },
    /// Its time lies before the fact before.
    #[error("position {seq} goes back in time: {found} ms after {expected} ms")]
    Time {
        /// Position.
        seq: u64,
        /// Time of the fact before, ms.
        expected: i64,
        /// Time in the record, ms.
        found: i64,
    },
    /// The first fact is not the founding, or a later one is.
    #[error("position {seq}: `mesh.founded` stands at position 0 and nowhere else")]
    Founding {
        /// Position.
        seq: u64,
    },
    /// A numbered invariant does not hold after this fact.
    #[error("position {seq} breaks {invariant}: {what}")]
    Invariant {
        /// Position.
        seq: u64,
        /// Its number.
        invariant: &'static str,
        /// What is wrong.
        what: String,
    },
}

impl LogError {
    /// The first position that is not good.
    pub fn seq(&self) -> u64 {
        match self {
            LogError::Unreadable { seq, .. }
            | LogError::Chain { seq, .. }
            | LogError::Time { seq, .. }
            | LogError::Founding { seq }
            | LogError::Invariant { seq, .. } => *seq,
            LogError::Gap { expected, .. } => *expected,
        }
    }
}

/// Check a record against the state and decode it; the state is not changed.
///
/// # Errors
/// [`LogError`] says what is wrong with the record.
pub fn check(mesh: &Mesh, value: &[u8]) -> Result<Fact, LogError> {
    let seq = mesh.size;
    let fact = Fact::decode(value).map_err(|source| LogError::Unreadable { seq, source })?;
    if fact.seq != seq {
        return Err(LogError::Gap {
            expected: seq,
            found: fact.seq,
        });
    }
    let expected = if seq == 0 {
        hex(&Hash::default())
    } else {
        mesh.last_hash.clone()
    };
    let found = hex(&fact.prev_hash);
    if found != expected {
        return Err(LogError::Chain {
            seq,
            expected,
            found,
        });
    }
    if fact.time_ms < mesh.last_time_ms {
        let (expected, found) = (mesh.last_time_ms, fact.time_ms);
        return Err(LogError::Time {
            seq,
            expected,
            found,
        });
    }
    let founding = matches!(fact.event, crate::event::Event::MeshFounded(_));
    if founding != (seq == 0) {
        return Err(LogError::Founding { seq });
    }
    Ok(fact)
}

/// Check a record and fold it.
///
/// # Errors
/// [`LogError`]; the state is then as before.
pub fn fold(mesh: &mut Mesh, value: &[u8]) -> Result<Fact, LogError> {
    let fact = check(mesh, value)?;
    if let Some((invariant, what)) = crate::invariants::first_broken_by(mesh, &fact) {
        return Err(LogError::Invariant {
            seq: fact.seq,
            invariant,
            what,
        });
    }
    mesh.apply(&fact, value);
    Ok(fact)
}

/// The next fact after a state: `seq`, `prev_hash` and a time that does not go back.
pub fn next(mesh: &Mesh, stamp: &crate::command::Stamp, event: crate::event::Event) -> Fact {
    let mut prev_hash = Hash::default();
    for (byte, pair) in prev_hash
        .iter_mut()
        .zip(mesh.last_hash.as_bytes().chunks(2))
    {
        let text = std::str::from_utf8(pair).expect("the state's hash is hex");
        *byte = u8::from_str_radix(text, 16).expect("the state's hash is hex");
    }
    Fact {
        seq: mesh.size,
        prev_hash,
        time_ms: stamp.time_ms.max(mesh.last_time_ms),
        actor: stamp.actor.clone(),
        authenticated_by: stamp.authenticated_by.clone(),
        proposal_id: stamp.proposal_id.clone(),
        event,
    }
}
