//! Which inotify watch stands for which directory.
//!
//! Pure. A watch sticks to the directory, not to its name: when a directory is renamed, the keys of all
//! watches beneath change.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::files::watch::range::beneath;

#[derive(Debug, Default)]
pub(super) struct Watches {
    keys: HashMap<i32, Arc<[u8]>>,
    by_key: BTreeMap<Arc<[u8]>, i32>,
}

impl Watches {
    /// The directory of a watch.
    pub(super) fn key(&self, watch: i32) -> Option<&Arc<[u8]>> {
        self.keys.get(&watch)
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// The watch is that of this directory now. Gives back the one that was taken for it before.
    pub(super) fn set(&mut self, watch: i32, key: &[u8]) -> Option<i32> {
        let key: Arc<[u8]> = key.into();
        if let Some(old) = self.keys.insert(watch, Arc::clone(&key))
            && self.by_key.get(&old) == Some(&watch)
        {
            self.by_key.remove(&old);
        }
        let other = self
            .by_key
            .insert(key, watch)
            .filter(|&other| other != watch)?;
        self.keys.remove(&other);
        Some(other)
    }

    /// The kernel dropped the watch.
    pub(super) fn remove(&mut self, watch: i32) {
        if let Some(key) = self.keys.remove(&watch)
            && self.by_key.get(&key) == Some(&watch)
        {
            self.by_key.remove(&key);
        }
    }

    /// Takes out the watches of a directory and of all beneath, with their keys.
    pub(super) fn take_beneath(&mut self, key: &[u8]) -> Vec<(Arc<[u8]>, i32)> {
        let taken: Vec<_> = self
            .by_key
            .extract_if(beneath::<Arc<[u8]>>(key, true), |_, _| true)
            .collect();
        for (_, watch) in &taken {
            self.keys.remove(watch);
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(watches: &Watches, watch: i32) -> Option<&[u8]> {
        watches.key(watch).map(|key| &**key)
    }

    #[test]
    fn keys_follow_renames() {
        let mut watches = Watches::default();
        for (watch, key) in [&b""[..], b"a", b"a\0b", b"a-b", b"ab"]
            .into_iter()
            .enumerate()
        {
            assert_eq!(watches.set(watch as i32, key), None);
        }
        let mut taken = watches.take_beneath(b"a");
        taken.sort();
        assert_eq!(taken.len(), 2);
        assert_eq!(
            (key(&watches, 1), key(&watches, 3)),
            (None, Some(&b"a-b"[..]))
        );
        for (old, watch) in taken {
            watches.set(watch, &[b"c", &old[1..]].concat());
        }
        assert_eq!(key(&watches, 2), Some(&b"c\0b"[..]));
        // Another directory in the same place; and the one that was there somewhere else.
        assert_eq!(watches.set(9, b"c"), Some(1));
        assert_eq!(key(&watches, 1), None);
        watches.set(9, b"d");
        assert_eq!(watches.take_beneath(b"c").len(), 1);
        watches.remove(9);
        assert_eq!((key(&watches, 9), watches.len()), (None, 3));
    }
}
