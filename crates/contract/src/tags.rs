//! Tags inside a schema's text: what governance says of a record or a field, kept where its author reads it.
//!
//! Avro and JSON Schema carry them as the attribute `confluent:tags`. A part is named by its path: `some.space.Record` and
//! `some.space.Record.field` in Avro, `object` and `object.field` in JSON Schema, each level of nesting once more.
//! Source: `ParsedSchema.copy(tagsToAdd, tagsToRemove)` and `inlineTaggedEntities` of confluentinc/schema-registry.

use crate::schema_error::{SchemaError, parse_text};
use crate::source::{SchemaType, Source};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// The attribute that holds the tags of a part.
const ATTRIBUTE: &str = "confluent:tags";

/// Deepest nesting that is walked, as deep as a schema's text can be read.
const MAX_DEPTH: usize = 128;

/// What a part of a schema is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A record, object or message.
    Record,
    /// A field of one.
    Field,
}

/// A part of a schema.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entity {
    /// What it is.
    pub kind: Kind,
    /// Where it is.
    pub path: String,
}

/// A part of a schema with its tags, or with tags for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tagged {
    /// The part.
    pub entity: Entity,
    /// The tags.
    pub tags: BTreeSet<String>,
}

/// The text with tags added to some parts, and then removed from some.
///
/// # Errors
/// [`SchemaError`] when the text is no schema, or has no such part.
pub fn edited(
    source: &Source<'_>,
    add: &[Tagged],
    remove: &[Tagged],
) -> Result<String, SchemaError> {
    let mut schema = parse(source)?;
    let mut met = BTreeSet::new();
    walk(source.ty, &mut schema, &mut |entity, part| {
        let mut tags = tags_of(part);
        let mine = |list: &[Tagged]| -> BTreeSet<String> {
            let of_entity = list.iter().filter(|tagged| tagged.entity == entity);
            of_entity.flat_map(|tagged| tagged.tags.clone()).collect()
        };
        tags.extend(mine(add));
        let gone = mine(remove);
        tags.retain(|tag| !gone.contains(tag));
        write(part, &tags);
        met.insert(entity);
    });
    let unknown = add
        .iter()
        .chain(remove)
        .find(|tagged| !met.contains(&tagged.entity));
    match unknown {
        Some(Tagged { entity, .. }) => Err(SchemaError::invalid(
            "",
            format!(
                "the schema has no {} `{}`",
                entity.kind.as_str(),
                entity.path
            ),
        )),
        None => Ok(schema.to_string()),
    }
}

/// Every part that has tags.
///
/// # Errors
/// [`SchemaError`] when the text is no schema.
pub fn list(source: &Source<'_>) -> Result<Vec<Tagged>, SchemaError> {
    let mut schema = parse(source)?;
    let mut found = Vec::new();
    walk(source.ty, &mut schema, &mut |entity, part| {
        let tags = tags_of(part);
        if !tags.is_empty() {
            found.push(Tagged { entity, tags });
        }
    });
    Ok(found)
}

impl Kind {
    /// As the registry's interface calls it.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Record => "sr_record",
            Kind::Field => "sr_field",
        }
    }

    /// By the name that the registry's interface has for it.
    pub fn parse(name: &str) -> Option<Self> {
        [Kind::Record, Kind::Field]
            .into_iter()
            .find(|kind| kind.as_str().eq_ignore_ascii_case(name))
    }
}

fn parse(source: &Source<'_>) -> Result<Value, SchemaError> {
    match source.ty {
        SchemaType::Avro | SchemaType::Json => parse_text(source.text),
        SchemaType::Protobuf => Err(SchemaError::invalid(
            "",
            "tags inside a Protobuf schema are not edited by this version: write them as options",
        )),
    }
}

fn tags_of(part: &Map<String, Value>) -> BTreeSet<String> {
    let tags = part.get(ATTRIBUTE).and_then(Value::as_array);
    let tags = tags.into_iter().flatten().filter_map(Value::as_str);
    tags.map(str::to_owned).collect()
}

fn write(part: &mut Map<String, Value>, tags: &BTreeSet<String>) {
    if tags.is_empty() {
        part.shift_remove(ATTRIBUTE);
    } else {
        part.insert(ATTRIBUTE.to_owned(), tags.iter().cloned().collect());
    }
}

type Visit<'v> = dyn FnMut(Entity, &mut Map<String, Value>) + 'v;

fn walk(ty: SchemaType, schema: &mut Value, visit: &mut Visit<'_>) {
    match ty {
        SchemaType::Avro => avro(schema, "", visit, 0),
        SchemaType::Json => json(schema, "object", visit, 0),
        SchemaType::Protobuf => {}
    }
}

fn entity(kind: Kind, path: &str) -> Entity {
    Entity {
        kind,
        path: path.to_owned(),
    }
}

fn avro(schema: &mut Value, space: &str, visit: &mut Visit<'_>, depth: usize) {
    if depth > MAX_DEPTH {
        return;
    }
    match schema {
        Value::Array(branches) => {
            branches
                .iter_mut()
                .for_each(|branch| avro(branch, space, visit, depth + 1));
        }
        Value::Object(object) => avro_object(object, space, visit, depth),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn avro_object(object: &mut Map<String, Value>, space: &str, visit: &mut Visit<'_>, depth: usize) {
    for nested in ["type", "items", "values"] {
        if let Some(nested) = object.get_mut(nested) {
            avro(nested, space, visit, depth + 1);
        }
    }
    if object.get("type") != Some(&Value::from("record")) {
        return;
    }
    let text = |member: &str| object.get(member).and_then(Value::as_str);
    let name = text("name").unwrap_or_default();
    let space = match (name.rsplit_once('.'), text("namespace")) {
        (Some((space, _)), _) => space.to_owned(),
        (None, own) => own.unwrap_or(space).to_owned(),
    };
    let short = name.rsplit('.').next().unwrap_or(name);
    let full = if space.is_empty() {
        short.to_owned()
    } else {
        format!("{space}.{short}")
    };
    let fields = object.get_mut("fields").and_then(Value::as_array_mut);
    for field in fields
        .into_iter()
        .flatten()
        .filter_map(Value::as_object_mut)
    {
        let name = field
            .get("name")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let path = format!("{full}.{name}");
        if let Some(ty) = field.get_mut("type") {
            avro(ty, &space, visit, depth + 1);
        }
        visit(entity(Kind::Field, &path), field);
    }
    visit(entity(Kind::Record, &full), object);
}

fn json(schema: &mut Value, path: &str, visit: &mut Visit<'_>, depth: usize) {
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    if depth > MAX_DEPTH {
        return;
    }
    let properties = object.get_mut("properties").and_then(Value::as_object_mut);
    let is_record = properties.is_some();
    for (name, property) in properties.into_iter().flatten() {
        let path = format!("{path}.{name}");
        if let Some(property) = property.as_object_mut() {
            visit(entity(Kind::Field, &path), property);
        }
        json(property, &format!("{path}.object"), visit, depth + 1);
    }
    if let Some(items) = object.get_mut("items") {
        json(items, path, visit, depth + 1);
    }
    if is_record {
        visit(entity(Kind::Record, path), object);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tagged(kind: Kind, path: &str, tags: &[&str]) -> Tagged {
        Tagged {
            entity: entity(kind, path),
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        }
    }

    #[test]
    fn tags_come_and_go_where_they_are_said_to() {
        let avro = r#"{"type":"record","name":"R","namespace":"n","fields":[{"name":"a","type":"string"},{"name":"b","type":["null",{"type":"record","name":"S","fields":[{"name":"c","type":"int"}]}]}]}"#;
        let json = r#"{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"object","properties":{"c":{}}}}}"#;
        for (ty, text, parts) in [
            (SchemaType::Avro, avro, ["n.R", "n.R.a", "n.S.c"]),
            (
                SchemaType::Json,
                json,
                ["object", "object.a", "object.b.object.c"],
            ),
        ] {
            let all = [
                tagged(Kind::Record, parts[0], &["SECRET"]),
                tagged(Kind::Field, parts[1], &["PII", "EU"]),
                tagged(Kind::Field, parts[2], &["PII"]),
            ];
            let once = edited(&Source::new(ty, text), &all, &[]).expect("edited");
            let mut found = list(&Source::new(ty, &once)).expect("a schema");
            found.sort_by(|a, b| a.entity.cmp(&b.entity));
            assert_eq!(found, all);
            assert_eq!(
                edited(&Source::new(ty, &once), &all, &[]).as_deref(),
                Ok(&*once)
            );
            assert_eq!(
                edited(&Source::new(ty, &once), &[], &all).as_deref(),
                Ok(text)
            );
        }
    }

    #[test]
    fn a_part_that_is_not_there_is_named() {
        let source = Source::new(SchemaType::Json, r#"{"properties":{"a":{}}}"#);
        let error = edited(&source, &[tagged(Kind::Field, "object.b", &["X"])], &[]);
        assert!(
            error
                .expect_err("unknown")
                .to_string()
                .contains("sr_field `object.b`")
        );
    }
}
