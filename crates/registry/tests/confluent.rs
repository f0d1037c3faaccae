//! A `_schemas` topic as Confluent's registry has written it from 3.2 to 8.1, taken over by ours.
//!
//! The log stands in `golden/`: made by hand after the reference's sources, the text of a key and of its value in each
//! line, `by` naming the version that writes so.

use registry::{
    decide::decide,
    record::Key,
    request::{Command, Register, Which},
    settings::Update,
    state::{Deleted, State},
};
use serde_json::Value;
use std::{collections::HashMap, fmt::Write};

struct Line {
    by: String,
    key: String,
    value: Option<String>,
}

fn log() -> Vec<Line> {
    let text = include_str!("../golden/confluent-schemas.jsonl");
    let member = |line: &Value, name: &str| line[name].as_str().map(str::to_owned);
    text.lines()
        .map(|line| {
            let line: Value = serde_json::from_str(line).expect("JSON");
            Line {
                by: member(&line, "by").expect("who wrote it"),
                key: member(&line, "key").expect("a key"),
                value: member(&line, "value"),
            }
        })
        .collect()
}

fn folded<'l>(lines: impl IntoIterator<Item = &'l Line>) -> State {
    let mut state = State::default();
    for line in lines {
        let value = line.value.as_ref().map(String::as_bytes);
        let folded = state.fold(line.key.as_bytes(), value, None);
        assert!(folded.is_ok(), "{}: {folded:?}", line.key);
    }
    state
}

/// What a registry answers from the state, one fact a line.
fn answers(state: &State) -> String {
    let mut out = String::new();
    for context in state.contexts() {
        writeln!(out, "context {context}").expect("writes");
    }
    for subject in state.subjects(Deleted::Shown) {
        for (number, version) in state.versions(subject, Deleted::Shown) {
            let deleted = if version.deleted { " deleted" } else { "" };
            let ty = &version.content.schema_type;
            write!(out, "{subject} {number} id {} {ty}{deleted}", version.id).expect("writes");
            let imports = state.imports(subject, &version.content.references);
            let imports = imports.expect("what it refers to is there");
            let names: Vec<&str> = imports.iter().map(|one| one.name.as_str()).collect();
            writeln!(
                out,
                " {names:?} {:?}",
                state.referenced_by(subject, number, Deleted::Shown)
            )
            .expect("writes");
        }
    }
    for (subject, config) in state.configs() {
        let config = serde_json::to_string(config).expect("serializes");
        writeln!(out, "config {} {config}", subject.unwrap_or("*")).expect("writes");
    }
    for (subject, mode) in state.modes() {
        writeln!(out, "mode {} {mode}", subject.unwrap_or("*")).expect("writes");
    }
    out
}

/// Worked out by hand: subjects with versions, ids, types, what they refer to and what refers to them (as the
/// reference, by context), settings and modes.
const ANSWERS: &str = r#"context .
context .eu
context .imp
context .us
again-value 1 id 8 AVRO [] []
customers-value 1 id 11 JSON [] []
gone-value 1 id 5 AVRO deleted [] []
gone-value 2 id 6 AVRO deleted [] []
legacy-value 1 id 1 AVRO [] []
orders-key 1 id 3 AVRO [] []
orders-value 1 id 2 AVRO deleted [] []
orders-value 2 id 4 AVRO [] []
orders-value 3 id 12 AVRO [] []
payments-value 1 id 10 PROTOBUF ["shop/money.proto"] []
shop/money.proto 1 id 9 PROTOBUF [] [10]
strings 1 id 3 AVRO [] []
:.eu:exports-value 1 id 3 AVRO ["shop.Order"] []
:.eu:money 1 id 1 AVRO [] [2]
:.eu:payments-value 1 id 2 AVRO ["shop.Money"] []
:.us:orders-value 1 id 100042 AVRO [] []
config * {"compatibilityLevel":"FULL"}
config :.eu: {"subject":":.eu:","compatibilityLevel":"BACKWARD_TRANSITIVE"}
config orders {"subject":"orders","alias":"orders-value"}
config orders-value {"subject":"orders-value","alias":"","normalize":true,"compatibilityLevel":"FULL_TRANSITIVE","compatibilityGroup":"major","defaultMetadata":{"tags":{"shop.Order.id":["ID"]},"properties":{"team":"shop"},"sensitive":["team"]},"overrideRuleSet":{"domainRules":[{"name":"has-id","kind":"CONDITION","mode":"WRITE","type":"CEL","expr":"message.id != ''","disabled":false}]}}
mode * READWRITE
mode :.us: IMPORT
mode legacy-value READONLY
"#;

#[test]
fn the_fold_gives_what_confluent_answers() {
    let state = folded(&log());
    assert_eq!(answers(&state), ANSWERS);
    assert_eq!(state.max_id("."), 12);
    assert_eq!(state.max_id(".us"), 100_042);
    let string = "095d71cf-1255-6b9d-5e33-0ad575b3df5d";
    assert_eq!(
        state.by_guid(string),
        [(".", 3)],
        "whether its record has a GUID or not"
    );
    assert_eq!(state.aliased("orders").as_deref(), Some("orders-value"));
}

/// As the broker compacts: of each key's bytes the last record stays, and tombstones go after a while.
#[test]
fn the_compacted_log_gives_the_same_answers() {
    let log = log();
    let mut last: HashMap<&str, usize> = HashMap::new();
    for (at, line) in log.iter().enumerate() {
        last.insert(&line.key, at);
    }
    let kept = || {
        log.iter()
            .enumerate()
            .filter(|(at, line)| last[line.key.as_str()] == *at)
            .map(|(_, line)| line)
    };
    assert_eq!(answers(&folded(kept())), ANSWERS);
    assert_eq!(
        answers(&folded(kept().filter(|line| line.value.is_some()))),
        ANSWERS
    );
}

#[test]
fn keys_of_today_are_confluents_byte_for_byte() {
    for line in log() {
        let key = Key::decode(line.key.as_bytes()).expect("a key");
        let as_today =
            !matches!(line.by.as_str(), "3.2" | "5.2" | "5.0") || line.key.contains("\"magic\":1");
        if as_today && !matches!(key, Key::Other(_)) {
            assert_eq!(String::from_utf8(key.encode()).expect("utf-8"), line.key);
        }
    }
}

fn writes(state: &State, command: Command) -> Vec<(String, Option<Value>)> {
    let decision = decide(state, &command).expect("decided");
    let read = |bytes: Vec<u8>| String::from_utf8(bytes).expect("utf-8");
    let json = |text: String| serde_json::from_str(&text).expect("JSON");
    decision
        .writes
        .into_iter()
        .map(|write| (read(write.key), write.value.map(read).map(json)))
        .collect()
}

#[test]
fn a_record_written_again_keeps_what_we_do_not_know() {
    let state = folded(&log());
    let (subject, version) = ("strings".to_owned(), Which::Number(1));
    let delete = Command::DeleteVersion {
        subject,
        version,
        permanent: false,
    };
    let found = writes(&state, delete);
    let value = found[0].1.as_ref().expect("a value");
    assert_eq!(
        (&value["ts"], &value["deleted"]),
        (&1_761_000_000_000_u64.into(), &true.into())
    );
    let (subject, version) = (":.eu:payments-value".to_owned(), Which::Number(1));
    let delete = Command::DeleteVersion {
        subject,
        version,
        permanent: false,
    };
    let found = writes(&state, delete);
    let value = found[0].1.as_ref().expect("a value");
    assert!(value["md5"].is_string(), "{value}");
    assert_eq!(value["references"][0]["subject"], "money");
}

/// Two spellings of one key are two keys to compaction: without a tombstone the old one would come back.
#[test]
fn what_replaces_a_key_deletes_its_older_spellings() {
    let mut state = folded(&log());
    let update = Update {
        compatibility: Some(Some("NONE".into())),
        ..Update::default()
    };
    let found = writes(
        &state,
        Command::SetConfig {
            subject: None,
            update,
        },
    );
    let keys: Vec<(&str, bool)> = found
        .iter()
        .map(|(key, value)| (key.as_str(), value.is_some()))
        .collect();
    let older = r#"{"keytype":"CONFIG","subject":null,"magic":0}"#;
    assert_eq!(
        keys,
        [(older, false), (r#"{"keytype":"CONFIG","magic":0}"#, true)]
    );

    let subject = "legacy-value".to_owned();
    let mode = decide(
        &state,
        &Command::DeleteMode {
            subject: Some(subject.clone()),
            recursive: false,
        },
    );
    let soft = Command::DeleteSubject {
        subject: subject.clone(),
        permanent: false,
    };
    let hard = Command::DeleteSubject {
        subject,
        permanent: true,
    };
    fold_all(&mut state, mode.expect("decided").writes);
    let soft = decide(&state, &soft).expect("decided");
    fold_all(&mut state, soft.writes);
    let keys: Vec<String> = writes(&state, hard)
        .into_iter()
        .map(|(key, _)| key)
        .collect();
    let of_magic_0 =
        r#"{"keytype":"SCHEMA","subject":"legacy-value","version":1,"magic":0}"#.to_owned();
    assert!(keys.contains(&of_magic_0), "{keys:?}");
}

fn fold_all(state: &mut State, writes: Vec<registry::record::Write>) {
    for write in writes {
        state
            .fold(&write.key, write.value.as_deref(), None)
            .expect("folds");
    }
}

#[test]
fn registering_goes_on_where_confluent_stopped() {
    let state = folded(&log());
    let schema = r#"{"type":"record","name":"New","fields":[]}"#.to_owned();
    let register = Register {
        subject: "new-value".into(),
        schema,
        ..Register::default()
    };
    let found = writes(&state, Command::Register(register));
    assert_eq!(
        found[0].0,
        r#"{"keytype":"SCHEMA","subject":"new-value","version":1,"magic":1}"#
    );
    assert_eq!(found[0].1.as_ref().expect("a value")["id"], 13);
}
