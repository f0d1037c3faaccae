//! What the process says to its caller: exit codes, and the one place where errors are told apart for them.
//!
//! | code | means |
//! |---|---|
//! | 0 | done |
//! | 1 | anything else |
//! | 2 | wrong use |
//! | 3 | refused: contract, policy, permission, verification |
//! | 4 | not found |
//! | 5 | not reachable |

use std::process::ExitCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything asked for was done.
    Done,
    /// It was not, for none of the reasons below.
    Else,
    /// The command line, or a file it names, is wrong.
    Usage,
    /// A contract, policy, permission or verification says no.
    Refused,
    /// What was asked about does not exist.
    NotFound,
    /// The mesh or its brokers do not answer.
    NotReachable,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(match exit {
            Exit::Done => 0,
            Exit::Else => 1,
            Exit::Usage => 2,
            Exit::Refused => 3,
            Exit::NotFound => 4,
            Exit::NotReachable => 5,
        })
    }
}

/// A failure whose exit code is known; `anyhow` carries it, with more words around it, to the top.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// Wrong use.
    #[error("{0}")]
    Usage(String),
    /// Refused.
    #[error("{0}")]
    Refused(String),
    /// Not found.
    #[error("{0}")]
    NotFound(String),
    /// Nothing answers at the mesh's address.
    #[error("no mesh at {url}: start one with `meshlog up` or name it with --http")]
    NoMesh {
        /// Where it was looked for.
        url: String,
        /// What went wrong.
        #[source]
        source: reqwest::Error,
    },
    /// The mesh answers, something behind it does not.
    #[error("{0}")]
    NotReachable(String),
    /// Everything has been said already; only the code is left.
    #[error("")]
    Said(Exit),
}

impl Failure {
    fn exit(&self) -> Exit {
        match self {
            Failure::Usage(_) => Exit::Usage,
            Failure::Refused(_) => Exit::Refused,
            Failure::NotFound(_) => Exit::NotFound,
            Failure::NoMesh { .. } | Failure::NotReachable(_) => Exit::NotReachable,
            Failure::Said(exit) => *exit,
        }
    }
}

/// Ends a command with the code alone: what there was to say has been printed.
pub(crate) fn said(exit: Exit) -> anyhow::Error {
    Failure::Said(exit).into()
}

/// The way a finished command ends the process; prints the error, its chain in one line, to stderr.
pub(crate) fn conclude(result: anyhow::Result<()>) -> Exit {
    let Err(error) = result else {
        return Exit::Done;
    };
    if is_broken_pipe(&error) {
        // The reader has seen enough (`meshlog consume … | head`): that is an end, not an error.
        return Exit::Done;
    }
    let failure = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<Failure>());
    if !matches!(failure, Some(Failure::Said(_))) {
        eprintln!("error: {}", chain(&error));
    }
    failure.map_or_else(|| exit_of_kafka(&error), Failure::exit)
}

/// The chain of causes in one line, without what a cause only repeats.
fn chain(error: &anyhow::Error) -> String {
    // With the way out in the first message, the transport's own words add nothing.
    if let Some(failure @ Failure::NoMesh { .. }) = error.downcast_ref::<Failure>() {
        return failure.to_string();
    }
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

fn exit_of_kafka(error: &anyhow::Error) -> Exit {
    match error
        .chain()
        .find_map(|cause| cause.downcast_ref::<kafka::ReadError>())
    {
        Some(kafka::ReadError::NoTopic { .. }) => Exit::NotFound,
        Some(kafka::ReadError::Read { .. }) => Exit::NotReachable,
        Some(kafka::ReadError::Cluster(_)) | None => Exit::Else,
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<std::io::Error>());
    io.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn every_failure_has_its_code() {
        let cases = [
            (Failure::Usage("a".into()), Exit::Usage),
            (Failure::Refused("a".into()), Exit::Refused),
            (Failure::NotFound("a".into()), Exit::NotFound),
            (Failure::NotReachable("a".into()), Exit::NotReachable),
            (Failure::Said(Exit::Refused), Exit::Refused),
        ];
        for (failure, exit) in cases {
            let error = Err::<(), _>(failure)
                .context("around it")
                .expect_err("failed");
            assert_eq!(conclude(Err(error)), exit);
        }
        assert_eq!(conclude(Ok(())), Exit::Done);
        assert_eq!(conclude(Err(anyhow::anyhow!("x"))), Exit::Else);
    }

    #[test]
    fn a_closed_pipe_is_no_error() {
        let pipe = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        assert_eq!(conclude(Err(pipe.into())), Exit::Done);
    }

    #[test]
    fn causes_stand_in_one_line_once() {
        let error = anyhow::anyhow!("inner")
            .context("outer: inner")
            .context("top");
        assert_eq!(chain(&error), "top: outer: inner");
    }
}
