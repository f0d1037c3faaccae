//! What a registry holds, as any of them tells it over its API: versions of subjects, settings, modes.
//!
//! Not how it is read ([`super::export`]), kept ([`super::file`]) or restored ([`super::plan`], [`super::import`]).

use std::collections::{BTreeMap, BTreeSet};

use registry::name;
use registry::ownership::OWNER_PROPERTY;
use registry::record::Reference;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Name of a subject, or of what settings are kept under: a context (`:.eu:`), or the whole registry (empty).
pub(super) type Scope = String;

/// The scope of the whole registry.
pub(super) const WHOLE: &str = "";

/// A version's place: its subject's full name, and its number.
pub(super) type Key = (String, u32);

/// One version of a subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Schema {
    /// Full name: `:.context:subject` outside the default context.
    pub(super) subject: String,
    /// Number, from 1.
    pub(super) version: u32,
    /// Id in the subject's context.
    pub(super) id: u32,
    /// Missing where the registry has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) guid: Option<String>,
    /// `AVRO`, `JSON`, `PROTOBUF`.
    pub(super) schema_type: String,
    /// Versions of other subjects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) references: Vec<Reference>,
    /// As the registry gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) metadata: Option<Value>,
    /// As the registry gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) rule_set: Option<Value>,
    /// The text.
    pub(super) schema: String,
    /// Whether it is softly deleted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) deleted: bool,
}

impl Schema {
    /// Where it stands.
    pub(super) fn key(&self) -> Key {
        (self.subject.clone(), self.version)
    }

    /// Where the versions stand that it refers to; a reference to the latest names none.
    pub(super) fn targets(&self) -> impl Iterator<Item = Key> {
        self.references.iter().filter_map(|reference| {
            let number = u32::try_from(reference.version).ok()?;
            Some((name::beside(&self.subject, &reference.subject), number))
        })
    }

    /// Subjects to whose latest versions it refers.
    pub(super) fn follows(&self) -> impl Iterator<Item = String> {
        let latest = |reference: &&Reference| u32::try_from(reference.version).is_err();
        let references = self.references.iter().filter(latest);
        references.map(|reference| name::beside(&self.subject, &reference.subject))
    }
}

/// A registry's content.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Dump {
    /// The address it was read from.
    pub(super) source: String,
    /// Its contexts, the default one (`.`) first.
    pub(super) contexts: Vec<String>,
    /// Versions of subjects.
    pub(super) schemas: BTreeMap<Key, Schema>,
    /// Settings where they are set.
    pub(super) configs: BTreeMap<Scope, Map<String, Value>>,
    /// Modes where they are set.
    pub(super) modes: BTreeMap<Scope, String>,
}

impl Dump {
    /// Full names of its subjects.
    pub(super) fn subjects(&self) -> BTreeSet<&str> {
        let subjects = self.schemas.keys().map(|(subject, _)| subject.as_str());
        subjects.collect()
    }

    /// Contexts, as scopes, of which a registry holds nothing but its subjects.
    pub(super) fn own_contexts(&self, registry: &Dump) -> BTreeSet<Scope> {
        let context = |subject: &&str| name::prefix(name::context_of(subject));
        let (subjects, there) = (self.subjects(), registry.subjects());
        let shared: BTreeSet<Scope> = there.difference(&subjects).map(context).collect();
        let mut own: BTreeSet<Scope> = subjects.iter().map(context).collect();
        own.retain(|context| !shared.contains(context));
        own
    }

    /// Whose settings, or modes, it is about in a registry: its subjects', its own contexts', and where it has any. The
    /// whole registry always has them, set or not: what does not tell them is not about them.
    pub(super) fn concerns<T>(&self, set: &BTreeMap<Scope, T>, registry: &Dump) -> BTreeSet<Scope> {
        let mut scopes = self.own_contexts(registry);
        scopes.remove(WHOLE);
        scopes.extend(self.subjects().into_iter().map(str::to_owned));
        scopes.extend(set.keys().cloned());
        scopes
    }

    /// Settings of a scope as they can be set: without the mark of a port, which governance puts there itself.
    pub(super) fn settings(&self, scope: &str) -> Option<Map<String, Value>> {
        let mut settings = self.configs.get(scope)?.clone();
        let over = settings.get_mut("overrideMetadata");
        let properties = over.and_then(|over| over.get_mut("properties"));
        let mark = match properties {
            Some(Value::Object(properties)) => properties.shift_remove(OWNER_PROPERTY),
            Some(_) | None => None,
        };
        let settings: Map<String, Value> = settings.iter().filter_map(kept).collect();
        (mark.is_none() || !settings.is_empty()).then_some(settings)
    }

    /// The name that a name stands for.
    pub(super) fn alias(&self, subject: &str) -> Option<&str> {
        let alias = self.configs.get(subject)?.get("alias")?.as_str()?;
        (!alias.is_empty()).then_some(alias)
    }

    /// The port that a subject belongs to.
    pub(super) fn owner(&self, subject: &str) -> Option<&str> {
        let over = self.configs.get(subject)?.get("overrideMetadata")?;
        over.get("properties")?.get(OWNER_PROPERTY)?.as_str()
    }

    /// Versions of a subject, the oldest first.
    pub(super) fn versions(&self, subject: &str) -> impl Iterator<Item = (&Key, &Schema)> {
        let range = (subject.to_owned(), 0)..=(subject.to_owned(), u32::MAX);
        self.schemas.range(range)
    }

    /// How many versions are softly deleted.
    pub(super) fn deleted(&self) -> usize {
        let schemas = self.schemas.values();
        schemas.filter(|schema| schema.deleted).count()
    }
}

fn kept((name, value): (&String, &Value)) -> Option<(String, Value)> {
    tidy(value).map(|value| (name.clone(), value))
}

/// A value without what says nothing: nulls, empty lists and objects, rules that are not disabled. Registries differ in
/// whether they tell those.
pub(super) fn tidy(value: &Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Array(items) if items.is_empty() => None,
        Value::Array(items) => Some(items.iter().filter_map(tidy).collect()),
        Value::Object(members) => {
            let said = |(name, value): &(&String, &Value)| {
                !(name.as_str() == "disabled" && **value == Value::Bool(false))
            };
            let members: Map<String, Value> =
                members.iter().filter(said).filter_map(kept).collect();
            (!members.is_empty()).then_some(Value::Object(members))
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) => Some(value.clone()),
    }
}

#[cfg(test)]
pub(super) mod samples {
    use super::*;

    /// A version without anything special.
    pub(in super::super) fn schema(subject: &str, version: u32, id: u32) -> Schema {
        Schema {
            subject: subject.into(),
            version,
            id,
            guid: None,
            schema_type: "AVRO".into(),
            references: vec![],
            metadata: None,
            rule_set: None,
            schema: format!("{{\"type\":\"fixed\",\"name\":\"n{id}\",\"size\":1}}"),
            deleted: false,
        }
    }

    /// The same, with a reference.
    pub(in super::super) fn referring(schema: Schema, subject: &str, version: i32) -> Schema {
        let reference = Reference {
            name: subject.into(),
            subject: subject.into(),
            version,
        };
        Schema {
            references: vec![reference],
            ..schema
        }
    }

    /// The same, softly deleted.
    pub(in super::super) fn deleted(schema: Schema) -> Schema {
        Schema {
            deleted: true,
            ..schema
        }
    }

    /// A registry with these versions.
    pub(in super::super) fn dump(schemas: Vec<Schema>) -> Dump {
        Dump {
            source: "http://127.0.0.1:8081".into(),
            contexts: vec![".".into()],
            schemas: schemas.into_iter().map(|one| (one.key(), one)).collect(),
            ..Dump::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_mark_of_a_port_is_no_setting_to_be_restored() {
        let config = json!({
            "compatibilityLevel": "FULL",
            "overrideMetadata": {"properties": {"meshlog.port": "a.b.c.v1"}},
            "alias": null,
        });
        let config = config.as_object().expect("an object").clone();
        let dump = Dump {
            configs: [("s".to_owned(), config)].into(),
            ..Dump::default()
        };
        assert_eq!(
            dump.settings("s").map(Value::Object),
            Some(json!({"compatibilityLevel": "FULL"}))
        );
        assert_eq!(dump.owner("s"), Some("a.b.c.v1"));
        assert_eq!(dump.settings("t"), None);
        let mark = json!({"overrideMetadata": {"properties": {"meshlog.port": "a.b.c.v1"}}});
        let mark = mark.as_object().expect("an object").clone();
        let empty = Map::new();
        let dump = Dump {
            configs: [("s".to_owned(), mark), ("t".to_owned(), empty.clone())].into(),
            ..Dump::default()
        };
        assert_eq!(dump.settings("s"), None, "it is nothing but the mark");
        assert_eq!(dump.settings("t"), Some(empty));
    }

    #[test]
    fn references_are_to_a_number_or_follow_the_latest() {
        use samples::{dump, referring, schema};
        let to_number = referring(schema(":.eu:a", 1, 1), "b", 3);
        let targets: Vec<_> = to_number.targets().collect();
        assert_eq!(targets, [(":.eu:b".to_owned(), 3)]);
        assert_eq!(to_number.follows().next(), None);
        let to_latest = referring(schema(":.eu:a", 1, 1), ":.us:b", -1);
        assert_eq!(to_latest.targets().next(), None);
        assert_eq!(to_latest.follows().collect::<Vec<_>>(), [":.us:b"]);
        let dump = dump(vec![
            schema("a", 1, 1),
            schema("a", 3, 2),
            schema("ab", 1, 3),
        ]);
        let numbers: Vec<_> = dump.versions("a").map(|(key, _)| key.1).collect();
        assert_eq!(numbers, [1, 3]);
    }

    #[test]
    fn what_says_nothing_is_left_out() {
        let rules = json!({"domainRules": [{"name": "r", "disabled": false, "tags": []}], "x": {"y": null}});
        assert_eq!(tidy(&rules), Some(json!({"domainRules": [{"name": "r"}]})));
        assert_eq!(tidy(&json!({"a": {}})), None);
        assert_eq!(tidy(&json!(false)), Some(json!(false)));
    }
}
