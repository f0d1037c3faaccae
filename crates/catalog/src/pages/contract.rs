//! `/contracts/{id}/{version}`: one version of a contract, as understood and as given.

use super::layout::{Page, badge, code, prose, shell, timestamp};
use crate::api::{Problem, Site, find_version, no_version, time_text};
use crate::details::Details;
use crate::model;
use crate::text::encode;
use crate::view::View;
use axum::extract::{Extension, Path, State};
use contract::spec::Field;
use contract::version::Version;
use governance::body;
use governance::mesh::{Entity, Mesh};
use maud::{Markup, html};
use std::sync::Arc;

pub(crate) async fn contract(
    State(site): State<Site>,
    Extension(view): Extension<Arc<View>>,
    Path((id, text)): Path<(String, String)>,
) -> Result<Markup, Problem> {
    let mesh = &view.mesh;
    let (version, approved) =
        find_version(mesh, &id, &text).ok_or_else(|| no_version(mesh, &id, &text))?;
    let (state, details) = (&approved.state, view.details().get(approved));
    let document = view.people.reveal(&state.document);
    let body = html! {
        (head(mesh, version, approved))
        div.lead { (prose(&state.purpose)) }
        @if !details.limitations.is_empty() || !details.usage.is_empty() {
            div.two {
                @if !details.limitations.is_empty() { div { h2.small { "Not for" } (prose(&details.limitations)) } }
                @if !details.usage.is_empty() { div { h2.small { "How to use it" } (prose(&details.usage)) } }
            }
        }
        section aria-labelledby="schema" {
            h2 id="schema" { "Schema" }
            (fields(&details.fields))
        }
        @if !state.rules.is_empty() {
            section aria-labelledby="rules" {
                h2 id="rules" { "Rules" }
                (rules(&state.rules))
            }
        }
        section.two {
            div { h2 { "Promised" } (sla(&details)) }
            div { h2 { "Settings" } (settings(&state.settings)) }
        }
        (as_given(state, version, &document))
    };
    let title = format!("{id}@{version}");
    Ok(shell(
        &site,
        &view,
        &Page {
            title: &title,
            query: "",
            nav: "",
        },
        &body,
    ))
}

fn as_given(state: &body::ContractVersion, version: Version, document: &str) -> Markup {
    html! {
        section aria-labelledby="document" {
            h2 id="document" { "Document" }
            p.faint { "As its owner wrote it." }
            details { summary { "Show the ODCS document" } (code(document)) }
            details { summary { "Show the " (state.encoding) " schema" } (code(&pretty(&state.schema))) }
            @for import in state.imported() {
                details { summary { "Show " (import.name) ", which it imports" } (code(&import.text)) }
            }
            @if let Some(keys) = state.keys() {
                details { summary { "Show the " (keys.encoding.name()) " schema of keys" } (code(&pretty(&keys.text))) }
            }
            p.links {
                @let api = format!("/api/v1/contracts/{}/versions/{version}", encode(&state.contract_id));
                a href={ (api) "?format=odcs" } { "ODCS" } " · "
                a href={ (api) "?format=schema" } { "Schema" } " · " a href=(api) { "JSON" }
            }
        }
    }
}

fn head(mesh: &Mesh, version: Version, approved: &Entity<body::ContractVersion>) -> Markup {
    let state = &approved.state;
    let id = &state.contract_id;
    let port = mesh.port_of(id, version.major).map(|(address, _)| address);
    let others = mesh
        .contracts
        .get(id)
        .into_iter()
        .flat_map(|contract| contract.versions.keys());
    html! {
        p.eyebrow { "Contract" }
        h1 { (state.title) " " span.version.num { (version) } " " (badge(model::version_state(mesh, id, version))) }
        dl.facts-line {
            div { dt { "Id" } dd.id { (id) } }
            @if let Some(port) = port {
                div { dt { "Port" } dd { a href={ "/ports/" (port) } { (port) } } }
            }
            div { dt { "Encoding" } dd { (state.encoding) } }
            div { dt { "Change" } dd {
                (state.bump) @if let Some(before) = &state.supersedes { " after " (before) }
            } }
            div { dt { "Approved" } dd { (timestamp(&time_text(approved.changed_ms))) " at position " (approved.created_seq) } }
            div { dt { "Versions" } dd { @for other in others {
                @if *other == version { strong.num { (other) } } @else {
                    a.num href={ "/contracts/" (encode(id)) "/" (other) } { (other) }
                } " "
            } } }
        }
    }
}

/// The fields as a table.
pub(crate) fn fields(fields: &[Field]) -> Markup {
    let keys = fields.iter().filter(|field| field.key > 0).count();
    html! {
        @if fields.is_empty() {
            p.faint { "The document describes no fields." }
        } @else {
            div.table {
                table.fields {
                    thead { tr {
                        th { "Field" } th { "Type" } th { "Required" } th { "Key" } th { "Class" } th { "Meaning" }
                    } }
                    tbody { @for field in fields { (row(field, keys)) } }
                }
            }
        }
    }
}

fn row(field: &Field, keys: usize) -> Markup {
    html! {
        tr {
            th scope="row" { code { (field.path) } }
            td { (field.kind) }
            td { @if field.required { "required" } @else { span.faint { "optional" } } }
            td { @if field.key > 0 { span.badge.key { "key" @if keys > 1 { " " (field.key) } } } }
            td { @if let Some(class) = &field.classification { span class={ "class " (class) } { (class) } } }
            td.meaning { (field.description) }
        }
    }
}

/// The rules over the content of events.
fn rules(rules: &[body::StoredRule]) -> Markup {
    html! {
        div.table {
            table.fields {
                thead { tr { th { "Rule" } th { "Field" } th { "What must hold" } th { "Decides" } th { "Meaning" } } }
                tbody { @for rule in rules {
                    @let shown = model::rule_json(rule);
                    tr {
                        th scope="row" { (rule.name) }
                        td { code { (rule.path) } }
                        td { code { (plain(&shown["demand"])) } }
                        td { (plain(&shown["decides"])) }
                        td.meaning { (rule.description) }
                    }
                } }
            }
        }
    }
}

/// The promises. What is measured of them stands with each port.
pub(crate) fn sla(details: &Details) -> Markup {
    html! {
        @if details.sla.is_empty() {
            p.faint { "Nothing is promised." }
        } @else {
            dl.pairs {
                @for promise in &details.sla {
                    div {
                        dt { (promise.property) }
                        dd {
                            (plain(&promise.value))
                            @if let Some(unit) = &promise.unit { " " (unit) }
                            @if let Some(element) = &promise.element { span.faint { " of " (element) } }
                        }
                    }
                }
            }
            p.faint { "Promised by the owner; what is measured of it stands on the port's page." }
        }
    }
}

fn plain(value: &serde_json::Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), ToOwned::to_owned)
}

fn settings(settings: &body::StoredSettings) -> Markup {
    let mut pairs = vec![
        ("partitions", settings.partitions.to_string()),
        ("retention", span(settings.retention_ms)),
        ("inbox retention", span(settings.inbox_retention_ms)),
        (
            "quarantine retention",
            span(settings.quarantine_retention_ms),
        ),
        ("mode", settings.mode.clone()),
        ("tombstones", settings.tombstones.clone()),
        (
            "additional properties",
            settings.additional_properties.clone(),
        ),
    ];
    pairs.extend(
        settings
            .event_time
            .clone()
            .map(|field| ("event time", field)),
    );
    if settings.cloud_events != "none" {
        pairs.push(("CloudEvents", settings.cloud_events.clone()));
    }
    if settings.logical_types != "check" {
        pairs.push(("logical types", settings.logical_types.clone()));
    }
    if !settings.required_headers.is_empty() {
        pairs.push(("required headers", settings.required_headers.join(", ")));
    }
    html! { dl.pairs { @for (name, value) in pairs { div { dt { (name) } dd { (value) } } } } }
}

/// A span of time in the largest unit that holds it exactly.
fn span(ms: i64) -> String {
    let units = [
        (86_400_000, "days"),
        (3_600_000, "hours"),
        (60_000, "minutes"),
        (1_000, "seconds"),
    ];
    let unit = units.into_iter().find(|(length, _)| ms % length == 0);
    let (length, name) = unit.unwrap_or((1, "ms"));
    format!("{} {name}", ms / length)
}

fn pretty(schema: &str) -> String {
    let value: Result<serde_json::Value, _> = serde_json::from_str(schema);
    let pretty = value.and_then(|value| serde_json::to_string_pretty(&value));
    pretty.unwrap_or_else(|_| schema.to_owned())
}

#[cfg(test)]
mod tests {
    use super::span;

    #[test]
    fn spans_are_exact() {
        assert_eq!(span(90 * 86_400_000), "90 days");
        assert_eq!(span(36 * 3_600_000), "36 hours");
        assert_eq!(span(1_500), "1500 ms");
    }
}
