//! Files truncated, filled with zeros, cut, or all given one content.

use model::Level;

use super::limits::{EMPTIED_FILES, EMPTIED_WINDOW, SCRAMBLED_SIGNED};
use super::mark::Mark;
use super::scene::Scene;
use super::windows::{densest, times};
use super::words::{self, Verdict};

pub(super) fn weigh(_: &mut Scene<'_>, marks: &[&Mark]) -> Option<Verdict> {
    let (count, _) = densest(&times(marks), EMPTIED_WINDOW);
    let level = match count {
        EMPTIED_FILES.. => Level::Alarm,
        // As few as are a sign together with others elsewhere.
        SCRAMBLED_SIGNED.. => Level::Pin,
        _ => return None,
    };
    Some(Verdict {
        level,
        rule: "emptied",
        about: format!(
            "{} files truncated, zeroed, cut or given one content within {}",
            marks.len(),
            words::span(marks)
        ),
    })
}
