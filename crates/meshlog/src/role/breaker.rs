//! From what the circuit breakers of this process did to facts: each act is proposed until it is decided.
//!
//! The data path never waits for this. An act has an id of its own, so that proposing it again is answered and not done
//! again; acts are taken in order, one at a time.

use std::sync::Arc;
use std::time::Duration;

use ::enforcer::{Act, Acts, Snapshot, What};
use ::governor::follow::View;
use ::governor::prepare::ENFORCER;
use ::governor::topics::Topics;
use anyhow::Context;
use governance::breaker::{BreakerAct, Opening};
use governance::mesh::Mesh;
use governance::proposal::{ACTOR, AUTHENTICATED_BY, BREAKER};
use kafka::{Cluster, Header, Outgoing, Producer};
use tokio::sync::watch;

/// How long an act may take to be decided before it is proposed again.
const DECIDED: Duration = Duration::from_secs(15);
/// Pause before what failed is tried again.
const RETRY: Duration = Duration::from_secs(2);
/// `ce_source` of what the enforcers propose.
const SOURCE: &str = "enforcer";

/// Makes facts of acts.
pub(super) struct Recorder {
    producer: Producer,
    proposals: String,
    view: watch::Receiver<View>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
}

impl Recorder {
    /// A recorder for the mesh that `view` follows; `snapshots` is what the data path sees of it.
    pub(super) fn new(
        cluster: &Cluster,
        mesh: &str,
        view: watch::Receiver<View>,
        snapshots: watch::Receiver<Arc<Snapshot>>,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            producer: Producer::new(cluster).context("no producer for proposals")?,
            proposals: Topics::of(mesh).proposals,
            view,
            snapshots,
        })
    }

    /// Record acts until there will be none.
    pub(super) async fn run(mut self, mut acts: Acts) {
        while let Some(act) = acts.next().await {
            while let Err(why) = self.record(&act).await {
                let (port, partition) = (&act.port, act.partition);
                tracing::warn!(port, partition, %why, "what a circuit breaker did is no fact yet, proposing it again");
                tokio::time::sleep(RETRY).await;
            }
            acts.done(&act);
        }
    }

    /// Propose an act, and wait until it is decided and the data path sees it.
    async fn record(&mut self, act: &Act) -> Result<(), String> {
        let id = id(act);
        let proposal = proposal(act);
        let key = format!("{SOURCE}#{id}");
        let settled = |mesh: &Mesh| mesh.proposals.contains_key(&key) || is_so(mesh, act);
        if !settled(&self.view.borrow().mesh) {
            self.propose(&id, &proposal).await?;
        }
        let decided = self.view.wait_for(|view| settled(&view.mesh));
        let size = match tokio::time::timeout(DECIDED, decided).await {
            Ok(Ok(view)) => {
                let proposal = view.mesh.proposals.get(&key);
                if let Some(refused) = proposal.filter(|proposal| proposal.is_rejected()) {
                    let port = &act.port;
                    tracing::error!(port, refusals = ?refused.refusals, "the governor refuses the record of a circuit breaker");
                }
                view.mesh.size
            }
            Ok(Err(_)) => return Err("the governance log is no longer followed".to_owned()),
            Err(_) => return Err(format!("not decided within {DECIDED:?}")),
        };
        let shown = self.snapshots.wait_for(|snapshot| snapshot.seq + 1 >= size);
        match tokio::time::timeout(DECIDED, shown).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err("the new state was not published".to_owned()),
        }
    }

    async fn propose(&self, id: &str, act: &BreakerAct) -> Result<(), String> {
        let header = |key: &str, value: &str| Header::new(key, value);
        let request = Outgoing {
            topic: self.proposals.clone(),
            partition: Some(0),
            timestamp_ms: None,
            key: Some(act.port().as_bytes().to_vec()),
            value: Some(serde_json::to_vec(act).map_err(|error| error.to_string())?),
            headers: vec![
                header("ce_specversion", "1.0"),
                header("ce_type", BREAKER),
                header("ce_source", SOURCE),
                header("ce_id", id),
                header(&format!("ce_{ACTOR}"), ENFORCER),
                header(&format!("ce_{AUTHENTICATED_BY}"), "system"),
                header("content-type", "application/json"),
            ],
        };
        let sent = self.producer.send(request).await;
        sent.map(drop).map_err(|error| error.to_string())
    }
}

/// One opening, one fact, whoever proposes it how often: the position tells an opening from a later one at the same
/// offset.
fn id(act: &Act) -> String {
    let what = match &act.what {
        // Two openings at one offset and position have windows that begin apart.
        What::Opened(tripped) => format!("opened since {}", tripped.since),
        What::Closed(_) => "closed".to_owned(),
    };
    let Act {
        port,
        partition,
        offset,
        seq,
        ..
    } = act;
    format!("{port}/{partition}/{offset}@{seq}/{what}")
}

/// Whether the facts say already what the act did.
fn is_so(mesh: &Mesh, act: &Act) -> bool {
    let Some(port) = mesh.ports.get(&act.port) else {
        return false;
    };
    let breaker = port.breaker.as_ref().map(|breaker| &breaker.state);
    let is_open = breaker.is_some_and(|breaker| breaker.opening(act.partition).is_some());
    match act.what {
        What::Opened(_) => is_open,
        What::Closed(_) => !is_open,
    }
}

fn proposal(act: &Act) -> BreakerAct {
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    match &act.what {
        What::Opened(tripped) => BreakerAct::Opened {
            port: act.port.clone(),
            opening: Opening {
                partition: act.partition,
                offset: act.offset,
                since: tripped.since,
                refused: number(tripped.refused),
                of: number(tripped.of),
                code: tripped.code.to_string(),
                path: tripped.path.clone(),
            },
        },
        What::Closed(reason) => BreakerAct::Closed {
            port: act.port.clone(),
            partition: act.partition,
            reason: reason.clone(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::enforcer::Tripped;
    use contract::verdict::Code;

    fn opened(offset: i64, seq: u64) -> Act {
        Act {
            port: "a.b.c.v1".to_owned(),
            partition: 2,
            offset,
            seq,
            what: What::Opened(Tripped {
                refused: 501,
                of: 1_000,
                code: Code::Missing,
                path: "/x".to_owned(),
                since: 44,
            }),
        }
    }

    #[test]
    fn an_act_is_known_by_what_was_done_where_and_when() {
        let closed = Act {
            what: What::Closed("mended".to_owned()),
            ..opened(40, 7)
        };
        let ids = [opened(40, 7), opened(41, 7), opened(40, 8), closed].map(|act| id(&act));
        assert_eq!(ids[0], "a.b.c.v1/2/40@7/opened since 44");
        assert_eq!(ids[0], id(&opened(40, 7)));
        let different: std::collections::BTreeSet<&String> = ids.iter().collect();
        assert_eq!(different.len(), ids.len());
    }

    #[test]
    fn the_figures_travel_with_the_proposal() {
        let BreakerAct::Opened { port, opening } = proposal(&opened(40, 7)) else {
            unreachable!("it opened")
        };
        assert_eq!(
            (port.as_str(), opening.to_string().as_str()),
            (
                "a.b.c.v1",
                "partition 2: 501 of the last 1000 events refused, most for MESH-1006 at /x, since offset 44"
            )
        );
        assert_eq!((opening.partition, opening.offset), (2, 40));
    }
}
