//! The tree closure: after the table was asked key by key, every parent is to be a directory.
//!
//! 1. Something comes back and its directory is gone: the directory comes too.
//! 2. Something live stays beneath what the undo wants gone or to be a file: the directory stays.
//! 3. Something comes back beneath what is no directory now, and stays: it goes beside that, in a
//!    directory of its own, with one conflict for all of it.
//!
//! Directories above are looked at first for what stands in the way, then everything deepest first.

use std::collections::BTreeSet;
use std::rc::Rc;

use model::{ConflictKind, Entry, Kind};

use crate::fate::Fate;
use crate::live::{Live, LiveTree};
use crate::node::Node;
use crate::table::{Wish, is_dir};

/// Mode of a directory that nobody remembers: its owner's alone.
const UNKNOWN_DIRECTORY_MODE: u32 = 0o700;

/// Marks what lies beneath something that stays in the way, or whose directory can't be looked at.
pub(crate) fn look_down(nodes: &[Node<'_>], fates: &mut [Fate], blocked: &BTreeSet<usize>) {
    let mut is_veiled = vec![false; nodes.len()];
    for at in 0..nodes.len() {
        let Some(above) = nodes[at].parent else {
            continue;
        };
        is_veiled[at] = is_veiled[above] || matches!(nodes[above].live, Live::Unknown(_));
        if is_veiled[at] && nodes[at].comes(&fates[at].wish) {
            fates[at] = Fate::put_off("the state of its directory is not known");
        }
        let result = nodes[above].result(&fates[above].wish);
        let is_in_the_way =
            nodes[above].is_live_other() && result.is_some_and(|entry| !is_dir(entry));
        if (fates[above].is_aside || blocked.contains(&above) || is_in_the_way)
            && nodes[at].live.is_absent()
        {
            fates[at].is_aside = true;
            fates[at].is_bent |= nodes[at].comes(&fates[at].wish);
        }
    }
}

/// What the nodes beneath ask of a directory.
#[derive(Debug, Clone, Copy, Default)]
struct Below {
    /// Something live stays.
    holds: bool,
    /// Something comes.
    needs: bool,
}

/// Applies the rules, deepest first.
pub(crate) fn look_up<L: LiveTree>(
    nodes: &[Node<'_>],
    fates: &mut [Fate],
    blocked: &BTreeSet<usize>,
    live: &mut L,
) -> Result<(), L::Error> {
    let mut below = vec![Below::default(); nodes.len()];
    for at in (0..nodes.len()).rev() {
        let (node, fate) = (&nodes[at], &mut fates[at]);
        if fate.deferred.is_some() {
            if let Some(above) = node.parent {
                below[above].holds = true;
            }
            continue;
        }
        if blocked.contains(&at) {
            block(node, fate, below[at].needs, live)?;
            continue;
        }
        let wanted = node.result(&fate.wish);
        if !wanted.is_some_and(is_dir) {
            if node.is_live_dir() {
                keep_directory(nodes, at, fate, below[at], live)?;
            } else if below[at].needs {
                make_directory(node, fate, live)?;
            }
        }
        let result = node.result(&fate.wish);
        if let (Some(above), Some(_)) = (node.parent, result) {
            if node.live.is_absent() {
                below[above].needs = true;
            } else {
                below[above].holds = true;
            }
        }
    }
    Ok(())
}

/// A name that another name of the result is one with here: what would come goes beside.
fn block<L: LiveTree>(
    node: &Node<'_>,
    fate: &mut Fate,
    is_needed: bool,
    live: &mut L,
) -> Result<(), L::Error> {
    let mut beside = node.result(&fate.wish).cloned();
    if beside.is_none() && is_needed {
        beside = Some(directory(node, live)?);
    }
    if beside.is_some() {
        fate.give_way(ConflictKind::SameName, beside);
    }
    Ok(())
}

/// Rule 2, and the root of the source, which nothing removes.
fn keep_directory<L: LiveTree>(
    nodes: &[Node<'_>],
    at: usize,
    fate: &mut Fate,
    below: Below,
    live: &mut L,
) -> Result<(), L::Error> {
    let node = &nodes[at];
    let is_root = node.key.is_root();
    if !is_root && !below.holds && !below.needs && !holds_others(nodes, at, live)? {
        return Ok(());
    }
    match node.result(&fate.wish).cloned() {
        None => {
            fate.stay();
            fate.spared = Some(if is_root {
                "the root of a source stays"
            } else {
                "holds later work"
            });
        }
        wanted => fate.give_way(ConflictKind::DirectoryInTheWay, wanted),
    }
    Ok(())
}

/// Whether a live directory holds names that take no part in the undo.
fn holds_others<L: LiveTree>(
    nodes: &[Node<'_>],
    at: usize,
    live: &mut L,
) -> Result<bool, L::Error> {
    let mut names = live.names(&nodes[at].key)?;
    names.sort_unstable();
    let mut children = nodes[at].children(nodes).peekable();
    Ok(names.into_iter().any(|name| {
        while children
            .next_if(|child| child.key.name() < name.as_slice())
            .is_some()
        {}
        children.peek().is_none_or(|child| child.key.name() != name)
    }))
}

/// Rules 1 and 3: something comes beneath what is not there or no directory.
fn make_directory<L: LiveTree>(
    node: &Node<'_>,
    fate: &mut Fate,
    live: &mut L,
) -> Result<(), L::Error> {
    let made = directory(node, live)?;
    match node.result(&fate.wish).cloned() {
        Some(_) if node.is_live_other() => {
            // What the table decided for the key itself stays decided.
            let wish = fate.wish.clone();
            fate.give_way(ConflictKind::DirectoryInTheWay, Some(made));
            fate.wish = wish;
        }
        wanted => {
            // A file is wanted as well only in a set put together from several moments.
            // What comes beside already has no place beside itself: the conflict holds it.
            let is_wanted = wanted.is_some();
            let beside = wanted.filter(|_| !fate.is_aside);
            fate.give_way(ConflictKind::DirectoryInTheWay, beside);
            fate.conflict = fate.conflict.filter(|_| is_wanted);
            fate.wish = Wish::Made(Rc::new(made));
        }
    }
    Ok(())
}

/// The directory that stood here, as well as it is known.
fn directory<L: LiveTree>(node: &Node<'_>, live: &mut L) -> Result<Entry, L::Error> {
    let known = [node.before, node.after]
        .into_iter()
        .flatten()
        .find(|entry| is_dir(entry));
    if let Some(known) = known {
        return Ok(known.clone());
    }
    let remembered = live.remembered(&node.key)?.filter(is_dir);
    Ok(remembered.unwrap_or_else(|| {
        let mut made = Entry::new(Kind::Directory);
        made.mode = UNKNOWN_DIRECTORY_MODE;
        made
    }))
}
