//! Warnings beside an answer that stays the reference's: in a header of their own, since clients of the reference
//! refuse members that they do not know.

use axum::{
    http::{HeaderName, HeaderValue},
    response::{IntoResponse, Response},
};

/// The header; one for each warning.
const HEADER: HeaderName = HeaderName::from_static("meshlog-warning");

/// Most warnings of one answer, and longest of one, in bytes: clients limit the headers that they read.
const MOST: usize = 8;
const LONGEST: usize = 1_000;

/// An answer with warnings.
#[derive(Debug)]
pub(super) struct Warned<T>(pub(super) Vec<String>, pub(super) T);

impl<T: IntoResponse> IntoResponse for Warned<T> {
    fn into_response(self) -> Response {
        let Self(warnings, answer) = self;
        let mut response = answer.into_response();
        for warning in warnings.iter().take(MOST) {
            response.headers_mut().append(HEADER, value(warning));
        }
        response
    }
}

/// The text in what a header may hold: other characters are escaped as in JSON.
fn value(text: &str) -> HeaderValue {
    let mut kept = String::new();
    for c in text.chars() {
        if kept.len() > LONGEST {
            kept.push_str("...");
            break;
        }
        match c {
            ' '..='~' => kept.push(c),
            other => kept.extend(other.escape_unicode()),
        }
    }
    HeaderValue::from_str(&kept).unwrap_or(HeaderValue::from_static("see the registry's log"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_fits_a_header() {
        assert_eq!(value("a \"b\" é\n"), "a \"b\" \\u{e9}\\u{a}");
        assert!(value(&"x".repeat(5_000)).len() < 1_100);
    }
}
