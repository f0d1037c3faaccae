//! Where and why a datum does not meet its schema: the second walk, over a datum that the first one refused.

use super::cursor::{Cursor, Fault};
use super::logical::Logical;
use super::program::{Op, Program};
use super::schema::{Kind, Schema};
use super::walk::{Step, Trail, walk};
use crate::pointer;
use crate::verdict::{Code, MAX_REASONS, Reason};

/// Every reason against `datum`: all values outside their logical types and, last, where it broke off.
/// Empty when nothing is wrong.
#[cold]
pub(super) fn reasons(schema: &Schema, program: &Program, datum: &[u8]) -> Vec<Reason> {
    let mut cursor = Cursor::new(datum);
    let mut trail = Explain {
        schema,
        program,
        path: vec![],
        op: program.root,
        reasons: vec![],
    };
    let end = walk(program, program.root, &mut cursor, &mut trail, 0);
    let left = cursor.remaining();
    match end {
        Ok(()) if left > 0 => trail.reasons.push(Reason::new(
            Code::TrailingBytes,
            "",
            "no bytes after the event",
            &format!("{left} bytes left over"),
        )),
        Ok(()) => {}
        Err(fault) => {
            let reason = trail.fault(fault, datum.len() - left, left);
            trail.reasons.push(reason);
        }
    }
    trail.reasons
}

struct Explain<'a> {
    schema: &'a Schema,
    program: &'a Program,
    path: Vec<Step>,
    op: Op,
    reasons: Vec<Reason>,
}

impl Trail for Explain<'_> {
    fn enter(&mut self, step: impl FnOnce() -> Step) {
        self.path.push(step());
    }

    fn leave(&mut self) {
        self.path.pop();
    }

    fn at(&mut self, op: Op) {
        self.op = op;
    }

    fn logical(&mut self, logical: Logical, found: impl FnOnce() -> String) -> Result<(), Fault> {
        // The value itself is whole, so the walk goes on to find the others; the last place is kept for where it breaks.
        if self.reasons.len() + 1 < MAX_REASONS {
            let path = self.pointer();
            let reason = Reason::new(Code::LogicalType, path, logical.describe(), &found());
            self.reasons.push(reason);
        }
        Ok(())
    }
}

impl Explain<'_> {
    fn fault(&self, fault: Fault, offset: usize, left: usize) -> Reason {
        let (code, found) = match fault {
            Fault::Truncated => (Code::Undecodable, "fewer bytes than it takes"),
            Fault::Varint => (Code::Undecodable, "a number too long for its type"),
            Fault::Negative => (Code::Undecodable, "a negative length"),
            Fault::Index => (Code::Undecodable, "an index beyond the last"),
            Fault::Utf8 => (Code::Undecodable, "text that is not UTF-8"),
            Fault::Boolean => (Code::Undecodable, "a byte that is neither 0 nor 1"),
            Fault::BlockSize => (Code::Undecodable, "a block of another size than it says"),
            Fault::Depth => (Code::TooComplex, "deeper nesting than can be checked"),
            Fault::Fuel => (Code::TooComplex, "more empty items than can be checked"),
            Fault::Logical => (Code::LogicalType, "a value outside it"),
        };
        let found = format!("{found} (at byte {offset}, {left} left)");
        Reason::new(code, self.pointer(), self.expected(), &found)
    }

    fn pointer(&self) -> String {
        let mut text = String::new();
        for step in &self.path {
            match step {
                Step::Item(index) => pointer::push(&mut text, &index.to_string()),
                Step::Key(key) => pointer::push(&mut text, key),
                Step::Field(group, index) => {
                    let node = self.program.groups[*group as usize].node;
                    if let Kind::Record(record) = self.schema.kind(node) {
                        pointer::push(&mut text, &record.fields[*index].name);
                    }
                }
            }
        }
        text
    }

    fn expected(&self) -> String {
        let fixed = match self.op {
            Op::Null => "null",
            Op::Boolean => "boolean",
            Op::Int => "int",
            Op::Long => "long",
            Op::Float => "float",
            Op::Double => "double",
            Op::Bytes => "bytes",
            Op::String => "string",
            Op::Array(_) => "array",
            Op::Map(_) => "map",
            Op::Record(_) => "record",
            Op::Nullable(..) => "null or a value",
            Op::Fixed(size) => return format!("fixed of {size} bytes"),
            Op::Enum(symbols) => return format!("one of {symbols} symbols"),
            Op::Union(group) => {
                let branches = self.program.groups[group as usize].ops.len();
                return format!("one of {branches} branches");
            }
            Op::Logical(slot) => return self.program.checked[slot as usize].logical.describe(),
        };
        fixed.to_owned()
    }
}
