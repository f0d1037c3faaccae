//! The text of a tree: the form in which the reference stores a schema, and in which its identity is computed.
//!
//! Messages stand before enums, fields before oneofs, two spaces for each level; an empty line between the sections
//! of a message, indented like the rest.

use super::ast::{
    Custom, Enum, EnumValue, Extend, Extensions, Field, File, Flow, Group, Message, Oneof, Opt,
    Parameter, Reserved, Rpc, Service, Type, Value,
};
use std::fmt::Write;

/// The text of a file.
pub(crate) fn file(file: &File) -> String {
    let mut printer = Printer::default();
    printer.file(file);
    printer.out
}

/// A message, group, enum, oneof or service being written: its sections are set apart by empty lines.
#[derive(Debug, Clone, Copy)]
enum Section {
    First,
    Later,
}

#[derive(Debug, Default)]
struct Printer {
    out: String,
    depth: usize,
}

impl Printer {
    fn file(&mut self, file: &File) {
        if let Some(syntax) = &file.syntax {
            self.put(&["syntax = \"", syntax, "\";\n"]);
        }
        if let Some(package) = &file.package {
            self.put(&["package ", package, ";\n"]);
        }
        if file.all_imports().next().is_some() {
            self.out.push('\n');
        }
        let kinds = [
            ("", &file.imports),
            ("public ", &file.public_imports),
            ("weak ", &file.weak_imports),
        ];
        for (kind, names) in kinds {
            for name in names {
                self.put(&["import ", kind, "\""]);
                escape(name.as_bytes(), &mut self.out);
                self.out.push_str("\";\n");
            }
        }
        if !file.options.is_empty() {
            self.out.push('\n');
            self.option_statements(&file.options);
        }
        if !(file.messages.is_empty() && file.enums.is_empty()) {
            self.out.push('\n');
            file.messages.iter().for_each(|one| self.message(one));
            file.enums.iter().for_each(|one| self.enumeration(one));
        }
        if !file.extends.is_empty() {
            self.out.push('\n');
            file.extends.iter().for_each(|one| self.extend(one));
        }
        if !file.services.is_empty() {
            self.out.push('\n');
            file.services.iter().for_each(|one| self.service(one));
        }
    }

    fn put(&mut self, parts: &[&str]) {
        parts.iter().for_each(|part| self.out.push_str(part));
    }

    fn indent(&mut self) {
        for _ in 0..self.depth {
            self.out.push_str("  ");
        }
    }

    /// The start of a line.
    fn line(&mut self, parts: &[&str]) {
        self.indent();
        self.put(parts);
    }

    fn section<T>(&mut self, before: &mut Section, items: &[T], write: impl Fn(&mut Self, &T)) {
        if items.is_empty() {
            return;
        }
        self.separate(before);
        self.depth += 1;
        items.iter().for_each(|item| write(self, item));
        self.depth -= 1;
    }

    fn separate(&mut self, before: &mut Section) {
        if let Section::Later = before {
            self.indent();
        }
        self.out.push('\n');
        *before = Section::Later;
    }

    /// The end of a block; one that is empty stands on one line.
    fn close(&mut self, before: Section) {
        if let Section::Later = before {
            self.indent();
        }
        self.out.push_str("}\n");
    }

    fn message(&mut self, message: &Message) {
        self.line(&["message ", &message.name, " {"]);
        self.body(message);
    }

    fn body(&mut self, message: &Message) {
        let mut at = Section::First;
        self.section(&mut at, &message.reserved, |p, one| p.reserved(one));
        self.section(&mut at, &message.options, Self::option_statement);
        self.section(&mut at, &message.fields, Self::field);
        self.section(&mut at, &message.oneofs, Self::oneof);
        self.section(&mut at, &message.groups, Self::group);
        self.section(&mut at, &message.extensions, Self::extensions);
        self.section(&mut at, &message.extends, Self::extend);
        if !(message.messages.is_empty() && message.enums.is_empty()) {
            self.separate(&mut at);
            self.depth += 1;
            message.messages.iter().for_each(|one| self.message(one));
            message.enums.iter().for_each(|one| self.enumeration(one));
            self.depth -= 1;
        }
        self.close(at);
    }

    fn enumeration(&mut self, found: &Enum) {
        self.line(&["enum ", &found.name, " {"]);
        let mut at = Section::First;
        if !(found.reserved.is_empty() && found.options.is_empty() && found.values.is_empty()) {
            // One section: the reference sets nothing apart within an enum.
            self.separate(&mut at);
        }
        self.depth += 1;
        found.reserved.iter().for_each(|one| self.reserved(one));
        self.option_statements(&found.options);
        found.values.iter().for_each(|one| self.enum_value(one));
        self.depth -= 1;
        self.close(at);
    }

    fn enum_value(&mut self, value: &EnumValue) {
        self.line(&[&value.name, " = ", &value.number.to_string()]);
        self.options(value.options.iter());
        self.out.push_str(";\n");
    }

    fn reserved(&mut self, values: &[Reserved]) {
        self.line(&["reserved "]);
        self.ranges(values);
        self.out.push_str(";\n");
    }

    fn ranges(&mut self, values: &[Reserved]) {
        for (index, value) in values.iter().enumerate() {
            if index > 0 {
                self.out.push_str(", ");
            }
            match value {
                Reserved::Name(name) => {
                    self.out.push('"');
                    escape(name.as_bytes(), &mut self.out);
                    self.out.push('"');
                }
                Reserved::Number(number) => self.put(&[&number.to_string()]),
                Reserved::Range(first, last) => {
                    self.put(&[&first.to_string(), " to ", &last.to_string()]);
                }
                Reserved::ToMax(first) => self.put(&[&first.to_string(), " to max"]),
            }
        }
    }

    fn extensions(&mut self, found: &Extensions) {
        self.line(&["extensions "]);
        self.ranges(&found.ranges);
        self.options(found.options.iter());
        self.out.push_str(";\n");
    }

    fn oneof(&mut self, oneof: &Oneof) {
        self.line(&["oneof ", &oneof.name, " {"]);
        let mut at = Section::First;
        self.section(&mut at, &oneof.options, Self::option_statement);
        self.section(&mut at, &oneof.fields, Self::field);
        self.section(&mut at, &oneof.groups, Self::group);
        self.close(at);
    }

    fn group(&mut self, group: &Group) {
        self.indent();
        if let Some(label) = group.label {
            self.put(&[label.as_str(), " "]);
        }
        let number = group.number.to_string();
        self.put(&["group ", &group.body.name, " = ", &number]);
        self.options(group.field_options.iter());
        self.out.push_str(" {");
        self.body(&group.body);
    }

    fn extend(&mut self, extend: &Extend) {
        self.line(&["extend ", &extend.name, " {"]);
        let mut at = Section::First;
        self.section(&mut at, &extend.fields, Self::field);
        self.section(&mut at, &extend.groups, Self::group);
        self.close(at);
    }

    fn field(&mut self, field: &Field) {
        self.indent();
        if let Some(label) = field.label {
            self.put(&[label.as_str(), " "]);
        }
        match &field.ty {
            Type::Name(name) => self.put(&[name]),
            Type::Map(key, value) => self.put(&["map<", key, ", ", value, ">"]),
        }
        self.put(&[" ", &field.name, " = ", &field.number.to_string()]);
        let own = [("default", &field.default), ("json_name", &field.json_name)];
        let own = own.map(|(name, value)| {
            value.clone().map(|value| Opt {
                name: name.to_owned(),
                custom: Custom::No,
                value,
            })
        });
        self.options(field.options.iter().chain(own.iter().flatten()));
        self.out.push_str(";\n");
    }

    fn service(&mut self, service: &Service) {
        self.line(&["service ", &service.name, " {"]);
        let mut at = Section::First;
        self.section(&mut at, &service.options, Self::option_statement);
        self.section(&mut at, &service.rpcs, Self::rpc);
        self.close(at);
    }

    fn rpc(&mut self, rpc: &Rpc) {
        self.line(&["rpc ", &rpc.name, " ("]);
        self.parameter(&rpc.request);
        self.out.push_str(") returns (");
        self.parameter(&rpc.response);
        self.out.push(')');
        if !rpc.options.is_empty() {
            self.out.push_str(" {\n");
            self.depth += 1;
            self.option_statements(&rpc.options);
            self.depth -= 1;
            self.line(&["}"]);
        }
        self.out.push_str(";\n");
    }

    fn parameter(&mut self, parameter: &Parameter) {
        match parameter.flow {
            Flow::One => self.put(&[&parameter.ty]),
            Flow::Stream => self.put(&["stream ", &parameter.ty]),
        }
    }

    fn option_statements(&mut self, options: &[Opt]) {
        options.iter().for_each(|one| self.option_statement(one));
    }

    fn option_statement(&mut self, option: &Opt) {
        self.line(&["option "]);
        self.option(option);
        self.out.push_str(";\n");
    }

    /// Options after a field or value: one in its line, several in a line each.
    fn options<'a>(&mut self, mut options: impl Iterator<Item = &'a Opt>) {
        let Some(first) = options.next() else { return };
        let Some(second) = options.next() else {
            self.out.push_str(" [");
            self.option(first);
            self.out.push(']');
            return;
        };
        self.out.push_str(" [\n");
        self.depth += 1;
        for (index, option) in [first, second].into_iter().chain(options).enumerate() {
            if index > 0 {
                self.out.push_str(",\n");
            }
            self.indent();
            self.option(option);
        }
        self.depth -= 1;
        self.out.push('\n');
        self.line(&["]"]);
    }

    fn option(&mut self, option: &Opt) {
        match option.custom {
            Custom::Yes => self.put(&["(", &option.name, ")"]),
            Custom::No => self.put(&[&option.name]),
        }
        if let Value::Part(part) = &option.value {
            self.out.push('.');
            self.option(part);
        } else {
            self.out.push_str(" = ");
            self.value(&option.value);
        }
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Text(bytes) => {
                self.out.push('"');
                escape(bytes, &mut self.out);
                self.out.push('"');
            }
            Value::Word(word) | Value::Number(word) => self.put(&[word]),
            Value::Part(part) => self.option(part),
            Value::Map(members) => self.items(('{', '}'), members, |printer, (key, value)| {
                printer.put(&[key, ": "]);
                printer.value(value);
            }),
            Value::List(values) => self.items(('[', ']'), values, Self::value),
        }
    }

    fn items<T>(&mut self, ends: (char, char), items: &[T], write: impl Fn(&mut Self, &T)) {
        self.out.push(ends.0);
        self.out.push('\n');
        self.depth += 1;
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.out.push_str(",\n");
            }
            self.indent();
            write(self, item);
        }
        self.depth -= 1;
        if !items.is_empty() {
            self.out.push('\n');
        }
        self.indent();
        self.out.push(ends.1);
    }
}

/// A string's content with what may not stand in it escaped; what is not UTF-8 byte by byte.
fn escape(bytes: &[u8], out: &mut String) {
    for chunk in bytes.utf8_chunks() {
        chunk.valid().chars().for_each(|c| escape_char(c, out));
        chunk.invalid().iter().for_each(|byte| octal(*byte, out));
    }
}

fn escape_char(c: char, out: &mut String) {
    let simple = match c {
        '\x07' => "\\a",
        '\x08' => "\\b",
        '\x0c' => "\\f",
        '\n' => "\\n",
        '\r' => "\\r",
        '\t' => "\\t",
        '\x0b' => "\\v",
        '\\' => "\\\\",
        '\'' => "\\'",
        '"' => "\\\"",
        // The reference writes other control characters bare, which no parser takes back.
        _ if c.is_ascii_control() => return octal(c as u8, out),
        _ => return out.push(c),
    };
    out.push_str(simple);
}

fn octal(byte: u8, out: &mut String) {
    write!(out, "\\{byte:03o}").expect("a string takes every text");
}
