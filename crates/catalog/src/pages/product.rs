//! `/products/{domain}/{product}`: what a reader needs to decide and to begin; `/ports/{port}` leads here.

use super::contract::fields;
use super::home::{Stats, gather};
use super::layout::{Page, badge, code, counter, prose, shell};
use super::{fact, slo, snippets};
use crate::api::{Problem, Site, no_port, no_product};
use crate::history::Entry;
use crate::model::{self, PortInfo};
use crate::stats::RunState;
use crate::view::View;
use axum::extract::{Extension, Path, State};
use axum::response::Redirect;
use contract::document::odcs::Support;
use contract::document::{Document, parse};
use governance::body;
use governance::event::Event;
use governance::mesh::{Entity, Mesh};
use maud::{Markup, html};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Facts shown.
const RECENT: usize = 10;

pub(crate) async fn port(
    Extension(view): Extension<Arc<View>>,
    Path(address): Path<String>,
) -> Result<Redirect, Problem> {
    let info = model::port(&view.mesh, &address).ok_or_else(|| no_port(&view.mesh, &address))?;
    Ok(Redirect::to(&format!(
        "/products/{}#{address}",
        info.body.product
    )))
}

pub(crate) async fn product(
    State(site): State<Site>,
    Extension(view): Extension<Arc<View>>,
    Path((domain, name)): Path<(String, String)>,
) -> Result<Markup, Problem> {
    let (mesh, key) = (&view.mesh, format!("{domain}/{name}"));
    let product = mesh
        .products
        .get(&key)
        .ok_or_else(|| no_product(mesh, &key))?;
    let ports = model::ports_of(mesh, &key);
    let stats = gather(&site, &ports).await;
    let body = html! {
        (head(&view, product))
        @if ports.is_empty() {
            section.empty {
                h2 { "No output port yet" }
                p { "Name a contract under " code { "outputPorts" } " of the product's document, and apply it again:" }
                (code("meshlog apply -f product.odps.yaml"))
            }
        }
        @for info in &ports { (port_section(&site, &view, info, &stats)) }
        (lineage(mesh, product, &ports))
        (recent(&view, product, &ports))
    };
    Ok(shell(
        &site,
        &view,
        &Page {
            title: &key,
            query: "",
            nav: "catalog",
        },
        &body,
    ))
}

fn head(view: &View, product: &Entity<body::Product>) -> Markup {
    let state = &product.state;
    let team = model::team(&view.mesh, &state.domain).unwrap_or("nobody");
    html! {
        nav.crumbs aria-label="Breadcrumb" {
            a href="/" { "Catalog" } " / " a href={ "/#domain-" (state.domain) } { (state.domain) }
        }
        p.eyebrow { "Data product" }
        h1 { (state.name) }
        div.lead { (prose(&state.purpose)) }
        dl.facts-line {
            div { dt { "Owner" } dd { a href={ "/#team-" (team) } { (team) } } }
            div { dt { "Domain" } dd { a href={ "/#domain-" (state.domain) } { (state.domain) } } }
            @for support in support(view, state) {
                div { dt { "Ask" } dd { (channel(&support)) } }
            }
            @if !state.tags.is_empty() {
                div { dt { "Tags" } dd { @for tag in &state.tags { a.tag href={ "/search?q=" (crate::text::encode(tag)) } { (tag) } " " } } }
            }
        }
        @if !state.limitations.is_empty() || !state.usage.is_empty() {
            div.two {
                @if !state.limitations.is_empty() { div { h2.small { "Not for" } (prose(&state.limitations)) } }
                @if !state.usage.is_empty() { div { h2.small { "How to use it" } (prose(&state.usage)) } }
            }
        }
    }
}

/// Where to ask, from the product's document with the personal values put back.
fn support(view: &View, product: &body::Product) -> Vec<Support> {
    let document = view.people.reveal(&product.document);
    let parsed = parse("product", &document).unwrap_or_default();
    let of_product = parsed
        .into_iter()
        .find_map(|sourced| match sourced.document {
            Document::Product(product) => Some(product.support),
            Document::Contract(_) | Document::Domain(_) | Document::Team(_) => None,
        });
    of_product.unwrap_or_default()
}

fn channel(support: &Support) -> Markup {
    // Only what leads to a page or a mailbox becomes a link: the address was written by a user.
    let safe = |url: &&String| {
        ["https://", "http://", "mailto:"]
            .iter()
            .any(|s| url.starts_with(s))
    };
    html! {
        @if let Some(url) = support.url.as_ref().filter(safe) {
            a href=(url) rel="noopener noreferrer" { (support.channel) }
        } @else { (support.channel) }
    }
}

fn port_section(site: &Site, view: &View, info: &PortInfo<'_>, stats: &Stats) -> Markup {
    let (body, stats) = (info.body, stats.get(&info.body.address));
    let state = stats
        .filter(|_| info.active().is_some())
        .map(|stats| stats.state.as_str());
    html! {
        section.port-page id=(body.address) data-port=(body.address) aria-labelledby={ "p-" (body.address) } {
            div.head {
                h2.address id={ "p-" (body.address) } { (body.address) }
                (badge(state.filter(|state| *state != "running").unwrap_or(info.state())))
                @if info.contract.is_some_and(|(_, approved)| approved.state.settings.mode == "shadow") { " " (badge("shadow")) }
            }
            @if !body.description.is_empty() { p.about { (body.description) } }
            @if let Some(why) = stats.and_then(|stats| stats.why.as_ref()) { p.banner.inline { (why) } }
            @if state == Some(RunState::Breaker.as_str()) { (breaker(body)) }
            dl.numbers.compact {
                div { dt { "Received" } dd { (counter(stats, "inbox")) } }
                div { dt { "Accepted" } dd { (counter(stats, "accepted")) } }
                div { dt { "Quarantined" } dd { (counter(stats, "quarantined")) } }
                @if stats.is_some_and(|stats| stats.shadowed > 0 || stats.mode == "shadow") {
                    div { dt { "Would be refused" } dd { (counter(stats, "shadowed")) } }
                }
                div { dt { "Waiting" } dd { (counter(stats, "lag")) } }
            }
            (pipe(info))
            @if let Some((version, approved)) = info.contract {
                @let details = view.details().get(approved);
                h3 {
                    "Contract " (fact::contract(&body.contract_id, &version.to_string()))
                    @if let Some(due) = info.due { span.faint { " · " (due) " is being put in force" } }
                }
                (fields(&details.fields))
                @let observed = site.observed().port(info, &details);
                h3 { "Promised and measured" }
                (slo::promises(&observed))
                div.two {
                    div { h3 { "Who reads it" } (slo::consumers(&observed.consumers)) }
                    div { h3 { "Where it is read" } (bindings(info)) }
                }
                h3 { "Read it" }
                (snippets::all(site, info, &approved.state))
            }
        }
    }
}

/// What to do about an open circuit breaker.
fn breaker(body: &body::Port) -> Markup {
    html! {
        p { "The circuit breaker is open: events wait in the inbox, none is lost. It closes by itself once the newest "
            "events meet the contract, unless an operator holds it; this closes it now, and what waits goes to "
            "quarantine where the contract refuses it:" }
        (code(&format!("meshlog breaker reset {}", body.address)))
    }
}

/// The way of an event, with its topics.
fn pipe(info: &PortInfo<'_>) -> Markup {
    let body = info.body;
    html! {
        p.pipe {
            code { (body.inbox) } span aria-hidden="true" { " → " }
            strong { code { (body.address) } }
            span { " or " } code { (body.quarantine) }
            span.faint { " · " (body.partitions) " partitions each" }
        }
    }
}

fn bindings(info: &PortInfo<'_>) -> Markup {
    html! {
        dl.pairs {
            div { dt { "Topic" } dd { code { (info.body.address) } } }
            @for binding in info.active().into_iter().flat_map(|active| &active.bindings) {
                div { dt { "Schema id " (binding.schema_id) } dd { code { (binding.subject) } } }
            }
        }
    }
}

fn lineage(mesh: &Mesh, product: &Entity<body::Product>, ports: &[PortInfo<'_>]) -> Markup {
    let readers: BTreeSet<&str> = ports
        .iter()
        .flat_map(|info| model::readers(mesh, &info.body.contract_id))
        .collect();
    html! {
        section.two {
            div {
                h2 { "Reads" }
                @if product.state.inputs.is_empty() { p.faint { "Nothing of this mesh: a source." } }
                ul.plain { @for input in &product.state.inputs { li { (self::input(mesh, input)) } } }
            }
            div {
                h2 { "Read by" }
                @if readers.is_empty() { p.faint { "No data product declares it as an input." } }
                ul.plain {
                    @for key in readers { li { a href={ "/products/" (key) } { (key) } } }
                }
            }
        }
    }
}

fn input(mesh: &Mesh, input: &body::Input) -> Markup {
    html! {
        @match model::port_read(mesh, input) {
            Some(address) => a href={ "/ports/" (address) } { (address) },
            None => span.faint { "no port yet" },
        }
        span.faint {
            " under " (input.contract_id)
            @if let Some(version) = &input.version { "@" (version) }
        }
    }
}

fn recent(view: &View, product: &Entity<body::Product>, ports: &[PortInfo<'_>]) -> Markup {
    let mut subjects = BTreeSet::from([format!("product/{}", product.state.key)]);
    let mut contracts = Vec::new();
    for info in ports {
        subjects.insert(format!("port/{}", info.body.address));
        contracts.push(format!("contract/{}@", info.body.contract_id));
    }
    let about = |subject: &str| {
        subjects.contains(subject) || contracts.iter().any(|prefix| subject.starts_with(prefix))
    };
    let facts = (0..view.mesh.size)
        .rev()
        .zip(view.history.entries().iter().rev());
    let facts = facts.map(|(seq, entry)| (seq, entry.as_ref()));
    let refused = |entry: &Entry| {
        entry.subject.starts_with("proposal/") && names(&entry.fact().event, product, ports)
    };
    let facts = facts
        .filter(|(_, entry)| about(&entry.subject) || refused(entry))
        .take(RECENT);
    html! {
        section aria-labelledby="history" {
            h2 id="history" { "History" }
            (fact::list(view, facts))
        }
    }
}

/// Whether a refusal is about the product or a contract of its ports.
fn names(event: &Event, product: &Entity<body::Product>, ports: &[PortInfo<'_>]) -> bool {
    let Event::ProposalRejected(rejected) = event else {
        return false;
    };
    let of_product = format!("DataProduct {}", product.state.name);
    rejected.documents.iter().any(|document| {
        let of_contract = document
            .strip_prefix("DataContract ")
            .and_then(|it| it.split('@').next());
        *document == of_product
            || ports
                .iter()
                .any(|info| of_contract == Some(info.body.contract_id.as_str()))
    })
}
