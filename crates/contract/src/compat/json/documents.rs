//! Where schemas stand: a document with those that it imports, and what a reference in one of them names.
//!
//! Nothing is fetched: what is neither in the document nor among its imports does not exist.

use super::uri;
use crate::schema_error::{SchemaError, parse_text};
use crate::source::Source;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

pub(crate) type Object = Map<String, Value>;

/// The rules that a document is read by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Draft {
    Four,
    Six,
    /// Also where `$schema` is absent or unknown, as the reference has it.
    Seven,
    /// 2019-09 and 2020-12.
    Modern,
}

impl Draft {
    fn of(schema: &Value) -> Self {
        let named = schema
            .get("$schema")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let named = named.split_once("://").map_or(named, |(_, rest)| rest);
        match named.trim_end_matches('#').trim_end_matches('/') {
            "json-schema.org/draft-04/schema" => Draft::Four,
            "json-schema.org/draft-06/schema" => Draft::Six,
            "json-schema.org/draft/2019-09/schema" | "json-schema.org/draft/2020-12/schema" => {
                Draft::Modern
            }
            _ => Draft::Seven,
        }
    }

    fn id_keyword(self) -> &'static str {
        if self == Draft::Four { "id" } else { "$id" }
    }
}

/// Keywords whose value is a schema.
const ONE: &[&str] = &[
    "additionalItems",
    "additionalProperties",
    "contains",
    "contentSchema",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
];
/// Keywords whose value is a list of schemas.
const MANY: &[&str] = &["allOf", "anyOf", "items", "oneOf", "prefixItems"];
/// Keywords whose value is an object of schemas; those of `dependencies` may also be lists of names.
const NAMED: &[&str] = &[
    "$defs",
    "definitions",
    "dependencies",
    "dependentSchemas",
    "patternProperties",
    "properties",
];

/// The keyword, and name or index, of each schema right within `schema`.
pub(crate) fn children(schema: &Object) -> Vec<(&str, &Value)> {
    let mut found = Vec::new();
    for (keyword, value) in schema {
        match value {
            Value::Object(members) if NAMED.contains(&keyword.as_str()) => {
                let schemas = members.values().filter(|value| !value.is_array());
                found.extend(schemas.map(|value| (keyword.as_str(), value)));
            }
            Value::Array(items) if MANY.contains(&keyword.as_str()) => {
                found.extend(items.iter().map(|item| (keyword.as_str(), item)));
            }
            Value::Object(_) | Value::Bool(_) if ONE.contains(&keyword.as_str()) => {
                found.push((keyword.as_str(), value));
            }
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_)
            | Value::Object(_) => {}
        }
    }
    found
}

/// A document and its imports, parsed.
#[derive(Debug, PartialEq)]
pub(crate) struct Texts {
    pub(crate) root: Value,
    pub(crate) imports: Vec<(String, Value)>,
}

impl Texts {
    pub(crate) fn parse(source: &Source<'_>) -> Result<Self, SchemaError> {
        Source::check_imports(source.imports)?;
        let imports = source.imports.iter();
        let imports = imports.map(|import| Ok((import.name.to_owned(), parse_text(import.text)?)));
        Ok(Self {
            root: parse_text(source.text)?,
            imports: imports.collect::<Result<_, _>>()?,
        })
    }
}

/// A schema where it stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) value: &'a Value,
    /// The URI that references in it start from, in [`Documents::bases`].
    base: usize,
    /// Which of several [`Documents`] it belongs to.
    pub(crate) side: usize,
}

impl<'a> Place<'a> {
    /// Its name: the documents outlive every comparison.
    pub(crate) fn address(&self) -> usize {
        std::ptr::from_ref(self.value).addr()
    }

    pub(crate) fn object(&self) -> Option<&'a Object> {
        self.value.as_object()
    }
}

/// What a reference names.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target<'a> {
    Place(Place<'a>),
    /// The schema of a draft itself.
    Standard,
}

/// A document and its imports, indexed.
#[derive(Debug)]
pub(crate) struct Documents<'a> {
    pub(crate) draft: Draft,
    pub(crate) root: Place<'a>,
    side: usize,
    bases: Vec<String>,
    /// The places of URIs in `bases`.
    numbers: BTreeMap<String, usize>,
    resources: BTreeMap<String, Place<'a>>,
    anchors: BTreeMap<(usize, String), Place<'a>>,
}

impl<'a> Documents<'a> {
    pub(crate) fn new(texts: &'a Texts, side: usize) -> Self {
        let root = Place {
            value: &texts.root,
            base: 0,
            side,
        };
        let mut documents = Self {
            draft: Draft::of(&texts.root),
            root,
            side,
            bases: vec![String::new()],
            numbers: BTreeMap::new(),
            resources: BTreeMap::new(),
            anchors: BTreeMap::new(),
        };
        documents.root = documents.collect(&texts.root, 0);
        for (name, value) in &texts.imports {
            let (name, _) = uri::split(name);
            let at = uri::join(&documents.bases[documents.root.base], name);
            documents.bases.push(at.clone());
            let place = documents.collect(value, documents.bases.len() - 1);
            for name in [at.as_str(), name] {
                documents.resources.entry(name.to_owned()).or_insert(place);
            }
        }
        documents
            .resources
            .entry(String::new())
            .or_insert(documents.root);
        documents
    }

    /// Note the ids and anchors of a schema at `base` and of all within it.
    fn collect(&mut self, value: &'a Value, base: usize) -> Place<'a> {
        let place = self.enter(value, base);
        let Some(object) = value.as_object() else {
            return place;
        };
        for keyword in ["$anchor", "$dynamicAnchor"] {
            if let Some(anchor) = object.get(keyword).and_then(Value::as_str) {
                self.anchors
                    .entry((place.base, anchor.to_owned()))
                    .or_insert(place);
            }
        }
        let id = object.get(self.draft.id_keyword()).and_then(Value::as_str);
        if let Some(anchor) = id
            .and_then(|id| id.strip_prefix('#'))
            .filter(|a| !a.is_empty())
        {
            self.anchors
                .entry((place.base, anchor.to_owned()))
                .or_insert(place);
        }
        for (_, child) in children(object) {
            self.collect(child, place.base);
        }
        place
    }

    /// The place of a schema that stands in one at `base`: the same base, unless it has an id of its own.
    fn enter(&mut self, value: &'a Value, base: usize) -> Place<'a> {
        let base = self.own_uri(value, base).map_or(base, |own| {
            *self.numbers.entry(own.clone()).or_insert_with(|| {
                self.bases.push(own);
                self.bases.len() - 1
            })
        });
        let place = Place {
            value,
            base,
            side: self.side,
        };
        if self.own_uri(value, base).is_some() {
            self.resources
                .entry(self.bases[base].clone())
                .or_insert(place);
        }
        place
    }

    fn own_uri(&self, value: &Value, base: usize) -> Option<String> {
        let id = value.get(self.draft.id_keyword())?.as_str()?;
        let (id, _) = uri::split(id);
        (!id.is_empty()).then(|| uri::join(&self.bases[base], id))
    }

    /// A schema that stands in another.
    pub(crate) fn child(&self, parent: Place<'a>, value: &'a Value) -> Place<'a> {
        let own = self.own_uri(value, parent.base);
        let base = own.and_then(|own| self.numbers.get(&own).copied());
        Place {
            value,
            base: base.unwrap_or(parent.base),
            side: self.side,
        }
    }

    /// What `reference` names where it stands in `from`.
    pub(crate) fn resolve(&self, from: Place<'a>, reference: &str) -> Option<Target<'a>> {
        let (document, fragment) = uri::split(reference);
        let absolute = uri::join(&self.bases[from.base], document);
        let standard = ["json-schema.org/draft-0", "json-schema.org/draft/"];
        let site = absolute.split_once("://").map_or("", |(_, rest)| rest);
        let found = self
            .resources
            .get(&absolute)
            .or_else(|| self.resources.get(document));
        let Some(resource) = found.copied() else {
            let known = standard.iter().any(|start| site.starts_with(start));
            return known.then_some(Target::Standard);
        };
        let fragment = uri::decode(fragment)?;
        let found = if fragment.is_empty() {
            Some(resource)
        } else if fragment.starts_with('/') {
            // A pointer written for the whole document, inside a part that has an id of its own.
            let whole = || {
                self.pointer(self.root, &fragment)
                    .filter(|_| document.is_empty())
            };
            self.pointer(resource, &fragment).or_else(whole)
        } else {
            self.anchors.get(&(resource.base, fragment)).copied()
        };
        found.map(Target::Place)
    }

    fn pointer(&self, resource: Place<'a>, pointer: &str) -> Option<Place<'a>> {
        let mut place = resource;
        for token in pointer.split('/').skip(1) {
            let token = token.replace("~1", "/").replace("~0", "~");
            let value = match place.value {
                Value::Object(members) => members.get(&token)?,
                Value::Array(items) => items.get(token.parse::<usize>().ok()?)?,
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return None,
            };
            place = self.child(place, value);
        }
        (place.value.is_object() || place.value.is_boolean()).then_some(place)
    }
}

/// The references that a schema itself makes, with their keywords.
pub(crate) fn references(schema: &Object, draft: Draft) -> Vec<(&'static str, &str)> {
    let keywords: &[&str] = match draft {
        Draft::Four | Draft::Six | Draft::Seven => &["$ref"],
        Draft::Modern => &["$ref", "$dynamicRef", "$recursiveRef"],
    };
    let text = |keyword: &'static str| Some((keyword, schema.get(keyword)?.as_str()?));
    keywords
        .iter()
        .filter_map(|keyword| text(keyword))
        .collect()
}
