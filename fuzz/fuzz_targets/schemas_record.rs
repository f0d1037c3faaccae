//! A log of `_schemas`, and then a client's requests on what became of it. Input: keys and values, one a line.

#![no_main]

use registry::{
    decide::decide,
    record::Entry,
    request::{Command, Register, Which},
    state::{Deleted, State},
};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut state = State::default();
    let mut lines = data.split(|byte| *byte == b'\n');
    let mut records = Vec::new();
    while let Some(key) = lines.next() {
        let value = lines.next().filter(|value| !value.is_empty());
        state.fold(key, value, None).ok();
        records.push((key, value));
    }
    let mut again = State::default();
    for (key, value) in &records {
        Entry::decode(key, *value).ok();
        again.fold(key, *value, None).ok();
    }
    assert_eq!(state, again, "replay equals fold");
    let names: Vec<String> = state.subjects(Deleted::Shown).map(str::to_owned).collect();
    for subject in names.iter().take(4) {
        ask(&state, subject);
    }
});

fn ask(state: &State, subject: &str) {
    let numbers: Vec<u32> = state
        .versions(subject, Deleted::Shown)
        .map(|(n, _)| n)
        .collect();
    for number in numbers.into_iter().take(4) {
        let record = state
            .record(subject, number)
            .expect("a version has its record");
        state.imports(subject, &record.references).ok();
        state.referenced_by(subject, number, Deleted::Shown);
        registry::compatibility::warnings(state, subject, number);
        let version = Which::Number(number);
        for permanent in [false, true] {
            let subject = subject.to_owned();
            write(
                state,
                &Command::DeleteVersion {
                    subject,
                    version,
                    permanent,
                },
            );
        }
    }
    for schema in ["\"int\"", "{\"type\":\"string\"}"] {
        let subject = subject.to_owned();
        write(
            state,
            &Command::Register(Register {
                subject,
                schema: schema.into(),
                ..Register::default()
            }),
        );
    }
    write(
        state,
        &Command::DeleteSubject {
            subject: subject.to_owned(),
            permanent: true,
        },
    );
}

/// What is decided folds.
fn write(state: &State, command: &Command) {
    let Ok(decision) = decide(state, command) else {
        return;
    };
    let mut state = state.clone();
    for write in decision.writes {
        state
            .fold(&write.key, write.value.as_deref(), None)
            .expect("what was decided folds");
    }
}
