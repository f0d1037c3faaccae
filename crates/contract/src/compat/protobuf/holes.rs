//! What the reference passes over though values may be lost or change their meaning.
//!
//! Each is told with the verdict [`super::super::Verdict::Unjudged`]: a registry warns, a contract refuses. Sound in
//! this sense: where nothing is incompatible and nothing unjudged, every value that both schemas know survives.

use super::change::Change;
use super::field::{Kind, Ty};
use super::message::{ByNumber, by_number};
use super::{At, Comparison, Side};
use crate::protobuf::ast::{Enum, Extend, Field, Group, Label, Message, Oneof, Reserved, Value};
use crate::protobuf::{derived_json_name, join};
use crate::schema_error::SchemaError;
use std::collections::{BTreeMap, BTreeSet};

impl<'a> Comparison<'a> {
    /// Of one field in both schemas, found since `before` what the reference says of it.
    pub(super) fn field_holes(
        &mut self,
        old: &Field,
        new: &Field,
        before: usize,
        types: &(Ty<'a>, Ty<'a>),
    ) {
        if old.name != new.name {
            self.add(Change::FieldNumberReused);
        } else if json_name(old) != json_name(new) {
            self.add(Change::FieldJsonNameChanged);
        }
        if !self.is_compatible_since(before) {
            return;
        }
        let repeated = |field: &Field, ty: &Ty<'_>| {
            field.label == Some(Label::Repeated) || ty.kind() == Kind::Map
        };
        if repeated(old, &types.0) != repeated(new, &types.1) {
            self.add(Change::FieldCardinalityChanged);
        }
        if new.label == Some(Label::Required) && old.label != Some(Label::Required) {
            self.add(Change::FieldBecameRequired);
        }
        if default(old) != default(new) {
            self.add(Change::FieldDefaultChanged);
        }
        self.narrowed(&types.0, &types.1);
    }

    /// Whether the reader's scalar holds every value of the writer's.
    pub(super) fn narrowed(&mut self, old: &Ty<'a>, new: &Ty<'a>) {
        match (old, new) {
            (Ty::Scalar(old), Ty::Scalar(new)) if !holds(new, old) => {
                self.add(Change::FieldTypeNarrowed);
            }
            (Ty::Enum(..), Ty::Scalar(new)) if !matches!(new.as_str(), "int32" | "int64") => {
                self.add(Change::FieldTypeNarrowed);
            }
            (Ty::Scalar(_), Ty::Enum(..)) => self.add(Change::FieldTypeNarrowed),
            (Ty::Enum(old_name, old, old_file), Ty::Enum(new_name, new, new_file)) => {
                if self.old.is_proto3(*old_file) != self.new.is_proto3(*new_file) {
                    self.add(Change::SyntaxChanged);
                }
                // Those of the schemas' own files that have one path are compared where they stand.
                let own = self.old.is_local(*old_file) && self.new.is_local(*new_file);
                if !own || self.old.local_name(old_name) != self.new.local_name(new_name) {
                    self.enum_holes(old, new);
                }
            }
            _ => {}
        }
    }

    pub(super) fn enum_holes(&mut self, old: &Enum, new: &Enum) {
        let index = |found: &Enum| -> BTreeMap<i32, BTreeSet<String>> {
            let mut names: BTreeMap<i32, BTreeSet<String>> = BTreeMap::new();
            for value in &found.values {
                names
                    .entry(value.number)
                    .or_default()
                    .insert(value.name.clone());
            }
            names
        };
        let (olds, news) = (index(old), index(new));
        for (number, names) in &olds {
            let change = match news.get(number) {
                None => Change::EnumValueUnknown,
                Some(known) if names.is_disjoint(known) => Change::EnumValueReused,
                Some(_) => continue,
            };
            self.within(number.to_string(), |this| this.add(change));
        }
        let numbers: BTreeMap<&str, i32> = old
            .values
            .iter()
            .map(|value| (value.name.as_str(), value.number))
            .collect();
        for value in &new.values {
            let before = numbers.get(value.name.as_str());
            if before.is_some_and(|number| *number != value.number) {
                self.within(value.number.to_string(), |this| {
                    this.add(Change::EnumValueRenumbered)
                });
            }
        }
    }

    /// Of a message: what its fields do to each other.
    pub(super) fn message_holes(
        &mut self,
        old: At<'a, '_>,
        new: At<'a, '_>,
    ) -> Result<(), SchemaError> {
        let olds = all_fields(old.message);
        let news = all_fields(new.message);
        self.numbers_changed(&olds, &news);
        self.reserved_used(old.message, &news);
        self.merged_oneofs(old.message, new.message);
        self.groups(old.message, new.message, (&olds, &news));
        self.moved_fields(old, new, (&olds, &news))
    }

    fn numbers_changed(&mut self, olds: &ByNumber<'_>, news: &ByNumber<'_>) {
        let numbers: BTreeMap<&str, i32> = olds
            .values()
            .map(|field| (field.name.as_str(), field.number))
            .collect();
        for field in news.values() {
            let before = numbers.get(field.name.as_str());
            if before.is_some_and(|number| *number != field.number) {
                self.within(field.number.to_string(), |this| {
                    this.add(Change::FieldNumberChanged)
                });
            }
        }
    }

    fn reserved_used(&mut self, old: &Message, news: &ByNumber<'_>) {
        let by_name: BTreeMap<&str, i32> = news
            .values()
            .map(|field| (field.name.as_str(), field.number))
            .collect();
        for reserved in old.reserved.iter().flatten() {
            if let Reserved::Name(name) = reserved {
                if let Some(number) = by_name.get(name.as_str()) {
                    self.within(number.to_string(), |this| {
                        this.add(Change::ReservedNameUsed)
                    });
                }
            } else if let Some((first, last)) = reserved.bounds()
                && first <= last
            {
                for number in news
                    .range(first..=last)
                    .map(|(number, _)| number.to_string())
                {
                    self.within(number, |this| this.add(Change::ReservedNumberUsed));
                }
            }
        }
    }

    /// Fields that could be set together, and of which now only one may be: the reference sees those that were outside
    /// of every oneof.
    fn merged_oneofs(&mut self, old: &Message, new: &Message) {
        let origins: BTreeMap<i32, &str> = old
            .oneofs
            .iter()
            .flat_map(|oneof| {
                oneof
                    .fields
                    .iter()
                    .map(|field| (field.number, oneof.name.as_str()))
            })
            .collect();
        let tops: BTreeSet<i32> = old.fields.iter().map(|field| field.number).collect();
        for oneof in &new.oneofs {
            let from: BTreeSet<&str> = member_origins(oneof, &origins).collect();
            let outside = oneof
                .fields
                .iter()
                .filter(|field| tops.contains(&field.number))
                .count();
            if outside == 0 && from.len() > 1 {
                self.within(&*oneof.name, |this| this.add(Change::OneofsMerged));
            }
        }
    }

    fn groups(&mut self, old: &Message, new: &Message, fields: (&ByNumber<'_>, &ByNumber<'_>)) {
        let (olds, news) = (all_groups(old), all_groups(new));
        let numbers: BTreeSet<i32> = olds.keys().chain(news.keys()).copied().collect();
        for number in numbers {
            let changed = match (olds.get(&number), news.get(&number)) {
                (Some(old), Some(new)) => old != new,
                (Some(_), None) => fields.1.contains_key(&number),
                (None, _) => fields.0.contains_key(&number),
            };
            if changed {
                self.within(number.to_string(), |this| this.add(Change::GroupChanged));
            }
        }
    }

    /// Fields moved into or out of a oneof, or to another: the reference no longer compares their types.
    fn moved_fields(
        &mut self,
        old: At<'a, '_>,
        new: At<'a, '_>,
        (olds, news): (&ByNumber<'a>, &ByNumber<'a>),
    ) -> Result<(), SchemaError> {
        let (old_homes, new_homes) = (homes(old.message), homes(new.message));
        for (number, field) in olds {
            let Some(now) = news.get(number) else {
                continue;
            };
            if old_homes.get(number) == new_homes.get(number) {
                continue;
            }
            self.path.push(number.to_string());
            let before = self.found.len();
            self.field((old, field), (new, now))?;
            let judged = !self.is_compatible_since(before);
            self.found.truncate_judged(before);
            if judged {
                self.add(Change::FieldMovedAndChanged);
            }
            self.path.pop();
        }
        Ok(())
    }

    /// Extensions of the schema's own file, by what they extend and their number.
    pub(super) fn extensions(&mut self) {
        let olds = own_extensions(&self.old);
        let news = own_extensions(&self.new);
        for (key, (old_scope, old)) in &olds {
            let Some((new_scope, new)) = news.get(key) else {
                continue;
            };
            let types = (
                self.old.ty(old_scope, &old.ty),
                self.new.ty(new_scope, &new.ty),
            );
            let same = match (&types.0, &types.1) {
                (Ty::Message(old, _), Ty::Message(new, _))
                | (Ty::Enum(old, ..), Ty::Enum(new, ..)) => old == new,
                (old, new) => old == new,
            };
            if !same || old.label != new.label || old.name != new.name {
                self.within(key.0.clone(), |this| {
                    this.within(key.1.to_string(), |this| this.add(Change::ExtensionChanged));
                });
            }
        }
    }
}

impl Side<'_> {
    /// The name of a type of the schema's own file less its package.
    fn local_name<'n>(&self, name: &'n str) -> &'n str {
        let package = self.loaded.main().package();
        let rest = name
            .strip_prefix(package)
            .map(|rest| rest.trim_start_matches('.'));
        rest.unwrap_or(name)
    }
}

/// Takes back what the reference would not have said.
trait TruncateJudged {
    fn truncate_judged(&mut self, before: usize);
}

impl TruncateJudged for Vec<super::Difference> {
    fn truncate_judged(&mut self, before: usize) {
        let unjudged: Vec<_> = self
            .drain(before..)
            .filter(|one| one.verdict == super::Verdict::Unjudged)
            .collect();
        self.extend(unjudged);
    }
}

fn all_fields(message: &Message) -> ByNumber<'_> {
    by_number(
        message
            .oneofs
            .iter()
            .flat_map(|oneof| &oneof.fields)
            .chain(&message.fields),
    )
}

fn all_groups(message: &Message) -> BTreeMap<i32, &Group> {
    let groups = message
        .oneofs
        .iter()
        .flat_map(|oneof| &oneof.groups)
        .chain(&message.groups);
    groups.map(|group| (group.number, group)).collect()
}

/// In which oneof a field stands; none for those outside.
fn homes(message: &Message) -> BTreeMap<i32, &str> {
    let oneofs = message.oneofs.iter();
    oneofs
        .flat_map(|oneof| {
            oneof
                .fields
                .iter()
                .map(|field| (field.number, oneof.name.as_str()))
        })
        .collect()
}

fn member_origins<'m>(
    oneof: &'m Oneof,
    origins: &'m BTreeMap<i32, &'m str>,
) -> impl Iterator<Item = &'m str> {
    oneof
        .fields
        .iter()
        .filter_map(|field| origins.get(&field.number).copied())
}

fn own_extensions<'a>(side: &Side<'a>) -> BTreeMap<(String, i32), (String, &'a Field)> {
    fn collect<'a>(
        side: &Side<'_>,
        scope: &str,
        extends: &'a [Extend],
        found: &mut BTreeMap<(String, i32), (String, &'a Field)>,
    ) {
        for extend in extends {
            let name = side
                .names
                .resolve(scope, &extend.name)
                .map_or(extend.name.as_str(), |(name, _)| name);
            for field in &extend.fields {
                found.insert((name.to_owned(), field.number), (scope.to_owned(), field));
            }
        }
    }
    fn walk<'a>(
        side: &Side<'_>,
        scope: &str,
        messages: &'a [Message],
        found: &mut BTreeMap<(String, i32), (String, &'a Field)>,
    ) {
        for message in messages {
            let scope = join(scope, &message.name);
            collect(side, &scope, &message.extends, found);
            walk(side, &scope, &message.messages, found);
        }
    }
    let mut found = BTreeMap::new();
    let file = side.loaded.main();
    collect(side, file.package(), &file.extends, &mut found);
    walk(side, file.package(), &file.messages, &mut found);
    found
}

/// Whether `reader` can hold every value of `writer`, as itself.
fn holds(reader: &str, writer: &str) -> bool {
    reader == writer
        || matches!(
            (writer, reader),
            ("int32", "int64")
                | ("uint32", "uint64" | "int64")
                | ("bool", "int32" | "int64" | "uint32" | "uint64")
                | ("sint32", "sint64")
                | ("string", "bytes")
        )
}

/// The name in JSON: as written, or made of the field's.
fn json_name(field: &Field) -> String {
    if let Some(Value::Text(name)) = &field.json_name {
        return String::from_utf8_lossy(name).into_owned();
    }
    derived_json_name(&field.name)
}

/// The default that is written; zero and empty as if it were not.
fn default(field: &Field) -> Option<&Value> {
    field.default.as_ref().filter(|value| match value {
        Value::Text(bytes) => !bytes.is_empty(),
        Value::Word(word) => word != "false",
        Value::Number(number) => number.parse::<f64>() != Ok(0.0),
        Value::Map(_) | Value::List(_) | Value::Part(_) => true,
    })
}
