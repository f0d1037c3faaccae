//! The beginning of a request of Kafka's protocol: enough to know which call it is and whose.
//!
//! Source: <https://kafka.apache.org/protocol#protocol_messages>. A request is `api_key: i16, api_version: i16,
//! correlation_id: i32, client_id: nullable string`, then tagged fields in flexible versions; the transactional calls
//! begin with the transactional id.

use std::fmt;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Longer frames are no frames: the broker would not take them either.
const LONGEST: usize = 104_857_600;

/// A call of Kafka's protocol, by its number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Api(pub i16);

impl Api {
    /// Records for topics.
    pub const PRODUCE: Self = Self(0);
    /// A producer takes, or renews, its id and epoch.
    pub const INIT_PRODUCER_ID: Self = Self(22);
    /// A transaction is told which partitions it will write.
    pub const ADD_PARTITIONS_TO_TXN: Self = Self(24);
    /// A transaction is told which group's offsets it will write.
    pub const ADD_OFFSETS_TO_TXN: Self = Self(25);
    /// A transaction's end.
    pub const END_TXN: Self = Self(26);
    /// Offsets of a transaction.
    pub const TXN_OFFSET_COMMIT: Self = Self(28);

    /// The version from which on its requests have tagged fields; `None` for calls without a transactional id.
    fn flexible_from(self) -> Option<i16> {
        match self.0 {
            0 => Some(9),
            22 => Some(2),
            24..=26 | 28 => Some(3),
            _ => None,
        }
    }
}

impl fmt::Display for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match *self {
            Self::PRODUCE => "Produce",
            Self::INIT_PRODUCER_ID => "InitProducerId",
            Self::ADD_PARTITIONS_TO_TXN => "AddPartitionsToTxn",
            Self::ADD_OFFSETS_TO_TXN => "AddOffsetsToTxn",
            Self::END_TXN => "EndTxn",
            Self::TXN_OFFSET_COMMIT => "TxnOffsetCommit",
            Self(other) => return write!(f, "call {other}"),
        };
        f.write_str(name)
    }
}

/// What a request is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Which call.
    pub api: Api,
    /// Repeated in its response.
    pub correlation: i32,
    /// Whose transaction; `None` where the call has none, or the producer is not transactional.
    pub transactional_id: Option<String>,
}

impl Head {
    /// Reads the head of a request without its length; `None` when the bytes are no request.
    pub fn parse(frame: &[u8]) -> Option<Self> {
        let mut rest = Cursor(frame);
        let api = Api(rest.i16()?);
        let version = rest.i16()?;
        let correlation = rest.i32()?;
        let transactional_id = api
            .flexible_from()
            .and_then(|flexible| rest.transactional_id(version >= flexible));
        Some(Self {
            api,
            correlation,
            transactional_id,
        })
    }
}

/// The correlation id with which a response begins.
pub fn correlation(response: &[u8]) -> Option<i32> {
    Cursor(response).i32()
}

struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn i16(&mut self) -> Option<i16> {
        Some(i16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    fn i32(&mut self) -> Option<i32> {
        Some(i32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    /// Only lengths below 2^14 occur in what is read here.
    fn varint(&mut self) -> Option<usize> {
        let low = usize::from(*self.take(1)?.first()?);
        if low < 0x80 {
            return Some(low);
        }
        let high = usize::from(*self.take(1)?.first()?);
        (high < 0x80).then_some((low & 0x7f) | (high << 7))
    }

    fn string(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.i16()?).ok()?;
        self.take(length)
    }

    fn transactional_id(&mut self, flexible: bool) -> Option<String> {
        // The client id has two bytes of length in every version; -1 is null.
        let client = self.i16()?;
        self.take(usize::try_from(client.max(0)).ok()?)?;
        let bytes = if flexible {
            let tags = self.varint()?;
            let length = self.varint().filter(|_| tags == 0)?;
            self.take(length.checked_sub(1)?)?
        } else {
            self.string()?
        };
        String::from_utf8(bytes.to_vec()).ok()
    }
}

/// Reads one frame without its length; `None` at the end of the stream.
///
/// # Errors
/// The stream breaks, or what comes is no frame.
pub async fn read(from: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match from.read_exact(&mut length).await {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if length > LONGEST {
        return Err(std::io::Error::other("no frame of Kafka's protocol"));
    }
    let mut frame = vec![0; length];
    from.read_exact(&mut frame).await?;
    Ok(Some(frame))
}

/// A frame as it goes over the wire: with its length.
pub fn with_length(frame: &[u8]) -> Vec<u8> {
    let length = u32::try_from(frame.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes(), frame].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(api: i16, version: i16, tail: &[u8]) -> Vec<u8> {
        let head = [api.to_be_bytes(), version.to_be_bytes()].concat();
        [&head[..], &7_i32.to_be_bytes(), b"\x00\x07meshlog", tail].concat()
    }

    #[test]
    fn the_transactional_id_is_found_in_both_kinds_of_versions() {
        let old = request(26, 1, b"\x00\x03m.0rest");
        let new = request(26, 3, b"\x00\x04m.0rest");
        for frame in [old, new] {
            let head = Head::parse(&frame).expect("a request");
            assert_eq!((head.api, head.correlation), (Api::END_TXN, 7));
            assert_eq!(head.transactional_id.as_deref(), Some("m.0"));
        }
        let plain = Head::parse(&request(0, 7, b"\xff\xff\xff\xff")).expect("a request");
        assert_eq!(plain.transactional_id, None);
        let other = Head::parse(&request(3, 9, b"")).expect("a request");
        assert_eq!((other.api, other.transactional_id), (Api(3), None));
    }

    #[test]
    fn every_cut_of_a_request_is_read_without_harm() {
        let whole = request(0, 9, b"\x00\x04m.0rest");
        for cut in 0..whole.len() {
            let head = Head::parse(&whole[..cut]);
            assert_eq!(head.is_some(), cut >= 8, "{cut}");
        }
        assert_eq!(correlation(&[0, 0, 0]), None);
    }

    #[tokio::test]
    async fn frames_come_out_as_they_went_in() {
        let wire = [with_length(b"one"), with_length(b"")].concat();
        let mut from = &wire[..];
        assert_eq!(read(&mut from).await.expect("reads"), Some(b"one".to_vec()));
        assert_eq!(read(&mut from).await.expect("reads"), Some(Vec::new()));
        assert_eq!(read(&mut from).await.expect("ends"), None);
        let mut broken = &with_length(b"one")[..5];
        assert!(read(&mut broken).await.is_err(), "cut in its midst");
        let mut foreign = &b"GET / HTTP/1.1"[..];
        assert!(read(&mut foreign).await.is_err(), "no frame");
    }
}
