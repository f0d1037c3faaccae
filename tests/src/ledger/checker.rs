//! The independent checker: a Java program with Kafka's own client, run over the topics and the ledger.

use crate::broker::jar_cache;
use crate::process::run;
use crate::root;
use kafka::dev::JarSource;
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Reading and comparing a long run.
const LIMIT: Duration = Duration::from_secs(600);

/// What the checker is to look at.
#[derive(Debug, Clone)]
pub struct Subject<'a> {
    /// Kafka.
    pub bootstrap: &'a str,
    /// The enforcers' group.
    pub group: &'a str,
    /// The port's address, which is the product topic.
    pub port: &'a str,
    /// The inbox.
    pub inbox: &'a str,
    /// The ledger.
    pub ledger: &'a Path,
}

/// What the checker found.
#[derive(Debug, Clone)]
pub struct Finding {
    /// Its own words.
    pub value: Value,
}

impl Finding {
    /// The rules that are broken, with how often.
    pub fn broken(&self) -> Vec<(String, u64)> {
        let rules = self.value["broken"]
            .as_object()
            .cloned()
            .unwrap_or_default();
        let counts = rules
            .into_iter()
            .map(|(rule, count)| (rule, count.as_u64().unwrap_or_default()));
        counts.filter(|(_, count)| *count > 0).collect()
    }

    /// How often a rule is broken.
    pub fn count(&self, rule: &str) -> u64 {
        self.value["broken"][rule].as_u64().unwrap_or_default()
    }
}

/// The checker keeps every event: so much memory for each byte of the ledger, of which an event has about a hundred.
const HEAP_A_BYTE: u64 = 10;

/// What it takes besides.
const HEAP: u64 = 1 << 30;

/// Bytes of the ledger that it goes through in a second at the least, with what belongs to them in the topics.
const PACE: u64 = 1 << 20;

/// Runs the checker.
#[track_caller]
pub fn check(subject: &Subject<'_>) -> Finding {
    let jars = JarSource::Cache(jar_cache());
    let jars = jars.directory().expect("the broker has them");
    let ledger = std::fs::metadata(subject.ledger).map_or(0, |ledger| ledger.len());
    let mut command = Command::new("java");
    command
        .arg(format!("-Xmx{}", HEAP + HEAP_A_BYTE * ledger))
        // Short-lived; and the jars' logging has nothing to say here.
        .args([
            "-XX:TieredStopAtLevel=1",
            "-XX:+UseSerialGC",
            "-Dlog4j2.level=ERROR",
            "-cp",
        ])
        .arg(jars.join("*"))
        .arg(root().join("tests/checker/Checker.java"))
        .args([
            subject.bootstrap,
            subject.group,
            subject.port,
            subject.inbox,
        ])
        .arg(subject.ledger);
    let output = run(&mut command, LIMIT + Duration::from_secs(ledger / PACE));
    let code = output.code;
    assert!(code == Some(0) || code == Some(1), "{output:?}");
    let finding = Finding {
        value: output.json_line(),
    };
    assert_eq!(code == Some(0), finding.broken().is_empty(), "{output:?}");
    finding
}
