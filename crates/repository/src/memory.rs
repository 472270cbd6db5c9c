//! Map nodes that are kept in memory only.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::BlobId;
use prolly::Node;

/// Nodes in memory, by their ids.
#[derive(Debug, Default)]
pub(crate) struct NodeMemory {
    nodes: Mutex<HashMap<BlobId, Arc<Node>>>,
}

impl NodeMemory {
    pub(crate) fn get(&self, id: &BlobId) -> Option<Arc<Node>> {
        self.lock().get(id).cloned()
    }

    pub(crate) fn put(&self, id: BlobId, node: Node) {
        self.lock().insert(id, Arc::new(node));
    }

    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<BlobId, Arc<Node>>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
