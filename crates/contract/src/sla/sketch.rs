//! A histogram of durations with buckets that grow with the value: small, mergeable, wrong by 1/16 at most.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Buckets within each power of two: the error is at most one part in as many. More would only make windows larger.
const STEPS: u64 = 16;
/// The power of two up to which each value has a bucket of its own.
const EXACT: u32 = 4;

/// Counts of whole milliseconds by bucket. A quantile is never below the true one, and above it by 1/16 at most.
///
/// Stored in `<mesh>.observations` since v0.1, as bucket to count: buckets never change their meaning.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sketch(BTreeMap<u16, u64>);

impl Sketch {
    /// Count a value.
    pub fn add(&mut self, value: u64) {
        *self.0.entry(bucket(value)).or_default() += 1;
    }

    /// How many values were counted.
    pub fn count(&self) -> u64 {
        self.0.values().sum()
    }

    /// Whether none was.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The counts of both. Associative and commutative.
    pub fn merge(&mut self, other: &Self) {
        for (bucket, count) in &other.0 {
            *self.0.entry(*bucket).or_default() += count;
        }
    }

    /// The value that `percent` of the values do not exceed; `None` where there are none.
    pub fn quantile(&self, percent: u64) -> Option<u64> {
        let rank = (self.count() * percent).div_ceil(100).max(1);
        let mut below = 0;
        self.0.iter().find_map(|(bucket, count)| {
            below += count;
            (below >= rank).then(|| upper(*bucket))
        })
    }
}

fn bucket(value: u64) -> u16 {
    let index = if value < STEPS {
        value
    } else {
        let exponent = value.ilog2();
        let step = (value >> (exponent - EXACT)) & (STEPS - 1);
        u64::from(exponent - EXACT + 1) * STEPS + step
    };
    u16::try_from(index).expect("64 powers of two have fewer buckets than 2^16")
}

/// The largest value of a bucket.
fn upper(bucket: u16) -> u64 {
    let index = u64::from(bucket);
    if index < STEPS {
        return index;
    }
    // A stored bucket that no value has (damaged bytes) is the largest one.
    let shift = index / STEPS - 1;
    let first = u128::from(STEPS + index % STEPS) << shift.min(64);
    let last = first + (1_u128 << shift.min(64)) - 1;
    u64::try_from(last).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(values: &[u64]) -> Sketch {
        let mut sketch = Sketch::default();
        values.iter().for_each(|value| sketch.add(*value));
        sketch
    }

    #[test]
    fn small_values_are_exact_and_an_empty_sketch_has_no_quantile() {
        assert_eq!(Sketch::default().quantile(99), None);
        for value in 0..32 {
            assert_eq!(of(&[value]).quantile(50), Some(value));
        }
        assert_eq!(of(&(1..=100).collect::<Vec<_>>()).quantile(50), Some(51));
        assert_eq!(of(&[u64::MAX]).quantile(99), Some(u64::MAX));
    }

    #[test]
    fn the_stored_form_stays_as_it_is() {
        let text = serde_json::to_string(&of(&[0, 7, 7, 1000])).expect("writes");
        assert_eq!(text, r#"{"0":1,"7":2,"111":1}"#);
    }

    proptest! {
        #[test]
        fn a_quantile_is_never_below_the_true_one_and_above_it_by_a_sixteenth_at_most(
            mut values in prop::collection::vec(0..10_000_000_u64, 1..200), percent in 1..=100_u64,
        ) {
            let found = of(&values).quantile(percent).expect("has values");
            values.sort_unstable();
            let rank = (values.len() as u64 * percent).div_ceil(100).max(1);
            let truth = values[usize::try_from(rank).expect("small") - 1];
            prop_assert!(found >= truth && found <= truth + truth / STEPS, "{found} for {truth}");
        }

        #[test]
        fn merging_is_counting_together_in_any_order(
            a in prop::collection::vec(any::<u64>(), 0..50), b in prop::collection::vec(any::<u64>(), 0..50),
        ) {
            let mut forth = of(&a);
            forth.merge(&of(&b));
            let mut back = of(&b);
            back.merge(&of(&a));
            let all: Vec<u64> = a.into_iter().chain(b).collect();
            prop_assert_eq!(&forth, &of(&all));
            prop_assert_eq!(forth, back);
        }
    }
}
