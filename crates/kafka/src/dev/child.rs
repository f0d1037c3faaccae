//! Processes that may not be our children: who they are, whether they live, and how they are ended.
//!
//! A process id alone names nobody: ids are reused. With the start time it does.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use super::DevError;

/// One process, for as long as the machine runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ProcessId {
    pub(super) pid: u32,
    /// When it started, in the words of this system; only compared.
    started: Option<String>,
}

/// Starts a command that reads nothing and writes everything to one log.
pub(super) fn spawn(mut command: Command, log: File) -> Result<Child, DevError> {
    let again = log
        .try_clone()
        .map_err(|e| DevError::io("open", "the log of a new process", e))?;
    // A process group of its own: Ctrl-C on the terminal must reach us first, so that we stop it in order.
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let quiet = command.stdin(Stdio::null()).stdout(log).stderr(again);
    quiet
        .spawn()
        .map_err(|e| DevError::io("start", command.get_program(), e))
}

impl ProcessId {
    /// The process that has this id now.
    pub(super) fn of(pid: u32) -> Self {
        Self {
            pid,
            started: start_time(pid),
        }
    }

    /// Whether this very process still runs.
    pub(super) fn is_alive(&self) -> bool {
        self.started.is_some() && start_time(self.pid) == self.started
    }

    /// Asks the process to end, waits, then kills it. Signals nobody else.
    pub(super) fn end(&self, limit: Duration, mut alive: impl FnMut() -> bool) {
        for (signal, limit) in [
            (Signal::SIGTERM, limit),
            (Signal::SIGKILL, Duration::from_secs(5)),
        ] {
            if !alive() {
                return;
            }
            self.signal(signal);
            let deadline = Instant::now() + limit;
            while alive() && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(25));
            }
        }
    }

    fn signal(&self, signal: Signal) {
        let Ok(pid) = i32::try_from(self.pid) else {
            return;
        };
        if let Err(error) = kill(Pid::from_raw(pid), signal) {
            tracing::debug!(target: "kafka", pid, %signal, %error, "signal not delivered");
        }
    }
}

/// When the process started, or `None` when there is none (or only its remains).
fn start_time(pid: u32) -> Option<String> {
    match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => start_time_in(&stat),
        // Linux without this process, or a system without /proc.
        Err(_) if std::path::Path::new("/proc/self/stat").exists() => None,
        Err(_) => {
            let output = Command::new("ps")
                .args(["-o", "lstart=", "-p", &pid.to_string()])
                .env("LC_ALL", "C")
                .output()
                .ok()?;
            let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            (!text.is_empty()).then_some(text)
        }
    }
}

/// Field 22 of `/proc/<pid>/stat`; field 2 is a name that may hold spaces and parentheses.
/// Source: <https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html>
fn start_time_in(stat: &str) -> Option<String> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18).map(str::to_owned)
}

/// Whether somebody accepts connections on this port of 127.0.0.1.
pub(super) fn listens(port: u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpStream::connect_timeout(&address, Duration::from_millis(500)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_its_start_time() {
        let myself = ProcessId::of(std::process::id());
        assert!(myself.is_alive());
        let other = ProcessId {
            started: Some("long ago".into()),
            ..myself
        };
        assert!(!other.is_alive(), "the id was reused");
    }

    #[test]
    fn names_with_parentheses_do_not_shift_the_fields() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4 1 2 3 4 5 6 7 8 20 0 1 0 4242 9 9";
        assert_eq!(start_time_in(stat).as_deref(), Some("4242"));
        assert_eq!(
            start_time_in(&stat.replace(" S ", " Z ")),
            None,
            "a zombie has ended"
        );
    }

    #[test]
    fn an_ended_process_is_not_alive() {
        let mut child = Command::new("sleep")
            .arg("60")
            .spawn()
            .expect("sleep is there");
        let process = ProcessId::of(child.id());
        assert!(process.is_alive());
        process.end(Duration::from_secs(5), || {
            matches!(child.try_wait(), Ok(None))
        });
        assert!(!process.is_alive());
    }
}
