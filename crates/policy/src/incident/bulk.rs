//! Bulk changes that are no damage by themselves: shown, never an alarm.

use model::Level;

use super::limits::{MINUTE, NOTICE_FILES, NOTICE_WINDOW, PIN_FILES};
use super::mark::Mark;
use super::scene::Scene;
use super::windows::{densest, times};
use super::words::{self, Verdict};

/// Sound new versions of many files: a checkout, a formatter, an upgrade.
pub(super) fn rewritten(_: &mut Scene<'_>, marks: &[&Mark]) -> Option<Verdict> {
    weigh(marks, "rewritten", "got new contents", true)
}

/// Damage that can be made again, or that is the orderly work of a program.
pub(super) fn regenerable(_: &mut Scene<'_>, marks: &[&Mark]) -> Option<Verdict> {
    weigh(
        marks,
        "regenerable",
        "removed or changed that can be made again or were replaced in order",
        false,
    )
}

fn weigh(marks: &[&Mark], rule: &'static str, what: &str, pins: bool) -> Option<Verdict> {
    let times = times(marks);
    let level = if densest(&times, NOTICE_WINDOW).0 as u64 >= NOTICE_FILES {
        Level::Notice
    } else if pins && densest(&times, MINUTE).0 >= PIN_FILES {
        Level::Pin
    } else {
        return None;
    };
    Some(Verdict {
        level,
        rule,
        about: format!("{} files {what} within {}", marks.len(), words::span(marks)),
    })
}
