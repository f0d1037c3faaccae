//! What a condition sees: the event and its record as CEL values, made when they are asked for.

use super::FieldFacts;
use super::condition::Condition;
use base64::{Engine, engine::general_purpose::STANDARD};
use cel::ExecutionError;
use cel::common::traits::{Container, Indexer, Iterable, Iterator as Lending, Sizer};
use cel::common::types::{
    CelBool, CelDouble, CelInt, CelList, CelNull, CelString, CelUInt, MAP_TYPE, Type,
};
use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;
use serde_json::{Map, Value};
use std::sync::{Arc, OnceLock};

/// The record around an event's value.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Record<'a> {
    pub(super) key: Option<&'a [u8]>,
    pub(super) headers: &'a [(&'a str, Option<&'a [u8]>)],
}

/// The variables of one evaluation.
pub(super) struct Variables<'a> {
    condition: &'a Condition,
    event: &'a Value,
    value: Option<&'a Value>,
    record: Record<'a>,
    field: Option<&'a FieldFacts>,
    headers: OnceLock<Map<String, Value>>,
}

impl<'a> Variables<'a> {
    pub(super) fn new(
        condition: &'a Condition,
        event: &'a Value,
        value: Option<&'a Value>,
        record: Record<'a>,
        field: Option<&'a FieldFacts>,
    ) -> Self {
        let headers = OnceLock::new();
        Self {
            condition,
            event,
            value,
            record,
            field,
            headers,
        }
    }

    /// Of a repeated header the last one counts, as for Kafka's own `lastHeader`.
    fn headers(&self) -> &Map<String, Value> {
        self.headers.get_or_init(|| {
            let each = self.record.headers.iter();
            each.map(|(name, value)| {
                let value = value.map_or(Value::Null, |value| Value::from(text(value)));
                ((*name).to_owned(), value)
            })
            .collect()
        })
    }
}

impl VariableResolver for Variables<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        let known = |text: &'b str| CowVal::owned(CelString::from(text));
        match variable {
            "event" | "message" => Some(cow(self.event)),
            "value" => self.value.map(cow),
            "key" => {
                let key = self.record.key;
                Some(key.map_or_else(null, |key| CowVal::owned(CelString::from(text(key)))))
            }
            "headers" => Some(CowVal::owned(Object::new(self.headers()))),
            "name" => self.field.map(|field| known(&field.name)),
            "fullName" => self.field.map(|field| known(&field.full_name)),
            "typeName" => self.field.map(|field| known(&field.type_name)),
            "tags" => self.field.map(|field| {
                let tag = |tag: &'b String| -> Box<dyn Val + 'b> {
                    Box::new(CelString::from(tag.as_str()))
                };
                CowVal::owned(CelList::from(
                    field.tags.iter().map(tag).collect::<Vec<_>>(),
                ))
            }),
            other => match self.condition.member(other) {
                Some(name) => self.event.get(name).map(cow),
                None => self
                    .condition
                    .pattern(other)
                    .map(|pattern| CowVal::Borrowed(pattern as &dyn Val)),
            },
        }
    }
}

/// Bytes as JSON has them: a text, or base64 of what is no text.
fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => STANDARD.encode(bytes),
    }
}

fn null<'b, 'v>() -> CowVal<'b, 'v> {
    CowVal::owned(CelNull)
}

fn cow<'b, 'v: 'b>(value: &'v Value) -> CowVal<'b, 'v> {
    match value {
        Value::Null => null(),
        Value::Bool(truth) => CowVal::owned(CelBool::from(*truth)),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(int), _) => CowVal::owned(CelInt::from(int)),
            (None, Some(uint)) => CowVal::owned(CelUInt::from(uint)),
            (None, None) => CowVal::owned(CelDouble::from(number.as_f64().unwrap_or(f64::NAN))),
        },
        Value::String(text) => CowVal::owned(CelString::from(text.as_str())),
        Value::Array(items) => {
            let items = items.iter().map(|item| cow(item).into_owned());
            CowVal::owned(CelList::from(items.collect::<Vec<_>>()))
        }
        Value::Object(object) => CowVal::owned(Object::new(object)),
    }
}

/// An object: a map whose members are made when they are read, in the order in which they stand. The library's own map
/// is in another order in each run, and the same event must have the same verdict.
#[derive(Debug)]
struct Object<'a> {
    members: &'a Map<String, Value>,
    names: OnceLock<Vec<CelString<'a>>>,
}

impl<'a> Object<'a> {
    fn new(members: &'a Map<String, Value>) -> Self {
        Self {
            members,
            names: OnceLock::new(),
        }
    }
}

impl<'a> Val for Object<'a> {
    fn get_type(&self) -> &Type {
        &MAP_TYPE
    }

    fn cel_type() -> &'static Type {
        &MAP_TYPE
    }

    fn as_container(&self) -> Option<&dyn Container> {
        Some(self)
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_iterable<'b, 'v>(&'b self) -> Option<&'b (dyn Iterable + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_sizer(&self) -> Option<&dyn Sizer> {
        Some(self)
    }

    fn equals(&self, other: &dyn Val) -> bool {
        let (Some(size), Some(index)) = (other.as_sizer(), other.as_indexer()) else {
            return false;
        };
        *other.get_type() == MAP_TYPE
            && *size.size().inner() == *self.size().inner()
            && self.members.iter().all(|(name, value)| {
                let other = index.get(&CelString::from(name.as_str()));
                other.is_ok_and(|other| cow(value).as_ref().equals(other.as_ref()))
            })
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(Self::new(self.members))
    }
}

impl Container for Object<'_> {
    fn contains(&self, value: &dyn Val) -> Result<bool, ExecutionError> {
        let name = value.downcast_ref::<CelString<'_>>();
        Ok(name.is_some_and(|name| self.members.contains_key(name.inner())))
    }
}

impl Sizer for Object<'_> {
    fn size(&self) -> CelInt {
        CelInt::from(i64::try_from(self.members.len()).unwrap_or(i64::MAX))
    }
}

impl<'a> Indexer for Object<'a> {
    fn get<'b, 'v>(&'b self, index: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        let Some(name) = index.downcast_ref::<CelString<'_>>() else {
            return Err(ExecutionError::UnexpectedType {
                got: index.get_type().name().to_owned(),
                want: "string".to_owned(),
            });
        };
        let members: &'a Map<String, Value> = self.members;
        match members.get(name.inner()) {
            Some(value) => Ok(cow(value)),
            None => Err(ExecutionError::NoSuchKey(Arc::new(name.inner().to_owned()))),
        }
    }

    fn steal<'v>(self: Box<Self>, index: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        let members: &'a Map<String, Value> = self.members;
        Object::new(members)
            .get(index)
            .map(|found| found.into_owned())
    }
}

impl<'a> Iterable for Object<'a> {
    fn iter<'b, 'v>(&'b self) -> Box<dyn Lending<'b, 'v> + 'b>
    where
        Self: 'v,
    {
        let names = self.names.get_or_init(|| {
            self.members
                .keys()
                .map(|name| CelString::from(name.as_str()))
                .collect()
        });
        Box::new(Names(names.iter()))
    }
}

struct Names<'b, 'a>(std::slice::Iter<'b, CelString<'a>>);

impl<'b, 'a: 'v, 'v> Lending<'b, 'v> for Names<'b, 'a> {
    fn next(&mut self) -> Option<&'b (dyn Val + 'v)> {
        self.0.next().map(|name| name as &'b (dyn Val + 'v))
    }
}
