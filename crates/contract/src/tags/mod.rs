//! Tags inside a schema's text: what governance says of a record or a field, kept where its author reads it.
//!
//! A part is named by its path: `some.space.Record` and `some.space.Record.field` in Avro, `object` and `object.field` in
//! JSON Schema, `Message` and `Message.field` in Protobuf, each level of nesting once more; a dot before it means nothing.
//! Avro and JSON Schema carry tags as the attribute `confluent:tags`, Protobuf as the option that `confluent/meta.proto`
//! defines.
//! Source: `ParsedSchema.copy(tagsToAdd, tagsToRemove)` and `inlineTaggedEntities` of confluentinc/schema-registry.

mod avro;
mod json;
mod protobuf;
#[cfg(test)]
mod tests;

use crate::schema_error::{SchemaError, parse_text};
use crate::source::{SchemaType, Source};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

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
    /// The tags, in their order.
    pub tags: Vec<String>,
}

/// The text with tags added to some parts, after those that are there, and then removed from some.
///
/// # Errors
/// [`SchemaError`] when the text is no schema, or has no such part.
pub fn edited(
    source: &Source<'_>,
    add: &[Tagged],
    remove: &[Tagged],
) -> Result<String, SchemaError> {
    let wishes = wishes(add, remove);
    let walk = match source.ty {
        SchemaType::Avro => avro::walk,
        SchemaType::Json => json::walk,
        SchemaType::Protobuf => return protobuf::edited(source, &wishes),
    };
    let mut schema = parse_text(source.text)?;
    let mut met = BTreeSet::new();
    walk(&mut schema, &mut |entity, part| {
        if let Some(wish) = wishes.get(&entity) {
            let added = wish.add.iter().map(|tag| (*tag).to_owned());
            let mut tags = each_once(tags_of(part).into_iter().chain(added));
            tags.retain(|tag| !wish.remove.contains(tag.as_str()));
            write(part, tags);
            met.insert(entity);
        }
    });
    match wishes.keys().find(|entity| !met.contains(entity)) {
        Some(entity) => Err(unknown(entity)),
        None => Ok(schema.to_string()),
    }
}

/// Every part that has tags.
///
/// # Errors
/// [`SchemaError`] when the text is no schema.
pub fn list(source: &Source<'_>) -> Result<Vec<Tagged>, SchemaError> {
    let walk = match source.ty {
        SchemaType::Avro => avro::walk,
        SchemaType::Json => json::walk,
        SchemaType::Protobuf => return protobuf::list(source.text),
    };
    let mut schema = parse_text(source.text)?;
    let mut found = Vec::new();
    walk(&mut schema, &mut |entity, part| {
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

/// What is asked for one part.
#[derive(Debug, Default)]
struct Wish<'a> {
    add: Vec<&'a str>,
    remove: BTreeSet<&'a str>,
}

/// What is asked, part by part.
type Wishes<'a> = BTreeMap<Entity, Wish<'a>>;

fn wishes<'a>(add: &'a [Tagged], remove: &'a [Tagged]) -> Wishes<'a> {
    let mut wishes = Wishes::new();
    for tagged in add {
        let wish = wishes.entry(plain(&tagged.entity)).or_default();
        wish.add.extend(tagged.tags.iter().map(String::as_str));
    }
    for tagged in remove {
        let wish = wishes.entry(plain(&tagged.entity)).or_default();
        wish.remove.extend(tagged.tags.iter().map(String::as_str));
    }
    wishes
}

/// Without the dot that may stand before a path.
fn plain(Entity { kind, path }: &Entity) -> Entity {
    entity(*kind, path.strip_prefix('.').unwrap_or(path))
}

fn unknown(Entity { kind, path }: &Entity) -> SchemaError {
    let problem = format!("the schema has no {} `{path}`", kind.as_str());
    SchemaError::invalid("", problem)
}

fn entity(kind: Kind, path: &str) -> Entity {
    Entity {
        kind,
        path: path.to_owned(),
    }
}

/// What is done at each part of a schema that is JSON.
type Visit<'v> = dyn FnMut(Entity, &mut Map<String, Value>) + 'v;

fn tags_of(part: &Map<String, Value>) -> Vec<String> {
    let tags = part.get(ATTRIBUTE).and_then(Value::as_array);
    let tags = tags.into_iter().flatten().filter_map(Value::as_str);
    each_once(tags.map(str::to_owned))
}

fn each_once(tags: impl Iterator<Item = String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    tags.filter(|tag| seen.insert(tag.clone())).collect()
}

fn write(part: &mut Map<String, Value>, tags: Vec<String>) {
    if tags.is_empty() {
        part.shift_remove(ATTRIBUTE);
    } else {
        part.insert(ATTRIBUTE.to_owned(), tags.into());
    }
}
