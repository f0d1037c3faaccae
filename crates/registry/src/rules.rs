//! Metadata and rules that a schema version carries: their form, what is refused, and how defaults and overrides of the
//! settings are laid under and over them.
//!
//! Rules are kept and given back; they run in clients (and in the enforcer), never here.
//! Source: `Metadata`, `RuleSet` and `Rule` of confluentinc/schema-registry.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The property that numbers versions; given by a client, it must be the number of the version that it makes.
pub const VERSION_PROPERTY: &str = "confluent:version";

/// Free metadata of a schema version.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Metadata {
    /// Tags by path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, BTreeSet<String>>>,
    /// Key and value pairs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub properties: Option<BTreeMap<String, String>>,
    /// Names of properties that hold secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sensitive: Option<BTreeSet<String>>,
}

impl Metadata {
    /// One property.
    pub fn property(&self, name: &str) -> Option<&str> {
        self.properties.as_ref()?.get(name).map(String::as_str)
    }

    /// The same with one property set.
    pub fn with_property(mut self, name: &str, value: String) -> Self {
        self.properties
            .get_or_insert_default()
            .insert(name.to_owned(), value);
        self
    }

    /// The same without one property.
    pub fn without_property(mut self, name: &str) -> Self {
        if let Some(properties) = &mut self.properties {
            properties.remove(name);
        }
        self.tidy()
    }

    /// `self` with `over` laid over it.
    fn merged(self, over: Metadata) -> Self {
        Self {
            tags: union(self.tags, over.tags),
            properties: union(self.properties, over.properties),
            sensitive: union(self.sensitive, over.sensitive),
        }
    }

    /// Parts that are empty are none.
    fn tidy(self) -> Self {
        Self {
            tags: self.tags.filter(|tags| !tags.is_empty()),
            properties: self.properties.filter(|properties| !properties.is_empty()),
            sensitive: self.sensitive.filter(|names| !names.is_empty()),
        }
    }
}

/// Both collections in one, `over` winning.
fn union<T, C: Extend<T> + IntoIterator<Item = T>>(under: Option<C>, over: Option<C>) -> Option<C> {
    match (under, over) {
        (Some(mut under), Some(over)) => {
            under.extend(over);
            Some(under)
        }
        (one, None) | (None, one) => one,
    }
}

/// Metadata with nothing in it is none.
pub fn tidy_metadata(metadata: Option<Metadata>) -> Option<Metadata> {
    metadata
        .map(Metadata::tidy)
        .filter(|m| *m != Metadata::default())
}

/// Metadata of a version: defaults under it, overrides over it.
pub fn lay_metadata(
    default: Option<&Metadata>,
    own: Option<&Metadata>,
    over: Option<&Metadata>,
) -> Option<Metadata> {
    let layers = [default, own, over].into_iter().flatten().cloned();
    layers.reduce(Metadata::merged)
}

/// What a rule does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RuleKind {
    /// Changes the message.
    #[default]
    Transform,
    /// Accepts or refuses it.
    Condition,
}

/// When a rule runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RuleMode {
    /// From an older version to a newer.
    Upgrade,
    /// From a newer version to an older.
    Downgrade,
    /// Both.
    Updown,
    /// When writing.
    Write,
    /// When reading.
    Read,
    /// Both.
    #[default]
    Writeread,
}

impl RuleMode {
    fn migrates(self) -> bool {
        matches!(
            self,
            RuleMode::Upgrade | RuleMode::Downgrade | RuleMode::Updown
        )
    }
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// Its name, unique in its list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doc: Option<String>,
    /// What it does.
    #[serde(default, deserialize_with = "or_default")]
    pub kind: RuleKind,
    /// When it runs.
    #[serde(default, deserialize_with = "or_default")]
    pub mode: RuleMode,
    /// `CEL`, `JSONATA`, `ENCRYPT`, …
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub ty: Option<String>,
    /// Tags of the fields that it applies to.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "BTreeSet::is_empty"
    )]
    pub tags: BTreeSet<String>,
    /// Parameters of its type.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub params: BTreeMap<String, String>,
    /// The expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expr: Option<String>,
    /// What follows when it holds; for modes of two directions, two actions may be given: `none,error`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_success: Option<String>,
    /// What follows when it does not hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<String>,
    /// Whether it is left out.
    #[serde(default)]
    pub disabled: bool,
}

fn or_default<'de, D: serde::Deserializer<'de>, T: Deserialize<'de> + Default>(
    from: D,
) -> Result<T, D::Error> {
    Option::deserialize(from).map(Option::unwrap_or_default)
}

impl Rule {
    fn check(&self) -> Result<(), String> {
        let name = self.name.as_deref().ok_or("Missing rule name")?;
        let mut letters = name.chars();
        match letters.next() {
            None => return Err("Empty rule name".to_owned()),
            Some(first) if first.is_alphabetic() || first == '_' => {}
            Some(_) => return Err(format!("Illegal initial character in rule name: {name}")),
        }
        if !letters.all(|c| c.is_alphanumeric() || c == '_' || c == '-') {
            return Err(format!("Illegal character in rule name: {name}"));
        }
        if self.ty.is_none() {
            return Err("Missing rule type".to_owned());
        }
        self.check_actions()
    }

    /// A pair of actions makes sense only where there are two directions.
    fn check_actions(&self) -> Result<(), String> {
        let both = matches!(self.mode, RuleMode::Writeread | RuleMode::Updown);
        for (member, action) in [
            ("onSuccess", &self.on_success),
            ("onFailure", &self.on_failure),
        ] {
            let parts = action.as_deref().map_or(0, |text| text.split(',').count());
            if parts > 2 || (parts == 2 && !both) {
                return Err(format!(
                    "Rule action '{member}' can only have two actions for mode UPDOWN or WRITEREAD"
                ));
            }
        }
        Ok(())
    }
}

/// The rules of a schema version.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleSet {
    /// Between versions.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub migration_rules: Vec<Rule>,
    /// On reading and writing.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub domain_rules: Vec<Rule>,
    /// On reading and writing, after the domain's: encryption.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub encoding_rules: Vec<Rule>,
    /// Where they run: `ALL`, `CLIENT`, `GATEWAY`, `SERVER`, `NONE`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_at: Option<String>,
}

impl RuleSet {
    /// What the reference refuses, in its words.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), String> {
        check_list(&self.migration_rules, |mode| {
            mode.migrates()
                .then_some(())
                .ok_or("Migration rules can only be UPGRADE, DOWNGRADE, UPDOWN")
        })?;
        let other = |words| move |mode: RuleMode| (!mode.migrates()).then_some(()).ok_or(words);
        check_list(
            &self.domain_rules,
            other("Domain rules can only be WRITE, READ, WRITEREAD"),
        )?;
        check_list(
            &self.encoding_rules,
            other("Encoding rules can only be WRITE, READ, WRITEREAD"),
        )
    }

    /// `self` with `over` laid over it: a rule of the same name replaces the one below.
    pub fn merged(self, over: RuleSet) -> Self {
        Self {
            migration_rules: merged(self.migration_rules, over.migration_rules),
            domain_rules: merged(self.domain_rules, over.domain_rules),
            encoding_rules: merged(self.encoding_rules, over.encoding_rules),
            enable_at: over.enable_at.or(self.enable_at),
        }
    }

    /// The same without the rules of these names.
    pub fn without(mut self, names: &[String]) -> Self {
        let gone = |rule: &Rule| rule.name.as_ref().is_some_and(|name| names.contains(name));
        for list in [
            &mut self.migration_rules,
            &mut self.domain_rules,
            &mut self.encoding_rules,
        ] {
            list.retain(|rule| !gone(rule));
        }
        self
    }
}

fn check_list(
    rules: &[Rule],
    mode: impl Fn(RuleMode) -> Result<(), &'static str>,
) -> Result<(), String> {
    let mut names = BTreeSet::new();
    for rule in rules {
        let name = rule.name.as_deref().unwrap_or_default();
        if !names.insert(name) {
            return Err(format!("Found rule with duplicate name '{name}'"));
        }
        rule.check()?;
        mode(rule.mode)?;
    }
    Ok(())
}

fn merged(under: Vec<Rule>, over: Vec<Rule>) -> Vec<Rule> {
    let replaced = |rule: &Rule| over.iter().any(|other| other.name == rule.name);
    let mut all: Vec<Rule> = under.into_iter().filter(|rule| !replaced(rule)).collect();
    all.extend(over);
    all
}

/// Rules of a version: defaults under them, overrides over them.
pub fn lay_rules(
    default: Option<&RuleSet>,
    own: Option<&RuleSet>,
    over: Option<&RuleSet>,
) -> Option<RuleSet> {
    let layers = [default, own, over].into_iter().flatten().cloned();
    layers.reduce(RuleSet::merged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rules(value: serde_json::Value) -> RuleSet {
        serde_json::from_value(value).expect("a rule set")
    }

    fn metadata(value: serde_json::Value) -> Metadata {
        serde_json::from_value(value).expect("metadata")
    }

    #[test]
    fn overrides_win_and_defaults_fill_up() {
        let laid = lay_metadata(
            Some(&metadata(
                json!({"properties": {"a": "default", "b": "default"}}),
            )),
            Some(&metadata(
                json!({"properties": {"b": "own", "c": "own"}, "sensitive": ["c"]}),
            )),
            Some(&metadata(json!({"properties": {"c": "over"}}))),
        );
        assert_eq!(
            laid,
            Some(metadata(
                json!({"properties": {"a": "default", "b": "own", "c": "over"}, "sensitive": ["c"]})
            ))
        );
        let rule = |name: &str, expr: &str| json!({"name": name, "type": "CEL", "expr": expr});
        let laid = lay_rules(
            Some(&rules(
                json!({"domainRules": [rule("a", "1"), rule("b", "1")]}),
            )),
            Some(&rules(json!({"domainRules": [rule("b", "2")]}))),
            None,
        );
        assert_eq!(
            laid,
            Some(rules(
                json!({"domainRules": [rule("a", "1"), rule("b", "2")]})
            ))
        );
        assert_eq!(lay_rules(None, None, None), None);
    }

    #[test]
    fn kinds_and_modes_have_defaults_and_are_always_written() {
        let set = rules(json!({"domainRules": [{"name": "r", "type": "CEL", "tags": null}]}));
        assert_eq!(
            serde_json::to_string(&set).expect("text"),
            r#"{"domainRules":[{"name":"r","kind":"TRANSFORM","mode":"WRITEREAD","type":"CEL","disabled":false}]}"#
        );
    }

    #[test]
    fn what_is_no_rule_is_refused_in_the_references_words() {
        for (set, words) in [
            (
                json!({"domainRules": [{"type": "CEL"}]}),
                "Missing rule name",
            ),
            (
                json!({"domainRules": [{"name": "", "type": "CEL"}]}),
                "Empty rule name",
            ),
            (
                json!({"domainRules": [{"name": "1a", "type": "CEL"}]}),
                "Illegal initial character",
            ),
            (
                json!({"domainRules": [{"name": "a b", "type": "CEL"}]}),
                "Illegal character",
            ),
            (json!({"domainRules": [{"name": "a"}]}), "Missing rule type"),
            (
                json!({"domainRules": [{"name": "a", "type": "CEL", "mode": "UPGRADE"}]}),
                "Domain rules can only be",
            ),
            (
                json!({"migrationRules": [{"name": "a", "type": "CEL", "mode": "READ"}]}),
                "Migration rules can only be",
            ),
            (
                json!({"domainRules": [{"name": "a", "type": "CEL"}, {"name": "a", "type": "CEL"}]}),
                "duplicate name 'a'",
            ),
            (
                json!({"domainRules": [{"name": "a", "type": "CEL", "mode": "READ", "onFailure": "a,b"}]}),
                "two actions",
            ),
        ] {
            let refused = rules(set).check().expect_err("refused");
            assert!(refused.contains(words), "{refused}");
        }
        let pair =
            json!({"domainRules": [{"name": "a-b_1", "type": "CEL", "onFailure": "ERROR,NONE"}]});
        assert_eq!(rules(pair).check(), Ok(()));
    }

    #[test]
    fn removal_by_name_reaches_every_list() {
        let rule = |name: &str, mode: &str| json!({"name": name, "type": "CEL", "mode": mode});
        let set = rules(json!({
            "migrationRules": [rule("a", "UPGRADE")], "domainRules": [rule("b", "READ")],
            "encodingRules": [rule("a", "WRITE")],
        }));
        assert_eq!(
            set.without(&["a".to_owned()]),
            rules(json!({"domainRules": [rule("b", "READ")]}))
        );
    }
}
