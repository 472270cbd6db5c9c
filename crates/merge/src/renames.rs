//! What the event renamed, told by contents: no file ids are at hand here.
//!
//! A file that the event deleted at `x` and one that it made at `y`, equal in bytes and time, and alike
//! nothing else that it deleted or made, were one file. The live file at `y` then moves back to `x`, with
//! all that was done to it since: only the name is undone.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::rc::Rc;

use model::{ConflictKind, Content, Entry, Extent, Kind};

use crate::fate::Fate;
use crate::node::Node;
use crate::table::{Wish, merge};

/// A rename: the nodes where the file was and where the event put it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rename {
    pub(crate) old: usize,
    pub(crate) new: usize,
}

/// The renames among the nodes, in the order of the old names.
pub(crate) fn find(nodes: &[Node<'_>]) -> Vec<Rename> {
    let mut files: Vec<(&Entry, usize)> = Vec::new();
    for (at, node) in nodes.iter().enumerate() {
        let entry = match (node.before, node.after) {
            (Some(entry), None) | (None, Some(entry)) => entry,
            _ => continue,
        };
        if entry.kind == Kind::File && entry.size > 0 {
            files.push((entry, at));
        }
    }
    files.sort_by(|(one, _), (two, _)| rank(one, two));
    let alike = files.chunk_by(|(one, _), (two, _)| rank(one, two).is_eq());
    let mut renames: Vec<Rename> = alike
        .filter_map(|alike| match alike {
            &[(one, first), (two, second)] if one.same_content(two) && one.mtime == two.mtime => {
                match (nodes[first].before, nodes[second].before) {
                    (Some(_), None) => Some(Rename {
                        old: first,
                        new: second,
                    }),
                    (None, Some(_)) => Some(Rename {
                        old: second,
                        new: first,
                    }),
                    _ => None,
                }
            }
            _ => None,
        })
        .collect();
    renames.sort_by_key(|rename| rename.old);
    renames
}

/// An order in which equal contents are neighbours. Lists of stretches count as equal with their first
/// stored blob: files that differ later on are then taken for copies of each other, and not for renames.
fn rank(one: &Entry, two: &Entry) -> Ordering {
    let by_size = one.size.cmp(&two.size);
    by_size.then_with(|| first_bytes(one).cmp(&first_bytes(two)))
}

/// What [`rank`] compares of a content: how it is held, and the bytes or the id that it begins with.
fn first_bytes(entry: &Entry) -> (u8, &[u8]) {
    match &entry.content {
        Content::Empty => (0, &[]),
        Content::Inline(bytes) => (1, bytes),
        Content::Blob(id) => (2, &id.0),
        Content::ExtentList(id) => (3, &id.0),
        Content::Extents(extents) => {
            let first = extents.iter().find_map(|extent| match extent {
                Extent::Data { id, .. } => Some(&id.0[..]),
                Extent::Zeros { .. } | Extent::Hole { .. } => None,
            });
            (4, first.unwrap_or_default())
        }
    }
}

/// Moves back what can be moved: the old name is free, and a file stands at the new one. `whole` holds
/// the nodes of groups, whose files must be as they were; `blocked` those whose names are taken.
pub(crate) fn apply(
    renames: &[Rename],
    nodes: &[Node<'_>],
    fates: &mut [Fate],
    whole: &BTreeSet<usize>,
    blocked: &BTreeSet<usize>,
) {
    for &Rename { old, new } in renames {
        let (Some(before), Some(after)) = (nodes[old].before, nodes[new].after) else {
            continue;
        };
        let Some(live) = nodes[new].live.entry() else {
            continue;
        };
        let is_free = nodes[old].live.is_absent()
            && matches!(fates[old].wish, Wish::Before)
            && !fates[old].is_aside
            && !blocked.contains(&old)
            // Only a set put together from several moments has keys beneath a file.
            && !nodes.get(old + 1).is_some_and(|next| nodes[old].key.contains(next.key.as_bytes()));
        let is_as_made = matches!(fates[new].wish, Wish::Before);
        let is_edited = fates[new].conflict == Some(ConflictKind::MadeThenEdited)
            && !whole.contains(&old)
            && !whole.contains(&new);
        if !is_free || live.kind != Kind::File || !(is_as_made || is_edited) {
            continue;
        }
        let verdict = merge(before, after, live);
        let moved = match verdict.wish {
            Wish::Made(entry) => entry,
            Wish::Live | Wish::Before => Rc::new(live.clone()),
        };
        fates[old].wish = Wish::Made(moved);
        fates[old].conflict = verdict.conflict;
        fates[old].from = Some(new);
        // Before the event nothing stood there.
        fates[new].wish = Wish::Before;
        fates[new].conflict = None;
        fates[new].is_left = true;
    }
}
