//! A changed file of the format comes with a changed section of `FORMAT.md`.
//!
//! The document holds a line `<!-- PATH fnv1a64: HASH -->` beside the section that describes each file.
//! After the section was brought up to date, `cargo xtask tidy --bless` writes the new hashes.

use super::sources::Source;
use anyhow::Result;
use std::fs;
use std::path::{Path, PathBuf};

const PLACES: [&str; 3] = ["crates/format/FORMAT.md", "docs/FORMAT.md", "FORMAT.md"];
const FOLDER: &str = "crates/format/src/";
const ALSO: &str = "crates/prolly/src/node.rs";

pub(crate) fn check(root: &Path, sources: &[Source], problems: &mut Vec<String>) -> Result<()> {
    let Some(place) = document(root) else {
        problems.push(format!("FORMAT.md is missing: {}", PLACES.join(" or ")));
        return Ok(());
    };
    let text = fs::read_to_string(place)?;
    for source in described(sources) {
        let line = line(source);
        match find(&text, &source.path) {
            Some(found) if found == line => {}
            Some(_) => problems.push(format!(
                "{}: changed: bring its section of FORMAT.md up to date, then `cargo xtask tidy --bless`",
                source.path
            )),
            None => problems.push(format!("FORMAT.md: no section carries {line}")),
        }
    }
    Ok(())
}

/// Writes the current hashes into the lines that are there; returns how many changed.
pub(crate) fn bless(root: &Path, sources: &[Source]) -> Result<usize> {
    let Some(place) = document(root) else {
        return Ok(0);
    };
    let mut text = fs::read_to_string(&place)?;
    let mut changed = 0;
    for source in described(sources) {
        let line = line(source);
        if let Some(found) = find(&text, &source.path).filter(|found| *found != line) {
            text = text.replace(&found.to_owned(), &line);
            changed += 1;
        }
    }
    if changed > 0 {
        fs::write(place, text)?;
    }
    Ok(changed)
}

fn document(root: &Path) -> Option<PathBuf> {
    PLACES
        .iter()
        .map(|place| root.join(place))
        .find(|path| path.exists())
}

fn described(sources: &[Source]) -> impl Iterator<Item = &Source> {
    let in_format = |path: &str| path.starts_with(FOLDER) || path == ALSO;
    sources
        .iter()
        .filter(move |source| !source.is_test && in_format(&source.path))
}

fn line(source: &Source) -> String {
    let hash = fnv1a64(source.text_without_tests().as_bytes());
    format!("<!-- {} fnv1a64: {hash:016x} -->", source.path)
}

fn find<'a>(text: &'a str, path: &str) -> Option<&'a str> {
    let begin = format!("<!-- {path} ");
    text.lines()
        .map(str::trim)
        .find(|line| line.starts_with(&begin))
}

/// A change detector, not a seal: FNV-1a is enough and needs no dependency.
fn fnv1a64(bytes: &[u8]) -> u64 {
    let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, mix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fnv1a64_has_its_published_values() {
        assert_eq!(fnv1a64(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a64(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
