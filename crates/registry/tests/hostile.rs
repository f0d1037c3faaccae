//! Requests and logs made to hurt the one writer: what it decides fits the log, and takes a bounded number of steps.

use registry::{
    Refusal,
    content::MAX_SCHEMA,
    decide::{MAX_RECORD, decide},
    record::{Key, Reference},
    request::{Answer, Command, Register},
    settings::Update,
    state::{Deleted, State},
};
use serde_json::{Value, json};

fn run(state: &mut State, command: &Command) -> Result<Answer, Refusal> {
    let decision = decide(state, command)?;
    for write in decision.writes {
        assert!(write.size() <= MAX_RECORD, "fits the log");
        state
            .fold(&write.key, write.value.as_deref(), None)
            .expect("folds");
    }
    Ok(decision.answer)
}

fn code<T: std::fmt::Debug>(result: Result<T, Refusal>) -> u32 {
    result.expect_err("refused").error_code
}

fn register(subject: &str, schema: &str) -> Register {
    Register {
        subject: subject.into(),
        schema: schema.into(),
        ..Register::default()
    }
}

fn put(state: &mut State, subject: &str, version: u32, id: u32, more: Value) {
    let mut value =
        json!({"subject": subject, "version": version, "id": id, "schema": "\"string\""});
    let members = more.as_object().expect("an object").clone();
    value.as_object_mut().expect("an object").extend(members);
    let key = Key::schema(subject, version).encode();
    state
        .fold(&key, Some(value.to_string().as_bytes()), None)
        .expect("folds");
}

#[test]
fn the_highest_id_and_version_end_registrations_not_the_writer() {
    let mut state = State::default();
    put(&mut state, "s", u32::MAX, 1, json!({}));
    assert_eq!(
        code(run(
            &mut state,
            &Command::Register(register("s", "\"int\""))
        )),
        42205
    );
    put(&mut state, "t", 1, u32::MAX, json!({"schema": "\"long\""}));
    assert_eq!(
        code(run(
            &mut state,
            &Command::Register(register("u", "\"int\""))
        )),
        42205
    );
    // what has an id is still registered elsewhere
    run(&mut state, &Command::Register(register("u", "\"string\""))).expect("registered");
    for id in [0, 2_147_483_648, u32::MAX] {
        let import = Register {
            id: Some(id),
            import: true,
            ..register("i", "\"bytes\"")
        };
        assert_eq!(
            code(run(&mut state, &Command::Register(import))),
            42201,
            "{id}"
        );
    }
}

#[test]
fn what_does_not_fit_a_record_is_refused_before_it_is_written() {
    let mut state = State::default();
    let text = format!(
        r#"{{"type":"record","name":"R","doc":"{}","fields":[]}}"#,
        "a".repeat(300_000)
    );
    let properties = json!({"defaultMetadata": {"properties": {"p": "x".repeat(700_000)}}});
    let update = Update::parse(&properties).expect("settings");
    run(
        &mut state,
        &Command::SetConfig {
            subject: None,
            update,
        },
    )
    .expect("set");
    assert_eq!(
        code(run(&mut state, &Command::Register(register("s", &text)))),
        42209
    );
    let larger = json!({"overrideMetadata": {"properties": {"p": "x".repeat(700_000)}}});
    let update = Update::parse(&larger).expect("settings");
    assert_eq!(
        code(run(
            &mut state,
            &Command::SetConfig {
                subject: None,
                update
            }
        )),
        42209
    );
}

#[test]
fn a_text_that_grows_when_it_is_stored_is_refused() {
    let package = ["p".repeat(15).as_str(); 30].join(".");
    let mut text = format!("syntax = \"proto3\"; package {package}; message M {{");
    for number in 1..15_000 {
        text += &format!("M f{number} = {number};");
    }
    text += "}";
    assert!(text.len() < MAX_SCHEMA);
    let proto = |normalize| Register {
        schema_type: Some("PROTOBUF".into()),
        normalize,
        ..register("s", &text)
    };
    let mut state = State::default();
    assert_eq!(
        code(run(&mut state, &Command::Register(proto(true)))),
        42209
    );
}

#[test]
fn a_refusal_fits_the_record_of_its_reply() {
    let fields = |ty: &str| {
        let fields: Vec<String> = (0..9_000)
            .map(|n| format!(r#"{{"name":"f{n}","type":"{ty}"}}"#))
            .collect();
        format!(
            r#"{{"type":"record","name":"R","fields":[{}]}}"#,
            fields.join(",")
        )
    };
    let mut state = State::default();
    run(
        &mut state,
        &Command::Register(register("s", &fields("int"))),
    )
    .expect("registered");
    let refusal = run(
        &mut state,
        &Command::Register(register("s", &fields("string"))),
    )
    .expect_err("refused");
    assert_eq!(refusal.error_code, 409);
    assert!(serde_json::to_vec(&refusal).expect("serializes").len() < MAX_RECORD);
    let name = "\\u0001".repeat(60_000);
    let refusal = run(
        &mut state,
        &Command::Register(register("s", &format!("\"{name}\""))),
    )
    .expect_err("refused");
    assert!(serde_json::to_vec(&refusal).expect("serializes").len() < MAX_RECORD);
}

fn reference(subject: &str, version: i32) -> Reference {
    Reference {
        name: subject.into(),
        subject: subject.into(),
        version,
    }
}

#[test]
fn circles_and_long_chains_of_references_are_refused() {
    let mut state = State::default();
    put(
        &mut state,
        "a",
        1,
        1,
        json!({"references": [reference("b", -1)]}),
    );
    put(
        &mut state,
        "b",
        1,
        2,
        json!({"references": [reference("a", -1)]}),
    );
    put(
        &mut state,
        "own",
        1,
        3,
        json!({"references": [reference("own", -1)]}),
    );
    for subject in ["a", "b", "own"] {
        let references = [reference(subject, -1)];
        assert_eq!(code(state.imports("s", &references)), 42201);
    }
    for number in 0..2_000 {
        let references = match number {
            0 => json!([]),
            _ => json!([reference(&format!("c{}", number - 1), 1)]),
        };
        put(
            &mut state,
            &format!("c{number}"),
            1,
            10 + number,
            json!({"references": references}),
        );
    }
    assert_eq!(
        state
            .imports("s", &[reference("c50", 1)])
            .expect("few")
            .len(),
        51
    );
    assert_eq!(code(state.imports("s", &[reference("c1999", 1)])), 42201);
    let all: Vec<Reference> = (0..2_000)
        .map(|number| reference(&format!("c{number}"), 1))
        .collect();
    assert_eq!(code(state.imports("s", &all)), 42201);
    let deleting = Command::DeleteSubject {
        subject: "c0".into(),
        permanent: false,
    };
    assert_eq!(code(run(&mut state, &deleting)), 42206);
}

#[test]
fn references_that_meet_again_and_again_are_gathered_once() {
    // each level names both of the next: 2^40 ways to the last
    let mut state = State::default();
    for level in 0..40_u32 {
        for side in 0..2 {
            let references = match level {
                0 => json!([]),
                _ => json!([
                    reference(&format!("l{}-0", level - 1), 1),
                    reference(&format!("l{}-1", level - 1), 1)
                ]),
            };
            put(
                &mut state,
                &format!("l{level}-{side}"),
                1,
                1 + level * 2 + side,
                json!({"references": references}),
            );
        }
    }
    let found = state.imports("s", &[reference("l39-0", 1)]);
    assert_eq!(found.expect("few").len(), 79);
    // many references to one name, from many schemas
    let same: Vec<Reference> = (0..20_000)
        .map(|number| reference(&format!("n{}", number % 900), 1))
        .collect();
    for number in 0..900 {
        let references = if number == 0 {
            json!([])
        } else {
            json!(same[..number.min(800)])
        };
        put(
            &mut state,
            &format!("n{number}"),
            1,
            u32::try_from(1_000 + number).expect("few"),
            json!({"references": references}),
        );
    }
    let found = state.imports("s", &same).map(|found| found.len());
    assert_eq!(found, Ok(900));
}

#[test]
fn what_is_referred_to_is_bounded_in_bytes() {
    let mut state = State::default();
    let text = "x".repeat(MAX_SCHEMA);
    let mut references = Vec::new();
    for number in 1..=100 {
        let subject = format!("b{number}");
        put(
            &mut state,
            &subject,
            1,
            number,
            json!({"schema": format!("{text}{number}")}),
        );
        references.push(reference(&subject, 1));
    }
    assert_eq!(
        state.imports("s", &references[..15]).expect("fits").len(),
        15
    );
    let refusal = state.imports("s", &references).expect_err("too much");
    assert!(refusal.message.contains("bytes"), "{refusal}");
}

#[test]
fn a_log_of_nonsense_leaves_the_state_as_it_was() {
    let mut state = State::default();
    put(&mut state, "s", 1, 1, json!({}));
    let before = state.clone();
    let deep = "[".repeat(100_000);
    for (key, value) in [
        ("", Some("")),
        ("{", None),
        (deep.as_str(), Some("{}")),
        (
            r#"{"keytype":"SCHEMA","subject":"s","version":-1,"magic":1}"#,
            Some("{}"),
        ),
        (
            r#"{"keytype":"SCHEMA","subject":"s","version":4294967296,"magic":1}"#,
            Some("{}"),
        ),
        (
            r#"{"keytype":"SCHEMA","subject":"s","version":2,"magic":1}"#,
            Some("null"),
        ),
        (
            r#"{"keytype":"SCHEMA","subject":"s","version":2,"magic":1}"#,
            Some(deep.as_str()),
        ),
        (
            r#"{"keytype":"SCHEMA","subject":"s","version":2,"magic":1}"#,
            Some(r#"{"subject":"s","version":2,"id":1e400,"schema":""}"#),
        ),
        (
            r#"{"keytype":"SCHEMA","subject":"s","version":2,"magic":1}"#,
            Some(r#"{"subject":"s","version":2,"id":1,"schema":"another under the id"}"#),
        ),
        (
            r#"{"keytype":"SCHEMA","subject":"s","subject":"t","version":1,"magic":1}"#,
            None,
        ),
        (r#"{"keytype":"CONFIG","subject":7,"magic":0}"#, Some("{}")),
        (r#"{"keytype":"MODE","magic":0}"#, Some(r#"{"mode":7}"#)),
        (
            r#"{"keytype":"DELETE_SUBJECT","subject":"s","magic":0}"#,
            Some(r#"{"subject":"s","version":-1}"#),
        ),
        (
            r#"{"keytype":"LATER","subject":"s","magic":9}"#,
            Some("\u{0}"),
        ),
    ] {
        state
            .fold(key.as_bytes(), value.map(str::as_bytes), None)
            .ok();
        assert_eq!(state, before, "{key}");
    }
    assert!(state.fold(b"\xff\xfe", Some(b"\xff"), None).is_err());
    assert_eq!(state.subjects(Deleted::Shown).count(), 1);
}

fn wide(name: &str, doc: u32, ty: &str) -> String {
    let fields: Vec<String> = (0..9_000)
        .map(|n| format!(r#"{{"name":"f{n}","type":"{ty}"}}"#))
        .collect();
    format!(
        r#"{{"type":"record","name":"{name}","doc":"{doc}","fields":[{}]}}"#,
        fields.join(",")
    )
}

fn set_level(state: &mut State, level: &str) {
    let update = Update::parse(&json!({"compatibility": level})).expect("a level");
    let subject = None;
    run(state, &Command::SetConfig { subject, update }).expect("set");
}

/// A subject with wide versions, each of which refers to four schemas as wide.
fn versions(count: u32) -> (State, Vec<Reference>) {
    let mut state = State::default();
    let mut references = Vec::new();
    for number in 1..=4 {
        let (subject, text) = (format!("b{number}"), wide(&format!("B{number}"), 0, "int"));
        put(&mut state, &subject, 1, number, json!({"schema": text}));
        references.push(reference(&subject, 1));
    }
    for version in 1..=count {
        let more = json!({"schema": wide("R", version, "int"), "references": references});
        put(&mut state, "s", version, 100 + version, more);
    }
    (state, references)
}

#[test]
fn a_hundred_versions_with_all_that_they_refer_to_are_too_much_to_check() {
    let (mut state, references) = versions(100);
    set_level(&mut state, "FULL_TRANSITIVE");
    let request = Register {
        references,
        ..register("s", &wide("R", 0, "int"))
    };
    let refusal = run(&mut state, &Command::Register(request)).expect_err("refused");
    assert_eq!(refusal.error_code, 42201);
    assert!(refusal.message.contains("steps"), "{refusal}");
    // what is incompatible with the newest is compared with no other
    let alone = register("s", &wide("R", 0, "string"));
    assert_eq!(code(run(&mut state, &Command::Register(alone))), 409);
}

#[test]
fn few_versions_are_written_out_to_find_one() {
    let (mut state, _) = versions(10);
    set_level(&mut state, "NONE");
    let mut version = |doc: u32| {
        let alone = register("s", &wide("R", doc, "int"));
        let answer = run(&mut state, &Command::Register(alone)).expect("registered");
        if let Answer::Registered { version, .. } = answer {
            Some(version)
        } else {
            None
        }
    };
    assert_eq!(version(10), Some(10), "the newest is found");
    assert_eq!(version(1), Some(11), "the oldest is not looked for");
}
