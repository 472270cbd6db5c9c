//! Two names of the result that would be one on this file system.

use std::collections::{BTreeMap, BTreeSet};

use model::PathKey;
use model::key::parent;

use crate::fate::Fate;
use crate::live::LiveTree;
use crate::node::{Node, place};
use crate::rules::Fold;

/// Folded names of a directory: those taken, and the nodes that want one.
#[derive(Debug, Default)]
struct Directory {
    taken: BTreeSet<Vec<u8>>,
    wanted: Vec<(Vec<u8>, usize)>,
}

/// The nodes that would come to a name that is taken: by something that stays, or by an earlier one.
pub(crate) fn collisions<L: LiveTree>(
    nodes: &[Node<'_>],
    fates: &[Fate],
    fold: Fold<'_>,
    live: &mut L,
) -> Result<Vec<usize>, L::Error> {
    let mut directories: BTreeMap<PathKey, Directory> = BTreeMap::new();
    for (at, node) in nodes.iter().enumerate() {
        if fates[at].is_aside || !node.comes(&fates[at].wish) {
            continue;
        }
        if let Some(above) = node.key.parent()
            && let Some(folded) = fold(&above, node.key.name())
        {
            let directory = directories.entry(above).or_default();
            directory.wanted.push((folded, at));
        }
    }
    if directories.is_empty() {
        return Ok(Vec::new());
    }
    for (node, fate) in nodes.iter().zip(fates) {
        let stays = node.live.entry().is_some() && node.result(&fate.wish).is_some();
        if let Some(above) = parent(node.key.as_bytes()).filter(|_| stays)
            && let Some((above, directory)) = find(&mut directories, above)
        {
            directory.taken.extend(fold(above, node.key.name()));
        }
    }
    let mut collisions = Vec::new();
    for (above, mut directory) in directories {
        let is_live = place(nodes, above.as_bytes()).is_none_or(|at| nodes[at].is_live_dir());
        let names = if is_live {
            live.names(&above)?
        } else {
            Vec::new()
        };
        for name in names {
            let child = above.child(&name).ok();
            let is_other = child.is_none_or(|child| place(nodes, child.as_bytes()).is_none());
            if is_other {
                directory.taken.extend(fold(&above, &name));
            }
        }
        for (folded, at) in directory.wanted {
            if !directory.taken.insert(folded) {
                collisions.push(at);
            }
        }
    }
    Ok(collisions)
}

fn find<'d>(
    directories: &'d mut BTreeMap<PathKey, Directory>,
    key: &[u8],
) -> Option<(&'d PathKey, &'d mut Directory)> {
    use std::ops::Bound::Included;
    directories
        .range_mut::<[u8], _>((Included(key), Included(key)))
        .next()
}
