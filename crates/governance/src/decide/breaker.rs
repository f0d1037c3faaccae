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
    Ok(after(&before, act).into_iter().collect())
}

/// The fact that an act leads to, with the whole breaker after it; none where it is so already.
fn after(before: &Breaker, act: &BreakerAct) -> Option<Event> {
    let mut after = Breaker {
        port: act.port().to_owned(),
        partition: act.partition(),
        reason: act.reason().cloned(),
        ..before.clone()
    };
    match act {
        BreakerAct::Opened { opening, .. } => {
            let known = before.opening(opening.partition).is_some();
            after.open.push(opening.clone());
            after.open.sort_by_key(|open| open.partition);
            (!known).then_some(Event::BreakerOpened(after))
        }
        BreakerAct::Closed { partition, .. } => {
            after.open.retain(|open| open.partition != *partition);
            let changed = after.open != before.open;
            changed.then_some(Event::BreakerClosed(after))
        }
        BreakerAct::Hold { reason, .. } => {
            after.held = Some(reason.clone().unwrap_or_default());
            let changed = before.held.is_none();
            changed.then_some(Event::BreakerHeld(after))
        }
        BreakerAct::Reset { .. } => {
            after.held = None;
            after.open.clear();
            (!before.is_closed()).then_some(Event::BreakerReset(after))
        }
    }
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
    let known = 0..state.partitions;
    if act
        .partition()
        .is_some_and(|partition| !known.contains(&partition))
    {
        let message = format!("port {} has {} partitions", act.port(), state.partitions);
        return refused("/partition", message, String::new());
    }
    let long = |reason: &String| reason.chars().count() > REASON;
    if act.reason().is_some_and(long) {
        let message = format!("the reason has more than {REASON} characters");
        return refused("/reason", message, "shorten it".into());
    }
    let known = port.breaker.as_ref();
    Ok(known.map(|known| known.state.clone()).unwrap_or_default())
}
