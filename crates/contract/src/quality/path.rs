//! Fields within an event: the paths of a contract, and where their values stand.

use crate::pointer;
use serde_json::Value;

/// A contract's path, as `customer.address.city` or `items[].sku`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Member(String),
    Items,
}

/// A value found: where, and what; `None` where its object does not hold it.
pub(super) type Found<'v> = (String, Option<&'v Value>);

impl Path {
    /// Read a path.
    pub fn parse(text: &str) -> Self {
        let mut steps = Vec::new();
        for part in text.split('.').filter(|part| !part.is_empty()) {
            let name = part.trim_end_matches("[]");
            steps.push(Step::Member(name.to_owned()));
            let lists = (part.len() - name.len()) / 2;
            steps.extend(std::iter::repeat_n(Step::Items, lists));
        }
        Self(steps)
    }

    /// The member of the event in which it lies.
    pub(super) fn member(&self) -> Option<&str> {
        self.0.iter().find_map(|step| match step {
            Step::Member(name) => Some(name.as_str()),
            Step::Items => None,
        })
    }

    /// The member of the event that it is.
    pub(super) fn top(&self) -> Option<&str> {
        match self.0.as_slice() {
            [Step::Member(name)] => Some(name),
            _ => None,
        }
    }

    /// The first value at this path.
    pub fn first<'v>(&self, event: &'v Value) -> Option<&'v Value> {
        self.values(event).into_iter().find_map(|(_, value)| value)
    }

    /// Each value at this path. What lies in an object that is not there is not looked for.
    pub(super) fn values<'v>(&self, event: &'v Value) -> Vec<Found<'v>> {
        let mut found = Vec::new();
        descend(&self.0, event, &mut String::new(), &mut found);
        found
    }

    /// Whether a JSON Pointer names this path, something within it, or something that holds it.
    pub(super) fn touches(&self, pointer: &str) -> bool {
        let given = pointer.split('/').skip(1);
        self.0.iter().zip(given).all(|(step, token)| match step {
            Step::Member(name) => pointer::join("", name).get(1..) == Some(token),
            Step::Items => true,
        })
    }
}

fn descend<'v>(steps: &[Step], value: &'v Value, at: &mut String, found: &mut Vec<Found<'v>>) {
    let Some((step, rest)) = steps.split_first() else {
        found.push((at.clone(), Some(value)));
        return;
    };
    let length = at.len();
    match (step, value) {
        (Step::Member(name), Value::Object(object)) => {
            pointer::push(at, name);
            match object.get(name) {
                Some(inner) => descend(rest, inner, at, found),
                None if rest.is_empty() => found.push((at.clone(), None)),
                None => {}
            }
        }
        (Step::Items, Value::Array(items)) => {
            for (index, item) in items.iter().enumerate() {
                at.truncate(length);
                at.push_str(&format!("/{index}"));
                descend(rest, item, at, found);
            }
        }
        // Null, or of another shape, which the schema judges.
        (Step::Member(_) | Step::Items, _) => {}
    }
    at.truncate(length);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_found_in_objects_and_lists() {
        let event = json!({"a": {"b": [{"c": 1}, {"d": 2}, null]}, "x/y": 3});
        let at = |path: &str| Path::parse(path).values(&event);
        assert_eq!(
            at("a.b[].c"),
            [
                ("/a/b/0/c".to_owned(), Some(&json!(1))),
                ("/a/b/1/c".to_owned(), None)
            ]
        );
        assert_eq!(at("x/y"), [("/x~1y".to_owned(), Some(&json!(3)))]);
        assert_eq!(at("z"), [("/z".to_owned(), None)]);
        assert_eq!(at("z.w"), []);
        assert_eq!(at("")[0].1, Some(&event));
    }

    #[test]
    fn a_path_touches_what_it_holds_and_what_holds_it() {
        let path = Path::parse("a.b[].c");
        for (pointer, touched) in [
            ("", true),
            ("/a", true),
            ("/a/b/7/c", true),
            ("/a/b/7/c/deeper", true),
            ("/a/b/7/d", false),
            ("/x", false),
        ] {
            assert_eq!(path.touches(pointer), touched, "{pointer}");
        }
    }
}
