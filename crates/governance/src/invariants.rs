//! Numbered invariants of the governance state: used by tests, on replay and by `audit verify`.
//!
//! Each is a predicate over the state before a fact and the fact: a log whose facts pass them all holds them always.

use crate::body::Port;
use crate::event::Event;
use crate::fact::Fact;
use crate::mesh::Mesh;
use contract::address::PortAddress;

/// The first invariant that a fact would break: its number and what is wrong.
pub fn first_broken_by(mesh: &Mesh, fact: &Fact) -> Option<(&'static str, String)> {
    match &fact.event {
        Event::DomainRegistered(body) | Event::DomainUpdated(body) => {
            // GOV-1: a domain's owner is a registered team.
            let known = mesh.teams.contains_key(&body.owner);
            (!known).then(|| {
                (
                    "GOV-1",
                    format!("domain {} has no team {}", body.name, body.owner),
                )
            })
        }
        Event::ProductApproved(body) | Event::ProductMetadataChanged(body) => {
            // GOV-2: a product's domain is registered.
            let known = mesh.domains.contains_key(&body.domain);
            (!known).then(|| {
                (
                    "GOV-2",
                    format!("product {} has no domain {}", body.key, body.domain),
                )
            })
        }
        Event::PortOpened(body) => port_is_well_founded(mesh, body),
        Event::ContractVersionActivated(body) => {
            // GOV-5: what is in force was approved.
            let approved = mesh
                .contracts
                .get(&body.contract_id)
                .is_some_and(|contract| {
                    contract
                        .versions
                        .keys()
                        .any(|version| version.to_string() == body.version)
                });
            let port = mesh.ports.contains_key(&body.port);
            (!approved || !port).then(|| {
                let what = format!("{} on {}", body.contract_id, body.port);
                (
                    "GOV-5",
                    format!("activation of {what} without approval or port"),
                )
            })
        }
        Event::MeshFounded(_)
        | Event::TeamRegistered(_)
        | Event::TeamUpdated(_)
        | Event::ContractVersionApproved(_)
        | Event::ContractVersionApprovedV1(_)
        | Event::ContractVersionApprovedV2(_)
        | Event::QuarantineRedriven(_)
        | Event::BreakerOpened(_)
        | Event::BreakerClosed(_)
        | Event::BreakerHeld(_)
        | Event::BreakerReset(_)
        | Event::BatchSkipped(_)
        | Event::SloBreached(_)
        | Event::SloRecovered(_)
        | Event::ProposalRejected(_) => None,
    }
}

/// GOV-3: a port's address is well formed and its product registered. GOV-4: one port per contract and major.
fn port_is_well_founded(mesh: &Mesh, body: &Port) -> Option<(&'static str, String)> {
    let well_formed = body.address.parse::<PortAddress>().is_ok();
    if !well_formed || !mesh.products.contains_key(&body.product) {
        return Some((
            "GOV-3",
            format!("port {} has no product {}", body.address, body.product),
        ));
    }
    let taken = mesh.ports.values().any(|port| {
        let other = &port.opened.state;
        other.contract_id == body.contract_id
            && other.major == body.major
            && (other.address != body.address || !port.activations.is_empty())
    });
    taken.then(|| {
        (
            "GOV-4",
            format!(
                "contract {} v{} has two ports",
                body.contract_id, body.major
            ),
        )
    })
}
