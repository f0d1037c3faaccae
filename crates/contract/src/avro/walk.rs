//! The walk: reads one datum by its program and checks every byte.
//!
//! One function, compiled twice: silent for the data path (no path kept, no allocation), and explaining, which runs
//! only on a datum that the first refused and gathers where and why.

use super::cursor::{Cursor, Fault};
use super::logical::Logical;
use super::program::{Items, NullAt, Op, Program};

/// Deepest nesting of records, arrays and maps. Ours, so that a hostile datum of a recursive schema cannot exhaust
/// the stack; real events stay below ten.
const MAX_DEPTH: u8 = 64;

/// A step from a value to one inside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// A field, by its group and position.
    Field(u32, usize),
    Item(u64),
    Key(String),
}

/// What a walk tells on its way.
pub(super) trait Trail {
    fn enter(&mut self, step: impl FnOnce() -> Step);
    fn leave(&mut self);
    fn at(&mut self, op: Op);
    /// A value is outside its logical type: go on, or stop.
    fn logical(&mut self, logical: Logical, found: impl FnOnce() -> String) -> Result<(), Fault>;
}

/// Keeps nothing.
#[derive(Debug)]
pub(super) struct Silent;

impl Trail for Silent {
    #[inline(always)]
    fn enter(&mut self, _: impl FnOnce() -> Step) {}
    #[inline(always)]
    fn leave(&mut self) {}
    #[inline(always)]
    fn at(&mut self, _: Op) {}
    #[inline(always)]
    fn logical(&mut self, _: Logical, _: impl FnOnce() -> String) -> Result<(), Fault> {
        Err(Fault::Logical)
    }
}

/// Read one value.
#[inline]
pub(super) fn walk<T: Trail>(
    program: &Program,
    op: Op,
    cursor: &mut Cursor<'_>,
    trail: &mut T,
    depth: u8,
) -> Result<(), Fault> {
    trail.at(op);
    match op {
        Op::Null => Ok(()),
        Op::Boolean => cursor.boolean().map(drop),
        Op::Int => cursor.int().map(drop),
        Op::Long => cursor.long().map(drop),
        Op::Float => cursor.array::<4>().map(drop),
        Op::Double => cursor.array::<8>().map(drop),
        Op::Bytes => cursor.bytes().map(drop),
        Op::String => cursor.text(),
        Op::Fixed(size) => cursor.take(size as usize).map(drop),
        Op::Enum(symbols) => cursor.index(symbols as usize).map(drop),
        Op::Nullable(null, other) => {
            if cursor.index(2)? == usize::from(null == NullAt::Second) {
                Ok(())
            } else {
                nested(
                    program,
                    program.others[other as usize],
                    cursor,
                    trail,
                    depth,
                )
            }
        }
        Op::Logical(_) | Op::Record(_) | Op::Array(_) | Op::Map(_) | Op::Union(_) => {
            nested(program, op, cursor, trail, depth)
        }
    }
}

fn nested<T: Trail>(
    program: &Program,
    op: Op,
    cursor: &mut Cursor<'_>,
    trail: &mut T,
    depth: u8,
) -> Result<(), Fault> {
    match op {
        Op::Record(group) => {
            let depth = deeper(depth)?;
            for (index, &field) in program.groups[group as usize].ops.iter().enumerate() {
                trail.enter(|| Step::Field(group, index));
                walk(program, field, cursor, trail, depth)?;
                trail.leave();
            }
            Ok(())
        }
        Op::Array(slot) => {
            trail.at(op);
            array(
                program,
                &program.items[slot as usize],
                cursor,
                trail,
                deeper(depth)?,
            )
        }
        Op::Map(slot) => {
            trail.at(op);
            map(
                program,
                program.items[slot as usize].op,
                cursor,
                trail,
                deeper(depth)?,
            )
        }
        Op::Union(group) => {
            trail.at(op);
            let branches = &program.groups[group as usize].ops;
            let branch = cursor.index(branches.len())?;
            nested(program, branches[branch], cursor, trail, depth)
        }
        Op::Logical(slot) => {
            let checked = program.checked[slot as usize];
            trail.at(checked.op);
            logical(checked.op, checked.logical, cursor, trail)
        }
        Op::Null
        | Op::Boolean
        | Op::Int
        | Op::Long
        | Op::Float
        | Op::Double
        | Op::Bytes
        | Op::String
        | Op::Fixed(_)
        | Op::Enum(_)
        | Op::Nullable(..) => walk(program, op, cursor, trail, depth),
    }
}

#[inline]
fn deeper(depth: u8) -> Result<u8, Fault> {
    if depth < MAX_DEPTH {
        Ok(depth + 1)
    } else {
        Err(Fault::Depth)
    }
}

fn array<T: Trail>(
    program: &Program,
    items: &Items,
    cursor: &mut Cursor<'_>,
    trail: &mut T,
    depth: u8,
) -> Result<(), Fault> {
    let mut position = 0;
    loop {
        let block = cursor.block(items.free)?;
        for _ in 0..block.count {
            trail.enter(|| Step::Item(position));
            walk(program, items.op, cursor, trail, depth)?;
            trail.leave();
            position += 1;
        }
        cursor.end_block(&block)?;
        if block.count == 0 {
            return Ok(());
        }
    }
}

fn map<T: Trail>(
    program: &Program,
    values: Op,
    cursor: &mut Cursor<'_>,
    trail: &mut T,
    depth: u8,
) -> Result<(), Fault> {
    loop {
        let block = cursor.block(false)?;
        for _ in 0..block.count {
            let key = cursor.string()?;
            trail.enter(|| Step::Key(key.to_owned()));
            walk(program, values, cursor, trail, depth)?;
            trail.leave();
        }
        cursor.end_block(&block)?;
        if block.count == 0 {
            return Ok(());
        }
    }
}

fn logical<T: Trail>(
    op: Op,
    logical: Logical,
    cursor: &mut Cursor<'_>,
    trail: &mut T,
) -> Result<(), Fault> {
    let number = match op {
        Op::Int => i64::from(cursor.int()?),
        Op::Long => cursor.long()?,
        Op::String => {
            let text = cursor.string()?;
            if logical.allows_text(text) {
                return Ok(());
            }
            return trail.logical(logical, || text.to_owned());
        }
        Op::Bytes | Op::Fixed(_) => {
            let bytes = if let Op::Fixed(size) = op {
                cursor.take(size as usize)?
            } else {
                cursor.bytes()?
            };
            if logical.allows_bytes(bytes) {
                return Ok(());
            }
            return trail.logical(logical, || format!("{} bytes: {}", bytes.len(), hex(bytes)));
        }
        // `Logical::of` gives logical types to the operations above only.
        Op::Null
        | Op::Boolean
        | Op::Float
        | Op::Double
        | Op::Enum(_)
        | Op::Record(_)
        | Op::Array(_)
        | Op::Map(_)
        | Op::Nullable(..)
        | Op::Union(_)
        | Op::Logical(_) => return Ok(()),
    };
    if logical.allows_number(number) {
        Ok(())
    } else {
        trail.logical(logical, || number.to_string())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
