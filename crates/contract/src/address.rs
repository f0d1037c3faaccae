//! Port addresses: the one name under which a port, its topic and its URN are known.
//!
//! `<domain>.<product>.<port>.v<major>`, lower case letters, digits and `-`. The domain in an address is the
//! port's *birth* domain and never changes; ownership is a field of the port (see the governance crate).

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Longest name of a domain, product or port, in bytes: three of them, the dots, the major and
/// `.quarantine` must fit Kafka's limit of 249 bytes for a topic.
pub const MAX_NAME: usize = 63;

/// A name is not one that an address can hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{name}` is not a valid {what}: use 1 to {MAX_NAME} lower-case letters, digits and `-`, starting with a letter"
)]
pub struct InvalidName {
    /// What the name was meant for: `domain name`, `product name`, ...
    pub what: &'static str,
    /// The name as given.
    pub name: String,
}

/// Check that `name` may stand in an address.
///
/// # Errors
/// [`InvalidName`] when it is empty, too long, or holds a character outside `a-z0-9-`.
pub fn check_name(what: &'static str, name: &str) -> Result<(), InvalidName> {
    let starts_well = name.starts_with(|c: char| c.is_ascii_lowercase());
    let chars_ok = name
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if starts_well && chars_ok && name.len() <= MAX_NAME {
        Ok(())
    } else {
        Err(InvalidName {
            what,
            name: name.to_owned(),
        })
    }
}

/// The address of an output port: one port = one major version = one topic.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct PortAddress {
    domain: String,
    product: String,
    port: String,
    major: u32,
}

/// A text is not a port address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAddress {
    /// Not four parts, the last one `v<number>`.
    #[error("`{0}` is not a port address: expected `<domain>.<product>.<port>.v<major>`")]
    Shape(String),
    /// One of the parts is not a valid name.
    #[error(transparent)]
    Name(#[from] InvalidName),
}

impl PortAddress {
    /// Build an address from its parts.
    ///
    /// # Errors
    /// [`InvalidName`] names the part that is not valid.
    pub fn new(domain: &str, product: &str, port: &str, major: u32) -> Result<Self, InvalidName> {
        check_name("domain name", domain)?;
        check_name("product name", product)?;
        check_name("port name", port)?;
        Ok(Self {
            domain: domain.to_owned(),
            product: product.to_owned(),
            port: port.to_owned(),
            major,
        })
    }

    /// The domain under which the port was created.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The product's name within its birth domain.
    pub fn product(&self) -> &str {
        &self.product
    }

    /// The port's name within its product.
    pub fn port(&self) -> &str {
        &self.port
    }

    /// The major version this port carries, for ever.
    pub fn major(&self) -> u32 {
        self.major
    }

    /// The product topic, which is the address itself.
    pub fn topic(&self) -> String {
        self.to_string()
    }

    /// The name of the inbox where the contract names no other.
    pub fn default_inbox(&self) -> String {
        format!("{self}.inbox")
    }

    /// The quarantine topic.
    pub fn quarantine(&self) -> String {
        format!("{self}.quarantine")
    }

    /// `urn:mesh:<domain>:<product>:<port>:<major>`.
    pub fn urn(&self) -> String {
        format!(
            "urn:mesh:{}:{}:{}:{}",
            self.domain, self.product, self.port, self.major
        )
    }

    /// `<domain>/<product>`: the key of the product in the governance state.
    pub fn product_key(&self) -> String {
        format!("{}/{}", self.domain, self.product)
    }
}

impl fmt::Display for PortAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}.{}.{}.v{}",
            self.domain, self.product, self.port, self.major
        )
    }
}

impl FromStr for PortAddress {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let shape = || InvalidAddress::Shape(text.to_owned());
        let parts: Vec<&str> = text.split('.').collect();
        let [domain, product, port, version] = parts[..] else {
            return Err(shape());
        };
        let digits = version.strip_prefix('v').ok_or_else(shape)?;
        let canonical = !digits.is_empty() && (digits == "0" || !digits.starts_with('0'));
        let major: u32 = digits.parse().map_err(|_| shape())?;
        if !canonical || digits.starts_with('+') {
            return Err(shape());
        }
        Ok(Self::new(domain, product, port, major)?)
    }
}

impl From<PortAddress> for String {
    fn from(address: PortAddress) -> Self {
        address.to_string()
    }
}

impl TryFrom<String> for PortAddress {
    type Error = InvalidAddress;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_round_trips_and_names_its_topics() {
        let address: PortAddress = "flights.departures.events.v1".parse().expect("valid");
        assert_eq!(address.to_string(), "flights.departures.events.v1");
        assert_eq!(
            address.default_inbox(),
            "flights.departures.events.v1.inbox"
        );
        assert_eq!(
            address.quarantine(),
            "flights.departures.events.v1.quarantine"
        );
        assert_eq!(address.urn(), "urn:mesh:flights:departures:events:1");
        assert_eq!(address.product_key(), "flights/departures");
    }

    #[test]
    fn malformed_addresses_are_refused() {
        for bad in [
            "",
            "a",
            "a.b.c",
            "a.b.c.1",
            "a.b.c.v",
            "a.b.c.v01",
            "a.b.c.v+1",
            "A.b.c.v1",
            "a.b.c.v1.inbox",
            "a..c.v1",
            "-a.b.c.v1",
            "a_b.c.d.v1",
            "a.b.c.v99999999999",
        ] {
            assert!(
                bad.parse::<PortAddress>().is_err(),
                "{bad} should be refused"
            );
        }
    }
}
