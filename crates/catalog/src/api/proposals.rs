//! `/proposals/{id}`: what became of a proposal, from its facts alone.
//!
//! An id is `<source>#<id>` and may hold slashes; `#` comes percent-encoded. A proposal that changed nothing leaves no
//! fact and is unknown here, like one that has not been decided: the reply on the outcomes topic tells them apart.

use super::moment::{Moment, time_text};
use axum::extract::Path;
use axum::response::Response;
use serde_json::json;

pub(crate) async fn one(moment: Moment, Path(id): Path<String>) -> Response {
    let (mesh, position) = (&moment.mesh, moment.position());
    let Some(proposal) = mesh.proposals.get(&id) else {
        return moment.answer(json!({
            "proposal_id": id, "status": "unknown", "seqs": [], "reasons": [],
            "pending_ports": [], "position": position,
        }));
    };
    let pending = mesh.pending(proposal);
    let status = match (proposal.is_rejected(), pending.is_empty()) {
        (true, _) => "rejected",
        (false, true) => "accepted",
        (false, false) => "pending",
    };
    moment.answer(json!({
        "proposal_id": id, "status": status, "seqs": proposal.seqs, "reasons": proposal.refusals,
        "pending_ports": pending, "time": time_text(proposal.time_ms), "position": position,
    }))
}
