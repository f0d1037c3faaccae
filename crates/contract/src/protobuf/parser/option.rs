//! Options and their values, which are a language of their own: protobuf's text format.
//!
//! Source: <https://protobuf.dev/reference/protobuf/textformat-spec/>

use super::{MAX_DEPTH, MAX_OPTIONS, Parsed, Parser, check_limit};
use crate::protobuf::ast::{Custom, Opt, Value};
use crate::protobuf::lexer::Token;
use std::collections::BTreeMap;

impl Parser<'_> {
    /// `option name = value;`
    pub(super) fn option_statement(&mut self, options: &mut Vec<Opt>) -> Parsed<()> {
        self.bump()?;
        options.push(self.option()?);
        check_limit(options.len(), MAX_OPTIONS, "options of one thing")?;
        self.expect(';')
    }

    /// `[name = value, name = value]`, or nothing.
    pub(super) fn options(&mut self) -> Parsed<Vec<Opt>> {
        let mut found = Vec::new();
        if !self.eat('[')? {
            return Ok(found);
        }
        loop {
            found.push(self.option()?);
            check_limit(found.len(), MAX_OPTIONS, "options of one thing")?;
            if self.eat(']')? {
                return Ok(found);
            }
            if !self.eat(',')? {
                return self.unexpected("`,` or `]`");
            }
        }
    }

    fn option(&mut self) -> Parsed<Opt> {
        self.count_part()?;
        let (name, custom) = self.option_name()?;
        // What stands after a name in parentheses is a member of its value; dots in a plain name are part of it.
        let mut parts = Vec::new();
        while self.eat('.')? {
            self.count_part()?;
            parts.push(self.option_part()?);
        }
        check_limit(parts.len(), MAX_DEPTH, "parts of an option's name")?;
        self.expect('=')?;
        let mut value = self.value()?;
        for (name, custom) in parts.into_iter().rev() {
            value = Value::Part(Box::new(Opt {
                name,
                custom,
                value,
            }));
        }
        Ok(Opt {
            name,
            custom,
            value,
        })
    }

    fn option_name(&mut self) -> Parsed<(String, Custom)> {
        if self.is('(') {
            return self.option_part();
        }
        let mut name = self.ident("an option's name")?;
        while self.eat('.')? {
            if self.is('(') {
                return self.unexpected("a name");
            }
            name.push('.');
            name += &self.ident("a name")?;
        }
        Ok((name, Custom::No))
    }

    fn option_part(&mut self) -> Parsed<(String, Custom)> {
        if !self.eat('(')? {
            return Ok((self.ident("a name")?, Custom::No));
        }
        let name = self.full_name("an extension's name")?;
        self.expect(')')?;
        Ok((name, Custom::Yes))
    }

    fn value(&mut self) -> Parsed<Value> {
        match self.token {
            Token::Text(_) => Ok(Value::Text(self.text("a value")?)),
            Token::Number(number) => {
                let number = number.to_owned();
                self.bump()?;
                Ok(Value::Number(number))
            }
            Token::Ident(word) => {
                let word = word.to_owned();
                self.bump()?;
                Ok(Value::Word(word))
            }
            Token::Sign('-') => self.negative(),
            Token::Sign('{') => self.map('}'),
            Token::Sign(_) | Token::End => self.unexpected("a value"),
        }
    }

    fn negative(&mut self) -> Parsed<Value> {
        self.bump()?;
        match self.token {
            Token::Number(word) | Token::Ident(word) => {
                let number = format!("-{word}");
                self.bump()?;
                Ok(Value::Number(number))
            }
            Token::Text(_) | Token::Sign(_) | Token::End => self.unexpected("a number"),
        }
    }

    fn map(&mut self, close: char) -> Parsed<Value> {
        self.bump()?;
        self.nested(|parser| {
            let mut members = Members::default();
            while !parser.eat(close)? {
                parser.count_part()?;
                let key = parser.key()?;
                let colon = parser.eat(':')?;
                if !colon && !parser.is('{') && !parser.is('<') {
                    return parser.unexpected("`:`");
                }
                let value = parser.member_value()?;
                members.add(key, value);
                if !parser.eat(',')? {
                    parser.eat(';')?;
                }
            }
            Ok(Value::Map(members.list))
        })
    }

    /// A member's name, or in brackets that of an extension or of a type.
    fn key(&mut self) -> Parsed<String> {
        if !self.eat('[')? {
            return self.ident("a member's name or `}`");
        }
        let mut key = "[".to_owned();
        loop {
            match self.token {
                Token::Ident(word) | Token::Number(word) => key += word,
                Token::Sign(sign @ ('.' | '/' | '-')) => key.push(sign),
                Token::Sign(']') => break,
                Token::Text(_) | Token::Sign(_) | Token::End => {
                    return self.unexpected("an extension's name");
                }
            }
            self.bump()?;
        }
        self.bump()?;
        key.push(']');
        Ok(key)
    }

    fn member_value(&mut self) -> Parsed<Value> {
        match self.token {
            Token::Sign('<') => self.map('>'),
            Token::Sign('[') => self.list(),
            Token::Ident(_) | Token::Number(_) | Token::Text(_) | Token::Sign(_) | Token::End => {
                self.value()
            }
        }
    }

    fn list(&mut self) -> Parsed<Value> {
        self.bump()?;
        self.nested(|parser| {
            let mut values = Vec::new();
            if parser.eat(']')? {
                return Ok(Value::List(values));
            }
            loop {
                parser.count_part()?;
                values.push(parser.member_value()?);
                if parser.eat(']')? {
                    return Ok(Value::List(values));
                }
                if !parser.eat(',')? {
                    return parser.unexpected("`,` or `]`");
                }
            }
        })
    }
}

/// The members of a message, each name once.
#[derive(Debug, Default)]
pub(crate) struct Members {
    pub(crate) list: Vec<(String, Value)>,
    places: BTreeMap<String, usize>,
}

impl Members {
    /// A member that stands again makes a list of all its values, in the place of the first.
    pub(crate) fn add(&mut self, key: String, value: Value) {
        let Some(&place) = self.places.get(&key) else {
            self.places.insert(key.clone(), self.list.len());
            self.list.push((key, value));
            return;
        };
        let first = &mut self.list[place].1;
        let more = value.into_list();
        if !matches!(first, Value::List(_)) {
            let one = std::mem::replace(first, Value::List(Vec::new()));
            *first = Value::List(vec![one]);
        }
        if let Value::List(values) = first {
            values.extend(more);
        }
    }
}
