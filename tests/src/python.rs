//! Clients from elsewhere: the Python programs of `tests/clients`, run with the interpreter that has their libraries.

use crate::process::{Output, run};
use crate::{root, skip};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// Longest run of a client.
const LIMIT: Duration = Duration::from_secs(180);

/// The interpreter that `MESHLOG_TEST_PYTHON` names; without one, says what is not checked.
pub fn interpreter(what: &str) -> Option<PathBuf> {
    let named = std::env::var_os("MESHLOG_TEST_PYTHON").filter(|path| !path.is_empty());
    if named.is_none() {
        skip(
            what,
            "MESHLOG_TEST_PYTHON names no Python with tests/clients/requirements.txt (scripts/test does)",
        );
    }
    named.map(PathBuf::from)
}

/// Runs a client, as `count.py`; `None` when there is no interpreter for it.
#[track_caller]
pub fn client(name: &str, arguments: &[&str]) -> Option<Output> {
    Some(run(&mut command(name, arguments)?, LIMIT))
}

/// The command line of a client.
pub fn command(name: &str, arguments: &[&str]) -> Option<Command> {
    let mut command = Command::new(interpreter(name)?);
    command
        .arg(root().join("tests/clients").join(name))
        .args(arguments);
    Some(command)
}
