//! Sweeps over mode, owner and attributes.
//!
//! A sweep alone is a notice: `chown -R` of a directory that moves to another user is honest work, and
//! can be undone by another. It is an alarm where it destroys knowledge: many keys that had several
//! kinds of metadata have fewer now, as after `chmod -R 777`, and nothing but a backup can tell what was
//! executable or private.

use std::collections::BTreeSet;

use model::Level;

use super::limits::{ALARM_SHARE, HOUR, NOTICE_RESTYLED, NOTICE_WINDOW, PIN_FILES, SUBTREE_FILES};
use super::mark::Mark;
use super::scene::Scene;
use super::windows::{beneath, densest, times};
use super::words::{self, Verdict, worse};

pub(super) fn weigh(scene: &mut Scene<'_>, marks: &[&Mark]) -> Option<Verdict> {
    let (count, _) = densest(&times(marks), NOTICE_WINDOW);
    let verdict = |level, why: String| Verdict {
        level,
        rule: "metadata",
        about: format!(
            "mode, owner or attributes of {} keys changed within {}{why}",
            marks.len(),
            words::span(marks)
        ),
    };
    let mut found = match count {
        NOTICE_RESTYLED.. => Some(verdict(Level::Notice, String::new())),
        PIN_FILES.. => Some(verdict(Level::Pin, String::new())),
        _ => None,
    };
    let least = usize::try_from(SUBTREE_FILES).unwrap_or(usize::MAX);
    for (dir, swept) in beneath(marks, least) {
        let (files, _) = scene.base(dir, &[]);
        let (count, _) = densest(&times(&swept), HOUR);
        let enough = count as u64 >= SUBTREE_FILES
            && count as u64 * 100 >= files.saturating_mul(ALARM_SHARE);
        if enough && let Some((before, after)) = collapsed(&swept) {
            let why = format!(
                "; under {} {before} kinds became {after}",
                words::place(dir)
            );
            found = worse(found, Some(verdict(Level::Alarm, why)));
        }
    }
    found
}

/// How many kinds of metadata there were and are, if there are fewer.
fn collapsed(marks: &[&Mark]) -> Option<(usize, usize)> {
    let kinds = |facts: fn(&Mark) -> Option<u64>| {
        marks
            .iter()
            .filter_map(|mark| facts(mark))
            .collect::<BTreeSet<_>>()
            .len()
    };
    let before = kinds(|mark| mark.before.map(|facts| facts.metadata));
    let after = kinds(|mark| mark.after.map(|facts| facts.metadata));
    (after < before).then_some((before, after))
}
