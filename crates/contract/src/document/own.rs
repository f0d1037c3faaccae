//! Our own documents, `apiVersion: meshlog/v1`: domains and teams.

use serde::{Deserialize, Serialize};

/// The one version of our documents.
pub const API_VERSION: &str = "meshlog/v1";

/// A domain: a name space for products, owned by one team.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Domain {
    /// [`API_VERSION`].
    #[serde(rename = "apiVersion")]
    pub api_version: String,
    /// `Domain`.
    pub kind: String,
    /// Name, first part of its ports' addresses.
    pub name: String,
    /// The team that owns it.
    pub owner: String,
    /// What the domain is about.
    #[serde(default)]
    pub description: String,
    /// Principals that may act for the domain, beside the owner's members.
    #[serde(default)]
    pub principals: Vec<String>,
    /// Words to find it by.
    #[serde(default)]
    pub tags: Vec<String>,
}

/// A team and its members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Team {
    /// [`API_VERSION`].
    #[serde(rename = "apiVersion")]
    pub api_version: String,
    /// `Team`.
    pub kind: String,
    /// Name of the team.
    pub name: String,
    /// What the team does.
    #[serde(default)]
    pub description: String,
    /// Who is in it.
    #[serde(default)]
    pub members: Vec<Member>,
}

/// A person in a team. Everything but role and dates is personal and never stored in a fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Account name, which is the member's principal.
    pub username: String,
    /// Full name.
    #[serde(default)]
    pub name: Option<String>,
    /// Address.
    #[serde(default)]
    pub email: Option<String>,
    /// What the member does in the team.
    #[serde(default)]
    pub role: Option<String>,
    /// First day, `YYYY-MM-DD`.
    #[serde(default, rename = "dateIn")]
    pub date_in: Option<String>,
    /// Last day, `YYYY-MM-DD`.
    #[serde(default, rename = "dateOut")]
    pub date_out: Option<String>,
}
