//! `/schemas/{id}`: who uses a schema id of the registry, by the log: ports, under which contract versions.
//!
//! What the registry itself cannot know. A schema that is bound here is also safe from deletion: its subject belongs to
//! the port.

use super::Site;
use super::moment::{Moment, time_text};
use super::problem::Problem;
use crate::model::{self, PortInfo};
use axum::extract::{Path, State};
use axum::response::Response;
use governance::body::Binding;
use governance::mesh::Activation;
use serde_json::{Value, json};

pub(crate) async fn one(
    State(site): State<Site>,
    moment: Moment,
    Path(given): Path<String>,
) -> Result<Response, Problem> {
    let id: i32 = given.parse().map_err(|_not_a_number| {
        Problem::bad_request(
            "not-a-schema-id",
            format!("`{given}` is not a schema id: a whole number from 1."),
        )
    })?;
    let uses: Vec<Value> = model::ports(&moment.mesh)
        .flat_map(|info| uses(&site, &info, id))
        .collect();
    Ok(moment.answer(json!({
        "id": id, "used": !uses.is_empty(), "uses": uses, "position": moment.position(),
    })))
}

/// Every binding of a port to an id, the newest activation last.
fn uses(site: &Site, info: &PortInfo<'_>, id: i32) -> Vec<Value> {
    let live = site.hooks().live.as_ref();
    let live = live.and_then(|live| live(&info.body.address));
    let last_event = live.and_then(|live| live.last_event_ms).map(time_text);
    let in_force = info.active().map(|active| active.seq);
    let one = |active: &Activation, binding: &Binding| {
        json!({
            "port": info.body.address, "owner": info.team,
            "contract": format!("{}@{}", info.body.contract_id, active.version),
            "subject": binding.subject, "guid": binding.guid,
            "since_seq": active.seq, "since": time_text(active.time_ms),
            "in_force": in_force == Some(active.seq), "last_event_at": last_event,
        })
    };
    let activations = info.port.activations.iter();
    activations
        .flat_map(|active| {
            let bound = active.bindings.iter().filter(|b| b.schema_id == id);
            bound
                .map(|binding| one(active, binding))
                .collect::<Vec<_>>()
        })
        .collect()
}
