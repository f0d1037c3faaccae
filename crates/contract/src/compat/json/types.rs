//! The `type` keyword as a set, and what changed between two sets.

use super::change::Change;
use serde_json::Value;

/// The types of JSON Schema, in the order of [`Types`]' bits.
const NAMES: [&str; 7] = [
    "null", "boolean", "integer", "number", "string", "array", "object",
];
const INTEGER: u8 = 1 << 2;
const NUMBER: u8 = 1 << 3;
const ARRAY: u8 = 1 << 5;
const OBJECT: u8 = 1 << 6;

/// The types that a schema allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Types {
    /// No `type`: any.
    Any,
    /// Those of the bits.
    Some(u8),
}

impl Types {
    /// Read the `type` keyword.
    pub(super) fn of(schema: &serde_json::Map<String, Value>) -> Self {
        match schema.get("type") {
            Some(Value::String(name)) => Types::Some(bit(name)),
            Some(Value::Array(names)) => Types::Some(
                names
                    .iter()
                    .filter_map(Value::as_str)
                    .map(bit)
                    .fold(0, |a, b| a | b),
            ),
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => {
                Types::Any
            }
        }
    }

    pub(super) fn allows_object(self) -> bool {
        self.allows(OBJECT)
    }

    pub(super) fn allows_array(self) -> bool {
        self.allows(ARRAY)
    }

    fn allows(self, bit: u8) -> bool {
        match self {
            Types::Any => true,
            Types::Some(bits) => bits & bit != 0,
        }
    }
}

fn bit(name: &str) -> u8 {
    NAMES
        .iter()
        .position(|known| *known == name)
        .map_or(0, |index| 1 << index)
}

/// What the step from `old` to `new` is, the worst first; none when nothing changed.
pub(super) fn compare(old: Types, new: Types) -> Vec<Change> {
    let (old, new) = match (old, new) {
        (Types::Any, Types::Any) => return vec![],
        (Types::Any, Types::Some(_)) => return vec![Change::TypeNarrowed],
        (Types::Some(_), Types::Any) => return vec![Change::TypeExtended],
        (Types::Some(old), Types::Some(new)) => (old, new),
    };
    let number = if new & NUMBER != 0 { INTEGER } else { 0 };
    let lost = old & !(new | number);
    if lost == 0 {
        let mut changes = vec![];
        if old & INTEGER != 0 && new & INTEGER == 0 {
            changes.push(Change::TypeExtended);
        }
        if new.count_ones() > old.count_ones() {
            changes.push(Change::SumTypeExtended);
        }
        return changes;
    }
    vec![match (old.count_ones(), new.count_ones()) {
        (_, 1) if old == NUMBER && new == INTEGER => Change::TypeNarrowed,
        (1, _) | (_, 1) => Change::TypeChanged,
        _ if new & !old == 0 => Change::SumTypeNarrowed,
        _ => Change::CombinedTypeSubschemasChanged,
    }]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn type_sets_are_compared_as_confluent_names_them() {
        use Change::{
            CombinedTypeSubschemasChanged, SumTypeExtended, SumTypeNarrowed, TypeChanged,
            TypeExtended, TypeNarrowed,
        };
        for (old, new, expected) in [
            (json!("string"), json!("string"), vec![]),
            (json!("string"), json!("null"), vec![TypeChanged]),
            (json!("integer"), json!("number"), vec![TypeExtended]),
            (json!("number"), json!("integer"), vec![TypeNarrowed]),
            (
                json!("string"),
                json!(["string", "null"]),
                vec![SumTypeExtended],
            ),
            (
                json!(["null", "integer"]),
                json!(["number", "null"]),
                vec![TypeExtended],
            ),
            (
                json!(["null", "integer"]),
                json!("integer"),
                vec![TypeChanged],
            ),
            (
                json!(["null", "integer", "string"]),
                json!(["string", "null"]),
                vec![SumTypeNarrowed],
            ),
            (
                json!(["null", "number"]),
                json!(["string", "null"]),
                vec![CombinedTypeSubschemasChanged],
            ),
        ] {
            let types = |value: &Value| {
                let schema = json!({ "type": value });
                Types::of(schema.as_object().expect("an object"))
            };
            assert_eq!(
                compare(types(&old), types(&new)),
                expected,
                "{old} to {new}"
            );
        }
    }
}
