//! Counters that are exact because they travel with the offsets: the text of a committed offset.
//!
//! On disk since v0.1, in `__consumer_offsets`. Never change what `v1` means: add a version. UTF-8 only, since
//! rust-rdkafka panics on anything else.

use std::fmt;

/// What was done with one inbox partition since its port was created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Governance position that the last transaction judged by.
    pub seq: u64,
    /// Records read.
    pub inbox: u64,
    /// Of these, records written to the product topic.
    pub accepted: u64,
    /// Of these, records written to the quarantine topic.
    pub quarantined: u64,
    /// Of the accepted, those that shadow mode let through.
    pub shadowed: u64,
}

impl Progress {
    /// The counters of two partitions added up, with the later position.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            seq: self.seq.max(other.seq),
            inbox: self.inbox + other.inbox,
            accepted: self.accepted + other.accepted,
            quarantined: self.quarantined + other.quarantined,
            shadowed: self.shadowed + other.shadowed,
        }
    }

    /// What was added since an earlier one.
    #[must_use]
    pub fn minus(&self, earlier: &Self) -> Self {
        Self {
            seq: self.seq,
            inbox: self.inbox.saturating_sub(earlier.inbox),
            accepted: self.accepted.saturating_sub(earlier.accepted),
            quarantined: self.quarantined.saturating_sub(earlier.quarantined),
            shadowed: self.shadowed.saturating_sub(earlier.shadowed),
        }
    }
}

/// The text of a committed offset is not one of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a progress text of version 1")]
pub struct UnreadableProgress(pub String);

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            seq,
            inbox,
            accepted,
            quarantined,
            shadowed,
        } = self;
        write!(f, "v1 seq={seq} in={inbox} ok={accepted} q={quarantined}")?;
        if *shadowed > 0 {
            write!(f, " sh={shadowed}")?;
        }
        Ok(())
    }
}

/// Read the text of a committed offset. The empty text, which is what an operator's tool leaves that sets an offset, is
/// a new beginning.
///
/// # Errors
/// [`UnreadableProgress`]: it was written by a newer version, or by somebody else.
pub fn parse_progress(text: &str) -> Result<Progress, UnreadableProgress> {
    if text.is_empty() {
        return Ok(Progress::default());
    }
    let unreadable = || UnreadableProgress(text.chars().take(80).collect());
    let fields = text.strip_prefix("v1 ").ok_or_else(unreadable)?;
    let mut progress = Progress::default();
    let mut seen = 0_u32;
    for field in fields.split(' ') {
        let (name, number) = field.split_once('=').ok_or_else(unreadable)?;
        let number: u64 = number.parse().map_err(|_| unreadable())?;
        let (slot, bit) = match name {
            "seq" => (&mut progress.seq, 1),
            "in" => (&mut progress.inbox, 2),
            "ok" => (&mut progress.accepted, 4),
            "q" => (&mut progress.quarantined, 8),
            "sh" => (&mut progress.shadowed, 0),
            _ => return Err(unreadable()),
        };
        *slot = number;
        seen |= bit;
    }
    if seen == 15 {
        Ok(progress)
    } else {
        Err(unreadable())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_text_of_version_one_stays_as_it_is() {
        let golden = "v1 seq=12 in=100 ok=90 q=10";
        let progress = Progress {
            seq: 12,
            inbox: 100,
            accepted: 90,
            quarantined: 10,
            shadowed: 0,
        };
        assert_eq!(progress.to_string(), golden);
        assert_eq!(parse_progress(golden), Ok(progress));
        let shadow = Progress {
            shadowed: 7,
            ..progress
        };
        assert_eq!(shadow.to_string(), "v1 seq=12 in=100 ok=90 q=10 sh=7");
        assert_eq!(
            parse_progress("v1 seq=12 in=100 ok=90 q=10 sh=7"),
            Ok(shadow)
        );
    }

    #[test]
    fn an_empty_text_is_a_new_beginning_and_a_foreign_one_is_not() {
        assert_eq!(parse_progress(""), Ok(Progress::default()));
        for foreign in [
            "v2 seq=1",
            "v1 seq=1",
            "hello",
            "v1 seq=1 in=1 ok=1 q=-1",
            "v1 ",
        ] {
            assert!(
                parse_progress(foreign).is_err(),
                "{foreign} should be refused"
            );
        }
    }

    proptest! {
        #[test]
        fn any_progress_round_trips(seq: u64, inbox: u64, accepted: u64, quarantined: u64, shadowed: u64) {
            let progress = Progress { seq, inbox, accepted, quarantined, shadowed };
            prop_assert_eq!(parse_progress(&progress.to_string()), Ok(progress));
        }
    }
}
