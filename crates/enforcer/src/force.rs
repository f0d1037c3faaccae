//! The contracts in force: what the data path judges by, given to it from outside.
//!
//! Whoever folds the governance log publishes a [`Snapshot`] per position; the data path takes the newest one at the
//! start of each transaction, so a new contract takes effect without a restart and each verdict belongs to one `seq`.

use crate::breaker::Recorded;
pub use contract::settings::Mode;
use contract::{
    address::PortAddress,
    row::EventWriter,
    rule::{Event, PortRules, UnknownSchema},
    verdict::{Reason, Verdict},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    ops::Range,
    sync::Arc,
    time::Duration,
};

/// Kafka's own default for `max.message.bytes`.
pub const DEFAULT_MAX_MESSAGE_BYTES: usize = 1_048_588;

/// The rules of one port at one position of the governance log.
pub trait Judge: Send + Sync {
    /// Judge one event.
    ///
    /// # Errors
    /// [`UnknownSchema`]: it names a schema that these rules do not know; a newer position might.
    fn judge(&self, event: &Event<'_>) -> Result<Verdict, UnknownSchema>;

    /// Judge one event when the governance log was read to its end: a schema still unknown is a reason to refuse it.
    fn judge_known(&self, event: &Event<'_>) -> Verdict;

    /// The contract version that plain events are judged by, for people to read.
    fn contract(&self) -> &str;

    /// Take the values of classified fields out of reasons that others than this judge have found.
    fn mask(&self, _reasons: &mut [Reason]) {}
}

impl Judge for PortRules {
    fn judge(&self, event: &Event<'_>) -> Result<Verdict, UnknownSchema> {
        PortRules::judge(self, event)
    }

    fn judge_known(&self, event: &Event<'_>) -> Verdict {
        PortRules::judge_known(self, event)
    }

    fn contract(&self) -> &str {
        PortRules::contract(self)
    }

    fn mask(&self, reasons: &mut [Reason]) {
        PortRules::mask(self, reasons);
    }
}

/// One port's part of the data path.
#[derive(Clone)]
pub struct PortEntry {
    /// The port.
    pub address: PortAddress,
    /// The topic its events come from.
    pub inbox: String,
    /// The topic of accepted events.
    pub product: String,
    /// The topic of refused events.
    pub quarantine: String,
    /// What happens to events that break the contract.
    pub mode: Mode,
    /// The smaller `max.message.bytes` of the two output topics.
    pub max_message_bytes: usize,
    /// The rules.
    pub rules: Arc<dyn Judge>,
    /// Writes events of the active version, for the gateway; none where nobody writes.
    pub writer: Option<Arc<EventWriter>>,
    /// What the governance log says of its circuit breaker.
    pub breaker: Recorded,
    /// By partition, the offsets that the governance log gives up where nobody can read them.
    pub skips: BTreeMap<i32, Range<i64>>,
}

impl PortEntry {
    /// An enforced port with the topics its address gives it and Kafka's default record size.
    pub fn new(address: PortAddress, inbox: impl Into<String>, rules: Arc<dyn Judge>) -> Self {
        Self {
            inbox: inbox.into(),
            product: address.topic(),
            quarantine: address.quarantine(),
            mode: Mode::Enforce,
            max_message_bytes: DEFAULT_MAX_MESSAGE_BYTES,
            address,
            rules,
            writer: None,
            breaker: Recorded::default(),
            skips: BTreeMap::new(),
        }
    }
}

impl fmt::Debug for PortEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PortEntry")
            .field("address", &self.address)
            .field("inbox", &self.inbox)
            .field("mode", &self.mode)
            .field("contract", &self.rules.contract())
            .finish_non_exhaustive()
    }
}

/// Every port in force after the fact `seq`.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// The position in the governance log.
    pub seq: u64,
    /// The ports by inbox topic.
    pub ports: BTreeMap<String, Arc<PortEntry>>,
    /// Addresses of ports that exist and are not in force yet.
    pub awaited: BTreeSet<String>,
}

impl Snapshot {
    /// A snapshot of these ports.
    pub fn new(seq: u64, ports: impl IntoIterator<Item = PortEntry>) -> Self {
        let by_inbox = ports
            .into_iter()
            .map(|port| (port.inbox.clone(), Arc::new(port)));
        Self {
            seq,
            ports: by_inbox.collect(),
            awaited: BTreeSet::new(),
        }
    }

    /// The port of an address, in force.
    pub fn port(&self, address: &PortAddress) -> Option<&Arc<PortEntry>> {
        let is_it = |port: &&Arc<PortEntry>| port.address == *address;
        let usual = self.ports.get(&address.default_inbox()).filter(is_it);
        usual.or_else(|| self.ports.values().find(is_it))
    }
}

/// The governance log could not be read to its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the governance log cannot be read to its end: {0}")]
pub struct CatchUpFailed(pub String);

/// Brings the view up to the end of the governance log.
pub trait CatchUp: Send {
    /// Return when the published [`Snapshot`] includes every fact that was in the log when this was called. Runs on the
    /// data path's own thread, so it may block up to `timeout`.
    ///
    /// # Errors
    /// [`CatchUpFailed`] when the log's end was not reached in time; the partition then pauses.
    fn catch_up(&mut self, timeout: Duration) -> Result<(), CatchUpFailed>;
}

#[cfg(test)]
pub(crate) mod testing {
    //! A judge for tests: the value says what it wants.

    use super::*;
    use contract::verdict::{Code, Reason};

    /// Accepts values beginning with `ok`, knows schemas below its number, panics on `panic`.
    pub(crate) struct ByValue {
        pub(crate) known: u64,
    }

    impl Judge for ByValue {
        fn judge(&self, event: &Event<'_>) -> Result<Verdict, UnknownSchema> {
            let value = event
                .value
                .and_then(|value| std::str::from_utf8(value).ok())
                .unwrap_or("");
            assert!(!value.starts_with("panic"), "the test asked for it");
            if let Some(id) = value.strip_prefix("schema ") {
                return match id.parse::<u64>() {
                    Ok(id) if id < self.known => Ok(Verdict::Accepted),
                    Ok(_) | Err(_) => Err(UnknownSchema(id.to_owned())),
                };
            }
            Ok(if value.starts_with("ok") {
                Verdict::Accepted
            } else {
                refused(Code::WrongType)
            })
        }

        fn judge_known(&self, event: &Event<'_>) -> Verdict {
            self.judge(event)
                .unwrap_or_else(|_| refused(Code::UnknownSchemaId))
        }

        fn contract(&self) -> &str {
            "test@1.0.0"
        }
    }

    fn refused(code: Code) -> Verdict {
        Verdict::refused(Reason::new(code, "", "ok", "something else"))
    }

    /// The port `d.p.e.v1` at a position.
    pub(crate) fn port_at(known: u64) -> PortEntry {
        let address = PortAddress::new("d", "p", "e", 1).expect("valid");
        let inbox = address.default_inbox();
        PortEntry::new(address, inbox, Arc::new(ByValue { known }))
    }

    /// The port `d.p.e.v1`.
    pub(crate) fn port() -> PortEntry {
        port_at(0)
    }
}
