//! The words of a `.proto` text: names, numbers, strings and signs, each with where it stands.
//!
//! Comments and white space end here: what is canonical cannot depend on them.
//! Source: <https://protobuf.dev/reference/protobuf/proto3-spec/#lexical_elements>

use crate::schema_error::SchemaError;

/// One word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// Letters, digits and `_`; dots stand between them as signs.
    Ident(&'a str),
    /// A number as it is written: `0x1F`, `1.5e3`.
    Number(&'a str),
    /// A string, its escapes read.
    Text(Vec<u8>),
    /// Any other character.
    Sign(char),
    /// There is no more.
    End,
}

impl Token<'_> {
    /// As a message names it.
    pub(super) fn describe(&self) -> String {
        match self {
            Token::Ident(text) | Token::Number(text) => format!("`{}`", cut(text)),
            Token::Text(text) => format!("the string \"{}\"", cut(&String::from_utf8_lossy(text))),
            Token::Sign(sign) => format!("`{sign}`"),
            Token::End => "the end of the text".to_owned(),
        }
    }
}

/// Longest word shown in a message, in characters: enough to find it, too few to flood a log.
const MAX_SHOWN: usize = 40;

fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// Reads words one by one.
#[derive(Debug)]
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            text: text.strip_prefix('\u{feff}').unwrap_or(text),
            at: 0,
        }
    }

    /// The next word and where it starts, in bytes.
    pub(super) fn next(&mut self) -> Result<(Token<'a>, usize), SchemaError> {
        self.skip_blanks()?;
        let start = self.at;
        let Some(first) = self.rest().chars().next() else {
            return Ok((Token::End, start));
        };
        let second = self.rest().as_bytes().get(1);
        let token = match first {
            'a'..='z' | 'A'..='Z' | '_' => Token::Ident(self.take_while(is_word)),
            '0'..='9' => Token::Number(self.number()),
            '.' if second.is_some_and(u8::is_ascii_digit) => Token::Number(self.number()),
            '"' | '\'' => Token::Text(self.string(first)?),
            _ => {
                self.at += first.len_utf8();
                Token::Sign(first)
            }
        };
        Ok((token, start))
    }

    /// An error about the place `at`, in the words of the reader: line and column, both from 1.
    pub(super) fn error(&self, at: usize, problem: impl Into<String>) -> SchemaError {
        let before = &self.text[..at.min(self.text.len())];
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        SchemaError::Invalid {
            path: format!("line {line} column {column}"),
            problem: problem.into(),
        }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn skip_blanks(&mut self) -> Result<(), SchemaError> {
        loop {
            self.take_while(char::is_whitespace);
            let rest = self.rest();
            if rest.starts_with("//") {
                self.take_while(|c| c != '\n');
            } else if let Some(comment) = rest.strip_prefix("/*") {
                let Some(end) = comment.find("*/") else {
                    return Err(self.error(self.at, "a comment that does not end, expected `*/`"));
                };
                self.at += end + 4;
            } else {
                return Ok(());
            }
        }
    }

    /// Digits of any base with what may stand among them; a sign only after the `e` of an exponent.
    fn number(&mut self) -> &'a str {
        let rest = self.rest();
        let hexadecimal = rest.starts_with("0x") || rest.starts_with("0X");
        let mut end = 0;
        let mut before = ' ';
        for (index, c) in rest.char_indices() {
            let exponent = !hexadecimal && matches!(before, 'e' | 'E') && matches!(c, '+' | '-');
            if !(is_word(c) || c == '.' || exponent) {
                break;
            }
            end = index + c.len_utf8();
            before = c;
        }
        self.at += end;
        &rest[..end]
    }

    fn string(&mut self, quote: char) -> Result<Vec<u8>, SchemaError> {
        let start = self.at;
        self.at += 1;
        let mut value = Vec::new();
        loop {
            let Some(c) = self.rest().chars().next() else {
                return Err(self.error(
                    start,
                    format!("a string that does not end, expected `{quote}`"),
                ));
            };
            self.at += c.len_utf8();
            match c {
                '\n' => {
                    return Err(self.error(
                        start,
                        format!("a string that does not end on its line, expected `{quote}`"),
                    ));
                }
                '\\' => self.escape(&mut value)?,
                _ if c == quote => return Ok(value),
                _ => value.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
    }

    fn escape(&mut self, value: &mut Vec<u8>) -> Result<(), SchemaError> {
        let start = self.at - 1;
        let wrong = |lexer: &Self| lexer.error(start, "an escape that no string may hold");
        let c = self.rest().chars().next().ok_or_else(|| wrong(self))?;
        self.at += c.len_utf8();
        let simple = match c {
            'a' => 7,
            'b' => 8,
            't' => b'\t',
            'n' => b'\n',
            'v' => 11,
            'f' => 12,
            'r' => b'\r',
            '\\' | '\'' | '"' | '?' => u8::try_from(c).map_err(|_| wrong(self))?,
            '0'..='7' => {
                self.at -= 1;
                self.code(8, 3)
                    .and_then(|code| u8::try_from(code).ok())
                    .ok_or_else(|| wrong(self))?
            }
            'x' | 'X' => self
                .code(16, 2)
                .and_then(|code| u8::try_from(code).ok())
                .ok_or_else(|| wrong(self))?,
            'u' | 'U' => {
                let digits = if c == 'u' { 4 } else { 8 };
                let code = self
                    .code(16, digits)
                    .and_then(char::from_u32)
                    .ok_or_else(|| wrong(self))?;
                value.extend_from_slice(code.encode_utf8(&mut [0; 4]).as_bytes());
                return Ok(());
            }
            _ => return Err(wrong(self)),
        };
        value.push(simple);
        Ok(())
    }

    /// Up to `most` digits of a character's code.
    fn code(&mut self, radix: u32, most: usize) -> Option<u32> {
        let rest = self.rest();
        let end = rest
            .find(|c: char| !c.is_digit(radix))
            .unwrap_or(rest.len())
            .min(most);
        self.at += end;
        u32::from_str_radix(&rest[..end], radix).ok()
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}
