//! `/contracts`: what is promised, as given and as understood.

use super::moment::{Moment, time_text};
use super::problem::{Problem, no_contract, no_version};
use crate::model;
use axum::extract::{Path, Query};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use contract::version::Version;
use governance::body;
use governance::mesh::{Contract, Entity, Mesh};
use serde::Deserialize;
use serde_json::{Value, json};

pub(crate) async fn list(moment: Moment) -> Response {
    let contracts: Vec<Value> = moment
        .mesh
        .contracts
        .iter()
        .map(|(id, contract)| contract_json(&moment.mesh, id, contract))
        .collect();
    moment.answer(json!({ "position": moment.position(), "contracts": contracts }))
}

pub(crate) async fn versions(moment: Moment, Path(id): Path<String>) -> Result<Response, Problem> {
    let mesh = &moment.mesh;
    let contract = mesh
        .contracts
        .get(&id)
        .ok_or_else(|| no_contract(mesh, &id))?;
    Ok(moment.answer(contract_json(mesh, &id, contract)))
}

fn contract_json(mesh: &Mesh, id: &str, contract: &Contract) -> Value {
    let versions: Vec<Value> = contract
        .versions
        .iter()
        .map(|(version, approved)| {
            json!({
                "version": version, "state": model::version_state(mesh, id, *version),
                "bump": approved.state.bump, "supersedes": approved.state.supersedes,
                "approved_seq": approved.created_seq, "approved_at": time_text(approved.changed_ms),
            })
        })
        .collect();
    let latest = contract
        .versions
        .values()
        .next_back()
        .map(|latest| &latest.state);
    let ports = mesh
        .ports
        .values()
        .filter(|port| port.opened.state.contract_id == id);
    let ports: Vec<&str> = ports
        .map(|port| port.opened.state.address.as_str())
        .collect();
    json!({
        "id": id, "title": latest.map(|latest| &latest.title),
        "purpose": latest.map(|latest| &latest.purpose),
        "domain": latest.and_then(|latest| latest.domain.as_ref()),
        "ports": ports, "readers": model::readers(mesh, id).collect::<Vec<_>>(),
        "versions": versions,
    })
}

#[derive(Deserialize)]
pub(crate) struct Format {
    format: Option<String>,
}

pub(crate) async fn one(
    moment: Moment,
    Path((id, text)): Path<(String, String)>,
    Query(Format { format }): Query<Format>,
) -> Result<Response, Problem> {
    let mesh = &moment.mesh;
    let (version, approved) = find(mesh, &id, &text).ok_or_else(|| no_version(mesh, &id, &text))?;
    let Some(format) = format.filter(|format| format != "json") else {
        return Ok(moment.answer(version_json(&moment, version, approved)));
    };
    let (kind, text) = exported(&moment, &approved.state, &format)?;
    let position = (super::POSITION, moment.position().to_string());
    let headers = [position, (header::CONTENT_TYPE, kind.to_owned())];
    Ok((headers, text).into_response())
}

/// A contract version in another format: media type and text.
fn exported(
    moment: &Moment,
    body: &body::ContractVersion,
    format: &str,
) -> Result<(&'static str, String), Problem> {
    let (schema, kind) = match body.encoding.as_str() {
        "avro" => ("avro", "application/vnd.apache.avro+json"),
        "protobuf" => ("protobuf", "text/plain; charset=utf-8"),
        _ => ("jsonschema", "application/schema+json"),
    };
    match format {
        "odcs" => {
            let document = moment.view.people.reveal(&body.document);
            let json = document.trim_start().starts_with('{');
            let yaml = "application/yaml; charset=utf-8";
            Ok((if json { "application/json" } else { yaml }, document))
        }
        "schema" if schema != "protobuf" => Ok(("application/json", body.schema.clone())),
        named if named == "schema" || named == schema => Ok((kind, body.schema.clone())),
        other => {
            let detail = format!(
                "format={other} is not available for this contract; use json, odcs, schema or {schema}."
            );
            Err(Problem::bad_request("format", detail))
        }
    }
}

/// A version by its number, or `latest`.
pub(crate) fn find<'a>(
    mesh: &'a Mesh,
    id: &str,
    text: &str,
) -> Option<(Version, &'a Entity<body::ContractVersion>)> {
    let contract = mesh.contracts.get(id)?;
    let found = if text == "latest" {
        contract.versions.last_key_value()
    } else {
        let version: Version = text.parse().ok()?;
        contract.versions.get_key_value(&version)
    };
    found.map(|(version, approved)| (*version, approved))
}

fn version_json(
    moment: &Moment,
    version: Version,
    approved: &Entity<body::ContractVersion>,
) -> Value {
    let (mesh, body) = (&moment.mesh, &approved.state);
    let details = moment.view.details().get(approved);
    let port = mesh
        .port_of(&body.contract_id, version.major)
        .map(|(address, _)| address);
    // A schema that is no JSON stands as text.
    let schema = serde_json::from_str::<Value>(&body.schema).unwrap_or(json!(body.schema));
    json!({
        "id": body.contract_id, "version": version, "title": body.title, "purpose": body.purpose,
        "domain": body.domain, "encoding": body.encoding,
        "state": model::version_state(mesh, &body.contract_id, version), "port": port,
        "bump": body.bump, "supersedes": body.supersedes, "key": body.key,
        "settings": body.settings, "fields": details.fields, "sla": details.sla,
        "rules": body.rules.iter().map(model::rule_json).collect::<Vec<_>>(),
        "limitations": details.limitations, "usage": details.usage, "tags": details.tags,
        "schema": schema, "message": details.message, "files": body.files.keys().collect::<Vec<_>>(),
        "texts": body.files, "imports": body.imports, "required": body.required, "key_schema": body.key_schema,
        "readers": model::readers(mesh, &body.contract_id).collect::<Vec<_>>(),
        "approved_seq": approved.created_seq, "approved_at": time_text(approved.changed_ms),
        "document": moment.view.people.reveal(&body.document), "position": moment.position(),
    })
}
