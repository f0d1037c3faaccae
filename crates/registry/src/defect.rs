//! What is answered where our own code, or a library's, has panicked: an error as any other, and a line in the log.
//!
//! What is asked changes nothing of what is shared, and locks are taken as they were left, so going on is safe.

use crate::refusal::Refusal;
use std::any::Any;

/// Log a panic that ended `what`, and say so to whoever asked for it.
pub(crate) fn refuse(what: &str, panic: &(dyn Any + Send)) -> Refusal {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    tracing::error!(
        what,
        panic = text.unwrap_or("without words"),
        "a defect: it is answered with an error"
    );
    Refusal::defect()
}
