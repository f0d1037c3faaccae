//! What observers measured: the windows and consumers of `<mesh>.observations`, followed, and how promises stand by them.
//!
//! No part of the view: windows are no facts, and no state hash speaks of them.

use crate::details::Details;
use crate::model::PortInfo;
use contract::sla::{
    Board, Consumer, KEPT_MS, Objective, Recorded, Span, Standing, objectives, stand,
};
use kafka::{Admin, AdminError, Cluster, LogEvent, LogReader, ReadError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Between two attempts to begin.
const AGAIN: Duration = Duration::from_secs(2);

/// The windows and consumers known. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Observed(Arc<Mutex<Board>>);

/// How a port does by what was observed.
#[derive(Debug, Clone)]
pub(crate) struct PortSlo {
    /// Its promises, in the contract's order.
    pub(crate) standings: Vec<Standing>,
    /// Who reads it.
    pub(crate) consumers: Vec<Consumer>,
    /// Length of a window, where there is one.
    pub(crate) window_ms: Option<i64>,
    /// How many windows there are.
    pub(crate) windows: usize,
    /// Where the last one ends, UTC ms.
    pub(crate) to_ms: Option<i64>,
}

#[derive(Debug, thiserror::Error)]
enum FollowError {
    #[error(transparent)]
    Admin(#[from] AdminError),
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl Observed {
    /// Take a record of the observations in.
    pub fn take(&self, key: &str, value: Option<&[u8]>) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take(key, value);
    }

    /// Follow the observations for ever, from a day before now.
    pub(crate) async fn follow(self, cluster: Cluster, topic: String, now: fn() -> i64) {
        loop {
            if let Err(error) = self.read(&cluster, &topic, now).await {
                tracing::debug!(%error, "the observations cannot be read now");
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn read(
        &self,
        cluster: &Cluster,
        topic: &str,
        now: fn() -> i64,
    ) -> Result<(), FollowError> {
        let from = Admin::new(cluster)?
            .offset_at(topic, 0, now() - KEPT_MS)
            .await?;
        let mut reader = LogReader::follow(cluster, topic, from)?;
        while let Some(event) = reader.next().await {
            match event {
                LogEvent::Record(record) => {
                    let key = record.key.as_deref().map(String::from_utf8_lossy);
                    self.take(&key.unwrap_or_default(), record.value.as_deref());
                }
                LogEvent::EndReached { .. } => {}
                LogEvent::Trouble(why) => {
                    tracing::warn!(reason = %why, "the observations cannot be read now");
                }
            }
        }
        Ok(())
    }

    /// How a port does.
    pub(crate) fn port(&self, info: &PortInfo<'_>, details: &Details) -> PortSlo {
        let (spans, consumers) = {
            let board = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let spans = board.spans(&info.body.address, info.body.partitions);
            let consumers = board.consumers(&info.body.address).cloned().collect();
            (spans, consumers)
        };
        let standing = |objective: &Objective| {
            let recorded = match info.port.breaches.get(&objective.name) {
                Some(_) => Recorded::Breach,
                None => Recorded::Nothing,
            };
            stand(objective, &spans, recorded)
        };
        PortSlo {
            standings: promised(info, details).iter().map(standing).collect(),
            consumers,
            window_ms: spans.last().map(|span| span.length_ms),
            windows: spans.len(),
            to_ms: spans.last().map(Span::end_ms),
        }
    }
}

/// What the contract in force promises.
fn promised(info: &PortInfo<'_>, details: &Details) -> Vec<Objective> {
    let stored = info
        .contract
        .map(|(_, approved)| approved.state.rules.as_slice());
    let rules: Vec<_> = stored
        .unwrap_or_default()
        .iter()
        .filter_map(|rule| rule.read().ok())
        .collect();
    objectives(&details.sla, &rules)
}
