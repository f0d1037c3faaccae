//! Messages and what stands in them.

use super::{Parsed, Parser};
use crate::protobuf::ast::{
    Extensions, Field, Group, Label, MAX_NUMBER, Message, Oneof, Opt, Type, Value,
};
use crate::protobuf::lexer::Token;

impl Parser<'_> {
    pub(super) fn message(&mut self) -> Parsed<Message> {
        self.bump()?;
        let name = self.ident("the message's name")?;
        self.body(name)
    }

    fn body(&mut self, name: String) -> Parsed<Message> {
        self.count_type(&name)?;
        self.expect('{')?;
        let scope = self.scope;
        self.scope += name.len() + 1;
        let found = self.nested(|parser| {
            let mut found = Message {
                name,
                ..Message::default()
            };
            while !parser.eat('}')? {
                parser.member(&mut found)?;
            }
            Ok(found)
        });
        self.scope = scope;
        found
    }

    fn member(&mut self, found: &mut Message) -> Parsed<()> {
        if self.eat(';')? {
            return Ok(());
        }
        let Token::Ident(word) = self.token else {
            if self.is('.') {
                return self.field_into(&mut found.fields, &mut found.groups);
            }
            return self.unexpected("a field, a declaration or `}`");
        };
        match word {
            "message" => found.messages.push(self.message()?),
            "enum" => found.enums.push(self.enumeration()?),
            "oneof" => found.oneofs.push(self.oneof()?),
            "extend" => found.extends.push(self.extend()?),
            "extensions" => found.extensions.push(self.extensions()?),
            "reserved" => found.reserved.push(self.reserved(MAX_NUMBER)?),
            "option" => self.option_statement(&mut found.options)?,
            _ => self.field_into(&mut found.fields, &mut found.groups)?,
        }
        Ok(())
    }

    fn oneof(&mut self) -> Parsed<Oneof> {
        self.bump()?;
        self.count_part()?;
        let mut found = Oneof {
            name: self.ident("the oneof's name")?,
            options: Vec::new(),
            fields: Vec::new(),
            groups: Vec::new(),
        };
        self.expect('{')?;
        while !self.eat('}')? {
            if self.eat(';')? {
                continue;
            }
            if self.is_word("option") {
                self.option_statement(&mut found.options)?;
            } else {
                self.field_into(&mut found.fields, &mut found.groups)?;
            }
        }
        Ok(found)
    }

    fn extensions(&mut self) -> Parsed<Extensions> {
        self.bump()?;
        let mut ranges = Vec::new();
        loop {
            self.count_part()?;
            ranges.push(self.range(MAX_NUMBER)?);
            if !self.eat(',')? {
                break;
            }
        }
        let options = self.options()?;
        self.expect(';')?;
        Ok(Extensions { ranges, options })
    }

    /// A field, or a group, which is a field and a message at once.
    pub(super) fn field_into(
        &mut self,
        fields: &mut Vec<Field>,
        groups: &mut Vec<Group>,
    ) -> Parsed<()> {
        self.count_part()?;
        let label = self.label()?;
        if self.is_word("group") {
            self.bump()?;
            // A message may be named `group` as well: then the field's name and `=` follow as ever.
            if let Token::Ident(name) = self.token
                && name.starts_with(|c: char| c.is_ascii_uppercase())
            {
                groups.push(self.group(label)?);
            } else {
                fields.push(self.field(label, Type::Name("group".to_owned()))?);
            }
            return Ok(());
        }
        let ty = self.field_type()?;
        fields.push(self.field(label, ty)?);
        Ok(())
    }

    fn label(&mut self) -> Parsed<Option<Label>> {
        for label in [Label::Optional, Label::Required, Label::Repeated] {
            if self.eat_word(label.as_str())? {
                return Ok(Some(label));
            }
        }
        Ok(None)
    }

    fn field_type(&mut self) -> Parsed<Type> {
        let name = self.full_name("a type")?;
        if name != "map" || !self.eat('<')? {
            return Ok(Type::Name(name));
        }
        let key = self.full_name("the type of the map's keys")?;
        self.expect(',')?;
        let value = self.full_name("the type of the map's values")?;
        self.expect('>')?;
        Ok(Type::Map(key, value))
    }

    fn field(&mut self, label: Option<Label>, ty: Type) -> Parsed<Field> {
        let name = self.ident("the field's name")?;
        self.expect('=')?;
        let number = self.int("the field's number, 1 to 536870911")?;
        let mut options = self.options()?;
        self.expect(';')?;
        Ok(Field {
            label,
            ty,
            name,
            number,
            default: take(&mut options, "default"),
            json_name: take(&mut options, "json_name"),
            options,
        })
    }

    fn group(&mut self, label: Option<Label>) -> Parsed<Group> {
        let name = self.ident("the group's name")?;
        self.expect('=')?;
        let number = self.int("the group's number, 1 to 536870911")?;
        let field_options = self.options()?;
        Ok(Group {
            label,
            number,
            field_options,
            body: self.body(name)?,
        })
    }
}

/// The value of an option that the language itself defines, taken out of the list.
fn take(options: &mut Vec<Opt>, name: &str) -> Option<Value> {
    let place = options
        .iter()
        .position(|option| option.name == name && option.custom == super::super::ast::Custom::No)?;
    Some(options.remove(place).value)
}
