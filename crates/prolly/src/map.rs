//! A stored map: its root and the store that its nodes come from; single lookups and totals.

use std::ops::Bound;
use std::sync::Arc;

use model::BlobId;

use crate::node::{Child, Node};
use crate::store::{Measure, NodeStore};

/// Why a map could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MapError<E> {
    /// The store did not give a node.
    #[error("failed to read map node {id}")]
    Store {
        /// The node.
        id: BlobId,
        /// Why.
        source: E,
    },
    /// A node is sound but not what the node above it says.
    #[error("map node {id} does not fit its place: {what}")]
    Misplaced {
        /// The node.
        id: BlobId,
        /// What does not fit.
        what: &'static str,
    },
}

/// How much lies in a range of a map.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Entries.
    pub count: u64,
    /// Logical bytes that they stand for.
    pub bytes: u64,
}

/// A map in a store.
#[derive(Debug)]
pub struct Map<'s, S> {
    store: &'s S,
    root: Option<BlobId>,
}

impl<S> Clone for Map<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Map<'_, S> {}

impl<'s, S: NodeStore> Map<'s, S> {
    /// The map with this root; `None` is the empty map. Reads nothing yet.
    pub fn new(store: &'s S, root: Option<BlobId>) -> Self {
        Self { store, root }
    }

    /// The root node; `None` for the empty map.
    pub fn root(&self) -> Option<BlobId> {
        self.root
    }

    /// The value of a key.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, MapError<S::Error>> {
        let Some(mut node) = self.root_node()? else {
            return Ok(None);
        };
        loop {
            let index = node.lower_bound(key);
            if index == node.len() {
                return Ok(None);
            }
            if node.is_leaf() {
                return Ok((node.key(index) == key).then(|| node.value(index).to_vec()));
            }
            node = open_child(self.store, &node, index, None)?;
        }
    }

    /// Number of entries. Reads the root only.
    pub fn count(&self) -> Result<u64, MapError<S::Error>> {
        Ok(self.root_node()?.map_or(0, |root| root.count()))
    }

    /// Logical bytes of all entries. Reads the root only; `measure` is the one the map was built with.
    pub fn bytes(&self, measure: Measure) -> Result<u64, MapError<S::Error>> {
        self.totals(Bound::Unbounded, Bound::Unbounded, measure)
            .map(|totals| totals.bytes)
    }

    /// How much lies between two keys. Reads the nodes at the edges only; `measure` is the one the map
    /// was built with.
    pub fn totals(
        &self,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        measure: Measure,
    ) -> Result<Totals, MapError<S::Error>> {
        let mut totals = Totals::default();
        if let Some(root) = self.root_node()? {
            add(self.store, &root, (from, to), measure, &mut totals)?;
        }
        Ok(totals)
    }

    pub(crate) fn store(&self) -> &'s S {
        self.store
    }

    pub(crate) fn root_node(&self) -> Result<Option<Arc<Node>>, MapError<S::Error>> {
        self.root.map(|id| open(self.store, id)).transpose()
    }
}

/// Reads a node that stands under no other.
pub(crate) fn open<S: NodeStore>(store: &S, id: BlobId) -> Result<Arc<Node>, MapError<S::Error>> {
    store
        .node(&id)
        .map_err(|source| MapError::Store { id, source })
}

/// Reads a child of an inner node and checks that it fits. `above` is a key that all keys below `parent`
/// exceed, where one is known.
pub(crate) fn open_child<S: NodeStore>(
    store: &S,
    parent: &Node,
    index: usize,
    above: Option<&[u8]>,
) -> Result<Arc<Node>, MapError<S::Error>> {
    let Child { id, count, .. } = parent.child(index);
    let node = open(store, id)?;
    let above = if index > 0 {
        Some(parent.key(index - 1))
    } else {
        above
    };
    let what = if node.level() + 1 != parent.level() {
        "it is of another level"
    } else if node.last_key() != parent.key(index) {
        "it ends with another key"
    } else if node.count() != count {
        "it holds another number of entries"
    } else if above.is_some_and(|above| node.key(0) <= above) {
        "it begins too early"
    } else {
        return Ok(node);
    };
    Err(MapError::Misplaced { id, what })
}

/// The first key that lies in a range that begins so, or would if the map had it.
pub(crate) fn first_key(from: Bound<&[u8]>) -> Option<Vec<u8>> {
    match from {
        Bound::Unbounded => None,
        Bound::Included(key) => Some(key.to_vec()),
        Bound::Excluded(key) => Some([key, &[0]].concat()),
    }
}

/// Whether a range that ends so ends before `key`.
pub(crate) fn is_past(key: &[u8], to: Bound<&[u8]>) -> bool {
    match to {
        Bound::Unbounded => false,
        Bound::Included(end) => key > end,
        Bound::Excluded(end) => key >= end,
    }
}

/// Adds what lies in the range. A child wholly inside counts as its parent says; at most two children
/// of a node straddle an end of the range, and are read.
fn add<S: NodeStore>(
    store: &S,
    node: &Node,
    (from, to): (Bound<&[u8]>, Bound<&[u8]>),
    measure: Measure,
    totals: &mut Totals,
) -> Result<(), MapError<S::Error>> {
    let start = first_key(from).map_or(0, |key| node.lower_bound(&key));
    for index in start..node.len() {
        let key = node.key(index);
        if node.is_leaf() {
            if is_past(key, to) {
                break;
            }
            totals.count += 1;
            totals.bytes = totals.bytes.saturating_add(measure(key, node.value(index)));
            continue;
        }
        let begins_inside = index > start || from == Bound::Unbounded;
        if begins_inside && !is_past(key, to) {
            let child = node.child(index);
            totals.count = totals.count.saturating_add(child.count);
            totals.bytes = totals.bytes.saturating_add(child.bytes);
            continue;
        }
        let child = open_child(store, node, index, None)?;
        let from = if begins_inside {
            Bound::Unbounded
        } else {
            from
        };
        add(store, &child, (from, to), measure, totals)?;
        if is_past(key, to) {
            break;
        }
    }
    Ok(())
}
