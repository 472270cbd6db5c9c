//! Modules: listed in reading order, importing only what is listed before; names that say something.

use super::scan;
use super::sources::Source;

/// Names that tell nothing of what is inside.
const EMPTY_NAMES: [&str; 9] = [
    "util", "utils", "common", "helper", "helpers", "manager", "managers", "misc", "core",
];

pub(crate) fn check(sources: &[Source], problems: &mut Vec<String>) {
    for source in sources {
        for name in scan::modules(&source.code) {
            if EMPTY_NAMES.contains(&name.as_str()) {
                problems.push(format!(
                    "{}: a module called {name}: name what it owns",
                    source.path
                ));
            }
        }
        let is_root = ["/src/lib.rs", "/src/main.rs"]
            .iter()
            .any(|name| source.path.ends_with(name));
        if is_root {
            check_order(source, sources, problems);
        }
    }
}

fn check_order(root: &Source, sources: &[Source], problems: &mut Vec<String>) {
    let listed = scan::modules(&root.code);
    let folder = root.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    for (place, module) in listed.iter().enumerate() {
        let file = format!("{folder}/{module}.rs");
        let inside = format!("{folder}/{module}/");
        let own = |source: &&Source| source.path == file || source.path.starts_with(&inside);
        for source in sources.iter().filter(own).filter(|source| !source.is_test) {
            for name in scan::crate_paths(&source.code) {
                if listed[place + 1..].contains(&name) {
                    problems.push(format!(
                        "{}: imports crate::{name}, which is listed after {module} in {}",
                        source.path, root.path
                    ));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        let code = scan::without_tests(scan::code(text));
        Source {
            path: path.into(),
            text: text.into(),
            code,
            is_test: false,
        }
    }

    #[test]
    fn imports_go_up_the_list() {
        let root = source("c/src/lib.rs", "mod first;\nmod second;\nmod utils;\n");
        let first = source("c/src/first.rs", "use crate::second::Thing;");
        let second = source("c/src/second.rs", "use crate::first::Thing;");
        let mut problems = Vec::new();
        check(&[root, first, second], &mut problems);
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(problems[1].contains("crate::second") && problems[0].contains("utils"));
    }
}
