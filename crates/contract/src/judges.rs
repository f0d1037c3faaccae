//! Public test data that stands beside the repository, not in it: other projects' own cases.

use serde_json::Value;
use std::path::PathBuf;

/// A file of the judges as JSON; says so and gives `None` where the data is not there.
pub(crate) fn json(name: &str) -> Option<Value> {
    text(name).map(|text| serde_json::from_str(&text).expect("a judge is JSON"))
}

/// A file of the judges; says so and gives `None` where the data is not there.
pub(crate) fn text(name: &str) -> Option<String> {
    let shared = option_env!("MESHLOG_SHARED")
        .map(PathBuf::from)
        .unwrap_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")));
    let path = shared.join("judges").join(name);
    match std::fs::read_to_string(&path) {
        Ok(text) => Some(text),
        Err(error) => {
            eprintln!(
                "SKIPPED: {} is not here ({error}); set MESHLOG_SHARED",
                path.display()
            );
            None
        }
    }
}
