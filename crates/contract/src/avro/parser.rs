//! From a schema's JSON to its nodes, with every rule of the specification that makes a schema valid.
//!
//! As the reference registry does, defaults are not checked against their field's type.

use super::logical::Logical;
use super::schema::{Enum, Field, Fixed, Kind, Name, Node, NodeId, Record};
use crate::pointer;
use crate::schema_error::SchemaError;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Most types in one schema, references included: bounds the memory of the compatibility check, which keeps pairs.
const MAX_NODES: usize = 50_000;

/// The state while parsing: nodes so far and the names that they define.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    nodes: Vec<Node>,
    names: BTreeMap<String, NodeId>,
}

type Object = Map<String, Value>;

impl Parser {
    /// Parse one schema; what it names may have been defined by one parsed before.
    pub(crate) fn parse(&mut self, value: &Value) -> Result<NodeId, SchemaError> {
        self.any(value, "", "")
    }

    pub(crate) fn into_nodes(self) -> Vec<Node> {
        self.nodes
    }

    fn any(&mut self, value: &Value, space: &str, path: &str) -> Result<NodeId, SchemaError> {
        match value {
            Value::String(name) => self.named_or_primitive(name, space, path),
            Value::Array(branches) => self.union(branches, space, path),
            Value::Object(object) => self.object(object, space, path),
            Value::Null | Value::Bool(_) | Value::Number(_) => Err(SchemaError::invalid(
                path,
                format!("`{value}` is not a schema"),
            )),
        }
    }

    fn add(&mut self, kind: Kind, logical: Option<Logical>) -> Result<NodeId, SchemaError> {
        let count = self.nodes.len();
        let id = u32::try_from(count).ok().filter(|_| count < MAX_NODES);
        let too_large = SchemaError::TooLarge {
            found: count + 1,
            limit: MAX_NODES,
            unit: "types",
        };
        let id = NodeId(id.ok_or(too_large)?);
        self.nodes.push(Node { kind, logical });
        Ok(id)
    }

    fn named_or_primitive(
        &mut self,
        name: &str,
        space: &str,
        path: &str,
    ) -> Result<NodeId, SchemaError> {
        if let Some(kind) = primitive(name) {
            return self.add(kind, None);
        }
        let full = full_name(name, space);
        // Like the Java library: a name not found in the enclosing namespace may stand in none.
        let found = self.names.get(&full).or_else(|| self.names.get(name));
        found.copied().ok_or_else(|| {
            SchemaError::invalid(path, format!("type `{name}` is not defined before its use"))
        })
    }

    fn object(&mut self, object: &Object, space: &str, path: &str) -> Result<NodeId, SchemaError> {
        match object.get("type") {
            None => Err(SchemaError::invalid(path, "no `type`")),
            Some(Value::String(name)) => match name.as_str() {
                "record" | "error" => self.record(object, space, path),
                "enum" => self.enumeration(object, space, path),
                "fixed" => self.fixed(object, space, path),
                "array" => self.nested(object, "items", Kind::Array, space, path),
                "map" => self.nested(object, "values", Kind::Map, space, path),
                name => match primitive(name) {
                    Some(kind) => {
                        let logical = Logical::of(object, &kind);
                        self.add(kind, logical)
                    }
                    None => self.named_or_primitive(name, space, path),
                },
            },
            Some(nested) => self.any(nested, space, &pointer::join(path, "type")),
        }
    }

    fn nested(
        &mut self,
        object: &Object,
        key: &str,
        kind: fn(NodeId) -> Kind,
        space: &str,
        path: &str,
    ) -> Result<NodeId, SchemaError> {
        let value = object
            .get(key)
            .ok_or_else(|| SchemaError::invalid(path, format!("no `{key}`")))?;
        let child = self.any(value, space, &pointer::join(path, key))?;
        self.add(kind(child), None)
    }

    fn union(
        &mut self,
        branches: &[Value],
        space: &str,
        path: &str,
    ) -> Result<NodeId, SchemaError> {
        let mut ids = Vec::with_capacity(branches.len());
        let mut seen = BTreeSet::new();
        for (index, branch) in branches.iter().enumerate() {
            let at = pointer::join(path, &index.to_string());
            let id = self.any(branch, space, &at)?;
            let kind = &self.nodes[id.0 as usize].kind;
            if matches!(kind, Kind::Union(_)) {
                return Err(SchemaError::invalid(&at, "a union directly in a union"));
            }
            let name = kind
                .name()
                .map_or(kind.type_name(), |name| name.full.as_str());
            if !seen.insert(name.to_owned()) {
                return Err(SchemaError::invalid(
                    &at,
                    format!("`{name}` twice in a union"),
                ));
            }
            ids.push(id);
        }
        self.add(Kind::Union(ids), None)
    }

    fn record(&mut self, object: &Object, space: &str, path: &str) -> Result<NodeId, SchemaError> {
        let (name, inner) = name_of(object, space, path)?;
        // Defined before its fields are read, so that they may name it.
        let empty = Record {
            name: name.clone(),
            fields: vec![],
        };
        let id = self.define(&name, Kind::Record(empty), None, path)?;
        let Some(Value::Array(list)) = object.get("fields") else {
            return Err(SchemaError::invalid(path, "no list of `fields`"));
        };
        let mut fields: Vec<Field> = Vec::with_capacity(list.len());
        let mut seen = BTreeSet::new();
        for (index, value) in list.iter().enumerate() {
            let at = format!("{path}/fields/{index}");
            let field = self.field(value, &inner, &at)?;
            if !seen.insert(field.name.clone()) {
                let problem = format!("field `{}` is declared twice", field.name);
                return Err(SchemaError::invalid(&at, problem));
            }
            fields.push(field);
        }
        self.nodes[id.0 as usize].kind = Kind::Record(Record { name, fields });
        Ok(id)
    }

    fn field(&mut self, value: &Value, space: &str, path: &str) -> Result<Field, SchemaError> {
        let Value::Object(object) = value else {
            return Err(SchemaError::invalid(path, "a field is a JSON object"));
        };
        let name = checked_text(object, "name", path)?;
        let schema = object
            .get("type")
            .ok_or_else(|| SchemaError::invalid(path, format!("field `{name}` has no `type`")))?;
        Ok(Field {
            name: name.to_owned(),
            aliases: strings(object, "aliases", path)?,
            has_default: object.contains_key("default"),
            schema: self.any(schema, space, &pointer::join(path, "type"))?,
        })
    }

    fn enumeration(
        &mut self,
        object: &Object,
        space: &str,
        path: &str,
    ) -> Result<NodeId, SchemaError> {
        let (name, _) = name_of(object, space, path)?;
        if !object.contains_key("symbols") {
            return Err(SchemaError::invalid(path, "no `symbols`"));
        }
        let symbols = strings(object, "symbols", path)?;
        let mut seen = BTreeSet::new();
        for symbol in &symbols {
            if !is_name(symbol) || !seen.insert(symbol) {
                let problem = format!("symbol `{symbol}` is not a name, or stands there twice");
                return Err(SchemaError::invalid(
                    &pointer::join(path, "symbols"),
                    problem,
                ));
            }
        }
        let default = object
            .get("default")
            .and_then(Value::as_str)
            .map(str::to_owned);
        if let Some(missing) = default
            .as_ref()
            .filter(|default| !symbols.contains(default))
        {
            let problem = format!("the default `{missing}` is not one of the symbols");
            return Err(SchemaError::invalid(
                &pointer::join(path, "default"),
                problem,
            ));
        }
        self.define(
            &name.clone(),
            Kind::Enum(Enum {
                name,
                symbols,
                default,
            }),
            None,
            path,
        )
    }

    fn fixed(&mut self, object: &Object, space: &str, path: &str) -> Result<NodeId, SchemaError> {
        let (name, _) = name_of(object, space, path)?;
        let size = object
            .get("size")
            .and_then(Value::as_u64)
            .and_then(|n| usize::try_from(n).ok());
        let size = size.ok_or_else(|| SchemaError::invalid(path, "no whole `size`"))?;
        let kind = Kind::Fixed(Fixed {
            name: name.clone(),
            size,
        });
        let logical = Logical::of(object, &kind);
        self.define(&name, kind, logical, path)
    }

    fn define(
        &mut self,
        name: &Name,
        kind: Kind,
        logical: Option<Logical>,
        path: &str,
    ) -> Result<NodeId, SchemaError> {
        if primitive(name.short()).is_some() {
            let problem = format!("`{}` is the name of a primitive type", name.full);
            return Err(SchemaError::invalid(path, problem));
        }
        let id = self.add(kind, logical)?;
        if self.names.insert(name.full.clone(), id).is_some() {
            return Err(SchemaError::invalid(
                path,
                format!("`{}` is defined twice", name.full),
            ));
        }
        Ok(id)
    }
}

/// The primitive type of that name.
fn primitive(name: &str) -> Option<Kind> {
    Some(match name {
        "null" => Kind::Null,
        "boolean" => Kind::Boolean,
        "int" => Kind::Int,
        "long" => Kind::Long,
        "float" => Kind::Float,
        "double" => Kind::Double,
        "bytes" => Kind::Bytes,
        "string" => Kind::String,
        _ => return None,
    })
}

/// The full name, with aliases, and the namespace for what stands inside.
fn name_of(object: &Object, space: &str, path: &str) -> Result<(Name, String), SchemaError> {
    let Some(Value::String(name)) = object.get("name") else {
        return Err(SchemaError::invalid(path, "no `name`"));
    };
    let own = object
        .get("namespace")
        .and_then(Value::as_str)
        .unwrap_or(space);
    let full = full_name(name, own);
    if !full.split('.').all(is_name) {
        return Err(SchemaError::invalid(
            path,
            format!("`{full}` is not a name"),
        ));
    }
    let inner = full
        .rsplit_once('.')
        .map_or("", |(space, _)| space)
        .to_owned();
    let aliases = strings(object, "aliases", path)?;
    let aliases = aliases
        .iter()
        .map(|alias| full_name(alias, &inner))
        .collect();
    Ok((Name { full, aliases }, inner))
}

fn full_name(name: &str, space: &str) -> String {
    if name.contains('.') || space.is_empty() {
        name.trim_start_matches('.').to_owned()
    } else {
        format!("{space}.{name}")
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn checked_text<'a>(object: &'a Object, key: &str, path: &str) -> Result<&'a str, SchemaError> {
    let text = object.get(key).and_then(Value::as_str).unwrap_or_default();
    if is_name(text) {
        Ok(text)
    } else {
        Err(SchemaError::invalid(
            path,
            format!("`{key}` is missing or not a name: `{text}`"),
        ))
    }
}

fn strings(object: &Object, key: &str, path: &str) -> Result<Vec<String>, SchemaError> {
    let wrong = || SchemaError::invalid(&pointer::join(path, key), "not a list of strings");
    match object.get(key) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(list)) => list
            .iter()
            .map(|text| text.as_str().map(str::to_owned).ok_or_else(wrong))
            .collect(),
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => {
            Err(wrong())
        }
    }
}
