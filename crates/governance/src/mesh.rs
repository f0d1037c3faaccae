//! The governance state: a pure fold of the facts, and the only truth of the control path.
//!
//! `evolve` is total: no rule, no error, no panic. What must not happen is refused before, in [`crate::decide`].
//! The state hash is SHA-256 over versioned canonical bytes of this state: a view rebuilt from zero has the hash of
//! the live one at the same position.

use crate::body;
use crate::breaker::Breaker;
use crate::event::Event;
use crate::fact::{Fact, Hash, hex, leaf_hash};
use crate::merkle::Merkle;
use crate::skip::Skip;
use contract::version::Version;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// How long a proposal's id is remembered: an idempotency key holds for 30 days.
pub const PROPOSAL_MEMORY_MS: i64 = 30 * 24 * 60 * 60 * 1000;

/// First line of the canonical bytes. A change of what is hashed is a new version here.
const CANONICAL_VERSION: &str = "meshlog-state/v3\n";

/// Everything that the facts say, up to one position.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Mesh {
    /// Position: facts folded so far = the next `seq`.
    pub size: u64,
    /// Leaf hash of the last fact, hex; empty before the first.
    pub last_hash: String,
    /// Time of the last fact, UTC ms.
    pub last_time_ms: i64,
    /// The first fact's body.
    pub founded: Option<body::Founded>,
    /// Teams by name.
    pub teams: BTreeMap<String, Entity<body::Team>>,
    /// Domains by name.
    pub domains: BTreeMap<String, Entity<body::Domain>>,
    /// Products by `<domain>/<product>`, the birth domain.
    pub products: BTreeMap<String, Entity<body::Product>>,
    /// Contracts by id.
    pub contracts: BTreeMap<String, Contract>,
    /// Ports by address.
    pub ports: BTreeMap<String, Port>,
    /// Proposals of the last 30 days that left facts, by proposal id.
    pub proposals: BTreeMap<String, Proposal>,
    /// The Merkle tree over the facts; its root is not part of the state's hash, the last leaf is.
    #[serde(skip)]
    tree: Merkle,
}

/// A thing with the facts that made it what it is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entity<T> {
    /// Fact that made it.
    pub created_seq: u64,
    /// Fact that changed it last.
    pub changed_seq: u64,
    /// Time of the last change, UTC ms.
    pub changed_ms: i64,
    /// State after the last change.
    pub state: T,
}

/// A contract: its versions in order.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Contract {
    /// Versions approved.
    pub versions: BTreeMap<Version, Entity<body::ContractVersion>>,
}

impl Contract {
    /// The latest approved version of a major.
    pub fn latest(&self, major: u32) -> Option<(&Version, &Entity<body::ContractVersion>)> {
        self.versions
            .iter()
            .rev()
            .find(|(version, _)| version.major == major)
    }
}

/// A port: what was opened, and the versions that were put in force on it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Port {
    /// What was opened.
    pub opened: Entity<body::Port>,
    /// Activations in order; the last one is in force.
    pub activations: Vec<Activation>,
    /// Promises that are breached, by their name. Left out where there are none, so that logs without a breach keep
    /// their state hash.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub breaches: BTreeMap<String, Breach>,
    /// The circuit breaker, once there is a fact about it. Without one the state's bytes are what they were before
    /// there were breakers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub breaker: Option<BreakerState>,
    /// By partition, the newest offsets that were given up. Left out where there are none, as the breaker is.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub skips: BTreeMap<i32, Skip>,
}

/// A port's circuit breaker.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BreakerState {
    /// The newest fact about it.
    pub changed_seq: u64,
    /// Its time, UTC ms.
    pub changed_ms: i64,
    /// The newest reset.
    pub reset_seq: Option<u64>,
    /// The breaker after the newest fact.
    pub state: Breaker,
}

/// A promise that is breached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Breach {
    /// The fact.
    pub seq: u64,
    /// Its time, UTC ms.
    pub time_ms: i64,
    /// What was promised, and what was measured.
    pub report: body::SloReport,
}

/// A contract version put in force.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Activation {
    /// The fact.
    pub seq: u64,
    /// Its time, UTC ms.
    pub time_ms: i64,
    /// The version.
    pub version: Version,
    /// Schema ids bound to it.
    pub bindings: Vec<body::Binding>,
}

impl Port {
    /// The version in force.
    pub fn active(&self) -> Option<&Activation> {
        self.activations.last()
    }
}

impl Proposal {
    /// Whether it was refused.
    pub fn is_rejected(&self) -> bool {
        !self.refusals.is_empty()
    }
}

/// What a proposal led to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Proposal {
    /// Its facts.
    pub seqs: Vec<u64>,
    /// The reasons, where the fact is a refusal.
    pub refusals: Vec<body::Refusal>,
    /// Time of the facts, UTC ms.
    pub time_ms: i64,
}

impl Mesh {
    /// The state after one more fact. `value` is the record's value as read back; the fact is its decoded form.
    pub fn evolve(mut self, fact: &Fact, value: &[u8]) -> Self {
        self.apply(fact, value);
        self
    }

    /// [`Self::evolve`] in place.
    pub fn apply(&mut self, fact: &Fact, value: &[u8]) {
        self.apply_event(fact);
        self.remember_proposal(fact);
        let leaf = leaf_hash(value);
        self.tree.push(leaf);
        self.size = fact.seq + 1;
        self.last_hash = hex(&leaf);
        self.last_time_ms = fact.time_ms;
    }

    fn apply_event(&mut self, fact: &Fact) {
        match &fact.event {
            Event::MeshFounded(body) => self.founded = Some(body.clone()),
            Event::TeamRegistered(body) | Event::TeamUpdated(body) => {
                put(&mut self.teams, body.name.clone(), fact, body.clone());
            }
            Event::DomainRegistered(body) | Event::DomainUpdated(body) => {
                put(&mut self.domains, body.name.clone(), fact, body.clone());
            }
            Event::ProductApproved(body) | Event::ProductMetadataChanged(body) => {
                put(&mut self.products, body.key.clone(), fact, body.clone());
            }
            Event::ContractVersionApproved(body)
            | Event::ContractVersionApprovedV1(body)
            | Event::ContractVersionApprovedV2(body) => {
                // A version that does not parse was never approved: decide sees to it, evolve does not judge.
                if let Ok(version) = body.version.parse::<Version>() {
                    let contract = self.contracts.entry(body.contract_id.clone()).or_default();
                    put(&mut contract.versions, version, fact, body.clone());
                }
            }
            Event::PortOpened(body) => self.open_port(fact, body),
            Event::ContractVersionActivated(body) => {
                if let (Some(port), Ok(version)) = (
                    self.ports.get_mut(&body.port),
                    body.version.parse::<Version>(),
                ) {
                    port.activations.push(Activation {
                        seq: fact.seq,
                        time_ms: fact.time_ms,
                        version,
                        bindings: body.bindings.clone(),
                    });
                }
            }
            Event::BreakerOpened(body) | Event::BreakerClosed(body) | Event::BreakerHeld(body) => {
                self.change_breaker(fact, body, None);
            }
            Event::BreakerReset(body) => self.change_breaker(fact, body, Some(fact.seq)),
            Event::BatchSkipped(body) => {
                if let Some(port) = self.ports.get_mut(&body.port) {
                    port.skips.insert(body.partition, body.clone());
                }
            }
            Event::SloBreached(body) => {
                if let Some(port) = self.ports.get_mut(&body.port) {
                    let breach = Breach {
                        seq: fact.seq,
                        time_ms: fact.time_ms,
                        report: body.clone(),
                    };
                    port.breaches.insert(body.objective.clone(), breach);
                }
            }
            Event::SloRecovered(body) => {
                if let Some(port) = self.ports.get_mut(&body.port) {
                    port.breaches.remove(&body.objective);
                }
            }
            // Acts, and not the state of anything.
            Event::QuarantineRedriven(_) | Event::ProposalRejected(_) => {}
        }
    }

    fn change_breaker(&mut self, fact: &Fact, body: &Breaker, reset: Option<u64>) {
        if let Some(port) = self.ports.get_mut(&body.port) {
            let before = port.breaker.as_ref().and_then(|before| before.reset_seq);
            port.breaker = Some(BreakerState {
                changed_seq: fact.seq,
                changed_ms: fact.time_ms,
                reset_seq: reset.or(before),
                state: body.clone(),
            });
        }
    }

    /// A port is opened, or opened otherwise as long as nothing was in force on it.
    fn open_port(&mut self, fact: &Fact, body: &body::Port) {
        let mut opened = entity(fact, body.clone());
        let (mut breaker, mut skips) = (None, BTreeMap::new());
        match self.ports.get(&body.address) {
            Some(port) if !port.activations.is_empty() => return,
            Some(port) => {
                opened.created_seq = port.opened.created_seq;
                breaker.clone_from(&port.breaker);
                skips.clone_from(&port.skips);
            }
            None => {}
        }
        let port = Port {
            opened,
            activations: Vec::new(),
            breaker,
            skips,
            breaches: BTreeMap::new(),
        };
        self.ports.insert(body.address.clone(), port);
    }

    fn remember_proposal(&mut self, fact: &Fact) {
        // Every 256 facts, so that a long replay stays linear; by position, so that every replay does the same.
        if fact.seq.is_multiple_of(256) {
            let oldest = fact.time_ms - PROPOSAL_MEMORY_MS;
            self.proposals
                .retain(|_, proposal| proposal.time_ms >= oldest);
        }
        let proposal = self
            .proposals
            .entry(fact.proposal_id.clone())
            .or_insert_with(|| Proposal {
                seqs: Vec::new(),
                refusals: Vec::new(),
                time_ms: fact.time_ms,
            });
        proposal.seqs.push(fact.seq);
        if let Event::ProposalRejected(body) = &fact.event {
            proposal.refusals.clone_from(&body.reasons);
        }
    }

    /// The mesh's id; empty before the first fact.
    pub fn id(&self) -> &str {
        self.founded
            .as_ref()
            .map(|founded| founded.mesh_id.as_str())
            .unwrap_or_default()
    }

    /// RFC 6962 root over all facts so far.
    pub fn root(&self) -> Hash {
        self.tree.root()
    }

    /// Canonical bytes of the state: the version line, then compact JSON, members in the order of the types here,
    /// maps by key.
    pub fn canonical_bytes(&self) -> Vec<u8> {
        let mut bytes = CANONICAL_VERSION.as_bytes().to_vec();
        serde_json::to_writer(&mut bytes, self).expect("the state has text keys only");
        bytes
    }

    /// SHA-256 of [`Self::canonical_bytes`].
    pub fn state_hash(&self) -> Hash {
        Sha256::digest(self.canonical_bytes()).into()
    }

    /// The port that has a contract's major, if any.
    pub fn port_of(&self, contract_id: &str, major: u32) -> Option<(&String, &Port)> {
        self.ports.iter().find(|(_, port)| {
            let body = &port.opened.state;
            body.contract_id == contract_id && u32::try_from(body.major) == Ok(major)
        })
    }

    /// What the provisioner still has to bring about: per port, the approved version that is not in force.
    pub fn due_activations(&self) -> Vec<Due<'_>> {
        let due = self.ports.values().filter_map(|port| {
            let body = &port.opened.state;
            let major = u32::try_from(body.major).ok()?;
            let (version, approved) = self.contracts.get(&body.contract_id)?.latest(major)?;
            let in_force = port
                .active()
                .is_some_and(|active| active.version >= *version);
            (!in_force).then_some(Due {
                port,
                version: *version,
                contract: &approved.state,
            })
        });
        due.collect()
    }

    /// The ports that a proposal's facts concern and that are not yet in force as it asked.
    pub fn pending(&self, proposal: &Proposal) -> Vec<String> {
        let caused = |seq: u64| proposal.seqs.contains(&seq);
        let due = self.due_activations().into_iter().filter(|due| {
            let approved = self.contracts.get(&due.contract.contract_id);
            let approved = approved.and_then(|contract| contract.versions.get(&due.version));
            caused(due.port.opened.created_seq)
                || approved.is_some_and(|version| caused(version.created_seq))
        });
        due.map(|due| due.port.opened.state.address.clone())
            .collect()
    }
}

/// An activation that is due.
#[derive(Debug, Clone, Copy)]
pub struct Due<'a> {
    /// Where.
    pub port: &'a Port,
    /// Which version.
    pub version: Version,
    /// The version's content.
    pub contract: &'a body::ContractVersion,
}

fn entity<T>(fact: &Fact, state: T) -> Entity<T> {
    Entity {
        created_seq: fact.seq,
        changed_seq: fact.seq,
        changed_ms: fact.time_ms,
        state,
    }
}

fn put<K: Ord, T>(map: &mut BTreeMap<K, Entity<T>>, key: K, fact: &Fact, state: T) {
    let mut new = entity(fact, state);
    if let Some(old) = map.get(&key) {
        new.created_seq = old.created_seq;
    }
    map.insert(key, new);
}
