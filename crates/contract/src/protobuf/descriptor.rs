//! A serialized file descriptor instead of a text, as Confluent's Python client registers: back to the tree of a text.
//!
//! As in the reference, map entries stay written-out messages, and the values of custom options are dropped: without
//! the definitions of their extensions they are bytes without a meaning.

use super::ast::{
    Custom, Enum, EnumValue, Extend, Extensions, Field, File, Flow, Group, Label, MAX_NUMBER,
    Message, Oneof, Opt, Parameter, Reserved, Rpc, Service, Type, Value,
};
use super::lexer::{Lexer, Token};
use super::parser::MAX_DEPTH;
use crate::schema_error::SchemaError;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prost::Message as _;
use prost_types::field_descriptor_proto::Type as Kind;
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto,
    ServiceDescriptorProto,
};

/// The descriptor that a text may be: `None` where it is not base64 of one.
pub(super) fn decode(text: &str) -> Option<FileDescriptorProto> {
    let bytes = STANDARD.decode(text.trim()).ok()?;
    let file = FileDescriptorProto::decode(bytes.as_slice()).ok()?;
    let says_something = file != FileDescriptorProto::default();
    says_something.then_some(file)
}

/// The tree of a descriptor.
pub(super) fn to_ast(file: &FileDescriptorProto) -> Result<File, SchemaError> {
    let scope = Scope {
        proto3: file.syntax() == "proto3",
    };
    if file.syntax() == "editions" {
        return Err(SchemaError::invalid(
            "",
            "editions are not read by this version",
        ));
    }
    let mut found = File {
        syntax: file.syntax.clone().filter(|syntax| !syntax.is_empty()),
        package: file.package.clone().filter(|package| !package.is_empty()),
        options: file.options.as_ref().map(file_options).unwrap_or_default(),
        enums: file.enum_type.iter().map(enumeration).collect(),
        extends: scope.extends(&file.extension)?,
        services: file.service.iter().map(service).collect(),
        ..File::default()
    };
    for (index, name) in (0i32..).zip(&file.dependency) {
        let list = if file.public_dependency.contains(&index) {
            &mut found.public_imports
        } else if file.weak_dependency.contains(&index) {
            &mut found.weak_imports
        } else {
            &mut found.imports
        };
        list.push(name.clone());
    }
    for message in &file.message_type {
        found.messages.push(scope.message(message, MAX_DEPTH)?);
    }
    Ok(found)
}

#[derive(Debug, Clone, Copy)]
struct Scope {
    proto3: bool,
}

impl Scope {
    fn message(self, found: &DescriptorProto, depth: usize) -> Result<Message, SchemaError> {
        if depth == 0 {
            return Err(SchemaError::TooLarge {
                found: MAX_DEPTH + 1,
                limit: MAX_DEPTH,
                unit: "levels of nesting",
            });
        }
        let mut message = Message {
            name: found.name().to_owned(),
            options: found
                .options
                .as_ref()
                .map(message_options)
                .unwrap_or_default(),
            extends: self.extends(&found.extension)?,
            enums: found.enum_type.iter().map(enumeration).collect(),
            ..Message::default()
        };
        for nested in &found.nested_type {
            message.messages.push(self.message(nested, depth - 1)?);
        }
        message.oneofs = found
            .oneof_decl
            .iter()
            .map(|one| oneof(one.name()))
            .collect();
        for field in &found.field {
            self.add_field(field, &mut message)?;
        }
        message
            .oneofs
            .retain(|one| !(one.fields.is_empty() && one.groups.is_empty()));
        set_aside(found, &mut message);
        Ok(message)
    }

    fn add_field(
        self,
        field: &FieldDescriptorProto,
        message: &mut Message,
    ) -> Result<(), SchemaError> {
        let oneof = match field.oneof_index {
            Some(index) if !field.proto3_optional() => {
                Some(usize::try_from(index).unwrap_or(usize::MAX))
            }
            _ => None,
        };
        let place = match oneof {
            None => None,
            Some(index) => Some(message.oneofs.get_mut(index).ok_or_else(|| {
                let problem = format!(
                    "the field `{}` is of a oneof that there is not",
                    field.name()
                );
                SchemaError::invalid("", problem)
            })?),
        };
        if field.r#type() == Kind::Group {
            let group = self.group(field, oneof.is_some(), &mut message.messages)?;
            place
                .map_or(&mut message.groups, |oneof| &mut oneof.groups)
                .push(group);
        } else {
            let mut field = self.field(field);
            if oneof.is_some() {
                field.label = None;
            }
            place
                .map_or(&mut message.fields, |oneof| &mut oneof.fields)
                .push(field);
        }
        Ok(())
    }

    /// A group's message is a nested one with its name.
    fn group(
        self,
        field: &FieldDescriptorProto,
        in_oneof: bool,
        messages: &mut Vec<Message>,
    ) -> Result<Group, SchemaError> {
        let name = field.type_name().rsplit('.').next().unwrap_or_default();
        let place = messages
            .iter()
            .position(|message| message.name == name)
            .ok_or_else(|| {
                SchemaError::invalid("", format!("the group `{name}` has no message beside it"))
            })?;
        Ok(Group {
            label: if in_oneof { None } else { self.label(field) },
            number: field.number(),
            field_options: Vec::new(),
            body: messages.remove(place),
        })
    }

    fn label(self, field: &FieldDescriptorProto) -> Option<Label> {
        use prost_types::field_descriptor_proto::Label as L;
        match field.label() {
            L::Repeated => Some(Label::Repeated),
            L::Optional if !self.proto3 || field.proto3_optional() => Some(Label::Optional),
            L::Required if !self.proto3 => Some(Label::Required),
            L::Optional | L::Required => None,
        }
    }

    fn field(self, field: &FieldDescriptorProto) -> Field {
        let text = |text: &String| Value::Text(text.clone().into_bytes());
        Field {
            label: self.label(field),
            ty: Type::Name(type_name(field)),
            name: field.name().to_owned(),
            number: field.number(),
            options: field
                .options
                .as_ref()
                .map(field_options)
                .unwrap_or_default(),
            default: match &field.default_value {
                Some(value) if !self.proto3 => Some(default_value(field.r#type(), value)),
                _ => None,
            },
            json_name: field.json_name.as_ref().map(text),
        }
    }

    /// The fields of one extended message stand together.
    fn extends(self, fields: &[FieldDescriptorProto]) -> Result<Vec<Extend>, SchemaError> {
        let mut found: Vec<Extend> = Vec::new();
        for field in fields {
            if field.r#type() == Kind::Group {
                let problem = format!("the extension `{}` is a group", field.name());
                return Err(SchemaError::invalid("", problem));
            }
            let known = found
                .iter_mut()
                .find(|extend| extend.name == field.extendee());
            match known {
                Some(extend) => extend.fields.push(self.field(field)),
                None => found.push(Extend {
                    name: field.extendee().to_owned(),
                    fields: vec![self.field(field)],
                    groups: Vec::new(),
                }),
            }
        }
        Ok(found)
    }
}

/// The numbers and names that nothing may use, or only others.
fn set_aside(found: &DescriptorProto, message: &mut Message) {
    let numbers = found
        .reserved_range
        .iter()
        .map(|range| half_open(range.start(), range.end()));
    let names = found.reserved_name.iter().cloned().map(Reserved::Name);
    message.reserved = numbers.chain(names).map(|one| vec![one]).collect();
    for range in &found.extension_range {
        message.extensions.push(Extensions {
            ranges: vec![half_open(range.start(), range.end())],
            options: Vec::new(),
        });
    }
}

fn oneof(name: &str) -> Oneof {
    Oneof {
        name: name.to_owned(),
        options: Vec::new(),
        fields: Vec::new(),
        groups: Vec::new(),
    }
}

fn half_open(start: i32, end: i32) -> Reserved {
    match end.saturating_sub(1) {
        last if last == start => Reserved::Number(start),
        last if last >= MAX_NUMBER => Reserved::ToMax(start),
        last => Reserved::Range(start, last),
    }
}

fn type_name(field: &FieldDescriptorProto) -> String {
    match &field.type_name {
        Some(name) => name.clone(),
        None => field
            .r#type()
            .as_str_name()
            .trim_start_matches("TYPE_")
            .to_lowercase(),
    }
}

fn default_value(kind: Kind, value: &str) -> Value {
    match kind {
        Kind::String => Value::Text(value.as_bytes().to_vec()),
        Kind::Bytes => Value::Text(unescape(value)),
        Kind::Bool | Kind::Enum => Value::Word(value.to_owned()),
        Kind::Float | Kind::Double if matches!(value, "inf" | "nan") => {
            Value::Word(value.to_owned())
        }
        Kind::Double
        | Kind::Float
        | Kind::Int64
        | Kind::Uint64
        | Kind::Int32
        | Kind::Fixed64
        | Kind::Fixed32
        | Kind::Group
        | Kind::Message
        | Kind::Uint32
        | Kind::Sfixed32
        | Kind::Sfixed64
        | Kind::Sint32
        | Kind::Sint64 => Value::Number(value.to_owned()),
    }
}

/// The bytes of a `bytes` field's default, which descriptors hold escaped.
fn unescape(value: &str) -> Vec<u8> {
    match Lexer::new(&format!("\"{value}\"")).next() {
        Ok((Token::Text(bytes), _)) => bytes,
        _ => value.as_bytes().to_vec(),
    }
}

fn enumeration(found: &EnumDescriptorProto) -> Enum {
    let range = |start: i32, end: i32| match end {
        last if last == start => Reserved::Number(start),
        i32::MAX => Reserved::ToMax(start),
        last => Reserved::Range(start, last),
    };
    let numbers = found
        .reserved_range
        .iter()
        .map(|one| range(one.start(), one.end()));
    let names = found.reserved_name.iter().cloned().map(Reserved::Name);
    let options = found.options.as_ref();
    Enum {
        name: found.name().to_owned(),
        reserved: numbers.chain(names).map(|one| vec![one]).collect(),
        options: flags([
            (
                "allow_alias",
                options.and_then(|options| options.allow_alias),
            ),
            ("deprecated", options.and_then(|options| options.deprecated)),
        ]),
        values: found
            .value
            .iter()
            .map(|value| EnumValue {
                name: value.name().to_owned(),
                number: value.number(),
                options: flags([(
                    "deprecated",
                    value
                        .options
                        .as_ref()
                        .and_then(|options| options.deprecated),
                )]),
            })
            .collect(),
    }
}

fn service(found: &ServiceDescriptorProto) -> Service {
    let parameter = |name: &str, stream: bool| Parameter {
        ty: name.to_owned(),
        flow: if stream { Flow::Stream } else { Flow::One },
    };
    let rpcs = found.method.iter().map(|method| {
        let options = method.options.as_ref();
        let mut rpc = Rpc {
            name: method.name().to_owned(),
            request: parameter(method.input_type(), method.client_streaming()),
            response: parameter(method.output_type(), method.server_streaming()),
            options: flags([("deprecated", options.and_then(|options| options.deprecated))]),
        };
        if let Some(options) = options.filter(|options| options.idempotency_level.is_some()) {
            let level = options.idempotency_level().as_str_name();
            rpc.options.push(word("idempotency_level", level));
        }
        rpc
    });
    let deprecated = found
        .options
        .as_ref()
        .and_then(|options| options.deprecated);
    Service {
        name: found.name().to_owned(),
        options: flags([("deprecated", deprecated)]),
        rpcs: rpcs.collect(),
    }
}

fn word(name: &str, value: &str) -> Opt {
    Opt {
        name: name.to_owned(),
        custom: Custom::No,
        value: Value::Word(value.to_owned()),
    }
}

fn flags<const N: usize>(flags: [(&str, Option<bool>); N]) -> Vec<Opt> {
    flags
        .into_iter()
        .filter_map(|(name, value)| Some(word(name, if value? { "true" } else { "false" })))
        .collect()
}

fn texts<const N: usize>(texts: [(&str, &Option<String>); N]) -> Vec<Opt> {
    texts
        .into_iter()
        .filter_map(|(name, value)| {
            Some(Opt {
                name: name.to_owned(),
                custom: Custom::No,
                value: Value::Text(value.clone()?.into_bytes()),
            })
        })
        .collect()
}

fn file_options(options: &prost_types::FileOptions) -> Vec<Opt> {
    let mut found = texts([
        ("java_package", &options.java_package),
        ("java_outer_classname", &options.java_outer_classname),
    ]);
    #[expect(
        deprecated,
        reason = "what a descriptor says is kept, whatever became of the option"
    )]
    let equals = options.java_generate_equals_and_hash;
    found.extend(flags([
        ("java_multiple_files", options.java_multiple_files),
        ("java_generate_equals_and_hash", equals),
        ("java_string_check_utf8", options.java_string_check_utf8),
    ]));
    if options.optimize_for.is_some() {
        found.push(word("optimize_for", options.optimize_for().as_str_name()));
    }
    found.extend(texts([("go_package", &options.go_package)]));
    found.extend(flags([
        ("cc_generic_services", options.cc_generic_services),
        ("java_generic_services", options.java_generic_services),
        ("py_generic_services", options.py_generic_services),
        ("deprecated", options.deprecated),
        ("cc_enable_arenas", options.cc_enable_arenas),
    ]));
    found.extend(texts([
        ("objc_class_prefix", &options.objc_class_prefix),
        ("csharp_namespace", &options.csharp_namespace),
        ("swift_prefix", &options.swift_prefix),
        ("php_class_prefix", &options.php_class_prefix),
        ("php_namespace", &options.php_namespace),
        ("php_metadata_namespace", &options.php_metadata_namespace),
        ("ruby_package", &options.ruby_package),
    ]));
    found
}

fn message_options(options: &prost_types::MessageOptions) -> Vec<Opt> {
    flags([
        ("message_set_wire_format", options.message_set_wire_format),
        (
            "no_standard_descriptor_accessor",
            options.no_standard_descriptor_accessor,
        ),
        ("deprecated", options.deprecated),
        ("map_entry", options.map_entry),
    ])
}

fn field_options(options: &prost_types::FieldOptions) -> Vec<Opt> {
    let mut found = Vec::new();
    if options.ctype.is_some() {
        found.push(word("ctype", options.ctype().as_str_name()));
    }
    found.extend(flags([("packed", options.packed)]));
    if options.jstype.is_some() {
        found.push(word("jstype", options.jstype().as_str_name()));
    }
    found.extend(flags([
        ("lazy", options.lazy),
        ("deprecated", options.deprecated),
    ]));
    found
}
