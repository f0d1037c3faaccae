//! Tags of parts of a schema, between the words of the API and the `contract` crate, which edits the text.

use crate::{
    content::{Content, Imported},
    refusal::Refusal,
    request::{Entity, EntityTags},
};
use contract::tags::{self, Kind, Tagged};
use std::collections::BTreeSet;

/// The text of a schema with tags added to some parts, and then removed from some.
///
/// # Errors
/// 42201 for a part that the schema does not have.
pub fn edited(
    content: &Content,
    imported: &[Imported],
    add: &[EntityTags],
    remove: &[EntityTags],
) -> Result<String, Refusal> {
    let (add, remove) = (all(add)?, all(remove)?);
    content
        .ask(imported, |source| tags::edited(source, &add, &remove))?
        .map_err(|error| Refusal::invalid_schema(format!("Invalid schema tags: {error}")))
}

/// The tags in the text of a schema that are wanted; `*` wants all.
///
/// # Errors
/// 42201 when a stored schema cannot be read, which an edited log may bring about.
pub fn wanted(
    content: &Content,
    imported: &[Imported],
    wanted: &[String],
) -> Result<Vec<EntityTags>, Refusal> {
    let found = content
        .ask(imported, tags::list)?
        .map_err(|error| Refusal::invalid_schema(format!("Invalid schema tags: {error}")))?;
    let wanted: BTreeSet<&str> = wanted.iter().map(String::as_str).collect();
    let counts = |tagged: &Tagged| {
        let mut tags = tagged.tags.iter();
        wanted.contains("*") || tags.any(|tag| wanted.contains(tag.as_str()))
    };
    Ok(found.into_iter().filter(counts).map(shown).collect())
}

fn shown(tagged: Tagged) -> EntityTags {
    EntityTags {
        schema_entity: Entity {
            entity_path: tagged.entity.path,
            entity_type: tagged.entity.kind.as_str().to_owned(),
        },
        tags: tagged.tags,
    }
}

fn all(given: &[EntityTags]) -> Result<Vec<Tagged>, Refusal> {
    given.iter().map(one).collect()
}

fn one(given: &EntityTags) -> Result<Tagged, Refusal> {
    let Entity {
        entity_path,
        entity_type,
    } = &given.schema_entity;
    let kind = Kind::parse(entity_type).ok_or_else(|| {
        Refusal::invalid_schema(format!(
            "Invalid schema tags: '{entity_type}' is neither sr_record nor sr_field"
        ))
    })?;
    Ok(Tagged {
        entity: tags::Entity {
            kind,
            path: entity_path.clone(),
        },
        tags: given.tags.clone(),
    })
}
