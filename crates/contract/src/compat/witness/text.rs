//! Strings that fit: one for each well-known format, and one for a simple pattern.

/// A string of a format.
pub(super) fn of_format(format: &str) -> Option<&'static str> {
    Some(match format {
        "date-time" => "2024-02-29T12:00:00Z",
        "date" => "2024-02-29",
        "time" => "12:00:00Z",
        "duration" => "P1D",
        "email" | "idn-email" => "a@example.com",
        "hostname" | "idn-hostname" => "example.com",
        "ipv4" => "192.0.2.1",
        "ipv6" => "2001:db8::1",
        "uri" | "uri-reference" | "iri" | "iri-reference" => "http://example.com/a",
        "uri-template" => "http://example.com/{a}",
        "uuid" => "123e4567-e89b-12d3-a456-426614174000",
        "json-pointer" => "/a",
        "relative-json-pointer" => "0/a",
        "regex" => "a",
        _ => return None,
    })
}

/// Most repetitions of one part of a pattern.
const MAX_REPEAT: usize = 200;

/// A string that a simple pattern matches: literals, classes, groups, alternatives (the first), repetitions (as few as
/// may be). `None` where the pattern has more.
pub(super) fn of_pattern(pattern: &str) -> Option<String> {
    let mut reader = Reader {
        rest: pattern.chars().collect(),
        at: 0,
    };
    let text = reader.alternatives()?;
    (reader.at == reader.rest.len()).then_some(text)
}

struct Reader {
    rest: Vec<char>,
    at: usize,
}

impl Reader {
    fn peek(&self) -> Option<char> {
        self.rest.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek();
        self.at += 1;
        c
    }

    fn eat(&mut self, c: char) -> bool {
        let eaten = self.peek() == Some(c);
        self.at += usize::from(eaten);
        eaten
    }

    fn alternatives(&mut self) -> Option<String> {
        let first = self.sequence()?;
        while self.eat('|') {
            self.sequence()?;
        }
        Some(first)
    }

    fn sequence(&mut self) -> Option<String> {
        let mut text = String::new();
        while let Some(c) = self.peek().filter(|c| !"|)".contains(*c)) {
            if "^$".contains(c) {
                self.at += 1;
                continue;
            }
            let one = self.atom()?;
            let count = self.repetition()?;
            text.push_str(&one.repeat(count));
        }
        Some(text)
    }

    fn atom(&mut self) -> Option<String> {
        Some(match self.next()? {
            '(' => {
                if self.eat('?') && !self.eat(':') {
                    return None;
                }
                let inner = self.alternatives()?;
                self.eat(')').then_some(inner)?
            }
            '[' => self.class()?.to_string(),
            '.' => "a".to_owned(),
            '\\' => escape(self.next()?)?.to_string(),
            '*' | '+' | '?' | '{' => return None,
            literal => literal.to_string(),
        })
    }

    /// One character of a class, which does not begin by excluding.
    fn class(&mut self) -> Option<char> {
        if self.eat('^') {
            let mut excluded = Vec::new();
            while let Some(c) = self.next().filter(|c| *c != ']') {
                excluded.push(c);
            }
            return "a0_- Z"
                .chars()
                .find(|c| !excluded.contains(c))
                .filter(|_| !excluded.contains(&'-'));
        }
        let first = match self.next()? {
            '\\' => escape(self.next()?)?,
            c => c,
        };
        while self.next()? != ']' {}
        Some(first)
    }

    fn repetition(&mut self) -> Option<usize> {
        let least = match self.peek() {
            Some('*' | '?') => 0,
            Some('+') => 1,
            Some('{') => {
                let mut digits = String::new();
                self.at += 1;
                while let Some(c) = self.next().filter(|c| *c != '}') {
                    digits.push(c);
                }
                self.at -= 1;
                let least = digits.split(',').next().unwrap_or_default();
                least.parse().ok().filter(|least| *least <= MAX_REPEAT)?
            }
            _ => return Some(1),
        };
        self.at += 1;
        self.eat('?');
        Some(least)
    }
}

fn escape(c: char) -> Option<char> {
    Some(match c {
        'd' => '0',
        'w' => 'a',
        's' => ' ',
        'D' | 'S' => 'a',
        'W' => '-',
        't' => '\t',
        'n' => '\n',
        c if c.is_alphanumeric() => return None,
        literal => literal,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn simple_patterns_have_a_string() {
        for (pattern, expected) in [
            ("^[a-z]{2,3}-\\d+$", Some("aa-0")),
            ("^(ab|c)?x*y.$", Some("ya")),
            ("a(?=b)", None),
            ("[^a]", Some("0")),
            ("\\bx", None),
            ("(a", None),
        ] {
            assert_eq!(of_pattern(pattern).as_deref(), expected, "{pattern}");
        }
    }
}
