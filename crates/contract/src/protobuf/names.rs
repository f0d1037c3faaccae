//! Which type a name means, from where it stands: the innermost scope first, as in C++.
//!
//! Source: <https://protobuf.dev/programming-guides/proto3/#name-resolution>

use super::ast::{Enum, Extend, Group, Label, Message};
use super::load::Loaded;
use crate::schema_error::SchemaError;
use std::collections::BTreeMap;

/// What a name means.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Found<'a> {
    Message(&'a Message),
    Enum(&'a Enum),
}

/// A type and where it was defined.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Symbol<'a> {
    pub(crate) found: Found<'a>,
    pub(crate) package: &'a str,
    /// Which of the loaded files.
    pub(crate) file: usize,
}

/// Every type and extension of a schema's files, by full name.
#[derive(Debug)]
pub(crate) struct Names<'a> {
    types: BTreeMap<String, Symbol<'a>>,
    extensions: BTreeMap<String, Option<Label>>,
    extended: Vec<Extended<'a>>,
}

/// A field that is given to a message from outside.
#[derive(Debug)]
struct Extended<'a> {
    scope: String,
    /// The message, as it is called there.
    message: &'a str,
    number: i32,
    field: &'a str,
}

impl<'a> Names<'a> {
    /// Of a schema and all that it imports.
    pub(crate) fn of(loaded: &'a Loaded<'_>) -> Self {
        let mut names = Self {
            types: BTreeMap::new(),
            extensions: BTreeMap::new(),
            extended: Vec::new(),
        };
        for (index, file) in loaded.files.iter().enumerate() {
            let file = &file.file;
            let mut collector = Collector {
                names: &mut names,
                package: file.package(),
                file: index,
            };
            collector.scope(file.package(), &file.messages, &file.enums);
            collector.extends(file.package(), &file.extends);
        }
        names
    }

    /// The full name and the type that `name` means in `scope`, which is the full name of a message or a package.
    pub(crate) fn resolve(&self, scope: &str, name: &str) -> Option<(&str, Symbol<'a>)> {
        lookup(&self.types, scope, name).map(|(name, symbol)| (name, *symbol))
    }

    /// Whether no two extensions of a message have one number. The library, which reads options by number, takes that
    /// for granted and ends in a panic where it is not so.
    pub(super) fn check_extensions(&self) -> Result<(), SchemaError> {
        let mut taken = BTreeMap::new();
        for one in &self.extended {
            let Some((message, _)) = self.resolve(&one.scope, one.message) else {
                continue;
            };
            if let Some(first) = taken.insert((message, one.number), one.field) {
                let (number, second) = (one.number, one.field);
                let problem = format!(
                    "extension number {number} of `{message}` is given to `{first}` and to `{second}`"
                );
                return Err(SchemaError::invalid("", problem));
            }
        }
        Ok(())
    }

    /// The full name of an extension, and whether it may stand several times.
    pub(super) fn extension(&self, scope: &str, name: &str) -> Option<(&str, bool)> {
        let (name, label) = lookup(&self.extensions, scope, name)?;
        Some((name, *label == Some(Label::Repeated)))
    }
}

fn lookup<'m, T>(
    map: &'m BTreeMap<String, T>,
    scope: &str,
    name: &str,
) -> Option<(&'m str, &'m T)> {
    let get = |name: &str| {
        map.get_key_value(name)
            .map(|(name, value)| (name.as_str(), value))
    };
    if let Some(full) = name.strip_prefix('.') {
        return get(full);
    }
    let mut scope = scope;
    while !scope.is_empty() {
        if let Some(found) = get(&format!("{scope}.{name}")) {
            return Some(found);
        }
        scope = scope.rsplit_once('.').map_or("", |(outer, _)| outer);
    }
    get(name)
}

/// A name within a scope.
pub(crate) fn join(scope: &str, name: &str) -> String {
    if scope.is_empty() {
        name.to_owned()
    } else {
        format!("{scope}.{name}")
    }
}

struct Collector<'n, 'a> {
    names: &'n mut Names<'a>,
    package: &'a str,
    file: usize,
}

impl<'a> Collector<'_, 'a> {
    fn scope(&mut self, scope: &str, messages: &'a [Message], enums: &'a [Enum]) {
        for message in messages {
            self.message(scope, message);
        }
        for found in enums {
            self.add(join(scope, &found.name), Found::Enum(found));
        }
    }

    fn message(&mut self, scope: &str, message: &'a Message) {
        let name = join(scope, &message.name);
        self.scope(&name, &message.messages, &message.enums);
        self.extends(&name, &message.extends);
        self.groups(&name, &message.groups);
        message
            .oneofs
            .iter()
            .for_each(|oneof| self.groups(&name, &oneof.groups));
        self.add(name, Found::Message(message));
    }

    fn groups(&mut self, scope: &str, groups: &'a [Group]) {
        groups
            .iter()
            .for_each(|group| self.message(scope, &group.body));
    }

    fn extends(&mut self, scope: &str, extends: &'a [Extend]) {
        for extend in extends {
            let fields = extend.fields.iter().map(|one| (one.number, &*one.name));
            let groups = extend.groups.iter();
            let groups = groups.map(|one| (one.number, &*one.body.name));
            for (number, field) in fields.chain(groups) {
                self.names.extended.push(Extended {
                    scope: scope.to_owned(),
                    message: &extend.name,
                    number,
                    field,
                });
            }
            for field in &extend.fields {
                self.names
                    .extensions
                    .insert(join(scope, &field.name), field.label);
            }
            self.groups(scope, &extend.groups);
        }
    }

    fn add(&mut self, name: String, found: Found<'a>) {
        let symbol = Symbol {
            found,
            package: self.package,
            file: self.file,
        };
        self.names.types.insert(name, symbol);
    }
}
