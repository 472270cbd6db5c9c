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
        let above = directories_above(&nodes, live)?;
        if !above.is_empty() {
            nodes.extend(above);
            // Two sorted runs: the sort finds and merges them.
            nodes.sort_by(|one, two| one.key.cmp(&two.key));
        }
        link(&mut nodes);
    }
    Ok(nodes)
}

/// The directories above what comes back, as far as they are not of the set, up to one that is there.
fn directories_above<'c, L: LiveTree>(
    nodes: &[Node<'c>],
    live: &mut L,
) -> Result<Vec<Node<'c>>, L::Error> {
    // Asked already; the keys with an answer become nodes.
    let mut asked: BTreeMap<&[u8], Option<Node<'c>>> = BTreeMap::new();
    let mut last: Option<&[u8]> = None;
    for node in nodes.iter().filter(|node| node.comes(&node.verdict.wish)) {
        let mut above = parent(node.key.as_bytes());
        if above == last {
            continue;
        }
        last = above;
        while let Some(bytes) = above.filter(|bytes| !bytes.is_empty()) {
            if asked.contains_key(bytes) {
                break;
            }
            let place = nodes.binary_search_by(|other| other.key.as_bytes().cmp(bytes));
            let is_there = if let Ok(place) = place {
                asked.insert(bytes, None);
                !nodes[place].live.is_absent()
            } else {
                let Some(key) = PathKey::from_bytes(bytes.to_vec()).ok() else {
                    break;
                };
                let state = live.state(&key)?;
                let is_there = !state.is_absent();
                let is_dir = state.entry().is_some_and(is_dir);
                let node = (!is_dir).then(|| Node::above(key, state));
                asked.insert(bytes, node);
                is_there
            };
            if is_there {
                break;
            }
            above = parent(bytes);
        }
    }
    Ok(asked.into_values().flatten().collect())
}

/// Finds the directory of each node: nodes are in key order, so it is among those still open.
fn link(nodes: &mut [Node<'_>]) {
    let mut open: Vec<usize> = Vec::new();
    for at in 0..nodes.len() {
        let key = nodes[at].key.as_bytes();
        while let Some(&top) = open.last()
            && !nodes[top].key.contains(key)
        {
            open.pop();
        }
        let above = open.last().copied();
        let parent = above.filter(|&top| Some(nodes[top].key.as_bytes()) == parent(key));
        nodes[at].parent = parent;
        open.push(at);
    }
}

/// The place of a key among the nodes.
pub(crate) fn place(nodes: &[Node<'_>], key: &[u8]) -> Option<usize> {
    nodes
        .binary_search_by(|node| node.key.as_bytes().cmp(key))
        .ok()
}
