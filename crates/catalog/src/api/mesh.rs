//! `/mesh` (what a client needs to know to take part), `/state`, `/domains`, `/teams`.

use super::moment::{Moment, time_text};
use super::{Problem, Site};
use axum::extract::State;
use axum::response::Response;
use governance::fact::hex;
use serde_json::{Value, json};

pub(crate) async fn mesh(State(site): State<Site>, moment: Moment) -> Response {
    let shown = site.shown();
    let mesh = &shown.mesh;
    let founded = moment.mesh.founded.as_ref();
    moment.answer(json!({
        "mesh_id": mesh,
        "version": shown.version,
        "bootstrap_servers": shown.bootstrap_servers,
        "registry": shown.registry,
        "http": shown.http,
        "cluster_id": founded.map(|founded| &founded.cluster_id),
        "authentication": "off",
        "position": moment.position(),
        "state": moment.view.freshness.as_str(),
        "topics": {
            "governance": format!("{mesh}.governance"),
            "proposals": format!("{mesh}.proposals"),
            "outcomes": format!("{mesh}.outcomes"),
            "people": format!("{mesh}.people"),
            "checkpoints": format!("{mesh}.checkpoints"),
            "observations": format!("{mesh}.observations"),
            "registry_requests": format!("{mesh}.registry.requests"),
            "registry_replies": format!("{mesh}.registry.replies"),
            "schemas": shown.schemas_topic,
        },
    }))
}

pub(crate) async fn state(moment: Moment) -> Result<Response, Problem> {
    // The hash of the present is kept with the view; one of the past is made for the asking.
    let answer = tokio::task::spawn_blocking(move || {
        let state_hash = if moment.past {
            hex(&moment.mesh.state_hash())
        } else {
            moment.view.state_hash().to_owned()
        };
        let root = hex(&moment.mesh.root());
        let (seq, time) = (moment.position(), time_text(moment.mesh.last_time_ms));
        moment.answer(json!({ "seq": seq, "state_hash": state_hash, "root": root, "time": time }))
    });
    answer.await.map_err(|error| {
        let status = axum::http::StatusCode::INTERNAL_SERVER_ERROR;
        Problem::new(
            status,
            "internal",
            "The state could not be hashed",
            error.to_string(),
        )
    })
}

pub(crate) async fn domains(moment: Moment) -> Response {
    let domains: Vec<Value> = moment
        .mesh
        .domains
        .values()
        .map(|domain| {
            let state = &domain.state;
            let of_domain = moment.mesh.products.values();
            let products: Vec<&str> = of_domain
                .filter(|product| product.state.domain == state.name)
                .map(|product| product.state.key.as_str())
                .collect();
            json!({
                "domain": state.name, "owner": state.owner, "description": state.description,
                "principals": state.principals, "tags": state.tags, "products": products,
                "changed_seq": domain.changed_seq, "changed_at": time_text(domain.changed_ms),
            })
        })
        .collect();
    moment.answer(json!({ "position": moment.position(), "domains": domains }))
}

pub(crate) async fn teams(moment: Moment) -> Response {
    let view = &moment.view;
    let teams: Vec<Value> = moment
        .mesh
        .teams
        .values()
        .map(|team| {
            let state = &team.state;
            let members: Vec<Value> = state
                .members
                .iter()
                .map(|member| {
                    json!({
                        "person": member.person, "principal": view.people.principal(&member.person),
                        "role": member.role, "date_in": member.date_in, "date_out": member.date_out,
                    })
                })
                .collect();
            let domains = moment
                .mesh
                .domains
                .values()
                .filter(|d| d.state.owner == state.name);
            let domains: Vec<&str> = domains.map(|domain| domain.state.name.as_str()).collect();
            json!({
                "team": state.name, "description": state.description, "members": members,
                "domains": domains, "changed_seq": team.changed_seq,
                "changed_at": time_text(team.changed_ms),
            })
        })
        .collect();
    moment.answer(json!({ "position": moment.position(), "teams": teams }))
}
