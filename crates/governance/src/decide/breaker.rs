//! What becomes of an act about a port's circuit breaker. What is so already leads to no fact, so that an act may be
//! proposed until it is decided.

use super::Rejection;
use crate::breaker::{Breaker, BreakerAct};
use crate::command::Stamp;
use crate::event::Event;
use crate::mesh::Mesh;
use crate::refusal::{Code, refuse};

/// Most characters of a reason: it stays in the log for ever.
const REASON: usize = 500;

pub(super) fn decide(
    mesh: &Mesh,
    stamp: &Stamp,
    act: &BreakerAct,
) -> Result<Vec<Event>, Rejection> {
    let before = allowed(mesh, stamp, act)?;
    let breaker = |partition: Option<i32>, reason: Option<&String>| Breaker {
        port: act.port().to_owned(),
        partition,
        reason: reason.cloned(),
        held: before.held.clone(),
        open: before.open.clone(),
    };
    let event = match act {
        BreakerAct::Opened { opening, .. } => {
            if before.opening(opening.partition).is_some() {
                return Ok(Vec::new());
            }
            let mut after = breaker(Some(opening.partition), None);
            after.open.push(opening.clone());
            after.open.sort_by_key(|open| open.partition);
            Event::BreakerOpened(after)
        }
        BreakerAct::Closed {
            partition, reason, ..
        } => {
            if before.opening(*partition).is_none() {
                return Ok(Vec::new());
            }
            let mut after = breaker(Some(*partition), Some(reason));
            after.open.retain(|open| open.partition != *partition);
            Event::BreakerClosed(after)
        }
        BreakerAct::Hold { reason, .. } => {
            if before.held.is_some() {
                return Ok(Vec::new());
            }
            let mut after = breaker(None, reason.as_ref());
            after.held = Some(reason.clone().unwrap_or_default());
            Event::BreakerHeld(after)
        }
        BreakerAct::Reset { reason, .. } => {
            if before.is_closed() {
                return Ok(Vec::new());
            }
            let mut after = breaker(None, reason.as_ref());
            after.held = None;
            after.open.clear();
            Event::BreakerReset(after)
        }
    };
    Ok(vec![event])
}

/// The breaker before an act that may be done.
fn allowed(mesh: &Mesh, stamp: &Stamp, act: &BreakerAct) -> Result<Breaker, Rejection> {
    let refused = |path: &str, message: String, way_out: String| {
        let refusal = refuse(Code::Breaker, "", path, message, way_out);
        Err(Rejection(vec![refusal]))
    };
    let Some(port) = mesh.ports.get(act.port()) else {
        let message = format!("port {} is not open", act.port());
        return refused("/port", message, "`meshlog port list` shows what is".into());
    };
    let state = &port.opened.state;
    let owner = &state.owner;
    if let Some(domain) = stamp.domain.as_ref().filter(|domain| *domain != owner) {
        let message = format!("port {} is not domain `{domain}`'s", act.port());
        return refused("/port", message, format!("send it on `{owner}.proposals`"));
    }
    let (partition, reason) = match act {
        BreakerAct::Opened { opening, .. } => (Some(opening.partition), None),
        BreakerAct::Closed {
            partition, reason, ..
        } => (Some(*partition), Some(reason)),
        BreakerAct::Hold { reason, .. } | BreakerAct::Reset { reason, .. } => {
            (None, reason.as_ref())
        }
    };
    if partition.is_some_and(|partition| !(0..state.partitions).contains(&partition)) {
        let message = format!("port {} has {} partitions", act.port(), state.partitions);
        return refused("/partition", message, String::new());
    }
    if reason.is_some_and(|reason| reason.chars().count() > REASON) {
        let message = format!("the reason has more than {REASON} characters");
        return refused("/reason", message, "shorten it".into());
    }
    let known = port.breaker.as_ref();
    Ok(known.map(|known| known.state.clone()).unwrap_or_default())
}
