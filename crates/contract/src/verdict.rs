//! The verdict on one event: accepted, or quarantined with every reason found.
//!
//! A bad event is data, never an error: nothing in this module is an `Err`. Codes are stable for ever, each has a
//! page under `docs/errors/`.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Longest text of `found` in a reason, in characters: reasons travel in a Kafka header.
pub const MAX_FOUND: usize = 120;

/// Most reasons kept for one event: the first of them tell the author what to mend.
pub const MAX_REASONS: usize = 32;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// Why an event was refused: a stable code with a page in the documentation.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Code {
            $($(#[$doc])* #[serde(rename = $text)] $name,)*
        }
        impl Code {
            /// Every code, in order.
            pub const ALL: &'static [Code] = &[$(Code::$name),*];
            /// The code as written in headers, answers and file names.
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$name => $text),* }
            }
        }
    };
}

codes! {
    /// The event must carry a schema id (prefix or header) and carries none.
    NotFramed = "MESH-1001",
    /// The schema id is not one that a fact binds to this port.
    UnknownSchemaId = "MESH-1002",
    /// The body does not decode under its schema.
    Undecodable = "MESH-1003",
    /// Bytes are left over after the body.
    TrailingBytes = "MESH-1004",
    /// The body is not JSON.
    NotJson = "MESH-1005",
    /// A required property is missing (or null).
    Missing = "MESH-1006",
    /// A value has another type than the contract says.
    WrongType = "MESH-1007",
    /// A value is outside what the contract allows (range, length, pattern, enumeration).
    OutOfBounds = "MESH-1008",
    /// A property that the contract does not declare.
    Undeclared = "MESH-1009",
    /// A tombstone (null value) where the contract refuses them.
    Tombstone = "MESH-1010",
    /// An empty value, which is neither an event nor a tombstone.
    Empty = "MESH-1011",
    /// The key is missing or not what the contract says.
    Key = "MESH-1012",
    /// A required header is missing.
    Header = "MESH-1013",
    /// The event is nested too deep or holds too many items to be checked.
    TooComplex = "MESH-1014",
    /// The validator itself failed; the event is kept for us to look at.
    Internal = "MESH-1015",
    /// A value does not fit its logical type (date, timestamp, decimal, uuid).
    LogicalType = "MESH-1016",
    /// The record does not fit its topic once the enforcer's header is added.
    TooLarge = "MESH-1017",
    /// A rule of the contract does not hold.
    RuleBroken = "MESH-1018",
    /// A rule of the contract could not be evaluated on the event.
    RuleFailed = "MESH-1019",
    /// The event is not the CloudEvent that the contract asks for: an attribute or the mode is wrong.
    CloudEvent = "MESH-1020",
    /// A batch that nobody could read, given up by an order: its coordinates stand for its events.
    Unreadable = "MESH-1021",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One violation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// Stable code.
    pub code: Code,
    /// JSON Pointer (RFC 6901) of the field in the decoded event; empty for the event as a whole. What does not begin
    /// with `/` stands beside the event: `key` and a pointer into the key, or the name of a header.
    pub path: String,
    /// What the contract asks for.
    pub expected: String,
    /// What the event holds, at most [`MAX_FOUND`] characters.
    pub found: String,
    /// The contract's quality rule, where one is broken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
}

impl Reason {
    /// A reason; `found` is cut to [`MAX_FOUND`] characters.
    pub fn new(
        code: Code,
        path: impl Into<String>,
        expected: impl Into<String>,
        found: &str,
    ) -> Self {
        Self {
            code,
            path: path.into(),
            expected: expected.into(),
            found: bounded(found),
            rule: None,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() {
            "(event)"
        } else {
            &self.path
        };
        write!(
            f,
            "{} {path}: expected {}, found {}",
            self.code, self.expected, self.found
        )
    }
}

fn bounded(text: &str) -> String {
    match text.char_indices().nth(MAX_FOUND) {
        None => text.to_owned(),
        Some((cut, _)) => format!("{}…", &text[..cut]),
    }
}

/// What was decided about one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It meets its contract.
    Accepted,
    /// It meets its contract but for rules in shadow, which refuse nothing; what they would refuse it for.
    Shadowed(Vec<Reason>),
    /// It does not; all violations, most important first, at least one.
    Quarantined(Vec<Reason>),
}

impl Verdict {
    /// Accepted when there is no reason against, with at most [`MAX_REASONS`] kept.
    pub fn from_reasons(mut reasons: Vec<Reason>) -> Self {
        if reasons.is_empty() {
            return Verdict::Accepted;
        }
        reasons.truncate(MAX_REASONS);
        Verdict::Quarantined(reasons)
    }

    /// The same, with what rules in shadow would refuse an accepted event for.
    #[must_use]
    pub fn shadowed(self, mut shadowed: Vec<Reason>) -> Self {
        match self {
            Verdict::Accepted if !shadowed.is_empty() => {
                shadowed.truncate(MAX_REASONS);
                Verdict::Shadowed(shadowed)
            }
            Verdict::Accepted | Verdict::Shadowed(_) | Verdict::Quarantined(_) => self,
        }
    }

    /// The same, after what was found before.
    #[must_use]
    pub fn after(self, mut before: Vec<Reason>) -> Self {
        match self {
            same if before.is_empty() => same,
            Verdict::Accepted | Verdict::Shadowed(_) => Self::from_reasons(before),
            Verdict::Quarantined(reasons) => {
                before.extend(reasons);
                Self::from_reasons(before)
            }
        }
    }

    /// One reason is enough.
    pub fn refused(reason: Reason) -> Self {
        Verdict::Quarantined(vec![reason])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_serialize_as_their_text() {
        let mut texts: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), Code::ALL.len());
        assert_eq!(
            serde_json::to_string(&Code::Missing).expect("serializes"),
            "\"MESH-1006\""
        );
    }

    #[test]
    fn found_is_bounded_on_a_character_boundary() {
        let reason = Reason::new(Code::WrongType, "/a", "string", &"é".repeat(500));
        assert_eq!(reason.found.chars().count(), MAX_FOUND + 1);
    }

    #[test]
    fn every_code_has_a_page() {
        let pages = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors");
        for code in Code::ALL {
            let page = std::fs::read_to_string(pages.join(format!("{code}.md")));
            assert!(
                page.is_ok_and(|page| page.starts_with(&format!("# {code}: "))),
                "{code}"
            );
        }
    }
}
