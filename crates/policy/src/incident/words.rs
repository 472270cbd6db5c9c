//! A verdict, and numbers in people's words.

use model::Level;
use model::key::to_path;

use super::limits::{HOUR, MINUTE, SECOND};
use super::mark::Mark;

/// How bad a set of marks is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) level: Level,
    pub(super) rule: &'static str,
    pub(super) about: String,
}

/// The worse of two; of equals the first.
pub(super) fn worse(one: Option<Verdict>, other: Option<Verdict>) -> Option<Verdict> {
    match (one, other) {
        (Some(one), Some(other)) if other.level > one.level => Some(other),
        (None, other) => other,
        (one, _) => one,
    }
}

/// A directory as people name it.
pub(super) fn place(dir: &[u8]) -> String {
    if dir.is_empty() {
        return "the root".to_owned();
    }
    String::from_utf8_lossy(&to_path(dir)).into_owned()
}

/// A share with one decimal.
pub(super) fn share(part: u64, whole: u64) -> String {
    let per_mille = part.saturating_mul(1000) / whole.max(1);
    format!("{}.{} %", per_mille / 10, per_mille % 10)
}

/// How long the marks took.
pub(super) fn span(marks: &[&Mark]) -> String {
    let first = marks.iter().map(|mark| mark.at).min().unwrap_or(0);
    let last = marks.iter().map(|mark| mark.at).max().unwrap_or(0);
    match last - first {
        span if span < 2 * MINUTE => format!("{} s", (span + SECOND - 1) / SECOND),
        span if span < 2 * HOUR => format!("{} min", span / MINUTE),
        span => format!("{} h", span / HOUR),
    }
}

/// Bytes with a unit.
pub(super) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let mut unit = 0;
    let mut whole = bytes;
    while whole >= 10 << 10 && unit + 1 < UNITS.len() {
        whole >>= 10;
        unit += 1;
    }
    format!("{whole} {}", UNITS[unit])
}
