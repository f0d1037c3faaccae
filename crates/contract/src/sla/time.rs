//! The event-time field of an event, as a moment.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::Value;

/// Whole numbers below this are seconds since the epoch, from it on milliseconds: it is the year 5138 in seconds and
/// 1973 in milliseconds.
const FIRST_MS: i64 = 100_000_000_000;

/// A time in RFC 3339, a date and time without an offset (taken for UTC), or a whole number since the epoch; UTC ms.
pub(super) fn millis(value: &Value) -> Option<i64> {
    match value {
        Value::String(text) => {
            let instant = text.parse::<jiff::Timestamp>().ok();
            let local = || {
                let local = text.parse::<DateTime>().ok()?;
                Some(local.to_zoned(TimeZone::UTC).ok()?.timestamp())
            };
            instant.or_else(local).map(jiff::Timestamp::as_millisecond)
        }
        Value::Number(number) => {
            let number = number.as_i64()?;
            if number.unsigned_abs() < FIRST_MS.unsigned_abs() {
                number.checked_mul(1000)
            } else {
                Some(number)
            }
        }
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn times_are_read_in_the_forms_that_events_have() {
        let table = [
            (
                json!("2026-09-21T14:00:00.250Z"),
                Some(1_790_000_000_250 - 800_000 + 800_000),
            ),
            (
                json!("2026-09-21T16:00:00.25+02:00"),
                Some(1_790_000_000_250),
            ),
            (json!("2026-09-21T14:00:00.25"), Some(1_790_000_000_250)),
            (json!(1_790_000_000_i64), Some(1_790_000_000_000)),
            (json!(1_790_000_000_250_i64), Some(1_790_000_000_250)),
            (json!("yesterday"), None),
            (json!(null), None),
            (json!(1.5), None),
        ];
        let start = 1_790_000_000_250;
        for (value, expected) in table {
            let found = millis(&value);
            let text = value.is_string();
            match expected {
                Some(ms) if !text => assert_eq!(found, Some(ms), "{value}"),
                Some(_) => assert!(
                    found.is_some_and(|ms| (ms - start).abs() < 3_600_000),
                    "{value}: {found:?}"
                ),
                None => assert_eq!(found, None, "{value}"),
            }
        }
    }
}
