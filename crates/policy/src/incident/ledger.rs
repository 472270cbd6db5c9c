//! The marks of the last day, one per key, and what is known of the contents that they lost.

use std::collections::{BTreeMap, BTreeSet};

use model::incident::Observed;
use model::{BlobId, PathKey};

use super::actors::Who;
use super::limits::{
    BEYOND_MAX, HARMFUL_MAX, HARMLESS_HORIZON, HARMLESS_MAX, HORIZON, QUIET, SECOND, TEMPORARY,
    TEMPORARY_UNKNOWN,
};
use super::mark::{self, Deed, Mark};
use super::stock::Stock;

/// Damage beyond what is kept key by key: what came in one second.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Beyond {
    pub(super) count: u64,
    pub(super) to: i64,
    pub(super) point: u64,
}

#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) marks: BTreeMap<PathKey, Mark>,
    /// Contents that were lost somewhere, and whether another key holds them.
    lost: BTreeMap<BlobId, bool>,
    /// Suspect contents that were first seen here: a second key with them is not "known" content.
    novel: BTreeMap<BlobId, i64>,
    /// What did not fit, by deed, actor and second.
    pub(super) beyond: BTreeMap<(Deed, Who, i64), Beyond>,
    /// Contents that marks of this point lost.
    unasked: Vec<BlobId>,
    /// Damage came or went since somebody asked.
    moved: bool,
    harmful: usize,
    harmless: usize,
}

/// One observation with what the detector knows around it.
pub(super) struct Seen<'a> {
    pub(super) observed: &'a Observed,
    pub(super) at: i64,
    pub(super) point: u64,
    pub(super) blurred: bool,
    pub(super) who: Who,
    pub(super) ours: bool,
}

impl Ledger {
    /// Takes one observation up. What Recoup itself did ends the event that it repairs: the answer is
    /// the finding that this key belonged to.
    pub(super) fn take(&mut self, seen: &Seen<'_>, soft: bool, stock: &dyn Stock) -> Option<u64> {
        let old = self.remove(&seen.observed.key);
        if seen.ours {
            return old.map(|mark| mark.finding).filter(|finding| *finding > 0);
        }
        self.mark(seen, old.as_ref(), soft, stock);
        None
    }

    fn mark(&mut self, seen: &Seen<'_>, old: Option<&Mark>, soft: bool, stock: &dyn Stock) {
        let observed = seen.observed;
        let recent = old.filter(|mark| {
            mark.deed.harms() || (mark.before.is_some() && seen.at - mark.at <= QUIET)
        });
        let origin = recent.map_or(observed.before, |mark| mark.before);
        let novel = observed
            .after
            .is_some_and(|facts| self.is_novel(&facts, seen.at, stock));
        let Some(deed) = mark::deed(origin.as_ref(), observed.after.as_ref(), novel) else {
            return;
        };
        let harmed = old.filter(|mark| mark.deed.harms());
        let born = match deed {
            Deed::Created => Some((seen.at, seen.who)),
            _ => old.and_then(|mark| mark.born),
        };
        let first = harmed.filter(|_| deed.harms());
        let mark = Mark {
            key: observed.key.clone(),
            at: first.map_or(seen.at, |mark| mark.at),
            point: first.map_or(seen.point, |mark| mark.point),
            blurred: first.map_or(seen.blurred, |mark| mark.blurred),
            who: first.map_or(seen.who, |mark| mark.who),
            deed,
            before: origin,
            after: observed.after,
            lost: harmed.map_or(observed.before.and_then(|facts| facts.content), |mark| {
                mark.lost
            }),
            born,
            soft,
            novel,
            excused: false,
            finding: old.map_or(0, |mark| mark.finding),
        };
        self.put(mark);
    }

    fn is_novel(&mut self, facts: &model::incident::Facts, at: i64, stock: &dyn Stock) -> bool {
        let Some(content) = facts.content.filter(|_| mark::is_suspect(facts)) else {
            return false;
        };
        if self.novel.contains_key(&content) {
            return true;
        }
        let novel = !stock.was_seen(&content);
        if novel && self.novel.len() < HARMFUL_MAX {
            self.novel.insert(content, at);
        }
        novel
    }

    fn remove(&mut self, key: &PathKey) -> Option<Mark> {
        let mark = self.marks.remove(key)?;
        if mark.deed.harms() {
            self.moved = true;
            self.harmful -= 1;
        } else {
            self.harmless -= 1;
        }
        Some(mark)
    }

    fn put(&mut self, mark: Mark) {
        if mark.deed.harms() {
            self.moved = true;
            if self.harmful >= HARMFUL_MAX {
                let second = mark.at.div_euclid(SECOND);
                let key = match self.beyond.len() < BEYOND_MAX {
                    true => (mark.deed, mark.who, second),
                    // Who and when is no longer told apart.
                    false => (mark.deed, None, 0),
                };
                let beyond = self.beyond.entry(key).or_default();
                beyond.count += 1;
                beyond.to = beyond.to.max(mark.at);
                beyond.point = beyond.point.max(mark.point);
                return;
            }
            self.harmful += 1;
            self.unasked.extend(mark.lost);
        } else {
            if self.harmless >= HARMLESS_MAX {
                return;
            }
            self.harmless += 1;
        }
        self.marks.insert(mark.key.clone(), mark);
    }

    /// Asks anew about contents that the point may have taken away or brought back. To be called when
    /// all of it was taken up.
    pub(super) fn look_for_contents(&mut self, observed: &[Observed], stock: &dyn Stock) {
        let mut touched = std::mem::take(&mut self.unasked);
        for seen in observed.iter().filter(|_| !self.lost.is_empty()) {
            let contents = [seen.before, seen.after];
            let contents = contents.iter().flatten().filter_map(|facts| facts.content);
            touched.extend(contents.filter(|content| self.lost.contains_key(content)));
        }
        touched.sort_unstable();
        touched.dedup();
        for content in touched {
            let live = stock.is_live(&content);
            self.moved |= self.lost.insert(content, live) != Some(live);
        }
    }

    /// Whether damage came or went since this was last asked.
    pub(super) fn has_moved(&mut self) -> bool {
        std::mem::take(&mut self.moved)
    }

    /// Whether what this key held is nowhere any more.
    pub(super) fn is_lost(&self, mark: &Mark) -> bool {
        mark.lost
            .is_some_and(|content| self.lost.get(&content) == Some(&false))
    }

    /// Whether the key was a temporary file.
    pub(super) fn was_temporary(mark: &Mark, same_program: impl Fn(Who, Who) -> bool) -> bool {
        mark.born.is_some_and(|(at, who)| {
            let life = mark.at - at;
            let known = who.is_some() && mark.who.is_some();
            // Scripts make their temporary files by one program and remove them by another.
            life <= TEMPORARY_UNKNOWN || (known && life <= TEMPORARY && same_program(who, mark.who))
        })
    }

    /// Forgets what is older than any rule looks, but not what belongs to a finding that lives: an event
    /// does not shrink because it lasts.
    pub(super) fn forget(&mut self, now: i64, lives: impl Fn(u64) -> bool) {
        self.marks.retain(|_, mark| {
            // A novel file of noise may be what is left of a file that was removed.
            let long = mark.deed.harms() || mark.novel;
            let horizon = if long { HORIZON } else { HARMLESS_HORIZON };
            mark.at >= now - horizon || (mark.finding > 0 && lives(mark.finding))
        });
        self.recount();
        let lost: BTreeSet<BlobId> = self.marks.values().filter_map(|mark| mark.lost).collect();
        self.lost.retain(|content, _| lost.contains(content));
        self.novel.retain(|_, at| *at >= now - HORIZON);
        self.beyond.retain(|_, beyond| beyond.to >= now - HORIZON);
    }

    /// Forgets the marks of a finding that is over and repaired.
    pub(super) fn forget_finding(&mut self, finding: u64) {
        self.marks.retain(|_, mark| mark.finding != finding);
        self.recount();
    }

    fn recount(&mut self) {
        self.harmful = self.marks.values().filter(|mark| mark.deed.harms()).count();
        self.harmless = self.marks.len() - self.harmful;
    }

    /// The actors that marks point to.
    pub(super) fn who(&self) -> BTreeSet<u32> {
        let marks = self.marks.values();
        let marked = marks.flat_map(|mark| [mark.who, mark.born.and_then(|(_, who)| who)]);
        marked
            .chain(self.beyond.keys().map(|(_, who, _)| *who))
            .flatten()
            .collect()
    }

    /// Actors have new numbers.
    pub(super) fn rename(&mut self, moved: &BTreeMap<u32, u32>) {
        let new = |who: Who| who.and_then(|who| moved.get(&who).copied());
        for mark in self.marks.values_mut() {
            mark.who = new(mark.who);
            mark.born = mark.born.map(|(at, who)| (at, new(who)));
        }
        let beyond = std::mem::take(&mut self.beyond);
        self.beyond = beyond
            .into_iter()
            .map(|((deed, who, second), beyond)| ((deed, new(who), second), beyond))
            .collect();
    }
}
