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

    /// Forgets every node that the map below `root` does not need.
    pub(crate) fn retain(&self, root: Option<BlobId>) {
        let mut nodes = self.lock();
        let mut needed = HashMap::new();
        let mut open: Vec<BlobId> = root.into_iter().collect();
        while let Some(id) = open.pop() {
            // What is stored is not in memory, and neither is anything beneath it.
            let Some(node) = nodes.remove(&id) else {
                continue;
            };
            if !node.is_leaf() {
                open.extend((0..node.len()).map(|at| node.child(at).id));
            }
            needed.insert(id, node);
        }
        *nodes = needed;
    }

    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<BlobId, Arc<Node>>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
