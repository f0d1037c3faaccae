//! What has to happen between a broker that was killed and its successor.
//!
//! A killed broker may leave a transaction that is decided and not yet marked in every partition. Kafka 4.3.1 loses the
//! missing marks at the next start when broker and controller are one process: the successor begins to write them as the
//! leader that it no longer is, then its controller takes the leadership of its dead self away, and a mark for a
//! partition without a leader counts as written. Readers of committed records, or a group's offsets, then wait for ever.
//! So the controller is run alone first, for as long as it takes to declare the dead broker dead; the successor starts
//! without leaderships, and gets them when it can write.
//! Source: <https://issues.apache.org/jira/browse/KAFKA-20734>, <https://github.com/apache/kafka/pull/22680>

use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use super::child::{self, ProcessId};
use super::launch::Launcher;
use super::layout::{BrokerRecord, Layout};
use super::{DevError, STOP_LIMIT};

/// How long a controller may take until it acts. Measured: 2 to 4 s on two busy cores.
const ACTS_WITHIN: Duration = Duration::from_secs(40);
/// The controller's patience with a broker that it does not hear of, ms.
const SESSION_TIMEOUT_MS: u32 = 250;
/// From its first act until it has declared a broker dead: its patience, and what it takes to look and to write it down.
const DECLARES_WITHIN: Duration = Duration::from_millis(1_500);
/// What the controller says when it begins to act.
const ACTS: &str = "Performing controller activation";

/// Whether the last broker of this data directory ended without closing its logs. Kafka leaves a file when it does, and
/// takes it away when it starts.
pub(super) fn is_needed(data: &Path) -> bool {
    let has_run = data
        .join("__cluster_metadata-0")
        .join("leader-epoch-checkpoint");
    has_run.exists() && !data.join(".kafka_cleanshutdown").exists()
}

/// Has the dead broker declared dead. What goes wrong here is no reason not to start the broker, which will say it again.
pub(super) fn settle(layout: &Layout, record: &BrokerRecord, launcher: &Launcher) {
    tracing::info!(target: "kafka", "the last broker was killed: its controller settles that first");
    match run_controller(layout, record, launcher) {
        Ok(true) => {}
        Ok(false) => {
            tracing::warn!(target: "kafka", log = ?layout.controller_log(), "the controller did not act in time")
        }
        Err(error) => tracing::warn!(target: "kafka", %error, "the controller cannot run alone"),
    }
}

fn run_controller(
    layout: &Layout,
    record: &BrokerRecord,
    launcher: &Launcher,
) -> Result<bool, DevError> {
    layout.write_controller_properties(&properties(record, &launcher.data_dir(layout)))?;
    let log = layout.new_controller_log()?;
    let mut child = child::spawn(launcher.settle(layout, record), log)?;
    let acts = acts(layout, &mut child);
    if acts {
        std::thread::sleep(DECLARES_WITHIN);
    }
    let process = ProcessId::of(child.id());
    process.end(STOP_LIMIT, || matches!(child.try_wait(), Ok(None)));
    Ok(acts)
}

/// Waits until the controller says that it acts.
fn acts(layout: &Layout, child: &mut Child) -> bool {
    let deadline = Instant::now() + ACTS_WITHIN;
    while Instant::now() < deadline && matches!(child.try_wait(), Ok(None)) {
        let said = std::fs::read(layout.controller_log()).unwrap_or_default();
        if String::from_utf8_lossy(&said).contains(ACTS) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    false
}

fn properties(record: &BrokerRecord, data: &Path) -> String {
    let port = record.controller_port;
    let data = data.display();
    format!(
        "# Written by Meshlog after a broker was killed; changes here are lost.
process.roles=controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{port}
controller.listener.names=CONTROLLER
listeners=CONTROLLER://127.0.0.1:{port}
listener.security.protocol.map=CONTROLLER:PLAINTEXT
log.dirs={data}
broker.session.timeout.ms={SESSION_TIMEOUT_MS}
broker.heartbeat.interval.ms=50
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_broker_that_ran_and_was_killed_is_settled() {
        let data = tempfile::tempdir().expect("a temporary directory");
        assert!(!is_needed(data.path()), "never ran");
        let metadata = data.path().join("__cluster_metadata-0");
        std::fs::create_dir(&metadata).expect("makes");
        assert!(!is_needed(data.path()), "formatted");
        std::fs::write(metadata.join("leader-epoch-checkpoint"), "").expect("writes");
        assert!(is_needed(data.path()), "killed");
        std::fs::write(data.path().join(".kafka_cleanshutdown"), "").expect("writes");
        assert!(!is_needed(data.path()), "stopped");
    }
}
