//! Which branch of one schema goes with which of another: a matching in a graph of two sides.

/// A largest matching: for each left vertex the right one that it goes with. `edges[left]` lists right vertices, the
/// preferred ones first.
///
/// Each left vertex is tried once, and each trial visits a right vertex at most once.
/// Source: <https://en.wikipedia.org/wiki/Hopcroft%E2%80%93Karp_algorithm>, without its phases.
pub(super) fn largest(edges: &[Vec<usize>], rights: usize) -> Vec<Option<usize>> {
    let mut taken: Vec<Option<usize>> = vec![None; rights];
    for left in 0..edges.len() {
        let mut visited = vec![false; rights];
        place(left, edges, &mut visited, &mut taken);
    }
    let mut chosen = vec![None; edges.len()];
    for (right, left) in taken.iter().enumerate() {
        if let Some(left) = left {
            chosen[*left] = Some(right);
        }
    }
    chosen
}

/// Find a place for `left`, moving others where they have another.
fn place(
    left: usize,
    edges: &[Vec<usize>],
    visited: &mut [bool],
    taken: &mut [Option<usize>],
) -> bool {
    for &right in &edges[left] {
        if visited[right] {
            continue;
        }
        visited[right] = true;
        let free = match taken[right] {
            None => true,
            Some(other) => place(other, edges, visited, taken),
        };
        if free {
            taken[right] = Some(left);
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_makes_room_for_another() {
        assert_eq!(largest(&[vec![0, 1], vec![0]], 2), [Some(1), Some(0)]);
        assert_eq!(largest(&[vec![0], vec![0]], 1), [Some(0), None]);
        assert_eq!(largest(&[vec![], vec![1]], 2), [None, Some(1)]);
    }
}
