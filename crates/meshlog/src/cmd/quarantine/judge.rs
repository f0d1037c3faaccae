//! The contract in force, as the enforcer has it: for events that may go round, and for those that shadow let through.

use contract::quality::Mask;
use contract::rule::{ActiveVersion, Binding, Bound, Event, PortRules};
use contract::spec::Spec;
use contract::verdict::Verdict;
use kafka::{Header, Record};

use super::super::{Global, contract as cmd_contract};
use crate::port::Port;

/// The judge of one port.
pub(super) struct Judge(PortRules);

impl Judge {
    /// Learn from the mesh what was put in force on the port.
    ///
    /// # Errors
    /// When a version cannot be read, or does not compile.
    pub(super) async fn load(global: &Global, port: &Port) -> anyhow::Result<Self> {
        let mut versions: Vec<(Spec, Bound, Vec<String>)> = Vec::new();
        for bound in &port.versions {
            let spec =
                cmd_contract::load(global, &format!("{}@{}", port.contract_id, bound.version))
                    .await?;
            let bindings = bound.bindings.iter().filter_map(|binding| {
                let (id, guid) = (binding.schema_id, binding.guid_bytes()?);
                Some((binding.subject.as_str(), Binding { id, guid }))
            });
            let classified = Mask::classified(&spec.fields);
            versions.push((spec, Bound::sorted(bindings), classified));
        }
        let active: Vec<ActiveVersion<'_>> = versions
            .iter()
            .map(|(spec, bound, classified)| ActiveVersion::of(spec, classified, bound))
            .collect();
        let rules = PortRules::compile(&port.contract_id, &active)?;
        Ok(Self(rules.ok_or_else(|| super::redrive::no_version(port))?))
    }

    pub(super) fn judge(&self, record: &Record, headers: &[Header]) -> Verdict {
        let headers: Vec<(&str, Option<&[u8]>)> = headers
            .iter()
            .map(|header| (header.key.as_str(), header.value.as_deref()))
            .collect();
        self.0.judge_known(&Event {
            key: record.key.as_deref(),
            value: record.value.as_deref(),
            headers: &headers,
        })
    }
}
