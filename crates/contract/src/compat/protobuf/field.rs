//! One field in two schemas: its label, and its type down to the messages that are imported.

use super::change::Change;
use super::{At, Comparison, MAX_CHAIN, MAX_PAIRS, Side};
use crate::protobuf::ast::{Enum, Field, Label, Type, is_scalar};
use crate::protobuf::{Found, Symbol, map_of};
use crate::schema_error::SchemaError;

/// A field's type with its names resolved.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Ty<'a> {
    Scalar(String),
    Enum(String, &'a Enum, usize),
    Map(String, String),
    Message(String, Symbol<'a>),
    /// A name that nothing has; a checked schema has none.
    Unknown(String),
}

/// The reference's kinds, of which a field may not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Scalar,
    Map,
    Message,
}

impl<'a> Side<'a> {
    pub(super) fn ty(&self, scope: &str, ty: &Type) -> Ty<'a> {
        match ty {
            Type::Map(key, value) => Ty::Map(key.clone(), value.clone()),
            Type::Name(name) => self.named(scope, name),
        }
    }

    fn named(&self, scope: &str, name: &str) -> Ty<'a> {
        if is_scalar(name) {
            return Ty::Scalar(name.to_owned());
        }
        if let Some((key, value)) = map_of(&self.names, scope, name) {
            return Ty::Map(key, value);
        }
        match self.names.resolve(scope, name) {
            Some((full, symbol)) => match symbol.found {
                Found::Enum(found) => Ty::Enum(full.to_owned(), found, symbol.file),
                Found::Message(_) => Ty::Message(full.to_owned(), symbol),
            },
            None => Ty::Unknown(name.to_owned()),
        }
    }
}

impl Ty<'_> {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Ty::Scalar(_) | Ty::Enum(..) => Kind::Scalar,
            Ty::Map(..) => Kind::Map,
            Ty::Message(..) | Ty::Unknown(_) => Kind::Message,
        }
    }

    /// Scalars of one group have one form on the wire, more or less.
    fn group(&self) -> &str {
        let Ty::Scalar(name) = self else {
            return "number";
        };
        match name.as_str() {
            "int32" | "int64" | "uint32" | "uint64" | "bool" => "number",
            "sint32" | "sint64" => "signed",
            "string" | "bytes" => "text",
            "fixed32" | "sfixed32" => "fixed32",
            "fixed64" | "sfixed64" => "fixed64",
            other => other,
        }
    }
}

type InMessage<'a, 's> = (At<'a, 's>, &'a Field);

impl<'a> Comparison<'a> {
    pub(super) fn field(
        &mut self,
        old: InMessage<'a, '_>,
        new: InMessage<'a, '_>,
    ) -> Result<(), SchemaError> {
        let before = self.found.len();
        if old.1.name != new.1.name {
            self.add(Change::FieldNameChanged);
        }
        let types = (
            self.old.ty(old.0.scope, &old.1.ty),
            self.new.ty(new.0.scope, &new.1.ty),
        );
        let labels = (old.1.label, new.1.label);
        self.types((old.0.scope, new.0.scope), &types.0, &types.1, labels)?;
        self.field_holes(old.1, new.1, before, &types);
        Ok(())
    }

    pub(super) fn types(
        &mut self,
        scopes: (&str, &str),
        old: &Ty<'a>,
        new: &Ty<'a>,
        labels: (Option<Label>, Option<Label>),
    ) -> Result<(), SchemaError> {
        if old.kind() != new.kind() {
            self.add(Change::FieldKindChanged);
            return Ok(());
        }
        match (old, new) {
            (Ty::Map(old_key, old_value), Ty::Map(new_key, new_value)) => {
                for (old, new) in [(old_key, new_key), (old_value, new_value)] {
                    let old = self.old.named(scopes.0, old);
                    let new = self.new.named(scopes.1, new);
                    self.types(scopes, &old, &new, (None, None))?;
                    self.narrowed(&old, &new);
                }
            }
            (Ty::Message(old, old_symbol), Ty::Message(new, new_symbol)) => {
                self.message_types((old, *old_symbol), (new, *new_symbol))?;
            }
            _ if old.kind() == Kind::Message => {
                if old != new {
                    self.add(Change::FieldNamedTypeChanged);
                }
            }
            _ if old.group() != new.group() => self.add(Change::FieldScalarKindChanged),
            _ => self.labels(old, labels),
        }
        Ok(())
    }

    fn labels(&mut self, ty: &Ty<'_>, labels: (Option<Label>, Option<Label>)) {
        let (Some(old), Some(new)) = labels else {
            return;
        };
        if old != new {
            self.add(match ty.group() {
                "text" => Change::FieldTextLabelChanged,
                _ => Change::FieldNumericLabelChanged,
            });
        }
    }

    /// Two messages fit by their names; imported ones are compared to the ground besides.
    fn message_types(
        &mut self,
        old: (&str, Symbol<'a>),
        new: (&str, Symbol<'a>),
    ) -> Result<(), SchemaError> {
        let local = local_name(old.0, old.1.package);
        if local != local_name(new.0, new.1.package) {
            self.add(Change::FieldNamedTypeChanged);
            return Ok(());
        }
        if self.old.is_local(old.1.file) && self.new.is_local(new.1.file) {
            // Compared where they stand.
            return Ok(());
        }
        let key = (old.0.to_owned(), new.0.to_owned());
        let known = self.memo.get(&key).copied();
        let compatible = match (known, old.1.found, new.1.found) {
            (Some(known), _, _) => known,
            (None, Found::Message(old_message), Found::Message(new_message)) => {
                self.memo.insert(key.clone(), true);
                let old = At {
                    scope: old.0,
                    message: old_message,
                };
                let new = At {
                    scope: new.0,
                    message: new_message,
                };
                let verdict = self.imported(local, old, new)?;
                self.memo.insert(key, verdict);
                verdict
            }
            (None, Found::Enum(_), _) | (None, _, Found::Enum(_)) => true,
        };
        if !compatible {
            self.add(Change::FieldNamedTypeChanged);
        }
        Ok(())
    }

    fn imported(
        &mut self,
        local: &str,
        old: At<'a, '_>,
        new: At<'a, '_>,
    ) -> Result<bool, SchemaError> {
        for (found, limit, unit) in [
            (self.memo.len(), MAX_PAIRS, "pairs of messages to compare"),
            (
                self.chain + 1,
                MAX_CHAIN,
                "imported messages within each other",
            ),
        ] {
            if found > limit {
                return Err(SchemaError::TooLarge { found, limit, unit });
            }
        }
        // The paths of an imported message start at its own file.
        let path = local.split('.').map(str::to_owned).collect();
        let outer = std::mem::replace(&mut self.path, path);
        let before = self.found.len();
        self.chain += 1;
        self.message(old, new)?;
        self.chain -= 1;
        self.path = outer;
        Ok(self.is_compatible_since(before))
    }
}

/// A full name less its package.
fn local_name<'n>(full: &'n str, package: &str) -> &'n str {
    let rest = full
        .strip_prefix(package)
        .and_then(|rest| rest.strip_prefix('.'));
    rest.unwrap_or(full)
}
