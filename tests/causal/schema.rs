//! As much of JSON Schema as the frozen schemas use.

use serde_json::Value;

/// What does not fit, each with its path.
pub(super) fn faults(schema: &Value, value: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    check(schema, schema, value, "", &mut faults);
    faults
}

fn has_type(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("the schema uses the type {other}"),
    }
}

fn check(root: &Value, schema: &Value, value: &Value, path: &str, faults: &mut Vec<String>) {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.strip_prefix("#/$defs/").unwrap();
        check(root, &root["$defs"][name], value, path, faults);
    }
    let mut fault = |what: String| faults.push(format!("{path}: {what}"));
    let allowed: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(all) => all.iter().map(|one| one.as_str().unwrap()).collect(),
        _ => Vec::new(),
    };
    if !allowed.is_empty() && !allowed.iter().any(|name| has_type(value, name)) {
        fault(format!("{value} is not {allowed:?}"));
    }
    if let Some(all) = schema["enum"].as_array()
        && !all.contains(value)
    {
        fault(format!("{value} is none of {all:?}"));
    }
    if let (Some(v), Some(least)) = (value.as_f64(), schema["minimum"].as_f64())
        && v < least
    {
        fault(format!("{v} is less than {least}"));
    }
    if let (Some(v), Some(most)) = (value.as_f64(), schema["maximum"].as_f64())
        && v > most
    {
        fault(format!("{v} is more than {most}"));
    }
    if let Some(items) = value.as_array() {
        let n = items.len() as u64;
        if n < schema["minItems"].as_u64().unwrap_or(0)
            || n > schema["maxItems"].as_u64().unwrap_or(u64::MAX)
        {
            fault(format!("{n} items"));
        }
        for (at, item) in items.iter().enumerate() {
            if schema["items"].is_object() {
                check(
                    root,
                    &schema["items"],
                    item,
                    &format!("{path}/{at}"),
                    faults,
                );
            }
        }
    }
    let Some(members) = value.as_object() else {
        return;
    };
    for name in schema["required"].as_array().into_iter().flatten() {
        if !members.contains_key(name.as_str().unwrap()) {
            faults.push(format!("{path}: {name} is missing"));
        }
    }
    for (name, member) in members {
        let path = format!("{path}/{name}");
        match &schema["properties"][name] {
            Value::Null if schema["additionalProperties"] == Value::Bool(false) => {
                faults.push(format!("{path}: not in the schema"));
            }
            Value::Null => {}
            inner => check(root, inner, member, &path, faults),
        }
    }
}

#[test]
fn the_checker_finds_faults() {
    let schema = serde_json::json!({
        "type": "object", "required": ["a"], "additionalProperties": false,
        "properties": { "a": { "type": "array", "maxItems": 1, "items": { "$ref": "#/$defs/one" } } },
        "$defs": { "one": { "type": ["integer", "null"], "minimum": 2 } }
    });
    let of = |value: serde_json::Value| faults(&schema, &value).len();
    assert_eq!(of(serde_json::json!({ "a": [2] })), 0);
    assert_eq!(of(serde_json::json!({ "a": [null] })), 0);
    assert_eq!(of(serde_json::json!({ "a": [1] })), 1);
    assert_eq!(of(serde_json::json!({ "a": [2, 3] })), 1);
    assert_eq!(of(serde_json::json!({ "a": ["x"] })), 1);
    assert_eq!(of(serde_json::json!({ "b": 1 })), 2);
}
