//! Key-value stores: shares of a prefix deleted or overwritten, namespaces gone.
//!
//! A controller that replaces keys deletes as many as it makes, so what counts is the net loss under a
//! prefix. A mass of new values is a note (a resync writes them all); one value over many keys is not.

use std::collections::{BTreeMap, BTreeSet};

use model::{BlobId, Level};

use super::limits::{
    EMPTIED_WINDOW, HOUR, PIN_SHARE_FILES, PREFIX_KEYS, PREFIX_LARGE_KEYS, PREFIX_LARGE_SHARE,
    PREFIX_NET_KEYS, PREFIX_NET_SHARE, PREFIX_SHARE, SAME_VALUE_SHARE,
};
use super::mark::{Deed, Mark};
use super::scene::Scene;
use super::windows::{beneath, densest, times};
use super::words::{self, Verdict, worse};

pub(super) fn deleted(scene: &mut Scene<'_>, marks: &[&Mark]) -> Option<Verdict> {
    let mut found = namespace(marks);
    let created: Vec<&Mark> = scene
        .ledger
        .marks
        .values()
        .filter(|mark| mark.deed == Deed::Created)
        .collect();
    let created: BTreeMap<&[u8], Vec<&Mark>> = beneath(&created, 1).into_iter().collect();
    for (dir, gone) in beneath(marks, PIN_SHARE_FILES) {
        let (keys, _) = scene.base(dir, &gone);
        let made = created.get(dir).map_or(&[][..], Vec::as_slice);
        let net = |window| {
            let (deleted, _) = densest(&times(&gone), window);
            (deleted as u64).saturating_sub(near(&gone, made, window))
        };
        let (hour, quick) = (net(HOUR), net(EMPTIED_WINDOW));
        let is = |count: u64, least: u64, share: u64| {
            count >= least && count * 100 >= keys.saturating_mul(share)
        };
        let level = if is(hour, PREFIX_KEYS, PREFIX_SHARE)
            || is(quick, PREFIX_NET_KEYS, PREFIX_NET_SHARE)
            || is(quick, PREFIX_LARGE_KEYS, PREFIX_LARGE_SHARE)
        {
            Level::Alarm
        } else if lasting(scene, &gone) >= PREFIX_KEYS {
            Level::Notice
        } else {
            continue;
        };
        // Unusual is only what exceeds the usual of this kind of work, where that is known.
        let class = scene.actors.class(gone[0].who);
        let usual = scene
            .baselines
            .usual(&class)
            .is_some_and(|usual| hour <= usual);
        let level = if usual {
            level.min(Level::Notice)
        } else {
            level
        };
        let count = gone.len() as u64;
        let about = format!(
            "{count} of {keys} keys under {} ({}) deleted within {}, {} made",
            words::place(dir),
            words::share(count, keys),
            words::span(&gone),
            made.len(),
        );
        found = worse(
            found,
            Some(Verdict {
                level,
                rule: "deleted",
                about,
            }),
        );
    }
    found
}

/// How many of the deleted keys had not been made just before: locks come and go.
fn lasting(scene: &Scene<'_>, gone: &[&Mark]) -> u64 {
    let lasts = |mark: &&&Mark| !scene.was_temporary(mark);
    gone.iter().filter(lasts).count() as u64
}

/// How many keys were made about when these were deleted.
fn near(gone: &[&Mark], made: &[&Mark], window: i64) -> u64 {
    let first = gone.iter().map(|mark| mark.at).min().unwrap_or(0) - window;
    let last = gone.iter().map(|mark| mark.at).max().unwrap_or(0) + window;
    made.iter()
        .filter(|mark| (first..=last).contains(&mark.at))
        .count() as u64
}

/// `…/namespaces/<name>` is gone, and keys of it elsewhere too.
fn namespace(marks: &[&Mark]) -> Option<Verdict> {
    let names: BTreeSet<&[u8]> = marks
        .iter()
        .filter(|mark| {
            mark.key
                .parent()
                .is_some_and(|dir| dir.name() == b"namespaces")
        })
        .map(|mark| mark.key.name())
        .collect();
    for name in names {
        let within = |mark: &&&Mark| mark.key.names().any(|part| part == name);
        let keys = marks.iter().filter(within).count();
        if keys > 1 {
            let about = format!(
                "namespace {} deleted with {} keys",
                String::from_utf8_lossy(name),
                keys - 1
            );
            return Some(Verdict {
                level: Level::Alarm,
                rule: "deleted",
                about,
            });
        }
    }
    None
}

/// Many keys were given new values: one and the same, or each its own.
pub(super) fn overwritten(scene: &mut Scene<'_>, marks: &[&Mark]) -> Option<Verdict> {
    let mut found = None;
    let least = usize::try_from(PREFIX_KEYS).unwrap_or(usize::MAX);
    for (dir, written) in beneath(marks, least) {
        let (keys, _) = scene.base(dir, &[]);
        let (count, _) = densest(&times(&written), EMPTIED_WINDOW);
        let half = |count: usize| count as u64 * 100 >= keys.saturating_mul(SAME_VALUE_SHARE);
        let mut values: BTreeMap<BlobId, (usize, BTreeSet<Option<BlobId>>)> = BTreeMap::new();
        for mark in &written {
            if let Some(content) = mark.after.and_then(|facts| facts.content) {
                let value = values.entry(content).or_default();
                value.0 += 1;
                value.1.insert(mark.lost);
            }
        }
        let different = values.values().filter(|(_, before)| before.len() > 1);
        let same = different.map(|(count, _)| *count).max().unwrap_or(0);
        let (level, rule) = if same >= least && half(same) {
            (Level::Alarm, "same-value")
        } else if count >= least && half(count) {
            (Level::Notice, "overwritten")
        } else {
            continue;
        };
        let about = format!(
            "{} of {keys} keys under {} written over within {}, {same} with one value",
            written.len(),
            words::place(dir),
            words::span(&written)
        );
        found = worse(found, Some(Verdict { level, rule, about }));
    }
    found
}
