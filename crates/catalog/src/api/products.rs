//! `/products`: what the mesh offers.

use super::moment::{Moment, time_text};
use super::ports::port_json;
use super::problem::{Problem, no_product};
use crate::model;
use axum::extract::Path;
use axum::response::Response;
use governance::body;
use governance::mesh::{Entity, Mesh};
use serde_json::{Value, json};

pub(crate) async fn list(moment: Moment) -> Response {
    let mesh = &moment.mesh;
    let products: Vec<Value> = mesh
        .products
        .values()
        .map(|product| summary(mesh, product))
        .collect();
    moment.answer(json!({ "position": moment.position(), "products": products }))
}

fn summary(mesh: &Mesh, product: &Entity<body::Product>) -> Value {
    let state = &product.state;
    let ports = model::ports_of(mesh, &state.key);
    let ports: Vec<&str> = ports
        .iter()
        .map(|info| info.body.address.as_str())
        .collect();
    json!({
        "product": state.key, "domain": state.domain, "name": state.name,
        "owner": model::team(mesh, &state.domain), "purpose": state.purpose, "tags": state.tags,
        "ports": ports, "created_seq": product.created_seq, "changed_seq": product.changed_seq,
        "changed_at": time_text(product.changed_ms),
    })
}

pub(crate) async fn one(
    moment: Moment,
    Path((domain, name)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let (mesh, key) = (&moment.mesh, format!("{domain}/{name}"));
    let product = mesh
        .products
        .get(&key)
        .ok_or_else(|| no_product(mesh, &key))?;
    let state = &product.state;
    let ports = model::ports_of(mesh, &key);
    let mut readers: Vec<&str> = ports
        .iter()
        .flat_map(|info| model::readers(mesh, &info.body.contract_id))
        .collect();
    readers.sort_unstable();
    readers.dedup();
    let inputs = inputs_json(mesh, state);
    let mut body = summary(mesh, product);
    let ports: Vec<Value> = ports.iter().map(|info| port_json(mesh, info)).collect();
    let document = moment.view.people.reveal(&state.document);
    for (name, value) in [
        ("limitations", json!(state.limitations)),
        ("usage", json!(state.usage)),
        ("inputs", json!(inputs)),
        ("readers", json!(readers)),
        ("ports", json!(ports)),
        ("document", json!(document)),
        ("position", json!(moment.position())),
    ] {
        body[name] = value;
    }
    Ok(moment.answer(body))
}

fn inputs_json(mesh: &Mesh, product: &body::Product) -> Vec<Value> {
    product
        .inputs
        .iter()
        .map(|input| {
            json!({
                "name": input.name, "contract_id": input.contract_id, "version": input.version,
                "port": model::port_read(mesh, input),
            })
        })
        .collect()
}
