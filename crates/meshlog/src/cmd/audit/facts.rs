//! Facts as the auditor sees them: as JSON, as a line, and which of them.

use governance::event::Event;
use governance::fact::{Fact, hex};
use serde_json::{Value, json};

use super::super::consume::parse_time;
use crate::event::rfc3339;

/// Which facts.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Filter {
    /// From this position on
    #[arg(long, value_name = "SEQ")]
    from: Option<u64>,
    /// Since this time
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    since: Option<i64>,
    /// Before this time
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    until: Option<i64>,
    /// Of this type, as mesh.proposal.rejected.v1; a part of it suffices
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// About this, as contract/flights-departures; a part of it suffices
    #[arg(long)]
    subject: Option<String>,
    /// By this actor
    #[arg(long)]
    actor: Option<String>,
    /// Only acceptances, or only refusals
    #[arg(long, value_enum)]
    outcome: Option<Outcome>,
}

/// What came of the proposal that a fact answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Outcome {
    Accepted,
    Rejected,
}

impl Filter {
    /// Whether a fact is asked for.
    pub(super) fn wants(&self, fact: &Fact) -> bool {
        let outcome = match fact.event {
            Event::ProposalRejected(_) => Outcome::Rejected,
            Event::MeshFounded(_)
            | Event::TeamRegistered(_)
            | Event::TeamUpdated(_)
            | Event::DomainRegistered(_)
            | Event::DomainUpdated(_)
            | Event::ProductApproved(_)
            | Event::ProductMetadataChanged(_)
            | Event::ContractVersionApproved(_)
            | Event::ContractVersionApprovedV1(_)
            | Event::ContractVersionApprovedV2(_)
            | Event::PortOpened(_)
            | Event::ContractVersionActivated(_)
            | Event::QuarantineRedriven(_)
            | Event::BreakerOpened(_)
            | Event::BreakerClosed(_)
            | Event::BreakerHeld(_)
            | Event::BreakerReset(_)
            | Event::BatchSkipped(_)
            | Event::SloBreached(_)
            | Event::SloRecovered(_) => Outcome::Accepted,
        };
        self.from.is_none_or(|from| fact.seq >= from)
            && self.since.is_none_or(|since| fact.time_ms >= since)
            && self.until.is_none_or(|until| fact.time_ms < until)
            && self
                .kind
                .as_ref()
                .is_none_or(|kind| fact.event.kind().contains(kind.as_str()))
            && self
                .subject
                .as_ref()
                .is_none_or(|part| fact.subject().contains(part.as_str()))
            && self.actor.as_ref().is_none_or(|actor| fact.actor == *actor)
            && self.outcome.is_none_or(|wanted| outcome == wanted)
    }
}

/// A fact as JSON, its body under `body`.
pub(super) fn fact_json(fact: &Fact) -> Value {
    json!({
        "seq": fact.seq,
        "time": rfc3339(fact.time_ms),
        "type": fact.event.kind(),
        "subject": fact.subject(),
        "actor": fact.actor,
        "authenticated_by": fact.authenticated_by,
        "proposal_id": fact.proposal_id,
        "prev_hash": hex(&fact.prev_hash),
        "body": body_json(fact),
    })
}

/// A fact in a row of a table.
pub(super) fn fact_line(fact: &Fact) -> Value {
    json!({
        "seq": fact.seq,
        "time": rfc3339(fact.time_ms),
        "type": fact.event.kind(),
        "subject": fact.subject(),
        "actor": fact.actor,
        "what": gist(&fact.event),
    })
}

/// The body as JSON.
pub(super) fn body_json(fact: &Fact) -> Value {
    let body = match &fact.event {
        Event::MeshFounded(body) => serde_json::to_value(body),
        Event::TeamRegistered(body) | Event::TeamUpdated(body) => serde_json::to_value(body),
        Event::DomainRegistered(body) | Event::DomainUpdated(body) => serde_json::to_value(body),
        Event::ProductApproved(body) | Event::ProductMetadataChanged(body) => {
            serde_json::to_value(body)
        }
        Event::ContractVersionApproved(body)
        | Event::ContractVersionApprovedV1(body)
        | Event::ContractVersionApprovedV2(body) => serde_json::to_value(body),
        Event::PortOpened(body) => serde_json::to_value(body),
        Event::ContractVersionActivated(body) => serde_json::to_value(body),
        Event::QuarantineRedriven(body) => serde_json::to_value(body),
        Event::BreakerOpened(body)
        | Event::BreakerClosed(body)
        | Event::BreakerHeld(body)
        | Event::BreakerReset(body) => serde_json::to_value(body),
        Event::BatchSkipped(body) => serde_json::to_value(body),
        Event::SloBreached(body) | Event::SloRecovered(body) => serde_json::to_value(body),
        Event::ProposalRejected(body) => serde_json::to_value(body),
    };
    body.expect("bodies have text keys only")
}

/// What a reader of the list wants to know beyond the type.
fn gist(event: &Event) -> String {
    match event {
        Event::MeshFounded(body) => format!("on cluster {}", body.cluster_id),
        Event::TeamRegistered(body) | Event::TeamUpdated(body) => {
            format!("{} members", body.members.len())
        }
        Event::DomainRegistered(body) | Event::DomainUpdated(body) => {
            format!("owner {}", body.owner)
        }
        Event::ProductApproved(body) | Event::ProductMetadataChanged(body) => body.purpose.clone(),
        Event::ContractVersionApproved(body)
        | Event::ContractVersionApprovedV1(body)
        | Event::ContractVersionApprovedV2(body) => match &body.supersedes {
            Some(before) => format!("{} change of {before}", body.bump),
            None => body.encoding.clone(),
        },
        Event::PortOpened(body) => format!("contract {}", body.contract_id),
        Event::ContractVersionActivated(body) => format!("{}@{}", body.contract_id, body.version),
        Event::QuarantineRedriven(body) => format!("{} of {} events", body.sent, body.selected),
        Event::BreakerOpened(body) => {
            let opening = body.partition.and_then(|partition| body.opening(partition));
            opening.map(ToString::to_string).unwrap_or_default()
        }
        Event::BreakerClosed(body) => {
            let reason = body.reason.as_deref().unwrap_or_default();
            format!("partition {}: {reason}", body.partition.unwrap_or_default())
        }
        Event::BreakerHeld(body) | Event::BreakerReset(body) => {
            body.reason.clone().unwrap_or_default()
        }
        Event::BatchSkipped(body) => body.to_string(),
        Event::SloBreached(body) | Event::SloRecovered(body) => {
            format!(
                "{} {}: {} {}",
                body.objective, body.promised, body.measured, body.unit
            )
        }
        Event::ProposalRejected(body) => {
            let codes: Vec<&str> = body
                .reasons
                .iter()
                .map(|reason| reason.code.as_str())
                .collect();
            format!("{} ({})", codes.join(", "), body.documents.join(", "))
        }
    }
}
