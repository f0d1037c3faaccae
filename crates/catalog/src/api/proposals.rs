//! `/proposals/{id}`: what became of a proposal, from its facts alone.
//!
//! An id is `<source>#<id>` and may hold slashes; `#` comes percent-encoded. A proposal that changed nothing leaves no
//! fact and is unknown here, like one that has not been decided: the reply on the outcomes topic tells them apart.

use super::Site;
use super::moment::{Moment, time_text};
use axum::extract::{Path, State};
use axum::response::Response;
use serde_json::json;
use std::collections::BTreeMap;

pub(crate) async fn one(
    State(site): State<Site>,
    moment: Moment,
    Path(id): Path<String>,
) -> Response {
    let (mesh, position) = (&moment.mesh, moment.position());
    let Some(proposal) = mesh.proposals.get(&id) else {
        return moment.answer(json!({
            "proposal_id": id, "status": "unknown", "seqs": [], "reasons": [],
            "pending_ports": [], "pending_why": {}, "position": position,
        }));
    };
    let pending = mesh.pending(proposal);
    let status = match (proposal.is_rejected(), pending.is_empty()) {
        (true, _) => "rejected",
        (false, true) => "accepted",
        (false, false) => "pending",
    };
    let why = |port: &String| Some((port.clone(), site.hooks().pending_why(port)?));
    let pending_why: BTreeMap<String, String> = pending.iter().filter_map(why).collect();
    moment.answer(json!({
        "proposal_id": id, "status": status, "seqs": proposal.seqs, "reasons": proposal.refusals,
        "pending_ports": pending, "pending_why": pending_why, "time": time_text(proposal.time_ms), "position": position,
    }))
}
