//! A batch whose bytes went bad on the broker's disk: never passed over but by an order, named, and other partitions go on.

use serde_json::{Value, json};
use std::fs::{self, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::PathBuf;
use tests::usage::{publish, stands, stats};
use tests::{Domain, Kafka, TestMesh};

/// A batch of a partition, in its log on the disk.
struct Batch {
    log: PathBuf,
    partition: i32,
    /// Its first offset, and the first behind it.
    offsets: Range<i64>,
    /// Where in the log it has its fifth last byte: within the last record.
    place: u64,
    byte: u8,
}

impl Batch {
    /// The newest batch of a partition of the inbox that has one.
    fn newest(mesh: &TestMesh, inbox: &str) -> Self {
        let mut folders = vec![mesh.dir().join("kafka")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).expect("a folder").flatten() {
                let path = entry.path();
                let name = entry.file_name().to_string_lossy().into_owned();
                if let Some(partition) = name.strip_prefix(&format!("{inbox}-")) {
                    let log = path.join("00000000000000000000.log");
                    let partition = partition.parse().expect("a partition");
                    if let Some(batch) = Self::last_of(log, partition) {
                        return batch;
                    }
                } else if path.is_dir() {
                    folders.push(path);
                }
            }
        }
        unreachable!("no partition of {inbox} has a batch")
    }

    /// Source: <https://kafka.apache.org/documentation/#recordbatch>
    fn last_of(log: PathBuf, partition: i32) -> Option<Self> {
        let bytes = fs::read(&log).expect("the log can be read");
        let number = |at: usize| {
            bytes
                .get(at..at + 4)?
                .try_into()
                .ok()
                .map(i32::from_be_bytes)
        };
        let (mut at, mut last) = (0, None);
        while let Some(length) = number(at + 8).filter(|length| *length > 0) {
            let next = at + 12 + usize::try_from(length).expect("above zero");
            // The bit says that it holds a marker of a transaction.
            let is_marker = bytes.get(at + 22)? & 0x20 != 0;
            last = Some((at, next)).filter(|_| !is_marker).or(last);
            at = next;
        }
        let (start, next) = last?;
        let base = bytes
            .get(start..start + 8)?
            .try_into()
            .ok()
            .map(i64::from_be_bytes)?;
        let delta = i64::from(number(start + 23)?);
        Some(Self {
            log,
            partition,
            offsets: base..base + delta + 1,
            place: u64::try_from(next - 5).expect("small"),
            byte: bytes[next - 5],
        })
    }

    fn spoil(&self) {
        self.write(!self.byte);
    }

    fn mend(&self) {
        self.write(self.byte);
    }

    fn write(&self, byte: u8) {
        let file = OpenOptions::new().write(true).open(&self.log);
        let mut file = file.expect("the log can be written");
        file.seek(SeekFrom::Start(self.place)).expect("seeks");
        file.write_all(&[byte]).expect("writes");
    }
}

/// A port with a batch of 60 events that was spoilt, and 60 good events behind it.
fn spoilt(mesh: &TestMesh, domain: &Domain, port: &str) -> Batch {
    mesh.cli(&["breaker", "hold", port]).expect_code(0);
    publish(mesh, domain, port, 60);
    let batch = Batch::newest(mesh, &format!("{port}.inbox"));
    batch.spoil();
    publish(mesh, domain, port, 60);
    mesh.cli(&["breaker", "reset", port]).expect_code(0);
    batch
}

#[test]
fn a_batch_that_cannot_be_read_is_never_passed_over_but_by_an_order() {
    let mesh = TestMesh::start_on("unreadable", Kafka::Own);
    let domain = Domain::example("billing");
    mesh.apply(&domain.dir());
    let port = domain.port_named("usage", "records");

    let batch = spoilt(&mesh, &domain, &port);
    stands(&mesh, &port, batch.partition, batch.offsets.start);
    let others = stats(&mesh, &port, "the others go on", |stats| {
        stats["inbox"].as_u64() > Some(40)
    });
    assert!(others["inbox"].as_u64() < Some(120), "{others}");
    // The bytes are well again: every event comes out, once.
    batch.mend();
    let mended = stats(&mesh, &port, "what could not be read", |stats| {
        stats["lag"] == 0 && stats["state"] == "running"
    });
    assert_eq!(
        (&mended["inbox"], &mended["accepted"]),
        (&json!(120), &json!(120)),
        "{mended}"
    );

    let batch = spoilt(&mesh, &domain, &port);
    let at = stands(&mesh, &port, batch.partition, batch.offsets.start);
    give_up(&mesh, &port, &batch, at);
}

/// An operator gives the batch up: its place is in quarantine, and everything else comes out.
fn give_up(mesh: &TestMesh, port: &str, batch: &Batch, at: i64) {
    let to = batch.offsets.end;
    let place = [batch.partition.to_string(), at.to_string()];
    let skip = |offset: &str, more: &[&str]| {
        let mut args = vec!["quarantine", "skip-batch", port, place[0].as_str(), offset];
        args.extend(more);
        mesh.cli(&args)
    };
    let readable = skip("0", &[]).expect_code(3);
    assert!(
        readable.stderr.contains("can be read"),
        "{}",
        readable.stderr
    );
    skip(&place[1], &["--to", "1000"]).expect_code(3);
    let planned = skip(&place[1], &["--dry-run", "-o", "json"]).json();
    assert_eq!(
        (&planned["from"], &planned["to"], &planned["seq"]),
        (&json!(at), &json!(to), &Value::Null)
    );
    let ordered = skip(&place[1], &["--reason", "a bad disk", "-o", "json"]).json();
    assert!(ordered["seq"].is_u64(), "{ordered}");

    let lost = u64::try_from(to - batch.offsets.start).expect("above zero");
    let done = stats(mesh, port, "what is behind it", |stats| {
        stats["lag"] == 0 && stats["state"] == "running"
    });
    assert_eq!(
        (&done["inbox"], &done["accepted"], &done["quarantined"]),
        (&json!(241 - lost), &json!(240 - lost), &json!(1)),
        "{done}"
    );
    let listed = mesh.cli(&["quarantine", "list", port, "-o", "json"]).json();
    assert_eq!(listed["reasons"][0]["code"], "MESH-1021");
    let redriven = mesh
        .cli(&["quarantine", "redrive", port, "-o", "json"])
        .json();
    assert_eq!(
        (&redriven["unread"], &redriven["sent"]),
        (&json!(1), &json!(0))
    );
}
