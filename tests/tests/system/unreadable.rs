//! A batch whose bytes went bad on the broker's disk: never passed over, named, and other partitions go on.

use serde_json::{Value, json};
use std::fs::{self, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::time::Duration;
use tests::{Domain, Kafka, TestMesh, broker, wait_for};

/// The watchdog asks again every 30 seconds whether what it holds can be read.
const SOON: Duration = Duration::from_secs(90);

/// The first batch of a partition with events in it, in its log on the disk.
struct Batch {
    log: PathBuf,
    end: u64,
    last: u8,
}

impl Batch {
    fn find(mesh: &TestMesh, inbox: &str) -> Self {
        let data = mesh.dir().join("kafka");
        let mut folders = vec![data];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).expect("a folder").flatten() {
                let path = entry.path();
                let name = entry.file_name().to_string_lossy().into_owned();
                if path.is_dir() && name.starts_with(&format!("{inbox}-")) {
                    let log = path.join("00000000000000000000.log");
                    let bytes = fs::read(&log).expect("the log can be read");
                    let length = bytes.get(8..12).map_or(0, |length| {
                        u32::from_be_bytes(length.try_into().expect("four bytes"))
                    });
                    if length > 0 {
                        let end = u64::from(length) + 12 - 5;
                        let last = bytes[usize::try_from(end).expect("small")];
                        return Self { log, end, last };
                    }
                } else if path.is_dir() {
                    folders.push(path);
                }
            }
        }
        unreachable!("no partition of {inbox} has a batch")
    }

    fn write(&self, byte: u8) {
        let file = OpenOptions::new().write(true).open(&self.log);
        let mut file = file.expect("the log can be written");
        file.seek(SeekFrom::Start(self.end)).expect("seeks");
        file.write_all(&[byte]).expect("writes");
    }
}

fn publish(mesh: &TestMesh, domain: &Domain, port: &str, name: &str) {
    let record = |n: usize| {
        json!({"record_id": format!("{name}-{n}"), "customer_id": "acme", "conversation_id": "c-1",
            "model": "swift-2", "input_tokens": 10, "output_tokens": 3, "amount_micros": 8400,
            "currency": "EUR", "used_at": "2026-11-22T10:15:30.250Z"})
        .to_string()
    };
    let file = domain.scratch().join(broker::unique(name));
    let lines: Vec<String> = (0..60).map(record).collect();
    fs::write(&file, lines.join("\n")).expect("writes");
    let file = file.to_str().expect("our paths are text");
    let published = mesh.cli(&["publish", port, "--jsonl", file, "-o", "json"]);
    assert_eq!(published.json()["published"], 60);
}

fn stats(mesh: &TestMesh, port: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    wait_for(what, SOON, || {
        let stats = mesh.try_get(&format!("/api/v1/ports/{port}/stats"))?;
        if is_so(&stats) {
            Ok(stats)
        } else {
            Err(stats.to_string())
        }
    })
}

#[test]
fn a_batch_that_cannot_be_read_is_never_passed_over() {
    let mesh = TestMesh::start_on("unreadable", Kafka::Own);
    let domain = Domain::example("billing");
    mesh.apply(&domain.dir());
    let port = domain.port_named("usage", "records");
    mesh.cli(&["breaker", "hold", &port]).expect_code(0);
    publish(&mesh, &domain, &port, "first");
    let batch = Batch::find(&mesh, &format!("{port}.inbox"));
    batch.write(!batch.last);
    publish(&mesh, &domain, &port, "second");
    mesh.cli(&["breaker", "reset", &port]).expect_code(0);

    let stalled = stats(&mesh, &port, "the others go on", |stats| {
        stats["state"] == "stalled" && stats["inbox"].as_u64() > Some(40)
    });
    let why = stalled["why"].as_str().expect("it says why");
    assert!(
        why.contains("stands at offset 0") && why.contains("cannot be read"),
        "{why}"
    );
    assert!(stalled["inbox"].as_u64() < Some(120), "{stalled}");

    // The bytes are well again: every event comes out, once.
    batch.write(batch.last);
    let mended = stats(&mesh, &port, "what could not be read", |stats| {
        stats["lag"] == 0 && stats["state"] == "running"
    });
    assert_eq!(
        (&mended["inbox"], &mended["accepted"]),
        (&json!(120), &json!(120)),
        "{mended}"
    );
}
