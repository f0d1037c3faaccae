//! Facts in a sentence each, refusals with their reasons.

use super::layout::timestamp;
use crate::api::time_text;
use crate::history::Entry;
use crate::text::encode;
use crate::view::View;
use governance::body::Rejected;
use governance::event::Event;
use maud::{Markup, html};

/// Reasons shown of one refusal in a list.
const REASONS: usize = 3;

/// A list of facts, newest first as given.
pub(crate) fn list<'a>(view: &View, facts: impl Iterator<Item = (u64, &'a Entry)>) -> Markup {
    html! {
        ol.facts {
            @for (seq, entry) in facts {
                @let fact = entry.fact();
                li class=[is_refusal(&fact.event).then_some("refused")] {
                    a.seq.num href={ "/governance?from=" (seq) "#" (seq) } { (seq) }
                    div {
                        p { (sentence(&fact.event)) }
                        (reasons(&fact.event))
                        p.meta {
                            (timestamp(&time_text(entry.time_ms))) " · " (view.name_of(&fact.actor))
                        }
                    }
                }
            }
        }
    }
}

pub(crate) fn is_refusal(event: &Event) -> bool {
    event.kind() == "mesh.proposal.rejected.v1"
}

/// What happened.
pub(crate) fn sentence(event: &Event) -> Markup {
    match event {
        Event::MeshFounded(body) => html! { "Mesh " strong { (body.mesh_id) } " founded" },
        Event::TeamRegistered(body) => html! { "Team " strong { (body.name) } " registered" },
        Event::TeamUpdated(body) => html! { "Team " strong { (body.name) } " changed" },
        Event::DomainRegistered(body) => {
            html! { "Domain " a href={ "/#domain-" (body.name) } { (body.name) } " registered, owned by " (body.owner) }
        }
        Event::DomainUpdated(body) => {
            html! { "Domain " a href={ "/#domain-" (body.name) } { (body.name) } " changed" }
        }
        Event::ProductApproved(body) => {
            html! { "Data product " a href={ "/products/" (body.key) } { (body.key) } " approved" }
        }
        Event::ProductMetadataChanged(body) => {
            html! { "Data product " a href={ "/products/" (body.key) } { (body.key) } " changed" }
        }
        Event::ContractVersionApproved(body)
        | Event::ContractVersionApprovedV1(body)
        | Event::ContractVersionApprovedV2(body) => {
            html! { "Contract " (contract(&body.contract_id, &body.version)) " approved" }
        }
        Event::PortOpened(body) => {
            html! { "Port " a href={ "/ports/" (body.address) } { (body.address) } " opened" }
        }
        Event::ContractVersionActivated(body) => html! {
            "Contract " (contract(&body.contract_id, &body.version)) " in force on "
            a href={ "/ports/" (body.port) } { (body.port) }
        },
        Event::QuarantineRedriven(body) => html! {
            (body.sent) " quarantined events of " a href={ "/ports/" (body.port) } { (body.port) } " redriven"
        },
        Event::BreakerOpened(body) => html! {
            "Circuit breaker of " (port(&body.port)) " opened: "
            (body.partition.and_then(|partition| body.opening(partition)).map(ToString::to_string).unwrap_or_default())
        },
        Event::BreakerClosed(body) => html! {
            "Circuit breaker of " (port(&body.port)) " closed on partition " (body.partition.unwrap_or_default())
            @if let Some(reason) = &body.reason { ": " (reason) }
        },
        Event::BreakerHeld(body) => html! {
            "Port " (port(&body.port)) " held"
            @if let Some(reason) = &body.reason { ": " (reason) }
        },
        Event::BreakerReset(body) => html! {
            "Circuit breaker of " (port(&body.port)) " reset"
            @if let Some(reason) = &body.reason { ": " (reason) }
        },
        Event::BatchSkipped(body) => html! {
            "Of " (port(&body.port)) " " (body) " given up: nobody can read what is there"
            @if let Some(reason) = &body.reason { ": " (reason) }
        },
        Event::SloBreached(body) => html! {
            "Promise broken on " a href={ "/ports/" (body.port) } { (body.port) } ": " (body.objective) " "
            (body.promised) ", measured " (body.measured) " " (body.unit)
        },
        Event::SloRecovered(body) => html! {
            "Promise kept again on " a href={ "/ports/" (body.port) } { (body.port) } ": " (body.objective) " "
            (body.promised)
            @if body.measured.is_empty() { ", no longer promised" } @else { ", measured " (body.measured) " " (body.unit) }
        },
        Event::ProposalRejected(body) => refused(body),
    }
}

fn port(address: &str) -> Markup {
    html! { a href={ "/ports/" (address) } { (address) } }
}

fn refused(body: &Rejected) -> Markup {
    html! {
        span.verdict { "Refused" } " "
        @if body.documents.is_empty() { (body.command) } @else { (body.documents.join(", ")) }
    }
}

/// A contract version, linked.
pub(crate) fn contract(id: &str, version: &str) -> Markup {
    html! { a href={ "/contracts/" (encode(id)) "/" (version) } { (id) "@" (version) } }
}

/// Why a proposal was refused.
pub(crate) fn reasons(event: &Event) -> Markup {
    let Event::ProposalRejected(body) = event else {
        return html! {};
    };
    let more = body.reasons.len().saturating_sub(REASONS);
    html! {
        ul.reasons {
            @for reason in body.reasons.iter().take(REASONS) {
                li {
                    code { (reason.code) } " "
                    @if !reason.path.is_empty() { code.path { (reason.path) } " " }
                    (reason.message)
                    @if !reason.way_out.is_empty() { span.wayout { (reason.way_out) } }
                }
            }
            @if more > 0 { li.faint { "and " (more) " more" } }
        }
    }
}
