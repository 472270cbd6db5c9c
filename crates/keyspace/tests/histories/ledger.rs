//! What the writers of a history did, revision by revision, and what undo should make of it.

use crate::Map;
use std::collections::{BTreeMap, BTreeSet};

/// A write that somebody else than the product made.
#[derive(Debug, Clone)]
pub(crate) struct Op {
    pub(crate) revision: i64,
    pub(crate) key: Vec<u8>,
    pub(crate) new: Option<Vec<u8>>,
    pub(crate) leased: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) ops: Vec<Op>,
}

impl Ledger {
    /// The state at a revision, as long as only what stands here was written.
    pub(crate) fn at(&self, revision: i64) -> Map {
        let mut map = Map::new();
        let mut ops: Vec<_> = self
            .ops
            .iter()
            .filter(|op| op.revision <= revision)
            .collect();
        ops.sort_by_key(|op| op.revision);
        for op in ops {
            match &op.new {
                Some(value) => map.insert(op.key.clone(), value.clone()),
                None => map.remove(&op.key),
            };
        }
        map
    }

    /// Keys that were bound to a lease at a revision.
    pub(crate) fn leased_at(&self, revision: i64) -> BTreeSet<Vec<u8>> {
        let mut leased = BTreeMap::new();
        let mut ops: Vec<_> = self
            .ops
            .iter()
            .filter(|op| op.revision <= revision)
            .collect();
        ops.sort_by_key(|op| op.revision);
        for op in ops {
            leased.insert(op.key.clone(), op.leased && op.new.is_some());
        }
        let bound = leased.into_iter().filter(|(_, bound)| *bound);
        bound.map(|(key, _)| key).collect()
    }

    /// The last write to a key after a revision.
    pub(crate) fn last_after(&self, key: &[u8], revision: i64) -> Option<&Op> {
        let of = |op: &&Op| op.key == key && op.revision > revision;
        self.ops.iter().filter(of).max_by_key(|op| op.revision)
    }
}

/// The merge that undo is, on whole values: what should stand there, and what is left to decide.
pub(crate) fn merged(
    before: &Map,
    after: &Map,
    live: &Map,
    leased: &BTreeSet<Vec<u8>>,
) -> (Map, BTreeSet<Vec<u8>>) {
    let mut result = live.clone();
    let mut open = BTreeSet::new();
    let keys: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    for key in keys {
        let (b, a, l) = (before.get(key), after.get(key), live.get(key));
        if b == a || l == b || leased.contains(key) {
            continue;
        }
        if l == a {
            match b {
                Some(value) => result.insert(key.clone(), value.clone()),
                None => result.remove(key),
            };
        } else if b.is_some() || l.is_some() {
            open.insert(key.clone());
        }
    }
    (result, open)
}
