//! From a proposal's record to a command: who speaks, what the documents say, what of them may be stored.
//!
//! Pure, as deciding is: the request's own timestamp and position are all it knows beside the folded logs, so that an
//! aborted attempt comes out the same when it is made again.

use contract::document::{self, Document, Sourced};
use contract::files;
use governance::body::Refusal;
use governance::command::{Command, Stamp, Submitted};
use governance::mesh::Mesh;
use governance::people::{NewEntry, People};
use governance::proposal::{Bundle, BundledFile, Proposal, Request, document_refusal};

/// The actor of the provisioner's own proposals.
pub const PROVISIONER: &str = "system:provisioner";

/// The actor of what the enforcers propose.
pub const ENFORCER: &str = "system:enforcer";
/// The actor of the observer's own proposals.
pub const OBSERVER: &str = "system:observer";

/// A proposal, ready to be decided.
#[derive(Debug)]
pub struct Prepared {
    /// Who, when, under which id.
    pub stamp: Stamp,
    /// What.
    pub command: Command,
    /// The actor's entry in the people topic, where the actor is new; written whatever is decided.
    pub actor_entry: Option<NewEntry>,
    /// Entries that the stored documents need; written when they are accepted.
    pub entries: Vec<NewEntry>,
}

/// Where a request came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Channel {
    /// `mesh.proposals`: our API has authenticated the caller and says who it is.
    Mesh,
    /// `<domain>.proposals`: whoever may write there speaks for that domain.
    Domain(String),
}

/// Prepare a proposal. `people` takes up what the proposal adds.
pub fn prepare(
    mesh: &Mesh,
    people: &mut People,
    channel: &Channel,
    proposal: Proposal,
    time_ms: i64,
) -> Prepared {
    let (actor, authenticated_by, domain, actor_entry) = identify(people, channel, &proposal);
    let id = proposal.id;
    let from_provisioner = actor == PROVISIONER;
    let from_observer = actor == OBSERVER;
    let mut entries = Vec::new();
    let command = match proposal.request {
        Request::Apply(bundle) => read_bundle(mesh, people, &bundle, &id, &mut entries),
        Request::Activate(activated) if from_provisioner => Command::Activate(activated),
        Request::Activate(_) => Command::Unreadable(vec![not_yours(
            "only the provisioner puts contract versions in force",
            "apply the contract; activation follows by itself",
        )]),
        Request::RecordRedrive(redriven) => Command::RecordRedrive(redriven),
        Request::Breaker(act) if act.is_enforcers() && actor != ENFORCER => {
            Command::Unreadable(vec![not_yours(
                "only the enforcer says that a circuit breaker opened or closed by itself",
                "`hold` and `reset` are for people",
            )])
        }
        Request::Breaker(act) => Command::Breaker(act),
        Request::Skip(skip) => Command::Skip(skip),
        Request::RecordSlo(turn, report) if from_observer => Command::RecordSlo(turn, report),
        Request::RecordSlo(..) => Command::Unreadable(vec![not_yours(
            "only the observer records how promises stand",
            "nothing is to be done: an observer measures what the contract promises",
        )]),
        Request::Unreadable(reasons) => Command::Unreadable(reasons),
    };
    let stamp = Stamp {
        time_ms,
        actor,
        authenticated_by,
        proposal_id: id,
        domain,
    };
    Prepared {
        stamp,
        command,
        actor_entry,
        entries,
    }
}

type Identity = (String, String, Option<String>, Option<NewEntry>);

fn identify(people: &mut People, channel: &Channel, proposal: &Proposal) -> Identity {
    match channel {
        // A header is no identity: on a domain's topic it is the topic that says who speaks.
        Channel::Domain(domain) => (
            format!("domain:{domain}"),
            "topic".to_owned(),
            Some(domain.clone()),
            None,
        ),
        Channel::Mesh => {
            let how = proposal
                .authenticated_by
                .clone()
                .unwrap_or_else(|| "unverified".to_owned());
            match proposal.actor.as_deref() {
                Some(system) if system.starts_with("system:") => {
                    (system.to_owned(), how, None, None)
                }
                Some(principal) => {
                    let (id, entry) = people.person(principal, &proposal.id);
                    (id, how, None, entry)
                }
                None => ("unknown".to_owned(), how, None, None),
            }
        }
    }
}

fn not_yours(message: &str, way_out: &str) -> Refusal {
    Refusal {
        code: governance::refusal::Code::UnknownCommand
            .as_str()
            .to_owned(),
        document: String::new(),
        path: "/type".to_owned(),
        message: message.to_owned(),
        way_out: way_out.to_owned(),
    }
}

fn read_bundle(
    mesh: &Mesh,
    people: &mut People,
    bundle: &Bundle,
    proposal_id: &str,
    entries: &mut Vec<NewEntry>,
) -> Command {
    let mut submitted = Vec::new();
    let mut refusals = Vec::new();
    for file in &bundle.documents {
        match document::parse(&file.name, &file.text) {
            Ok(documents) => {
                for sourced in documents {
                    let request = format!("{proposal_id}/{}", submitted.len());
                    submitted.push(submit(mesh, people, sourced, file, &request, entries));
                }
            }
            Err(errors) => refusals.extend(errors.iter().map(document_refusal)),
        }
    }
    if submitted.is_empty() && refusals.is_empty() {
        refusals.push(Refusal {
            code: governance::refusal::Code::Document.as_str().to_owned(),
            document: String::new(),
            path: String::new(),
            message: "the proposal holds no document".to_owned(),
            way_out: "send a document of kind DataContract, DataProduct, Domain or Team".to_owned(),
        });
    }
    if refusals.is_empty() {
        Command::Apply(submitted)
    } else {
        Command::Unreadable(refusals)
    }
}

fn submit(
    mesh: &Mesh,
    people: &mut People,
    sourced: Sourced,
    file: &BundledFile,
    request: &str,
    entries: &mut Vec<NewEntry>,
) -> Submitted {
    let known = known_text(mesh, &sourced.document);
    let (stored, new) = people.hide(&sourced.text, known, request);
    entries.extend(new);
    let mut persons = Vec::new();
    if let Document::Team(team) = &sourced.document {
        for member in &team.members {
            let (id, entry) = people.person(&member.username, request);
            persons.push(id);
            entries.extend(entry);
        }
    }
    let files = match &sourced.document {
        Document::Contract(odcs) => {
            let given = |path: &str| file.files.get(path).cloned().ok_or_else(String::new);
            // What is missing, deciding tells.
            files::collect(odcs, given).0
        }
        Document::Domain(_) | Document::Team(_) | Document::Product(_) => Default::default(),
    };
    Submitted {
        document: sourced.document,
        stored,
        persons,
        files,
    }
}

/// The stored text of the same thing, as it is now.
fn known_text<'a>(mesh: &'a Mesh, document: &Document) -> Option<&'a str> {
    match document {
        Document::Domain(domain) => mesh
            .domains
            .get(&domain.name)
            .map(|known| known.state.document.as_str()),
        Document::Team(team) => mesh
            .teams
            .get(&team.name)
            .map(|known| known.state.document.as_str()),
        Document::Product(product) => {
            let domain = product.domain.as_deref()?;
            let key = format!("{domain}/{}", product.name());
            mesh.products
                .get(&key)
                .map(|known| known.state.document.as_str())
        }
        Document::Contract(odcs) => {
            let version = odcs.version.parse().ok()?;
            let versions = &mesh.contracts.get(&odcs.id)?.versions;
            versions
                .get(&version)
                .map(|known| known.state.document.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use governance::breaker::BreakerAct;

    fn people() -> People {
        let mut people = People::default();
        let (key, entry) = People::secret_entry(&[1; 32]);
        let entry = serde_json::to_vec(&entry).expect("json");
        people.apply(&key, Some(&entry)).expect("applies");
        people
    }

    /// Whether an act is taken from whoever sends it.
    fn is_taken(channel: &Channel, actor: &str, act: BreakerAct) -> bool {
        let proposal = Proposal {
            id: "s#1".to_owned(),
            actor: Some(actor.to_owned()),
            authenticated_by: None,
            request: Request::Breaker(act),
        };
        let prepared = prepare(&Mesh::default(), &mut people(), channel, proposal, 0);
        matches!(prepared.command, Command::Breaker(_))
    }

    #[test]
    fn only_the_enforcer_says_that_a_breaker_closed_by_itself() {
        let closed = BreakerAct::Closed {
            port: "a.b.c.v1".to_owned(),
            partition: 0,
            reason: String::new(),
        };
        let reset = BreakerAct::Reset {
            port: "a.b.c.v1".to_owned(),
            reason: None,
        };
        let domain = Channel::Domain("a".to_owned());
        for (channel, actor, says, resets) in [
            (&Channel::Mesh, ENFORCER, true, true),
            (&Channel::Mesh, "alice", false, true),
            (&Channel::Mesh, PROVISIONER, false, true),
            // What a domain's record says of its sender is nothing.
            (&domain, ENFORCER, false, true),
        ] {
            assert_eq!(is_taken(channel, actor, closed.clone()), says, "{actor}");
            assert_eq!(is_taken(channel, actor, reset.clone()), resets, "{actor}");
        }
    }

    use governance::body::{SloReport, SloTurn};

    fn breach(actor: Option<&str>) -> Proposal {
        let report = SloReport {
            port: "a.b.c.v1".to_owned(),
            version: "1.0.0".to_owned(),
            objective: "latency".to_owned(),
            kind: "promise".to_owned(),
            promised: "at most 5 s".to_owned(),
            measured: "7".to_owned(),
            unit: "s".to_owned(),
            window_start: 0,
            window_end: 60_000,
        };
        Proposal {
            id: "x#1".to_owned(),
            actor: actor.map(str::to_owned),
            authenticated_by: None,
            request: Request::RecordSlo(SloTurn::Breached, report),
        }
    }

    #[test]
    fn only_the_observer_records_how_promises_stand() {
        let mut people = People::default();
        let (key, entry) = People::secret_entry(&[1; 32]);
        let secret = serde_json::to_vec(&entry).expect("serializes");
        people.apply(&key, Some(&secret)).expect("applies");
        let mut command = |channel: Channel, actor| {
            prepare(&Mesh::default(), &mut people, &channel, breach(actor), 0).command
        };
        let recorded = command(Channel::Mesh, Some(OBSERVER));
        assert!(matches!(recorded, Command::RecordSlo(..)), "{recorded:?}");
        // On a domain's topic a header says nothing.
        let domain = || Channel::Domain("flights".to_owned());
        for (channel, actor) in [
            (domain(), Some(OBSERVER)),
            (Channel::Mesh, Some("ann")),
            (Channel::Mesh, Some(PROVISIONER)),
            (Channel::Mesh, None),
        ] {
            let refused = command(channel, actor);
            assert!(matches!(refused, Command::Unreadable(_)), "{refused:?}");
        }
    }
}
