//! Records as they come from Kafka and as they go to it, owned and plain.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rdkafka::Message;
use rdkafka::message::{BorrowedMessage, Headers, OwnedHeaders};

/// The name under which a header whose name is no UTF-8 is shown. rust-rdkafka panics on such a header before it gives
/// its value, so the value is not shown either.
pub const UNREADABLE_HEADER: &str = "\u{fffd}";

/// One header. Names may repeat, and a value may be null.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The name.
    pub key: String,
    /// The value; `None` is Kafka's null, which is not the empty value.
    pub value: Option<Vec<u8>>,
}

impl Header {
    /// A header with a value.
    pub fn new(key: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        Self {
            key: key.into(),
            value: Some(value.into()),
        }
    }
}

/// A record read from a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The topic it was read from.
    pub topic: String,
    /// The partition in the topic.
    pub partition: i32,
    /// The offset in the partition.
    pub offset: i64,
    /// Milliseconds since 1970 UTC, as set by the producer or the broker.
    pub timestamp_ms: Option<i64>,
    /// The key's bytes.
    pub key: Option<Vec<u8>>,
    /// The value's bytes; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
    /// The headers in their order.
    pub headers: Vec<Header>,
}

impl Record {
    /// The last header of this name, as Kafka's own clients choose.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers
            .iter()
            .rev()
            .find(|header| header.key == name)?
            .value
            .as_deref()
    }

    /// About how many bytes this record holds, for limits on memory.
    pub(crate) fn size(&self) -> usize {
        let headers: usize = self
            .headers
            .iter()
            .map(|header| header.key.len() + header.value.as_ref().map_or(0, Vec::len))
            .sum();
        headers
            + self.key.as_ref().map_or(0, Vec::len)
            + self.value.as_ref().map_or(0, Vec::len)
            + size_of::<Self>()
    }

    /// Copies a record out of librdkafka's buffer.
    pub(crate) fn from_message(message: &BorrowedMessage<'_>) -> Self {
        Self {
            topic: message.topic().to_owned(),
            partition: message.partition(),
            offset: message.offset(),
            timestamp_ms: message.timestamp().to_millis(),
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().map(<[u8]>::to_vec),
            headers: message.headers().map(copy_headers).unwrap_or_default(),
        }
    }
}

fn copy_headers(headers: &impl Headers) -> Vec<Header> {
    (0..headers.count())
        .map(|index| {
            // A header's name can be any bytes on the wire; the library unwraps it as UTF-8.
            catch_unwind(AssertUnwindSafe(|| {
                let header = headers.get(index);
                Header {
                    key: header.key.to_owned(),
                    value: header.value.map(<[u8]>::to_vec),
                }
            }))
            .unwrap_or_else(|_| Header {
                key: UNREADABLE_HEADER.to_owned(),
                value: None,
            })
        })
        .collect()
}

/// A record to be written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outgoing {
    /// The topic to write to.
    pub topic: String,
    /// The partition; `None` lets the key choose, as Java's client would.
    pub partition: Option<i32>,
    /// Milliseconds since 1970 UTC; `None` is now.
    pub timestamp_ms: Option<i64>,
    /// The key's bytes.
    pub key: Option<Vec<u8>>,
    /// The value's bytes; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
    /// The headers in their order.
    pub headers: Vec<Header>,
}

impl Outgoing {
    /// The headers in librdkafka's form; `None` when there are none.
    pub(crate) fn native_headers(&self) -> Option<OwnedHeaders> {
        if self.headers.is_empty() {
            return None;
        }
        let empty = OwnedHeaders::new_with_capacity(self.headers.len());
        Some(self.headers.iter().fold(empty, |headers, header| {
            headers.insert(rdkafka::message::Header {
                key: &header.key,
                value: header.value.as_deref(),
            })
        }))
    }
}
