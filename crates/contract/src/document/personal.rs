//! Personal spans of a document: names, account names and addresses of people.
//!
//! The governance log is kept for ever, people must be erasable. So a stored document holds, in place of each
//! personal value, a salted commitment; the values themselves live in `mesh.people`. This module finds the spans and
//! puts commitments in and out again, byte for byte; it makes neither salts nor hashes (that is governance's).
//!
//! Personal are, in ODCS, ODPS and our Team: every `username`, `name`, `email`, `description`, `comment`,
//! `replacedByUsername` and `url` within `team` or `members`; and values with an `@` in `support`, `contact` and
//! `owner` members.

use saphyr_parser::{Event, Parser, Span};
use std::ops::Range;

/// A personal value in a document's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonalSpan {
    /// Bytes of the value in the text, quotes included.
    pub range: Range<usize>,
    /// The value as written.
    pub raw: String,
    /// Whether it is in double quotes, so that what replaces it must be too (JSON).
    pub quoted: bool,
}

const IN_TEAM: &[&str] = &[
    "username",
    "name",
    "email",
    "description",
    "comment",
    "replacedByUsername",
    "url",
];
const WITH_ADDRESS: &[&str] = &["support", "contact", "owner", "roles"];

enum Frame {
    Mapping { key: Option<String> },
    Sequence,
}

/// Find the personal spans of a document, in order.
///
/// A text that is no YAML has none: callers parse first.
pub fn find(text: &str) -> Vec<PersonalSpan> {
    let byte_of: Vec<usize> = text
        .char_indices()
        .map(|(at, _)| at)
        .chain(std::iter::once(text.len()))
        .collect();
    let mut stack: Vec<Frame> = Vec::new();
    let mut spans = Vec::new();
    for item in Parser::new_from_str(text) {
        let Ok((event, span)) = item else {
            return Vec::new();
        };
        match event {
            Event::MappingStart(..) => stack.push(Frame::Mapping { key: None }),
            Event::SequenceStart(..) => stack.push(Frame::Sequence),
            Event::MappingEnd | Event::SequenceEnd => {
                stack.pop();
                value_done(&mut stack);
            }
            Event::Scalar(value, ..) => {
                if let Some(Frame::Mapping { key: key @ None }) = stack.last_mut() {
                    *key = Some(value.into_owned());
                    continue;
                }
                if is_personal(&stack, &value) {
                    spans.extend(span_of(text, &byte_of, &span));
                }
                value_done(&mut stack);
            }
            Event::Alias(_) => value_done(&mut stack),
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => {}
        }
    }
    spans
}

fn value_done(stack: &mut [Frame]) {
    if let Some(Frame::Mapping { key }) = stack.last_mut() {
        *key = None;
    }
}

fn is_personal(stack: &[Frame], value: &str) -> bool {
    if value.is_empty() {
        return false;
    }
    let keys: Vec<&str> = stack
        .iter()
        .filter_map(|frame| match frame {
            Frame::Mapping { key } => key.as_deref(),
            Frame::Sequence => None,
        })
        .collect();
    let Some((last, above)) = keys.split_last() else {
        return false;
    };
    // A team's own name is not a person's: in `team: {name: crew, members: [...]}` only `members` is personal,
    // while in ODCS 3.0 `team` is the list of members itself.
    let in_list = matches!(stack.iter().rev().nth(1), Some(Frame::Sequence));
    let in_team = above.contains(&"members") || (above.contains(&"team") && in_list);
    (in_team && IN_TEAM.contains(last))
        || (value.contains('@') && keys.iter().any(|key| WITH_ADDRESS.contains(key)))
}

fn span_of(text: &str, byte_of: &[usize], span: &Span) -> Option<PersonalSpan> {
    let start = *byte_of.get(span.start.index())?;
    let end = *byte_of.get(span.end.index())?;
    let raw = scalar_text(text.get(start..end)?);
    let range = start..start + raw.len();
    Some(PersonalSpan {
        range,
        raw: raw.to_owned(),
        quoted: raw.starts_with('"'),
    })
}

/// The parser's span of a scalar may run on over a comment: cut it at the scalar's own end.
fn scalar_text(span: &str) -> &str {
    match span.as_bytes().first() {
        Some(b'"') => quoted(span, |rest| match rest {
            [b'\\', _, ..] => Some(2),
            [b'"', ..] => None,
            _ => Some(1),
        }),
        Some(b'\'') => quoted(span, |rest| match rest {
            [b'\'', b'\'', ..] => Some(2),
            [b'\'', ..] => None,
            _ => Some(1),
        }),
        _ => span.split(" #").next().unwrap_or(span).trim_end(),
    }
}

/// Walk from after the opening quote by `step`, which says `None` at the closing one.
fn quoted(span: &str, step: impl Fn(&[u8]) -> Option<usize>) -> &str {
    let bytes = span.as_bytes();
    let mut at = 1;
    while at < bytes.len() {
        match step(&bytes[at..]) {
            Some(width) => at += width,
            None => return &span[..=at],
        }
    }
    span.trim_end()
}

/// Put `replacement(i)` in place of the i-th span.
pub fn replace(
    text: &str,
    spans: &[PersonalSpan],
    mut replacement: impl FnMut(usize, &PersonalSpan) -> String,
) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for (index, span) in spans.iter().enumerate() {
        out.push_str(&text[at..span.range.start]);
        let new = replacement(index, span);
        if span.quoted {
            out.push('"');
            out.push_str(&new);
            out.push('"');
        } else {
            out.push_str(&new);
        }
        at = span.range.end;
    }
    out.push_str(&text[at..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raws(text: &str) -> Vec<String> {
        find(text).into_iter().map(|span| span.raw).collect()
    }

    #[test]
    fn members_of_teams_are_personal_and_team_names_are_not() {
        let own = "kind: Team\nname: crew\nmembers:\n  - username: alice\n    name: \"Alice Ö\"\n    email: a@x.org\n    role: owner\n  - {username: bob}\n";
        assert_eq!(raws(own), ["alice", "\"Alice Ö\"", "a@x.org", "bob"]);
        let odcs30 = "team:\n- username: ceastwood\n  role: Data Scientist\n  dateIn: 2022-08-02\n  replacedByUsername: mhopper\n";
        assert_eq!(raws(odcs30), ["ceastwood", "mhopper"]);
        let odcs31 = "team:\n  name: crew\n  members:\n  - username: x\n";
        assert_eq!(raws(odcs31), ["x"]);
    }

    #[test]
    fn addresses_in_support_are_personal_and_channels_are_not() {
        let text = "support:\n- channel: '#flights'\n  url: https://chat.example.org/x\n- channel: mail\n  url: mailto:bob@example.org\n";
        assert_eq!(raws(text), ["mailto:bob@example.org"]);
    }

    #[test]
    fn replacing_and_putting_back_is_byte_exact() {
        let text = "ü: 1 # é\nteam:\n- username: \"zoë\"   # kept\n  email: z@x.org\n";
        let spans = find(text);
        let hidden = replace(text, &spans, |index, _| format!("person-{index}"));
        assert_eq!(
            hidden,
            "ü: 1 # é\nteam:\n- username: \"person-0\"   # kept\n  email: person-1\n"
        );
        let mut back = hidden;
        for (index, span) in spans.iter().enumerate() {
            let token = format!("person-{index}");
            let token = if span.quoted {
                format!("\"{token}\"")
            } else {
                token
            };
            back = back.replacen(&token, &span.raw, 1);
        }
        assert_eq!(back, text);
    }

    #[test]
    fn json_documents_stay_json() {
        let text = r#"{"kind":"Team","name":"crew","members":[{"username":"alice"}]}"#;
        let hidden = replace(text, &find(text), |_, _| "p".to_owned());
        assert_eq!(
            hidden,
            r#"{"kind":"Team","name":"crew","members":[{"username":"p"}]}"#
        );
    }
}
