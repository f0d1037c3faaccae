//! What becomes of an act about a port's circuit breaker. What is so already leads to no fact, so that an act may be
//! proposed until it is decided.

use super::{Rejection, act};
use crate::breaker::{Breaker, BreakerAct};
use crate::command::Stamp;
use crate::event::Event;
use crate::mesh::Mesh;
use crate::refusal::Code;

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
    let about = act::About {
        code: Code::Breaker,
        port: act.port(),
        partition: act.partition(),
        reason: act.reason(),
    };
    let known = about.checked(mesh, stamp)?.breaker.as_ref();
    Ok(known.map(|known| known.state.clone()).unwrap_or_default())
}
