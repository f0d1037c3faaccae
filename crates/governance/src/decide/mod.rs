//! Deciding: what a command leads to, given the state. Pure; every reason is given, not the first.
//!
//! A proposal is decided whole: one refused document refuses all, so that nothing is half done. Documents are taken in
//! the order that their references need (teams, domains, contracts, products), each against the state after the ones
//! before it.

mod act;
mod breaker;
mod contracts;
mod products;
mod skip;

use crate::body::{self, Refusal};
use crate::command::{Command, Stamp, Submitted};
use crate::event::Event;
use crate::fact::Fact;
use crate::mesh::Mesh;
use crate::refusal::{Code, refuse};
use contract::address::check_name;
use contract::document::{Document, own};
use contract::version::Version;

/// Every reason against a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection(pub Vec<Refusal>);

/// Decide a command: the events it leads to, none when nothing changes.
///
/// # Errors
/// [`Rejection`] with every reason; the caller makes a fact of it ([`rejected`]).
pub fn decide(mesh: &Mesh, stamp: &Stamp, command: &Command) -> Result<Vec<Event>, Rejection> {
    match command {
        Command::Found(founded) => Ok(vec![Event::MeshFounded(founded.clone())]),
        Command::Apply(submitted) => apply(mesh, stamp, submitted),
        Command::Activate(activated) => activate(mesh, activated),
        Command::RecordRedrive(redriven) => record_redrive(mesh, stamp, redriven),
        Command::Breaker(act) => breaker::decide(mesh, stamp, act),
        Command::Skip(order) => skip::decide(mesh, stamp, order),
        Command::RecordSlo(turn, report) => record_slo(mesh, *turn, report),
        Command::Unreadable(reasons) => Err(Rejection(reasons.clone())),
    }
}

/// The event that records a refusal.
pub fn rejected(command: &Command, rejection: Rejection) -> Event {
    Event::ProposalRejected(body::Rejected {
        command: command.name().to_owned(),
        documents: command.documents(),
        reasons: rejection.0,
    })
}

/// Work on a proposal: the state with the events so far, and the reasons against it.
struct Draft<'a> {
    mesh: Mesh,
    stamp: &'a Stamp,
    events: Vec<Event>,
    refusals: Vec<Refusal>,
}

impl Draft<'_> {
    /// Take an event into the draft. Its record's bytes are of no matter here: only the entities are looked at.
    fn push(&mut self, event: Event) {
        let fact = Fact {
            seq: self.mesh.size,
            prev_hash: [0; 32],
            time_ms: self.stamp.time_ms,
            actor: String::new(),
            authenticated_by: String::new(),
            proposal_id: self.stamp.proposal_id.clone(),
            event: event.clone(),
        };
        self.mesh.apply(&fact, &[]);
        self.events.push(event);
    }

    fn refuse(
        &mut self,
        code: Code,
        document: &str,
        path: &str,
        message: impl Into<String>,
        way_out: impl Into<String>,
    ) {
        self.refusals
            .push(refuse(code, document, path, message, way_out));
    }

    /// Whether the proposer may speak for a domain: the topic a proposal came by may bind it to one.
    fn speaks_for(&mut self, domain: &str, label: &str) -> bool {
        match &self.stamp.domain {
            Some(own) if own != domain => {
                let message =
                    format!("a proposal of domain `{own}` cannot change domain `{domain}`");
                let way_out = format!("send it on `{domain}.proposals`");
                self.refuse(Code::OutsideDomain, label, "/domain", message, way_out);
                false
            }
            _ => true,
        }
    }
}

fn apply(mesh: &Mesh, stamp: &Stamp, submitted: &[Submitted]) -> Result<Vec<Event>, Rejection> {
    let mut draft = Draft {
        mesh: mesh.clone(),
        stamp,
        events: Vec::new(),
        refusals: Vec::new(),
    };
    let mut ordered: Vec<&Submitted> = submitted.iter().collect();
    ordered.sort_by_key(|submitted| order(&submitted.document));
    for submitted in ordered {
        match &submitted.document {
            Document::Team(team) => self::team(&mut draft, team, submitted),
            Document::Domain(domain) => self::domain(&mut draft, domain, submitted),
            Document::Contract(odcs) => contracts::apply(&mut draft, odcs, submitted),
            Document::Product(product) => products::apply(&mut draft, product, submitted),
        }
    }
    if draft.refusals.is_empty() {
        Ok(draft.events)
    } else {
        Err(Rejection(draft.refusals))
    }
}

/// References go backwards in this order; contracts of one id by version.
fn order(document: &Document) -> (u8, Option<Version>) {
    match document {
        Document::Team(_) => (0, None),
        Document::Domain(_) => (1, None),
        Document::Contract(odcs) => (2, odcs.version.parse().ok()),
        Document::Product(_) => (3, None),
    }
}

fn team(draft: &mut Draft<'_>, team: &own::Team, submitted: &Submitted) {
    let label = submitted.document.label();
    if let Err(invalid) = check_name("team name", &team.name) {
        draft.refuse(Code::InvalidName, &label, "/name", invalid.to_string(), "");
        return;
    }
    let known = draft.mesh.teams.get(&team.name);
    if known.is_some_and(|known| known.state.document == submitted.stored) {
        return;
    }
    let members = team
        .members
        .iter()
        .zip(&submitted.persons)
        .map(|(member, person)| body::Member {
            person: person.clone(),
            role: member.role.clone(),
            date_in: member.date_in.clone(),
            date_out: member.date_out.clone(),
        });
    let body = body::Team {
        name: team.name.clone(),
        description: team.description.clone(),
        members: members.collect(),
        document: submitted.stored.clone(),
    };
    draft.push(match known {
        None => Event::TeamRegistered(body),
        Some(_) => Event::TeamUpdated(body),
    });
}

fn domain(draft: &mut Draft<'_>, domain: &own::Domain, submitted: &Submitted) {
    let label = submitted.document.label();
    if let Err(invalid) = check_name("domain name", &domain.name) {
        draft.refuse(Code::InvalidName, &label, "/name", invalid.to_string(), "");
        return;
    }
    if domain.name == draft.mesh.id() {
        let message = format!("`{}` is the mesh's own id", domain.name);
        let way_out = "choose another name: the mesh's topics start with its id";
        draft.refuse(Code::InvalidName, &label, "/name", message, way_out);
        return;
    }
    if !draft.speaks_for(&domain.name, &label) {
        return;
    }
    if !draft.mesh.teams.contains_key(&domain.owner) {
        let message = format!("owner `{}` is no registered team", domain.owner);
        let way_out = unknown_way_out("team", "Team", draft.mesh.teams.keys());
        draft.refuse(Code::UnknownOwner, &label, "/owner", message, way_out);
        return;
    }
    let known = draft.mesh.domains.get(&domain.name);
    if known.is_some_and(|known| known.state.document == submitted.stored) {
        return;
    }
    let body = body::Domain {
        name: domain.name.clone(),
        owner: domain.owner.clone(),
        description: domain.description.clone(),
        principals: domain.principals.clone(),
        tags: domain.tags.clone(),
        document: submitted.stored.clone(),
    };
    draft.push(match known {
        None => Event::DomainRegistered(body),
        Some(_) => Event::DomainUpdated(body),
    });
}

/// What to do about a reference to something that is not registered.
fn unknown_way_out<'a>(what: &str, kind: &str, known: impl Iterator<Item = &'a String>) -> String {
    let names: Vec<&str> = known.map(String::as_str).take(8).collect();
    if names.is_empty() {
        format!("apply a document of kind {kind} first, or together with this one")
    } else {
        format!(
            "registered {what}s: {}; or apply a document of kind {kind}",
            names.join(", ")
        )
    }
}

fn activate(mesh: &Mesh, activated: &body::Activated) -> Result<Vec<Event>, Rejection> {
    let refused = |message: String| {
        let way_out = "the provisioner asks again when the state has moved on";
        Err(Rejection(vec![refuse(
            Code::Activation,
            "",
            "",
            message,
            way_out,
        )]))
    };
    let Some(port) = mesh.ports.get(&activated.port) else {
        return refused(format!("port {} is not open", activated.port));
    };
    let in_force = port.active().map(|active| active.version.to_string());
    if in_force.as_ref() == Some(&activated.version) {
        return Ok(Vec::new());
    }
    let due = mesh.due_activations().into_iter().any(|due| {
        due.port.opened.state.address == activated.port
            && due.version.to_string() == activated.version
            && due.contract.contract_id == activated.contract_id
    });
    if !due {
        let what = format!("{}@{}", activated.contract_id, activated.version);
        return refused(format!("{what} is not due on port {}", activated.port));
    }
    Ok(vec![Event::ContractVersionActivated(activated.clone())])
}

/// The counts are the redriver's word; what can be checked of them is.
fn record_redrive(
    mesh: &Mesh,
    stamp: &Stamp,
    redriven: &body::Redriven,
) -> Result<Vec<Event>, Rejection> {
    let refused = |message: String, way_out: &str| {
        let refusal = refuse(Code::Redrive, "", "/port", message, way_out);
        Err(Rejection(vec![refusal]))
    };
    let Some(port) = mesh.ports.get(&redriven.port) else {
        return refused(format!("port {} is not open", redriven.port), "");
    };
    let owner = &port.opened.state.owner;
    if let Some(domain) = stamp.domain.as_ref().filter(|domain| *domain != owner) {
        let message = format!("port {} is not domain `{domain}`'s", redriven.port);
        return refused(message, &format!("send it on `{owner}.proposals`"));
    }
    let parts = [redriven.sent, redriven.still_refused, redriven.held_back];
    let sum = parts
        .iter()
        .try_fold(0_i64, |sum, part| sum.checked_add(*part));
    if parts.iter().any(|part| *part < 0) || sum != Some(redriven.selected) {
        return refused(
            "the counts do not add up".to_owned(),
            "selected = sent + still_refused + held_back, none of them negative",
        );
    }
    Ok(vec![Event::QuarantineRedriven(redriven.clone())])
}

/// The figures are the observer's word. What is recorded already is not recorded again, however often it is proposed.
fn record_slo(
    mesh: &Mesh,
    turn: body::SloTurn,
    report: &body::SloReport,
) -> Result<Vec<Event>, Rejection> {
    let refused = |path: &str, message: String| {
        let way_out = "the observer proposes again by what it knows then";
        Err(Rejection(vec![refuse(
            Code::Slo,
            "",
            path,
            message,
            way_out,
        )]))
    };
    let Some(port) = mesh.ports.get(&report.port) else {
        return refused("/port", format!("port {} is not open", report.port));
    };
    let in_force = port.active().map(|active| active.version.to_string());
    let is_breached = port.breaches.contains_key(&report.objective);
    match turn {
        body::SloTurn::Breached if in_force.as_ref() != Some(&report.version) => {
            let version = &report.version;
            refused(
                "/version",
                format!("version {version} is not in force on port {}", report.port),
            )
        }
        body::SloTurn::Breached if !is_breached => Ok(vec![Event::SloBreached(report.clone())]),
        body::SloTurn::Recovered if is_breached => Ok(vec![Event::SloRecovered(report.clone())]),
        body::SloTurn::Breached | body::SloTurn::Recovered => Ok(Vec::new()),
    }
}

#[cfg(test)]
mod slo_tests;
#[cfg(test)]
mod tests;
