//! Roles of a mesh that run alone, side by side on the shared Kafka.

use crate::broker::cluster;
use crate::mesh::{Starting, begin, binary};
use crate::process::{signal, tail, wait_end};
use crate::wait::LIMIT;
use nix::sys::signal::Signal;
use serde_json::Value;
use std::path::Path;
use std::process::{Child, Command};
use tempfile::TempDir;

/// A role that runs. Dropping it ends its process.
#[derive(Debug)]
pub struct Role {
    /// What it said when it was ready.
    pub ready: Value,
    name: String,
    child: Child,
    home: TempDir,
}

/// A role that may not be ready yet.
#[derive(Debug)]
pub struct StartingRole {
    name: String,
    starting: Starting,
    home: TempDir,
}

impl Role {
    /// Starts a role of a mesh, as `["catalog", "--http-port", "0"]`.
    #[track_caller]
    pub fn begin(mesh: &str, arguments: &[&str]) -> StartingRole {
        let home = tempfile::tempdir().expect("a temporary directory");
        let starting = begin(
            &mut Self::command(mesh, arguments, home.path()),
            home.path(),
        );
        StartingRole {
            name: arguments.join(" "),
            starting,
            home,
        }
    }

    /// Starts a role of a mesh and waits until it is ready.
    #[track_caller]
    pub fn start(mesh: &str, arguments: &[&str]) -> Self {
        Self::begin(mesh, arguments).ready()
    }

    /// The command that runs a role of a mesh on the shared Kafka.
    pub fn command(mesh: &str, arguments: &[&str], home: &Path) -> Command {
        let mut command = binary(home);
        command
            .env("MESHLOG_MESH__ID", mesh)
            .env("MESHLOG_REGISTRY__TOPIC", format!("{mesh}.schemas"))
            .args(arguments)
            .args(["-o", "json", "--bootstrap-servers", cluster().bootstrap()]);
        command
    }

    /// Stops it in its tracks, as a long pause of its machine would.
    pub fn pause(&self) {
        signal(self.child.id(), Signal::SIGSTOP);
    }

    /// Lets it go on.
    pub fn resume(&self) {
        signal(self.child.id(), Signal::SIGCONT);
    }

    /// Ends it as a crash would.
    pub fn kill_9(mut self) {
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a child can be waited for");
    }

    /// Stops it as a user would, who expects a clean end.
    #[track_caller]
    pub fn stop(mut self) {
        signal(self.child.id(), Signal::SIGTERM);
        let status = wait_end(&mut self.child, LIMIT);
        let clean = status.is_some_and(|status| status.success());
        assert!(clean, "no clean stop of {}: {status:?}", self.name);
    }
}

impl StartingRole {
    /// Waits until it says that it is ready.
    #[track_caller]
    pub fn ready(self) -> Role {
        let (child, ready) = self.starting.ready();
        Role {
            ready,
            name: self.name,
            child,
            home: self.home,
        }
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        // Already waited for where it has ended.
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            let log = tail(&self.home.path().join("up.log"));
            eprintln!("--- the end of the log of {}:\n{log}", self.name);
        }
    }
}
