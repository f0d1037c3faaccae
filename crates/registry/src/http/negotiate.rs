//! Content types: three names for JSON, in the reference's order of preference.

use axum::http::{HeaderMap, header};

/// What is answered, most preferred first, with the reference's quality of source.
const OFFERED: [(&str, u32); 3] = [
    ("application/vnd.schemaregistry.v1+json", 1000),
    ("application/vnd.schemaregistry+json", 900),
    ("application/json", 500),
];

/// The content type of the answer, or `None` when none is acceptable (406).
pub(crate) fn answer_type(headers: &HeaderMap) -> Option<&'static str> {
    let accepts: Vec<&str> = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|value| !value.is_empty())
        .collect();
    if accepts.is_empty() {
        return Some(OFFERED[0].0);
    }
    OFFERED
        .iter()
        .map(|(name, weight)| (*name, quality(&accepts, name) * weight))
        .filter(|(_, weight)| *weight > 0)
        // the first of equals, as offered
        .rev()
        .max_by_key(|(_, weight)| *weight)
        .map(|(name, _)| name)
}

/// The client's quality for a type, in thousandths: that of the most specific range that covers it.
fn quality(accepts: &[&str], name: &str) -> u32 {
    let mut best = (0, 0);
    for accept in accepts {
        let mut parts = accept.split(';').map(str::trim);
        let range = parts.next().unwrap_or_default().to_ascii_lowercase();
        let specificity = match range.as_str() {
            range if range == name => 3,
            "application/*" => 2,
            "*/*" | "*" => 1,
            _ => continue,
        };
        let q = parts
            .find_map(|p| p.strip_prefix("q="))
            .map_or(1000, thousandths);
        if specificity > best.0 {
            best = (specificity, q);
        }
    }
    best.1
}

fn thousandths(q: &str) -> u32 {
    let (whole, fraction) = q.split_once('.').unwrap_or((q, ""));
    if whole == "1" {
        return 1000;
    }
    let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
    digits.parse().unwrap_or(1000)
}

/// Whether a body of the request's content type is read; a missing type is (415 otherwise).
pub(crate) fn reads(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return true;
    };
    let Ok(value) = value.to_str() else {
        return false;
    };
    let name = value
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    name.is_empty()
        || name == "application/octet-stream"
        || OFFERED.iter().any(|(offered, _)| *offered == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(accept: &str) -> Option<&'static str> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().expect("a header"));
        answer_type(&headers)
    }

    #[test]
    fn the_answer_is_the_best_acceptable_type() {
        assert_eq!(answer_type(&HeaderMap::new()), Some(OFFERED[0].0));
        assert_eq!(answer("*/*"), Some(OFFERED[0].0));
        assert_eq!(answer("application/*"), Some(OFFERED[0].0));
        assert_eq!(answer("application/json"), Some("application/json"));
        assert_eq!(
            answer("application/vnd.schemaregistry+json"),
            Some(OFFERED[1].0)
        );
        assert_eq!(
            answer("application/vnd.schemaregistry.v1+json,application/json; q=0.5"),
            Some(OFFERED[0].0)
        );
        assert_eq!(
            answer("application/json, */*; q=0.1"),
            Some("application/json")
        );
        assert_eq!(
            answer("text/plain, application/json;charset=utf-8"),
            Some("application/json")
        );
        assert_eq!(answer("text/html"), None);
        assert_eq!(answer("application/json;q=0"), None);
    }

    #[test]
    fn bodies_of_json_types_are_read_and_so_is_one_without_type() {
        let reads_type = |name: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, name.parse().expect("a header"));
            reads(&headers)
        };
        assert!(reads(&HeaderMap::new()));
        assert!(reads_type(
            "application/vnd.schemaregistry.v1+json; charset=utf-8"
        ));
        assert!(reads_type("Application/JSON"));
        assert!(reads_type("application/octet-stream"));
        assert!(!reads_type("text/plain"));
    }
}
