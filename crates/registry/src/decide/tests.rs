//! The rules as given-when-then, and properties over random histories.

use super::*;
use crate::{
    content::{Content, Normalize},
    record::Key,
    request::{Register, Which},
    settings::Update,
    state::Deleted,
};
use proptest::prelude::*;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// A registry in memory: decides, and folds what it decided, as the writer does.
#[derive(Default)]
struct Memory {
    state: State,
    log: Vec<Write>,
}

impl Memory {
    fn run(&mut self, command: &Command) -> Result<Answer, Refusal> {
        let decision = decide(&self.state, command)?;
        for write in &decision.writes {
            self.state
                .fold(&write.key, write.value.as_deref(), None)
                .expect("own records fold");
        }
        self.log.extend(decision.writes);
        Ok(decision.answer)
    }

    fn register(&mut self, subject: &str, schema: &str) -> Result<(u32, u32), Refusal> {
        self.register_as(subject, schema, None)
    }

    fn register_as(
        &mut self,
        subject: &str,
        schema: &str,
        owner: Option<&str>,
    ) -> Result<(u32, u32), Refusal> {
        match self.run(&Command::Register(Register {
            subject: subject.into(),
            schema: schema.into(),
            owner: owner.map(str::to_owned),
            ..Register::default()
        }))? {
            Answer::Registered { id, version, .. } => Ok((id, version)),
            Answer::Deleted(_)
            | Answer::Configured(_)
            | Answer::ConfigDeleted(_)
            | Answer::Mode(_)
            | Answer::ContextDeleted => unreachable!("a register is answered with a version"),
        }
    }

    fn delete(
        &mut self,
        subject: &str,
        version: Option<u32>,
        permanent: bool,
    ) -> Result<Vec<u32>, Refusal> {
        let subject = subject.to_owned();
        let command = match version {
            Some(n) => Command::DeleteVersion {
                subject,
                version: Which::Number(n),
                permanent,
            },
            None => Command::DeleteSubject { subject, permanent },
        };
        match self.run(&command)? {
            Answer::Deleted(versions) => Ok(versions),
            Answer::Registered { .. }
            | Answer::Configured(_)
            | Answer::ConfigDeleted(_)
            | Answer::Mode(_)
            | Answer::ContextDeleted => unreachable!("a deletion is answered with versions"),
        }
    }

    fn level(&mut self, subject: &str, level: &str) {
        let update = Update::parse(&json!({"compatibility": level})).expect("a level");
        self.run(&Command::SetConfig {
            subject: Some(subject.into()),
            update,
        })
        .expect("set");
    }

    /// The state that a reader has which reads the log after the broker compacted it.
    fn rebuilt(&self) -> State {
        let mut last: BTreeMap<&[u8], usize> = BTreeMap::new();
        for (index, write) in self.log.iter().enumerate() {
            last.insert(&write.key, index);
        }
        let kept: BTreeSet<usize> = last.into_values().collect();
        let mut state = State::default();
        for index in kept {
            let write = &self.log[index];
            // compaction removes tombstones in the end
            if write.value.is_some() {
                state
                    .fold(&write.key, write.value.as_deref(), None)
                    .expect("own records fold");
            }
        }
        state
    }
}

fn code<T: std::fmt::Debug>(result: Result<T, Refusal>) -> u32 {
    result.expect_err("refused").error_code
}

const V1: &str = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}"#;
const V2: &str = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"b","type":"int","default":0}]}"#;
const BAD: &str = r#"{"type":"record","name":"R","fields":[{"name":"c","type":"string"}]}"#;

#[test]
fn ids_are_by_content_and_versions_by_subject() {
    let mut m = Memory::default();
    assert_eq!(m.register("s", V1), Ok((1, 1)));
    assert_eq!(m.register("s", V2), Ok((2, 2)));
    assert_eq!(m.register("t", V2), Ok((2, 1)));
    assert_eq!(
        m.register("t", "\"string\"").map_err(|r| r.error_code),
        Err(409)
    );
    assert_eq!(m.register("u", "\"string\""), Ok((3, 1)));
}

#[test]
fn registering_again_changes_nothing_even_when_it_is_incompatible_by_now() {
    let mut m = Memory::default();
    m.level("s", "NONE");
    m.register("s", V1).expect("registered");
    m.register("s", BAD).expect("registered");
    m.level("s", "FULL");
    let before = m.log.len();
    assert_eq!(m.register("s", V1), Ok((1, 1)));
    assert_eq!(m.log.len(), before);
}

#[test]
fn an_incompatible_schema_is_refused_with_the_reason() {
    let mut m = Memory::default();
    m.register("s", V1).expect("registered");
    let refusal = m.register("s", BAD).expect_err("refused");
    assert_eq!(refusal.error_code, 409);
    assert!(
        refusal
            .message
            .contains("READER_FIELD_MISSING_DEFAULT_VALUE"),
        "{refusal}"
    );
    assert!(
        refusal.message.contains("{oldSchemaVersion: 1}"),
        "{refusal}"
    );
    assert!(m.register("s", V2).is_ok());
}

#[test]
fn soft_deleted_versions_do_not_count_for_compatibility_but_for_numbers() {
    let mut m = Memory::default();
    m.register("s", V1).expect("registered");
    assert_eq!(m.delete("s", Some(1), false), Ok(vec![1]));
    assert_eq!(m.register("s", BAD), Ok((2, 2)));
}

#[test]
fn registering_a_soft_deleted_schema_again_gives_a_new_version_of_the_same_id() {
    let mut m = Memory::default();
    m.register("s", V1).expect("registered");
    m.delete("s", Some(1), false).expect("deleted");
    assert_eq!(m.register("s", V1), Ok((1, 2)));
    assert_eq!(m.state.version("s", 1), None, "the old one is cleaned up");
}

#[test]
fn deletions_are_soft_first() {
    let mut m = Memory::default();
    assert_eq!(code(m.delete("s", None, false)), 40401);
    m.register("s", V1).expect("registered");
    m.register("s", V2).expect("registered");
    assert_eq!(code(m.delete("s", Some(9), false)), 40402);
    assert_eq!(code(m.delete("s", None, true)), 40405);
    assert_eq!(code(m.delete("s", Some(1), true)), 40407);
    assert_eq!(m.delete("s", Some(1), false), Ok(vec![1]));
    assert_eq!(code(m.delete("s", Some(1), false)), 40406);
    assert_eq!(m.delete("s", None, false), Ok(vec![2]));
    assert_eq!(code(m.delete("s", None, false)), 40404);
    assert_eq!(m.delete("s", None, true), Ok(vec![1, 2]));
    assert_eq!(code(m.delete("s", None, true)), 40401);
}

#[test]
fn ids_are_not_given_twice_after_everything_is_deleted_and_compacted() {
    let mut m = Memory::default();
    m.register("s", V1).expect("registered");
    m.delete("s", None, false).expect("deleted");
    m.delete("s", None, true).expect("deleted");
    m.state = m.rebuilt();
    assert_eq!(m.register("s", V1), Ok((2, 1)));
}

#[test]
fn a_ports_subject_takes_the_identical_schema_only() {
    let mut m = Memory::default();
    let port = "a.b.c.v1";
    assert_eq!(m.register_as("p-value", V1, Some(port)), Ok((1, 1)));
    assert_eq!(m.register("p-value", V1), Ok((1, 1)));
    let refusal = m.register("p-value", V2).expect_err("refused");
    assert_eq!(refusal.error_code, 42205);
    assert!(
        refusal.message.contains(port) && refusal.message.contains("meshlog apply"),
        "{refusal}"
    );
    assert_eq!(code(m.delete("p-value", None, false)), 42205);
    let update = Update::parse(&json!({"compatibility": "NONE"})).expect("a level");
    assert_eq!(
        code(m.run(&Command::SetConfig {
            subject: Some("p-value".into()),
            update
        })),
        42205
    );
    assert_eq!(
        code(m.run(&Command::DeleteConfig {
            subject: Some("p-value".into())
        })),
        42205
    );
    assert_eq!(code(m.register_as("p-value", V2, Some("x.y.z.v1"))), 42205);
    // governance has decided: no check here, not even against an older version
    assert_eq!(m.register_as("p-value", BAD, Some(port)), Ok((2, 2)));
    assert_eq!(m.rebuilt().owner("p-value"), Some(port));
}

#[test]
fn a_port_that_adopts_a_free_subject_keeps_its_ids() {
    let mut m = Memory::default();
    assert_eq!(m.register("topic-value", V1), Ok((1, 1)));
    assert_eq!(
        m.register_as("topic-value", V1, Some("a.b.c.v1")),
        Ok((1, 1))
    );
    assert_eq!(code(m.register("topic-value", V2)), 42205);
}

#[test]
fn names_that_a_subject_may_not_have() {
    let mut m = Memory::default();
    for name in ["", "a\nb", ":.ctx:", "__GLOBAL"] {
        assert_eq!(code(m.register(name, V1)), 42208, "{name:?}");
    }
    assert_eq!(code(m.register(":.__GLOBAL:s", V1)), 400);
    assert_eq!(m.register("a/b é%2F", V1), Ok((1, 1)));
}

#[test]
fn a_read_only_subject_is_not_written_but_answers_for_what_it_holds() {
    let mut m = Memory::default();
    m.register("s", V1).expect("registered");
    let mode = Write::put(&Key::Mode(None), &json!({"mode": "READONLY"}));
    m.state
        .fold(&mode.key, mode.value.as_deref(), None)
        .expect("folds");
    let refusal = m.register("s", V2).expect_err("refused");
    assert_eq!(
        refusal.message,
        "Subject s in context . is in read-only mode"
    );
    assert_eq!(m.register("s", V1), Ok((1, 1)));
}

#[test]
fn settings_come_and_go() {
    let mut m = Memory::default();
    assert_eq!(
        code(m.run(&Command::DeleteConfig {
            subject: Some("s".into())
        })),
        40401
    );
    m.level("s", "full");
    let deleted = m
        .run(&Command::DeleteConfig {
            subject: Some("s".into()),
        })
        .expect("deleted");
    let Answer::ConfigDeleted(config) = deleted else {
        unreachable!("a config")
    };
    assert_eq!(config.compatibility_level.as_deref(), Some("FULL"));
    assert_eq!(m.state.config(Some("s")), None);
}

fn request(value: serde_json::Value) -> Command {
    let mut value = value;
    value["force"] = json!(false);
    Command::Register(serde_json::from_value(value).expect("a registration"))
}

fn set(m: &mut Memory, subject: Option<&str>, update: &serde_json::Value) {
    let update = Update::parse(update).expect("an update");
    let subject = subject.map(str::to_owned);
    m.run(&Command::SetConfig { subject, update }).expect("set");
}

fn set_mode(m: &mut Memory, subject: Option<&str>, mode: &str) -> Result<Answer, Refusal> {
    m.run(&Command::SetMode {
        subject: subject.map(str::to_owned),
        mode: mode.to_owned(),
        force: false,
    })
}

#[test]
fn ids_are_counted_by_context() {
    let mut m = Memory::default();
    assert_eq!(m.register("s", V1), Ok((1, 1)));
    assert_eq!(m.register("s", V2), Ok((2, 2)));
    assert_eq!(m.register(":.eu:s", V2), Ok((1, 1)));
    assert_eq!(m.state.contexts().collect::<Vec<_>>(), [".", ".eu"]);
    let delete = |context: &str| Command::DeleteContext {
        context: context.into(),
    };
    assert_eq!(code(m.run(&delete(".eu"))), 42211);
    m.delete(":.eu:s", None, false).expect("deleted");
    m.delete(":.eu:s", None, true).expect("deleted");
    m.run(&delete(".eu")).expect("deleted");
    assert_eq!(m.state.contexts().collect::<Vec<_>>(), ["."]);
    assert_eq!(
        m.register(":.eu:s", V1),
        Ok((2, 1)),
        "an id is never given twice"
    );
}

#[test]
fn what_is_referred_to_is_found_and_kept() {
    let mut m = Memory::default();
    let user = r#"{"type": "record", "name": "n.User", "fields": []}"#;
    m.register("user", user).expect("registered");
    let order = |subject: &str, version: i32| {
        request(json!({
            "subject": subject,
            "schema": r#"{"type":"record","name":"n.Order","fields":[{"name":"by","type":"n.User"}]}"#,
            "references": [{"name": "n.User", "subject": "user", "version": version}],
        }))
    };
    let refusal = m.run(&order("order", 2)).expect_err("no such version");
    assert!(
        refusal.message.contains(r#"subject "user" and version 2"#),
        "{refusal}"
    );
    assert_eq!(
        code(m.run(&order(":.eu:order", 1))),
        42201,
        "it is in another context"
    );
    m.run(&order("order", 1)).expect("registered");
    assert_eq!(m.state.referenced_by("user", 1, Deleted::Hidden), [2]);
    assert_eq!(code(m.delete("user", None, false)), 42206);
    m.delete("order", None, false).expect("deleted");
    assert_eq!(m.state.referenced_by("user", 1, Deleted::Hidden), [0; 0]);
    m.delete("user", None, false)
        .expect("no longer referred to");
}

#[test]
fn settings_are_laid_under_and_over_what_is_registered() {
    let mut m = Memory::default();
    let layers = json!({
        "compatibility": "NONE",
        "defaultMetadata": {"properties": {"team": "any", "tier": "3"}},
        "overrideMetadata": {"properties": {"tier": "1"}},
        "defaultRuleSet": {"domainRules": [{"name": "r", "type": "CEL", "expr": "true"}]},
    });
    set(&mut m, Some("s"), &layers);
    let own = json!({"properties": {"team": "ours"}});
    m.run(&request(
        json!({"subject": "s", "schema": V1, "metadata": own}),
    ))
    .expect("registered");
    let stored = |m: &Memory, number| m.state.version("s", number).expect("there").content.clone();
    let metadata = stored(&m, 1).metadata.clone().expect("metadata");
    assert_eq!(metadata.property("team"), Some("ours"));
    assert_eq!(metadata.property("tier"), Some("1"));
    assert_eq!(
        stored(&m, 1)
            .rule_set
            .as_ref()
            .map(|r| &r["domainRules"][0]["name"]),
        Some(&json!("r"))
    );
    // the next version takes over what the one before it had, its text too where none is sent
    m.run(&request(json!({"subject": "s", "schema": V2})))
        .expect("registered");
    assert_eq!(stored(&m, 2).metadata, Some(metadata));
    let more = json!({"properties": {"team": "theirs"}});
    m.run(&request(
        json!({"subject": "s", "schema": "", "metadata": more}),
    ))
    .expect("registered");
    assert_eq!(stored(&m, 3).text, stored(&m, 2).text);
    assert_eq!(
        code(m.run(&request(json!({"subject": "t", "schema": ""})))),
        42201
    );
}

#[test]
fn the_mark_of_a_port_is_not_laid_over_its_schemas() {
    let mut m = Memory::default();
    m.register_as("a.b.c.v1-value", V1, Some("a.b.c.v1"))
        .expect("registered");
    let version = m.state.version("a.b.c.v1-value", 1).expect("there");
    assert_eq!(version.content.metadata, None);
    assert_eq!(
        m.register("a.b.c.v1-value", V1),
        Ok((1, 1)),
        "the identical schema registers"
    );
}

#[test]
fn a_version_number_in_metadata_is_that_of_the_version() {
    let mut m = Memory::default();
    let numbered = |schema: &str, number: &str| {
        let metadata = json!({"properties": {"confluent:version": number}});
        request(json!({"subject": "s", "schema": schema, "metadata": metadata}))
    };
    let first = m.run(&numbered(V1, "1")).expect("registered");
    assert_eq!(m.run(&numbered(V1, "1")), Ok(first), "the same again");
    m.run(&numbered(V2, "-1")).expect("registered");
    let metadata = m
        .state
        .version("s", 2)
        .expect("there")
        .content
        .metadata
        .clone();
    assert_eq!(
        metadata.expect("metadata").property("confluent:version"),
        Some("2")
    );
}

#[test]
fn only_versions_of_one_group_are_compared() {
    let mut m = Memory::default();
    set(&mut m, Some("s"), &json!({"compatibilityGroup": "major"}));
    let of_major = |schema: &str, major: &str| {
        let metadata = json!({"properties": {"major": major}});
        request(json!({"subject": "s", "schema": schema, "metadata": metadata}))
    };
    m.run(&of_major(V1, "1")).expect("registered");
    assert_eq!(code(m.run(&of_major(BAD, "1"))), 409);
    m.run(&of_major(BAD, "2")).expect("another group");
}

#[test]
fn an_import_gives_ids_and_versions_itself() {
    let mut m = Memory::default();
    let given = |schema: &str, id: u32, version: i32| {
        request(json!({"subject": "s", "schema": schema, "schemaId": id, "version": version}))
    };
    assert_eq!(code(m.run(&given(V1, 7, 3))), 42205, "not in import mode");
    set_mode(&mut m, Some("s"), "IMPORT").expect("set");
    assert!(matches!(
        m.run(&given(V1, 7, 3)),
        Ok(Answer::Registered {
            id: 7,
            version: 3,
            ..
        })
    ));
    assert_eq!(
        code(m.run(&given(V2, 7, 4))),
        42205,
        "the id stands for another schema"
    );
    assert_eq!(code(m.register("s", V2)), 42205, "an id must be given");
    m.run(&given(BAD, 9, 1)).expect("nothing is compared");
    set_mode(&mut m, Some("s"), "READWRITE").expect("set");
    assert_eq!(
        m.register("t", V2),
        Ok((10, 1)),
        "ids go on after the highest"
    );
}

#[test]
fn an_import_starts_where_nothing_is() {
    let mut m = Memory::default();
    m.register("s", V1).expect("registered");
    assert_eq!(code(set_mode(&mut m, None, "IMPORT")), 42205);
    assert_eq!(code(set_mode(&mut m, None, "sideways")), 42204);
    m.delete("s", None, false).expect("deleted");
    set_mode(&mut m, None, "IMPORT").expect("what is soft-deleted goes for good");
    assert_eq!(m.state.subjects(Deleted::Shown).count(), 0);
    set_mode(&mut m, None, "READWRITE").expect("set");
    assert_eq!(m.register("s", V1), Ok((2, 1)), "its id is not given again");
    let deleted = m.run(&Command::DeleteMode {
        subject: None,
        recursive: false,
    });
    assert_eq!(deleted, Ok(Answer::Mode("READWRITE".into())));
}

#[test]
fn an_alias_stands_for_its_subject() {
    let mut m = Memory::default();
    set(&mut m, Some("old"), &json!({"alias": "new"}));
    set(&mut m, Some(":.eu:old"), &json!({"alias": "new"}));
    assert_eq!(m.state.aliased("old").as_deref(), Some("new"));
    assert_eq!(m.state.aliased(":.eu:old").as_deref(), Some(":.eu:new"));
    assert_eq!(m.state.aliased("new"), None);
}

#[test]
fn tags_make_the_next_version() {
    let mut m = Memory::default();
    m.register("s", V1).expect("registered");
    let tag = |names: &[&str]| {
        Command::Tag(
            serde_json::from_value(json!({
                "subject": "s", "version": "latest",
                "tagsToAdd": [{
                    "schemaEntity": {"entityPath": names[0], "entityType": "sr_field"},
                    "tags": ["PII"],
                }],
            }))
            .expect("a request"),
        )
    };
    let record: serde_json::Value = serde_json::from_str(V1).expect("json");
    let path = format!(
        "{}.{}",
        record["name"].as_str().expect("a name"),
        record["fields"][0]["name"].as_str().expect("a name")
    );
    assert_eq!(code(m.run(&tag(&["no.such.field"]))), 42201);
    m.run(&tag(&[&path])).expect("tagged");
    let version = m.state.version("s", 2).expect("there");
    assert!(version.content.text.contains(r#""confluent:tags":["PII"]"#));
}

#[test]
fn tags_of_a_protobuf_schema_come_go_and_are_found() {
    let mut m = Memory::default();
    let text = "syntax = \"proto3\";\npackage p;\n\nimport \"confluent/meta.proto\";\n\nmessage M {\n  string a = 1;\n}\n";
    let entity = |kind: &str, path: &str| json!({"entityPath": path, "entityType": kind});
    let record = json!([{"schemaEntity": entity("sr_record", "M"), "tags": ["SECRET"]}]);
    let field = json!([{"schemaEntity": entity("sr_field", ".M.a"), "tags": ["PII", "EU"]}]);
    let register = Register {
        subject: "s".into(),
        schema_type: Some("PROTOBUF".into()),
        schema: text.into(),
        ..Register::default()
    };
    m.run(&Command::Register(register.clone()))
        .expect("registered");
    let tag = |change: &str, tags: &serde_json::Value| {
        let request = json!({"subject": "s", "version": "latest", change: tags});
        Command::Tag(serde_json::from_value(request).expect("a request"))
    };
    m.run(&tag("tagsToAdd", &field)).expect("tagged");
    let given = Register {
        tags_to_add: serde_json::from_value(record).expect("tags"),
        ..register
    };
    m.run(&Command::Register(given)).expect("registered");
    m.run(&tag(
        "tagsToRemove",
        &json!([{"schemaEntity": entity("sr_record", "M"), "tags": ["SECRET"]}]),
    ))
    .expect("taken away");
    let content = |number| &*m.state.version("s", number).expect("there").content;
    let found = |number, tags: &[&str]| {
        let tags: Vec<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
        json!(crate::tags::wanted(content(number), &[], &tags).expect("read"))
    };
    let of_field = json!([{"schemaEntity": entity("sr_field", "M.a"), "tags": ["PII", "EU"]}]);
    assert_eq!(found(1, &["*"]), json!([]));
    assert_eq!(found(2, &["PII"]), of_field);
    assert_eq!(found(2, &["SECRET"]), json!([]));
    assert_eq!(
        found(3, &["*"])[0]["schemaEntity"],
        entity("sr_record", "M")
    );
    assert_eq!(content(4).text, text, "as it was");
    let refused = m.run(&tag(
        "tagsToAdd",
        &json!([{"schemaEntity": entity("sr_field", "M.b"), "tags": ["PII"]}]),
    ));
    let refused = refused.expect_err("unknown");
    assert_eq!(refused.error_code, 42201);
    assert!(refused.message.contains("sr_field `M.b`"), "{refused}");
}

fn canonical(text: &str) -> String {
    let parsed = Content::sent(None, text, vec![]).parsed(&[], Normalize::No);
    parsed.expect("a schema").text
}

fn command() -> impl Strategy<Value = Command> {
    let subject = prop::sample::select(vec!["s", "t", "u"]).prop_map(str::to_owned);
    let schema = prop::sample::select(vec![V1, V2, BAD, "\"string\"", "\"int\""]);
    prop_oneof![
        4 => (subject.clone(), schema, any::<bool>()).prop_map(|(subject, schema, force)| {
            Command::Register(Register {
                subject,
                schema: schema.into(),
                force,
                ..Register::default()
            })
        }),
        1 => (subject.clone(), any::<bool>())
            .prop_map(|(subject, permanent)| Command::DeleteSubject { subject, permanent }),
        2 => (subject, 1..4_u32, any::<bool>()).prop_map(|(subject, number, permanent)| {
            Command::DeleteVersion { subject, version: Which::Number(number), permanent }
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn an_id_stands_for_one_content_for_ever(commands in prop::collection::vec(command(), 1..40)) {
        let mut m = Memory::default();
        let mut meaning: BTreeMap<u32, String> = BTreeMap::new();
        for command in &commands {
            if let (Ok(Answer::Registered { id, .. }), Command::Register(r)) = (m.run(command), command) {
                let text = canonical(&r.schema);
                prop_assert_eq!(meaning.entry(id).or_insert_with(|| text.clone()), &text);
            }
        }
    }

    #[test]
    fn registering_twice_is_registering_once(commands in prop::collection::vec(command(), 1..40)) {
        let mut m = Memory::default();
        for command in &commands {
            let first = m.run(command);
            if let (Ok(first), Command::Register(_)) = (first, command) {
                let records = m.log.len();
                prop_assert_eq!(m.run(command), Ok(first));
                prop_assert_eq!(m.log.len(), records);
            }
        }
    }

    #[test]
    fn a_compacted_log_gives_the_same_answers(commands in prop::collection::vec(command(), 1..40)) {
        let mut m = Memory::default();
        for command in &commands {
            let rebuilt = m.rebuilt();
            let expected = decide(&m.state, command);
            prop_assert_eq!(decide(&rebuilt, command), expected);
            m.run(command).ok();
        }
    }
}
