//! The Rust files of the workspace, read once for all checks.

use super::scan;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

pub(crate) struct Source {
    /// Relative to the workspace, with `/` between parts.
    pub(crate) path: String,
    pub(crate) text: String,
    /// The text without comments, literals and tests; same places.
    pub(crate) code: Vec<u8>,
    /// The whole file is test code.
    pub(crate) is_test: bool,
}

pub(crate) fn read_all(root: &Path) -> Result<Vec<Source>> {
    let mut paths = Vec::new();
    for folder in ["crates", "xtask", "fuzz"] {
        if root.join(folder).exists() {
            collect(&root.join(folder), &mut paths)?;
        }
    }
    paths.sort();
    paths.iter().map(|path| read(root, path)).collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() && !path.ends_with("target") {
            collect(&path, paths)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
    Ok(())
}

fn read(root: &Path, path: &Path) -> Result<Source> {
    let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    let relative = path
        .strip_prefix(root)?
        .to_string_lossy()
        .replace('\\', "/");
    let code = scan::without_tests(scan::code(&text));
    let is_test = is_test(&relative);
    Ok(Source {
        path: relative,
        text,
        code,
        is_test,
    })
}

fn is_test(path: &str) -> bool {
    let folder = ["/tests/", "/benches/", "/fuzz_targets/"]
        .iter()
        .any(|name| path.contains(name));
    folder || path.ends_with("/tests.rs") || path.ends_with("_tests.rs")
}

impl Source {
    /// Lines that are neither below `#[cfg(test)]` nor empty at the end.
    pub(crate) fn lines(&self) -> usize {
        let all = self.text.lines().count();
        let code = scan::code(&self.text);
        let tests = scan::test_ranges(&code).into_iter();
        let in_tests: usize = tests.map(|range| self.text[range].lines().count()).sum();
        if self.is_test {
            all
        } else {
            all - in_tests.min(all)
        }
    }

    /// The text without the items below `#[cfg(test)]`: what the format document must keep up with.
    pub(crate) fn text_without_tests(&self) -> String {
        let mut text = self.text.clone();
        for range in scan::test_ranges(&scan::code(&self.text)).into_iter().rev() {
            text.replace_range(range, "");
        }
        text
    }
}
