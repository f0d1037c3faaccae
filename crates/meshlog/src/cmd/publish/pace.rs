//! `--rate`: rows per second, kept over the whole run.

use std::time::{Duration, Instant};

/// Longest wait in one piece, so that a stop is heard.
const PIECE: Duration = Duration::from_millis(50);

/// When the next row may go.
#[derive(Debug)]
pub(super) struct Pace {
    rate: Option<f64>,
    start: Option<(Instant, u64)>,
}

impl Pace {
    /// A pace of so many rows per second, or as fast as it goes.
    pub(super) fn new(rate: Option<f64>) -> Self {
        Self { rate, start: None }
    }

    /// How long to wait before the row after `row` rows; `None` = it may go.
    pub(super) fn wait(&mut self, row: u64) -> Option<Duration> {
        let rate = self.rate?;
        let (start, first) = *self.start.get_or_insert_with(|| (Instant::now(), row));
        delay(rate, row.saturating_sub(first), start.elapsed())
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a rate is not exact, and no run has 2^53 rows"
)]
fn delay(rate: f64, sent: u64, elapsed: Duration) -> Option<Duration> {
    let due = Duration::try_from_secs_f64(sent as f64 / rate).unwrap_or(Duration::MAX);
    let wait = due.checked_sub(elapsed).filter(|wait| !wait.is_zero())?;
    Some(wait.min(PIECE))
}

/// `100`, `100/s`, `0.5/s`.
pub(super) fn parse(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix("/s").unwrap_or(text);
    match number.parse::<f64>() {
        Ok(rate) if rate.is_finite() && rate > 0.0 => Ok(rate),
        Ok(_) | Err(_) => Err("expected rows per second, as 500/s".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_wait_for_their_time_and_no_longer_than_a_piece() {
        let ms = Duration::from_millis;
        assert_eq!(delay(10.0, 0, ms(0)), None);
        assert_eq!(delay(100.0, 1, ms(0)), Some(ms(10)));
        assert_eq!(delay(100.0, 1, ms(10)), None);
        assert_eq!(delay(0.001, 1, ms(0)), Some(PIECE));
        assert_eq!(parse("0.5/s"), Ok(0.5));
        for bad in ["", "0", "-1/s", "fast", "inf", "1/m"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
