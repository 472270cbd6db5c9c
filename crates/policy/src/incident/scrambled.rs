//! Contents that became random: encrypted in place, or written anew as noise and the old removed.

use std::collections::BTreeMap;

use model::Level;

use super::limits::{
    DAY, MINUTE, SCRAMBLED_FILES, SCRAMBLED_SIGNED, SCRAMBLED_TYPES, STOCK_FILES, STOCK_SHARE,
    SUBTREE_FILES,
};
use super::mark::Mark;
use super::pairs::extension;
use super::scene::Scene;
use super::windows::{beneath, densest, times};
use super::words::{self, Verdict, worse};

pub(super) fn weigh(scene: &mut Scene<'_>, marks: &[&Mark]) -> Option<Verdict> {
    let verdict = |level, why: String| Verdict {
        level,
        rule: "scrambled",
        about: format!(
            "{} files became random within {}{why}",
            marks.len(),
            words::span(marks)
        ),
    };
    let few = marks.len() >= SCRAMBLED_SIGNED;
    let mut found = few.then(|| verdict(Level::Pin, String::new()));
    if few && let Some((spread, count)) = spreading(scene, marks) {
        let spread = String::from_utf8_lossy(&spread).into_owned();
        found = worse(
            found,
            Some(verdict(
                Level::Alarm,
                format!("; {count} of them got the extension {spread}"),
            )),
        );
    }
    if few && scene.has_note {
        let why = "; notes of one content lie in several directories".to_owned();
        found = worse(found, Some(verdict(Level::Alarm, why)));
    }
    let types = types_in_a_minute(marks);
    if types >= SCRAMBLED_TYPES {
        found = worse(
            found,
            Some(verdict(Level::Alarm, format!("; {types} types"))),
        );
    }
    let mut largest = 0;
    for (dir, bad) in beneath(marks, STOCK_FILES) {
        let (files, _) = scene.base(dir, &bad);
        let (count, _) = densest(&times(&bad), DAY);
        let share = count as u64 * 100 >= files.saturating_mul(STOCK_SHARE);
        if count >= STOCK_FILES && files >= SUBTREE_FILES && share && count > largest {
            largest = count;
            let stock = format!(
                "; {} of {files} files under {}",
                words::share(count as u64, files),
                words::place(dir)
            );
            let stock = verdict(Level::Alarm, stock);
            found = worse(found, Some(stock));
        }
    }
    found
}

/// An extension that at least five of the files got, and that none of them bore before.
fn spreading(scene: &Scene<'_>, marks: &[&Mark]) -> Option<(Vec<u8>, usize)> {
    let mut counts: BTreeMap<&[u8], usize> = BTreeMap::new();
    for mark in marks {
        if let Some(worn) = scene.pairs.get(&mark.key).filter(|worn| !worn.is_empty()) {
            *counts.entry(worn).or_default() += 1;
        }
    }
    let (spread, count) = counts.into_iter().max_by_key(|(_, count)| *count)?;
    let new = marks
        .iter()
        .all(|mark| extension(mark.key.name()) != spread);
    (new && count >= SCRAMBLED_SIGNED).then(|| (spread.to_vec(), count))
}

/// Most types of files in any minute that holds at least twenty of them.
fn types_in_a_minute(marks: &[&Mark]) -> usize {
    let mut sorted: Vec<&&Mark> = marks.iter().collect();
    sorted.sort_by_key(|mark| mark.at);
    let mut first = 0;
    let mut best = 0;
    let mut types: BTreeMap<&[u8], usize> = BTreeMap::new();
    for (at, mark) in sorted.iter().enumerate() {
        *types.entry(extension(mark.key.name())).or_default() += 1;
        while mark.at - sorted[first].at > MINUTE {
            let gone = extension(sorted[first].key.name());
            if let Some(count) = types.get_mut(gone) {
                *count -= 1;
                if *count == 0 {
                    types.remove(gone);
                }
            }
            first += 1;
        }
        if at + 1 - first >= SCRAMBLED_FILES {
            best = best.max(types.len());
        }
    }
    best
}
