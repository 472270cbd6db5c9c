//! How many files the directories held, where something is damaged.
//!
//! The share of a subtree that is lost is a share of what was there before the event. The stock answers
//! for the tree before the latest point only, so changes since a directory was first touched are taken
//! off again.

use std::collections::BTreeMap;

use model::PathKey;
use model::key::parent;

use super::ledger::Seen;
use super::limits::{DIRECTORIES_MAX, HORIZON};
use super::stock::Stock;

#[derive(Debug, Clone, Copy, Default)]
struct Directory {
    since: i64,
    /// Files and bytes that came (positive) or went since then, the current point not counted.
    net: (i64, i64),
    /// What it held then, once somebody asked.
    base: Option<(u64, u64)>,
}

#[derive(Debug, Default)]
pub(super) struct Population {
    directories: BTreeMap<Vec<u8>, Directory>,
    /// What the current point brings, to be added when it is done with.
    pending: BTreeMap<Vec<u8>, (i64, i64)>,
}

impl Population {
    /// Takes up the changes of the current point. Before it, those of the last one are settled.
    pub(super) fn begin(&mut self, seen: &[Seen<'_>], now: i64) {
        for (dir, net) in std::mem::take(&mut self.pending) {
            if let Some(directory) = self.directories.get_mut(&dir) {
                directory.net.0 += net.0;
                directory.net.1 += net.1;
            }
        }
        let mut by_parent: BTreeMap<&[u8], (i64, i64)> = BTreeMap::new();
        for one in seen {
            let count = |facts: Option<model::incident::Facts>| match facts {
                Some(facts) if !facts.is_directory => (1, facts.size.cast_signed()),
                _ => (0, 0),
            };
            let (before, after) = (count(one.observed.before), count(one.observed.after));
            let Some(dir) = parent(one.observed.key.as_bytes()) else {
                continue;
            };
            let net = by_parent.entry(dir).or_default();
            net.0 += after.0 - before.0;
            net.1 += after.1.saturating_sub(before.1);
        }
        for (dir, net) in by_parent {
            let mut above = Some(dir);
            while let Some(dir) = above {
                self.touch(dir, net, now);
                above = parent(dir);
            }
        }
    }

    fn touch(&mut self, dir: &[u8], net: (i64, i64), now: i64) {
        if !self.directories.contains_key(dir) {
            if self.directories.len() >= DIRECTORIES_MAX {
                return;
            }
            let directory = Directory {
                since: now,
                ..Directory::default()
            };
            self.directories.insert(dir.to_vec(), directory);
        }
        let pending = self.pending.entry(dir.to_vec()).or_default();
        pending.0 += net.0;
        pending.1 += net.1;
    }

    /// Files and bytes that lay under `dir` before anything in the horizon touched it. A directory that
    /// is not followed (there are too many) is asked for as it is.
    pub(super) fn base(&mut self, dir: &[u8], stock: &dyn Stock) -> (u64, u64) {
        if let Some(base) = self
            .directories
            .get(dir)
            .and_then(|directory| directory.base)
        {
            return base;
        }
        let (files, bytes) =
            PathKey::from_bytes(dir.to_vec()).map_or((0, 0), |key| stock.count(&key));
        let Some(directory) = self.directories.get_mut(dir) else {
            return (files, bytes);
        };
        let base = (
            files.saturating_add_signed(directory.net.0.saturating_neg()),
            bytes.saturating_add_signed(directory.net.1.saturating_neg()),
        );
        directory.base = Some(base);
        base
    }

    /// Forgets directories followed for longer than any rule looks, but not those with damage in them:
    /// for these it would change what their loss is a share of in the middle of an event.
    pub(super) fn forget(&mut self, now: i64, is_damaged: impl Fn(&[u8]) -> bool) {
        self.directories.retain(|dir, directory| {
            if directory.since >= now - HORIZON {
                return true;
            }
            let keep = is_damaged(dir) && directory.since >= now - 2 * HORIZON;
            if !keep {
                self.pending.remove(dir);
            }
            keep
        });
    }
}
