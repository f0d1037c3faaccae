//! What memory the enforcers take: at most so much, and no more at the end of a long run than near its beginning.

use super::system::System;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

/// How often is looked.
const EVERY: Duration = Duration::from_secs(5);

/// The most that an enforcer may take, in kilobytes.
const MOST: u64 = 150 * 1024;

/// A process that lived shorter is still growing into its buffers, and is not asked whether it stays as it is.
const LONG: Duration = Duration::from_secs(600);

/// What it may grow by: a tenth, and some allocator's noise in kilobytes.
const SHARE: u64 = 10;
const NOISE: u64 = 4 * 1024;

/// Looks on.
#[derive(Debug)]
pub struct Memory {
    started: Instant,
    looked: Option<Instant>,
    processes: BTreeMap<(usize, u32), Series>,
}

/// What one process took: seconds since the run's start, kilobytes.
#[derive(Debug, Default)]
struct Series(Vec<(u64, u64)>);

impl Default for Memory {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            looked: None,
            processes: BTreeMap::new(),
        }
    }
}

impl Memory {
    /// Looks at every enforcer that runs, unless it did just now.
    pub fn look(&mut self, system: &System) {
        if self.looked.is_some_and(|looked| looked.elapsed() < EVERY) {
            return;
        }
        self.looked = Some(Instant::now());
        let at = self.started.elapsed().as_secs();
        for (slot, process) in system.enforcers.iter().enumerate() {
            let Some(process) = process else { continue };
            // None where there is no /proc, and of a process that is gone.
            if let Some(resident) = resident(process.id()) {
                let series = self.processes.entry((slot, process.id())).or_default();
                series.0.push((at, resident));
            }
        }
    }

    /// What is wrong with it.
    pub fn broken(&self) -> Vec<String> {
        let each = self.processes.iter().flat_map(|((slot, _), series)| {
            let most = series.most();
            let large =
                (most > MOST).then(|| format!("memory: enforcer {slot} took {} MB", most / 1024));
            let grown = series.growth().and_then(|(early, late)| {
                let allowed = early + early / SHARE + NOISE;
                let (early, late_mb) = (early / 1024, late / 1024);
                (late > allowed)
                    .then(|| format!("memory: enforcer {slot} grew from {early} to {late_mb} MB"))
            });
            [large, grown]
        });
        each.flatten().collect()
    }

    /// The most that any of them took, in megabytes.
    pub fn most_mb(&self) -> u64 {
        let each = self.processes.values().map(Series::most);
        each.max().unwrap_or(0) / 1024
    }

    /// Everything, as data.
    pub fn json(&self) -> Value {
        let each = self.processes.iter().map(|((slot, process), series)| {
            let (early, late) = series.growth().unzip();
            let mb = |kilobytes: u64| kilobytes / 1024;
            json!({
                "slot": slot, "process": process, "seconds": series.seconds(), "most_mb": mb(series.most()),
                "early_mb": early.map(mb), "late_mb": late.map(mb),
            })
        });
        each.collect()
    }

    /// Writes all that was seen beside the ledger.
    pub(super) fn keep(&self, dir: &Path) {
        let kept = std::fs::write(dir.join("memory.tsv"), self.table());
        kept.expect("the run's directory takes it");
    }

    /// All that was seen: slot, process, seconds, kilobytes.
    fn table(&self) -> String {
        let mut text = "slot\tprocess\tseconds\tkilobytes\n".to_owned();
        for ((slot, process), series) in &self.processes {
            for (at, resident) in &series.0 {
                text.push_str(&format!("{slot}\t{process}\t{at}\t{resident}\n"));
            }
        }
        text
    }
}

impl Series {
    fn most(&self) -> u64 {
        self.0
            .iter()
            .map(|(_, resident)| *resident)
            .max()
            .unwrap_or(0)
    }

    fn seconds(&self) -> u64 {
        match (self.0.first(), self.0.last()) {
            (Some((first, _)), Some((last, _))) => last - first,
            _ => 0,
        }
    }

    /// The medians of the second fifth and of the last one, of a long run: in the first it fills its buffers.
    fn growth(&self) -> Option<(u64, u64)> {
        if self.seconds() < LONG.as_secs() {
            return None;
        }
        let fifth = self.0.len() / 5;
        let median = |part: &[(u64, u64)]| {
            let mut sorted: Vec<u64> = part.iter().map(|(_, resident)| *resident).collect();
            sorted.sort_unstable();
            sorted.get(sorted.len() / 2).copied()
        };
        let early = median(self.0.get(fifth..2 * fifth)?)?;
        let late = median(self.0.get(self.0.len() - fifth..)?)?;
        Some((early, late))
    }
}

/// The kilobytes of a process that are in memory.
fn resident(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kilobytes: impl Fn(u64) -> u64, seconds: u64) -> Memory {
        let series = (0..=seconds / 5).map(|at| (at * 5, kilobytes(at * 5)));
        Memory {
            processes: BTreeMap::from([((0, 1), Series(series.collect()))]),
            ..Memory::default()
        }
    }

    #[test]
    fn what_stays_as_it_is_is_well_and_what_grows_is_not() {
        let flat = |at: u64| 70_000 + (at % 7) * 500;
        assert_eq!(of(flat, 1_800).broken(), Vec::<String>::new());
        // The buffers fill in the beginning.
        let filling = |at: u64| 80_000 - 60_000 / (at / 30 + 1);
        assert_eq!(of(filling, 1_800).broken(), Vec::<String>::new());
        // A megabyte a minute.
        let leaking = |at: u64| 70_000 + at * 17;
        assert_eq!(
            of(leaking, 1_800).broken(),
            ["memory: enforcer 0 grew from 77 to 95 MB"]
        );
        // It does not show in a short run.
        assert_eq!(of(leaking, 300).broken(), Vec::<String>::new());
        let large = |_: u64| 160_000;
        assert_eq!(of(large, 60).broken(), ["memory: enforcer 0 took 156 MB"]);
    }

    #[test]
    fn this_process_has_memory() {
        if std::path::Path::new("/proc/self/status").exists() {
            assert!(resident(std::process::id()).is_some_and(|resident| resident > 500));
        }
    }
}
