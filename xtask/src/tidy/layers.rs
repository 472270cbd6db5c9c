//! The walls of the house: a crate depends on crates of lower layers only.

use serde_json::Value;
use std::collections::BTreeMap;

/// `testkit`: for tests of every layer, part of no program.
const TEST_LAYER: u64 = 9;

pub(crate) fn check(metadata: &Value, problems: &mut Vec<String>) {
    let empty = Vec::new();
    let packages = metadata["packages"].as_array().unwrap_or(&empty);
    let crates = || packages.iter().filter(|package| package["name"] != "xtask");
    let mut layers = BTreeMap::new();
    for package in crates() {
        let name = text(&package["name"]);
        match package["metadata"]["recoup"]["layer"].as_u64() {
            Some(layer) => drop(layers.insert(name, layer)),
            None => problems.push(format!(
                "{name}: no layer: its Cargo.toml needs [package.metadata.recoup] layer = N"
            )),
        }
    }
    for package in crates() {
        let name = text(&package["name"]);
        let excepted = package["metadata"]["recoup"]["stands-on"].as_array();
        for dependency in package["dependencies"].as_array().unwrap_or(&empty) {
            let is_dev = dependency["kind"] == "dev";
            let below = text(&dependency["name"]);
            let is_excepted = excepted.is_some_and(|list| list.iter().any(|name| name == below));
            if let (Some(&upper), Some(&lower), false) =
                (layers.get(name), layers.get(below), is_dev)
            {
                check_edge((name, upper), (below, lower), is_excepted, problems);
            }
        }
    }
}

/// Siblings may be built upon where the manifest says so; never the layers above.
fn check_edge(
    upper: (&str, u64),
    lower: (&str, u64),
    is_excepted: bool,
    problems: &mut Vec<String>,
) {
    let (name, layer) = upper;
    let (below, below_layer) = lower;
    if below_layer == TEST_LAYER {
        problems.push(format!(
            "{name}: {below} is for tests: only a dev-dependency"
        ));
    } else if below_layer > layer || (below_layer == layer && !is_excepted) {
        problems.push(format!(
            "{name} (layer {layer}) depends on {below} (layer {below_layer}): only lower layers"
        ));
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn problems(upper: u64, lower: u64, kind: Option<&str>) -> Vec<String> {
        let package = |name: &str, layer: u64, dependencies: Value| json!({"name": name, "metadata": {"recoup": {"layer": layer}}, "dependencies": dependencies});
        let dependency = json!([{"name": "low", "kind": kind}]);
        let packages = [
            package("up", upper, dependency),
            package("low", lower, json!([])),
        ];
        let mut problems = Vec::new();
        check(&json!({"packages": packages}), &mut problems);
        problems
    }

    #[test]
    fn arrows_point_down() {
        assert!(problems(2, 1, None).is_empty());
        assert_eq!(problems(1, 1, None).len(), 1);
        assert_eq!(problems(1, 2, Some("build")).len(), 1);
        assert_eq!(problems(5, 9, None).len(), 1);
        assert!(problems(1, 9, Some("dev")).is_empty());
    }

    #[test]
    fn a_stated_sibling_is_no_problem() {
        let package = |name: &str, stands_on: Value, dependencies: Value| json!({"name": name, "metadata": {"recoup": {"layer": 4, "stands-on": stands_on}}, "dependencies": dependencies});
        let dependency = json!([{"name": "b", "kind": null}]);
        for (stated, count) in [(json!(["b"]), 0), (json!(["c"]), 1), (json!([]), 1)] {
            let packages = [
                package("a", stated, dependency.clone()),
                package("b", json!([]), json!([])),
            ];
            let mut problems = Vec::new();
            check(&json!({"packages": packages}), &mut problems);
            assert_eq!(problems.len(), count);
        }
    }
}
