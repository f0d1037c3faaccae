//! `/`: what the mesh offers, by domain, and what happened last.

use super::fact;
use super::layout::{Page, badge, code, counter, number, shell};
use crate::api::{Site, port_stats};
use crate::model::{self, PortInfo};
use crate::stats::StatsAnswer;
use crate::view::View;
use axum::extract::{Extension, State};
use futures_util::future::join_all;
use governance::body;
use governance::mesh::{Entity, Mesh};
use maud::{Markup, html};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Facts shown.
const RECENT: usize = 8;
/// Ports whose counters the page waits for; the script fills in the others.
const COUNTED: usize = 60;
/// How old those may be.
const AGE: Duration = Duration::from_secs(1);
/// How long the page waits for them.
const PATIENCE: Duration = Duration::from_millis(1500);

/// Counters by port address.
pub(crate) type Stats = BTreeMap<String, StatsAnswer>;

pub(crate) async fn home(
    State(site): State<Site>,
    Extension(view): Extension<Arc<View>>,
) -> Markup {
    let ports: Vec<PortInfo<'_>> = model::ports(&view.mesh).collect();
    let stats = gather(&site, &ports).await;
    let mesh = &view.mesh;
    let recent = (0..view.mesh.size)
        .rev()
        .zip(view.history.entries().iter().rev());
    let recent = recent
        .map(|(seq, entry)| (seq, entry.as_ref()))
        .take(RECENT);
    let body = html! {
        (hero(&site, mesh, &stats))
        @if mesh.domains.is_empty() { (empty(&site)) }
        @for domain in mesh.domains.values() { (self::domain(mesh, domain, &stats)) }
        section aria-labelledby="recent" {
            h2 id="recent" { "What happened last" }
            (fact::list(&view, recent))
            p.more { a href="/governance" { "The whole log" } }
        }
        (teams(&view))
    };
    shell(
        &site,
        &view,
        &Page {
            title: "Catalog",
            query: "",
            nav: "home",
        },
        &body,
    )
}

fn hero(site: &Site, mesh: &Mesh, stats: &Stats) -> Markup {
    html! {
        section.hero {
            h1 { "Data products of " (site.shown().mesh) }
            form.big action="/search" role="search" {
                label.sr for="q" { "Search" }
                input id="q" type="search" name="q" autocomplete="off" autofocus
                    placeholder="A product, a field, an owner, a word of a description";
                button { "Search" }
            }
            (numbers(mesh, stats))
        }
    }
}

/// The counters of some ports, as far as they can be had soon.
pub(crate) async fn gather(site: &Site, ports: &[PortInfo<'_>]) -> Stats {
    let asked = ports.iter().take(COUNTED).map(|info| async move {
        let answer = tokio::time::timeout(PATIENCE, port_stats(site, info, AGE)).await;
        answer.ok().and_then(Result::ok)
    });
    let answers: Vec<_> = asked.collect();
    let known = join_all(answers).await.into_iter().flatten();
    known.map(|answer| (answer.port.clone(), answer)).collect()
}

fn numbers(mesh: &Mesh, stats: &Stats) -> Markup {
    let sum = |of: fn(&StatsAnswer) -> u64| number(stats.values().map(of).sum());
    let active = model::ports(mesh)
        .filter(|info| info.active().is_some())
        .count();
    // What is not counted here is not passed over in silence.
    let of = if mesh.ports.len() > COUNTED {
        " (first 60 ports)"
    } else {
        ""
    };
    html! {
        dl.numbers {
            div { dt { "Data products" } dd.num { (mesh.products.len()) } }
            div { dt { "Ports in force" } dd.num { (active) } }
            div { dt { "Events accepted" (of) } dd.num data-sum="accepted" { (sum(|port| port.accepted)) } }
            div { dt { "Quarantined" (of) } dd.num data-sum="quarantined" { (sum(|port| port.quarantined)) } }
        }
    }
}

fn empty(site: &Site) -> Markup {
    html! {
        section.empty {
            h2 { "No domain yet" }
            p { "A domain comes with its team, a contract and a data product, as documents:" }
            (code(&format!("meshlog apply -f DIR --http {}", site.shown().http)))
            p { "To look at a mesh at work first:" }
            (code("meshlog demo"))
        }
    }
}

fn domain(mesh: &Mesh, domain: &Entity<body::Domain>, stats: &Stats) -> Markup {
    let state = &domain.state;
    let products: Vec<_> = mesh
        .products
        .values()
        .filter(|product| product.state.domain == state.name)
        .collect();
    html! {
        section.domain id={ "domain-" (state.name) } aria-labelledby={ "h-" (state.name) } {
            header {
                h2 id={ "h-" (state.name) } { (state.name) }
                p.owner { "owned by " a href={ "#team-" (state.owner) } { (state.owner) } }
                @if !state.description.is_empty() { p.about { (state.description) } }
            }
            @if products.is_empty() {
                p.faint { "No data product yet: " code { "meshlog apply -f product.odps.yaml" } }
            } @else {
                div.cards { @for product in products { (card(mesh, product, stats)) } }
            }
        }
    }
}

fn card(mesh: &Mesh, product: &Entity<body::Product>, stats: &Stats) -> Markup {
    let state = &product.state;
    let ports = model::ports_of(mesh, &state.key);
    html! {
        article.card {
            h3 { a href={ "/products/" (state.key) } { (state.name) } }
            p.about { (state.purpose) }
            @if ports.is_empty() { p.faint { "No output port yet." } }
            @for info in &ports { (port_row(info, stats.get(&info.body.address))) }
        }
    }
}

fn port_row(info: &PortInfo<'_>, stats: Option<&StatsAnswer>) -> Markup {
    let address = &info.body.address;
    let state = stats
        .filter(|_| info.active().is_some())
        .map(|stats| stats.state.as_str());
    html! {
        div.port data-port=(address) {
            p.name {
                a href={ "/ports/" (address) } { (address) } " "
                (badge(state.filter(|state| *state != "running").unwrap_or(info.state())))
            }
            dl {
                div { dt { "Accepted" } dd { (counter(stats, "accepted")) } }
                div { dt { "Quarantined" } dd { (counter(stats, "quarantined")) } }
                div { dt { "Waiting" } dd { (counter(stats, "lag")) } }
            }
        }
    }
}

fn teams(view: &View) -> Markup {
    html! {
        @if !view.mesh.teams.is_empty() {
            section aria-labelledby="teams" {
                h2 id="teams" { "Teams" }
                div.table {
                    table {
                        thead { tr { th { "Team" } th { "What it does" } th { "Domains" } th { "Members" } } }
                        tbody {
                            @for team in view.mesh.teams.values() { (team_row(view, &team.state)) }
                        }
                    }
                }
            }
        }
    }
}

fn team_row(view: &View, team: &body::Team) -> Markup {
    let domains = view
        .mesh
        .domains
        .values()
        .filter(|domain| domain.state.owner == team.name);
    html! {
        tr id={ "team-" (team.name) } {
            th scope="row" { (team.name) }
            td { (team.description) }
            td { @for domain in domains { a href={ "#domain-" (domain.state.name) } { (domain.state.name) } " " } }
            td {
                @for (at, member) in team.members.iter().enumerate() {
                    @if at > 0 { ", " }
                    (view.name_of(&member.person))
                    @if let Some(role) = &member.role { span.faint { " (" (role) ")" } }
                }
            }
        }
    }
}
