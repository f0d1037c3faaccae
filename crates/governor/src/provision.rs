//! The provisioner: brings about what the facts ask for, and says so with a fact.
//!
//! For each domain its proposals topic; for each port whose approved version is not in force: inbox, product and
//! quarantine topics, the schemas of values and keys under their subjects, then `contract.version.activated` with the schema ids.
//! Level-triggered: it compares what is due with what is, so it can be killed at any instruction and simply starts over.

use crate::core::chain;
use crate::follow::View;
use crate::prepare::PROVISIONER;
use crate::topics::{Topics, domain_proposals_spec};
use contract::address::PortAddress;
use contract::source::Imported;
use contract::version::{InvalidVersion, Version};
use governance::body::{Activated, Binding, ContractVersion, Port};
use governance::mesh::Mesh;
use governance::proposal::{ACTIVATE, ACTOR, AUTHENTICATED_BY};
use kafka::{Admin, Header, Outgoing, Producer, TopicSpec};
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// A schema as the registry knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisteredSchema {
    /// Id.
    pub id: u32,
    /// GUID, 32 hex digits.
    pub guid: String,
    /// The version under its subject.
    pub version: u32,
}

/// A schema of a port, to be registered.
#[derive(Debug, Clone, Copy)]
pub struct PortSchema<'a> {
    /// `AVRO`, `JSON` or `PROTOBUF`.
    pub schema_type: &'a str,
    /// The text.
    pub text: &'a str,
    /// What the text imports.
    pub references: &'a [SchemaReference],
}

/// A schema that another imports, as the registry knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaReference {
    /// As the importing text calls it.
    pub name: String,
    /// Its subject.
    pub subject: String,
    /// Its version there.
    pub version: u32,
}

/// Registers the schemas of ports; the binary gives the built-in registry.
pub trait Registrar: Send + Sync + 'static {
    /// Register a schema under a subject that belongs to a port. Doing it twice is doing it once.
    ///
    /// # Errors
    /// Why not, in words; it will be tried again.
    fn register(
        &self,
        subject: &str,
        schema: &PortSchema<'_>,
        port: &str,
    ) -> impl Future<Output = Result<RegisteredSchema, String>> + Send;
}

/// What the provisioner is at: per port or topic, why it is not there yet.
pub type Pending = BTreeMap<String, String>;

/// How long to wait before what failed is tried again.
const RETRY: Duration = Duration::from_secs(2);
/// How long an activation may take to show in the view before it is proposed again.
const ACTIVATION_LIMIT: Duration = Duration::from_secs(15);

pub(crate) struct Provisioner<R> {
    pub(crate) admin: Arc<Admin>,
    pub(crate) producer: Producer,
    pub(crate) registrar: R,
    pub(crate) topics: Topics,
    pub(crate) replication: i32,
    pub(crate) view: watch::Receiver<View>,
    pub(crate) pending: watch::Sender<Pending>,
}

/// Of the schemas known so far those that a text imports itself: a registry wants no others as its references.
fn directly(text: &str, known: &[SchemaReference]) -> Vec<SchemaReference> {
    let names = contract::protobuf::imports(text).unwrap_or_default();
    let known = known.iter().filter(|one| names.contains(&one.name));
    known.cloned().collect()
}

impl<R: Registrar> Provisioner<R> {
    /// Reconcile for ever.
    pub(crate) async fn run(mut self) {
        let mut domains_done = 0;
        loop {
            let mesh = Arc::clone(&self.view.borrow_and_update().mesh);
            let mut pending = Pending::new();
            if mesh.domains.len() != domains_done {
                match self.domain_topics(&mesh).await {
                    Ok(()) => domains_done = mesh.domains.len(),
                    Err(why) => drop(pending.insert("domains".to_owned(), why)),
                }
            }
            for due in mesh.due_activations() {
                let port = &due.port.opened.state;
                if let Err(why) = self.activate(&mesh, port, due.contract).await {
                    tracing::warn!(port = %port.address, reason = %why, "cannot provision a port yet");
                    pending.insert(port.address.clone(), why);
                }
            }
            let idle = if pending.is_empty() {
                None
            } else {
                Some(RETRY)
            };
            self.pending.send_if_modified(|last| {
                let changed = *last != pending;
                *last = pending;
                changed
            });
            // Waiting for an activation has taken in newer views, and their changes with it.
            if self.view.borrow().mesh.size == mesh.size && !self.wait(idle).await {
                return;
            }
        }
    }

    /// Wait for the view to change, or for the retry.
    async fn wait(&mut self, retry: Option<Duration>) -> bool {
        match retry {
            None => self.view.changed().await.is_ok(),
            Some(retry) => {
                let changed = tokio::time::timeout(retry, self.view.changed()).await;
                !matches!(changed, Ok(Err(_)))
            }
        }
    }

    async fn domain_topics(&self, mesh: &Mesh) -> Result<(), String> {
        let specs: Vec<TopicSpec> = mesh
            .domains
            .keys()
            .map(|name| domain_proposals_spec(name, self.replication))
            .collect();
        self.admin
            .ensure_topics(&specs)
            .await
            .map(drop)
            .map_err(|error| chain(&error))
    }

    async fn activate(
        &mut self,
        mesh: &Mesh,
        port: &Port,
        contract: &ContractVersion,
    ) -> Result<(), String> {
        self.port_topics(port, contract).await?;
        let bindings = self.register(port, contract).await?;
        let activated = Activated {
            port: port.address.clone(),
            contract_id: contract.contract_id.clone(),
            version: contract.version.clone(),
            bindings,
        };
        // The position makes a new proposal of each attempt on another state.
        let id = format!("{}@{}/{}", port.address, contract.version, mesh.size);
        self.propose(&id, &activated).await?;
        self.await_activation(&activated).await
    }

    async fn port_topics(&self, port: &Port, contract: &ContractVersion) -> Result<(), String> {
        let settings = &contract.settings;
        let mut specs = Vec::new();
        let mut more = BTreeMap::new();
        if is_adopted(port) {
            let found = self.admin.describe_topic(&port.inbox).await;
            let found = found.map_err(|error| chain(&error))?;
            fits(port, found.as_ref().map(|found| found.partitions))?;
            more = any_time(found.map(|found| found.configs).unwrap_or_default());
        } else {
            let retention = settings.inbox_retention_ms;
            specs.push(self.port_spec(&port.inbox, port.partitions, retention));
        }
        for (topic, retention) in [
            (&port.address, settings.retention_ms),
            (&port.quarantine, settings.quarantine_retention_ms),
        ] {
            let mut spec = self.port_spec(topic, port.partitions, retention);
            spec.configs.extend(more.clone());
            specs.push(spec);
        }
        self.admin
            .reconcile_topics(&specs)
            .await
            .map(drop)
            .map_err(|error| chain(&error))
    }

    fn port_spec(&self, name: &str, partitions: i32, retention_ms: i64) -> TopicSpec {
        TopicSpec {
            name: name.to_owned(),
            partitions,
            replication: self.replication,
            configs: BTreeMap::from([
                ("cleanup.policy".to_owned(), "delete".to_owned()),
                ("retention.ms".to_owned(), retention_ms.to_string()),
                ("message.timestamp.type".to_owned(), "CreateTime".to_owned()),
            ]),
        }
    }

    /// The schemas of values and keys under both topics: TopicNameStrategy then works for producers and for consumers.
    async fn register(
        &self,
        port: &Port,
        contract: &ContractVersion,
    ) -> Result<Vec<Binding>, String> {
        let mut bindings = Vec::new();
        let keys = contract.keys();
        if contract.key_schema.is_some() && keys.is_none() {
            return Err("the contract's key schema was approved by a newer build".to_owned());
        }
        if let Some(keys) = keys {
            let schema = (keys.encoding.schema_type(), keys.text.as_str());
            let found = self.bind(port, "key", schema, &keys.imports).await?;
            bindings.extend(found);
        }
        let schema_type = contract.encoding.to_uppercase();
        let schema = (schema_type.as_str(), contract.schema.as_str());
        let values = self
            .bind(port, "value", schema, &contract.imported())
            .await?;
        // The values' first: that is where readers of older facts look.
        bindings.splice(0..0, values);
        Ok(bindings)
    }

    /// One schema under `<topic>-<part>` of inbox and product topic, what it imports under `<port>-<part>/<import>`.
    async fn bind(
        &self,
        port: &Port,
        part: &str,
        (schema_type, text): (&str, &str),
        imports: &[Imported],
    ) -> Result<Vec<Binding>, String> {
        let mut references: Vec<SchemaReference> = Vec::new();
        for import in imports {
            let subject = format!("{}-{part}/{}", port.address, import.name);
            let needed = directly(&import.text, &references);
            let schema = PortSchema {
                schema_type,
                text: &import.text,
                references: &needed,
            };
            let found = self.registrar.register(&subject, &schema, &port.address);
            let version = found.await?.version;
            references.push(SchemaReference {
                name: import.name.clone(),
                subject,
                version,
            });
        }
        let schema = PortSchema {
            schema_type,
            text,
            references: &directly(text, &references),
        };
        let mut bindings = Vec::new();
        for topic in [&port.inbox, &port.address] {
            let subject = format!("{topic}-{part}");
            let found = self.registrar.register(&subject, &schema, &port.address);
            let registered = found.await?;
            bindings.push(Binding {
                subject,
                schema_id: i32::try_from(registered.id).map_err(|error| error.to_string())?,
                guid: registered.guid,
            });
        }
        Ok(bindings)
    }

    async fn propose(&self, id: &str, activated: &Activated) -> Result<(), String> {
        let value = serde_json::to_vec(activated).map_err(|error| error.to_string())?;
        let header = |key: &str, value: &str| Header::new(key, value);
        let request = Outgoing {
            topic: self.topics.proposals.clone(),
            partition: Some(0),
            timestamp_ms: None,
            key: Some(activated.port.clone().into_bytes()),
            value: Some(value),
            headers: vec![
                header("ce_specversion", "1.0"),
                header("ce_type", ACTIVATE),
                header("ce_source", "provisioner"),
                header("ce_id", id),
                header(&format!("ce_{ACTOR}"), PROVISIONER),
                header(&format!("ce_{AUTHENTICATED_BY}"), "system"),
                header("content-type", "application/json"),
            ],
        };
        self.producer
            .send(request)
            .await
            .map(drop)
            .map_err(|error| chain(&error))
    }

    /// Wait until the activation shows, so that it is not proposed twice.
    async fn await_activation(&mut self, activated: &Activated) -> Result<(), String> {
        let wanted: Version = activated
            .version
            .parse()
            .map_err(|error: InvalidVersion| error.to_string())?;
        let in_force = |view: &View| {
            let port = view.mesh.ports.get(&activated.port);
            let active = port.and_then(|port| port.active());
            active.is_some_and(|active| active.version >= wanted)
        };
        match tokio::time::timeout(ACTIVATION_LIMIT, self.view.wait_for(in_force)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err("the governance log is no longer followed".to_owned()),
            Err(_) => Err(format!(
                "the activation was not decided within {ACTIVATION_LIMIT:?}"
            )),
        }
    }
}

/// Whether a port's inbox is somebody else's topic. Such a topic is read, and never made or changed.
fn is_adopted(port: &Port) -> bool {
    let address = port.address.parse::<PortAddress>();
    address.is_ok_and(|address| address.default_inbox() != port.inbox)
}

/// What lets the port's topics take events of any time, as far as these brokers know of it: an adopted topic may hold what
/// its brokers would refuse today, and a refused record would hold up its partition.
fn any_time(known: BTreeMap<String, String>) -> BTreeMap<String, String> {
    let limits = [
        "message.timestamp.before.max.ms",
        "message.timestamp.after.max.ms",
    ];
    let limits = limits
        .into_iter()
        .filter(|limit| known.contains_key(*limit));
    limits
        .map(|limit| (limit.to_owned(), i64::MAX.to_string()))
        .collect()
}

/// Whether an adopted topic can be a port's inbox, by its number of partitions; `None` where it is not there.
fn fits(port: &Port, partitions: Option<i32>) -> Result<(), String> {
    let (topic, said) = (&port.inbox, port.partitions);
    match partitions {
        Some(found) if found == said => Ok(()),
        Some(found) => Err(format!(
            "topic {topic} has {found} partitions, the contract says {said}: publish the contract's next patch with \
             meshlog.partitions {found}"
        )),
        None => Err(format!(
            "topic {topic}, which meshlog.inbox names, does not exist: an adopted topic is not made by Meshlog. Make \
             it with {said} partitions, or publish the contract's next patch with the right name, or without meshlog.inbox"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_is_registered_with_what_it_imports_itself() {
        let reference = |name: &str| SchemaReference {
            name: name.to_owned(),
            subject: format!("d.p.e.v1-value/{name}"),
            version: 1,
        };
        let known = [reference("a.proto"), reference("b.proto")];
        let text = "syntax = \"proto3\"; import \"b.proto\"; import \"google/protobuf/any.proto\"; message M {}";
        assert_eq!(directly(text, &known), [reference("b.proto")]);
        assert_eq!(directly("\"string\"", &known), []);
    }

    fn port(inbox: &str) -> Port {
        Port {
            address: "shop.orders.events.v1".to_owned(),
            product: "shop/orders".to_owned(),
            owner: "shop".to_owned(),
            contract_id: "orders".to_owned(),
            major: 1,
            inbox: inbox.to_owned(),
            quarantine: "shop.orders.events.v1.quarantine".to_owned(),
            partitions: 3,
            description: String::new(),
        }
    }

    #[test]
    fn a_topic_of_somebody_else_is_adopted_and_the_ports_own_is_not() {
        assert!(is_adopted(&port("legacy.orders")));
        assert!(!is_adopted(&port("shop.orders.events.v1.inbox")));
    }

    #[test]
    fn an_adopted_topic_is_there_with_the_partitions_of_the_contract_or_the_way_out_is_said() {
        let port = port("legacy.orders");
        assert_eq!(fits(&port, Some(3)), Ok(()));
        let why = fits(&port, Some(6)).expect_err("other partitions");
        assert!(
            why.contains("has 6") && why.contains("meshlog.partitions 6"),
            "{why}"
        );
        let why = fits(&port, None).expect_err("no topic");
        assert!(
            why.contains("legacy.orders") && why.contains("does not exist"),
            "{why}"
        );
    }
}
