//! JSON Pointers (RFC 6901), built as paths of reasons and differences.

/// Append `/` and `segment`, escaped.
pub(crate) fn push(path: &mut String, segment: &str) {
    path.push('/');
    for c in segment.chars() {
        match c {
            '~' => path.push_str("~0"),
            '/' => path.push_str("~1"),
            other => path.push(other),
        }
    }
}

/// `path` with one more `segment`.
pub(crate) fn join(path: &str, segment: &str) -> String {
    let mut joined = String::with_capacity(path.len() + segment.len() + 1);
    joined.push_str(path);
    push(&mut joined, segment);
    joined
}
