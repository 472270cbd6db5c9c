//! What differs between two maps, found without reading what is equal.
//!
//! Both trees are walked in step. At every step each side stands at the beginning of some unread
//! subtree, and of every node that was opened but not moved in yet. If any of these has the same id on
//! both sides, both skip it, whatever the shapes and heights around it. Otherwise the higher side is
//! opened, until both stand at entries, which are compared as in a merge of sorted lists.

use std::cmp::Ordering;
use std::ops::Bound;
use std::sync::Arc;

use model::BlobId;

use crate::map::{Map, MapError, first_key, is_past, open, open_child};
use crate::node::Node;
use crate::store::NodeStore;

/// A key whose value differs; `before` and `after` are not both `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The key.
    pub key: Vec<u8>,
    /// Its value in the first map.
    pub before: Option<Vec<u8>>,
    /// Its value in the second map.
    pub after: Option<Vec<u8>>,
}

/// The differences between two maps, in key order. Ends after the first error.
#[derive(Debug)]
pub struct Diff<'s, S> {
    before: Side<'s, S>,
    after: Side<'s, S>,
    from: Vec<u8>,
    to: Bound<Vec<u8>>,
    is_started: bool,
    is_done: bool,
}

/// Compares two maps of the same parameters between two keys. Reads nothing before the first step.
pub fn diff<'s, S: NodeStore>(
    before: &Map<'s, S>,
    after: &Map<'s, S>,
    from: Bound<&[u8]>,
    to: Bound<&[u8]>,
) -> Diff<'s, S> {
    Diff {
        before: Side {
            map: *before,
            frames: Vec::new(),
        },
        after: Side {
            map: *after,
            frames: Vec::new(),
        },
        from: first_key(from).unwrap_or_default(),
        to: to.map(<[u8]>::to_vec),
        is_started: false,
        is_done: before.root() == after.root(),
    }
}

impl<S: NodeStore> Iterator for Diff<'_, S> {
    type Item = Result<Difference, MapError<S::Error>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_done {
            return None;
        }
        let item = self.step().transpose();
        self.is_done = !matches!(item, Some(Ok(_)));
        item
    }
}

impl<S: NodeStore> Diff<'_, S> {
    fn step(&mut self) -> Result<Option<Difference>, MapError<S::Error>> {
        if !self.is_started {
            self.before.start(&self.from)?;
            self.after.start(&self.from)?;
            self.is_started = true;
        }
        loop {
            let to = self.to.as_ref().map(Vec::as_slice);
            self.before.settle(to);
            self.after.settle(to);
            if self.skip_equal() {
                continue;
            }
            let (before, after) = (self.before.height(), self.after.height());
            match (before, after) {
                (None, None) => return Ok(None),
                (Some(1..), _) if before >= after => self.before.open(&self.from)?,
                (_, Some(1..)) => self.after.open(&self.from)?,
                _ => {
                    if let Some(difference) = self.compare() {
                        return Ok(Some(difference));
                    }
                }
            }
        }
    }

    /// Skips the highest subtree that begins here on both sides.
    fn skip_equal(&mut self) -> bool {
        let mut levels = 0..=self.before.level_max().min(self.after.level_max());
        let equal = levels.rfind(|&level| {
            let before = self.before.beginning(level);
            before.is_some() && before == self.after.beginning(level)
        });
        if let Some(level) = equal {
            self.before.skip(level);
            self.after.skip(level);
        }
        equal.is_some()
    }

    /// Both sides stand at entries or at their end, not both at their end.
    fn compare(&mut self) -> Option<Difference> {
        let order = match (self.before.entry(), self.after.entry()) {
            (Some((before, _)), Some((after, _))) => before.cmp(after),
            (Some(_), None) => Ordering::Less,
            (None, _) => Ordering::Greater,
        };
        let before = self.before.entry().filter(|_| order.is_le());
        let after = self.after.entry().filter(|_| order.is_ge());
        let difference = if before == after {
            None
        } else {
            let key = before.or(after).map(|(key, _)| key.to_vec());
            key.map(|key| Difference {
                key,
                before: before.map(|(_, value)| value.to_vec()),
                after: after.map(|(_, value)| value.to_vec()),
            })
        };
        if order.is_le() {
            self.before.advance();
        }
        if order.is_ge() {
            self.after.advance();
        }
        difference
    }
}

/// One of the two maps and the place in it.
#[derive(Debug)]
struct Side<'s, S> {
    map: Map<'s, S>,
    /// Nodes from the root downwards; empty at the end.
    frames: Vec<Frame>,
}

#[derive(Debug)]
struct Frame {
    id: BlobId,
    node: Arc<Node>,
    /// Where the range begins in the node: as long as `index` is there, nothing was passed in it.
    start: usize,
    index: usize,
}

impl Frame {
    fn new(id: BlobId, node: Arc<Node>, from: &[u8]) -> Self {
        let start = node.lower_bound(from);
        Self {
            id,
            node,
            start,
            index: start,
        }
    }
}

impl<S: NodeStore> Side<'_, S> {
    fn start(&mut self, from: &[u8]) -> Result<(), MapError<S::Error>> {
        if let Some(id) = self.map.root() {
            let node = open(self.map.store(), id)?;
            self.frames.push(Frame::new(id, node, from));
        }
        Ok(())
    }

    /// Leaves nodes that are used up, and everything once the range is.
    fn settle(&mut self, to: Bound<&[u8]>) {
        while self
            .frames
            .last()
            .is_some_and(|frame| frame.index >= frame.node.len())
        {
            self.frames.pop();
            self.advance();
        }
        let Some(Frame { node, index, .. }) = self.frames.last() else {
            return;
        };
        let at_end = if node.is_leaf() {
            is_past(node.key(*index), to)
        } else {
            // All keys of the child exceed this one.
            *index > 0 && ends_by(node.key(*index - 1), to)
        };
        if at_end {
            self.frames.clear();
        }
    }

    fn advance(&mut self) {
        if let Some(frame) = self.frames.last_mut() {
            frame.index += 1;
        }
    }

    /// 0 at an entry, one more than its level at an unread subtree; `None` at the end.
    fn height(&self) -> Option<u8> {
        self.frames.last().map(|frame| frame.node.level())
    }

    fn level_max(&self) -> u8 {
        self.frames.first().map_or(0, |frame| frame.node.level())
    }

    /// The node of `level` that begins here.
    fn beginning(&self, level: u8) -> Option<BlobId> {
        let top = self.frames.last()?;
        if level < top.node.level() {
            let is_next = level + 1 == top.node.level();
            return is_next.then(|| top.node.child(top.index).id);
        }
        // The frames stand one level apart.
        let depth = usize::from(level - top.node.level());
        let at = self.frames.len().checked_sub(depth + 1)?;
        let untouched = self.frames[at..]
            .iter()
            .all(|frame| frame.index == frame.start);
        untouched.then(|| self.frames[at].id)
    }

    /// Moves over the node of `level` that begins here.
    fn skip(&mut self, level: u8) {
        while self
            .frames
            .last()
            .is_some_and(|frame| frame.node.level() <= level)
        {
            self.frames.pop();
        }
        self.advance();
    }

    /// Opens the subtree that stands next.
    fn open(&mut self, from: &[u8]) -> Result<(), MapError<S::Error>> {
        if let Some(Frame { node, index, .. }) = self.frames.last() {
            let above = self.frames.iter().rev().find(|frame| frame.index > 0);
            let above = above.map(|frame| frame.node.key(frame.index - 1));
            let child = open_child(self.map.store(), node, *index, above)?;
            let id = node.child(*index).id;
            self.frames.push(Frame::new(id, child, from));
        }
        Ok(())
    }

    fn entry(&self) -> Option<(&[u8], &[u8])> {
        let Frame { node, index, .. } = self.frames.last()?;
        Some((node.key(*index), node.value(*index)))
    }
}

/// Whether nothing of a range that ends so lies above `key`.
fn ends_by(key: &[u8], to: Bound<&[u8]>) -> bool {
    match to {
        Bound::Unbounded => false,
        Bound::Included(end) | Bound::Excluded(end) => key >= end,
    }
}
