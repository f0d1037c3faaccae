//! The validator against `prost-reflect`, which decodes the same bodies into messages.

use crate::protobuf::{MessageIndexes, ProtobufValidator, Schema};
use crate::settings::Treatment;
use crate::verdict::{Code, Reason};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use prost_reflect::DynamicMessage;
use std::sync::LazyLock;

const SCHEMA: &str = "syntax = \"proto3\"; package p; \
    message First { int32 a = 1; string s = 2; repeated int64 n = 3; Inner i = 4; repeated Inner many = 5; \
      map<string, Inner> m = 6; double d = 7; fixed32 f = 8; bytes b = 9; oneof c { bool x = 10; sint64 y = 11; } \
      repeated fixed64 g = 12; E e = 13; First again = 20; \
      message Inner { string s = 1; optional uint32 u = 2; message Deep { bool ok = 1; } Deep deep = 3; } enum E { Z = 0; } } \
    message Second { string s = 1; }";

fn validator(text: &str) -> (Schema, ProtobufValidator) {
    let schema = Schema::parse(text, &[]).expect("a schema");
    let validator = ProtobufValidator::compile(&schema, Treatment::Pass);
    (schema, validator)
}

fn refusal(validator: &ProtobufValidator, body: &[u8]) -> String {
    let reasons = validator.check(body).expect_err("refused");
    reasons
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}

#[test]
fn messages_are_found_by_their_indexes() {
    let (schema, _) = validator(SCHEMA);
    for (indexes, name) in [
        (&[0][..], Some("p.First")),
        (&[1], Some("p.Second")),
        (&[0, 0], Some("p.First.Inner")),
        (&[0, 0, 0], Some("p.First.Inner.Deep")),
        (&[0, 1], None),
        (&[2], None),
        (&[1, 0], None),
    ] {
        let indexes = MessageIndexes::new(indexes).expect("a path");
        let found = schema.message(&indexes);
        assert_eq!(found.as_ref().map(|found| found.full_name()), name);
    }
}

/// As Java's clients register a schema, and count the messages in it.
#[test]
fn written_out_map_entries_have_a_place() {
    let text = "syntax = \"proto3\"; message M { repeated .M.AEntry a = 1; \
        message AEntry { option map_entry = true; string key = 1; .M.N value = 2; } message N { int32 x = 1; } }";
    let (schema, validator) = validator(text);
    let n = MessageIndexes::new(&[0, 1]).expect("a path");
    assert_eq!(schema.message(&n).expect("is there").full_name(), "M.N");
    validator.check(&[4, 0, 2, 0x08, 1]).expect("a message `N`");
    validator
        .check(&[0, 0x0a, 7, 0x0a, 1, b'k', 0x12, 2, 0x08, 1])
        .expect("a message `M`");
}

#[test]
fn bodies_are_refused_with_place_and_reason() {
    let (_, validator) = validator(SCHEMA);
    for (body, expected) in [
        (
            &[][..],
            "MESH-1001 (event): expected message indexes: a count and indexes as zigzag varints, found 0 bytes that are none",
        ),
        (
            &[4, 0, 4],
            "MESH-1001 (event): expected the indexes of a message of the schema, found the indexes [0, 2]",
        ),
        (
            &[0, 0x12, 2, b'a'],
            "MESH-1003 /s: expected string, found bytes that end too early",
        ),
        (
            &[0, 0x12, 1, 0xff],
            "MESH-1003 /s: expected string, found text that is not UTF-8",
        ),
        (
            &[0, 0x0a, 0],
            "MESH-1007 /a: expected int32, found bytes with their length",
        ),
        (
            &[0, 0x2a, 0, 0x2a, 2, 0x0a, 5],
            "MESH-1003 /many/1/s: expected string, found bytes that end too early",
        ),
        (
            &[0, 0x08, 1, 0],
            "MESH-1003 (event): expected a message, found bytes that are no field",
        ),
        (
            &[0, 0x08, 1, 0x0f],
            "MESH-1003 (event): expected a message, found bytes that are no field",
        ),
        (
            &[0, 0x0c],
            "MESH-1003 (event): expected a message, found the end of a group that is not open",
        ),
        (
            &[0, 0x62, 7, 0, 0, 0, 0, 0, 0, 0],
            "MESH-1003 /g/0: expected fixed64, found bytes that end too early",
        ),
        (
            &[
                0, 0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
            ],
            "MESH-1003 /a: expected int32, found a number of more than 64 bits",
        ),
    ] {
        assert_eq!(refusal(&validator, body), expected, "{body:02x?}");
    }
}

#[test]
fn unknown_fields_are_allowed() {
    let (_, validator) = validator(SCHEMA);
    // Number 100: a varint, bytes, and a group with a field in it.
    validator
        .check(&[
            0, 0xa0, 0x06, 1, 0xa2, 0x06, 1, 9, 0xa3, 0x06, 0x08, 1, 0xa4, 0x06,
        ])
        .expect("allowed");
    validator.check(&[0]).expect("an empty message");
}

#[test]
fn required_fields_and_groups_of_proto2_are_checked() {
    let (_, validator) = validator(
        "message M { required int32 a = 1; optional group G = 2 { required string s = 3; } repeated M m = 4; }",
    );
    validator
        .check(&[0, 0x08, 1, 0x13, 0x1a, 1, b'x', 0x14])
        .expect("good");
    assert_eq!(
        refusal(&validator, &[0]),
        "MESH-1006 /a: expected a value, found nothing"
    );
    assert_eq!(
        refusal(&validator, &[0, 0x08, 1, 0x13, 0x14]),
        "MESH-1006 /g/s: expected a value, found nothing"
    );
    assert_eq!(
        refusal(&validator, &[0, 0x08, 1, 0x22, 0]),
        "MESH-1006 /m/0/a: expected a value, found nothing"
    );
    assert!(
        refusal(&validator, &[0, 0x08, 1, 0x13, 0x1a, 0])
            .starts_with("MESH-1003 /g: expected M.G, found bytes that end")
    );
}

/// Nesting costs the sender two bytes a level, and us a frame of the stack.
#[test]
fn deep_bodies_are_refused() {
    let (_, validator) = validator(SCHEMA);
    let mut body = Vec::new();
    for _ in 0..20_000 {
        let mut outer = vec![0xa2, 0x01];
        prost::encoding::encode_varint(body.len() as u64, &mut outer);
        outer.append(&mut body);
        body = outer;
    }
    body.insert(0, 0);
    assert_eq!(
        validator.check(&body).expect_err("refused")[0].code,
        Code::TooComplex
    );
    let groups = [vec![0], [0xa3, 0x06].repeat(100_000)].concat();
    assert_eq!(
        validator.check(&groups).expect_err("refused")[0].code,
        Code::TooComplex
    );
}

fn field() -> impl Strategy<Value = Vec<u8>> {
    // The library takes a map's entries in any form.
    let tag = (0u32..24, 0u32..6)
        .prop_map(|(number, form)| number << 3 | if number == 6 { 2 } else { form });
    let value = prop_oneof![
        any::<u64>().prop_map(|number| {
            let mut bytes = Vec::new();
            prost::encoding::encode_varint(number, &mut bytes);
            bytes
        }),
        prop::collection::vec(any::<u8>(), 8),
        "[a-zé]{0,6}".prop_map(|text| [
            vec![u8::try_from(text.len()).expect("short")],
            text.into_bytes()
        ]
        .concat()),
        Just(vec![0]),
        Just(vec![2, 0x08, 0x01]),
    ];
    (tag, value).prop_map(|(tag, value)| {
        let mut bytes = Vec::new();
        prost::encoding::encode_varint(u64::from(tag), &mut bytes);
        bytes.extend(value);
        bytes
    })
}

static PARSED: LazyLock<(Schema, ProtobufValidator)> = LazyLock::new(|| validator(SCHEMA));

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..ProptestConfig::default() })]

    /// What we accept the library decodes, and what it decodes we accept, save where a field is written in another
    /// form than its type has: the library passes over some of those.
    #[test]
    fn accepts_what_another_decodes(fields in prop::collection::vec(field(), 0..6)) {
        let (schema, validator) = &*PARSED;
        let body = fields.concat();
        let message = schema.message(&MessageIndexes::FIRST).expect("is there");
        let decoded = DynamicMessage::decode(message, body.as_slice());
        let checked = validator.check_message(&MessageIndexes::FIRST, &body);
        let form = |reasons: &Vec<Reason>| reasons.iter().any(|reason| reason.code == Code::WrongType);
        if checked.as_ref().is_err_and(form) {
            return Ok(());
        }
        prop_assert_eq!(checked.is_ok(), decoded.is_ok(), "{:02x?} {:?} {:?}", body, checked, decoded.err());
    }
}
