//! Compatible means that every document stays valid, or that we said that nobody judged.

use super::*;
use crate::compat::json::documents::children;
use crate::compat::witness::of_documents;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

fn leaves() -> impl Strategy<Value = Value> {
    let texts = [
        "{}",
        "true",
        "false",
        r#"{"type":"string"}"#,
        r#"{"type":"integer"}"#,
        r#"{"type":"number"}"#,
        r#"{"type":["string","null"]}"#,
        r#"{"type":["integer","null"]}"#,
        r#"{"type":["number","null","object"]}"#,
        r#"{"type":"string","maxLength":2}"#,
        r#"{"type":"string","minLength":1}"#,
        r#"{"maxLength":3}"#,
        r#"{"type":"string","pattern":"^a"}"#,
        r#"{"type":"number","maximum":5}"#,
        r#"{"minimum":1}"#,
        r#"{"type":"number","exclusiveMaximum":5,"maximum":7}"#,
        r#"{"type":"integer","multipleOf":2}"#,
        r#"{"multipleOf":2.5}"#,
        r#"{"enum":["a",1,null]}"#,
        r#"{"enum":["a"]}"#,
        r#"{"const":"a"}"#,
        r#"{"type":"string","enum":["a","b"]}"#,
        r#"{"type":"string","format":"date"}"#,
        r##"{"$ref":"#/definitions/one"}"##,
        r##"{"$ref":"#/definitions/tree"}"##,
        r#"{"type":"array","minItems":1,"uniqueItems":true}"#,
        r#"{"type":"object","maxProperties":1}"#,
    ];
    let all: Vec<Value> = texts
        .iter()
        .map(|text| serde_json::from_str(text).expect("JSON"))
        .collect();
    prop::sample::select(all)
}

fn schemas() -> impl Strategy<Value = Value> {
    leaves().prop_recursive(3, 16, 3, |inner| {
        let one = inner.clone();
        let map = || prop::collection::btree_map("[ab]|xa", inner.clone(), 0..3);
        let names = || prop::collection::btree_set("[ab]", 0..2);
        let some = || prop::option::weighted(0.3, inner.clone());
        let object = (
            map(),
            names(),
            some(),
            any::<bool>(),
            prop::option::weighted(0.2, inner.clone()),
        )
            .prop_map(|(properties, required, rest, typed, pattern)| {
                let mut schema = json!({"properties": properties});
                put(
                    &mut schema,
                    "required",
                    Some(json!(required)).filter(|_| !required.is_empty()),
                );
                put(&mut schema, "additionalProperties", rest);
                put(
                    &mut schema,
                    "patternProperties",
                    pattern.map(|pattern| json!({"^x": pattern})),
                );
                put(&mut schema, "type", typed.then(|| json!("object")));
                schema
            });
        let list = (
            prop::collection::vec(inner.clone(), 0..3),
            some(),
            some(),
            any::<bool>(),
            any::<bool>(),
        )
            .prop_map(|(tuple, rest, contains, one, closed)| {
                let mut schema = json!({"type": "array"});
                let items = if one {
                    tuple.first().cloned()
                } else {
                    Some(json!(tuple)).filter(|_| !tuple.is_empty())
                };
                put(&mut schema, "items", items);
                put(
                    &mut schema,
                    "additionalItems",
                    rest.or_else(|| closed.then(|| json!(false))),
                );
                put(&mut schema, "contains", contains);
                schema
            });
        let combined = (
            prop::sample::select(vec!["allOf", "anyOf", "oneOf"]),
            prop::collection::vec(inner.clone(), 1..4),
        )
            .prop_map(|(keyword, parts)| json!({ keyword: parts }));
        let logic = (one.clone(), some(), some()).prop_map(|(first, then, otherwise)| {
            let mut schema = json!({"if": first});
            put(&mut schema, "then", then);
            put(&mut schema, "else", otherwise);
            schema
        });
        let depends = (names(), one.clone())
            .prop_map(|(names, schema)| json!({"dependencies": {"a": names, "b": schema}}));
        prop_oneof![
            4 => object, 2 => list, 3 => combined, 1 => logic, 1 => depends,
            1 => one.clone().prop_map(|schema| json!({"not": schema})),
            1 => one.prop_map(|schema| json!({"type": "object", "propertyNames": schema})),
        ]
    })
}

fn put(schema: &mut Value, keyword: &str, value: Option<Value>) {
    if let (Some(object), Some(value)) = (schema.as_object_mut(), value) {
        object.insert(keyword.to_owned(), value);
    }
}

/// Change one schema within: drop a keyword, take one of another, or be the other.
fn mutate(schema: &mut Value, at: usize, step: u8, other: &Value) {
    let children: Vec<String> = match schema.as_object() {
        Some(object) => children(object)
            .iter()
            .map(|(keyword, _)| (*keyword).to_owned())
            .collect(),
        None => vec![],
    };
    let deeper = children.get(at % (children.len() + 1)).filter(|_| at > 0);
    if let Some(keyword) = deeper {
        let inside = match &mut schema[keyword.as_str()] {
            Value::Array(list) if !list.is_empty() => {
                let count = list.len();
                &mut list[at % count]
            }
            Value::Object(map)
                if ["properties", "patternProperties"].contains(&keyword.as_str())
                    && !map.is_empty() =>
            {
                let count = map.len();
                map.values_mut().nth(at % count).expect("within")
            }
            Value::Object(map) if keyword == "dependencies" => match map.get_mut("b") {
                Some(inner) => inner,
                None => return,
            },
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return,
            inner @ (Value::Array(_) | Value::Object(_)) => inner,
        };
        return mutate(inside, at / 4, step, other);
    }
    let (Some(object), true) = (schema.as_object_mut(), step > 0) else {
        *schema = other.clone();
        return;
    };
    match (step, other.as_object()) {
        (1 | 2, _) if !object.is_empty() => {
            let key = object
                .keys()
                .nth(at % object.len())
                .cloned()
                .expect("within");
            object.shift_remove(&key);
        }
        (_, Some(other)) => object.extend(other.clone()),
        _ => {}
    }
}

/// With what references name, of draft 7 or in the words of 2020-12.
fn finish(schema: &Value, one: &Value, modern: bool, unevaluated: bool) -> Value {
    let mut schema = match schema.is_object() {
        true => schema.clone(),
        false => json!({ "allOf": [schema] }),
    };
    schema["definitions"] = json!({"one": one, "tree": {"type": "object", "properties": {
        "a": {"$ref": "#/definitions/tree"}, "b": one}}});
    if modern {
        modernize(&mut schema, unevaluated);
    }
    schema["$schema"] = json!(if modern {
        "https://json-schema.org/draft/2020-12/schema"
    } else {
        "http://json-schema.org/draft-07/schema#"
    });
    schema
}

fn modernize(value: &mut Value, unevaluated: bool) {
    match value {
        Value::Object(object) => {
            if object.get("items").is_some_and(Value::is_array) {
                let tuple = object.shift_remove("items").expect("there");
                object.insert("prefixItems".to_owned(), tuple);
                if let Some(rest) = object.shift_remove("additionalItems") {
                    object.insert(
                        if unevaluated {
                            "unevaluatedItems"
                        } else {
                            "items"
                        }
                        .to_owned(),
                        rest,
                    );
                }
            }
            object.shift_remove("additionalItems");
            if let Some(Value::Object(all)) = object.shift_remove("dependencies") {
                let (lists, schemas): (Map<_, _>, Map<_, _>) =
                    all.into_iter().partition(|(_, value)| value.is_array());
                object.insert("dependentRequired".to_owned(), lists.into());
                object.insert("dependentSchemas".to_owned(), schemas.into());
            }
            if let Some(rest) = object
                .shift_remove("additionalProperties")
                .filter(|_| unevaluated)
            {
                object.insert("unevaluatedProperties".to_owned(), rest);
            }
            object
                .values_mut()
                .for_each(|inner| modernize(inner, unevaluated));
        }
        Value::Array(items) => items
            .iter_mut()
            .for_each(|item| modernize(item, unevaluated)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn two_schemas() -> impl Strategy<Value = (Value, Value)> {
    let steps = prop::collection::vec((0..200usize, 0..5u8, leaves()), 0..3);
    (
        schemas(),
        schemas(),
        steps,
        leaves(),
        leaves(),
        any::<(bool, bool, bool, bool)>(),
    )
        .prop_map(
            |(old, other, steps, one, changed, (modern, unevaluated, replace, redefine))| {
                let mut new = old.clone();
                for (at, step, leaf) in &steps {
                    let with = if replace { &other } else { leaf };
                    mutate(&mut new, *at, *step, with);
                }
                let later = if redefine { &changed } else { &one };
                (
                    finish(&old, &one, modern, unevaluated),
                    finish(&new, later, modern, unevaluated),
                )
            },
        )
}

fn documents() -> impl Strategy<Value = Value> {
    let leaf = prop::sample::select(vec![
        json!(null),
        json!(1),
        json!(1.5),
        json!(6),
        json!("a"),
        json!("b"),
        json!(""),
        json!("abcd"),
        json!({}),
        json!([]),
    ]);
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            3 => prop::collection::btree_map("[abc]|xa", inner.clone(), 0..4).prop_map(|map| json!(map)),
            2 => prop::collection::vec(inner, 0..3).prop_map(Value::Array),
        ]
    })
}

fn seeded(cases: u32) -> ProptestConfig {
    ProptestConfig {
        rng_seed: RngSeed::Fixed(20_260_101),
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases)
    }
}

proptest! {
    #![proptest_config(seeded(4_000))]

    #[test]
    fn compatible_means_that_valid_documents_stay_valid(
        (old, new) in two_schemas(),
        documents in prop::collection::vec(documents(), 12),
    ) {
        let found = differences(&old, &new, Policy::Strict);
        if found.iter().all(|difference| difference.verdict == Verdict::Compatible) {
            let build = |schema: &Value| jsonschema::options().should_validate_formats(true).offline().build(schema);
            let (before, after) = (build(&old).expect("valid schema"), build(&new).expect("valid schema"));
            for document in documents {
                prop_assert!(!before.is_valid(&document) || after.is_valid(&document), "{}\n{}\n{} {:?}", old, new, document, found);
            }
            let (before, after) = (old.to_string(), new.to_string());
            let proof = of_documents(&source(&after), &source(&before));
            prop_assert!(proof.is_none(), "{}\n{}\n{:?} {:?}", old, new, proof, found);
        }
    }

    #[test]
    fn a_schema_is_compatible_with_itself((schema, _) in two_schemas()) {
        let found = differences(&schema, &schema, Policy::Strict);
        prop_assert!(found.iter().all(|difference| difference.verdict == Verdict::Compatible), "{} {:?}", schema, found);
    }
}
