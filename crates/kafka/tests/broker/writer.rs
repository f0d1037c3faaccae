//! The log writer when everything goes wrong around it: killed, put to sleep, fenced, aborted. What must hold is always the
//! same: every request is answered exactly once, in order, from a log without gaps.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kafka::{
    Cluster, LogCore, LogReader, LogWriter, LogWriterConfig, Outgoing, Producer, Record,
    WriterStatus,
};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{LIMIT, cluster, outgoing, stranger, topic, unique, until_end};

/// Numbers the requests: `<n>:<request>` in the log, `<request>=<n>` as the reply. The log begins with `founded`.
pub(crate) struct Counter {
    log: String,
    replies: String,
    more_requests: Vec<String>,
    next: Option<u64>,
}

impl Counter {
    pub(crate) fn new(names: &Names) -> Self {
        let (log, replies) = (names.log.clone(), names.replies.clone());
        Self {
            log,
            replies,
            more_requests: names.more_requests.clone(),
            next: None,
        }
    }

    fn entry(&self, text: &str) -> Outgoing {
        Outgoing {
            partition: None,
            ..outgoing(&self.log, "entry", text)
        }
    }
}

fn text(record: &Record) -> String {
    String::from_utf8_lossy(record.value.as_deref().unwrap_or_default()).into_owned()
}

impl LogCore for Counter {
    fn reset(&mut self) {
        self.next = None;
    }

    fn fold(&mut self, record: &Record) -> Result<(), String> {
        let text = text(record);
        let number = match (self.next, text.split_once(':')) {
            (None, None) if text == "founded" => 0,
            (Some(next), Some((n, _))) if n == next.to_string() => next + 1,
            _ => return Err(format!("{text} does not follow {:?}", self.next)),
        };
        self.next = Some(number);
        Ok(())
    }

    fn decide(&mut self, request: &Record) -> Vec<Outgoing> {
        let (number, request) = (self.next.expect("founded"), text(request));
        self.next = Some(number + 1);
        let reply = outgoing(&self.replies, "reply", &format!("{request}={number}"));
        vec![self.entry(&format!("{number}:{request}")), reply]
    }

    fn confirm(&mut self, record: &Record) -> Result<(), String> {
        if record.topic == self.log {
            Ok(())
        } else {
            Err("a reply is not of the log".into())
        }
    }

    fn request_topics(&self) -> Vec<String> {
        if self.next >= Some(1) {
            self.more_requests.clone()
        } else {
            Vec::new()
        }
    }

    fn found(&mut self) -> Vec<Outgoing> {
        self.next = Some(0);
        vec![self.entry("founded")]
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Names {
    id: String,
    requests: String,
    log: String,
    replies: String,
    more_requests: Vec<String>,
}

impl Names {
    pub(crate) fn fixed(id: &str, requests: &str, log: &str, replies: &str) -> Self {
        let [id, requests, log, replies] = [id, requests, log, replies].map(str::to_owned);
        Self {
            id,
            requests,
            log,
            replies,
            more_requests: Vec::new(),
        }
    }

    async fn new() -> Self {
        Self {
            id: unique("writer"),
            requests: topic("requests").await,
            log: topic("log").await,
            replies: topic("replies").await,
            more_requests: Vec::new(),
        }
    }

    pub(crate) fn config(&self, cluster: Cluster) -> LogWriterConfig {
        LogWriterConfig {
            cluster: cluster.with_option("session.timeout.ms", "6000"),
            group: self.id.clone(),
            transactional_id: self.id.clone(),
            primary_request_topic: self.requests.clone(),
            log_topics: vec![self.log.clone()],
        }
    }

    fn spawn(&self) -> LogWriter {
        LogWriter::spawn(self.config(cluster()), Counter::new(self))
    }
}

async fn becomes(writer: &LogWriter, wanted: impl Fn(&WriterStatus) -> bool) -> WriterStatus {
    let mut status = writer.status();
    let found = tokio::time::timeout(LIMIT, status.wait_for(wanted))
        .await
        .expect("in time");
    found.expect("the writer runs").clone()
}

/// All committed values of a topic.
async fn all(topic: &str) -> Vec<String> {
    let mut reader = LogReader::follow(&cluster(), topic, 0).expect("a reader");
    until_end(&mut reader).await.0
}

/// Waits for `count` replies, then checks that each request was answered once and the log has no gap.
async fn settled(names: &Names, count: usize) -> Vec<String> {
    let deadline = Instant::now() + LIMIT;
    let replies = loop {
        let replies = all(&names.replies).await;
        if replies.len() >= count || Instant::now() >= deadline {
            break replies;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!(replies.len(), count, "{replies:?}");
    let requests: Vec<&str> = replies
        .iter()
        .filter_map(|r| Some(r.split_once('=')?.0))
        .collect();
    let mut once = requests.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), count, "answered twice: {replies:?}");
    let mut expected = vec!["founded".to_owned()];
    expected.extend(
        requests
            .iter()
            .enumerate()
            .map(|(n, request)| format!("{n}:{request}")),
    );
    assert_eq!(
        all(&names.log).await,
        expected,
        "the log is what was answered, in order"
    );
    requests.into_iter().map(str::to_owned).collect()
}

async fn ask(names: &Names, requests: std::ops::Range<u32>) {
    let producer = Producer::new(&cluster()).expect("a producer");
    for n in requests {
        let request = outgoing(&names.requests, "k", &format!("r{n}"));
        producer.send(request).await.expect("acknowledged");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_is_founded_once_and_requests_are_answered_in_order_and_soon() {
    let mut names = Names::new().await;
    names.more_requests = vec![topic("domain.proposals").await];
    ask(&names, 0..3).await; // before there is a writer
    let writer = names.spawn();
    becomes(&writer, |status| *status == WriterStatus::Writing).await;
    assert_eq!(settled(&names, 3).await, ["r0", "r1", "r2"]);

    // A request of a topic that was taken up while running.
    let producer = Producer::new(&cluster()).expect("a producer");
    producer
        .send(outgoing(&names.more_requests[0], "k", "more"))
        .await
        .expect("acknowledged");
    settled(&names, 4).await;

    let mut replies = LogReader::follow(&cluster(), &names.replies, 0).expect("a reader");
    until_end(&mut replies).await;
    let mut took = Vec::new();
    for n in 0..50 {
        let asked = Instant::now();
        let request = outgoing(&names.requests, "k", &format!("t{n}"));
        producer.send(request).await.expect("acknowledged");
        while !matches!(
            crate::support::next(&mut replies).await,
            kafka::LogEvent::Record(_)
        ) {}
        took.push(asked.elapsed());
    }
    took.sort_unstable();
    eprintln!(
        "request to reply: p50 {:?}, p90 {:?}, max {:?}",
        took[25], took[45], took[49]
    );
    settled(&names, 54).await;
    writer.stop();

    // Another one goes on from the log, and founds nothing.
    let writer = names.spawn();
    ask(&names, 100..101).await;
    settled(&names, 55).await;
    writer.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_with_our_id_is_stood_by_for_and_loses_in_the_end() {
    let names = Names::new().await;
    let writer = names.spawn();
    ask(&names, 0..1).await;
    settled(&names, 1).await;
    let thief = stranger(&names.id);
    ask(&names, 1..2).await;
    becomes(&writer, |status| *status == WriterStatus::StandBy).await;
    assert_eq!(
        all(&names.replies).await.len(),
        1,
        "the fenced attempt is not visible"
    );
    // Nobody else is in the group, so the writer is called to write again, later.
    becomes(&writer, |status| *status == WriterStatus::Writing).await;
    settled(&names, 2).await;
    drop(thief);
    writer.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_does_not_fold_stops_the_writer() {
    let names = Names::new().await;
    let writer = names.spawn();
    ask(&names, 0..1).await;
    settled(&names, 1).await;
    // Somebody writes to the log past the fence.
    let producer = Producer::new(&cluster()).expect("a producer");
    producer
        .send(outgoing(&names.log, "entry", "7:forged"))
        .await
        .expect("acknowledged");
    ask(&names, 1..2).await;
    let status = becomes(&writer, |status| matches!(status, WriterStatus::Stopped(_))).await;
    let WriterStatus::Stopped(why) = status else {
        unreachable!("it was waited for")
    };
    assert!(why.contains("7:forged does not follow Some(1)"), "{why}");
    writer.stop();
}

const CHILD: &str = "MESHLOG_TEST_WRITER";

/// Not a test of its own: the writer in a process that the tests below kill and put to sleep.
#[test]
fn child_process() {
    let Some(text) = std::env::var_os(CHILD).and_then(|text| text.into_string().ok()) else {
        return;
    };
    let fields: Vec<&str> = text.split(' ').collect();
    let [bootstrap, id, requests, log, replies] = fields[..] else {
        unreachable!("five fields are given: {text}")
    };
    let (cluster, names) = (
        Cluster::new(bootstrap),
        Names::fixed(id, requests, log, replies),
    );
    let _writer = LogWriter::spawn(names.config(cluster), Counter::new(&names));
    std::thread::sleep(LIMIT * 5);
}

/// A writer in another process, ended with this value.
struct Other(Child);

impl Other {
    fn spawn(names: &Names) -> Self {
        let fields = [
            cluster().bootstrap(),
            &names.id,
            &names.requests,
            &names.log,
            &names.replies,
        ]
        .join(" ");
        let child = Command::new(std::env::current_exe().expect("this binary"))
            .args(["--exact", "writer::child_process", "--test-threads", "1"])
            .env(CHILD, fields)
            .stdout(Stdio::null())
            .spawn()
            .expect("this binary runs again");
        Self(child)
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.0.id()).expect("a process id"));
        kill(pid, signal).expect("it runs");
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ended = self.0.kill().and_then(|()| self.0.wait());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_writer_is_replaced_and_nothing_is_answered_twice() {
    let names = Names::new().await;
    let first = Other::spawn(&names);
    ask(&names, 0..5).await;
    settled(&names, 5).await;
    let standby = names.spawn();
    // Under load, so that the kill falls into a transaction as likely as not.
    let asking = tokio::spawn({
        let names = names.clone();
        async move { ask(&names, 5..205).await }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    first.signal(Signal::SIGKILL);
    asking.await.expect("all requests are acknowledged");
    settled(&names, 205).await;
    standby.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_that_slept_cannot_write_when_it_wakes() {
    let names = Names::new().await;
    let sleeper = Other::spawn(&names);
    ask(&names, 0..5).await;
    settled(&names, 5).await;
    let asking = tokio::spawn({
        let names = names.clone();
        async move { ask(&names, 5..105).await }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    sleeper.signal(Signal::SIGSTOP);
    asking.await.expect("all requests are acknowledged");
    let other = names.spawn();
    becomes(&other, |status| *status == WriterStatus::Writing).await;
    settled(&names, 105).await;
    sleeper.signal(Signal::SIGCONT);
    ask(&names, 105..125).await;
    settled(&names, 125).await;
    other.stop();
    // The sleeper is a member again, and takes over from the log.
    ask(&names, 125..130).await;
    settled(&names, 130).await;
}
