//! Messages, their oneofs and fields, and enums: what the reference compares, in its order.

use super::change::Change;
use super::{At, Comparison};
use crate::protobuf::ast::{Enum, Field, Label, Message, Oneof};
use crate::protobuf::join;
use crate::schema_error::SchemaError;
use std::collections::{BTreeMap, BTreeSet};

/// Fields by their number.
pub(super) type ByNumber<'a> = BTreeMap<i32, &'a Field>;

pub(super) fn by_number<'a>(fields: impl IntoIterator<Item = &'a Field>) -> ByNumber<'a> {
    fields
        .into_iter()
        .map(|field| (field.number, field))
        .collect()
}

/// Where in its list something stands, if it is there.
type Placed<'a, T> = Option<(usize, &'a T)>;

/// What the two have by the same name, in the order of the old and then of the new.
fn paired<'a, T>(
    old: &'a [T],
    new: &'a [T],
    name: impl Fn(&T) -> &str,
) -> Vec<(Placed<'a, T>, Placed<'a, T>)> {
    let index = |items: &'a [T]| -> BTreeMap<String, (usize, &'a T)> {
        let items = items.iter().enumerate();
        items
            .map(|(place, item)| (name(item).to_owned(), (place, item)))
            .collect()
    };
    let (olds, news) = (index(old), index(new));
    let of_old = old
        .iter()
        .enumerate()
        .map(|(place, item)| (Some((place, item)), news.get(name(item)).copied()));
    let added = new
        .iter()
        .enumerate()
        .filter(|(_, item)| !olds.contains_key(name(item)));
    of_old
        .chain(added.map(|added| (None, Some(added))))
        .collect()
}

impl<'a> Comparison<'a> {
    pub(super) fn messages(
        &mut self,
        scopes: (&str, &str),
        old: &'a [Message],
        new: &'a [Message],
    ) -> Result<(), SchemaError> {
        for (old, new) in paired(old, new, |message| &message.name) {
            match (old, new) {
                (Some((old_place, old)), Some((new_place, new))) => {
                    self.path.push(old.name.clone());
                    let scopes = (join(scopes.0, &old.name), join(scopes.1, &new.name));
                    let old = At {
                        scope: &scopes.0,
                        message: old,
                    };
                    let new = At {
                        scope: &scopes.1,
                        message: new,
                    };
                    self.message(old, new)?;
                    if old_place != new_place {
                        self.add(Change::MessageMoved);
                    }
                    self.path.pop();
                }
                (Some((_, old)), None) if !old.is_map_entry() => {
                    self.within(&*old.name, |this| this.add(Change::MessageRemoved));
                }
                (None, Some((_, new))) if !new.is_map_entry() => {
                    self.within(&*new.name, |this| this.add(Change::MessageAdded));
                }
                (Some(_) | None, None) | (None, Some(_)) => {}
            }
        }
        Ok(())
    }

    pub(super) fn message(&mut self, old: At<'a, '_>, new: At<'a, '_>) -> Result<(), SchemaError> {
        let mut tops = by_number(&old.message.fields);
        self.moves_into_oneofs(old.message, new.message, &mut tops);
        for (one, other) in paired(&old.message.oneofs, &new.message.oneofs, |oneof| {
            &oneof.name
        }) {
            match (one, other) {
                (Some((_, one)), Some((_, other))) => {
                    self.path.push(one.name.clone());
                    self.oneof((old, one), (new, other))?;
                    self.path.pop();
                }
                (Some((_, one)), None) => {
                    self.within(&*one.name, |this| this.add(Change::OneofRemoved));
                }
                (None, Some((_, other))) => {
                    self.within(&*other.name, |this| this.add(Change::OneofAdded));
                }
                (None, None) => {}
            }
        }
        self.fields(old, new, &tops)?;
        self.message_holes(old, new)?;
        let scopes = (old.scope, new.scope);
        self.messages(scopes, &old.message.messages, &new.message.messages)?;
        self.enums(&old.message.enums, &new.message.enums);
        Ok(())
    }

    /// Fields that come together in a oneof; those are not told as removed.
    fn moves_into_oneofs(&mut self, old: &Message, new: &Message, tops: &mut ByNumber<'_>) {
        let within: BTreeSet<i32> = numbers(&old.oneofs).collect();
        for oneof in &new.oneofs {
            let (mut moved, mut existing) = (0, 0);
            for field in &oneof.fields {
                if tops.remove(&field.number).is_some() {
                    moved += 1;
                } else if within.contains(&field.number) {
                    existing += 1;
                }
            }
            let change = match (moved, existing) {
                (2.., _) => Change::MultipleFieldsMovedToOneof,
                (1, 1..) => Change::FieldMovedToExistingOneof,
                _ => continue,
            };
            self.within(&*oneof.name, |this| this.add(change));
        }
    }

    fn oneof(
        &mut self,
        old: (At<'a, '_>, &'a Oneof),
        new: (At<'a, '_>, &'a Oneof),
    ) -> Result<(), SchemaError> {
        let (olds, news) = (by_number(&old.1.fields), by_number(&new.1.fields));
        let numbers: BTreeSet<i32> = olds.keys().chain(news.keys()).copied().collect();
        for number in numbers {
            self.path.push(number.to_string());
            match (olds.get(&number), news.get(&number)) {
                (Some(one), Some(other)) => self.field((old.0, one), (new.0, other))?,
                (Some(_), None) => self.add(Change::OneofFieldRemoved),
                (None, _) => self.add(Change::OneofFieldAdded),
            }
            self.path.pop();
        }
        Ok(())
    }

    fn fields(
        &mut self,
        old: At<'a, '_>,
        new: At<'a, '_>,
        olds: &ByNumber<'a>,
    ) -> Result<(), SchemaError> {
        let news = by_number(&new.message.fields);
        let numbers: BTreeSet<i32> = olds.keys().chain(news.keys()).copied().collect();
        for number in numbers {
            self.path.push(number.to_string());
            let required = |field: &Field| field.label == Some(Label::Required);
            match (olds.get(&number), news.get(&number)) {
                (Some(one), Some(other)) => self.field((old, one), (new, other))?,
                (Some(one), None) if required(one) => self.add(Change::RequiredFieldRemoved),
                (Some(_), None) => self.add(Change::FieldRemoved),
                (None, Some(other)) if required(other) => self.add(Change::RequiredFieldAdded),
                (None, _) => self.add(Change::FieldAdded),
            }
            self.path.pop();
        }
        Ok(())
    }

    pub(super) fn enums(&mut self, old: &'a [Enum], new: &'a [Enum]) {
        for (old, new) in paired(old, new, |found| &found.name) {
            match (old, new) {
                (Some((_, old)), Some((_, new))) => {
                    self.within(&*old.name, |this| this.enumeration(old, new));
                }
                (Some((_, old)), None) => {
                    self.within(&*old.name, |this| this.add(Change::EnumRemoved));
                }
                (None, Some((_, new))) => {
                    self.within(&*new.name, |this| this.add(Change::EnumAdded));
                }
                (None, None) => {}
            }
        }
    }

    fn enumeration(&mut self, old: &Enum, new: &Enum) {
        let index = |found: &Enum| -> BTreeMap<i32, String> {
            let values = found.values.iter();
            values
                .map(|value| (value.number, value.name.clone()))
                .collect()
        };
        let (olds, news) = (index(old), index(new));
        let numbers: BTreeSet<i32> = olds.keys().chain(news.keys()).copied().collect();
        for number in numbers {
            let change = match (olds.get(&number), news.get(&number)) {
                (Some(one), Some(other)) if one == other => continue,
                (Some(_), Some(_)) => Change::EnumConstChanged,
                (Some(_), None) => Change::EnumConstRemoved,
                (None, _) => Change::EnumConstAdded,
            };
            self.within(number.to_string(), |this| this.add(change));
        }
        self.enum_holes(old, new);
    }
}

/// The numbers of all fields of oneofs.
pub(super) fn numbers(oneofs: &[Oneof]) -> impl Iterator<Item = i32> {
    oneofs
        .iter()
        .flat_map(|oneof| &oneof.fields)
        .map(|field| field.number)
}
