//! The keys that take part in an undo: those of the change set, and the directories above what comes
//! back.

use std::borrow::Cow;
use std::collections::BTreeMap;

use model::key::parent;
use model::{Change, Entry, PathKey};

use crate::change_set::ChangeSet;
use crate::equality::same_state;
use crate::live::{Live, LiveTree};
use crate::rules::Rules;
use crate::table::{Verdict, Wish, decide, is_dir};

/// A key, its three states and what the table says of it.
#[derive(Debug)]
pub(crate) struct Node<'c> {
    pub(crate) key: Cow<'c, PathKey>,
    pub(crate) before: Option<&'c Entry>,
    pub(crate) after: Option<&'c Entry>,
    pub(crate) live: Live,
    pub(crate) verdict: Verdict,
    /// Why nothing is done although the table would.
    pub(crate) spared: Option<&'static str>,
    /// Not of the change set: a directory above something that comes back.
    pub(crate) is_above: bool,
    /// Which node is the directory of this one, if that one takes part.
    pub(crate) parent: Option<usize>,
    /// The first node in this directory.
    pub(crate) first_child: Option<usize>,
    /// The next node in the same directory.
    pub(crate) next_sibling: Option<usize>,
}

impl<'c> Node<'c> {
    fn of(change: &'c Change, live: Live, rules: &Rules<'_>) -> Self {
        let (before, after) = (change.before.as_ref(), change.after.as_ref());
        let mut node = Self {
            key: Cow::Borrowed(&change.key),
            before,
            after,
            live,
            verdict: Verdict::STAY,
            spared: None,
            is_above: false,
            parent: None,
            first_child: None,
            next_sibling: None,
        };
        if matches!(node.live, Live::Unknown(_)) {
            return node;
        }
        let live = node.live.entry();
        let is_ephemeral = before.is_some_and(|before| {
            rules
                .ephemeral
                .is_some_and(|is_ephemeral| is_ephemeral(&change.key, before))
        });
        if is_ephemeral && !same_state(live, before) {
            node.spared = Some("never brought back by undo");
            return node;
        }
        node.verdict = decide(before, after, live);
        let is_settled = matches!(node.verdict.wish, Wish::Live) && node.verdict.conflict.is_none();
        if is_settled {
            node.spared = Some(if same_state(live, before) {
                "already as before"
            } else {
                "nothing of the event is left in it"
            });
        }
        node
    }

    fn above(key: PathKey, live: Live) -> Self {
        Self {
            key: Cow::Owned(key),
            before: None,
            after: None,
            live,
            verdict: Verdict::STAY,
            spared: None,
            is_above: true,
            parent: None,
            first_child: None,
            next_sibling: None,
        }
    }

    /// What a wish comes to here.
    pub(crate) fn result<'n>(&'n self, wish: &'n Wish) -> Option<&'n Entry> {
        match wish {
            Wish::Live => self.live.entry(),
            Wish::Before => self.before,
            Wish::Made(entry) => Some(entry),
        }
    }

    /// Whether something would come to where nothing stands.
    pub(crate) fn comes(&self, wish: &Wish) -> bool {
        self.live.is_absent() && self.result(wish).is_some()
    }

    /// The nodes in this directory, in the order of their names.
    pub(crate) fn children<'n>(&self, nodes: &'n [Self]) -> impl Iterator<Item = &'n Self> {
        let mut next = self.first_child;
        std::iter::from_fn(move || {
            let child = &nodes[next?];
            next = child.next_sibling;
            Some(child)
        })
    }

    /// Whether live is a directory.
    pub(crate) fn is_live_dir(&self) -> bool {
        self.live.entry().is_some_and(is_dir)
    }

    /// Whether live is there and is no directory.
    pub(crate) fn is_live_other(&self) -> bool {
        self.live.entry().is_some_and(|entry| !is_dir(entry))
    }
}

/// All nodes in key order; the first question about each key of the set.
pub(crate) fn nodes<'c, L: LiveTree>(
    changes: &'c ChangeSet,
    live: &mut L,
    rules: &Rules<'_>,
) -> Result<Vec<Node<'c>>, L::Error> {
    let mut nodes = Vec::with_capacity(changes.len());
    for change in changes.changes() {
        let state = live.state(&change.key)?;
        nodes.push(Node::of(change, state, rules));
    }
    if rules.tree {
        link(&mut nodes);
        let above = directories_above(&nodes, live)?;
        if !above.is_empty() {
            nodes.extend(above);
            // Two sorted runs: the sort finds and merges them.
            nodes.sort_by(|one, two| one.key.cmp(&two.key));
            link(&mut nodes);
        }
    }
    Ok(nodes)
}

/// The directories above what comes back, as far as they are not of the set, up to one that is there.
fn directories_above<'c, L: LiveTree>(
    nodes: &[Node<'c>],
    live: &mut L,
) -> Result<Vec<Node<'c>>, L::Error> {
    // Those asked about already; what is a directory and needs nothing is no node.
    let mut asked: BTreeMap<&[u8], Option<Node<'c>>> = BTreeMap::new();
    let mut is_climbed = vec![false; nodes.len()];
    let mut last: &[u8] = &[];
    for (at, node) in nodes.iter().enumerate() {
        if !node.comes(&node.verdict.wish) {
            continue;
        }
        let mut below = Some(at);
        let mut above = parent(node.key.as_bytes());
        while let Some(bytes) = above.filter(|bytes| !bytes.is_empty()) {
            let known = below.map_or_else(|| place(nodes, bytes), |below| nodes[below].parent);
            if let Some(known) = known {
                // What comes climbs by itself.
                let node = &nodes[known];
                let is_done = is_climbed[known] || node.comes(&node.verdict.wish);
                if is_done || !node.live.is_absent() {
                    break;
                }
                is_climbed[known] = true;
            } else {
                if bytes == last || asked.contains_key(bytes) {
                    break;
                }
                let Ok(key) = PathKey::from_bytes(bytes.to_vec()) else {
                    break;
                };
                last = bytes;
                let state = live.state(&key)?;
                let (is_absent, is_dir) = (state.is_absent(), state.entry().is_some_and(is_dir));
                asked.insert(bytes, (!is_dir).then(|| Node::above(key, state)));
                if !is_absent {
                    break;
                }
            }
            below = known;
            above = parent(bytes);
        }
    }
    Ok(asked.into_values().flatten().collect())
}

/// Finds the directory of each node and what follows in it: nodes are in key order, so the directory is
/// among those still open.
fn link(nodes: &mut [Node<'_>]) {
    // Each with the last node found in it.
    let mut open: Vec<(usize, Option<usize>)> = Vec::new();
    for at in 0..nodes.len() {
        let key = nodes[at].key.as_bytes();
        while let Some(&(top, _)) = open.last()
            && !nodes[top].key.contains(key)
        {
            open.pop();
        }
        let above = parent(key).map(<[u8]>::len);
        nodes[at].parent = None;
        nodes[at].first_child = None;
        nodes[at].next_sibling = None;
        if let Some((top, last)) = open.last_mut()
            && Some(nodes[*top].key.as_bytes().len()) == above
        {
            match last.replace(at) {
                Some(last) => nodes[last].next_sibling = Some(at),
                None => nodes[*top].first_child = Some(at),
            }
            nodes[at].parent = Some(*top);
        }
        open.push((at, None));
    }
}

/// The place of a key among the nodes.
pub(crate) fn place(nodes: &[Node<'_>], key: &[u8]) -> Option<usize> {
    nodes
        .binary_search_by(|node| node.key.as_bytes().cmp(key))
        .ok()
}
