//! Open Data Contract Standard (ODCS) 3.0.x to 3.2.0: what Meshlog reads of it.
//!
//! Members that Meshlog does not use are kept in the document's text, which is given back as given.
//! Source: <https://bitol-io.github.io/open-data-contract-standard/>

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A data contract document.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Odcs {
    /// Identifier; with the major version, the key of the contract.
    pub id: String,
    /// Semantic version of the contract.
    pub version: String,
    /// Status as the author gives it.
    pub status: String,
    /// A readable name.
    #[serde(default)]
    pub name: Option<String>,
    /// The domain it belongs to.
    #[serde(default)]
    pub domain: Option<String>,
    /// The product it is for.
    #[serde(default, rename = "dataProduct")]
    pub data_product: Option<String>,
    /// Purpose, limitations, usage.
    #[serde(default)]
    pub description: Option<Description>,
    /// Words to find it by.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Schema objects; a contract that a port names has exactly one.
    #[serde(default)]
    pub schema: Vec<SchemaObject>,
    /// Where the data is; the Kafka entry says the encoding.
    #[serde(default)]
    pub servers: Vec<Server>,
    /// What is promised.
    #[serde(default, rename = "slaProperties")]
    pub sla_properties: Vec<SlaProperty>,
    /// Where to ask.
    #[serde(default)]
    pub support: Vec<Support>,
    /// Extensions; ours start with `meshlog.`.
    #[serde(default, rename = "customProperties")]
    pub custom_properties: Vec<CustomProperty>,
    /// Links; one of type `implementation` names the schema file.
    #[serde(default, rename = "authoritativeDefinitions")]
    pub authoritative_definitions: Vec<AuthoritativeDefinition>,
}

/// Prose about a contract or product.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// What it is for.
    #[serde(default)]
    pub purpose: Option<String>,
    /// What it is not for.
    #[serde(default)]
    pub limitations: Option<String>,
    /// How to use it.
    #[serde(default)]
    pub usage: Option<String>,
}

/// A table, topic or document type.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct SchemaObject {
    /// Name; the record's name in PascalCase.
    #[serde(default)]
    pub name: Option<String>,
    /// Physical name; the port's topic where given.
    #[serde(default, rename = "physicalName")]
    pub physical_name: Option<String>,
    /// What one record stands for.
    #[serde(default)]
    pub description: Option<String>,
    /// Its fields.
    #[serde(default)]
    pub properties: Vec<Property>,
    /// Rules over whole events.
    #[serde(default)]
    pub quality: Vec<Quality>,
    /// Links; one of type `implementation` names the schema file.
    #[serde(default, rename = "authoritativeDefinitions")]
    pub authoritative_definitions: Vec<AuthoritativeDefinition>,
}

/// A field.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Property {
    /// Name.
    pub name: Option<String>,
    /// `string`, `integer`, `number`, `boolean`, `date`, `timestamp`, `time`, `object`, `array`, `map`.
    pub logical_type: Option<String>,
    /// Type in the store, as `decimal(10,2)`.
    pub physical_type: Option<String>,
    /// Limits by logical type.
    pub logical_type_options: serde_json::Map<String, Value>,
    /// Present and not null.
    pub required: bool,
    /// Part of the key.
    pub primary_key: bool,
    /// Position in the key, from 1.
    pub primary_key_position: Option<i64>,
    /// Sensitivity.
    pub classification: Option<String>,
    /// What it means.
    pub description: Option<String>,
    /// A readable name.
    pub business_name: Option<String>,
    /// Fields of an object.
    pub properties: Vec<Property>,
    /// Elements of an array, or values of a map.
    pub items: Option<Box<Property>>,
    /// Sample values.
    pub examples: Vec<Value>,
    /// Words to choose fields by, in rules.
    pub tags: Vec<String>,
    /// Rules over its values.
    pub quality: Vec<Quality>,
}

/// A quality rule; [`crate::quality`] says which of them are run.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Quality {
    /// Stable identifier.
    pub id: Option<String>,
    /// Name.
    pub name: Option<String>,
    /// What it means.
    pub description: Option<String>,
    /// `library` (the default), `custom`, `sql`, `text`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Metric of the library.
    pub metric: Option<String>,
    /// The metric, as ODCS 3.0 called it.
    pub rule: Option<String>,
    /// Arguments of the metric.
    pub arguments: serde_json::Map<String, Value>,
    /// `rows` (the default) or `percent`.
    pub unit: Option<String>,
    /// Operator.
    pub must_be: Option<Value>,
    /// Operator.
    pub must_not_be: Option<Value>,
    /// Operator.
    pub must_be_greater_than: Option<Value>,
    /// Operator.
    pub must_be_greater_or_equal_to: Option<Value>,
    /// Operator.
    pub must_be_less_than: Option<Value>,
    /// Operator.
    pub must_be_less_or_equal_to: Option<Value>,
    /// Operator.
    pub must_be_between: Option<Value>,
    /// Operator.
    pub must_not_be_between: Option<Value>,
    /// Who runs a `custom` rule; `cel` is ours.
    pub engine: Option<String>,
    /// A `custom` rule's text.
    pub implementation: Option<Value>,
    /// `error`, `warning`, `info`.
    pub severity: Option<String>,
    /// Extensions; `meshlog.mode` is ours.
    pub custom_properties: Vec<CustomProperty>,
}

/// A place where the data is.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Server {
    /// `kafka` is the one Meshlog looks at.
    #[serde(rename = "type")]
    pub kind: String,
    /// Encoding of a Kafka entry: `json` (ODCS's default), `avro`, `protobuf`.
    #[serde(default)]
    pub format: Option<String>,
}

/// A promise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SlaProperty {
    /// `latency`, `freshness`, `retention`, ...
    pub property: String,
    /// The figure.
    pub value: Value,
    /// Its unit.
    #[serde(default)]
    pub unit: Option<String>,
    /// Which field it speaks of.
    #[serde(default)]
    pub element: Option<String>,
}

/// Where to ask.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Support {
    /// Name of the channel.
    pub channel: String,
    /// Its address.
    #[serde(default)]
    pub url: Option<String>,
}

/// An extension.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct CustomProperty {
    /// Name.
    pub property: String,
    /// Value.
    pub value: Value,
}

/// A link to a defining document.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct AuthoritativeDefinition {
    /// `implementation` names a schema file.
    #[serde(rename = "type")]
    pub kind: String,
    /// Where it is; a relative path for `implementation`.
    pub url: String,
}

impl Odcs {
    /// The schema file that the contract names instead of describing its fields.
    pub fn implementation(&self) -> Option<&str> {
        let of_object = self
            .schema
            .iter()
            .flat_map(|object| &object.authoritative_definitions);
        of_object
            .chain(&self.authoritative_definitions)
            .find(|definition| definition.kind == "implementation")
            .map(|definition| definition.url.as_str())
    }
}

impl Odcs {
    /// The file with the schema of keys, where the contract names one.
    pub fn key_schema(&self) -> Option<&str> {
        let named = |property: &&CustomProperty| property.property == KEY_SCHEMA;
        self.custom_properties.iter().find(named)?.value.as_str()
    }

    /// The same contract without its quality rules: an older build stored documents whose rules it did not read, and
    /// a rule that cannot be run must not keep the contract from being read back.
    #[must_use]
    pub fn without_rules(&self) -> Self {
        fn strip(property: &mut Property) {
            property.quality.clear();
            property.properties.iter_mut().for_each(strip);
            property.items.as_deref_mut().into_iter().for_each(strip);
        }
        let mut bare = self.clone();
        for object in &mut bare.schema {
            object.quality.clear();
            object.properties.iter_mut().for_each(strip);
        }
        bare.custom_properties
            .retain(|property| property.property != crate::quality::RULE_SET);
        bare
    }
}

/// The custom property that names the schema of keys.
const KEY_SCHEMA: &str = "meshlog.keySchema";

/// Whether this module reads that version of the standard.
///
/// # Errors
/// What was given, and what is read.
pub fn check_version(api_version: &str) -> Result<(), String> {
    let number = api_version.trim_start_matches('v');
    let known = ["3.0.0", "3.0.1", "3.0.2", "3.1.0", "3.2.0"];
    if known.contains(&number) {
        return Ok(());
    }
    Err(format!(
        "apiVersion is `{api_version}`; ODCS versions read are v3.0.0 to v3.2.0"
    ))
}
