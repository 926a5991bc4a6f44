//! A small check of JSON against the part of JSON Schema that our schema files use.

use serde_json::Value;
use std::path::Path;

/// A schema file of `fixtures/schema`.
pub(crate) fn schema(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/schema")
        .join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The first place that does not follow the schema.
pub(crate) fn check(schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    for (key, rule) in schema.as_object().expect("a schema is an object") {
        let holds = match key.as_str() {
            "$schema" | "title" | "description" => true,
            "type" => match rule {
                Value::Array(types) => types.iter().any(|one| is_of(one, value)),
                one => is_of(one, value),
            },
            "enum" => rule.as_array().unwrap().contains(value),
            "minimum" => value.as_f64().is_none_or(|v| v >= rule.as_f64().unwrap()),
            "maximum" => value.as_f64().is_none_or(|v| v <= rule.as_f64().unwrap()),
            "maxItems" => value
                .as_array()
                .is_none_or(|v| v.len() as u64 <= rule.as_u64().unwrap()),
            "required" => value.as_object().is_none_or(|object| {
                let names = rule.as_array().unwrap().iter();
                names
                    .map(|name| name.as_str().unwrap())
                    .all(|name| object.contains_key(name))
            }),
            "items" => {
                for (idx, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(rule, item, &format!("{at}[{idx}]"))?;
                }
                true
            }
            "properties" => {
                for (name, rule) in rule.as_object().unwrap() {
                    if let Some(value) = value.get(name) {
                        check(rule, value, &format!("{at}.{name}"))?;
                    }
                }
                true
            }
            "additionalProperties" => {
                let known = schema.get("properties").and_then(Value::as_object);
                for (name, value) in value.as_object().into_iter().flatten() {
                    if known.is_some_and(|known| known.contains_key(name)) {
                        continue;
                    }
                    if rule == &Value::Bool(false) {
                        return Err(format!("{at}.{name} is not in the schema"));
                    }
                    check(rule, value, &format!("{at}.{name}"))?;
                }
                true
            }
            other => panic!("this check does not know {other}"),
        };
        if !holds {
            return Err(format!("{at}: {value} breaks {key}: {rule}"));
        }
    }
    Ok(())
}

fn is_of(name: &Value, value: &Value) -> bool {
    match name.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        other => panic!("no type {other}"),
    }
}

#[test]
fn the_check_notices() {
    use serde_json::json;
    let schema = schema("suspects.json");
    assert!(check(&schema, &json!([]), "list").is_ok());
    assert!(check(&schema, &json!({}), "list").is_err());
    let error = check(&schema, &json!([{ "kind": "cell" }]), "list").unwrap_err();
    assert!(error.contains("required"), "{error}");
    let items = &schema["items"]["properties"];
    assert!(check(&items["kind"], &json!("shortcut"), "kind").is_err());
    assert!(check(&items["q"], &json!(null), "q").is_ok());
    assert!(check(&items["q"], &json!(1.5), "q").is_err());
    assert!(
        check(
            &items["cell"],
            &json!({ "grid": 20, "row": 3, "col": 1, "x": 1 }),
            "cell"
        )
        .is_err()
    );
    assert!(check(&items["scores"], &json!({ "share": "much" }), "scores").is_err());
}
