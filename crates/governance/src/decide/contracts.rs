//! Deciding on contract documents: is it enforceable, does its version follow from the change.

use super::Draft;
use crate::body::{self, Refusal, StoredRule, StoredSettings};
use crate::command::Submitted;
use crate::event::Event;
use crate::mesh::Mesh;
use crate::refusal::{Code, refuse};
use contract::change::{Break, ChangeReport, classify};
use contract::document::Document;
use contract::document::odcs::Odcs;
use contract::quality::Mask;
use contract::settings::{Mode, Settings};
use contract::spec::{self, Spec};
use contract::version::{Bump, Version};
use std::collections::BTreeSet;

pub(super) fn apply(draft: &mut Draft<'_>, odcs: &Odcs, submitted: &Submitted) {
    let label = submitted.document.label();
    let spec = match spec::derive(odcs, &submitted.files) {
        Ok(spec) => spec,
        Err(messages) => {
            for message in messages {
                draft.refuse(Code::InvalidContract, &label, "", message, "");
            }
            return;
        }
    };
    if !belongs(draft, odcs, &label) {
        return;
    }
    match judge(draft, &spec, submitted, &label) {
        Ok(Some(event)) => {
            draft.push(event);
            super::products::amend_port(draft, &spec, &label);
        }
        Ok(None) => {}
        Err(refusals) => draft.refusals.extend(refusals),
    }
}

/// The domain a contract names must be registered, and the proposer's.
fn belongs(draft: &mut Draft<'_>, odcs: &Odcs, label: &str) -> bool {
    let Some(domain) = &odcs.domain else {
        return match draft.stamp.domain.clone() {
            None => true,
            Some(own) => {
                let way_out = format!("add `domain: {own}`");
                draft.refuse(
                    Code::OutsideDomain,
                    label,
                    "/domain",
                    "`domain` is missing",
                    way_out,
                );
                false
            }
        };
    };
    if !draft.mesh.domains.contains_key(domain) {
        let message = format!("domain `{domain}` is not registered");
        let way_out = super::unknown_way_out("domain", "Domain", draft.mesh.domains.keys());
        draft.refuse(Code::UnknownDomain, label, "/domain", message, way_out);
        return false;
    }
    let mut concerned = concerned(draft, odcs);
    concerned.insert(domain.clone());
    concerned.iter().all(|one| draft.speaks_for(one, label))
}

/// The domains whose the contract is already: by its newest version, and by the ports that it is behind.
fn concerned(draft: &Draft<'_>, odcs: &Odcs) -> BTreeSet<String> {
    let known = draft.mesh.contracts.get(&odcs.id);
    let newest = known.and_then(|known| known.versions.values().next_back());
    let theirs = newest.and_then(|newest| newest.state.domain.clone());
    let ports = draft.mesh.ports.values().map(|port| &port.opened.state);
    let owners = ports
        .filter(|port| port.contract_id == odcs.id)
        .map(|port| port.owner.clone());
    owners.chain(theirs).collect()
}

fn judge(
    draft: &Draft<'_>,
    spec: &Spec,
    submitted: &Submitted,
    label: &str,
) -> Result<Option<Event>, Vec<Refusal>> {
    let known = draft.mesh.contracts.get(&spec.id);
    if let Some(same) = known.and_then(|contract| contract.versions.get(&spec.version)) {
        if same.state.document == submitted.stored && same.state.files == submitted.files {
            return Ok(None);
        }
        return Err(vec![version_taken(spec, &same.state, label)]);
    }
    let latest = known.and_then(|contract| contract.latest(spec.version.major));
    let report = match latest {
        None => None,
        Some((version, approved)) => {
            let stored = Stored {
                version: *version,
                state: &approved.state,
                history: History::of(&draft.mesh, &spec.id, spec.version.major),
            };
            Some(follow(spec, &stored, label)?)
        }
    };
    let supersedes = latest.map(|(version, _)| version.to_string());
    Ok(Some(approved(
        spec,
        submitted,
        supersedes,
        report.map(|report| report.bump),
    )))
}

fn version_taken(spec: &Spec, stored: &body::ContractVersion, label: &str) -> Refusal {
    let bump = stored
        .spec()
        .and_then(|old| classify(&old, spec).ok())
        .map(|r| r.bump);
    let next = spec
        .version
        .bumped(bump.unwrap_or(Bump::Patch).max(Bump::Patch));
    let message = format!(
        "{}@{} is approved already, with other content",
        spec.id, spec.version
    );
    let way_out = format!("versions never change: publish this as {next} or higher");
    refuse(Code::VersionTaken, label, "/version", message, way_out)
}

/// What a major version has been until now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum History {
    /// No version of it was ever in force, so that nothing was judged by it.
    Unused,
    /// Its versions let everything through: consumers have been promised nothing.
    Shadow,
    /// A version of it enforced.
    Enforced,
}

impl History {
    fn of(mesh: &Mesh, contract_id: &str, major: u32) -> Self {
        let Some((_, port)) = mesh.port_of(contract_id, major) else {
            return Self::Unused;
        };
        let versions = mesh.contracts.get(contract_id);
        let enforced = port.activations.iter().any(|activation| {
            let version = versions.and_then(|known| known.versions.get(&activation.version));
            let mode = version.map(|version| Settings::from(&version.state.settings).mode);
            mode != Some(Mode::Shadow)
        });
        match (port.activations.is_empty(), enforced) {
            (true, _) => Self::Unused,
            (false, false) => Self::Shadow,
            (false, true) => Self::Enforced,
        }
    }
}

/// The latest approved version of a major.
struct Stored<'a> {
    version: Version,
    state: &'a body::ContractVersion,
    history: History,
}

/// Whether a version may follow the latest approved one of its major.
fn follow(spec: &Spec, stored: &Stored<'_>, label: &str) -> Result<ChangeReport, Vec<Refusal>> {
    let latest = stored.version;
    let report = change(spec, stored).map_err(|message| {
        let way_out = "publish a new major version";
        vec![refuse(Code::InvalidContract, label, "", message, way_out)]
    })?;
    if report.bump == Bump::Major {
        return Err(incompatible(spec, latest, &report, label));
    }
    let least = latest.bumped(report.bump.max(Bump::Patch));
    if spec.version >= least {
        return Ok(report);
    }
    let bump = match report.bump {
        Bump::Minor => "events may now hold more (a minor change)",
        Bump::None | Bump::Patch | Bump::Major => "the document changed (a patch)",
    };
    let message = format!("version {} is too low after {latest}: {bump}", spec.version);
    let way_out = format!("publish it as {least} or higher");
    let refusal = refuse(Code::VersionTooLow, label, "/version", message, way_out);
    Err(vec![refusal])
}

/// The change, as far as something was promised that it could break.
fn change(spec: &Spec, stored: &Stored<'_>) -> Result<ChangeReport, String> {
    let unreadable = || format!("{}@{} cannot be read back", spec.id, stored.version);
    let mut old = stored.state.spec().ok_or_else(unreadable)?;
    if stored.history == History::Unused {
        // What was never in force may be mended where its topics are concerned: nothing depends on them yet.
        old.settings.partitions = spec.settings.partitions;
        old.settings.inbox.clone_from(&spec.settings.inbox);
    }
    let mut report = classify(&old, spec)?;
    if stored.history == History::Shadow && !report.breaks.is_empty() {
        report.breaks.retain(Break::is_of_the_topics);
        if report.breaks.is_empty() {
            report.bump = Bump::Minor;
        }
    }
    Ok(report)
}

fn incompatible(spec: &Spec, latest: Version, report: &ChangeReport, label: &str) -> Vec<Refusal> {
    let next = latest.bumped(Bump::Major);
    let way_out = format!(
        "publish it as {next} on a new port v{} beside the old one, or keep what {latest} promised",
        next.major
    );
    let refusals = report.breaks.iter().map(|broken| {
        let who: Vec<String> = broken.who.iter().map(ToString::to_string).collect();
        let message = format!(
            "{} [{}] breaks {} of {}@{latest}",
            broken.message,
            broken.kind,
            who.join(" and "),
            spec.id
        );
        refuse(Code::Incompatible, label, &broken.path, message, &way_out)
    });
    refusals.collect()
}

fn approved(
    spec: &Spec,
    submitted: &Submitted,
    supersedes: Option<String>,
    bump: Option<Bump>,
) -> Event {
    let domain = match &submitted.document {
        Document::Contract(odcs) => odcs.domain.clone(),
        Document::Domain(_) | Document::Team(_) | Document::Product(_) => None,
    };
    Event::ContractVersionApproved(body::ContractVersion {
        contract_id: spec.id.clone(),
        version: spec.version.to_string(),
        domain,
        title: spec.title.clone(),
        purpose: spec.purpose.clone(),
        encoding: spec.encoding.name().to_owned(),
        schema: spec.schema.clone(),
        record: spec.record.clone(),
        imports: spec.imports.iter().map(body::Import::from).collect(),
        required: spec.required.clone(),
        key: body::Key {
            properties: spec.key.properties.clone(),
            text: spec.key.text,
        },
        key_schema: spec.key_schema.as_ref().map(body::KeySchema::from),
        settings: StoredSettings::from(&spec.settings),
        rules: spec.rules.iter().map(StoredRule::from).collect(),
        classified: Mask::classified(&spec.fields),
        supersedes,
        bump: match bump {
            None | Some(Bump::None) => "none".to_owned(),
            Some(Bump::Patch) => "patch".to_owned(),
            Some(Bump::Minor) => "minor".to_owned(),
            Some(Bump::Major) => "major".to_owned(),
        },
        files: submitted.files.clone(),
        document: submitted.stored.clone(),
    })
}
