//! Questions that both the API and the pages ask of a mesh: which ports has a product, who reads it, who owns it.

use contract::quality::Scope;
use contract::settings::Mode;
use contract::version::Version;
use governance::body;
use governance::mesh::{Activation, Entity, Mesh, Port};
use serde_json::{Value, json};

/// A port with what belongs to it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PortInfo<'a> {
    /// What was opened.
    pub(crate) body: &'a body::Port,
    /// The port.
    pub(crate) port: &'a Port,
    /// The team that owns the port's domain.
    pub(crate) team: Option<&'a str>,
    /// The contract version in force, else the one that is to come.
    pub(crate) contract: Option<(Version, &'a Entity<body::ContractVersion>)>,
    /// An approved version that is not in force yet.
    pub(crate) due: Option<Version>,
}

impl<'a> PortInfo<'a> {
    /// The version in force.
    pub(crate) fn active(&self) -> Option<&'a Activation> {
        self.port.active()
    }

    /// `active` when a contract version is in force, else `pending`.
    pub(crate) fn state(&self) -> &'static str {
        if self.active().is_some() {
            "active"
        } else {
            "pending"
        }
    }

    /// `id@version` in force.
    pub(crate) fn contract_in_force(&self) -> Option<String> {
        self.active()
            .map(|active| format!("{}@{}", self.body.contract_id, active.version))
    }
}

/// The port with an address.
pub(crate) fn port<'a>(mesh: &'a Mesh, address: &str) -> Option<PortInfo<'a>> {
    mesh.ports.get(address).map(|port| info(mesh, port))
}

/// Every port, by address.
pub(crate) fn ports(mesh: &Mesh) -> impl Iterator<Item = PortInfo<'_>> {
    mesh.ports.values().map(|port| info(mesh, port))
}

/// The ports of a product, by address.
pub(crate) fn ports_of<'a>(mesh: &'a Mesh, product: &'a str) -> Vec<PortInfo<'a>> {
    ports(mesh)
        .filter(|info| info.body.product == product)
        .collect()
}

fn info<'a>(mesh: &'a Mesh, port: &'a Port) -> PortInfo<'a> {
    let body = &port.opened.state;
    let versions = mesh.contracts.get(&body.contract_id);
    let latest = versions.zip(u32::try_from(body.major).ok());
    let latest = latest.and_then(|(contract, major)| contract.latest(major));
    let in_force = port.active().map(|active| active.version);
    let version = in_force.or(latest.map(|(version, _)| *version));
    let contract = versions.zip(version).and_then(|(contract, version)| {
        contract
            .versions
            .get(&version)
            .map(|approved| (version, approved))
    });
    let due = latest.map(|(version, _)| *version);
    let due = due.filter(|due| in_force.is_none_or(|in_force| in_force < *due));
    PortInfo {
        body,
        port,
        team: team(mesh, &body.owner),
        contract,
        due,
    }
}

/// The team that owns a domain.
pub(crate) fn team<'a>(mesh: &'a Mesh, domain: &str) -> Option<&'a str> {
    mesh.domains
        .get(domain)
        .map(|domain| domain.state.owner.as_str())
}

/// The products that read a contract.
pub(crate) fn readers<'a>(mesh: &'a Mesh, contract_id: &'a str) -> impl Iterator<Item = &'a str> {
    let reads = move |product: &&Entity<body::Product>| {
        product
            .state
            .inputs
            .iter()
            .any(|input| input.contract_id == contract_id)
    };
    mesh.products
        .values()
        .filter(reads)
        .map(|product| product.state.key.as_str())
}

/// The port that an input reads: that of the contract's major, or of its highest one where the input names none.
pub(crate) fn port_read<'a>(mesh: &'a Mesh, input: &body::Input) -> Option<&'a str> {
    let major = input.version.as_deref().and_then(|version| {
        let number = version.trim_start_matches('v').split('.').next()?;
        number.parse::<i32>().ok()
    });
    let of_contract = mesh.ports.values().filter(|port| {
        let body = &port.opened.state;
        body.contract_id == input.contract_id && major.is_none_or(|major| body.major == major)
    });
    let port = of_contract.max_by_key(|port| port.opened.state.major)?;
    Some(port.opened.state.address.as_str())
}

/// What became of an approved contract version: `active`, `superseded`, `approved` (not in force yet), or `unbound`
/// when no port carries its major.
pub(crate) fn version_state(mesh: &Mesh, contract_id: &str, version: Version) -> &'static str {
    let Some((_, port)) = mesh.port_of(contract_id, version.major) else {
        return "unbound";
    };
    match port.active() {
        Some(active) if active.version == version => "active",
        Some(active) if active.version > version => "superseded",
        Some(_) | None => "approved",
    }
}

/// The names among `known` that are closest to a name that is not there, best first.
pub(crate) fn closest<'a>(name: &str, known: impl Iterator<Item = &'a String>) -> Vec<&'a str> {
    let name = name.to_lowercase();
    let mut scored: Vec<(usize, &str)> = known
        .filter_map(|candidate| {
            let distance = distance(&name, &candidate.to_lowercase());
            let near = distance <= 2 + candidate.len() / 4 || candidate.contains(&name);
            (near && !name.is_empty()).then_some((distance, candidate.as_str()))
        })
        .collect();
    scored.sort_unstable();
    scored
        .into_iter()
        .take(3)
        .map(|(_, candidate)| candidate)
        .collect()
}

/// Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, right) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(left != *right);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// A rule over the content of events, for readers: what must hold, and whether it refuses, warns or is measured.
pub(crate) fn rule_json(rule: &body::StoredRule) -> Value {
    let read = rule.read().ok();
    let decides = match read.as_ref().map(|rule| (rule.scope(), rule.mode)) {
        Some((Scope::Event, Mode::Enforce)) => "refuses",
        Some((Scope::Event, Mode::Shadow)) => "shadow",
        Some((Scope::Window, _)) => "measured",
        None => "unknown to this build",
    };
    json!({
        "name": rule.name, "path": rule.path, "mode": rule.mode, "decides": decides,
        "demand": read.map_or_else(|| rule.check.clone(), |rule| rule.demand()), "description": rule.description,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_names_come_first_and_far_ones_not_at_all() {
        let known = [
            "flights.departures.events.v1",
            "flights.arrivals.events.v1",
            "billing.usage.records.v1",
        ];
        let known: Vec<String> = known.map(String::from).to_vec();
        let found = closest("flights.departure.events.v1", known.iter());
        assert_eq!(found[0], "flights.departures.events.v1");
        assert!(!found.contains(&"billing.usage.records.v1"));
        assert_eq!(closest("usage", known.iter()), ["billing.usage.records.v1"]);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
