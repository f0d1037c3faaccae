//! The bytes of a message, read by its program: every byte is checked, nothing is kept.
//!
//! One function, compiled twice: silent for the data path, which stops at the first fault, and explaining, which runs
//! only on a body that the first refused and goes on where the bytes still tell what comes next. Fields that the message
//! does not have are skipped, as the language wants, or a fault, as events want; a field that it has must be written as
//! its type is, and hold a number of its enumeration where that is closed, for a reader would lose it otherwise.
//! Source: <https://protobuf.dev/programming-guides/encoding/>

use super::program::{Bounds, Field, Message, Op, Program};
use crate::settings::Treatment;

/// Deepest nesting of messages and groups: what every implementation allows by default.
const MAX_DEPTH: u8 = 100;

/// Why a walk stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The bytes end inside a value.
    Truncated,
    /// A number longer than 64 bits.
    Varint,
    /// A field number or a wire type that there is not.
    Tag,
    /// A known field in another form than its type has.
    Form,
    /// A string that is not UTF-8.
    Utf8,
    /// The end of a group that did not begin, or of another.
    GroupEnd,
    /// Deeper than any reader follows.
    Depth,
    /// A required field that is not there: its place among the message's fields.
    Missing(usize),
    /// A field number that the message does not have, where none but its own are wanted.
    Unknown(u32),
    /// A number that a closed enumeration does not have.
    Symbol(i32),
    /// Seconds and nanoseconds out of their bounds.
    Bounds(Bounds, i64, i64),
}

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Varint,
    Fixed64,
    Length,
    GroupStart,
    GroupEnd,
    Fixed32,
}

impl Form {
    pub(super) fn describe(self) -> &'static str {
        match self {
            Form::Varint => "a varint",
            Form::Fixed64 => "8 bytes",
            Form::Length => "bytes with their length",
            Form::GroupStart | Form::GroupEnd => "a group",
            Form::Fixed32 => "4 bytes",
        }
    }
}

/// The bytes still to be read.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    #[inline]
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    #[inline]
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    #[inline]
    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Fault> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Fault::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    pub(super) fn varint(&mut self) -> Result<u64, Fault> {
        match *self.rest {
            [a, ref rest @ ..] if a < 0x80 => {
                self.rest = rest;
                Ok(u64::from(a))
            }
            [a, b, ref rest @ ..] if b < 0x80 => {
                self.rest = rest;
                Ok(u64::from(a & 0x7f) | u64::from(b) << 7)
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, Fault> {
        let mut value = 0u64;
        for (index, &byte) in self.rest.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                // The tenth byte holds the 64th bit only.
                if index == 9 && byte > 1 {
                    return Err(Fault::Varint);
                }
                self.rest = &self.rest[index + 1..];
                return Ok(value);
            }
        }
        Err(if self.rest.len() >= 10 {
            Fault::Varint
        } else {
            Fault::Truncated
        })
    }

    #[inline]
    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Fault> {
        let length = usize::try_from(self.varint()?).map_err(|_| Fault::Truncated)?;
        self.take(length)
    }

    /// The number of the next field and how its value is written.
    #[inline]
    pub(super) fn tag(&mut self) -> Result<(u32, Form), Fault> {
        let tag = u32::try_from(self.varint()?).map_err(|_| Fault::Tag)?;
        let form = match tag & 7 {
            0 => Form::Varint,
            1 => Form::Fixed64,
            2 => Form::Length,
            3 => Form::GroupStart,
            4 => Form::GroupEnd,
            5 => Form::Fixed32,
            _ => return Err(Fault::Tag),
        };
        if tag < 8 {
            Err(Fault::Tag)
        } else {
            Ok((tag >> 3, form))
        }
    }
}

/// What a walk tells on its way.
pub(super) trait Trail {
    fn enter(&mut self, message: u32, field: usize);
    fn leave(&mut self);
    fn form(&mut self, form: Form);
    /// A fault after which the bytes can still be read; an error stops the walk.
    fn fault(&mut self, fault: Fault) -> Result<(), Fault>;
}

/// Keeps nothing.
#[derive(Debug)]
pub(super) struct Silent;

impl Trail for Silent {
    #[inline(always)]
    fn enter(&mut self, _: u32, _: usize) {}
    #[inline(always)]
    fn leave(&mut self) {}
    #[inline(always)]
    fn form(&mut self, _: Form) {}
    #[inline(always)]
    fn fault(&mut self, fault: Fault) -> Result<(), Fault> {
        Err(fault)
    }
}

/// Where the fields of a message end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    Bytes,
    Group(u32),
}

/// Read a whole body as a message.
#[inline]
pub(super) fn walk<T: Trail>(
    program: &Program,
    message: u32,
    cursor: &mut Cursor<'_>,
    trail: &mut T,
) -> Result<(), Fault> {
    fields(program, message, cursor, trail, (Until::Bytes, 0))
}

fn fields<T: Trail>(
    program: &Program,
    message: u32,
    cursor: &mut Cursor<'_>,
    trail: &mut T,
    (until, depth): (Until, u8),
) -> Result<(), Fault> {
    if depth > MAX_DEPTH {
        return Err(Fault::Depth);
    }
    let known = &program.messages[message as usize];
    let mut seen = 0u128;
    // Fields come in their order, mostly: the next is the one after the last.
    let mut next = 0;
    loop {
        if cursor.rest.is_empty() && until == Until::Bytes {
            return complete(known, seen, trail);
        }
        let (number, form) = cursor.tag()?;
        if form == Form::GroupEnd {
            let own = until == Until::Group(number);
            return if own {
                complete(known, seen, trail)
            } else {
                Err(Fault::GroupEnd)
            };
        }
        let Some(place) = known.find(number, next) else {
            if program.unknown == Treatment::Refuse {
                trail.fault(Fault::Unknown(number))?;
            }
            skip(cursor, number, form, depth)?;
            continue;
        };
        next = place;
        let field = &known.fields[place];
        seen |= field.required;
        trail.enter(message, place);
        trail.form(form);
        value(program, field, cursor, trail, (form, depth))?;
        trail.leave();
    }
}

/// Whether every required field has been seen.
fn complete<T: Trail>(message: &Message, seen: u128, trail: &mut T) -> Result<(), Fault> {
    if seen & message.required == message.required {
        return Ok(());
    }
    let missing = |field: &Field| field.required & !seen != 0;
    for (place, _) in message
        .fields
        .iter()
        .enumerate()
        .filter(|(_, field)| missing(field))
    {
        trail.fault(Fault::Missing(place))?;
    }
    Ok(())
}

fn value<T: Trail>(
    program: &Program,
    field: &Field,
    cursor: &mut Cursor<'_>,
    trail: &mut T,
    (form, depth): (Form, u8),
) -> Result<(), Fault> {
    match (field.op, form) {
        (Op::Varint, Form::Varint) => cursor.varint().map(drop),
        (Op::Enum(known), Form::Varint) => symbol(program, known, cursor, trail),
        (Op::Fixed32, Form::Fixed32) => cursor.take(4).map(drop),
        (Op::Fixed64, Form::Fixed64) => cursor.take(8).map(drop),
        (Op::Bytes, Form::Length) => cursor.bytes().map(drop),
        (Op::Text, Form::Length) => match std::str::from_utf8(cursor.bytes()?) {
            Ok(_) => Ok(()),
            Err(_) => trail.fault(Fault::Utf8),
        },
        (Op::Message(message), Form::Length) => {
            let mut inner = Cursor::new(cursor.bytes()?);
            fields(
                program,
                message,
                &mut inner,
                trail,
                (Until::Bytes, depth + 1),
            )
        }
        (Op::Bounded(message, bounds), Form::Length) => {
            let bytes = cursor.bytes()?;
            let mut inner = Cursor::new(bytes);
            let until = (Until::Bytes, depth + 1);
            fields(program, message, &mut inner, trail, until)?;
            let (seconds, nanos) = moment(bytes);
            if bounds.allow(seconds, nanos) {
                return Ok(());
            }
            trail.fault(Fault::Bounds(bounds, seconds, nanos))
        }
        (Op::Group(message), Form::GroupStart) => fields(
            program,
            message,
            cursor,
            trail,
            (Until::Group(field.number), depth + 1),
        ),
        // A repeated number may be written one by one or packed, whatever the schema says.
        (Op::Varint | Op::Enum(_) | Op::Fixed32 | Op::Fixed64, Form::Length) if field.repeated => {
            packed(program, field.op, cursor, trail)
        }
        _ => {
            trail.fault(Fault::Form)?;
            skip(cursor, field.number, form, depth)
        }
    }
}

/// Seconds and nanoseconds of a message whose bytes have been walked: its fields 1 and 2, the last of each counts.
fn moment(bytes: &[u8]) -> (i64, i64) {
    let (mut cursor, mut found) = (Cursor::new(bytes), (0, 0));
    while let Ok((number, Form::Varint)) = cursor.tag() {
        let value = cursor.varint().unwrap_or_default().cast_signed();
        match number {
            1 => found.0 = value,
            // Readers take its lower 32 bits.
            2 => found.1 = i64::from(low(value)),
            _ => {}
        }
    }
    found
}

/// The lower 32 bits of a number.
pub(super) fn low(value: i64) -> i32 {
    let bytes = value.to_le_bytes();
    i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

/// A number of an enumeration; readers take its lower 32 bits.
fn symbol<T: Trail>(
    program: &Program,
    known: u32,
    cursor: &mut Cursor<'_>,
    trail: &mut T,
) -> Result<(), Fault> {
    let number = low(cursor.varint()?.cast_signed());
    if program.enums[known as usize].binary_search(&number).is_ok() {
        Ok(())
    } else {
        trail.fault(Fault::Symbol(number))
    }
}

fn packed<T: Trail>(
    program: &Program,
    op: Op,
    cursor: &mut Cursor<'_>,
    trail: &mut T,
) -> Result<(), Fault> {
    match op {
        Op::Enum(known) => {
            let mut inner = Cursor::new(cursor.bytes()?);
            while !inner.rest.is_empty() {
                symbol(program, known, &mut inner, trail)?;
            }
            Ok(())
        }
        Op::Varint => {
            let mut inner = Cursor::new(cursor.bytes()?);
            while !inner.rest.is_empty() {
                inner.varint()?;
            }
            Ok(())
        }
        Op::Fixed32 => whole(cursor.bytes()?, 4),
        Op::Fixed64 => whole(cursor.bytes()?, 8),
        Op::Bytes | Op::Text | Op::Message(_) | Op::Bounded(..) | Op::Group(_) => Err(Fault::Form),
    }
}

fn whole(bytes: &[u8], size: usize) -> Result<(), Fault> {
    if bytes.len().is_multiple_of(size) {
        Ok(())
    } else {
        Err(Fault::Truncated)
    }
}

/// The bytes of the fields with these numbers, as they stand in a message that has passed the walk.
pub(super) fn picked(message: &[u8], numbers: &[u32]) -> Result<Vec<u8>, Fault> {
    let cursor = &mut Cursor::new(message);
    let mut bytes = Vec::with_capacity(message.len().min(256));
    while !cursor.rest.is_empty() {
        let start = cursor.rest;
        let (number, form) = cursor.tag()?;
        skip(cursor, number, form, 0)?;
        if numbers.contains(&number) {
            bytes.extend_from_slice(&start[..start.len() - cursor.rest.len()]);
        }
    }
    Ok(bytes)
}

/// Over a field that the message does not have.
pub(super) fn skip(
    cursor: &mut Cursor<'_>,
    number: u32,
    form: Form,
    depth: u8,
) -> Result<(), Fault> {
    match form {
        Form::Varint => cursor.varint().map(drop),
        Form::Fixed64 => cursor.take(8).map(drop),
        Form::Length => cursor.bytes().map(drop),
        Form::Fixed32 => cursor.take(4).map(drop),
        Form::GroupEnd => Err(Fault::GroupEnd),
        Form::GroupStart => {
            if depth >= MAX_DEPTH {
                return Err(Fault::Depth);
            }
            loop {
                match cursor.tag()? {
                    (end, Form::GroupEnd) if end == number => return Ok(()),
                    (inner, form) => skip(cursor, inner, form, depth + 1)?,
                }
            }
        }
    }
}
