//! Logical types: which values of the underlying type they allow, and how a value is written as text.
//!
//! Points in time are allowed within the years 1 to 9999, which RFC 3339 can write; what lies outside is a unit mixed
//! up (seconds for milliseconds, days for a timestamp) and breaks readers that make dates of it.
//! Source: <https://avro.apache.org/docs/1.12.0/specification/#logical-types>

use super::schema::Kind;
use jiff::{SignedDuration, civil};
use serde_json::{Map, Value};
use std::ops::RangeInclusive;

/// Days from 1970-01-01 to 0001-01-01 and to 9999-12-31.
const DAYS: RangeInclusive<i64> = -719_162..=2_932_896;

/// Seconds from 1970-01-01T00:00:00Z to 0001-01-01T00:00:00Z and to 9999-12-31T23:59:59Z.
const SECONDS: RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

const DAY_SECONDS: i64 = 86_400;

/// Decimal digits that always fit an `i128`.
const I128_DIGITS: u32 = 38;

/// Most digits of a decimal that we check; a type with more is left unchecked.
const MAX_PRECISION: u64 = 1_000;

/// The fraction of a second that a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Millis,
    Micros,
    Nanos,
}

impl Unit {
    /// How many there are in a second.
    pub(crate) fn per_second(self) -> i64 {
        match self {
            Unit::Millis => 1_000,
            Unit::Micros => 1_000_000,
            Unit::Nanos => 1_000_000_000,
        }
    }

    fn wall_clock(self, value: i64) -> Option<civil::DateTime> {
        let per_second = self.per_second();
        let nanos = value.rem_euclid(per_second) * (1_000_000_000 / per_second);
        since_epoch(value.div_euclid(per_second), i32::try_from(nanos).ok()?)
    }
}

/// Whether a timestamp is a point in time or a reading of some wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Zone {
    Utc,
    Local,
}

/// The logical types that are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Logical {
    /// Days since the epoch, in an `int`.
    Date,
    /// Time of day, in an `int` (milliseconds) or a `long` (microseconds).
    Time(Unit),
    /// Time since the epoch, in a `long`.
    Timestamp(Unit, Zone),
    /// In a `string` or a `fixed` of 16.
    Uuid,
    /// Unscaled two's complement, big endian, in `bytes` or a `fixed`.
    Decimal { precision: u32, scale: u32 },
    /// Months, days and milliseconds, in a `fixed` of 12.
    Duration,
}

impl Logical {
    /// The logical type of a schema object, `None` when it has none that we know or one that does not fit its type.
    pub(crate) fn of(object: &Map<String, Value>, kind: &Kind) -> Option<Self> {
        use Logical::{Date, Duration, Time, Timestamp, Uuid};
        use Unit::{Micros, Millis, Nanos};
        let name = object.get("logicalType")?.as_str()?;
        Some(match (name, kind) {
            ("date", Kind::Int) => Date,
            ("time-millis", Kind::Int) => Time(Millis),
            ("time-micros", Kind::Long) => Time(Micros),
            ("timestamp-millis", Kind::Long) => Timestamp(Millis, Zone::Utc),
            ("timestamp-micros", Kind::Long) => Timestamp(Micros, Zone::Utc),
            ("timestamp-nanos", Kind::Long) => Timestamp(Nanos, Zone::Utc),
            ("local-timestamp-millis", Kind::Long) => Timestamp(Millis, Zone::Local),
            ("local-timestamp-micros", Kind::Long) => Timestamp(Micros, Zone::Local),
            ("local-timestamp-nanos", Kind::Long) => Timestamp(Nanos, Zone::Local),
            ("uuid", Kind::String) => Uuid,
            ("uuid", Kind::Fixed(fixed)) if fixed.size == 16 => Uuid,
            ("duration", Kind::Fixed(fixed)) if fixed.size == 12 => Duration,
            ("decimal", Kind::Bytes | Kind::Fixed(_)) => return decimal(object),
            _ => return None,
        })
    }

    /// As written in a schema.
    pub(crate) fn describe(self) -> String {
        match self {
            Logical::Date => "date".to_owned(),
            Logical::Time(Unit::Millis) => "time-millis".to_owned(),
            Logical::Time(Unit::Micros | Unit::Nanos) => "time-micros".to_owned(),
            Logical::Timestamp(unit, zone) => {
                let local = if zone == Zone::Local { "local-" } else { "" };
                let unit = match unit {
                    Unit::Millis => "millis",
                    Unit::Micros => "micros",
                    Unit::Nanos => "nanos",
                };
                format!("{local}timestamp-{unit}")
            }
            Logical::Uuid => "uuid".to_owned(),
            Logical::Decimal { precision, scale } => format!("decimal({precision},{scale})"),
            Logical::Duration => "duration".to_owned(),
        }
    }

    /// Whether a number may stand under this logical type.
    #[inline]
    pub(crate) fn allows_number(self, value: i64) -> bool {
        match self {
            Logical::Date => DAYS.contains(&value),
            Logical::Time(unit) => (0..DAY_SECONDS * unit.per_second()).contains(&value),
            Logical::Timestamp(unit, _) => SECONDS.contains(&value.div_euclid(unit.per_second())),
            Logical::Uuid | Logical::Decimal { .. } | Logical::Duration => true,
        }
    }

    /// Whether a text may stand under this logical type.
    #[inline]
    pub(crate) fn allows_text(self, text: &str) -> bool {
        self != Logical::Uuid || is_uuid(text)
    }

    /// Whether bytes may stand under this logical type.
    #[inline]
    pub(crate) fn allows_bytes(self, bytes: &[u8]) -> bool {
        match self {
            Logical::Decimal { precision, .. } => decimal_fits(bytes, precision),
            Logical::Date
            | Logical::Time(_)
            | Logical::Timestamp(..)
            | Logical::Uuid
            | Logical::Duration => true,
        }
    }

    /// A number as RFC 3339 text; `None` when it is outside the type.
    pub(crate) fn number_text(self, value: i64) -> Option<String> {
        if !self.allows_number(value) {
            return None;
        }
        match self {
            Logical::Date => Some(since_epoch(value * DAY_SECONDS, 0)?.date().to_string()),
            Logical::Time(unit) => Some(unit.wall_clock(value)?.time().to_string()),
            Logical::Timestamp(unit, Zone::Utc) => Some(format!("{}Z", unit.wall_clock(value)?)),
            Logical::Timestamp(unit, Zone::Local) => Some(unit.wall_clock(value)?.to_string()),
            Logical::Uuid | Logical::Decimal { .. } | Logical::Duration => None,
        }
    }
}

fn decimal(object: &Map<String, Value>) -> Option<Logical> {
    let precision = object.get("precision")?.as_u64()?;
    let scale = object.get("scale").map_or(Some(0), Value::as_u64)?;
    if precision == 0 || precision > MAX_PRECISION || scale > precision {
        return None;
    }
    Some(Logical::Decimal {
        precision: u32::try_from(precision).ok()?,
        scale: u32::try_from(scale).ok()?,
    })
}

/// A point in time as a UTC wall clock shows it. Civil times, since `jiff::Timestamp` ends a day before the year 9999
/// does, and `9999-12-31T23:59:59Z` is what many write for "no end".
fn since_epoch(seconds: i64, nanos: i32) -> Option<civil::DateTime> {
    civil::DateTime::constant(1970, 1, 1, 0, 0, 0, 0)
        .checked_add(SignedDuration::new(seconds, nanos))
        .ok()
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// The number that `bytes` write as two's complement, if it fits.
fn small_integer(bytes: &[u8]) -> Option<i128> {
    let first = *bytes.first()?;
    let sign = if first >= 0x80 { 0xff } else { 0 };
    let digits = match bytes.iter().position(|&byte| byte != sign) {
        // The byte before the first digit is kept where it carries the sign.
        Some(index) if bytes[index] & 0x80 == sign & 0x80 => &bytes[index..],
        Some(index) => &bytes[index.saturating_sub(1)..],
        None => &bytes[bytes.len() - 1..],
    };
    if digits.len() > 16 {
        return None;
    }
    let mut padded = [sign; 16];
    padded[16 - digits.len()..].copy_from_slice(digits);
    Some(i128::from_be_bytes(padded))
}

fn decimal_fits(bytes: &[u8], precision: u32) -> bool {
    match small_integer(bytes) {
        Some(value) if precision <= I128_DIGITS => value.unsigned_abs() < 10u128.pow(precision),
        Some(_) => true,
        None if bytes.is_empty() || precision <= I128_DIGITS => false,
        // Beyond what a machine word holds: count the digits. No real contract is this wide, so it may allocate.
        None => bytes.len() <= precision as usize && digits_of(bytes).1.len() <= precision as usize,
    }
}

/// Sign and decimal digits of a two's complement number of any size, without leading zeros.
fn digits_of(bytes: &[u8]) -> (bool, String) {
    let negative = bytes.first().is_some_and(|&byte| byte >= 0x80);
    let mut magnitude = bytes.to_vec();
    if negative {
        let mut carry = true;
        for byte in magnitude.iter_mut().rev() {
            (*byte, carry) = (!*byte).overflowing_add(u8::from(carry));
        }
    }
    let mut digits = Vec::new();
    while magnitude.iter().any(|&byte| byte != 0) {
        let mut remainder = 0u16;
        for byte in &mut magnitude {
            let value = remainder << 8 | u16::from(*byte);
            *byte = (value / 10).to_be_bytes()[1];
            remainder = value % 10;
        }
        digits.push(b'0' + remainder.to_be_bytes()[1]);
    }
    if digits.is_empty() {
        digits.push(b'0');
    }
    (negative, digits.into_iter().rev().map(char::from).collect())
}

/// A decimal as text: `-12.50` for the unscaled -1250 at scale 2.
pub(crate) fn decimal_text(bytes: &[u8], scale: u32) -> String {
    let (negative, mut digits) = match small_integer(bytes) {
        Some(value) => (value < 0, value.unsigned_abs().to_string()),
        None => digits_of(bytes),
    };
    let scale = scale as usize;
    if scale > 0 {
        if digits.len() <= scale {
            digits.insert_str(0, &"0".repeat(scale + 1 - digits.len()));
        }
        digits.insert(digits.len() - scale, '.');
    }
    if negative {
        digits.insert(0, '-');
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn texts_are_rfc_3339() {
        assert_eq!(Logical::Date.number_text(0).as_deref(), Some("1970-01-01"));
        assert_eq!(Logical::Date.number_text(-719_163), None);
        let at = Logical::Timestamp(Unit::Millis, Zone::Utc);
        assert_eq!(
            at.number_text(1_357_034_400_500).as_deref(),
            Some("2013-01-01T10:00:00.5Z")
        );
        let wall = Logical::Timestamp(Unit::Micros, Zone::Local);
        assert_eq!(
            wall.number_text(1_357_034_400_000_000).as_deref(),
            Some("2013-01-01T10:00:00")
        );
        assert_eq!(Logical::Time(Unit::Millis).number_text(86_400_000), None);
        assert_eq!(
            Logical::Time(Unit::Millis).number_text(1_000).as_deref(),
            Some("00:00:01")
        );
    }

    #[test]
    fn years_outside_1_to_9999_are_refused() {
        for unit in [Unit::Millis, Unit::Micros] {
            let at = Logical::Timestamp(unit, Zone::Utc);
            let last = (SECONDS.end() + 1) * unit.per_second() - 1;
            assert!(at.allows_number(last) && at.number_text(last).is_some());
            assert!(!at.allows_number(last + 1));
        }
        let nanos = Logical::Timestamp(Unit::Nanos, Zone::Utc);
        assert!(nanos.allows_number(i64::MIN) && nanos.allows_number(i64::MAX));
    }

    #[test]
    fn wide_decimals_are_written_and_bounded() {
        let wide = [vec![1], vec![0; 20]].concat();
        assert_eq!(
            decimal_text(&wide, 0),
            "1461501637330902918203684832716283019655932542976"
        );
        assert!(decimal_fits(&wide, 49) && !decimal_fits(&wide, 48) && !decimal_fits(&wide, 38));
        assert!(!decimal_fits(&[], 5));
        assert_eq!(decimal_text(&[0xff], 2), "-0.01");
    }

    proptest! {
        #[test]
        fn decimal_text_is_the_number(value: i128, padding in 0usize..4) {
            let sign = if value < 0 { 0xff } else { 0 };
            let bytes = [vec![sign; padding], value.to_be_bytes().to_vec()].concat();
            prop_assert_eq!(decimal_text(&bytes, 0), value.to_string());
            let (negative, digits) = digits_of(&bytes);
            prop_assert_eq!((negative, digits), (value < 0, value.unsigned_abs().to_string()));
            let digits = u32::try_from(value.unsigned_abs().to_string().len()).expect("at most 39");
            if digits <= 38 {
                prop_assert!(decimal_fits(&bytes, digits));
                prop_assert!(value == 0 || digits == 1 || !decimal_fits(&bytes, digits - 1));
            }
        }
    }
}
