//! One count at a time for each port, shared by all who may see it.
//!
//! Who asks says how old a count may be. A question of the API is answered by a count begun after it was asked: a
//! producer that has just published must not read "no lag" from before. Pages may see a count a second old.

use super::{Counted, PortStats, StatsError};
use governance::body;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

type Slot = Arc<tokio::sync::Mutex<Option<(Instant, Result<Counted, StatsError>)>>>;

/// Counts with the time at which they were begun.
pub struct StatsCache {
    source: Arc<dyn PortStats>,
    slots: Mutex<BTreeMap<String, Slot>>,
}

impl std::fmt::Debug for StatsCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StatsCache").finish_non_exhaustive()
    }
}

impl StatsCache {
    /// A cache over a source.
    pub fn new(source: Arc<dyn PortStats>) -> Self {
        Self {
            source,
            slots: Mutex::default(),
        }
    }

    /// The counts of a port, begun now at the earliest minus `age`.
    ///
    /// # Errors
    /// [`StatsError`] of the source; it is kept as long as a count is.
    pub async fn get(&self, port: &body::Port, age: Duration) -> Result<Counted, StatsError> {
        let now = Instant::now();
        let oldest = now.checked_sub(age).unwrap_or(now);
        let slot = {
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(slots.entry(port.address.clone()).or_default())
        };
        let mut slot = slot.lock().await;
        if let Some((begun, counted)) = &*slot
            && *begun >= oldest
        {
            return counted.clone();
        }
        let begun = Instant::now();
        let counted = self.source.count(port).await;
        *slot = Some((begun, counted.clone()));
        counted
    }

    /// How many enforcers are at work now.
    ///
    /// # Errors
    /// [`StatsError`] of the source.
    pub async fn enforcers(&self) -> Result<usize, StatsError> {
        self.source.enforcers().await
    }
}
