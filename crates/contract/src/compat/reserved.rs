//! Names that a subject has set aside: fields that were there once, or may come, and that no version may hold now.
//!
//! For every language alike. The names stand in the metadata of a version (`confluent:reserved`), not in its schema;
//! asked beside [`super::check`], whatever the level, where a subject validates fields.

use super::{Difference, Verdict, protobuf};
use crate::schema_error::{SchemaError, parse_text};
use crate::source::{SchemaType, Source};

/// The names that two versions of a subject set aside.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reserved<'a> {
    /// Of the latest version so far; empty where there is none.
    pub old: &'a [&'a str],
    /// Of the new version.
    pub new: &'a [&'a str],
}

/// What is wrong with the names that `new` sets aside, or with its fields, in the order of the names.
///
/// # Errors
/// [`SchemaError`] when the schema cannot be read.
pub fn reserved(new: &Source<'_>, names: Reserved<'_>) -> Result<Vec<Difference>, SchemaError> {
    let removed = names.old.iter().filter(|name| !names.new.contains(name));
    let mut found: Vec<Difference> = removed.map(|name| of_removed(name)).collect();
    for name in names.new {
        if has_top_level_field(new, name)? {
            found.push(of_conflict(name));
        }
    }
    Ok(found)
}

/// The names in a value of `confluent:reserved`.
pub fn reserved_names(value: &str) -> Vec<&str> {
    let names = value.split(',').map(str::trim);
    names.filter(|name| !name.is_empty()).collect()
}

fn of_removed(name: &str) -> Difference {
    Difference {
        kind: "RESERVED_PROPERTY_REMOVED",
        path: name.to_owned(),
        message: format!(
            "The new schema has reserved field {name} removed from its metadata which is present in the old \
             schema's metadata."
        ),
        detail: String::new(),
        verdict: Verdict::Incompatible,
    }
}

fn of_conflict(name: &str) -> Difference {
    Difference {
        kind: "RESERVED_PROPERTY_CONFLICTS_WITH_PROPERTY",
        path: format!("#/properties/{name}"),
        message: format!("The new schema has field that conflicts with the reserved field {name}."),
        detail: String::new(),
        verdict: Verdict::Incompatible,
    }
}

/// Whether the schema's outermost object, record or message has a field of that name.
fn has_top_level_field(source: &Source<'_>, name: &str) -> Result<bool, SchemaError> {
    Ok(match source.ty {
        SchemaType::Avro => {
            let schema = parse_text(source.text)?;
            let fields = schema.get("fields").and_then(|fields| fields.as_array());
            let mut fields = fields.into_iter().flatten();
            fields.any(|field| field.get("name").is_some_and(|own| own == name))
        }
        SchemaType::Json => {
            let schema = parse_text(source.text)?;
            let properties = schema.get("properties");
            properties.is_some_and(|properties| properties.get(name).is_some())
        }
        SchemaType::Protobuf => protobuf::has_top_level_field(source, name)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_names_stay_and_are_no_fields() {
        let json = r#"{"properties": {"cost": {}, "status": {}}}"#;
        let avro =
            r#"{"type": "record", "name": "R", "fields": [{"name": "cost", "type": "int"}]}"#;
        let now = reserved_names("cost, ,gone");
        assert_eq!(now, ["cost", "gone"]);
        let names = Reserved {
            old: &["status", "gone"],
            new: &now,
        };
        for (ty, text) in [(SchemaType::Json, json), (SchemaType::Avro, avro)] {
            let found = reserved(&Source::new(ty, text), names).expect("a schema");
            let found: Vec<_> = found.iter().map(|one| (one.kind, &*one.path)).collect();
            assert_eq!(
                found,
                [
                    ("RESERVED_PROPERTY_REMOVED", "status"),
                    (
                        "RESERVED_PROPERTY_CONFLICTS_WITH_PROPERTY",
                        "#/properties/cost"
                    )
                ]
            );
        }
    }
}
