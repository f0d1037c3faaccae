//! An excerpt answers as the state does, over random logs.

use crate::{
    name,
    record::{Key, Reference},
    settings::{self, InForce, Mode},
    state::{Deleted, State},
};
use proptest::prelude::*;
use serde_json::{Value, json};

const SUBJECTS: [&str; 6] = ["a", "b", "c", ":.x:a", ":.x:b", ":.y:a"];
const SCOPES: [&str; 6] = ["", "a", ":.x:", ":.x:a", ":.y:", name::GLOBAL];

/// One record of a log: which, of what, under which number, and what it refers to.
type Made = (usize, usize, u32, Vec<(usize, i32)>);

fn made() -> impl Strategy<Value = Made> {
    let references = prop::collection::vec((0..SUBJECTS.len(), -1..4_i32), 0..3);
    (0..8_usize, 0..SUBJECTS.len(), 1..4_u32, references)
}

fn references(made: &[(usize, i32)]) -> Vec<Reference> {
    let all = made.iter().enumerate();
    all.map(|(index, (subject, version))| Reference {
        name: format!("{index}-{subject}-{version}"),
        subject: SUBJECTS[*subject].into(),
        version: *version,
    })
    .collect()
}

fn fold(state: &mut State, key: &Key, value: Option<&Value>) {
    let value = value.map(Value::to_string);
    let value = value.as_deref().map(str::as_bytes);
    state.fold(&key.encode(), value, None).expect("folds");
}

fn state(log: &[Made]) -> State {
    let mut state = State::default();
    for (id, (what, subject, version, referring)) in (1_u32..).zip(log) {
        let scope = SCOPES[*subject];
        let scope = (!scope.is_empty()).then(|| scope.to_owned());
        let levels = ["NONE", "FULL", "FORWARD", "BACKWARD_TRANSITIVE"];
        let modes = ["READONLY", "IMPORT", "READWRITE", "READONLY_OVERRIDE"];
        let number = usize::try_from(*version).expect("small");
        let subject = SUBJECTS[*subject];
        match what {
            0 => {
                let config = json!({"compatibilityLevel": levels[number], "normalize": true,
                    "alias": "b", "overrideMetadata": {"properties": {"meshlog.port": "p"}}});
                fold(&mut state, &Key::Config(scope), Some(&config));
            }
            1 => {
                let mode = json!({"mode": modes[number]});
                fold(&mut state, &Key::Mode(scope), Some(&mode));
            }
            2 => fold(&mut state, &Key::schema(subject, *version), None),
            _ => {
                let value = json!({"subject": subject, "version": version, "id": id, "deleted": *what == 3,
                    "schema": format!("\"{id}\""), "references": references(referring)});
                fold(&mut state, &Key::schema(subject, *version), Some(&value));
            }
        }
    }
    state
}

/// All that is asked about one subject.
fn asked(
    state: &State,
    subject: &str,
    referring: &[Reference],
) -> impl PartialEq + std::fmt::Debug {
    let versions: Vec<_> = state.versions(subject, Deleted::Shown).collect();
    let imports: Vec<_> = versions
        .iter()
        .map(|(_, version)| state.imports(subject, &version.content.references))
        .collect();
    let versions: Vec<_> = versions.into_iter().map(|(n, v)| (n, v.clone())).collect();
    let in_force = format!("{:?}", InForce::of(state, subject));
    (
        (versions, imports, state.imports(subject, referring)),
        (
            in_force,
            Mode::of(state, subject),
            settings::effective(state, subject),
        ),
        (
            state.aliased(subject),
            state.owner(subject).map(str::to_owned),
        ),
    )
}

proptest! {
    #[test]
    fn an_excerpt_says_what_the_state_says(
        log in prop::collection::vec(made(), 0..40),
        referring in prop::collection::vec((0..SUBJECTS.len(), -1..4_i32), 0..4),
        chosen in prop::collection::vec(0..SUBJECTS.len(), 1..3),
    ) {
        let (whole, referring) = (state(&log), references(&referring));
        let subjects: Vec<String> = chosen.iter().map(|index| SUBJECTS[*index].to_owned()).collect();
        let excerpt = whole.excerpt(&subjects, &referring);
        for subject in &subjects {
            prop_assert_eq!(asked(&excerpt, subject, &referring), asked(&whole, subject, &referring));
        }
        // what the state becomes meanwhile does not show
        let (mut later, before) = (whole.clone(), excerpt.clone());
        for subject in SUBJECTS {
            let key = Key::DeleteSubject(subject.to_owned());
            fold(&mut later, &key, Some(&json!({"subject": subject, "version": 9})));
        }
        drop(later);
        prop_assert_eq!(excerpt, before);
    }
}
