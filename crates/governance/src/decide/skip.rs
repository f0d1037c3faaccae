//! What becomes of the order to give up a batch that nobody can read.

use super::{Rejection, act};
use crate::command::Stamp;
use crate::event::Event;
use crate::mesh::Mesh;
use crate::refusal::{Code, refuse};
use crate::skip::Skip;

/// Most offsets that one order gives up: a typing error must not cost the future of a partition.
const MOST: i64 = 1_000_000;

pub(super) fn decide(mesh: &Mesh, stamp: &Stamp, skip: &Skip) -> Result<Vec<Event>, Rejection> {
    let about = act::About {
        code: Code::Skip,
        port: &skip.port,
        partition: Some(skip.partition),
        reason: skip.reason.as_ref(),
    };
    let port = about.checked(mesh, stamp)?;
    let refused = |path: &str, message: String, way_out: &str| {
        Err(Rejection(vec![refuse(
            Code::Skip,
            "",
            path,
            message,
            way_out,
        )]))
    };
    if skip.from < 0 || skip.to <= skip.from {
        let message = format!("{} to {} are no offsets", skip.from, skip.to);
        return refused("/to", message, "`to` is the first offset behind the batch");
    }
    if skip.offsets() > MOST {
        let message = format!("{} offsets are more than {MOST}", skip.offsets());
        return refused("/to", message, "give them up in several orders");
    }
    let known = port.skips.get(&skip.partition);
    let is_so = known.is_some_and(|known| (known.from, known.to) == (skip.from, skip.to));
    Ok((!is_so)
        .then(|| Event::BatchSkipped(skip.clone()))
        .into_iter()
        .collect())
}
