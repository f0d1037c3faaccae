//! The pages: rendered here, complete without JavaScript; the script only keeps the counters moving.
//!
//! What users wrote (names, purposes, descriptions) is plain text: escaped, never interpreted.

mod contract;
mod fact;
mod governance;
mod home;
mod layout;
mod product;
mod search;
mod slo;
mod snippets;

use crate::api::{Problem, Site};
use crate::view::View;
use axum::Router;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use layout::{Page, shell};
use maud::html;

/// The pages' routes.
pub(crate) fn router() -> Router<Site> {
    Router::new()
        .route("/", get(home::home))
        .route("/search", get(search::search))
        .route("/products/{domain}/{product}", get(product::product))
        .route("/ports/{port}", get(product::port))
        .route("/contracts/{id}/{version}", get(contract::contract))
        .route("/governance", get(governance::governance))
        .route("/assets/style.css", get(style))
        .route("/assets/live.js", get(script))
        .route("/assets/icon.svg", get(icon))
}

fn asset(kind: &'static str, text: &'static str) -> Response {
    // The file changes with the binary, at the same address.
    (
        [
            (header::CONTENT_TYPE, kind),
            (header::CACHE_CONTROL, "max-age=300"),
        ],
        text,
    )
        .into_response()
}

async fn style() -> Response {
    asset("text/css; charset=utf-8", include_str!("assets/style.css"))
}

async fn script() -> Response {
    asset(
        "text/javascript; charset=utf-8",
        include_str!("assets/live.js"),
    )
}

async fn icon() -> Response {
    asset("image/svg+xml", include_str!("assets/icon.svg"))
}

/// A problem, for people.
pub(crate) fn problem(site: &Site, view: &View, problem: &Problem) -> Response {
    let page = Page {
        title: problem.title,
        query: "",
        nav: "",
    };
    let body = html! {
        section.narrow {
            p.eyebrow { (problem.status.as_u16()) }
            h1 { (problem.title) }
            p.lead { (problem.detail) }
            p { a href="/" { "Back to the catalog" } }
        }
    };
    (problem.status, shell(site, view, &page, &body)).into_response()
}
