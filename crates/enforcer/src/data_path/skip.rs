//! Batches that nobody can read, given up where the governance log says so.
//!
//! The log alone gives nothing up: only where this enforcer found as well that it cannot read what comes next, a record with
//! the batch's coordinates goes to quarantine, and the offset moves behind the batch, in one transaction.

use super::{
    DataPath,
    desk::Txn,
    watchdog::{Stuck, is_held},
};
use crate::{
    envelope::{Refusal, Source},
    force::{PortEntry, Snapshot},
    lanes::Disposed,
};
use contract::verdict::{Code, Reason};
use kafka::tx::{Broken, Inbound, TransactionalPort};
use std::{ops::Range, sync::Arc};

impl<P: TransactionalPort> DataPath<P> {
    /// Give up what the newest snapshot says, with no transaction open.
    pub(super) fn follow_skips(&mut self) {
        let snapshot = Arc::clone(&self.desk.view.borrow());
        let stuck: Vec<Stuck> = self.watchdog.stuck().collect();
        for stuck in stuck {
            let order = self.order(&snapshot, &stuck);
            if let Some((port, range)) = order {
                self.skip(&port, &stuck, &range);
            }
        }
    }

    /// The order that a stuck partition waits for, where there is one.
    fn order(
        &mut self,
        snapshot: &Snapshot,
        stuck: &Stuck,
    ) -> Option<(Arc<PortEntry>, Range<i64>)> {
        let port = snapshot.ports.get(&stuck.inbox)?;
        let range = port.skips.get(&stuck.partition)?;
        let lane = self.desk.lanes.find(&stuck.inbox, stuck.partition)?;
        let stands = lane.committed() == stuck.at && range.contains(&stuck.at);
        let waits = !is_held(&self.holds, &stuck.inbox, stuck.partition);
        // The committed position may have been judged by facts that this view has not seen.
        let knows = lane.settled().seq <= snapshot.seq;
        (stands && waits && knows).then(|| (Arc::clone(port), stuck.at..range.end))
    }

    fn skip(&mut self, port: &PortEntry, stuck: &Stuck, given_up: &Range<i64>) {
        let txn = Txn::begin(&self.desk.view, self.port.now());
        let seq = txn.snapshot.seq;
        self.desk.txn = Some(txn);
        let sent = self.send_coordinates(seq, port, stuck, given_up);
        if let Some(lane) = self.desk.lanes.find(&stuck.inbox, stuck.partition) {
            lane.count(given_up.end - 1, None, Disposed::Quarantined);
        }
        if let Err(Broken(why)) = sent {
            // The commit says the same, and takes the positions anew.
            tracing::warn!(why, "a batch is not given up yet");
        }
        self.commit();
        let lane = self.desk.lanes.find(&stuck.inbox, stuck.partition);
        if lane.is_some_and(|lane| lane.committed() == given_up.end) {
            let (topic, partition, from, to) =
                (&stuck.inbox, stuck.partition, given_up.start, given_up.end);
            tracing::warn!(
                topic,
                partition,
                from,
                to,
                "a batch that cannot be read was given up"
            );
            self.watchdog.forget(topic, partition);
            self.holds.remove(topic, partition);
            self.apply_holds();
        }
    }

    fn send_coordinates(
        &mut self,
        seq: u64,
        port: &PortEntry,
        stuck: &Stuck,
        given_up: &Range<i64>,
    ) -> Result<(), Broken> {
        let (from, last) = (given_up.start, given_up.end - 1);
        let found = format!("offsets {from} to {last}: {}", stuck.what);
        let reason = Reason::new(Code::Unreadable, "", "a batch that can be read", &found);
        let inbound = Inbound {
            topic: &stuck.inbox,
            partition: stuck.partition,
            offset: from,
            timestamp_ms: None,
            key: None,
            value: None,
            headers: &[],
            unreadable_headers: 0,
        };
        let mut source = String::new();
        Source {
            partition: stuck.partition,
            offset: from,
            seq,
        }
        .write(&mut source);
        let refusal = Refusal::new(&stuck.inbox, &[reason]).skipping(from, given_up.end);
        refusal.with_record(port, &inbound, &source, |record| self.port.send(record))
    }
}
