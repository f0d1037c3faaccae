//! Bodies of facts: what each event type says, in the shape in which it is stored.
//!
//! On disk since v0.1: one Avro schema per type and version under `schemas/governance/`, embedded here. A change of
//! shape is a new version of the type with a schema of its own, never an edit.
//! Bodies carry the full state after the event, so that replay needs no other source.

mod earlier;

pub use crate::slo::{SloReport, SloTurn};
use contract::document::{self, Document};
use contract::key_schema;
use contract::quality::QualityRule;
use contract::settings::{CloudEvents, LogicalTypes, Mode, Settings, Treatment};
use contract::source::Imported;
use contract::spec::{self, Encoding, Spec};
pub use earlier::{ContractVersionV1, ContractVersionV2, SettingsV1};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `mesh.founded.v1`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Founded {
    /// Prefix of system topics, groups and transactional ids.
    pub mesh_id: String,
    /// Kafka cluster.
    pub cluster_id: String,
    /// Person ids.
    pub administrators: Vec<String>,
    /// Ed25519 public key, base64.
    pub notary_key: String,
}

/// `mesh.team.registered.v1`, `mesh.team.updated.v1`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Team {
    /// Name.
    pub name: String,
    /// What the team does.
    pub description: String,
    /// Who is in it.
    pub members: Vec<Member>,
    /// The document as given, personal spans as commitments.
    pub document: String,
}

/// A person in a team.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Opaque person id.
    pub person: String,
    /// Role.
    pub role: Option<String>,
    /// First day.
    pub date_in: Option<String>,
    /// Last day.
    pub date_out: Option<String>,
}

/// `mesh.domain.registered.v1`, `mesh.domain.updated.v1`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Domain {
    /// Name.
    pub name: String,
    /// Owning team.
    pub owner: String,
    /// What the domain is about.
    pub description: String,
    /// Kafka principals that act for it.
    pub principals: Vec<String>,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// The document as given.
    pub document: String,
}

/// `mesh.product.approved.v1`, `mesh.product.metadata.changed.v1`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    /// `<domain>/<product>`.
    pub key: String,
    /// Owning domain.
    pub domain: String,
    /// Name.
    pub name: String,
    /// What it is for.
    pub purpose: String,
    /// What it is not for.
    pub limitations: String,
    /// How to use it.
    pub usage: String,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// Contracts that it reads.
    pub inputs: Vec<Input>,
    /// The document as given, personal spans as commitments.
    pub document: String,
}

/// A contract that a product reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// Port name.
    pub name: String,
    /// Contract.
    pub contract_id: String,
    /// Version.
    pub version: Option<String>,
}

/// `mesh.contract.version.approved.v3`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContractVersion {
    /// Contract.
    pub contract_id: String,
    /// Semantic version.
    pub version: String,
    /// Domain that the contract names.
    pub domain: Option<String>,
    /// Readable name.
    pub title: String,
    /// What it is for.
    pub purpose: String,
    /// `avro`, `json` or `protobuf`.
    pub encoding: String,
    /// Schema that judges values, as text.
    pub schema: String,
    /// Name of the value's record; for Protobuf the full name of the message.
    pub record: String,
    /// What the schema imports, each after those that it needs itself.
    pub imports: Vec<Import>,
    /// Protobuf: fields that must be there though the language does not say so, by path.
    pub required: Vec<String>,
    /// Key rule.
    pub key: Key,
    /// Schema of keys, where they have one.
    pub key_schema: Option<KeySchema>,
    /// Settings, defaults filled in.
    pub settings: StoredSettings,
    /// Rules over the content of events.
    pub rules: Vec<StoredRule>,
    /// Fields whose values no reason shows.
    pub classified: Vec<String>,
    /// The version that this one follows within its major.
    pub supersedes: Option<String>,
    /// `none`, `patch`, `minor`, `major`, against `supersedes`.
    pub bump: String,
    /// Schema files that the document names.
    pub files: BTreeMap<String, String>,
    /// The document as given, personal spans as commitments.
    pub document: String,
}

impl ContractVersion {
    /// The spec, derived again from the document.
    pub fn spec(&self) -> Option<Spec> {
        let documents = document::parse("stored", &self.document).ok()?;
        match &documents.first()?.document {
            Document::Contract(odcs) => spec::derive(odcs, &self.files)
                .or_else(|_| spec::derive(&odcs.without_rules(), &self.files))
                .ok(),
            Document::Domain(_) | Document::Team(_) | Document::Product(_) => None,
        }
    }

    /// What the schema imports, with the texts.
    pub fn imported(&self) -> Vec<Imported> {
        imported(&self.imports, &self.files)
    }

    /// The schema of keys, with its text; `None` also for one whose language a newer build has brought.
    pub fn keys(&self) -> Option<key_schema::KeySchema> {
        self.key_schema.as_ref()?.read(&self.files)
    }
}

/// A file that a schema imports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Import {
    /// As the schema calls it.
    pub name: String,
    /// Its path among the contract's files.
    pub file: String,
}

impl From<&Imported> for Import {
    fn from(import: &Imported) -> Self {
        let (name, file) = (import.name.clone(), import.file.clone());
        Self { name, file }
    }
}

/// Imports with the texts of their files; one whose text is not there is left out, and what imports it does not compile.
pub fn imported(imports: &[Import], files: &BTreeMap<String, String>) -> Vec<Imported> {
    let with_text = |import: &Import| {
        Some(Imported {
            name: import.name.clone(),
            file: import.file.clone(),
            text: files.get(&import.file)?.clone(),
        })
    };
    imports.iter().filter_map(with_text).collect()
}

/// The schema of a contract's keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeySchema {
    /// Its path among the contract's files.
    pub file: String,
    /// `avro`, `json` or `protobuf`.
    pub encoding: String,
    /// Name of the key's record; for Protobuf the full name of the message.
    pub record: String,
    /// What it imports, each after those that it needs itself.
    pub imports: Vec<Import>,
}

impl KeySchema {
    /// The schema with its text; `None` where that is not there, or its language is not known to this build.
    pub fn read(&self, files: &BTreeMap<String, String>) -> Option<key_schema::KeySchema> {
        Some(key_schema::KeySchema {
            file: self.file.clone(),
            encoding: Encoding::from_name(&self.encoding)?,
            text: files.get(&self.file)?.clone(),
            record: self.record.clone(),
            imports: imported(&self.imports, files),
        })
    }
}

impl From<&key_schema::KeySchema> for KeySchema {
    fn from(schema: &key_schema::KeySchema) -> Self {
        Self {
            file: schema.file.clone(),
            encoding: schema.encoding.name().to_owned(),
            record: schema.record.clone(),
            imports: schema.imports.iter().map(Import::from).collect(),
        }
    }
}

/// A rule over the content of events, as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "Rule")]
pub struct StoredRule {
    /// Name, unique within the contract.
    pub name: String,
    /// Field it is about; empty for the event as a whole.
    pub path: String,
    /// `enforce` or `shadow`.
    pub mode: String,
    /// What it means.
    pub description: String,
    /// What must hold, as JSON.
    pub check: String,
}

impl From<&QualityRule> for StoredRule {
    fn from(rule: &QualityRule) -> Self {
        Self {
            name: rule.name.clone(),
            path: rule.path.clone(),
            mode: mode_text(rule.mode),
            description: rule.description.clone(),
            check: serde_json::to_string(&rule.check).expect("a check is texts and numbers"),
        }
    }
}

impl StoredRule {
    /// The rule, read back.
    ///
    /// # Errors
    /// When its check was written by a newer build.
    pub fn read(&self) -> Result<QualityRule, serde_json::Error> {
        Ok(QualityRule {
            name: self.name.clone(),
            path: self.path.clone(),
            mode: mode(&self.mode),
            description: self.description.clone(),
            check: serde_json::from_str(&self.check)?,
        })
    }
}

/// Key rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// Properties in order.
    pub properties: Vec<String>,
    /// One text as UTF-8; else a JSON array.
    pub text: bool,
}

/// [`Settings`] as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "Settings")]
pub struct StoredSettings {
    /// Partitions.
    pub partitions: i32,
    /// ms.
    pub retention_ms: i64,
    /// ms.
    pub inbox_retention_ms: i64,
    /// ms.
    pub quarantine_retention_ms: i64,
    /// Inbox topic where not the default.
    pub inbox: Option<String>,
    /// `enforce` or `shadow`.
    pub mode: String,
    /// `refuse` or `pass`.
    pub tombstones: String,
    /// `refuse` or `pass`.
    pub additional_properties: String,
    /// Property with the event's time.
    pub event_time: Option<String>,
    /// Header names.
    pub required_headers: Vec<String>,
    /// `none`, `binary`, `structured` or `any`.
    pub cloud_events: String,
    /// `check` or `ignore`, beyond Avro's.
    pub logical_types: String,
}

/// `mesh.port.opened.v1`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// `<domain>.<product>.<port>.v<major>`, also the product topic.
    pub address: String,
    /// `<domain>/<product>`.
    pub product: String,
    /// Owning domain now.
    pub owner: String,
    /// Contract.
    pub contract_id: String,
    /// Major version.
    pub major: i32,
    /// Inbox topic.
    pub inbox: String,
    /// Quarantine topic.
    pub quarantine: String,
    /// Partitions of all three.
    pub partitions: i32,
    /// What it carries.
    pub description: String,
}

/// `mesh.contract.version.activated.v1`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activated {
    /// Port address.
    pub port: String,
    /// Contract.
    pub contract_id: String,
    /// Version in force from this fact on.
    pub version: String,
    /// Schema ids.
    pub bindings: Vec<Binding>,
}

/// A schema id bound to a contract version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// Registry subject.
    pub subject: String,
    /// Registry id.
    pub schema_id: i32,
    /// GUID, 32 hex digits.
    pub guid: String,
}

/// `mesh.quarantine.redriven.v1`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redriven {
    /// Port address.
    pub port: String,
    /// Which events were asked for.
    pub filter: RedriveFilter,
    /// Events that the filter chose and that had not been redriven.
    pub selected: i64,
    /// Of these, events sent to the inbox.
    pub sent: i64,
    /// Of these, events that the contract in force still refuses; they stay.
    pub still_refused: i64,
    /// Of these, events that had been redriven too often, or whose bytes were cut; they stay.
    pub held_back: i64,
}

/// Which quarantined events are redriven; `None` is no limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedriveFilter {
    /// Code, or name of a quality rule.
    pub reason: Option<String>,
    /// Key as a text.
    pub key: Option<String>,
    /// Quarantined at this time or later, UTC ms.
    pub since: Option<i64>,
    /// Quarantined before this time, UTC ms.
    pub until: Option<i64>,
}

/// `mesh.proposal.rejected.v1`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// What was proposed.
    pub command: String,
    /// `Kind name` of each document.
    pub documents: Vec<String>,
    /// Every reason.
    pub reasons: Vec<Refusal>,
}

/// One reason to refuse a proposal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Stable code.
    pub code: String,
    /// `Kind name`, or empty.
    pub document: String,
    /// Where in it.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What would be accepted.
    pub way_out: String,
}

impl From<&Settings> for StoredSettings {
    fn from(settings: &Settings) -> Self {
        Self {
            partitions: i32::try_from(settings.partitions).unwrap_or(i32::MAX),
            retention_ms: stored_ms(settings.retention_ms),
            inbox_retention_ms: stored_ms(settings.inbox_retention_ms),
            quarantine_retention_ms: stored_ms(settings.quarantine_retention_ms),
            inbox: settings.inbox.clone(),
            mode: mode_text(settings.mode),
            tombstones: treatment_text(settings.tombstones),
            additional_properties: treatment_text(settings.additional_properties),
            event_time: settings.event_time.clone(),
            required_headers: settings.required_headers.clone(),
            cloud_events: settings.cloud_events.name().to_owned(),
            logical_types: settings.logical_types.name().to_owned(),
        }
    }
}

impl From<&StoredSettings> for Settings {
    fn from(stored: &StoredSettings) -> Self {
        Self {
            partitions: u32::try_from(stored.partitions).unwrap_or(1),
            retention_ms: u64::try_from(stored.retention_ms).unwrap_or(0),
            inbox_retention_ms: u64::try_from(stored.inbox_retention_ms).unwrap_or(0),
            quarantine_retention_ms: u64::try_from(stored.quarantine_retention_ms).unwrap_or(0),
            inbox: stored.inbox.clone(),
            mode: mode(&stored.mode),
            tombstones: treatment(&stored.tombstones),
            additional_properties: treatment(&stored.additional_properties),
            event_time: stored.event_time.clone(),
            required_headers: stored.required_headers.clone(),
            cloud_events: CloudEvents::from_name(&stored.cloud_events).unwrap_or_default(),
            logical_types: match stored.logical_types.as_str() {
                "ignore" => LogicalTypes::Ignore,
                _ => LogicalTypes::Check,
            },
        }
    }
}

fn stored_ms(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

fn mode_text(mode: Mode) -> String {
    match mode {
        Mode::Enforce => "enforce".to_owned(),
        Mode::Shadow => "shadow".to_owned(),
    }
}

fn mode(text: &str) -> Mode {
    if text == "shadow" {
        Mode::Shadow
    } else {
        Mode::Enforce
    }
}

fn treatment_text(treatment: Treatment) -> String {
    match treatment {
        Treatment::Refuse => "refuse".to_owned(),
        Treatment::Pass => "pass".to_owned(),
    }
}

fn treatment(text: &str) -> Treatment {
    if text == "pass" {
        Treatment::Pass
    } else {
        Treatment::Refuse
    }
}
