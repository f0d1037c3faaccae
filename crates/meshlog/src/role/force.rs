//! From the governance state to what the enforcer judges by.

use contract::address::PortAddress;
use contract::cloud_events::Origin;
use contract::key_schema::KeySchema;
use contract::quality::QualityRule;
use contract::row::EventWriter;
use contract::rule::{ActiveVersion, Binding, Bound, PortRules};
use contract::settings::{Mode, Settings};
use contract::source::Imported;
use contract::spec::{Encoding, Key};
use contract::validator::Schema;
use contract::version::Version;
use enforcer::{CatchUp, CatchUpFailed, PortEntry, Recorded, Snapshot};
use governance::body::{ContractVersion, StoredRule};
use governance::mesh::{Activation, BreakerState, Contract, Mesh, Port};
use governor::follow::{Ends, View};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Compiled rules by port address, each with the number of activations it was compiled from: activations are only ever
/// added, so the number tells whether the rules still hold.
type Compiled = BTreeMap<String, (usize, InForce)>;

/// What judges a port's events, and what writes them.
#[derive(Clone)]
struct InForce {
    rules: Arc<PortRules>,
    writer: Option<Arc<EventWriter>>,
}

/// Publish a snapshot for each new state, until the view or the receivers are gone.
pub(super) async fn publish(mut view: watch::Receiver<View>, sender: watch::Sender<Arc<Snapshot>>) {
    let mut compiled = Compiled::new();
    loop {
        let mesh = Arc::clone(&view.borrow_and_update().mesh);
        if mesh.size > 0 {
            sender.send_replace(Arc::new(snapshot(&mesh, &mut compiled)));
        }
        if view.changed().await.is_err() || sender.is_closed() {
            return;
        }
    }
}

fn snapshot(mesh: &Mesh, compiled: &mut Compiled) -> Snapshot {
    let entries = mesh
        .ports
        .values()
        .filter_map(|port| entry(mesh, port, compiled));
    let entries: Vec<PortEntry> = entries.collect();
    let mut snapshot = Snapshot::new(mesh.size.saturating_sub(1), entries);
    let known = mesh.ports.values().map(|port| &port.opened.state.address);
    let in_force: BTreeSet<String> = snapshot
        .ports
        .values()
        .map(|port| port.address.topic())
        .collect();
    snapshot.awaited = known
        .filter(|address| !in_force.contains(*address))
        .cloned()
        .collect();
    snapshot
}

fn entry(mesh: &Mesh, port: &Port, compiled: &mut Compiled) -> Option<PortEntry> {
    let body = &port.opened.state;
    let address: PortAddress = body.address.parse().ok()?;
    let known = compiled
        .get(&body.address)
        .filter(|(count, _)| *count == port.activations.len());
    let in_force = match known {
        Some((_, in_force)) => in_force.clone(),
        None => {
            let in_force = InForce {
                rules: Arc::new(compile(mesh, port)?),
                writer: writer(mesh, port).map(Arc::new),
            };
            let entry = (port.activations.len(), in_force.clone());
            compiled.insert(body.address.clone(), entry);
            in_force
        }
    };
    let mut entry = PortEntry::new(address, body.inbox.clone(), in_force.rules);
    entry.mode = mode(mesh, port);
    entry.writer = in_force.writer;
    entry.breaker = port.breaker.as_ref().map(recorded).unwrap_or_default();
    let skips = port.skips.iter();
    entry.skips = skips
        .map(|(partition, skip)| (*partition, skip.from..skip.to))
        .collect();
    Some(entry)
}

/// What the facts say of a port's circuit breaker.
fn recorded(breaker: &BreakerState) -> Recorded {
    let state = &breaker.state;
    Recorded {
        held: state.held.as_ref().map(|_| state.to_string()),
        open: state
            .open
            .iter()
            .map(|open| (open.partition, open.to_string()))
            .collect(),
        reset_seq: breaker.reset_seq,
    }
}

/// What the version in force says of events that break it.
fn mode(mesh: &Mesh, port: &Port) -> Mode {
    let contract = mesh.contracts.get(&port.opened.state.contract_id);
    let active = port
        .active()
        .and_then(|active| contract?.versions.get(&active.version));
    active.map_or(Mode::Enforce, |version| {
        Settings::from(&version.state.settings).mode
    })
}

/// One activated version with what [`ActiveVersion`] borrows.
pub(super) struct Part<'a> {
    version: Version,
    encoding: Encoding,
    pub(super) state: &'a ContractVersion,
    pub(super) key: Key,
    pub(super) settings: Settings,
    pub(super) rules: Vec<QualityRule>,
    imports: Vec<Imported>,
    key_schema: Option<KeySchema>,
    bound: Bound,
}

impl<'a> Part<'a> {
    pub(super) fn of(
        contract: &'a Contract,
        activation: &Activation,
    ) -> Option<Result<Self, String>> {
        let state = &contract.versions.get(&activation.version)?.state;
        let rules: Result<Vec<QualityRule>, _> = state.rules.iter().map(StoredRule::read).collect();
        let rules = match rules {
            Ok(rules) => rules,
            Err(error) => {
                return Some(Err(format!(
                    "a rule of version {} cannot be read: {error}",
                    state.version
                )));
            }
        };
        let key_schema = state.keys();
        if state.key_schema.is_some() != key_schema.is_some() {
            let why = format!("the key schema of version {} cannot be read", state.version);
            return Some(Err(why));
        }
        Some(Ok(Self {
            version: activation.version,
            encoding: Encoding::from_name(&state.encoding).unwrap_or(Encoding::Json),
            state,
            key: Key {
                properties: state.key.properties.clone(),
                text: state.key.text,
            },
            settings: Settings::from(&state.settings),
            rules,
            imports: state.imported(),
            key_schema,
            bound: Bound::sorted(activation.bindings.iter().filter_map(binding)),
        }))
    }

    pub(super) fn as_active(&self) -> ActiveVersion<'_> {
        ActiveVersion {
            version: self.version,
            encoding: self.encoding,
            schema: &self.state.schema,
            record: &self.state.record,
            imports: &self.imports,
            required: &self.state.required,
            key: &self.key,
            key_schema: self
                .key_schema
                .as_ref()
                .map(|schema| (schema, &*self.bound.keys)),
            settings: &self.settings,
            rules: &self.rules,
            classified: &self.state.classified,
            bindings: &self.bound.values,
        }
    }
}

fn compile(mesh: &Mesh, port: &Port) -> Option<PortRules> {
    let body = &port.opened.state;
    let contract = mesh.contracts.get(&body.contract_id)?;
    let parts: Result<Vec<Part<'_>>, String> = port
        .activations
        .iter()
        .filter_map(|activation| Part::of(contract, activation))
        .collect();
    let compiled = parts.and_then(|parts| {
        let versions: Vec<ActiveVersion<'_>> = parts.iter().map(Part::as_active).collect();
        PortRules::compile(&body.contract_id, &versions).map_err(|error| error.to_string())
    });
    compiled.unwrap_or_else(|error| {
        // Without a judge the port's events wait in the inbox: nothing is lost, nothing is let through.
        tracing::error!(port = %body.address, error, "a port's contract does not compile");
        None
    })
}

/// Writes events of the active version under the schema ids that are bound to the inbox.
fn writer(mesh: &Mesh, port: &Port) -> Option<EventWriter> {
    let body = &port.opened.state;
    let activation = port.activations.last()?;
    let contract = mesh.contracts.get(&body.contract_id)?;
    let part = Part::of(contract, activation)?.ok()?;
    let bound = |part: &str| {
        let subject = format!("{}-{part}", body.inbox);
        let ending = format!("-{part}");
        let mut all = activation.bindings.iter();
        let own = all.clone().find(|bound| bound.subject == subject);
        let found = own.or_else(|| all.find(|bound| bound.subject.ends_with(&ending)));
        found.and_then(|bound| u32::try_from(bound.schema_id).ok())
    };
    let schema = Schema {
        encoding: part.encoding,
        text: &part.state.schema,
        record: &part.state.record,
        imports: &part.imports,
    };
    let origin = Origin::new(&body.address, &body.contract_id);
    let key = part.key.clone();
    let keys = (part.key_schema.as_ref(), bound("key").unwrap_or_default());
    let written = EventWriter::new(&schema, bound("value")?, key)
        .map_err(|error| error.to_string())
        .and_then(|writer| {
            let writer = writer.with_keys(keys.0, keys.1);
            writer.map_err(|error| error.to_string())
        });
    let written = written.map(|it| it.with_cloud_events(part.settings.cloud_events, origin));
    written
        .inspect_err(|error| {
            tracing::warn!(port = %body.address, %error, "the gateway cannot write this port's events");
        })
        .ok()
}

fn binding(stored: &governance::body::Binding) -> Option<(&str, Binding)> {
    let id = u32::try_from(stored.schema_id).ok()?;
    let digits: String = stored.guid.chars().filter(|c| *c != '-').collect();
    let mut guid = [0; 16];
    for (byte, at) in guid.iter_mut().zip((0..32).step_by(2)) {
        *byte = u8::from_str_radix(digits.get(at..at + 2)?, 16).ok()?;
    }
    Some((&stored.subject, Binding { id, guid }))
}

/// Brings the enforcer's snapshot up to the end of the governance log.
pub(super) struct Catch {
    pub(super) ends: Ends,
    pub(super) snapshots: watch::Receiver<Arc<Snapshot>>,
    pub(super) runtime: tokio::runtime::Handle,
}

impl CatchUp for Catch {
    fn catch_up(&mut self, timeout: Duration) -> Result<(), CatchUpFailed> {
        self.runtime.block_on(async {
            let failed = |why: String| CatchUpFailed(why);
            let view = self
                .ends
                .reach(timeout)
                .await
                .map_err(|error| failed(error.to_string()))?;
            let last = view.mesh.size.saturating_sub(1);
            let shown = self.snapshots.wait_for(|snapshot| snapshot.seq >= last);
            match tokio::time::timeout(timeout, shown).await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(_)) => Err(failed("the state is no longer followed".to_owned())),
                Err(_) => Err(failed("the new state was not published in time".to_owned())),
            }
        })
    }
}
