//! What the map asks of the outside: nodes by id, and a place for new nodes.

use std::sync::Arc;

use model::BlobId;

use crate::node::Node;

/// Where nodes are read from. Decodes with [`Node::decode`] and may keep decoded nodes.
pub trait NodeStore {
    /// Why a node could not be had.
    type Error;

    /// The node with this id.
    fn node(&self, id: &BlobId) -> Result<Arc<Node>, Self::Error>;
}

/// Where new nodes go.
pub trait NodeSink {
    /// Why a node could not be put.
    type Error;

    /// Hashes and keeps the bytes of a node, which may have been put before.
    fn put(&mut self, bytes: &[u8]) -> Result<BlobId, Self::Error>;
}

/// How many logical bytes an entry of the map stands for, given its key and value.
pub type Measure = fn(&[u8], &[u8]) -> u64;
