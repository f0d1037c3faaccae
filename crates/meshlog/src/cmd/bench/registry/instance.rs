//! A registry in a process of its own, as it runs in production: started, watched, stopped.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// How long an instance may take to be ready, or to stop.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running instance.
#[derive(Debug)]
pub(super) struct Instance {
    child: Child,
    /// Its address, as `HOST:PORT`.
    pub(super) address: String,
    /// How long it took to be ready.
    pub(super) ready_after: Duration,
}

impl Instance {
    /// Starts one on a port of its own.
    pub(super) async fn start(config: &Path) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("this program has no path")?;
        let start = Instant::now();
        let mut child = Command::new(program)
            .args(["registry", "--registry-port", "0", "-o", "json", "--config"])
            .arg(config)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start a registry")?;
        let out = child.stdout.take().context("a registry without output")?;
        let mut lines = BufReader::new(out).lines();
        let first = tokio::time::timeout(PATIENCE, lines.next_line()).await;
        let first = first.context("the registry is not ready in time")??;
        let ready_after = start.elapsed();
        let first = first.context("the registry ended before it was ready")?;
        let ready: Value = serde_json::from_str(&first)?;
        let url = ready["registry"].as_str().unwrap_or_default();
        let address = url.strip_prefix("http://").unwrap_or_default().to_owned();
        ensure!(!address.is_empty(), "the registry says `{first}`");
        Ok(Self {
            child,
            address,
            ready_after,
        })
    }

    /// Memory that it has in use (resident), in MB; `None` where the system does not tell.
    pub(super) fn memory_mb(&self) -> Option<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()?)).ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kib / 1024.0)
    }

    /// Stops it cleanly.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        if let Some(id) = self.child.id() {
            kill(Pid::from_raw(i32::try_from(id)?), Signal::SIGTERM)?;
        }
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        let status = ended.context("the registry does not stop")??;
        ensure!(status.success(), "the registry ended with {status}");
        Ok(())
    }
}
