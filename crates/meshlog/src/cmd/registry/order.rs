//! The order of an import: what a schema refers to comes before it, and what is done in one wave may be done at once.
//!
//! A deletion waits as well: a version that is softly deleted and has a twin (the same id, in the same subject) would
//! be erased by the twin's registration, and what refers to a deleted version was registered after the deletion.

use std::collections::{BTreeMap, BTreeSet};

use registry::name;

use super::dump::{Dump, Key, Schema};

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// Register a version.
    Register(Key),
    /// Delete it softly.
    Delete(Key),
}

impl Step {
    /// With which version.
    pub(super) fn key(&self) -> &Key {
        match self {
            Step::Register(key) | Step::Delete(key) => key,
        }
    }
}

/// Steps in waves: each step comes after all that it needs.
pub(super) fn waves(source: &Dump, steps: BTreeSet<Step>) -> Vec<Vec<Step>> {
    let mut needs = needs(source, &steps);
    let mut waves = Vec::new();
    let mut left = steps;
    while !left.is_empty() {
        let free = |step: &&Step| needs.get(*step).is_none_or(BTreeSet::is_empty);
        let mut wave: Vec<Step> = left.iter().filter(free).cloned().collect();
        if wave.is_empty() {
            // a circle, which no registry can have been given in order: the one imported into will say what is missing
            wave = left.iter().cloned().collect();
        }
        for step in &wave {
            left.remove(step);
        }
        let done: BTreeSet<&Step> = wave.iter().collect();
        needs.retain(|step, _| left.contains(step));
        for needed in needs.values_mut() {
            needed.retain(|step| !done.contains(step));
        }
        waves.push(wave);
    }
    waves
}

/// What each step waits for.
fn needs(source: &Dump, steps: &BTreeSet<Step>) -> BTreeMap<Step, BTreeSet<Step>> {
    let twins = twins(source);
    let mut needs: BTreeMap<Step, BTreeSet<Step>> = BTreeMap::new();
    let mut before: Option<&Key> = None;
    for (key, schema) in &source.schemas {
        let register = needs.entry(Step::Register(key.clone())).or_default();
        register.extend(
            before
                .filter(|older| older.0 == key.0)
                .map(|older| Step::Register(older.clone())),
        );
        for target in schema.targets() {
            register.insert(Step::Register(target.clone()));
            register.insert(Step::Delete(target));
        }
        let twins = twins.get(&(key.0.as_str(), schema.id));
        let twins = twins.into_iter().flatten();
        let delete = needs.entry(Step::Delete(key.clone())).or_default();
        delete.extend(twins.map(|twin| Step::Register((*twin).clone())));
        for subject in schema.follows() {
            follow(source, schema, &subject, &mut needs);
        }
        before = Some(key);
    }
    for needed in needs.values_mut() {
        needed.retain(|step| steps.contains(step));
    }
    needs
}

/// A reference to the latest version: of those that were there before the schema, which its id tells inside a context,
/// and which are not deleted, while there are any.
fn follow(
    source: &Dump,
    schema: &Schema,
    subject: &str,
    needs: &mut BTreeMap<Step, BTreeSet<Step>>,
) {
    let is_near = name::context_of(subject) == name::context_of(&schema.subject);
    let is_older = |other: &Schema| !is_near || other.id < schema.id;
    let all = || source.versions(subject).map(|(_, other)| other);
    let any_older = all().any(is_older);
    let any_lives = all().any(|other| !other.deleted);
    let register = Step::Register(schema.key());
    let met = |other: &&Schema| other.key() != schema.key() && (!any_older || is_older(other));
    for other in all().filter(met) {
        let delete = Step::Delete(other.key());
        let before = needs.entry(register.clone()).or_default();
        before.insert(Step::Register(other.key()));
        if any_lives {
            before.insert(delete);
        } else {
            needs.entry(delete).or_default().insert(register.clone());
        }
    }
}

/// Versions of one subject with one id, by both.
fn twins(source: &Dump) -> BTreeMap<(&str, u32), Vec<&Key>> {
    let mut twins: BTreeMap<(&str, u32), Vec<&Key>> = BTreeMap::new();
    for (key, schema) in &source.schemas {
        let place = (key.0.as_str(), schema.id);
        twins.entry(place).or_default().push(key);
    }
    twins
}

#[cfg(test)]
mod tests {
    use super::super::dump::samples::{deleted, dump, referring, schema};
    use super::*;
    use proptest::prelude::*;

    fn all(source: &Dump) -> BTreeSet<Step> {
        let register = source.schemas.keys().cloned().map(Step::Register);
        let gone = source.schemas.iter().filter(|(_, schema)| schema.deleted);
        register
            .chain(gone.map(|(key, _)| Step::Delete(key.clone())))
            .collect()
    }

    fn told(source: &Dump) -> Vec<String> {
        let name = |step: &Step| match step {
            Step::Register((subject, version)) => format!("+{subject}{version}"),
            Step::Delete((subject, version)) => format!("-{subject}{version}"),
        };
        let waves = waves(source, all(source));
        let wave = |wave: &Vec<Step>| wave.iter().map(name).collect::<Vec<_>>().join(" ");
        waves.iter().map(wave).collect()
    }

    #[test]
    fn what_is_referred_to_comes_first() {
        let source = dump(vec![
            referring(schema("a", 1, 3), "b", 1),
            referring(schema("b", 1, 2), "c", 2),
            schema("c", 1, 4),
            schema("c", 2, 1),
        ]);
        assert_eq!(told(&source), ["+c1", "+c2", "+b1", "+a1"]);
    }

    #[test]
    fn a_reference_inside_a_context_stays_there() {
        let source = dump(vec![
            referring(schema(":.eu:a", 1, 2), "b", 1),
            schema(":.eu:b", 1, 1),
            schema("b", 1, 1),
        ]);
        assert_eq!(told(&source), ["+:.eu:b1 +b1", "+:.eu:a1"]);
    }

    #[test]
    fn a_deletion_waits_for_its_twin_and_comes_before_what_refers_to_it() {
        let source = dump(vec![
            deleted(schema("a", 1, 1)),
            schema("a", 2, 1),
            referring(schema("b", 1, 2), "a", 1),
        ]);
        assert_eq!(told(&source), ["+a1", "+a2", "-a1", "+b1"]);
    }

    #[test]
    fn a_reference_to_the_latest_waits_for_what_was_there_before() {
        let source = dump(vec![
            referring(schema("a", 1, 3), "b", -1),
            schema("b", 1, 1),
            deleted(schema("b", 2, 2)),
            referring(schema("b", 3, 4), "a", 1),
        ]);
        assert_eq!(told(&source), ["+b1", "+b2", "-b2", "+a1", "+b3"]);
    }

    #[test]
    fn the_latest_is_deleted_after_what_refers_to_it_where_no_other_is_left() {
        let source = dump(vec![
            referring(schema("a", 1, 2), "b", -1),
            deleted(schema("b", 1, 1)),
        ]);
        assert_eq!(told(&source), ["+b1", "+a1", "-b1"]);
    }

    #[test]
    fn ids_of_another_context_tell_nothing_of_what_came_first() {
        let source = dump(vec![
            referring(schema("a", 1, 1), ":.eu:b", -1),
            schema(":.eu:b", 1, 7),
            referring(schema("c", 1, 2), "c", -1),
        ]);
        assert_eq!(told(&source), ["+:.eu:b1 +c1", "+a1"]);
    }

    #[test]
    fn a_circle_does_not_keep_the_rest_from_being_tried() {
        let source = dump(vec![
            referring(schema("a", 1, 1), "b", 1),
            referring(schema("b", 1, 2), "a", 1),
            schema("c", 1, 3),
        ]);
        assert_eq!(told(&source), ["+c1", "+a1 +b1"]);
    }

    #[test]
    fn what_is_there_already_is_not_waited_for() {
        let source = dump(vec![
            referring(schema("a", 1, 2), "b", 1),
            schema("b", 1, 1),
        ]);
        let steps = BTreeSet::from([Step::Register(("a".into(), 1))]);
        assert_eq!(
            waves(&source, steps.clone()),
            [steps.into_iter().collect::<Vec<_>>()]
        );
    }

    proptest! {
        #[test]
        fn every_step_comes_once_and_after_what_it_refers_to(
            references in proptest::collection::vec(proptest::option::of(0usize..20), 1..20)
        ) {
            let name = |index: usize| format!("s{index:02}");
            let one = |(index, to): (usize, &Option<usize>)| {
                let plain = schema(&name(index), 1, u32::try_from(index).expect("small") + 1);
                match to {
                    // only to older ones, in reverse of their names
                    Some(to) if *to > index && *to < references.len() => referring(plain, &name(*to), 1),
                    _ => plain,
                }
            };
            let source = dump(references.iter().enumerate().map(one).collect());
            let waves = waves(&source, all(&source));
            let place = |key: &Key| {
                waves.iter().position(|wave| wave.contains(&Step::Register(key.clone())))
            };
            prop_assert_eq!(waves.iter().map(Vec::len).sum::<usize>(), source.schemas.len());
            for (key, schema) in &source.schemas {
                for target in schema.targets() {
                    prop_assert!(place(&target) < place(key));
                }
            }
        }
    }
}
