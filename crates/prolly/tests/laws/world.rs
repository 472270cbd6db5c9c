//! A store in memory that counts, and random contents.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use model::BlobId;
use proptest::prelude::*;
use recoup_prolly::{Builder, Map, Node, NodeError, NodeSink, NodeStore, Params, edit};

pub(crate) type Contents = BTreeMap<Vec<u8>, Vec<u8>>;
pub(crate) type Batch = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

pub(crate) const SALT: [u8; 16] = *b"0123456789abcdef";

/// Small nodes, so that few entries make high trees.
pub(crate) const SMALL: Params = Params {
    salt: SALT,
    target: 400,
    min: 120,
    max: 1200,
};

#[derive(Debug, Default)]
pub(crate) struct Memory {
    pub(crate) nodes: HashMap<BlobId, Vec<u8>>,
    pub(crate) reads: Cell<usize>,
    pub(crate) puts: usize,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum MemoryError {
    #[error("no such node")]
    Missing,
    #[error(transparent)]
    Node(#[from] NodeError),
}

impl NodeStore for Memory {
    type Error = MemoryError;

    fn node(&self, id: &BlobId) -> Result<Arc<Node>, MemoryError> {
        self.reads.set(self.reads.get() + 1);
        let bytes = self.nodes.get(id).ok_or(MemoryError::Missing)?;
        Ok(Arc::new(Node::decode(bytes)?))
    }
}

impl NodeSink for Memory {
    type Error = MemoryError;

    fn put(&mut self, bytes: &[u8]) -> Result<BlobId, MemoryError> {
        let id = node_id(bytes);
        self.puts += 1;
        self.nodes.insert(id, bytes.to_vec());
        Ok(id)
    }
}

pub(crate) fn node_id(bytes: &[u8]) -> BlobId {
    BlobId(*blake3::keyed_hash(&[7; 32], bytes).as_bytes())
}

pub(crate) fn measure(_key: &[u8], value: &[u8]) -> u64 {
    value.len() as u64
}

impl Memory {
    pub(crate) fn build(&mut self, params: Params, contents: &Contents) -> Option<BlobId> {
        let mut builder = Builder::new(params, measure, self);
        for (key, value) in contents {
            builder.push(key, value).unwrap();
        }
        builder.finish().unwrap()
    }

    pub(crate) fn map(&self, root: Option<BlobId>) -> Map<'_, Self> {
        Map::new(self, root)
    }

    /// Edits, keeping old and new nodes.
    pub(crate) fn edit(
        &mut self,
        params: Params,
        root: Option<BlobId>,
        batch: &Batch,
    ) -> Option<BlobId> {
        let mut sink = Self::default();
        let batch = batch.iter().map(|(key, value)| (key, value.as_ref()));
        let root = edit(&self.map(root), params, measure, batch, &mut sink).unwrap();
        self.puts += sink.puts;
        self.nodes.extend(sink.nodes);
        root
    }
}

pub(crate) fn apply(contents: &mut Contents, batch: &Batch) {
    for (key, value) in batch {
        match value {
            Some(value) => contents.insert(key.clone(), value.clone()),
            None => contents.remove(key),
        };
    }
}

/// Numbered paths of a made-up tree.
pub(crate) fn tree(files: u32) -> Contents {
    (0..files)
        .map(|n| {
            let dir = n / 40;
            let key = format!(
                "home\0someone\0project-{:03}\0src-{dir:05}\0file-{n:07}.rs",
                dir / 50
            );
            (key.into_bytes(), n.to_le_bytes().repeat(8))
        })
        .collect()
}

/// Keys from a small world, so that they meet; now and then a long one.
pub(crate) fn key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        30 => (0u16..900).prop_map(|n| format!("dir-{:02}\0file-{n:04}", n / 30).into_bytes()),
        4 => prop::collection::vec(0u8..4, 0..5),
        1 => (0u8..8, 100usize..3000).prop_map(|(byte, len)| vec![b'd' + byte / 4; len]),
    ]
}

pub(crate) fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        9 => prop::collection::vec(any::<u8>(), 0..12),
        1 => (any::<u8>(), 0usize..2000).prop_map(|(byte, len)| vec![byte; len]),
    ]
}

pub(crate) fn contents() -> impl Strategy<Value = Contents> {
    prop_oneof![
        1 => prop::collection::btree_map(key(), value(), 0..4),
        4 => prop::collection::btree_map(key(), value(), 0..500),
    ]
}

/// Scattered changes, or a whole range removed, or rewritten.
pub(crate) fn batch() -> impl Strategy<Value = Batch> {
    let change = || prop_oneof![prop::option::of(value()), Just(None)];
    let range = (0u16..900, 0u16..900, change()).prop_map(|(from, len, value)| {
        let keys = from..from.saturating_add(len).min(900);
        keys.map(|n| {
            (
                format!("dir-{:02}\0file-{n:04}", n / 30).into_bytes(),
                value.clone(),
            )
        })
        .collect()
    });
    prop_oneof![
        4 => prop::collection::btree_map(key(), change(), 0..6),
        2 => prop::collection::btree_map(key(), change(), 0..200),
        2 => range,
    ]
}

pub(crate) fn bound() -> impl Strategy<Value = Bound<Vec<u8>>> {
    prop_oneof![
        Just(Bound::Unbounded),
        key().prop_map(Bound::Included),
        key().prop_map(Bound::Excluded),
    ]
}

/// What a sorted map holds in a range that may be empty or upside down.
pub(crate) fn within<'a>(
    contents: &'a Contents,
    from: &'a Bound<Vec<u8>>,
    to: &'a Bound<Vec<u8>>,
) -> impl Iterator<Item = (&'a Vec<u8>, &'a Vec<u8>)> {
    contents.iter().filter(move |(key, _)| {
        let after = match from {
            Bound::Unbounded => true,
            Bound::Included(from) => *key >= from,
            Bound::Excluded(from) => *key > from,
        };
        after
            && match to {
                Bound::Unbounded => true,
                Bound::Included(to) => *key <= to,
                Bound::Excluded(to) => *key < to,
            }
    })
}

pub(crate) fn slice(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    bound.as_ref().map(Vec::as_slice)
}
