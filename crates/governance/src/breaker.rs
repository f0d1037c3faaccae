//! A port's circuit breaker: what is proposed about it, and the body of its facts.
//!
//! On disk since v0.2: `mesh.port.breaker.{opened,closed,held,reset}.v1`, one shape under four names. The enforcer opens
//! and closes it on partitions; people hold a port and reset it. Each fact carries the whole breaker after it.

use serde::{Deserialize, Serialize};

/// The whole breaker of a port after a fact about it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breaker {
    /// Port address.
    pub port: String,
    /// The partition that the fact is about; none where it is about the port.
    pub partition: Option<i32>,
    /// Why, in the words of whoever did it.
    pub reason: Option<String>,
    /// Why somebody holds the port, empty where they did not say; none where nobody does.
    pub held: Option<String>,
    /// The partitions on which it is open.
    pub open: Vec<Opening>,
}

impl Breaker {
    /// Whether events wait because of it.
    pub fn is_closed(&self) -> bool {
        self.held.is_none() && self.open.is_empty()
    }

    /// On which partition it is open, and why.
    pub fn opening(&self, partition: i32) -> Option<&Opening> {
        self.open.iter().find(|open| open.partition == partition)
    }
}

/// Why events wait, for people to read; empty where none do.
impl std::fmt::Display for Breaker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(reason) = &self.held {
            f.write_str("held by an operator until it is reset")?;
            return if reason.is_empty() {
                Ok(())
            } else {
                write!(f, ": {reason}")
            };
        }
        for (at, opening) in self.open.iter().enumerate() {
            let between = if at == 0 { "" } else { "; " };
            write!(f, "{between}{opening}")?;
        }
        Ok(())
    }
}

/// A partition on which the breaker is open, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opening {
    /// Partition of the inbox.
    pub partition: i32,
    /// The next offset to be judged: what waits begins there.
    pub offset: i64,
    /// The oldest of the refused events.
    pub since: i64,
    /// Refused events.
    pub refused: i64,
    /// Of so many.
    pub of: i64,
    /// The most frequent reason's code.
    pub code: String,
    /// The field that it is about; empty for the event as a whole.
    pub path: String,
}

impl std::fmt::Display for Opening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "partition {}: {} of the last {} events refused, most for {}",
            self.partition, self.refused, self.of, self.code
        )?;
        if !self.path.is_empty() {
            write!(f, " at {}", self.path)?;
        }
        write!(f, ", since offset {}", self.since)
    }
}

/// What is proposed about a breaker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "lowercase", deny_unknown_fields)]
pub enum BreakerAct {
    /// It opened on a partition (the enforcer).
    Opened {
        /// Port address.
        port: String,
        /// Where and why.
        opening: Opening,
    },
    /// It closed by itself on a partition (the enforcer).
    Closed {
        /// Port address.
        port: String,
        /// Partition of the inbox.
        partition: i32,
        /// What was seen.
        reason: String,
    },
    /// Hold the port until it is reset.
    Hold {
        /// Port address.
        port: String,
        /// Why.
        #[serde(default)]
        reason: Option<String>,
    },
    /// Hold no longer, and close what is open.
    Reset {
        /// Port address.
        port: String,
        /// Why.
        #[serde(default)]
        reason: Option<String>,
    },
}

impl BreakerAct {
    /// The port.
    pub fn port(&self) -> &str {
        match self {
            Self::Opened { port, .. }
            | Self::Closed { port, .. }
            | Self::Hold { port, .. }
            | Self::Reset { port, .. } => port,
        }
    }

    /// The partition, where the act is about one.
    pub fn partition(&self) -> Option<i32> {
        match self {
            Self::Opened { opening, .. } => Some(opening.partition),
            Self::Closed { partition, .. } => Some(*partition),
            Self::Hold { .. } | Self::Reset { .. } => None,
        }
    }

    /// Why, where the figures do not say it.
    pub fn reason(&self) -> Option<&String> {
        match self {
            Self::Opened { .. } => None,
            Self::Closed { reason, .. } => Some(reason),
            Self::Hold { reason, .. } | Self::Reset { reason, .. } => reason.as_ref(),
        }
    }

    /// Whether it is the enforcer's alone to say.
    pub fn is_enforcers(&self) -> bool {
        match self {
            Self::Opened { .. } | Self::Closed { .. } => true,
            Self::Hold { .. } | Self::Reset { .. } => false,
        }
    }
}
