//! The compiled form of a schema that the walk runs: eight bytes an operation, a record's operations side by side.

use super::logical::Logical;
use super::schema::{Kind, NodeId, Schema};

/// What to read next; the numbers are indexes into the program's tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    String,
    /// So many bytes.
    Fixed(u32),
    /// One of so many symbols; the names are in the schema.
    Enum(u32),
    Record(u32),
    Array(u32),
    Map(u32),
    /// A union of null and one other, which most unions are: where null stands, and the other's operation.
    Nullable(NullAt, u32),
    Union(u32),
    /// An operation with a logical type to check.
    Logical(u32),
}

/// The position of null in a union of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NullAt {
    First,
    Second,
}

/// A record's fields, or a union's branches.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) node: NodeId,
    pub(super) ops: Box<[Op]>,
}

/// An array's items or a map's values.
#[derive(Debug)]
pub(super) struct Items {
    pub(super) op: Op,
    /// An item may take no bytes at all.
    pub(super) free: bool,
}

/// An operation under a logical type.
#[derive(Debug, Clone, Copy)]
pub(super) struct Checked {
    pub(super) op: Op,
    pub(super) logical: Logical,
}

/// A compiled schema.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) root: Op,
    pub(super) groups: Vec<Group>,
    pub(super) items: Vec<Items>,
    pub(super) others: Vec<Op>,
    pub(super) checked: Vec<Checked>,
}

impl Program {
    pub(super) fn compile(schema: &Schema) -> Self {
        let mut program = Self {
            root: Op::Null,
            groups: vec![],
            items: vec![],
            others: vec![],
            checked: vec![],
        };
        // First an operation for every node, so that recursive types find theirs; then the tables behind them.
        let ops: Vec<Op> = (0u32..)
            .zip(schema.nodes())
            .map(|(index, node)| {
                let op = program.reserve(NodeId(index), &node.kind, schema);
                program.check_logical(op, node.logical)
            })
            .collect();
        let free = free_nodes(schema);
        let op_of = |id: NodeId| ops[id.0 as usize];
        for group in &mut program.groups {
            group.ops = children(schema.kind(group.node))
                .into_iter()
                .map(op_of)
                .collect();
        }
        for (index, node) in schema.nodes().iter().enumerate() {
            match (&node.kind, ops[index]) {
                (Kind::Array(item), Op::Array(slot)) => {
                    program.items[slot as usize] = Items {
                        op: op_of(*item),
                        free: free[item.0 as usize],
                    };
                }
                // A map's item has a key, which takes at least a byte.
                (Kind::Map(value), Op::Map(slot)) => {
                    program.items[slot as usize] = Items {
                        op: op_of(*value),
                        free: false,
                    };
                }
                (Kind::Union(branches), Op::Nullable(null, slot)) => {
                    let other = branches[usize::from(null == NullAt::First)];
                    program.others[slot as usize] = op_of(other);
                }
                _ => {}
            }
        }
        program.root = op_of(schema.root());
        program
    }

    fn reserve(&mut self, node: NodeId, kind: &Kind, schema: &Schema) -> Op {
        match kind {
            Kind::Null => Op::Null,
            Kind::Boolean => Op::Boolean,
            Kind::Int => Op::Int,
            Kind::Long => Op::Long,
            Kind::Float => Op::Float,
            Kind::Double => Op::Double,
            Kind::Bytes => Op::Bytes,
            Kind::String => Op::String,
            Kind::Fixed(fixed) => Op::Fixed(index(fixed.size)),
            Kind::Enum(symbols) => Op::Enum(index(symbols.symbols.len())),
            Kind::Array(_) => Op::Array(self.reserve_items()),
            Kind::Map(_) => Op::Map(self.reserve_items()),
            Kind::Record(_) => Op::Record(self.reserve_group(node)),
            Kind::Union(branches) => match (branches.as_slice(), null_at(branches, schema)) {
                ([_, _], Some(null)) => {
                    self.others.push(Op::Null);
                    Op::Nullable(null, index(self.others.len() - 1))
                }
                _ => Op::Union(self.reserve_group(node)),
            },
        }
    }

    fn reserve_items(&mut self) -> u32 {
        self.items.push(Items {
            op: Op::Null,
            free: false,
        });
        index(self.items.len() - 1)
    }

    fn reserve_group(&mut self, node: NodeId) -> u32 {
        self.groups.push(Group {
            node,
            ops: Box::default(),
        });
        index(self.groups.len() - 1)
    }

    fn check_logical(&mut self, op: Op, logical: Option<Logical>) -> Op {
        let Some(logical) = logical else { return op };
        self.checked.push(Checked { op, logical });
        Op::Logical(index(self.checked.len() - 1))
    }
}

/// Sizes and counts come from a schema of limited size; a `fixed` larger than 4 GB never fits a record anyway.
fn index(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn null_at(branches: &[NodeId], schema: &Schema) -> Option<NullAt> {
    let is_null = |id: &NodeId| matches!(schema.kind(*id), Kind::Null);
    match branches {
        [first, _] if is_null(first) => Some(NullAt::First),
        [_, second] if is_null(second) => Some(NullAt::Second),
        _ => None,
    }
}

fn children(kind: &Kind) -> Vec<NodeId> {
    match kind {
        Kind::Record(record) => record.fields.iter().map(|field| field.schema).collect(),
        Kind::Union(branches) => branches.clone(),
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
        | Kind::Enum(_)
        | Kind::Fixed(_) => vec![],
    }
}

/// Which nodes may be written as no bytes at all: null, and records of nothing else.
fn free_nodes(schema: &Schema) -> Vec<bool> {
    let mut free = vec![false; schema.nodes().len()];
    loop {
        let mut changed = false;
        for (index, node) in schema.nodes().iter().enumerate() {
            let is_free = match &node.kind {
                Kind::Null => true,
                Kind::Fixed(fixed) => fixed.size == 0,
                Kind::Record(record) => record
                    .fields
                    .iter()
                    .all(|field| free[field.schema.0 as usize]),
                Kind::Boolean
                | Kind::Int
                | Kind::Long
                | Kind::Float
                | Kind::Double
                | Kind::Bytes
                | Kind::String
                | Kind::Array(_)
                | Kind::Map(_)
                | Kind::Union(_)
                | Kind::Enum(_) => false,
            };
            changed |= is_free != free[index];
            free[index] = is_free;
        }
        if !changed {
            return free;
        }
    }
}
