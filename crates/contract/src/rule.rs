//! Placeholder.

/// An event as the rules see it.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    /// The key.
    pub key: Option<&'a [u8]>,
    /// The value.
    pub value: Option<&'a [u8]>,
    /// The headers.
    pub headers: &'a [(&'a str, Option<&'a [u8]>)],
}

/// A schema id that no fact known so far binds to this port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownSchema(pub String);
