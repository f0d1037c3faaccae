//! An Avro schema as a graph of nodes: names resolved, recursion by index.
//!
//! What the walk, the compatibility checker and the row encoder are built from. Annotations (`doc`, `order`, unknown
//! attributes) are left out; the text that keeps them is made by [`mod@crate::canonical`].
//! Source: <https://avro.apache.org/docs/1.12.0/specification/#schema-declaration>

use super::logical::Logical;
use super::parser::Parser;
use crate::schema_error::{SchemaError, parse_text};
use crate::source::{Import, Source};

/// Index of a node in its schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NodeId(pub(crate) u32);

/// A parsed schema.
#[derive(Debug, Clone)]
pub(crate) struct Schema {
    nodes: Vec<Node>,
    root: NodeId,
}

/// One type of the schema.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// The Avro type.
    pub(crate) kind: Kind,
    /// Its logical type, where it is one that we know and that fits the type; others are ignored, as the
    /// specification asks.
    pub(crate) logical: Option<Logical>,
}

/// The Avro types.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    String,
    Array(NodeId),
    Map(NodeId),
    Union(Vec<NodeId>),
    Record(Record),
    Enum(Enum),
    Fixed(Fixed),
}

/// A full name and the aliases, all with their namespaces.
#[derive(Debug, Clone)]
pub(crate) struct Name {
    pub(crate) full: String,
    pub(crate) aliases: Vec<String>,
}

impl Name {
    /// The name without its namespace.
    pub(crate) fn short(&self) -> &str {
        self.full.rsplit('.').next().unwrap_or(&self.full)
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) name: Name,
    pub(crate) fields: Vec<Field>,
}

#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) aliases: Vec<String>,
    pub(crate) has_default: bool,
    pub(crate) schema: NodeId,
}

#[derive(Debug, Clone)]
pub(crate) struct Enum {
    pub(crate) name: Name,
    pub(crate) symbols: Vec<String>,
    pub(crate) default: Option<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct Fixed {
    pub(crate) name: Name,
    pub(crate) size: usize,
}

impl Kind {
    /// The type's name as written in a schema.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Kind::Null => "null",
            Kind::Boolean => "boolean",
            Kind::Int => "int",
            Kind::Long => "long",
            Kind::Float => "float",
            Kind::Double => "double",
            Kind::Bytes => "bytes",
            Kind::String => "string",
            Kind::Array(_) => "array",
            Kind::Map(_) => "map",
            Kind::Union(_) => "union",
            Kind::Record(_) => "record",
            Kind::Enum(_) => "enum",
            Kind::Fixed(_) => "fixed",
        }
    }

    /// The name of a named type.
    pub(crate) fn name(&self) -> Option<&Name> {
        match self {
            Kind::Record(record) => Some(&record.name),
            Kind::Enum(symbols) => Some(&symbols.name),
            Kind::Fixed(fixed) => Some(&fixed.name),
            Kind::Null
            | Kind::Boolean
            | Kind::Int
            | Kind::Long
            | Kind::Float
            | Kind::Double
            | Kind::Bytes
            | Kind::String
            | Kind::Array(_)
            | Kind::Map(_)
            | Kind::Union(_) => None,
        }
    }
}

impl Schema {
    /// Parse a schema's text; `references` are the texts of the schemas that it names, each after those it needs.
    pub(crate) fn parse(text: &str, imports: &[Import<'_>]) -> Result<Self, SchemaError> {
        Source::check_imports(imports)?;
        let mut parser = Parser::default();
        for import in imports {
            parser.parse(&parse_text(import.text)?)?;
        }
        let root = parser.parse(&parse_text(text)?)?;
        Ok(Self {
            nodes: parser.into_nodes(),
            root,
        })
    }

    /// The outermost type.
    pub(crate) fn root(&self) -> NodeId {
        self.root
    }

    /// A node by its index.
    pub(crate) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    /// The type of a node.
    pub(crate) fn kind(&self, id: NodeId) -> &Kind {
        &self.node(id).kind
    }

    /// All nodes, by index.
    pub(crate) fn nodes(&self) -> &[Node] {
        &self.nodes
    }
}
