//! Objects and their properties, by where they stand.

use super::{Kind, MAX_DEPTH, Visit, entity};
use serde_json::Value;

pub(super) fn walk(schema: &mut Value, visit: &mut Visit<'_>) {
    step(schema, "object", visit, 0);
}

fn step(schema: &mut Value, path: &str, visit: &mut Visit<'_>, depth: usize) {
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    if depth > MAX_DEPTH {
        return;
    }
    let properties = object.get_mut("properties").and_then(Value::as_object_mut);
    let is_record = properties.is_some();
    for (name, property) in properties.into_iter().flatten() {
        let path = format!("{path}.{name}");
        if let Some(property) = property.as_object_mut() {
            visit(entity(Kind::Field, &path), property);
        }
        step(property, &format!("{path}.object"), visit, depth + 1);
    }
    if let Some(items) = object.get_mut("items") {
        step(items, path, visit, depth + 1);
    }
    if is_record {
        visit(entity(Kind::Record, path), object);
    }
}
