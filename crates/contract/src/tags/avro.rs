//! Records and their fields, by full name.

use super::{Kind, MAX_DEPTH, Visit, entity};
use serde_json::{Map, Value};

pub(super) fn walk(schema: &mut Value, visit: &mut Visit<'_>) {
    step(schema, "", visit, 0);
}

fn step(schema: &mut Value, space: &str, visit: &mut Visit<'_>, depth: usize) {
    if depth > MAX_DEPTH {
        return;
    }
    match schema {
        Value::Array(branches) => {
            branches
                .iter_mut()
                .for_each(|branch| step(branch, space, visit, depth + 1));
        }
        Value::Object(object) => object_step(object, space, visit, depth),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn object_step(object: &mut Map<String, Value>, space: &str, visit: &mut Visit<'_>, depth: usize) {
    for nested in ["type", "items", "values"] {
        if let Some(nested) = object.get_mut(nested) {
            step(nested, space, visit, depth + 1);
        }
    }
    if object.get("type") != Some(&Value::from("record")) {
        return;
    }
    let text = |member: &str| object.get(member).and_then(Value::as_str);
    let name = text("name").unwrap_or_default();
    let space = match (name.rsplit_once('.'), text("namespace")) {
        (Some((space, _)), _) => space.to_owned(),
        (None, own) => own.unwrap_or(space).to_owned(),
    };
    let short = name.rsplit('.').next().unwrap_or(name);
    let full = if space.is_empty() {
        short.to_owned()
    } else {
        format!("{space}.{short}")
    };
    let fields = object.get_mut("fields").and_then(Value::as_array_mut);
    for field in fields
        .into_iter()
        .flatten()
        .filter_map(Value::as_object_mut)
    {
        let name = field
            .get("name")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let path = format!("{full}.{name}");
        if let Some(ty) = field.get_mut("type") {
            step(ty, &space, visit, depth + 1);
        }
        visit(entity(Kind::Field, &path), field);
    }
    visit(entity(Kind::Record, &full), object);
}
