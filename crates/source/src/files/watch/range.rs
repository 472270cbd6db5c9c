//! The stretch of an ordered map that a directory takes up.

use std::ops::Bound;

/// Everything beneath the directory `key`, with `key` itself if `itself` is set.
pub(super) fn beneath<K: for<'k> From<&'k [u8]>>(key: &[u8], itself: bool) -> (Bound<K>, Bound<K>) {
    if key.is_empty() {
        let from = if itself {
            Bound::Unbounded
        } else {
            Bound::Excluded(K::from(key))
        };
        return (from, Bound::Unbounded);
    }
    let ended = |byte| K::from([key, &[byte]].concat().as_slice());
    let from = if itself { K::from(key) } else { ended(0) };
    (Bound::Included(from), Bound::Excluded(ended(1)))
}
