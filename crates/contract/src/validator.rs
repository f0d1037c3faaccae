//! A schema of values or keys, compiled: what stands behind the framing is checked by it.
//!
//! Between [`crate::framing`] and the verdict; which of a port's schemas it is was decided before.

use crate::avro::{AvroValidator, Selection};
use crate::framing::{Framing, not_framed};
use crate::json::{self, Formats, JsonValidator, Keep};
use crate::leaf::Leaves;
use crate::protobuf::{Demands, ProtobufEvents, Scalars, Selected};
use crate::schema_error::SchemaError;
use crate::settings::LogicalTypes;
use crate::source::Imported;
use crate::spec::Encoding;
use crate::verdict::{Code, Reason};
use serde_json::Value;
use std::collections::BTreeSet;

/// A schema with what it takes to compile it.
#[derive(Debug, Clone, Copy)]
pub struct Schema<'a> {
    /// Its language, and so the encoding of what it judges.
    pub encoding: Encoding,
    /// Its text.
    pub text: &'a str,
    /// Which of the text's records, objects or messages is meant; only Protobuf looks at it.
    pub record: &'a str,
    /// What the text imports.
    pub imports: &'a [Imported],
}

impl<'a> Schema<'a> {
    /// A schema of one text.
    pub fn new(encoding: Encoding, text: &'a str, record: &'a str) -> Self {
        let imports = &[];
        Self {
            encoding,
            text,
            record,
            imports,
        }
    }
}

/// What a check is to give beside its verdict.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wanted {
    /// Nothing.
    Nothing,
    /// The members that [`Validator::reading`] was told of, or the whole, as JSON.
    Document,
}

/// Checks bodies.
#[derive(Debug)]
pub(crate) enum Validator {
    /// With the fields that are read where a document is wanted.
    Avro(AvroValidator, Selection),
    /// With the members that are read where a document is wanted; none told, all of them.
    Json(JsonValidator, Option<BTreeSet<String>>),
    /// With the part that is read where a document is wanted.
    Protobuf(Box<ProtobufEvents>, ProtobufPart),
}

/// The part of a Protobuf message that rules read, where it can be read alone.
#[derive(Debug, Default)]
pub(crate) struct ProtobufPart {
    selected: Option<Selected>,
    scalars: Option<Scalars>,
}

/// What was wanted, or the reasons against the bytes.
pub(crate) type Checked = Result<Option<Value>, Vec<Reason>>;

impl Validator {
    /// Compile a schema; `required` are fields of a Protobuf message that must be there.
    ///
    /// # Errors
    /// [`SchemaError`] for what is no schema.
    pub(crate) fn compile(
        schema: &Schema<'_>,
        logical: LogicalTypes,
        required: &[String],
    ) -> Result<Self, SchemaError> {
        Ok(match schema.encoding {
            Encoding::Avro => {
                Self::Avro(AvroValidator::compile(schema.text)?, Selection::default())
            }
            Encoding::Json => {
                let formats = match logical {
                    LogicalTypes::Check => Formats::Assert,
                    LogicalTypes::Ignore => Formats::Annotate,
                };
                Self::Json(JsonValidator::compile_with(schema.text, formats)?, None)
            }
            Encoding::Protobuf => {
                let demands = Demands { required, logical };
                let events = ProtobufEvents::compile_with(schema, &demands)?;
                Self::Protobuf(Box::new(events), ProtobufPart::default())
            }
        })
    }

    /// The same, that gives no more than these members of a document where reading less is faster.
    pub(crate) fn reading(self, members: Option<&BTreeSet<String>>) -> Self {
        match self {
            Self::Avro(avro, _) => {
                let selection = avro.select(members);
                Self::Avro(avro, selection)
            }
            Self::Protobuf(events, _) => {
                let part = ProtobufPart {
                    selected: events.select(members),
                    scalars: events.scalars(members),
                };
                Self::Protobuf(events, part)
            }
            Self::Json(validator, _) => Self::Json(validator, members.cloned()),
        }
    }

    /// Check what stands behind a framing.
    pub(crate) fn check(&self, framing: Framing<'_>, wanted: Wanted) -> Checked {
        let body = framing.body();
        match (self, framing) {
            (Self::Avro(..) | Self::Protobuf(..), Framing::Plain(_)) => Err(vec![not_framed(body)]),
            (Self::Protobuf(events, part), framing) => {
                let indexes = header_indexes(framing);
                match wanted {
                    Wanted::Nothing => events.check(indexes, body).map(|()| None),
                    Wanted::Document => events
                        .decode_selected(indexes, body, part.selected.as_ref())
                        .map(Some),
                }
            }
            (Self::Avro(..) | Self::Json(..), Framing::Header { indexes, .. })
                if !indexes.is_empty() =>
            {
                let expected = "a schema id header of byte 01 and a 16-byte GUID";
                let found = format!("{} more bytes", indexes.len());
                Err(vec![Reason::new(Code::NotFramed, "", expected, &found)])
            }
            (Self::Avro(validator, read), _) => match wanted {
                Wanted::Nothing => validator.check(body).map(|()| None),
                Wanted::Document => validator.decode_selected(body, read).map(Some),
            },
            (Self::Json(validator, read), _) => {
                let keep = match (wanted, read) {
                    (Wanted::Nothing, _) => Keep::Nothing,
                    (Wanted::Document, Some(members)) => Keep::Members(members),
                    (Wanted::Document, None) => Keep::Whole,
                };
                if let Some(kept) = validator.accept(body, keep) {
                    return Ok(kept);
                }
                let document = json::parse(body).map_err(|reason| vec![reason])?;
                self.check_document(document, wanted)
            }
        }
    }

    /// The members that [`Validator::reading`] was told of, where what stands behind the framing is well and they are scalars;
    /// `None` says nothing: [`Validator::check`] does.
    pub(crate) fn leaves<'a>(&'a self, framing: Framing<'a>) -> Option<Leaves<'a>> {
        let body = framing.body();
        match (self, framing) {
            (Self::Avro(..) | Self::Protobuf(..), Framing::Plain(_)) => None,
            (Self::Protobuf(events, part), framing) => {
                events.leaves(header_indexes(framing), body, part.scalars.as_ref()?)
            }
            (Self::Avro(..) | Self::Json(..), Framing::Header { indexes, .. })
                if !indexes.is_empty() =>
            {
                None
            }
            (Self::Avro(validator, read), _) => validator.leaves(body, read),
            (Self::Json(validator, read), _) => validator.leaves(body, read.as_ref()?),
        }
    }

    /// Check a JSON document that was read already; only a JSON Schema can.
    pub(crate) fn check_document(&self, document: Value, wanted: Wanted) -> Checked {
        match self {
            Self::Json(validator, _) => validator.check_value(&document)?,
            Self::Avro(..) | Self::Protobuf(..) => return Err(vec![not_framed(b"")]),
        }
        Ok(match wanted {
            Wanted::Nothing => None,
            Wanted::Document => Some(document),
        })
    }
}

/// The indexes of a message that stand in a header.
fn header_indexes(framing: Framing<'_>) -> Option<&[u8]> {
    match framing {
        Framing::Header { indexes, .. } => Some(indexes),
        Framing::Prefix { .. } | Framing::Plain(_) => None,
    }
}
