//! Semantic versions of contracts: `major.minor.patch`, nothing behind it.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A contract's version, ordered as semantic versions are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Version {
    /// Breaking changes; one major = one port = one topic.
    pub major: u32,
    /// Compatible additions.
    pub minor: u32,
    /// Changes that touch no event.
    pub patch: u32,
}

/// A text is not a version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a version: expected `major.minor.patch`, as 1.4.0")]
pub struct InvalidVersion(pub String);

/// How far a version must move for a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Bump {
    /// Nothing changed.
    None,
    /// No event is judged otherwise.
    Patch,
    /// Compatible.
    Minor,
    /// Somebody breaks.
    Major,
}

impl Version {
    /// The lowest version that a change of this size may carry after this one.
    pub fn bumped(self, bump: Bump) -> Self {
        let Self {
            major,
            minor,
            patch,
        } = self;
        match bump {
            Bump::None => self,
            Bump::Patch => Self {
                major,
                minor,
                patch: patch + 1,
            },
            Bump::Minor => Self {
                major,
                minor: minor + 1,
                patch: 0,
            },
            Bump::Major => Self {
                major: major + 1,
                minor: 0,
                patch: 0,
            },
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl FromStr for Version {
    type Err = InvalidVersion;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidVersion(text.to_owned());
        let digits = text.strip_prefix('v').unwrap_or(text);
        let parts: Vec<u32> = digits
            .split('.')
            .map(|part| {
                let plain = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
                if plain {
                    part.parse().map_err(|_| invalid())
                } else {
                    Err(invalid())
                }
            })
            .collect::<Result<_, _>>()?;
        match parts[..] {
            [major, minor, patch] => Ok(Self {
                major,
                minor,
                patch,
            }),
            [major, minor] => Ok(Self {
                major,
                minor,
                patch: 0,
            }),
            [major] => Ok(Self {
                major,
                minor: 0,
                patch: 0,
            }),
            _ => Err(invalid()),
        }
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.to_string()
    }
}

impl TryFrom<String> for Version {
    type Error = InvalidVersion;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_parse_order_and_move() {
        let version: Version = "1.4.2".parse().expect("parses");
        assert_eq!(version.bumped(Bump::Minor).to_string(), "1.5.0");
        assert_eq!(version.bumped(Bump::Major).to_string(), "2.0.0");
        assert_eq!(version.bumped(Bump::Patch).to_string(), "1.4.3");
        assert_eq!(
            "v2".parse::<Version>().expect("parses").to_string(),
            "2.0.0"
        );
        assert!("1.10.0".parse::<Version>().expect("a") > "1.9.9".parse().expect("b"));
        for bad in ["", "1.", "a", "1.2.3.4", "1.2.-3", "1.2.3-rc1", "+1"] {
            assert!(bad.parse::<Version>().is_err(), "{bad}");
        }
    }
}
