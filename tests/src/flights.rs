//! Flights with known counts: the 19 columns of nycflights13, made from a seed.
//!
//! Every row has its number, from 1, in `distance`, so that it is known again wherever it turns up; keys come back, so
//! that order within a key can be seen.

use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// The columns, in the data set's order.
pub const COLUMNS: &str = "year,month,day,dep_time,sched_dep_time,dep_delay,arr_time,sched_arr_time,arr_delay,carrier,\
    flight,tailnum,origin,dest,air_time,distance,hour,minute,time_hour";

/// A file of flights, and what is in it.
#[derive(Debug)]
pub struct Flights {
    /// The file.
    pub path: PathBuf,
    /// Rows without the header.
    pub rows: u64,
    /// Rows in which a column is missing.
    pub missing: BTreeMap<&'static str, u64>,
}

impl Flights {
    /// Writes `rows` flights to `dir`. The same seed makes the same file.
    pub fn generate(dir: &Path, rows: u64, seed: u64) -> Self {
        let path = dir.join(format!("flights-{rows}-{seed}.csv"));
        let file = std::fs::File::create(&path).expect("a file can be made");
        let mut flights = Self {
            path,
            rows,
            missing: BTreeMap::new(),
        };
        let mut numbers = Numbers(seed);
        let mut out = BufWriter::new(file);
        writeln!(out, "{COLUMNS}").expect("writes");
        for row in 1..=rows {
            let line = flights.row(row, &mut numbers);
            writeln!(out, "{line}").expect("writes");
        }
        out.flush().expect("writes");
        flights
    }

    /// Rows that the departures' contract refuses.
    pub fn cancelled(&self) -> u64 {
        self.missing.get("dep_time").copied().unwrap_or_default()
    }

    /// Rows that it accepts.
    pub fn departed(&self) -> u64 {
        self.rows - self.cancelled()
    }

    /// As in the real data: without a departure there is no arrival; some aircraft are not known; some are diverted.
    fn row(&mut self, row: u64, numbers: &mut Numbers) -> String {
        let cancelled = numbers.below(40) == 0;
        let diverted = cancelled || numbers.below(50) == 0;
        let unknown = numbers.below(100) == 0;
        let (hour, minute) = (1 + numbers.below(23), numbers.below(60));
        let day = 1 + numbers.below(28);
        let carrier = ["UA", "AA", "B6", "DL", "EV"][numbers.index(5)];
        let origin = ["EWR", "JFK", "LGA"][numbers.index(3)];
        let flight = 1 + numbers.below(10);
        let delay = numbers.below(60);
        let mut cell = |column: &'static str, missing: bool, value: String| {
            if missing {
                *self.missing.entry(column).or_default() += 1;
                return if row.is_multiple_of(2) {
                    "NA".to_owned()
                } else {
                    String::new()
                };
            }
            value
        };
        let scheduled = hour * 100 + minute;
        let cells = [
            "2013".to_owned(),
            "1".to_owned(),
            day.to_string(),
            cell("dep_time", cancelled, scheduled.to_string()),
            scheduled.to_string(),
            cell("dep_delay", cancelled, delay.to_string()),
            cell("arr_time", cancelled, "830".to_owned()),
            "819".to_owned(),
            cell("arr_delay", diverted, format!("-{delay}")),
            carrier.to_owned(),
            flight.to_string(),
            cell("tailnum", unknown, format!("N{}", 10_000 + row % 4_000)),
            origin.to_owned(),
            "IAH".to_owned(),
            cell("air_time", diverted, "227".to_owned()),
            row.to_string(),
            hour.to_string(),
            minute.to_string(),
            format!("2013-01-{day:02}T{hour:02}:00:00Z"),
        ];
        cells.join(",")
    }
}

/// Numbers that look random and are the same for the same seed: a linear congruential generator.
/// Source: Knuth, The Art of Computer Programming, vol. 2, 3.3.4 (MMIX).
#[derive(Debug)]
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        // The low bits of such a generator repeat early.
        (self.0 >> 33) % limit
    }

    fn index(&mut self, limit: u64) -> usize {
        usize::try_from(self.below(limit)).expect("the limit is small")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_to_be_missing_is_missing() {
        let dir = tempfile::tempdir().expect("a directory");
        let flights = Flights::generate(dir.path(), 2_000, 7);
        let mut reader = csv::Reader::from_path(&flights.path).expect("reads");
        let columns = reader.headers().expect("a header").clone();
        assert_eq!(columns.len(), 19);
        let mut missing: BTreeMap<String, u64> = BTreeMap::new();
        let mut rows = 0;
        for record in reader.records() {
            let record = record.expect("a row");
            rows += 1;
            for (column, cell) in columns.iter().zip(&record) {
                if cell.is_empty() || cell == "NA" {
                    *missing.entry(column.to_owned()).or_default() += 1;
                }
            }
        }
        assert_eq!(rows, flights.rows);
        let expected: BTreeMap<String, u64> = flights
            .missing
            .iter()
            .map(|(column, count)| ((*column).to_owned(), *count))
            .collect();
        assert_eq!(missing, expected);
        assert!(flights.cancelled() > 0 && flights.departed() > 0);
    }
}
