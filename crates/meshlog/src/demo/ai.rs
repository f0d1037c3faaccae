//! The AI domain: it reads the other two domains' ports as any consumer would, and publishes what it makes of them.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context;
use apache_avro::from_value;
use kafka::{Cluster, ScanEnd, ScanSpec, ScanStart};
use schema_registry_converter::async_impl::avro::{AvroDecoder, AvroEncoder};
use schema_registry_converter::async_impl::schema_registry::SrSettings;
use schema_registry_converter::schema_registry_common::SubjectNameStrategy;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::billing::{self, UsageRecord};
use super::conversations;

/// The port it owns.
pub(super) const PORT: &str = "ai.model-performance.scores.v1";
/// Length of a window: short, so that a demo shows some.
const WINDOW_MS: i64 = 10_000;
/// How long a window waits for late events after its end.
const GRACE_MS: i64 = 3_000;

/// A message, as far as the AI domain looks at it.
#[derive(Debug, Deserialize)]
struct Message {
    sender: String,
    model: Option<String>,
    #[serde(deserialize_with = "time")]
    sent_at: jiff::Timestamp,
    tokens: i64,
    latency_ms: Option<i64>,
    rating: Option<i64>,
}

fn time<'de, D: serde::Deserializer<'de>>(from: D) -> Result<jiff::Timestamp, D::Error> {
    let text = String::deserialize(from)?;
    text.parse().map_err(serde::de::Error::custom)
}

/// A model in a window.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Score {
    pub(super) model: String,
    window_start: i64,
    window_end: i64,
    messages: i64,
    rated_messages: i64,
    quality: Option<f64>,
    latency_p50_ms: Option<i64>,
    latency_p95_ms: Option<i64>,
    tokens: i64,
    cost_micros: i64,
    currency: String,
}

/// What is known of a model in a window so far.
#[derive(Debug, Default)]
struct Window {
    messages: i64,
    tokens: i64,
    ratings: Vec<i64>,
    latencies: Vec<i64>,
    cost_micros: i64,
}

/// Open windows by start and model.
#[derive(Debug, Default)]
pub(super) struct Windows {
    open: BTreeMap<(i64, String), Window>,
    /// Windows that start before this are published; who comes later is not counted, as the contract says.
    published: i64,
}

impl Windows {
    fn window(&mut self, at_ms: i64, model: String) -> Option<&mut Window> {
        let start = at_ms - at_ms.rem_euclid(WINDOW_MS);
        (start >= self.published).then(|| self.open.entry((start, model)).or_default())
    }

    fn message(&mut self, message: Message) {
        let Some(model) = message.model.filter(|_| message.sender == "assistant") else {
            return;
        };
        let at_ms = message.sent_at.as_millisecond();
        let Some(window) = self.window(at_ms, model) else {
            return;
        };
        window.messages += 1;
        window.tokens += message.tokens;
        window.ratings.extend(message.rating);
        window.latencies.extend(message.latency_ms);
    }

    fn usage(&mut self, usage: UsageRecord) {
        if let Some(window) = self.window(usage.used_at / 1000, usage.model) {
            window.cost_micros += usage.amount_micros;
        }
    }

    /// Takes the scores of the windows that have ended; all of them without a time.
    pub(super) fn ended(&mut self, now_ms: Option<i64>) -> Vec<Score> {
        let last = now_ms.map_or(i64::MAX, |now| now - WINDOW_MS - GRACE_MS);
        self.published = self.published.max(last.saturating_add(1));
        let open = self.open.split_off(&(self.published, String::new()));
        let ended = std::mem::replace(&mut self.open, open);
        ended
            .into_iter()
            .map(|((start, model), window)| score(start, model, window))
            .collect()
    }
}

#[expect(clippy::cast_precision_loss, reason = "a mean of a few ratings")]
fn score(start: i64, model: String, mut window: Window) -> Score {
    window.latencies.sort_unstable();
    let percentile = |percent: usize| {
        let last = window.latencies.len().checked_sub(1)?;
        window.latencies.get(last * percent / 100).copied()
    };
    let rated = window.ratings.len();
    let sum: i64 = window.ratings.iter().sum();
    Score {
        model,
        window_start: start * 1000,
        window_end: (start + WINDOW_MS) * 1000,
        messages: window.messages,
        rated_messages: i64::try_from(rated).unwrap_or(i64::MAX),
        quality: (rated > 0).then(|| sum as f64 / rated as f64),
        latency_p50_ms: percentile(50),
        latency_p95_ms: percentile(95),
        tokens: window.tokens,
        cost_micros: window.cost_micros,
        currency: "EUR".to_owned(),
    }
}

/// An event of one of the two ports it reads.
enum Input {
    Message(Vec<u8>),
    Usage(Vec<u8>),
}

/// The service.
#[derive(Debug)]
pub(super) struct Ai {
    inputs: mpsc::Receiver<Input>,
    decoder: AvroDecoder,
    encoder: AvroEncoder,
    strategy: SubjectNameStrategy,
    windows: Windows,
    read: Arc<AtomicU64>,
}

impl Ai {
    /// A service that reads both ports from a time on, each on its own thread. `read` counts what it has read.
    pub(super) fn start(
        cluster: &Cluster,
        registry: SrSettings,
        inbox: &str,
        from_ms: i64,
        read: Arc<AtomicU64>,
    ) -> anyhow::Result<Self> {
        let (sender, inputs) = mpsc::channel(1024);
        follow(
            cluster,
            conversations::PORT,
            from_ms,
            sender.clone(),
            Input::Message,
        )?;
        follow(cluster, billing::PORT, from_ms, sender, Input::Usage)?;
        let strategy = SubjectNameStrategy::TopicNameStrategy(inbox.to_owned(), false);
        Ok(Self {
            inputs,
            decoder: AvroDecoder::new(registry.clone()),
            encoder: AvroEncoder::new(registry),
            strategy,
            windows: Windows::default(),
            read,
        })
    }

    /// Reads events until a time.
    pub(super) async fn read_until(&mut self, deadline: Instant) -> anyhow::Result<()> {
        // Only the waiting is cut off: an event that was taken is counted.
        while let Ok(input) = tokio::time::timeout_at(deadline, self.inputs.recv()).await {
            let Some(input) = input else {
                // Both readers have ended: nothing will come.
                tokio::time::sleep_until(deadline).await;
                break;
            };
            self.take(input).await?;
        }
        Ok(())
    }

    async fn take(&mut self, input: Input) -> anyhow::Result<()> {
        match input {
            Input::Message(value) => {
                let message = serde_json::from_slice(&value);
                self.windows
                    .message(message.context("an accepted message does not parse")?);
            }
            Input::Usage(value) => {
                let decoded = self.decoder.decode(Some(&value)).await?;
                let usage = from_value::<UsageRecord>(&decoded.value);
                self.windows
                    .usage(usage.context("an accepted usage record does not decode")?);
            }
        }
        self.read.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// The scores that are due, encoded, by model.
    pub(super) async fn scores(
        &mut self,
        now_ms: Option<i64>,
    ) -> anyhow::Result<Vec<(String, Vec<u8>)>> {
        let mut encoded = Vec::new();
        for score in self.windows.ended(now_ms) {
            let value = self.encoder.encode_struct(&score, &self.strategy).await;
            encoded.push((score.model, value.context("a score cannot be encoded")?));
        }
        Ok(encoded)
    }
}

/// Follows a port on a thread of its own; it ends with the service.
fn follow(
    cluster: &Cluster,
    port: &str,
    from_ms: i64,
    sender: mpsc::Sender<Input>,
    wrap: fn(Vec<u8>) -> Input,
) -> anyhow::Result<()> {
    let (from, until) = (ScanStart::Time(from_ms), ScanEnd::Never);
    let spec = ScanSpec {
        topic: port.to_owned(),
        partitions: None,
        from,
        until,
    };
    let cluster = cluster.clone();
    let read = move || {
        let result = kafka::scan(&cluster, &spec, |record| {
            let sent = record.value.map(|value| sender.blocking_send(wrap(value)));
            match sent {
                Some(Err(_)) => ControlFlow::Break(()),
                Some(Ok(())) | None => ControlFlow::Continue(()),
            }
        });
        if let Err(error) = result {
            tracing::warn!(error = %error, topic = spec.topic, "the demo's consumer stopped");
        }
    };
    std::thread::Builder::new()
        .name(format!("read {port}"))
        .spawn(read)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(at_ms: i64, model: &str, latency: i64, rating: Option<i64>) -> Message {
        Message {
            sender: "assistant".to_owned(),
            model: Some(model.to_owned()),
            sent_at: jiff::Timestamp::from_millisecond(at_ms).expect("a time"),
            tokens: 10,
            latency_ms: Some(latency),
            rating,
        }
    }

    #[test]
    fn a_window_is_scored_once_when_it_has_ended() {
        let mut windows = Windows::default();
        for (at, latency, rating) in [
            (1_000, 300, Some(1)),
            (9_999, 100, Some(-1)),
            (2_000, 200, Some(1)),
        ] {
            windows.message(message(at, "m", latency, rating));
        }
        windows.message(message(10_000, "m", 1, None));
        assert_eq!(windows.ended(Some(10_000 + GRACE_MS - 1)), []);
        windows.message(message(5_000, "m", 250, None));
        let scores = windows.ended(Some(10_000 + GRACE_MS));
        assert_eq!(scores.len(), 1);
        let first = &scores[0];
        assert_eq!(
            (first.messages, first.rated_messages, first.tokens),
            (4, 3, 40)
        );
        assert_eq!(
            (first.latency_p50_ms, first.latency_p95_ms),
            (Some(200), Some(250))
        );
        assert_eq!((first.window_start, first.window_end), (0, 10_000_000));
        assert!(
            first
                .quality
                .is_some_and(|quality| (quality - 1.0 / 3.0).abs() < 1e-9)
        );
        windows.message(message(1_000, "m", 1, None));
        let rest = windows.ended(None);
        assert_eq!(rest.len(), 1);
        assert_eq!(rest[0].quality, None);
        assert_eq!(windows.ended(None), []);
    }
}
