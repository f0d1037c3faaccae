//! `allOf`, `anyOf`, `oneOf`, and schemas of several kinds: whose branches go with whose.

use super::change::Change;
use super::matching;
use super::model::{Criterion, Kind, Node};
use super::{Comparison, Outcome};
use crate::schema_error::SchemaError;
use std::rc::Rc;

type Branches<'a> = Vec<Rc<Node<'a>>>;

/// Most branches of one schema: the reference compares each with each.
const MAX_BRANCHES: usize = 400;

impl<'a> Comparison<'_, 'a> {
    /// A plain schema against a combined one, or the other way round; whether that settles it.
    pub(super) fn one_against_many(
        &mut self,
        old: &Rc<Node<'a>>,
        new: &Rc<Node<'a>>,
    ) -> Result<bool, SchemaError> {
        match (&old.kind, &new.kind) {
            (Kind::Combined(..), Kind::Combined(..)) => Ok(false),
            (_, Kind::Combined(_, parts)) if parts.len() == 1 => self.settles(old, &parts[0]),
            (Kind::Combined(_, parts), _) if parts.len() == 1 => self.settles(&parts[0], new),
            (_, Kind::Combined(Criterion::Any | Criterion::One, parts)) => {
                self.one_of_many(old, new, parts)
            }
            _ => Ok(false),
        }
    }

    fn settles(&mut self, old: &Rc<Node<'a>>, new: &Rc<Node<'a>>) -> Result<bool, SchemaError> {
        let outcome = self.trial(old, new)?;
        let compatible = self.is_compatible(&outcome);
        if compatible {
            self.absorb(&outcome)?;
        }
        Ok(compatible)
    }

    /// Whether some branch takes all that `old` allows; one of which that is certain, if there is one.
    fn one_of_many(
        &mut self,
        old: &Rc<Node<'a>>,
        new: &Rc<Node<'a>>,
        parts: &Branches<'a>,
    ) -> Result<bool, SchemaError> {
        let mut taken: Option<(usize, Outcome)> = None;
        for (index, part) in parts.iter().enumerate() {
            let outcome = self.trial(old, part)?;
            if self.is_certain(&outcome) {
                taken = Some((index, outcome));
                break;
            }
            if taken.is_none() && self.is_compatible(&outcome) {
                taken = Some((index, outcome));
            }
        }
        let Some((index, outcome)) = taken else {
            return Ok(false);
        };
        self.absorb(&outcome)?;
        self.add(Change::SumTypeExtended)?;
        if matches!(new.kind, Kind::Combined(Criterion::One, _)) {
            for (other, part) in parts.iter().enumerate() {
                if other != index && !self.are_disjoint(old, part)? {
                    self.add_at("oneOf", Change::OneOfNotCompared)?;
                    break;
                }
            }
        }
        Ok(true)
    }

    pub(super) fn combinations(
        &mut self,
        old: &Rc<Node<'a>>,
        new: &Rc<Node<'a>>,
    ) -> Result<(), SchemaError> {
        let (Kind::Combined(from, olds), Kind::Combined(to, news)) = (&old.kind, &new.kind) else {
            return Ok(());
        };
        let change = criterion(*from, olds.len(), *to, news.len());
        if let Some(change) = change {
            self.add(change)?;
            if change == Change::CombinedTypeChanged {
                return Ok(());
            }
        }
        let most = olds.len().max(news.len());
        if most > MAX_BRANCHES {
            return Err(SchemaError::TooLarge {
                found: most,
                limit: MAX_BRANCHES,
                unit: "branches of one schema",
            });
        }
        let (distinct_olds, distinct_news) = (distinct(olds), distinct(news));
        let (before, after) = (distinct_olds.len(), distinct_news.len());
        match (before.cmp(&after), *to) {
            (std::cmp::Ordering::Less, Criterion::All) => self.add(Change::ProductTypeExtended)?,
            (std::cmp::Ordering::Less, _) => self.add(Change::SumTypeExtended)?,
            (std::cmp::Ordering::Greater, Criterion::All) => {
                self.add(Change::ProductTypeNarrowed)?
            }
            (std::cmp::Ordering::Greater, _) => self.add(Change::SumTypeNarrowed)?,
            (std::cmp::Ordering::Equal, _) => {}
        }
        self.matched(*from, &distinct_olds, &distinct_news)?;
        if *to == Criterion::One && news.len() > 1 && !self.is_same_choice(*from, olds, news) {
            self.overlapping(news)?;
        }
        Ok(())
    }

    /// Match the branches; where not each of the smaller side has one, the schemas are incompatible.
    fn matched(
        &mut self,
        from: Criterion,
        olds: &Branches<'a>,
        news: &Branches<'a>,
    ) -> Result<(), SchemaError> {
        let mut outcomes: Vec<Vec<Option<Outcome>>> = Vec::new();
        for old in olds {
            let mut row = Vec::new();
            for new in news {
                let outcome = self.trial(old, new)?;
                row.push(Some(outcome).filter(|outcome| self.is_compatible(outcome)));
            }
            outcomes.push(row);
        }
        let smaller = olds.len().min(news.len());
        let certain = |outcome: &Outcome| self.is_certain(outcome);
        let mut chosen = matching::largest(&edges(&outcomes, certain), news.len());
        if chosen.iter().flatten().count() < smaller {
            chosen = matching::largest(&edges(&outcomes, |_| true), news.len());
        }
        for (index, right) in chosen.iter().enumerate() {
            if let Some(outcome) = right.and_then(|right| outcomes[index][right].take()) {
                let step = format!("{}/{index}", from.as_str());
                self.at(&step, |comparison| comparison.absorb(&outcome))?;
            }
        }
        if chosen.iter().flatten().count() < smaller {
            self.add(Change::CombinedTypeSubschemasChanged)?;
        }
        Ok(())
    }

    /// Documents that meet two branches of a `oneOf` are refused; the reference does not look for them.
    fn overlapping(&mut self, parts: &Branches<'a>) -> Result<(), SchemaError> {
        for (index, one) in parts.iter().enumerate() {
            for other in &parts[index + 1..] {
                self.step(1)?;
                if !self.are_disjoint(one, other)? {
                    return self.add_at("oneOf", Change::OneOfNotCompared);
                }
            }
        }
        Ok(())
    }

    /// Whether both are `oneOf` with the same branches, so that what met exactly one still does.
    fn is_same_choice(&self, from: Criterion, olds: &Branches<'a>, news: &Branches<'a>) -> bool {
        let has = |branches: &Branches<'a>, one: &Node<'a>| {
            branches
                .iter()
                .any(|other| self.is_same_value(one.place.value, other.place.value))
        };
        from == Criterion::One
            && olds.len() == news.len()
            && olds.iter().all(|old| has(news, old))
            && news.iter().all(|new| has(olds, new))
    }
}

fn edges(outcomes: &[Vec<Option<Outcome>>], takes: impl Fn(&Outcome) -> bool) -> Vec<Vec<usize>> {
    let row = |row: &Vec<Option<Outcome>>| {
        let all = row.iter().enumerate();
        all.filter(|(_, outcome)| outcome.as_ref().is_some_and(&takes))
            .map(|(at, _)| at)
            .collect()
    };
    outcomes.iter().map(row).collect()
}

/// Equal branches count once; parts of one schema are never equal.
fn distinct<'a>(branches: &Branches<'a>) -> Branches<'a> {
    let mut found: Branches<'a> = Vec::new();
    for branch in branches {
        let equal = |other: &Rc<Node<'a>>| {
            branch.is_whole() && other.is_whole() && branch.place.value == other.place.value
        };
        if !found.iter().any(equal) {
            found.push(Rc::clone(branch));
        }
    }
    found
}

fn criterion(from: Criterion, olds: usize, to: Criterion, news: usize) -> Option<Change> {
    let extended = match to {
        _ if from == to => return None,
        Criterion::Any => true,
        Criterion::One => olds == 1,
        Criterion::All => olds == 1 && news == 1,
    };
    Some(match extended {
        true => Change::CombinedTypeExtended,
        false => Change::CombinedTypeChanged,
    })
}
