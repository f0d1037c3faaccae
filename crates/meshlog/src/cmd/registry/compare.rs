//! Whether two registries hold the same: ids, versions, GUIDs, references, texts, deletions, settings, modes.

use std::collections::BTreeSet;

use contract::canonical::canonical;
use contract::source::{SchemaType, Source};
use registry::settings::DEFAULT_LEVEL;
use serde_json::{Map, Value, json};

use super::dump::{Dump, Schema, Scope, WHOLE, tidy};

/// What one side has and the other has not, or has otherwise.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Difference {
    /// `schema`, `config` or `mode`.
    pub(super) kind: &'static str,
    /// Whose; empty for the whole registry.
    pub(super) subject: Scope,
    /// Which version, for a schema.
    pub(super) version: Option<u32>,
    /// Which member differs; `presence` when only one side has it at all.
    pub(super) member: String,
    /// In the source.
    pub(super) source: Value,
    /// In the registry that is held against it.
    pub(super) registry: Value,
}

impl Difference {
    /// As shown.
    pub(super) fn to_json(&self) -> Value {
        let subject = if self.subject == WHOLE {
            "(registry)"
        } else {
            &self.subject
        };
        json!({
            "kind": self.kind,
            "subject": subject,
            "version": self.version,
            "member": self.member,
            "source": self.source,
            "registry": self.registry,
        })
    }

    /// As shown in a table, where a cell holds the beginning of a text only: the texts from where they part.
    pub(super) fn to_row(&self) -> Value {
        let mut row = self.to_json();
        let texts = [&self.source, &self.registry].map(text);
        let [one, other] = texts.each_ref().map(|text| text.chars());
        let same = one
            .zip(other)
            .take_while(|(one, other)| one == other)
            .count();
        for (member, text) in ["source", "registry"].into_iter().zip(texts) {
            if same > BEFORE {
                let rest: String = text.chars().skip(same - BEFORE).collect();
                row[member] = format!("…{rest}").into();
            }
        }
        row
    }
}

/// Characters shown before the first that differs.
const BEFORE: usize = 20;

/// A value as a table shows it.
fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// What the registry holds beyond the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Others {
    /// It counts as a difference.
    Count,
    /// It is nobody's business: the registry serves others too.
    Overlook,
}

/// What differs, in order.
pub(super) fn compare(source: &Dump, registry: &Dump, others: Others) -> Vec<Difference> {
    let mut found = Vec::new();
    schemas(source, registry, others, &mut found);
    let concerned = source.concerns(&source.configs, registry);
    let configs = source.configs.keys().chain(registry.configs.keys());
    let counts = |scope: &&Scope| others == Others::Count || concerned.contains(*scope);
    for scope in configs.filter(counts).collect::<BTreeSet<_>>() {
        config(scope, source, registry, &mut found);
    }
    let concerned = source.concerns(&source.modes, registry);
    let modes = source.modes.keys().chain(registry.modes.keys());
    let counts = |scope: &&Scope| others == Others::Count || concerned.contains(*scope);
    for scope in modes.filter(counts).collect::<BTreeSet<_>>() {
        let mode = |dump: &Dump| dump.modes.get(scope).cloned();
        let (was, is) = (mode(source), mode(registry));
        if is_other_mode(scope, was.as_deref(), is.as_deref()) {
            found.push(Difference {
                kind: "mode",
                subject: scope.clone(),
                version: None,
                member: "mode".to_owned(),
                source: json!(was),
                registry: json!(is),
            });
        }
    }
    found
}

fn schemas(source: &Dump, registry: &Dump, others: Others, found: &mut Vec<Difference>) {
    let subjects = source.subjects();
    let counts = |subject: &str| others == Others::Count || subjects.contains(subject);
    let keys = source.schemas.keys().chain(registry.schemas.keys());
    for key in keys.filter(|key| counts(&key.0)).collect::<BTreeSet<_>>() {
        let differing = match (source.schemas.get(key), registry.schemas.get(key)) {
            (Some(was), Some(is)) => members(was, is),
            (was, is) => vec![("presence", json!(was.is_some()), json!(is.is_some()))],
        };
        for (member, was, is) in differing {
            found.push(Difference {
                kind: "schema",
                subject: key.0.clone(),
                version: Some(key.1),
                member: member.to_owned(),
                source: was,
                registry: is,
            });
        }
    }
}

/// A member that differs: its name, and its values.
type Member = (&'static str, Value, Value);

fn members(was: &Schema, is: &Schema) -> Vec<Member> {
    let mut found = content(was, is);
    if was.deleted != is.deleted {
        found.push(("deleted", json!(was.deleted), json!(is.deleted)));
    }
    found
}

/// What differs in what two versions are, whether deleted or not.
pub(super) fn content(was: &Schema, is: &Schema) -> Vec<Member> {
    let mut found = Vec::new();
    if was.id != is.id {
        found.push(("id", json!(was.id), json!(is.id)));
    }
    if let (Some(one), Some(other)) = (&was.guid, &is.guid)
        && one != other
    {
        found.push(("guid", json!(one), json!(other)));
    }
    if was.schema_type != is.schema_type {
        found.push(("schemaType", json!(was.schema_type), json!(is.schema_type)));
    }
    if was.references != is.references {
        found.push(("references", json!(was.references), json!(is.references)));
    }
    let tidied = |value: &Option<Value>| value.as_ref().and_then(tidy);
    for (name, one, other) in [
        ("metadata", &was.metadata, &is.metadata),
        ("ruleSet", &was.rule_set, &is.rule_set),
    ] {
        if tidied(one) != tidied(other) {
            found.push((name, json!(one), json!(other)));
        }
    }
    if !is_same_text(was, is) {
        found.push(("schema", json!(was.schema), json!(is.schema)));
    }
    found
}

/// Whether two texts are one but for their form, in which registries differ.
fn is_same_text(was: &Schema, is: &Schema) -> bool {
    if was.schema == is.schema {
        return true;
    }
    let json = |schema: &Schema| serde_json::from_str::<Value>(&schema.schema).ok();
    let plain = |schema: &Schema| {
        let types = [SchemaType::Avro, SchemaType::Json, SchemaType::Protobuf];
        let named = |ty: &SchemaType| ty.as_str() == schema.schema_type;
        canonical(&Source {
            ty: types.into_iter().find(named)?,
            text: &schema.schema,
            imports: &[],
        })
        .ok()
    };
    json(was).is_some_and(|value| Some(value) == json(is))
        || plain(was).is_some_and(|text| Some(text) == plain(is))
}

/// The mode where none is set.
pub(super) const READWRITE: &str = "READWRITE";

/// Whether a scope has another mode than it is to have.
pub(super) fn is_other_mode(scope: &str, was: Option<&str>, is: Option<&str>) -> bool {
    was != is && !(is_plain(scope, was) && is_plain(scope, is))
}

/// The whole registry always has a mode, whether one is set or not.
pub(super) fn is_plain(scope: &str, mode: Option<&str>) -> bool {
    scope == WHOLE && mode.unwrap_or(READWRITE) == READWRITE
}

/// Settings of a source that does not tell any: the whole registry has a level in every answer.
fn unset(scope: &str) -> Map<String, Value> {
    let level = || {
        (
            "compatibilityLevel".to_owned(),
            DEFAULT_LEVEL.to_string().into(),
        )
    };
    (scope == WHOLE).then(level).into_iter().collect()
}

fn config(scope: &Scope, source: &Dump, registry: &Dump, found: &mut Vec<Difference>) {
    let mut differs = |member: &str, source: Value, registry: Value| {
        found.push(Difference {
            kind: "config",
            subject: scope.clone(),
            version: None,
            member: member.to_owned(),
            source,
            registry,
        });
    };
    let (was, is) = (source.settings(scope), registry.settings(scope));
    // settings without a member hide those around them all the same
    if let (Some(only), None) | (None, Some(only)) = (&was, &is)
        && scope != WHOLE
        && only.is_empty()
    {
        differs("presence", json!(was.is_some()), json!(is.is_some()));
    }
    let (was, is) = (was.unwrap_or_else(|| unset(scope)), is.unwrap_or_default());
    let names: BTreeSet<&String> = was.keys().chain(is.keys()).collect();
    for name in names {
        if was.get(name) != is.get(name) {
            differs(name, json!(was.get(name)), json!(is.get(name)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::dump::samples::{deleted, dump, referring, schema};
    use super::*;

    fn told(source: &Dump, registry: &Dump, others: Others) -> Vec<String> {
        compare(source, registry, others)
            .iter()
            .map(|one| format!("{} {}", one.subject, one.member))
            .collect()
    }

    #[test]
    fn every_member_counts() {
        let base = || Schema {
            guid: Some("a".into()),
            ..schema("s", 1, 1)
        };
        let text = |text: &str| Schema {
            schema: text.into(),
            ..base()
        };
        let cases: [(&str, Schema); 7] = [
            ("id", Schema { id: 2, ..base() }),
            (
                "guid",
                Schema {
                    guid: Some("b".into()),
                    ..base()
                },
            ),
            (
                "schemaType",
                Schema {
                    schema_type: "JSON".into(),
                    ..base()
                },
            ),
            ("references", referring(base(), "t", 1)),
            (
                "metadata",
                Schema {
                    metadata: Some(json!({"tags": {"a": ["b"]}})),
                    ..base()
                },
            ),
            ("schema", text("\"string\"")),
            ("deleted", deleted(base())),
        ];
        for (member, other) in cases {
            let found = told(&dump(vec![base()]), &dump(vec![other]), Others::Count);
            assert_eq!(found, [format!("s {member}")]);
        }
    }

    #[test]
    fn form_alone_is_no_difference() {
        let one = schema("s", 1, 1);
        let spaced = Schema {
            guid: Some("only here".into()),
            metadata: Some(json!({"properties": {}})),
            schema: "{ \"name\":\"n1\",\n \"type\":\"fixed\", \"size\":1}".into(),
            ..one.clone()
        };
        assert!(told(&dump(vec![one]), &dump(vec![spaced]), Others::Count).is_empty());
        let avro = |text: &str| Schema {
            schema: text.into(),
            ..schema("s", 1, 1)
        };
        let (one, other) = (avro(r#"{"type":"string"}"#), avro("\"string\""));
        assert!(told(&dump(vec![one]), &dump(vec![other]), Others::Count).is_empty());
        let proto = |text: &str| Schema {
            schema_type: "PROTOBUF".into(),
            schema: text.into(),
            ..schema("s", 1, 1)
        };
        let (one, other) = (
            proto("syntax = \"proto3\";\nmessage A { string a = 1; }"),
            proto("syntax = \"proto3\";\n\nmessage A {\n  string a = 1;\n}\n"),
        );
        assert!(told(&dump(vec![one]), &dump(vec![other]), Others::Count).is_empty());
    }

    #[test]
    fn what_is_on_one_side_only_is_told() {
        let source = dump(vec![schema("s", 1, 1), schema("s", 2, 2)]);
        let registry = dump(vec![
            schema("s", 1, 1),
            schema("s", 3, 4),
            schema("t", 1, 3),
        ]);
        let count = told(&source, &registry, Others::Count);
        assert_eq!(count, ["s presence", "s presence", "t presence"]);
        let overlook = told(&source, &registry, Others::Overlook);
        assert_eq!(overlook, ["s presence", "s presence"]);
    }

    #[test]
    fn a_mode_of_the_source_does_not_make_its_settings_count() {
        let mut source = dump(vec![]);
        source.modes.insert(String::new(), "READWRITE".into());
        let mut registry = source.clone();
        registry.configs.insert(
            String::new(),
            Map::from_iter([
                ("compatibilityLevel".into(), json!("BACKWARD")),
                ("normalize".into(), json!(true)),
            ]),
        );
        assert!(told(&source, &registry, Others::Overlook).is_empty());
        assert_eq!(told(&source, &registry, Others::Count).len(), 1);
    }

    #[test]
    fn what_every_registry_has_is_no_difference_to_a_source_that_does_not_tell_it() {
        let source = dump(vec![schema("s", 1, 1)]);
        let mut registry = source.clone();
        let level = |level: &str| Map::from_iter([("compatibilityLevel".into(), json!(level))]);
        registry.configs.insert(WHOLE.into(), level("BACKWARD"));
        registry.modes.insert(WHOLE.into(), READWRITE.into());
        assert!(told(&source, &registry, Others::Count).is_empty());
        registry.configs.insert(WHOLE.into(), level("FULL"));
        registry.modes.insert(WHOLE.into(), "IMPORT".into());
        assert_eq!(
            told(&source, &registry, Others::Count),
            [" compatibilityLevel", " mode"]
        );
    }

    #[test]
    fn settings_and_modes_count() {
        let config = |value: Value| value.as_object().expect("an object").clone();
        let mut source = dump(vec![schema("s", 1, 1)]);
        let mut registry = source.clone();
        source.configs.insert(
            "s".into(),
            config(json!({"compatibilityLevel": "FULL", "alias": ""})),
        );
        source.modes.insert(String::new(), "READONLY".into());
        registry.configs.insert(
            "s".into(),
            config(json!({"compatibilityLevel": "NONE", "alias": ""})),
        );
        registry
            .configs
            .insert("other".into(), config(json!({"normalize": true})));
        registry.modes.insert("s".into(), "IMPORT".into());
        assert_eq!(
            told(&source, &registry, Others::Overlook),
            ["s compatibilityLevel", " mode", "s mode"]
        );
        assert_eq!(told(&source, &registry, Others::Count).len(), 4);
        let shown = compare(&source, &registry, Others::Overlook)[1].to_json();
        assert_eq!(shown["subject"], "(registry)");
    }

    #[test]
    fn settings_without_a_member_count_too() {
        let mut source = dump(vec![schema("s", 1, 1)]);
        let registry = source.clone();
        source.configs.insert("s".into(), Map::new());
        source.configs.insert(WHOLE.into(), Map::new());
        assert_eq!(told(&source, &registry, Others::Overlook), ["s presence"]);
        assert_eq!(told(&registry, &source, Others::Overlook), ["s presence"]);
    }

    #[test]
    fn a_context_without_others_counts_with_its_settings_and_modes() {
        let source = dump(vec![schema(":.eu:s", 1, 1)]);
        let mut registry = source.clone();
        registry.modes.insert(":.eu:".into(), "IMPORT".into());
        assert_eq!(told(&source, &registry, Others::Overlook), [":.eu: mode"]);
        let other = schema(":.eu:other", 1, 2);
        registry.schemas.insert(other.key(), other);
        assert!(told(&source, &registry, Others::Overlook).is_empty());
    }

    #[test]
    fn a_row_shows_texts_from_where_they_part() {
        let long = "x".repeat(100);
        let difference = |source: Value, registry: Value| Difference {
            kind: "schema",
            subject: "s".into(),
            version: Some(1),
            member: "schema".into(),
            source,
            registry,
        };
        let row = difference(json!(format!("{long}a")), json!(format!("{long}b"))).to_row();
        assert_eq!(row["source"], format!("…{}a", "x".repeat(BEFORE)));
        assert_eq!(row["registry"], format!("…{}b", "x".repeat(BEFORE)));
        let row = difference(json!(true), json!(false)).to_row();
        assert_eq!(
            (&row["source"], &row["registry"]),
            (&json!(true), &json!(false))
        );
    }
}
