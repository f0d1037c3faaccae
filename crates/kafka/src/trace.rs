//! Traces through Kafka: the W3C trace context in a record's header, and what a span needs beyond `tracing` to follow it.
//!
//! Spans are plain `tracing` spans of [`TARGET`]. A parent that comes from elsewhere, a link and a span's own ids are not
//! `tracing`'s to give: whoever exports spans [`install`]s a [`Tracing`]; without one everything here does nothing. So no
//! service names the library that exports. It is as global as `tracing`'s own subscriber, which it goes with.
//! Source: <https://www.w3.org/TR/trace-context/>

use crate::Header;
use std::fmt;
use std::sync::OnceLock;
use tracing::Span;

/// The header, of a record and of a request, that carries a trace context.
pub const TRACEPARENT: &str = "traceparent";

/// The target of spans that are exported. Log lines have others, so that none of them gets into a trace.
pub const TARGET: &str = "meshlog::trace";

/// Length of a version 00 context: `00-<32 hex>-<16 hex>-<2 hex>`.
const LENGTH: usize = 55;

/// The one flag that says something to us: somebody keeps this trace.
const SAMPLED: u8 = 1;

/// Where in which trace something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace; not all zeros.
    pub trace_id: [u8; 16],
    /// The span in it; not all zeros.
    pub span_id: [u8; 8],
    /// Whether the trace is kept by whoever began it.
    pub sampled: bool,
}

impl TraceContext {
    /// Read the value of a [`TRACEPARENT`] header; `None` for what is none.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let version = byte(text.get(..2)?)?;
        // A later version may say more behind what version 00 says.
        let ends = match text.get(LENGTH) {
            None => true,
            Some(next) => version != 0 && *next == b'-',
        };
        let dashes = [2, 35, 52];
        let apart = dashes.iter().all(|at| text.get(*at) == Some(&b'-'));
        if version == 0xff || !ends || !apart {
            return None;
        }
        let trace_id = bytes(text.get(3..35)?)?;
        let span_id = bytes(text.get(36..52)?)?;
        let flags = byte(text.get(53..LENGTH)?)?;
        let valid = trace_id != [0; 16] && span_id != [0; 8];
        valid.then_some(Self {
            trace_id,
            span_id,
            sampled: flags & SAMPLED != 0,
        })
    }
}

/// As a header's value, version 00.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("00-")?;
        for byte in self.trace_id {
            write!(f, "{byte:02x}")?;
        }
        f.write_str("-")?;
        for byte in self.span_id {
            write!(f, "{byte:02x}")?;
        }
        write!(f, "-{:02x}", u8::from(self.sampled))
    }
}

/// Two hex digits; capitals are no trace context.
fn byte(digits: &[u8]) -> Option<u8> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    match digits {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    }
}

fn bytes<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let mut all = [0; N];
    for (at, pair) in all.iter_mut().zip(digits.chunks(2)) {
        *at = byte(pair)?;
    }
    Some(all)
}

/// What exports spans, as far as `tracing` has no word for it.
pub trait Tracing: Send + Sync {
    /// `span` goes on with a trace from elsewhere. To be called before the span has children or is asked for its context.
    fn set_parent(&self, span: &Span, parent: &TraceContext);

    /// `span` has to do with a span of another trace.
    fn add_link(&self, span: &Span, to: &TraceContext);

    /// Where `span` is; `None` for one that is not exported.
    fn context(&self, span: &Span) -> Option<TraceContext>;
}

static INSTALLED: OnceLock<Box<dyn Tracing>> = OnceLock::new();

/// Switch traces on, for as long as the process lives. The first call counts.
pub fn install(tracing: Box<dyn Tracing>) {
    // A second subscriber of `tracing` does not count either.
    drop(INSTALLED.set(tracing));
}

/// Whether somebody exports spans.
pub fn is_on() -> bool {
    INSTALLED.get().is_some()
}

/// `span` goes on with the trace that a header names, where it names one.
pub fn set_parent(span: &Span, header: Option<&[u8]>) {
    if let Some(tracing) = INSTALLED.get()
        && let Some(parent) = header.and_then(TraceContext::parse)
    {
        tracing.set_parent(span, &parent);
    }
}

/// `span` has to do with a span of another trace.
pub fn add_link(span: &Span, to: &TraceContext) {
    if let Some(tracing) = INSTALLED.get() {
        tracing.add_link(span, to);
    }
}

/// The header of a record that is written within `span`: where that is; while traces are off, what the caller said, if that
/// is a trace context. It is always of version 00, so that a caller cannot make records longer than they are counted to be.
pub fn header(span: &Span, caller: Option<&[u8]>) -> Option<Header> {
    let ours = INSTALLED.get().and_then(|tracing| tracing.context(span));
    let context = ours.or_else(|| caller.and_then(TraceContext::parse))?;
    Some(Header::new(TRACEPARENT, context.to_string()))
}

/// A count as spans have it: they know no unsigned numbers.
pub fn number(count: impl TryInto<i64>) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn parse(text: &str) -> Option<TraceContext> {
        TraceContext::parse(text.as_bytes())
    }

    #[test]
    fn a_context_is_read_and_written() {
        let context = parse(TEXT).expect("the standard's own example");
        assert_eq!((context.trace_id[0], context.trace_id[15]), (0x4b, 0x36));
        assert_eq!((context.span_id[0], context.span_id[7]), (0x00, 0xb7));
        assert!(context.sampled);
        assert_eq!(context.to_string(), TEXT);
        let not = parse(&TEXT.replace("-01", "-00")).expect("not sampled");
        assert!(!not.sampled && not.to_string().ends_with("-00"));
        // Flags that are not known yet are no reason to refuse, nor to repeat.
        let more = parse(&TEXT.replace("-01", "-ff")).expect("more flags");
        assert_eq!(more.to_string(), TEXT);
    }

    #[test]
    fn a_later_version_may_say_more_and_version_00_may_not() {
        let later = TEXT.replacen("00", "cc", 1);
        assert!(parse(&later).is_some());
        assert!(parse(&format!("{later}-what-the-future-holds")).is_some());
        assert!(parse(&format!("{later}.what")).is_none());
        assert!(parse(&format!("{TEXT}-what")).is_none());
        assert!(parse(&TEXT.replacen("00", "ff", 1)).is_none());
    }

    #[test]
    fn what_is_no_context_is_none() {
        for bad in [
            "",
            "00",
            &TEXT[..54],
            &TEXT.to_ascii_uppercase(),
            &TEXT.replace('-', "_"),
            &TEXT.replace("4bf9", "4bg9"),
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ä",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
        assert_eq!(TraceContext::parse(&[0xff; 60]), None);
    }

    #[test]
    fn while_traces_are_off_the_callers_context_is_passed_on() {
        let header = |caller: Option<&str>| header(&Span::none(), caller.map(str::as_bytes));
        let passed = Some(Header::new(TRACEPARENT, TEXT));
        assert_eq!(header(Some(TEXT)), passed);
        let later = format!("{}-{}", TEXT.replacen("00", "cc", 1), "x".repeat(9_000));
        assert_eq!(header(Some(&later)), passed);
        assert_eq!(header(Some("nonsense")), None);
        assert_eq!(header(None), None);
        assert!(!is_on());
    }

    #[test]
    fn counts_beyond_what_a_span_knows_are_the_most_it_knows() {
        assert_eq!((number(7_u64), number(u64::MAX)), (7, i64::MAX));
    }
}
