//! Which message of its file a body is: the numbers in front of it.
//!
//! On the path: after [`crate::framing`], before the body. A count and that many indexes, from the outermost message
//! to the innermost, all zigzag varints; the first message of the file, which most are, is the single byte 0.
//! Some old clients wrote the numbers without zigzag: `[1]` of theirs then reads as a count that no message has, or
//! as another message, and is refused or judged as that one; it is never guessed.
//! Source: <https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#wire-format>

use super::parser::{MAX_DEPTH, MAX_TYPES};
use super::wire::{Cursor, Fault};
use crate::verdict::{Code, Reason};

/// The place of a message in its file: its index there, then in the message around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MessageIndexes {
    count: usize,
    indexes: [u32; MAX_DEPTH],
}

impl MessageIndexes {
    /// The first message of a file.
    pub const FIRST: Self = Self {
        count: 1,
        indexes: [0; MAX_DEPTH],
    };

    /// From the outermost message inwards; `None` where there are none, or more than a file may hold.
    pub fn new(indexes: &[u32]) -> Option<Self> {
        let mut found = Self {
            count: indexes.len(),
            indexes: [0; MAX_DEPTH],
        };
        found
            .indexes
            .get_mut(..indexes.len())?
            .copy_from_slice(indexes);
        let small = indexes.iter().all(|index| (*index as usize) < MAX_TYPES);
        (!indexes.is_empty() && small).then_some(found)
    }

    /// The indexes, at least one.
    pub fn as_slice(&self) -> &[u32] {
        &self.indexes[..self.count]
    }

    /// Read them off the front of a body; the rest is the message.
    ///
    /// # Errors
    /// A [`Reason`] where there are none.
    pub fn decode(body: &[u8]) -> Result<(Self, &[u8]), Reason> {
        if let [0, message @ ..] = body {
            return Ok((Self::FIRST, message));
        }
        let mut cursor = Cursor::new(body);
        match Self::read(&mut cursor) {
            Ok(Some(indexes)) => Ok((indexes, cursor.rest())),
            Ok(None) => Err(wrong("numbers that no message of a file has")),
            Err(_) => Err(wrong(&format!("{} bytes that are none", body.len()))),
        }
    }

    fn read(cursor: &mut Cursor<'_>) -> Result<Option<Self>, Fault> {
        let count = zigzag(cursor.varint()?);
        let Some(count) = usize::try_from(count)
            .ok()
            .filter(|count| (1..=MAX_DEPTH).contains(count))
        else {
            return Ok(None);
        };
        let mut indexes = [0; MAX_DEPTH];
        for place in &mut indexes[..count] {
            match u32::try_from(zigzag(cursor.varint()?)) {
                Ok(index) => *place = index,
                Err(_) => return Ok(None),
            }
        }
        Ok(Self::new(&indexes[..count]))
    }

    /// Write them, as short as they may be.
    pub fn encode(&self, out: &mut Vec<u8>) {
        if *self == Self::FIRST {
            out.push(0);
            return;
        }
        let numbers = std::iter::once(self.count as u64)
            .chain(self.as_slice().iter().map(|index| u64::from(*index)));
        for number in numbers {
            prost::encoding::encode_varint(number << 1, out);
        }
    }
}

fn zigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -((number & 1).cast_signed())
}

fn wrong(found: &str) -> Reason {
    Reason::new(
        Code::NotFramed,
        "",
        "message indexes: a count and indexes as zigzag varints",
        found,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_forms_of_the_first_are_read() {
        for body in [&[0, 9][..], &[2, 0, 9]] {
            assert_eq!(
                MessageIndexes::decode(body),
                Ok((MessageIndexes::FIRST, &[9][..]))
            );
        }
        let mut out = Vec::new();
        MessageIndexes::FIRST.encode(&mut out);
        assert_eq!(out, [0]);
    }

    #[test]
    fn a_path_is_read_from_the_outside_inwards() {
        let indexes = MessageIndexes::new(&[1, 0, 300]).expect("a path");
        let mut out = Vec::new();
        indexes.encode(&mut out);
        assert_eq!(out, [6, 2, 0, 0xd8, 0x04]);
    }

    #[test]
    fn hostile_indexes_are_refused() {
        for body in [
            &[][..],
            // Counts: negative, too many, longer than a number.
            &[1],
            &[0xfe, 0xff, 0xff, 0xff, 0x0f],
            &[0x80; 11],
            // Indexes: missing, negative, too large.
            &[2],
            &[2, 1],
            &[2, 0xfe, 0xff, 0xff, 0xff, 0x0f],
        ] {
            let reason = MessageIndexes::decode(body).expect_err("no indexes");
            assert_eq!(reason.code, Code::NotFramed, "{body:02x?}");
        }
        assert_eq!(MessageIndexes::new(&[]), None);
        assert_eq!(MessageIndexes::new(&[0; MAX_DEPTH + 1]), None);
    }

    proptest! {
        #[test]
        fn indexes_round_trip(indexes in prop::collection::vec(0u32..10_000, 1..=MAX_DEPTH), message: Vec<u8>) {
            let indexes = MessageIndexes::new(&indexes).expect("a path");
            let mut body = Vec::new();
            indexes.encode(&mut body);
            body.extend_from_slice(&message);
            prop_assert_eq!(MessageIndexes::decode(&body), Ok((indexes, &message[..])));
        }

        #[test]
        fn no_bytes_make_it_panic(body: Vec<u8>) {
            if let Ok((_, message)) = MessageIndexes::decode(&body) {
                prop_assert!(body.ends_with(message));
            }
        }
    }
}
