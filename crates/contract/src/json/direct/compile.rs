//! From a JSON Schema to what is decided directly. Only keywords that are understood here count; a schema with any other has
//! a validator of its own, and one that refers elsewhere is not for us.

use super::super::Formats;
use super::{Direct, EXACT, Limits, Member, Members, Node, Types};
use jsonschema::Validator;
use serde_json::{Map, Value};

/// Most members of an object that are told apart.
const MOST_MEMBERS: usize = 128;

/// Keywords that say nothing about validity.
const REMARKS: [&str; 10] = [
    "$comment",
    "$schema",
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
    "$id",
];

/// What parts of a schema are compiled with.
#[derive(Clone, Copy)]
struct Build<'a> {
    /// The validator of a part; `None` for what it does not take.
    validator: &'a dyn Fn(&Value) -> Option<Validator>,
    formats: Formats,
}

impl Direct {
    /// `None` where the schema is not plain enough for it to be of use.
    pub(in crate::json) fn compile(
        schema: &Value,
        formats: Formats,
        validator: &dyn Fn(&Value) -> Option<Validator>,
    ) -> Option<Self> {
        if refers(schema, true) {
            return None;
        }
        let draft = schema.get("$schema").cloned();
        let validator = |part: &Value| validator(&of_draft(part, draft.as_ref()));
        let build = Build {
            validator: &validator,
            formats,
        };
        match node(schema, build)? {
            root @ Node::Plain(_) => Some(Self { root }),
            Node::Any | Node::Other(_) => None,
        }
    }
}

/// Whether a part depends on where it stands: it refers to others, or is a base for references.
fn refers(schema: &Value, is_root: bool) -> bool {
    match schema {
        Value::Object(members) => members.iter().any(|(name, value)| {
            let harmless = match name.as_str() {
                "$comment" => true,
                "$schema" | "$id" => is_root,
                _ => !name.starts_with('$'),
            };
            !harmless || refers(value, false)
        }),
        Value::Array(items) => items.iter().any(|item| refers(item, false)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// A part as a schema of its own, under the draft of the whole.
fn of_draft(part: &Value, draft: Option<&Value>) -> Value {
    let mut part = part.clone();
    if let (Some(members), Some(draft)) = (part.as_object_mut(), draft) {
        members.insert("$schema".to_owned(), draft.clone());
    }
    part
}

fn node(schema: &Value, build: Build<'_>) -> Option<Node> {
    match schema {
        Value::Bool(true) => Some(Node::Any),
        Value::Object(keywords) => match limits(keywords, build) {
            Some(limits) => Some(Node::Plain(Box::new(limits))),
            None => (build.validator)(schema).map(|validator| Node::Other(Box::new(validator))),
        },
        Value::Bool(false) => {
            (build.validator)(schema).map(|validator| Node::Other(Box::new(validator)))
        }
        Value::Null | Value::Number(_) | Value::String(_) | Value::Array(_) => None,
    }
}

/// `None` where a keyword is not understood.
fn limits(keywords: &Map<String, Value>, build: Build<'_>) -> Option<Limits> {
    let mut limits = Limits::default();
    for (keyword, value) in keywords {
        match keyword.as_str() {
            "type" => limits.types = types(value)?,
            "enum" => {
                limits.texts = Some(value.as_array()?.iter().map(text).collect::<Option<_>>()?)
            }
            "const" => limits.texts = Some(vec![text(value)?]),
            "minLength" => limits.length.least = Some(value.as_u64()?),
            "maxLength" => limits.length.most = Some(value.as_u64()?),
            "minItems" => limits.count.least = Some(value.as_u64()?),
            "maxItems" => limits.count.most = Some(value.as_u64()?),
            "minimum" => limits.number.least = Some(bound(value)?),
            "maximum" => limits.number.most = Some(bound(value)?),
            "exclusiveMinimum" => limits.number.above = Some(bound(value)?),
            "exclusiveMaximum" => limits.number.below = Some(bound(value)?),
            "items" => limits.items = Some(node(value, build)?),
            // Together, below.
            "properties" | "required" | "additionalProperties" => {}
            "format" if build.formats == Formats::Annotate => {}
            remark if REMARKS.contains(&remark) => {}
            _ => return None,
        }
    }
    // An array of schemas means something else in older drafts, and both keywords at once need both to hold.
    let clash = keywords.contains_key("enum") && keywords.contains_key("const");
    limits.members = members(keywords, build)?;
    (!clash).then_some(limits)
}

fn types(value: &Value) -> Option<Types> {
    let bit = |name: &Value| {
        Some(match name.as_str()? {
            "null" => Types::NULL,
            "boolean" => Types::BOOLEAN,
            "integer" => Types::INTEGER,
            "number" => Types::NUMBER,
            "string" => Types::STRING,
            "array" => Types::ARRAY,
            "object" => Types::OBJECT,
            _ => return None,
        })
    };
    let Some(names) = value.as_array() else {
        return Some(Types(bit(value)?));
    };
    let bits: Option<Vec<u8>> = names.iter().map(bit).collect();
    let all = bits?.into_iter().fold(0, |all, bit| all | bit);
    // No type at all would allow every one here, and none in the schema.
    (all != 0).then_some(Types(all))
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

/// A bound that a double holds exactly.
fn bound(value: &Value) -> Option<f64> {
    let whole = value.as_i64().map(i64::unsigned_abs).or(value.as_u64());
    let exact = whole.is_none_or(|size| size <= EXACT);
    value.as_f64().filter(|_| exact)
}

/// `None` where something is not understood; `Some(None)` where nothing is asked of objects.
#[expect(
    clippy::option_option,
    reason = "not understood is not the same as nothing asked"
)]
fn members(keywords: &Map<String, Value>, build: Build<'_>) -> Option<Option<Members>> {
    let names = ["properties", "required", "additionalProperties"];
    if !names.iter().any(|name| keywords.contains_key(*name)) {
        return Some(None);
    }
    let mut named = Vec::new();
    if let Some(properties) = keywords.get("properties") {
        for (name, schema) in properties.as_object()? {
            let (name, node) = (name.clone(), node(schema, build)?);
            named.push(Member { name, node });
        }
    }
    let mut required = Vec::new();
    if let Some(names) = keywords.get("required") {
        let names = names.as_array()?.iter().map(Value::as_str);
        required = names.collect::<Option<_>>()?;
    }
    let others = match keywords.get("additionalProperties") {
        None => Some(Node::Any),
        Some(Value::Bool(false)) => None,
        Some(schema) => Some(node(schema, build)?),
    };
    together(named, &required, others).map(Some)
}

fn together(mut named: Vec<Member>, required: &[&str], others: Option<Node>) -> Option<Members> {
    for name in required {
        // Required, and described no further: as any other member, or never.
        if !named.iter().any(|member| member.name == *name) {
            let free = matches!(others, Some(Node::Any));
            let (name, node) = ((*name).to_owned(), Node::Any);
            free.then(|| named.push(Member { name, node }))?;
        }
    }
    if named.len() > MOST_MEMBERS {
        return None;
    }
    let mut sorted: Vec<usize> = (0..named.len()).collect();
    sorted.sort_by(|a, b| named[*a].name.cmp(&named[*b].name));
    let bits = named.iter().enumerate();
    let bits = bits.filter(|(_, member)| required.contains(&member.name.as_str()));
    let required = bits.fold(0, |all, (at, _)| all | 1_u128 << at);
    Some(Members {
        named,
        sorted,
        required,
        others,
    })
}
