//! Files of several types that all lost their extension at once: nothing is lost yet, but nothing finds
//! them any more, and it is how many attacks begin or end. People who rename in bulk rename files of one
//! type, or keep the extension; who sets files aside marks them as old.

use std::collections::BTreeSet;

use model::Level;

use super::limits::{MINUTE, SCRAMBLED_FILES, SCRAMBLED_TYPES};
use super::mark::Mark;
use super::pairs::extension;
use super::scene::Scene;
use super::windows::{densest, times};
use super::words::{self, Verdict};

pub(super) fn weigh(_: &mut Scene<'_>, marks: &[&Mark]) -> Option<Verdict> {
    let (count, _) = densest(&times(marks), MINUTE);
    let types: BTreeSet<&[u8]> = marks
        .iter()
        .map(|mark| extension(mark.key.name()))
        .collect();
    (count >= SCRAMBLED_FILES && types.len() >= SCRAMBLED_TYPES).then(|| Verdict {
        level: Level::Alarm,
        rule: "renamed",
        about: format!(
            "{} files of {} types got another extension within {}; their contents are whole",
            marks.len(),
            types.len(),
            words::span(marks)
        ),
    })
}
