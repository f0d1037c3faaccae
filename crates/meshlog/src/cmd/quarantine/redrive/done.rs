//! Which offsets of a port's quarantine have been redriven: records on `<mesh>.observations`, one per partition, the last
//! of each key holds all. On disk since v0.1, as JSON with a version; add a version to change it.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use anyhow::Context;
use kafka::{Cluster, Outgoing, ScanEnd, ScanSpec, ScanStart};
use serde::{Deserialize, Serialize};

/// The offsets of one partition, as ranges that neither touch nor overlap, both ends within.
type Ranges = BTreeMap<i64, i64>;

/// What was redriven of a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Done {
    topic: String,
    port: String,
    partitions: BTreeMap<i32, Ranges>,
}

/// The value of a record.
#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    v: u32,
    port: String,
    partition: i32,
    redriven: Vec<(i64, i64)>,
}

impl Done {
    fn new(topic: &str, port: &str) -> Self {
        Self {
            topic: topic.to_owned(),
            port: port.to_owned(),
            partitions: BTreeMap::new(),
        }
    }

    /// Read what was redriven so far.
    ///
    /// # Errors
    /// When the topic cannot be read, or holds a version that this build does not know.
    pub(super) fn read(cluster: &Cluster, topic: &str, port: &str) -> anyhow::Result<Self> {
        let mut done = Self::new(topic, port);
        let prefix = format!("redrive/{port}/");
        let mut failure = None;
        let spec = ScanSpec {
            topic: topic.to_owned(),
            partitions: None,
            from: ScanStart::Beginning,
            until: ScanEnd::CurrentEnd,
        };
        kafka::scan(cluster, &spec, |record| {
            let ours = |key: &[u8]| key.starts_with(prefix.as_bytes());
            if record.key.as_deref().is_some_and(ours) {
                failure = done.take(record.value.as_deref().unwrap_or_default()).err();
            }
            match failure {
                None => ControlFlow::Continue(()),
                Some(_) => ControlFlow::Break(()),
            }
        })?;
        match failure {
            None => Ok(done),
            Some(error) => Err(error).with_context(|| {
                format!("what was redriven of {port} cannot be read from {topic}")
            }),
        }
    }

    fn take(&mut self, value: &[u8]) -> anyhow::Result<()> {
        let stored: Stored = serde_json::from_slice(value)?;
        anyhow::ensure!(
            stored.v == 1,
            "version {} is not known to this build",
            stored.v
        );
        let ranges = stored.redriven.into_iter().collect();
        self.partitions.insert(stored.partition, ranges);
        Ok(())
    }

    pub(super) fn holds(&self, partition: i32, offset: i64) -> bool {
        let ranges = self.partitions.get(&partition);
        let before = ranges.and_then(|ranges| ranges.range(..=offset).next_back());
        before.is_some_and(|(_, end)| offset <= *end)
    }

    pub(super) fn add(&mut self, partition: i32, offset: i64) {
        if self.holds(partition, offset) {
            return;
        }
        let ranges = self.partitions.entry(partition).or_default();
        let before = ranges.range(..offset).next_back();
        let start = match before {
            Some((start, end)) if end + 1 == offset => *start,
            Some(_) | None => offset,
        };
        let end = ranges.remove(&(offset + 1)).unwrap_or(offset);
        ranges.insert(start, end);
    }

    /// The records that say so.
    pub(super) fn records(&self) -> Vec<Outgoing> {
        let record = |(partition, ranges): (&i32, &Ranges)| {
            let stored = Stored {
                v: 1,
                port: self.port.clone(),
                partition: *partition,
                redriven: ranges.iter().map(|(start, end)| (*start, *end)).collect(),
            };
            Outgoing {
                topic: self.topic.clone(),
                key: Some(format!("redrive/{}/{partition}", self.port).into_bytes()),
                value: Some(serde_json::to_vec(&stored).expect("numbers under fixed names")),
                ..Outgoing::default()
            }
        };
        self.partitions.iter().map(record).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_become_ranges_and_read_back() {
        let mut done = Done::new("m.observations", "p");
        for offset in [5, 7, 6, 1, 9, 2, 7] {
            done.add(0, offset);
        }
        done.add(3, 0);
        let records = done.records();
        let text = records[0].value.clone().expect("a value");
        assert_eq!(
            String::from_utf8_lossy(&text),
            r#"{"v":1,"port":"p","partition":0,"redriven":[[1,2],[5,7],[9,9]]}"#
        );
        assert_eq!(records[1].key.as_deref(), Some(&b"redrive/p/3"[..]));
        let mut again = Done::new("m.observations", "p");
        for record in &records {
            again
                .take(record.value.as_deref().expect("a value"))
                .expect("reads");
        }
        assert_eq!(again, done);
        let held: Vec<i64> = (0..11).filter(|offset| again.holds(0, *offset)).collect();
        assert_eq!(held, [1, 2, 5, 6, 7, 9]);
    }

    #[test]
    fn what_a_newer_build_wrote_stops_the_redrive() {
        let mut done = Done::new("t", "p");
        let error = done
            .take(br#"{"v":2,"port":"p","partition":0,"redriven":[]}"#)
            .expect_err("version 2");
        assert!(error.to_string().contains("version 2"), "{error}");
    }
}
