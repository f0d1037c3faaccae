//! Child processes: run with a deadline, signalled and ended by their ids, never outliving the test binary.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What a finished command left behind.
#[derive(Debug, Clone)]
pub struct Output {
    /// Data.
    pub stdout: String,
    /// Everything else.
    pub stderr: String,
    /// Exit code; `None` when a signal ended it.
    pub code: Option<i32>,
}

impl Output {
    /// Fails unless the command ended with this code; then gives itself back.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(
            self.code,
            Some(code),
            "stdout: {}\nstderr: {}",
            self.stdout,
            self.stderr
        );
        self
    }

    /// Its standard output, a JSON value of one line, of a command that succeeded.
    #[track_caller]
    pub fn json(self) -> serde_json::Value {
        self.expect_code(0).json_line()
    }

    /// Its standard output as one JSON value, whatever the exit code.
    #[track_caller]
    pub fn json_line(&self) -> serde_json::Value {
        let value = serde_json::from_str(self.stdout.trim());
        value.unwrap_or_else(|error| no_json(&error, self))
    }

    /// Each line of its standard output as a JSON value.
    #[track_caller]
    pub fn json_lines(&self) -> Vec<serde_json::Value> {
        let line = |line: &str| serde_json::from_str(line).unwrap_or_else(|e| no_json(&e, self));
        self.stdout.lines().map(line).collect()
    }

    /// Both outputs, for looking for a text wherever it may stand.
    pub fn text(&self) -> String {
        format!("{}\n{}", self.stdout, self.stderr)
    }
}

#[track_caller]
#[expect(clippy::panic, reason = "a test's failure")]
fn no_json(error: &serde_json::Error, output: &Output) -> serde_json::Value {
    panic!("no JSON ({error}): {output:?}")
}

/// Runs a command to its end; fails when it has not ended by then.
#[track_caller]
pub fn run(command: &mut Command, limit: Duration) -> Output {
    Running::start(command).finish(limit)
}

/// A command in the background.
#[derive(Debug)]
pub struct Running {
    child: Child,
    shown: String,
    stdout: Option<JoinHandle<String>>,
    stderr: Option<JoinHandle<String>>,
}

impl Running {
    /// Starts it.
    #[track_caller]
    pub fn start(command: &mut Command) -> Self {
        let shown = format!("{command:?}");
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| cannot_start(&shown, &error));
        let stdout = child
            .stdout
            .take()
            .map(|pipe| std::thread::spawn(|| read(pipe)));
        let stderr = child
            .stderr
            .take()
            .map(|pipe| std::thread::spawn(|| read(pipe)));
        Self {
            child,
            shown,
            stdout,
            stderr,
        }
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends it a signal.
    pub fn signal(&self, which: Signal) {
        signal(self.child.id(), which);
    }

    /// Ends it as a crash would, and waits for that.
    pub fn kill_9(mut self) {
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a child can be waited for");
    }

    /// Waits for its end; fails when it has not ended by then.
    #[track_caller]
    pub fn finish(mut self, limit: Duration) -> Output {
        let status = wait_end(&mut self.child, limit);
        let ended = status.is_some();
        if !ended {
            // What it said until now tells why it hangs.
            self.child.kill().expect("a child can be killed");
            self.child.wait().expect("a child can be waited for");
        }
        let text = |pipe: Option<JoinHandle<String>>| {
            pipe.and_then(|reader| reader.join().ok())
                .unwrap_or_default()
        };
        let (stdout, stderr) = (text(self.stdout.take()), text(self.stderr.take()));
        let code = status.and_then(|status| status.code());
        let output = Output {
            stdout,
            stderr,
            code,
        };
        assert!(
            ended,
            "{} did not end within {} s: {output:?}",
            self.shown,
            limit.as_secs()
        );
        output
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Already waited for where it has ended; a failing test leaves nothing behind.
        if self.is_running() {
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}

#[track_caller]
#[expect(clippy::panic, reason = "a test's failure")]
fn cannot_start(shown: &str, error: &std::io::Error) -> Child {
    panic!("cannot start {shown}: {error}")
}

fn read(mut pipe: impl Read) -> String {
    let mut bytes = Vec::new();
    // A pipe that breaks ends the text.
    drop(pipe.read_to_end(&mut bytes));
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Waits for the end of a child; `None` when it still runs then.
pub(crate) fn wait_end(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let deadline = Instant::now() + limit;
    loop {
        match child.try_wait().expect("a child can be waited for") {
            Some(status) => return Some(status),
            None if Instant::now() >= deadline => return None,
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// Sends a signal to one process.
pub fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).expect("process ids are positive"));
    // It may have ended by itself.
    kill(pid, signal).unwrap_or_default();
}

/// The last lines of a file, for messages.
pub(crate) fn tail(path: &Path) -> String {
    let text = std::fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

/// Sees to it that a process ends when this one does, however it does, and that a directory goes then.
#[expect(
    clippy::zombie_processes,
    reason = "it waits for us to end, not we for it"
)]
pub(crate) fn end_with_us(pid: u32, dir: Option<&Path>) {
    let us = std::process::id();
    let remove = dir
        .map(|dir| format!("rm -rf '{}'", dir.display()))
        .unwrap_or_default();
    // The second loop holds the id to its process: once that has ended, nobody is signalled.
    let script = format!(
        "while kill -0 {us} 2>/dev/null && kill -0 {pid} 2>/dev/null; do sleep 0.5; done; \
         kill {pid} 2>/dev/null && while kill -0 {pid} 2>/dev/null; do sleep 0.5; done; {remove}"
    );
    let mut watcher = Command::new("sh");
    std::os::unix::process::CommandExt::process_group(&mut watcher, 0);
    let quiet = watcher
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    quiet.args(["-c", &script]).spawn().expect("sh is there");
}
