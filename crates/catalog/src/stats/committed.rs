//! Counters out of the enforcer's committed offsets, and what waits behind them.
//!
//! Offsets count transaction markers and aborted records too, so "end minus committed" is not the number of records
//! that wait. Where the difference is small the records themselves are counted; where it is large it stands as it is,
//! an upper bound, until the enforcer has come near.

use super::{Counted, Counters, ParseCounters, PortStats, StatsError};
use crate::config::CatalogConfig;
use crate::text::chain;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use governance::body;
use kafka::{Admin, AdminError, Cluster, Committed, PartitionEnds, ScanEnd, ScanSpec, ScanStart};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};

/// Offsets that are looked at one by one: about 10 ms of reading.
const COUNT_UP_TO: i64 = 5_000;

/// The records between two offsets.
#[derive(Debug, Clone, Copy)]
struct Between {
    from: i64,
    end: i64,
    records: u64,
}

/// Counters of the mesh's ports, from Kafka.
pub struct KafkaStats {
    admin: Admin,
    cluster: Cluster,
    group: String,
    parse: Option<ParseCounters>,
    /// Records counted between two offsets of a partition: markers at the end of a quiet inbox are looked at once.
    counted: Mutex<BTreeMap<(String, i32), Between>>,
}

impl std::fmt::Debug for KafkaStats {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaStats")
            .field("group", &self.group)
            .finish_non_exhaustive()
    }
}

impl KafkaStats {
    /// Counters of the configured mesh.
    ///
    /// # Errors
    /// When no Kafka client can be made.
    pub fn new(config: &CatalogConfig) -> Result<Self, Box<AdminError>> {
        Ok(Self {
            admin: Admin::new(&config.cluster)?,
            cluster: config.cluster.clone(),
            group: config.enforcer_group(),
            parse: config.hooks.counters.clone(),
            counted: Mutex::default(),
        })
    }

    async fn of_inbox(&self, inbox: &str) -> Result<Counted, StatsError> {
        // The end first: a record judged in between is then not taken for one that waits.
        let ends = match self.admin.end_offsets(inbox).await {
            Ok(ends) => ends,
            // Opened, and not provisioned yet: nothing can have come in.
            Err(AdminError::NoTopic { .. }) => return Ok(Counted::default()),
            Err(error) => return Err(unavailable(&error)),
        };
        let committed = self
            .admin
            .committed(&self.group, inbox)
            .await
            .map_err(|error| unavailable(&error))?;
        let mut total = Counted::default();
        for end in ends {
            let judged = committed
                .iter()
                .find(|committed| committed.partition == end.partition);
            if let Some(judged) = judged {
                add(&mut total.counters, self.counters(inbox, judged)?);
            }
            total.lag += self.waiting(inbox, end, judged).await?;
        }
        Ok(total)
    }

    fn counters(&self, inbox: &str, committed: &Committed) -> Result<Counters, StatsError> {
        let Some(parse) = &self.parse else {
            return Ok(Counters::default());
        };
        parse(&committed.metadata).ok_or_else(|| StatsError::Unreadable {
            inbox: inbox.to_owned(),
            partition: committed.partition,
            text: committed.metadata.chars().take(80).collect(),
        })
    }

    async fn waiting(
        &self,
        inbox: &str,
        end: PartitionEnds,
        judged: Option<&Committed>,
    ) -> Result<u64, StatsError> {
        let from = judged.map_or(end.low, |judged| judged.offset.max(end.low));
        let offsets = end.end - from;
        if offsets <= 0 || offsets > COUNT_UP_TO {
            return Ok(u64::try_from(offsets).unwrap_or(0));
        }
        let key = (inbox.to_owned(), end.partition);
        let lock = || self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().get(&key)
            && (known.from, known.end) == (from, end.end)
        {
            return Ok(known.records);
        }
        let cluster = self.cluster.clone();
        let spec = ScanSpec {
            topic: inbox.to_owned(),
            partitions: Some(vec![end.partition]),
            from: ScanStart::Offset(from),
            until: ScanEnd::Offset(end.end),
        };
        let scan = move || kafka::scan(&cluster, &spec, |_| ControlFlow::Continue(()));
        let summary = tokio::task::spawn_blocking(scan)
            .await
            .map_err(|error| unavailable(&error))?;
        let records = match summary {
            Ok(summary) => summary.records,
            // A batch that cannot be read: the counters are known all the same, and what waits is at most this.
            Err(error) => {
                tracing::warn!(inbox, partition = end.partition, %error, "what waits cannot be counted");
                return Ok(u64::try_from(offsets).unwrap_or(0));
            }
        };
        let end = end.end;
        lock().insert(key, Between { from, end, records });
        Ok(records)
    }
}

impl PortStats for KafkaStats {
    fn count<'a>(&'a self, port: &'a body::Port) -> BoxFuture<'a, Result<Counted, StatsError>> {
        self.of_inbox(&port.inbox).boxed()
    }

    fn enforcers(&self) -> BoxFuture<'_, Result<usize, StatsError>> {
        let members = self.admin.members(&self.group);
        members
            .map(|members| members.map_err(|error| unavailable(&error)))
            .boxed()
    }
}

fn add(total: &mut Counters, more: Counters) {
    total.inbox += more.inbox;
    total.accepted += more.accepted;
    total.quarantined += more.quarantined;
    total.shadowed += more.shadowed;
}

fn unavailable(error: &(dyn std::error::Error + 'static)) -> StatsError {
    StatsError::Unavailable(chain(error))
}
