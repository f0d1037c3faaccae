//! Avro's text as Java's `Schema.toString` writes it.
//!
//! Source: read of <https://github.com/apache/avro> `lang/java/avro/src/main/java/org/apache/avro/Schema.java`, 1.12.

use crate::avro::schema::Schema;
use crate::schema_error::{SchemaError, parse_text};
use crate::source::Import;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

type Object = Map<String, Value>;

/// Attributes that are written by their meaning, or dropped where they have none.
const RESERVED: &[&str] = &[
    "doc",
    "fields",
    "items",
    "name",
    "namespace",
    "size",
    "symbols",
    "values",
    "type",
    "aliases",
];
const ENUM_RESERVED: &[&str] = &["default"];
const FIELD_RESERVED: &[&str] = &["default", "doc", "name", "order", "type", "aliases"];

/// Names that may not be written without a namespace, even inside their own.
const TYPE_NAMES: &[&str] = &[
    "null", "boolean", "int", "long", "float", "double", "bytes", "string", "record", "enum",
    "array", "map", "union", "fixed",
];
const PRIMITIVES: usize = 8;

pub(super) fn canonical(text: &str, imports: &[Import<'_>]) -> Result<String, SchemaError> {
    // What passes here is well-formed, so the writer below only has to follow it.
    Schema::parse(text, imports)?;
    let mut writer = Writer::default();
    for import in imports {
        writer.schema(&parse_text(import.text)?, "");
    }
    Ok(writer.schema(&parse_text(text)?, "").to_string())
}

/// Longest chain of types that are taken in, each within the one before: keeps it off the stack. A longer one ends in
/// a name.
const MAX_CHAIN: usize = 64;

/// The text with the types that it refers to, each where it first stands.
pub(super) fn resolved(text: &str, imports: &[Import<'_>]) -> Result<String, SchemaError> {
    Schema::parse(text, imports)?;
    let others = imports.iter().map(|import| parse_text(import.text));
    let others = others.collect::<Result<Vec<_>, _>>()?;
    let mut writer = Writer::default();
    others.iter().for_each(|other| writer.take_in(other, ""));
    Ok(writer.schema(&parse_text(text)?, "").to_string())
}

#[derive(Default)]
struct Writer<'v> {
    /// Full names of the types defined so far.
    defined: BTreeSet<String>,
    /// Types of other schemas that are still to be written where they first stand, under their full names.
    others: BTreeMap<String, &'v Object>,
    chain: usize,
}

impl<'v> Writer<'v> {
    /// `schema` as it stands inside the namespace `space`.
    fn schema(&mut self, schema: &Value, space: &str) -> Value {
        match schema {
            Value::String(name) => self.name(name, space),
            Value::Array(branches) => branches
                .iter()
                .map(|branch| self.schema(branch, space))
                .collect(),
            Value::Object(object) => match object.get("type") {
                Some(Value::String(name)) => self.object(name, object, space),
                Some(nested) => self.schema(nested, space),
                None => Value::Null,
            },
            Value::Null | Value::Bool(_) | Value::Number(_) => Value::Null,
        }
    }

    fn object(&mut self, ty: &str, object: &Object, space: &str) -> Value {
        let mut out = Object::new();
        match ty {
            "record" | "error" | "enum" | "fixed" => return self.named(ty, object, space),
            "array" | "map" => {
                let key = if ty == "array" { "items" } else { "values" };
                out.insert("type".into(), ty.into());
                out.insert(key.into(), self.schema(&object[key], space));
            }
            name if TYPE_NAMES[..PRIMITIVES].contains(&name) => {
                out.insert("type".into(), ty.into());
            }
            // Attributes beside a name are not the named type's.
            name => return self.name(name, space),
        }
        properties(object, RESERVED, &[], &mut out);
        // A primitive without attributes is its name.
        if out.len() == 1 {
            ty.into()
        } else {
            Value::Object(out)
        }
    }

    fn named(&mut self, ty: &str, object: &Object, space: &str) -> Value {
        let text = |key: &str| object.get(key).and_then(Value::as_str);
        let full = full_name(
            text("name").unwrap_or_default(),
            text("namespace").unwrap_or(space),
        );
        self.definition(ty, object, full, space)
    }

    /// A named type, under its full name.
    fn definition(&mut self, ty: &str, object: &Object, full: String, space: &str) -> Value {
        let text = |key: &str| object.get(key).and_then(Value::as_str);
        let (inner, short) = full.rsplit_once('.').unwrap_or(("", &full));
        self.defined.insert(full.clone());
        self.others.remove(&full);
        let mut out = Object::new();
        out.insert("type".into(), ty.into());
        out.insert("name".into(), short.into());
        if inner != space {
            out.insert("namespace".into(), inner.into());
        }
        if let Some(doc) = text("doc") {
            out.insert("doc".into(), doc.into());
        }
        let own: &[&str] = match ty {
            "enum" => {
                out.insert("symbols".into(), object["symbols"].clone());
                if let Some(default) = text("default") {
                    out.insert("default".into(), default.into());
                }
                ENUM_RESERVED
            }
            "fixed" => {
                out.insert("size".into(), object["size"].clone());
                &[]
            }
            _ => {
                let fields = object["fields"].as_array().into_iter().flatten();
                let fields = fields.filter_map(Value::as_object);
                let fields: Value = fields.map(|field| self.field(field, inner)).collect();
                out.insert("fields".into(), fields);
                &[]
            }
        };
        properties(object, RESERVED, own, &mut out);
        let aliases: Vec<String> = strings(object, "aliases")
            .map(|alias| shorten(&full_name(alias, inner), inner))
            .collect();
        if !aliases.is_empty() {
            out.insert("aliases".into(), json!(aliases));
        }
        Value::Object(out)
    }

    fn field(&mut self, field: &Object, space: &str) -> Value {
        let mut out = Object::new();
        out.insert("name".into(), field["name"].clone());
        out.insert("type".into(), self.schema(&field["type"], space));
        if let Some(doc) = field.get("doc").filter(|doc| doc.is_string()) {
            out.insert("doc".into(), doc.clone());
        }
        if let Some(default) = field.get("default") {
            out.insert("default".into(), default.clone());
        }
        let order = field
            .get("order")
            .and_then(Value::as_str)
            .map(str::to_lowercase);
        if let Some(order) = order.filter(|order| order != "ascending") {
            out.insert("order".into(), order.into());
        }
        let aliases: Vec<&str> = strings(field, "aliases").collect();
        if !aliases.is_empty() {
            out.insert("aliases".into(), json!(aliases));
        }
        properties(field, FIELD_RESERVED, &[], &mut out);
        Value::Object(out)
    }

    /// A type by its name, as short as it may be.
    fn name(&mut self, name: &str, space: &str) -> Value {
        if TYPE_NAMES[..PRIMITIVES].contains(&name) {
            return name.into();
        }
        let full = full_name(name, space);
        // Found in no namespace, where the enclosing one has none of that name.
        let is_known = |name: &str| self.defined.contains(name) || self.others.contains_key(name);
        let bare = !is_known(&full) && is_known(name);
        let full = if bare { name.to_owned() } else { full };
        if self.chain < MAX_CHAIN
            && let Some(other) = self.others.remove(&full)
        {
            self.chain += 1;
            let ty = other
                .get("type")
                .and_then(Value::as_str)
                .unwrap_or_default();
            let written = self.definition(ty, other, full, space);
            self.chain -= 1;
            return written;
        }
        shorten(&full, space).into()
    }

    /// Keep the named types of another schema under their full names.
    fn take_in(&mut self, schema: &'v Value, space: &str) {
        match schema {
            Value::Array(branches) => branches
                .iter()
                .for_each(|branch| self.take_in(branch, space)),
            Value::Object(object) => {
                let text = |key: &str| object.get(key).and_then(Value::as_str);
                let mut inner = space.to_owned();
                if let (Some(name), Some("record" | "error" | "enum" | "fixed")) =
                    (text("name"), text("type"))
                {
                    let full = full_name(name, text("namespace").unwrap_or(space));
                    full.rsplit_once('.')
                        .map_or("", |(own, _)| own)
                        .clone_into(&mut inner);
                    self.others.insert(full, object);
                }
                let fields = object
                    .get("fields")
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten();
                let types = fields.filter_map(|field| field.get("type"));
                let parts = ["type", "items", "values"].map(|key| object.get(key));
                types
                    .chain(parts.into_iter().flatten())
                    .for_each(|part| self.take_in(part, &inner));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

/// Attributes that Avro does not know, in their order.
fn properties(object: &Object, reserved: &[&str], own: &[&str], out: &mut Object) {
    for (key, value) in object {
        if !reserved.contains(&key.as_str()) && !own.contains(&key.as_str()) {
            out.insert(key.clone(), value.clone());
        }
    }
}

fn strings<'a>(object: &'a Object, key: &str) -> impl Iterator<Item = &'a str> {
    let list = object.get(key).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str)
}

fn full_name(name: &str, space: &str) -> String {
    if name.contains('.') || space.is_empty() {
        name.trim_start_matches('.').to_owned()
    } else {
        format!("{space}.{name}")
    }
}

/// Without its namespace, where that is the enclosing one and the rest is not a type's name.
fn shorten(full: &str, space: &str) -> String {
    match full.rsplit_once('.') {
        Some((own, short)) if own == space && !TYPE_NAMES.contains(&short) => short.to_owned(),
        _ => full.to_owned(),
    }
}
