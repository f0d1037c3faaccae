//! Events made from a seed and a number, each with the verdict that it must get.
//!
//! The same seed and number make the same event, but for its key's sequence, which counts what was made before it.

use kafka::{Header, Outgoing};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fmt::Write;

/// The header by which an event is known wherever it turns up; a tombstone holds nothing else.
pub const NUMBER: &str = "ledger-n";

/// Keys. Few enough that each comes back often, so that order within a key can be seen.
const KEYS: u64 = 200;

/// An event, and what must become of it.
#[derive(Debug, Clone)]
pub struct Event {
    /// Its number in the run, from 0.
    pub number: u64,
    /// `None` in an event that breaks the contract by it.
    pub key: Option<String>,
    /// How many events of its key came before it.
    pub sequence: u64,
    /// `None` is a tombstone.
    pub value: Option<Vec<u8>>,
    /// `ok`, or the code of the reason for which it must be refused.
    pub expected: &'static str,
}

impl Event {
    /// SHA-256 of the value in hexadecimal, or `null`.
    pub fn digest(&self) -> String {
        let Some(value) = &self.value else {
            return "null".to_owned();
        };
        let sum = Sha256::digest(value);
        sum.iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").expect("writing to a string does not fail");
            text
        })
    }

    /// The event as it is sent.
    pub fn outgoing(&self, topic: &str) -> Outgoing {
        Outgoing {
            topic: topic.to_owned(),
            key: self.key.clone().map(String::into_bytes),
            value: self.value.clone(),
            headers: vec![Header::new(NUMBER, self.number.to_string())],
            ..Outgoing::default()
        }
    }
}

/// Ids of the schemas of the contract's versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schemas {
    /// Of 1.0.0.
    pub first: u32,
    /// Of 1.1.0, once it is active.
    pub second: Option<u32>,
}

/// Makes the events of one run.
#[derive(Debug)]
pub struct Events {
    seed: u64,
    next: u64,
    sequences: HashMap<u64, u64>,
}

impl Events {
    /// The events of a seed, from the first on.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            next: 0,
            sequences: HashMap::new(),
        }
    }

    /// The next one: 80 % good, 15 % wrong in a known way, 3 % no Avro at all, 2 % of odd kinds.
    pub fn next(&mut self, schemas: Schemas) -> Event {
        let number = self.next;
        self.next += 1;
        let mut dice = Dice(self.seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        // The smaller of two: some keys come much more often than others.
        let key = dice.below(KEYS).min(dice.below(KEYS));
        let kind = dice.below(1_000);
        let sequence = self.sequences.entry(key).or_default();
        *sequence += 1;
        let body = Body {
            number,
            key,
            sequence: *sequence,
        };
        body.event(kind, &mut dice, schemas)
    }

    /// A good one, to see whether events pass.
    pub fn probe(&mut self, schemas: Schemas) -> Event {
        loop {
            let event = self.next(schemas);
            if event.expected == "ok" {
                return event;
            }
        }
    }
}

struct Body {
    number: u64,
    key: u64,
    sequence: u64,
}

impl Body {
    fn event(self, kind: u64, dice: &mut Dice, schemas: Schemas) -> Event {
        let key = format!("k{}", self.key);
        let good = |dice: &mut Dice| {
            let second = schemas.second.filter(|_| dice.below(2) == 0);
            self.avro(&key, dice, second.unwrap_or(schemas.first), second)
        };
        let (value, expected) = match kind {
            // Every byte that a schema's prefix does not begin with.
            800..830 => {
                let first = u8::try_from(1 + dice.below(255)).unwrap_or(1);
                (Some([&[first][..], &dice.bytes()].concat()), "MESH-1001")
            }
            830..835 => {
                let id = 0x7fff_0000 + u32::try_from(dice.below(9)).unwrap_or_default();
                (Some(self.avro(&key, dice, id, None)), "MESH-1002")
            }
            835..895 => {
                let mut value = self.avro(&key, dice, schemas.first, None);
                value.pop();
                (Some(value), "MESH-1003")
            }
            895..955 => {
                let mut value = self.avro(&key, dice, schemas.first, None);
                value.push(0);
                (Some(value), "MESH-1004")
            }
            955..970 => (None, "MESH-1010"),
            970..980 => (Some(Vec::new()), "MESH-1011"),
            980..990 => (Some(good(dice)), "MESH-1012"),
            _ => (Some(good(dice)), "ok"),
        };
        Event {
            number: self.number,
            key: (expected != "MESH-1012").then_some(key),
            sequence: self.sequence,
            value,
            expected,
        }
    }

    /// The fields of the contract in their order, framed.
    fn avro(&self, key: &str, dice: &mut Dice, id: u32, note: Option<u32>) -> Vec<u8> {
        let mut value = vec![0];
        value.extend(id.to_be_bytes());
        string(&mut value, key.as_bytes());
        long(&mut value, self.number);
        long(&mut value, self.sequence);
        string(&mut value, &dice.bytes());
        if note.is_some() {
            // The second branch of `null, string`.
            long(&mut value, 1);
            string(&mut value, b"since 1.1.0");
        }
        value
    }
}

/// Source: <https://avro.apache.org/docs/1.12.0/specification/#primitive-types-1>, zigzag and varint.
fn long(to: &mut Vec<u8>, number: u64) {
    let mut rest = number << 1;
    while rest >= 0x80 {
        to.push(u8::try_from(rest & 0x7f).unwrap_or_default() | 0x80);
        rest >>= 7;
    }
    to.push(u8::try_from(rest).unwrap_or_default());
}

fn string(to: &mut Vec<u8>, text: &[u8]) {
    long(to, text.len() as u64);
    to.extend(text);
}

/// Numbers that look random and follow from a seed: SplitMix64.
/// Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014.
#[derive(Debug, Clone)]
pub struct Dice(pub u64);

impl Dice {
    /// The next number.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below a limit.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.roll() % limit
    }

    /// One of several.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        let index = usize::try_from(self.below(from.len() as u64)).unwrap_or_default();
        &from[index]
    }

    /// Letters, 20 to 220 of them.
    fn bytes(&mut self) -> Vec<u8> {
        let length = 20 + self.below(200);
        (0..length)
            .map(|_| b'a' + u8::try_from(self.below(26)).unwrap_or_default())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMAS: Schemas = Schemas {
        first: 1,
        second: Some(2),
    };

    #[test]
    fn a_seed_makes_the_same_events_again_and_another_seed_others() {
        let of = |seed| {
            let mut events = Events::new(seed);
            let events = (0..500).map(|_| events.next(SCHEMAS).digest());
            events.collect::<Vec<_>>()
        };
        assert_eq!(of(7), of(7));
        assert_ne!(of(7), of(8));
    }

    #[test]
    fn every_kind_comes_and_most_are_good() {
        let mut events = Events::new(1);
        let mut kinds: HashMap<&str, u64> = HashMap::new();
        for _ in 0..20_000 {
            *kinds.entry(events.next(SCHEMAS).expected).or_default() += 1;
        }
        assert_eq!(kinds.len(), 8, "{kinds:?}");
        assert!((15_800..16_600).contains(&kinds["ok"]), "{kinds:?}");
    }
}
