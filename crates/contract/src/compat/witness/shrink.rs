//! The smallest witness within reach: members and items that it does not need are taken away, values made plain.

use super::Judge;
use serde_json::{Map, Value, json};

/// Most documents that are tried on the way.
const TRIES: usize = 500;

pub(super) fn smallest(mut witness: Value, judge: &Judge) -> Value {
    let mut tries = 0;
    'again: loop {
        for smaller in smaller(&witness) {
            tries += 1;
            if tries > TRIES {
                return witness;
            }
            if judge.parts(&smaller) {
                witness = smaller;
                continue 'again;
            }
        }
        return witness;
    }
}

/// Documents that are a step smaller, the smallest first.
fn smaller(value: &Value) -> Vec<Value> {
    match value {
        Value::Object(members) => of_object(members),
        Value::Array(items) => of_list(items),
        Value::String(text) if !text.is_empty() => {
            let half = text.chars().count() / 2;
            let first: String = text.chars().take(half).collect();
            let last: String = text.chars().skip(1).collect();
            vec![json!(""), json!(first), json!(last)]
        }
        Value::Number(number) if number.as_f64() != Some(0.0) => vec![json!(0)],
        Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Null => vec![],
    }
}

fn of_object(members: &Map<String, Value>) -> Vec<Value> {
    let mut found = Vec::new();
    for name in members.keys() {
        let mut fewer = members.clone();
        fewer.shift_remove(name);
        found.push(Value::Object(fewer));
    }
    for (name, inner) in members {
        for inner in smaller(inner) {
            let mut plainer = members.clone();
            plainer.insert(name.clone(), inner);
            found.push(Value::Object(plainer));
        }
    }
    found
}

fn of_list(items: &[Value]) -> Vec<Value> {
    let mut found = Vec::new();
    for index in 0..items.len() {
        let mut fewer = items.to_vec();
        fewer.remove(index);
        found.push(Value::Array(fewer));
    }
    for (index, inner) in items.iter().enumerate() {
        for inner in smaller(inner) {
            let mut plainer = items.to_vec();
            plainer[index] = inner;
            found.push(Value::Array(plainer));
        }
    }
    found
}
