//! What an event did, key by key.

use std::collections::BTreeMap;

use model::{Change, ChangeKind, Entry, PathKey};

use crate::equality::is_change;

/// Changes in key order, each key once, none without a difference.
///
/// Two whole states are the special case [`ChangeSet::between`]. A set cut to what one culprit did is
/// better: others may have worked between the two moments, and theirs is not to be undone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChangeSet {
    changes: Vec<Change>,
}

impl ChangeSet {
    /// What differs between two states held in memory.
    pub fn between(before: &BTreeMap<PathKey, Entry>, after: &BTreeMap<PathKey, Entry>) -> Self {
        let gone_or_changed = before.iter().map(|(key, entry)| Change {
            key: key.clone(),
            before: Some(entry.clone()),
            after: after.get(key).cloned(),
        });
        let new = after.iter().filter(|(key, _)| !before.contains_key(*key));
        let new = new.map(|(key, entry)| Change {
            key: key.clone(),
            before: None,
            after: Some(entry.clone()),
        });
        gone_or_changed.chain(new).collect()
    }

    /// Only changes of these kinds.
    pub fn only(self, kinds: &[ChangeKind]) -> Self {
        self.retain(|change| kinds.contains(&change.kind()))
    }

    /// Only changes of keys that pass.
    pub fn filter(self, mut passes: impl FnMut(&PathKey) -> bool) -> Self {
        self.retain(|change| passes(&change.key))
    }

    /// The changes, in key order.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// The change of this key.
    pub fn get(&self, key: &[u8]) -> Option<&Change> {
        let place = self
            .changes
            .binary_search_by(|change| change.key.as_bytes().cmp(key));
        place.ok().map(|place| &self.changes[place])
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    fn retain(mut self, passes: impl FnMut(&Change) -> bool) -> Self {
        self.changes.retain(passes);
        self
    }
}

/// Takes changes in any order of keys. A key that comes more than once is composed, in the order given:
/// the state before its first change and the state after its last one. So the changes of several events,
/// in the order they happened in, are one event; keys that end as they began drop out.
impl FromIterator<Change> for ChangeSet {
    fn from_iter<I: IntoIterator<Item = Change>>(changes: I) -> Self {
        let mut changes: Vec<Change> = changes.into_iter().collect();
        // Stable: changes of one key keep their order.
        changes.sort_by(|one, two| one.key.cmp(&two.key));
        changes.dedup_by(|later, first| {
            let is_same_key = later.key == first.key;
            if is_same_key {
                first.after = later.after.take();
            }
            is_same_key
        });
        changes.retain(|change| is_change(change.before.as_ref(), change.after.as_ref()));
        Self { changes }
    }
}

impl IntoIterator for ChangeSet {
    type Item = Change;
    type IntoIter = std::vec::IntoIter<Change>;

    fn into_iter(self) -> Self::IntoIter {
        self.changes.into_iter()
    }
}
