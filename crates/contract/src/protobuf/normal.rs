//! Other texts of the same schema: normalized, so that texts which differ in order and in how names are qualified are
//! one; and without what extensions say.
//!
//! Follows the reference, save where it would lose something: it rounds fractions in options to three digits.

use super::ast::{
    Custom, Enum, Extend, Extensions, Field, File, Group, Label, Message, Opt, Reserved, Service,
    Type, Value, is_scalar,
};
use super::load::Loaded;
use super::names::{Found, Names, join};
use super::parser::integer;
use std::collections::BTreeMap;

/// The normalized tree of a schema.
pub(crate) fn normalized(loaded: &Loaded<'_>) -> File {
    let normal = Normal {
        names: &Names::of(loaded),
    };
    let mut file = loaded.main().clone();
    let package = file.package().to_owned();
    file.syntax = file.syntax.filter(|syntax| syntax != "proto2");
    for imports in [
        &mut file.imports,
        &mut file.public_imports,
        &mut file.weak_imports,
    ] {
        imports.sort_unstable();
        imports.dedup();
    }
    normal.options(&package, &mut file.options);
    file.messages.retain(|message| !message.is_map_entry());
    file.messages
        .iter_mut()
        .for_each(|one| normal.message(&package, one));
    file.enums
        .iter_mut()
        .for_each(|one| normal.enumeration(&package, one));
    normal.extends(&package, &mut file.extends);
    file.services
        .iter_mut()
        .for_each(|one| normal.service(&package, one));
    file
}

/// The tree without extensions and without the options that they define, save Confluent's own.
pub(crate) fn without_extensions(file: &File) -> File {
    let mut file = file.clone();
    file.extends.clear();
    strip(&mut file.options);
    file.messages.iter_mut().for_each(strip_message);
    file.enums.iter_mut().for_each(strip_enum);
    for service in &mut file.services {
        strip(&mut service.options);
        service
            .rpcs
            .iter_mut()
            .for_each(|rpc| strip(&mut rpc.options));
    }
    file
}

/// The tree with `map<K, V>` for the maps whose entries are written out as messages; `None` where there are none.
pub(super) fn fold_maps(file: &File, names: &Names<'_>) -> Option<File> {
    fn has_entries(message: &Message) -> bool {
        message.is_map_entry() || message.messages.iter().any(has_entries)
    }
    fn fold(scope: &str, message: &mut Message, normal: &Normal<'_>) {
        let scope = join(scope, &message.name);
        message
            .fields
            .iter_mut()
            .for_each(|field| normal.fold(&scope, field));
        message.messages.retain(|nested| !nested.is_map_entry());
        message
            .messages
            .iter_mut()
            .for_each(|nested| fold(&scope, nested, normal));
    }
    if !file.messages.iter().any(has_entries) {
        return None;
    }
    let mut file = file.clone();
    let package = file.package().to_owned();
    file.messages.retain(|message| !message.is_map_entry());
    file.messages
        .iter_mut()
        .for_each(|message| fold(&package, message, &Normal { names }));
    Some(file)
}

/// What stands for a map's entries, if a type's name means that: the types of key and value.
pub(crate) fn map_of(names: &Names<'_>, scope: &str, name: &str) -> Option<(String, String)> {
    let (full, symbol) = names.resolve(scope, name)?;
    let Found::Message(message) = symbol.found else {
        return None;
    };
    if !message.is_map_entry() {
        return None;
    }
    let part = |wanted: &str| {
        let field = message.fields.iter().find(|field| field.name == wanted)?;
        match &field.ty {
            Type::Name(name) if is_scalar(name) => Some(name.clone()),
            Type::Name(name) => names
                .resolve(full, name)
                .map(|(name, _)| format!(".{name}")),
            Type::Map(..) => None,
        }
    };
    Some((part("key")?, part("value")?))
}

fn strip(options: &mut Vec<Opt>) {
    options.retain(|option| option.custom == Custom::No || option.name.starts_with("confluent."));
}

fn strip_message(message: &mut Message) {
    message.extensions.clear();
    message.extends.clear();
    strip(&mut message.options);
    message
        .fields
        .iter_mut()
        .for_each(|field| strip(&mut field.options));
    strip_groups(&mut message.groups);
    for oneof in &mut message.oneofs {
        strip(&mut oneof.options);
        oneof
            .fields
            .iter_mut()
            .for_each(|field| strip(&mut field.options));
        strip_groups(&mut oneof.groups);
    }
    message.messages.iter_mut().for_each(strip_message);
    message.enums.iter_mut().for_each(strip_enum);
}

fn strip_groups(groups: &mut [Group]) {
    for group in groups {
        strip(&mut group.field_options);
        strip_message(&mut group.body);
    }
}

fn strip_enum(found: &mut Enum) {
    strip(&mut found.options);
    found
        .values
        .iter_mut()
        .for_each(|value| strip(&mut value.options));
}

#[derive(Debug, Clone, Copy)]
struct Normal<'a> {
    names: &'a Names<'a>,
}

impl Normal<'_> {
    fn message(self, scope: &str, message: &mut Message) {
        let scope = &join(scope, &message.name);
        message.reserved = single(std::mem::take(&mut message.reserved));
        self.options(scope, &mut message.options);
        self.fields(scope, &mut message.fields);
        for oneof in &mut message.oneofs {
            self.options(scope, &mut oneof.options);
            self.fields(scope, &mut oneof.fields);
            self.groups(scope, &mut oneof.groups);
        }
        let first = |fields: &[Field], groups: &[Group]| {
            let field = fields.first().map(|field| field.number);
            field.or(groups.first().map(|group| group.number))
        };
        message
            .oneofs
            .sort_by_key(|oneof| first(&oneof.fields, &oneof.groups));
        self.groups(scope, &mut message.groups);
        self.extensions(scope, &mut message.extensions);
        self.extends(scope, &mut message.extends);
        message.messages.retain(|nested| !nested.is_map_entry());
        message
            .messages
            .iter_mut()
            .for_each(|nested| self.message(scope, nested));
        message
            .enums
            .iter_mut()
            .for_each(|nested| self.enumeration(scope, nested));
    }

    fn enumeration(self, scope: &str, found: &mut Enum) {
        found.reserved = single(std::mem::take(&mut found.reserved));
        self.options(scope, &mut found.options);
        found
            .values
            .iter_mut()
            .for_each(|value| self.options(scope, &mut value.options));
        found
            .values
            .sort_by(|a, b| (a.number, &a.name).cmp(&(b.number, &b.name)));
    }

    fn service(self, scope: &str, service: &mut Service) {
        self.options(scope, &mut service.options);
        for rpc in &mut service.rpcs {
            self.options(scope, &mut rpc.options);
            rpc.request.ty = self.full(scope, &rpc.request.ty);
            rpc.response.ty = self.full(scope, &rpc.response.ty);
        }
    }

    fn extensions(self, scope: &str, extensions: &mut Vec<Extensions>) {
        let each = std::mem::take(extensions).into_iter().flat_map(|mut one| {
            self.options(scope, &mut one.options);
            let ranges = single(vec![one.ranges]).into_iter();
            ranges.map(move |ranges| Extensions {
                ranges,
                options: one.options.clone(),
            })
        });
        *extensions = each.collect();
        extensions.sort_by_key(|one| one.ranges.first().and_then(Reserved::bounds));
    }

    /// One block for each extended message, in the order in which they are first named.
    fn extends(self, scope: &str, extends: &mut Vec<Extend>) {
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        let mut found: Vec<Extend> = Vec::new();
        for mut extend in std::mem::take(extends) {
            extend.name = self.full(scope, &extend.name);
            let place = *places.entry(extend.name.clone()).or_insert(found.len());
            match found.get_mut(place) {
                Some(known) => {
                    known.fields.append(&mut extend.fields);
                    known.groups.append(&mut extend.groups);
                }
                None => found.push(extend),
            }
        }
        for extend in &mut found {
            self.fields(scope, &mut extend.fields);
            self.groups(scope, &mut extend.groups);
        }
        *extends = found;
    }

    fn groups(self, scope: &str, groups: &mut [Group]) {
        for group in &mut *groups {
            self.options(scope, &mut group.field_options);
            self.message(scope, &mut group.body);
        }
        groups.sort_by_key(|group| group.number);
    }

    fn fields(self, scope: &str, fields: &mut [Field]) {
        for field in &mut *fields {
            self.options(scope, &mut field.options);
            field.default.iter_mut().for_each(spell);
            self.fold(scope, field);
            match &mut field.ty {
                Type::Name(name) | Type::Map(_, name) => *name = self.full(scope, name),
            }
        }
        fields.sort_by_key(|field| field.number);
    }

    /// A field of map entries as a map.
    fn fold(self, scope: &str, field: &mut Field) {
        if let Type::Name(name) = &field.ty
            && field.label == Some(Label::Repeated)
            && let Some((key, value)) = map_of(self.names, scope, name)
        {
            field.ty = Type::Map(key, value);
            field.label = None;
        }
    }

    /// The full name of a type; what is not found keeps its own.
    fn full(self, scope: &str, name: &str) -> String {
        if is_scalar(name) {
            return name.to_owned();
        }
        match self.names.resolve(scope, name) {
            Some((full, _)) => format!(".{full}"),
            None => name.to_owned(),
        }
    }

    /// Options in the order of their full names; the parts of one message together.
    fn options(self, scope: &str, options: &mut Vec<Opt>) {
        let mut found: Vec<Opt> = Vec::new();
        for mut option in std::mem::take(options) {
            let mut many = true;
            if option.custom == Custom::Yes
                && let Some((full, repeated)) = self.names.extension(scope, &option.name)
            {
                option.name = full.to_owned();
                option.value = as_map(option.value);
                many = repeated;
            }
            spell(&mut option.value);
            let same =
                |known: &&mut Opt| known.name == option.name && known.custom == option.custom;
            match found.iter_mut().find(same) {
                Some(known) if !many => merge(&mut known.value, option.value),
                _ => found.push(option),
            }
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        found
            .iter_mut()
            .for_each(|option| self.sort_members(scope, &mut option.value));
        *options = found;
    }

    fn sort_members(self, scope: &str, value: &mut Value) {
        match value {
            Value::Map(members) => {
                members.retain(|(_, value)| *value != Value::List(Vec::new()));
                for (key, value) in &mut *members {
                    self.sort_members(scope, value);
                    let name = key.strip_prefix('[').and_then(|key| key.strip_suffix(']'));
                    if let Some((full, _)) = name.and_then(|name| self.names.extension(scope, name))
                    {
                        *key = format!("[{full}]");
                    }
                    if let Value::List(values) = value
                        && let [_] = values.as_slice()
                        && let Some(only) = values.pop()
                    {
                        *value = only;
                    }
                }
                members.sort_by(|a, b| a.0.cmp(&b.0));
            }
            Value::List(values) => values
                .iter_mut()
                .for_each(|one| self.sort_members(scope, one)),
            Value::Part(part) => self.sort_members(scope, &mut part.value),
            Value::Text(_) | Value::Word(_) | Value::Number(_) => {}
        }
    }
}

/// Numbers spelled one way.
fn spell(value: &mut Value) {
    match value {
        Value::Number(number) => *number = plain(number),
        Value::Map(members) => members.iter_mut().for_each(|(_, one)| spell(one)),
        Value::List(values) => values.iter_mut().for_each(spell),
        Value::Part(part) => spell(&mut part.value),
        Value::Text(_) | Value::Word(_) => {}
    }
}

/// One value for each statement, by number, names last.
fn single(reserved: Vec<Vec<Reserved>>) -> Vec<Vec<Reserved>> {
    let mut found: Vec<Reserved> = reserved.into_iter().flatten().collect();
    for one in &mut found {
        if let Reserved::Range(first, last) = one
            && first == last
        {
            *one = Reserved::Number(*first);
        }
    }
    found.sort_by_cached_key(|one| match one {
        Reserved::Name(name) => (i32::MAX, name.clone()),
        Reserved::Number(first) | Reserved::Range(first, _) | Reserved::ToMax(first) => {
            (*first, String::new())
        }
    });
    found.into_iter().map(|one| vec![one]).collect()
}

/// `(a).b.c = 1` as `(a) = {b: {c: 1}}`.
pub(crate) fn as_map(value: Value) -> Value {
    if let Value::Part(part) = value {
        if part.custom == Custom::Yes {
            return Value::Part(part);
        }
        let value = as_map(part.value);
        return Value::Map(vec![(part.name, value)]);
    }
    value
}

/// The members of both; of one that stands in both, the values of both.
fn merge(known: &mut Value, more: Value) {
    let (Value::Map(members), Value::Map(more)) = (&mut *known, more) else {
        return;
    };
    for (key, value) in more {
        match members.iter_mut().find(|(name, _)| *name == key) {
            None => members.push((key, value)),
            Some((_, first))
                if matches!((&*first, &value), (Value::Map(_), Value::Map(_)))
                    && !(is_entry(first) && is_entry(&value)) =>
            {
                merge(first, value);
            }
            Some((_, first)) => {
                let mut values = std::mem::replace(first, Value::List(Vec::new())).into_list();
                values.append(&mut value.into_list());
                *first = Value::List(values);
            }
        }
    }
}

/// Whether a value is an entry of a map field, `{key: … value: …}`: two of them are two entries, not one.
fn is_entry(value: &Value) -> bool {
    let Value::Map(members) = value else {
        return false;
    };
    let names = members.iter().map(|(name, _)| name.as_str());
    !members.is_empty() && names.clone().all(|name| matches!(name, "key" | "value"))
}

/// A number spelled one way: `0x10` and `16`, `1.50` and `1.5`.
fn plain(number: &str) -> String {
    let (sign, digits) = match number.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", number),
    };
    if let Some(value) = integer(digits) {
        return format!("{sign}{value}");
    }
    match digits.parse::<f64>() {
        Ok(value)
            if value.is_finite()
                && digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') =>
        {
            format!("{sign}{value}")
        }
        _ => number.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use crate::canonical;
    use crate::source::{SchemaType, Source};

    /// Two entries of a map field stay two, and what comes out is a schema again.
    #[test]
    fn entries_of_a_map_option_are_not_merged_into_one() {
        let text = "syntax = \"proto3\"; import \"confluent/meta.proto\"; message M { string a = 1 [\
            (confluent.field_meta).params = {key: \"x\", value: \"1\"}, \
            (confluent.field_meta).params = {key: \"y\", value: \"2\"}, (confluent.field_meta).doc = \"d\"]; }";
        let source = Source::new(SchemaType::Protobuf, text);
        let once = canonical::normalized(&source).expect("a schema");
        let again = canonical::normalized(&Source::new(SchemaType::Protobuf, &once));
        assert_eq!(again.expect("still a schema"), once);
        for part in ["\"x\"", "\"y\"", "\"1\"", "\"2\""] {
            assert!(once.contains(part), "{once:?}");
        }
    }
}
