//! The walk against the reference library, the hostile data of the Avro project, and our own.

use super::generate::{Shape, encode, records, shape_and_datum, shapes};
use super::*;
use crate::judges;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value as Datum;
use proptest::prelude::*;
use serde_json::json;

fn compile(schema: serde_json::Value) -> AvroValidator {
    AvroValidator::compile(&schema.to_string()).expect("valid schema")
}

fn reason(validator: &AvroValidator, datum: &[u8]) -> (Code, String) {
    let reasons = validator.check(datum).expect_err("to be refused");
    assert_eq!(reasons.len(), 1, "{reasons:?}");
    (reasons[0].code, reasons[0].path.clone())
}

fn person() -> AvroValidator {
    compile(json!({"type": "record", "name": "a.Person", "fields": [
        {"name": "name", "type": "string"},
        {"name": "born", "type": ["null", {"type": "int", "logicalType": "date"}]},
        {"name": "tags", "type": {"type": "map", "values": {"type": "array", "items": "boolean"}}},
        {"name": "parent", "type": ["null", "Person"]},
    ]}))
}

#[test]
fn faults_are_told_with_their_field() {
    let undecodable = |path: &str| (Code::Undecodable, path.to_owned());
    let person = person();
    assert_eq!(person.check(&[2, b'a', 0, 0, 0]), Ok(()));
    assert_eq!(
        reason(&person, &[2, b'a', 0, 0, 0, 7]),
        (Code::TrailingBytes, String::new())
    );
    assert_eq!(reason(&person, &[2, 0xff, 0, 0, 0]), undecodable("/name"));
    assert_eq!(reason(&person, &[2, b'a', 4, 0, 0]), undecodable("/born"));
    assert_eq!(
        reason(&person, &[2, b'a', 0, 2, 2, b'/', 2, 9]),
        undecodable("/tags/~1/0")
    );
    assert_eq!(
        reason(&person, &[2, b'a', 0, 0, 2, 2, b'b', 0, 0]),
        undecodable("/parent/parent")
    );
}

#[test]
fn all_values_outside_their_logical_type_are_told() {
    let validator = compile(json!({"type": "record", "name": "R", "fields": [
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "id", "type": {"type": "string", "logicalType": "uuid"}},
        {"name": "sum", "type": {"type": "bytes", "logicalType": "decimal", "precision": 2}},
        {"name": "n", "type": "int"},
    ]}));
    let mut datum = vec![0xff; 9];
    datum.extend([1, 2, b'x', 4, 0x7f, 0xff]);
    let reasons = validator
        .check(&datum)
        .expect_err("three values and the end");
    let told: Vec<_> = reasons.iter().map(|r| (r.code, r.path.as_str())).collect();
    let logical = Code::LogicalType;
    assert_eq!(
        told,
        [
            (logical, "/at"),
            (logical, "/id"),
            (logical, "/sum"),
            (Code::Undecodable, "/n")
        ]
    );
}

#[test]
fn bombs_are_refused_at_once() {
    let nulls = compile(json!({"type": "array", "items": "null"}));
    assert_eq!(nulls.check(&[0x80, 0x80, 0x08, 0]), Ok(()), "65,536 nulls");
    let bomb = [0x80, 0x94, 0xeb, 0xdc, 0x03, 0];
    assert_eq!(reason(&nulls, &bomb).0, Code::TooComplex);
    let halves = [0x80, 0x80, 0x08, 2, 0];
    assert_eq!(reason(&nulls, &halves).0, Code::TooComplex);
    let string = compile(json!("string"));
    assert_eq!(
        reason(&string, &[0xfe, 0xff, 0xff, 0xff, 0x0f]).0,
        Code::Undecodable
    );
    let list = compile(json!({"type": "record", "name": "L", "fields": [
        {"name": "next", "type": ["null", "L"]}]}));
    assert_eq!(list.check(&[[2; 63].as_slice(), &[0]].concat()), Ok(()));
    assert_eq!(reason(&list, &[2; 100_000]).0, Code::TooComplex);
    let endless = compile(json!({"type": "record", "name": "L", "fields": [
        {"name": "next", "type": "L"}]}));
    assert_eq!(reason(&endless, &[]).0, Code::TooComplex);
}

#[test]
fn a_block_with_its_size_must_take_it() {
    let ints = compile(json!({"type": "array", "items": "int"}));
    assert_eq!(
        ints.check(&[3, 4, 2, 2, 0]),
        Ok(()),
        "two items in two bytes"
    );
    assert_eq!(
        reason(&ints, &[3, 6, 2, 2, 0]),
        (Code::Undecodable, String::new())
    );
}

#[test]
fn decoded_json_is_plain() {
    let validator = compile(json!({"type": "record", "name": "R", "fields": [
        {"name": "f", "type": "float"},
        {"name": "b", "type": "bytes"},
        {"name": "d", "type": {"type": "bytes", "logicalType": "decimal", "precision": 6, "scale": 2}},
        {"name": "u", "type": ["null", "string"]},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "nan", "type": "double"},
        {"name": "p", "type": {"type": "fixed", "name": "P", "size": 12, "logicalType": "duration"}},
    ]}));
    let mut datum = 0.1f32.to_le_bytes().to_vec();
    datum.extend([4, 0xfb, 0xff, 4, 0xfb, 0x1e, 2, 2, b'x', 0]);
    datum.extend(f64::NAN.to_le_bytes());
    datum.extend([1, 0, 0, 0, 2, 0, 0, 0, 0xdc, 5, 0, 0]);
    assert_eq!(
        validator.decode_json(&datum).expect("valid"),
        json!({"f": 0.1, "b": "+/8=", "d": "-12.50", "u": "x", "at": "1970-01-01T00:00:00Z",
               "nan": "NaN", "p": "P1M2DT1.500S"})
    );
}

#[test]
fn schemas_that_are_none_are_refused_with_their_place() {
    for (bad, place) in [
        (json!("nothing"), "#"),
        (
            json!({"type": "record", "name": "R", "fields": [{"name": "a", "type": "X"}]}),
            "#/fields/0/type",
        ),
        (json!({"type": "record", "name": "1", "fields": []}), "#"),
        (
            json!({"type": "enum", "name": "E", "symbols": ["A", "A"]}),
            "#/symbols",
        ),
        (json!(["int", ["null"]]), "#/1"),
        (json!(["int", "int"]), "#/1"),
        (json!({"type": "fixed", "name": "F", "size": -1}), "#"),
        (json!({"type": "array"}), "#"),
    ] {
        let error = AvroValidator::compile(&bad.to_string()).expect_err("not a schema");
        assert!(
            matches!(&error, SchemaError::Invalid { path, .. } if path == place),
            "{error}"
        );
    }
    assert!(matches!(
        AvroValidator::compile("{"),
        Err(SchemaError::NotJson { line: 1, .. })
    ));
}

#[test]
fn types_of_other_schemas_may_be_named() {
    let user =
        json!({"type": "record", "name": "a.User", "fields": [{"name": "id", "type": "int"}]});
    let order =
        json!({"type": "record", "name": "a.Order", "fields": [{"name": "by", "type": "User"}]});
    let user = Import {
        name: "a.User",
        text: &user.to_string(),
    };
    let validator = AvroValidator::compile_with(&order.to_string(), &[user]);
    assert_eq!(validator.expect("known").check(&[2]), Ok(()));
    assert!(AvroValidator::compile(&order.to_string()).is_err());
}

#[test]
fn judge_avro_binary_rejections() {
    let Some(file) = judges::json("registry/binary-rejections.json") else {
        return;
    };
    let vectors = file["vectors"].as_array().expect("a list");
    assert!(!vectors.is_empty());
    for vector in vectors {
        let schema = vector["schema"].as_str().expect("text");
        let hex = vector["bytesHex"].as_str().expect("text");
        let datum: Vec<u8> = (0..hex.len() / 2)
            .map(|index| u8::from_str_radix(&hex[2 * index..2 * index + 2], 16).expect("hex"))
            .collect();
        let validator = AvroValidator::compile(schema).expect("valid schema");
        assert_eq!(
            reason(&validator, &datum).0,
            Code::Undecodable,
            "{}",
            vector["name"]
        );
    }
}

fn record_and_datum() -> impl Strategy<Value = (Shape, Datum)> {
    records().prop_flat_map(|shape| {
        let data = shape.data();
        (Just(shape), data)
    })
}

fn field_names(schema: &serde_json::Value) -> Vec<String> {
    let fields = schema["fields"].as_array().expect("a record");
    let name = |field: &serde_json::Value| field["name"].as_str().expect("a name").to_owned();
    fields.iter().map(name).collect()
}

proptest! {
    #[test]
    fn accepts_what_the_reference_library_writes_and_no_part_of_it((shape, datum) in shape_and_datum()) {
        let schema = shape.schema();
        let validator = compile(schema.clone());
        let mut bytes = encode(&schema, datum);
        prop_assert_eq!(validator.check(&bytes), Ok(()));
        let whole = validator.decode_json(&bytes).expect("decodes");
        prop_assert_eq!(&validator.decode_selected(&bytes, &validator.select(None)), &Ok(whole));
        for end in 0..bytes.len() {
            prop_assert!(validator.check(&bytes[..end]).is_err(), "cut at {}", end);
        }
        bytes.push(0);
        let reasons = validator.check(&bytes).expect_err("a byte too many");
        prop_assert_eq!(reasons[0].code, Code::TrailingBytes);
    }

    #[test]
    fn a_selection_of_fields_is_checked_as_the_whole(
        (shape, datum) in record_and_datum(), picked: [bool; 4], cut in 0..8_usize, is_longer: bool,
    ) {
        let schema = shape.schema();
        let validator = compile(schema.clone());
        let mut bytes = encode(&schema, datum);
        if is_longer {
            bytes.push(0);
        }
        let bytes = &bytes[..bytes.len().saturating_sub(cut)];
        let names: BTreeSet<String> = field_names(&schema).into_iter().zip(picked.into_iter().cycle())
            .filter_map(|(name, picked)| picked.then_some(name)).collect();
        let selected = validator.decode_selected(bytes, &validator.select(Some(&names)));
        let expected = validator.decode_json(bytes).map(|mut whole| {
            if let Some(object) = whole.as_object_mut() {
                object.retain(|name, _| names.contains(name));
            }
            whole
        });
        prop_assert_eq!(selected, expected);
    }

    #[test]
    fn scalars_are_read_as_the_whole_has_them(
        (shape, datum) in record_and_datum(), picked: [bool; 4], cut in 0..8_usize, is_longer: bool,
    ) {
        let schema = shape.schema();
        let validator = compile(schema.clone());
        let mut bytes = encode(&schema, datum);
        if is_longer {
            bytes.push(0);
        }
        let bytes = &bytes[..bytes.len().saturating_sub(cut)];
        let names: BTreeSet<String> = field_names(&schema).into_iter().zip(picked.into_iter().cycle())
            .filter_map(|(name, picked)| picked.then_some(name)).collect();
        let selection = validator.select(Some(&names));
        let leaves = validator.leaves(bytes, &selection).map(Leaves::into_value);
        let has_parts = |value: &serde_json::Value| value.is_array() || value.is_object();
        let expected = validator.decode_selected(bytes, &selection).ok()
            .filter(|whole| !whole.as_object().is_some_and(|object| object.values().any(has_parts)));
        prop_assert_eq!(leaves, expected);
    }

    #[test]
    fn accepts_nothing_that_the_reference_library_refuses(shape in shapes(), bytes: Vec<u8>) {
        let schema = shape.schema();
        if compile(schema.clone()).check(&bytes).is_ok() {
            let schema = apache_avro::Schema::parse(&schema).expect("valid schema");
            let mut rest = bytes.as_slice();
            let reader = GenericDatumReader::builder(&schema).build().expect("a reader");
            let datum = reader.read_value(&mut rest);
            prop_assert!(datum.is_ok() && rest.is_empty(), "{:?}", datum);
        }
    }
}
