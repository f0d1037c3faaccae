//! What the enforcer adds to a record, and the envelope of a quarantined one, which always fits its topic.
//!
//! Header names are on disk since v0.1. The `__rule.*` names are those of Confluent's rule executors' dead letter
//! records, so that tools show them.
//! Source: `io.confluent.kafka.schemaregistry.rules` (`DlqAction`).

use crate::force::PortEntry;
use contract::verdict::Reason;
use kafka::mutants::{Mutant, active};
use kafka::tx::{HeaderRef, Inbound, Outbound, RESERVED_PREFIX};
use sha2::{Digest, Sha256};

/// Where a product or quarantine record came from and by which facts it was judged: see [`Source`].
pub const SOURCE: &str = "mesh-src";

/// Why a record was refused: a JSON array of reasons.
pub const REASONS: &str = "mesh-reasons";

/// The value was cut: `<sha256 in hex>/<length>` of the whole.
pub const TRUNCATED: &str = "mesh-truncated";

/// The key was cut: the same.
pub const KEY_TRUNCATED: &str = "mesh-key-truncated";

/// How many headers of the producer did not fit.
pub const HEADERS_DROPPED: &str = "mesh-headers-dropped";

/// Codes of what would have been refused, on a record that shadow mode let through.
pub const WOULD_REFUSE: &str = "mesh-would-refuse";

/// Offsets of the inbox that this record stands for, which nobody could read: `<first>-<last>`.
pub const SKIPPED: &str = "mesh-skipped";

/// How often an event was redriven, and from where last: `<partition>/<offset>#<times>`. A redriver sets it, the enforcer
/// keeps it where the event is refused again, so that no event goes round for ever.
pub const REDRIVEN: &str = "mesh-redriven";

/// Every header that a quarantined record has beside the producer's own, less those under [`RESERVED_PREFIX`].
pub const DLQ_HEADERS: [&str; 5] = [
    "__rule.name",
    "__rule.mode",
    "__rule.subject",
    "__rule.topic",
    "__rule.exception",
];

/// What of an oversize value is kept, in bytes: enough to see what it is.
const KEPT_VALUE: usize = 64 * 1024;

/// What of an oversize key is kept.
const KEPT_KEY: usize = 4 * 1024;

/// Longest JSON of reasons: with the rest of the envelope it must fit any topic that takes [`KEPT_VALUE`].
const MAX_REASONS_JSON: usize = 16 * 1024;

/// Longest text of one reason in `__rule.exception`, and of a path or expectation when reasons must be cut.
const MAX_TEXT: usize = 512;

/// Upper bound of what a record batch of one record needs besides keys, values and headers: 61 bytes of batch header,
/// and the record's own length, attributes, time and offset deltas, key, value and header counts as varints.
/// Source: <https://kafka.apache.org/documentation/#recordbatch>
const OVERHEAD: usize = 61 + 36;

/// Upper bound of the two length varints of a header.
const HEADER_OVERHEAD: usize = 10;

/// The value of [`SOURCE`]: `<partition>/<offset>@<seq>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// Inbox partition.
    pub partition: i32,
    /// Inbox offset.
    pub offset: i64,
    /// Governance position that judged it.
    pub seq: u64,
}

impl Source {
    /// Write it to `text`, replacing what is there: one buffer serves every record.
    pub fn write(&self, text: &mut String) {
        // Formatted for every record: the general way takes a tenth of what judging one does.
        let mut digits = itoa::Buffer::new();
        text.clear();
        text.push_str(digits.format(self.partition));
        text.push('/');
        text.push_str(digits.format(self.offset));
        text.push('@');
        text.push_str(digits.format(self.seq));
    }

    /// Read the value of a [`SOURCE`] header.
    pub fn parse(text: &str) -> Option<Self> {
        let (partition, rest) = text.split_once('/')?;
        let (offset, seq) = rest.split_once('@')?;
        let (partition, offset) = (partition.parse().ok()?, offset.parse().ok()?);
        Some(Self {
            partition,
            offset,
            seq: seq.parse().ok()?,
        })
    }
}

/// An upper bound of the bytes of a record as its topic counts them.
pub fn size_bound(record: &Outbound<'_>) -> usize {
    let kept = record
        .headers
        .iter()
        .filter(|(name, _)| !name.starts_with(RESERVED_PREFIX));
    let headers: usize = kept.chain(record.added).map(header_size).sum();
    OVERHEAD + length(record.key) + length(record.value) + headers
}

fn header_size((name, value): &HeaderRef<'_>) -> usize {
    HEADER_OVERHEAD + name.len() + length(*value)
}

fn length(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(0, <[u8]>::len)
}

/// The record for the product topic: everything unchanged, and `added`.
pub fn product<'a>(
    port: &'a PortEntry,
    record: &Inbound<'a>,
    added: &'a [HeaderRef<'a>],
) -> Outbound<'a> {
    Outbound {
        topic: &port.product,
        partition: record.partition,
        timestamp_ms: record.timestamp_ms,
        key: record.key,
        value: record.value,
        headers: record.headers,
        added,
    }
}

/// The headers that say why a record was refused, to be written after `mesh-src`.
#[derive(Debug)]
pub struct Refusal {
    headers: Vec<(&'static str, String)>,
}

impl Refusal {
    /// Describe these reasons; `inbox` is where the record came from.
    pub fn new(inbox: &str, reasons: &[Reason]) -> Self {
        let first = reasons.first();
        let code = first.map_or("", |reason| reason.code.as_str());
        let rule = first.and_then(|reason| reason.rule.as_deref());
        let exception = first.map(ToString::to_string).unwrap_or_default();
        if active(Mutant::M14) {
            let headers = Vec::new();
            return Self { headers };
        }
        Self {
            headers: vec![
                (REASONS, reasons_json(reasons)),
                (
                    "__rule.name",
                    cut(rule.unwrap_or(code), MAX_TEXT).to_owned(),
                ),
                ("__rule.mode", "WRITE".to_owned()),
                ("__rule.subject", format!("{inbox}-value")),
                ("__rule.topic", inbox.to_owned()),
                ("__rule.exception", cut(&exception, MAX_TEXT).to_owned()),
            ],
        }
    }

    /// It stands for these offsets, the last one behind them, of which nothing could be read.
    #[must_use]
    pub fn skipping(mut self, from: i64, to: i64) -> Self {
        self.headers.push((SKIPPED, format!("{from}-{}", to - 1)));
        self
    }

    /// Call `send` with the quarantine record of `record`, cut as far as its topic demands.
    pub fn with_record<T>(
        mut self,
        port: &PortEntry,
        record: &Inbound<'_>,
        source: &str,
        send: impl FnOnce(&Outbound<'_>) -> T,
    ) -> T {
        let redriven = record
            .headers
            .iter()
            .rev()
            .find(|(name, _)| *name == REDRIVEN);
        let times = redriven.and_then(|(_, value)| std::str::from_utf8((*value)?).ok());
        // Anybody can write the header: only as much of it is kept as a redriver writes.
        self.headers
            .extend(times.map(|times| (REDRIVEN, cut(times, 64).to_owned())));
        let parts = self.fit(port, record, source);
        let added = self.added(source);
        send(&parts.outbound(port, record, &added))
    }

    fn added<'a>(&'a self, source: &'a str) -> Vec<HeaderRef<'a>> {
        let own = self
            .headers
            .iter()
            .map(|(name, text)| (*name, Some(text.as_bytes())));
        std::iter::once((SOURCE, Some(source.as_bytes())))
            .chain(own)
            .collect()
    }

    /// Cut value, then headers, then key, as far as needed, noting each cut in a header.
    fn fit<'a>(&mut self, port: &PortEntry, record: &Inbound<'a>, source: &str) -> Parts<'a> {
        let mut parts = Parts {
            key: record.key,
            value: record.value,
            headers: record.headers,
        };
        let limit = port.max_message_bytes;
        let fits = |refusal: &Self, parts: &Parts<'_>| {
            size_bound(&parts.outbound(port, record, &refusal.added(source))) <= limit
        };
        if fits(self, &parts) {
            return parts;
        }
        if let Some(value) = parts.value {
            self.headers.push((TRUNCATED, pointer(value)));
            parts.value = Some(&value[..value.len().min(KEPT_VALUE).min(limit / 2)]);
        }
        if fits(self, &parts) {
            return parts;
        }
        self.headers
            .push((HEADERS_DROPPED, parts.headers.len().to_string()));
        parts.headers = &[];
        if fits(self, &parts) {
            return parts;
        }
        if let Some(key) = parts.key {
            self.headers.push((KEY_TRUNCATED, pointer(key)));
            parts.key = Some(&key[..key.len().min(KEPT_KEY)]);
        }
        parts
    }
}

/// What of the original record stays in the envelope.
struct Parts<'a> {
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
    headers: &'a [HeaderRef<'a>],
}

impl<'a> Parts<'a> {
    fn outbound<'b>(
        &self,
        port: &'b PortEntry,
        record: &Inbound<'_>,
        added: &'b [HeaderRef<'b>],
    ) -> Outbound<'b>
    where
        'a: 'b,
    {
        Outbound {
            topic: &port.quarantine,
            partition: record.partition,
            timestamp_ms: record.timestamp_ms,
            key: self.key,
            value: self.value,
            headers: self.headers,
            added,
        }
    }
}

/// What stands for bytes that were cut away.
fn pointer(whole: &[u8]) -> String {
    format!("{:x}/{}", Sha256::digest(whole), whole.len())
}

/// The reasons as JSON, bounded: the last ones go first, and one that is too long alone is cut in its texts.
fn reasons_json(reasons: &[Reason]) -> String {
    let mut kept = reasons.len();
    while kept > 1 {
        let json = to_json(&reasons[..kept]);
        if json.len() <= MAX_REASONS_JSON {
            return json;
        }
        kept /= 2;
    }
    let json = to_json(&reasons[..kept]);
    if json.len() <= MAX_REASONS_JSON {
        return json;
    }
    let shortened = reasons.first().map(|reason| Reason {
        code: reason.code,
        path: cut(&reason.path, MAX_TEXT).to_owned(),
        expected: cut(&reason.expected, MAX_TEXT).to_owned(),
        found: cut(&reason.found, MAX_TEXT).to_owned(),
        rule: reason
            .rule
            .as_deref()
            .map(|rule| cut(rule, MAX_TEXT).to_owned()),
    });
    to_json(shortened.as_slice())
}

fn to_json(reasons: &[Reason]) -> String {
    serde_json::to_string(reasons).expect("reasons are codes and strings")
}

/// The longest beginning of `text` of at most `limit` bytes.
fn cut(text: &str, limit: usize) -> &str {
    &text[..text.floor_char_boundary(limit)]
}

/// The codes of these reasons, each once, for [`WOULD_REFUSE`].
pub fn codes(reasons: &[Reason]) -> String {
    let mut codes: Vec<&str> = reasons.iter().map(|reason| reason.code.as_str()).collect();
    codes.sort_unstable();
    codes.dedup();
    codes.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::force::{DEFAULT_MAX_MESSAGE_BYTES, testing::port};
    use contract::verdict::Code;
    use proptest::prelude::*;

    fn record<'a>(key: &'a [u8], value: &'a [u8], headers: &'a [HeaderRef<'a>]) -> Inbound<'a> {
        Inbound {
            topic: "d.p.e.v1.inbox",
            partition: 2,
            offset: 7,
            timestamp_ms: Some(5),
            key: Some(key),
            value: Some(value),
            headers,
            unreadable_headers: 0,
        }
    }

    fn header<'a>(record: &Outbound<'a>, name: &str) -> Option<&'a str> {
        let found = record.added.iter().find(|(key, _)| *key == name)?;
        std::str::from_utf8(found.1?).ok()
    }

    #[test]
    fn the_source_is_short_and_round_trips() {
        let source = Source {
            partition: 3,
            offset: 1_234,
            seq: 42,
        };
        let mut text = String::from("old");
        source.write(&mut text);
        assert_eq!(text, "3/1234@42");
        assert_eq!(Source::parse(&text), Some(source));
        assert_eq!(Source::parse("3/1234"), None);
    }

    #[test]
    fn a_quarantined_record_keeps_its_bytes_and_says_why() {
        let reasons = [Reason::new(Code::Missing, "/a", "a value", "nothing")];
        let headers: [HeaderRef<'_>; 1] = [("trace", Some(b"x"))];
        let inbound = record(b"k", b"v", &headers);
        Refusal::new(inbound.topic, &reasons).with_record(&port(), &inbound, "2/7@1", |out| {
            assert_eq!((out.key, out.value), (Some(&b"k"[..]), Some(&b"v"[..])));
            assert_eq!((out.topic, out.partition), ("d.p.e.v1.quarantine", 2));
            assert_eq!(out.headers, headers);
            assert_eq!(header(out, SOURCE), Some("2/7@1"));
            assert_eq!(header(out, "__rule.name"), Some("MESH-1006"));
            assert_eq!(header(out, "__rule.subject"), Some("d.p.e.v1.inbox-value"));
            let json = header(out, REASONS).expect("reasons are there");
            assert_eq!(
                serde_json::from_str::<Vec<Reason>>(json).expect("JSON"),
                reasons
            );
        });
    }

    #[test]
    fn an_oversize_value_becomes_a_pointer_and_its_beginning() {
        let value = vec![b'x'; DEFAULT_MAX_MESSAGE_BYTES];
        let inbound = record(b"k", &value, &[]);
        let reasons = [Reason::new(Code::TooLarge, "", "at most 1 MB", "more")];
        Refusal::new(inbound.topic, &reasons).with_record(&port(), &inbound, "2/7@1", |out| {
            assert_eq!(out.value.map(<[u8]>::len), Some(KEPT_VALUE));
            let pointer = header(out, TRUNCATED).expect("the cut is noted");
            let (sum, size) = pointer.split_once('/').expect("two parts");
            assert_eq!((sum.len(), size), (64, "1048588"));
        });
    }

    proptest! {
        #[test]
        fn the_envelope_always_fits(
            key in 0_usize..2_000_000,
            value in 0_usize..2_000_000,
            header in 0_usize..2_000_000,
            texts in prop::collection::vec(0_usize..40_000, 1..32),
        ) {
            let (key, value, large) = (vec![1; key], vec![2; value], vec![3; header]);
            let headers: [HeaderRef<'_>; 2] = [("a", Some(&large)), ("mesh-src", Some(b"forged"))];
            let inbound = record(&key, &value, &headers);
            let reasons: Vec<Reason> = texts
                .iter()
                .map(|size| Reason::new(Code::Missing, "\"é".repeat(*size), "e".repeat(*size), ""))
                .collect();
            let size = Refusal::new(inbound.topic, &reasons)
                .with_record(&port(), &inbound, "2/7@1", size_bound);
            prop_assert!(size <= DEFAULT_MAX_MESSAGE_BYTES);
        }
    }
}
