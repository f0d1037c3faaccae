//! The validator: a schema's messages compiled once, and every byte of a body checked.

use super::program::{Op, Program, Root, places};
use super::wire::{Cursor, Fault, Form, Silent, Trail, walk};
use super::{MessageIndexes, Schema};
use crate::pointer;
use crate::settings::{LogicalTypes, Treatment};
use crate::verdict::{Code, MAX_REASONS, Reason};
use std::collections::BTreeMap;

/// What a contract asks of its events beyond what the language says.
#[derive(Debug, Clone, Copy)]
pub struct Demands<'a> {
    /// Fields that must be there, by path, where the language tells a field that is not there from one with a default.
    pub required: &'a [String],
    /// Whether the bounds of timestamps and durations are kept.
    pub logical: LogicalTypes,
}

/// The messages of a schema, ready to check bodies with.
#[derive(Debug)]
pub struct ProtobufValidator {
    program: Program,
    /// The program's message for each place in the file.
    roots: BTreeMap<MessageIndexes, u32>,
}

impl ProtobufValidator {
    /// Compile every message of a schema's file; `unknown` says what is done with fields that it does not have.
    pub fn compile(schema: &Schema, unknown: Treatment) -> Self {
        let demands = Demands {
            required: &[],
            logical: LogicalTypes::Ignore,
        };
        Self::compile_with(schema, unknown, ("", &demands))
    }

    /// The same, where more than the language says is asked of one message and what stands in it.
    pub(super) fn compile_with(
        schema: &Schema,
        unknown: Treatment,
        (asked, demands): (&str, &Demands<'_>),
    ) -> Self {
        let places = places(schema);
        let roots = places.iter().map(|(_, message)| Root {
            message: message.clone(),
            required: match message.full_name() == asked {
                true => demands.required.to_vec(),
                false => Vec::new(),
            },
        });
        let messages = roots.collect();
        let paths = places.iter().map(|(path, _)| MessageIndexes::new(path));
        // A place that indexes cannot name has none in the map.
        let roots = (0u32..)
            .zip(paths)
            .filter_map(|(root, path)| Some((path?, root)));
        Self {
            roots: roots.collect(),
            program: Program::compile(messages, unknown, demands.logical),
        }
    }

    /// Check what stands after the schema's id: the indexes of a message, and the message.
    ///
    /// # Errors
    /// Every reason against it, up to the first byte after which nothing can be told.
    pub fn check(&self, body: &[u8]) -> Result<(), Vec<Reason>> {
        let (indexes, message) = MessageIndexes::decode(body).map_err(|reason| vec![reason])?;
        self.check_message(&indexes, message)
    }

    /// Check a message whose place in the file is known.
    ///
    /// # Errors
    /// Every reason against it: the schema has no such message, or what of the bytes does not fit.
    #[inline]
    pub fn check_message(
        &self,
        indexes: &MessageIndexes,
        message: &[u8],
    ) -> Result<(), Vec<Reason>> {
        let Some(&root) = self.roots.get(indexes) else {
            let found = format!("the indexes {:?}", indexes.as_slice());
            return Err(vec![Reason::new(
                Code::NotFramed,
                "",
                "the indexes of a message of the schema",
                &found,
            )]);
        };
        match walk(&self.program, root, &mut Cursor::new(message), &mut Silent) {
            Ok(()) => Ok(()),
            Err(_) => Err(self.explain(root, message)),
        }
    }

    #[cold]
    fn explain(&self, root: u32, message: &[u8]) -> Vec<Reason> {
        let mut explanation = Explanation {
            program: &self.program,
            path: Vec::new(),
            counts: vec![BTreeMap::new()],
            form: Form::Varint,
            message: root,
            reasons: Vec::new(),
        };
        let stopped = walk(
            &self.program,
            root,
            &mut Cursor::new(message),
            &mut explanation,
        );
        if let Err(fault) = stopped {
            explanation.note(fault);
        }
        explanation.reasons
    }
}

/// Keeps the way to where the walk is.
struct Explanation<'a> {
    program: &'a Program,
    /// Each step's message, its field, and which of the field's values.
    path: Vec<(u32, usize, u64)>,
    /// For each open message, how often its fields have stood so far.
    counts: Vec<BTreeMap<usize, u64>>,
    form: Form,
    /// The root.
    message: u32,
    reasons: Vec<Reason>,
}

impl Trail for Explanation<'_> {
    fn enter(&mut self, message: u32, field: usize) {
        let mut item = 0;
        if let Some(counts) = self.counts.last_mut() {
            let count = counts.entry(field).or_default();
            item = *count;
            *count += 1;
        }
        self.path.push((message, field, item));
        self.counts.push(BTreeMap::new());
    }

    fn leave(&mut self) {
        self.path.pop();
        self.counts.pop();
    }

    fn form(&mut self, form: Form) {
        self.form = form;
    }

    fn fault(&mut self, fault: Fault) -> Result<(), Fault> {
        if self.reasons.len() >= MAX_REASONS {
            return Err(fault);
        }
        self.note(fault);
        Ok(())
    }
}

impl Explanation<'_> {
    fn note(&mut self, fault: Fault) {
        if self.reasons.len() < MAX_REASONS {
            let reason = self.reason(fault);
            self.reasons.push(reason);
        }
    }

    /// The message that is being read.
    fn here(&self) -> u32 {
        let last = self.path.last();
        let field =
            last.map(|&(message, field, _)| &self.program.messages[message as usize].fields[field]);
        match field.map(|field| field.op) {
            Some(Op::Message(message) | Op::Bounded(message, _) | Op::Group(message)) => message,
            Some(Op::Varint | Op::Enum(_) | Op::Fixed32 | Op::Fixed64 | Op::Bytes | Op::Text)
            | None => self.message,
        }
    }

    fn reason(&self, fault: Fault) -> Reason {
        let mut path = String::new();
        for &(message, field, item) in &self.path {
            let field = &self.program.messages[message as usize].fields[field];
            pointer::push(&mut path, &field.name);
            if field.repeated {
                pointer::push(&mut path, &item.to_string());
            }
        }
        let last = self.path.last().copied();
        let field =
            last.map(|(message, field, _)| &self.program.messages[message as usize].fields[field]);
        let expected = field.map_or("a message", |field| field.ty.as_str());
        let (code, found) = match fault {
            Fault::Truncated => (Code::Undecodable, "bytes that end too early"),
            Fault::Varint => (Code::Undecodable, "a number of more than 64 bits"),
            Fault::Tag => (Code::Undecodable, "bytes that are no field"),
            Fault::GroupEnd => (Code::Undecodable, "the end of a group that is not open"),
            Fault::Utf8 => (Code::Undecodable, "text that is not UTF-8"),
            Fault::Form => (Code::WrongType, self.form.describe()),
            Fault::Depth => (Code::TooComplex, "deeper nesting than any reader follows"),
            Fault::Missing(place) => {
                let field = &self.program.messages[self.here() as usize].fields[place];
                pointer::push(&mut path, &field.name);
                return Reason::new(Code::Missing, path, "a value", "nothing");
            }
            Fault::Unknown(number) => {
                let name = &self.program.messages[self.here() as usize].name;
                let found = format!("a field of number {number}");
                return Reason::new(
                    Code::Undeclared,
                    path,
                    format!("only fields of {name}"),
                    &found,
                );
            }
            Fault::Bounds(bounds, seconds, nanos) => {
                let found = format!("{seconds} s and {nanos} ns");
                return Reason::new(Code::LogicalType, path, bounds.describe(), &found);
            }
            Fault::Symbol(number) => {
                let expected = format!("a value of {expected}");
                return Reason::new(Code::OutOfBounds, path, expected, &number.to_string());
            }
        };
        Reason::new(code, path, expected, found)
    }
}
