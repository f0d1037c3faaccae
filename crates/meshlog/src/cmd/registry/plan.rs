//! What an import has to do: the difference between a registry and what it is to hold, or why it cannot.
//!
//! The plan is made from both sides, so that a run after one that was killed does the rest, and a run after one that
//! was not does nothing.

use std::collections::{BTreeMap, BTreeSet};

use registry::name;
use serde_json::{Map, Value};

use super::compare::{content, is_other_mode, is_plain};
use super::dump::{Dump, Key, Schema, Scope, WHOLE};
use super::order::{Step, waves};

/// The mode in which a registry takes ids and versions as they are given.
pub(super) const IMPORT: &str = "IMPORT";

/// The setting that makes a name stand for another subject.
const ALIAS: &str = "alias";

/// The setting that makes a registry rewrite what it is given.
const NORMALIZE: &str = "normalize";

/// The mode in which nothing may be written, whatever is set for single subjects.
const OVERRIDE: &str = "READONLY_OVERRIDE";

/// What has to be done, in this order.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Plan {
    /// Where ids and versions have to be taken as given.
    pub(super) import: BTreeSet<Scope>,
    /// Settings to be changed while versions are written, since these would go elsewhere (an alias) or not stay as they
    /// are (normalizing).
    pub(super) aside: BTreeMap<Scope, Map<String, Value>>,
    /// Versions to register and delete.
    pub(super) waves: Vec<Vec<Step>>,
    /// Settings: what to change, or (`None`) that they are to be removed.
    pub(super) configs: BTreeMap<Scope, Option<Map<String, Value>>>,
    /// Modes at the end; `None` is none of its own.
    pub(super) modes: BTreeMap<Scope, Option<String>>,
    /// How many of them are not so already before.
    pub(super) modes_changed: usize,
    /// Versions that cannot be registered, and why.
    pub(super) left_out: BTreeMap<Key, String>,
}

impl Plan {
    /// Versions that stay as they are.
    pub(super) fn unchanged(&self, source: &Dump) -> usize {
        let touched = self.steps().map(|step| match step {
            Step::Register(key) | Step::Delete(key) => key,
        });
        let touched: BTreeSet<&Key> = touched.chain(self.left_out.keys()).collect();
        source.schemas.len() - touched.len()
    }

    /// Versions to register.
    pub(super) fn registrations(&self) -> usize {
        self.steps()
            .filter(|step| matches!(step, Step::Register(_)))
            .count()
    }

    /// Versions to delete.
    pub(super) fn deletions(&self) -> usize {
        self.steps()
            .filter(|step| matches!(step, Step::Delete(_)))
            .count()
    }

    fn steps(&self) -> impl Iterator<Item = &Step> {
        self.waves.iter().flatten()
    }
}

/// The plan that brings `source` into `registry`.
///
/// # Errors
/// Every reason why it cannot be brought there with its ids and versions.
pub(super) fn plan(source: &Dump, registry: &Dump) -> Result<Plan, Vec<String>> {
    let conflicts = conflicts(source, registry);
    if !conflicts.is_empty() {
        return Err(conflicts);
    }
    let left_out = left_out(source, registry);
    let mut steps = steps(source, registry);
    steps.retain(|step| !left_out.contains_key(step.key()));
    let aside = aside(source, registry, &steps)?;
    let configs = configs(source, registry, &aside);
    let set: BTreeSet<&Scope> = aside.keys().chain(configs.keys()).collect();
    let import = import_scopes(source, registry, &steps, &set);
    let modes = modes(source, registry, &import);
    let changed = |(scope, mode): &(&Scope, &Option<String>)| {
        is_other_mode(
            scope,
            mode.as_deref(),
            registry.modes.get(*scope).map(String::as_str),
        )
    };
    Ok(Plan {
        import,
        aside,
        waves: waves(source, steps),
        configs,
        modes_changed: modes.iter().filter(changed).count(),
        modes,
        left_out,
    })
}

/// Versions that refer to what neither side has, or to such a version: registries let what only deleted versions refer
/// to be erased, and what is referred to from another context.
fn left_out(source: &Dump, registry: &Dump) -> BTreeMap<Key, String> {
    let mut found: BTreeMap<Key, String> = BTreeMap::new();
    loop {
        let before = found.len();
        for (key, schema) in &source.schemas {
            if registry.schemas.contains_key(key) || found.contains_key(key) {
                continue;
            }
            let has = |target: &Key| {
                let given = source.schemas.contains_key(target) && !found.contains_key(target);
                given || registry.schemas.contains_key(target)
            };
            if let Some(missing) = missing(schema, source, registry, has) {
                found.insert(key.clone(), missing);
            }
        }
        if found.len() == before {
            return found;
        }
    }
}

/// What a version refers to and is nowhere, in words.
fn missing(
    schema: &Schema,
    source: &Dump,
    registry: &Dump,
    has: impl Fn(&Key) -> bool,
) -> Option<String> {
    let missing = schema.targets().find(|target| !has(target));
    let followed = || {
        schema.follows().find(|subject| {
            let versions = source.versions(subject).chain(registry.versions(subject));
            !versions.map(|(key, _)| key).any(&has)
        })
    };
    missing
        .map(|(subject, version)| format!("'{subject}' version {version}"))
        .or_else(|| followed().map(|subject| format!("the latest version of '{subject}'")))
}

/// What is set in the registry and would lead versions elsewhere or change them. It is set as in the source afterwards.
///
/// # Errors
/// Where that cannot be, since the source has no such settings.
fn aside(
    source: &Dump,
    registry: &Dump,
    steps: &BTreeSet<Step>,
) -> Result<BTreeMap<Scope, Map<String, Value>>, Vec<String>> {
    let mut found: BTreeMap<Scope, Map<String, Value>> = BTreeMap::new();
    let mut note = |scope: &str, member: &str, value: Value| {
        let settings = found.entry(scope.to_owned()).or_default();
        settings.insert(member.to_owned(), value);
    };
    for step in steps {
        let subject = &step.key().0;
        if registry.alias(subject).is_some() {
            note(subject, ALIAS, Value::Null);
        }
        if matches!(step, Step::Register(_)) {
            for scope in normalizing(registry, subject) {
                note(&scope, NORMALIZE, false.into());
            }
        }
    }
    let concerned = source.concerns(&source.configs, registry);
    let beyond = found.keys().filter(|scope| !concerned.contains(*scope));
    let reasons: Vec<String> = beyond
        .map(|scope| {
            let whose = if scope == WHOLE { "the whole registry" } else { scope };
            format!(
                "{NORMALIZE} is set for {whose}: schemas would not stay as they are; set it to false until they are there"
            )
        })
        .collect();
    if reasons.is_empty() {
        Ok(found)
    } else {
        Err(reasons)
    }
}

/// Where it is set that schemas of a subject are normalized: in the nearest settings there are, which hide the others.
fn normalizing(registry: &Dump, subject: &str) -> Vec<Scope> {
    let context = name::prefix(name::context_of(subject));
    let near = [subject, &context].into_iter();
    let mut near = near.filter(|scope| *scope != WHOLE && registry.configs.contains_key(*scope));
    let scopes = match near.next() {
        Some(nearest) => vec![nearest],
        // the whole registry always tells settings, whether any are set or not
        None => vec![WHOLE, name::GLOBAL],
    };
    let normalizes = |scope: &&str| {
        let config = registry.configs.get(*scope);
        config.is_some_and(|config| config.get(NORMALIZE) == Some(&Value::Bool(true)))
    };
    let scopes = scopes.into_iter().filter(normalizes);
    scopes.map(str::to_owned).collect()
}

/// What of the registry is in the way.
fn conflicts(source: &Dump, registry: &Dump) -> Vec<String> {
    let mut found = Vec::new();
    let subjects = source.subjects();
    let mut ids: BTreeMap<(&str, u32), &Key> = BTreeMap::new();
    for (key, there) in &registry.schemas {
        ids.insert((name::context_of(&key.0), there.id), key);
        let of = format!("subject '{}' version {}", key.0, key.1);
        match source.schemas.get(key) {
            Some(wanted) => {
                if let Some((member, was, is)) = content(wanted, there).into_iter().next() {
                    found.push(format!("{of} has {member} {is}, the source {was}"));
                }
            }
            None if subjects.contains(key.0.as_str()) => {
                found.push(format!("{of} is not in the source"));
            }
            None => {}
        }
    }
    for (key, wanted) in &source.schemas {
        if registry.schemas.contains_key(key) {
            continue;
        }
        let taken = ids.get(&(name::context_of(&key.0), wanted.id));
        let Some(there) = taken.and_then(|taken| registry.schemas.get(*taken)) else {
            continue;
        };
        if !content(wanted, there).is_empty() {
            found.push(format!(
                "id {} of subject '{}' version {} stands for another schema there: subject '{}' version {}",
                wanted.id, key.0, key.1, there.subject, there.version
            ));
        }
    }
    found
}

fn steps(source: &Dump, registry: &Dump) -> BTreeSet<Step> {
    let mut steps = BTreeSet::new();
    for (key, wanted) in &source.schemas {
        let there = registry.schemas.get(key).map(|there| there.deleted);
        let register = match there {
            None => true,
            Some(deleted) => deleted && !wanted.deleted,
        };
        if register {
            steps.insert(Step::Register(key.clone()));
        }
        if wanted.deleted && there != Some(true) {
            steps.insert(Step::Delete(key.clone()));
        }
    }
    steps
}

/// Settings that are not as in the source, where the source has any, for its subjects and for what is theirs alone.
/// `aside` is what has been changed by then.
fn configs(
    source: &Dump,
    registry: &Dump,
    aside: &BTreeMap<Scope, Map<String, Value>>,
) -> BTreeMap<Scope, Option<Map<String, Value>>> {
    let mut found = BTreeMap::new();
    for scope in source.concerns(&source.configs, registry) {
        let (wanted, mut there) = (source.settings(&scope), registry.settings(&scope));
        if let (Some(there), Some(changed)) = (there.as_mut(), aside.get(&scope)) {
            there.extend(changed.clone());
            there.retain(|_, value| !value.is_null());
        }
        // the whole registry always has settings, whether any are set or not
        let says_nothing = |settings: &Option<_>| settings.as_ref().is_none_or(Map::is_empty);
        let is_none = scope == WHOLE && says_nothing(&wanted) && says_nothing(&there);
        if wanted == there || is_none || (wanted.is_none() && registry.owner(&scope).is_some()) {
            continue;
        }
        let change = wanted.map(|wanted| update(&wanted, &there.unwrap_or_default()));
        found.insert(scope, change);
    }
    found
}

/// The body of `PUT /config` that turns one into the other: what it does not name stays, `null` clears.
fn update(wanted: &Map<String, Value>, there: &Map<String, Value>) -> Map<String, Value> {
    let spelled = |member: &String| match member.as_str() {
        // as it is called in requests
        "compatibilityLevel" => "compatibility".to_owned(),
        other => other.to_owned(),
    };
    let mut body = Map::new();
    for (member, value) in wanted {
        if there.get(member) != Some(value) {
            body.insert(spelled(member), value.clone());
        }
    }
    for member in there.keys().filter(|member| !wanted.contains_key(*member)) {
        body.insert(spelled(member), Value::Null);
    }
    body
}

/// Where the registry has to take ids as given: whole contexts where all there is comes from the source, else single
/// subjects, so that others may go on writing to theirs.
fn import_scopes(
    source: &Dump,
    registry: &Dump,
    steps: &BTreeSet<Step>,
    set: &BTreeSet<&Scope>,
) -> BTreeSet<Scope> {
    let subjects = source.subjects();
    let others: BTreeSet<&str> = registry
        .subjects()
        .difference(&subjects)
        .map(|subject| name::context_of(subject))
        .collect();
    let mut scopes = BTreeSet::new();
    let concerned = steps.iter().map(|step| step.key().0.as_str());
    for subject in concerned.collect::<BTreeSet<_>>() {
        let context = name::context_of(subject);
        let is_shared = if context == name::DEFAULT {
            // what is set for the default context holds for the others too, in older registries
            !others.is_empty()
        } else {
            others.contains(context)
        };
        let has_own = registry.modes.contains_key(subject) || registry.owner(subject).is_some();
        if is_shared || has_own {
            scopes.insert(subject.to_owned());
        } else {
            scopes.insert(name::prefix(context));
        }
    }
    // settings of what may only be read cannot be changed either
    let frozen = |scope: &&Scope| is_read_only(registry, &scopes, scope);
    let frozen: Vec<Scope> = set.iter().copied().filter(frozen).cloned().collect();
    scopes.extend(frozen);
    if !steps.is_empty() || !set.is_empty() {
        scopes.extend(overriding(registry));
    }
    scopes
}

/// Where it is set that nothing may be written, whatever is set for single subjects.
fn overriding(registry: &Dump) -> impl Iterator<Item = Scope> {
    let modes = &registry.modes;
    let overrides = |scope: &&str| modes.get(*scope).is_some_and(|mode| mode == OVERRIDE);
    let scopes = [WHOLE, name::GLOBAL].into_iter().filter(overrides);
    scopes.map(str::to_owned)
}

/// Whether a scope may only be read: by its own mode, else its context's, else that of the whole registry.
fn is_read_only(registry: &Dump, import: &BTreeSet<Scope>, scope: &str) -> bool {
    let context = name::prefix(name::context_of(scope));
    let around = [scope, &context, WHOLE, name::GLOBAL];
    let mode = around.into_iter().find_map(|scope| {
        if import.contains(scope) {
            Some(IMPORT)
        } else {
            registry.modes.get(scope).map(String::as_str)
        }
    });
    mode.is_some_and(|mode| mode.starts_with("READONLY"))
}

/// The modes that are not as in the source once everything has been imported.
fn modes(
    source: &Dump,
    registry: &Dump,
    import: &BTreeSet<Scope>,
) -> BTreeMap<Scope, Option<String>> {
    let mut found = BTreeMap::new();
    let mut concerned = source.concerns(&source.modes, registry);
    concerned.extend(import.iter().cloned());
    let whole = registry.modes.get(WHOLE).map(String::as_str);
    if whole == Some(IMPORT) && source.own_contexts(registry).contains(WHOLE) {
        // left by a run that was killed, for a source that tells no mode
        concerned.insert(WHOLE.to_owned());
    }
    for scope in concerned {
        let there = if import.contains(&scope) {
            Some(IMPORT)
        } else {
            registry.modes.get(&scope).map(String::as_str)
        };
        let wanted = source.modes.get(&scope);
        if is_other_mode(&scope, wanted.map(String::as_str), there) {
            let target = wanted.filter(|mode| !is_plain(&scope, Some(mode))).cloned();
            found.insert(scope, target);
        }
    }
    found
}

/// Subjects of the registry that the source does not know.
pub(super) fn others(source: &Dump, registry: &Dump) -> usize {
    registry.subjects().difference(&source.subjects()).count()
}

#[cfg(test)]
mod tests {
    use super::super::compare::READWRITE;
    use super::super::dump::Schema;
    use super::super::dump::samples::{deleted, dump, referring, schema};
    use super::*;
    use serde_json::json;

    fn set(value: Value) -> Map<String, Value> {
        value.as_object().expect("an object").clone()
    }

    fn source() -> Dump {
        let mut source = dump(vec![
            schema("s", 1, 1),
            deleted(schema("s", 2, 2)),
            schema(":.eu:t", 1, 1),
        ]);
        source
            .configs
            .insert("s".into(), set(json!({"compatibilityLevel": "FULL"})));
        source.modes.insert(WHOLE.into(), "READWRITE".into());
        source.modes.insert(":.eu:".into(), "READONLY".into());
        source
    }

    fn scopes_of(plan: &Plan) -> Vec<&str> {
        plan.import.iter().map(String::as_str).collect()
    }

    #[test]
    fn an_empty_registry_is_filled() {
        let plan = plan(&source(), &dump(vec![])).expect("a plan");
        assert_eq!((plan.registrations(), plan.deletions()), (3, 1));
        assert_eq!(scopes_of(&plan), ["", ":.eu:"]);
        assert_eq!(
            plan.configs["s"],
            Some(set(json!({"compatibility": "FULL"})))
        );
        assert_eq!(plan.modes[WHOLE], None);
        assert_eq!(plan.modes[":.eu:"].as_deref(), Some("READONLY"));
    }

    #[test]
    fn what_is_there_already_leaves_nothing_to_do() {
        let plan = plan(&source(), &source()).expect("a plan");
        assert_eq!(plan, Plan::default());
    }

    #[test]
    fn a_killed_import_is_gone_on_with() {
        let mut half = dump(vec![schema("s", 1, 1), schema("s", 2, 2)]);
        half.modes.insert(WHOLE.into(), IMPORT.into());
        half.modes.insert(":.eu:".into(), IMPORT.into());
        let plan = plan(&source(), &half).expect("a plan");
        let left = [
            Step::Register((":.eu:t".into(), 1)),
            Step::Delete(("s".into(), 2)),
        ];
        assert_eq!(plan.waves, [left.to_vec()]);
        assert_eq!(plan.modes[WHOLE], None);
        assert_eq!(plan.modes[":.eu:"].as_deref(), Some("READONLY"));
    }

    #[test]
    fn only_modes_may_be_left() {
        let mut done = source();
        done.modes.insert(WHOLE.into(), IMPORT.into());
        done.modes.insert("s".into(), IMPORT.into());
        let plan = plan(&source(), &done).expect("a plan");
        assert!(plan.waves.is_empty() && plan.import.is_empty());
        let modes: Vec<_> = plan.modes.into_iter().collect();
        assert_eq!(modes, [(String::new(), None), ("s".into(), None)]);
    }

    #[test]
    fn others_go_on_with_their_subjects() {
        let registry = dump(vec![schema("other", 1, 9)]);
        let source = dump(vec![schema("s", 1, 1)]);
        let plan = plan(&source, &registry).expect("a plan");
        assert_eq!(scopes_of(&plan), ["s"]);
        assert_eq!(others(&source, &registry), 1);
    }

    #[test]
    fn what_cannot_keep_its_id_or_version_is_refused() {
        let why = |registry: Dump| {
            let told = plan(&source(), &registry).expect_err("refused");
            told.join("; ")
        };
        let another = Schema {
            schema: "\"string\"".into(),
            ..schema("other", 5, 2)
        };
        let taken = why(dump(vec![another]));
        assert!(taken.contains("id 2 of subject 's' version 2"), "{taken}");
        assert!(taken.contains("subject 'other' version 5"), "{taken}");
        let other_content = why(dump(vec![schema("s", 1, 7)]));
        assert!(
            other_content.contains("has id 7, the source 1"),
            "{other_content}"
        );
        let more = why(dump(vec![schema("s", 3, 8)]));
        assert!(more.contains("version 3 is not in the source"), "{more}");
    }

    #[test]
    fn one_schema_under_two_subjects_is_no_conflict() {
        let registry = dump(vec![schema("other", 1, 1)]);
        let source = dump(vec![schema("s", 1, 1)]);
        assert!(plan(&source, &registry).is_ok());
    }

    #[test]
    fn settings_are_changed_to_the_letter() {
        let mut registry = source();
        let there = json!({"compatibilityLevel": "FULL", "normalize": true});
        registry.configs.insert("s".into(), set(there));
        registry
            .configs
            .insert(":.eu:t".into(), set(json!({"alias": "x"})));
        let plan = plan(&source(), &registry).expect("a plan");
        assert_eq!(plan.configs["s"], Some(set(json!({"normalize": null}))));
        assert_eq!(plan.configs[":.eu:t"], None);
    }

    #[test]
    fn no_context_is_left_in_import_mode() {
        let mut source = source();
        source.modes.remove(":.eu:");
        let mut done = source.clone();
        done.modes.insert(":.eu:".into(), IMPORT.into());
        let left = plan(&source, &done).expect("a plan");
        assert!(left.waves.is_empty() && left.import.is_empty());
        assert_eq!(left.modes, [(":.eu:".to_owned(), None)].into());
        assert_eq!(left.modes_changed, 1);
        source.modes.remove(WHOLE);
        done.modes.insert(WHOLE.into(), IMPORT.into());
        let left = plan(&source, &done).expect("a plan");
        assert_eq!(left.modes.len(), 2, "{:?}", left.modes);
        source.modes.insert(WHOLE.into(), READWRITE.into());
        done.modes.insert(WHOLE.into(), READWRITE.into());
        // others are at work there too, and the mode may be theirs
        let other = schema(":.eu:other", 1, 9);
        done.schemas.insert(other.key(), other);
        assert_eq!(plan(&source, &done), Ok(Plan::default()));
    }

    #[test]
    fn settings_are_changed_where_a_context_or_all_may_only_be_read() {
        let mut registry = source();
        registry.modes.insert(":.eu:".into(), "READONLY".into());
        let mut source = registry.clone();
        source
            .configs
            .insert(":.eu:t".into(), set(json!({"normalize": true})));
        let changed = plan(&source, &registry).expect("a plan");
        assert_eq!(scopes_of(&changed), [":.eu:t"]);
        assert_eq!(changed.modes, [(":.eu:t".to_owned(), None)].into());
        assert_eq!(changed.modes_changed, 0, "it has none before and after");
        for dump in [&mut source, &mut registry] {
            dump.modes.insert(WHOLE.into(), OVERRIDE.into());
        }
        let changed = plan(&source, &registry).expect("a plan");
        assert_eq!(scopes_of(&changed), ["", ":.eu:t"]);
        assert_eq!(changed.modes[WHOLE].as_deref(), Some(OVERRIDE));
    }

    #[test]
    fn an_alias_is_taken_away_while_versions_go_to_its_name() {
        let mut registry = dump(vec![schema("s", 1, 1), schema("other", 1, 3)]);
        let alias = set(json!({"alias": "other", "normalize": true}));
        registry.configs.insert("s".into(), alias.clone());
        let mut source = registry.clone();
        assert_eq!(plan(&source, &registry), Ok(Plan::default()));
        let new = schema("s", 2, 2);
        source.schemas.insert(new.key(), new);
        let plan = plan(&source, &registry).expect("a plan");
        let aside = set(json!({"alias": null, "normalize": false}));
        assert_eq!(plan.aside, [("s".to_owned(), aside)].into());
        assert_eq!(plan.configs["s"], Some(alias));
    }

    #[test]
    fn nothing_is_normalized_on_its_way() {
        let mut source = dump(vec![schema("s", 1, 1), schema(":.eu:t", 1, 1)]);
        let mut registry = dump(vec![]);
        let normalize = set(json!({"normalize": true}));
        registry.configs.insert(WHOLE.into(), normalize.clone());
        registry.configs.insert(":.eu:".into(), Map::new());
        source.configs.insert(WHOLE.into(), normalize.clone());
        source.configs.insert(":.eu:".into(), Map::new());
        let put = plan(&source, &registry).expect("a plan");
        let off = set(json!({"normalize": false}));
        assert_eq!(put.aside, [(WHOLE.to_owned(), off)].into());
        assert_eq!(put.configs, [(WHOLE.to_owned(), Some(normalize))].into());
        // nobody would set it again
        source.configs.remove(WHOLE);
        let why = plan(&source, &registry).expect_err("refused").join("; ");
        assert!(
            why.starts_with("normalize is set for the whole registry"),
            "{why}"
        );
        // settings that are nearer hide it
        registry.configs.insert("s".into(), Map::new());
        source.configs.insert("s".into(), Map::new());
        assert!(plan(&source, &registry).expect("a plan").aside.is_empty());
    }

    #[test]
    fn what_refers_to_nothing_is_left_out_and_so_is_what_refers_to_it() {
        let source = dump(vec![
            deleted(referring(schema("a", 1, 1), "gone", 1)),
            referring(schema("b", 1, 2), "a", 1),
            referring(schema("c", 1, 3), "gone", -1),
            referring(schema("d", 1, 4), "there", 2),
        ]);
        let registry = dump(vec![schema("there", 2, 9)]);
        let plan = plan(&source, &registry).expect("a plan");
        let why: Vec<_> = plan.left_out.values().map(String::as_str).collect();
        let latest = "the latest version of 'gone'";
        assert_eq!(why, ["'gone' version 1", "'a' version 1", latest]);
        assert_eq!(plan.waves, [[Step::Register(("d".into(), 1))]]);
        assert_eq!(plan.unchanged(&source), 0);
    }

    #[test]
    fn settings_without_a_member_are_settings() {
        let mut source = dump(vec![schema("s", 1, 1)]);
        let registry = source.clone();
        source.configs.insert("s".into(), Map::new());
        source.configs.insert(WHOLE.into(), Map::new());
        let there = plan(&source, &registry).expect("a plan");
        assert_eq!(
            there.configs,
            [("s".to_owned(), Some(Map::new()))].into(),
            "the whole registry has settings anyway"
        );
        let mut registry = source.clone();
        let level = set(json!({"compatibilityLevel": "FULL"}));
        registry.configs.insert(WHOLE.into(), level);
        source.configs.clear();
        let back = plan(&source, &registry).expect("a plan");
        assert_eq!(
            back.configs,
            [("s".to_owned(), None)].into(),
            "what tells no settings of the whole registry leaves them"
        );
    }
}
