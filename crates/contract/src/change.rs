//! What a new contract version changes, and who breaks.
//!
//! Within a major version a port promises FULL_TRANSITIVE compatibility (JSON under the LENIENT policy): old data
//! meets the new contract, readers of the old contract read new events, and readers who replay read old ones.

use crate::canonical;
use crate::compat::{self, Policy, Verdict};
use crate::settings::Settings;
use crate::source::{Imported, SchemaType, Source};
use crate::spec::{Encoding, Spec};
use crate::version::Bump;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Who is hurt by a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Who {
    /// Events already in the topic do not meet the new contract.
    OldData,
    /// Readers built for the old contract cannot read new events.
    OldReaders,
    /// Readers built for the new contract cannot read old events when they replay.
    ReplayingReaders,
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Who::OldData => "old data",
            Who::OldReaders => "old readers",
            Who::ReplayingReaders => "readers who replay",
        })
    }
}

/// One difference that breaks somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Break {
    /// What kind of difference; schema differences have Confluent's names.
    pub kind: String,
    /// Where in the schema.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// Who is hurt.
    pub who: Vec<Who>,
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who: Vec<String> = self.who.iter().map(Who::to_string).collect();
        let path = if self.path.is_empty() {
            "(contract)"
        } else {
            &self.path
        };
        write!(
            f,
            "{path}: {} ({}); breaks {}",
            self.message,
            self.kind,
            who.join(" and ")
        )
    }
}

impl Break {
    /// Whether it is of what every stored event depends on: how it is written, and in which topics and partitions it is.
    pub fn is_of_the_topics(&self) -> bool {
        let kinds = [
            "ENCODING_CHANGED",
            "MESSAGE_CHANGED",
            "PARTITIONS_CHANGED",
            "INBOX_CHANGED",
        ];
        kinds.contains(&self.kind.as_str())
    }
}

/// The change between two versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeReport {
    /// How far the version must move.
    pub bump: Bump,
    /// Every break; empty unless `bump` is major.
    pub breaks: Vec<Break>,
}

/// Compare two versions of a contract.
///
/// # Errors
/// A schema that does not parse, as text.
pub fn classify(old: &Spec, new: &Spec) -> Result<ChangeReport, String> {
    let mut breaks = settled_for_a_major(old, new);
    breaks.extend(presence_breaks(old, new));
    if old.encoding == new.encoding {
        breaks.extend(schema_breaks(old, new)?);
    }
    let bump = if !breaks.is_empty() {
        Bump::Major
    } else if *old
        == (Spec {
            version: old.version,
            ..new.clone()
        })
    {
        Bump::None
    } else if old.rules != new.rules || structure_differs(old, new) {
        Bump::Minor
    } else {
        Bump::Patch
    };
    Ok(ChangeReport { bump, breaks })
}

/// Documentation alone is a patch: compare the schemas without what no event can show.
fn structure_differs(old: &Spec, new: &Spec) -> bool {
    fn bare(text: &str) -> Option<serde_json::Value> {
        let mut value: serde_json::Value = serde_json::from_str(text).ok()?;
        strip(&mut value);
        Some(value)
    }
    fn strip(value: &mut serde_json::Value) {
        if let Some(array) = value.as_array_mut() {
            array.iter_mut().for_each(strip);
        }
        let Some(object) = value.as_object_mut() else {
            return;
        };
        for name in ["doc", "description", "title"] {
            // A field may be *called* description: then its schema is an object, not a text.
            if object.get(name).is_some_and(serde_json::Value::is_string) {
                object.remove(name);
            }
        }
        object.values_mut().for_each(strip);
    }
    if new.encoding == Encoding::Protobuf {
        // Comments, white space and order are gone from the normalized text.
        return normal(old) != normal(new);
    }
    old.schema != new.schema && bare(&old.schema) != bare(&new.schema)
}

/// A Protobuf schema and what it imports, in their normal forms.
fn normal(spec: &Spec) -> Vec<Option<String>> {
    let imports = Imported::borrow(&spec.imports);
    let normal = |text| {
        canonical::normalized(&Source {
            ty: SchemaType::Protobuf,
            text,
            imports: &imports,
        })
        .ok()
    };
    let imported = spec.imports.iter().map(|import| normal(&import.text));
    [normal(&spec.schema)].into_iter().chain(imported).collect()
}

/// Fields of a Protobuf message that must be there from now on, or need no longer be: what other languages' schemas say
/// themselves.
fn presence_breaks(old: &Spec, new: &Spec) -> Vec<Break> {
    if old.encoding != Encoding::Protobuf || new.encoding != Encoding::Protobuf {
        return Vec::new();
    }
    let breaks = |(one, other): (&Spec, &Spec), kind: &str, how: &str, who: &[Who]| -> Vec<Break> {
        let only = one
            .required
            .iter()
            .filter(|path| !other.required.contains(path));
        only.map(|path| Break {
            kind: kind.to_owned(),
            path: format!("#/{}/{}", one.record, path.replace('.', "/")),
            message: format!("the field `{path}` {how}"),
            who: who.to_vec(),
        })
        .collect()
    };
    let added = "must be there (`required: true`), which events so far need not hold to";
    let removed = "need no longer be there (`required: true` is gone)";
    let mut all = breaks((new, old), "REQUIRED_ADDED", added, &[Who::OldData]);
    all.extend(breaks(
        (old, new),
        "REQUIRED_REMOVED",
        removed,
        &[Who::OldReaders],
    ));
    all
}

/// Whether the keys of two versions have one schema: comments and white space may differ, its id may not.
fn same_key_schema(old: &Spec, new: &Spec) -> bool {
    let text = |spec: &Spec| {
        let schema = spec.key_schema.as_ref()?;
        let imports = Imported::borrow(&schema.imports);
        let source = Source {
            ty: schema_type(schema.encoding),
            text: &schema.text,
            imports: &imports,
        };
        let texts: Vec<String> = schema.imports.iter().map(|one| one.text.clone()).collect();
        Some((schema.encoding, canonical::canonical(&source), texts))
    };
    text(old) == text(new)
}

pub(crate) fn schema_type(encoding: Encoding) -> SchemaType {
    match encoding {
        Encoding::Avro => SchemaType::Avro,
        Encoding::Json => SchemaType::Json,
        Encoding::Protobuf => SchemaType::Protobuf,
    }
}

/// What is fixed with a major version, because the topic or every stored key depends on it.
fn settled_for_a_major(old: &Spec, new: &Spec) -> Vec<Break> {
    let everybody = [Who::OldData, Who::OldReaders, Who::ReplayingReaders];
    let mut breaks = Vec::new();
    let mut settled = |same: bool, kind: &str, path: &str, message: String| {
        if !same {
            let (kind, path) = (kind.to_owned(), path.to_owned());
            breaks.push(Break {
                kind,
                path,
                message,
                who: everybody.to_vec(),
            });
        }
    };
    let message = format!(
        "the encoding changes from {} to {}",
        old.encoding.schema_type(),
        new.encoding.schema_type()
    );
    settled(
        old.encoding == new.encoding,
        "ENCODING_CHANGED",
        "/servers",
        message,
    );
    let message = format!(
        "events are the message {} and no longer {}",
        new.record, old.record
    );
    let messages = old.encoding == Encoding::Protobuf && new.encoding == Encoding::Protobuf;
    settled(
        !messages || old.record == new.record,
        "MESSAGE_CHANGED",
        "/schema/0/name",
        message,
    );
    let message = format!(
        "the key changes from [{}] to [{}], so events of one key move to other partitions",
        old.key.properties.join(", "),
        new.key.properties.join(", ")
    );
    settled(
        old.key == new.key,
        "KEY_CHANGED",
        "/schema/0/properties",
        message,
    );
    let message = "the schema of keys (meshlog.keySchema) changes, and with its id the bytes of every key, so events of one \
                   key move to other partitions";
    settled(
        same_key_schema(old, new),
        "KEY_SCHEMA_CHANGED",
        "/customProperties/meshlog.keySchema",
        message.to_owned(),
    );
    let (before, after) = (&old.settings, &new.settings);
    let message = format!(
        "meshlog.cloudEvents changes from {} to {}, so readers do not find the data where they look for them",
        before.cloud_events.name(),
        after.cloud_events.name()
    );
    settled(
        before.cloud_events == after.cloud_events,
        "CLOUD_EVENTS_CHANGED",
        "/customProperties/meshlog.cloudEvents",
        message,
    );
    let message = format!(
        "meshlog.partitions changes from {} to {}, so events of one key move to other partitions",
        before.partitions, after.partitions
    );
    let same = before.partitions == after.partitions;
    settled(
        same,
        "PARTITIONS_CHANGED",
        "/customProperties/meshlog.partitions",
        message,
    );
    let inbox = |settings: &Settings| {
        let named = settings.inbox.as_ref();
        named.map_or_else(|| "the port's own".to_owned(), |name| format!("`{name}`"))
    };
    let message = format!(
        "meshlog.inbox changes from {} to {}, so what was judged can no longer be told from what was not",
        inbox(before),
        inbox(after)
    );
    settled(
        before.inbox == after.inbox,
        "INBOX_CHANGED",
        "/customProperties/meshlog.inbox",
        message,
    );
    let message = "meshlog.tombstones changes".to_owned();
    let same = before.tombstones == after.tombstones;
    settled(
        same,
        "TOMBSTONES_CHANGED",
        "/customProperties/meshlog.tombstones",
        message,
    );
    breaks
}

fn schema_breaks(old: &Spec, new: &Spec) -> Result<Vec<Break>, String> {
    let ty = schema_type(new.encoding);
    let (old_imports, new_imports) = (
        Imported::borrow(&old.imports),
        Imported::borrow(&new.imports),
    );
    let old_source = Source {
        ty,
        text: &old.schema,
        imports: &old_imports,
    };
    let new_source = Source {
        ty,
        text: &new.schema,
        imports: &new_imports,
    };
    let compare = |reader: &Source<'_>, writer: &Source<'_>| {
        let found = compat::compare(reader, writer, Policy::Lenient);
        found.map_err(|error| error.to_string())
    };
    let (old_name, new_name) = names(old, new);
    let mut breaks: Vec<Break> = Vec::new();
    let directions = [
        (
            compare(&new_source, &old_source)?,
            [&new_name, &old_name],
            vec![Who::OldData, Who::ReplayingReaders],
        ),
        (
            compare(&old_source, &new_source)?,
            [&old_name, &new_name],
            vec![Who::OldReaders],
        ),
    ];
    for (differences, [reader, writer], who) in directions {
        for difference in differences
            .into_iter()
            .filter(|difference| difference.verdict != Verdict::Compatible)
        {
            breaks.push(Break {
                kind: difference.kind.to_owned(),
                path: difference.path,
                message: in_our_words(&difference.message, reader, writer),
                who: who.clone(),
            });
        }
    }
    Ok(breaks)
}

fn names(old: &Spec, new: &Spec) -> (String, String) {
    (
        format!("the old version ({})", old.version),
        format!("the new version ({})", new.version),
    )
}

/// The reference's texts call the reader the new schema and the writer the old one, whichever came first.
fn in_our_words(message: &str, reader: &str, writer: &str) -> String {
    let text = message
        .replace("The new schema", "\u{1}")
        .replace("the new schema", "\u{1}");
    let text = text
        .replace("The old schema", "\u{2}")
        .replace("the old schema", "\u{2}");
    text.replace('\u{1}', reader).replace('\u{2}', writer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::odcs::Odcs;
    use crate::spec::derive;
    use std::collections::BTreeMap;

    const BASE: &str = "id: c\nversion: 1.0.0\nstatus: active\nservers: [{server: d, type: kafka, format: FORMAT}]\nschema:\n- name: call\n  properties:\n  - {name: id, logicalType: string, required: true, primaryKey: true}\n  - {name: ms, logicalType: integer}\n";

    fn spec(text: &str, format: &str) -> Spec {
        let odcs: Odcs = serde_saphyr::from_str(&text.replace("FORMAT", format)).expect("parses");
        derive(&odcs, &BTreeMap::new()).expect("derives")
    }

    fn change(from: &str, to: &str, format: &str) -> ChangeReport {
        let text = BASE
            .replace(from, to)
            .replace("version: 1.0.0", "version: 1.1.0");
        classify(&spec(BASE, format), &spec(&text, format)).expect("classifies")
    }

    #[test]
    fn changes_are_classified_alike_for_both_encodings() {
        let added = "  - {name: ms, logicalType: integer}\n  - {name: x, logicalType: string}\n";
        let cases = [
            ("  - {name: ms, logicalType: integer}\n", added, Bump::Minor),
            ("  - {name: ms, logicalType: integer}\n", "", Bump::Minor),
            (
                "logicalType: integer}",
                "logicalType: integer, description: ms}",
                Bump::Patch,
            ),
            (
                "name: call\n",
                "name: call\n  description: A call.\n",
                Bump::Patch,
            ),
            ("status: active", "status: draft", Bump::None),
            ("logicalType: integer}", "logicalType: string}", Bump::Major),
            (
                "logicalType: integer}",
                "logicalType: integer, required: true}",
                Bump::Major,
            ),
            ("primaryKey: true}", "description: no key}", Bump::Major),
        ];
        for format in ["json", "avro"] {
            for (from, to, bump) in cases {
                let report = change(from, to, format);
                assert_eq!(report.bump, bump, "{format}: {from} -> {to}: {report:?}");
            }
        }
    }

    fn protobuf(file: &str, name: &str, version: &str) -> Spec {
        let text = format!(
            "id: c\nversion: {version}\nstatus: active\nservers: [{{server: d, type: kafka, format: protobuf}}]\nschema:\n- name: {name}\n  authoritativeDefinitions: [{{type: implementation, url: m.proto}}]\n"
        );
        let odcs: Odcs = serde_saphyr::from_str(&text).expect("parses");
        let files = BTreeMap::from([("m.proto".to_owned(), file.to_owned())]);
        derive(&odcs, &files).expect("derives")
    }

    #[test]
    fn changes_of_protobuf_are_classified() {
        let file = "syntax = \"proto3\"; package p; message Call { string id = 1; int64 ms = 2; } message Note { string x = 1; }";
        let old = protobuf(file, "call", "1.0.0");
        let cases = [
            (
                "int64 ms = 2;",
                "int64 ms = 2; optional bool late = 3;",
                Bump::Minor,
            ),
            ("int64 ms = 2;", "int64 ms = 2; /* how long */", Bump::Patch),
            ("int64 ms = 2;", "int64 ms = 2;\n\n", Bump::Patch),
            ("int64 ms = 2;", "string ms = 2;", Bump::Major),
            ("package p;", "package q;", Bump::Major),
        ];
        for (from, to, bump) in cases {
            let new = protobuf(&file.replace(from, to), "call", "1.1.0");
            let report = classify(&old, &new).expect("classifies");
            assert_eq!(report.bump, bump, "{from} -> {to}: {report:?}");
        }
        let same = protobuf(file, "call", "1.0.1");
        let report = classify(&old, &same).expect("classifies");
        assert_eq!(report.bump, Bump::None);

        let report = classify(&old, &protobuf(file, "note", "1.1.0")).expect("classifies");
        let kinds: Vec<&str> = report
            .breaks
            .iter()
            .map(|broken| broken.kind.as_str())
            .collect();
        assert_eq!(kinds, ["MESSAGE_CHANGED"]);
        let typed = protobuf(&file.replace("int64 ms", "string ms"), "call", "1.1.0");
        let report = classify(&old, &typed).expect("classifies");
        let texts: Vec<String> = report.breaks.iter().map(Break::to_string).collect();
        assert!(
            texts.iter().any(|text| text.contains("old readers")),
            "{texts:?}"
        );
        assert!(
            texts.iter().any(|text| text.contains("old data")),
            "{texts:?}"
        );
    }

    #[test]
    fn each_break_says_who_is_hurt_and_by_which_version() {
        let report = change("integer}", "integer, required: true}", "json");
        let texts: Vec<String> = report.breaks.iter().map(Break::to_string).collect();
        assert!(
            texts.iter().any(|text| text.contains("old data")),
            "{texts:?}"
        );
        assert!(
            texts
                .iter()
                .any(|text| text.contains("the new version (1.1.0)")),
            "{texts:?}"
        );
    }

    #[test]
    fn imported_files_are_compared_with_the_file_that_imports_them() {
        let main = "syntax = \"proto3\"; package p; import \"c/money.proto\"; message Call { string id = 1; c.Money price = 2; }";
        let money = "syntax = \"proto3\"; package c; message Money { int64 units = 1; }";
        let spec = |money: &str, version: &str, required: &str| {
            let text = format!(
                "id: c\nversion: {version}\nstatus: active\nservers: [{{server: d, type: kafka, format: protobuf}}]\nschema:\n- name: call\n  authoritativeDefinitions: [{{type: implementation, url: m.proto}}]\n  properties: [{{name: price, logicalType: object{required}}}]\n"
            );
            let odcs: Odcs = serde_saphyr::from_str(&text).expect("parses");
            let files = [("m.proto", main), ("c/money.proto", money)];
            let files = files.map(|(name, text)| (name.to_owned(), text.to_owned()));
            derive(&odcs, &BTreeMap::from(files)).expect("derives")
        };
        let old = spec(money, "1.0.0", "");
        for (from, to, bump) in [
            (
                "int64 units = 1;",
                "int64 units = 1; string currency = 2;",
                Bump::Minor,
            ),
            (
                "int64 units = 1;",
                "int64 units = 1; /* whole ones */",
                Bump::Patch,
            ),
            ("int64 units = 1;", "string units = 1;", Bump::Major),
        ] {
            let report =
                classify(&old, &spec(&money.replace(from, to), "1.1.0", "")).expect("classifies");
            assert_eq!(report.bump, bump, "{to}: {report:?}");
        }
        let required = spec(money, "1.1.0", ", required: true");
        let kinds = |old: &Spec, new: &Spec| -> Vec<String> {
            let report = classify(old, new).expect("classifies");
            report
                .breaks
                .into_iter()
                .map(|broken| broken.kind)
                .collect()
        };
        assert_eq!(kinds(&old, &required), ["REQUIRED_ADDED"]);
        assert_eq!(kinds(&required, &old), ["REQUIRED_REMOVED"]);
    }

    #[test]
    fn keys_and_modes_are_settled_for_a_major() {
        let spec = |properties: &str, key: &str| {
            let text = format!(
                "{}customProperties: [{properties}]\n",
                BASE.replace("FORMAT", "json")
            );
            let odcs: Odcs = serde_saphyr::from_str(&text).expect("parses");
            let files = BTreeMap::from([("k.avsc".to_owned(), key.to_owned())]);
            derive(&odcs, &files).expect("derives")
        };
        let kinds = |old: &Spec, new: &Spec| -> Vec<String> {
            let report = classify(old, new).expect("classifies");
            report
                .breaks
                .into_iter()
                .map(|broken| broken.kind)
                .collect()
        };
        let keyed = "{property: meshlog.keySchema, value: k.avsc}";
        let none = spec("", "");
        let text = spec(keyed, "\"string\"");
        assert_eq!(kinds(&none, &text), ["KEY_SCHEMA_CHANGED"]);
        assert_eq!(kinds(&text, &none), ["KEY_SCHEMA_CHANGED"]);
        assert_eq!(
            kinds(&text, &spec(keyed, "\"long\"")),
            ["KEY_SCHEMA_CHANGED"]
        );
        assert_eq!(
            kinds(&text, &spec(keyed, " \"string\" ")),
            Vec::<String>::new()
        );
        let binary = spec("{property: meshlog.cloudEvents, value: binary}", "");
        assert_eq!(kinds(&none, &binary), ["CLOUD_EVENTS_CHANGED"]);
    }
}
