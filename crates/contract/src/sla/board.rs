//! The windows of all ports, as the records of `<mesh>.observations` tell of them: the partitions of a window added up.

use super::window::{Consumer, Figures, KEPT_MS, OBSERVATION_VERSION, Observation};
use std::collections::{BTreeMap, BTreeSet};

/// What has been observed, of the last day.
#[derive(Debug, Clone, Default)]
pub struct Board {
    ports: BTreeMap<String, PortBoard>,
    unreadable: u64,
}

#[derive(Debug, Clone, Default)]
struct PortBoard {
    windows: BTreeMap<i64, Merged>,
    consumers: BTreeMap<String, Consumer>,
}

/// A window, of the partitions that were reported so far.
#[derive(Debug, Clone)]
struct Merged {
    length_ms: i64,
    contract: String,
    partitions: BTreeSet<i32>,
    figures: Figures,
}

/// A window of a port.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// Where it begins, UTC ms.
    pub start_ms: i64,
    /// How long it is.
    pub length_ms: i64,
    /// The contract version in force when it ended.
    pub contract: String,
    /// Whether every partition was reported.
    pub complete: bool,
    /// What was seen.
    pub figures: Figures,
}

impl Span {
    /// Where it ends, UTC ms.
    pub fn end_ms(&self) -> i64 {
        self.start_ms.saturating_add(self.length_ms)
    }
}

impl Board {
    /// Take a record in. Records of others, and tombstones of what is not known, change nothing.
    pub fn take(&mut self, key: &str, value: Option<&[u8]>) {
        match value {
            None => self.forget(key),
            Some(value) if key.starts_with(Observation::PREFIX) => {
                match serde_json::from_slice::<Observation>(value) {
                    Ok(window) if window.v == OBSERVATION_VERSION => self.window(window),
                    Ok(_) | Err(_) => self.unreadable += 1,
                }
            }
            Some(value) if key.starts_with(Consumer::PREFIX) => {
                match serde_json::from_slice::<Consumer>(value) {
                    Ok(consumer) if consumer.v == OBSERVATION_VERSION => self.consumer(consumer),
                    Ok(_) | Err(_) => self.unreadable += 1,
                }
            }
            Some(_) => {}
        }
    }

    fn window(&mut self, window: Observation) {
        let windows = &mut self.ports.entry(window.port).or_default().windows;
        let merged = windows.entry(window.start_ms).or_insert_with(|| Merged {
            length_ms: window.length_ms,
            contract: String::new(),
            partitions: BTreeSet::new(),
            figures: Figures::default(),
        });
        // There is one record for a partition and a window; what comes twice is a record read again.
        if merged.length_ms == window.length_ms && merged.partitions.insert(window.partition) {
            merged.contract = window.contract;
            merged.figures.merge(&window.figures);
        }
        if let Some((newest, _)) = windows.last_key_value() {
            *windows = windows.split_off(&newest.saturating_sub(KEPT_MS));
        }
    }

    fn consumer(&mut self, consumer: Consumer) {
        let port = self.ports.entry(consumer.port.clone()).or_default();
        port.consumers.insert(consumer.group.clone(), consumer);
    }

    fn forget(&mut self, key: &str) {
        if let Some((port, _, start)) = Observation::parse_key(key)
            && let Some(port) = self.ports.get_mut(port)
        {
            port.windows.remove(&start);
        }
        if let Some((port, group)) = Consumer::parse_key(key)
            && let Some(port) = self.ports.get_mut(port)
        {
            port.consumers.remove(group);
        }
    }

    /// The windows of a port with so many partitions, in order. Of those that lack a partition the last two are left out:
    /// it may still be on its way.
    pub fn spans(&self, port: &str, partitions: i32) -> Vec<Span> {
        let Some(board) = self.ports.get(port) else {
            return Vec::new();
        };
        let all = usize::try_from(partitions).unwrap_or(usize::MAX);
        let count = board.windows.len();
        let windows = board.windows.iter().enumerate();
        let spans = windows.filter_map(|(at, (start_ms, merged))| {
            let complete = merged.partitions.len() >= all;
            (complete || at + 2 < count).then(|| Span {
                start_ms: *start_ms,
                length_ms: merged.length_ms,
                contract: merged.contract.clone(),
                complete,
                figures: merged.figures.clone(),
            })
        });
        spans.collect()
    }

    /// The consumer groups seen on a port.
    pub fn consumers(&self, port: &str) -> impl Iterator<Item = &Consumer> {
        let board = self.ports.get(port);
        board.into_iter().flat_map(|board| board.consumers.values())
    }

    /// Records that this build cannot read: a newer one wrote them, or they are damaged.
    pub fn unreadable(&self) -> u64 {
        self.unreadable
    }
}

#[cfg(test)]
mod tests {
    use super::super::window::tests::figures;
    use super::*;
    use proptest::prelude::*;

    fn observation(partition: i32, start_ms: i64, figures: Figures) -> Observation {
        Observation {
            v: OBSERVATION_VERSION,
            port: "a.b.c.v1".to_owned(),
            partition,
            start_ms,
            length_ms: 1000,
            contract: "1.0.0".to_owned(),
            figures,
        }
    }

    fn take(board: &mut Board, window: &Observation) {
        let value = serde_json::to_vec(window).expect("writes");
        board.take(&window.key(), Some(&value));
    }

    fn events(count: u64) -> Figures {
        Figures {
            events: count,
            ..Figures::default()
        }
    }

    proptest! {
        #[test]
        fn a_board_is_the_same_in_whatever_order_and_however_often_records_come(
            all in prop::collection::vec(figures(), 1..6), seed in any::<u64>(),
        ) {
            let windows: Vec<_> = all.into_iter().zip(0..)
                .map(|(figures, partition)| observation(partition, 5000, figures)).collect();
            let (mut forth, mut back) = (Board::default(), Board::default());
            windows.iter().for_each(|window| take(&mut forth, window));
            let mut order: Vec<usize> = (0..windows.len()).collect();
            order.sort_by_key(|at| (*at as u64).wrapping_mul(seed | 1));
            for at in order.iter().chain(&order) {
                take(&mut back, &windows[*at]);
            }
            let partitions = i32::try_from(windows.len()).expect("few");
            prop_assert_eq!(forth.spans("a.b.c.v1", partitions), back.spans("a.b.c.v1", partitions));
        }
    }

    #[test]
    fn a_window_waits_for_its_partitions_for_two_windows() {
        let mut board = Board::default();
        let starts = |board: &Board| -> Vec<(i64, bool)> {
            let spans = board.spans("a.b.c.v1", 2).into_iter();
            spans.map(|span| (span.start_ms, span.complete)).collect()
        };
        take(&mut board, &observation(0, 0, events(1)));
        assert!(starts(&board).is_empty());
        take(&mut board, &observation(1, 0, events(2)));
        take(&mut board, &observation(0, 1000, events(1)));
        take(&mut board, &observation(0, 2000, events(1)));
        assert_eq!(starts(&board), [(0, true)]);
        assert_eq!(board.spans("a.b.c.v1", 2)[0].figures.events, 3);
        take(&mut board, &observation(0, 3000, events(1)));
        assert_eq!(starts(&board), [(0, true), (1000, false)]);
    }

    #[test]
    fn a_day_is_kept_and_what_is_not_ours_is_left_alone() {
        let mut board = Board::default();
        take(&mut board, &observation(0, 0, events(1)));
        take(&mut board, &observation(0, KEPT_MS, events(1)));
        assert_eq!(board.spans("a.b.c.v1", 1).len(), 2);
        take(&mut board, &observation(0, KEPT_MS + 1000, events(1)));
        assert_eq!(board.spans("a.b.c.v1", 1).len(), 2);
        board.take("slo/a.b.c.v1/0/86400000", None);
        assert_eq!(board.spans("a.b.c.v1", 1).len(), 1);
        board.take("redriven/a.b.c.v1/0", Some(b"{}"));
        assert_eq!(board.unreadable(), 0);
        board.take("slo/a.b.c.v1/0/1", Some(br#"{"v":2}"#));
        assert_eq!(board.unreadable(), 1);
    }
}
