//! `/governance`: the log, newest first, a page at a time.

use super::fact;
use super::layout::{Page, shell, timestamp};
use crate::api::{Site, time_text};
use crate::history::Entry;
use crate::view::View;
use axum::extract::{Extension, Query, State};
use maud::{Markup, html};
use serde::Deserialize;
use std::sync::Arc;

/// Facts of a page.
const PAGE: u64 = 50;

#[derive(Deserialize)]
pub(crate) struct From {
    /// The newest fact to show.
    from: Option<u64>,
}

pub(crate) async fn governance(
    State(site): State<Site>,
    Extension(view): Extension<Arc<View>>,
    Query(From { from }): Query<From>,
) -> Markup {
    let last = view.position().unwrap_or(0);
    // A link to one fact shows it with what came after it, as far as that fits.
    let newest = from.map_or(last, |from| (from + PAGE / 5).min(last));
    let oldest = newest.saturating_sub(PAGE - 1);
    let facts = (oldest..=newest)
        .rev()
        .filter_map(|seq| Some((seq, view.history.get(seq)?)));
    let body = html! {
        section {
            h1 { "The governance log" }
            p.lead {
                "Every decision, acceptances and refusals alike, in order. Each fact carries the hash of the one before; "
                code { "meshlog audit verify" } " checks them all."
            }
            (pager(oldest, newest, last))
            div.table {
                table.log {
                    thead { tr {
                        th { "seq" } th { "Time" } th { "What" } th { "Who, and the proposal" }
                    } }
                    tbody { @for (seq, entry) in facts { (row(&view, seq, entry)) } }
                }
            }
            (pager(oldest, newest, last))
        }
    };
    shell(
        &site,
        &view,
        &Page {
            title: "Log",
            query: "",
            nav: "governance",
        },
        &body,
    )
}

fn row(view: &View, seq: u64, entry: &Entry) -> Markup {
    let fact = entry.fact();
    let refused = fact::is_refusal(&fact.event);
    html! {
        tr id=(seq) class=[refused.then_some("refused")] {
            td { a.num href={ "/api/v1/governance/events?from=" (seq) "&limit=1" } { (seq) } }
            td { (timestamp(&time_text(entry.time_ms))) }
            td { (fact::sentence(&fact.event)) (fact::reasons(&fact.event)) }
            td { (view.name_of(&fact.actor)) p.id { (fact.proposal_id) } }
        }
    }
}

fn pager(oldest: u64, newest: u64, last: u64) -> Markup {
    // `from` is shown with a fifth of a page after it, so it is taken off here.
    let link = |newest: u64| format!("/governance?from={}", newest.saturating_sub(PAGE / 5));
    html! {
        nav.pager aria-label="Pages of the log" {
            span.faint { "Positions " (oldest) " to " (newest) " of " (last) }
            @if newest < last { a rel="prev" href=(link((newest + PAGE).min(last))) { "Newer" } }
            @if oldest > 0 { a rel="next" href=(link(oldest - 1)) { "Older" } }
        }
    }
}
