//! Subjects that belong to a port's contract.
//!
//! A port's schemas stand under `<inbox>-key|-value` and `P-key|-value`. Such a subject's `CONFIG` record holds
//! `compatibilityLevel: FULL_TRANSITIVE`, `compatibilityPolicy: LENIENT` and, in `overrideMetadata.properties`, the
//! port's address under [`OWNER_PROPERTY`]. So ownership survives a rebuild from `_schemas` alone, any Confluent tool
//! shows it with `GET /config/{subject}`, and it changes neither the id nor the GUID of a schema. It is a mark on the
//! subject only: it is not merged into the metadata of schema versions.

use crate::{record::ConfigValue, rules::Metadata};

/// The property of a subject's `overrideMetadata` that holds the address of the port it belongs to.
pub const OWNER_PROPERTY: &str = "meshlog.port";

/// The port that owns the subject with these settings.
pub fn owner(config: &ConfigValue) -> Option<&str> {
    let properties = config.override_metadata.as_ref()?.properties.as_ref()?;
    properties.get(OWNER_PROPERTY).map(String::as_str)
}

/// The settings of a subject that belongs to `port`.
pub fn owned_config(subject: &str, port: &str) -> ConfigValue {
    ConfigValue {
        subject: Some(subject.to_owned()),
        compatibility_level: Some("FULL_TRANSITIVE".to_owned()),
        compatibility_policy: Some("LENIENT".to_owned()),
        override_metadata: Some(Metadata {
            properties: Some([(OWNER_PROPERTY.to_owned(), port.to_owned())].into()),
            ..Metadata::default()
        }),
        ..ConfigValue::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_of_a_port_on_disk() {
        let config = owned_config("a.b.c.v1-value", "a.b.c.v1");
        assert_eq!(owner(&config), Some("a.b.c.v1"));
        assert_eq!(
            serde_json::to_string(&config).expect("serializes"),
            concat!(
                r#"{"subject":"a.b.c.v1-value","compatibilityLevel":"FULL_TRANSITIVE","compatibilityPolicy":"LENIENT","#,
                r#""overrideMetadata":{"properties":{"meshlog.port":"a.b.c.v1"}}}"#
            )
        );
        assert_eq!(owner(&ConfigValue::default()), None);
    }
}
