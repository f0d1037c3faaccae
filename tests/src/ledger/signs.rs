//! What the enforcers' logs say of the run: signs that the faults have had an effect. A run without them proves nothing.

use serde_json::{Value, json};

/// How often each thing happened, over all enforcers and their lives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Signs {
    /// Transactions that were committed, as their enforcers know.
    pub transactions: usize,
    /// Transactions that were given up, or that could not be committed.
    pub aborts: usize,
    /// Transactions of which nothing was known after the commit.
    pub unknown: usize,
    /// Producers that were replaced because a request may have been repeated.
    pub replaced: usize,
    /// Producers whose transactional id somebody else took.
    pub fenced: usize,
    /// Changes of what an enforcer owns.
    pub rebalances: usize,
}

impl Signs {
    /// Counts the lines of a log.
    pub fn of(log: &str) -> Self {
        let count = |all: &[&str]| {
            let holds = |line: &&str| all.iter().all(|text| line.contains(text));
            log.lines().filter(holds).count()
        };
        let failed = "a transaction was not committed";
        Self {
            transactions: count(&["a transaction was committed"]),
            aborts: count(&[failed, "Undone"]) + count(&["an open transaction is given up"]),
            unknown: count(&[failed, "known=Nothing"]),
            replaced: count(&["replacing the producer"]),
            fenced: count(&["data path rests", "Fenced"]),
            rebalances: count(&["owned partitions changed"]),
        }
    }

    /// What did not happen and should have.
    pub fn missing(&self, fenced: Expected) -> Vec<&'static str> {
        let mut missing = Vec::new();
        for (count, name) in [
            (self.transactions, "a transaction"),
            (self.aborts, "an abort"),
            (self.unknown + self.replaced, "an unknown commit"),
            (self.rebalances, "a rebalance"),
        ] {
            if count == 0 {
                missing.push(name);
            }
        }
        if fenced == Expected::Yes && self.fenced == 0 {
            missing.push("a fenced producer");
        }
        missing
    }

    /// As data.
    pub fn json(&self) -> Value {
        json!({
            "transactions": self.transactions, "aborts": self.aborts, "unknown": self.unknown,
            "replaced": self.replaced, "fenced": self.fenced, "rebalances": self.rebalances,
        })
    }
}

/// Whether the run's faults must bring something about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// They must.
    Yes,
    /// They need not.
    No,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_in_which_nothing_happened_is_told() {
        let quiet = Signs::of("DEBUG kafka::tx::client: a transaction was committed\n");
        assert_eq!(quiet.transactions, 1);
        assert_eq!(quiet.missing(Expected::Yes).len(), 4);
        assert_eq!(quiet.missing(Expected::No).len(), 3);
    }
}
