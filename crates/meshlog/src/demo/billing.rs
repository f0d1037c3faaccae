//! The billing domain: an ordinary service with Confluent's Avro serializer, schemas taken from the registry.

use anyhow::Context;
use schema_registry_converter::async_impl::avro::AvroEncoder;
use schema_registry_converter::async_impl::schema_registry::SrSettings;
use schema_registry_converter::schema_registry_common::SubjectNameStrategy;
use serde::{Deserialize, Serialize};

use super::conversations::Made;
use super::world::{Dice, Turn};

/// The port it owns.
pub(super) const PORT: &str = "billing.usage.records.v1";
/// Records of a hundred that break the contract.
const BROKEN_PERCENT: u64 = 3;

/// A priced turn.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct UsageRecord {
    /// Identifies the record.
    pub(super) record_id: String,
    customer_id: String,
    conversation_id: String,
    /// The model used.
    pub(super) model: String,
    input_tokens: i64,
    output_tokens: i64,
    /// The charge.
    pub(super) amount_micros: i64,
    /// Its currency.
    pub(super) currency: String,
    /// Microseconds since 1970.
    pub(super) used_at: i64,
    plan: Option<String>,
}

/// The service.
#[derive(Debug)]
pub(super) struct Billing {
    encoder: AvroEncoder,
    strategy: SubjectNameStrategy,
}

impl Billing {
    /// A service that asks the registry for the latest schema of its inbox.
    pub(super) fn new(registry: SrSettings, inbox: &str) -> Self {
        let strategy = SubjectNameStrategy::TopicNameStrategy(inbox.to_owned(), false);
        Self {
            encoder: AvroEncoder::new(registry),
            strategy,
        }
    }

    /// The usage record of a turn.
    pub(super) async fn record(&self, turn: &Turn, dice: &mut Dice) -> anyhow::Result<Made> {
        let record = UsageRecord {
            record_id: format!("u-{}-{}", turn.conversation, turn.number),
            customer_id: turn.customer.to_owned(),
            conversation_id: turn.conversation.clone(),
            model: turn.model.to_owned(),
            input_tokens: turn.input_tokens,
            output_tokens: turn.output_tokens,
            amount_micros: turn.amount_micros,
            currency: "EUR".to_owned(),
            used_at: turn.at.as_microsecond(),
            plan: dice.percent(60).then(|| "team-2026".to_owned()),
        };
        let encoded = self.encoder.encode_struct(&record, &self.strategy).await;
        let mut value = encoded.context("a usage record cannot be encoded")?;
        let broken = dice.percent(BROKEN_PERCENT);
        if broken {
            spoil(&mut value, dice);
        }
        Ok(Made {
            key: record.record_id,
            value,
            broken,
        })
    }
}

/// What goes wrong with Avro: a serializer without registry, a schema of somewhere else, half a record.
fn spoil(value: &mut Vec<u8>, dice: &mut Dice) {
    match dice.below(3) {
        0 => drop(value.drain(..5)),
        1 => value[1..5].copy_from_slice(&4_000_000_u32.to_be_bytes()),
        _ => value.truncate(value.len() / 2),
    }
}
