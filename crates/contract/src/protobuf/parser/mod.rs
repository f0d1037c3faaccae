//! From words to the tree: one function for each rule of the grammar, with the limits that keep hostile text cheap.
//!
//! It reads what the reference's parser reads; whether the names mean something is for [`super::compile`] to say.
//! Source: <https://protobuf.dev/reference/protobuf/proto2-spec/>

mod message;
mod option;

pub(crate) use option::Members;

use super::ast::{
    Enum, EnumValue, Extend, File, Flow, MAX_NUMBER, Parameter, Reserved, Rpc, Service,
};
use super::lexer::{Lexer, Token};
use crate::schema_error::{MAX_SCHEMA_BYTES, SchemaError};

/// Deepest nesting of messages and groups, and of an option's value: what `protoc` allows, and what fits any stack.
pub(super) const MAX_DEPTH: usize = 31;

/// Most messages and enums of one text. The largest public schemas have some thousands.
pub(super) const MAX_TYPES: usize = 10_000;

/// Most fields, values, methods and options of one text; a text of [`MAX_SCHEMA_BYTES`] holds no more of a useful length.
pub(super) const MAX_PARTS: usize = 60_000;

/// Most options of one thing: normalizing merges them one by one.
pub(super) const MAX_OPTIONS: usize = 1_000;

/// Most imports of one text.
pub(super) const MAX_IMPORTS: usize = 1_000;

/// Longest full name of a message or an enum, in bytes, and most parts of a package's name: every field is looked up
/// in every scope around it, so long names cost fields times scopes.
pub(super) const MAX_NAME: usize = 512;
const MAX_PACKAGE_PARTS: usize = 32;

type Parsed<T> = Result<T, SchemaError>;

/// Parse a text.
pub(super) fn parse(text: &str) -> Parsed<File> {
    check_limit(text.len(), MAX_SCHEMA_BYTES, "bytes")?;
    let mut lexer = Lexer::new(text);
    let (token, at) = lexer.next()?;
    let mut parser = Parser {
        lexer,
        token,
        at,
        depth: 0,
        scope: 0,
        types: 0,
        parts: 0,
    };
    parser.file()
}

/// Whether there are no more than we are ready to check.
pub(super) fn check_limit(found: usize, limit: usize, unit: &'static str) -> Parsed<()> {
    if found > limit {
        return Err(SchemaError::TooLarge { found, limit, unit });
    }
    Ok(())
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    /// The word to be read next, and where it starts.
    token: Token<'a>,
    at: usize,
    depth: usize,
    /// Bytes of the names around this place.
    scope: usize,
    types: usize,
    parts: usize,
}

impl<'a> Parser<'a> {
    fn bump(&mut self) -> Parsed<Token<'a>> {
        let (token, at) = self.lexer.next()?;
        self.at = at;
        Ok(std::mem::replace(&mut self.token, token))
    }

    fn unexpected<T>(&self, expected: &str) -> Parsed<T> {
        let problem = format!("expected {expected}, found {}", self.token.describe());
        Err(self.lexer.error(self.at, problem))
    }

    fn is(&self, sign: char) -> bool {
        self.token == Token::Sign(sign)
    }

    fn is_word(&self, word: &str) -> bool {
        self.token == Token::Ident(word)
    }

    fn eat(&mut self, sign: char) -> Parsed<bool> {
        let found = self.is(sign);
        if found {
            self.bump()?;
        }
        Ok(found)
    }

    fn eat_word(&mut self, word: &str) -> Parsed<bool> {
        let found = self.is_word(word);
        if found {
            self.bump()?;
        }
        Ok(found)
    }

    fn expect(&mut self, sign: char) -> Parsed<()> {
        if self.eat(sign)? {
            Ok(())
        } else {
            self.unexpected(&format!("`{sign}`"))
        }
    }

    fn expect_word(&mut self, word: &str) -> Parsed<()> {
        if self.eat_word(word)? {
            Ok(())
        } else {
            self.unexpected(&format!("`{word}`"))
        }
    }

    fn ident(&mut self, what: &str) -> Parsed<String> {
        let Token::Ident(name) = self.token else {
            return self.unexpected(what);
        };
        let name = name.to_owned();
        self.bump()?;
        Ok(name)
    }

    /// A name with dots in it, and before it where the name is full.
    fn full_name(&mut self, what: &str) -> Parsed<String> {
        let mut name = String::new();
        if self.eat('.')? {
            name.push('.');
        }
        name += &self.ident(what)?;
        while self.eat('.')? {
            name.push('.');
            name += &self.ident("a name")?;
        }
        Ok(name)
    }

    /// Adjacent strings are one.
    fn text(&mut self, what: &str) -> Parsed<Vec<u8>> {
        if !matches!(self.token, Token::Text(_)) {
            return self.unexpected(what);
        }
        let mut value = Vec::new();
        while let Token::Text(_) = self.token {
            if let Token::Text(part) = self.bump()? {
                value.extend_from_slice(&part);
            }
        }
        Ok(value)
    }

    fn utf8(&mut self, what: &str) -> Parsed<String> {
        let at = self.at;
        let bytes = self.text(what)?;
        String::from_utf8(bytes)
            .map_err(|_| self.lexer.error(at, format!("{what} that is not UTF-8")))
    }

    /// An integer in decimal, octal or hexadecimal.
    fn int(&mut self, what: &str) -> Parsed<i32> {
        let start = self.at;
        let sign = if self.eat('-')? { "-" } else { "" };
        let Token::Number(text) = self.token else {
            return self.unexpected(what);
        };
        let number = integer(text)
            .map(|number| if sign.is_empty() { number } else { -number })
            .and_then(|number| i32::try_from(number).ok());
        let Some(number) = number else {
            let problem = format!("expected {what}, found `{sign}{text}`");
            return Err(self.lexer.error(start, problem));
        };
        self.bump()?;
        Ok(number)
    }

    fn count_part(&mut self) -> Parsed<()> {
        self.parts += 1;
        check_limit(self.parts, MAX_PARTS, "fields, values and options")
    }

    fn count_type(&mut self, name: &str) -> Parsed<()> {
        self.types += 1;
        check_limit(self.types, MAX_TYPES, "messages and enums")?;
        check_limit(self.scope + name.len(), MAX_NAME, "bytes in a full name")
    }

    /// One level deeper, for as long as `read` runs.
    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth == MAX_DEPTH {
            return Err(SchemaError::TooLarge {
                found: MAX_DEPTH + 1,
                limit: MAX_DEPTH,
                unit: "levels of nesting",
            });
        }
        self.depth += 1;
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn file(&mut self) -> Parsed<File> {
        let mut file = File::default();
        if self.eat_word("syntax")? {
            self.expect('=')?;
            let at = self.at;
            let syntax = self.utf8("the syntax's name")?;
            if !matches!(syntax.as_str(), "proto2" | "proto3") {
                let problem = format!("expected \"proto2\" or \"proto3\", found \"{syntax}\"");
                return Err(self.lexer.error(at, problem));
            }
            file.syntax = Some(syntax);
            self.expect(';')?;
        } else if self.is_word("edition") {
            let problem =
                "editions are not read by this version; write syntax = \"proto3\" or \"proto2\"";
            return Err(self.lexer.error(self.at, problem));
        }
        while self.token != Token::End {
            self.statement(&mut file)?;
        }
        Ok(file)
    }

    fn statement(&mut self, file: &mut File) -> Parsed<()> {
        let Token::Ident(word) = self.token else {
            return if self.eat(';')? {
                Ok(())
            } else {
                self.unexpected("a declaration")
            };
        };
        match word {
            "package" => self.package(file),
            "import" => self.import(file),
            "option" => self.option_statement(&mut file.options),
            "message" => {
                file.messages.push(self.message()?);
                Ok(())
            }
            "enum" => {
                file.enums.push(self.enumeration()?);
                Ok(())
            }
            "extend" => {
                file.extends.push(self.extend()?);
                Ok(())
            }
            "service" => {
                file.services.push(self.service()?);
                Ok(())
            }
            _ => self.unexpected(
                "`package`, `import`, `option`, `message`, `enum`, `extend` or `service`",
            ),
        }
    }

    fn package(&mut self, file: &mut File) -> Parsed<()> {
        let at = self.at;
        self.bump()?;
        let name = self.full_name("the package's name")?;
        if let Some(first) = &file.package {
            let problem = format!("a second package, `{name}` after `{first}`");
            return Err(self.lexer.error(at, problem));
        }
        check_limit(name.len(), MAX_NAME, "bytes in a full name")?;
        check_limit(
            name.split('.').count(),
            MAX_PACKAGE_PARTS,
            "parts of a package's name",
        )?;
        self.scope = name.len();
        file.package = Some(name);
        self.expect(';')
    }

    fn import(&mut self, file: &mut File) -> Parsed<()> {
        self.bump()?;
        let list = if self.eat_word("public")? {
            &mut file.public_imports
        } else if self.eat_word("weak")? {
            &mut file.weak_imports
        } else {
            &mut file.imports
        };
        list.push(self.utf8("the imported file's name")?);
        check_limit(file.all_imports().count(), MAX_IMPORTS, "imports")?;
        self.expect(';')
    }

    fn enumeration(&mut self) -> Parsed<Enum> {
        self.bump()?;
        let mut found = Enum {
            name: self.ident("the enum's name")?,
            ..Enum::default()
        };
        self.count_type(&found.name)?;
        self.expect('{')?;
        while !self.eat('}')? {
            if self.eat(';')? {
                continue;
            }
            if self.is_word("option") {
                self.option_statement(&mut found.options)?;
            } else if self.is_word("reserved") {
                found.reserved.push(self.reserved(i32::MAX)?);
            } else {
                found.values.push(self.enum_value()?);
            }
        }
        Ok(found)
    }

    fn enum_value(&mut self) -> Parsed<EnumValue> {
        self.count_part()?;
        let name = self.ident("a value of the enum, `option`, `reserved` or `}`")?;
        self.expect('=')?;
        let number = self.int("a number from -2147483648 to 2147483647")?;
        let options = self.options()?;
        self.expect(';')?;
        Ok(EnumValue {
            name,
            number,
            options,
        })
    }

    /// `reserved 2, 5 to 9, "foo";`, where the largest number is `max`.
    fn reserved(&mut self, max: i32) -> Parsed<Vec<Reserved>> {
        self.bump()?;
        let mut found = Vec::new();
        loop {
            self.count_part()?;
            if let Token::Text(_) = self.token {
                found.push(Reserved::Name(self.utf8("a reserved name")?));
            } else {
                found.push(self.range(max)?);
            }
            if !self.eat(',')? {
                break;
            }
        }
        self.expect(';')?;
        Ok(found)
    }

    fn range(&mut self, max: i32) -> Parsed<Reserved> {
        let first = self.int("a number or a name in quotes")?;
        if !self.eat_word("to")? {
            return Ok(Reserved::Number(first));
        }
        if self.eat_word("max")? {
            return Ok(Reserved::ToMax(first));
        }
        let last = self.int("a number or `max`")?;
        if max == MAX_NUMBER && last == MAX_NUMBER {
            return Ok(Reserved::ToMax(first));
        }
        Ok(Reserved::Range(first, last))
    }

    fn extend(&mut self) -> Parsed<Extend> {
        self.bump()?;
        let mut found = Extend {
            name: self.full_name("the extended message's name")?,
            fields: Vec::new(),
            groups: Vec::new(),
        };
        self.expect('{')?;
        while !self.eat('}')? {
            if !self.eat(';')? {
                self.field_into(&mut found.fields, &mut found.groups)?;
            }
        }
        Ok(found)
    }

    fn service(&mut self) -> Parsed<Service> {
        self.bump()?;
        let mut found = Service {
            name: self.ident("the service's name")?,
            ..Service::default()
        };
        self.count_type(&found.name)?;
        self.expect('{')?;
        while !self.eat('}')? {
            if self.eat(';')? {
                continue;
            }
            if self.is_word("option") {
                self.option_statement(&mut found.options)?;
            } else {
                found.rpcs.push(self.rpc()?);
            }
        }
        Ok(found)
    }

    fn rpc(&mut self) -> Parsed<Rpc> {
        self.count_part()?;
        if !self.eat_word("rpc")? {
            return self.unexpected("`rpc`, `option` or `}`");
        }
        let name = self.ident("the method's name")?;
        let request = self.parameter()?;
        self.expect_word("returns")?;
        let mut found = Rpc {
            name,
            request,
            response: self.parameter()?,
            options: Vec::new(),
        };
        if self.eat(';')? {
            return Ok(found);
        }
        if !self.eat('{')? {
            return self.unexpected("`;` or `{`");
        }
        while !self.eat('}')? {
            if self.eat(';')? {
                continue;
            }
            if !self.is_word("option") {
                return self.unexpected("`option` or `}`");
            }
            self.option_statement(&mut found.options)?;
        }
        Ok(found)
    }

    fn parameter(&mut self) -> Parsed<Parameter> {
        self.expect('(')?;
        let flow = if self.eat_word("stream")? {
            Flow::Stream
        } else {
            Flow::One
        };
        let ty = self.full_name("a message's name")?;
        self.expect(')')?;
        Ok(Parameter { ty, flow })
    }
}

/// The value of an integer's text, which has no sign.
pub(super) fn integer(text: &str) -> Option<i64> {
    let hexadecimal = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    match hexadecimal {
        Some(digits) => i64::from_str_radix(digits, 16).ok(),
        None if text.len() > 1 && text.starts_with('0') => i64::from_str_radix(text, 8).ok(),
        None => text.parse().ok(),
    }
}
