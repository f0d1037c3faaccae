//! Rows in both encodings: what is written, what is refused, and that the validators agree.

use super::*;
use crate::avro::AvroValidator;
use crate::avro::generate::{Shape, encode, shape_and_datum};
use crate::json::JsonValidator;
use proptest::prelude::*;
use serde_json::json;

fn avro_schema() -> String {
    json!({"type": "record", "name": "Flight", "fields": [
        {"name": "flight", "type": "long"},
        {"name": "carrier", "type": {"type": "enum", "name": "C", "symbols": ["AA", "UA"]}},
        {"name": "dep_time", "type": ["null", "int"], "default": null},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "price", "type": [
            {"type": "bytes", "logicalType": "decimal", "precision": 6, "scale": 2}, "null"]},
        {"name": "legs", "type": ["null", {"type": "array", "items": {
            "type": "record", "name": "Leg", "fields": [{"name": "to", "type": "string"}]}}]},
    ]})
    .to_string()
}

fn json_schema() -> String {
    json!({"type": "object", "required": ["flight"], "additionalProperties": false, "properties": {
        "flight": {"type": "integer"},
        "dep_time": {"type": ["integer", "null"]},
        "carrier": {"$ref": "#/$defs/text"},
        "delay": {"anyOf": [{"type": "null"}, {"type": "number"}]},
        "late": {"type": "boolean"},
        "a\"b": {"enum": [1, 2]},
        "tags": {"type": "array"}
    }, "$defs": {"text": {"type": "string"}}})
    .to_string()
}

fn encoder(ty: Encoding, schema: &str) -> RowEncoder {
    RowEncoder::new(ty, schema, "").expect("a schema of rows")
}

type Cells<'a> = &'a [(&'a str, Option<&'a str>)];

fn errors(encoder: &RowEncoder, row: Cells<'_>) -> Vec<String> {
    let mut out = vec![7];
    let errors = encoder
        .encode_strings(row.iter().copied(), &mut out)
        .expect_err("refused");
    assert_eq!(out, [7], "nothing is left of a refused row");
    errors.iter().map(ToString::to_string).collect()
}

#[test]
fn columns_are_the_top_level() {
    let columns = |ty, schema: &str| -> Vec<(String, bool, String)> {
        let encoder = encoder(ty, schema);
        let columns = encoder.columns().iter().cloned();
        columns
            .map(|column| (column.name, column.required, column.type_name))
            .collect()
    };
    let avro = columns(Encoding::Avro, &avro_schema());
    assert_eq!(avro[0], ("flight".into(), true, "long".into()));
    assert_eq!(avro[2], ("dep_time".into(), false, "null or int".into()));
    assert_eq!(avro[3], ("at".into(), true, "timestamp-micros".into()));
    let json = columns(Encoding::Json, &json_schema());
    assert_eq!(json[0], ("flight".into(), true, "integer".into()));
    assert_eq!(
        json[1],
        ("dep_time".into(), false, "integer or null".into())
    );
    assert_eq!(json[3], ("delay".into(), false, "number or null".into()));
    for (ty, schema) in [
        (Encoding::Avro, "\"int\""),
        (Encoding::Json, r#"{"type": "string"}"#),
    ] {
        assert!(RowEncoder::new(ty, schema, "").is_err());
    }
}

#[test]
fn avro_cells_are_typed_by_the_schema() {
    let schema = avro_schema();
    let encoder = encoder(Encoding::Avro, &schema);
    let validator = AvroValidator::compile(&schema).expect("valid schema");
    let mut out = Vec::new();
    let row: Cells<'_> = &[
        ("at", Some("2013-01-01T10:00:00Z")),
        ("carrier", Some("UA")),
        ("flight", Some("1545.0")),
        ("price", Some("12.5")),
        ("legs", Some(r#"[{"to": "IAH"}]"#)),
    ];
    encoder
        .encode_strings(row.iter().copied(), &mut out)
        .expect("typed");
    let decoded = validator.decode_json(&out).expect("valid");
    let expected = json!({"flight": 1545, "carrier": "UA", "dep_time": null, "at": "2013-01-01T10:00:00Z",
                          "price": "12.50", "legs": [{"to": "IAH"}]});
    assert_eq!(decoded, expected);
    let mut again = Vec::new();
    encoder.encode_json(&decoded, &mut again).expect("typed");
    assert_eq!(again, out);
}

#[test]
fn avro_cells_that_cannot_be_typed_are_all_told() {
    let encoder = encoder(Encoding::Avro, &avro_schema());
    let row: Cells<'_> = &[
        ("flight", None),
        ("carrier", Some("ZZ")),
        ("dep_time", Some("abc")),
        ("at", Some("2013-01-01 10:00")),
        ("price", Some("12.555")),
        ("legs", Some(r#"[{"to": 7}]"#)),
        ("other", Some("x")),
    ];
    assert_eq!(
        errors(&encoder, row),
        [
            "column `other`: expected a column of the schema, found `x`",
            "column `flight`: expected long, found nothing",
            "column `carrier`: expected one of AA, UA, found `ZZ`",
            "column `dep_time`: expected int, found `abc`",
            "column `at`: expected timestamp-micros, found `2013-01-01 10:00`",
            "column `price`: expected decimal(6,2), found `12.555`",
            "column `legs.0.to`: expected string, found `7`",
        ]
    );
}

#[test]
fn json_cells_are_typed_and_missing_ones_left_out() {
    let schema = json_schema();
    let encoder = encoder(Encoding::Json, &schema);
    let write = |row: Cells<'_>| {
        let mut out = Vec::new();
        encoder
            .encode_strings(row.iter().copied(), &mut out)
            .expect("typed");
        let validator = JsonValidator::compile(&schema).expect("valid schema");
        (
            String::from_utf8(out.clone()).expect("UTF-8"),
            validator.check(&out).is_ok(),
        )
    };
    let full: Cells<'_> = &[
        ("carrier", Some("U\"A\n")),
        ("flight", Some("1545.0")),
        ("dep_time", None),
        ("delay", Some("-2.50")),
        ("late", Some("TRUE")),
        ("a\"b", Some("2")),
        ("tags", Some("[ 1 ]")),
    ];
    let text =
        r#"{"flight":1545,"carrier":"U\"A\n","delay":-2.50,"late":true,"a\"b":2,"tags":[1]}"#;
    assert_eq!(write(full), (text.to_owned(), true));
    // The enforcer judges what is missing, not the encoder.
    assert_eq!(write(&[]), ("{}".to_owned(), false));
    let refused: Cells<'_> = &[
        ("flight", Some("abc")),
        ("late", Some("2")),
        ("tags", Some("x")),
    ];
    assert_eq!(
        errors(&encoder, refused),
        [
            "column `flight`: expected integer, found `abc`",
            "column `late`: expected boolean, found `2`",
            "column `tags`: expected JSON, found `x`",
        ]
    );
}

#[test]
fn json_rows_of_a_json_schema_are_passed_on() {
    let encoder = encoder(Encoding::Json, &json_schema());
    let mut out = Vec::new();
    encoder
        .encode_json(&json!({"x": null, "flight": "a"}), &mut out)
        .expect("as it is");
    assert_eq!(out, br#"{"x":null,"flight":"a"}"#);
    assert!(encoder.encode_json(&json!([1]), &mut out).is_err());
}

#[test]
fn cells_are_typed_alike_for_keys() {
    for (ty, schema) in [
        (Encoding::Avro, avro_schema()),
        (Encoding::Json, json_schema()),
    ] {
        let encoder = encoder(ty, &schema);
        assert_eq!(
            encoder.cell_json("flight", Some("1545")),
            Ok(Some(json!(1545)))
        );
        assert_eq!(encoder.cell_json("flight", None), Ok(None));
        assert!(encoder.cell_json("flight", Some("x")).is_err());
        assert!(encoder.cell_json("nothing", Some("x")).is_err());
    }
}

/// Whether plain JSON tells the branches of every union within the shape apart.
fn is_plain(shape: &Shape) -> bool {
    match shape {
        Shape::Union(branches) => branches.len() < 2 && branches.iter().all(is_plain),
        Shape::Array(inner) | Shape::Map(inner) | Shape::Nullable(inner) => is_plain(inner),
        Shape::Record(fields) => fields.iter().all(is_plain),
        Shape::Null
        | Shape::Boolean
        | Shape::Int
        | Shape::Long
        | Shape::Float
        | Shape::Double
        | Shape::Bytes
        | Shape::String
        | Shape::Date
        | Shape::Timestamp
        | Shape::Fixed(_)
        | Shape::Enum(_) => true,
    }
}

proptest! {
    #[test]
    fn what_was_decoded_is_encoded_to_the_same(
        (shape, datum) in shape_and_datum().prop_filter("ambiguous in JSON", |(shape, _)| is_plain(shape)),
    ) {
        let (shape, datum) = (Shape::Record(vec![shape]), vec![("f0".to_owned(), datum)]);
        let schema = shape.schema();
        let bytes = encode(&schema, apache_avro::types::Value::Record(datum));
        let schema = schema.to_string();
        let validator = AvroValidator::compile(&schema).expect("valid schema");
        let decoded = validator.decode_json(&bytes).expect("valid");
        let mut again = Vec::new();
        encoder(Encoding::Avro, &schema).encode_json(&decoded, &mut again).expect("typed");
        // Not by bytes: maps come in any order, and there is more than one NaN.
        prop_assert_eq!(validator.decode_json(&again), Ok(decoded));
        prop_assert_eq!(again.len(), bytes.len());
    }
}

const PROTOBUF: &str = "syntax = \"proto3\"; import \"google/protobuf/timestamp.proto\"; \
    message Leg { string to = 1; } \
    message Flight { int64 flight = 1; Carrier carrier = 2; optional int32 dep_time = 3; bool late = 4; \
      google.protobuf.Timestamp at = 5; repeated Leg legs = 6; double delay = 7; enum Carrier { NONE = 0; UA = 1; } }";

#[test]
fn protobuf_rows_are_typed_by_the_message() {
    use crate::protobuf::ProtobufEvents;
    let encoder = RowEncoder::new(Encoding::Protobuf, PROTOBUF, "Flight").expect("rows");
    let events = ProtobufEvents::compile(PROTOBUF, "Flight").expect("a schema");
    let mut out = Vec::new();
    let row: Cells<'_> = &[
        ("flight", Some("1545")),
        ("carrier", Some("UA")),
        ("late", Some("true")),
        ("at", Some("2013-01-01T10:00:00Z")),
        ("legs", Some(r#"[{"to": "IAH"}]"#)),
        ("delay", Some("2.5")),
        ("dep_time", None),
    ];
    encoder
        .encode_strings(row.iter().copied(), &mut out)
        .expect("typed");
    let expected = json!({"flight": 1545, "carrier": "UA", "late": true, "at": "2013-01-01T10:00:00Z",
        "legs": [{"to": "IAH"}], "delay": 2.5});
    assert_eq!(events.decode_json(None, &out), Ok(expected.clone()));
    let mut again = Vec::new();
    encoder.encode_json(&expected, &mut again).expect("typed");
    assert_eq!(again, out);
    assert_eq!(encoder.cell_json("flight", Some("007")), Ok(Some(json!(7))));

    let row: Cells<'_> = &[
        ("flight", Some("x")),
        ("carrier", Some("ZZ")),
        ("legs", Some("IAH")),
        ("gate", Some("C7")),
    ];
    assert_eq!(
        errors(&encoder, row),
        [
            "column `gate`: expected a column of the schema, found `C7`",
            "column `flight`: expected int64, found `x`",
            "column `carrier`: expected Flight.Carrier, found `ZZ`",
            "column `legs`: expected repeated Leg, found `IAH`",
        ]
    );
    let mut none = Vec::new();
    let wrong = json!({"flight": 1, "legs": [{"from": "EWR"}], "gate": 1});
    let refused = encoder.encode_json(&wrong, &mut none).expect_err("refused");
    assert_eq!((refused.len(), none.len()), (2, 0));
}
