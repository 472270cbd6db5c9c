//! Walking the entries of a map in key order, with skips that read nothing of what they skip.

use std::ops::Bound;
use std::sync::Arc;

use crate::map::{Map, MapError, first_key, is_past, open_child};
use crate::node::Node;
use crate::store::NodeStore;

/// A place in a map, moving forward. Lends the entries, so it is no [`Iterator`].
#[derive(Debug)]
pub struct Cursor<'s, S> {
    map: Map<'s, S>,
    /// Nodes from the root downwards; empty before the first move.
    frames: Vec<Frame>,
    to: Bound<Vec<u8>>,
    state: State,
}

#[derive(Debug)]
struct Frame {
    node: Arc<Node>,
    /// The entry that comes next, or (not on top) the child that the next frame is.
    index: usize,
}

#[derive(Debug)]
enum State {
    /// The root is not read yet; entries below the key are not wanted.
    Fresh(Vec<u8>),
    /// Between two entries.
    Moving,
    /// Nothing follows.
    Done,
}

impl<'s, S: NodeStore> Map<'s, S> {
    /// A cursor before the first entry.
    pub fn cursor(&self) -> Cursor<'s, S> {
        self.range(Bound::Unbounded, Bound::Unbounded)
    }

    /// A cursor over the entries between two keys.
    pub fn range(&self, from: Bound<&[u8]>, to: Bound<&[u8]>) -> Cursor<'s, S> {
        Cursor {
            map: *self,
            frames: Vec::new(),
            to: to.map(<[u8]>::to_vec),
            state: State::Fresh(first_key(from).unwrap_or_default()),
        }
    }
}

impl<S: NodeStore> Cursor<'_, S> {
    /// Moves over the next entry and lends its key and value; `None` at the end of the range. After an
    /// error the cursor is where it was.
    #[expect(clippy::type_complexity, reason = "a pair of slices needs no name")]
    #[expect(
        clippy::should_implement_trait,
        reason = "it lends, which iterators cannot"
    )]
    pub fn next(&mut self) -> Result<Option<(&[u8], &[u8])>, MapError<S::Error>> {
        self.settle()?;
        let to = self.to.as_ref().map(Vec::as_slice);
        if let (State::Moving, Some(frame)) = (&self.state, self.frames.last_mut()) {
            let index = frame.index;
            if !is_past(frame.node.key(index), to) {
                frame.index += 1;
                return Ok(Some((frame.node.key(index), frame.node.value(index))));
            }
            self.state = State::Done;
        }
        Ok(None)
    }

    /// After an error of [`Cursor::next`]: steps over the node that could not be had, and tells how many
    /// entries it should hold and which is the last of them. `None` if it is the root: nothing is left.
    pub fn skip_unreadable(&mut self) -> Option<(u64, Vec<u8>)> {
        let frame = self.frames.last_mut()?;
        if frame.node.is_leaf() || frame.index >= frame.node.len() {
            return None;
        }
        let skipped = (
            frame.node.child(frame.index).count,
            frame.node.key(frame.index).to_vec(),
        );
        frame.index += 1;
        Some(skipped)
    }

    /// Skips all entries below `key`. Never moves back. After an error, only seeking again makes sense.
    pub fn seek(&mut self, key: &[u8]) -> Result<(), MapError<S::Error>> {
        match &mut self.state {
            State::Done => return Ok(()),
            State::Fresh(from) => {
                if key > from.as_slice() {
                    *from = key.to_vec();
                }
                return self.settle();
            }
            State::Moving => {}
        }
        while self
            .frames
            .last()
            .is_some_and(|frame| frame.node.last_key() < key)
        {
            self.leave();
        }
        self.descend(Some(key))
    }

    /// Makes the top frame a leaf with an entry to come, or finds that nothing follows.
    fn settle(&mut self) -> Result<(), MapError<S::Error>> {
        match &self.state {
            State::Done => return Ok(()),
            State::Moving => {}
            State::Fresh(from) => {
                let from = from.clone();
                if self.frames.is_empty() {
                    let Some(node) = self.map.root_node()? else {
                        self.state = State::Done;
                        return Ok(());
                    };
                    self.frames.push(Frame { node, index: 0 });
                }
                self.descend(Some(&from))?;
                self.state = State::Moving;
            }
        }
        while self
            .frames
            .last()
            .is_some_and(|frame| frame.index >= frame.node.len())
        {
            self.leave();
        }
        self.descend(None)?;
        if self.frames.is_empty() {
            self.state = State::Done;
        }
        Ok(())
    }

    /// Drops the top frame and steps over it in the one beneath.
    fn leave(&mut self) {
        self.frames.pop();
        if let Some(frame) = self.frames.last_mut() {
            frame.index += 1;
        }
    }

    /// Opens children down to a leaf, passing over what lies below `key` on the way.
    fn descend(&mut self, key: Option<&[u8]>) -> Result<(), MapError<S::Error>> {
        while let Some(frame) = self.frames.last_mut() {
            if let Some(key) = key {
                frame.index = frame.index.max(frame.node.lower_bound(key));
            }
            let index = frame.index;
            if frame.node.is_leaf() || index >= frame.node.len() {
                break;
            }
            let node = frame.node.clone();
            let above = self.frames.iter().rev().find(|frame| frame.index > 0);
            let above = above.map(|frame| frame.node.key(frame.index - 1));
            let node = open_child(self.map.store(), &node, index, above)?;
            self.frames.push(Frame { node, index: 0 });
        }
        Ok(())
    }
}
