//! Bitol Open Data Product Standard (ODPS) 1.0.0 and 1.1.0: what Meshlog reads of it.
//!
//! Members that Meshlog does not use are kept in the document's text, which is given back as given.
//! Source: <https://bitol-io.github.io/open-data-product-standard/>

use serde::Deserialize;

/// A data product document.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Product {
    /// Identifier; the product's name when `name` is absent.
    pub id: String,
    /// Name within the domain.
    #[serde(default)]
    pub name: Option<String>,
    /// Version of the product.
    #[serde(default)]
    pub version: Option<String>,
    /// Status as the author gives it.
    pub status: String,
    /// The domain that owns it.
    #[serde(default)]
    pub domain: Option<String>,
    /// Purpose, limitations, usage.
    #[serde(default)]
    pub description: Option<super::odcs::Description>,
    /// Words to find it by.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Contracts that this product reads.
    #[serde(default, rename = "inputPorts")]
    pub input_ports: Vec<InputPort>,
    /// Streams that this product publishes.
    #[serde(default, rename = "outputPorts")]
    pub output_ports: Vec<OutputPort>,
    /// Where to ask.
    #[serde(default)]
    pub support: Vec<super::odcs::Support>,
}

impl Product {
    /// `name`, else `id`: the second part of the ports' addresses.
    pub fn name(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.id)
    }
}

/// A contract that the product reads.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct InputPort {
    /// Name of the port.
    pub name: String,
    /// Version read.
    #[serde(default)]
    pub version: Option<String>,
    /// Contract read.
    #[serde(rename = "contractId")]
    pub contract_id: String,
}

/// A stream that the product publishes.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct OutputPort {
    /// Name of the port, third part of its address.
    pub name: String,
    /// What it carries.
    #[serde(default)]
    pub description: Option<String>,
    /// Its major version says which contract version; absent = the contract's.
    #[serde(default)]
    pub version: Option<String>,
    /// The contract it is under.
    #[serde(default, rename = "contractId")]
    pub contract_id: Option<String>,
}

/// Whether this module reads that version of the standard.
///
/// # Errors
/// What was given, and what is read.
pub fn check_version(api_version: &str) -> Result<(), String> {
    match api_version.trim_start_matches('v') {
        "0.9.0" | "1.0.0" | "1.1.0" => Ok(()),
        _ => Err(format!(
            "apiVersion is `{api_version}`; ODPS versions read are v0.9.0, v1.0.0, v1.1.0"
        )),
    }
}
