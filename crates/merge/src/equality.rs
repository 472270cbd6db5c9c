//! When two states of a key count as the same.
//!
//! What people made counts: kind, bytes, link target, device, mode, owner, group and each extended
//! attribute. What follows from it, or from how it was stored, does not: a directory's time, the group
//! of hard links, whether zeros are a hole, whether the file held still while it was read. A file's time
//! follows its content: it never makes a conflict, but a change of nothing else is still a change, so
//! that an event that only touched files can be taken back.

use model::{Entry, Kind};

/// Whether both are the same in everything that counts.
pub fn same(one: &Entry, two: &Entry) -> bool {
    one.same_content(two)
        && one.mode == two.mode
        && one.uid == two.uid
        && one.gid == two.gid
        && one.xattrs == two.xattrs
}

/// Whether a key holds the same in both states; `None` is a key that is not there.
pub fn same_state(one: Option<&Entry>, two: Option<&Entry>) -> bool {
    match (one, two) {
        (Some(one), Some(two)) => same(one, two),
        (one, two) => one.is_none() && two.is_none(),
    }
}

/// Whether going from one state to the other is a change that undo can take back: all that [`same`]
/// tells apart, and the time of what is not a directory.
pub fn is_change(before: Option<&Entry>, after: Option<&Entry>) -> bool {
    !same_state(before, after) || is_touch(before, after)
}

/// Whether only the time of what is not a directory differs.
pub(crate) fn is_touch(before: Option<&Entry>, after: Option<&Entry>) -> bool {
    matches!((before, after), (Some(before), Some(after))
        if before.kind != Kind::Directory && before.mtime != after.mtime && same(before, after))
}
