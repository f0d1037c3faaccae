//! The governor: the one that decides, behind the log writer that gives it the log and the requests.
//!
//! Facts, replies and people entries of a request leave in one transaction with the request's offset
//! (`kafka::LogWriter`). Nothing here knows a clock: a fact's time is the request's, never going back.

use crate::metrics::Decided;
use crate::prepare::{Channel, Prepared, prepare};
use crate::topics::{self, Topics};
use crate::traced;
use governance::body::Founded;
use governance::command::{Command, Stamp};
use governance::decide::{decide, rejected};
use governance::event::Event;
use governance::fact::{Fact, Hash};
use governance::log;
use governance::mesh::Mesh;
use governance::outcome::{Outcome, PROPOSAL_ID_HEADER, Reply};
use governance::people::{NewEntry, People};
use governance::proposal;
use kafka::{Header, LogCore, Outgoing, Record};
use std::sync::Arc;

/// What a mesh begins with, made at the edge: the log is empty when it is used.
#[derive(Clone)]
pub struct Founding {
    /// Mesh id.
    pub mesh_id: String,
    /// Kafka cluster.
    pub cluster_id: String,
    /// Principal of the first administrator.
    pub administrator: String,
    /// Ed25519 public key, base64.
    pub notary_key: String,
    /// Secret for salts and person ids.
    pub secret: Hash,
    /// When, UTC ms.
    pub time_ms: i64,
}

impl std::fmt::Debug for Founding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Founding {{ mesh_id: {}, secret: *** }}", self.mesh_id)
    }
}

/// The writer's core: state, and what it decides on it.
#[derive(Debug)]
pub(crate) struct GovernorCore {
    topics: Topics,
    founding: Founding,
    mesh: Mesh,
    people: People,
    decided: Arc<Decided>,
}

impl GovernorCore {
    pub(crate) fn new(topics: Topics, founding: Founding) -> Self {
        Self {
            topics,
            founding,
            mesh: Mesh::default(),
            people: People::default(),
            decided: Arc::default(),
        }
    }

    /// Count in `decided` what is decided.
    pub(crate) fn counting(mut self, decided: Arc<Decided>) -> Self {
        self.decided = decided;
        self
    }

    fn channel(&self, topic: &str) -> Channel {
        match topics::domain_of(topic) {
            Some(domain) if topic != self.topics.proposals => Channel::Domain(domain.to_owned()),
            _ => Channel::Mesh,
        }
    }

    /// Put an event in the log: into the state at once, as bytes into the outputs.
    fn record(&mut self, stamp: &Stamp, event: Event, outputs: &mut Vec<Outgoing>) -> u64 {
        let fact = log::next(&self.mesh, stamp, event);
        let value = fact.encode();
        self.mesh.apply(&fact, &value);
        let seq = fact.seq;
        outputs.push(Outgoing {
            topic: self.topics.governance.clone(),
            partition: Some(0),
            timestamp_ms: Some(fact.time_ms),
            key: Some(fact.subject().into_bytes()),
            value: Some(value),
            headers: cloud_event(self.mesh.id(), &fact),
        });
        seq
    }

    fn write_entries(&mut self, entries: Vec<NewEntry>, outputs: &mut Vec<Outgoing>) {
        for (key, entry) in entries {
            let value = serde_json::to_vec(&entry).expect("entries have text keys only");
            outputs.push(Outgoing {
                topic: self.topics.people.clone(),
                partition: Some(0),
                timestamp_ms: None,
                key: Some(key.into_bytes()),
                value: Some(value),
                headers: Vec::new(),
            });
        }
    }

    fn reply(&self, reply: &Reply) -> Outgoing {
        let id = reply.proposal_id.as_bytes();
        Outgoing {
            topic: self.topics.outcomes.clone(),
            partition: Some(0),
            timestamp_ms: None,
            key: Some(id.to_vec()),
            value: Some(reply.encode()),
            headers: vec![Header::new(PROPOSAL_ID_HEADER, id)],
        }
    }

    /// The answer given before, where the proposal is known by its idempotency key.
    fn known_outcome(&self, id: &str) -> Option<Outcome> {
        let known = self.mesh.proposals.get(id)?;
        Some(if known.is_rejected() {
            let seq = known.seqs.last().copied().unwrap_or_default();
            Outcome::Rejected {
                seq,
                reasons: known.refusals.clone(),
            }
        } else {
            Outcome::Accepted {
                seqs: known.seqs.clone(),
            }
        })
    }

    fn settle(&mut self, prepared: Prepared, outputs: &mut Vec<Outgoing>) -> Outcome {
        let Prepared {
            stamp,
            command,
            actor_entry,
            entries,
        } = prepared;
        match decide(&self.mesh, &stamp, &command) {
            Ok(events) if events.is_empty() => Outcome::Unchanged {
                seq: self.mesh.size,
            },
            Ok(events) => {
                self.write_entries(actor_entry.into_iter().chain(entries).collect(), outputs);
                let seqs = events
                    .into_iter()
                    .map(|event| self.record(&stamp, event, outputs))
                    .collect();
                Outcome::Accepted { seqs }
            }
            Err(rejection) => {
                self.write_entries(actor_entry.into_iter().collect(), outputs);
                let reasons = rejection.0.clone();
                let seq = self.record(&stamp, rejected(&command, rejection), outputs);
                Outcome::Rejected { seq, reasons }
            }
        }
    }

    /// What a refused document says of people is not kept; only who proposed it is, for the refusal names them.
    fn keep_people(&mut self, outcome: &Outcome, before: People, actor: Option<NewEntry>) {
        let refused = match outcome {
            Outcome::Accepted { .. } => return,
            Outcome::Rejected { .. } => true,
            Outcome::Unchanged { .. } => false,
        };
        self.people = before;
        for (key, entry) in actor.into_iter().filter(|_| refused) {
            let value = serde_json::to_vec(&entry).expect("entries have text keys only");
            self.people
                .apply(&key, Some(&value))
                .expect("our own entry reads back");
        }
    }
}

impl LogCore for GovernorCore {
    fn reset(&mut self) {
        self.mesh = Mesh::default();
        self.people = People::default();
    }

    fn fold(&mut self, record: &Record) -> Result<(), String> {
        if record.topic == self.topics.governance {
            let value = record.value.as_deref().unwrap_or_default();
            log::fold(&mut self.mesh, value)
                .map(drop)
                .map_err(|error| chain(&error))
        } else {
            fold_people(&mut self.people, record)
        }
    }

    fn decide(&mut self, request: &Record) -> Vec<Outgoing> {
        let headers: Vec<(String, String)> = request
            .headers
            .iter()
            .filter_map(|header| {
                let value = String::from_utf8(header.value.clone()?).ok()?;
                Some((header.key.clone(), value))
            })
            .collect();
        let fallback = format!("{}/{}/{}", request.topic, request.partition, request.offset);
        let value = request.value.as_deref().unwrap_or_default();
        let proposal = proposal::read(&headers, value, &fallback);
        let id = proposal.id.clone();
        if let Some(outcome) = self.known_outcome(&id) {
            return vec![self.reply(&Reply::new(id, outcome))];
        }
        let span = traced::span(&proposal.request, &headers);
        let time_ms = request.timestamp_ms.unwrap_or(self.mesh.last_time_ms);
        let channel = self.channel(&request.topic);
        let people_before = self.people.clone();
        let prepared = prepare(&self.mesh, &mut self.people, &channel, proposal, time_ms);
        let actor = prepared.actor_entry.clone();
        let mut outputs = Vec::new();
        let outcome = self.settle(prepared, &mut outputs);
        self.decided.count(&outcome);
        traced::tell(&span, &outcome);
        self.keep_people(&outcome, people_before, actor);
        outputs.push(self.reply(&Reply::new(id, outcome)));
        outputs
    }

    /// The writer has compared the bytes; the state took the fact when it was decided.
    fn confirm(&mut self, _record: &Record) -> Result<(), String> {
        Ok(())
    }

    fn request_topics(&self) -> Vec<String> {
        let domains = self
            .mesh
            .domains
            .keys()
            .map(|domain| topics::domain_proposals(domain));
        std::iter::once(self.topics.proposals.clone())
            .chain(domains)
            .collect()
    }

    fn found(&mut self) -> Vec<Outgoing> {
        let mut outputs = Vec::new();
        let (key, secret) = People::secret_entry(&self.founding.secret);
        let value = serde_json::to_vec(&secret).expect("entries have text keys only");
        self.people
            .apply(&key, Some(&value))
            .expect("our own entry reads back");
        let proposal_id = format!("founding#{}", self.founding.mesh_id);
        let (person, entry) = self
            .people
            .person(&self.founding.administrator, &proposal_id);
        self.write_entries(
            vec![(key, secret)].into_iter().chain(entry).collect(),
            &mut outputs,
        );
        let stamp = Stamp {
            time_ms: self.founding.time_ms,
            actor: "system:governor".to_owned(),
            authenticated_by: "system".to_owned(),
            proposal_id,
            domain: None,
        };
        let founded = Founded {
            mesh_id: self.founding.mesh_id.clone(),
            cluster_id: self.founding.cluster_id.clone(),
            administrators: vec![person],
            notary_key: self.founding.notary_key.clone(),
        };
        let command = Command::Found(founded);
        let events = decide(&self.mesh, &stamp, &command).expect("an empty log can be founded");
        for event in events {
            self.record(&stamp, event, &mut outputs);
        }
        outputs
    }
}

/// Fold a record of the people topic.
///
/// # Errors
/// What cannot be read, as text.
pub fn fold_people(people: &mut People, record: &Record) -> Result<(), String> {
    let key = record
        .key
        .as_deref()
        .map(String::from_utf8_lossy)
        .unwrap_or_default();
    people
        .apply(&key, record.value.as_deref())
        .map_err(|error| error.to_string())
}

/// An error with its sources, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}

/// CloudEvents copies for tools; never read back.
fn cloud_event(mesh_id: &str, fact: &Fact) -> Vec<Header> {
    let time = jiff::Timestamp::from_millisecond(fact.time_ms).unwrap_or_default();
    vec![
        Header::new("ce_specversion", "1.0"),
        Header::new("ce_type", fact.event.kind()),
        Header::new("ce_source", format!("/mesh/{mesh_id}")),
        Header::new("ce_id", fact.seq.to_string()),
        Header::new("ce_subject", fact.subject()),
        Header::new("ce_time", time.to_string()),
        Header::new("content-type", "application/avro"),
    ]
}
