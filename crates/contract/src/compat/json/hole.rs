//! Keywords that the reference overlooks wherever they stand, and references that name nothing.

use super::Comparison;
use super::change::Change;
use super::documents::{self, Documents, Draft, Object, Place, Target, references};
use super::model::{Kind, Node};
use crate::pointer;
use crate::schema_error::SchemaError;
use serde_json::Value;
use std::collections::BTreeSet;
use std::rc::Rc;

const CONTENT: &[&str] = &["contentEncoding", "contentMediaType", "contentSchema"];

/// Keywords of later drafts, which other validators may heed: ours takes a schema without `$schema` for 2020-12.
const LATER: &[&str] = &[
    "$dynamicRef",
    "$recursiveRef",
    "dependentRequired",
    "dependentSchemas",
    "maxContains",
    "minContains",
    "prefixItems",
    "unevaluatedItems",
    "unevaluatedProperties",
];
/// Keywords of earlier drafts.
const EARLIER: &[&str] = &["additionalItems", "dependencies"];
/// Keywords that draft 4 has not.
const AFTER_FOUR: &[&str] = &["const", "contains", "else", "if", "propertyNames", "then"];

/// Keywords that may refuse a document, in any draft; others never do.
const REFUSING: &[&str] = &[
    "$dynamicRef",
    "$recursiveRef",
    "$ref",
    "additionalItems",
    "additionalProperties",
    "allOf",
    "anyOf",
    "const",
    "contains",
    "contentEncoding",
    "contentMediaType",
    "contentSchema",
    "dependencies",
    "dependentRequired",
    "dependentSchemas",
    "else",
    "enum",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "if",
    "items",
    "maxContains",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minContains",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "not",
    "oneOf",
    "pattern",
    "patternProperties",
    "prefixItems",
    "properties",
    "propertyNames",
    "required",
    "then",
    "type",
    "unevaluatedItems",
    "unevaluatedProperties",
    "uniqueItems",
];

fn refuses(keyword: &str) -> bool {
    REFUSING.contains(&keyword)
}

impl<'a> Comparison<'_, 'a> {
    /// What the reference overlooks in any schema.
    pub(super) fn overlooked(&mut self, old: &Node<'a>, new: &Node<'a>) -> Result<(), SchemaError> {
        if !new.is_whole() || matches!(old.kind, Kind::Nothing) {
            return Ok(());
        }
        let changed = |keyword: &str| {
            let after = new.get(keyword);
            after.is_some() && !self.is_same(old, new, &[keyword])
        };
        let format = changed("format");
        let content = CONTENT.iter().copied().find(|keyword| changed(keyword));
        let ignored = self
            .ignored(new)
            .into_iter()
            .find(|keyword| changed(keyword));
        if format {
            self.add_at("format", Change::FormatNotCompared)?;
        }
        if let Some(keyword) = content {
            self.add_at(keyword, Change::ContentNotCompared)?;
        }
        if let Some(keyword) = ignored {
            self.add_at(keyword, Change::KeywordNotCompared)?;
        }
        Ok(())
    }

    /// Keywords of a schema that its draft, as the reference reads it, does not know, and that may refuse documents.
    fn ignored(&self, node: &Node<'a>) -> Vec<&'a str> {
        let draft = self.documents(node.place).draft;
        let Some(object) = node.object() else {
            return Vec::new();
        };
        let list: Vec<&str> = match draft {
            Draft::Four => LATER.iter().chain(AFTER_FOUR).copied().collect(),
            Draft::Six => LATER
                .iter()
                .chain(&["if", "then", "else"])
                .copied()
                .collect(),
            Draft::Seven => LATER.to_vec(),
            Draft::Modern => EARLIER.to_vec(),
        };
        object
            .keys()
            .map(String::as_str)
            .filter(|keyword| list.contains(keyword))
            .collect()
    }

    /// A reference with siblings, which drafts before 2019-09 ignore.
    fn siblings(&self, node: &Node<'a>) -> bool {
        let refers = matches!(node.kind, Kind::Reference(_));
        let says = |keyword: &String| keyword != "$ref" && refuses(keyword);
        refers && node.object().is_some_and(|object| object.keys().any(says))
    }

    /// Note siblings of a reference that are new.
    pub(super) fn ignored_siblings(
        &mut self,
        old: &Rc<Node<'a>>,
        new: &Rc<Node<'a>>,
    ) -> Result<(), SchemaError> {
        if self.siblings(new) {
            let mut keywords = new.object().into_iter().flat_map(Object::keys);
            let changed = keywords.find(|keyword| {
                *keyword != "$ref"
                    && refuses(keyword)
                    && !self.is_same(old, new, &[keyword.as_str()])
            });
            if let Some(keyword) = changed {
                self.add_at(keyword, Change::KeywordNotCompared)?;
            }
        }
        Ok(())
    }

    /// Note what a schema that passes for empty says in keywords that the reference overlooks.
    pub(super) fn hidden(&mut self, place: Place<'a>) -> Result<(), SchemaError> {
        if self.is_anything(place) {
            return Ok(());
        }
        let format = place.value.get("format").is_some();
        self.add(if format {
            Change::FormatNotCompared
        } else {
            Change::KeywordNotCompared
        })
    }

    /// Whether a schema refuses nothing, for certain.
    pub(super) fn is_anything(&self, place: Place<'a>) -> bool {
        match place.value {
            Value::Bool(allows) => *allows,
            Value::Object(object) => !object.keys().any(|keyword| refuses(keyword)),
            Value::Null | Value::Number(_) | Value::String(_) | Value::Array(_) => false,
        }
    }

    /// Whether keywords have the same values, and the same meaning.
    pub(super) fn is_same(&self, old: &Node<'a>, new: &Node<'a>, keywords: &[&str]) -> bool {
        keywords
            .iter()
            .all(|keyword| match (old.get(keyword), new.get(keyword)) {
                (None, None) => true,
                (Some(before), Some(after)) => self.is_same_value(before, after),
                (Some(_), None) | (None, Some(_)) => false,
            })
    }

    pub(super) fn is_same_value(&self, old: &Value, new: &Value) -> bool {
        old == new && (self.same || !holds_reference(new))
    }

    /// Two schemas of Kafka Connect for bytes, which have several forms.
    pub(super) fn are_bytes(
        &mut self,
        old: &Node<'a>,
        new: &Node<'a>,
    ) -> Result<bool, SchemaError> {
        let bytes = |node: &Node<'a>| {
            node.is_whole() && node.get("connect.type").is_some_and(|ty| ty == "bytes")
        };
        let both = bytes(old) && bytes(new);
        if both && !self.is_same_value(old.place.value, new.place.value) {
            self.add(Change::BytesNotCompared)?;
        }
        Ok(both)
    }
}

fn holds_reference(value: &Value) -> bool {
    match value {
        Value::Object(members) => members.iter().any(|(key, value)| {
            matches!(key.as_str(), "$ref" | "$dynamicRef" | "$recursiveRef")
                || holds_reference(value)
        }),
        Value::Array(items) => items.iter().any(holds_reference),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

pub(super) fn unresolved(path: &str, reference: &str) -> SchemaError {
    SchemaError::invalid(
        path,
        format!("the reference `{reference}` names nothing that the schema or its imports hold"),
    )
}

/// Refuse a schema with a reference that names nothing; where nothing leads, nothing is looked at.
///
/// # Errors
/// [`SchemaError::Invalid`] names the reference and where it stands.
pub(crate) fn check_references(documents: &Documents<'_>) -> Result<(), SchemaError> {
    let mut seen = BTreeSet::new();
    let mut todo = vec![(documents.root, String::new())];
    while let Some((place, path)) = todo.pop() {
        let Some(object) = place.object().filter(|_| seen.insert(place.address())) else {
            continue;
        };
        let names = references(object, documents.draft);
        let alone = documents.draft != Draft::Modern && !names.is_empty();
        for (keyword, text) in names {
            match documents.resolve(place, text) {
                Some(Target::Place(target)) => todo.push((target, path.clone())),
                Some(Target::Standard) => {}
                None => return Err(unresolved(&pointer::join(&path, keyword), text)),
            }
        }
        if alone {
            continue;
        }
        for (keyword, child) in documents::children(object) {
            let unused = keyword == "definitions"
                || (keyword == "$defs" && documents.draft != Draft::Modern);
            if !unused {
                todo.push((documents.child(place, child), pointer::join(&path, keyword)));
            }
        }
    }
    Ok(())
}
