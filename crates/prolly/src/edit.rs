//! Batched edit: a sorted list of changes applied to a map, giving the very tree that a bulk build of
//! the new contents would give.
//!
//! The old tree is walked in step with the changes. Wherever the builder stands at the beginning of a
//! node at the same place where an old node begins, and no change falls into that node, the old node is
//! taken over unread: the boundary rule depends on nothing but what follows, so the bulk build would
//! make it again. The last node of a level ended because the map did, not by the rule; it is taken over
//! only when no change follows.

use std::iter::Peekable;

use model::BlobId;

use crate::boundary::Params;
use crate::builder::{BuildError, Builder};
use crate::map::{Map, MapError, open_child};
use crate::node::Node;
use crate::store::{Measure, NodeSink, NodeStore};

/// Why a map could not be edited: reading fails with `R`, writing with `W`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EditError<R, W> {
    /// The old map could not be read.
    #[error("failed to read the map that is edited")]
    Read {
        /// Why.
        source: MapError<R>,
    },
    /// The new map could not be built.
    #[error("failed to build the edited map")]
    Build {
        /// Why.
        source: BuildError<W>,
    },
    /// The changes were not in ascending order of their keys, or one key came twice.
    #[error("map changes out of order at key {}", key.escape_ascii())]
    Unordered {
        /// The offending key.
        key: Vec<u8>,
    },
}

impl<R, W> From<MapError<R>> for EditError<R, W> {
    fn from(source: MapError<R>) -> Self {
        Self::Read { source }
    }
}

impl<R, W> From<BuildError<W>> for EditError<R, W> {
    fn from(source: BuildError<W>) -> Self {
        Self::Build { source }
    }
}

/// Sets (`Some`) and removes (`None`) keys, given in ascending order, and returns the new root.
///
/// `params` and `measure` must be those that `map` was built with. Removing a key that is not there
/// changes nothing. Reads and writes the nodes near the changes only.
pub fn edit<S, W, K, V>(
    map: &Map<'_, S>,
    params: Params,
    measure: Measure,
    mutations: impl IntoIterator<Item = (K, Option<V>)>,
    sink: &mut W,
) -> Result<Option<BlobId>, EditError<S::Error, W::Error>>
where
    S: NodeStore,
    W: NodeSink,
    K: AsRef<[u8]>,
    V: AsRef<[u8]>,
{
    let mut mutations = mutations.into_iter().peekable();
    if mutations.peek().is_none() {
        return Ok(map.root());
    }
    let builder = Builder::new(params, measure, sink);
    let mut editor = Editor {
        store: map.store(),
        builder,
        mutations,
    };
    if let Some(root) = map.root_node()? {
        editor.node(&root, None, true)?;
    }
    while editor.mutations.peek().is_some() {
        editor.apply()?;
    }
    Ok(editor.builder.finish()?)
}

struct Editor<'a, S, W, I: Iterator> {
    store: &'a S,
    builder: Builder<'a, W>,
    mutations: Peekable<I>,
}

impl<S, W, I, K, V> Editor<'_, S, W, I>
where
    S: NodeStore,
    W: NodeSink,
    I: Iterator<Item = (K, Option<V>)>,
    K: AsRef<[u8]>,
    V: AsRef<[u8]>,
{
    /// Passes an old node on, with its changes. All its keys exceed `above`; `is_last` says that it is
    /// the last of its level. As deep as the tree is high.
    fn node(
        &mut self,
        node: &Node,
        above: Option<&[u8]>,
        is_last: bool,
    ) -> Result<(), EditError<S::Error, W::Error>> {
        for index in 0..node.len() {
            let key = node.key(index);
            if node.is_leaf() {
                self.entry(key, node.value(index))?;
            } else {
                let above = if index > 0 {
                    Some(node.key(index - 1))
                } else {
                    above
                };
                self.child(node, index, above, is_last && index + 1 == node.len())?;
            }
        }
        Ok(())
    }

    fn child(
        &mut self,
        parent: &Node,
        index: usize,
        above: Option<&[u8]>,
        is_last: bool,
    ) -> Result<(), EditError<S::Error, W::Error>> {
        let key = parent.key(index);
        let level = parent.level() - 1;
        let untouched = match self.mutations.peek() {
            None => true,
            Some((mutation, _)) => !is_last && mutation.as_ref() > key,
        };
        let reusable = untouched && self.builder.is_aligned(level);
        // The last inner node of a level may have a single child. Should it become the root, that child
        // has to be the root in its place, so it is passed on instead.
        if reusable && (!is_last || level == 0) {
            return Ok(self.builder.push_node(level, key, &parent.child(index))?);
        }
        let node = open_child(self.store, parent, index, above)?;
        if reusable && node.len() > 1 {
            return Ok(self.builder.push_node(level, key, &parent.child(index))?);
        }
        self.node(&node, above, is_last)
    }

    /// Passes an old entry on, after the changes that come before it, unless it is changed itself.
    fn entry(&mut self, key: &[u8], value: &[u8]) -> Result<(), EditError<S::Error, W::Error>> {
        while let Some((mutation, _)) = self.mutations.peek() {
            match mutation.as_ref().cmp(key) {
                std::cmp::Ordering::Less => self.apply()?,
                std::cmp::Ordering::Equal => return self.apply(),
                std::cmp::Ordering::Greater => break,
            }
        }
        Ok(self.builder.push(key, value)?)
    }

    /// Takes the next change: what it sets goes into the new map.
    fn apply(&mut self) -> Result<(), EditError<S::Error, W::Error>> {
        let Some((key, value)) = self.mutations.next() else {
            return Ok(());
        };
        if let Some((next, _)) = self.mutations.peek()
            && next.as_ref() <= key.as_ref()
        {
            return Err(EditError::Unordered {
                key: next.as_ref().to_vec(),
            });
        }
        if let Some(value) = value {
            self.builder.push(key.as_ref(), value.as_ref())?;
        }
        Ok(())
    }
}
