//! `not`, and `if` with `then` and `else`.

use super::Comparison;
use super::change::Change;
use super::documents::Place;
use super::model::Node;
use crate::schema_error::SchemaError;

impl<'a> Comparison<'_, 'a> {
    /// What must not match may become less, never more: the sides change places.
    pub(super) fn nots(&mut self, old: Place<'a>, new: Place<'a>) -> Result<(), SchemaError> {
        let (old, new) = (self.node(old), self.node(new));
        let mut outcome = self.trial(&new, &old)?;
        let compatible = self.is_compatible(&outcome);
        self.at("not", |comparison| {
            if !compatible {
                return comparison.add(Change::NotTypeExtended);
            }
            // What was overlooked there may break readers just as well.
            let plain = |change: Change| {
                change.verdict(comparison.policy) == crate::compat::Verdict::Compatible
            };
            outcome.found.retain(|found| !plain(found.change));
            comparison.absorb(&outcome)?;
            comparison.add(Change::NotTypeNarrowed)
        })
    }

    /// The reference looks at no part of a condition. Under the same condition each consequence can be compared.
    pub(super) fn conditionals(
        &mut self,
        old: &Node<'a>,
        new: &Node<'a>,
    ) -> Result<(), SchemaError> {
        if new.get("if").is_none() || self.is_same(old, new, &["if", "then", "else"]) {
            return Ok(());
        }
        let mut certain = self.is_same(old, new, &["if"]);
        for keyword in ["then", "else"] {
            let (before, after) = (old.get(keyword), new.get(keyword));
            certain = certain
                && match (before, after) {
                    (_, None) => true,
                    (None, Some(after)) => self.is_anything(self.child(new, after)),
                    (Some(before), Some(after)) => {
                        let (before, after) = (self.child(old, before), self.child(new, after));
                        self.covers(after, before)?
                    }
                };
        }
        match certain {
            true => Ok(()),
            false => self.add_at("if", Change::ConditionalNotCompared),
        }
    }
}
