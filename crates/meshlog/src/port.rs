//! What the data commands need to know of a port: topics, the contract versions bound to it, how they are written.

use std::collections::BTreeMap;

use anyhow::Context;
use contract::address::PortAddress;
use contract::key_schema::KeySchema;
use contract::settings::CloudEvents;
use contract::source::Imported;
use contract::spec::{Encoding, Key};
use contract::validator::Schema;
use governance::body;
use serde::Deserialize;
use serde_json::Value;

use crate::client::Client;
use crate::exit::Failure;

/// A port as the API describes it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Port {
    /// Where producers write.
    pub(crate) inbox: String,
    /// Where refused events are.
    pub(crate) quarantine: String,
    /// Partitions of each of its topics.
    pub(crate) partitions: i64,
    /// The contract.
    pub(crate) contract_id: String,
    /// What was put in force, in order.
    #[serde(default, rename = "activations")]
    activations: Vec<Activation>,
    /// The same, with what the contract's versions say; the last one is in force.
    #[serde(skip)]
    pub(crate) versions: Vec<BoundVersion>,
}

#[derive(Debug, Clone, Deserialize)]
struct Activation {
    version: String,
    schemas: Vec<Binding>,
}

/// A schema id bound to a version.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Binding {
    /// Registry subject.
    pub(crate) subject: String,
    /// Registry id.
    pub(crate) schema_id: u32,
    /// GUID, 32 hex digits.
    pub(crate) guid: String,
}

/// A contract version put in force on a port.
#[derive(Debug, Clone)]
pub(crate) struct BoundVersion {
    /// Version.
    pub(crate) version: String,
    /// How values are written.
    pub(crate) encoding: Encoding,
    /// The schema of values.
    pub(crate) schema: String,
    /// Which message of a Protobuf schema events are; empty for the other encodings.
    pub(crate) message: String,
    /// How keys are made.
    pub(crate) key: Key,
    /// What the schema imports.
    pub(crate) imports: Vec<Imported>,
    /// The schema of keys, where they have one.
    pub(crate) key_schema: Option<KeySchema>,
    /// Whether events are CloudEvents.
    pub(crate) cloud_events: CloudEvents,
    /// Schema ids.
    pub(crate) bindings: Vec<Binding>,
}

/// A contract version as the API describes it.
#[derive(Debug, Deserialize)]
struct Content {
    encoding: Encoding,
    schema: Value,
    #[serde(default)]
    message: Option<String>,
    key: Key,
    #[serde(default)]
    imports: Vec<body::Import>,
    #[serde(default)]
    key_schema: Option<body::KeySchema>,
    #[serde(default)]
    texts: BTreeMap<String, String>,
    #[serde(default)]
    settings: Written,
}

/// The settings that say how events are written.
#[derive(Debug, Default, Deserialize)]
struct Written {
    #[serde(default)]
    cloud_events: String,
}

impl Content {
    fn key_schema(&self) -> anyhow::Result<Option<KeySchema>> {
        let Some(schema) = &self.key_schema else {
            return Ok(None);
        };
        let read = schema.read(&self.texts);
        read.map(Some)
            .with_context(|| format!("the text of the key schema {} is not there", schema.file))
    }
}

impl Binding {
    /// The GUID's bytes.
    pub(crate) fn guid_bytes(&self) -> Option<[u8; 16]> {
        let digits = self.guid.replace('-', "");
        let byte = |at: usize| u8::from_str_radix(digits.get(2 * at..2 * at + 2)?, 16).ok();
        let bytes: Option<Vec<u8>> = (0..16).map(byte).collect();
        bytes?.try_into().ok()
    }
}

impl Port {
    /// Asks the mesh about a port.
    ///
    /// # Errors
    /// [`Failure::NotFound`] for a port that does not exist.
    pub(crate) async fn load(client: &Client, address: &PortAddress) -> anyhow::Result<Self> {
        let value = client.get(&["ports", &address.topic()], &[]).await?;
        let unknown = || format!("GET /api/v1/ports/{address} answered in an unknown shape");
        let mut port: Port = serde_json::from_value(value).with_context(unknown)?;
        for activation in std::mem::take(&mut port.activations) {
            let version = activation.version;
            let path = ["contracts", &port.contract_id, "versions", &version];
            let content: Content = serde_json::from_value(client.get(&path, &[]).await?)
                .with_context(|| format!("GET /api/v1/{} has an unknown shape", path.join("/")))?;
            let text = content.schema.as_str().map(str::to_owned);
            let schema = text.unwrap_or_else(|| content.schema.to_string());
            port.versions.push(BoundVersion {
                version,
                encoding: content.encoding,
                schema,
                imports: body::imported(&content.imports, &content.texts),
                key_schema: content.key_schema()?,
                cloud_events: CloudEvents::from_name(&content.settings.cloud_events)
                    .unwrap_or_default(),
                message: content.message.unwrap_or_default(),
                key: content.key,
                bindings: activation.schemas,
            });
        }
        Ok(port)
    }

    /// The version in force.
    ///
    /// # Errors
    /// When none is yet.
    pub(crate) fn active(&self, address: &PortAddress) -> Result<&BoundVersion, Failure> {
        self.versions.last().ok_or_else(|| {
            Failure::NotReachable(format!(
                "port {address} is not in force yet: its topics and schemas are being prepared; try again in a moment"
            ))
        })
    }
}

impl BoundVersion {
    /// The id under which values written to `inbox` name this schema.
    pub(crate) fn schema_id(&self, inbox: &str) -> Option<u32> {
        self.bound(inbox, "value")
    }

    /// The id under which keys written to `inbox` name theirs.
    pub(crate) fn key_schema_id(&self, inbox: &str) -> Option<u32> {
        self.bound(inbox, "key")
    }

    fn bound(&self, inbox: &str, part: &str) -> Option<u32> {
        let (subject, ending) = (format!("{inbox}-{part}"), format!("-{part}"));
        let mut all = self.bindings.iter();
        let own = all.clone().find(|binding| binding.subject == subject);
        own.or_else(|| all.find(|binding| binding.subject.ends_with(&ending)))
            .map(|binding| binding.schema_id)
    }

    /// The schema of values, to be compiled.
    pub(crate) fn value_schema(&self) -> Schema<'_> {
        Schema {
            encoding: self.encoding,
            text: &self.schema,
            record: &self.message,
            imports: &self.imports,
        }
    }
}

#[cfg(test)]
impl Port {
    /// A port with one version in force, for tests.
    pub(crate) fn for_test(encoding: Encoding, schema: &str, key: Key) -> Self {
        let binding = Binding {
            subject: "a.b.c.v1.inbox-value".into(),
            schema_id: 7,
            guid: "00112233445566778899aabbccddeeff".into(),
        };
        Self {
            inbox: "a.b.c.v1.inbox".into(),
            quarantine: "a.b.c.v1.quarantine".into(),
            partitions: 4,
            contract_id: "c".into(),
            activations: Vec::new(),
            versions: vec![BoundVersion {
                version: "1.0.0".into(),
                encoding,
                schema: schema.into(),
                message: String::new(),
                key,
                imports: Vec::new(),
                key_schema: None,
                cloud_events: CloudEvents::None,
                bindings: vec![binding],
            }],
        }
    }
}
