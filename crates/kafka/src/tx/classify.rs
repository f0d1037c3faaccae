//! Errors of librdkafka sorted once: what to do, not what happened.
//!
//! Source: librdkafka's `rdkafka.h`, "Transactional producer API": fatal errors, abortable errors, retriable errors;
//! "errors that have neither … treat as fatal".

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// What is to be done after a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// The same call may be made again with the same arguments.
    Retriable,
    /// This transaction is lost; a new producer can go on.
    Abortable,
    /// Somebody else holds our transactional id.
    Fenced,
    /// Both clients are to be thrown away.
    Fatal,
    /// It is not known whether the broker carried the call out.
    Unknown,
}

/// Sort an error of a producer's transactional call. Order matters: fatal, abort, retriable, else fatal.
pub(super) fn classify(error: &KafkaError) -> Class {
    let KafkaError::Transaction(inner) = error else {
        return classify_other(error);
    };
    if is_fenced(inner.code()) {
        Class::Fenced
    } else if inner.is_fatal() {
        Class::Fatal
    } else if inner.txn_requires_abort() {
        Class::Abortable
    } else if inner.is_retriable() {
        Class::Retriable
    } else {
        Class::Fatal
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "KafkaError is not ours and is non_exhaustive"
)]
fn classify_other(error: &KafkaError) -> Class {
    match error {
        // `commit_transaction` flushes first: nothing is known about the transaction.
        KafkaError::Flush(_) => Class::Unknown,
        KafkaError::MessageProduction(code) if is_fenced(*code) => Class::Fenced,
        KafkaError::MessageProduction(_) => Class::Abortable,
        _ => Class::Fatal,
    }
}

/// Whether a consumer's error stands for records that it leaves out: a batch whose checksum is wrong, whose compression does
/// not open, or whose format it does not know.
/// Source: librdkafka's `rdkafka_msgset_reader.c`, which posts the error and goes on with the next batch.
pub(super) fn skips_records(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::BadMessage
                | RDKafkaErrorCode::BadCompression
                | RDKafkaErrorCode::NotImplemented
        )
    )
}

/// Whether a consumer asked for an offset that the partition does not have.
pub(super) fn is_out_of_range(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange)
    )
}

fn is_fenced(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::Fenced
            | RDKafkaErrorCode::ProducerFenced
            | RDKafkaErrorCode::InvalidProducerEpoch
    )
}

/// Whether an error only says that no broker can be reached at present.
pub(super) fn is_broker_away(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::AllBrokersDown
            | RDKafkaErrorCode::BrokerTransportFailure
            | RDKafkaErrorCode::OperationTimedOut
            | RDKafkaErrorCode::MessageTimedOut
            | RDKafkaErrorCode::TimedOutQueue
            | RDKafkaErrorCode::RequestTimedOut
            | RDKafkaErrorCode::Resolve
            | RDKafkaErrorCode::CoordinatorNotAvailable
            | RDKafkaErrorCode::CoordinatorLoadInProgress
            | RDKafkaErrorCode::NotCoordinator
            | RDKafkaErrorCode::WaitingForCoordinator
            | RDKafkaErrorCode::LeaderNotAvailable
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flush_timeout_leaves_the_outcome_unknown() {
        let error = KafkaError::Flush(RDKafkaErrorCode::OperationTimedOut);
        assert_eq!(classify(&error), Class::Unknown);
    }

    #[test]
    fn errors_that_stand_for_records_left_out_are_told_from_others() {
        for (code, skips) in [
            (RDKafkaErrorCode::BadMessage, true),
            (RDKafkaErrorCode::BadCompression, true),
            (RDKafkaErrorCode::AllBrokersDown, false),
            (RDKafkaErrorCode::UnknownTopicOrPartition, false),
        ] {
            let error = KafkaError::MessageConsumption(code);
            assert_eq!(skips_records(&error), skips, "{code:?}");
        }
    }

    #[test]
    fn an_offset_out_of_range_is_told_from_what_cannot_be_read() {
        for (code, out) in [
            (RDKafkaErrorCode::AutoOffsetReset, true),
            (RDKafkaErrorCode::OffsetOutOfRange, true),
            (RDKafkaErrorCode::BadMessage, false),
        ] {
            let error = KafkaError::MessageConsumption(code);
            assert_eq!(is_out_of_range(&error), out, "{code:?}");
            assert_ne!(skips_records(&error), out, "{code:?}");
        }
    }

    #[test]
    fn fencing_is_told_from_other_failures() {
        let fenced = KafkaError::MessageProduction(RDKafkaErrorCode::Fenced);
        assert_eq!(classify(&fenced), Class::Fenced);
        let timed_out = KafkaError::MessageProduction(RDKafkaErrorCode::MessageTimedOut);
        assert_eq!(classify(&timed_out), Class::Abortable);
        assert_eq!(classify(&KafkaError::Canceled), Class::Fatal);
    }
}
