//! The bytes still to be read, and what can be wrong with them.
//!
//! Everything here is on the hot path: no allocation, and faults are one byte.

/// Why a walk stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The bytes end inside a value, or a length says more than are left.
    Truncated,
    /// A varint longer, or larger, than its type allows.
    Varint,
    /// A negative length or size.
    Negative,
    /// A union or enum index without a branch or symbol.
    Index,
    /// A string that is not UTF-8.
    Utf8,
    /// A boolean that is neither 0 nor 1.
    Boolean,
    /// A block's stated size is not the size of its items.
    BlockSize,
    /// Deeper than we are ready to follow.
    Depth,
    /// More items without bytes than we are ready to count.
    Fuel,
    /// A value outside its logical type.
    Logical,
}

/// Items that take no bytes (an array of null) which one datum may hold in all: without a limit, a dozen bytes could
/// keep us busy for hours. Far more than any real event holds.
const FREE_ITEMS: u64 = 65_536;

/// A reader over the bytes of one datum.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
    free_items: u64,
}

impl<'a> Cursor<'a> {
    #[inline]
    pub(super) fn new(datum: &'a [u8]) -> Self {
        Self {
            rest: datum,
            free_items: FREE_ITEMS,
        }
    }

    #[inline]
    pub(super) fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// What is left to read.
    #[inline]
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    #[inline]
    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Fault> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Fault::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(Fault::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }

    #[inline]
    pub(super) fn boolean(&mut self) -> Result<bool, Fault> {
        match self.array()? {
            [0] => Ok(false),
            [1] => Ok(true),
            _ => Err(Fault::Boolean),
        }
    }

    /// A zigzag varint of at most 64 bits.
    #[inline]
    pub(super) fn long(&mut self) -> Result<i64, Fault> {
        // Most are one or two bytes: lengths, branches, small numbers.
        let z = match *self.rest {
            [a, ref rest @ ..] if a < 0x80 => {
                self.rest = rest;
                u64::from(a)
            }
            [a, b, ref rest @ ..] if b < 0x80 => {
                self.rest = rest;
                u64::from(a & 0x7f) | u64::from(b) << 7
            }
            _ => self.long_varint()?,
        };
        Ok((z >> 1).cast_signed() ^ -((z & 1).cast_signed()))
    }

    fn long_varint(&mut self) -> Result<u64, Fault> {
        let mut z = 0u64;
        for (index, &byte) in self.rest.iter().take(10).enumerate() {
            z |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                // The tenth byte holds the 64th bit only.
                if index == 9 && byte > 1 {
                    return Err(Fault::Varint);
                }
                self.rest = &self.rest[index + 1..];
                return Ok(z);
            }
        }
        Err(if self.rest.len() >= 10 {
            Fault::Varint
        } else {
            Fault::Truncated
        })
    }

    /// A zigzag varint of at most 32 bits.
    #[inline]
    pub(super) fn int(&mut self) -> Result<i32, Fault> {
        let before = self.rest;
        match self.long() {
            Ok(value) if before.len() - self.rest.len() <= 5 => {
                i32::try_from(value).map_err(|_| Fault::Varint)
            }
            Ok(_) => Err(Fault::Varint),
            Err(Fault::Truncated) if before.len() >= 5 => Err(Fault::Varint),
            Err(fault) => Err(fault),
        }
    }

    /// A length that the remaining bytes can hold.
    #[inline]
    pub(super) fn length(&mut self) -> Result<usize, Fault> {
        let length = usize::try_from(self.long()?).map_err(|_| Fault::Negative)?;
        if length > self.rest.len() {
            Err(Fault::Truncated)
        } else {
            Ok(length)
        }
    }

    #[inline]
    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Fault> {
        let length = self.length()?;
        self.take(length)
    }

    #[inline]
    pub(super) fn string(&mut self) -> Result<&'a str, Fault> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Fault::Utf8)
    }

    /// A string that is not looked at: most are ASCII, which takes less to see than that they are UTF-8.
    #[inline]
    pub(super) fn text(&mut self) -> Result<(), Fault> {
        let bytes = self.bytes()?;
        if bytes.is_ascii() || std::str::from_utf8(bytes).is_ok() {
            Ok(())
        } else {
            Err(Fault::Utf8)
        }
    }

    /// The index of a union's branch or an enum's symbol, below `count`.
    #[inline]
    pub(super) fn index(&mut self, count: usize) -> Result<usize, Fault> {
        match usize::try_from(self.long()?) {
            Ok(index) if index < count => Ok(index),
            _ => Err(Fault::Index),
        }
    }

    /// The header of an array's or map's next block: how many items, and the bytes it says they take.
    /// `free` says that an item may take no bytes.
    #[inline]
    pub(super) fn block(&mut self, free: bool) -> Result<Block, Fault> {
        let count = self.long()?;
        let size = if count < 0 {
            Some(self.length()?)
        } else {
            None
        };
        let count = count.unsigned_abs();
        if free {
            self.free_items = self.free_items.checked_sub(count).ok_or(Fault::Fuel)?;
        } else if usize::try_from(count).map_or(true, |count| count > self.rest.len()) {
            return Err(Fault::Truncated);
        }
        Ok(Block {
            count,
            size,
            start: self.rest.len(),
        })
    }

    /// After a block's items: its stated size must be what they took.
    #[inline]
    pub(super) fn end_block(&self, block: &Block) -> Result<(), Fault> {
        match block.size {
            Some(size) if size != block.start - self.rest.len() => Err(Fault::BlockSize),
            _ => Ok(()),
        }
    }
}

/// A block of an array or map.
#[derive(Debug)]
pub(super) struct Block {
    /// Items in it; 0 ends the array or map.
    pub(super) count: u64,
    size: Option<usize>,
    start: usize,
}
