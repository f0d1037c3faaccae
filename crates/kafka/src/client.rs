//! What every librdkafka client of ours shares: its log lines go to `tracing`, and a broker that is away is said once, not
//! once a second.
//!
//! librdkafka reports trouble twice, as a log line and as an error event, both through callbacks that run while somebody
//! polls the client.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// A broker that stays away is mentioned again after this long: often enough for someone who starts reading the log late.
const REPEAT_AFTER: Duration = Duration::from_secs(60);

/// The context of a client that needs nothing but telemetry.
#[derive(Debug)]
pub(crate) struct Context {
    purpose: &'static str,
    said_down: Mutex<Option<Instant>>,
    transport_failures: AtomicU64,
}

impl Context {
    pub(crate) fn new(purpose: &'static str) -> Self {
        Self {
            purpose,
            said_down: Mutex::new(None),
            transport_failures: AtomicU64::new(0),
        }
    }

    /// How often a connection failed or a request timed out since this client was made. The transactional loops compare it
    /// before and after a commit.
    pub(crate) fn transport_failures(&self) -> u64 {
        self.transport_failures.load(Ordering::Relaxed)
    }

    fn may_say_down(&self) -> bool {
        let now = Instant::now();
        let mut said = self
            .said_down
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let due = said.is_none_or(|at| now.duration_since(at) >= REPEAT_AFTER);
        if due {
            *said = Some(now);
        }
        due
    }

    fn down(&self, what: &str) {
        self.transport_failures.fetch_add(1, Ordering::Relaxed);
        if self.may_say_down() {
            tracing::warn!(target: "kafka", client = self.purpose, reason = what, "broker unreachable");
        } else {
            tracing::debug!(target: "kafka", client = self.purpose, reason = what, "broker unreachable");
        }
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        // FAIL: a connection ended; REQTMOUT: a request got no answer. Both come in floods when a broker is away.
        if matches!(facility, "FAIL" | "REQTMOUT") {
            return self.down(line);
        }
        let client = self.purpose;
        match level {
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error
            | RDKafkaLogLevel::Warning => {
                tracing::warn!(target: "kafka", client, facility, "{line}");
            }
            RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info | RDKafkaLogLevel::Debug => {
                tracing::debug!(target: "kafka", client, facility, "{line}");
            }
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if is_end_of_partition(&error) {
            return;
        }
        if is_transport(&error) {
            return self.down(reason);
        }
        tracing::warn!(target: "kafka", client = self.purpose, %error, reason, "client error");
    }

    fn stats(&self, _statistics: rdkafka::Statistics) {}
}

impl ConsumerContext for Context {}

/// librdkafka reports the end of a partition as an "error" to those who asked for it.
fn is_end_of_partition(error: &KafkaError) -> bool {
    error.rdkafka_error_code() == Some(RDKafkaErrorCode::PartitionEOF)
}

/// Whether this error says that brokers could not be reached, which passes by itself.
pub(crate) fn is_transport(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::AllBrokersDown
                | RDKafkaErrorCode::Resolve
                | RDKafkaErrorCode::OperationTimedOut
                | RDKafkaErrorCode::RequestTimedOut
                | RDKafkaErrorCode::NetworkException
        )
    )
}
