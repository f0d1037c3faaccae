//! A schema as the reference sees it: one kind, or several that stand side by side and so are an `allOf`.
//!
//! Which kind it is decides the names of differences. `type: [a, b]` is an `anyOf`; `type` beside `enum` is an
//! `allOf` of both; keywords about strings make a string schema even without `type`. The keywords themselves are read
//! where they are compared.

use super::documents::{Documents, Draft, Object, Place, references};
use serde_json::Value;
use std::rc::Rc;

/// How many of several schemas a document must meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Criterion {
    All,
    Any,
    One,
}

impl Criterion {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Criterion::All => "allOf",
            Criterion::Any => "anyOf",
            Criterion::One => "oneOf",
        }
    }
}

/// Whether a schema says by `type` that a document must be of its kind; one that does not takes any other kind too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Typed {
    No,
    Yes,
}

/// What kind of schema it is.
#[derive(Debug)]
pub(crate) enum Kind<'a> {
    /// `{}` or `true`.
    Anything,
    /// `false`.
    Nothing,
    Null,
    Boolean,
    Text(Typed),
    Number(Typed, Integer),
    Object(Typed),
    Array(Typed),
    Enum(&'a [Value]),
    Const(&'a Value),
    Not(Place<'a>),
    Conditional,
    Combined(Criterion, Vec<Rc<Node<'a>>>),
    /// The text of a reference.
    Reference(&'a str),
}

/// Whether a number must be whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Integer {
    No,
    Yes,
}

impl Kind<'_> {
    /// Kinds of one class are compared keyword by keyword.
    pub(crate) fn class(&self) -> u8 {
        match self {
            Kind::Anything => 0,
            Kind::Nothing => 1,
            Kind::Null => 2,
            Kind::Boolean => 3,
            Kind::Text(_) => 4,
            Kind::Number(..) => 5,
            Kind::Object(_) => 6,
            Kind::Array(_) => 7,
            Kind::Enum(_) => 8,
            Kind::Const(_) => 9,
            Kind::Not(_) => 10,
            Kind::Conditional => 11,
            Kind::Combined(..) => 12,
            Kind::Reference(_) => 13,
        }
    }
}

/// A schema, or one of the kinds that it holds side by side.
#[derive(Debug)]
pub(crate) struct Node<'a> {
    pub(crate) place: Place<'a>,
    /// 0 for the schema as written, which has its title and the like; a part has another number.
    pub(crate) part: usize,
    pub(crate) kind: Kind<'a>,
}

impl<'a> Node<'a> {
    pub(crate) fn key(&self) -> (usize, usize) {
        (self.place.address(), self.part)
    }

    /// The members of the schema that this is, or is a part of.
    pub(crate) fn object(&self) -> Option<&'a Object> {
        self.place.object()
    }

    /// A keyword's value.
    pub(crate) fn get(&self, keyword: &str) -> Option<&'a Value> {
        self.object()?.get(keyword)
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.part == 0
    }

    pub(crate) fn is_combined(&self) -> bool {
        matches!(self.kind, Kind::Combined(..))
    }
}

const ARRAY: &[&str] = &["items", "minItems", "maxItems", "uniqueItems"];
const OBJECT: &[&str] = &[
    "properties",
    "required",
    "minProperties",
    "maxProperties",
    "patternProperties",
    "additionalProperties",
];
const NUMBER: &[&str] = &[
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
];
const TEXT: &[&str] = &["minLength", "maxLength", "pattern"];

/// Keywords that a draft has besides those of all drafts.
fn more(draft: Draft, class: &[&str]) -> &'static [&'static str] {
    match (draft, class.first().copied()) {
        (Draft::Four, Some("items")) => &["additionalItems"],
        (Draft::Six | Draft::Seven, Some("items")) => &["additionalItems", "contains"],
        (Draft::Modern, Some("items")) => &["prefixItems", "contains", "unevaluatedItems"],
        (Draft::Four, Some("properties")) => &["dependencies"],
        (Draft::Six | Draft::Seven, Some("properties")) => &["dependencies", "propertyNames"],
        (Draft::Modern, Some("properties")) => &[
            "propertyNames",
            "dependentRequired",
            "dependentSchemas",
            "unevaluatedProperties",
        ],
        (Draft::Four | Draft::Six | Draft::Seven, Some("minLength")) => &["format"],
        _ => &[],
    }
}

/// Read the schema at a place.
pub(crate) fn read<'a>(documents: &Documents<'a>, place: Place<'a>) -> Node<'a> {
    let kind = match place.value {
        Value::Bool(false) => Kind::Nothing,
        Value::Object(object) => of_object(documents, place, object),
        Value::Bool(true) | Value::Null | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Kind::Anything
        }
    };
    Node {
        place,
        part: 0,
        kind,
    }
}

fn of_object<'a>(documents: &Documents<'a>, place: Place<'a>, object: &'a Object) -> Kind<'a> {
    let draft = documents.draft;
    let refer = |(_, text)| Kind::Reference(text);
    let mut kinds: Vec<Kind<'a>> = references(object, draft).into_iter().map(refer).collect();
    if draft == Draft::Modern || kinds.is_empty() {
        let mut reader = Reader {
            documents,
            place,
            object,
            parts: 0,
        };
        let mut own = reader.kinds();
        own.append(&mut kinds);
        kinds = own;
    }
    if kinds.len() > 1 {
        // As the reference does: what is combined comes first.
        kinds.sort_by_key(|kind| !matches!(kind, Kind::Combined(..)));
        let number = |(part, kind)| {
            Rc::new(Node {
                place,
                part: PARTS_OF_ALL + part,
                kind,
            })
        };
        return Kind::Combined(
            Criterion::All,
            kinds.into_iter().enumerate().map(number).collect(),
        );
    }
    kinds.pop().unwrap_or(Kind::Anything)
}

/// Numbers of the parts of a schema that is several kinds; those of `type: [a, b]` are smaller.
const PARTS_OF_ALL: usize = 100;

struct Reader<'d, 'a> {
    documents: &'d Documents<'a>,
    place: Place<'a>,
    object: &'a Object,
    parts: usize,
}

impl<'a> Reader<'_, 'a> {
    fn kinds(&mut self) -> Vec<Kind<'a>> {
        let mut kinds = Vec::new();
        if let Some(Value::Array(values)) = self.object.get("enum") {
            kinds.push(Kind::Enum(values));
        }
        for keyword in self.object.keys() {
            kinds.extend(self.combined(keyword));
        }
        if let Some(not) = self.object.get("not") {
            kinds.push(Kind::Not(self.documents.child(self.place, not)));
        }
        let draft = self.documents.draft;
        if let Some(value) = self.object.get("const").filter(|_| draft > Draft::Four) {
            kinds.push(Kind::Const(value));
        }
        let types = self.types();
        match (self.object.get("type"), types.as_slice()) {
            (Some(Value::Array(_)), many) => {
                let parts = many
                    .iter()
                    .filter_map(|name| Some(self.part(of_type(name)?)));
                let parts: Vec<_> = parts.collect();
                kinds.push(Kind::Combined(Criterion::Any, parts));
            }
            (_, [one]) => kinds.extend(of_type(one)),
            _ => {}
        }
        self.untyped(&types, &mut kinds);
        let conditional = ["if", "then", "else"]
            .iter()
            .any(|k| self.object.contains_key(*k));
        if conditional && draft >= Draft::Seven {
            kinds.push(Kind::Conditional);
        }
        kinds
    }

    fn part(&mut self, kind: Kind<'a>) -> Rc<Node<'a>> {
        self.parts += 1;
        Rc::new(Node {
            place: self.place,
            part: self.parts,
            kind,
        })
    }

    fn combined(&self, keyword: &str) -> Option<Kind<'a>> {
        let criterion = match keyword {
            "allOf" => Criterion::All,
            "anyOf" => Criterion::Any,
            "oneOf" => Criterion::One,
            _ => return None,
        };
        let schemas = self.object.get(keyword)?.as_array()?.iter();
        let read = |value| {
            Rc::new(read(
                self.documents,
                self.documents.child(self.place, value),
            ))
        };
        let mut parts: Vec<_> = schemas.map(read).collect();
        parts.sort_by_key(|part| !part.is_combined());
        Some(Kind::Combined(criterion, parts))
    }

    fn types(&self) -> Vec<&'a str> {
        match self.object.get("type") {
            Some(Value::String(name)) => vec![name],
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => {
                vec![]
            }
        }
    }

    /// Keywords about a kind that `type` does not name.
    fn untyped(&self, types: &[&str], kinds: &mut Vec<Kind<'a>>) {
        let modern = self.documents.draft == Draft::Modern;
        // As the reference does, which makes one schema of each property.
        let says = |keyword: &str| match (keyword, self.object.get(keyword)) {
            ("properties" | "patternProperties", Some(Value::Object(all))) => {
                !modern || !all.is_empty()
            }
            (_, value) => value.is_some(),
        };
        let has = |class: &[&str]| {
            let more = more(self.documents.draft, class);
            class.iter().chain(more).any(|keyword| says(keyword))
        };
        let named = |names: &[&str]| types.iter().any(|ty| names.contains(ty));
        if has(ARRAY) && !named(&["array"]) {
            kinds.push(Kind::Array(Typed::No));
        }
        if has(OBJECT) && !named(&["object"]) {
            kinds.push(Kind::Object(Typed::No));
        }
        if has(NUMBER) && !named(&["number", "integer"]) {
            kinds.push(Kind::Number(Typed::No, Integer::No));
        }
        if has(TEXT) && !named(&["string"]) {
            kinds.push(Kind::Text(Typed::No));
        }
    }
}

fn of_type(name: &str) -> Option<Kind<'static>> {
    Some(match name {
        "null" => Kind::Null,
        "boolean" => Kind::Boolean,
        "string" => Kind::Text(Typed::Yes),
        "number" => Kind::Number(Typed::Yes, Integer::No),
        "integer" => Kind::Number(Typed::Yes, Integer::Yes),
        "object" => Kind::Object(Typed::Yes),
        "array" => Kind::Array(Typed::Yes),
        _ => return None,
    })
}
