//! Earlier shapes of bodies, and what they lacked as the newest shape has it.
//!
//! On disk since the version that each names. A shape lists its members once; reading it as the newest one keeps them and
//! says what the others were then, so that an old log has the verdicts that it had.

use super::{ContractVersion, Key, StoredRule, StoredSettings};
use contract::settings::{CloudEvents, LogicalTypes};
use contract::spec::Encoding;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

macro_rules! earlier {
    (
        $(#[$doc:meta])*
        $name:ident of $newest:ident as $stored:literal { $($member:ident: $kind:ty,)* }
        then { $($later:ident: $value:expr,)* }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename = $stored)]
        #[expect(missing_docs, reason = "those of the newest shape")]
        pub struct $name { $(pub $member: $kind,)* }

        impl From<$newest> for $name {
            fn from(newest: $newest) -> Self {
                Self { $($member: newest.$member.into(),)* }
            }
        }

        impl From<$name> for $newest {
            fn from(earlier: $name) -> Self {
                Self { $($member: earlier.$member.into(),)* $($later: $value,)* }
            }
        }
    };
}

earlier! {
    /// Settings of contracts before CloudEvents were checked.
    SettingsV1 of StoredSettings as "Settings" {
        partitions: i32,
        retention_ms: i64,
        inbox_retention_ms: i64,
        quarantine_retention_ms: i64,
        inbox: Option<String>,
        mode: String,
        tombstones: String,
        additional_properties: String,
        event_time: Option<String>,
        required_headers: Vec<String>,
    }
    then {
        cloud_events: CloudEvents::None.name().to_owned(),
        logical_types: LogicalTypes::Ignore.name().to_owned(),
    }
}

earlier! {
    /// `mesh.contract.version.approved.v2`: before key schemas, imports and required fields of Protobuf.
    ContractVersionV2 of ContractVersion as "ContractVersion" {
        contract_id: String,
        version: String,
        domain: Option<String>,
        title: String,
        purpose: String,
        encoding: String,
        schema: String,
        record: String,
        key: Key,
        settings: SettingsV1,
        rules: Vec<StoredRule>,
        classified: Vec<String>,
        supersedes: Option<String>,
        bump: String,
        files: BTreeMap<String, String>,
        document: String,
    }
    then {
        imports: Vec::new(),
        required: Vec::new(),
        key_schema: None,
    }
}

earlier! {
    /// `mesh.contract.version.approved.v1`: before rules were run.
    ContractVersionV1 of ContractVersionV2 as "ContractVersion" {
        contract_id: String,
        version: String,
        domain: Option<String>,
        title: String,
        purpose: String,
        encoding: String,
        schema: String,
        key: Key,
        settings: SettingsV1,
        supersedes: Option<String>,
        bump: String,
        files: BTreeMap<String, String>,
        document: String,
    }
    then {
        record: String::new(),
        rules: Vec::new(),
        classified: Vec::new(),
    }
}

impl From<ContractVersion> for ContractVersionV1 {
    fn from(newest: ContractVersion) -> Self {
        ContractVersionV2::from(newest).into()
    }
}

impl From<ContractVersionV1> for ContractVersion {
    fn from(earlier: ContractVersionV1) -> Self {
        let mut read = Self::from(ContractVersionV2::from(earlier));
        // Which message events are stood in the document alone.
        if read.encoding == Encoding::Protobuf.name() {
            read.record = read.spec().map(|spec| spec.record).unwrap_or_default();
        }
        read
    }
}
