//! The schemas of a contract: in its files or derived from its properties, compiled, and compared with what its document
//! says beside them.

use super::{Encoding, Field};
use crate::document::odcs::{Odcs, SchemaObject};
use crate::files;
use crate::key_schema::KeySchema;
use crate::protobuf::{Demands, EventField, ProtobufEvents};
use crate::schema::{self, Additional};
use crate::schema_error::SchemaError;
use crate::settings::{LogicalTypes, Settings, Treatment};
use crate::source::Imported;
use crate::validator::{self, Validator};
use std::collections::BTreeMap;

/// A schema that was found, and that compiles.
pub(super) struct Found {
    pub(super) text: String,
    pub(super) record: String,
    pub(super) imports: Vec<Imported>,
}

impl Found {
    /// The schema in a file.
    fn in_file(
        path: &str,
        (encoding, name): (Encoding, &str),
        files: &BTreeMap<String, String>,
    ) -> Result<Self, Vec<String>> {
        let missing = || {
            vec![format!(
                "the schema file `{path}` is not there; paths are relative to the document"
            )]
        };
        let text = files.get(path).cloned().ok_or_else(missing)?;
        let imports = match encoding {
            Encoding::Protobuf => files::imports(path, files)?,
            Encoding::Avro | Encoding::Json => Vec::new(),
        };
        Self::compiled((encoding, name), path, text, imports)
    }

    fn compiled(
        (encoding, name): (Encoding, &str),
        origin: &str,
        text: String,
        imports: Vec<Imported>,
    ) -> Result<Self, Vec<String>> {
        let schema = validator::Schema {
            encoding,
            text: &text,
            record: name,
            imports: &imports,
        };
        let record = record(&schema).map_err(|error| vec![format!("{origin}{error}")])?;
        Ok(Self {
            text,
            record,
            imports,
        })
    }
}

pub(super) fn value_schema(
    odcs: &Odcs,
    object: &SchemaObject,
    encoding: Encoding,
    settings: &Settings,
    files: &BTreeMap<String, String>,
) -> Result<Found, Vec<String>> {
    let name = object.name.as_deref().unwrap_or("event");
    if let Some(path) = odcs.implementation() {
        return Found::in_file(path, (encoding, name), files);
    }
    let text = derived_schema(odcs, object, encoding, settings)?;
    let origin = "the schema derived from `properties`";
    Found::compiled((encoding, name), origin, text, Vec::new())
}

pub(super) fn key_schema(
    file: &str,
    files: &BTreeMap<String, String>,
) -> Result<KeySchema, Vec<String>> {
    let encoding = KeySchema::encoding_of(file).map_err(|error| vec![error])?;
    let found = Found::in_file(file, (encoding, KeySchema::name_of(file)), files)?;
    Ok(KeySchema {
        file: file.to_owned(),
        encoding,
        text: found.text,
        record: found.record,
        imports: found.imports,
    })
}

fn derived_schema(
    odcs: &Odcs,
    object: &SchemaObject,
    encoding: Encoding,
    settings: &Settings,
) -> Result<String, Vec<String>> {
    if encoding == Encoding::Protobuf {
        return Err(vec![
            "the Kafka server's `format` is protobuf, which takes its schema from a .proto file: name it in \
             `authoritativeDefinitions` as `{type: implementation, url: <relative path>}`"
                .to_owned(),
        ]);
    }
    if object.properties.is_empty() {
        let name = object.name.as_deref().unwrap_or("(unnamed)");
        return Err(vec![format!("schema object `{name}` has no `properties`")]);
    }
    match encoding {
        Encoding::Avro => {
            let namespace = odcs.domain.as_ref().zip(odcs.data_product.as_ref());
            let namespace = namespace.map(|(domain, product)| format!("{domain}.{product}"));
            schema::to_avro(object, namespace.as_deref())
        }
        Encoding::Json => {
            let additional = match settings.additional_properties {
                Treatment::Refuse => Additional::Refuse,
                Treatment::Pass => Additional::Pass,
            };
            schema::to_json_schema(object, additional)
        }
        Encoding::Protobuf => Err(Vec::new()),
    }
}

/// Compile the schema; gives the name of the record that values are.
fn record(schema: &validator::Schema<'_>) -> Result<String, String> {
    let unparsed = |error: SchemaError| format!(" does not parse: {error}");
    if schema.encoding == Encoding::Protobuf {
        crate::protobuf::Schema::parse(schema.text, &Imported::borrow(schema.imports))
            .map_err(unparsed)?;
    }
    let compiled = Validator::compile(schema, LogicalTypes::Check, &[]);
    let compiled = compiled.map_err(|error| match (schema.encoding, error) {
        (Encoding::Protobuf, SchemaError::Invalid { problem, .. }) => format!(": {problem}"),
        (_, error) => unparsed(error),
    })?;
    Ok(match compiled {
        Validator::Protobuf(events, _) => events.message().to_owned(),
        Validator::Avro(..) | Validator::Json(..) => schema.record.to_owned(),
    })
}

/// The fields that a document says are required and whose absence a Protobuf message shows.
///
/// # Errors
/// Properties of the document that the message does not have: readers would look for them in vain, and a key of them
/// could not be made.
pub(super) fn demanded(
    object: &SchemaObject,
    fields: &[Field],
    schema: &Found,
) -> Result<Vec<String>, Vec<String>> {
    let source = validator::Schema {
        encoding: Encoding::Protobuf,
        text: &schema.text,
        record: &schema.record,
        imports: &schema.imports,
    };
    let demands = Demands {
        required: &[],
        logical: LogicalTypes::Ignore,
    };
    let events = ProtobufEvents::compile_with(&source, &demands);
    let declared: Vec<EventField> = events.map(|events| events.fields()).unwrap_or_default();
    let find = |path: &str| declared.iter().find(|field| field.path == path);
    let names = object.properties.iter();
    let names = names.filter_map(|property| property.name.as_deref());
    let undeclared: Vec<String> = names
        .filter(|name| find(name).is_none())
        .map(|name| {
            format!(
                "property `{name}` is no field of the message {}",
                schema.record
            )
        })
        .collect();
    if !undeclared.is_empty() {
        return Err(undeclared);
    }
    let required = fields.iter().filter(|field| {
        field.required && find(&field.path).is_some_and(|declared| declared.presence)
    });
    Ok(required.map(|field| field.path.clone()).collect())
}
