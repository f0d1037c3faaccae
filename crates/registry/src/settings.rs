//! Compatibility settings: the words of the API, what holds for a subject, and how an update changes a record.

use crate::{record::ConfigValue, refusal::Refusal, state::State};
use contract::compat::{Level, Policy};
use serde::{Deserialize, Deserializer, Serialize};

/// The level where neither the subject nor the registry sets one.
pub const DEFAULT_LEVEL: Level = Level::Backward;

fn policy_of(name: &str) -> Option<Policy> {
    match name.to_ascii_uppercase().as_str() {
        "STRICT" => Some(Policy::Strict),
        "LENIENT" => Some(Policy::Lenient),
        _ => None,
    }
}

/// What is checked when a schema is registered under a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InForce {
    /// Which versions, and in which direction.
    pub level: Level,
    /// How strictly JSON schemas are compared.
    pub policy: Policy,
}

impl InForce {
    /// What holds for a subject: each setting its own, else the registry's, else the default.
    pub fn of(state: &State, subject: &str) -> Self {
        let (own, global) = (state.config(Some(subject)), state.config(None));
        let pick = |field: fn(&ConfigValue) -> Option<&str>| {
            own.and_then(field).or_else(|| global.and_then(field))
        };
        Self {
            level: pick(|c| c.compatibility_level.as_deref())
                .and_then(|name| name.parse().ok())
                .unwrap_or(DEFAULT_LEVEL),
            policy: pick(|c| c.compatibility_policy.as_deref())
                .and_then(policy_of)
                .unwrap_or(Policy::Strict),
        }
    }
}

/// An update of settings. An absent member leaves its setting as it is, `null` clears it: hence three states.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Update {
    /// The level. Some clients use the name that it has in answers.
    #[serde(
        default,
        alias = "compatibilityLevel",
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub compatibility: Option<Option<String>>,
    /// The policy.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub compatibility_policy: Option<Option<String>>,
}

fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(from).map(Some)
}

/// Members of Confluent's update that this registry does not act on, and so does not take.
const NOT_SERVED: [&str; 12] = [
    "alias",
    "aliasForDeks",
    "compatibilityGroup",
    "normalize",
    "validateFields",
    "validateNames",
    "validateRules",
    "defaultMetadata",
    "overrideMetadata",
    "defaultRuleSet",
    "overrideRuleSet",
    "validateNewSchemas",
];

impl Update {
    /// Read the body of `PUT /config`.
    ///
    /// # Errors
    /// 400 when it is not such a body; 42203 for an unknown level or policy; 42205 for a setting this registry does
    /// not have.
    pub fn parse(body: &serde_json::Value) -> Result<Self, Refusal> {
        let update: Self =
            serde_json::from_value(body.clone()).map_err(|e| Refusal::bad_body(e.to_string()))?;
        if let Some(name) = NOT_SERVED.iter().find(|name| !body[**name].is_null()) {
            return Err(Refusal::not_permitted(format!(
                "Setting '{name}' is not supported by this registry"
            )));
        }
        let level = update.compatibility.iter().flatten();
        let policy = update.compatibility_policy.iter().flatten();
        if level.clone().any(|name| name.parse::<Level>().is_err()) {
            return Err(Refusal::invalid_level());
        }
        if let Some(name) = policy.clone().find(|name| policy_of(name).is_none()) {
            return Err(Refusal {
                error_code: 42203,
                message: format!(
                    "Invalid compatibility policy '{name}'. Valid values are strict and lenient"
                ),
            });
        }
        Ok(update)
    }

    /// The settings after this update of `before`.
    pub fn apply(&self, before: Option<&ConfigValue>, subject: Option<&str>) -> ConfigValue {
        let mut after = before.cloned().unwrap_or_default();
        after.subject = subject.map(str::to_owned);
        let upper = |name: &Option<String>| name.as_ref().map(|n| n.to_ascii_uppercase());
        if let Some(level) = &self.compatibility {
            after.compatibility_level = upper(level);
        }
        if let Some(policy) = &self.compatibility_policy {
            after.compatibility_policy = upper(policy);
        }
        after
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_absent_member_leaves_and_null_clears() {
        let before = ConfigValue {
            compatibility_level: Some("FULL".into()),
            compatibility_policy: Some("LENIENT".into()),
            ..ConfigValue::default()
        };
        let update = Update::parse(&json!({"compatibility": "none"})).expect("an update");
        let after = update.apply(Some(&before), Some("s"));
        assert_eq!(after.compatibility_level.as_deref(), Some("NONE"));
        assert_eq!(after.compatibility_policy.as_deref(), Some("LENIENT"));
        let update = Update::parse(&json!({"compatibilityPolicy": null})).expect("an update");
        let after = update.apply(Some(&before), Some("s"));
        assert_eq!(after.compatibility_policy, None);
        assert_eq!(after.compatibility_level.as_deref(), Some("FULL"));
        assert_eq!(
            serde_json::to_string(&update).expect("text"),
            r#"{"compatibilityPolicy":null}"#
        );
    }

    #[test]
    fn what_is_not_served_is_refused() {
        let code = |body| Update::parse(&body).expect_err("refused").error_code;
        assert_eq!(code(json!({"compatibility": "SIDEWAYS"})), 42203);
        assert_eq!(code(json!({"compatibilityPolicy": "LOGICAL"})), 42203);
        assert_eq!(code(json!({"alias": "other"})), 42205);
        assert_eq!(code(json!({"compatibility": 7})), 400);
    }
}
