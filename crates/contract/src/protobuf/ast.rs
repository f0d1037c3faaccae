//! A `.proto` text as its author wrote it, without comments: names unresolved, labels only where they stand, options
//! in their order.
//!
//! The identity of a schema and its compatibility are made of this, as in the reference; a descriptor no longer knows
//! whether a label was written, how a name was qualified, or how a number was spelled.

/// A file.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct File {
    pub(crate) syntax: Option<String>,
    pub(crate) package: Option<String>,
    pub(crate) imports: Vec<String>,
    pub(crate) public_imports: Vec<String>,
    pub(crate) weak_imports: Vec<String>,
    pub(crate) options: Vec<Opt>,
    pub(crate) messages: Vec<Message>,
    pub(crate) enums: Vec<Enum>,
    pub(crate) extends: Vec<Extend>,
    pub(crate) services: Vec<Service>,
}

impl File {
    /// Every file that this one imports.
    pub(crate) fn all_imports(&self) -> impl Iterator<Item = &String> {
        let imports = self.imports.iter().chain(&self.public_imports);
        imports.chain(&self.weak_imports)
    }

    /// The package; empty where there is none.
    pub(crate) fn package(&self) -> &str {
        self.package.as_deref().unwrap_or_default()
    }

    /// Whether absent fields are not distinguished and enums are open.
    pub(crate) fn is_proto3(&self) -> bool {
        self.syntax.as_deref() == Some("proto3")
    }
}

/// A message, or the body of a group.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Message {
    pub(crate) name: String,
    pub(crate) reserved: Vec<Vec<Reserved>>,
    pub(crate) options: Vec<Opt>,
    pub(crate) fields: Vec<Field>,
    pub(crate) oneofs: Vec<Oneof>,
    pub(crate) groups: Vec<Group>,
    pub(crate) extensions: Vec<Extensions>,
    pub(crate) extends: Vec<Extend>,
    pub(crate) messages: Vec<Message>,
    pub(crate) enums: Vec<Enum>,
}

impl Message {
    /// Whether this stands for the entries of a map, written out as a message.
    pub(crate) fn is_map_entry(&self) -> bool {
        let truth = Value::Word("true".to_owned());
        self.options
            .iter()
            .any(|option| option.name == "map_entry" && option.value == truth)
    }
}

/// Numbers and names set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reserved {
    Name(String),
    Number(i32),
    Range(i32, i32),
    /// From here to the largest number there may be.
    ToMax(i32),
}

impl Reserved {
    /// The first and the last number.
    pub(crate) fn bounds(&self) -> Option<(i32, i32)> {
        match self {
            Reserved::Name(_) => None,
            Reserved::Number(number) => Some((*number, *number)),
            Reserved::Range(first, last) => Some((*first, *last)),
            Reserved::ToMax(first) => Some((*first, i32::MAX)),
        }
    }
}

/// How often a field may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Label {
    Optional,
    Required,
    Repeated,
}

impl Label {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Label::Optional => "optional",
            Label::Required => "required",
            Label::Repeated => "repeated",
        }
    }
}

/// A field's type as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Type {
    /// A scalar's name, or the name of a message or an enum.
    Name(String),
    /// A map's key and value.
    Map(String, String),
}

/// A field.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Field {
    pub(crate) label: Option<Label>,
    pub(crate) ty: Type,
    pub(crate) name: String,
    pub(crate) number: i32,
    /// All but the two that follow.
    pub(crate) options: Vec<Opt>,
    pub(crate) default: Option<Value>,
    pub(crate) json_name: Option<Value>,
}

/// Fields of which at most one is set.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Oneof {
    pub(crate) name: String,
    pub(crate) options: Vec<Opt>,
    pub(crate) fields: Vec<Field>,
    pub(crate) groups: Vec<Group>,
}

/// A field with its message, of proto2.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Group {
    pub(crate) label: Option<Label>,
    pub(crate) number: i32,
    pub(crate) field_options: Vec<Opt>,
    pub(crate) body: Message,
}

/// Numbers that others may use.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Extensions {
    pub(crate) ranges: Vec<Reserved>,
    pub(crate) options: Vec<Opt>,
}

/// Fields added to another message.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Extend {
    pub(crate) name: String,
    pub(crate) fields: Vec<Field>,
    pub(crate) groups: Vec<Group>,
}

/// An enumeration.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Enum {
    pub(crate) name: String,
    pub(crate) reserved: Vec<Vec<Reserved>>,
    pub(crate) options: Vec<Opt>,
    pub(crate) values: Vec<EnumValue>,
}

/// A value of an enumeration.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct EnumValue {
    pub(crate) name: String,
    pub(crate) number: i32,
    pub(crate) options: Vec<Opt>,
}

/// A service.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Service {
    pub(crate) name: String,
    pub(crate) options: Vec<Opt>,
    pub(crate) rpcs: Vec<Rpc>,
}

/// A method of a service.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rpc {
    pub(crate) name: String,
    pub(crate) request: Parameter,
    pub(crate) response: Parameter,
    pub(crate) options: Vec<Opt>,
}

/// What a method takes or gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parameter {
    pub(crate) ty: String,
    pub(crate) flow: Flow,
}

/// One message or many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    One,
    Stream,
}

/// Whether an option's name stands in parentheses: one that an extension defines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Custom {
    Yes,
    No,
}

/// An option: `deprecated = true`, `(confluent.field_meta).doc = "…"`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Opt {
    pub(crate) name: String,
    pub(crate) custom: Custom,
    pub(crate) value: Value,
}

/// An option's value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Text(Vec<u8>),
    /// A truth value or the name of an enum's value, also `inf` and `nan`.
    Word(String),
    Number(String),
    /// A message, its members in their order; a member that stands several times is one list.
    Map(Vec<(String, Value)>),
    List(Vec<Value>),
    /// What follows the dot after the option's name.
    Part(Box<Opt>),
}

impl Value {
    /// The values of a list; of anything else, itself.
    pub(crate) fn into_list(self) -> Vec<Value> {
        if let Value::List(values) = self {
            values
        } else {
            vec![self]
        }
    }
}

/// The names of the scalar types.
pub(crate) const SCALARS: &[&str] = &[
    "double", "float", "int32", "int64", "uint32", "uint64", "sint32", "sint64", "fixed32",
    "fixed64", "sfixed32", "sfixed64", "bool", "string", "bytes",
];

/// Whether a type's name is that of a scalar.
pub(crate) fn is_scalar(name: &str) -> bool {
    SCALARS.contains(&name)
}

/// The largest number of a field.
pub(crate) const MAX_NUMBER: i32 = 536_870_911;
