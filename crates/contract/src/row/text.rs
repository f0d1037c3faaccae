//! Numbers, dates and decimals from the texts in which files hold them.

use crate::avro::logical::{Logical, Unit, Zone};
use jiff::civil::{Date, DateTime, Time};
use jiff::fmt::temporal::{Pieces, PiecesOffset};

/// A whole number; `517.0` is one too: spreadsheets and data frames write so where a column has gaps.
pub(super) fn integer(text: &str) -> Option<i64> {
    let whole = match text.split_once('.') {
        Some((whole, zeros)) if !zeros.is_empty() && zeros.bytes().all(|b| b == b'0') => whole,
        Some(_) => return None,
        None => text,
    };
    whole.parse().ok()
}

/// A finite number.
pub(super) fn real(text: &str) -> Option<f64> {
    // `parse` would take `inf` and `nan` too, in many spellings.
    let starts_well = text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c));
    text.parse()
        .ok()
        .filter(|number: &f64| starts_well && number.is_finite())
}

pub(super) fn boolean(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// A date, time or timestamp in RFC 3339 as the number that a logical type counts; a plain number is taken as it is.
pub(super) fn logical_number(logical: Logical, text: &str) -> Option<i64> {
    let number = match logical {
        Logical::Date => date(text),
        Logical::Time(unit) => time(text, unit),
        Logical::Timestamp(unit, zone) => timestamp(text, unit, zone),
        Logical::Uuid | Logical::Decimal { .. } | Logical::Duration => None,
    };
    number
        .or_else(|| integer(text))
        .filter(|number| logical.allows_number(*number))
}

fn date(text: &str) -> Option<i64> {
    let date: Date = text.parse().ok()?;
    seconds_since_epoch(date.to_datetime(Time::midnight())).map(|seconds| seconds / 86_400)
}

fn time(text: &str, unit: Unit) -> Option<i64> {
    let time: Time = text.parse().ok()?;
    let seconds = i64::from(time.hour()) * 3600 + i64::from(time.minute()) * 60;
    count(
        seconds + i64::from(time.second()),
        time.subsec_nanosecond(),
        unit,
    )
}

/// A point in time needs its offset from UTC; a wall clock's reading must have none.
fn timestamp(text: &str, unit: Unit, zone: Zone) -> Option<i64> {
    // Not by `jiff::Timestamp`, which ends a day before the year 9999 does.
    let pieces = Pieces::parse(text).ok()?;
    let clock = DateTime::from_parts(pieces.date(), pieces.time()?);
    let offset = match (zone, pieces.offset()) {
        (Zone::Utc, Some(PiecesOffset::Zulu)) | (Zone::Local, None) => 0,
        (Zone::Utc, Some(PiecesOffset::Numeric(numeric))) => numeric.offset().seconds(),
        _ => return None,
    };
    let seconds = seconds_since_epoch(clock)? - i64::from(offset);
    count(seconds, clock.subsec_nanosecond(), unit)
}

fn seconds_since_epoch(clock: DateTime) -> Option<i64> {
    let epoch = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
    let whole = clock.with().subsec_nanosecond(0).build().ok()?;
    Some(whole.duration_since(epoch).as_secs())
}

fn count(seconds: i64, nanos: i32, unit: Unit) -> Option<i64> {
    let per_second = unit.per_second();
    let fraction = i64::from(nanos) / (1_000_000_000 / per_second);
    seconds.checked_mul(per_second)?.checked_add(fraction)
}

/// A decimal such as `-12.5` as its unscaled number, two's complement, big endian, shortest; `None` when it has
/// more digits after the point than the scale, or more than an `i128` holds.
pub(super) fn decimal(text: &str, scale: u32) -> Option<Vec<u8>> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let fraction = fraction.trim_end_matches('0');
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let missing = scale.checked_sub(u32::try_from(fraction.len()).ok()?)?;
    if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let unscaled: i128 = format!("{whole}{fraction}").parse().ok()?;
    let unscaled = unscaled.checked_mul(10i128.checked_pow(missing)?)? * sign;
    Some(shortest(unscaled))
}

fn shortest(number: i128) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    let sign = if number < 0 { 0xff } else { 0 };
    let mut start = 0;
    while start < 15 && bytes[start] == sign && (bytes[start + 1] ^ sign) < 0x80 {
        start += 1;
    }
    bytes[start..].to_vec()
}

/// Whether a text is a number as JSON writes it, to be passed on to the last digit.
pub(super) fn is_json_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let mantissa = mantissa.strip_prefix('-').unwrap_or(mantissa);
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent
            .is_none_or(|exponent| digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::avro::logical::decimal_text;
    use proptest::prelude::*;

    #[test]
    fn times_are_read_as_rfc_3339() {
        let at = Logical::Timestamp(Unit::Millis, Zone::Utc);
        for (text, number) in [
            ("2013-01-01T10:00:00Z", Some(1_357_034_400_000)),
            ("2013-01-01T11:00:00.5+01:00", Some(1_357_034_400_500)),
            ("1969-12-31T23:59:59.999Z", Some(-1)),
            ("9999-12-31T23:59:59.999Z", Some(253_402_300_799_999)),
            ("2013-01-01T10:00:00", None),
            ("2013-01-01", None),
            ("1357034400000", Some(1_357_034_400_000)),
            ("yesterday", None),
        ] {
            assert_eq!(logical_number(at, text), number, "{text}");
        }
        let wall = Logical::Timestamp(Unit::Micros, Zone::Local);
        assert_eq!(logical_number(wall, "1970-01-01T00:00:01"), Some(1_000_000));
        assert_eq!(logical_number(wall, "1970-01-01T00:00:01Z"), None);
        assert_eq!(logical_number(Logical::Date, "2013-01-01"), Some(15_706));
        assert_eq!(logical_number(Logical::Date, "2013-02-30"), None);
        assert_eq!(
            logical_number(Logical::Time(Unit::Micros), "00:00:01.5"),
            Some(1_500_000)
        );
    }

    #[test]
    fn numbers_are_read_without_loss() {
        for (text, number) in [
            ("517", Some(517)),
            ("-3.0", Some(-3)),
            ("1.5", None),
            ("1.", None),
            ("x", None),
        ] {
            assert_eq!(integer(text), number, "{text}");
        }
        for text in ["nan", "inf", "-infinity", "1e999", "", "0x1"] {
            assert_eq!(real(text), None, "{text}");
        }
        for (text, is) in [
            ("1", true),
            ("-0.5e+7", true),
            ("01", false),
            ("+1", false),
            (".5", false),
            ("1.", false),
            ("1e", false),
        ] {
            assert_eq!(is_json_number(text), is, "{text}");
        }
    }

    #[test]
    fn decimals_beyond_the_scale_are_refused() {
        assert_eq!(decimal("12.5", 2), Some(vec![0x04, 0xe2]));
        assert_eq!(decimal("-0.01", 2), Some(vec![0xff]));
        assert_eq!(decimal("1.500", 1), Some(vec![15]));
        for text in ["1.55", "", ".", "1e3", "--1", "-+1"] {
            assert_eq!(decimal(text, 1), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn decimals_round_trip(number: i64, scale in 0u32..10) {
            let bytes = shortest(i128::from(number));
            let text = decimal_text(&bytes, scale);
            prop_assert_eq!(decimal(&text, scale), Some(bytes), "{}", text);
        }

        #[test]
        fn timestamps_round_trip(number in -62_135_596_800_000_000i64..253_402_300_800_000_000) {
            for zone in [Zone::Utc, Zone::Local] {
                let at = Logical::Timestamp(Unit::Micros, zone);
                let text = at.number_text(number).expect("in range");
                prop_assert_eq!(logical_number(at, &text), Some(number), "{}", text);
            }
        }
    }
}
