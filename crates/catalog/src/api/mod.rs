//! The HTTP side: routes, one view per request, the headers that every answer carries.
//!
//! **Positions.** `Meshlog-Position: N` means that the facts 0..=N have been folded, N being the `seq` of the last one.
//! An answer `as_of` a position carries that position. A stale view says why in `Meshlog-Stale`.
//!
//! GETs only: what changes the mesh is the governor's `POST /api/v1/proposals`, on a router that the binary merges.

mod contracts;
mod events;
mod health;
mod mesh;
mod metrics;
mod moment;
mod ports;
mod problem;
mod products;
mod proposals;
mod schemas;
mod search;
mod slo;

pub(crate) use contracts::find as find_version;
pub(crate) use moment::time_text;
pub(crate) use ports::port_stats;
pub(crate) use problem::{Problem, no_port, no_product, no_version};

use crate::config::{Hooks, Shown};
use crate::handle::Views;
use crate::observed::Observed;
use crate::pages;
use crate::stats::{PortStats, StatsCache};
use crate::view::View;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, http::Uri};
use std::sync::Arc;

/// Header with the position that an answer stands for.
pub const POSITION: HeaderName = HeaderName::from_static("meshlog-position");
/// Header that says why the view is not the present.
pub const STALE: HeaderName = HeaderName::from_static("meshlog-stale");

/// Nothing but what this server serves: no foreign script, style, font, image or frame.
const CSP: &str = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'";

/// What the handlers share. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Site(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    views: Views,
    shown: Shown,
    hooks: Hooks,
    stats: StatsCache,
    observed: Observed,
}

impl Site {
    /// API and pages over views that somebody publishes.
    pub fn new(views: Views, shown: Shown, hooks: Hooks, stats: Arc<dyn PortStats>) -> Self {
        Self(Arc::new(Inner {
            views,
            shown,
            hooks,
            stats: StatsCache::new(stats),
            observed: Observed::default(),
        }))
    }

    pub(crate) fn views(&self) -> &Views {
        &self.0.views
    }

    pub(crate) fn shown(&self) -> &Shown {
        &self.0.shown
    }

    pub(crate) fn hooks(&self) -> &Hooks {
        &self.0.hooks
    }

    pub(crate) fn stats(&self) -> &StatsCache {
        &self.0.stats
    }

    /// What observers measured, for whoever follows it.
    pub fn observed(&self) -> &Observed {
        &self.0.observed
    }

    /// Every route of the catalog. It has the fallback (404), so a router merged with it must have none.
    pub fn router(&self) -> Router {
        let api = Router::new()
            .route("/mesh", get(mesh::mesh))
            .route("/state", get(mesh::state))
            .route("/domains", get(mesh::domains))
            .route("/teams", get(mesh::teams))
            .route("/products", get(products::list))
            .route("/products/{domain}/{product}", get(products::one))
            .route("/ports", get(ports::list))
            .route("/ports/{port}", get(ports::one))
            .route("/ports/{port}/stats", get(ports::stats))
            .route("/ports/{port}/slo", get(slo::slo))
            .route("/contracts", get(contracts::list))
            .route("/contracts/{id}", get(contracts::versions))
            .route("/contracts/{id}/versions/{version}", get(contracts::one))
            .route("/schemas/{id}", get(schemas::one))
            .route("/search", get(search::search))
            .route("/governance/events", get(events::events))
            .route("/proposals/{*id}", get(proposals::one));
        Router::new()
            .nest("/api/v1", api)
            .merge(pages::router())
            .route("/metrics", get(metrics::metrics))
            .route("/healthz", get(health::healthz))
            .route("/readyz", get(health::readyz))
            .fallback(no_route)
            .layer(from_fn_with_state(self.clone(), around))
            .with_state(self.clone())
    }
}

async fn no_route(uri: Uri) -> Problem {
    Problem::not_found(
        "no-such-address",
        format!("There is nothing at {}.", uri.path()),
    )
}

/// Whether an address shows the past when asked to.
fn takes_as_of(path: &str) -> bool {
    let Some(rest) = path.strip_prefix("/api/v1/") else {
        return false;
    };
    let first = rest.split('/').next().unwrap_or_default();
    match first {
        "ports" => !rest.ends_with("/stats") && !rest.ends_with("/slo"),
        "products" | "contracts" | "schemas" | "state" => true,
        _ => false,
    }
}

/// Addresses that answer whether or not there is a view.
fn is_about_the_process(path: &str) -> bool {
    ["/metrics", "/healthz", "/readyz"].contains(&path)
}

/// Gives the request its view, and the answer its headers.
async fn around(State(site): State<Site>, mut request: Request, next: Next) -> Response {
    let view = site.views().now();
    let path = request.uri().path().to_owned();
    let machine = path.starts_with("/api/") || is_about_the_process(&path);
    request.extensions_mut().insert(Arc::clone(&view));
    let mut response = match refuse(&view, &path, request.uri().query()) {
        Some(problem) => problem.into_response(),
        None => next.run(request).await,
    };
    if !machine && let Some(problem) = response.extensions().get::<Problem>() {
        response = pages::problem(&site, &view, problem);
    }
    add_headers(&view, response)
}

/// What no handler has to look at: a view not read yet, and the past where there is none.
fn refuse(view: &View, path: &str, query: Option<&str>) -> Option<Problem> {
    let needs_view = !is_about_the_process(path) && !path.starts_with("/assets/");
    if needs_view && view.position().is_none() {
        let why = view
            .freshness
            .why()
            .unwrap_or("the governance log is being read");
        return Some(Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "not-ready",
            "The catalog is not ready",
            format!("Nothing can be shown yet: {why}. Ask again in a moment."),
        ));
    }
    let asks = query.into_iter().flat_map(|query| query.split('&'));
    let asks = asks
        .filter_map(|pair| pair.split('=').next())
        .any(|name| name == "as_of");
    (asks && !takes_as_of(path)).then(|| {
        let detail = "as_of is understood by /api/v1/products, /ports (not their stats and SLOs), /contracts, /schemas and /state.";
        Problem::bad_request("as-of-not-here", format!("This address shows the present only; {detail}"))
    })
}

fn add_headers(view: &View, mut response: Response) -> Response {
    let headers = response.headers_mut();
    if let Some(position) = view.position()
        && !headers.contains_key(POSITION)
    {
        headers.insert(POSITION, position.into());
    }
    if let Some(why) = view.freshness.why() {
        let plain: String = why
            .chars()
            .filter(|c| c.is_ascii() && !c.is_control())
            .collect();
        let value = HeaderValue::from_str(&plain);
        headers.insert(STALE, value.unwrap_or(HeaderValue::from_static("stale")));
    }
    let fixed = [
        (header::CONTENT_SECURITY_POLICY, CSP),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    }
    response
}
