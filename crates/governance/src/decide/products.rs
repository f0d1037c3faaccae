//! Deciding on data product documents: the product itself and the ports that it opens.

use super::Draft;
use crate::body::{self, ContractVersion};
use crate::command::Submitted;
use crate::event::Event;
use crate::refusal::Code;
use contract::address::{PortAddress, check_name};
use contract::document::odps::{OutputPort, Product};
use contract::document::{self, Document};
use contract::spec::Spec;
use contract::version::Version;

pub(super) fn apply(draft: &mut Draft<'_>, product: &Product, submitted: &Submitted) {
    let label = submitted.document.label();
    let Some(domain) = domain_of(draft, product, &label) else {
        return;
    };
    let name = product.name();
    if let Err(invalid) = check_name("product name", name) {
        let way_out = "`name` (else `id`) is the second part of the ports' addresses";
        draft.refuse(
            Code::InvalidName,
            &label,
            "/name",
            invalid.to_string(),
            way_out,
        );
        return;
    }
    let key = format!("{domain}/{name}");
    let known = draft.mesh.products.get(&key);
    if known.is_none_or(|known| known.state.document != submitted.stored) {
        let body = product_body(&key, &domain, product, submitted);
        draft.push(match known {
            None => Event::ProductApproved(body),
            Some(_) => Event::ProductMetadataChanged(body),
        });
    }
    for (index, port) in product.output_ports.iter().enumerate() {
        open_port(
            draft,
            &label,
            &format!("/outputPorts/{index}"),
            &domain,
            product,
            port,
        );
    }
}

fn domain_of(draft: &mut Draft<'_>, product: &Product, label: &str) -> Option<String> {
    let domain = match (&product.domain, &draft.stamp.domain) {
        (Some(domain), _) | (None, Some(domain)) => domain.clone(),
        (None, None) => {
            let way_out = "add `domain: <name>`";
            draft.refuse(
                Code::UnknownDomain,
                label,
                "/domain",
                "`domain` is missing",
                way_out,
            );
            return None;
        }
    };
    if !draft.mesh.domains.contains_key(&domain) {
        let message = format!("domain `{domain}` is not registered");
        let way_out = super::unknown_way_out("domain", "Domain", draft.mesh.domains.keys());
        draft.refuse(Code::UnknownDomain, label, "/domain", message, way_out);
        return None;
    }
    draft.speaks_for(&domain, label).then_some(domain)
}

fn product_body(
    key: &str,
    domain: &str,
    product: &Product,
    submitted: &Submitted,
) -> body::Product {
    let description = product.description.clone().unwrap_or_default();
    let prose = |text: Option<String>| text.unwrap_or_default().trim().to_owned();
    let inputs = product.input_ports.iter().map(|input| body::Input {
        name: input.name.clone(),
        contract_id: input.contract_id.clone(),
        version: input.version.clone(),
    });
    body::Product {
        key: key.to_owned(),
        domain: domain.to_owned(),
        name: product.name().to_owned(),
        purpose: prose(description.purpose),
        limitations: prose(description.limitations),
        usage: prose(description.usage),
        tags: product.tags.clone(),
        inputs: inputs.collect(),
        document: submitted.stored.clone(),
    }
}

fn open_port(
    draft: &mut Draft<'_>,
    label: &str,
    path: &str,
    domain: &str,
    product: &Product,
    port: &OutputPort,
) {
    let Some((contract_id, version)) = contract_of(draft, label, path, port) else {
        return;
    };
    let address = match PortAddress::new(domain, product.name(), &port.name, version.major) {
        Ok(address) => address,
        Err(invalid) => {
            draft.refuse(
                Code::InvalidName,
                label,
                &format!("{path}/name"),
                invalid.to_string(),
                "",
            );
            return;
        }
    };
    let Some((_, approved)) = draft
        .mesh
        .contracts
        .get(&contract_id)
        .and_then(|known| known.latest(version.major))
    else {
        return;
    };
    let approved = approved.state.clone();
    if !fits(draft, label, path, domain, &address, &approved) {
        return;
    }
    match draft.mesh.ports.get(&address.to_string()) {
        None => draft.push(Event::PortOpened(port_body(
            domain, product, port, &address, &approved,
        ))),
        Some(known) if known.opened.state.contract_id == contract_id => {}
        Some(known) => {
            let message = format!(
                "port {address} is under contract `{}` for life, not `{contract_id}`",
                known.opened.state.contract_id
            );
            let way_out = "open a port of another name, or a new major version";
            draft.refuse(
                Code::Settled,
                label,
                &format!("{path}/contractId"),
                message,
                way_out,
            );
        }
    }
}

/// A port on which no version has ever been in force follows its contract: with a wrong inbox or number of partitions it
/// could never be.
pub(super) fn amend_port(draft: &mut Draft<'_>, spec: &Spec, label: &str) {
    let known = draft.mesh.port_of(&spec.id, spec.version.major);
    let Some((_, port)) = known.filter(|(_, port)| port.activations.is_empty()) else {
        return;
    };
    let before = &port.opened.state;
    let Ok(address) = before.address.parse::<PortAddress>() else {
        return;
    };
    let approved = draft.mesh.contracts.get(&spec.id);
    let approved = approved.and_then(|known| known.latest(spec.version.major));
    let Some((_, approved)) = approved else {
        return;
    };
    let approved = approved.state.clone();
    let inbox = approved.settings.inbox.clone();
    let after = body::Port {
        inbox: inbox.unwrap_or_else(|| address.default_inbox()),
        partitions: approved.settings.partitions,
        ..before.clone()
    };
    if after != *before {
        let field = "/customProperties/meshlog.inbox";
        inbox_is_free(draft, label, field, &address, &approved);
        draft.push(Event::PortOpened(after));
    }
}

/// The contract a port names and the version that its major comes from.
fn contract_of(
    draft: &mut Draft<'_>,
    label: &str,
    path: &str,
    port: &OutputPort,
) -> Option<(String, Version)> {
    let field = format!("{path}/contractId");
    let Some(contract_id) = port.contract_id.clone() else {
        let message = format!("output port `{}` names no contract", port.name);
        draft.refuse(
            Code::UnknownContract,
            label,
            &field,
            message,
            "add `contractId`",
        );
        return None;
    };
    let Some(contract) = draft.mesh.contracts.get(&contract_id) else {
        let message = format!("contract `{contract_id}` is not known");
        let way_out =
            super::unknown_way_out("contract", "DataContract", draft.mesh.contracts.keys());
        draft.refuse(Code::UnknownContract, label, &field, message, way_out);
        return None;
    };
    let latest = contract.versions.keys().next_back().copied();
    let wanted = match &port.version {
        None => latest,
        Some(text) => match text.parse::<Version>() {
            Ok(version) => Some(version),
            Err(invalid) => {
                let field = format!("{path}/version");
                draft.refuse(Code::InvalidName, label, &field, invalid.to_string(), "");
                return None;
            }
        },
    }?;
    if contract.latest(wanted.major).is_none() {
        let known: Vec<String> = contract.versions.keys().map(ToString::to_string).collect();
        let message = format!("contract `{contract_id}` has no version {}.x", wanted.major);
        let way_out = format!("its versions are {}", known.join(", "));
        draft.refuse(
            Code::UnknownContract,
            label,
            &format!("{path}/version"),
            message,
            way_out,
        );
        return None;
    }
    Some((contract_id, wanted))
}

/// Whether a contract may be this port's.
fn fits(
    draft: &mut Draft<'_>,
    label: &str,
    path: &str,
    domain: &str,
    address: &PortAddress,
    approved: &ContractVersion,
) -> bool {
    let before = draft.refusals.len();
    let field = format!("{path}/contractId");
    if approved
        .domain
        .as_deref()
        .is_some_and(|other| other != domain)
    {
        let other = approved.domain.as_deref().unwrap_or_default();
        let message = format!(
            "contract `{}` belongs to domain `{other}`",
            approved.contract_id
        );
        let way_out = format!("a port of domain `{domain}` needs a contract of that domain");
        draft.refuse(Code::OutsideDomain, label, &field, message, way_out);
    }
    if let Some(physical) = physical_name(approved)
        && physical != address.topic()
    {
        let message = format!(
            "contract `{}` has physicalName `{physical}`",
            approved.contract_id
        );
        let way_out = format!("make it `{address}` or leave it out");
        draft.refuse(Code::PhysicalName, label, &field, message, way_out);
    }
    let major = address.major();
    let other = draft
        .mesh
        .port_of(&approved.contract_id, major)
        .map(|(other, _)| other.clone());
    if let Some(other) = other.filter(|other| *other != address.to_string()) {
        let message = format!(
            "contract `{}` v{major} is port {other}'s",
            approved.contract_id
        );
        let way_out = "one contract major has one port: give this port a contract of its own";
        draft.refuse(Code::Taken, label, &field, message, way_out);
    }
    inbox_is_free(draft, label, &field, address, approved);
    draft.refusals.len() == before
}

/// An inbox may be an existing topic, but not one that Meshlog writes or another port reads.
fn inbox_is_free(
    draft: &mut Draft<'_>,
    label: &str,
    field: &str,
    address: &PortAddress,
    approved: &ContractVersion,
) {
    let inbox = approved
        .settings
        .inbox
        .clone()
        .unwrap_or_else(|| address.default_inbox());
    let mesh_topic = inbox
        .strip_prefix(draft.mesh.id())
        .is_some_and(|rest| rest.starts_with('.'));
    let own = [address.topic(), address.quarantine()];
    let taken = draft
        .mesh
        .ports
        .values()
        .map(|port| &port.opened.state)
        .find(|port| {
            port.address != address.to_string()
                && [&port.inbox, &port.address, &port.quarantine].contains(&&inbox)
        });
    let by = match taken {
        Some(port) => Some(format!("port {}", port.address)),
        None if mesh_topic => Some("the mesh itself".to_owned()),
        None if own.contains(&inbox) => Some("this port's outputs".to_owned()),
        None => None,
    };
    if let Some(by) = by {
        let message = format!("inbox topic `{inbox}` is taken by {by}");
        let way_out = "name another topic in `meshlog.inbox`, or leave it out";
        draft.refuse(Code::Taken, label, field, message, way_out);
    }
}

fn physical_name(approved: &ContractVersion) -> Option<String> {
    let documents = document::parse("stored", &approved.document).ok()?;
    match &documents.first()?.document {
        Document::Contract(odcs) => odcs.schema.first()?.physical_name.clone(),
        Document::Domain(_) | Document::Team(_) | Document::Product(_) => None,
    }
}

fn port_body(
    domain: &str,
    product: &Product,
    port: &OutputPort,
    address: &PortAddress,
    approved: &ContractVersion,
) -> body::Port {
    let inbox = approved.settings.inbox.clone();
    body::Port {
        address: address.to_string(),
        product: format!("{domain}/{}", product.name()),
        owner: domain.to_owned(),
        contract_id: approved.contract_id.clone(),
        major: i32::try_from(address.major()).unwrap_or(i32::MAX),
        inbox: inbox.unwrap_or_else(|| address.default_inbox()),
        quarantine: address.quarantine(),
        partitions: approved.settings.partitions,
        description: port.description.clone().unwrap_or_default(),
    }
}
