//! Why proposals are refused: stable codes, each with a page under `docs/errors/`.

use crate::body::Refusal;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// Stable code of a refusal.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code {
            $($(#[$doc])* $name,)*
        }
        impl Code {
            /// Every code.
            pub const ALL: &'static [Code] = &[$(Code::$name),*];
            /// The code as written.
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$name => $text),* }
            }
        }
    };
}

codes! {
    /// The document cannot be read.
    Document = "MESH-2001",
    /// The owner is no registered team.
    UnknownOwner = "MESH-2002",
    /// The domain is not registered.
    UnknownDomain = "MESH-2003",
    /// A name is not valid.
    InvalidName = "MESH-2004",
    /// A name lies outside the domain that proposes it.
    OutsideDomain = "MESH-2005",
    /// The contract cannot be enforced as written.
    InvalidContract = "MESH-2006",
    /// The contract is not known.
    UnknownContract = "MESH-2007",
    /// This version is approved already, with other content.
    VersionTaken = "MESH-2008",
    /// The version is lower than the change demands.
    VersionTooLow = "MESH-2009",
    /// The change breaks somebody within its major version.
    Incompatible = "MESH-2010",
    /// The contract names another topic than the port's.
    PhysicalName = "MESH-2011",
    /// The port or the contract's major is taken.
    Taken = "MESH-2012",
    /// The proposal's command is not known.
    UnknownCommand = "MESH-2013",
    /// The activation does not fit the state.
    Activation = "MESH-2014",
    /// What a port has for life cannot change.
    Settled = "MESH-2015",
    /// The record of a redrive does not fit the port.
    Redrive = "MESH-2016",
    /// The act about a circuit breaker does not fit the port.
    Breaker = "MESH-2030",
    /// The record of a breach or a recovery does not fit the port.
    Slo = "MESH-2031",
    /// The order to give up a batch does not fit the port.
    Skip = "MESH-2032",
}

/// A refusal.
pub(crate) fn refuse(
    code: Code,
    document: &str,
    path: &str,
    message: impl Into<String>,
    way_out: impl Into<String>,
) -> Refusal {
    Refusal {
        code: code.as_str().to_owned(),
        document: document.to_owned(),
        path: path.to_owned(),
        message: message.into(),
        way_out: way_out.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::Code;
    use std::path::Path;

    #[test]
    fn every_code_has_a_page() {
        let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors");
        for code in Code::ALL {
            let page = std::fs::read_to_string(pages.join(format!("{}.md", code.as_str())));
            let page = page.unwrap_or_else(|_| panic!("{} has no page", code.as_str()));
            assert!(page.starts_with(&format!("# {}: ", code.as_str())));
        }
    }
}
