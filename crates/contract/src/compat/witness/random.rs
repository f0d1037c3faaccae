//! Numbers that look random and are the same each time: a pure crate draws none.

/// A generator: xorshift with 64 bits. Source: <https://www.jstatsoft.org/article/view/v008i14>
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new() -> Self {
        // Any number but 0.
        Self(0x2545_F491_4F6C_DD1D)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(super) fn coin(&mut self) -> bool {
        self.next() & (1 << 20) != 0
    }

    /// One of several; `None` of none.
    pub(super) fn pick<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        let count = u64::try_from(all.len()).ok().filter(|count| *count > 0)?;
        all.get(usize::try_from(self.next() % count).ok()?)
    }
}
