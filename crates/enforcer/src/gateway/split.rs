//! A request's body as the texts of its events, which are kept as they were written.

use serde::de::IgnoredAny;

/// What a body holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Body<'a> {
    /// An object: one event.
    One(&'a [u8]),
    /// An array: its elements.
    Many(Vec<&'a [u8]>),
}

/// Why a body holds no events.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoEvents {
    /// It is not JSON, with line and column.
    NotJson(String),
    /// It is something else than an object or an array.
    NoEvent,
    /// The array has so many elements, more than allowed.
    TooMany(usize),
}

/// Take a body apart; events are not looked into.
pub(super) fn split(body: &[u8], most: usize) -> Result<Body<'_>, NoEvents> {
    std::str::from_utf8(body)
        .map_err(|error| NoEvents::NotJson(format!("no UTF-8 at byte {}", error.valid_up_to())))?;
    serde_json::from_slice::<IgnoredAny>(body)
        .map_err(|error| NoEvents::NotJson(error.to_string()))?;
    let text = body.trim_ascii();
    match text.first() {
        Some(b'{') => Ok(Body::One(text)),
        Some(b'[') => {
            let found = elements(&text[1..text.len() - 1]);
            match found.len() {
                0 => Err(NoEvents::NoEvent),
                count if count > most => Err(NoEvents::TooMany(count)),
                _ => Ok(Body::Many(found)),
            }
        }
        Some(_) | None => Err(NoEvents::NoEvent),
    }
}

/// The elements between the brackets of an array that is known to be JSON.
fn elements(inside: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    let (mut start, mut depth, mut in_text, mut escaped) = (0, 0_usize, false, false);
    for (at, byte) in inside.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                found.push(inside[start..at].trim_ascii());
                start = at + 1;
            }
            _ => {}
        }
    }
    let last = inside[start..].trim_ascii();
    if !last.is_empty() {
        found.push(last);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    #[test]
    fn events_keep_their_bytes() {
        assert_eq!(
            split(b" {\"a\": 1.50}\n", 9),
            Ok(Body::One(b"{\"a\": 1.50}"))
        );
        let many = split(br#"[ {"a":"],}\""} , [1,2],3 ]"#, 9);
        let expected: Vec<&[u8]> = vec![br#"{"a":"],}\""}"#, b"[1,2]", b"3"];
        assert_eq!(many, Ok(Body::Many(expected)));
    }

    #[test]
    fn what_is_no_event_says_so() {
        for body in [&b"[]"[..], b"3", b"\"x\"", b"null"] {
            assert_eq!(split(body, 9), Err(NoEvents::NoEvent));
        }
        assert_eq!(split(b"[1,2,3]", 2), Err(NoEvents::TooMany(3)));
        let error = split(b"{\n\"a\": }", 9).expect_err("broken");
        assert!(
            matches!(&error, NoEvents::NotJson(why) if why.contains("line 2 column 6")),
            "{error:?}"
        );
        assert!(matches!(
            split(b"{\"\xff\":1}", 9),
            Err(NoEvents::NotJson(_))
        ));
        assert!(matches!(split(b"", 9), Err(NoEvents::NotJson(_))));
    }

    proptest! {
        #[test]
        fn elements_are_those_of_the_array(texts in prop::collection::vec("[\\x00-\\x7f]{0,12}", 1..9)) {
            let nested = |text: &String| serde_json::json!({text.as_str(): [text, {"x": [text]}]});
            let values: Vec<Value> = texts.iter().map(nested).collect();
            let body = serde_json::to_string_pretty(&values).expect("writes");
            let Ok(Body::Many(found)) = split(body.as_bytes(), 9) else {
                return Err(TestCaseError::fail("an array"));
            };
            let read: Vec<Value> = found
                .iter()
                .map(|text| serde_json::from_slice(text).expect("JSON"))
                .collect();
            prop_assert_eq!(read, values);
        }
    }
}
