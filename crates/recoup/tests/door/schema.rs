//! A small validator for `docs/json-schema.json`: as much of JSON Schema as that file uses, and stricter in
//! one thing: a field that is not described there is an error.

use std::sync::LazyLock;

use serde_json::Value;

static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let text = include_str!("../../../../docs/json-schema.json");
    serde_json::from_str(text).unwrap()
});

/// Panics unless the line fits one of the types.
pub(crate) fn check(line: &Value) {
    let definitions = SCHEMA["$defs"].as_object().unwrap();
    let mut errors = Vec::new();
    for (name, definition) in definitions {
        if definition["properties"]["type"]["const"] != line["type"] {
            continue;
        }
        match fits(line, definition, name) {
            Ok(()) => return,
            Err(error) => errors.push(error),
        }
    }
    panic!("{line} is not described: {errors:?}");
}

fn fits(value: &Value, schema: &Value, at: &str) -> Result<(), String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap();
        return fits(value, &SCHEMA["$defs"][name], at);
    }
    if let Some(expected) = schema.get("const").filter(|expected| *expected != value) {
        return Err(format!("{at} is {value} and not {expected}"));
    }
    if let Some(values) = schema["enum"]
        .as_array()
        .filter(|values| !values.contains(value))
    {
        return Err(format!("{at} is {value} and none of {values:?}"));
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => return Ok(()),
    };
    if !types.iter().any(|name| is(value, name)) {
        return Err(format!("{at} is {value} and not {types:?}"));
    }
    if let Some(items) = value.as_array() {
        items
            .iter()
            .try_for_each(|item| fits(item, &schema["items"], at))?;
    }
    let Some(object) = value.as_object() else {
        return Ok(());
    };
    for name in schema["required"].as_array().into_iter().flatten() {
        if !object.contains_key(name.as_str().unwrap()) {
            return Err(format!("{at} has no {name}"));
        }
    }
    object
        .iter()
        .try_for_each(|(name, value)| match schema["properties"].get(name) {
            Some(schema) => fits(value, schema, &format!("{at}.{name}")),
            None => Err(format!("{at} has the unknown field {name}")),
        })
}

fn is(value: &Value, name: &str) -> bool {
    match name {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        _ => panic!("the schema has the unknown type {name}"),
    }
}
