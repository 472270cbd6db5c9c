//! Lengths of files and functions, and the line that opens every file.
//!
//! What is too long already may stand in `xtask/tidy-allow.txt` with its length. The list only shrinks: an
//! entry that is no longer needed, or longer than its function now is, is a problem of its own.

use super::scan;
use super::sources::Source;
use std::collections::BTreeMap;

const FILE_LINES_SOFT: usize = 400;
const FILE_LINES_HARD: usize = 800;
const FUNCTION_LINES_MAX: usize = 70;

/// From the words of a line `PATH FUNCTION LINES`, or `PATH file LINES`, to the lines allowed.
pub(crate) type Allowed = BTreeMap<(String, String), usize>;

pub(crate) fn read_allowed(text: &str) -> Allowed {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let entry = |line: &str| {
        let mut words = line.split_whitespace().map(str::to_owned);
        let (path, name) = (words.next()?, words.next()?);
        Some(((path, name), words.next()?.parse().ok()?))
    };
    lines.filter_map(entry).collect()
}

pub(crate) fn check(
    sources: &[Source],
    mut allowed: Allowed,
    notes: &mut Vec<String>,
    problems: &mut Vec<String>,
) {
    for source in sources {
        if !source.text.starts_with("//!") {
            problems.push(format!(
                "{}: line one must be `//!`: what the file owns",
                source.path
            ));
        }
        if !is_table(source) {
            check_file(source, &mut allowed, notes, problems);
        }
        if !source.is_test {
            check_functions(source, &mut allowed, problems);
        }
    }
    for ((path, name), _) in allowed {
        problems.push(format!(
            "tidy-allow.txt: {path} {name} is no longer needed: remove the line"
        ));
    }
}

/// Tables and generated files may be as long as they need, if line one says what they are.
fn is_table(source: &Source) -> bool {
    let first = source.text.lines().next().unwrap_or_default();
    first.ends_with("(table)") || first.ends_with("(generated)")
}

fn check_file(
    source: &Source,
    allowed: &mut Allowed,
    notes: &mut Vec<String>,
    problems: &mut Vec<String>,
) {
    let lines = source.lines();
    if lines > FILE_LINES_HARD {
        let key = (source.path.clone(), "file".to_owned());
        let what = format!("{}: {lines} lines, at most {FILE_LINES_HARD}", source.path);
        ratchet(allowed.remove(&key), lines, &what, problems);
    } else if lines > FILE_LINES_SOFT {
        notes.push(format!("{}: {lines} lines", source.path));
    }
}

fn check_functions(source: &Source, allowed: &mut Allowed, problems: &mut Vec<String>) {
    for function in scan::functions(&source.code) {
        if function.lines > FUNCTION_LINES_MAX {
            let (path, name) = (&source.path, &function.name);
            let what = format!(
                "{path}:{}: {name} has {} lines, at most {FUNCTION_LINES_MAX}",
                function.line, function.lines
            );
            ratchet(
                allowed.remove(&(path.clone(), name.clone())),
                function.lines,
                &what,
                problems,
            );
        }
    }
}

fn ratchet(allowed: Option<usize>, lines: usize, what: &str, problems: &mut Vec<String>) {
    match allowed {
        None => problems.push(what.to_owned()),
        Some(limit) if lines > limit => {
            problems.push(format!("{what}; tidy-allow.txt allows {limit}"));
        }
        Some(limit) if lines < limit => {
            problems.push(format!(
                "{what}; it shrank: lower {limit} in tidy-allow.txt"
            ));
        }
        Some(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_with(lines: usize, allowed: &str) -> usize {
        let text = format!("//! It.\nfn long() {{\n{}}}\n", "x();\n".repeat(lines - 2));
        let code = scan::without_tests(scan::code(&text));
        let source = Source {
            path: "a.rs".into(),
            text,
            code,
            is_test: false,
        };
        let mut problems = Vec::new();
        check(
            &[source],
            read_allowed(allowed),
            &mut Vec::new(),
            &mut problems,
        );
        problems.len()
    }

    #[test]
    fn the_list_only_shrinks() {
        assert_eq!(check_with(70, ""), 0);
        assert_eq!(check_with(71, ""), 1);
        assert_eq!(check_with(71, "# why\na.rs long 71"), 0);
        assert_eq!(check_with(71, "a.rs long 80"), 1);
        assert_eq!(check_with(60, "a.rs long 80"), 1);
    }
}
