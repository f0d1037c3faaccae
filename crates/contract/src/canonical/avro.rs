//! Avro's text as Java's `Schema.toString` writes it.
//!
//! Source: read of <https://github.com/apache/avro> `lang/java/avro/src/main/java/org/apache/avro/Schema.java`, 1.12.

use crate::avro::schema::Schema;
use crate::schema_error::{SchemaError, parse_text};
use crate::source::Import;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

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
    let mut writer = Writer {
        defined: BTreeSet::new(),
    };
    for import in imports {
        writer.schema(&parse_text(import.text)?, "");
    }
    Ok(writer.schema(&parse_text(text)?, "").to_string())
}

struct Writer {
    /// Full names of the types defined so far.
    defined: BTreeSet<String>,
}

impl Writer {
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
        let (inner, short) = full.rsplit_once('.').unwrap_or(("", &full));
        self.defined.insert(full.clone());
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
    fn name(&self, name: &str, space: &str) -> Value {
        if TYPE_NAMES[..PRIMITIVES].contains(&name) {
            return name.into();
        }
        let full = full_name(name, space);
        // Found in no namespace, where the enclosing one has none of that name.
        let bare = !self.defined.contains(&full) && self.defined.contains(name);
        shorten(if bare { name } else { &full }, space).into()
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
