//! `/search?q=`: results with what matched in them.

use super::layout::{Page, code, shell};
use crate::api::Site;
use crate::search::{Hit, Kind, Match};
use crate::view::View;
use axum::extract::{Extension, Query, State};
use maud::{Markup, html};
use serde::Deserialize;
use std::sync::Arc;

#[derive(Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    q: String,
}

pub(crate) async fn search(
    State(site): State<Site>,
    Extension(view): Extension<Arc<View>>,
    Query(Asked { q }): Query<Asked>,
) -> Markup {
    let hits = view.index().search(&q);
    let asked = !q.trim().is_empty();
    let body = html! {
        section.narrow {
            h1 { @if asked { "“" (q) "”" } @else { "Search" } }
            @if !asked {
                p.lead { "Type words, or their beginnings: all of them must match." }
            } @else if hits.is_empty() {
                (nothing(&q))
            } @else {
                p.faint { (hits.len()) @if hits.len() == 1 { " result" } @else { " results" } }
                ol.results { @for hit in &hits { (result(hit)) } }
            }
        }
    };
    shell(
        &site,
        &view,
        &Page {
            title: "Search",
            query: &q,
            nav: "",
        },
        &body,
    )
}

fn nothing(query: &str) -> Markup {
    html! {
        p.lead { "Nothing matches all of these words." }
        p { "Fewer words, or only how they begin, find more. On the command line:" }
        (code(&format!("meshlog search '{}'", query.replace('\'', "'\\''"))))
    }
}

fn result(hit: &Hit) -> Markup {
    let kind = match hit.kind {
        Kind::Product => "data product",
        Kind::Port => "port",
        Kind::Contract => "contract",
        Kind::Domain => "domain",
        Kind::Team => "team",
    };
    html! {
        li {
            p.eyebrow { (kind) }
            h2 { a href=(hit.href) { (hit.title) } }
            @if hit.id != hit.title { p.id { (hit.id) } }
            @if !hit.summary.is_empty() { p.about { (hit.summary) } }
            ul.matches { @for found in &hit.matches { (matched(found)) } }
        }
    }
}

fn matched(found: &Match) -> Markup {
    html! {
        li {
            span.place {
                (found.place)
                @if found.place != "field" && let Some(field) = &found.field { " " code { (field) } }
            }
            span {
                @for piece in &found.text {
                    @if piece.hit { mark { (piece.text) } } @else { (piece.text) }
                }
            }
        }
    }
}
