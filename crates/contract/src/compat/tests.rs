//! Verdicts on Avro schemas: each rule, the cases of others, and data that must stay readable.

use super::*;
use crate::avro::generate::{Shape, encode, records};
use crate::judges;
use apache_avro::reader::datum::GenericDatumReader;
use proptest::prelude::*;
use serde_json::{Value, json};

fn avro(text: &str) -> Source<'_> {
    Source::new(SchemaType::Avro, text)
}

fn refusals(reader: &Value, writer: &Value) -> Vec<String> {
    let (reader, writer) = (reader.to_string(), writer.to_string());
    let found = compare(&avro(&reader), &avro(&writer), Policy::Strict);
    found
        .expect("schemas")
        .into_iter()
        .map(|d| format!("{} {}", d.kind, d.path))
        .collect()
}

fn record(fields: Value) -> Value {
    json!({"type": "record", "name": "R", "fields": fields})
}

fn with(ty: Value) -> Value {
    record(json!([{"name": "a", "type": ty}]))
}

#[test]
fn each_rule_has_its_name_and_location() {
    let symbols = |symbols: &[&str]| json!({"type": "enum", "name": "E", "symbols": symbols});
    let fixed = |size: u8| json!({"type": "fixed", "name": "F", "size": size});
    for (reader, writer, expected) in [
        (
            with(json!("int")),
            with(json!("string")),
            "TYPE_MISMATCH /fields/0/type",
        ),
        (
            with(json!("int")),
            with(json!("long")),
            "TYPE_MISMATCH /fields/0/type",
        ),
        (
            with(fixed(4)),
            with(fixed(5)),
            "FIXED_SIZE_MISMATCH /fields/0/type/size",
        ),
        (
            with(symbols(&["A"])),
            with(symbols(&["A", "B"])),
            "MISSING_ENUM_SYMBOLS /fields/0/type/symbols",
        ),
        (
            with(json!(["null", "int"])),
            with(json!("string")),
            "MISSING_UNION_BRANCH /fields/0/type",
        ),
        (
            with(json!(["null", "int"])),
            with(json!(["null", "string"])),
            "MISSING_UNION_BRANCH /fields/0/type/1",
        ),
        (
            with(json!("int")),
            with(json!(["int", "null"])),
            "TYPE_MISMATCH /fields/0/type",
        ),
        (
            with(json!("int")),
            record(json!([])),
            "READER_FIELD_MISSING_DEFAULT_VALUE /fields/0",
        ),
        (
            json!({"type": "record", "name": "S", "fields": []}),
            record(json!([])),
            "NAME_MISMATCH /name",
        ),
        (
            with(json!({"type": "array", "items": "int"})),
            with(json!({"type": "array", "items": "null"})),
            "TYPE_MISMATCH /fields/0/type/items",
        ),
        (
            with(json!({"type": "map", "values": "int"})),
            with(json!({"type": "map", "values": "null"})),
            "TYPE_MISMATCH /fields/0/type/values",
        ),
        (json!("int"), json!("null"), "TYPE_MISMATCH /"),
        (
            with(json!({"type": "enum", "name": "E", "symbols": ["A"], "default": "A"})),
            record(json!([])),
            "TYPE_MISMATCH /fields/0/type",
        ),
    ] {
        assert_eq!(
            refusals(&reader, &writer),
            [expected],
            "{reader} reads {writer}"
        );
    }
}

#[test]
fn what_readers_can_resolve_passes() {
    let with_default =
        json!([{"name": "a", "type": "int"}, {"name": "b", "type": "int", "default": 1}]);
    let renamed = json!([{"name": "z", "aliases": ["a"], "type": "long"}]);
    let known = json!({"type": "enum", "name": "E", "symbols": ["A"], "default": "A"});
    for (reader, writer) in [
        (record(with_default), with(json!("int"))),
        (record(renamed), with(json!("int"))),
        (record(json!([])), with(json!("int"))),
        (with(json!("double")), with(json!(["int", "long", "float"]))),
        (with(json!(["null", "double"])), with(json!("int"))),
        (with(json!("bytes")), with(json!("string"))),
        (
            with(known),
            with(json!({"type": "enum", "name": "E", "symbols": ["A", "B"]})),
        ),
        (
            json!({"type": "record", "name": "x.R", "fields": []}),
            record(json!([])),
        ),
        (
            json!({"type": "record", "name": "S", "aliases": ["R"], "fields": []}),
            record(json!([])),
        ),
    ] {
        assert_eq!(
            refusals(&reader, &writer),
            [""; 0],
            "{reader} reads {writer}"
        );
    }
}

#[test]
fn every_difference_is_told() {
    let reader = record(json!([
        {"name": "a", "type": "int"},
        {"name": "b", "type": {"type": "enum", "name": "E", "symbols": ["X"]}},
        {"name": "c", "type": "string"},
    ]));
    let writer = record(json!([
        {"name": "a", "type": "null"},
        {"name": "b", "type": {"type": "enum", "name": "E", "symbols": ["X", "Y", "Z"]}},
    ]));
    let (reader, writer) = (reader.to_string(), writer.to_string());
    let old = [Version {
        number: 3,
        schema: avro(&writer),
    }];
    let found = check(Level::Backward, Policy::Strict, &avro(&reader), &old);
    let found = found.expect("schemas").incompatible;
    let texts: Vec<_> = found.iter().map(|one| one.difference.to_string()).collect();
    assert_eq!(
        texts,
        [
            "{errorType:'READER_FIELD_MISSING_DEFAULT_VALUE', description:'The field 'c' at path '/fields/2' in \
             the new schema has no default value and is missing in the old schema', additionalInfo:'c'}",
            "{errorType:'TYPE_MISMATCH', description:'The type (path '/fields/0/type') of a field in the new schema \
             does not match with the old schema', additionalInfo:'reader type: INT not compatible with writer type: \
             NULL'}",
            "{errorType:'MISSING_ENUM_SYMBOLS', description:'The new schema is missing enum symbols '[Y, Z]' at path \
             '/fields/1/type/symbols' in the old schema', additionalInfo:'[Y, Z]'}",
        ]
    );
    assert!(found.iter().all(|one| one.version == 3));
}

#[test]
fn recursive_types_are_judged_exactly() {
    let list = |value: &str| {
        record(json!([{"name": "v", "type": value}, {"name": "next", "type": ["null", "R"]}]))
    };
    assert_eq!(refusals(&list("long"), &list("int")), [""; 0]);
    // The list itself is what breaks, and the union that holds it.
    assert_eq!(
        refusals(&list("int"), &list("long")),
        [
            "TYPE_MISMATCH /fields/0/type",
            "MISSING_UNION_BRANCH /fields/1/type/1"
        ]
    );
}

#[test]
fn levels_choose_versions_and_directions() {
    let narrow = with(json!("int")).to_string();
    let wide = with(json!("long")).to_string();
    let other = with(json!("boolean")).to_string();
    let versions = [
        Version {
            number: 1,
            schema: avro(&other),
        },
        Version {
            number: 2,
            schema: avro(&narrow),
        },
    ];
    let verdict = |level, new: &str| -> Vec<(u32, Direction)> {
        let found = check(level, Policy::Strict, &avro(new), &versions);
        found
            .expect("schemas")
            .incompatible
            .iter()
            .map(|one| (one.version, one.direction))
            .collect()
    };
    let (backward, forward) = (Direction::NewReadsOld, Direction::OldReadsNew);
    assert_eq!(verdict(Level::None, &other), []);
    assert_eq!(verdict(Level::Backward, &wide), []);
    assert_eq!(verdict(Level::Forward, &wide), [(2, forward)]);
    assert_eq!(verdict(Level::Full, &wide), [(2, forward)]);
    assert_eq!(verdict(Level::BackwardTransitive, &wide), [(1, backward)]);
    assert_eq!(
        verdict(Level::FullTransitive, &narrow),
        [(1, backward), (1, forward)]
    );
    for level in Level::ALL {
        assert_eq!(
            check(*level, Policy::Strict, &avro(&wide), &[]),
            Ok(Report::default())
        );
        assert_eq!(level.to_string().parse(), Ok(*level));
    }
    assert!("SIDEWAYS".parse::<Level>().is_err());
}

/// Apicurio's cases; `both` means that either reads the other.
#[test]
fn judge_apicurio_avro_cases() {
    let Some(file) = judges::json("registry/avro-compatibility-test-data.json") else {
        return;
    };
    let cases = file["tests"].as_array().expect("a list");
    assert!(!cases.is_empty());
    for case in cases.iter().filter(|case| case["enabled"] == true) {
        let (original, updated) = (&case["original"], &case["updated"]);
        let backward = refusals(updated, original).is_empty();
        let forward = refusals(original, updated).is_empty();
        let verdict = match (backward, forward) {
            (true, true) => "both",
            (true, false) => "backward",
            (false, true) => "forward",
            (false, false) => "none",
        };
        assert_eq!(case["compatibility"], verdict, "{}", case["id"]);
    }
}

/// One step of evolution on a record's shape; some break, some do not.
fn evolve(shape: &mut Shape, at: usize, step: u8) {
    let Shape::Record(fields) = shape else { return };
    let Some(index) = at.checked_rem(fields.len()) else {
        return;
    };
    let field = &mut fields[index];
    *field = match (step, field.clone()) {
        (0, inner @ (Shape::Nullable(_) | Shape::Union(_) | Shape::Null)) => inner,
        (0, inner) => Shape::Nullable(Box::new(inner)),
        // A logical type widened is more than the reference library resolves.
        (1, Shape::Int) => Shape::Long,
        (1, Shape::Long | Shape::Float) => Shape::Double,
        (1, Shape::Enum(count)) => Shape::Enum(count + 1),
        (1, Shape::String) => Shape::Bytes,
        (2, Shape::Nullable(inner)) => *inner,
        (2, Shape::Union(mut branches)) => {
            branches.reverse();
            Shape::Union(branches)
        }
        (_, Shape::Array(inner)) => Shape::Array(Box::new(Shape::Nullable(inner))),
        (_, mut inner) => {
            evolve(&mut inner, at / 3, step);
            inner
        }
    };
}

proptest! {
    #[test]
    fn compatible_means_that_data_stay_readable(
        (old, datum) in records().prop_flat_map(|shape| { let data = shape.data(); (Just(shape), data) }),
        steps in prop::collection::vec((0..100usize, 0..3u8), 0..4),
    ) {
        let mut new = old.clone();
        steps.iter().for_each(|(at, step)| evolve(&mut new, *at, *step));
        let (old, new) = (old.schema(), new.schema());
        // `array<nullable<nullable>>` and its like are no schemas.
        prop_assume!(crate::avro::AvroValidator::compile(&new.to_string()).is_ok());
        if refusals(&new, &old).is_empty() {
            let bytes = encode(&old, datum);
            let writer = apache_avro::Schema::parse(&old).expect("valid schema");
            let reader = apache_avro::Schema::parse(&new).expect("valid schema");
            let reading = GenericDatumReader::builder(&writer).reader_schema(&reader).build();
            let read = reading.expect("resolved").read_value(&mut bytes.as_slice());
            prop_assert!(read.is_ok(), "{:?}\n{}\n{}", read, old, new);
        }
    }
}
