//! Units of promises.

/// What a throughput is of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Quantity {
    /// Events.
    Events,
    /// So many bytes.
    Bytes(f64),
}

/// One of a unit of time in ms. A month is 30 days, a year 365.
pub(super) fn time_ms(unit: &str) -> Option<f64> {
    const SECOND: f64 = 1000.0;
    const DAY: f64 = 86_400.0 * SECOND;
    Some(match unit.to_lowercase().as_str() {
        "ms" | "msec" | "millis" | "millisecond" | "milliseconds" => 1.0,
        "s" | "sec" | "secs" | "second" | "seconds" => SECOND,
        "m" | "min" | "mins" | "minute" | "minutes" => 60.0 * SECOND,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3600.0 * SECOND,
        "d" | "day" | "days" => DAY,
        "w" | "week" | "weeks" => 7.0 * DAY,
        "mo" | "month" | "months" => 30.0 * DAY,
        "y" | "yr" | "yrs" | "year" | "years" => 365.0 * DAY,
        _ => return None,
    })
}

/// `%` and its names.
pub(super) fn is_percent(unit: &str) -> bool {
    ["%", "percent", "percentage", "pct"]
        .iter()
        .any(|name| unit.eq_ignore_ascii_case(name))
}

/// A rate, as `events/s`, `rows per minute`, `MB/s`: of what, and in how many ms.
pub(super) fn rate(unit: &str) -> Option<(Quantity, f64)> {
    let unit = unit.to_lowercase().replace(" per ", "/");
    let (what, time) = unit.split_once('/')?;
    let of = match what.trim() {
        "event" | "events" | "row" | "rows" | "record" | "records" | "message" | "messages" => {
            Quantity::Events
        }
        "b" | "byte" | "bytes" => Quantity::Bytes(1.0),
        "kb" => Quantity::Bytes(1e3),
        "mb" => Quantity::Bytes(1e6),
        "gb" => Quantity::Bytes(1e9),
        _ => return None,
    };
    Some((of, time_ms(time.trim())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_as_people_write_them() {
        for unit in ["events/s", "Rows per second", "messages / sec", "records/s"] {
            assert_eq!(rate(unit), Some((Quantity::Events, 1000.0)), "{unit}");
        }
        assert_eq!(rate("MB/h"), Some((Quantity::Bytes(1e6), 3_600_000.0)));
        for unit in ["", "events", "s/events", "events/parsec", "cups/day"] {
            assert_eq!(rate(unit), None, "{unit}");
        }
    }
}
