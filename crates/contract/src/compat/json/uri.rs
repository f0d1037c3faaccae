//! URIs, as far as references between schemas need them. Source: <https://datatracker.ietf.org/doc/html/rfc3986#section-5>

/// A URI and its fragment, without the `#`; empty where there is none.
pub(crate) fn split(uri: &str) -> (&str, &str) {
    uri.split_once('#').unwrap_or((uri, ""))
}

/// `reference`, which has no fragment, as it stands in a document at `base`.
pub(crate) fn join(base: &str, reference: &str) -> String {
    if reference.is_empty() {
        return base.to_owned();
    }
    if after_scheme(reference) > 0 {
        return reference.to_owned();
    }
    let start = path_start(base);
    let (site, path) = base.split_at(start);
    if let Some(rest) = reference.strip_prefix("//") {
        return format!("{}//{rest}", &base[..after_scheme(base)]);
    }
    if reference.starts_with('/') {
        return format!("{site}{}", without_dots(reference));
    }
    let folder = path.rfind('/').map_or("", |slash| &path[..=slash]);
    let slash = if folder.is_empty() && site.contains("//") {
        "/"
    } else {
        ""
    };
    format!(
        "{site}{slash}{}",
        without_dots(&format!("{folder}{reference}"))
    )
}

/// Where the scheme with its colon ends; 0 where there is none.
fn after_scheme(uri: &str) -> usize {
    let end = uri.find(|c: char| !(c.is_ascii_alphanumeric() || "+-.".contains(c)));
    match end {
        Some(end) if end > 0 && uri[end..].starts_with(':') => end + 1,
        Some(_) | None => 0,
    }
}

fn path_start(uri: &str) -> usize {
    let scheme = after_scheme(uri);
    match uri[scheme..].strip_prefix("//") {
        Some(rest) => rest.find('/').map_or(uri.len(), |at| scheme + 2 + at),
        None => scheme,
    }
}

fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "." => {}
            ".." => {
                if kept.len() > 1 || kept.first().is_some_and(|first| !first.is_empty()) {
                    kept.pop();
                }
            }
            other => kept.push(other),
        }
    }
    kept.join("/")
}

/// Percent-escapes undone; `None` where the result is not UTF-8.
pub(crate) fn decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        let hex = |byte: Option<u8>| char::from(byte?).to_digit(16);
        if byte == b'%' {
            let (high, low) = (hex(bytes.next())?, hex(bytes.next())?);
            out.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_resolved_as_rfc_3986_has_it() {
        for (base, reference, expected) in [
            ("http://a/b/c", "d", "http://a/b/d"),
            ("http://a/b/c", "../d", "http://a/d"),
            ("http://a/b/c", "./d/./e", "http://a/b/d/e"),
            ("http://a/b/c", "/d", "http://a/d"),
            ("http://a", "d", "http://a/d"),
            ("http://a/b", "//c/d", "http://c/d"),
            ("http://a/b", "urn:x:y", "urn:x:y"),
            ("", "d.json", "d.json"),
            ("x/a.json", "./d.json", "x/d.json"),
            ("http://a/b", "", "http://a/b"),
        ] {
            assert_eq!(join(base, reference), expected, "{base} {reference}");
        }
        assert_eq!(decode("/a%25b%20c").as_deref(), Some("/a%b c"));
        assert_eq!(decode("%zz"), None);
        assert_eq!(split("a#b"), ("a", "b"));
    }
}
