//! Settings of subjects, contexts and the whole registry: the words of the API, what holds for a subject, and how an
//! update changes a record.
//!
//! What holds is the record of the subject itself; else of its context; else of the registry; else the default. As in
//! the reference, a record is not filled up from the next, but for the compatibility level.

use crate::{
    name, ownership,
    record::ConfigValue,
    refusal::Refusal,
    rules::{Metadata, RuleSet},
    state::State,
};
use contract::compat::{Level, Policy};
use serde::{Deserialize, Deserializer, Serialize};
use std::borrow::Cow;

/// The level where nothing sets one.
pub const DEFAULT_LEVEL: Level = Level::Backward;

fn policy_of(name: &str) -> Option<Policy> {
    match name.to_ascii_uppercase().as_str() {
        "STRICT" => Some(Policy::Strict),
        "LENIENT" => Some(Policy::Lenient),
        // a policy of the reference for Avro's logical types, which are not compared under any
        "LOGICAL" => Some(Policy::Strict),
        _ => None,
    }
}

/// What is checked when a schema is registered under a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InForce<'s> {
    /// Which versions, and in which direction.
    pub level: Level,
    /// How strictly JSON schemas are compared.
    pub policy: Policy,
    /// The metadata property whose value a version must share to be compared.
    pub group: Option<&'s str>,
    /// Whether reserved fields are checked.
    pub validate_fields: bool,
}

impl<'s> InForce<'s> {
    /// What holds for a subject.
    pub fn of(state: &'s State, subject: &str) -> Self {
        let config = in_scope(state, subject);
        let level = config.and_then(|c| c.compatibility_level.as_deref());
        let policy = config.and_then(|c| c.compatibility_policy.as_deref());
        Self {
            level: level
                .or_else(|| wider_level(state, subject))
                .and_then(|name| name.parse().ok())
                .unwrap_or(DEFAULT_LEVEL),
            policy: policy.and_then(policy_of).unwrap_or(Policy::Strict),
            group: config.and_then(|c| c.compatibility_group.as_deref()),
            validate_fields: config.and_then(|c| c.validate_fields).unwrap_or(false),
        }
    }
}

/// Where settings for a subject are looked for, the nearest first.
pub(crate) fn scopes(subject: &str) -> impl Iterator<Item = Option<Cow<'_, str>>> {
    let context = name::context_of(subject);
    // settings of the default context are those without a subject
    let around = (context != name::DEFAULT).then(|| Cow::from(name::prefix(context)));
    let own = (!subject.is_empty()).then_some(Cow::from(subject));
    [own, around, Some(Cow::from(name::GLOBAL))]
        .into_iter()
        .enumerate()
        .filter_map(|(index, scope)| match (index, scope) {
            (0, None) => None,
            (_, scope) => Some(scope),
        })
}

/// The record that holds for a subject.
pub fn in_scope<'s>(state: &'s State, subject: &str) -> Option<&'s ConfigValue> {
    scopes(subject).find_map(|scope| state.config(scope.as_deref()))
}

fn wider_level<'s>(state: &'s State, subject: &str) -> Option<&'s str> {
    scopes(subject)
        .filter_map(|scope| state.config(scope.as_deref()))
        .find_map(|config| config.compatibility_level.as_deref())
}

/// The settings that hold for a subject, as answered: with a level in any case.
pub fn effective(state: &State, subject: &str) -> ConfigValue {
    let mut config = in_scope(state, subject).cloned().unwrap_or_default();
    config
        .compatibility_level
        .get_or_insert_with(|| InForce::of(state, subject).level.to_string());
    config
}

/// What may be done to subjects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Anything.
    ReadWrite,
    /// Nothing but reading.
    ReadOnly,
    /// The same, whatever is set for single subjects.
    ReadOnlyOverride,
    /// Registering with given ids and versions, unchecked.
    Import,
    /// The same; the reference passes other writes on.
    Forward,
}

impl Mode {
    /// Every mode.
    pub const ALL: [Mode; 5] = [
        Mode::ReadWrite,
        Mode::ReadOnly,
        Mode::ReadOnlyOverride,
        Mode::Import,
        Mode::Forward,
    ];

    /// As written in requests and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::ReadWrite => "READWRITE",
            Mode::ReadOnly => "READONLY",
            Mode::ReadOnlyOverride => "READONLY_OVERRIDE",
            Mode::Import => "IMPORT",
            Mode::Forward => "FORWARD",
        }
    }

    /// The mode of that name, in any case of letters.
    pub fn parse(name: &str) -> Option<Self> {
        Mode::ALL
            .into_iter()
            .find(|mode| mode.as_str().eq_ignore_ascii_case(name))
    }

    /// The mode that holds for a subject.
    pub fn of(state: &State, subject: &str) -> Self {
        let find = |scope: Option<&str>| state.mode(scope).and_then(Mode::parse);
        let for_all = [find(None), find(Some(name::GLOBAL))];
        if for_all.contains(&Some(Mode::ReadOnlyOverride)) {
            return Mode::ReadOnlyOverride;
        }
        scopes(subject)
            .find_map(|scope| find(scope.as_deref()))
            .unwrap_or(Mode::ReadWrite)
    }

    /// Whether nothing may be written.
    pub fn is_read_only(self) -> bool {
        matches!(self, Mode::ReadOnly | Mode::ReadOnlyOverride)
    }

    /// Whether ids and versions are given by who registers.
    pub fn is_import(self) -> bool {
        matches!(self, Mode::Import | Mode::Forward)
    }
}

/// A member of an update: absent leaves the setting, `null` clears it.
pub type Change<T> = Option<Option<T>>;

/// An update of settings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Update {
    /// See [`ConfigValue::alias`].
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub alias: Change<String>,
    /// See [`ConfigValue::alias_for_deks`].
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub alias_for_deks: Change<bool>,
    /// See [`ConfigValue::normalize`].
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub normalize: Change<bool>,
    /// See [`ConfigValue::validate_fields`].
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub validate_fields: Change<bool>,
    /// See [`ConfigValue::validate_names`].
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub validate_names: Change<bool>,
    /// See [`ConfigValue::validate_new_schemas`].
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub validate_new_schemas: Change<bool>,
    /// See [`ConfigValue::validate_rules`].
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub validate_rules: Change<bool>,
    /// The level. Some clients use the name that it has in answers.
    #[serde(
        default,
        alias = "compatibilityLevel",
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub compatibility: Change<String>,
    /// See [`ConfigValue::compatibility_policy`].
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub compatibility_policy: Change<String>,
    /// See [`ConfigValue::compatibility_group`].
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub compatibility_group: Change<String>,
    /// See [`ConfigValue::default_metadata`].
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub default_metadata: Change<Metadata>,
    /// See [`ConfigValue::override_metadata`].
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub override_metadata: Change<Metadata>,
    /// See [`ConfigValue::default_rule_set`].
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub default_rule_set: Change<RuleSet>,
    /// See [`ConfigValue::override_rule_set`].
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub override_rule_set: Change<RuleSet>,
}

fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Change<T>, D::Error> {
    Option::deserialize(from).map(Some)
}

impl Update {
    /// Read the body of `PUT /config`.
    ///
    /// # Errors
    /// 400 when it is not such a body; 42203 for an unknown level or policy; 42205 for the mark of a port, which is not
    /// for clients to set; 42210 for rules that are none.
    pub fn parse(body: &serde_json::Value) -> Result<Self, Refusal> {
        for member in ["defaultRuleSet", "overrideRuleSet"] {
            if !body[member].is_null() {
                RuleSet::read(body[member].clone()).map_err(Refusal::invalid_rules)?;
            }
        }
        let mut update: Self =
            serde_json::from_value(body.clone()).map_err(|e| Refusal::bad_body(e.to_string()))?;
        for name in [&mut update.compatibility, &mut update.compatibility_policy] {
            name.iter_mut()
                .flatten()
                .for_each(|name| name.make_ascii_uppercase());
        }
        let mut level = update.compatibility.iter().flatten();
        if level.any(|name| name.parse::<Level>().is_err()) {
            return Err(Refusal::invalid_level());
        }
        let mut policy = update.compatibility_policy.iter().flatten();
        if policy.any(|name| policy_of(name).is_none()) {
            return Err(Refusal::invalid_policy());
        }
        for metadata in [&update.default_metadata, &update.override_metadata] {
            let mut given = metadata.iter().flatten();
            if given.any(|metadata| metadata.property(ownership::OWNER_PROPERTY).is_some()) {
                return Err(Refusal::not_permitted(format!(
                    "Property '{}' marks the subjects of a port; it cannot be set",
                    ownership::OWNER_PROPERTY
                )));
            }
        }
        Ok(update)
    }

    /// The settings after this update of `before`.
    pub fn apply(&self, before: Option<&ConfigValue>, subject: Option<&str>) -> ConfigValue {
        let mut after = before.cloned().unwrap_or_default();
        after.subject = subject.map(str::to_owned);
        set(&mut after.alias, &self.alias);
        set(&mut after.alias_for_deks, &self.alias_for_deks);
        set(&mut after.normalize, &self.normalize);
        set(&mut after.validate_fields, &self.validate_fields);
        set(&mut after.validate_names, &self.validate_names);
        set(&mut after.validate_new_schemas, &self.validate_new_schemas);
        set(&mut after.validate_rules, &self.validate_rules);
        set(&mut after.compatibility_level, &self.compatibility);
        set(&mut after.compatibility_policy, &self.compatibility_policy);
        set(&mut after.compatibility_group, &self.compatibility_group);
        set(&mut after.default_metadata, &self.default_metadata);
        set(&mut after.override_metadata, &self.override_metadata);
        set(&mut after.default_rule_set, &self.default_rule_set);
        set(&mut after.override_rule_set, &self.override_rule_set);
        after
    }
}

fn set<T: Clone>(setting: &mut Option<T>, change: &Change<T>) {
    if let Some(value) = change {
        setting.clone_from(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Key, ModeValue, Write};
    use serde_json::json;

    #[test]
    fn an_absent_member_leaves_and_null_clears() {
        let before = ConfigValue {
            compatibility_level: Some("FULL".into()),
            compatibility_policy: Some("LENIENT".into()),
            ..ConfigValue::default()
        };
        let update =
            Update::parse(&json!({"compatibility": "none", "alias": "t"})).expect("an update");
        let after = update.apply(Some(&before), Some("s"));
        assert_eq!(after.compatibility_level.as_deref(), Some("NONE"));
        assert_eq!(after.compatibility_policy.as_deref(), Some("LENIENT"));
        assert_eq!(after.alias.as_deref(), Some("t"));
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
    fn what_cannot_be_set_is_refused() {
        let code = |body| Update::parse(&body).expect_err("refused").error_code;
        assert_eq!(code(json!({"compatibility": "SIDEWAYS"})), 42203);
        assert_eq!(code(json!({"compatibilityPolicy": "LOOSE"})), 42203);
        assert_eq!(code(json!({"compatibility": 7})), 400);
        assert_eq!(
            code(json!({"overrideMetadata": {"properties": {"meshlog.port": "a.b.c.v1"}}})),
            42205
        );
        assert_eq!(
            code(json!({"defaultRuleSet": {"domainRules": [{"name": "r"}]}})),
            42210
        );
    }

    fn state(configs: &[(Option<&str>, &str)], modes: &[(Option<&str>, &str)]) -> State {
        let mut state = State::default();
        let mut write = |write: Write| {
            let value = write.value.as_deref();
            state.fold(&write.key, value, None).expect("folds");
        };
        for (subject, level) in configs {
            let value = ConfigValue {
                compatibility_level: Some((*level).to_owned()),
                ..ConfigValue::default()
            };
            write(Write::put(&Key::Config(subject.map(str::to_owned)), &value));
        }
        for (subject, mode) in modes {
            let value = ModeValue {
                mode: (*mode).to_owned(),
                rest: serde_json::Map::new(),
            };
            write(Write::put(&Key::Mode(subject.map(str::to_owned)), &value));
        }
        state
    }

    #[test]
    fn the_nearest_setting_holds() {
        let all = state(
            &[
                (None, "FULL"),
                (Some(name::GLOBAL), "NONE"),
                (Some(":.eu:"), "FORWARD"),
                (Some(":.eu:s"), "BACKWARD_TRANSITIVE"),
            ],
            &[],
        );
        for (subject, level) in [
            ("s", Level::Full),
            (":.eu:s", Level::BackwardTransitive),
            (":.eu:t", Level::Forward),
            (":.us:t", Level::None),
        ] {
            assert_eq!(InForce::of(&all, subject).level, level, "{subject}");
        }
        assert_eq!(InForce::of(&State::default(), "s").level, DEFAULT_LEVEL);
    }

    #[test]
    fn a_registry_that_is_read_only_for_all_is_so_for_each() {
        let modes = state(
            &[],
            &[
                (None, "READONLY_OVERRIDE"),
                (Some("s"), "READWRITE"),
                (Some(":.eu:"), "IMPORT"),
            ],
        );
        assert_eq!(Mode::of(&modes, "s"), Mode::ReadOnlyOverride);
        let modes = state(&[], &[(None, "READONLY"), (Some("s"), "READWRITE")]);
        assert_eq!(Mode::of(&modes, "s"), Mode::ReadWrite);
        assert_eq!(Mode::of(&modes, "t"), Mode::ReadOnly);
        assert_eq!(Mode::of(&modes, ":.eu:t"), Mode::ReadWrite);
    }
}
