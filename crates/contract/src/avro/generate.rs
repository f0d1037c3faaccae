//! Random schemas with data of theirs, for the property tests.

use apache_avro::types::Value as Datum;
use apache_avro::writer::datum::GenericDatumWriter;
use proptest::prelude::*;
use serde_json::{Value, json};

/// A type without names: these are given when it is written as a schema.
#[derive(Debug, Clone)]
pub(crate) enum Shape {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    String,
    Date,
    Timestamp,
    Fixed(usize),
    Enum(usize),
    Array(Box<Shape>),
    Map(Box<Shape>),
    Nullable(Box<Shape>),
    Union(Vec<Shape>),
    Record(Vec<Shape>),
}

pub(crate) fn shapes() -> impl Strategy<Value = Shape> {
    let leaf = prop_oneof![
        Just(Shape::Null),
        Just(Shape::Boolean),
        Just(Shape::Int),
        Just(Shape::Long),
        Just(Shape::Float),
        Just(Shape::Double),
        Just(Shape::Bytes),
        Just(Shape::String),
        Just(Shape::Date),
        Just(Shape::Timestamp),
        (1usize..5).prop_map(Shape::Fixed),
        (1usize..4).prop_map(Shape::Enum),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            inner
                .clone()
                .prop_map(|shape| Shape::Array(Box::new(shape))),
            inner.clone().prop_map(|shape| Shape::Map(Box::new(shape))),
            inner
                .clone()
                .prop_filter("a union in a union", is_not_union)
                .prop_map(nullable),
            prop::collection::vec(
                inner
                    .clone()
                    .prop_filter("a union in a union", is_not_union),
                1..4
            )
            .prop_map(distinct_union),
            prop::collection::vec(inner, 0..5).prop_map(Shape::Record),
        ]
    })
}

/// Records, as events are.
pub(crate) fn records() -> impl Strategy<Value = Shape> {
    prop::collection::vec(shapes(), 0..6).prop_map(Shape::Record)
}

fn is_not_union(shape: &Shape) -> bool {
    !matches!(shape, Shape::Nullable(_) | Shape::Union(_) | Shape::Null)
}

fn nullable(shape: Shape) -> Shape {
    Shape::Nullable(Box::new(shape))
}

fn distinct_union(shapes: Vec<Shape>) -> Shape {
    let mut distinct: Vec<Shape> = Vec::new();
    for shape in shapes {
        // Logical types are their underlying ones to a union.
        let base = |shape: &Shape| {
            std::mem::discriminant(match shape {
                Shape::Date => &Shape::Int,
                Shape::Timestamp => &Shape::Long,
                Shape::Null
                | Shape::Boolean
                | Shape::Int
                | Shape::Long
                | Shape::Float
                | Shape::Double
                | Shape::Bytes
                | Shape::String
                | Shape::Fixed(_)
                | Shape::Enum(_)
                | Shape::Array(_)
                | Shape::Map(_)
                | Shape::Nullable(_)
                | Shape::Union(_)
                | Shape::Record(_) => shape,
            })
        };
        if distinct.iter().all(|other| base(other) != base(&shape)) {
            distinct.push(shape);
        }
    }
    Shape::Union(distinct)
}

impl Shape {
    pub(crate) fn schema(&self) -> Value {
        self.named(&mut 0)
    }

    fn named(&self, names: &mut usize) -> Value {
        let mut next = |prefix: &str| {
            *names += 1;
            format!("{prefix}{names}")
        };
        match self {
            Shape::Null => json!("null"),
            Shape::Boolean => json!("boolean"),
            Shape::Int => json!("int"),
            Shape::Long => json!("long"),
            Shape::Float => json!("float"),
            Shape::Double => json!("double"),
            Shape::Bytes => json!("bytes"),
            Shape::String => json!("string"),
            Shape::Date => json!({"type": "int", "logicalType": "date"}),
            Shape::Timestamp => json!({"type": "long", "logicalType": "timestamp-micros"}),
            Shape::Fixed(size) => json!({"type": "fixed", "name": next("F"), "size": size}),
            Shape::Enum(count) => {
                let symbols: Vec<_> = (0..*count).map(|index| format!("S{index}")).collect();
                json!({"type": "enum", "name": next("E"), "symbols": symbols})
            }
            Shape::Array(items) => json!({"type": "array", "items": items.named(names)}),
            Shape::Map(values) => json!({"type": "map", "values": values.named(names)}),
            Shape::Nullable(inner) => json!(["null", inner.named(names)]),
            Shape::Union(branches) => branches.iter().map(|shape| shape.named(names)).collect(),
            Shape::Record(fields) => {
                let name = next("R");
                let fields: Vec<_> = fields
                    .iter()
                    .enumerate()
                    .map(|(index, shape)| {
                        json!({"name": format!("f{index}"), "type": shape.named(names)})
                    })
                    .collect();
                json!({"type": "record", "name": name, "fields": fields})
            }
        }
    }

    pub(crate) fn data(&self) -> BoxedStrategy<Datum> {
        match self {
            Shape::Null => Just(Datum::Null).boxed(),
            Shape::Boolean => any::<bool>().prop_map(Datum::Boolean).boxed(),
            Shape::Int => any::<i32>().prop_map(Datum::Int).boxed(),
            Shape::Long => any::<i64>().prop_map(Datum::Long).boxed(),
            Shape::Float => any::<f32>().prop_map(Datum::Float).boxed(),
            Shape::Double => any::<f64>().prop_map(Datum::Double).boxed(),
            Shape::Bytes => any::<Vec<u8>>().prop_map(Datum::Bytes).boxed(),
            Shape::String => any::<String>().prop_map(Datum::String).boxed(),
            Shape::Date => (-719_162..=2_932_896).prop_map(Datum::Date).boxed(),
            Shape::Timestamp => (-62_135_596_800_000_000i64..253_402_300_800_000_000)
                .prop_map(Datum::TimestampMicros)
                .boxed(),
            Shape::Fixed(size) => {
                let size = *size;
                prop::collection::vec(any::<u8>(), size)
                    .prop_map(move |bytes| Datum::Fixed(size, bytes))
                    .boxed()
            }
            Shape::Enum(count) => (0..*count)
                .prop_map(|index| {
                    Datum::Enum(u32::try_from(index).expect("few"), format!("S{index}"))
                })
                .boxed(),
            Shape::Array(items) => prop::collection::vec(items.data(), 0..4)
                .prop_map(Datum::Array)
                .boxed(),
            Shape::Map(values) => prop::collection::hash_map("[a-z]{0,3}", values.data(), 0..4)
                .prop_map(Datum::Map)
                .boxed(),
            Shape::Nullable(inner) => prop_oneof![
                Just(Datum::Union(0, Box::new(Datum::Null))),
                inner
                    .data()
                    .prop_map(|datum| Datum::Union(1, Box::new(datum))),
            ]
            .boxed(),
            Shape::Union(branches) => {
                let branches: Vec<_> = branches
                    .iter()
                    .enumerate()
                    .map(|(index, shape)| {
                        let index = u32::try_from(index).expect("few");
                        shape
                            .data()
                            .prop_map(move |datum| Datum::Union(index, Box::new(datum)))
                            .boxed()
                    })
                    .collect();
                prop::strategy::Union::new(branches).boxed()
            }
            Shape::Record(fields) => fields
                .iter()
                .map(Shape::data)
                .collect::<Vec<_>>()
                .prop_map(|data| {
                    let named = data.into_iter().enumerate();
                    Datum::Record(
                        named
                            .map(|(index, datum)| (format!("f{index}"), datum))
                            .collect(),
                    )
                })
                .boxed(),
        }
    }
}

/// A shape with one datum of it.
pub(crate) fn shape_and_datum() -> impl Strategy<Value = (Shape, Datum)> {
    shapes().prop_flat_map(|shape| {
        let data = shape.data();
        (Just(shape), data)
    })
}

/// Bytes as the reference library writes them.
pub(crate) fn encode(schema: &Value, datum: Datum) -> Vec<u8> {
    let schema = apache_avro::Schema::parse(schema).expect("valid schema");
    let writer = GenericDatumWriter::builder(&schema)
        .build()
        .expect("a writer");
    writer
        .write_value_to_vec(datum)
        .expect("the datum is of the schema")
}
