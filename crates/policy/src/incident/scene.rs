//! All that a verdict may look at, and which marks each rule is about.

use std::collections::{BTreeMap, BTreeSet};

use model::{BlobId, PathKey};

use super::actors::Actors;
use super::baseline::Baselines;
use super::extensions;
use super::ledger::Ledger;
use super::limits::EMPTIED_FILES;
use super::mark::{Deed, Mark};
use super::pairs::{self, Pairs};
use super::population::Population;
use super::stock::Stock;

pub(super) struct Scene<'a> {
    pub(super) ledger: &'a Ledger,
    pub(super) actors: &'a Actors,
    pub(super) baselines: &'a Baselines,
    pub(super) population: &'a mut Population,
    pub(super) stock: &'a dyn Stock,
    pub(super) pairs: Pairs,
    pub(super) has_note: bool,
    /// Keys that were all given one content.
    pub(super) levelled: BTreeSet<&'a PathKey>,
    /// Keys that live on beside under another extension.
    pub(super) renamed: BTreeSet<&'a PathKey>,
}

impl<'a> Scene<'a> {
    pub(super) fn set(
        ledger: &'a Ledger,
        actors: &'a Actors,
        baselines: &'a Baselines,
        population: &'a mut Population,
        stock: &'a dyn Stock,
    ) -> Self {
        Self {
            ledger,
            actors,
            baselines,
            population,
            stock,
            pairs: pairs::find(ledger.marks.values(), actors),
            has_note: pairs::has_note(ledger.marks.values()),
            levelled: levelled(ledger.marks.values(), stock),
            renamed: extensions::changed(ledger.marks.values()),
        }
    }

    /// Whether the mark is a loss that nothing explains.
    pub(super) fn is_loss(&self, mark: &Mark) -> bool {
        mark.deed == Deed::Removed
            && !mark.is_directory()
            && !mark.soft
            && !mark.excused
            && !self.pairs.contains_key(&mark.key)
            && self.ledger.is_lost(mark)
            && !self.was_temporary(mark)
    }

    pub(super) fn is_scramble(&self, mark: &Mark) -> bool {
        !mark.soft && (mark.deed == Deed::Scrambled || self.pairs.contains_key(&mark.key))
    }

    pub(super) fn is_emptying(&self, mark: &Mark) -> bool {
        let emptied = mark.deed == Deed::Emptied || self.levelled.contains(&mark.key);
        emptied
            && !mark.soft
            && !mark.excused
            && (mark.deed != Deed::Emptied || self.ledger.is_lost(mark))
    }

    pub(super) fn was_temporary(&self, mark: &Mark) -> bool {
        let same = |one, other| self.actors.program(one) == self.actors.program(other);
        Ledger::was_temporary(mark, same)
    }

    /// Files and bytes that lay under `dir` before, and those that were made since and are among the
    /// damage: a share is never of less than what was damaged.
    pub(super) fn base(&mut self, dir: &[u8], damage: &[&Mark]) -> (u64, u64) {
        let (files, bytes) = self.population.base(dir, self.stock);
        let newborn = damage.iter().filter(|mark| mark.born.is_some());
        let (made, size) = newborn.fold((0, 0_u64), |sum, mark| {
            (sum.0 + 1, sum.1.saturating_add(mark.size()))
        });
        (
            files.saturating_add(made).max(damage.len() as u64),
            bytes.saturating_add(size),
        )
    }
}

/// Keys rewritten to one content in great number, which held different ones that are nowhere any more: a
/// log that begins anew lives on as `x.log.1`.
fn levelled<'a>(marks: impl Iterator<Item = &'a Mark>, stock: &dyn Stock) -> BTreeSet<&'a PathKey> {
    let mut by_content: BTreeMap<BlobId, Vec<&Mark>> = BTreeMap::new();
    for mark in marks.filter(|mark| mark.deed == Deed::Rewritten && !mark.soft && !mark.excused) {
        let lives = mark.lost.is_some_and(|content| stock.is_live(&content));
        if let Some(content) = mark
            .after
            .and_then(|facts| facts.content)
            .filter(|_| !lives)
        {
            by_content.entry(content).or_default().push(mark);
        }
    }
    let several = |marks: &Vec<&Mark>| {
        marks.len() >= EMPTIED_FILES && marks.iter().any(|mark| mark.lost != marks[0].lost)
    };
    by_content
        .into_values()
        .filter(several)
        .flatten()
        .map(|mark| &mark.key)
        .collect()
}
