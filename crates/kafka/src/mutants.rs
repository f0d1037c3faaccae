//! Mistakes on purpose, for `scripts/mutants`: each takes one of the data path's precautions away, so that the ledger test
//! can be seen to miss it. Only a build with the feature `mutants` can make them; in every other build [`active`] is the
//! constant `false`, and nothing of them is left.
//!
//! The environment variable `MESHLOG_MUTANT` chooses one by its name. What each stands for: docs/reliability.md.

macro_rules! mutants {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// A mistake.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Mutant {
            $($(#[$doc])* $name,)*
        }

        #[cfg(feature = "mutants")]
        fn named(name: &str) -> Option<Mutant> {
            match name {
                $(stringify!($name) => Some(Mutant::$name),)*
                _ => None,
            }
        }
    };
}

mutants! {
    /// No transaction: each record is visible at once.
    M1,
    /// The consumer commits by itself, not the transaction.
    M2,
    /// No going back after a transaction that was undone.
    M4,
    /// Offsets of what was read, not of what was judged.
    M5,
    /// A group's name in place of a member's generation.
    M6,
    /// The producer is kept, whatever its requests went through.
    M7,
    /// A commit's duration is not looked at, only what the client reports.
    M7b,
    /// What the client reports is not looked at, only a commit's duration.
    M7c,
    /// A connection that the broker's side closes is not reported, nor that all brokers are down, which a cluster of one
    /// says at each such connection and a cluster of several does not.
    M7d,
    /// What was judged is committed when the partitions are taken away.
    M8,
    /// Another transactional id at each start.
    M9,
    /// No reason on what is refused.
    M14,
}

/// Whether this mistake is to be made.
#[cfg(not(feature = "mutants"))]
pub const fn active(_mutant: Mutant) -> bool {
    false
}

/// Whether this mistake is to be made.
///
/// # Panics
/// `MESHLOG_MUTANT` names no mutant: a run would seem to have survived it.
#[cfg(feature = "mutants")]
pub fn active(mutant: Mutant) -> bool {
    static CHOSEN: std::sync::OnceLock<Option<Mutant>> = std::sync::OnceLock::new();
    #[expect(
        clippy::disallowed_methods,
        reason = "no configuration of a mesh, and in no build of one"
    )]
    let chosen = CHOSEN.get_or_init(|| {
        let name = std::env::var("MESHLOG_MUTANT").ok()?;
        Some(named(&name).expect("MESHLOG_MUTANT names a mutant"))
    });
    *chosen == Some(mutant)
}
