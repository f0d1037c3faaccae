//! The Merkle tree of RFC 6962 over the facts: its root is what an auditor compares.
//!
//! Leaf i is the fact with `seq` i. The tree is kept as the roots of its perfect subtrees, one per set bit of the
//! size, so that appending is O(log n) and a root of n facts needs no list of n hashes.
//! Source: RFC 6962, section 2.1.

use crate::fact::Hash;
use sha2::{Digest, Sha256};

/// A growing tree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Merkle {
    size: u64,
    /// Roots of perfect subtrees, largest first.
    peaks: Vec<Hash>,
}

impl Merkle {
    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Append a leaf, given as its leaf hash.
    pub fn push(&mut self, leaf: Hash) {
        let mut node = leaf;
        // Each trailing one bit of the size is a perfect subtree that the new leaf completes.
        for _ in 0..self.size.trailing_ones() {
            let left = self.peaks.pop().expect("one peak per set bit of the size");
            node = node_hash(&left, &node);
        }
        self.peaks.push(node);
        self.size += 1;
    }

    /// The root; SHA-256 of nothing for an empty tree.
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        match peaks.next() {
            None => Sha256::digest([]).into(),
            Some(last) => peaks.fold(*last, |right, left| node_hash(left, &right)),
        }
    }
}

fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([1]);
    hasher.update(left);
    hasher.update(right);
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fact::{hex, leaf_hash};

    /// The definition of RFC 6962, written down as it stands there.
    fn by_definition(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => Sha256::digest([]).into(),
            [leaf] => *leaf,
            _ => {
                let split = leaves.len().next_power_of_two() / 2;
                let (left, right) = leaves.split_at(split);
                node_hash(&by_definition(left), &by_definition(right))
            }
        }
    }

    #[test]
    fn roots_are_those_of_the_definition_for_all_sizes_up_to_300() {
        let leaves: Vec<Hash> = (0..300_u32).map(|i| leaf_hash(&i.to_be_bytes())).collect();
        let mut tree = Merkle::default();
        for size in 0..leaves.len() {
            assert_eq!(tree.root(), by_definition(&leaves[..size]), "size {size}");
            tree.push(leaves[size]);
        }
    }

    #[test]
    fn published_vectors_hold() {
        // Test vectors of the Certificate Transparency reference implementation.
        let inputs: [&[u8]; 3] = [b"", &[0x00], &[0x10]];
        let roots = [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        ];
        let mut tree = Merkle::default();
        assert_eq!(
            hex(&tree.root()),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        for (input, root) in inputs.iter().zip(roots) {
            tree.push(leaf_hash(input));
            assert_eq!(hex(&tree.root()), root);
        }
    }
}
