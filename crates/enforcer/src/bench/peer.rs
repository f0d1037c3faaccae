//! Another program that does what the enforcer does, as a child process.

use super::{BenchError, rounds::Side};
use crate::PortEntry;
use kafka::Cluster;
use std::process::{Child, Command, Stdio};

/// The program while it runs; ended when this is dropped.
pub(super) struct Running {
    child: Child,
    program: String,
}

impl Running {
    /// Start it with the addresses of its input and outputs, its group, and the schema.
    pub(super) fn start(
        command: &[String],
        cluster: &Cluster,
        port: &PortEntry,
        group: &str,
        side: &Side,
    ) -> Result<Self, BenchError> {
        let program = command.first().cloned().unwrap_or_default();
        let failed = |problem: String| BenchError::Program {
            program: program.clone(),
            problem,
        };
        let child = Command::new(&program)
            .args(command.iter().skip(1))
            .args([
                cluster.bootstrap(),
                &port.inbox,
                &port.product,
                &port.quarantine,
            ])
            .args([group, side.events.schema()])
            .stdin(Stdio::null())
            .spawn()
            .map_err(|error| failed(error.to_string()))?;
        Ok(Self { child, program })
    }

    /// That it still runs.
    pub(super) fn check(&mut self) -> Result<(), BenchError> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(self.failed(format!("it ended by itself, {status}"))),
            Err(error) => Err(self.failed(error.to_string())),
        }
    }

    fn failed(&self, problem: String) -> BenchError {
        BenchError::Program {
            program: self.program.clone(),
            problem,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
