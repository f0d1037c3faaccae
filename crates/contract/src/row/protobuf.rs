//! Rows as Protobuf messages, with the message's indexes in front as the wire format wants.
//!
//! A cell or member is typed as the language's own JSON form types it, one field at a time, so that each error has its
//! column. A missing value is a field left out.
//! Source: <https://protobuf.dev/programming-guides/json/>

use super::{Column, Expected, RowError, text};
use crate::protobuf::{Demands, ProtobufEvents, to_json, type_name};
use crate::schema_error::SchemaError;
use crate::settings::LogicalTypes;
use crate::validator::Schema;
use prost::Message;
use prost_reflect::{Cardinality, DeserializeOptions, DynamicMessage, FieldDescriptor, Kind};
use serde_json::{Map, Value};

/// The columns of a message.
#[derive(Debug)]
pub(super) struct ProtobufRows {
    events: ProtobufEvents,
    fields: Vec<FieldDescriptor>,
}

impl ProtobufRows {
    pub(super) fn new(schema: &Schema<'_>) -> Result<(Vec<Column>, Self), SchemaError> {
        let demands = Demands {
            required: &[],
            logical: LogicalTypes::Ignore,
        };
        let events = ProtobufEvents::compile_with(schema, &demands)?;
        let mut fields: Vec<FieldDescriptor> = events.descriptor().fields().collect();
        fields.sort_by_key(FieldDescriptor::number);
        let columns = fields.iter().map(|field| Column {
            name: field.name().to_owned(),
            required: field.cardinality() == Cardinality::Required,
            type_name: type_name(field),
        });
        Ok((columns.collect(), Self { events, fields }))
    }

    pub(super) fn write_cells(
        &self,
        columns: &[Column],
        cells: &[Option<&str>],
        errors: &mut Vec<RowError>,
        out: &mut Vec<u8>,
    ) {
        let mut message = DynamicMessage::new(self.events.descriptor().clone());
        for (index, (column, field)) in columns.iter().zip(&self.fields).enumerate() {
            let Some(cell) = cells.get(index).copied().flatten() else {
                continue;
            };
            let set = given(field, cell).and_then(|value| self.set(&mut message, field, value));
            if let Err(expected) = set {
                errors.push(RowError::new(&column.name, Some(cell), expected));
            }
        }
        self.write(&message, out);
    }

    pub(super) fn write_object(
        &self,
        object: &Map<String, Value>,
        errors: &mut Vec<RowError>,
        out: &mut Vec<u8>,
    ) {
        let mut message = DynamicMessage::new(self.events.descriptor().clone());
        for (name, value) in object.iter().filter(|(_, value)| !value.is_null()) {
            let field = self.fields.iter().find(|field| field.name() == name);
            let set = match field {
                Some(field) => self.set(&mut message, field, value.clone()),
                None => Err(super::event::A_COLUMN.to_owned()),
            };
            if let Err(expected) = set {
                errors.push(RowError::new(name, Some(&value.to_string()), expected));
            }
        }
        self.write(&message, out);
    }

    pub(super) fn cell_json(&self, index: usize, cell: &str) -> Result<Value, Expected> {
        let field = &self.fields[index];
        let mut message = DynamicMessage::new(self.events.descriptor().clone());
        self.set(&mut message, field, given(field, cell)?)?;
        let mut shown = to_json(&message)?;
        let value = shown.get_mut(field.name()).map(Value::take);
        value.ok_or_else(|| type_name(field))
    }

    /// Read a value in the language's JSON form into the message's field.
    fn set(
        &self,
        message: &mut DynamicMessage,
        field: &FieldDescriptor,
        value: Value,
    ) -> Result<(), Expected> {
        let alone = Value::Object(Map::from_iter([(field.name().to_owned(), value)]));
        let options = DeserializeOptions::new().deny_unknown_fields(true);
        let descriptor = self.events.descriptor().clone();
        let mut read = DynamicMessage::deserialize_with_options(descriptor, alone, &options)
            .map_err(|_| type_name(field))?;
        if let Some(value) = read.take_field(field) {
            message.set_field(field, value);
        }
        Ok(())
    }

    fn write(&self, message: &DynamicMessage, out: &mut Vec<u8>) {
        self.events.indexes().encode(out);
        message
            .encode(out)
            .expect("a vector has room for every message");
    }
}

/// A cell's text in the JSON form of the field's type.
fn given(field: &FieldDescriptor, cell: &str) -> Result<Value, Expected> {
    let nested = || serde_json::from_str(cell).map_err(|_| type_name(field));
    if field.is_list() || field.is_map() {
        return nested();
    }
    match field.kind() {
        Kind::Bool => text::boolean(cell)
            .map(Value::Bool)
            .ok_or_else(|| type_name(field)),
        Kind::Enum(_) => Ok(match cell.parse::<i32>() {
            Ok(number) => number.into(),
            Err(_) => cell.into(),
        }),
        // Those of the language that are one text in JSON.
        Kind::Message(message) => match message.full_name() {
            "google.protobuf.Timestamp"
            | "google.protobuf.Duration"
            | "google.protobuf.FieldMask"
            | "google.protobuf.StringValue" => Ok(cell.into()),
            _ => nested(),
        },
        Kind::Double
        | Kind::Float
        | Kind::Int32
        | Kind::Int64
        | Kind::Uint32
        | Kind::Uint64
        | Kind::Sint32
        | Kind::Sint64
        | Kind::Fixed32
        | Kind::Fixed64
        | Kind::Sfixed32
        | Kind::Sfixed64
        | Kind::String
        | Kind::Bytes => Ok(cell.into()),
    }
}
