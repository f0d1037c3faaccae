//! Why a service over Kafka cannot start, and whether waiting helps.

use crate::{AdminError, ClusterError, ReadError};

/// A service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A topic has settings under which the log would be lost, or the broker cannot be asked.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// No Kafka client could be made.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// A log cannot be followed.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl StartError {
    /// Whether Kafka, or a topic that another service makes, was merely not there yet.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Admin(
                AdminError::Request { .. }
                | AdminError::Unreachable { .. }
                | AdminError::NoTopic { .. },
            )
            | Self::Read(_) => true,
            Self::Admin(
                AdminError::Cluster(_)
                | AdminError::TopicMismatch { .. }
                | AdminError::Unreadable { .. },
            )
            | Self::Cluster(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_absent_kafka_is_waited_for() {
        let unreachable = AdminError::Unreachable {
            bootstrap: "x".into(),
        };
        assert!(StartError::from(unreachable).may_pass());
        let mismatch = AdminError::TopicMismatch {
            topic: "_schemas".into(),
            setting: "cleanup.policy".into(),
            expected: "compact".into(),
            found: "delete".into(),
        };
        assert!(!StartError::from(mismatch).may_pass());
    }
}
