//! Waiting for something to become true. The tests wait for states, not for time to pass.

use std::time::{Duration, Instant};

/// Longer than anything takes on a busy machine.
pub const LIMIT: Duration = Duration::from_secs(120);

/// How often is looked.
const GLANCE: Duration = Duration::from_millis(50);

/// Looks until `check` gives something; its error is the status, the last of which a failure reports.
pub fn wait_for<T>(what: &str, limit: Duration, mut check: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        match check() {
            Ok(found) => return found,
            Err(status) => assert!(
                Instant::now() < deadline,
                "not within {} s: {what}; last status: {status}",
                limit.as_secs()
            ),
        }
        std::thread::sleep(GLANCE);
    }
}
